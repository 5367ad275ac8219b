/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The careful reading of a packet that the fast path does not take: ARP, ICMP, other protocols,
 * options, extension headers, fragments, further addresses, headers outside the linear part. In:
 * the packet from its first byte. Out: the reason of its end, or what it is to be looked up as.
 * Order: link layer, source MAC, IP, discovery, addresses, L4.
 */
#ifndef FW_BPF_ODD_H
#define FW_BPF_ODD_H

#include "icmp.h"
#include "identity.h"
#include "neighbour.h"

/* The local address: the pod's own, or on its way in a group's. */
FW_SUB int fw_odd_local(const struct fw_endpoint *ep, struct fw_packet *p)
{
	__u32 peer_class = 0, own;

	if (!ep || !p)
		return FW_REASON_SPOOFED_ADDRESS;
	own = fw_source_own(ep, &p->local);
	p->own = (__u8)own;
	if (own != FW_FLOW_ADDRESS_NOBODY)
		return FW_REASON_NONE;
	p->own = 0;
	if (p->direction == FW_EGRESS)
		return fw_addr_is_group(&p->local) || fw_addr_is_loopback(&p->local) ||
				       fw_addr_is_nobody(&p->local)
			       ? FW_REASON_BAD_SOURCE
			       : FW_REASON_SPOOFED_ADDRESS;
	if (fw_addr_is_loopback(&p->local))
		return FW_REASON_LOOPBACK;
	if (!fw_addr_is_group(&p->local) &&
	    !(fw_identity_find(&p->local, &peer_class) & FW_PEER_BROADCAST))
		return FW_REASON_NOT_OURS;
	p->own = FW_FLOW_ADDRESS_GROUP;
	return FW_REASON_NONE;
}

static __always_inline int fw_odd_ip(struct __sk_buff *skb, const struct fw_endpoint *ep,
				     struct fw_packet *p)
{
	int icmp = p->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, reason;

	if (p->family == 6 && p->protocol == icmp && !(p->flags & FW_PACKET_LATE)) {
		reason = fw_neighbour_nd(skb, ep, p);
		if (reason != FW_NEIGHBOUR_OTHER)
			return reason;
	}
	reason = fw_odd_local(ep, p);
	if (reason)
		return reason;
	if (p->flags & FW_PACKET_LATE)
		return FW_ODD_LATE;
	if (p->protocol == icmp)
		return fw_icmp(skb, ep, p);
	reason = fw_parse_l4(skb, p, p->direction == FW_EGRESS);
	if (reason)
		return reason;
	fw_odd_key(ep, p, 0);
	return FW_ODD_MEET;
}

/* Link layer, IP and extensions, ICMP, and the same again inside an ICMP error. */
#define FW_ODD_HEADERS 640

/*
 * Behind the linear part may stand memory that the sender still writes to (PACKET_TX_RING): what is
 * judged is taken out of it first, once. The fast path reads the linear part only.
 */
static __always_inline int fw_odd_pull(struct __sk_buff *skb)
{
	__u32 want = skb->len;

	if (want > FW_ODD_HEADERS)
		want = FW_ODD_HEADERS;
	return (unsigned long)skb->data + want <= (unsigned long)skb->data_end
		       ? 0
		       : bpf_skb_pull_data(skb, want);
}

FW_SUB int fw_odd(struct __sk_buff *skb, const struct fw_endpoint *ep, struct fw_packet *p)
{
	struct ethhdr eth;
	int reason;

	if (!ep || !p)
		return FW_REASON_NONE;
	p->add = 1ULL << FW_COUNT_BYTES_BITS | skb->len;
	if (fw_odd_pull(skb))
		return FW_REASON_TRUNCATED;
	if (fw_load(skb, 0, &eth, sizeof(eth)))
		return FW_REASON_TRUNCATED;
	if (skb->vlan_present || eth.h_proto == bpf_htons(ETH_P_8021Q) ||
	    eth.h_proto == bpf_htons(ETH_P_8021AD))
		return FW_REASON_VLAN;
	if (p->direction == FW_EGRESS && !fw_source_mac_own(ep, eth.h_source))
		return FW_REASON_SPOOFED_MAC;
	switch (eth.h_proto) {
	case bpf_htons(ETH_P_ARP):
		return fw_neighbour_arp(skb, ep, p);
	case bpf_htons(ETH_P_IP):
		reason = fw_parse_ip4(skb, p, ETH_HLEN, p->direction == FW_EGRESS);
		break;
	case bpf_htons(ETH_P_IPV6):
		reason = fw_parse_ip6(skb, p, ETH_HLEN, p->direction == FW_EGRESS);
		break;
	default:
		return FW_REASON_ETHERTYPE;
	}
	return reason ? reason : fw_odd_ip(skb, ep, p);
}

#endif
