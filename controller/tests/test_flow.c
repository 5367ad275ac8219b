/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records: names of their time, folds, ends, losses, history, JSON. In: synthetic events through a
 * real ring buffer and synthetic tellings of the sweeper. Out: TAP.
 */
#include "flow_world.h"

#define PIN "/sys/fs/bpf/pw-flw-unit"

static struct flow_world world;

static int begin(void **state)
{
	world_begin(&world, PIN, 1 << 20, 256);
	*state = &world;
	return 0;
}

static int end(void **state)
{
	world_end(*state);
	return 0;
}

static void poll_for(struct flow_world *w, size_t count)
{
	int r = fw_flows_poll(w->flows);

	assert_true(r >= 0);
	assert_int_equal(w->count, count);
}

static void a_new_flow_names_both_pods_and_the_rule(void **state)
{
	struct flow_world *w = *state;
	struct fw_event event = world_event(w, FW_EVENT_NEW, FW_EGRESS, "10.1.0.3");
	const struct fw_record *r = &w->got[0];

	assert_int_equal(world_send(w, &event), 0);
	poll_for(w, 1);
	assert_int_equal(r->type, FW_RECORD_NEW);
	assert_string_equal(r->source.namespace, "shop");
	assert_string_equal(r->source.pod, "web-1");
	assert_string_equal(r->source.workload, "Deployment/web");
	assert_string_equal(r->source.entity, "pod");
	assert_int_equal(r->source.port, 40000);
	assert_string_equal(r->destination.pod, "db-0");
	assert_string_equal(r->destination.workload, "StatefulSet/db");
	assert_int_equal(r->destination.port, 5432);
	assert_string_equal(r->rule, "no rule matched");
	assert_int_equal(r->verdict, FW_VERDICT_ALLOW);
	assert_int_equal(r->direction, FW_EGRESS);
	assert_int_equal(r->sequence, 1);
	assert_int_equal(r->packets[0], 1);
	assert_int_equal(r->bytes[0], 74);
}

static void an_entering_flow_has_the_peer_as_its_source(void **state)
{
	struct flow_world *w = *state;
	struct fw_event event = world_event(w, FW_EVENT_NEW, FW_INGRESS, "10.1.0.3");

	assert_int_equal(world_send(w, &event), 0);
	poll_for(w, 1);
	assert_string_equal(w->got[0].source.pod, "db-0");
	assert_int_equal(w->got[0].source.port, 40001);
	assert_string_equal(w->got[0].destination.pod, "web-1");
	assert_int_equal(w->got[0].destination.port, 80);
}

static void peers_without_a_pod_have_an_entity(void **state)
{
	struct flow_world *w = *state;
	struct fw_event event = world_event(w, FW_EVENT_NEW, FW_EGRESS, "192.0.2.9");
	struct fw_prefix range;

	assert_int_equal(world_send(w, &event), 0);
	poll_for(w, 1);
	assert_string_equal(w->got[0].destination.entity, "world");
	assert_string_equal(w->got[0].destination.pod, "");
	event.peer_class = FW_CLASS_UNKNOWN_POD;
	assert_int_equal(world_send(w, &event), 0);
	poll_for(w, 2);
	assert_string_equal(w->got[1].destination.entity, "unknown-pod");
	event.peer_class = 0;
	assert_int_equal(fw_prefix_parse("192.0.2.0/24", &range, NULL), 0);
	assert_int_equal(fw_model_set_pod_ranges(w->model, &range, 1), 0);
	assert_int_equal(world_send(w, &event), 0);
	poll_for(w, 3);
	assert_string_equal(w->got[2].destination.entity, "unknown-pod");
	event.decision = FW_DECISION_ALLOW | FW_DECIDED_OWN_NODE;
	assert_int_equal(world_send(w, &event), 0);
	poll_for(w, 4);
	assert_string_equal(w->got[3].destination.entity, "host");
	assert_string_equal(w->got[3].rule, "own node");
}

