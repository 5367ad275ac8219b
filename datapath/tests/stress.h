/* SPDX-License-Identifier: Apache-2.0 */
/* What the stress program and the test that drives it agree upon. Holds no code. */
#ifndef FW_TESTS_STRESS_H
#define FW_TESTS_STRESS_H

#define STRESS_KEYS    64
#define STRESS_BUCKETS 2 /* of 8 slots */

enum stress_mode {
	STRESS_RIGHT = 0,
	STRESS_NAIVE = 1,      /* key, decision, then ctl, by plain stores; read without re-check */
	STRESS_NO_RECHECK = 2, /* BUSY by cmpxchg, but read without re-check */
	STRESS_PLAIN_STORE = 3, /* re-check, but judged again by a plain store */
};

struct stress_counts {
	__u64 hits;
	__u64 bad; /* hits with another key's decision */
	__u64 misses;
	__u64 inserted;
	__u64 evicted;
	__u64 twins;
};

#endif
