/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of the compiler: growing arrays, a hash table that can fail politely, blobs counted by
 * reference (what the tables and the compiler's memory share), and the arena that a struct
 * fw_tables owns. Never aborts.
 */
#ifndef FW_COMPILE_STORE_H
#define FW_COMPILE_STORE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Room for `need` elements of `size` bytes; doubles. -ENOMEM. */
int fw_grow(void **array, size_t *cap, size_t need, size_t size);
/* For `struct x { T *items; size_t count, cap; }`: room for one more. */
#define FW_ROOM(list, more)                                                                        \
	fw_grow((void **)&(list)->items, &(list)->cap, (list)->count + (more),                     \
		sizeof(*(list)->items))
#define FW_LIST(type)                                                                              \
	struct {                                                                                   \
		type *items;                                                                       \
		size_t count, cap;                                                                 \
	}

/* Open addressing by a 64-bit hash; the caller compares. */
struct fw_htab_slot {
	uint64_t hash;
	void *item; /* NULL: free */
};

struct fw_htab {
	struct fw_htab_slot *slots;
	size_t cap, used;
};

typedef bool (*fw_htab_equal)(const void *item, const void *key);

void fw_htab_done(struct fw_htab *htab);
void *fw_htab_find(const struct fw_htab *htab, uint64_t hash, fw_htab_equal equal, const void *key);
int fw_htab_add(struct fw_htab *htab, uint64_t hash, void *item);
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

/* First member of what is shared; one allocation. */
struct fw_blob {
	uint32_t refs;
};

static inline void fw_blob_take(struct fw_blob *blob)
{
	blob->refs++;
}
void fw_blob_drop(struct fw_blob *blob);

struct fw_arena;

int fw_arena_new(struct fw_arena **ret_arena);
void fw_arena_free(struct fw_arena **arena); /* drops what it holds */
int fw_arena_hold(struct fw_arena *arena, struct fw_blob *blob);
void *fw_arena_alloc(struct fw_arena *arena, size_t size); /* NULL: no memory */
char *fw_arena_text(struct fw_arena *arena, const char *text);

#endif
