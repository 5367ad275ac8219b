/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Fragments. The first one is judged like any packet and leaves an entry in the flow table (the
 * identification in the place of the ports, the decision of its flow); late ones pass by that entry
 * while its epoch is the endpoint's. Nothing is buffered: a late fragment that comes first is
 * dropped.
 */
#ifndef FW_BPF_FRAGMENT_H
#define FW_BPF_FRAGMENT_H

#include "meet.h"

static __always_inline void fw_fragment_key(const struct fw_endpoint *ep, struct fw_packet *p)
{
	__u8 kind = FW_FLOW_FRAGMENT | p->own | (p->direction == FW_EGRESS ? FW_FLOW_EGRESS : 0);

	p->key.rest = fw_flow_rest(p->fragment >> 16 | p->fragment << 16, p->fragment_next, kind,
				   ep->generation);
	p->hash = fw_flow_hash(&p->key);
}

/* RFC 3128: the rest of a header that the first fragment must have brought whole. */
static __always_inline int fw_fragment_overlaps(const struct fw_packet *p)
{
	__u32 header = p->fragment_next == IPPROTO_TCP	      ? 20
		       : p->fragment_next == FW_PROTOCOL_SCTP ? 12
							      : 8;

	return p->offset * 8u < header;
}

FW_SUB int fw_fragment_late(const struct fw_endpoint *ep, struct fw_packet *p)
{
	struct fw_flow *flow;
	__u32 idle, age;

	if (!ep || !p)
		return FW_REASON_FRAGMENT_UNKNOWN;
	idle = p->family == 4 ? FW_IDLE_FRAGMENT4 : FW_IDLE_FRAGMENT6;
	if (fw_fragment_overlaps(p))
		return FW_REASON_FRAGMENT_OVERLAP;
	fw_fragment_key(ep, p);
	p->flow = fw_flow_find(ep, p);
	if (p->flow >= FW_FLOW_BUSY)
		return FW_REASON_FRAGMENT_UNKNOWN;
	flow = fw_flow_at(p->flow);
	if (!flow || (__u32)(p->ev >> 32) != FW_READ(ep->epoch) || !(p->ev & FW_DECISION_ALLOW))
		return FW_REASON_FRAGMENT_UNKNOWN;
	age = (__u32)bpf_jiffies64() - FW_READ(flow->seen);
	if ((int)age > (int)(idle * fw_hz))
		return FW_REASON_FRAGMENT_UNKNOWN;
	p->decision = (__u32)p->ev;
	fw_flow_touch(flow, p);
	return FW_REASON_FRAGMENT;
}

/* After the first fragment was let through: p->ev is its decision, p->flow its flow. Best effort.
 */
FW_SUB int fw_fragment_first(const struct fw_endpoint *ep, struct fw_packet *p)
{
	struct fw_flow *flow;
	__u32 parent, found;
	__u64 ev;

	if (!ep || !p)
		return -1;
	ev = p->ev;
	parent = p->flow == FW_NO_SLOT ? 0 : p->flow - ep->flow_base * FW_BUCKET_SLOTS;
	p->state = parent << FW_FLOW_STATE_PARENT_SHIFT |
		   (p->direction == FW_EGRESS ? FW_FLOW_STATE_EGRESS | FW_FLOW_STATE_SEEN_OUT
					      : FW_FLOW_STATE_SEEN_IN);
	p->tcp_flags = 0;
	fw_fragment_key(ep, p);
	found = fw_flow_find(ep, p);
	p->ev = ev;
	if (found == FW_FLOW_BUSY)
		return -1;
	if (found == FW_NO_SLOT)
		return fw_flow_insert(ep, p);
	flow = fw_flow_at(found);
	return flow && !fw_flow_store(flow, p) ? fw_flow_touch(flow, p) : -1;
}

#endif
