/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seeds of the flow table under the real programs: what the next packets of a connection that is
 * older than the hook get, beside the same packets without a seed.
 */
#include "fixture.h"

#include "loader/inside.h"
#include "loader/seed.h"

static struct fw_mapping mapping[FW_MAP_COUNT];
static struct fw_datapath datapath = {.mapping = mapping};
static struct fw_seeder seeder;

/* The tables of the fixture as the loader sees them. */
static int setup(void **state)
{
	int r = fixture_setup(state);

	mapping[FW_MAP_NODE].data = fx->node;
	mapping[FW_MAP_ENDPOINTS].data = fx->ep - SLOT;
	mapping[FW_MAP_FLOWS].data = fx->flows;
	datapath.capacity[FW_MAP_FLOWS] = fx->buckets * 2;
	for (int i = 0; i < 8; i++)
		fx->node->hash_secret[i] = fx->skel->rodata->fw_hash_secret[i];
	return r ? r : fw_seeder_init(&datapath, &seeder, NULL);
}

static struct fw_seed seed_of(int family, int way, uint8_t protocol, uint16_t local,
			      uint16_t remote)
{
	return (struct fw_seed){.local = ip_of(family == 4 ? POD4 : POD6),
				.remote = ip_of(family == 4 ? PEER4 : PEER6),
				.local_port = local,
				.remote_port = remote,
				.protocol = protocol,
				.egress = way == FW_EGRESS};
}

static int seed(int family, int way, uint8_t protocol, uint16_t local, uint16_t remote)
{
	const struct fw_seed given = seed_of(family, way, protocol, local, remote);

	return fw_flow_seed(&seeder, SLOT, &given);
}

static void only_towards(int way)
{
	fixture_default(way == FW_INGRESS ? ALLOW_DEFAULT : FW_DECIDED_NOTHING,
			way == FW_EGRESS ? ALLOW_DEFAULT : FW_DECIDED_NOTHING);
}

static void an_answer_passes_where_the_question_is_allowed(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		fixture_forget();
		only_towards(way);
		expect(TCP(family, !way, 5, 6, ACK), FW_REASON_POLICY_DENY); /* nothing is known */
		fixture_forget();
		assert_int_equal(seed(family, way, PROTO_TCP, 5, 6), 1);
		expect(TCP(family, !way, 5, 7, ACK), FW_REASON_POLICY_DENY); /* another port */
		expect(TCP(family, !way, 5, 6, ACK), FW_REASON_POLICY_ALLOW);
		expect_record(FW_EVENT_CHANGE, FW_REASON_POLICY_ALLOW);
		assert_int_equal(fx->events[0].before, FW_DECISION_ALLOW | FW_DECIDED_OLDER);
		expect(TCP(family, !way, 5, 6, ACK), FW_REASON_FLOW);
		expect(TCP(family, way, 5, 6, ACK), FW_REASON_FLOW);
		assert_int_equal(seed(family, way, PROTO_UDP, 5, 6), 1);
		expect(UDP(family, !way, 5, 6), FW_REASON_POLICY_ALLOW);
		expect(UDP(family, way, 5, 6), FW_REASON_FLOW);
	}
}

static void a_question_that_is_denied_gets_no_answer(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		fixture_forget();
		only_towards(!way);
		assert_int_equal(seed(family, way, PROTO_TCP, 5, 6), 1);
		expect(TCP(family, !way, 5, 6, ACK), FW_REASON_POLICY_DENY);
		expect(TCP(family, way, 5, 6, ACK), FW_REASON_FLOW_DENIED);
		expect(TCP(family, !way, 5, 6, SYN), FW_REASON_POLICY_ALLOW); /* its own matter */
	}
}

static void isolation_in_between_does_not_end_it(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		fixture_forget();
		only_towards(way);
		fx->ep->state = FW_EP_ISOLATED;
		expect(TCP(family, !way, 5, 6, ACK), FW_REASON_ISOLATED);
		assert_int_equal(seed(family, way, PROTO_TCP, 5, 6), 1); /* it was denied before */
		assert_int_equal(fixture_flows(), 1);
		expect(TCP(family, !way, 5, 6, ACK), FW_REASON_ISOLATED);
		fx->ep->state = FW_EP_ACTIVE;
		fixture_bump();
		expect(TCP(family, !way, 5, 6, ACK), FW_REASON_POLICY_ALLOW);
	}
}

static void what_is_known_stays_as_it_is(void **state)
{
	(void)state;
	fixture_default(ALLOW_DEFAULT, FW_DECIDED_NOTHING);
	expect(TCP(4, FW_INGRESS, 5, 6, SYN), FW_REASON_POLICY_ALLOW);
	assert_int_equal(seed(4, FW_EGRESS, PROTO_TCP, 5, 6), 0);
	expect(TCP(4, FW_EGRESS, 5, 6, ACK | SYN), FW_REASON_FLOW);
	only_towards(FW_EGRESS); /* cut: who opened it may not any more */
	expect(TCP(4, FW_EGRESS, 5, 6, ACK), FW_REASON_POLICY_DENY);
	assert_int_equal(seed(4, FW_EGRESS, PROTO_TCP, 5, 6), 0);
	expect(TCP(4, FW_INGRESS, 5, 6, ACK), FW_REASON_FLOW_DENIED);
}

static void a_second_address_has_flows_of_its_own(void **state)
{
	struct fw_seed given = seed_of(4, FW_EGRESS, PROTO_TCP, 5, 6);

	(void)state;
	only_towards(FW_EGRESS);
	given.local = ip_of(POD4B);
	assert_int_equal(fw_flow_seed(&seeder, SLOT, &given), 1);
	expect(TCP(4, FW_INGRESS, 5, 6, ACK), FW_REASON_POLICY_DENY);
	expect(PACKET(.family = 4, .direction = FW_INGRESS, .proto = PROTO_TCP, .local_port = 5,
		      .remote_port = 6, .flags = ACK, .local = POD4B),
	       FW_REASON_POLICY_ALLOW);
	given.local = ip_of(WORLD4);
	assert_int_equal(fw_flow_seed(&seeder, SLOT, &given), -ENOENT);
}

static void nothing_is_evicted_for_a_seed(void **state)
{
	uint32_t seeded = 0, full = 0;

	(void)state;
	only_towards(FW_EGRESS);
	for (uint16_t port = 1; port <= REGION_BUCKETS * FW_BUCKET_SLOTS; port++) {
		int r = seed(4, FW_EGRESS, PROTO_TCP, port, 6);

		assert_true(r == 1 || r == -ENOSPC);
		seeded += r == 1;
		full += r == -ENOSPC;
	}
	assert_true(full > 0 && seeded > REGION_BUCKETS * FW_BUCKET_SLOTS / 2);
	assert_int_equal(fixture_flows(), seeded);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_answer_passes_where_the_question_is_allowed),
		TEST(a_question_that_is_denied_gets_no_answer),
		TEST(isolation_in_between_does_not_end_it),
		TEST(what_is_known_stays_as_it_is),
		TEST(a_second_address_has_flows_of_its_own),
		TEST(nothing_is_evicted_for_a_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
