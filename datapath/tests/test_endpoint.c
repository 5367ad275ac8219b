/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoint rows and flow regions: claimed and released, by one process and by many, some of them
 * killed in the middle. Needs root and a bpffs.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"

#define PROGRAM "endpoint"
#include "node.h"

#define CHILDREN 64

static void claims_use_the_row_of_their_device(void **state)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = node_make();
	const uint64_t owner = fw_endpoint_owner("0123456789ab", "eth0");
	const struct fw_endpoint *row;
	const struct fw_region *area;
	struct fw_err err = {0};
	uint32_t slot = 0, again = 0;

	(void)state;
	assert_int_equal(fw_endpoint_find(datapath, owner), FW_NO_SLOT);
	assert_int_equal(fw_endpoint_claim(datapath, owner, 70001, &slot, &err), 0);
	assert_int_equal(slot, 70001 & 0xffff);
	row = fw_datapath_endpoint(datapath, slot);
	area = fw_datapath_region(datapath, row->region);
	assert_int_equal(row->state, FW_EP_CLAIMED);
	assert_int_equal(row->ifindex, 70001);
	assert_int_equal(row->owner, owner);
	assert_int_equal(row->flow_base, row->region * REGION_BUCKETS);
	assert_int_equal(row->flow_mask, 7);
	assert_int_equal(row->generation, (uint16_t)area->generation);
	assert_int_equal(area->owner, owner);
	assert_int_equal(area->slot, slot);
	assert_int_equal(fw_endpoint_find(datapath, owner), slot);
	assert_int_equal(fw_endpoint_claim(datapath, owner, 70001, &again, &err), 0);
	assert_int_equal(again, slot);
	assert_int_equal(fw_endpoint_release(datapath, owner, &err), 0);
	assert_int_equal(row->state, FW_EP_FREE);
	assert_int_equal(area->owner, 0);
	assert_int_equal(fw_endpoint_find(datapath, owner), FW_NO_SLOT);
	assert_int_equal(fw_endpoint_release(datapath, owner, &err), 0);
}

static void a_clash_of_ifindex_gets_an_extra_row(void **state)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = node_make();
	const uint64_t owners[3] = {fw_endpoint_owner("a", "eth0"), fw_endpoint_owner("b", "eth0"),
				    fw_endpoint_owner("c", "net1")};
	struct fw_err err = {0};
	uint32_t slots[3];

	(void)state;
	assert_int_equal(fw_endpoint_claim(datapath, owners[0], 5, &slots[0], &err), 0);
	assert_int_equal(fw_endpoint_claim(datapath, owners[1], 5 + 65536, &slots[1], &err), 0);
	assert_int_equal(fw_endpoint_claim(datapath, owners[2], 0, &slots[2], &err), 0);
	assert_int_equal(slots[0], 5);
	assert_int_equal(slots[1], FW_IFINDEX_SLOTS);
	assert_int_equal(slots[2], FW_IFINDEX_SLOTS + 1);
	assert_int_equal(fw_datapath_endpoint(datapath, slots[1])->ifindex, 0);
	assert_int_equal(fw_endpoint_release(datapath, owners[1], &err), 0);
	assert_int_equal(fw_datapath_endpoint(datapath, 5)->owner, owners[0]);
	assert_int_equal(fw_endpoint_claim(datapath, owners[1], 5, &slots[1], &err), 0);
	assert_int_equal(slots[1], FW_IFINDEX_SLOTS);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(fw_endpoint_release(datapath, owners[i], &err), 0);
}

