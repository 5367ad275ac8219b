/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real programs under BPF_PROG_TEST_RUN, without a network: one endpoint on the loopback
 * device, tables that the test fills, and what a packet left behind: return value, counter,
 * records. Every expectation checks all three.
 */
#ifndef FW_TESTS_FIXTURE_H
#define FW_TESTS_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cmocka.h>

#include "base/ip.h"
#include "fw/reasons.h"
#include "fw_tc.skel.h"
#include "loader/inside.h"
#include "packet.h"

#define SLOT	       1u /* a test run's device is the loopback, ifindex 1 */
#define SUBJECT	       3u
#define REGION_BUCKETS 64u
#define FIXTURE_EVENTS 64
#define NEXT	       (-1)
#define SHOT	       2
#define ANY_INTERFACE  77u /* an ingress interface: not this node's own sockets */
#define PEER_CLASS     20u
#define ALLOW(id)      (FW_DECISION_ALLOW | (id))
#define ALLOW_DEFAULT  ALLOW(FW_DECIDED_DEFAULT)

#define PACKETS(flow, way) ((flow)->count[way] >> FW_COUNT_BYTES_BITS)
#define BYTES(flow, way)   ((flow)->count[way] & FW_COUNT_BYTES_MASK)
#define PERCPU_MAX	   64

enum program { FROM_CLSACT, TO_CLSACT, FROM_TCX, TO_TCX };

struct fixture {
	struct fw_tc *skel;
	struct fw_node *node;
	struct fw_endpoint *ep;
	struct fw_region *region;
	struct fw_bucket *flows;
	struct fw_subject *subject;
	struct fw_range *ranges;
	struct ring_buffer *ring;
	uint32_t next_range;
	uint32_t cpus;
	uint32_t buckets;
	uint32_t ingress_ifindex;
	uint32_t gso_size, gso_segs;
	bool tcx;
	uint32_t cb4; /* in and out */
	uint64_t packets[FW_REASON_COUNT * 2];
	struct fw_event events[FIXTURE_EVENTS];
	uint32_t event_count;
	uint8_t covered[FW_REASON_COUNT];
};

static struct fixture fixture_state;
static struct fixture *const fx = &fixture_state;

static inline int fixture_event(void *context, void *data, size_t size)
{
	(void)context;
	assert(size == sizeof(struct fw_event));
	if (fx->event_count < FIXTURE_EVENTS)
		memcpy(&fx->events[fx->event_count], data, sizeof(struct fw_event));
	fx->event_count++;
	return 0;
}

static inline void *fixture_map(struct bpf_map *map)
{
	size_t size = (size_t)bpf_map__value_size(map) * bpf_map__max_entries(map);
	void *at = mmap(NULL, (size + 4095) & ~4095UL, PROT_READ | PROT_WRITE, MAP_SHARED,
			bpf_map__fd(map), 0);

	assert(at != MAP_FAILED);
	return at;
}

static uint64_t fixture_stride; /* not 0: the upper 24 bits of the multiplier of the ports */

static inline void fixture_open_sized(uint32_t buckets)
{
	struct fw_tc *skel = fw_tc__open();
	uint64_t secret[8];

	assert(skel && getrandom(secret, sizeof(secret), 0) == sizeof(secret));
	for (int i = 0; i < 8; i++)
		skel->rodata->fw_hash_secret[i] = secret[i] | 1;
	if (fixture_stride)
		skel->rodata->fw_hash_secret[1] =
			(secret[1] & ((1ULL << 33) - 1)) | fixture_stride | 1;
	assert(getrandom(secret, sizeof(secret), 0) == sizeof(secret));
	skel->rodata->fw_mark_secret = secret[0];
	struct timespec tick;
	uint64_t clock_base;
	assert(clock_getres(CLOCK_MONOTONIC_COARSE, &tick) == 0);
	skel->rodata->fw_hz = (uint32_t)((1000000000L + tick.tv_nsec / 2) / tick.tv_nsec);
	skel->rodata->fw_tick_ns = (uint32_t)tick.tv_nsec;
	assert(fw_node_clock((uint32_t)tick.tv_nsec, &clock_base, NULL) == 0);
	skel->rodata->fw_clock_base = clock_base;
	bpf_map__set_max_entries(skel->maps.fw_flows, buckets * 2);
	bpf_map__set_max_entries(skel->maps.fw_regions, 4);
	assert(fw_tc__load(skel) == 0);
	fx->skel = skel;
	fx->buckets = buckets;
	fx->node = fixture_map(skel->maps.fw_node);
	fx->ep = (struct fw_endpoint *)fixture_map(skel->maps.fw_endpoints) + SLOT;
	fx->region = (struct fw_region *)fixture_map(skel->maps.fw_regions) + 1;
	fx->flows = fixture_map(skel->maps.fw_flows);
	fx->subject = (struct fw_subject *)fixture_map(skel->maps.fw_subjects) + SUBJECT;
	fx->ranges = fixture_map(skel->maps.fw_ranges);
	fx->ring = ring_buffer__new(bpf_map__fd(skel->maps.fw_events), fixture_event, NULL, NULL);
	fx->cpus = (uint32_t)libbpf_num_possible_cpus();
	assert(fx->ring && fx->cpus && fx->cpus <= PERCPU_MAX);
}

