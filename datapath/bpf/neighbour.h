/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * ARP, neighbour discovery and multicast listener discovery: what makes an address reachable at
 * all. They pass in any state of the endpoint, but a pod may claim only its own addresses, at its
 * own MAC, and may not play the router.
 */
#ifndef FW_BPF_NEIGHBOUR_H
#define FW_BPF_NEIGHBOUR_H

#include "source.h"

#define FW_NEIGHBOUR_OTHER   (-1) /* not a message of this file */
#define FW_NEIGHBOUR_OPTIONS 8

struct fw_arp {
	__be16 hardware, protocol;
	__u8 hardware_len, protocol_len;
	__be16 operation;
	__u8 sender_mac[6];
	__u8 sender_ip[4];
	__u8 target_mac[6];
	__u8 target_ip[4];
} __attribute__((packed));
_Static_assert(sizeof(struct fw_arp) == 28, "ARP for IPv4 over Ethernet, RFC 826");

static __always_inline int fw_neighbour_arp_reason(const struct fw_endpoint *ep,
						   const struct fw_packet *p,
						   const struct fw_arp *arp)
{
	int request = arp->operation == bpf_htons(1),
	    own_mac = fw_source_mac_own(ep, arp->sender_mac);
	union fw_addr sender = p->direction == FW_EGRESS ? p->local : p->key.remote;
	union fw_addr target = p->direction == FW_EGRESS ? p->key.remote : p->local;
	int own_sender = fw_source_own(ep, &sender) != FW_FLOW_ADDRESS_NOBODY;

	if (p->direction == FW_INGRESS) /* somebody else at one of the pod's addresses */
		return own_sender && !own_mac ? FW_REASON_SPOOFED_ARP : FW_REASON_ARP;
	if (!own_mac)
		return FW_REASON_SPOOFED_ARP;
	if (!sender.w[3]) /* a probe, RFC 5227 */
		return request && fw_source_own(ep, &target) != FW_FLOW_ADDRESS_NOBODY
			       ? FW_REASON_ARP
			       : FW_REASON_SPOOFED_ARP;
	return own_sender ? FW_REASON_ARP : FW_REASON_SPOOFED_ARP;
}

FW_SUB int fw_neighbour_arp(const struct __sk_buff *skb, const struct fw_endpoint *ep,
			    struct fw_packet *p)
{
	union fw_addr sender, target;
	struct fw_arp arp;
	__u32 ip;

	if (!ep || !p)
		return FW_REASON_BAD_NEIGHBOUR;
	if (fw_load(skb, ETH_HLEN, &arp, sizeof(arp)))
		return FW_REASON_BAD_ARP;
	if (arp.hardware != bpf_htons(1) || arp.protocol != bpf_htons(ETH_P_IP) ||
	    arp.hardware_len != 6 || arp.protocol_len != 4 ||
	    (arp.operation != bpf_htons(1) && arp.operation != bpf_htons(2)))
		return FW_REASON_BAD_ARP;
	__builtin_memcpy(&ip, arp.sender_ip, 4);
	fw_addr_map4(&sender, ip);
	__builtin_memcpy(&ip, arp.target_ip, 4);
	fw_addr_map4(&target, ip);
	p->local = p->direction == FW_EGRESS ? sender : target;
	p->key.remote = p->direction == FW_EGRESS ? target : sender;
	return fw_neighbour_arp_reason(ep, p, &arp);
}

/*
 * What leaves the pod holds no options but its own MAC (RFC 4861 4.6.1) and the nonce of duplicate
 * address detection (RFC 7527): neighbour discovery passes every policy and must carry nothing out.
 */
FW_SUB int fw_neighbour_options(const struct __sk_buff *skb, const struct fw_endpoint *ep,
				const struct fw_packet *p, __u32 offset)
{
	if (!ep || !p)
		return FW_REASON_BAD_NEIGHBOUR;
	for (int i = 0; i < FW_NEIGHBOUR_OPTIONS; i++) {
		__u8 option[8];

		if (offset >= p->end)
			return offset == p->end ? FW_REASON_NONE : FW_REASON_BAD_NEIGHBOUR;
		if (offset + 8 > p->end || fw_load(skb, offset, option, sizeof(option)) ||
		    !option[1])
			return FW_REASON_BAD_NEIGHBOUR;
		if (p->direction == FW_EGRESS) {
			if (option[1] != 1 || (option[0] != 1 && option[0] != 2 && option[0] != 14))
				return FW_REASON_BAD_NEIGHBOUR;
			if (option[0] != 14 && !fw_source_mac_own(ep, option + 2))
				return FW_REASON_SPOOFED_NEIGHBOUR;
		}
		offset += option[1] * 8u;
	}
	return offset == p->end ? FW_REASON_NONE : FW_REASON_BAD_NEIGHBOUR;
}

enum fw_neighbour_type {
	FW_NEIGHBOUR_QUERY = 130, /* to 132 and 143: multicast listeners, RFC 3810 */
	FW_NEIGHBOUR_RS = 133,
	FW_NEIGHBOUR_RA = 134,
	FW_NEIGHBOUR_NS = 135,
	FW_NEIGHBOUR_NA = 136,
	FW_NEIGHBOUR_REDIRECT = 137,
	FW_NEIGHBOUR_REPORT2 = 143,
};

/*
 * Link-scope groups, fe80::/10 and the pod's own /64. A router forwards anything else, whatever its
 * hop limit says, and an isolated pod would have a way out.
 */
