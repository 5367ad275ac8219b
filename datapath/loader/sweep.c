/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sweeper: reads counters, ends idle flows. In: the mapped flow table, jiffies. Out: one
 * callback per flow that has something to tell. Rules 10 to 12 of the flow table: idle -> SUSPECT;
 * a pass later, still idle -> DEAD; a grace period later -> told, FREE. Writes nothing but `ctl`,
 * only by cmpxchg, so a packet that comes first always wins. The grace periods are waited for by a
 * thread, so that a pass does not stand still for one.
 *
 * A pass reads one word of each slot, `seen`: a packet writes it before it counts. What was not
 * seen since the pass before is left alone until some flow of its bucket can be idle.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "loader/inside.h"
#include "loader/sweep.h"

#define ENDING_MAX  65536u     /* flows that one pass ends; more wait for the next pass */
#define ENDING_ROOM 1024u      /* first allocation */
#define STREAMS	    4u	       /* a power of two, as the buckets of a region are */
#define MARGIN	    2u	       /* jiffies that may lie between the two writes of one packet */
#define NEVER	    (1u << 30) /* jiffies: looked at all the same, to no harm */
#define TOLD	    1u	       /* a generation has zeros in its low bits: 0 is no life */

/* What was told of a slot before: counters of the life that `life` names. */
struct told {
	uint64_t count[2];
	uint32_t life;
	uint32_t unused;
};

struct ending {
	struct fw_flow copy; /* as it was when it was marked; ctl is the mark */
	uint32_t flow;
	uint32_t slot;
	bool silent; /* the loser of two inserts: there is nothing to tell */
};

struct watched {
	uint64_t owner;
	uint32_t slot;
};

struct fw_sweeper {
	struct fw_datapath *datapath;
	struct fw_bucket *buckets;
	struct told *told;
	uint32_t *due;		 /* by bucket: the first jiffy at which a flow of it can be idle */
	struct watched *watched; /* regions, as the pass before found them */
	struct ending *ending;
	size_t ending_count, ending_room;
	int jiffies_fd;
	uint32_t slots; /* of a region */
	uint32_t hz;
	uint32_t now, before; /* jiffies of this pass and the one before */
	bool passed;
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	bool asked, stop;
	int failed;
};

static void *wait_for_grace(void *context)
{
	struct fw_sweeper *sweeper = context;
	int r;

	(void)pthread_mutex_lock(&sweeper->lock);
	for (;;) {
		while (!sweeper->asked && !sweeper->stop)
			(void)pthread_cond_wait(&sweeper->changed, &sweeper->lock);
		if (sweeper->stop)
			break;
		(void)pthread_mutex_unlock(&sweeper->lock);
		r = fw_datapath_synchronize(sweeper->datapath, NULL);
		(void)pthread_mutex_lock(&sweeper->lock);
		sweeper->failed = r;
		sweeper->asked = false;
		(void)pthread_cond_broadcast(&sweeper->changed);
	}
	(void)pthread_mutex_unlock(&sweeper->lock);
	return NULL;
}

/* Signals stay with the caller's thread. */
static int start_thread(struct fw_sweeper *sweeper)
{
	sigset_t all, old;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&sweeper->thread, NULL, wait_for_grace, sweeper);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	sweeper->has_thread = r == 0;
	return -r;
}

static void ask_for_grace(struct fw_sweeper *sweeper)
{
	(void)pthread_mutex_lock(&sweeper->lock);
	sweeper->asked = true;
	(void)pthread_cond_broadcast(&sweeper->changed);
	(void)pthread_mutex_unlock(&sweeper->lock);
}

/* At once when passes are a second apart. */
static int finish_grace(struct fw_sweeper *sweeper)
{
	int r;

	(void)pthread_mutex_lock(&sweeper->lock);
	while (sweeper->asked)
		(void)pthread_cond_wait(&sweeper->changed, &sweeper->lock);
	r = sweeper->failed;
	(void)pthread_mutex_unlock(&sweeper->lock);
	return r;
}

