/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What flows do when policy moves, under GSO and through services: verdicts, records, counters.
 */
#include "fixture.h"

static void only_towards(int way)
{
	fixture_default(way == FW_INGRESS ? ALLOW_DEFAULT : FW_DECIDED_NOTHING,
			way == FW_EGRESS ? ALLOW_DEFAULT : FW_DECIDED_NOTHING);
}

static void allow_to_deny_cuts_a_live_flow_both_ways(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		fixture_forget();
		fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
		expect(TCP(family, way, 5, 6, SYN), FW_REASON_POLICY_ALLOW);
		expect(TCP(family, !way, 5, 6, SYN | ACK), FW_REASON_FLOW);
		only_towards(!way); /* the opener's direction is denied, the answers' is open */
		expect(TCP(family, !way, 5, 6, ACK), FW_REASON_POLICY_DENY);
		expect_record(FW_EVENT_CHANGE, FW_REASON_POLICY_DENY);
		assert_int_equal(fx->events[0].before, ALLOW_DEFAULT);
		for (int i = 0; i < 3; i++) {
			expect(TCP(family, !way, 5, 6, ACK), FW_REASON_FLOW_DENIED);
			expect(TCP(family, way, 5, 6, ACK), FW_REASON_FLOW_DENIED);
			expect_no_record();
		}
		fixture_bump(); /* still cut: an answer opens nothing by being judged in its own
				   direction */
		expect(TCP(family, !way, 5, 6, ACK), FW_REASON_POLICY_DENY);
		expect(TCP(family, way, 5, 6, ACK), FW_REASON_FLOW_DENIED);
		/* but a new connection of the other side is its own matter */
		expect(TCP(family, !way, 5, 6, SYN), FW_REASON_POLICY_ALLOW);
		expect(TCP(family, way, 5, 6, SYN | ACK), FW_REASON_FLOW);
	}
}

static void deny_to_allow_revives_a_cut_flow(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		fixture_forget();
		fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
		expect(UDP(family, way, 5, 6), FW_REASON_POLICY_ALLOW);
		expect(UDP(family, !way, 5, 6), FW_REASON_FLOW);
		only_towards(!way);
		expect(UDP(family, way, 5, 6), FW_REASON_POLICY_DENY);
		expect(UDP(family, !way, 5, 6), FW_REASON_FLOW_DENIED);
		only_towards(way);
		expect(UDP(family, !way, 5, 6),
		       FW_REASON_POLICY_ALLOW); /* judged as who opened it */
		expect_record(FW_EVENT_CHANGE, FW_REASON_POLICY_ALLOW);
		expect(UDP(family, way, 5, 6), FW_REASON_FLOW);
		assert_int_equal(PACKETS(fixture_only(), way) + PACKETS(fixture_only(), !way), 6);
	}
}

static void same_decision_after_a_bump_leaves_no_record(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		fixture_forget();
		expect(UDP(family, way, 5, 6), FW_REASON_POLICY_ALLOW);
		for (int i = 0; i < 5; i++) {
			fixture_bump();
			expect(UDP(family, way, 5, 6), FW_REASON_POLICY_ALLOW); /* judged again */
			expect_no_record();
			expect(UDP(family, way, 5, 6), FW_REASON_FLOW);
		}
		assert_int_equal(PACKETS(fixture_only(), way), 11);
	}
}

static void a_rule_that_replaces_another_is_a_change(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		fixture_forget();
		fixture_default(ALLOW(70), ALLOW(70));
		expect(UDP(family, way, 5, 6), FW_REASON_POLICY_ALLOW);
		fixture_default(ALLOW(71), ALLOW(71));
		expect(UDP(family, way, 5, 6), FW_REASON_POLICY_ALLOW);
		expect_record(FW_EVENT_CHANGE, FW_REASON_POLICY_ALLOW);
		assert_int_equal(fx->events[0].before, ALLOW(70));
		assert_int_equal(fx->events[0].decision, ALLOW(71));
	}
}