static void a_region_for_a_new_pod_is_empty_and_keeps_slot_generations(void **state)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = node_make();
	const uint64_t first = fw_endpoint_owner("first", "eth0");
	struct fw_err err = {0};
	uint32_t slot, region;
	struct fw_flow *flow;
	uint16_t generation;

	(void)state;
	assert_int_equal(fw_endpoint_claim(datapath, first, 9, &slot, &err), 0);
	region = fw_datapath_endpoint(datapath, slot)->region;
	generation = fw_datapath_endpoint(datapath, slot)->generation;
	for (int i = 0; i < 8; i++) {
		flow = &fw_datapath_bucket(datapath, region * REGION_BUCKETS + (uint32_t)i)
				->slot[i];
		flow->ctl = 0xabcdULL << 32 | 77 * FW_CTL_GENERATION_ONE |
			    (i & 1 ? FW_CTL_DEAD : FW_CTL_VALID);
	}
	flow = &fw_datapath_bucket(datapath, region * REGION_BUCKETS)->slot[1];
	flow->ctl = 78 * FW_CTL_GENERATION_ONE | FW_CTL_BUSY;
	assert_int_equal(fw_endpoint_release(datapath, first, &err), 0);
	/* used least comes first: the region comes round again after all others */
	for (uint32_t i = 0; i < REGIONS; i++) {
		assert_int_equal(fw_endpoint_claim(datapath, 1000 + i, 10 + i, &slot, &err), 0);
		if (i + 1 < REGIONS)
			assert_int_not_equal(fw_datapath_endpoint(datapath, slot)->region, region);
	}
	assert_int_equal(fw_datapath_endpoint(datapath, slot)->region, region);
	assert_int_equal(fw_datapath_endpoint(datapath, slot)->generation, generation + 1);
	for (int i = 0; i < 8; i++) {
		flow = &fw_datapath_bucket(datapath, region * REGION_BUCKETS + (uint32_t)i)
				->slot[i];
		assert_int_equal(flow->ctl, 77 * FW_CTL_GENERATION_ONE | FW_CTL_FREE);
	}
	flow = &fw_datapath_bucket(datapath, region * REGION_BUCKETS)->slot[1];
	assert_int_equal(flow->ctl, 78 * FW_CTL_GENERATION_ONE | FW_CTL_BUSY);
	for (uint32_t i = 0; i < REGIONS; i++)
		assert_int_equal(fw_endpoint_release(datapath, 1000 + i, &err), 0);
}

static void a_full_table_refuses_with_text_and_recovers(void **state)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = node_make();
	struct fw_err err = {0};
	uint32_t slot;

	(void)state;
	for (uint32_t i = 0; i < REGIONS; i++)
		assert_int_equal(fw_endpoint_claim(datapath, 100 + i, 100 + i, &slot, &err), 0);
	assert_int_equal(fw_endpoint_claim(datapath, 99, 99, &slot, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "flow regions"));
	assert_int_equal(fw_datapath_endpoint(datapath, 99)->state, FW_EP_FREE);
	assert_int_equal(fw_endpoint_release(datapath, 100, &err), 0);
	assert_int_equal(fw_endpoint_claim(datapath, 99, 99, &slot, &err), 0);
	for (uint32_t i = 0; i < REGIONS; i++)
		assert_int_equal(fw_endpoint_release(datapath, i ? 100 + i : 99, &err), 0);
}

static int wait_for(pid_t child)
{
	int status = 0;

	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static int claim_in_child(uint64_t owner, uint32_t ifindex)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = NULL;
	uint32_t slot;

	if (fw_datapath_make(PIN, &small, &datapath, NULL) < 0)
		return 1;
	return fw_endpoint_claim(datapath, owner, ifindex, &slot, NULL) < 0 ? 2 : 0;
}

static void many_processes_at_once_make_one_datapath_and_distinct_rows(void **state)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = NULL;
	bool region_seen[80] = {false};
	struct fw_err err = {0};
	pid_t children[CHILDREN];
	uint32_t slot;

	(void)state;
	for (uint32_t i = 0; i < CHILDREN; i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0)
			_exit(claim_in_child(
				5000 + i, 300 + i / 2 * 65536)); /* pairs with the same low half */
	}
	for (int i = 0; i < CHILDREN; i++)
		assert_int_equal(wait_for(children[i]), 0);
	datapath = node_make();
	for (uint32_t i = 0; i < CHILDREN; i++) {
		slot = fw_endpoint_find(datapath, 5000 + i);
		assert_int_not_equal(slot, FW_NO_SLOT);
		assert_int_equal(fw_datapath_endpoint(datapath, slot)->owner, 5000 + i);
		assert_false(region_seen[fw_datapath_endpoint(datapath, slot)->region]);
		region_seen[fw_datapath_endpoint(datapath, slot)->region] = true;
	}
	for (uint32_t i = 0; i < CHILDREN; i++)
		assert_int_equal(fw_endpoint_release(datapath, 5000 + i, &err), 0);
}

/* Claims and releases without end until it is killed. */
static void churn(uint64_t owner)
{
	struct fw_datapath *datapath = NULL;
	uint32_t slot;

	if (fw_datapath_open(PIN, &datapath, NULL) < 0)
		_exit(1);
	for (;;) {
		if (fw_endpoint_claim(datapath, owner, (uint32_t)owner, &slot, NULL) < 0)
			_exit(2);
		fw_endpoint_publish(fw_datapath_endpoint(datapath, slot), FW_EP_ISOLATED);
		if (fw_endpoint_release(datapath, owner, NULL) < 0)
			_exit(3);
	}
}