static void names_are_those_at_the_time_of_the_packet(void **state)
{
	struct flow_world *w = *state;
	struct fw_event event = world_event(w, FW_EVENT_NEW, FW_EGRESS, "10.1.0.3");
	struct fw_sweep_flow swept;

	assert_int_equal(world_send(w, &event), 0);
	poll_for(w, 1);
	assert_int_equal(fw_model_remove(w->model, FW_KIND_POD, "shop", "db-0"), 0);
	world_pod(w, "bank", "vault-0", "10.1.0.3", "StatefulSet", "vault");
	event.flow = 6;
	assert_int_equal(world_send(w, &event), 0);
	poll_for(w, 2);
	assert_string_equal(w->got[1].destination.pod, "vault-0");
	event.flow = 5;
	swept = world_swept(w, &event, 9, 900);
	swept.ended = true;
	fw_flows_swept(&swept, w->flows);
	assert_int_equal(w->count, 3);
	assert_int_equal(w->got[2].type, FW_RECORD_END);
	assert_string_equal(w->got[2].destination.pod, "db-0");
}

static void events_of_a_slots_former_life_keep_its_name(void **state)
{
	struct flow_world *w = *state;
	struct fw_event old = world_event(w, FW_EVENT_NEW, FW_EGRESS, "192.0.2.1");
	struct fw_endpoint *row = fw_datapath_endpoint(w->datapath, w->slot);

	poll_for(w, 0);
	assert_int_equal(fw_model_remove_sandbox(w->model, "c1", "eth0"), 0);
	assert_int_equal(fw_model_remove(w->model, FW_KIND_POD, "shop", "web-1"), 0);
	row->generation++;
	world_pod(w, "dev", "other", "10.1.0.2", "", "");
	world_sandbox(w, "c2", "dev", "other", w->slot);
	assert_int_equal(world_send(w, &old), 0);
	poll_for(w, 1);
	assert_string_equal(w->got[0].source.pod, "web-1");
	old.generation = row->generation;
	assert_int_equal(world_send(w, &old), 0);
	poll_for(w, 2);
	assert_string_equal(w->got[1].source.pod, "other");
}

static void repeats_of_a_denied_flow_are_folded_once_per_sweep(void **state)
{
	struct flow_world *w = *state;
	struct fw_event event = world_event(w, FW_EVENT_DENY, FW_INGRESS, "10.1.0.3");
	struct fw_sweep_flow swept;

	assert_int_equal(world_send(w, &event), 0);
	poll_for(w, 1);
	assert_int_equal(w->got[0].type, FW_RECORD_DENY);
	assert_int_equal(w->got[0].verdict, FW_VERDICT_DENY);
	assert_int_equal(w->got[0].repeats, 0);
	swept = world_swept(w, &event, 7, 518); /* the first of them has its record */
	fw_flows_swept(&swept, w->flows);
	assert_int_equal(w->count, 2);
	assert_int_equal(w->got[1].type, FW_RECORD_DENY);
	assert_int_equal(w->got[1].repeats, 6);
	assert_string_equal(w->got[1].source.pod, "db-0");
	swept.packets[FW_INGRESS] = 0;
	fw_flows_swept(&swept, w->flows);
	assert_int_equal(w->count, 2);
	swept.packets[FW_INGRESS] = 2;
	swept.ended = true;
	fw_flows_swept(&swept, w->flows);
	assert_int_equal(w->count, 3);
	assert_int_equal(w->got[2].repeats, 2);
	assert_int_equal(fw_opens_count(w->flows->opens), 0);
}

static void a_flow_that_was_always_denied_has_no_end_record(void **state)
{
	struct flow_world *w = *state;
	struct fw_event event = world_event(w, FW_EVENT_DENY, FW_INGRESS, "10.1.0.3");
	struct fw_sweep_flow swept = world_swept(w, &event, 1, 74);

	assert_int_equal(world_send(w, &event), 0);
	poll_for(w, 1);
	swept.ended = true;
	fw_flows_swept(&swept, w->flows);
	assert_int_equal(w->count, 1);
}

