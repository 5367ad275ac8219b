/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 100,000 good, spoiled and random frames through the loaded programs. Under allow-all nothing
 * passes that a second reading calls malformed; under deny-all nothing but ARP and neighbour
 * discovery passes; every drop is counted once. FW_FUZZ_SEED in the environment repeats a run.
 */
#include "fixture.h"
#include "seeds.h"
#include "wellformed.h"

#define FRAMES 50000

static uint64_t seed;

static uint64_t drops_counted(void)
{
	uint64_t packets[FW_REASON_COUNT * 2], sum = 0;

	fixture_counters(packets);
	for (int i = 0; i < FW_REASON_COUNT * 2; i++)
		sum += reason_drops(i >> 1) ? packets[i] : 0;
	return sum;
}

static void show(const struct packet *p, const char *what)
{
	print_error("seed %llu, %s %s:", (unsigned long long)seed, p->direction ? "from" : "to",
		    what);
	for (size_t i = 0; i < p->len; i++)
		print_error(" %02x", p->b[i]);
	print_error("\n");
}

static struct packet frame(uint64_t *state)
{
	struct packet p = seeds_make(state);

	if (seeds_random(state) % 50 == 0) {
		p.len = 15 + seeds_random(state) % 200;
		for (size_t i = 0; i < p.len; i++)
			p.b[i] = (uint8_t)seeds_random(state);
	}
	seeds_spoil(&p, state);
	return p;
}

/* Under deny-all: address resolution, and what a pod says to itself. */
static bool passes_anyway(const struct packet *p)
{
	switch (get16(p->b + 12)) {
	case 0x0806:
		return true;
	case 0x0800:
		return is_own(4, p->b + 26) && is_own(4, p->b + 30);
	}
	return memchr(p->b, 58, p->len) || (is_own(6, p->b + 22) && is_own(6, p->b + 38));
}

static void flood(bool allow)
{
	uint64_t state = seed, before = drops_counted(), shot = 0, passed = 0, refused = 0;

	for (int i = 0; i < FRAMES; i++) {
		struct packet p = frame(&state);
		struct frame f = {.b = p.b, .len = p.len, .out = p.direction == FW_EGRESS};
		int action = 0;

		if (fixture_run(p.b, p.len, p.direction, &action)) {
			refused++; /* by the kernel: no device could deliver it */
			continue;
		}
		if (action != NEXT && action != SHOT)
			show(&p, "gave another action");
		assert_true(action == NEXT || action == SHOT);
		shot += action == SHOT;
		passed += action == NEXT;
		bool may = frame_well_formed(&f) && (allow || passes_anyway(&p));
		if (action == NEXT && !may)
			show(&p, "passed");
		assert_true(action == SHOT || may);
		if (i % 5000 == 0) {
			ring_buffer__consume(fx->ring);
			if (allow)
				fixture_forget();
		}
	}
	assert_int_equal(drops_counted() - before, shot);
	assert_true(shot > FRAMES / 4 && refused < FRAMES / 4);
	assert_true(passed > (allow ? FRAMES / 8 : FRAMES / 100)); /* the positive control */
	for (uint32_t i = 0; i < fx->buckets; i++) /* nothing outside the pod's region */
		for (uint32_t j = 0; j < FW_BUCKET_SLOTS; j++)
			assert_int_equal(fx->flows[i].slot[j].ctl, 0);
}

static void nothing_malformed_passes_under_allow_all(void **state)
{
	(void)state;
	flood(true);
}

/* Each has found something: an ICMP error from a multicast address about a live flow. */
static void what_passed_once_does_not_pass_again(void **state)
{
	static const uint64_t seeds[] = {9522934693181025791u};
	const uint64_t own = seed;

	(void)state;
	for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
		seed = seeds[i];
		flood(true);
	}
	seed = own;
}

static void nothing_passes_under_deny_all(void **state)
{
	(void)state;
	fixture_default(FW_DECIDED_NOTHING, FW_DECIDED_NOTHING);
	flood(false);
	for (uint32_t i = fx->buckets; i < 2 * fx->buckets; i++)
		for (uint32_t j = 0; j < FW_BUCKET_SLOTS; j++)
			if ((fx->flows[i].slot[j].ctl & FW_CTL_STATE) == FW_CTL_VALID)
				assert_true(!(fx->flows[i].slot[j].ev & FW_DECISION_ALLOW) ||
					    (fx->flows[i].slot[j].state & FW_FLOW_STATE_SELF) ||
					    (fx->flows[i].slot[j].kind & FW_FLOW_FRAGMENT));
}

#define TEST(name) cmocka_unit_test_setup(name, fixture_setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_malformed_passes_under_allow_all),
		TEST(what_passed_once_does_not_pass_again),
		TEST(nothing_passes_under_deny_all),
	};
	const char *given = getenv("FW_FUZZ_SEED");

	if (given)
		seed = strtoull(given, NULL, 10);
	else if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return 1;
	seed |= 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
