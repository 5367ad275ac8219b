/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prices of one packet against the price of a parse and one hash lookup ("limit"), of an evicting
 * LRU insert, and of the limit with a ring buffer record; and of two CPUs on one flow. Out: one
 * JSON line per figure (e2e/bench/README.md), exit 1 when one is over its budget.
 */
#include <getopt.h>
#include <pthread.h>
#include <sched.h>

#include "bench.h"
#include "uncounted.skel.h"

#define NEWCOMERS     2048u /* packets of a round, in a region of the usual 4,096 slots */
#define ENTRIES	      10000u
#define ENTRIES_TURNS 10      /* how often each of both worlds is filled in */
#define EVICTING      131072u /* inserts that fill an LRU table of 65,536 rows */

static int ours(int way)
{
	return program_fd(way ? FROM_CLSACT : TO_CLSACT);
}

/* Established packets: one, 4k and 64k flows, each direction and family. */
static void established(int family, int way)
{
	const uint32_t flows[] = {1, 4096, 65536};
	const double budgets[] = {0.6, 0.75, 1.15};
	struct packet packet = TCP(family, way, 1000, 80, ACK);
	static struct contender list[3];
	char figure[64];

	for (int i = 0; i < 3; i++) {
		snprintf(figure, sizeof(figure), "established_%s_ipv%d_%u", way ? "from" : "to",
			 family, flows[i]);
		if (!bench_wants(figure))
			continue;
		fixture_reset();
		if (flows[i] == 1) {
			list[0] = bench_plain("empty", bench_empty(), packet);
			list[1] = bench_plain("limit", bench_limit(family), packet);
			list[2] = bench_plain("ours", ours(way), packet);
		} else {
			list[0] = bench_driven("empty", family, bench_empty(), packet, flows[i]);
			list[1] = bench_driven("limit", family, bench_limit(family), packet,
					       flows[i]);
			list[2] = bench_driven("ours", family, ours(way), packet, flows[i]);
		}
		bench_measure(figure, list, flows[i] > PER_ROUND ? 2 * PER_ROUND : PER_ROUND,
			      budgets[i]);
	}
}

/* `cells` entries of policy with one range each; the peer's is one of them and says `decision`. */
static void policy(uint32_t cells, uint32_t decision)
{
	fixture_reset();
	fixture_default(decision, decision);
	EACH_DIRECTION(way)
	{
		for (uint32_t i = 0; i < cells; i++) {
			struct fw_cell_key key = {.subject = i ? 100 + i : SUBJECT,
						  .peer = PEER_CLASS << 1 | (uint32_t)way};
			struct fw_cell cell = {.first = 0, .count = 1};
			assert(!bpf_map_update_elem(bpf_map__fd(fx->skel->maps.fw_cells), &key,
						    &cell, BPF_ANY));
		}
	}
	fx->ranges[0] = (struct fw_range){.lo = FW_RANGE_KEY(PROTO_TCP, 0),
					  .hi = FW_RANGE_KEY(PROTO_TCP, 65535),
					  .decision = decision};
	fx->subject->flags = FW_SUBJECT_CELLS_IN | FW_SUBJECT_CELLS_OUT;
	fixture_bump();
}

/*
 * Packets that no flow knows, into a region that is empty when a round begins. `asked`: each to
 * another port, so that the tables of policy are asked each time; else policy was asked the same
 * before.
 */
static struct contender newcomers(int family, int way, bool asked)
{
	struct contender c =
		bench_driven("ours", family, ours(way), TCP(family, way, 1000, 80, SYN), NEWCOMERS);
	c.buckets = 512;
	c.shift = asked ? 16 : 0;
	c.warm_up = 16;
	c.forget = c.drain = true;
	return c;
}

