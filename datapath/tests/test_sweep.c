/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sweeper over flows that the test writes itself: what is told and when, what ends, what a
 * packet may still take back. Needs root and a bpffs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "loader/sweep.h"

#define PROGRAM "sweep"
#include "node.h"

#define OWNER		     7
#define TOLD_MAX	     64
#define ALLOW		     (1ULL << 32 | FW_DECISION_ALLOW | FW_DECIDED_DEFAULT)
#define BOTH		     (FW_FLOW_STATE_SEEN_IN | FW_FLOW_STATE_SEEN_OUT)
#define LIFE		     (5 * FW_CTL_GENERATION_ONE)
#define TAG		     (0x1234ULL << FW_CTL_TAG_SHIFT)
#define WORD(packets, bytes) ((uint64_t)(packets) << FW_COUNT_BYTES_BITS | (uint64_t)(bytes))

struct heard {
	struct fw_sweep_flow flow[TOLD_MAX];
	int count;
};

struct scene {
	struct fw_datapath *datapath;
	struct fw_sweeper *sweeper;
	struct heard heard;
	uint32_t slot, region, hz, now;
};

static struct scene scene;

static void hear(const struct fw_sweep_flow *flow, void *context)
{
	struct heard *heard = context;

	assert_true(heard->count < TOLD_MAX);
	heard->flow[heard->count++] = *flow;
}

static uint32_t jiffies(void)
{
	uint32_t now = 0;
	int fd = fw_jiffies_open(NULL);

	assert_int_equal(fw_jiffies_read(fd, &now), 0);
	fw_close_fd(&fd);
	return now;
}

static int scene_setup(void **state)
{
	struct fw_err err = {0};

	if (node_setup(state) < 0)
		return -1;
	scene = (struct scene){.datapath = node_make()};
	assert_int_equal(fw_endpoint_claim(scene.datapath, OWNER, 3, &scene.slot, &err), 0);
	fw_endpoint_publish(fw_datapath_endpoint(scene.datapath, scene.slot), FW_EP_ACTIVE);
	scene.region = fw_datapath_endpoint(scene.datapath, scene.slot)->region;
	scene.hz = fw_datapath_node(scene.datapath)->hz;
	scene.now = jiffies();
	assert_int_equal(fw_sweeper_new(scene.datapath, &scene.sweeper), 0);
	return 0;
}

static int scene_teardown(void **state)
{
	fw_sweeper_free(&scene.sweeper);
	fw_datapath_close(&scene.datapath);
	return node_teardown(state);
}

static uint32_t id_of(uint32_t index)
{
	return scene.region * REGION_SLOTS + index;
}

static struct fw_flow *flow_of(uint32_t index)
{
	return &fw_datapath_bucket(scene.datapath, id_of(index) / FW_BUCKET_SLOTS)
			->slot[index % FW_BUCKET_SLOTS];
}

/* An allowed UDP flow that was seen both ways, `idle` seconds ago. */
static struct fw_flow *put_flow(uint32_t index, uint32_t idle)
{
	struct fw_flow *flow = flow_of(index);

	*flow = (struct fw_flow){.ctl = TAG | LIFE | FW_CTL_VALID,
				 .remote = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 9},
				 .local_port = 53,
				 .protocol = 17,
				 .ev = ALLOW,
				 .count = {WORD(3, 300), WORD(2, 128)},
				 .seen = scene.now - idle * scene.hz,
				 .state = BOTH};
	return flow;
}

static const struct heard *pass(void)
{
	struct fw_err err = {0};

	scene.heard.count = 0;
	if (fw_sweeper_pass(scene.sweeper, hear, &scene.heard, &err) < 0)
		fail_msg("%s", err.text);
	return &scene.heard;
}

/* Rule 9: a packet writes `seen`, then counts. */
static void hit(struct fw_flow *flow, enum fw_direction direction, uint64_t word)
{
	flow->seen = jiffies();
	flow->count[direction] += word;
}

static void counters_are_told_once_and_then_by_difference(void **state)
{
	struct fw_flow *flow = put_flow(9, 0);
	const struct heard *heard;

	(void)state;
	heard = pass();
	assert_int_equal(heard->count, 1);
	assert_int_equal(heard->flow[0].flow, id_of(9));
	assert_int_equal(heard->flow[0].slot, scene.slot);
	assert_int_equal(heard->flow[0].packets[FW_INGRESS], 3);
	assert_int_equal(heard->flow[0].bytes[FW_INGRESS], 300);
	assert_int_equal(heard->flow[0].packets[FW_EGRESS], 2);
	assert_int_equal(heard->flow[0].bytes[FW_EGRESS], 128);
	assert_int_equal(heard->flow[0].copy.local_port, 53);
	assert_false(heard->flow[0].ended);
	assert_int_equal(pass()->count, 0);
	hit(flow, FW_EGRESS, WORD(1, 1500));
	heard = pass();
	assert_int_equal(heard->count, 1);
	assert_int_equal(heard->flow[0].packets[FW_INGRESS], 0);
	assert_int_equal(heard->flow[0].packets[FW_EGRESS], 1);
	assert_int_equal(heard->flow[0].bytes[FW_EGRESS], 1500);
	assert_int_equal(pass()->count, 0);
}

