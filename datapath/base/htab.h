/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table of pointers, and the hash for it. In: hashes and items; the caller compares. Out:
 * items, or -ENOMEM. 12 bytes a slot, no node for each item: what there is one of for each pod
 * stands in tables like this. Never owns an item, never aborts.
 */
#ifndef FW_BASE_HTAB_H
#define FW_BASE_HTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fw_htab_slot {
	void *item; /* NULL: free */
};

/* Open addressing, at most three quarters full. */
struct fw_htab {
	struct fw_htab_slot *slots; /* `cap` of them, their hashes behind */
	uint32_t *hashes;
	size_t cap, used;
};

typedef bool (*fw_htab_equal)(const void *item, const void *key);

void fw_htab_done(struct fw_htab *htab);
void *fw_htab_find(const struct fw_htab *htab, uint64_t hash, fw_htab_equal equal, const void *key);
/* All items of that hash, one after the other: *at is 0 at first. NULL: no more. */
void *fw_htab_next(const struct fw_htab *htab, uint64_t hash, size_t *at);
/* Does not look whether it is there. */
int fw_htab_add(struct fw_htab *htab, uint64_t hash, void *item);
/* One that is not there is no error. */
void fw_htab_remove(struct fw_htab *htab, uint64_t hash, const void *item);

/* Keyed by a secret of this process: who chooses names and labels cannot choose collisions. */
uint64_t fw_hash_bytes(uint64_t seed, const void *data, size_t len);
uint64_t fw_hash_text(uint64_t seed, const char *text);
/* Folds a 128-bit product: every bit of both reaches the low bits, which choose the slot. */
static inline uint64_t fw_hash_mix(uint64_t a, uint64_t b)
{
	__uint128_t product =
		(__uint128_t)(a ^ 0x9e3779b97f4a7c15) * (__uint128_t)(b ^ 0xd6e8feb86659fd93);

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

#endif