static void an_end_has_totals_opener_and_duration(void **state)
{
	struct flow_world *w = *state;
	struct fw_event event = world_event(w, FW_EVENT_NEW, FW_EGRESS, "10.1.0.3");
	struct fw_event single = event;
	struct fw_sweep_flow swept;
	uint32_t hz = fw_datapath_node(w->datapath)->hz;
	const struct fw_record *r = &w->got[2];

	single.flow = 9;
	assert_int_equal(world_send(w, &event), 0);
	assert_int_equal(world_send(w, &single), 0);
	poll_for(w, 2);
	swept = world_swept(w, &single, 1, 74); /* one packet: teaches what its jiffy was */
	swept.copy.seen = 5000;
	fw_flows_swept(&swept, w->flows);
	swept = world_swept(w, &event, 12, 840);
	swept.packets[FW_INGRESS] = 10;
	swept.bytes[FW_INGRESS] = 9120;
	fw_flows_swept(&swept, w->flows);
	swept.packets[FW_EGRESS] = 3;
	swept.bytes[FW_EGRESS] = 180;
	swept.packets[FW_INGRESS] = swept.bytes[FW_INGRESS] = 0;
	swept.copy.seen = 5000 + 4 * hz;
	swept.copy.state |= FW_FLOW_STATE_FIN_IN | FW_FLOW_STATE_FIN_OUT;
	swept.ended = true;
	fw_flows_swept(&swept, w->flows);
	assert_int_equal(w->count, 3);
	assert_int_equal(r->type, FW_RECORD_END);
	assert_string_equal(r->source.pod, "web-1");
	assert_int_equal(r->packets[0], 15);
	assert_int_equal(r->bytes[0], 1020);
	assert_int_equal(r->packets[1], 10);
	assert_int_equal(r->bytes[1], 9120);
	assert_int_equal(r->duration_ns, 4000000000);
	assert_false(r->inexact);
	assert_int_equal(r->tcp_flags, 0x01);
}

static void an_evicted_flow_ends_inexactly_with_its_own_names(void **state)
{
	struct flow_world *w = *state;
	struct fw_event event = world_event(w, FW_EVENT_NEW, FW_EGRESS, "10.1.0.3");
	struct fw_sweep_flow swept = world_swept(w, &event, 4, 400);

	assert_int_equal(world_send(w, &event), 0);
	poll_for(w, 1);
	swept.copy.count[FW_EGRESS] = 4ULL << FW_COUNT_BYTES_BITS | 400;
	fw_flows_swept(&swept, w->flows);
	assert_int_equal(fw_model_remove(w->model, FW_KIND_POD, "shop", "db-0"), 0);
	event.type = FW_EVENT_EVICT;
	event.count[FW_EGRESS] = 6ULL << FW_COUNT_BYTES_BITS | 700;
	event.count[FW_INGRESS] = 1ULL << FW_COUNT_BYTES_BITS | 50;
	assert_int_equal(world_send(w, &event), 0);
	poll_for(w, 2);
	assert_int_equal(w->got[1].type, FW_RECORD_END);
	assert_true(w->got[1].inexact);
	assert_int_equal(w->got[1].packets[0], 6);
	assert_int_equal(w->got[1].bytes[0], 700);
	assert_int_equal(w->got[1].packets[1], 1);
	assert_string_equal(w->got[1].destination.pod, "db-0");
	assert_int_equal(fw_opens_count(w->flows->opens), 0);
}

static void a_slot_used_again_at_once_begins_a_new_flow(void **state)
{
	struct flow_world *w = *state;
	struct fw_event event = world_event(w, FW_EVENT_NEW, FW_EGRESS, "10.1.0.3");
	struct fw_sweep_flow swept = world_swept(w, &event, 4, 400);

	assert_int_equal(world_send(w, &event), 0);
	event.flow_ctl += FW_CTL_GENERATION_ONE;
	assert_int_equal(world_send(w, &event), 0);
	poll_for(w, 2);
	swept.copy.ctl = event.flow_ctl;
	swept.ended = true;
	fw_flows_swept(&swept, w->flows);
	assert_int_equal(w->count, 3);
	assert_int_equal(w->got[2].packets[0], 4);
	assert_int_equal(fw_opens_count(w->flows->opens), 0);
}

