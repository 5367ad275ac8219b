/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Whose address is it. In: an endpoint and an address as in the packet. Out: the index of the pod's
 * own address, or that the address cannot be a source or a destination here. Looked at before any
 * state is.
 */
#ifndef FW_BPF_SOURCE_H
#define FW_BPF_SOURCE_H

#include "parse.h"

#define FW_OWN_ADDRESSES4 4
#define FW_OWN_ADDRESSES6 2

static __always_inline int fw_source_mac_own(const struct fw_endpoint *ep, const __u8 *mac)
{
	return *(const __u16 *)mac == *(const __u16 *)ep->mac &&
	       *(const __u16 *)(mac + 2) == *(const __u16 *)(ep->mac + 2) &&
	       *(const __u16 *)(mac + 4) == *(const __u16 *)(ep->mac + 4);
}

static __always_inline int fw_source_equal6(const __u8 *own, const union fw_addr *addr)
{
	const __u64 *word = (const __u64 *)own;

	return word[0] == addr->d[0] && word[1] == addr->d[1] && (addr->d[0] | addr->d[1]);
}

/* Index for fw_flow.kind, or FW_FLOW_ADDRESS_NOBODY. IPv4 comes mapped. */
FW_SUB __u32 fw_source_own(const struct fw_endpoint *ep, const union fw_addr *addr)
{
	if (!ep || !addr)
		return FW_FLOW_ADDRESS_NOBODY;
	if (fw_addr_is_mapped4(addr)) {
		__u32 ip4 = addr->w[3];

		if (!ip4)
			return FW_FLOW_ADDRESS_NOBODY;
		if (ip4 == ep->ip4_be)
			return 0;
		for (__u32 i = 0; i < FW_OWN_ADDRESSES4; i++)
			if (i < ep->ip4_more && ip4 == ep->ip4_extra_be[i])
				return i + 1;
		return FW_FLOW_ADDRESS_NOBODY;
	}
	if (fw_source_equal6(ep->ip6, addr))
		return 0;
	for (__u32 i = 0; i < FW_OWN_ADDRESSES6; i++)
		if (i < ep->ip6_more && fw_source_equal6(ep->ip6_extra[i], addr))
			return i + 1;
	if (fw_source_equal6(ep->ip6_ll, addr))
		return FW_FLOW_ADDRESS_LINK;
	return FW_FLOW_ADDRESS_NOBODY;
}

static __always_inline int fw_addr_is_group(const union fw_addr *addr)
{
	if (fw_addr_is_mapped4(addr))
		return (addr->b[12] & 0xf0) == 0xe0 || addr->w[3] == 0xffffffff;
	return addr->b[0] == 0xff;
}

static __always_inline int fw_addr_is_loopback(const union fw_addr *addr)
{
	if (fw_addr_is_mapped4(addr))
		return addr->b[12] == 127;
	return addr->d[0] == 0 && addr->d[1] == bpf_cpu_to_be64(1);
}

static __always_inline int fw_addr_is_nobody(const union fw_addr *addr)
{
	if (fw_addr_is_mapped4(addr))
		return addr->b[12] == 0;
	return addr->d[0] == 0 && addr->d[1] == 0;
}

/*
 * Addresses of a packet about to become a flow. Out: a reason, FW_REASON_NONE when they are
 * possible. What enters the pod is sent by one host (RFC 1122 3.2.1.3); what leaves it goes to no
 * loopback.
 */
static __always_inline int fw_source_possible(const struct fw_packet *p)
{
	const union fw_addr *remote = &p->key.remote;

	if (p->direction == FW_EGRESS)
		return fw_addr_is_loopback(remote) || fw_addr_is_nobody(remote) ? FW_REASON_LOOPBACK
										: FW_REASON_NONE;
	if (fw_addr_is_loopback(&p->local))
		return FW_REASON_LOOPBACK;
	return fw_addr_is_loopback(remote) || fw_addr_is_nobody(remote) || fw_addr_is_group(remote)
		       ? FW_REASON_BAD_SOURCE
		       : FW_REASON_NONE;
}

/* A pod that answers as a DHCP server (RFC 2131, RFC 8415). */
static __always_inline int fw_source_rogue_dhcp(const struct fw_packet *p)
{
	__u32 ports = (__u32)p->key.rest; /* local | remote << 16 */

	return p->direction == FW_EGRESS && p->protocol == IPPROTO_UDP &&
	       (ports == (67 | 68 << 16) || ports == (547 | 546 << 16));
}

#endif
