/* SPDX-License-Identifier: Apache-2.0 */
/* Linear probing; removal moves up what follows. See htab.h. */
#include "base/htab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define FIRST_CAP 16

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
		if (htab->hashes[i] == (uint32_t)hash && equal(htab->slots[i].item, key))
			return htab->slots[i].item;
	}
	return NULL;
}

void *fw_htab_next(const struct fw_htab *htab, uint64_t hash, size_t *at)
{
	size_t mask = htab->cap - 1;

	if (!htab->cap)
		return NULL;
	for (;;) {
		size_t i = (hash + *at) & mask;

		if (!htab->slots[i].item)
			return NULL;
		++*at;
		if (htab->hashes[i] == (uint32_t)hash)
			return htab->slots[i].item;
	}
}

static void insert(struct fw_htab *htab, uint32_t hash, void *item)
{
	size_t mask = htab->cap - 1, i = hash & mask;

	while (htab->slots[i].item)
		i = (i + 1) & mask;
	htab->slots[i].item = item;
	htab->hashes[i] = hash;
}

static int grow(struct fw_htab *htab)
{
	struct fw_htab larger = {.cap = htab->cap ? htab->cap * 2 : FIRST_CAP, .used = htab->used};

	if (larger.cap > UINT32_MAX)
		return -ENOMEM;
	larger.slots = calloc(larger.cap, sizeof(*larger.slots) + sizeof(*larger.hashes));
	if (!larger.slots)
		return -ENOMEM;
	larger.hashes = (uint32_t *)(larger.slots + larger.cap);
	for (size_t i = 0; i < htab->cap; i++) {
		if (htab->slots[i].item)
			insert(&larger, htab->hashes[i], htab->slots[i].item);
	}
	free(htab->slots);
	*htab = larger;
	return 0;
}

int fw_htab_add(struct fw_htab *htab, uint64_t hash, void *item)
{
	if ((htab->used + 1) * 4 > htab->cap * 3 && grow(htab))
		return -ENOMEM;
	insert(htab, (uint32_t)hash, item);
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
		size_t home = htab->hashes[i] & mask;

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			htab->slots[hole] = htab->slots[i];
			htab->hashes[hole] = htab->hashes[i];
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
