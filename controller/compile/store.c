/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arrays, hash table, blobs and arena: see store.h. In: sizes and items. Out: memory or -ENOMEM.
 * Never aborts.
 */
#include "compile/store.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

#define CHUNK_BYTES 65536

struct chunk {
	struct chunk *next;
	size_t used, size;
	_Alignas(16) char data[];
};

struct fw_arena {
	FW_LIST(struct fw_blob *) held;
	struct chunk *chunks;
};

int fw_grow(void **array, size_t *cap, size_t need, size_t size)
{
	size_t more = *cap ? *cap : 8;
	void *grown;

	if (need <= *cap)
		return 0;
	while (more < need)
		more *= 2;
	grown = reallocarray(*array, more, size);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	*cap = more;
	return 0;
}

void fw_htab_done(struct fw_htab *htab)
{
	free(htab->slots);
	*htab = (struct fw_htab){0};
}

void *fw_htab_find(const struct fw_htab *htab, uint64_t hash, fw_htab_equal equal, const void *key)
{
	size_t mask = htab->cap - 1;

	if (!htab->cap)
		return NULL;
	for (size_t i = hash & mask; htab->slots[i].item; i = (i + 1) & mask) {
		if (htab->slots[i].hash == hash && equal(htab->slots[i].item, key))
			return htab->slots[i].item;
	}
	return NULL;
}

static void insert(struct fw_htab *htab, uint64_t hash, void *item)
{
	size_t mask = htab->cap - 1, i = hash & mask;

	while (htab->slots[i].item)
		i = (i + 1) & mask;
	htab->slots[i] = (struct fw_htab_slot){.hash = hash, .item = item};
}

int fw_htab_add(struct fw_htab *htab, uint64_t hash, void *item)
{
	if ((htab->used + 1) * 2 > htab->cap) {
		struct fw_htab larger = {.cap = htab->cap ? htab->cap * 2 : 16};

		larger.slots = calloc(larger.cap, sizeof(*larger.slots));
		if (!larger.slots)
			return -ENOMEM;
		for (size_t i = 0; i < htab->cap; i++) {
			if (htab->slots[i].item)
				insert(&larger, htab->slots[i].hash, htab->slots[i].item);
		}
		free(htab->slots);
		htab->slots = larger.slots;
		htab->cap = larger.cap;
	}
	insert(htab, hash, item);
	htab->used++;
	return 0;
}

void fw_htab_remove(struct fw_htab *htab, uint64_t hash, const void *item)
{
	size_t mask = htab->cap - 1, hole, i;

	if (!htab->cap)
		return;
	for (hole = hash & mask; htab->slots[hole].item != item; hole = (hole + 1) & mask) {
		if (!htab->slots[hole].item)
			return;
	}
	/* what follows moves up as long as that brings it no further than its own place */
	for (i = (hole + 1) & mask; htab->slots[i].item; i = (i + 1) & mask) {
		size_t home = htab->slots[i].hash & mask;

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			htab->slots[hole] = htab->slots[i];
			hole = i;
		}
	}
	htab->slots[hole].item = NULL;
	htab->used--;
}

static uint64_t secret;

static void make_secret(void)
{
	struct timespec now;

	if (getrandom(&secret, sizeof(secret), GRND_NONBLOCK) == (ssize_t)sizeof(secret))
		return;
	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* too early in the boot: better than nothing */
	secret ^= (uint64_t)now.tv_nsec << 32 ^ (uint64_t)now.tv_sec ^ (uint64_t)(uintptr_t)&now;
}

uint64_t fw_hash_bytes(uint64_t seed, const void *data, size_t len)
{
	const char *from = data;
	uint64_t hash, word;

	if (!secret)
		make_secret();
	hash = secret ^ seed ^ len * 0x9e3779b97f4a7c15;

	for (; len >= 8; from += 8, len -= 8) {
		memcpy(&word, from, 8);
		hash = fw_hash_mix(hash, word);
	}
	if (len) {
		word = 0;
		memcpy(&word, from, len);
		hash = fw_hash_mix(hash, word);
	}
	return hash;
}

uint64_t fw_hash_text(uint64_t seed, const char *text)
{
	return fw_hash_bytes(seed, text, strlen(text));
}

void fw_blob_drop(struct fw_blob *blob)
{
	if (blob && !--blob->refs)
		free(blob);
}

int fw_arena_new(struct fw_arena **ret_arena)
{
	struct fw_arena *arena = calloc(1, sizeof(*arena));

	if (!arena)
		return -ENOMEM;
	*ret_arena = arena;
	return 0;
}

void fw_arena_free(struct fw_arena **arena)
{
	struct fw_arena *a = *arena;

	if (!a)
		return;
	for (size_t i = 0; i < a->held.count; i++)
		fw_blob_drop(a->held.items[i]);
	free(a->held.items);
	while (a->chunks) {
		struct chunk *next = a->chunks->next;

		free(a->chunks);
		a->chunks = next;
	}
	free(a);
	*arena = NULL;
}

int fw_arena_hold(struct fw_arena *arena, struct fw_blob *blob)
{
	int r = FW_ROOM(&arena->held, 1);

	if (r)
		return r;
	fw_blob_take(blob);
	arena->held.items[arena->held.count++] = blob;
	return 0;
}

void *fw_arena_alloc(struct fw_arena *arena, size_t size)
{
	struct chunk *chunk = arena->chunks;
	void *memory;

	size = (size + 15) & ~(size_t)15;
	if (!chunk || chunk->size - chunk->used < size) {
		size_t bytes = size > CHUNK_BYTES ? size : CHUNK_BYTES;

		chunk = malloc(sizeof(*chunk) + bytes);
		if (!chunk)
			return NULL;
		*chunk = (struct chunk){.next = arena->chunks, .size = bytes};
		arena->chunks = chunk;
	}
	memory = chunk->data + chunk->used;
	chunk->used += size;
	return memory;
}

char *fw_arena_text(struct fw_arena *arena, const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = fw_arena_alloc(arena, size);

	if (copy)
		memcpy(copy, text, size);
	return copy;
}
