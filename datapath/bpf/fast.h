/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The path of nearly every packet: TCP or UDP without options, from or to the pod's first address,
 * of a flow that is known. In: the packet, its endpoint. Out: FW_NEXT or FW_SHOT, counted in its
 * slot; everything else goes to slow.h's subprograms. One bounds check, one bucket, one atomic add.
 * Every check of the careful path is here too, or leads to it.
 */
#ifndef FW_BPF_FAST_H
#define FW_BPF_FAST_H

#include "slow.h"

static __always_inline int fw_fast_mac(const struct fw_endpoint *ep, const char *data)
{
	return *(const __u32 *)(data + 6) == *(const __u32 *)ep->mac &&
	       *(const __u16 *)(data + 10) == *(const __u16 *)(ep->mac + 4);
}

/* 0 when TCP and UDP say nothing strange; `l4` bytes of headers are before them, `length` bytes
 * from there on. */
static __always_inline int fw_fast_l4(const struct __sk_buff *skb, const char *head, __u8 protocol,
				      __u32 l4, __u32 length, const int direction, __u16 generation,
				      struct fw_packet *p)
{
	__u32 ports = bpf_ntohl(*(const __u32 *)head), size;

	if (direction == FW_EGRESS)
		ports = ports << 16 | ports >> 16;
	p->tcp_flags = FW_TCP_ACK;
	if (protocol == IPPROTO_TCP) {
		if (head + 20 > (const char *)(long)skb->data_end)
			return -1;
		size = (*(const __u8 *)(head + 12) >> 4) * 4;
		if (size < 20 || size > length)
			return -1;
		p->tcp_flags = *(const __u8 *)(head + 13);
	} else {
		if (protocol != IPPROTO_UDP)
			return -1;
		size = bpf_ntohs(*(const __u16 *)(head + 4));
		if (size < 8 || size > length)
			return -1;
		size = 8;
	}
	p->header = l4 + size;
	p->key.rest = fw_flow_rest(ports, protocol, 0, generation);
	return 0;
}

static __always_inline int fw_fast_ip4(const struct __sk_buff *skb, const struct fw_endpoint *ep,
				       const char *data, const int direction, struct fw_packet *p)
{
	__u32 source = *(const __u32 *)(data + 26), target = *(const __u32 *)(data + 30);
	__u32 own = direction == FW_EGRESS ? source : target;
	__u32 length = bpf_ntohs(*(const __u16 *)(data + 16));

	if (*(const __u8 *)(data + 14) != 0x45 || (*(const __u16 *)(data + 20) & bpf_htons(0x3fff)))
		return -1;
	if (own != ep->ip4_be || !own || length < 28 || length + ETH_HLEN > skb->len)
		return -1;
	p->key.remote.d[0] = 0;
	p->key.remote.d[1] = (__u64)(direction == FW_EGRESS ? target : source) << 32 | 0xffff0000;
	return fw_fast_l4(skb, data + 34, *(const __u8 *)(data + 23), 34, length - 20, direction,
			  ep->generation, p);
}

/* IPv6 addresses whose upper half is zero (mapped, compatible, loopback) are for the careful path.
 */
static __always_inline int fw_fast_ip6(const struct __sk_buff *skb, const struct fw_endpoint *ep,
				       const char *data, const int direction, struct fw_packet *p)
{
	const __u64 *source = (const __u64 *)(data + 22), *target = (const __u64 *)(data + 38);
	const __u64 *own = direction == FW_EGRESS ? source : target;
	const __u64 *remote = direction == FW_EGRESS ? target : source;
	const __u64 *first = (const __u64 *)ep->ip6;
	__u32 length = bpf_ntohs(*(const __u16 *)(data + 18));

	if ((*(const __u8 *)(data + 14) & 0xf0) != 0x60 || length < 8 || length + 54 > skb->len)
		return -1;
	if (own[0] != first[0] || own[1] != first[1] || !own[0] || !remote[0])
		return -1;
	p->key.remote.d[0] = remote[0];
	p->key.remote.d[1] = remote[1];
	return fw_fast_l4(skb, data + 54, *(const __u8 *)(data + 20), 54, length, direction,
			  ep->generation, p);
}

/* Flow-table rules 3, 5 and 9 for what needs no thought. 0: counted, *ret_action is the answer. */
static __always_inline int fw_fast_hit(struct __sk_buff *skb, const struct fw_endpoint *ep,
				       struct fw_flow *flow, __u64 ctl,
				       const struct fw_flow_seen *seen, const int direction,
				       struct fw_packet *p, int *ret_action)
{
	__u32 seen_bit = direction == FW_EGRESS ? FW_FLOW_STATE_SEEN_OUT : FW_FLOW_STATE_SEEN_IN;
	__u32 asked = direction == FW_EGRESS ? FW_DECISION_ASKED_OUT : FW_DECISION_ASKED_IN;
	__u64 ev = seen->ev, packets, bytes = skb->len;
	__u32 now = (__u32)bpf_jiffies64();
	__u32 flags = p->tcp_flags & (FW_TCP_FIN | FW_TCP_SYN | FW_TCP_RST | FW_TCP_ACK);

