/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sweeper tells: totals of open flows, repeats of denied ones, ends. In: one struct
 * fw_sweep_flow. Out: at most one DENY with its repeats for each denied flow and sweep, and one END
 * for each flow that was ever allowed.
 */
#include "flow/internal.h"

#include <string.h>

#include "base/cleanup.h"
#include "fw/reasons.h"

#define SECOND_NS 1000000000ULL

static uint32_t decision_of(const struct fw_flow *flow)
{
	return (uint32_t)flow->ev & ~(FW_DECISION_ASKED_IN | FW_DECISION_ASKED_OUT);
}

/* The address that index `kind & FW_FLOW_ADDRESS` of an endpoint names (abi.h); zero when the row
 * is gone. */
static struct fw_ip local_address(const struct fw_endpoint *row, const struct fw_flow *flow)
{
	uint8_t index = flow->kind & FW_FLOW_ADDRESS;
	struct fw_ip remote, ip = {{0}};

	memcpy(remote.b, flow->remote, sizeof(remote.b));
	if (!row)
		return ip;
	if (fw_ip_is4(&remote)) {
		if (!index)
			return fw_ip_from4(row->ip4_be);
		if (index <= sizeof(row->ip4_extra_be) / sizeof(*row->ip4_extra_be))
			return fw_ip_from4(row->ip4_extra_be[index - 1]);
		return ip;
	}
	if (!index)
		memcpy(ip.b, row->ip6, sizeof(ip.b));
	else if (index == FW_FLOW_ADDRESS)
		memcpy(ip.b, row->ip6_ll, sizeof(ip.b));
	else if (index <= sizeof(row->ip6_extra) / sizeof(*row->ip6_extra))
		memcpy(ip.b, row->ip6_extra[index - 1], sizeof(ip.b));
	return ip;
}

/* A flow whose first record nobody has seen: it is older than this daemon, or its record was lost.
 */
static struct fw_open *adopt(struct fw_flows *flows, const struct fw_sweep_flow *swept)
{
	struct fw_open *open = fw_opens_add(flows->opens, swept->flow);
	uint32_t decision = decision_of(&swept->copy);
	struct fw_ip remote;

	if (!open)
		return NULL;
	memcpy(remote.b, swept->copy.remote, sizeof(remote.b));
	open->generation = (uint32_t)swept->copy.ctl & (uint32_t)FW_CTL_GENERATION;
	open->endpoint_generation = swept->copy.generation;
	open->egress = (swept->copy.state & FW_FLOW_STATE_EGRESS) != 0;
	open->decision = decision;
	open->reason = FW_REASON_FLOW;
	open->was_allowed = (decision & FW_DECISION_ALLOW) != 0;
	open->local =
		local_address(fw_datapath_endpoint(flows->datapath, swept->slot), &swept->copy);
	open->local_name =
		fw_who_local(flows->who, swept->slot, swept->copy.generation, &open->local);
	if (swept->copy.state & FW_FLOW_STATE_SERVICE)
		open->service = fw_who_service_at(flows->who, &remote, swept->copy.remote_port,
						  swept->copy.protocol);
	open->remote_name =
		fw_who_remote(flows->who, &remote, FW_CLASS_WORLD, decision, open->service);
	return open;
}

/* A flow of one packet: its `seen` is the jiffy of its first record's time. */
static void learn_jiffies(struct fw_flows *flows, const struct fw_open *open,
			  const struct fw_sweep_flow *swept)
{
	if (!open->begun || open->packets[0] + open->packets[1] != 1)
		return;
	flows->jiffies_known = true;
	flows->jiffies_at = swept->copy.seen;
	flows->jiffies_ns = open->start_ns;
}

/* CLOCK_MONOTONIC of the flow's last packet, as exactly as can be told. */
static uint64_t last_packet(const struct fw_flows *flows, const struct fw_open *open, uint32_t seen)
{
	uint32_t hz = fw_datapath_node(flows->datapath)->hz;
	int64_t ticks = (int32_t)(seen - flows->jiffies_at);

	if (!flows->jiffies_known || !hz)
		return open->moved_ns ? open->moved_ns : flows->now_ns;
	return flows->jiffies_ns + (uint64_t)(ticks * (int64_t)(SECOND_NS / hz));
}

/* The names and the service as they were when the flow began, in the place of those of now. */
void fw_flows_rename(struct fw_flows *flows, const struct fw_open *open, struct fw_kept *kept)
{
	struct fw_atom *atoms[] = {open->local_name, open->remote_name,
				   open->chosen ? fw_intern_hold(open->chosen)
						: fw_who_service(flows->who, open->service)};
	uint8_t places[] = {FW_KEPT_SOURCE, FW_KEPT_DESTINATION, FW_KEPT_SERVICE};

	if (!open->egress) {
		places[0] = FW_KEPT_DESTINATION;
		places[1] = FW_KEPT_SOURCE;
	}
	for (size_t i = 0; i < 3; i++) {
		fw_intern_drop(flows->interns, kept->atom[places[i]]);
		kept->atom[places[i]] = i < 2 ? fw_intern_hold(atoms[i]) : atoms[i];
	}
}