/* The maps stay where they are seen: nothing looks at them any more. */
static inline void fixture_close(void)
{
	ring_buffer__free(fx->ring);
	fw_tc__destroy(fx->skel);
	fx->ring = NULL;
	fx->skel = NULL;
}

static inline void fixture_counters(uint64_t *ret_packets)
{
	static struct fw_counter values[FW_REASON_COUNT * 2][PERCPU_MAX];
	struct fw_counter *flat = (struct fw_counter *)values;
	uint32_t keys[FW_REASON_COUNT * 2], count = FW_REASON_COUNT * 2, next;
	int r = bpf_map_lookup_batch(bpf_map__fd(fx->skel->maps.fw_counters), NULL, &next, keys,
				     values, &count, NULL);

	assert((r == 0 || r == -ENOENT) && count == FW_REASON_COUNT * 2);
	for (uint32_t i = 0; i < count; i++) {
		ret_packets[keys[i]] = 0;
		for (uint32_t cpu = 0; cpu < fx->cpus; cpu++)
			ret_packets[keys[i]] += flat[i * fx->cpus + cpu].packets;
	}
}

static inline struct fw_ip ip_of(const char *text)
{
	struct fw_ip ip;

	assert(fw_ip_parse(text, &ip, NULL) == 0);
	return ip;
}

/* What the pod has written of its flows' records, on each CPU. */
static inline void fixture_spent(uint32_t window, uint32_t spent)
{
	struct fw_budget budgets[PERCPU_MAX];
	uint32_t row = fx->ep->region;

	for (uint32_t i = 0; i < fx->cpus; i++)
		budgets[i] = (struct fw_budget){.window = window, .spent = spent};
	assert(bpf_map_update_elem(bpf_map__fd(fx->skel->maps.fw_budgets), &row, budgets,
				   BPF_ANY) == 0);
}

/* Forgets flows and records; policy and endpoint stay. */
static inline void fixture_forget(void)
{
	memset(fx->flows, 0, sizeof(struct fw_bucket) * fx->buckets * 2);
	fx->region->window = fx->region->spent = 0;
	fx->region->suppressed = 0;
	fixture_spent(0, 0);
	ring_buffer__consume(fx->ring);
	fx->event_count = 0;
}

static inline void fixture_address(const char *text, uint32_t peer_class, uint32_t flags)
{
	struct fw_ip ip = ip_of(text);
	struct fw_peer peer = {.peer_class = peer_class, .flags = flags};

	assert(bpf_map_update_elem(bpf_map__fd(fx->skel->maps.fw_addresses), &ip, &peer, BPF_ANY) ==
	       0);
}

static inline void fixture_no_address(const char *text)
{
	struct fw_ip ip = ip_of(text);

	bpf_map_delete_elem(bpf_map__fd(fx->skel->maps.fw_addresses), &ip);
}

/* Ranges for (SUBJECT, direction, class), sorted by the caller. */
static inline void fixture_cell(int direction, uint32_t peer_class, const struct fw_range *ranges,
				uint32_t count)
{
	struct fw_cell_key key = {.subject = SUBJECT,
				  .peer = peer_class << 1 | (uint32_t)direction};
	struct fw_cell cell = {.first = fx->next_range, .count = count};

	for (uint32_t i = 0; i < count; i++)
		fx->ranges[fx->next_range++] = ranges[i];
	fx->subject->flags |= (__u32)FW_SUBJECT_CELLS_IN << direction;
	for (uint32_t i = 0; i < count && direction == FW_EGRESS; i++) {
		if (!(ranges[i].decision & FW_DECISION_ALLOW))
			fx->subject->flags &= ~(__u32)FW_SUBJECT_OPEN_OUT;
	}
	assert(bpf_map_update_elem(bpf_map__fd(fx->skel->maps.fw_cells), &key, &cell, BPF_ANY) ==
	       0);
}

static inline void fixture_range(int direction, uint32_t peer_class, uint32_t lo, uint32_t hi,
				 uint32_t decision)
{
	struct fw_range range = {.lo = lo, .hi = hi, .decision = decision};

	fixture_cell(direction, peer_class, &range, 1);
}

