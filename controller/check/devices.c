// SPDX-License-Identifier: Apache-2.0
/*
 * veth pairs in a namespace of our own: both ends serve. In: a number. Out: interface indexes. The
 * devices are never brought up: a test run only names them.
 */
#include "check/devices.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>

static int add_pair(struct nl_sock *socket, uint32_t number, uint32_t ret_ifindexes[2],
		    struct fw_err *err)
{
	char names[2][IFNAMSIZ];
	int r;

	(void)snprintf(names[0], IFNAMSIZ, "fwa%u", number);
	(void)snprintf(names[1], IFNAMSIZ, "fwb%u", number);
	r = rtnl_link_veth_add(socket, names[0], names[1], getpid());
	if (r < 0)
		return fw_err_set(err, -EIO, "a veth pair: %s", nl_geterror(r));
	for (int i = 0; i < 2; i++) {
		ret_ifindexes[i] = if_nametoindex(names[i]);
		if (!ret_ifindexes[i])
			return fw_err_errno(err, -errno, "device %s", names[i]);
	}
	return 0;
}

int fw_devices_make(uint32_t count, uint32_t *ret_ifindexes, struct fw_err *err)
{
	struct nl_sock *socket;
	int r;

	if (unshare(CLONE_NEWNET) < 0)
		return fw_err_errno(err, -errno, "a network namespace of our own (root is needed)");
	socket = nl_socket_alloc();
	if (!socket)
		return -ENOMEM;
	r = nl_connect(socket, NETLINK_ROUTE);
	if (r < 0)
		r = fw_err_set(err, -EIO, "netlink: %s", nl_geterror(r));
	for (uint32_t i = 0; i < count && r == 0; i += 2) {
		uint32_t pair[2] = {0, 0};

		r = add_pair(socket, i / 2, pair, err);
		if (r < 0)
			break;
		ret_ifindexes[i] = pair[0];
		if (i + 1 < count)
			ret_ifindexes[i + 1] = pair[1];
	}
	nl_socket_free(socket);
	return r;
}