int fw_sweeper_new(struct fw_datapath *datapath, struct fw_sweeper **ret_sweeper)
{
	_cleanup_(fw_sweeper_free) struct fw_sweeper *sweeper = calloc(1, sizeof(*sweeper));
	const struct fw_node *node = fw_datapath_node(datapath);
	const size_t slots = (size_t)fw_datapath_capacity(datapath, FW_MAP_FLOWS) * FW_BUCKET_SLOTS;
	int r;

	if (!sweeper)
		return -ENOMEM;
	sweeper->jiffies_fd = -1;
	sweeper->datapath = datapath;
	sweeper->hz = node->hz;
	sweeper->slots = node->region_buckets * FW_BUCKET_SLOTS;
	(void)pthread_mutex_init(&sweeper->lock, NULL);
	(void)pthread_cond_init(&sweeper->changed, NULL);
	sweeper->told = calloc(slots, sizeof(*sweeper->told));
	sweeper->due = calloc(slots / FW_BUCKET_SLOTS, sizeof(*sweeper->due));
	sweeper->watched = calloc(node->regions, sizeof(*sweeper->watched));
	sweeper->ending = calloc(ENDING_ROOM, sizeof(*sweeper->ending));
	sweeper->ending_room = ENDING_ROOM;
	if (!sweeper->told || !sweeper->due || !sweeper->watched || !sweeper->ending)
		return -ENOMEM;
	sweeper->buckets = fw_datapath_bucket(datapath, 0);
	if (!sweeper->buckets)
		return -ENOMEM;
	r = sweeper->jiffies_fd = fw_jiffies_open(NULL);
	if (r >= 0)
		r = fw_grace_open(datapath, NULL);
	if (r == 0)
		r = start_thread(sweeper);
	if (r < 0)
		return r;
	*ret_sweeper = TAKE_PTR(sweeper);
	return 0;
}

void fw_sweeper_free(struct fw_sweeper **sweeper)
{
	struct fw_sweeper *freeing = *sweeper;

	if (!freeing)
		return;
	if (freeing->has_thread) {
		(void)pthread_mutex_lock(&freeing->lock);
		freeing->stop = true;
		(void)pthread_cond_broadcast(&freeing->changed);
		(void)pthread_mutex_unlock(&freeing->lock);
		(void)pthread_join(freeing->thread, NULL);
	}
	(void)pthread_cond_destroy(&freeing->changed);
	(void)pthread_mutex_destroy(&freeing->lock);
	fw_close_fd(&freeing->jiffies_fd);
	free(freeing->told);
	free(freeing->due);
	free(freeing->watched);
	free(freeing->ending);
	free(freeing);
	*sweeper = NULL;
}

static inline uint32_t life_of(uint64_t ctl)
{
	return (uint32_t)(ctl & FW_CTL_GENERATION) | TOLD;
}

static struct fw_flow *flow_at(const struct fw_sweeper *sweeper, uint32_t flow)
{
	return &sweeper->buckets[flow / FW_BUCKET_SLOTS].slot[flow % FW_BUCKET_SLOTS];
}

static uint64_t load_ctl(const struct fw_flow *flow)
{
	return __atomic_load_n((const fw_word *)&flow->ctl, __ATOMIC_ACQUIRE);
}