static void counters_stay_exact_when_bytes_carry_into_packets(void **state)
{
	struct fw_flow *flow = put_flow(0, 0);
	const struct heard *heard;

	(void)state;
	flow->count[0] = WORD(FW_COUNT_PACKETS_MASK, FW_COUNT_BYTES_MASK - 10);
	(void)pass();
	hit(flow, FW_INGRESS, WORD(40, 64000));
	heard = pass();
	assert_int_equal(heard->count, 1);
	assert_int_equal(heard->flow[0].packets[0], 40);
	assert_int_equal(heard->flow[0].bytes[0], 64000);
}

static void a_new_life_of_a_slot_starts_at_nothing(void **state)
{
	struct fw_flow *flow = put_flow(0, 0);
	const struct heard *heard;

	(void)state;
	(void)pass();
	flow->ctl += FW_CTL_GENERATION_ONE;
	flow->count[0] = WORD(1, 60);
	flow->seen = jiffies();
	heard = pass();
	assert_int_equal(heard->count, 1);
	assert_int_equal(heard->flow[0].packets[0], 1);
	assert_int_equal(heard->flow[0].bytes[0], 60);
}

static void an_idle_flow_ends_in_three_passes_with_final_counters(void **state)
{
	struct fw_flow *flow = put_flow(17, FW_IDLE_UDP + 1);
	struct fw_flow *busy = put_flow(18, FW_IDLE_UDP - 2); /* the positive control */
	const struct heard *heard;

	(void)state;
	assert_int_equal(pass()->count, 2);
	assert_int_equal(flow->ctl, TAG | LIFE | FW_CTL_SUSPECT | FW_CTL_VALID);
	assert_int_equal(pass()->count, 0);
	assert_int_equal(flow->ctl, TAG | LIFE | FW_CTL_DEAD);
	flow->count[0] += WORD(1, 40); /* of a packet that was under way */
	heard = pass();
	assert_int_equal(heard->count, 1);
	assert_true(heard->flow[0].ended);
	assert_int_equal(heard->flow[0].flow, id_of(17));
	assert_int_equal(heard->flow[0].packets[0], 1);
	assert_int_equal(heard->flow[0].bytes[0], 40);
	assert_int_equal(heard->flow[0].copy.count[0], WORD(4, 340));
	assert_int_equal(flow->ctl, LIFE | FW_CTL_FREE);
	assert_int_equal(busy->ctl, TAG | LIFE | FW_CTL_VALID);
	assert_int_equal(pass()->count, 0);
}

static void a_packet_takes_a_suspect_back(void **state)
{
	struct fw_flow *flow = put_flow(1, FW_IDLE_UDP + 1);
	struct fw_flow *before = put_flow(20, FW_IDLE_UDP + 1);

	(void)state;
	(void)pass();
	assert_true(flow->ctl & FW_CTL_SUSPECT);
	assert_true(before->ctl & FW_CTL_SUSPECT);
	flow->ctl &= ~FW_CTL_SUSPECT; /* rules 4 and 9, as the datapath does */
	flow->seen = jiffies();
	before->seen = jiffies(); /* a hit that came before the mark writes only this */
	for (int i = 0; i < 3; i++)
		assert_int_equal(pass()->count, 0);
	assert_int_equal(flow->ctl, TAG | LIFE | FW_CTL_VALID);
	assert_int_equal(before->ctl & FW_CTL_STATE, FW_CTL_VALID);
}

/* Between `seen` and the counter of one packet a pass may look at the flow. */
static void a_packet_that_counts_after_the_pass_is_told_by_the_next(void **state)
{
	struct fw_flow *flow = put_flow(3, 5);
	const struct heard *heard;
	int tries = 0;

	(void)state;
	assert_int_equal(pass()->count, 1);
	do { /* until the pass comes at once, as busy as the machine may be */
		flow->seen = jiffies();
		assert_int_equal(pass()->count, 0);
		assert_true(++tries < 1000);
	} while (jiffies() - flow->seen > 1);
	flow->count[FW_INGRESS] += WORD(1, 60);
	heard = pass();
	assert_int_equal(heard->count, 1);
	assert_int_equal(heard->flow[0].packets[FW_INGRESS], 1);
}

