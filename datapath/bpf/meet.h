/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What happens when a well-formed packet meets the pod's state: no flow, an allowed one, a denied
 * one, one judged under an older epoch, a SYN on a port used again. In: a packet with key and hash.
 * Out: the reason. Sends the records NEW, DENY and CHANGE; those of packets that never became a
 * flow are the caller's.
 */
#ifndef FW_BPF_MEET_H
#define FW_BPF_MEET_H

#include "flow_table.h"
#include "verdict.h"

static __always_inline int fw_reason_passes(__u32 reason)
{
	return reason > FW_REASON_NONE && reason < FW_REASON_NO_ENDPOINT;
}

/* Flags that no stack sends together (RFC 9293): every segment but SYN and RST carries ACK. */
static __always_inline int fw_meet_tcp_sane(__u32 flags)
{
	__u32 syn_fin_rst = flags & (FW_TCP_SYN | FW_TCP_FIN | FW_TCP_RST);

	if (syn_fin_rst & (syn_fin_rst - 1)) /* more than one of them */
		return 0;
	return (flags & (FW_TCP_SYN | FW_TCP_RST | FW_TCP_ACK)) != 0;
}

static __always_inline int fw_meet_is_syn(const struct fw_packet *p)
{
	return p->protocol == IPPROTO_TCP &&
	       (p->tcp_flags & (FW_TCP_SYN | FW_TCP_ACK)) == FW_TCP_SYN;
}

static __always_inline __u32 fw_meet_asked(__u32 direction)
{
	return direction ? FW_DECISION_ASKED_OUT : FW_DECISION_ASKED_IN;
}

static __always_inline __u64 fw_meet_ev(const struct fw_packet *p, __u32 direction)
{
	__u32 asked = p->decision & FW_DECISION_ALLOW ? 0 : fw_meet_asked(direction);

	return (__u64)p->epoch << 32 | p->decision | asked;
}

/* The state of a flow that this packet opens. */
static __always_inline __u32 fw_meet_state(const struct fw_packet *p)
{
	__u32 state = p->direction ? FW_FLOW_STATE_EGRESS | FW_FLOW_STATE_SEEN_OUT
				   : FW_FLOW_STATE_SEEN_IN;

	if (p->protocol != IPPROTO_TCP)
		return state;
	if (fw_meet_is_syn(p))
		state |= FW_FLOW_STATE_SYN;
	if (p->tcp_flags & FW_TCP_RST)
		state |= FW_FLOW_STATE_RST;
	if (p->tcp_flags & FW_TCP_FIN)
		state |= p->direction ? FW_FLOW_STATE_FIN_OUT : FW_FLOW_STATE_FIN_IN;
	return state;
}

/*
 * Another CPU has our slot, or had it: the verdict is ours, the packet counts where the key stands
 * now.
 */
FW_SUB int fw_meet_count(const struct fw_endpoint *ep, struct fw_packet *p)
{
	struct fw_flow *flow;
	__u32 found;
	__u64 ev;

	if (!ep || !p)
		return -1;
	ev = p->ev;
	found = fw_flow_find(ep, p);
	p->ev = ev;
	flow = found < FW_FLOW_BUSY ? fw_flow_at(found) : 0;
	if (!flow)
		return -1;
	p->flow = found;
	return fw_flow_touch(flow, p);
}

/* No flow has this key. */
static __always_inline int fw_meet_new_of(struct __sk_buff *skb, const struct fw_endpoint *ep,
					  struct fw_packet *p, const int here)
{
	__u32 type = FW_EVENT_DENY;
	int reason, inserted;

	reason = fw_source_possible(p);
	p->flow = FW_NO_SLOT;
	p->before = 0;
	p->ctl = 0;
	if (reason)
		return reason;
	if (fw_source_rogue_dhcp(p))
		return FW_REASON_ROGUE_DHCP;
	p->state = fw_meet_state(p);
	reason = here ? (int)fw_verdict_of(skb, ep, p, p->direction, 1)
		      : (int)fw_verdict(skb, ep, p, p->direction);
	p->ev = fw_meet_ev(p, p->direction);
	inserted = p->flags & FW_PACKET_BUSY ? FW_INSERT_TWIN
		   : here		     ? fw_flow_insert_here(ep, p)
					     : fw_flow_insert(ep, p);
	if (inserted == FW_INSERT_TWIN) {
		fw_meet_count(ep, p);
		return reason;
	}
	if (p->decision & FW_DECISION_ALLOW) {
		if (inserted == FW_INSERT_FULL) {
			p->decision = FW_DECIDED_TABLE_FULL;
			return FW_REASON_TABLE_FULL;
		}
		type = FW_EVENT_NEW;
	}
	if (type == FW_EVENT_DENY && inserted != FW_INSERTED)
		fw_emit_budgeted(ep, p, FW_EVENT_DENY, (__u32)reason);
	else if (fw_emit_may(ep))
		(void)(here ? fw_emit_here(p, type, (__u32)reason, 0)
			    : fw_emit(p, type, (__u32)reason, 0));
	return reason;
}