static __always_inline int fw_neighbour_on_link(const struct fw_endpoint *ep,
						const union fw_addr *to)
{
	const union fw_addr *own = (const union fw_addr *)ep->ip6;

	if (fw_addr_is_group(to))
		return (to->b[1] & 0x0f) <= 2;
	return (to->b[0] == 0xfe && (to->b[1] & 0xc0) == 0x80) || to->d[0] == own->d[0];
}

/* What leaves the pod. `target` is that of NS and NA. */
static __always_inline int fw_neighbour_from(const struct fw_endpoint *ep,
					     const struct fw_packet *p, __u8 type,
					     const union fw_addr *target)
{
	int own_source = fw_source_own(ep, &p->local) != FW_FLOW_ADDRESS_NOBODY;
	int own_target = fw_source_own(ep, target) != FW_FLOW_ADDRESS_NOBODY;
	int nobody = fw_addr_is_nobody(&p->local);

	if (type == FW_NEIGHBOUR_RA || type == FW_NEIGHBOUR_REDIRECT || type == FW_NEIGHBOUR_QUERY)
		return FW_REASON_ROGUE_ROUTER;
	if (!fw_neighbour_on_link(ep, &p->key.remote) ||
	    (type == FW_NEIGHBOUR_NS && !fw_addr_is_group(&p->key.remote) &&
	     !fw_addr_equal(&p->key.remote, target)))
		return FW_REASON_BAD_NEIGHBOUR;
	if (type == FW_NEIGHBOUR_NA)
		return own_source && own_target ? FW_REASON_NEIGHBOUR : FW_REASON_SPOOFED_NEIGHBOUR;
	if (type == FW_NEIGHBOUR_NS && nobody) /* duplicate address detection, RFC 4862 5.4 */
		return own_target ? FW_REASON_NEIGHBOUR : FW_REASON_SPOOFED_NEIGHBOUR;
	return own_source || nobody ? FW_REASON_NEIGHBOUR : FW_REASON_SPOOFED_NEIGHBOUR;
}

static __always_inline int fw_neighbour_to(const struct fw_endpoint *ep, const struct fw_packet *p,
					   __u8 type, const union fw_addr *target)
{
	if (!fw_addr_is_group(&p->local) && fw_source_own(ep, &p->local) == FW_FLOW_ADDRESS_NOBODY)
		return FW_REASON_NOT_OURS;
	if (type == FW_NEIGHBOUR_NA && fw_source_own(ep, target) != FW_FLOW_ADDRESS_NOBODY)
		return FW_REASON_SPOOFED_NEIGHBOUR;
	if ((type == FW_NEIGHBOUR_RA || type == FW_NEIGHBOUR_REDIRECT) &&
	    (p->key.remote.b[0] != 0xfe || (p->key.remote.b[1] & 0xc0) != 0x80))
		return FW_REASON_BAD_NEIGHBOUR; /* routers speak from fe80::/10, RFC 4861 6.1.2
						   and 8.1 */
	return FW_REASON_NEIGHBOUR;
}

/* ICMPv6 at p->l4, not fragmented (RFC 6980). FW_NEIGHBOUR_OTHER: no message of ours. */
FW_SUB int fw_neighbour_nd(const struct __sk_buff *skb, const struct fw_endpoint *ep,
			   struct fw_packet *p)
{
	union fw_addr target = {};
	__u32 header = 8;
	__u8 head[2];
	int reason;

	if (!ep || !p)
		return FW_REASON_BAD_NEIGHBOUR;
	if (p->l4 + 8 > p->end || fw_load(skb, p->l4, head, sizeof(head)))
		return FW_NEIGHBOUR_OTHER;
	if (head[0] != FW_NEIGHBOUR_REPORT2 &&
	    (head[0] < FW_NEIGHBOUR_QUERY || head[0] > FW_NEIGHBOUR_REDIRECT))
		return FW_NEIGHBOUR_OTHER;
	p->key.rest = (__u32)head[0] << 24 | (__u32)head[1] << 16;
	if (p->flags & FW_PACKET_FRAGMENT)
		return FW_REASON_BAD_NEIGHBOUR;
	if (head[0] < FW_NEIGHBOUR_RS || head[0] == FW_NEIGHBOUR_REPORT2) {
		if (head[1] || p->hops != 1)
			return FW_REASON_BAD_NEIGHBOUR;
		return p->direction == FW_EGRESS ? fw_neighbour_from(ep, p, head[0], &target)
						 : fw_neighbour_to(ep, p, head[0], &target);
	}
	if (head[1] || p->hops != 255)
		return FW_REASON_BAD_NEIGHBOUR;
	if (head[0] == FW_NEIGHBOUR_NS || head[0] == FW_NEIGHBOUR_NA) {
		header = 24;
		if (p->l4 + header > p->end || fw_load(skb, p->l4 + 8, &target, sizeof(target)) ||
		    fw_addr_is_group(&target))
			return FW_REASON_BAD_NEIGHBOUR;
	} else if (head[0] == FW_NEIGHBOUR_RA) {
		header = 16;
	} else if (head[0] == FW_NEIGHBOUR_REDIRECT) {
		header = 40;
	}
	reason = p->direction == FW_EGRESS ? fw_neighbour_from(ep, p, head[0], &target)
					   : fw_neighbour_to(ep, p, head[0], &target);
	if (reason != FW_REASON_NEIGHBOUR)
		return reason;
	if (p->l4 + header > p->end)
		return FW_REASON_BAD_NEIGHBOUR;
	reason = fw_neighbour_options(skb, ep, p, p->l4 + header);
	return reason ? reason : FW_REASON_NEIGHBOUR;
}

#endif