static void denied_from_the_start_is_judged_by_each_side(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		fixture_forget();
		only_towards(!way);
		expect(TCP(family, way, 5, 6, SYN), FW_REASON_POLICY_DENY);
		expect(TCP(family, way, 5, 6, SYN), FW_REASON_FLOW_DENIED);
		expect(TCP(family, !way, 5, 6, SYN), FW_REASON_POLICY_ALLOW);
		expect(TCP(family, way, 5, 6, SYN | ACK), FW_REASON_FLOW);
		assert_int_equal(!!(fixture_only()->state & FW_FLOW_STATE_EGRESS), !way);
	}
}

static void no_decision_bit_of_ours_is_told(void **state)
{
	(void)state;
	fixture_default(FW_DECIDED_NOTHING, FW_DECIDED_NOTHING);
	EACH_WAY(family, way)
	{
		fixture_forget();
		expect(TCP(family, way, 5, 6, SYN), FW_REASON_POLICY_DENY);
		assert_int_equal(fx->events[0].decision, 0);
		expect(TCP(family, !way, 5, 6, SYN), FW_REASON_POLICY_DENY);
		assert_int_equal(fx->events[0].decision, 0);
		fixture_bump();
		expect(TCP(family, way, 5, 6, SYN), FW_REASON_POLICY_DENY);
		expect_no_record();
	}
}

static void counts_are_exact_under_gso(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		struct packet p =
			PACKET(.family = family, .direction = way, .proto = PROTO_TCP, .flags = ACK,
			       .local_port = 5, .remote_port = 6, .payload = 2000);
		struct fw_flow *flow;
		uint64_t header = p.l4 + 20, bytes = 0;

		fixture_forget();
		expect(p, FW_REASON_POLICY_ALLOW); /* one packet */
		flow = fixture_only();
		bytes += p.len;
		assert_int_equal(PACKETS(flow, way), 1);
		assert_int_equal(BYTES(flow, way), bytes);
		fx->gso_size = 500;
		fx->gso_segs = 4;
		expect(p, FW_REASON_FLOW);
		bytes += p.len + 3 * header;
		assert_int_equal(PACKETS(flow, way), 5);
		assert_int_equal(BYTES(flow, way), bytes);
		fx->gso_segs = 0; /* a guest's frame: only the size is told */
		fx->gso_size = 300;
		expect(p, FW_REASON_FLOW);
		bytes += p.len + 6 * header; /* 2000 / 300: seven segments */
		assert_int_equal(PACKETS(flow, way), 12);
		assert_int_equal(BYTES(flow, way), bytes);
		fx->gso_segs = 3; /* left behind: without a size nothing is cut up */
		fx->gso_size = 0;
		expect(p, FW_REASON_FLOW);
		bytes += p.len;
		assert_int_equal(PACKETS(flow, way), 13);
		assert_int_equal(BYTES(flow, way), bytes);
		fx->gso_segs = 0;
		assert_int_equal(BYTES(flow, !way), 0);
	}
}

static void denied_flood_keeps_to_its_budget_of_records(void **state)
{
	uint64_t told = 0, packets = 5000, suppressed = 0;

	(void)state;
	fixture_default(FW_DECIDED_NOTHING, FW_DECIDED_NOTHING);
	fx->ep->flow_mask = 0;
	for (uint64_t i = 0; i < packets; i++) {
		assert_int_equal(reason_of(TCP(4, FW_EGRESS, (uint16_t)(i + 1), 6, SYN)),
				 FW_REASON_POLICY_DENY);
		told += fx->event_count;
		for (uint32_t j = 0; j < fx->event_count; j++)
			suppressed += fx->events[j].suppressed;
	}
	assert_int_equal(told + suppressed + fx->region->suppressed, packets);
	assert_true(suppressed + fx->region->suppressed > 0);
	fx->ep->flow_mask = fx->buckets - 1;
}

