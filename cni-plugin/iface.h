/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pod's interface as the kernel sees it. In: the sandbox and the interface's name. Out: its MAC
 * and addresses, and where its packets can be met: the host's end of a veth, or the interface
 * itself. prevResult is not asked where the veth is (not every plugin lists the host's end, and a
 * list can be stale); the kernel knows, and both ends are made to confirm each other.
 */
#ifndef FW_CNI_IFACE_H
#define FW_CNI_IFACE_H

#include "netlink.h"

struct fw_iface {
	uint32_t ifindex;	  /* of the device to hook: in our namespace, or in the sandbox when
				     in_sandbox */
	char device[IF_NAMESIZE]; /* its name */
	bool in_sandbox; /* no veth whose other end is in our namespace (macvlan, ipvlan, SR-IOV...)
			  */
	uint8_t mac[6];	 /* of the pod */
	struct fw_ip
		link_local; /* read, or the EUI-64 of the MAC where the sandbox has none (yet) */
	struct fw_link_ips ips; /* every address, link-local ones included */
};

/* -ENODEV: no such interface in the sandbox; -EAFNOSUPPORT: it has no Ethernet address. */
int fw_iface_find(int netns, const char *ifname, struct fw_iface *ret_iface, struct fw_err *err);

#endif
