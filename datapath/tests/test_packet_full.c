/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a region does when it fills: who gives way, in which order, and how many are refused before
 * it is full. In: packets. Out: reasons, records.
 */
#include "fixture.h"

static void evicted_flow_tells_its_counters(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		int evicted = 0, records = 0;

		fixture_forget();
		fx->ep->flow_mask = 0; /* one bucket */
		for (uint16_t port = 1; port <= 8; port++) {
			expect(UDP(family, way, port, 6), FW_REASON_POLICY_ALLOW);
			expect(UDP(family, way, port, 6), FW_REASON_FLOW);
		}
		for (uint16_t port = 100; port < 108; port++) {
			expect(UDP(family, way, port, 6), FW_REASON_POLICY_ALLOW);
			assert_int_equal(fx->event_count, 2);
			const struct fw_event *old = &fx->events[0];
			assert_int_equal(old->type, FW_EVENT_EVICT);
			assert_int_equal(fx->events[1].type, FW_EVENT_NEW);
			assert_int_equal(old->flow, fx->events[1].flow);
			assert_int_not_equal(old->flow_ctl, fx->events[1].flow_ctl);
			struct fw_ip local;
			memcpy(&local, old->local, 16);
			struct fw_ip pod = ip_of(family_text(family, POD4, POD6));
			assert_true(fw_ip_equal(&local, &pod));
			evicted += PACKETS(old, way) == 2 || PACKETS(old, way) == 1;
			records += old->local_port <= 8 ? PACKETS(old, way) == 2
							: PACKETS(old, way) == 1;
		}
		assert_int_equal(evicted, 8);
		assert_int_equal(records, 8);
		fx->ep->flow_mask = fx->buckets - 1;
	}
}

/* A pod that opens and closes many connections is never refused one because of those it closed. */
static void closed_connections_give_way_at_once(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		fixture_forget();
		fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
		fx->ep->flow_mask = 0;
		for (uint16_t port = 1; port <= 8; port++) {
			expect(TCP(family, way, port, 6, SYN), FW_REASON_POLICY_ALLOW);
			expect(TCP(family, !way, port, 6, SYN | ACK), FW_REASON_FLOW);
		}
		expect(TCP(family, way, 9, 6, SYN), FW_REASON_TABLE_FULL); /* all are open */
		expect(TCP(family, way, 5, 6, FIN | ACK), FW_REASON_FLOW);
		expect(TCP(family, way, 9, 6, SYN), FW_REASON_TABLE_FULL); /* half closed is open */
		expect(TCP(family, !way, 5, 6, FIN | ACK), FW_REASON_FLOW);
		expect(TCP(family, way, 9, 6, SYN), FW_REASON_POLICY_ALLOW);
		assert_int_equal(fx->events[0].type, FW_EVENT_EVICT);
		assert_int_equal(fx->events[0].local_port, 5);
	}
}

static void eviction_order_is_denied_half_open_expired(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		fixture_forget();
		fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
		fx->ep->flow_mask = 0;
		for (uint16_t port = 1; port <= 8; port++) {
			if (port == 8) { /* one denied among them */
				fixture_default(FW_DECIDED_NOTHING, FW_DECIDED_NOTHING);
				expect(TCP(family, way, port, 6, SYN), FW_REASON_POLICY_DENY);
				fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
				continue;
			}
			expect(TCP(family, way, port, 6, SYN), FW_REASON_POLICY_ALLOW);
			if (port <= 6)
				expect(TCP(family, !way, port, 6, SYN | ACK), FW_REASON_FLOW);
		}
		expect(TCP(family, way, 20, 6, SYN),
		       FW_REASON_POLICY_ALLOW); /* in the denied one's place */
		expect_record(FW_EVENT_NEW, FW_REASON_POLICY_ALLOW);
		expect(TCP(family, !way, 20, 6, SYN | ACK), FW_REASON_FLOW);
		expect(TCP(family, way, 21, 6, SYN),
		       FW_REASON_POLICY_ALLOW); /* the half-open one's */
		assert_int_equal(fx->events[0].local_port, 7);
		expect(TCP(family, !way, 21, 6, SYN | ACK), FW_REASON_FLOW);
		expect(TCP(family, way, 22, 6, SYN), FW_REASON_TABLE_FULL); /* the rest is in use */
		for (uint32_t j = 0; j < 8; j++) {
			struct fw_flow *slot = &fx->flows[fx->buckets].slot[j];
			if (slot->local_port == 3)
				slot->seen -= (FW_IDLE_TCP + 60) * fx->skel->rodata->fw_hz;
		}
		expect(TCP(family, way, 22, 6, SYN),
		       FW_REASON_POLICY_ALLOW); /* but one had expired */
		assert_int_equal(fx->events[0].local_port, 3);
		/* a denied flow pushes out nothing that is allowed, and does not block */
		fixture_default(FW_DECIDED_NOTHING, FW_DECIDED_NOTHING);
		expect(TCP(family, way, 30, 6, SYN), FW_REASON_POLICY_DENY);
		expect_record(FW_EVENT_DENY, FW_REASON_POLICY_DENY);
		assert_int_equal(fx->events[0].flow, FW_NO_SLOT);
		fx->ep->flow_mask = fx->buckets - 1;
	}
}