static void malformed_flood_keeps_to_its_budget_of_records(void **state)
{
	uint64_t told = 0, packets = 3000, suppressed = 0;

	(void)state;
	for (uint64_t i = 0; i < packets; i++) {
		assert_int_equal(reason_of(TCP(6, FW_EGRESS, 1, 2, SYN | FIN)), FW_REASON_BAD_TCP);
		told += fx->event_count;
		for (uint32_t j = 0; j < fx->event_count; j++)
			suppressed += fx->events[j].suppressed;
	}
	assert_int_equal(told + suppressed + fx->region->suppressed, packets);
	assert_true(told < packets);
	fx->region->window--; /* the next window tells what was suppressed */
	expect(TCP(6, FW_EGRESS, 1, 2, SYN | FIN), FW_REASON_BAD_TCP);
	expect_record(FW_EVENT_DROP, FW_REASON_BAD_TCP);
	assert_int_equal(fx->region->suppressed, 0);
}

static uint64_t lost(int type)
{
	uint64_t values[PERCPU_MAX], sum = 0;
	uint32_t row = (uint32_t)type;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(fx->skel->maps.fw_lost), &row, values), 0);
	for (uint32_t i = 0; i < fx->cpus; i++)
		sum += values[i];
	return sum;
}

/* The ring is full: verdicts stay, and each record that found no room is counted. */
static void full_ring_changes_no_verdict(void **state)
{
	struct packet p = TCP(4, FW_EGRESS, 1, 2, SYN);
	uint64_t before = lost(FW_EVENT_NEW), packets = 0;
	int action;

	(void)state;
	while (lost(FW_EVENT_NEW) == before) { /* nobody reads */
		for (int i = 0; i < 1000; i++, packets++) {
			put16(p.b + p.l4, packets & 0xffff);
			put16(p.b + p.l4 + 2, packets >> 16);
			memset(fx->flows + fx->buckets, 0,
			       sizeof(struct fw_bucket) * (i % 50 ? 0 : fx->buckets));
			if (i % 50 == 0)
				fixture_spent(0, 0);
			assert_int_equal(fixture_run(p.b, p.len, FW_EGRESS, &action), 0);
			assert_int_equal(action, NEXT);
		}
	}
	fx->event_count = 0;
	ring_buffer__consume(fx->ring);
	uint64_t evicted = 0;
	evicted = lost(FW_EVENT_EVICT);
	assert_true(fx->event_count + lost(FW_EVENT_NEW) - before + evicted >= packets);
	fixture_forget();
	expect(TCP(4, FW_EGRESS, 1, 2, SYN), FW_REASON_POLICY_ALLOW);
	expect_record(FW_EVENT_NEW, FW_REASON_POLICY_ALLOW);
}

/* P6, P7: a pod that has spent its budget writes no more records of flows, its verdicts stay, each
 * record is counted, and another pod writes on. */
static void one_pod_does_not_fill_the_ring(void **state)
{
	int jiffies_fd = fw_jiffies_open(NULL);
	uint32_t told = 0, now = 0;

	(void)state;
	assert_true(jiffies_fd >= 0);
	EACH_DIRECTION(way)
	{
		for (int try = 0; told != 2 && try < 20; try++) { /* a window may end meanwhile */
			uint64_t before = lost(FW_LOST_BUDGET);

			fixture_forget();
			assert_int_equal(fw_jiffies_read(jiffies_fd, &now), 0);
			fixture_spent(now >> FW_BUDGET_SHIFT, FW_BUDGET_FLOWS - 2);
			told = 0;
			for (uint16_t i = 0; i < 10; i++) {
				expect(TCP(4, way, (uint16_t)(100 + i), 80, SYN),
				       FW_REASON_POLICY_ALLOW);
				told += fx->event_count;
			}
			assert_int_equal(told + lost(FW_LOST_BUDGET) - before, 10);
			assert_int_equal(fixture_flows(), 10);
		}
		assert_int_equal(told, 2);
		fixture_spent((now >> FW_BUDGET_SHIFT) + 1, FW_BUDGET_FLOWS);
		fx->ep->region = 2; /* the other pod's */
		expect(TCP(4, way, 300, 80, SYN), FW_REASON_POLICY_ALLOW);
		expect_record(FW_EVENT_NEW, FW_REASON_POLICY_ALLOW);
		fx->ep->region = 1;
		told = 0;
	}
	(void)close(jiffies_fd);
}