static void new_flow(int family, int way, bool asked)
{
	static struct contender list[3];
	struct packet packet = TCP(family, way, 1000, 80, SYN);
	char figure[64];

	snprintf(figure, sizeof(figure), "new_flow_%s%s_ipv%d", asked ? "asked_" : "",
		 way ? "from" : "to", family);
	if (!bench_wants(figure))
		return;
	policy(1, ALLOW(70));
	list[0] = bench_driven("empty", family, bench_empty(), packet, NEWCOMERS);
	list[1] = bench_plain("one evicting LRU insert",
			      bpf_program__fd(family == 4 ? bench.skel->progs.bench_insert4
							  : bench.skel->progs.bench_insert6),
			      packet);
	list[1].warm_up = EVICTING;
	list[2] = newcomers(family, way, asked);
	bench_measure(figure, list, NEWCOMERS, 0.6);
}

static void denied(int family, int way, bool asked)
{
	static struct contender list[3];
	struct packet packet = TCP(family, way, 1000, 80, SYN);
	char figure[64];

	snprintf(figure, sizeof(figure), "denied_%s%s_ipv%d", asked ? "asked_" : "",
		 way ? "from" : "to", family);
	if (!bench_wants(figure))
		return;
	policy(1, 71);
	list[0] = bench_driven("empty", family, bench_empty(), packet, NEWCOMERS);
	list[1] = bench_driven("limit and record", family,
			       bpf_program__fd(family == 4 ? bench.skel->progs.bench_deny4
							   : bench.skel->progs.bench_deny6),
			       packet, NEWCOMERS);
	list[1].drain = true;
	list[2] = newcomers(family, way, asked);
	bench_measure(figure, list, NEWCOMERS, 1.5);
}

static void denied_again(int family, int way)
{
	static struct contender list[3];
	struct packet packet = TCP(family, way, 1000, 80, SYN);
	char figure[64];

	snprintf(figure, sizeof(figure), "denied_again_%s_ipv%d", way ? "from" : "to", family);
	if (!bench_wants(figure))
		return;
	policy(1, 71);
	list[0] = bench_plain("empty", bench_empty(), packet);
	list[1] = bench_plain("limit", bench_limit(family), packet);
	list[2] = bench_plain("ours", ours(way), packet);
	bench_measure(figure, list, PER_ROUND, 0.8);
}

/* --- 10,000 entries of policy against one; eight ranges of the peer's entry against one --- */

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return a < b ? -1 : a > b;
}

static double median(double *values, int count)
{
	qsort(values, (size_t)count, sizeof(*values), compare);
	return values[count / 2];
}

/* The tables of both worlds: the first row of each is the one that the packets meet. */
struct entries {
	struct fw_cell peer[2]; /* the peer's own cell in the small world, and in the big one */
	bool more;		/* the big world has the other rows, too */
	struct fw_cell_key keys[ENTRIES];
	struct fw_cell cells[ENTRIES];
	struct fw_ip addresses[ENTRIES];
	struct fw_peer peers[ENTRIES];
};

static const struct fw_cell one_range = {.first = 0, .count = 1}, /* all of TCP, both */
	eight_ranges = {.first = 1, .count = 8};

static void entries_make(struct entries *e, int family, int way, bool more)
{
	e->more = more;
	e->peer[0] = more ? eight_ranges : one_range;
	e->peer[1] = eight_ranges;
	for (uint32_t i = 0; i < ENTRIES; i++) {
		e->keys[i] = (struct fw_cell_key){.subject = i ? 100 + i : SUBJECT,
						  .peer = PEER_CLASS << 1 | (uint32_t)way};
		e->cells[i] = eight_ranges;
		e->addresses[i] = ip_of(family == 4 ? "10.77.0.0" : "fd00:77::");
		e->addresses[i].b[14] = (uint8_t)(i >> 8);
		e->addresses[i].b[15] = (uint8_t)i;
		e->peers[i] = (struct fw_peer){.peer_class = PEER_CLASS + i, .flags = FW_PEER_POD};
	}
	e->addresses[0] = ip_of(family == 4 ? PEER4 : PEER6);
}