static void a_flow_older_than_the_daemon_still_ends_with_names(void **state)
{
	struct flow_world *w = *state;
	struct fw_event event = world_event(w, FW_EVENT_NEW, FW_INGRESS, "10.1.0.3");
	struct fw_sweep_flow swept = world_swept(w, &event, 20, 2000);
	struct fw_endpoint *row = fw_datapath_endpoint(w->datapath, w->slot);
	struct fw_ip ip;

	assert_int_equal(fw_ip_parse("10.1.0.2", &ip, NULL), 0);
	row->ip4_be = fw_ip_to4(&ip);
	poll_for(w, 0);
	swept.ended = true;
	fw_flows_swept(&swept, w->flows);
	assert_int_equal(w->count, 1);
	assert_int_equal(w->got[0].type, FW_RECORD_END);
	assert_string_equal(w->got[0].source.pod, "db-0");
	assert_string_equal(w->got[0].destination.pod, "web-1");
	assert_true(fw_ip_equal(&w->got[0].destination.ip, &ip));
	assert_int_equal(w->got[0].packets[0], 20);
	assert_int_equal(w->got[0].duration_ns, 0);
}

static void a_change_names_the_rule_before_and_counts_only_what_came_after(void **state)
{
	struct flow_world *w = *state;
	struct fw_event event = world_event(w, FW_EVENT_NEW, FW_INGRESS, "10.1.0.3");
	struct fw_sweep_flow swept;

	assert_int_equal(world_send(w, &event), 0);
	event.type = FW_EVENT_CHANGE;
	event.direction = FW_EGRESS; /* an answer met the new policy first */
	event.before = WORLD_OK;
	event.decision = WORLD_DENY;
	event.reason = FW_REASON_POLICY_DENY;
	assert_int_equal(world_send(w, &event), 0);
	poll_for(w, 2);
	assert_int_equal(w->got[1].type, FW_RECORD_CHANGE);
	assert_int_equal(w->got[1].direction, FW_INGRESS);
	assert_string_equal(w->got[1].source.pod, "db-0");
	assert_string_equal(w->got[1].rule_before, "no rule matched");
	assert_string_equal(w->got[1].rule, "no such service port");
	event.direction = FW_INGRESS;
	swept = world_swept(w, &event, 100, 10000); /* most of these were allowed */
	fw_flows_swept(&swept, w->flows);
	assert_int_equal(w->count, 2);
	swept.packets[FW_INGRESS] = 3;
	fw_flows_swept(&swept, w->flows);
	assert_int_equal(w->count, 3);
	assert_int_equal(w->got[2].type, FW_RECORD_DENY);
	assert_int_equal(w->got[2].repeats, 3);
	swept.packets[FW_INGRESS] = 0;
	swept.ended = true;
	fw_flows_swept(&swept, w->flows);
	assert_int_equal(w->count, 4);
	assert_int_equal(w->got[3].type, FW_RECORD_END);
}

static void a_refused_syn_beside_a_live_flow_leaves_the_flow(void **state)
{
	struct flow_world *w = *state;
	struct fw_event event = world_event(w, FW_EVENT_NEW, FW_EGRESS, "10.1.0.3");
	struct fw_event refused = world_event(w, FW_EVENT_DENY, FW_INGRESS, "10.1.0.3");
	struct fw_sweep_flow swept = world_swept(w, &event, 8, 800);

	assert_int_equal(world_send(w, &event), 0);
	assert_int_equal(world_send(w, &refused), 0);
	poll_for(w, 2);
	fw_flows_swept(&swept, w->flows);
	assert_int_equal(w->count, 2);
	swept.packets[FW_EGRESS] = 0;
	swept.ended = true;
	fw_flows_swept(&swept, w->flows);
	assert_int_equal(w->count, 3);
	assert_int_equal(w->got[2].verdict, FW_VERDICT_ALLOW);
}

