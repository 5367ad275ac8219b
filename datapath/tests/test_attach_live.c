/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks that are promoted, replaced and attached while datagrams run, each of them counted: none is
 * lost, each is judged once. In: root, a bpffs, iproute2.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#define PROGRAM "live"
#include "attach_stage.h"

#define TRIPS 100 /* round trips that each change stands in the middle of, at least */

struct traffic {
	pthread_t thread;
	volatile bool stop;
	uint64_t trips; /* atomic */
	uint64_t lost;
};

static void *keep_sending(void *context)
{
	struct traffic *traffic = context;

	while (!traffic->stop) {
		if (round_trip())
			__atomic_add_fetch(&traffic->trips, 1, __ATOMIC_RELAXED);
		else
			traffic->lost++;
	}
	return NULL;
}

static void start(struct traffic *traffic)
{
	assert_int_equal(pthread_create(&traffic->thread, NULL, keep_sending, traffic), 0);
}

/* True until `more` round trips have been made since `since`, or one has failed. */
static bool wants(const struct traffic *traffic, uint64_t since, uint64_t more)
{
	return __atomic_load_n(&traffic->trips, __ATOMIC_RELAXED) - since < more && !traffic->lost;
}

/* Waits for that many; a lost datagram ends it, and so does its receiver's patience. */
static void wait_for_trips(const struct traffic *traffic, uint64_t more)
{
	const uint64_t since = __atomic_load_n(&traffic->trips, __ATOMIC_RELAXED);
	const struct timespec pause = {.tv_nsec = 200000};

	while (wants(traffic, since, more))
		(void)nanosleep(&pause, NULL);
}

static void stop(struct traffic *traffic)
{
	traffic->stop = true;
	assert_int_equal(pthread_join(traffic->thread, NULL), 0);
}

static const struct fw_flow *flow_of(uint32_t index)
{
	const uint32_t base = fw_datapath_endpoint(stage.datapath, stage.hook.slot)->flow_base;

	return &fw_datapath_bucket(stage.datapath, base + index / FW_BUCKET_SLOTS)
			->slot[index % FW_BUCKET_SLOTS];
}

/* Packets that the pod's flows have counted, by direction. */
static void counted(uint64_t *ret_in, uint64_t *ret_out)
{
	uint64_t in = 0, out = 0;

	for (uint32_t i = 0; i < REGION_SLOTS; i++) {
		const struct fw_flow *flow = flow_of(i);

		if ((flow->ctl & FW_CTL_STATE) != FW_CTL_VALID || flow->local_port != PORT)
			continue;
		in += flow->count[FW_INGRESS] >> FW_COUNT_BYTES_BITS;
		out += flow->count[FW_EGRESS] >> FW_COUNT_BYTES_BITS;
	}
	*ret_in = in;
	*ret_out = out;
}

/* What the programs say about the packets that did not plainly hit a flow, and the pod's flows: for
 * a failed test. */
static void explain(void)
{
	static const char *const names[] = {
#define NAME(symbol, name, drops, text) name,
		FW_REASONS(NAME)
#undef NAME
	};
	struct fw_counter each[256];
	const int cpus = libbpf_num_possible_cpus();

	for (uint32_t row = 0; row < FW_REASON_COUNT * 2 && cpus <= 256; row++) {
		uint64_t packets = 0;

		if (bpf_map_lookup_elem(fw_datapath_map_fd(stage.datapath, FW_MAP_COUNTERS), &row,
					each) < 0)
			continue;
		for (int i = 0; i < cpus; i++)
			packets += each[i].packets;
		if (packets)
			print_message("# %s %s: %llu\n", names[row / 2], row & 1 ? "out" : "in",
				      (unsigned long long)packets);
	}
	for (uint32_t i = 0; i < REGION_SLOTS; i++) {
		const struct fw_flow *flow = flow_of(i);

		if (flow->ctl & FW_CTL_STATE)
			print_message(
				"# flow %u: ctl %llx port %u state %x ev %llx in %llu out %llu\n",
				i, (unsigned long long)flow->ctl, flow->local_port, flow->state,
				(unsigned long long)flow->ev,
				(unsigned long long)flow->count[0] >> FW_COUNT_BYTES_BITS,
				(unsigned long long)flow->count[1] >> FW_COUNT_BYTES_BITS);
	}
}

static void promotion_under_traffic_loses_nothing_and_judges_once(void **state)
{
	struct traffic traffic = {0};
	uint64_t in, out, want;

	(void)state;
	if (!fw_hook_tcx_supported()) {
		print_message("# this kernel has no tcx\n");
		skip();
	}
	attach(FW_HOOK_CLSACT);
	for (int round = 0; round < 12; round++) {
		traffic.stop = false;
		start(&traffic);
		CALL(fw_hook_promote);
		CALL(fw_hook_refresh);
		wait_for_trips(&traffic, TRIPS);
		stop(&traffic);
		want = traffic.trips;
		counted(&in, &out);
		if (traffic.lost || out != want || in != want)
			explain();
		assert_int_equal(traffic.lost, 0);
		assert_int_equal(out, want);
		assert_int_equal(in, want);
		detach();
		attach(FW_HOOK_CLSACT);
	}
	print_message("# %llu round trips under 12 promotions\n",
		      (unsigned long long)traffic.trips);
}

static void replacement_under_traffic_loses_nothing(void **state)
{
	struct traffic traffic = {0};
	struct fw_err err = {0};
	uint64_t in, out;

	(void)state;
	attach(FW_HOOK_CLSACT);
	start(&traffic);
	for (int round = 0; round < 6; round++) {
		if (round == 3 && fw_hook_tcx_supported())
			CALL(fw_hook_promote);
		if (fw_datapath_load_programs(stage.datapath, &err) < 0)
			fail_msg("%s", err.text);
		CALL(fw_hook_refresh);
		wait_for_trips(&traffic, TRIPS);
	}
	stop(&traffic);
	counted(&in, &out);
	if (traffic.lost || out != traffic.trips || in != traffic.trips)
		explain();
	assert_int_equal(traffic.lost, 0);
	assert_int_equal(out, traffic.trips);
	assert_int_equal(in, traffic.trips);
	print_message("# %llu round trips under 6 replacements\n",
		      (unsigned long long)traffic.trips);
}

static void attaching_to_a_live_device_loses_nothing(void **state)
{
	struct traffic traffic = {0};

	(void)state;
	if (!fw_hook_tcx_supported()) {
		print_message("# this kernel has no tcx\n");
		skip();
	}
	stage.hook.live = true;
	start(&traffic);
	for (int round = 0; round < 12; round++) {
		attach(FW_HOOK_TCX);
		wait_for_trips(&traffic, TRIPS);
		detach();
		wait_for_trips(&traffic, TRIPS);
	}
	stop(&traffic);
	if (traffic.lost)
		explain();
	assert_int_equal(traffic.lost, 0);
	assert_false(leftovers());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGE_TEST(promotion_under_traffic_loses_nothing_and_judges_once),
		STAGE_TEST(replacement_under_traffic_loses_nothing),
		STAGE_TEST(attaching_to_a_live_device_loses_nothing),
	};

	return cmocka_run_group_tests_name("attach_live", tests, group_setup, node_teardown);
}