/* The big world or the small one: 9,999 more cells and addresses or none, and the peer's cell. */
static void entries_fill(struct entries *e, bool big)
{
	LIBBPF_OPTS(bpf_map_batch_opts, options);
	int cells = bpf_map__fd(fx->skel->maps.fw_cells);
	int addresses = bpf_map__fd(fx->skel->maps.fw_addresses);
	uint32_t rest = ENTRIES - 1, rest_too = ENTRIES - 1;

	if (e->more && big) {
		assert(!bpf_map_update_batch(cells, e->keys + 1, e->cells + 1, &rest, &options));
		assert(!bpf_map_update_batch(addresses, e->addresses + 1, e->peers + 1, &rest_too,
					     &options));
	} else if (e->more) {
		assert(!bpf_map_delete_batch(cells, e->keys + 1, &rest, &options));
		assert(!bpf_map_delete_batch(addresses, e->addresses + 1, &rest_too, &options));
	}
	assert(!bpf_map_update_elem(cells, e->keys, &e->peer[big], BPF_ANY));
	fixture_bump(); /* as every change of policy does */
}

static void entries_ranges(uint32_t decision)
{
	for (uint32_t i = 0; i < 8; i++) /* the whole of TCP, in equal parts */
		fx->ranges[1 + i] =
			(struct fw_range){.lo = FW_RANGE_KEY(PROTO_TCP, i * 8192),
					  .hi = FW_RANGE_KEY(PROTO_TCP, i * 8192 + 8191),
					  .decision = decision};
}

/* Both worlds by turns, each time the smallest of some rounds: what else the machine does in a
 * second meets both. list: empty, ours in the small world, ours in the big one; the small one is
 * left. */
static double entries_measure(struct entries *e, struct contender *list, uint32_t repeat)
{
	int rounds = bench.rounds / ENTRIES_TURNS + 1;
	double ratios[ENTRIES_TURNS], ns[3][ENTRIES_TURNS];

	for (int turn = 0; turn < ENTRIES_TURNS; turn++) {
		for (int mine = 2; mine; mine--) {
			entries_fill(e, mine == 2);
			(void)bench_round(&list[0],
					  repeat); /* what was written leaves the caches */
			(void)bench_round(&list[mine], repeat);
			for (int i = 0; i < rounds; i++) {
				list[mine].ns[i] = bench_round(&list[mine], repeat);
				list[0].ns[i] = bench_round(&list[0], repeat);
			}
			ns[0][turn] = bench_least(list[0].ns, rounds);
			ns[mine][turn] = bench_least(list[mine].ns, rounds) - ns[0][turn];
		}
		ratios[turn] = ns[2][turn] / ns[1][turn];
	}
	for (int i = 0; i < 3; i++)
		list[i].smallest = median(ns[i], ENTRIES_TURNS);
	return median(ratios, ENTRIES_TURNS);
}

enum { KIND_ESTABLISHED, KIND_NEW, KIND_DENIED };

/* `more`: of 10,000 entries against one; else of eight ranges against one, which has no budget. */
static void entries(int family, int way, int kind, bool more)
{
	static const char *const names[] = {"established", "new_flow", "denied"};
	static struct contender list[3];
	static struct entries e;
	const bool known = kind == KIND_ESTABLISHED;
	const uint32_t repeat = known ? PER_ROUND : NEWCOMERS;
	const uint32_t decision = kind == KIND_DENIED ? 71 : ALLOW(70);
	char figure[64];
	double value;

	snprintf(figure, sizeof(figure), "%s_%s_%s_ipv%d", names[kind],
		 more ? "10k_entries" : "eight_ranges", way ? "from" : "to", family);
	if (!bench_wants(figure))
		return;
	policy(1, decision);
	entries_ranges(decision);
	entries_make(&e, family, way, more);
	for (int i = 1; i < 3; i++)
		list[i] = known ? bench_plain("ours", ours(way), TCP(family, way, 1000, 80, ACK))
				: newcomers(family, way, true);
	list[1].name = more ? "one entry" : "one range";
	list[0] = known ? bench_plain("empty", bench_empty(), list[1].packet)
			: bench_driven("empty", family, bench_empty(), list[1].packet, NEWCOMERS);
	if (bench.spin > 0) {
		entries_fill(&e, true);
		bench_spin(&list[2], repeat);
		entries_fill(&e, false); /* what the fixture removes one by one is few */
		return;
	}
	value = entries_measure(&e, list, repeat);
	bench_tell_value(figure, value, &list[2], &list[1], list[0].smallest, more ? 1.05 : 0);
}