/* What nobody touches is looked at when its time has come, and not before. */
static void a_flow_that_falls_silent_ends_in_its_time(void **state)
{
	struct fw_flow *flow = put_flow(3, FW_IDLE_FRAGMENT4 - 1);
	struct fw_flow *other = put_flow(4, 0); /* of the same bucket; goes on */
	bool ended = false;

	(void)state;
	flow->kind = FW_FLOW_FRAGMENT;
	(void)pass();
	assert_int_equal(flow->ctl, TAG | LIFE | FW_CTL_VALID);
	for (int i = 0; !ended && i < 300; i++) {
		const struct heard *heard;

		(void)usleep(10000);
		hit(other, FW_INGRESS, WORD(1, 60));
		heard = pass();
		for (int k = 0; k < heard->count; k++)
			ended |= heard->flow[k].ended && heard->flow[k].flow == id_of(3);
	}
	assert_true(ended);
	assert_true(jiffies() - flow->seen > FW_IDLE_FRAGMENT4 * scene.hz);
	assert_int_equal(other->ctl, TAG | LIFE | FW_CTL_VALID);
}

static void each_kind_of_flow_has_its_own_patience(void **state)
{
	static const struct {
		const char *name;
		uint8_t protocol, kind, ipv6;
		uint32_t state;
		uint32_t idle;
		bool denied;
	} rows[] = {
		{"tcp", 6, 0, 0, BOTH | FW_FLOW_STATE_SYN, FW_IDLE_TCP, false},
		{"tcp one fin", 6, 0, 0, BOTH | FW_FLOW_STATE_FIN_IN, FW_IDLE_TCP, false},
		{"tcp half", 6, 0, 0, FW_FLOW_STATE_SEEN_OUT, FW_IDLE_TCP_HALF, false},
		{"tcp closed", 6, 0, 0, BOTH | FW_FLOW_STATE_FIN_IN | FW_FLOW_STATE_FIN_OUT,
		 FW_IDLE_TCP_CLOSED, false},
		{"tcp reset", 6, 0, 0, BOTH | FW_FLOW_STATE_RST, FW_IDLE_TCP_CLOSED, false},
		{"udp", 17, 0, 0, BOTH, FW_IDLE_UDP, false},
		{"udp half", 17, 0, 0, FW_FLOW_STATE_SEEN_IN, FW_IDLE_UDP_HALF, false},
		{"icmp", 1, 0, 0, BOTH, FW_IDLE_OTHER, false},
		{"denied", 6, 0, 0, FW_FLOW_STATE_SEEN_IN, FW_IDLE_DENIED, true},
		{"fragment", 17, FW_FLOW_FRAGMENT, 0, BOTH, FW_IDLE_FRAGMENT4, false},
		{"fragment 6", 17, FW_FLOW_FRAGMENT, 1, BOTH, FW_IDLE_FRAGMENT6, false},
	};
	const uint32_t count = sizeof(rows) / sizeof(rows[0]);

	(void)state;
	for (uint32_t i = 0; i < count * 2; i++) {
		/* even: a second before its time, odd: a second after */
		struct fw_flow *flow = put_flow(i, rows[i / 2].idle + 1 - (i & 1 ? 0 : 2));

		flow->protocol = rows[i / 2].protocol;
		flow->kind = rows[i / 2].kind;
		flow->state = rows[i / 2].state;
		if (rows[i / 2].ipv6)
			flow->remote[0] = 0xfd;
		if (rows[i / 2].denied)
			flow->ev = 1ULL << 32 | 77;
	}
	for (int i = 0; i < 3; i++)
		(void)pass();
	for (uint32_t i = 0; i < count * 2; i++) {
		if ((flow_of(i)->ctl & FW_CTL_STATE) != (i & 1 ? FW_CTL_FREE : FW_CTL_VALID))
			fail_msg("%s, %s its time", rows[i / 2].name, i & 1 ? "after" : "before");
	}
}

static void jiffies_that_wrap_end_nothing(void **state)
{
	struct fw_flow *flow = put_flow(0, 0);

	(void)state;
	flow->seen =
		scene.now +
		100 * scene.hz; /* of a CPU that is ahead, or a pass that was stopped for long */
	for (int i = 0; i < 3; i++)
		(void)pass();
	assert_int_equal(flow->ctl, TAG | LIFE | FW_CTL_VALID);
}

static void slots_in_other_states_are_left_to_who_holds_them(void **state)
{
	struct fw_flow *busy = put_flow(0, 1000), *dead = put_flow(1, 0),
		       *orphan = put_flow(2, FW_IDLE_UDP + 1);
	const struct heard *heard;

	(void)state;
	busy->ctl = TAG | LIFE | FW_CTL_BUSY;
	dead->ctl = TAG | LIFE | FW_CTL_DEAD;	/* the loser of two inserts: nothing to tell */
	orphan->ctl = TAG | LIFE | FW_CTL_DEAD; /* marked by a sweeper that was killed */
	assert_int_equal(pass()->count, 0);
	heard = pass();
	assert_int_equal(heard->count, 1);
	assert_true(heard->flow[0].ended);
	assert_int_equal(heard->flow[0].flow, id_of(2));
	assert_int_equal(busy->ctl, TAG | LIFE | FW_CTL_BUSY);
	assert_int_equal(dead->ctl, LIFE | FW_CTL_FREE);
	assert_int_equal(orphan->ctl, LIFE | FW_CTL_FREE);
}