/* What policy said of a flow holds for the next one to the same port of the same peer: under that
 * epoch, for that endpoint, in that direction, and for nothing else. */
static void what_was_said_holds_for_its_epoch(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		uint16_t port = 1000;
#define ASK(other)                                                                                 \
	TCP(family, way, way == FW_EGRESS ? ++port : 80 + (other),                                 \
	    way == FW_EGRESS ? 80 + (other) : ++port, SYN)
		fixture_reset();
		expect(ASK(0), FW_REASON_POLICY_ALLOW);
		fx->subject->otherwise[way] = 71; /* before the epoch that stands for it */
		expect(ASK(0), FW_REASON_POLICY_ALLOW);
		expect(ASK(1), FW_REASON_POLICY_DENY);
		expect(TCP(family, way ^ 1, 7000, 7001, SYN), FW_REASON_POLICY_ALLOW);
		fx->ep->owner += 1000;
		expect(ASK(0), FW_REASON_POLICY_DENY);
		fx->ep->owner -= 1000;
		fixture_bump();
		expect(ASK(0), FW_REASON_POLICY_DENY);
		fx->subject->otherwise[way] = ALLOW_DEFAULT;
		fixture_bump();
		expect(ASK(0), FW_REASON_POLICY_ALLOW);
		expect(ASK(1), FW_REASON_POLICY_ALLOW);
#undef ASK
	}
}

/* A pod cannot block itself: what it sends to itself, and what comes in by its own device. */
static void hairpin_is_not_blocked_by_policy(void **state)
{
	(void)state;
	EACH_FAMILY(family)
	{
		const char *own = family_text(family, POD4, POD6);

		fixture_forget();
		fixture_default(FW_DECIDED_NOTHING, FW_DECIDED_NOTHING);
		fx->ingress_ifindex = 1; /* the pod's own device, its address or a node's */
		expect(PACKET(.family = family, .direction = FW_INGRESS, .proto = PROTO_TCP,
			      .flags = SYN, .remote = own, .local_port = 8080, .remote_port = 1000),
		       FW_REASON_POLICY_ALLOW);
		assert_int_equal(fx->events[0].decision, ALLOW_DEFAULT);
		assert_true(fx->events[0].state & FW_FLOW_STATE_SELF);
		expect(TCP(family, FW_INGRESS, 8080, 2000, SYN), FW_REASON_POLICY_ALLOW);
		fixture_bump(); /* the answer judges it again, and knows */
		expect(TCP(family, FW_EGRESS, 8080, 2000, SYN | ACK), FW_REASON_POLICY_ALLOW);
		fx->ep->flags = FW_EP_IN_SANDBOX; /* there every packet comes from that device */
		expect(TCP(family, FW_INGRESS, 8080, 3000, SYN), FW_REASON_POLICY_DENY);
		fx->ep->flags = 0;
		fx->ingress_ifindex = ANY_INTERFACE;
		expect(TCP(family, FW_INGRESS, 8080, 4000, SYN), FW_REASON_POLICY_DENY);
	}
}

/* The uplink checks no source: the pod's own address from there is a stranger's. */
static void own_address_from_elsewhere_is_not_the_pod(void **state)
{
	(void)state;
	EACH_FAMILY(family)
	{
		fixture_forget();
		fixture_default(FW_DECIDED_NOTHING, ALLOW_DEFAULT);
		expect(PACKET(.family = family, .direction = FW_INGRESS, .proto = PROTO_TCP,
			      .flags = SYN, .remote = family_text(family, POD4, POD6),
			      .local_port = 8080, .remote_port = 1000),
		       FW_REASON_POLICY_DENY);
	}
}

