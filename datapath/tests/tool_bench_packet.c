/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prices of one packet, by interleaved short rounds of test runs on thread CPU time: the smallest
 * round of each contender, in nanoseconds above the smallest of an empty program. Out: one JSON
 * line per figure, exit 1 when one is over its budget. Usage: tool_bench_packet [ROUNDS]
 */
#include <pthread.h>
#include <sched.h>

#include "bench.skel.h"
#include "fixture.h"

#define BUCKETS	   16384u /* of the region: 131,072 slots */
#define ROUNDS_MAX 4000
#define PER_ROUND  8192u /* packets: about 0.3 ms */
#define NEWCOMERS  2048u /* of them, in a region of the usual 4,096 slots */

struct contender {
	const char *name;
	int fd;	  /* program that is run */
	int next; /* driven: what the driver calls; else -1 */
	struct packet packet;
	uint32_t mask;	  /* flows - 1 */
	uint32_t buckets; /* of the region */
	bool forget;	  /* start each round with an empty region */
	bool drain;
	double ns[ROUNDS_MAX]; /* per packet, of each round */
	double smallest; /* the smallest of all rounds, above the smallest of the empty program */
};

static struct bench *bench;

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now); /* what others do on this CPU is not ours */
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int ignore(void *context, void *data, size_t size)
{
	(void)context;
	(void)data;
	(void)size;
	return 0;
}

static struct ring_buffer *bench_ring;

static double run(const struct contender *contender, uint32_t repeat)
{
	struct __sk_buff context = {.ingress_ifindex = ANY_INTERFACE};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = contender->packet.b,
		    .data_size_in = (uint32_t)contender->packet.len, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = (int)repeat);
	uint32_t zero = 0;
	double start;

	bench->bss->bench_mask = contender->mask;
	if (contender->next >= 0)
		assert(!bpf_map_update_elem(bpf_map__fd(bench->maps.bench_next), &zero,
					    &contender->next, BPF_ANY));
	fx->ep->flow_mask = contender->buckets - 1;
	start = now_ns();
	assert(!bpf_prog_test_run_opts(contender->fd, &options));
	return (now_ns() - start) / repeat;
}

static double least(const double *values, int count)
{
	double smallest = values[0];

	for (int i = 1; i < count; i++)
		if (values[i] < smallest)
			smallest = values[i];
	return smallest;
}

/* [0] is empty; the others come back in nanoseconds above it. */
static void interleave(struct contender *list, int count, int rounds, uint32_t repeat)
{
	for (int i = 0; i < count; i++)
		(void)run(&list[i], list[i].forget ? 16 : 2 * (list[i].mask + 1) + 16);
	for (int round = 0; round < rounds; round++) {
		for (int i = 0; i < count; i++) {
			if (list[i].forget)
				memset(fx->flows + BUCKETS, 0,
				       sizeof(struct fw_bucket) * list[i].buckets);
			if (list[i].drain) {
				ring_buffer__consume(fx->ring);
				ring_buffer__consume(bench_ring);
			}
			list[i].ns[round] = run(&list[i], repeat);
		}
	}
	for (int i = 0; i < count; i++)
		list[i].smallest = least(list[i].ns, rounds) - (i ? least(list[0].ns, rounds) : 0);
	fx->event_count = 0;
}

/* value = ours over theirs, each at its best; budget 0: stated only. */
static int tell(const char *figure, const struct contender *ours, const struct contender *theirs,
		double budget)
{
	double value = ours->smallest / theirs->smallest;

	printf("{\"figure\":\"%s\",\"value\":%.3f,\"unit\":\"ratio\",\"budget\":%.2f,\"ok\":%s,"
	       "\"ns\":%.1f,\"against\":\"%s\",\"against_ns\":%.1f}\n",
	       figure, value, budget, value <= budget ? "true" : "false", ours->smallest,
	       theirs->name, theirs->smallest);
	fflush(stdout);
	return value > budget;
}

static struct contender plain(const char *name, int fd, struct packet packet)
{
	return (struct contender){
		.name = name, .fd = fd, .next = -1, .packet = packet, .buckets = BUCKETS};
}

static struct contender driven(const char *name, int family, int next, struct packet packet,
			       uint32_t flows)
{
	return (struct contender){.name = name,
				  .fd = bpf_program__fd(family == 4 ? bench->progs.bench_drive4
								    : bench->progs.bench_drive6),
				  .next = next,
				  .packet = packet,
				  .mask = flows - 1,
				  .buckets = flows <= 4096 ? 1024 : BUCKETS};
}