static void a_slot_taken_while_it_was_dead_is_told_by_what_was_known(void **state)
{
	struct fw_flow *flow = put_flow(0, FW_IDLE_UDP + 1);
	const struct heard *heard;

	(void)state;
	(void)pass();
	(void)pass();
	flow->ctl = TAG | (LIFE + FW_CTL_GENERATION_ONE) | FW_CTL_VALID;
	flow->count[0] = WORD(1, 77);
	flow->count[1] = 0;
	flow->seen = jiffies();
	heard = pass();
	assert_int_equal(heard->count, 2);
	assert_true(heard->flow[0].ended);
	assert_int_equal(heard->flow[0].packets[0], 0);
	assert_false(heard->flow[1].ended);
	assert_int_equal(heard->flow[1].packets[0], 1);
	assert_int_equal(flow->ctl & FW_CTL_STATE, FW_CTL_VALID);
}

static void flows_of_a_released_endpoint_end_at_the_next_pass(void **state)
{
	struct fw_flow *flow = put_flow(0, 0);
	const struct heard *heard;
	struct fw_err err = {0};

	(void)state;
	(void)pass();
	flow->count[1] += WORD(1, 100);
	assert_int_equal(fw_endpoint_release(scene.datapath, OWNER, &err), 0);
	heard = pass();
	assert_int_equal(heard->count, 1);
	assert_true(heard->flow[0].ended);
	assert_int_equal(heard->flow[0].slot, scene.slot);
	assert_int_equal(heard->flow[0].packets[1], 1);
	assert_int_equal(flow->ctl, LIFE | FW_CTL_FREE);
	assert_int_equal(pass()->count, 0);
}

static void flush_ends_every_flow_and_walk_changes_none(void **state)
{
	struct heard heard = {0};

	(void)state;
	for (uint32_t i = 0; i < 20; i++)
		(void)put_flow(i * 3, 0);
	fw_sweeper_walk(scene.sweeper, hear, &heard);
	assert_int_equal(heard.count, 20);
	assert_false(heard.flow[0].ended);
	assert_int_equal(pass()->count, 20);
	heard.count = 0;
	fw_sweeper_flush(scene.sweeper, scene.region, hear, &heard);
	assert_int_equal(heard.count, 20);
	for (uint32_t i = 0; i < 20; i++) {
		assert_true(heard.flow[i].ended);
		assert_int_equal(flow_of(i * 3)->ctl, LIFE | FW_CTL_FREE);
	}
	heard.count = 0;
	fw_sweeper_walk(scene.sweeper, hear, &heard);
	assert_int_equal(heard.count, 0);
}

static void regions_of_nobody_are_not_looked_at(void **state)
{
	struct fw_flow *flow =
		&fw_datapath_bucket(scene.datapath, (scene.region + 1) * REGION_BUCKETS)->slot[0];

	(void)state;
	flow->ctl = TAG | LIFE | FW_CTL_VALID;
	assert_int_equal(pass()->count, 0);
	assert_int_equal(flow->ctl, TAG | LIFE | FW_CTL_VALID);
}

#define SCENE_TEST(function) cmocka_unit_test_setup_teardown(function, scene_setup, scene_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(counters_are_told_once_and_then_by_difference),
		SCENE_TEST(counters_stay_exact_when_bytes_carry_into_packets),
		SCENE_TEST(a_new_life_of_a_slot_starts_at_nothing),
		SCENE_TEST(an_idle_flow_ends_in_three_passes_with_final_counters),
		SCENE_TEST(a_packet_takes_a_suspect_back),
		SCENE_TEST(a_packet_that_counts_after_the_pass_is_told_by_the_next),
		SCENE_TEST(a_flow_that_falls_silent_ends_in_its_time),
		SCENE_TEST(each_kind_of_flow_has_its_own_patience),
		SCENE_TEST(jiffies_that_wrap_end_nothing),
		SCENE_TEST(slots_in_other_states_are_left_to_who_holds_them),
		SCENE_TEST(a_slot_taken_while_it_was_dead_is_told_by_what_was_known),
		SCENE_TEST(flows_of_a_released_endpoint_end_at_the_next_pass),
		SCENE_TEST(flush_ends_every_flow_and_walk_changes_none),
		SCENE_TEST(regions_of_nobody_are_not_looked_at),
	};

	return cmocka_run_group_tests_name("sweep", tests, NULL, NULL);
}