FW_SUB int fw_meet_new(struct __sk_buff *skb, const struct fw_endpoint *ep, struct fw_packet *p)
{
	return ep && p ? fw_meet_new_of(skb, ep, p, 0) : FW_REASON_NONE;
}

/* The same for the fast path. */
FW_SUB int fw_meet_newcomer(struct __sk_buff *skb, const struct fw_endpoint *ep,
			    struct fw_packet *p)
{
	return ep && p ? fw_meet_new_of(skb, ep, p, 1) : FW_REASON_NONE;
}

/*
 * A known flow, judged again. An allowed one, and one that was cut, in the direction of who opened
 * it: an answer never opens what the question may not. A flow that was denied from the start: in
 * this packet's direction.
 */
FW_SUB int fw_meet_again(struct __sk_buff *skb, const struct fw_endpoint *ep, struct fw_packet *p,
			 __u32 state, __u32 direction)
{
	struct fw_flow *flow;
	__u32 old, old_epoch;
	int reason, was_cut = (state & FW_FLOW_STATE_CUT) != 0, type = FW_EVENT_CHANGE;

	if (!ep || !p)
		return FW_REASON_NONE;
	flow = fw_flow_at(p->flow);
	old = (__u32)p->ev;
	old_epoch = (__u32)(p->ev >> 32);
	p->before = old & FW_DECISION_TOLD;
	p->state = state & ~(FW_FLOW_STATE_SERVICE | FW_FLOW_STATE_CUT);
	if (!(old & FW_DECISION_ALLOW) && (!was_cut || fw_meet_is_syn(p)))
		p->state = fw_meet_state(p);
	if (!fw_meet_is_syn(p))
		p->flags |= FW_PACKET_AGAIN;
	reason = (int)fw_verdict(skb, ep, p, direction);
	p->ev = fw_meet_ev(p, direction);
	if (!(p->decision & FW_DECISION_ALLOW)) {
		if (was_cut) /* a refused SYN changes nothing about who opened it */
			p->state = state;
		else if (old & FW_DECISION_ALLOW)
			p->state |= FW_FLOW_STATE_CUT;
		if (!(old & FW_DECISION_ALLOW) &&
		    old_epoch == p->epoch) { /* asked from the other side, too */
			p->ev = (__u64)old_epoch << 32 | old | fw_meet_asked(direction);
			p->state = state;
			type = FW_EVENT_DENY;
		}
	}
	if (!flow || fw_flow_store(flow, p)) {
		if (!(p->flags & FW_PACKET_EMBEDDED))
			fw_meet_count(ep, p);
		return reason;
	}
	if (!(p->flags & FW_PACKET_EMBEDDED))
		fw_flow_touch(flow, p);
	if (type == FW_EVENT_DENY || p->decision != p->before)
		fw_emit(p, (__u32)type, (__u32)reason, 0);
	return reason;
}

/* What is left to do when a SYN was looked at, or nothing was. */
#define FW_MEET_AGAIN (-1) /* the flow is to be judged again in the direction of who opened it */
#define FW_MEET_HIT   (-2)

/*
 * A SYN on an allowed flow that is not a plain retransmission: policy of the SYN's direction
 * decides about the SYN; a refused one leaves the flow alone. Both ends at once (RFC 9293 3.5) stay
 * one flow; a port used again starts anew.
 */
FW_SUB int fw_meet_syn(struct __sk_buff *skb, const struct fw_endpoint *ep, struct fw_packet *p,
		       __u32 state)
{
	__u32 opener = state & FW_FLOW_STATE_EGRESS ? FW_EGRESS : FW_INGRESS;
	struct fw_flow *flow;
	int stale, reason;

	if (!ep || !p)
		return FW_REASON_NONE;
	stale = (__u32)(p->ev >> 32) != FW_READ(ep->epoch);
	if (opener == p->direction && (state & FW_FLOW_BOTH) != FW_FLOW_BOTH)
		return FW_MEET_AGAIN;
	p->before = 0;
	p->state = fw_meet_state(p);
	reason = (int)fw_verdict(skb, ep, p, p->direction);
	if (!(p->decision & FW_DECISION_ALLOW)) {
		if (stale && opener == p->direction)
			return FW_MEET_AGAIN;
		fw_emit_budgeted(ep, p, FW_EVENT_DENY, (__u32)reason);
		return reason;
	}
	if ((state & FW_FLOW_CLOSED) != FW_FLOW_CLOSED && !(state & FW_FLOW_STATE_RST) &&
	    opener != p->direction)
		return stale ? FW_MEET_AGAIN : FW_MEET_HIT;
	p->ev = fw_meet_ev(p, p->direction);
	flow = fw_flow_at(p->flow);
	if (flow && !fw_flow_restart(ep, flow, p) && fw_emit_may(ep))
		fw_emit(p, FW_EVENT_NEW, (__u32)reason, 0);
	return reason;
}