static inline void fixture_service(const char *address, uint16_t port, uint8_t proto,
				   struct fw_service service)
{
	struct fw_service_key key = {.port = port, .protocol = proto};
	struct fw_ip ip = ip_of(address);

	memcpy(key.addr, &ip, 16);
	assert(bpf_map_update_elem(bpf_map__fd(fx->skel->maps.fw_services), &key, &service,
				   BPF_ANY) == 0);
}

static inline void fixture_bump(void)
{
	__atomic_add_fetch(&fx->ep->epoch, 1, __ATOMIC_SEQ_CST);
}

static inline void fixture_default(uint32_t in, uint32_t out)
{
	fx->subject->otherwise[FW_INGRESS] = in;
	fx->subject->otherwise[FW_EGRESS] = out;
	fx->subject->flags = out & FW_DECISION_ALLOW ? FW_SUBJECT_OPEN_OUT : 0;
	fx->next_range = 0;
	fixture_bump();
}

/* An active endpoint with addresses of both families and no policy. */
static inline void fixture_reset(void)
{
	static uint64_t owner;
	struct fw_endpoint *ep = fx->ep;
	struct fw_prefix_key prefix;
	struct fw_cell_key cell;
	struct fw_ip ip;

	memset(ep, 0, sizeof(*ep));
	memcpy(ep->mac, pod_mac, 6);
	ep->ifindex = 1;
	ep->epoch = 7;
	ep->flow_base = fx->buckets;
	ep->flow_mask = fx->buckets - 1;
	ep->generation = 9;
	assert(inet_pton(AF_INET, POD4, &ep->ip4_be) == 1 &&
	       inet_pton(AF_INET6, POD6, ep->ip6) == 1);
	assert(inet_pton(AF_INET, POD4B, &ep->ip4_extra_be[0]) == 1 &&
	       inet_pton(AF_INET6, POD6B, ep->ip6_extra[0]) == 1);
	assert(inet_pton(AF_INET6, POD6LL, ep->ip6_ll) == 1);
	ep->ip4_more = ep->ip6_more = 1;
	ep->subject = SUBJECT;
	ep->region = 1;
	ep->owner = ++owner; /* nothing that was said of the one before holds */
	ep->state = FW_EP_ACTIVE;
	memset(fx->node, 0, sizeof(*fx->node));
	memset(fx->region, 0, sizeof(*fx->region));
	while (bpf_map_get_next_key(bpf_map__fd(fx->skel->maps.fw_cells), NULL, &cell) == 0)
		bpf_map_delete_elem(bpf_map__fd(fx->skel->maps.fw_cells), &cell);
	while (bpf_map_get_next_key(bpf_map__fd(fx->skel->maps.fw_prefixes), NULL, &prefix) == 0)
		bpf_map_delete_elem(bpf_map__fd(fx->skel->maps.fw_prefixes), &prefix);
	while (bpf_map_get_next_key(bpf_map__fd(fx->skel->maps.fw_addresses), NULL, &ip) == 0)
		bpf_map_delete_elem(bpf_map__fd(fx->skel->maps.fw_addresses), &ip);
	fixture_address(PEER4, PEER_CLASS, FW_PEER_POD);
	fixture_address(PEER6, PEER_CLASS, FW_PEER_POD);
	fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
	fx->ingress_ifindex = ANY_INTERFACE;
	fx->gso_size = fx->gso_segs = 0;
	fx->tcx = false;
	fx->cb4 = 0;
	fixture_forget();
}

static inline int fixture_setup(void **state)
{
	(void)state;
	if (!fx->skel)
		fixture_open_sized(REGION_BUCKETS);
	fixture_reset();
	return 0;
}

static inline int program_fd(enum program program)
{
	struct bpf_program *const programs[] = {
		fx->skel->progs.fw_from_clsact, fx->skel->progs.fw_to_clsact,
		fx->skel->progs.fw_from_tcx, fx->skel->progs.fw_to_tcx};

	return bpf_program__fd(programs[program]);
}

/* One test run; -errno when the kernel refuses to run it (a frame that no device could deliver). */
static inline int fixture_run(const void *data, size_t len, int direction, int *ret_action)
{
	struct __sk_buff context = {.ingress_ifindex = fx->ingress_ifindex,
				    .gso_size = fx->gso_size,
				    .gso_segs = fx->gso_segs},
			 after;
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = data, .data_size_in = (uint32_t)len,
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .ctx_out = &after,
		    .ctx_size_out = sizeof(after), .repeat = 1);
	enum program program = direction == FW_EGRESS ? (fx->tcx ? FROM_TCX : FROM_CLSACT)
						      : (fx->tcx ? TO_TCX : TO_CLSACT);
	context.cb[4] = fx->cb4;
	int r = bpf_prog_test_run_opts(program_fd(program), &options);

	if (r)
		return r;
	fx->cb4 = after.cb[4];
	*ret_action = (int)options.retval;
	return 0;
}

