/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pod's interface as the kernel sees it: asked in the sandbox, then the other end of its veth
 * in our namespace. In: the sandbox. Out: struct fw_iface. Changes nothing.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "iface.h"
#include "netns.h"

/* RFC 4291, appendix A */
static struct fw_ip eui64(const uint8_t mac[6])
{
	return (struct fw_ip){{0xfe, 0x80, 0, 0, 0, 0, 0, 0, mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe,
			       mac[3], mac[4], mac[5]}};
}

static struct fw_ip link_local_of(const struct fw_iface *iface)
{
	for (size_t i = 0; i < iface->ips.count; i++) {
		const struct fw_ip *ip = &iface->ips.ip[i];
		if (ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80)
			return *ip;
	}
	return eui64(iface->mac);
}

/* A netlink socket of the sandbox; the thread is back home when this returns. */
static int open_inside(int netns, struct fw_err *err)
{
	_cleanup_(fw_netns_leave) int home = -1;

	int r = fw_netns_enter(netns, &home, err);
	return r < 0 ? r : fw_netlink_open(err);
}

/* True when `outer`, of our namespace, is the other end of `inner`, of the sandbox: each names the
 * other. */
static bool are_ends(int netlink, int netns, const struct fw_link *inner,
		     const struct fw_link *outer)
{
	int32_t nsid = -1;

	if (strcmp(outer->kind, "veth") != 0 || outer->peer != inner->ifindex ||
	    outer->peer_nsid < 0)
		return false;
	return !fw_netlink_nsid(netlink, netns, &nsid, NULL) && nsid == outer->peer_nsid;
}

static int find_outer(int netns, const struct fw_link *inner, struct fw_link *ret_outer,
		      struct fw_err *err)
{
	if (strcmp(inner->kind, "veth") != 0 || !inner->peer)
		return -ENODEV;
	_cleanup_close_ int netlink = fw_netlink_open(err);
	if (netlink < 0)
		return netlink;
	struct fw_link outer;
	int r = fw_netlink_link_by_index(netlink, inner->peer, &outer, err);
	if (r < 0)
		return r;
	if (!are_ends(netlink, netns, inner, &outer))
		return -ENODEV;
	*ret_outer = outer;
	return 0;
}

int fw_iface_find(int netns, const char *ifname, struct fw_iface *ret_iface, struct fw_err *err)
{
	struct fw_iface iface = {0};
	struct fw_link inner, outer;

	_cleanup_close_ int inside = open_inside(netns, err);
	if (inside < 0)
		return inside;
	int r = fw_netlink_link_by_name(inside, ifname, &inner, err);
	if (r < 0)
		return r;
	if (!inner.has_mac)
		return fw_err_set(err, -EAFNOSUPPORT, "interface %s has no Ethernet address",
				  ifname);
	r = fw_netlink_ips(inside, inner.ifindex, &iface.ips, err);
	if (r < 0)
		return r;
	r = find_outer(netns, &inner, &outer, err);
	if (r < 0 && r != -ENODEV)
		return r;
	iface.in_sandbox = r == -ENODEV;
	iface.ifindex = iface.in_sandbox ? inner.ifindex : outer.ifindex;
	memcpy(iface.device, iface.in_sandbox ? inner.name : outer.name, sizeof(iface.device));
	memcpy(iface.mac, inner.mac, sizeof(iface.mac));
	iface.link_local = link_local_of(&iface);
	*ret_iface = iface;
	return 0;
}