static void late_fragments_count_for_the_flow_of_the_first(void **state)
{
	struct flow_world *w = *state;
	struct fw_event event = world_event(w, FW_EVENT_NEW, FW_EGRESS, "10.1.0.3");
	struct fw_sweep_flow swept = world_swept(w, &event, 1, 1500), late = swept;

	assert_int_equal(world_send(w, &event), 0);
	poll_for(w, 1);
	late.flow = 17;
	late.copy.kind = FW_FLOW_FRAGMENT;
	late.copy.state = event.flow << FW_FLOW_STATE_PARENT_SHIFT;
	late.packets[FW_EGRESS] = 2;
	late.bytes[FW_EGRESS] = 2000;
	fw_flows_swept(&late, w->flows);
	swept.ended = true;
	fw_flows_swept(&swept, w->flows);
	assert_int_equal(w->count, 2);
	assert_int_equal(w->got[1].packets[0], 3);
	assert_int_equal(w->got[1].bytes[0], 3500);
}

static void a_drop_has_a_reason_and_says_how_many_were_not_recorded(void **state)
{
	struct flow_world *w = *state;
	struct fw_event event = world_event(w, FW_EVENT_DROP, FW_EGRESS, "10.1.0.3");

	event.reason = FW_REASON_SPOOFED_ADDRESS;
	event.decision = 0;
	event.flow = FW_NO_SLOT;
	event.suppressed = 40;
	assert_int_equal(world_send(w, &event), 0);
	poll_for(w, 1);
	assert_int_equal(w->got[0].type, FW_RECORD_DROP);
	assert_int_equal(w->got[0].reason, FW_REASON_SPOOFED_ADDRESS);
	assert_int_equal(w->got[0].repeats, 40);
	assert_string_equal(w->got[0].rule, "");
	assert_int_equal(fw_opens_count(w->flows->opens), 0);
}

static void an_audited_deny_is_an_allow_that_says_so(void **state)
{
	struct flow_world *w = *state;
	struct fw_event event = world_event(w, FW_EVENT_NEW, FW_EGRESS, "10.1.0.3");

	event.decision = WORLD_DENY | FW_DECISION_ALLOW | FW_DECISION_AUDITED;
	event.reason = FW_REASON_AUDITED;
	assert_int_equal(world_send(w, &event), 0);
	poll_for(w, 1);
	assert_int_equal(w->got[0].verdict, FW_VERDICT_ALLOW);
	assert_true(w->got[0].audited);
	assert_string_equal(w->got[0].rule, "no such service port");
}

static void row_53_what_the_ring_had_no_room_for_is_counted_exactly(void **state)
{
	struct flow_world *w = *state;
	struct fw_event event = world_event(w, FW_EVENT_NEW, FW_EGRESS, "10.1.0.3");
	size_t kept = 0, lost = 0, sent = 0, made = 0;

	for (; sent < 60000 && lost < 100; sent++) {
		event.flow = (uint32_t)(sent & 63);
		event.flow_ctl = (uint32_t)(2 | (sent + 1) << 3);
		if (world_send(w, &event))
			lost++;
		else
			kept++;
	}
	assert_int_equal(lost, 100);
	do
		made += (size_t)fw_flows_poll(w->flows);
	while (fw_flows_behind(w->flows));
	assert_int_equal(made, kept + 1);
	assert_int_equal(w->count, kept + 1);
	assert_int_equal(fw_flows_lost(w->flows), lost);
	assert_int_equal(fw_flows_poll(w->flows), 0); /* told once */
	assert_int_equal(world_send(w, &event), 0);   /* and there is room again */
	assert_int_equal(fw_flows_poll(w->flows), 1);
	assert_int_equal(fw_flows_lost(w->flows), lost);
}

