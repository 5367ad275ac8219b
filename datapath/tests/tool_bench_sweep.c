/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sweep of a full table costs. In: nothing; needs root and a bpffs. Out: one JSON line per
 * figure on standard output, {"figure","value","unit","budget","ok"}; exit 1 when one is over its
 * budget. Removes its pins.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "loader/inside.h"
#include "loader/sweep.h"

#define PIN    "/sys/fs/bpf/pw-bench-sweep"
#define PODS   64u
#define SLOTS  4096u /* per pod: 262,144 in all */
#define ROUNDS 40

static uint64_t told;

static void count(const struct fw_sweep_flow *flow, void *context)
{
	(void)context;
	told += flow->packets[0] + 1;
}

static double milliseconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now); /* others are not measured */
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void fill(struct fw_datapath *datapath, uint32_t now)
{
	for (uint32_t i = 0; i < PODS * SLOTS; i++)
		fw_datapath_bucket(datapath, i / FW_BUCKET_SLOTS)->slot[i % FW_BUCKET_SLOTS] =
			(struct fw_flow){
				.ctl = (uint64_t)i << FW_CTL_TAG_SHIFT | FW_CTL_GENERATION_ONE |
				       FW_CTL_VALID,
				.protocol = 6,
				.ev = FW_DECISION_ALLOW | FW_DECIDED_DEFAULT,
				.count = {1, 1},
				.seen = now,
				.state = FW_FLOW_STATE_SEEN_IN | FW_FLOW_STATE_SEEN_OUT,
			};
}

/* Every `step`-th flow counts a packet before each pass; 0: none does. The least of many passes,
 * one jiffy apart. */
static double measure(struct fw_datapath *datapath, struct fw_sweeper *sweeper, uint32_t step,
		      uint32_t age)
{
	const struct timespec jiffy = {.tv_nsec = 12000000};
	double best = 1e9, begin, took;
	int fd = fw_jiffies_open(NULL);
	uint32_t now = 0;

	for (int round = 0; round < ROUNDS; round++) {
		(void)nanosleep(&jiffy, NULL);
		(void)fw_jiffies_read(fd, &now);
		for (uint32_t i = 0; step && i < PODS * SLOTS; i += step) {
			struct fw_flow *flow = &fw_datapath_bucket(datapath, i / FW_BUCKET_SLOTS)
							->slot[i % FW_BUCKET_SLOTS];

			flow->count[round & 1] += (1ULL << FW_COUNT_BYTES_BITS) + 60;
			flow->seen = now - age;
		}
		begin = milliseconds();
		if (fw_sweeper_pass(sweeper, count, NULL, NULL) < 0)
			return -1;
		took = milliseconds() - begin;
		best = took < best ? took : best;
	}
	fw_close_fd(&fd);
	return best;
}

static int say(const char *figure, double value, double budget)
{
	const int ok = value >= 0 && (budget <= 0 || value <= budget);
	char limit[32] = "null";

	if (budget > 0)
		(void)snprintf(limit, sizeof(limit), "%.3f", budget);
	printf("{\"figure\":\"%s\",\"value\":%.3f,\"unit\":\"ms\",\"budget\":%s,\"ok\":%s}\n",
	       figure, value, limit, ok ? "true" : "false");
	return ok ? 0 : 1;
}

static int bench(struct fw_datapath *datapath)
{
	_cleanup_(fw_sweeper_free) struct fw_sweeper *sweeper = NULL;
	const uint32_t hz = fw_datapath_node(datapath)->hz;
	struct fw_err err = {0};
	int fd = fw_jiffies_open(&err), bad = 0;
	uint32_t slot, now = 0;

	for (uint32_t i = 0; i < PODS; i++)
		if (fw_endpoint_claim(datapath, i + 1, i + 1, &slot, &err) < 0)
			return fprintf(stderr, "%s\n", err.text), 1;
	if (fd < 0 || fw_jiffies_read(fd, &now) < 0 || fw_sweeper_new(datapath, &sweeper) < 0)
		return fprintf(stderr, "no sweeper\n"), 1;
	fw_close_fd(&fd);
	bad |= say("sweep, 262144 slots, empty table", measure(datapath, sweeper, 0, 0), 1.0);
	fill(datapath, now);
	bad |= say("sweep, 262144 live flows, none moved", measure(datapath, sweeper, 0, 0), 1.0);
	bad |= say("sweep, 262144 live flows, 1 in 64 moved", measure(datapath, sweeper, 64, 0),
		   1.0);
	bad |= say("sweep, 262144 live flows, all moved and told", measure(datapath, sweeper, 1, 0),
		   0);
	fill(datapath, now - 60 * hz);
	bad |= say("sweep, 262144 live flows, quiet for a minute", measure(datapath, sweeper, 0, 0),
		   1.0);
	return bad;
}

int main(void)
{
	const struct fw_sizes sizes = {.regions = PODS, .region_slots = SLOTS};
	struct fw_datapath *datapath = NULL;
	struct fw_err err = {0};
	int bad;

	(void)fw_datapath_destroy(PIN, NULL);
	if (fw_datapath_make(PIN, &sizes, &datapath, &err) < 0)
		return fprintf(stderr, "%s\n", err.text), 1;
	bad = bench(datapath);
	fw_datapath_close(&datapath);
	if (fw_datapath_destroy(PIN, &err) < 0)
		return fprintf(stderr, "%s\n", err.text), 1;
	return bad;
}
