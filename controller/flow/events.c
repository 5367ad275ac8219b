/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of the ring buffer to records. In: one struct fw_event. Out: one record, and what the
 * flow's last record will need. Never waits, never fails: without memory a name is missing, not the
 * record.
 */
#include "flow/internal.h"

#include <string.h>

#include "base/cleanup.h"

void fw_flows_decide(struct fw_flows *flows, struct fw_kept *kept, uint32_t decision)
{
	struct fw_decision_text text;

	fw_who_decision(flows->who, decision, kept->direction, &text);
	kept->verdict = text.verdict & 3;
	kept->pending = text.pending & 3;
	kept->audited = text.audited;
	kept->atom[FW_KEPT_RULE] = fw_intern_hold(text.rule);
	if (text.pending != text.verdict || text.audited)
		kept->atom[FW_KEPT_PENDING] = fw_intern_hold(text.pending_rule);
}

/* Who opened the flow: the direction of its first packet. */
static uint8_t opener(const struct fw_event *event)
{
	if (event->type == FW_EVENT_CHANGE || event->type == FW_EVENT_EVICT)
		return event->state & FW_FLOW_STATE_EGRESS ? FW_EGRESS : FW_INGRESS;
	return event->direction == FW_EGRESS ? FW_EGRESS : FW_INGRESS;
}

/* ICMP has no ports: the echo identifier stands in the local one, type << 8 | code in the remote
 * one (parse.h). */
void fw_flows_ports(struct fw_kept *kept, uint16_t local, uint16_t remote)
{
	bool icmp = kept->protocol == FW_PROTO_ICMP || kept->protocol == FW_PROTO_ICMPV6;
	bool out = icmp || kept->direction == FW_EGRESS;

	kept->source_port = out ? local : remote;
	kept->destination_port = out ? remote : local;
}

/* Both ends of the event; takes the names. */
static void place(struct fw_kept *kept, const struct fw_event *event, struct fw_atom *local,
		  struct fw_atom *remote)
{
	bool out = kept->direction == FW_EGRESS;

	memcpy(kept->source.b, out ? event->local : event->remote, sizeof(kept->source.b));
	memcpy(kept->destination.b, out ? event->remote : event->local,
	       sizeof(kept->destination.b));
	fw_flows_ports(kept, event->local_port, event->remote_port);
	kept->atom[FW_KEPT_SOURCE] = out ? local : remote;
	kept->atom[FW_KEPT_DESTINATION] = out ? remote : local;
}

static void count(struct fw_kept *kept, const __u64 packed[2])
{
	uint8_t forward = kept->direction, backward = forward ^ 1;

	kept->packets[0] = packed[forward] >> FW_COUNT_BYTES_BITS;
	kept->packets[1] = packed[backward] >> FW_COUNT_BYTES_BITS;
	kept->bytes[0] = packed[forward] & FW_COUNT_BYTES_MASK;
	kept->bytes[1] = packed[backward] & FW_COUNT_BYTES_MASK;
}

static uint64_t packets_of(const __u64 packed[2])
{
	return (packed[0] >> FW_COUNT_BYTES_BITS) + (packed[1] >> FW_COUNT_BYTES_BITS);
}

/* The entry of this life of the event's slot, made when there is none. NULL without a slot or
 * memory. */
static struct fw_open *enter(struct fw_flows *flows, const struct fw_event *event,
			     const struct fw_kept *kept)
{
	uint32_t generation = event->flow_ctl & (uint32_t)FW_CTL_GENERATION;
	bool out = kept->direction == FW_EGRESS;
	struct fw_open *open;

	if (event->flow == FW_NO_SLOT)
		return NULL;
	open = fw_opens_find(flows->opens, event->flow);
	if (open && open->generation == generation)
		return open;
	open = fw_opens_add(flows->opens, event->flow);
	if (!open)
		return NULL;
	open->generation = generation;
	open->endpoint_generation = event->generation;
	open->egress = out;
	open->reason = event->reason;
	open->service = event->service;
	open->start_ns = event->time_ns;
	open->begun = event->type != FW_EVENT_CHANGE;
	memcpy(open->local.b, event->local, sizeof(open->local.b));
	open->local_name = fw_intern_hold(kept->atom[out ? FW_KEPT_SOURCE : FW_KEPT_DESTINATION]);
	open->remote_name = fw_intern_hold(kept->atom[out ? FW_KEPT_DESTINATION : FW_KEPT_SOURCE]);
	return open;
}

/* What the flow's later records need to know of this one. */
static void remember(struct fw_flows *flows, const struct fw_event *event,
		     const struct fw_kept *kept)
{
	struct fw_open *open = enter(flows, event, kept);

	if (!open)
		return;
	if (event->type == FW_EVENT_DENY && (open->decision & FW_DECISION_ALLOW))
		return; /* a SYN that was refused beside a live flow: the flow goes on */
	if (event->type == FW_EVENT_DENY)
		open->reported += packets_of(event->count);
	if (event->type == FW_EVENT_CHANGE) {
		open->was_allowed = 1;
		open->settle =
			open->decision != event->decision && kept->verdict != FW_VERDICT_ALLOW;
	}
	if (kept->verdict == FW_VERDICT_ALLOW)
		open->was_allowed = 1;
	open->decision = event->decision;
}

