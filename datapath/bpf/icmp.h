/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * ICMP and ICMPv6 but for neighbour discovery. Echo is a flow of who asked; an error passes when
 * the packet inside it belongs to an allowed flow of this pod; every other message is judged as
 * itself, by type and code.
 */
#ifndef FW_BPF_ICMP_H
#define FW_BPF_ICMP_H

#include "flow_table.h"
#include "source.h"

/* What a well-formed packet is to be looked up as. Reasons are not negative. */
enum fw_odd_next {
	FW_ODD_MEET = -1,    /* a packet with key and hash */
	FW_ODD_REPLY = -2,   /* an answer that needs its question */
	FW_ODD_RELATED = -3, /* an error about the flow of that key */
	FW_ODD_LATE = -4,    /* a fragment without ports */
};

/* Ports stand in the low half of key.rest; completes the key. */
static __always_inline void fw_odd_key(const struct fw_endpoint *ep, struct fw_packet *p, __u8 kind)
{
	p->key.rest = fw_flow_rest((__u32)p->key.rest, p->protocol, kind | p->own, ep->generation);
	p->hash = fw_flow_hash(&p->key);
}

enum fw_icmp_class {
	FW_ICMP_OTHER,
	FW_ICMP_REQUEST,
	FW_ICMP_REPLY,
	FW_ICMP_ERROR,
	FW_ICMP_ROUTER, /* redirects and router advertisements of IPv4 */
	FW_ICMP_QUENCH,
};

static __always_inline int fw_icmp_classify(__u8 family, __u8 type)
{
	if (family == 6)
		return type == 128		? FW_ICMP_REQUEST
		       : type == 129		? FW_ICMP_REPLY
		       : type >= 1 && type <= 4 ? FW_ICMP_ERROR
						: FW_ICMP_OTHER;
	switch (type) {
	case 0:
		return FW_ICMP_REPLY;
	case 8:
		return FW_ICMP_REQUEST;
	case 3:
	case 11:
	case 12:
		return FW_ICMP_ERROR;
	case 4: /* source quench, dead since RFC 6633 */
		return FW_ICMP_QUENCH;
	case 5:
	case 9:
		return FW_ICMP_ROUTER;
	}
	return FW_ICMP_OTHER;
}

/* Echo: local port = identifier, remote port = the request's type, kind says who asked. `sent`: by
 * the pod. */
static __always_inline void fw_icmp_key(const struct fw_endpoint *ep, struct fw_packet *p,
					const __u8 *head, int class, int sent)
{
	__u32 type = p->family == 6 ? 128 : 8, asked = class == FW_ICMP_REPLY ? !sent : sent;

	if (class == FW_ICMP_REQUEST || class == FW_ICMP_REPLY)
		p->key.rest = (__u32)(head[4] << 8 | head[5]) | type << 24;
	else
		p->key.rest = (__u32)head[0] << 24 | (__u32)head[1] << 16;
	fw_odd_key(ep, p, asked ? FW_FLOW_EGRESS : 0);
}

/* The key of the packet inside: everything that a flow is found by, seen from the pod. */
FW_SUB int fw_icmp_embedded(struct __sk_buff *skb, const struct fw_endpoint *ep,
			    struct fw_packet *p)
{
	int sent, reason, class;
	__u8 family, head[8];

	if (!ep || !p)
		return FW_REASON_ICMP_EMBEDDED;
	sent = p->direction == FW_INGRESS;
	family = p->family;
	p->flags |= FW_PACKET_EMBEDDED;
	p->l4 += 8;
	reason =
		family == 4 ? fw_parse_ip4(skb, p, p->l4, sent) : fw_parse_ip6(skb, p, p->l4, sent);
	if (reason || (p->flags & FW_PACKET_LATE) || p->l4 + 8 > p->end)
		return FW_REASON_ICMP_EMBEDDED;
	if (p->protocol != (family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
		if (fw_parse_l4(skb, p, sent))
			return FW_REASON_ICMP_EMBEDDED;
		fw_odd_key(ep, p, 0);
		return FW_REASON_NONE;
	}
	if (fw_load(skb, p->l4, head, sizeof(head)))
		return FW_REASON_ICMP_EMBEDDED;
	class = fw_icmp_classify(family, head[0]);
	if (class == FW_ICMP_ERROR) /* no error about an error, RFC 1122 3.2.2 */
		return FW_REASON_ICMP_EMBEDDED;
	fw_icmp_key(ep, p, head, class, sent);
	return FW_REASON_NONE;
}

/*
 * To the owner only: the packet inside is of this address, and the error goes to who sent it. The
 * key is that of the flow then; fw_icmp_outer() brings the error's own addresses back for its
 * record.
 */
static __always_inline int fw_icmp_error(struct __sk_buff *skb, const struct fw_endpoint *ep,
					 struct fw_packet *p)
{
	union fw_addr local = p->local, remote = p->key.remote;
	int reason = fw_source_possible(p);

	if (reason)
		return reason;
	reason = fw_icmp_embedded(skb, ep, p);
	if (!reason && (!fw_addr_equal(&local, &p->local) ||
			(p->direction == FW_EGRESS && !fw_addr_equal(&remote, &p->key.remote))))
		reason = FW_REASON_ICMP_EMBEDDED;
	return reason ? reason : FW_ODD_RELATED;
}

FW_SUB int fw_icmp_outer(struct __sk_buff *skb, const struct fw_endpoint *ep, struct fw_packet *p)
{
	int reason, sent;
	__u8 head[2];

	if (!ep || !p)
		return FW_REASON_ICMP_EMBEDDED;
	sent = p->direction == FW_EGRESS;
	p->flags = 0;
	reason = p->family == 4 ? fw_parse_ip4(skb, p, ETH_HLEN, sent)
				: fw_parse_ip6(skb, p, ETH_HLEN, sent);
	if (!reason && !fw_load(skb, p->l4, head, sizeof(head)))
		p->key.rest = fw_flow_rest((__u32)head[0] << 24 | (__u32)head[1] << 16, p->protocol,
					   p->own, ep->generation);
	return reason;
}

FW_SUB int fw_icmp(struct __sk_buff *skb, const struct fw_endpoint *ep, struct fw_packet *p)
{
	__u8 head[8];
	int class;

	if (!ep || !p)
		return FW_REASON_ICMP_EMBEDDED;
	if (p->end - p->l4 < sizeof(head))
		return p->flags & FW_PACKET_FRAGMENT ? FW_REASON_FRAGMENT_TINY
						     : FW_REASON_TRUNCATED;
	if (fw_load(skb, p->l4, head, sizeof(head)))
		return FW_REASON_TRUNCATED;
	class = fw_icmp_classify(p->family, head[0]);
	fw_icmp_key(ep, p, head, class, p->direction == FW_EGRESS);
	switch (class) {
	case FW_ICMP_QUENCH:
		return FW_REASON_BAD_L4;
	case FW_ICMP_ROUTER:
		return p->direction == FW_EGRESS ? FW_REASON_ROGUE_ROUTER : FW_REASON_BAD_L4;
	case FW_ICMP_ERROR:
		return fw_icmp_error(skb, ep, p);
	case FW_ICMP_REPLY:
		return FW_ODD_REPLY;
	}
	return FW_ODD_MEET;
}

#endif
