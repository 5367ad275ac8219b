/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The path of nearly every packet: TCP or UDP without options, from or to the pod's first address,
 * of a flow that is known. In: the packet, its endpoint. Out: FW_NEXT or FW_SHOT, counted in its
 * slot; everything else goes to slow.h's subprograms. One bounds check, one bucket, one atomic add.
 * Every check of the careful path is here too, or leads to it.
 */
#ifndef FW_BPF_FAST_H
#define FW_BPF_FAST_H

#include "hook.h"
#include "slow.h"

/* What the fast path knows of a packet: stays in registers while all goes well. */
struct fw_fast {
	struct fw_flow_key key;
	__u64 hash;
	__u64 add;   /* as in struct fw_packet */
	__u32 flags; /* bytes 12 and 13 of TCP's header; an acknowledgement where there is none */
};

#define FW_FAST_FLAGS(flags) ((__u32)(flags) << 8) /* as they stand in fw_fast.flags */
#define FW_FAST_OPEN_CLOSE   (FW_TCP_FIN | FW_TCP_SYN | FW_TCP_RST | FW_TCP_ACK)

/* What is neither FW_NEXT nor FW_SHOT. */
#define FW_FAST_ODD    (-2) /* it needs thought */
#define FW_FAST_MISSED (-3) /* no flow has this key */

/* 0 when TCP and UDP say nothing strange; `ip` bytes of IP header are before them, `length` bytes
 * with it. */
static __always_inline int fw_fast_l4(const struct __sk_buff *skb, const char *head, __u8 protocol,
				      const __u32 ip, __u32 length, struct fw_fast *f)
{
	__u32 size;

	if (protocol == IPPROTO_TCP) {
		if (head + 20 > (const char *)(long)skb->data_end)
			return -1;
		f->flags = *(const __u16 *)(head + 12);
		size = f->flags >> 2 & 0x3c;
		if (size < 20 || ip + size > length)
			return -1;
	} else {
		if (protocol != IPPROTO_UDP)
			return -1;
		f->flags = FW_FAST_FLAGS(FW_TCP_ACK);
		size = bpf_ntohs(*(const __u16 *)(head + 4));
		if (size < 8 || ip + size > length)
			return -1;
		size = 8;
	}
	f->add = fw_parse_add(skb, ETH_HLEN + ip + size);
	return 0;
}

/* fw_flow_rest() in the order that costs least: no kind. */
static __always_inline __u64 fw_fast_rest(const char *head, __u8 protocol, __u16 generation,
					  const int direction)
{
	__u32 ports = bpf_ntohl(*(const __u32 *)head), upper = protocol | (__u32)generation << 16;

	if (direction == FW_EGRESS)
		ports = ports << 16 | ports >> 16;
	return (__u64)upper << 32 | ports;
}

static __always_inline int fw_fast_ip4(const struct __sk_buff *skb, const struct fw_endpoint *ep,
				       const char *data, const int direction, struct fw_fast *f)
{
	__u32 source = *(const __u32 *)(data + 26), target = *(const __u32 *)(data + 30);
	__u32 own = direction == FW_EGRESS ? source : target;
	__u32 remote = direction == FW_EGRESS ? target : source;
	__u64 first = *(const __u64 *)(data + 14); /* from the version to the fragment's offset */
	__u32 length = bpf_ntohs((__u16)(first >> 16));
	__u8 protocol = *(const __u8 *)(data + 23);

	if ((first & (0xff | (__u64)bpf_htons(0x3fff) << 48)) != 0x45)
		return -1;
	if (own != ep->ip4_be || !own || length + ETH_HLEN > skb->len)
		return -1;
	if (fw_fast_l4(skb, data + 34, protocol, 20, length, f))
		return -1;
	f->key.remote.d[0] = 0;
	f->key.remote.d[1] = (__u64)remote << 32 | 0xffff0000;
	f->key.rest = fw_fast_rest(data + 34, protocol, ep->generation, direction);
	f->hash = fw_flow_hash4(remote, f->key.rest);
	return 0;
}

/* IPv6 addresses whose upper half is zero (mapped, compatible, loopback) are for the careful path.
 */
static __always_inline int fw_fast_ip6(const struct __sk_buff *skb, const struct fw_endpoint *ep,
				       const char *data, const int direction, struct fw_fast *f)
{
	const __u64 *source = (const __u64 *)(data + 22), *target = (const __u64 *)(data + 38);
	const __u64 *own = direction == FW_EGRESS ? source : target;
	const __u64 *remote = direction == FW_EGRESS ? target : source;
	const __u64 *first = (const __u64 *)ep->ip6;
	__u32 length = bpf_ntohs(*(const __u16 *)(data + 18)) + 40u;
	__u8 protocol = *(const __u8 *)(data + 20);

	if ((*(const __u8 *)(data + 14) & 0xf0) != 0x60 || length + ETH_HLEN > skb->len)
		return -1;
	if (own[0] != first[0] || own[1] != first[1] || !own[0] || !remote[0])
		return -1;
	if (fw_fast_l4(skb, data + 54, protocol, 40, length, f))
		return -1;
	f->key.remote.d[0] = remote[0];
	f->key.remote.d[1] = remote[1];
	f->key.rest = fw_fast_rest(data + 54, protocol, ep->generation, direction);
	f->hash = fw_flow_hash6(f->key.remote.d[0], f->key.remote.d[1], f->key.rest);
	return 0;
}