/* The backend and the rule about it stay with the flow for its last record. */
static void remember_choice(struct fw_flows *flows, const struct fw_event *event,
			    const struct fw_kept *kept, bool known)
{
	struct fw_open *open =
		event->flow == FW_NO_SLOT ? NULL : fw_opens_find(flows->opens, event->flow);

	if (!open || open->generation != (event->flow_ctl & (uint32_t)FW_CTL_GENERATION))
		return;
	fw_intern_drop(flows->interns, TAKE_PTR(open->chosen));
	fw_intern_drop(flows->interns, TAKE_PTR(open->chosen_rule));
	if (!known)
		return;
	open->chosen = fw_intern_hold(kept->atom[FW_KEPT_SERVICE]);
	open->chosen_rule = fw_intern_hold(kept->atom[FW_KEPT_RULE]);
}

static void evicted(struct fw_flows *flows, const struct fw_event *event, struct fw_kept *kept)
{
	struct fw_open *open = fw_opens_find(flows->opens, event->flow);

	kept->type = FW_RECORD_END;
	kept->inexact = 1;
	if (!open || open->generation != (event->flow_ctl & (uint32_t)FW_CTL_GENERATION)) {
		if (kept->verdict == FW_VERDICT_ALLOW)
			fw_flows_emit(flows, kept);
		else
			fw_kept_drop(flows->interns, kept);
		return;
	}
	for (size_t d = 0; d < 2; d++) {
		uint64_t moved =
			event->count[d] - open->last[d]; /* one word: the parts cannot tear */

		open->packets[d] += moved >> FW_COUNT_BYTES_BITS;
		open->bytes[d] += moved & FW_COUNT_BYTES_MASK;
	}
	fw_flows_rename(flows, open, kept);
	if (open->begun && open->moved_ns > open->start_ns)
		kept->duration_ns = open->moved_ns - open->start_ns;
	fw_flows_end(flows, open, kept);
}

void fw_flows_event(struct fw_flows *flows, const struct fw_event *event)
{
	if (!fw_flows_wait_for_choice(flows, event))
		fw_flows_event_chosen(flows, event, NULL, 0);
}

void fw_flows_event_chosen(struct fw_flows *flows, const struct fw_event *event,
			   const struct fw_choice *choice, int result)
{
	static const uint8_t types[] = {
		[FW_EVENT_NEW] = FW_RECORD_NEW,	      [FW_EVENT_DENY] = FW_RECORD_DENY,
		[FW_EVENT_CHANGE] = FW_RECORD_CHANGE, [FW_EVENT_EVICT] = FW_RECORD_END,
		[FW_EVENT_DROP] = FW_RECORD_DROP,
	};
	struct fw_kept kept = {
		.time_ns = event->time_ns, .flow = event->flow, .protocol = event->protocol};
	struct fw_ip ip;

	if (event->type < FW_EVENT_NEW || event->type > FW_EVENT_DROP)
		return;
	kept.type = types[event->type];
	kept.direction = opener(event);
	kept.tcp_flags = event->tcp_flags;
	kept.reason = event->reason;
	kept.family = event->family;
	memcpy(ip.b, event->local, sizeof(ip.b));
	struct fw_atom *local = fw_who_local(flows->who, event->slot, event->generation, &ip);
	memcpy(ip.b, event->remote, sizeof(ip.b));
	place(&kept, event, local,
	      fw_who_remote(flows->who, &ip, event->peer_class, event->decision, event->service));
	kept.atom[FW_KEPT_SERVICE] = fw_who_service(flows->who, event->service);
	if (event->type != FW_EVENT_DROP)
		fw_flows_decide(flows, &kept, event->decision);
	if (choice)
		fw_flows_choose(flows, event, choice, result, &kept);
	count(&kept, event->count);
	if (event->type == FW_EVENT_EVICT) {
		evicted(flows, event, &kept);
		return;
	}
	if (event->type == FW_EVENT_CHANGE) {
		struct fw_decision_text before;

		fw_who_decision(flows->who, event->before, kept.direction, &before);
		kept.atom[FW_KEPT_BEFORE] = fw_intern_hold(before.rule);
	}
	kept.repeats = event->suppressed;
	if (event->type != FW_EVENT_DROP)
		remember(flows, event, &kept);
	if (event->type == FW_EVENT_NEW || event->type == FW_EVENT_CHANGE)
		remember_choice(flows, event, &kept, choice && result == 0);
	fw_flows_emit(flows, &kept);
}