/* Counted, and nothing else. */
static __always_inline int fw_meet_hit(struct fw_packet *p)
{
	struct fw_flow *flow = fw_flow_at(p->flow);

	if (flow)
		fw_flow_touch(flow, p);
	p->decision = (__u32)p->ev & FW_DECISION_TOLD;
	return p->ev & FW_DECISION_ALLOW ? FW_REASON_FLOW : FW_REASON_FLOW_DENIED;
}

static __always_inline int fw_meet_denied(struct __sk_buff *skb, const struct fw_endpoint *ep,
					  struct fw_packet *p, __u32 state, __u32 opener, int fresh)
{
	int syn = fw_meet_is_syn(p), cut = (state & FW_FLOW_STATE_CUT) && !syn;

	__u32 direction = cut ? opener : p->direction;

	if (fresh && !fw_verdict_own_node(skb, ep, p) && (p->ev & fw_meet_asked(direction)))
		return fw_meet_hit(p);
	return fw_meet_again(skb, ep, p, state, direction);
}

/* p->flow, p->ctl and p->ev are those of a slot with this packet's key. */
static __always_inline int fw_meet_known(struct __sk_buff *skb, const struct fw_endpoint *ep,
					 struct fw_packet *p)
{
	int fresh = (__u32)(p->ev >> 32) == FW_READ(ep->epoch),
	    next = fresh ? FW_MEET_HIT : FW_MEET_AGAIN;
	__u32 state = p->known;
	__u32 opener = state & FW_FLOW_STATE_EGRESS ? FW_EGRESS : FW_INGRESS;

	if (!(p->ev & FW_DECISION_ALLOW))
		return fw_meet_denied(skb, ep, p, state, opener, fresh);
	if (fw_meet_is_syn(p) &&
	    !(fresh && opener == p->direction && (state & FW_FLOW_BOTH) != FW_FLOW_BOTH))
		next = fw_meet_syn(skb, ep, p, state);
	if (next == FW_MEET_AGAIN)
		return fw_meet_again(skb, ep, p, state, opener);
	return next == FW_MEET_HIT ? fw_meet_hit(p) : next;
}

static __always_inline int fw_meet(struct __sk_buff *skb, const struct fw_endpoint *ep,
				   struct fw_packet *p)
{
	__u32 found = FW_NO_SLOT;

	if (p->protocol == IPPROTO_TCP && !fw_meet_tcp_sane(p->tcp_flags))
		return FW_REASON_BAD_TCP;
	if (!(p->flags & FW_PACKET_MISSED))
		found = fw_flow_find(ep, p);
	if (found == FW_FLOW_BUSY)
		p->flags |= FW_PACKET_BUSY;
	if (found >= FW_FLOW_BUSY)
		return fw_meet_new(skb, ep, p);
	p->flow = found;
	return fw_meet_known(skb, ep, p);
}

/* An echo reply: only the flow of its request lets it pass, and it opens nothing. */
static __always_inline int fw_meet_reply(struct __sk_buff *skb, const struct fw_endpoint *ep,
					 struct fw_packet *p)
{
	p->flow = fw_flow_find(ep, p);
	if (p->flow < FW_FLOW_BUSY)
		return p->ev & FW_DECISION_ALLOW ? fw_meet_known(skb, ep, p) : fw_meet_hit(p);
	p->flow = FW_NO_SLOT;
	return FW_REASON_ICMP_UNSOLICITED;
}

/* An ICMP error; key and hash are those of the packet inside it. */
static __always_inline int fw_meet_related(struct __sk_buff *skb, const struct fw_endpoint *ep,
					   struct fw_packet *p)
{
	struct fw_flow *flow;
	__u32 state;
	int reason;

	p->flow = fw_flow_find(ep, p);
	flow = p->flow < FW_FLOW_BUSY ? fw_flow_at(p->flow) : 0;
	if (!flow || !(p->ev & FW_DECISION_ALLOW))
		return FW_REASON_ICMP_NO_FLOW;
	if ((__u32)(p->ev >> 32) == FW_READ(ep->epoch))
		return FW_REASON_RELATED;
	state = p->known;
	reason = fw_meet_again(skb, ep, p, state,
			       state & FW_FLOW_STATE_EGRESS ? FW_EGRESS : FW_INGRESS);
	return fw_reason_passes((__u32)reason) ? FW_REASON_RELATED : FW_REASON_ICMP_NO_FLOW;
}

#endif
