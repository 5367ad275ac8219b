/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flow table's code under two CPUs, eviction in the kernel and a sweeper in user space: never a
 * wrong decision. Each protocol that leaves a rule out must be seen to give one, or this test could
 * not see anything. FW_STRESS_SECONDS sets how long the right one runs (5). Needs root and two
 * CPUs.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "fw/abi.h"
#include "stress.h"
#include "stress.skel.h"

#define CPUS	      2
#define CPUS_MAX      64
#define LIMIT_MS      40000 /* a wrong protocol shows itself within seconds; this is the limit */
#define RUNS_PER_CALL 20000

typedef uint64_t __attribute__((may_alias)) word;

struct runner {
	pthread_t thread;
	int program_fd;
	int cpu;
	volatile bool *stop;
	int error;
};

struct sweeps {
	uint64_t marked, ended, lost;
};

static void close_skeleton(struct stress **skeleton)
{
	stress__destroy(*skeleton);
}

static long now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void *run(void *context)
{
	struct runner *runner = context;
	unsigned char frame[64] = {0};
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET((size_t)runner->cpu, &cpus);
	runner->error = pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	while (!*runner->stop && !runner->error) {
		LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame,
			    .data_size_in = sizeof(frame), .repeat = RUNS_PER_CALL);

		runner->error = bpf_prog_test_run_opts(runner->program_fd, &options);
	}
	return NULL;
}

/* Rules 10 and 11 without patience: any flow may be ended, and at once. */
static void sweep(struct fw_bucket *buckets, uint32_t random, struct sweeps *sweeps)
{
	word *ctl = (word *)&buckets[random % STRESS_BUCKETS]
			    .slot[random / STRESS_BUCKETS % FW_BUCKET_SLOTS]
			    .ctl;
	word seen = __atomic_load_n(ctl, __ATOMIC_ACQUIRE), want;
	bool done;

	if ((seen & FW_CTL_STATE) == FW_CTL_VALID && !(seen & FW_CTL_SUSPECT))
		want = seen | FW_CTL_SUSPECT;
	else if ((seen & FW_CTL_STATE) == FW_CTL_VALID)
		want = (seen & ~(FW_CTL_STATE | FW_CTL_SUSPECT)) | FW_CTL_DEAD;
	else if ((seen & FW_CTL_STATE) == FW_CTL_DEAD)
		want = seen & FW_CTL_GENERATION;
	else
		return;
	done = __atomic_compare_exchange_n(ctl, &seen, want, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
	if (!done)
		sweeps->lost++;
	else if (want & FW_CTL_SUSPECT)
		sweeps->marked++;
	else if ((want & FW_CTL_STATE) == FW_CTL_DEAD)
		sweeps->ended++;
}

static struct stress_counts counts_of(const struct stress *skeleton)
{
	struct stress_counts each[CPUS_MAX * 4] = {0}, sum = {0};
	const uint32_t zero = 0;
	int cpus = libbpf_num_possible_cpus();

	assert_in_range(cpus, 1, CPUS_MAX * 4);
	assert_int_equal(
		bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.stress_counts), &zero, each), 0);
	for (int i = 0; i < cpus; i++) {
		sum.hits += each[i].hits;
		sum.bad += each[i].bad;
		sum.misses += each[i].misses;
		sum.inserted += each[i].inserted;
		sum.evicted += each[i].evicted;
		sum.twins += each[i].twins;
	}
	return sum;
}

/* Tables that the stress does not use are kept small. */
static struct stress *load(enum stress_mode mode)
{
	struct stress *skeleton = stress__open();
	struct bpf_map *map;

	assert_non_null(skeleton);
	skeleton->rodata->stress_mode = mode;
	bpf_object__for_each_map(map,
				 skeleton->obj) if (strncmp(bpf_map__name(map), "fw_", 3) == 0 &&
						    bpf_map__type(map) == BPF_MAP_TYPE_ARRAY)(void)
		bpf_map__set_max_entries(
			map, strcmp(bpf_map__name(map), "fw_flows") ? 1 : STRESS_BUCKETS);
	assert_int_equal(bpf_map__set_max_entries(skeleton->maps.fw_events, 4096), 0);
	assert_int_equal(stress__load(skeleton), 0);
	return skeleton;
}

static void prepare(const struct stress *skeleton)
{
	const struct fw_endpoint endpoint = {
		.flow_base = 0, .flow_mask = STRESS_BUCKETS - 1, .epoch = 1};
	const uint32_t zero = 0;

	assert_int_equal(
		bpf_map_update_elem(bpf_map__fd(skeleton->maps.fw_endpoints), &zero, &endpoint, 0),
		0);
}