/* --- two CPUs --- */

struct racer {
	struct contender contender;
	int cpu, rounds;
	pthread_barrier_t *start;
	double *ns; /* of each round */
};

/* A CPU of its own and before everybody else there, so that both do run at once. */
static void *race(void *argument)
{
	const struct sched_param priority = {.sched_priority = 1};
	struct racer *racer = argument;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET((unsigned)racer->cpu, &cpus);
	(void)pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	(void)pthread_setschedparam(pthread_self(), SCHED_RR, &priority);
	for (int i = 0; i < racer->rounds; i++) {
		pthread_barrier_wait(racer->start);
		racer->ns[i] = bench_run(&racer->contender, PER_ROUND * 2);
	}
	return NULL;
}

/* One round on both CPUs at once: on one flow, or on a flow each. Mean of both, ns per packet. */
static double two_cpus(int family, int fd, bool shared, int rounds)
{
	static double ns[2][ROUNDS_MAX];
	static struct racer racers[2];
	pthread_barrier_t start;
	pthread_t threads[2];
	double sum = 0;

	pthread_barrier_init(&start, NULL, 2);
	for (int i = 0; i < 2; i++) {
		uint16_t port = (uint16_t)(1000 + (shared ? 0 : i * 77));
		racers[i] = (struct racer){
			.contender = bench_plain("", fd, TCP(family, FW_EGRESS, port, 80, ACK)),
			.cpu = i,
			.rounds = rounds,
			.ns = ns[i],
			.start = &start};
		assert(!pthread_create(&threads[i], NULL, race, &racers[i]));
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&start);
	for (int i = 0; i < rounds; i++)
		sum += (ns[0][i] + ns[1][i]) / 2;
	return sum / rounds;
}

/* The same program on the same maps with the atomic adds left out. */
static struct uncounted *open_uncounted(void)
{
	struct uncounted *skel = uncounted__open();
	struct bpf_map *map;

	assert(skel && sizeof(*skel->rodata) == sizeof(*fx->skel->rodata));
	memcpy(skel->rodata, fx->skel->rodata, sizeof(*skel->rodata));
	bpf_object__for_each_map(map, skel->obj)
	{
		const struct bpf_map *real =
			bpf_object__find_map_by_name(fx->skel->obj, bpf_map__name(map));

		if (real && !strstr(bpf_map__name(map), ".rodata"))
			assert(!bpf_map__reuse_fd(map, bpf_map__fd(real)));
	}
	assert(!uncounted__load(skel));
	return skel;
}

/* [0] counted, one flow; [1] not counted, one flow; [2] counted, a flow each: medians. */
static void race_all(int family, double *ret_ns, double empty)
{
	static double ns[3][ROUNDS_MAX];
	struct uncounted *skel = open_uncounted();
	int fds[3] = {ours(FW_EGRESS), bpf_program__fd(skel->progs.fw_from_clsact),
		      ours(FW_EGRESS)};
	int rounds = bench.rounds / 4 + 3;

	for (int round = 0; round < rounds; round++)
		for (int i = 0; i < 3; i++)
			ns[i][round] = two_cpus(family, fds[i], i < 2, 4) - empty;
	for (int i = 0; i < 3; i++)
		ret_ns[i] = median(ns[i], rounds);
	uncounted__destroy(skel);
}

