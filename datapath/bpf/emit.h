/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Counters and records. In: a packet and its reason. Out: fw_counters, fw_events; what the ring has
 * no room for and what is beyond a pod's budget of flows is counted in fw_lost, packets without a
 * flow that are beyond theirs in the pod's region. Never changes a verdict.
 */
#ifndef FW_BPF_EMIT_H
#define FW_BPF_EMIT_H

#include "parse.h"

#define FW_BUDGET_RECORDS                                                                          \
	64 /* records without a slot to fold into, per endpoint and window of 32 jiffies */

static __always_inline void fw_count(__u32 reason, __u32 direction, __u64 add)
{
	__u32 row = reason << 1 | direction;
	struct fw_counter *counter = bpf_map_lookup_elem(&fw_counters, &row);

	if (!counter)
		return;
	counter->packets += add >> FW_COUNT_BYTES_BITS;
	counter->bytes += add & FW_COUNT_BYTES_MASK;
}

/* As coarse as bpf_ktime_get_coarse_ns(), without its 16 ns: jiffies are a load. */
static __always_inline __u64 fw_emit_now(void)
{
	return bpf_jiffies64() * fw_tick_ns + fw_clock_base;
}

static __always_inline void fw_emit_lost(__u32 type)
{
	__u64 *lost = bpf_map_lookup_elem(&fw_lost, &type);

	if (lost)
		(*lost)++;
}

/* 1 when the pod may write a record of a flow; else it is counted, and nothing is written. */
static __always_inline int fw_emit_may(const struct fw_endpoint *ep)
{
	__u32 row = ep->region, window = (__u32)bpf_jiffies64() >> FW_BUDGET_SHIFT;
	struct fw_budget *budget = bpf_map_lookup_elem(&fw_budgets, &row);

	if (!budget)
		return 1;
	if (budget->window != window) {
		budget->window = window;
		budget->spent = 0;
	}
	if (budget->spent >= fw_flow_budget) {
		fw_emit_lost(FW_LOST_BUDGET);
		return 0;
	}
	budget->spent++;
	return 1;
}

/* 0 when the record was sent. `suppressed` is carried by records that the budget let through. */
static __always_inline int fw_emit_here(const struct fw_packet *p, __u32 type, __u32 reason,
					__u32 suppressed)
{
	struct fw_event *event;

	event = bpf_ringbuf_reserve(&fw_events, sizeof(*event), 0);
	if (!event) {
		fw_emit_lost(type);
		return -1;
	}
	event->time_ns = fw_emit_now();
	event->slot = p->slot;
	event->generation = (__u16)(p->key.rest >> 48);
	event->type = (__u8)type;
	event->reason = (__u8)reason;
	__builtin_memcpy(event->local, &p->local, 16);
	__builtin_memcpy(event->remote, &p->key.remote, 16);
	event->local_port = FW_KEY_LOCAL(&p->key);
	event->remote_port = FW_KEY_REMOTE(&p->key);
	event->protocol = p->protocol;
	event->direction = p->direction;
	event->tcp_flags = (__u8)p->tcp_flags;
	event->family = p->family;
	event->decision = p->decision;
	event->before = p->before;
	event->flow = p->flow;
	event->flow_ctl = (__u32)p->ctl;
	event->peer_class = p->peer_class;
	event->service = p->service;
	event->state = p->state;
	event->suppressed = suppressed;
	event->count[0] = p->direction == FW_INGRESS ? p->add : 0;
	event->count[1] = p->direction == FW_EGRESS ? p->add : 0;
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return 0;
}

/* The same, out of line. */
FW_SUB int fw_emit(const struct fw_packet *p, __u32 type, __u32 reason, __u32 suppressed)
{
	return p ? fw_emit_here(p, type, reason, suppressed) : -1;
}

