/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The end of every packet that the fast path did not answer. In: a reason. Out: FW_NEXT or FW_SHOT;
 * each is counted, and each drop that no flow and no verdict has told leaves a record of its own,
 * within the endpoint's budget.
 */
#ifndef FW_BPF_SLOW_H
#define FW_BPF_SLOW_H

#include "fragment.h"
#include "odd.h"

static __always_inline int fw_slow_end(const struct fw_endpoint *ep, const struct fw_packet *p,
				       int reason)
{
	if (reason == FW_REASON_FLOW)
		return FW_NEXT;
	fw_count((__u32)reason, p->direction & 1, p->add);
	if (fw_reason_passes((__u32)reason))
		return FW_NEXT;
	if (reason < FW_REASON_POLICY_DENY)
		fw_emit_budgeted(ep, p, FW_EVENT_DROP, (__u32)reason);
	return FW_SHOT;
}

/* `next`: what fw_odd() said; the fast path says FW_ODD_MEET. */
FW_SUB int fw_slow(struct __sk_buff *skb, const struct fw_endpoint *ep, struct fw_packet *p,
		   int next)
{
	int reason = next;

	if (!ep || !p)
		return FW_SHOT;
	if (next == FW_ODD_MEET)
		reason = fw_meet(skb, ep, p);
	else if (next == FW_ODD_REPLY)
		reason = fw_meet_reply(skb, ep, p);
	else if (next == FW_ODD_RELATED)
		reason = fw_meet_related(skb, ep, p);
	else if (next == FW_ODD_LATE)
		reason = fw_fragment_late(ep, p);
	if (p->flags & FW_PACKET_EMBEDDED) {
		fw_icmp_outer(skb, ep, p);
		p->decision =
			reason == FW_REASON_RELATED ? FW_DECISION_ALLOW | FW_DECIDED_RELATED : 0;
	}
	if ((p->flags & (FW_PACKET_FRAGMENT | FW_PACKET_LATE)) == FW_PACKET_FRAGMENT &&
	    fw_reason_passes((__u32)reason))
		fw_fragment_first(ep, p);
	return fw_slow_end(ep, p, reason);
}

/* Ends without an endpoint have no budget and nobody to name: counted only. */
FW_SUB int fw_slow_nobody(struct __sk_buff *skb, __u32 direction, __u32 reason)
{
	fw_count(reason, direction & 1, 1ULL << FW_COUNT_BYTES_BITS | skb->len);
	return reason == FW_REASON_JUDGED_ELSEWHERE ? FW_NEXT : FW_SHOT;
}

#endif