static void sharing(int family)
{
	struct contender nothing;
	double ns[3], empty = 1e9;
	char figure[64];

	snprintf(figure, sizeof(figure), "two_cpus_one_flow_ipv%d", family);
	if (!bench_wants(figure))
		return;
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		fprintf(stderr, "two CPUs on one flow: this machine has one\n");
		return;
	}
	fixture_reset();
	if (bench.spin > 0) {
		for (double end = bench_cpu_ns(); bench_cpu_ns() < end + bench.spin * 1e7;)
			(void)two_cpus(family, ours(FW_EGRESS), true, 500);
		return;
	}
	nothing = bench_plain("empty", bench_empty(), TCP(family, FW_EGRESS, 1, 2, ACK));
	for (int i = 0; i < 20; i++) {
		double once = bench_run(&nothing, PER_ROUND * 2);

		empty = once < empty ? once : empty;
	}
	race_all(family, ns, empty);
	printf("{\"figure\":\"%s\",\"value\":%.3f,\"unit\":\"ratio\",\"budget\":4,"
	       "\"ok\":%s,\"ns\":%.1f,\"against\":\"the same program without counters\","
	       "\"against_ns\":%.1f,\"a_flow_each_ns\":%.1f,\"empty_ns\":%.1f}\n",
	       figure, ns[0] / ns[1], ns[0] <= 4 * ns[1] ? "true" : "false", ns[0], ns[1], ns[2],
	       empty);
	bench.over += ns[0] > 4 * ns[1];
}

static void usage(FILE *out)
{
	fprintf(out,
		"usage: tool_bench_packet [--only TEXT] [--rounds N] [--spin SECONDS] [--list]\n"
		"  --only TEXT     figures whose name contains TEXT\n"
		"  --rounds N      of each contender (200, at most %d)\n"
		"  --spin SECONDS  for a profiler: run what each figure measures, print nothing\n"
		"  --list          print the names of the figures\n",
		ROUNDS_MAX);
}

static int read_options(int argc, char **argv)
{
	static const struct option known[] = {
		{"only", required_argument, NULL, 'o'}, {"rounds", required_argument, NULL, 'r'},
		{"spin", required_argument, NULL, 's'}, {"list", no_argument, NULL, 'l'},
		{"help", no_argument, NULL, 'h'},	{NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		if (c == 'o')
			bench.only = optarg;
		else if (c == 'r')
			bench.rounds = (int)strtol(optarg, NULL, 10);
		else if (c == 's')
			bench.spin = strtod(optarg, NULL);
		else if (c == 'l')
			bench.list = true;
		else
			return usage(c == 'h' ? stdout : stderr), c == 'h' ? 1 : -1;
	}
	if (optind != argc || bench.rounds < 1 || bench.rounds > ROUNDS_MAX)
		return usage(stderr), -1;
	return 0;
}

int main(int argc, char **argv)
{
	int r = read_options(argc, argv);
	cpu_set_t cpus;

	if (r)
		return r < 0 ? 2 : 0;
	CPU_ZERO(&cpus);
	CPU_SET(1 % (unsigned)sysconf(_SC_NPROCESSORS_ONLN), &cpus);
	(void)sched_setaffinity(0, sizeof(cpus), &cpus);
	if (!bench.list)
		bench_open();
	EACH_WAY(family, way)
	{
		established(family, way);
	}
	EACH_WAY(family, way)
	{
		for (int asked = 0; asked < 2; asked++) {
			new_flow(family, way, asked);
			denied(family, way, asked);
		}
		denied_again(family, way);
	}
	EACH_WAY(family, way)
	{
		for (int kind = KIND_ESTABLISHED; kind <= KIND_DENIED; kind++)
			entries(family, way, kind, true);
		for (int kind = KIND_NEW; kind <= KIND_DENIED; kind++)
			entries(family, way, kind, false);
	}
	EACH_FAMILY(family)
	{
		sharing(family);
	}
	return bench.over != 0;
}