/* Everything that can go wrong has taken place. */
static bool went_through(const struct stress_counts *counts, const struct sweeps *sweeps)
{
	return counts->hits > 100000 && counts->inserted > 1000 && counts->evicted > 1000 &&
	       sweeps->ended > 1000 && sweeps->lost > 0;
}

/*
 * Runs until a wrong protocol has shown that it is wrong, LIMIT_MS at most; the right one for `ms`,
 * and on until everything that could go wrong has taken place.
 */
static struct stress_counts stress_for(enum stress_mode mode, long ms, struct sweeps *ret_sweeps)
{
	_cleanup_(close_skeleton) struct stress *skeleton = load(mode);
	struct runner runners[CPUS] = {0};
	struct fw_bucket *buckets;
	struct sweeps sweeps = {0};
	volatile bool stop = false;
	uint32_t random = 1;
	const long end = now_ms() + ms, limit = end + LIMIT_MS;
	cpu_set_t cpus;
	int cpu = 0;

	prepare(skeleton);
	buckets = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
		       bpf_map__fd(skeleton->maps.fw_flows), 0);
	assert_ptr_not_equal(buckets, MAP_FAILED);
	assert_int_equal(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	for (int i = 0; i < CPUS; i++, cpu++) {
		while (!CPU_ISSET((size_t)cpu, &cpus))
			cpu++;
		runners[i] = (struct runner){.program_fd = bpf_program__fd(skeleton->progs.stress),
					     .cpu = cpu,
					     .stop = &stop};
		assert_int_equal(pthread_create(&runners[i].thread, NULL, run, &runners[i]), 0);
	}
	for (;;) {
		const struct stress_counts counts = counts_of(skeleton);
		const long now = now_ms();

		if (counts.bad || now > limit ||
		    (mode == STRESS_RIGHT && now > end && went_through(&counts, &sweeps)))
			break;
		for (int i = 0; i < 20000; i++) {
			random = random * 1103515245 + 12345;
			sweep(buckets, random >> 16, &sweeps);
		}
	}
	stop = true;
	for (int i = 0; i < CPUS; i++) {
		assert_int_equal(pthread_join(runners[i].thread, NULL), 0);
		assert_int_equal(runners[i].error, 0);
	}
	(void)munmap(buckets, 4096);
	*ret_sweeps = sweeps;
	return counts_of(skeleton);
}

static void need_two_cpus(void)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < CPUS) {
		print_message("# one CPU only: two are needed for a race\n");
		skip();
	}
}

static void is_found_wrong(enum stress_mode mode)
{
	struct stress_counts counts;
	struct sweeps sweeps;

	need_two_cpus();
	counts = stress_for(mode, 0, &sweeps);
	print_message("# %llu hits, %llu wrong\n", counts.hits, counts.bad);
	assert_true(counts.bad > 0);
}

static void the_naive_protocol_is_found_wrong(void **state)
{
	(void)state;
	is_found_wrong(STRESS_NAIVE);
}

static void reading_without_recheck_is_found_wrong(void **state)
{
	(void)state;
	is_found_wrong(STRESS_NO_RECHECK);
}

static void judging_again_by_a_plain_store_is_found_wrong(void **state)
{
	(void)state;
	is_found_wrong(STRESS_PLAIN_STORE);
}

static void the_flow_table_never_gives_another_flows_decision(void **state)
{
	const char *wish = getenv("FW_STRESS_SECONDS");
	long seconds = wish ? strtol(wish, NULL, 10) : 5;
	struct stress_counts counts;
	struct sweeps sweeps;

	(void)state;
	need_two_cpus();
	counts = stress_for(STRESS_RIGHT, (seconds > 0 && seconds < 86400 ? seconds : 5) * 1000,
			    &sweeps);
	print_message("# %llu hits, %llu wrong, %llu misses, %llu inserted, %llu evicted, %llu "
		      "twins; sweeper marked %llu, "
		      "ended %llu, came late %llu times\n",
		      counts.hits, counts.bad, counts.misses, counts.inserted, counts.evicted,
		      counts.twins, (unsigned long long)sweeps.marked,
		      (unsigned long long)sweeps.ended, (unsigned long long)sweeps.lost);
	assert_int_equal(counts.bad, 0);
	assert_true(went_through(&counts, &sweeps));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_naive_protocol_is_found_wrong),
		cmocka_unit_test(reading_without_recheck_is_found_wrong),
		cmocka_unit_test(judging_again_by_a_plain_store_is_found_wrong),
		cmocka_unit_test(the_flow_table_never_gives_another_flows_decision),
	};

	return cmocka_run_group_tests_name("flow_stress", tests, NULL, NULL);
}