/* A SYN between any two ports: whatever the multipliers are, such keys meet all buckets alike. */
static bool knock(int family, int way, uint16_t *ret_ports)
{
	assert_int_equal(getrandom(ret_ports, 2 * sizeof(*ret_ports), 0), 2 * sizeof(*ret_ports));
	return reason_drops(reason_of(TCP(family, way, ret_ports[0], ret_ports[1], SYN)));
}

/* Both sides have spoken. How many were refused. */
static uint32_t establish(int family, int way, uint32_t count)
{
	uint32_t refused = 0;
	uint16_t ports[2];

	for (uint32_t i = 0; i < count; i++) {
		refused += knock(family, way, ports);
		(void)reason_of(TCP(family, !way, ports[0], ports[1], SYN | ACK));
	}
	return refused;
}

/*
 * The stated quota is three quarters of the slots: up to there nearly everybody finds a place. A
 * table that fills its first buckets first refuses 7 to 10 percent of a flood then, and some at a
 * half.
 */
static void few_are_refused_below_the_quota(void **state)
{
	const uint32_t slots = fx->buckets * FW_BUCKET_SLOTS;

	(void)state;
	EACH_WAY(family, way)
	{
		for (uint32_t quarters = 2; quarters <= 3; quarters++) {
			uint32_t refused = 0, established;
			uint16_t ports[2];

			fixture_forget();
			established = establish(family, way, slots * quarters / 4);
			for (int i = 0; i < 1000; i++)
				refused += knock(family, way, ports);
			if (established * 100 > slots * quarters / 4 || refused > 40)
				fail_msg("%u quarters full: refused %u, then %u of 1000", quarters,
					 established, refused);
		}
	}
}

/*
 * Ports come in sequence. By the upper bits alone this multiplier puts eight flows into each of
 * eight buckets.
 */
static void sequential_ports_spread_even_with_a_bad_secret(void **state)
{
	uint32_t full = 0;

	(void)state;
	fixture_close();
	fixture_stride = 1ULL << 43;
	fixture_open_sized(REGION_BUCKETS);
	fixture_reset();
	for (uint16_t port = 1000; port < 1064; port++)
		assert_int_equal(reason_of(TCP(4, FW_EGRESS, port, 80, SYN)),
				 FW_REASON_POLICY_ALLOW);
	for (uint32_t i = fx->buckets; i < 2 * fx->buckets; i++) {
		uint32_t used = 0;
		for (uint32_t j = 0; j < FW_BUCKET_SLOTS; j++)
			used += fx->flows[i].slot[j].ctl != 0;
		full += used == FW_BUCKET_SLOTS;
	}
	assert_true(full <= 2);
	fixture_close();
	fixture_stride = 0;
}

#define TEST(name) cmocka_unit_test_setup(name, fixture_setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(evicted_flow_tells_its_counters),
		TEST(closed_connections_give_way_at_once),
		TEST(eviction_order_is_denied_half_open_expired),
		TEST(few_are_refused_below_the_quota),
		TEST(sequential_ports_spread_even_with_a_bad_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