static uint32_t rows_in_use(const struct fw_datapath *datapath)
{
	uint32_t used = 0;

	for (uint32_t slot = 0; slot < FW_ENDPOINT_SLOTS; slot++)
		used += fw_datapath_endpoint(datapath, slot)->state != FW_EP_FREE;
	for (uint32_t i = 0; i < REGIONS; i++)
		used += fw_datapath_region(datapath, i)->owner != 0;
	return used;
}

static void killed_claimers_leave_nothing_that_a_release_does_not_find(void **state)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = node_make();
	struct timespec pause = {0};
	struct fw_err err = {0};
	uint32_t slot;
	pid_t child;

	(void)state;
	for (int round = 0; round < 60; round++) {
		child = fork();
		assert_true(child >= 0);
		if (child == 0)
			churn(400);
		pause.tv_nsec = 500000 + round * 40000 % 5000000;
		(void)nanosleep(&pause,
				NULL); /* the moment of the kill, not a wait for something */
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(wait_for(child), 128);
		assert_int_equal(fw_endpoint_claim(datapath, 400, 400, &slot, &err), 0);
		assert_int_equal(slot, 400);
		assert_int_equal(fw_endpoint_release(datapath, 400, &err), 0);
		assert_int_equal(rows_in_use(datapath), 0);
	}
}

static void a_row_left_claimed_without_owner_is_taken_again(void **state)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = node_make();
	struct fw_err err = {0};
	uint32_t slot;

	(void)state;
	fw_datapath_endpoint(datapath, 55)->state = FW_EP_CLAIMED;
	assert_int_equal(fw_endpoint_claim(datapath, 1, 55, &slot, &err), 0);
	assert_int_equal(slot, 55);
	/* with an owner it is not */
	assert_int_equal(fw_endpoint_claim(datapath, 2, 55, &slot, &err), 0);
	assert_int_equal(slot, FW_IFINDEX_SLOTS);
	assert_int_equal(fw_endpoint_release(datapath, 1, &err), 0);
	assert_int_equal(fw_endpoint_release(datapath, 2, &err), 0);
}

static void regions_of_owners_killed_early_are_taken_when_all_others_are_used(void **state)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = node_make();
	struct fw_err err = {0};
	uint32_t slot;

	(void)state;
	fw_datapath_region(datapath, 3)->owner = 31337;
	fw_datapath_region(datapath, 3)->slot = FW_NO_SLOT;
	for (uint32_t i = 0; i < REGIONS; i++)
		assert_int_equal(fw_endpoint_claim(datapath, 100 + i, 100 + i, &slot, &err), 0);
	assert_int_equal(fw_datapath_endpoint(datapath, slot)->region, 3);
	for (uint32_t i = 0; i < REGIONS; i++)
		assert_int_equal(fw_endpoint_release(datapath, 100 + i, &err), 0);
}

static void owners_differ_by_container_and_interface(void **state)
{
	(void)state;
	assert_int_equal(fw_endpoint_owner("a", "eth0"), fw_endpoint_owner("a", "eth0"));
	assert_int_not_equal(fw_endpoint_owner("a", "eth0"), fw_endpoint_owner("a", "eth1"));
	assert_int_not_equal(fw_endpoint_owner("ae", "th0"), fw_endpoint_owner("a", "eth0"));
	assert_int_not_equal(fw_endpoint_owner("", ""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NODE_TEST(claims_use_the_row_of_their_device),
		NODE_TEST(a_clash_of_ifindex_gets_an_extra_row),
		NODE_TEST(a_region_for_a_new_pod_is_empty_and_keeps_slot_generations),
		NODE_TEST(a_full_table_refuses_with_text_and_recovers),
		NODE_TEST(many_processes_at_once_make_one_datapath_and_distinct_rows),
		NODE_TEST(killed_claimers_leave_nothing_that_a_release_does_not_find),
		NODE_TEST(a_row_left_claimed_without_owner_is_taken_again),
		NODE_TEST(regions_of_owners_killed_early_are_taken_when_all_others_are_used),
		NODE_TEST(owners_differ_by_container_and_interface),
	};

	return cmocka_run_group_tests_name("endpoint", tests, NULL, NULL);
}
