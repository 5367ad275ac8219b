/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contenders of the packet benchmark, and how they are measured: interleaved short rounds of test
 * runs on thread CPU time, the smallest round of each, in nanoseconds above the smallest of an
 * empty program. In: programs and packets. Out: one JSON line per figure (e2e/bench/README.md).
 */
#ifndef FW_TESTS_BENCH_H
#define FW_TESTS_BENCH_H

#include "bench.skel.h"
#include "fixture.h"

#define BUCKETS	   16384u /* of the region: 131,072 slots */
#define ROUNDS_MAX 4000
#define PER_ROUND  8192u /* packets: about 0.3 ms */

struct contender {
	const char *name;
	int fd;	  /* program that is run */
	int next; /* driven: what the driver calls; else -1 */
	struct packet packet;
	uint32_t mask;	  /* flows - 1 */
	uint32_t shift;	  /* 16: each flow goes to another port */
	uint32_t buckets; /* of the region */
	uint32_t warm_up; /* packets before the first round */
	bool forget;	  /* start each round with an empty region */
	bool drain;
	double ns[ROUNDS_MAX]; /* per packet, of each round */
	double smallest; /* the smallest of all rounds, above the smallest of the empty program */
};

struct bench_options {
	const char *only;   /* part of a figure's name; NULL: all */
	int rounds;	    /* of each contender */
	double spin;	    /* seconds; not 0: no figures, only ours is run, for a profiler */
	bool list;	    /* no figures, only their names */
	struct bench *skel; /* what is measured against */
	struct ring_buffer *ring;
	int over; /* figures over their budget */
};

static struct bench_options bench = {.rounds = 200};

static inline double bench_cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now); /* what others do on this CPU is not ours */
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline int bench_ignore(void *context, void *data, size_t size)
{
	(void)context;
	(void)data;
	(void)size;
	return 0;
}

static inline void bench_open(void)
{
	fixture_open_sized(BUCKETS);
	fixture_reset();
	bench.skel = bench__open_and_load();
	assert(bench.skel);
	bench.ring = ring_buffer__new(bpf_map__fd(bench.skel->maps.bench_ring), bench_ignore, NULL,
				      NULL);
	assert(bench.ring);
}

static inline bool bench_wants(const char *figure)
{
	if (bench.only && !strstr(figure, bench.only))
		return false;
	if (bench.list)
		printf("%s\n", figure);
	return !bench.list;
}

static inline int bench_empty(void)
{
	return bpf_program__fd(bench.skel->progs.bench_empty);
}

static inline int bench_limit(int family)
{
	return bpf_program__fd(family == 4 ? bench.skel->progs.bench_limit4
					   : bench.skel->progs.bench_limit6);
}

/* One packet, again and again. */
static inline struct contender bench_plain(const char *name, int fd, struct packet packet)
{
	return (struct contender){.name = name,
				  .fd = fd,
				  .next = -1,
				  .packet = packet,
				  .buckets = BUCKETS,
				  .warm_up = 16};
}

/* The driver writes the number of one of `flows` flows into the ports of each packet. */
static inline struct contender bench_driven(const char *name, int family, int next,
					    struct packet packet, uint32_t flows)
{
	return (struct contender){.name = name,
				  .fd = bpf_program__fd(family == 4
								? bench.skel->progs.bench_drive4
								: bench.skel->progs.bench_drive6),
				  .next = next,
				  .packet = packet,
				  .mask = flows - 1,
				  .buckets = flows <= 4096 ? 1024 : BUCKETS,
				  .warm_up = 2 * flows + 16};
}

/* Nanoseconds per packet, by this thread's clock. */
static inline double bench_run(const struct contender *contender, uint32_t repeat)
{
	struct __sk_buff context = {.ingress_ifindex = ANY_INTERFACE};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = contender->packet.b,
		    .data_size_in = (uint32_t)contender->packet.len, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = (int)repeat);
	uint32_t zero = 0;
	double start;

	bench.skel->bss->bench_mask = contender->mask;
	bench.skel->bss->bench_shift = contender->shift;
	if (contender->next >= 0)
		assert(!bpf_map_update_elem(bpf_map__fd(bench.skel->maps.bench_next), &zero,
					    &contender->next, BPF_ANY));
	fx->ep->flow_mask = contender->buckets - 1;
	start = bench_cpu_ns();
	assert(!bpf_prog_test_run_opts(contender->fd, &options));
	return (bench_cpu_ns() - start) / repeat;
}

static inline double bench_round(const struct contender *contender, uint32_t repeat)
{
	if (contender->forget) {
		memset(fx->flows + BUCKETS, 0, sizeof(struct fw_bucket) * contender->buckets);
		fixture_spent(0, 0); /* each of them writes its record */
	}
	if (contender->drain) {
		ring_buffer__consume(fx->ring);
		ring_buffer__consume(bench.ring);
	}
	return bench_run(contender, repeat);
}

static inline double bench_least(const double *values, int count)
{
	double smallest = values[0];

	for (int i = 1; i < count; i++)
		if (values[i] < smallest)
			smallest = values[i];
	return smallest;
}

/* For a profiler: nothing but this one, for so many seconds. */
static inline void bench_spin(const struct contender *contender, uint32_t repeat)
{
	double end = bench_cpu_ns() + bench.spin * 1e9;

	while (bench_cpu_ns() < end)
		(void)bench_round(contender, repeat);
}

/* budget 0: none. */
static inline void bench_tell_value(const char *figure, double value, const struct contender *ours,
				    const struct contender *theirs, double empty, double budget)
{
	char text[16] = "null";
	bool ok = budget <= 0 || value <= budget;

	if (budget > 0)
		(void)snprintf(text, sizeof(text), "%.2f", budget);
	printf("{\"figure\":\"%s\",\"value\":%.3f,\"unit\":\"ratio\",\"budget\":%s,\"ok\":%s,"
	       "\"ns\":%.1f,\"against\":\"%s\",\"against_ns\":%.1f,\"empty_ns\":%.1f}\n",
	       figure, value, text, ok ? "true" : "false", ours->smallest, theirs->name,
	       theirs->smallest, empty);
	fflush(stdout);
	bench.over += !ok;
}

/* value = ours over theirs, each at its best. */
static inline void bench_tell(const char *figure, const struct contender *ours,
			      const struct contender *theirs, double empty, double budget)
{
	bench_tell_value(figure, ours->smallest / theirs->smallest, ours, theirs, empty, budget);
}

/* list: an empty program, theirs, ours. */
static inline void bench_measure(const char *figure, struct contender *list, uint32_t repeat,
				 double budget)
{
	double empty;

	for (int i = 0; i < 3; i++)
		(void)bench_run(&list[i], list[i].warm_up);
	if (bench.spin > 0) {
		bench_spin(&list[2], repeat);
		return;
	}
	for (int round = 0; round < bench.rounds; round++)
		for (int i = 0; i < 3; i++)
			list[i].ns[round] = bench_round(&list[i], repeat);
	empty = bench_least(list[0].ns, bench.rounds);
	for (int i = 1; i < 3; i++)
		list[i].smallest = bench_least(list[i].ns, bench.rounds) - empty;
	fx->event_count = 0;
	bench_tell(figure, &list[2], &list[1], empty, budget);
}

#endif