/* Neighbour discovery passes every policy: it must not leave the link, nor carry anything out. */
static void neighbour_discovery_is_no_way_out(void **state)
{
	static const uint8_t bytes[6] = {'s', 'e', 'c', 'r', 'e', 't'};

	(void)state;
	fixture_forget();
	fixture_default(FW_DECIDED_NOTHING, FW_DECIDED_NOTHING);
	expect(packet_nd(FW_EGRESS, 135, POD6, PEER6, PEER6, 1, pod_mac), FW_REASON_NEIGHBOUR);
	expect(packet_nd(FW_EGRESS, 135, POD6, "fe80::1", "fe80::1", 1, pod_mac),
	       FW_REASON_NEIGHBOUR);
	expect(packet_nd(FW_EGRESS, 135, "::", "ff02::1:ff00:5", POD6, 14, bytes),
	       FW_REASON_NEIGHBOUR);
	expect(packet_nd(FW_EGRESS, 135, POD6, WORLD6, WORLD6, 1, pod_mac),
	       FW_REASON_BAD_NEIGHBOUR);
	expect(packet_nd(FW_EGRESS, 135, POD6, PEER6, WORLD6, 1, pod_mac), FW_REASON_BAD_NEIGHBOUR);
	expect(packet_nd(FW_EGRESS, 133, POD6, WORLD6, NULL, 1, pod_mac), FW_REASON_BAD_NEIGHBOUR);
	expect(packet_nd(FW_EGRESS, 136, POD6, WORLD6, POD6, 2, pod_mac), FW_REASON_BAD_NEIGHBOUR);
	expect(packet_nd(FW_EGRESS, 135, POD6, "ff0e::1:ff00:9", PEER6, 1, pod_mac),
	       FW_REASON_BAD_NEIGHBOUR);
	expect(packet_nd(FW_EGRESS, 135, POD6, "ff02::1:ff00:9", PEER6, 200, bytes),
	       FW_REASON_BAD_NEIGHBOUR);
}

/* The node sends an ICMP error about somebody's flow: that does not make it the node's own. */
static void an_error_of_the_node_opens_no_cut_flow(void **state)
{
	(void)state;
	EACH_FAMILY(family)
	{
		struct packet answer = UDP(family, FW_EGRESS, 5, 6), error;

		fixture_forget();
		fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
		expect(UDP(family, FW_INGRESS, 5, 6), FW_REASON_POLICY_ALLOW);
		expect(answer, FW_REASON_FLOW);
		error = packet_error(FW_INGRESS, family_text(family, WORLD4, WORLD6),
				     family == 4 ? 3 : 1, 1, &answer, 0);
		fx->ingress_ifindex = 0;
		expect(error, FW_REASON_RELATED);
		fixture_default(FW_DECIDED_NOTHING, FW_DECIDED_NOTHING);
		expect(error, FW_REASON_ICMP_NO_FLOW);
		fx->ingress_ifindex = ANY_INTERFACE;
		expect(UDP(family, FW_INGRESS, 5, 6), FW_REASON_FLOW_DENIED);
	}
}

/* A refused SYN does not make an old connection one that the other side may go on with. */
static void a_refused_syn_leaves_a_cut_flow_cut(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		fixture_forget();
		fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
		expect(TCP(family, way, 5, 6, SYN), FW_REASON_POLICY_ALLOW);
		expect(TCP(family, !way, 5, 6, SYN | ACK), FW_REASON_FLOW);
		only_towards(!way);
		expect(TCP(family, way, 5, 6, ACK), FW_REASON_POLICY_DENY);
		fixture_bump();
		expect(TCP(family, way, 5, 6, SYN), FW_REASON_POLICY_DENY);
		expect(TCP(family, !way, 5, 6, ACK), FW_REASON_FLOW_DENIED);
		/* asked of one side under this epoch, the other one is still asked */
		only_towards(way);
		expect(TCP(family, !way, 5, 6, SYN), FW_REASON_POLICY_DENY);
		expect(TCP(family, way, 5, 6, ACK), FW_REASON_POLICY_ALLOW);
		expect(TCP(family, !way, 5, 6, ACK), FW_REASON_FLOW);
	}
}