static bool change(struct fw_flow *flow, uint64_t from, uint64_t to)
{
	fw_word expected = from;

	return __atomic_compare_exchange_n((fw_word *)&flow->ctl, &expected, to, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Rule 3: true when the copy is of the life that its ctl names. */
static bool copy_flow(struct fw_flow *flow, uint64_t ctl, struct fw_flow *ret_copy)
{
	const volatile fw_word *from = (const volatile fw_word *)flow;
	fw_word *to = (fw_word *)ret_copy;

	for (size_t i = 0; i < sizeof(*flow) / sizeof(*to); i++)
		to[i] = from[i];
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	ret_copy->ctl = load_ctl(flow);
	return !((ret_copy->ctl ^ ctl) & ~FW_CTL_SUSPECT);
}

static bool is_ipv4(const struct fw_flow *flow)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(flow->remote, mapped, sizeof(mapped)) == 0;
}

/* Idle seconds that abi.h grants to this flow. */
static inline uint32_t patience(const struct fw_flow *flow)
{
	const uint32_t state = flow->state;
	const uint32_t both = FW_FLOW_STATE_SEEN_IN | FW_FLOW_STATE_SEEN_OUT;
	const uint32_t closed = FW_FLOW_STATE_FIN_IN | FW_FLOW_STATE_FIN_OUT;

	if (flow->kind & FW_FLOW_FRAGMENT)
		return is_ipv4(flow) ? FW_IDLE_FRAGMENT4 : FW_IDLE_FRAGMENT6;
	if (!(flow->ev & FW_DECISION_ALLOW))
		return FW_IDLE_DENIED;
	switch (flow->protocol) {
	case 6: /* TCP */
		if ((state & FW_FLOW_STATE_RST) || (state & closed) == closed)
			return FW_IDLE_TCP_CLOSED;
		return (state & both) == both ? FW_IDLE_TCP : FW_IDLE_TCP_HALF;
	case 17: /* UDP */
		return (state & both) == both ? FW_IDLE_UDP : FW_IDLE_UDP_HALF;
	default:
		return FW_IDLE_OTHER;
	}
}

static inline bool is_idle(const struct fw_flow *flow, uint32_t now, uint32_t hz)
{
	const uint32_t age = now - flow->seen;

	/* more than half the range: seen after this pass began */
	return age < 1u << 31 && age > (uint64_t)patience(flow) * hz;
}

/* Jiffies until it is idle when no packet comes; 0: it is. */
static uint32_t left_to(const struct fw_flow *flow, uint32_t now, uint32_t hz)
{
	const uint32_t age = now - flow->seen;
	const uint64_t limit = (uint64_t)patience(flow) * hz + 1;

	if (age >= 1u << 31) /* seen after this pass began */
		return limit < NEVER ? (uint32_t)limit : NEVER;
	if (age >= limit)
		return 0;
	return limit - age < NEVER ? (uint32_t)(limit - age) : NEVER;
}

/*
 * Differences of whole words, then split: packets and bytes are added as one word, so bytes that
 * overflow carry into the packets, and only the difference of two words is exact.
 */
static void tell(struct fw_sweeper *sweeper, uint32_t flow, uint32_t slot,
		 const struct fw_flow *copy, bool ended, bool remember, fw_sweep_report report,
		 void *context)
{
	struct told *told = &sweeper->told[flow];
	const uint32_t life = life_of(copy->ctl);
	struct fw_sweep_flow said = {.flow = flow, .slot = slot, .copy = *copy, .ended = ended};
	uint64_t more;

	for (int i = 0; i < 2; i++) {
		more = copy->count[i] - (told->life == life ? told->count[i] : 0);
		said.packets[i] = more >> FW_COUNT_BYTES_BITS & FW_COUNT_PACKETS_MASK;
		said.bytes[i] = more & FW_COUNT_BYTES_MASK;
	}
	if (remember) {
		told->life = life;
		told->count[0] = copy->count[0];
		told->count[1] = copy->count[1];
	}
	if (report)
		report(&said, context);
}

static struct ending *room_for_ending(struct fw_sweeper *sweeper)
{
	size_t room = sweeper->ending_room * 2;
	struct ending *more;

	if (sweeper->ending_count < sweeper->ending_room)
		return &sweeper->ending[sweeper->ending_count];
	if (room > ENDING_MAX)
		return NULL;
	more = realloc(sweeper->ending, room * sizeof(*more));
	if (!more)
		return NULL;
	sweeper->ending = more;
	sweeper->ending_room = room;
	return &sweeper->ending[sweeper->ending_count];
}

/* Rule 10: SUSPECT now, DEAD when it was SUSPECT in the pass before and no packet has taken it
 * back. */
static bool end_idle(struct fw_sweeper *sweeper, uint32_t flow, uint32_t slot,
		     const struct fw_flow *copy)
{
	struct fw_flow *live = flow_at(sweeper, flow);
	const uint64_t ctl = copy->ctl;
	const uint64_t dead = (ctl & ~(FW_CTL_STATE | FW_CTL_SUSPECT)) | FW_CTL_DEAD;
	struct ending *ending;

	if (!(ctl & FW_CTL_SUSPECT)) {
		(void)change(live, ctl, ctl | FW_CTL_SUSPECT);
		return false;
	}
	ending = sweeper->passed ? room_for_ending(sweeper) : NULL;
	if (!ending || !change(live, ctl, dead))
		return false;
	*ending = (struct ending){.copy = *copy, .flow = flow, .slot = slot};
	ending->copy.ctl = dead;
	sweeper->ending_count++;
	return true;
}

/* DEAD, and not by this sweeper: the loser of two inserts, or what a sweeper that was killed had
 * marked. False: not now. */
static bool adopt_dead(struct fw_sweeper *sweeper, uint32_t flow, uint32_t slot, uint64_t ctl)
{
	struct ending *ending = room_for_ending(sweeper);

	if (!ending || !copy_flow(flow_at(sweeper, flow), ctl, &ending->copy))
		return false;
	ending->flow = flow;
	ending->slot = slot;
	ending->silent = !is_idle(&ending->copy, sweeper->now, sweeper->hz);
	sweeper->ending_count++;
	return true;
}

/* Tells or ends one flow. Returns in how many jiffies it must be looked at again, come what may. */
static uint32_t look_at(struct fw_sweeper *sweeper, uint32_t flow, uint32_t slot,
			fw_sweep_report report, void *context)
{
	const uint64_t ctl = load_ctl(flow_at(sweeper, flow));
	const struct told *told = &sweeper->told[flow];
	struct fw_flow copy;

	if ((ctl & FW_CTL_STATE) == FW_CTL_DEAD)
		return adopt_dead(sweeper, flow, slot, ctl) ? NEVER : 0;
	if ((ctl & FW_CTL_STATE) != FW_CTL_VALID)
		return NEVER; /* FREE, or BUSY: what it will be was seen by then */
	if (!copy_flow(flow_at(sweeper, flow), ctl, &copy))
		return 0; /* changed hands; the next pass sees the new one */
	if (is_idle(&copy, sweeper->now, sweeper->hz) && end_idle(sweeper, flow, slot, &copy))
		return NEVER;
	if (told->life != life_of(ctl) || told->count[0] != copy.count[0] ||
	    told->count[1] != copy.count[1])
		tell(sweeper, flow, slot, &copy, false, true, report, context);
	return left_to(&copy, sweeper->now, sweeper->hz);
}

static inline uint32_t seen_of(const struct fw_flow *flow)
{
	return __atomic_load_n(&flow->seen, __ATOMIC_RELAXED);
}

/* One question about all slots of a bucket, without a branch for each: asked of every bucket, every
 * second. */
static inline bool was_touched(const struct fw_bucket *bucket, uint32_t since)
{
	uint32_t untouched = 1u << 31;

	for (uint32_t i = 0; i < FW_BUCKET_SLOTS; i++)
		untouched &= seen_of(&bucket->slot[i]) - since;
	return !untouched;
}

static void look_into(struct fw_sweeper *sweeper, uint32_t bucket, uint32_t slot, bool all,
		      fw_sweep_report report, void *context)
{
	const uint32_t since = sweeper->before - MARGIN;
	uint32_t next = all ? NEVER : sweeper->due[bucket] - sweeper->now;

	for (uint32_t i = 0; i < FW_BUCKET_SLOTS; i++) {
		uint32_t wait;

		if (!all && seen_of(&sweeper->buckets[bucket].slot[i]) - since >= 1u << 31)
			continue;
		wait = look_at(sweeper, bucket * FW_BUCKET_SLOTS + i, slot, report, context);
		next = wait < next ? wait : next;
	}
	sweeper->due[bucket] = sweeper->now + next;
}

static inline void pass_bucket(struct fw_sweeper *sweeper, uint32_t bucket, uint32_t slot,
			       fw_sweep_report report, void *context)
{
	const bool all = !sweeper->passed || sweeper->now - sweeper->due[bucket] < 1u << 31;

	if (all || was_touched(&sweeper->buckets[bucket], sweeper->before - MARGIN))
		look_into(sweeper, bucket, slot, all, report, context);
}

/* In several places at once: what a pass costs is waiting for the first lines of each page. */
static void pass_region(struct fw_sweeper *sweeper, uint32_t region, uint32_t slot,
			fw_sweep_report report, void *context)
{
	const uint32_t buckets = sweeper->slots / FW_BUCKET_SLOTS, first = region * buckets;
	const uint32_t part = buckets < STREAMS ? buckets : buckets / STREAMS;

	for (uint32_t at = first; at < first + part; at++) {
		for (uint32_t bucket = at; bucket < first + buckets; bucket += part)
			pass_bucket(sweeper, bucket, slot, report, context);
	}
}

/* Rule 11: behind the grace period, counters are final. */
static void finish_endings(struct fw_sweeper *sweeper, fw_sweep_report report, void *context)
{
	struct fw_flow last;

	for (size_t i = 0; i < sweeper->ending_count; i++) {
		const struct ending *ending = &sweeper->ending[i];
		struct fw_flow *live = flow_at(sweeper, ending->flow);
		const uint64_t dead = ending->copy.ctl;

		/* a program that found no better victim may have taken the slot: then what was seen
		 * before counts */
		if (!copy_flow(live, dead, &last))
			last = ending->copy;
		(void)change(live, dead, (dead & FW_CTL_GENERATION) | FW_CTL_FREE);
		if (!ending->silent)
			tell(sweeper, ending->flow, ending->slot, &last, true, true, report,
			     context);
	}
	sweeper->ending_count = 0;
}

/* The endpoint has gone: its programs are past their grace period, nobody counts any more. */
static void flush(struct fw_sweeper *sweeper, uint32_t region, uint32_t slot,
		  fw_sweep_report report, void *context)
{
	const uint32_t first = region * sweeper->slots, end = first + sweeper->slots;
	struct fw_flow copy;

	for (uint32_t flow = first; flow < end; flow++) {
		struct fw_flow *live = flow_at(sweeper, flow);
		const uint64_t ctl = load_ctl(live);
		const uint64_t dead = (ctl & ~(FW_CTL_STATE | FW_CTL_SUSPECT)) | FW_CTL_DEAD;

		if ((ctl & FW_CTL_STATE) != FW_CTL_VALID || !change(live, ctl, dead))
			continue;
		if (copy_flow(live, dead, &copy))
			tell(sweeper, flow, slot, &copy, true, true, report, context);
		(void)change(live, dead, (dead & FW_CTL_GENERATION) | FW_CTL_FREE);
	}
}

void fw_sweeper_flush(struct fw_sweeper *sweeper, uint32_t region, fw_sweep_report report,
		      void *context)
{
	const struct fw_region *area = fw_datapath_region(sweeper->datapath, region);

	if (!area)
		return;
	flush(sweeper, region,
	      area->slot != FW_NO_SLOT ? area->slot : sweeper->watched[region].slot, report,
	      context);
}

/* A second pass within one jiffy could not tell an idle flow from one that a packet is about to
 * touch. */
static int next_jiffy(struct fw_sweeper *sweeper, struct fw_err *err)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	int r;

	for (;;) {
		r = fw_jiffies_read(sweeper->jiffies_fd, &sweeper->now);
		if (r < 0)
			return fw_err_errno(err, r, "cannot read jiffies");
		if (!sweeper->passed || sweeper->now != sweeper->before)
			return 0;
		(void)nanosleep(&pause, NULL);
	}
}

