/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Where a flow stands in its region: the hash of its key and the two buckets it may be in. In: the
 * node's secret, a key. Out: the same numbers in the BPF programs and in user space. Never holds
 * state.
 */
#ifndef FW_FLOW_HASH_H
#define FW_FLOW_HASH_H

#include <linux/types.h>

/*
 * Multiply-shift over 32-bit words by secret odd 64-bit multipliers (Dietzfelbinger et al. 1997):
 * the upper bits are universal, so bucket, start and tag come from the upper half, the second
 * bucket from the top of the lower half. Ports come in sequence, and a multiplier maps a sequence
 * to a sequence that may meet a few buckets only: middle bits, whose steps differ, are folded in.
 * `addr`, `high`, `low`: words of the remote address as they stand in memory; `rest`: the third
 * word of the key (ports, protocol, kind, generation).
 */
static inline __attribute__((always_inline)) __u64 fw_hash_of4(const volatile __u64 *secret,
							       __u32 addr, __u64 rest)
{
	return addr * secret[0] + (__u32)rest * secret[1] + (rest >> 32) * secret[2] + secret[3];
}

static inline __attribute__((always_inline)) __u64 fw_hash_of6(const volatile __u64 *secret,
							       __u64 high, __u64 low, __u64 rest)
{
	return fw_hash_of4(secret, (__u32)(low >> 32), rest) + (__u32)low * secret[4] +
	       (__u32)high * secret[5] + (high >> 32) * secret[6];
}

/* Buckets of a region, `mask` their number - 1. */
static inline __attribute__((always_inline)) __u32 fw_hash_bucket1(__u32 mask, __u64 hash)
{
	return (__u32)(hash >> 40 ^ hash >> 20) & mask;
}

static inline __attribute__((always_inline)) __u32 fw_hash_bucket2(__u32 mask, __u64 hash)
{
	return (__u32)(((hash & 0xffffffff) * (mask + 1ULL)) >> 32);
}

#endif
