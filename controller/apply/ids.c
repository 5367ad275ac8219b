// SPDX-License-Identifier: Apache-2.0
/*
 * Kernel ids by digest. In: digests, and what log and maps hold. Out: ids, and records of them in
 * the log. Never touches a map.
 */
#include "apply/ids.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define IDS_FIRST_SIZE 256u

void fw_ids_init(struct fw_ids *ids, uint32_t kind, uint32_t first, uint32_t limit)
{
	*ids = (struct fw_ids){.kind = kind, .first = first, .limit = limit, .next = first};
}

void fw_ids_done(struct fw_ids *ids)
{
	fw_htab_done(&ids->by_digest);
	for (uint32_t i = 0; i < ids->by_id_size; i++)
		free(ids->by_id[i]);
	free(ids->by_id);
	free(ids->released);
	fw_ids_init(ids, ids->kind, ids->first, ids->limit);
}

static int reserve(struct fw_ids *ids, uint32_t id)
{
	uint32_t size = ids->by_id_size ? ids->by_id_size : IDS_FIRST_SIZE;
	struct fw_id **grown;

	while (size <= id - ids->first)
		size *= 2;
	if (size == ids->by_id_size)
		return 0;
	grown = realloc(ids->by_id, size * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	memset(grown + ids->by_id_size, 0, (size - ids->by_id_size) * sizeof(*grown));
	ids->by_id = grown;
	ids->by_id_size = size;
	return 0;
}

static int add_released(struct fw_ids *ids, uint32_t id)
{
	uint32_t size = ids->released_size ? ids->released_size * 2 : IDS_FIRST_SIZE;
	uint32_t *grown;

	if (ids->released_count == ids->released_size) {
		grown = realloc(ids->released, size * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		ids->released = grown;
		ids->released_size = size;
	}
	ids->released[ids->released_count++] = id;
	return 0;
}

static uint64_t hash_of(const struct fw_digest *digest)
{
	return fw_hash_bytes(0, digest, sizeof(*digest));
}

static bool has_digest(const void *item, const void *key)
{
	const struct fw_digest *a = &((const struct fw_id *)item)->digest, *b = key;

	return a->a == b->a && a->b == b->b;
}

static int hash_in(struct fw_ids *ids, struct fw_id *entry)
{
	uint64_t hash = hash_of(&entry->digest);
	struct fw_id *before = fw_ids_by_digest(ids, &entry->digest);
	int r = fw_htab_add(&ids->by_digest, hash, entry);

	if (r < 0)
		return r;
	entry->hashed = true;
	if (before) {
		fw_htab_remove(&ids->by_digest, hash, before);
		before->hashed = false;
	}
	return 0;
}

/* Makes the entry of `id`, which has none. */
static int enter(struct fw_ids *ids, uint32_t id, const struct fw_digest *digest,
		 struct fw_id **ret_id)
{
	struct fw_id *entry;
	int r = reserve(ids, id);

	if (r < 0)
		return r;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	entry->id = id;
	if (digest) {
		entry->digest = *digest;
		entry->known = true;
		r = hash_in(ids, entry);
		if (r < 0) {
			free(entry);
			return r;
		}
	}
	ids->by_id[id - ids->first] = entry;
	ids->used++;
	if (ret_id)
		*ret_id = entry;
	return 0;
}

int fw_ids_adopt(struct fw_ids *ids, uint32_t id, const struct fw_digest *digest)
{
	struct fw_id *entry;
	int r;

	if (id < ids->first || id >= ids->limit)
		return -ERANGE;
	entry = fw_ids_by_id(ids, id);
	if (entry && !digest)
		return 0;
	if (entry)
		fw_ids_release(ids, id); /* a later record: the number was given again */
	/* Numbers between are free. The one adopted may be among them. */
	while (ids->next <= id) {
		if (ids->next != id && (r = add_released(ids, ids->next)) < 0)
			return r;
		ids->next++;
	}
	for (uint32_t i = 0; i < ids->released_count; i++) {
		if (ids->released[i] != id)
			continue;
		ids->released[i] = ids->released[--ids->released_count];
		break;
	}
	return enter(ids, id, digest, NULL);
}

struct fw_id *fw_ids_by_digest(const struct fw_ids *ids, const struct fw_digest *digest)
{
	return fw_htab_find(&ids->by_digest, hash_of(digest), has_digest, digest);
}

struct fw_id *fw_ids_by_id(const struct fw_ids *ids, uint32_t id)
{
	if (id < ids->first || id - ids->first >= ids->by_id_size)
		return NULL;
	return ids->by_id[id - ids->first];
}

int fw_ids_new(struct fw_ids *ids, const struct fw_digest *digest, struct fw_id **ret_id)
{
	struct fw_id_record record = {.kind = ids->kind, .digest = *digest};
	uint32_t id;
	int r;

	if (ids->released_count)
		id = ids->released[ids->released_count - 1];
	else if (ids->next < ids->limit)
		id = ids->next;
	else
		return -ENOSPC;
	record.id = id;
	if (ids->log && (r = fw_log_append(ids->log, &record)) < 0)
		return r;
	r = enter(ids, id, digest, ret_id);
	if (r < 0)
		return r;
	if (ids->released_count)
		ids->released_count--;
	else
		ids->next++;
	return 0;
}

void fw_ids_release(struct fw_ids *ids, uint32_t id)
{
	struct fw_id *entry = fw_ids_by_id(ids, id);

	if (!entry)
		return;
	if (entry->hashed)
		fw_htab_remove(&ids->by_digest, hash_of(&entry->digest), entry);
	ids->by_id[id - ids->first] = NULL;
	ids->used--;
	free(entry);
	(void)add_released(ids, id); /* no memory: the number is lost until the next start */
}