/* Established packets: one, 4k and 64k flows, each direction and family. */
static int established(int rounds)
{
	const uint32_t flows[] = {1, 4096, 65536};
	const double budgets[] = {0.6, 0.75, 1.15};
	static struct contender list[4];
	int failed = 0, empty = bpf_program__fd(bench->progs.bench_empty);

	EACH_WAY(family, way)
	{
		int limit = bpf_program__fd(family == 4 ? bench->progs.bench_limit4
							: bench->progs.bench_limit6);
		int ours = program_fd(way ? FROM_CLSACT : TO_CLSACT);
		for (int i = 0; i < 3; i++) {
			struct packet packet = TCP(family, way, 1000, 80, ACK);
			char figure[64];

			fixture_forget();
			if (flows[i] == 1) {
				list[0] = plain("empty", empty, packet);
				list[1] = plain("limit", limit, packet);
				list[2] = plain("ours", ours, packet);
			} else {
				list[0] = driven("empty", family, empty, packet, flows[i]);
				list[1] = driven("limit", family, limit, packet, flows[i]);
				list[2] = driven("ours", family, ours, packet, flows[i]);
			}
			interleave(list, 3, rounds,
				   flows[i] > PER_ROUND ? 2 * PER_ROUND : PER_ROUND);
			snprintf(figure, sizeof(figure), "established_%s_ipv%d_%u",
				 way ? "from" : "to", family, flows[i]);
			failed += tell(figure, &list[2], &list[1], budgets[i]);
		}
	}
	return failed;
}

/* `cells` entries of policy, `ranges` in each; the peer's is one of them and says `decision`. */
static void policy(uint32_t cells, uint32_t ranges, uint32_t decision)
{
	fixture_default(decision, decision);
	EACH_DIRECTION(way)
	{
		for (uint32_t i = 0; i < cells; i++) {
			struct fw_cell_key key = {.subject = i ? 100 + i : SUBJECT,
						  .peer = PEER_CLASS << 1 | (uint32_t)way};
			struct fw_cell cell = {.first = 0, .count = ranges};
			assert(!bpf_map_update_elem(bpf_map__fd(fx->skel->maps.fw_cells), &key,
						    &cell, BPF_ANY));
		}
	}
	for (uint32_t i = 0; i < ranges; i++) /* the whole of TCP, in equal parts */
		fx->ranges[i] = (struct fw_range){
			.lo = FW_RANGE_KEY(PROTO_TCP, i * (65536 / ranges)),
			.hi = FW_RANGE_KEY(PROTO_TCP, (i + 1) * (65536 / ranges) - 1),
			.decision = decision};
	fx->subject->flags = FW_SUBJECT_CELLS_IN | FW_SUBJECT_CELLS_OUT;
}

/* Packets that no flow knows: `repeat` of them per round, into an empty region. */
static struct contender newcomers(int way, uint32_t buckets)
{
	struct contender c = driven("ours", 4, program_fd(way ? FROM_CLSACT : TO_CLSACT),
				    TCP(4, way, 1000, 80, SYN), NEWCOMERS);
	c.buckets = buckets;
	c.forget = c.drain = true;
	return c;
}

static int strangers(int rounds)
{
	static struct contender list[8];
	int failed = 0;

	EACH_DIRECTION(way)
	{
		struct packet packet = TCP(4, way, 1000, 80, SYN);
		const char *name = way ? "from" : "to";
		char figure[64];

		policy(1, 1, ALLOW(70));
		fixture_bump();
		list[0] = driven("empty", 4, bpf_program__fd(bench->progs.bench_empty), packet,
				 65536);
		list[1] = driven("evicting LRU insert", 4, bpf_program__fd(bench->progs.bench_new4),
				 packet, 1u << 31);
		list[2] = newcomers(way, 512);
		interleave(list, 3, rounds, NEWCOMERS);
		snprintf(figure, sizeof(figure), "new_flow_%s", name);
		failed += tell(figure, &list[2], &list[1], 0.6);

		policy(1, 1, 71);
		fixture_bump();
		list[1] = driven("limit and record", 4, bpf_program__fd(bench->progs.bench_deny4),
				 packet, NEWCOMERS);
		list[1].drain = true;
		list[2] = newcomers(way, 512);
		interleave(list, 3, rounds, NEWCOMERS);
		snprintf(figure, sizeof(figure), "denied_%s", name);
		failed += tell(figure, &list[2], &list[1], 1.5);

		list[0] = plain("empty", bpf_program__fd(bench->progs.bench_empty), packet);
		list[1] = plain("limit", bpf_program__fd(bench->progs.bench_limit4), packet);
		list[2] = plain("ours", program_fd(way ? FROM_CLSACT : TO_CLSACT), packet);
		interleave(list, 3, rounds, PER_ROUND);
		snprintf(figure, sizeof(figure), "denied_again_%s", name);
		failed += tell(figure, &list[2], &list[1], 0.8);
	}
	return failed;
}

/* The same newcomers with one entry of policy and with 10,000; the tables are swapped between the
 * rounds. */