static void losses_while_no_daemon_ran_are_told_once_by_the_next(void **state)
{
	struct flow_world *w = *state;
	struct fw_event event = world_event(w, FW_EVENT_DENY, FW_EGRESS, "10.1.0.3");
	size_t lost = 0;

	fw_flows_free(&w->flows);
	while (lost < 3)
		lost += (size_t)world_send(w, &event);
	world_keeper(w, 8);
	do
		assert_true(fw_flows_poll(w->flows) > 0);
	while (fw_flows_behind(w->flows));
	assert_int_equal(fw_flows_lost(w->flows), 3);
	fw_flows_free(&w->flows);
	world_keeper(w, 8);
	assert_int_equal(fw_flows_poll(w->flows), 0);
	assert_int_equal(fw_flows_lost(w->flows), 0);
}

static void collect(const struct fw_record *record, void *context)
{
	uint64_t *sequences = context;

	sequences[++sequences[0]] = record->sequence;
}

static void the_history_holds_the_newest_and_forgets_the_oldest(void **state)
{
	struct flow_world *w = *state;
	struct fw_event event = world_event(w, FW_EVENT_NEW, FW_EGRESS, "10.1.0.3");
	uint64_t sequences[301] = {0};

	for (uint32_t i = 0; i < 300; i++) {
		event.flow = i & 63;
		event.flow_ctl = 2 | (i + 1) << 3;
		assert_int_equal(world_send(w, &event), 0);
	}
	poll_for(w, 300);
	assert_int_equal(fw_flows_newest(w->flows), 300);
	assert_int_equal(fw_flows_held(w->flows), 256);
	fw_flows_history(w->flows, collect, sequences);
	assert_int_equal(sequences[0], 256);
	assert_int_equal(sequences[1], 45);
	assert_int_equal(sequences[256], 300);
	sequences[0] = 0;
	assert_int_equal(fw_flows_history_after(w->flows, 290, 4, collect, sequences), 4);
	assert_int_equal(sequences[1], 291);
	assert_int_equal(fw_flows_history_after(w->flows, 300, 4, collect, sequences), 0);
	assert_int_equal(fw_flows_lost(w->flows), 0);
}

static void names_that_nobody_uses_any_more_are_given_back(void **state)
{
	struct flow_world *w = *state;
	struct fw_event event = world_event(w, FW_EVENT_NEW, FW_EGRESS, "10.1.0.3");
	char name[32];

	for (uint32_t i = 0; i < 600; i++) {
		(void)snprintf(name, sizeof(name), "db-%u", i);
		assert_int_equal(fw_model_remove(w->model, FW_KIND_POD, "shop",
						 i ? w->got[0].rule_before : "db-0"),
				 0);
		(void)snprintf(w->got[0].rule_before, sizeof(w->got[0].rule_before), "%s", name);
		world_pod(w, "shop", name, "10.1.0.3", "", "");
		assert_int_equal(world_send(w, &event), 0);
		w->count = RECORDS_MAX;
		assert_true(fw_flows_poll(w->flows) == 1);
	}
	assert_in_range(fw_interns_count(w->flows->interns), 256, 256 + 16);
}

static void unsubscribed_readers_are_left_alone(void **state)
{
	struct flow_world *w = *state;
	struct fw_event event = world_event(w, FW_EVENT_NEW, FW_EGRESS, "10.1.0.3");
	uint64_t handle;

	for (size_t i = 1; i < FW_SUBSCRIBERS_MAX; i++)
		assert_int_equal(fw_flows_subscribe(w->flows, world_take, w, &handle), 0);
	assert_int_equal(fw_flows_subscribe(w->flows, world_take, w, &handle), -ENOSPC);
	fw_flows_unsubscribe(w->flows, w->handle);
	assert_int_equal(world_send(w, &event), 0);
	assert_int_equal(fw_flows_poll(w->flows), 1);
	assert_int_equal(w->count, FW_SUBSCRIBERS_MAX - 1);
}

