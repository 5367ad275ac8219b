/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The four questions that the plugin asks rtnetlink. In: a socket, which answers for the network
 * namespace in which it was opened, wherever the thread goes later. Out: values. Changes nothing on
 * the system.
 */
#ifndef FW_CNI_NETLINK_H
#define FW_CNI_NETLINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ip.h"

#define FW_NETLINK_IPS_MAX 64 /* addresses of one interface that are read; more: -E2BIG */

struct fw_link {
	uint32_t ifindex;
	char name[IF_NAMESIZE];
	char kind[16]; /* "veth", "macvlan"; "" for none */
	bool has_mac;  /* a MAC of 6 bytes */
	uint8_t mac[6];
	uint32_t peer;	   /* IFLA_LINK: of a veth its other end; 0 for none */
	int32_t peer_nsid; /* name that this namespace has for the peer's; -1: the peer is in this
			      one */
};

struct fw_link_ips {
	struct fw_ip ip[FW_NETLINK_IPS_MAX];
	size_t count;
};

/* Returns a descriptor that the caller closes, or -errno. */
int fw_netlink_open(struct fw_err *err);
/* -ENODEV when there is no such device. */
int fw_netlink_link_by_name(int netlink, const char *name, struct fw_link *ret_link,
			    struct fw_err *err);
int fw_netlink_link_by_index(int netlink, uint32_t ifindex, struct fw_link *ret_link,
			     struct fw_err *err);
int fw_netlink_ips(int netlink, uint32_t ifindex, struct fw_link_ips *ret_ips, struct fw_err *err);
/* The name that the socket's namespace has for that of `netns`, -1 for none. */
int fw_netlink_nsid(int netlink, int netns, int32_t *ret_nsid, struct fw_err *err);

#endif