static void longest_prefix_and_exact_address(void **state)
{
	(void)state;
	EACH_FAMILY(family)
	{
		uint32_t lengths[] = {family == 4 ? 96 : 0, family == 4 ? 96 + 8 : 32,
				      family == 4 ? 96 + 24 : 64};
		struct fw_ip ip = ip_of(family_text(family, WORLD4, WORLD6));

		fixture_forget();
		fixture_default(FW_DECIDED_NOTHING, FW_DECIDED_NOTHING);
		for (uint32_t i = 0; i < 3; i++) {
			struct fw_prefix_key key = {.prefixlen = lengths[i]};
			struct fw_peer peer = {.peer_class = 50 + i};
			memcpy(key.addr, &ip, 16);
			assert_int_equal(
				bpf_map_update_elem(bpf_map__fd(fx->skel->maps.fw_prefixes), &key,
						    &peer, 0),
				0);
			fixture_bump();
			struct packet p = UDP(family, FW_EGRESS, (uint16_t)(10 + i), 6);
			packet_addresses(&p, family_text(family, POD4, POD6),
					 family_text(family, WORLD4, WORLD6));
			expect(p, FW_REASON_POLICY_DENY);
			assert_int_equal(fx->events[0].peer_class, 50 + i);
		}
		fixture_address(family_text(family, WORLD4, WORLD6), 60, 0);
		fixture_bump();
		struct packet p = UDP(family, FW_EGRESS, 20, 6);
		packet_addresses(&p, family_text(family, POD4, POD6),
				 family_text(family, WORLD4, WORLD6));
		expect(p, FW_REASON_POLICY_DENY);
		assert_int_equal(fx->events[0].peer_class, 60);
	}
}

/* Every boundary of a sorted list, at sizes around the steps of the search. */
static void binary_search_finds_every_range(void **state)
{
	const uint32_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 1000, 4095, 4096};

	(void)state;
	for (size_t n = 0; n < sizeof(sizes) / sizeof(*sizes); n++) {
		uint32_t count = sizes[n], step = 65536 / count;

		fixture_default(FW_DECIDED_NOTHING, FW_DECIDED_NOTHING);
		struct fw_range *ranges = calloc(count, sizeof(*ranges));
		for (uint32_t i = 0; i < count; i++) /* with a hole behind each */
			ranges[i] = (struct fw_range){
				.lo = FW_RANGE_KEY(PROTO_UDP, i * step),
				.hi = FW_RANGE_KEY(PROTO_UDP, i * step + step / 2),
				.decision = ALLOW(100 + i)};
		fixture_cell(FW_EGRESS, PEER_CLASS, ranges, count);
		free(ranges);
		fixture_bump();
		for (uint32_t i = 0; i < count; i += count / 8 + 1) {
			const uint32_t ports[] = {i * step, i * step + step / 2,
						  i * step + step / 2 + 1};
			for (int j = 0; j < 3; j++) {
				fixture_forget();
				bool hole = j == 2 && ports[j] < (i + 1) * step;
				if (ports[j] > 65535 || (j == 2 && !hole))
					continue;
				expect(UDP(4, FW_EGRESS, 1, (uint16_t)ports[j]),
				       hole ? FW_REASON_POLICY_DENY : FW_REASON_POLICY_ALLOW);
				assert_int_equal(fx->events[0].decision, hole ? 0 : ALLOW(100 + i));
			}
		}
	}
}