static void row_43_times_are_of_the_wall_clock_now_and_durations_are_not(void **state)
{
	struct flow_world *w = *state;
	struct fw_event event = world_event(w, FW_EVENT_NEW, FW_EGRESS, "10.1.0.3");
	struct timespec wall;
	int64_t off;

	assert_int_equal(world_send(w, &event), 0);
	poll_for(w, 1);
	(void)clock_gettime(CLOCK_REALTIME, &wall);
	off = (int64_t)(w->got[0].time_ns -
			((uint64_t)wall.tv_sec * 1000000000 + (uint64_t)wall.tv_nsec));
	assert_true(off < 1000000 && off > -5000000000);
	w->flows->wall_offset += 3600LL * 1000000000; /* the clock jumps while the flow lives */
	struct fw_sweep_flow swept = world_swept(w, &event, 1, 74);
	swept.copy.seen = 77;
	fw_flows_swept(&swept, w->flows);
	swept.packets[FW_EGRESS] = 1;
	swept.copy.seen = 77 + fw_datapath_node(w->datapath)->hz;
	swept.ended = true;
	fw_flows_swept(&swept, w->flows);
	assert_int_equal(w->count, 2);
	assert_int_equal(w->got[1].duration_ns, 1000000000);
}

static void a_numbered_rule_is_told_with_its_direction_and_what_is_pending(void **state)
{
	struct flow_world *w = *state;
	struct fw_event event = world_event(w, FW_EVENT_NEW, FW_EGRESS, "10.1.0.3");

	event.decision = world_decide(w);
	assert_true(event.decision & FW_DECISION_ALLOW);
	assert_int_equal(world_send(w, &event), 0);
	event.direction = FW_INGRESS;
	assert_int_equal(world_send(w, &event), 0);
	poll_for(w, 2);
	assert_string_equal(w->got[0].rule, "netpol shop/web-egress egress[2]");
	assert_string_equal(w->got[1].rule, "netpol shop/web-egress ingress[2]");
	assert_int_equal(w->got[0].verdict, FW_VERDICT_ALLOW);
	assert_int_equal(w->got[0].pending, FW_VERDICT_DENY);
	assert_string_equal(w->got[0].pending_rule, "isolated(3) netpol shop/next");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_new_flow_names_both_pods_and_the_rule),
		CASE(an_entering_flow_has_the_peer_as_its_source),
		CASE(peers_without_a_pod_have_an_entity),
		CASE(names_are_those_at_the_time_of_the_packet),
		CASE(events_of_a_slots_former_life_keep_its_name),
		CASE(repeats_of_a_denied_flow_are_folded_once_per_sweep),
		CASE(a_flow_that_was_always_denied_has_no_end_record),
		CASE(an_end_has_totals_opener_and_duration),
		CASE(an_evicted_flow_ends_inexactly_with_its_own_names),
		CASE(a_slot_used_again_at_once_begins_a_new_flow),
		CASE(a_flow_older_than_the_daemon_still_ends_with_names),
		CASE(a_change_names_the_rule_before_and_counts_only_what_came_after),
		CASE(a_refused_syn_beside_a_live_flow_leaves_the_flow),
		CASE(late_fragments_count_for_the_flow_of_the_first),
		CASE(a_drop_has_a_reason_and_says_how_many_were_not_recorded),
		CASE(an_audited_deny_is_an_allow_that_says_so),
		CASE(a_numbered_rule_is_told_with_its_direction_and_what_is_pending),
		CASE(row_53_what_the_ring_had_no_room_for_is_counted_exactly),
		CASE(losses_while_no_daemon_ran_are_told_once_by_the_next),
		CASE(the_history_holds_the_newest_and_forgets_the_oldest),
		CASE(names_that_nobody_uses_any_more_are_given_back),
		CASE(unsubscribed_readers_are_left_alone),
		CASE(row_43_times_are_of_the_wall_clock_now_and_durations_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
