/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many records a second the keeper takes without loss, beside a producer that runs on the other
 * CPU. In: nothing (root). Out: one JSON line per figure, {"figure", "value", "unit", "budget",
 * "ok"}; exit 1 when one is over its budget. Makes maps under a pin directory of its own and
 * removes them.
 */
#include "flow_world.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define PIN	    "/sys/fs/bpf/pw-flw-bench"
#define RATE	    1000000u /* records a second that the budget asks for */
#define SECONDS	    3u
#define BATCH	    1000u
#define EVENTS_SIZE (16u << 20) /* the loader's default */
#define MILLISECOND 1000000ULL

struct producer {
	struct flow_world *world;
	atomic_bool stop;
	uint64_t batch_ns; /* one batch in this time */
	uint64_t sent;
	double seconds;
};

static struct flow_world world;
static int over;

static uint64_t now(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void figure(const char *name, double value, const char *unit, double budget, int ok)
{
	printf("{\"figure\":\"%s\",\"value\":%.4g,\"unit\":\"%s\",\"budget\":%.4g,\"ok\":%s}\n",
	       name, value, unit, budget, ok ? "true" : "false");
	(void)fflush(stdout);
	over |= !ok;
}

/* A core of its own, as far as it can be had: what else runs on this machine is not what is
 * measured. */
static void pin_to(size_t cpu)
{
	const struct sched_param priority = {.sched_priority = 1};
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
	(void)sched_setscheduler(0, SCHED_RR, &priority);
}

static void send_batch(struct flow_world *w, uint32_t count)
{
	uint8_t packet[64] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet, .data_size_in = sizeof(packet),
		    .repeat = (int)count);

	if (bpf_prog_test_run_opts(bpf_program__fd(w->feed->progs.fw_feed_many), &run))
		abort();
}

static void *produce(void *context)
{
	struct producer *p = context;
	uint64_t begin, next;

	pin_to(1);
	begin = next = now(CLOCK_MONOTONIC);
	while (!atomic_load(&p->stop)) {
		struct timespec until;

		send_batch(p->world, BATCH);
		p->sent += BATCH;
		next += p->batch_ns;
		until = (struct timespec){(time_t)(next / 1000000000), (long)(next % 1000000000)};
		if (next > now(CLOCK_MONOTONIC))
			(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
	}
	p->seconds = (double)(now(CLOCK_MONOTONIC) - begin) / 1e9;
	return NULL;
}

static void set_template(struct flow_world *w, uint8_t type)
{
	struct fw_event event = world_event(w, type, FW_EGRESS, "198.51.100.1");
	uint32_t zero = 0;

	if (bpf_map_update_elem(bpf_map__fd(w->feed->maps.feed_template), &zero, &event, BPF_ANY))
		abort();
}

/* One poll; counts the records that only tell of losses. */
static int poll_once(struct flow_world *w, uint64_t *tellings)
{
	uint64_t lost = fw_flows_lost(w->flows);
	int made = fw_flows_poll(w->flows);

	*tellings += fw_flows_lost(w->flows) != lost;
	return made;
}

/* As the daemon does it: a poll every 20 ms, a sweep every second. */
static void at_rate(struct flow_world *w, uint32_t rate, const char *name)
{
	struct producer p = {.world = w, .batch_ns = 1000000000ULL * BATCH / rate};
	uint64_t made = fw_flows_made(w->flows), lost = fw_flows_lost(w->flows), cpu, begin, taken;
	uint64_t tellings = 0;
	pthread_t thread;
	char text[96];

	pin_to(0);
	if (pthread_create(&thread, NULL, produce, &p))
		abort();
	begin = now(CLOCK_MONOTONIC);
	cpu = now(CLOCK_THREAD_CPUTIME_ID);
	while (now(CLOCK_MONOTONIC) - begin < SECONDS * 1000 * MILLISECOND) {
		struct timespec pause = {0, (long)(20 * MILLISECOND)};

		if (poll_once(w, &tellings) < (int)FW_EVENTS_PER_POLL)
			(void)nanosleep(&pause, NULL);
	}
	atomic_store(&p.stop, true);
	(void)pthread_join(thread, NULL);
	while (poll_once(w, &tellings) > 0)
		;
	cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
	lost = fw_flows_lost(w->flows) - lost;
	taken = fw_flows_made(w->flows) - made - tellings;
	(void)snprintf(text, sizeof(text), "flow export, %s: records lost at %.2f M/s", name,
		       (double)p.sent / p.seconds / 1e6);
	figure(text, (double)lost, "records", 0, !lost && taken == p.sent);
	(void)snprintf(text, sizeof(text), "flow export, %s: rate driven", name);
	figure(text, (double)p.sent / p.seconds / 1e6, "M records/s", 1,
	       (double)p.sent / p.seconds > 0.97 * rate);
	(void)snprintf(text, sizeof(text), "flow export, %s: CPU per record", name);
	figure(text, (double)cpu / (double)taken, "ns", 1000, cpu / taken < 1000);
	(void)snprintf(text, sizeof(text), "flow export, %s: counted = sent", name);
	figure(text, (double)(taken + lost) - (double)p.sent, "records", 0, taken + lost == p.sent);
}

/* KiB of our own: the ring buffer's pages are the kernel's, and mapped twice. */
static long resident(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	long own = 0;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "RssAnon: %ld", &own) == 1)
			break;
	}
	if (file)
		(void)fclose(file);
	return own;
}

int main(void)
{
	long before;

	world_begin(&world, PIN, EVENTS_SIZE, FW_HISTORY_DEFAULT);
	fw_flows_unsubscribe(world.flows, world.handle);
	fw_flows_free(&world.flows);
	before = resident();
	world_keeper(&world, FW_HISTORY_DEFAULT);
	fw_flows_unsubscribe(world.flows, world.handle);
	(void)fw_flows_poll(world.flows);
	set_template(&world, FW_EVENT_NEW);
	at_rate(&world, RATE, "new flows");
	set_template(&world, FW_EVENT_DENY);
	at_rate(&world, RATE, "denied flows");
	at_rate(&world, RATE * 3 / 2, "half as many again");
	figure("flow export: memory with 65536 records and 65536 open flows",
	       (double)(resident() - before) / 1024, "MiB", 32, resident() - before < 32 * 1024);
	world_end(&world);
	return over;
}