/* Flow-table rule 9. */
static __always_inline void fw_fast_count(struct fw_flow *flow, const int direction, __u64 add)
{
	__u32 now = (__u32)bpf_jiffies64();

	if (FW_READ(flow->seen) != now)
		FW_WRITE(flow->seen, now);
	__sync_fetch_and_add(&flow->count[direction], add);
}

/* A flow that was denied, and is to be denied again without asking. */
static __always_inline int fw_fast_denied(struct __sk_buff *skb, struct fw_flow *flow, __u64 ev,
					  const int direction, const struct fw_fast *f)
{
	__u32 asked = direction == FW_EGRESS ? FW_DECISION_ASKED_OUT : FW_DECISION_ASKED_IN;
	__u32 flags = f->flags & FW_FAST_FLAGS(FW_FAST_OPEN_CLOSE);

	if ((flags != FW_FAST_FLAGS(FW_TCP_ACK) && flags != FW_FAST_FLAGS(FW_TCP_SYN)) ||
	    !(ev & asked) || (direction == FW_INGRESS && skb->ingress_ifindex == 0))
		return FW_FAST_ODD;
	fw_count(FW_REASON_FLOW_DENIED, direction, f->add);
	fw_fast_count(flow, direction, f->add);
	return FW_SHOT;
}

/* A flow that is allowed, and of which this packet changes nothing. */
static __always_inline int fw_fast_allowed(struct fw_flow *flow, const int direction,
					   const struct fw_fast *f)
{
	__u32 seen = direction == FW_EGRESS ? FW_FLOW_STATE_SEEN_OUT : FW_FLOW_STATE_SEEN_IN;

	if ((f->flags & FW_FAST_FLAGS(FW_FAST_OPEN_CLOSE)) != FW_FAST_FLAGS(FW_TCP_ACK) ||
	    (FW_READ(flow->state) & (seen | FW_FLOW_STATE_RST)) != seen)
		return FW_FAST_ODD;
	fw_fast_count(flow, direction, f->add);
	return FW_NEXT;
}

/* Flow-table rules 3 and 5 for what needs no thought: the answer, and it is counted. */
static __always_inline int fw_fast_hit(struct __sk_buff *skb, const struct fw_endpoint *ep,
				       struct fw_flow *flow, __u64 ctl, const int direction,
				       const struct fw_fast *f)
{
	struct fw_flow_seen seen;
	__u64 fresh;

	/* 32 bits of tag agree: that the key does not is rare enough */
	if ((ctl & (FW_CTL_STATE | FW_CTL_SUSPECT)) != FW_CTL_VALID ||
	    !fw_flow_same(flow, &f->key, ctl, &seen) || fw_flow_recheck(flow, &seen) != ctl)
		return FW_FAST_ODD;
	fresh = seen.ev >> 31 ^ (__u64)FW_READ(ep->epoch) << 1; /* the lowest bit: ALLOW */
	if (fresh == 1)
		return fw_fast_allowed(flow, direction, f);
	if (fresh == 0)
		return fw_fast_denied(skb, flow, seen.ev, direction, f);
	return FW_FAST_ODD;
}

/* Where in a bucket the search begins, in bytes. */
static __always_inline __u64 fw_fast_start(const struct fw_fast *f)
{
	return (__u64)fw_flow_start(f->hash) * sizeof(struct fw_flow);
}

static __always_inline int fw_fast_tag(const struct fw_flow *flow, const struct fw_fast *f,
				       __u64 *ret_ctl)
{
	*ret_ctl = FW_READ(flow->ctl);
	return !((*ret_ctl ^ f->hash) & FW_CTL_TAG);
}

/* The slot of a bucket that bears our tag; 0 when there is none. */
static __always_inline struct fw_flow *fw_fast_scan(struct fw_bucket *bucket,
						    const struct fw_fast *f, __u64 *ret_ctl)
{
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < FW_BUCKET_SLOTS; i++)
		if (fw_fast_tag(&bucket->slot[i], f, ret_ctl))
			return &bucket->slot[i];
	return 0;
}