/* Both ends and the words, as the flow's entry remembers them. */
static void describe(struct fw_flows *flows, const struct fw_open *open,
		     const struct fw_sweep_flow *swept, struct fw_kept *kept)
{
	bool out = open->egress;

	kept->time_ns = flows->now_ns;
	kept->flow = swept->flow;
	kept->direction = out ? FW_EGRESS : FW_INGRESS;
	kept->protocol = swept->copy.protocol;
	memcpy(out ? kept->destination.b : kept->source.b, swept->copy.remote,
	       sizeof(kept->source.b));
	*(out ? &kept->source : &kept->destination) = open->local;
	fw_flows_ports(kept, swept->copy.local_port, swept->copy.remote_port);
	kept->family = fw_ip_is4(&kept->source) || fw_ip_is4(&kept->destination) ? 4 : 6;
	fw_flows_rename(flows, open, kept);
	fw_flows_decide(flows, kept, open->decision);
	if (!open->chosen_rule)
		return;
	fw_intern_drop(flows->interns, kept->atom[FW_KEPT_RULE]);
	kept->atom[FW_KEPT_RULE] = fw_intern_hold(open->chosen_rule);
}

/* Denied packets that no record has told of become one record. */
static void fold(struct fw_flows *flows, struct fw_open *open, const struct fw_sweep_flow *swept)
{
	uint64_t total = open->packets[0] + open->packets[1];
	uint8_t forward = open->egress ? FW_EGRESS : FW_INGRESS;
	struct fw_kept kept = {.type = FW_RECORD_DENY, .reason = FW_REASON_FLOW_DENIED};

	if (open->settle) { /* became denied between two sweeps: which of these were allowed cannot
			       be told */
		open->settle = 0;
		open->reported = total;
	}
	if (total <= open->reported)
		return;
	describe(flows, open, swept, &kept);
	kept.repeats = total - open->reported;
	for (uint8_t d = 0; d < 2; d++) {
		kept.packets[d] = swept->packets[forward ^ d];
		kept.bytes[d] = swept->bytes[forward ^ d];
	}
	open->reported = total;
	fw_flows_emit(flows, &kept);
}

void fw_flows_end(struct fw_flows *flows, struct fw_open *open, struct fw_kept *kept)
{
	uint8_t forward = open->egress ? FW_EGRESS : FW_INGRESS;

	for (uint8_t d = 0; d < 2; d++) {
		kept->packets[d] = open->packets[forward ^ d];
		kept->bytes[d] = open->bytes[forward ^ d];
	}
	/* a service that did not answer at first, and did when another backend was chosen */
	if (open->was_allowed || ((open->decision & FW_DECISION_ID) == FW_DECIDED_SERVICE_CHOSEN &&
				  open->packets[forward ^ 1]))
		fw_flows_emit(flows, kept);
	else
		fw_kept_drop(flows->interns, kept);
	fw_opens_drop(flows->opens, open->flow);
}

static void ended(struct fw_flows *flows, struct fw_open *open, const struct fw_sweep_flow *swept)
{
	struct fw_kept kept = {.type = FW_RECORD_END, .reason = open->reason};
	uint64_t last = last_packet(flows, open, swept->copy.seen);

	describe(flows, open, swept, &kept);
	if (swept->copy.state & (FW_FLOW_STATE_FIN_IN | FW_FLOW_STATE_FIN_OUT))
		kept.tcp_flags |= 0x01;
	if (swept->copy.state & FW_FLOW_STATE_RST)
		kept.tcp_flags |= 0x04;
	if (open->begun && last > open->start_ns)
		kept.duration_ns = last - open->start_ns;
	fw_flows_end(flows, open, &kept);
}

/* Late fragments are counted in a slot of their own: they belong to the flow of the first one. */
static void fragments(struct fw_flows *flows, const struct fw_sweep_flow *swept)
{
	uint32_t base = swept->flow / flows->region_slots * flows->region_slots;
	uint32_t parent =
		base + (swept->copy.state >> FW_FLOW_STATE_PARENT_SHIFT) % flows->region_slots;
	struct fw_open *open = fw_opens_find(flows->opens, parent);

	for (size_t d = 0; open && d < 2; d++) {
		open->packets[d] += swept->packets[d];
		open->bytes[d] += swept->bytes[d];
	}
}

void fw_flows_swept(const struct fw_sweep_flow *swept, void *context)
{
	uint32_t generation = (uint32_t)swept->copy.ctl & (uint32_t)FW_CTL_GENERATION;
	struct fw_flows *flows = context;
	struct fw_open *open;

	if (swept->copy.kind & FW_FLOW_FRAGMENT) {
		fragments(flows, swept);
		return;
	}
	open = fw_opens_find(flows->opens, swept->flow);
	if (!open || open->generation != generation)
		open = adopt(flows, swept);
	if (!open)
		return;
	for (size_t d = 0; d < 2; d++) {
		open->packets[d] += swept->packets[d];
		open->bytes[d] += swept->bytes[d];
		open->last[d] = swept->copy.count[d];
		if (swept->packets[d])
			open->moved_ns = flows->now_ns;
	}
	learn_jiffies(flows, open, swept);
	if (!((uint32_t)swept->copy.ev & FW_DECISION_ALLOW) &&
	    !(open->decision & FW_DECISION_ALLOW))
		fold(flows, open, swept);
	if (swept->ended)
		ended(flows, open, swept);
}