int fw_sweeper_pass(struct fw_sweeper *sweeper, fw_sweep_report report, void *context,
		    struct fw_err *err)
{
	const uint32_t regions = fw_datapath_capacity(sweeper->datapath, FW_MAP_REGIONS);
	int r;

	r = next_jiffy(sweeper, err);
	if (r < 0)
		return r;
	if (sweeper->ending_count) {
		r = finish_grace(sweeper);
		if (r < 0) {
			ask_for_grace(sweeper);
			return fw_err_errno(err, r, "grace period");
		}
		finish_endings(sweeper, report, context);
	}
	for (uint32_t region = 0; region < regions; region++) {
		const struct fw_region *area = fw_datapath_region(sweeper->datapath, region);
		struct watched *watched = &sweeper->watched[region];
		const uint64_t owner = __atomic_load_n(&area->owner, __ATOMIC_ACQUIRE);

		if (watched->owner && !owner)
			flush(sweeper, region, watched->slot, report, context);
		*watched = (struct watched){.owner = owner,
					    .slot = owner ? area->slot : watched->slot};
		if (owner && watched->slot != FW_NO_SLOT)
			pass_region(sweeper, region, watched->slot, report, context);
	}
	sweeper->before = sweeper->now;
	sweeper->passed = true;
	if (sweeper->ending_count)
		ask_for_grace(sweeper);
	return 0;
}

void fw_sweeper_walk(struct fw_sweeper *sweeper, fw_sweep_report report, void *context)
{
	const uint32_t regions = fw_datapath_capacity(sweeper->datapath, FW_MAP_REGIONS);
	struct fw_flow copy;

	for (uint32_t flow = 0; flow < regions * sweeper->slots; flow++) {
		const struct fw_region *area =
			fw_datapath_region(sweeper->datapath, flow / sweeper->slots);
		uint64_t ctl;

		if (!area->owner || area->slot == FW_NO_SLOT) {
			flow += sweeper->slots - 1;
			continue;
		}
		ctl = load_ctl(flow_at(sweeper, flow));
		if ((ctl & FW_CTL_STATE) == FW_CTL_VALID &&
		    copy_flow(flow_at(sweeper, flow), ctl, &copy))
			tell(sweeper, flow, area->slot, &copy, false, false, report, context);
	}
}