/* Records that no slot folds: so many per window, the rest is counted and told by the next one. */
FW_SUB int fw_emit_budgeted(const struct fw_endpoint *ep, const struct fw_packet *p, __u32 type,
			    __u32 reason)
{
	__u32 row, window = (__u32)bpf_jiffies64() >> FW_BUDGET_SHIFT;
	struct fw_region *region;
	__u64 suppressed;

	if (!ep || !p)
		return -1;
	row = ep->region;
	region = bpf_map_lookup_elem(&fw_regions, &row);
	if (!region)
		return -1;
	if (FW_READ(region->window) != window) {
		FW_WRITE(region->window, window);
		FW_WRITE(region->spent, 0);
	}
	if (FW_READ(region->spent) >= FW_BUDGET_RECORDS) {
		__sync_fetch_and_add(&region->suppressed, 1);
		return -1;
	}
	__sync_fetch_and_add(&region->spent, 1);
	suppressed = FW_READ(region->suppressed);
	if (suppressed)
		suppressed = __sync_lock_test_and_set(&region->suppressed, 0);
	if (fw_emit(p, type, reason, (__u32)suppressed)) {
		if (suppressed)
			__sync_fetch_and_add(&region->suppressed, suppressed);
		return -1;
	}
	return 0;
}

static __always_inline void fw_emit_local(const struct fw_endpoint *ep, const struct fw_flow *flow,
					  __u8 *local)
{
	union fw_addr addr = {};
	__u32 index = flow->kind & FW_FLOW_ADDRESS;

	if (*(const __u64 *)flow->remote == 0 &&
	    *(const __u32 *)(flow->remote + 8) == bpf_htonl(0xffff)) {
		if (index == 0)
			fw_addr_map4(&addr, ep->ip4_be);
		else if (index <= 4)
			fw_addr_map4(&addr, ep->ip4_extra_be[(index - 1) & 3]);
	} else if (index == 0) {
		__builtin_memcpy(&addr, ep->ip6, 16);
	} else if (index <= 2) {
		__builtin_memcpy(&addr, ep->ip6_extra[(index - 1) & 1], 16);
	} else if (index == FW_FLOW_ADDRESS_LINK) {
		__builtin_memcpy(&addr, ep->ip6_ll, 16);
	}
	__builtin_memcpy(local, &addr, 16);
}

/* The flow in `flow` is about to be overwritten (it is BUSY, `ctl` is what it was before). */
FW_SUB int fw_emit_evict(const struct fw_endpoint *ep, const struct fw_packet *p,
			 const struct fw_flow *flow, __u32 id, __u64 ctl)
{
	struct fw_event *event;

	if (!ep || !p || !flow || !fw_emit_may(ep))
		return -1;
	event = bpf_ringbuf_reserve(&fw_events, sizeof(*event), 0);
	if (!event) {
		fw_emit_lost(FW_EVENT_EVICT);
		return -1;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->time_ns = fw_emit_now();
	event->slot = p->slot;
	event->generation = flow->generation;
	event->type = FW_EVENT_EVICT;
	event->reason = FW_REASON_FLOW;
	fw_emit_local(ep, flow, event->local);
	__builtin_memcpy(event->remote, flow->remote, 16);
	event->local_port = flow->local_port;
	event->remote_port = flow->remote_port;
	event->protocol = flow->protocol;
	event->state = flow->state;
	event->direction = flow->state & FW_FLOW_STATE_EGRESS ? FW_EGRESS : FW_INGRESS;
	event->family = *(const __u64 *)flow->remote == 0 &&
					*(const __u32 *)(flow->remote + 8) == bpf_htonl(0xffff)
				? 4
				: 6;
	event->decision = (__u32)flow->ev & FW_DECISION_TOLD;
	event->flow = id;
	event->flow_ctl = (__u32)ctl;
	event->count[0] = FW_READ(flow->count[0]);
	event->count[1] = FW_READ(flow->count[1]);
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return 0;
}

#endif
