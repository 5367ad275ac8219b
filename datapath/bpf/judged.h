/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What policy said of the last new flows, so that the next one to the same port of the same peer
 * asks two hash tables less. In: the question of a new flow. Out: the answer that was given to the
 * same question under the same epoch of the same endpoint. Never answers what the tables were not
 * asked, and holds under no epoch but that which was read before they were.
 */
#ifndef FW_BPF_JUDGED_H
#define FW_BPF_JUDGED_H

#include "flow_table.h"

#define FW_JUDGED_EGRESS FW_KEY_KIND(0x80) /* no bit of fw_flow.kind */
#define FW_JUDGED_PORTS	 0xffffffffULL

/* The question: the flow's key without the port of who asks. ICMP's type and code stand in the
 * remote port. */
static __always_inline __u64 fw_judged_rest(const struct fw_packet *p, __u32 port)
{
	return (p->key.rest & ~FW_JUDGED_PORTS) | port | (p->direction ? FW_JUDGED_EGRESS : 0);
}

/* The row of this question, of this CPU; it may hold another one. */
static __always_inline struct fw_judged *fw_judged_row(const struct fw_packet *p, __u64 rest)
{
	struct fw_flow_key key = {.remote = p->key.remote, .rest = rest};
	__u32 row = (__u32)(fw_flow_hash(&key) >> 40) & (FW_JUDGED_ROWS - 1);

	return bpf_map_lookup_elem(&fw_judged, &row);
}

/*
 * 1: *ret_decision and p's class, service and state are those of the answer. `turn` is odd while
 * the row is written and moves with each writing: where another task may run in between
 * (PREEMPT_RT), a row that changed meanwhile is not used.
 */
static __always_inline int fw_judged_find(const struct fw_endpoint *ep, struct fw_packet *p,
					  const struct fw_judged *judged, __u64 rest,
					  __u32 *ret_decision)
{
	__u32 turn = FW_READ(judged->turn);

	if ((turn & 1) || FW_READ(judged->epoch) != p->epoch || FW_READ(judged->rest) != rest ||
	    FW_READ(judged->owner) != ep->owner ||
	    FW_READ(judged->remote[0]) != p->key.remote.d[0] ||
	    FW_READ(judged->remote[1]) != p->key.remote.d[1])
		return 0;
	p->peer_class = FW_READ(judged->peer_class);
	p->service = FW_READ(judged->service);
	p->state |= FW_READ(judged->state);
	*ret_decision = FW_READ(judged->decision);
	return FW_READ(judged->turn) == turn;
}

static __always_inline void fw_judged_keep(const struct fw_endpoint *ep, const struct fw_packet *p,
					   struct fw_judged *judged, __u64 rest, __u32 decision)
{
	__u32 turn = FW_READ(judged->turn);

	if ((turn & 1) || __sync_val_compare_and_swap(&judged->turn, turn, turn + 1) != turn)
		return;
	FW_WRITE(judged->owner, ep->owner);
	FW_WRITE(judged->remote[0], p->key.remote.d[0]);
	FW_WRITE(judged->remote[1], p->key.remote.d[1]);
	FW_WRITE(judged->rest, rest);
	FW_WRITE(judged->epoch, p->epoch);
	FW_WRITE(judged->decision, decision);
	FW_WRITE(judged->peer_class, p->peer_class);
	FW_WRITE(judged->service, p->service);
	FW_WRITE(judged->state, p->state & FW_FLOW_STATE_SERVICE);
	FW_WRITE(judged->turn, turn + 2);
}

#endif
