/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interned sets of ids: see sets.h. Small arrays, so sorted by insertion.
 */
#include "compile/sets.h"

#include <string.h>

struct key {
	const uint32_t *ids;
	const uint64_t *named;
	size_t count, named_count;
};

static int compare_ids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int compare_named(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static size_t order_ids(uint32_t *ids, size_t count)
{
	size_t unique = 0;

	if (count > 64) {
		qsort(ids, count, sizeof(*ids), compare_ids);
	} else {
		for (size_t i = 1; i < count; i++) {
			uint32_t id = ids[i];
			size_t k = i;

			for (; k && ids[k - 1] > id; k--)
				ids[k] = ids[k - 1];
			ids[k] = id;
		}
	}
	for (size_t i = 0; i < count; i++) {
		if (!unique || ids[unique - 1] != ids[i])
			ids[unique++] = ids[i];
	}
	return unique;
}

static size_t order_named(uint64_t *named, size_t count)
{
	size_t unique = 0;

	if (count > 1)
		qsort(named, count, sizeof(*named), compare_named);
	for (size_t i = 0; i < count; i++) {
		if (!unique || named[unique - 1] != named[i])
			named[unique++] = named[i];
	}
	return unique;
}

static bool is_set(const void *item, const void *wanted)
{
	const struct fw_idset *set = item;
	const struct key *key = wanted;

	return set->count == key->count && set->named_count == key->named_count &&
	       !memcmp(set->ids, key->ids, key->count * sizeof(*key->ids)) &&
	       !memcmp(set->named, key->named, key->named_count * sizeof(*key->named));
}

static struct fw_idset *make(const struct key *key, uint64_t hash)
{
	size_t named_bytes = key->named_count * sizeof(*key->named);
	size_t id_bytes = key->count * sizeof(*key->ids);
	struct fw_idset *set = malloc(sizeof(*set) + named_bytes + id_bytes);

	if (!set)
		return NULL;
	*set = (struct fw_idset){
		.count = (uint32_t)key->count,
		.named_count = (uint32_t)key->named_count,
		.hash = hash,
		.named = set->data,
		.ids = (uint32_t *)(set->data + key->named_count),
	};
	if (named_bytes)
		memcpy(set->data, key->named, named_bytes);
	if (id_bytes)
		memcpy(set->data + key->named_count, key->ids, id_bytes);
	return set;
}

int fw_sets_intern(struct fw_sets *sets, uint32_t *ids, size_t count, uint64_t *named,
		   size_t named_count, struct fw_idset **ret_set)
{
	static const uint64_t nothing;
	struct key key = {
		.ids = ids ? ids : (const uint32_t *)&nothing,
		.named = named ? named : &nothing,
		.count = order_ids(ids, count),
		.named_count = order_named(named, named_count),
	};
	uint64_t hash = fw_hash_bytes(1, key.ids, key.count * sizeof(*key.ids));
	struct fw_idset *set;
	int r;

	hash = fw_hash_bytes(hash, key.named, key.named_count * sizeof(*key.named));
	set = fw_htab_find(&sets->table, hash, is_set, &key);
	if (!set) {
		set = make(&key, hash);
		r = set ? fw_htab_add(&sets->table, hash, set) : -ENOMEM;
		if (r) {
			free(set);
			return r;
		}
	}
	set->refs++;
	*ret_set = set;
	return 0;
}

void fw_sets_drop(struct fw_sets *sets, struct fw_idset *set)
{
	if (!set || --set->refs)
		return;
	fw_htab_remove(&sets->table, set->hash, set);
	free(set);
}

void fw_sets_done(struct fw_sets *sets)
{
	for (size_t i = 0; i < sets->table.cap; i++)
		free(sets->table.slots[i].item);
	fw_htab_done(&sets->table);
}

bool fw_idset_has(const struct fw_idset *set, uint32_t id)
{
	size_t low = 0, high = set->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (set->ids[middle] == id)
			return true;
		if (set->ids[middle] < id)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

uint16_t fw_idset_port(const struct fw_idset *set, uint32_t portname)
{
	for (uint32_t i = 0; set && i < set->named_count; i++) {
		if (set->named[i] >> 16 == portname)
			return (uint16_t)set->named[i];
	}
	return 0;
}