static inline bool reason_drops(int reason)
{
#define DROPS(symbol, name, drops, text) drops,
	static const bool table[] = {FW_REASONS(DROPS)};
#undef DROPS
	return table[reason];
}

static inline const char *reason_name(int reason)
{
#define NAME(symbol, name, drops, text) name,
	static const char *const table[] = {FW_REASONS(NAME)};
#undef NAME
	return reason >= 0 && reason < FW_REASON_COUNT ? table[reason] : "?";
}

/* Runs one packet; the reason is the one counter that moved, FW_REASON_FLOW when none did. */
static inline int fixture_reason(const struct packet *p)
{
	uint64_t before[FW_REASON_COUNT * 2], after[FW_REASON_COUNT * 2];
	int action = 0, reason = FW_REASON_FLOW, moved = 0, r;

	fixture_counters(before);
	fx->event_count = 0;
	r = fixture_run(p->b, p->len, p->direction, &action);
	if (r) {
		print_error("test run of %zu bytes: %s\n", p->len, strerror(-r));
		assert_int_equal(r, 0);
	}
	fixture_counters(after);
	ring_buffer__consume(fx->ring);
	for (int i = 0; i < FW_REASON_COUNT * 2; i++) {
		if (after[i] == before[i])
			continue;
		assert_int_equal(i & 1, p->direction);
		reason = i >> 1;
		moved++;
	}
	assert_true(moved <= 1);
	assert_int_equal(action, reason_drops(reason) ? SHOT : NEXT);
	fx->covered[reason] = 1;
	return reason;
}

static inline int reason_of(struct packet p)
{
	return fixture_reason(&p);
}

#define expect(given, wanted)                                                                      \
	do {                                                                                       \
		struct packet packet_ = (given);                                                   \
		int got_ = fixture_reason(&packet_);                                               \
		if (got_ != (wanted)) {                                                            \
			print_error("%s:%d: IPv%d %s: %s, wanted %s\n", __FILE__, __LINE__,        \
				    packet_.family, packet_.direction ? "from" : "to",             \
				    reason_name(got_), reason_name(wanted));                       \
			fail();                                                                    \
		}                                                                                  \
	} while (0)

/* The packet left exactly one record, of this type and reason. */
#define expect_record(event_type, event_reason)                                                    \
	do {                                                                                       \
		assert_int_equal(fx->event_count, 1);                                              \
		assert_int_equal(fx->events[0].type, event_type);                                  \
		assert_int_equal(fx->events[0].reason, event_reason);                              \
		assert_int_equal(fx->events[0].slot, SLOT);                                        \
	} while (0)

#define expect_no_record() assert_int_equal(fx->event_count, 0)

/* Slots of the region in use. */
static inline uint32_t fixture_flows(void)
{
	uint32_t count = 0;

	for (uint32_t i = fx->buckets; i < fx->buckets * 2; i++)
		for (uint32_t j = 0; j < FW_BUCKET_SLOTS; j++)
			count += (fx->flows[i].slot[j].ctl & FW_CTL_STATE) == FW_CTL_VALID;
	return count;
}

/* The only flow there is. */
static inline struct fw_flow *fixture_only(void)
{
	assert_int_equal(fixture_flows(), 1);
	for (uint32_t i = fx->buckets; i < fx->buckets * 2; i++)
		for (uint32_t j = 0; j < FW_BUCKET_SLOTS; j++)
			if ((fx->flows[i].slot[j].ctl & FW_CTL_STATE) == FW_CTL_VALID)
				return &fx->flows[i].slot[j];
	return NULL;
}

#define EACH_FAMILY(family)   for (int family = 4; family <= 6; family += 2)
#define EACH_DIRECTION(way)   for (int way = FW_INGRESS; way <= FW_EGRESS; way++)
#define EACH_WAY(family, way) EACH_FAMILY(family) EACH_DIRECTION(way)
#define PING(family)	      .proto = (family) == 4 ? 1 : 58, .type = (family) == 4 ? 8 : 128
#define PONG(family)	      .proto = (family) == 4 ? 1 : 58, .type = (family) == 4 ? 0 : 129
#define TCP(f, way, lp, rp, fl)                                                                    \
	PACKET(.family = f, .direction = way, .proto = PROTO_TCP, .local_port = lp,                \
	       .remote_port = rp, .flags = fl)
#define UDP(f, way, lp, rp)                                                                        \
	PACKET(.family = f, .direction = way, .proto = PROTO_UDP, .local_port = lp,                \
	       .remote_port = rp)

#endif