/* The flow is not where the search begins: elsewhere in its first bucket, or in the second one. */
static __always_inline int fw_fast_search(struct __sk_buff *skb, const struct fw_endpoint *ep,
					  struct fw_bucket *bucket, const int direction,
					  const struct fw_fast *f)
{
	__u32 row = fw_flow_bucket2(ep, f->hash);
	struct fw_flow *flow;
	__u64 ctl;

	flow = fw_fast_scan(bucket, f, &ctl);
	if (!flow) {
		bucket = bpf_map_lookup_elem(&fw_flows, &row);
		if (bucket)
			flow = fw_fast_scan(bucket, f, &ctl);
	}
	return flow ? fw_fast_hit(skb, ep, flow, ctl, direction, f) : FW_FAST_MISSED;
}

/* FW_NEXT, FW_SHOT, or one of FW_FAST_*. */
static __always_inline int fw_fast_flow(struct __sk_buff *skb, const struct fw_endpoint *ep,
					const int direction, const struct fw_fast *f)
{
	__u32 row = fw_flow_bucket1(ep, f->hash);
	struct fw_bucket *bucket = bpf_map_lookup_elem(&fw_flows, &row);
	struct fw_flow *flow;
	__u64 ctl;

	if (!bucket)
		return FW_FAST_MISSED;
	flow = (struct fw_flow *)((char *)bucket + fw_fast_start(f));
	if (fw_fast_tag(flow, f, &ctl))
		return fw_fast_hit(skb, ep, flow, ctl, direction, f);
	return fw_fast_search(skb, ep, bucket, direction, f);
}

/* Hands over what the fast path found out. */
static __always_inline int fw_fast_slow(struct __sk_buff *skb, const struct fw_endpoint *ep,
					const int direction, const struct fw_fast *f,
					struct fw_packet *p, int missed)
{
	__builtin_memset(p, 0, sizeof(*p));
	p->key = f->key;
	p->hash = f->hash;
	p->add = f->add;
	p->slot = fw_hook_slot(skb);
	p->direction = (__u8)direction;
	p->family = f->key.remote.d[0] ? 6 : 4;
	p->protocol = FW_KEY_PROTOCOL(&p->key);
	if (p->protocol == IPPROTO_TCP)
		p->tcp_flags = f->flags >> 8;
	p->flags = missed ? FW_PACKET_MISSED : 0;
	if (p->family == 4)
		fw_addr_map4(&p->local, ep->ip4_be);
	else
		__builtin_memcpy(&p->local, ep->ip6, 16);
	if (missed && (p->protocol != IPPROTO_TCP || fw_meet_tcp_sane(p->tcp_flags)))
		return fw_slow_end(ep, p, fw_meet_newcomer(skb, ep, p));
	return fw_slow(skb, ep, p, FW_ODD_MEET);
}

/* MAC and generation are one word of the row, source MAC and type one of the packet. */
_Static_assert(__builtin_offsetof(struct fw_endpoint, mac) % 8 == 0 &&
		       __builtin_offsetof(struct fw_endpoint, generation) ==
			       __builtin_offsetof(struct fw_endpoint, mac) + 6,
	       "one word");
static __always_inline int fw_fast_mac(const struct fw_endpoint *ep, const char *data)
{
	return !((*(const __u64 *)(data + 6) ^ *(const __u64 *)ep->mac) << 16);
}

static __always_inline int fw_fast_packet(struct __sk_buff *skb, const struct fw_endpoint *ep,
					  const int direction)
{
	const char *data = (const char *)(long)skb->data, *end = (const char *)(long)skb->data_end;
	struct fw_packet p;
	struct fw_fast f;
	__u16 type;
	int action;

	if (data + 42 > end || skb->vlan_proto) /* every tag has one, and it costs least to read */
		goto odd;
	if (direction == FW_EGRESS && !fw_fast_mac(ep, data))
		goto odd;
	type = *(const __u16 *)(data + 12);
	/* each family has a search of its own: what is zero in IPv4's keys needs no register */
	if (type == bpf_htons(ETH_P_IP)) {
		if (fw_fast_ip4(skb, ep, data, direction, &f))
			goto odd;
		action = fw_fast_flow(skb, ep, direction, &f);
	} else {
		if (type != bpf_htons(ETH_P_IPV6) || data + 62 > end ||
		    fw_fast_ip6(skb, ep, data, direction, &f))
			goto odd;
		action = fw_fast_flow(skb, ep, direction, &f);
	}
	if (action == FW_NEXT || action == FW_SHOT)
		return action;
	return fw_fast_slow(skb, ep, direction, &f, &p, action == FW_FAST_MISSED);
odd:
	__builtin_memset(&p, 0, sizeof(p));
	p.slot = fw_hook_slot(skb);
	p.flow = FW_NO_SLOT;
	p.direction = (__u8)direction;
	return fw_slow(skb, ep, &p, fw_odd(skb, ep, &p));
}

#endif
