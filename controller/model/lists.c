/* SPDX-License-Identifier: Apache-2.0 */
/* See lists.h. The table goes with its last list, so that nothing is left at the end. */
#include "model/lists.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/htab.h"
#include "model/text.h"

#define COUNT_MAX 100000u

struct list {
	const char *items;
	size_t count, size;
};

struct shared {
	uint64_t hash;
	uint32_t refs, count, size;
	_Alignas(8) char items[];
};

static struct fw_htab table;

static const char *text_of(const char *items, size_t size, size_t at)
{
	const char *text;

	memcpy(&text, items + at * size, sizeof(text));
	return text;
}

static bool same_item(const char *a, const char *b, size_t size, size_t at)
{
	const char *left = text_of(a, size, at), *right = text_of(b, size, at);
	size_t from = at * size + sizeof(left);

	if (left && right ? strcmp(left, right) : left != right)
		return false;
	return !memcmp(a + from, b + from, size - sizeof(left));
}

static bool is_list(const void *item, const void *key)
{
	const struct shared *shared = item;
	const struct list *list = key;
	bool same = shared->count == list->count && shared->size == list->size;

	for (size_t i = 0; same && i < list->count; i++)
		same = same_item(shared->items, list->items, list->size, i);
	return same;
}

static uint64_t hash_of(const struct list *list)
{
	uint64_t hash = fw_hash_mix(list->count, list->size);

	for (size_t i = 0; i < list->count; i++) {
		const char *text = text_of(list->items, list->size, i);

		hash = fw_hash_text(hash, text ? text : "");
		hash = fw_hash_bytes(hash, list->items + i * list->size + sizeof(text),
				     list->size - sizeof(text));
	}
	return hash;
}

static void free_shared(struct shared *shared)
{
	for (uint32_t i = 0; i < shared->count; i++)
		fw_text_drop(text_of(shared->items, shared->size, i));
	free(shared);
}

static struct shared *make(const struct list *list, uint64_t hash)
{
	size_t bytes = list->count * list->size;
	struct shared *shared = malloc(sizeof(*shared) + bytes);

	if (!shared)
		return NULL;
	*shared = (struct shared){.hash = hash, .size = (uint32_t)list->size};
	memcpy(shared->items, list->items, bytes);
	for (; shared->count < list->count; shared->count++) {
		const char *text = text_of(list->items, list->size, shared->count);
		const char *taken = text ? fw_text_take(text) : NULL;

		if (text && !taken)
			break;
		memcpy(shared->items + shared->count * list->size, &taken, sizeof(taken));
	}
	if (shared->count == list->count && !fw_htab_add(&table, hash, shared))
		return shared;
	free_shared(shared);
	return NULL;
}

void *fw_list_take(const void *items, size_t count, size_t size)
{
	const struct list list = {items, count, size};
	struct shared *shared;
	uint64_t hash;

	if (count > COUNT_MAX)
		return NULL;
	hash = hash_of(&list);
	shared = fw_htab_find(&table, hash, is_list, &list);
	if (!shared)
		shared = make(&list, hash);
	if (!shared)
		return NULL;
	shared->refs++;
	return shared->items;
}

void fw_list_drop(const void *items)
{
	struct shared *shared;

	if (!items)
		return;
	shared = (struct shared *)((uintptr_t)items - offsetof(struct shared, items));
	if (--shared->refs)
		return;
	fw_htab_remove(&table, shared->hash, shared);
	free_shared(shared);
	if (!table.used)
		fw_htab_done(&table);
}