	if (fw_flow_recheck(flow, seen) != ctl || (ctl & FW_CTL_SUSPECT) ||
	    (__u32)(ev >> 32) != FW_READ(ep->epoch))
		return -1;
	packets = skb->gso_segs;
	if (packets > 1)
		bytes += (packets - 1) * p->header;
	else if (!packets && skb->gso_size)
		return -1;
	else
		packets = 1;
	packets = packets << FW_COUNT_BYTES_BITS | bytes;
	*ret_action = FW_NEXT;
	if (ev & FW_DECISION_ALLOW) {
		if (flags != FW_TCP_ACK ||
		    (FW_READ(flow->state) & (seen_bit | FW_FLOW_STATE_RST)) != seen_bit)
			return -1;
	} else {
		if ((flags != FW_TCP_ACK && flags != FW_TCP_SYN) || !(ev & asked) ||
		    (direction == FW_INGRESS && skb->ingress_ifindex == 0))
			return -1;
		fw_count(FW_REASON_FLOW_DENIED, direction, packets);
		*ret_action = FW_SHOT;
	}
	if (FW_READ(flow->seen) != now)
		FW_WRITE(flow->seen, now);
	__sync_fetch_and_add(&flow->count[direction], packets);
	return 0;
}

/* One bucket. 0: answered; 1: not here; -1: here or nearly so, but it needs thought. */
static __always_inline int fw_fast_bucket(struct __sk_buff *skb, const struct fw_endpoint *ep,
					  __u32 row, const int direction, struct fw_packet *p,
					  int *ret_action)
{
	struct fw_bucket *bucket = bpf_map_lookup_elem(&fw_flows, &row);
	__u32 start = fw_flow_start(p->hash);

	if (!bucket)
		return 1;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < FW_BUCKET_SLOTS; i++) {
		struct fw_flow *flow = &bucket->slot[(start + i) & (FW_BUCKET_SLOTS - 1)];
		__u64 ctl = FW_READ(flow->ctl);
		struct fw_flow_seen seen;

		if ((ctl ^ p->hash) & FW_CTL_TAG)
			continue;
		if ((ctl & FW_CTL_STATE) != FW_CTL_VALID)
			return -1;
		if (!fw_flow_same(flow, &p->key, ctl, &seen))
			return -1; /* 32 bits of tag agree: rare enough */
		return fw_fast_hit(skb, ep, flow, ctl, &seen, direction, p, ret_action);
	}
	return 1;
}

/* Hands over: what the fast path wrote stays, the rest of the packet is written now. */
static __always_inline int fw_fast_slow(struct __sk_buff *skb, const struct fw_endpoint *ep,
					__u32 slot, const int direction, struct fw_packet *p,
					const __u8 family, int missed)
{
	__builtin_memset((char *)p + FW_PACKET_FAST, 0, sizeof(*p) - FW_PACKET_FAST);
	p->slot = slot;
	p->direction = (__u8)direction;
	p->family = family;
	p->protocol = FW_KEY_PROTOCOL(&p->key);
	if (p->protocol != IPPROTO_TCP)
		p->tcp_flags = 0;
	p->flags = missed ? FW_PACKET_MISSED : 0;
	p->add = fw_parse_add(skb, p->header);
	if (family == 4)
		fw_addr_map4(&p->local, ep->ip4_be);
	else
		__builtin_memcpy(&p->local, ep->ip6, 16);
	if (missed && (p->protocol != IPPROTO_TCP || fw_meet_tcp_sane(p->tcp_flags)))
		return fw_slow_end(ep, p, fw_meet_newcomer(skb, ep, p));
	return fw_slow(skb, ep, p, FW_ODD_MEET);
}

static __always_inline int fw_fast_flow(struct __sk_buff *skb, const struct fw_endpoint *ep,
					__u32 slot, const int direction, struct fw_packet *p,
					const __u8 family)
{
	const struct fw_flow_key *key = &p->key;
	int found, action = FW_SHOT;

	p->hash = family == 4 ? fw_flow_hash4(key->remote.w[3], key->rest)
			      : fw_flow_hash6(key->remote.d[0], key->remote.d[1], key->rest);
	found = fw_fast_bucket(skb, ep, fw_flow_bucket1(ep, p->hash), direction, p, &action);
	if (found == 1)
		found = fw_fast_bucket(skb, ep, fw_flow_bucket2(ep, p->hash), direction, p,
				       &action);
	if (found == 0)
		return action;
	return fw_fast_slow(skb, ep, slot, direction, p, family, found == 1);
}

static __always_inline int fw_fast_packet(struct __sk_buff *skb, const struct fw_endpoint *ep,
					  __u32 slot, const int direction)
{
	const char *data = (const char *)(long)skb->data, *end = (const char *)(long)skb->data_end;
	struct fw_packet p;
	__u16 type;

	if (data + 42 > end || skb->vlan_present)
		goto odd;
	if (direction == FW_EGRESS && !fw_fast_mac(ep, data))
		goto odd;
	type = *(const __u16 *)(data + 12);
	if (type == bpf_htons(ETH_P_IP) && !fw_fast_ip4(skb, ep, data, direction, &p))
		return fw_fast_flow(skb, ep, slot, direction, &p, 4);
	if (type == bpf_htons(ETH_P_IPV6) && data + 62 <= end &&
	    !fw_fast_ip6(skb, ep, data, direction, &p))
		return fw_fast_flow(skb, ep, slot, direction, &p, 6);
odd:
	__builtin_memset(&p, 0, sizeof(p));
	p.slot = slot;
	p.flow = FW_NO_SLOT;
	p.direction = (__u8)direction;
	return fw_slow(skb, ep, &p, fw_odd(skb, ep, &p));
}

#endif