static int entries(int rounds)
{
	static struct contender list[3];

	policy(10000, 1, ALLOW(70));
	fixture_bump();
	list[0] = driven("empty", 4, bpf_program__fd(bench->progs.bench_empty),
			 TCP(4, FW_EGRESS, 1000, 80, SYN), NEWCOMERS);
	list[1] = newcomers(FW_EGRESS, 512);
	list[1].name = "one entry";
	list[2] = newcomers(FW_EGRESS, 512);
	for (int round = 0; round < rounds; round++) {
		for (int big = 0; big < 2; big++) {
			for (uint32_t i = 0; i < 8;
			     i++) /* 8 ranges in the peer's cell, or the one */
				fx->ranges[i] = (struct fw_range){
					.lo = FW_RANGE_KEY(PROTO_TCP, i * 8192),
					.hi = FW_RANGE_KEY(PROTO_TCP, i * 8192 + 8191),
					.decision = ALLOW(70)};
			struct fw_cell_key key = {.subject = SUBJECT,
						  .peer = PEER_CLASS << 1 | FW_EGRESS};
			struct fw_cell cell = {.first = 0, .count = big ? 8 : 1};
			assert(!bpf_map_update_elem(bpf_map__fd(fx->skel->maps.fw_cells), &key,
						    &cell, BPF_ANY));
			memset(fx->flows + BUCKETS, 0, sizeof(struct fw_bucket) * 512);
			ring_buffer__consume(fx->ring);
			list[0].ns[round] = run(&list[0], NEWCOMERS);
			list[1 + big].ns[round] = run(&list[1 + big], NEWCOMERS);
		}
	}
	for (int i = 1; i < 3; i++)
		list[i].smallest = least(list[i].ns, rounds) - least(list[0].ns, rounds);
	return tell("new_flow_10k_entries", &list[2], &list[1], 1.05);
}

struct racer {
	struct contender contender;
	int cpu, rounds;
	pthread_barrier_t *start;
	double mean;
};

static void *race(void *argument)
{
	struct racer *racer = argument;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET((unsigned)racer->cpu, &cpus);
	(void)pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	racer->mean = 0;
	for (int i = 0; i < racer->rounds; i++) {
		pthread_barrier_wait(racer->start);
		racer->mean += run(&racer->contender, PER_ROUND * 4) / racer->rounds;
	}
	return NULL;
}

/* Both CPUs at once, ns per packet: on one flow, whose line goes to and fro, or on a flow each. */
static double two_cpus(int rounds, bool shared)
{
	static struct racer racers[2];
	pthread_barrier_t start;
	pthread_t threads[2];

	pthread_barrier_init(&start, NULL, 2);
	for (int i = 0; i < 2; i++) {
		uint16_t port = (uint16_t)(1000 + (shared ? 0 : i * 77));
		racers[i] = (struct racer){.contender = plain("ours", program_fd(FROM_CLSACT),
							      TCP(4, FW_EGRESS, port, 80, ACK)),
					   .cpu = i,
					   .rounds = rounds,
					   .start = &start};
		assert(!pthread_create(&threads[i], NULL, race, &racers[i]));
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&start);
	return (racers[0].mean + racers[1].mean) / 2;
}

static int sharing(int rounds)
{
	struct contender nothing = plain("empty", bpf_program__fd(bench->progs.bench_empty),
					 TCP(4, FW_EGRESS, 1, 2, ACK));
	double apart, together, empty;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		fprintf(stderr, "two CPUs on one flow: this machine has one\n");
		return 0;
	}
	fixture_reset();
	apart = two_cpus(rounds, false);
	together = two_cpus(rounds, true);
	empty = run(&nothing, PER_ROUND * 4);
	printf("{\"figure\":\"two_cpus_one_flow\",\"value\":%.3f,\"unit\":\"ratio\",\"budget\":4."
	       "00,"
	       "\"ok\":%s,\"ns\":%.1f,\"against\":\"a flow each\",\"against_ns\":%.1f}\n",
	       (together - empty) / (apart - empty),
	       together - empty <= 4 * (apart - empty) ? "true" : "false", together - empty,
	       apart - empty);
	return together - empty > 4 * (apart - empty);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 200, failed = 0;
	cpu_set_t cpus;

	if (rounds < 1 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "rounds: 1 to %d\n", ROUNDS_MAX);
		return 2;
	}
	CPU_ZERO(&cpus);
	CPU_SET(1 % (unsigned)sysconf(_SC_NPROCESSORS_ONLN), &cpus);
	(void)sched_setaffinity(0, sizeof(cpus), &cpus);
	fixture_open_sized(BUCKETS);
	fixture_reset();
	bench = bench__open_and_load();
	assert(bench);
	bench_ring = ring_buffer__new(bpf_map__fd(bench->maps.bench_ring), ignore, NULL, NULL);
	assert(bench_ring);
	failed += established(rounds);
	failed += strangers(rounds);
	failed += entries(rounds);
	failed += sharing(rounds);
	return failed != 0;
}