/* Another CPU's insert of the same key, played by hand: the lower slot stays, no second record. */
static void twin_inserts_leave_one_flow(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		struct fw_flow *flow, copy;

		fixture_forget();
		fx->ep->flow_mask = 0;
		expect(UDP(family, way, 5, 6), FW_REASON_POLICY_ALLOW);
		flow = fixture_only();
		copy = *flow;
		struct fw_flow *bucket = fx->flows[fx->buckets].slot;
		for (int low = 0; low < 2; low++) {
			memset(bucket, 0, sizeof(struct fw_bucket));
			struct fw_flow *slot = &bucket[low ? 0 : 7];
			*slot = copy;
			slot->ctl = (slot->ctl & ~FW_CTL_STATE) |
				    FW_CTL_BUSY; /* being written: judged, stored nowhere */
			expect(UDP(family, way, 5, 6), FW_REASON_POLICY_ALLOW);
			expect_no_record();
			assert_int_equal(fixture_flows(), 0);
			slot->ctl = copy.ctl;
			expect(UDP(family, way, 5, 6), FW_REASON_FLOW);
		}
		fx->ep->flow_mask = fx->buckets - 1;
	}
}

static void constant_slot_serves_any_device(void **state)
{
	struct fw_tc *skel = fw_tc__open();
	struct __sk_buff context = {.ingress_ifindex = ANY_INTERFACE};
	struct packet p = UDP(4, FW_EGRESS, 5, 6);
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = p.b, .data_size_in = (uint32_t)p.len,
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = 1);
	uint32_t slot = FW_IFINDEX_SLOTS + 3;
	struct fw_endpoint *row = fx->ep - SLOT + slot;

	(void)state;
	assert_non_null(skel);
	skel->rodata->fw_slot = slot;
	assert_int_equal(bpf_map__reuse_fd(skel->maps.fw_endpoints,
					   bpf_map__fd(fx->skel->maps.fw_endpoints)),
			 0);
	assert_int_equal(
		bpf_map__reuse_fd(skel->maps.fw_subjects, bpf_map__fd(fx->skel->maps.fw_subjects)),
		0);
	assert_int_equal(fw_tc__load(skel), 0);
	*row = *fx->ep;
	row->ifindex = 0;
	row->flow_base = 0;
	row->flow_mask = 7;
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.fw_from_tcx), &options),
			 0);
	assert_int_equal((int)options.retval, NEXT);
	row->state = FW_EP_FREE;
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.fw_from_tcx), &options),
			 0);
	assert_int_equal((int)options.retval, SHOT);
	fw_tc__destroy(skel);
}

#define TEST(name) cmocka_unit_test_setup(name, fixture_setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(allow_to_deny_cuts_a_live_flow_both_ways),
		TEST(deny_to_allow_revives_a_cut_flow),
		TEST(same_decision_after_a_bump_leaves_no_record),
		TEST(a_rule_that_replaces_another_is_a_change),
		TEST(denied_from_the_start_is_judged_by_each_side),
		TEST(no_decision_bit_of_ours_is_told),
		TEST(counts_are_exact_under_gso),
		TEST(denied_flood_keeps_to_its_budget_of_records),
		TEST(malformed_flood_keeps_to_its_budget_of_records),
		TEST(full_ring_changes_no_verdict),
		TEST(one_pod_does_not_fill_the_ring),
		TEST(what_was_said_holds_for_its_epoch),
		TEST(hairpin_is_not_blocked_by_policy),
		TEST(own_address_from_elsewhere_is_not_the_pod),
		TEST(neighbour_discovery_is_no_way_out),
		TEST(an_error_of_the_node_opens_no_cut_flow),
		TEST(a_refused_syn_leaves_a_cut_flow_cut),
		TEST(longest_prefix_and_exact_address),
		TEST(binary_search_finds_every_range),
		TEST(twin_inserts_leave_one_flow),
		TEST(constant_slot_serves_any_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
