/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparing two lists of one order by (pointer, digest). A pointer that was freed and given to
 * another object is told by its digest. Small changes are found by looking a few rows ahead, large
 * ones through a hash table of the rest.
 */
#include "compile/track.h"

#define LOOK_AHEAD 16
#define PREFETCH                                                                                   \
	12 /* objects stand all over the heap: reading their digests is waiting for memory */

/* Rows before `next` are settled. */
struct walk {
	struct fw_track *track;
	const struct fw_track_ops *ops;
	size_t next;
	struct fw_htab rest; /* made on the first miss */
	bool changed;
};

static bool same(const struct fw_tracked *row, const struct fw_object *object)
{
	return row->object == object && row->digest == object->digest;
}

static bool is_same(const void *item, const void *key)
{
	return same(item, key);
}

static uint64_t hash_of(const struct fw_object *object)
{
	return fw_hash_mix((uint64_t)(uintptr_t)object, 0);
}

static int fill_rest(struct walk *walk)
{
	for (size_t i = walk->next; i < walk->track->count; i++) {
		struct fw_tracked *row = &walk->track->rows[i];
		int r = fw_htab_add(&walk->rest, hash_of(row->object), row);

		if (r)
			return r;
	}
	return 0;
}

/* The old row of an object, at or after `next`; count when there is none. */
static int find(struct walk *walk, const struct fw_object *object, size_t *ret_row)
{
	const struct fw_track *track = walk->track;
	const struct fw_tracked *row;
	int r;

	for (size_t i = walk->next; i < track->count && i <= walk->next + LOOK_AHEAD; i++) {
		if (same(&track->rows[i], object)) {
			*ret_row = i;
			return 0;
		}
	}
	*ret_row = track->count;
	if (track->count <= walk->next + LOOK_AHEAD)
		return 0;
	if (!walk->rest.cap) {
		r = fill_rest(walk);
		if (r)
			return r;
	}
	row = fw_htab_find(&walk->rest, hash_of(object), is_same, object);
	if (row && (size_t)(row - track->rows) >= walk->next)
		*ret_row = (size_t)(row - track->rows);
	return 0;
}

static void drop_until(struct walk *walk, size_t row)
{
	for (; walk->next < row; walk->next++) {
		walk->changed = true;
		walk->ops->drop(walk->ops->context, walk->track->rows[walk->next].record);
		walk->track->rows[walk->next].record = NULL;
	}
}

static int take(struct walk *walk, const struct fw_object *object, struct fw_tracked *ret_row)
{
	struct fw_track *track = walk->track;
	size_t row = walk->next;
	int r;

	if (row >= track->count || !same(&track->rows[row], object)) {
		r = find(walk, object, &row);
		if (r)
			return r;
	}
	*ret_row = (struct fw_tracked){.object = object, .digest = object->digest};
	if (row == track->count) {
		walk->changed = true;
		return walk->ops->make(walk->ops->context, object, &ret_row->record);
	}
	drop_until(walk, row);
	ret_row->record = track->rows[row].record;
	track->rows[row].record = NULL;
	walk->next = row + 1;
	return 0;
}

int fw_track_update(struct fw_track *track, struct fw_object *const *objects, size_t count,
		    const struct fw_track_ops *ops, bool *ret_changed)
{
	struct walk walk = {.track = track, .ops = ops};
	struct fw_tracked *old = track->rows;
	size_t old_cap = track->cap;
	int r = fw_grow((void **)&track->spare, &track->spare_cap, count + 1, sizeof(*old));

	for (track->spare_count = 0; !r && track->spare_count < count; track->spare_count++) {
		if (track->spare_count + PREFETCH < count)
			__builtin_prefetch(&objects[track->spare_count + PREFETCH]->digest);
		r = take(&walk, objects[track->spare_count], &track->spare[track->spare_count]);
	}
	fw_htab_done(&walk.rest);
	if (r)
		return r;
	drop_until(&walk, track->count);
	track->rows = track->spare;
	track->cap = track->spare_cap;
	track->count = count;
	track->spare = old;
	track->spare_cap = old_cap;
	track->spare_count = 0;
	*ret_changed = walk.changed;
	return 0;
}

void fw_track_done(struct fw_track *track, void (*free_record)(void *record))
{
	for (size_t i = 0; i < track->count; i++) {
		if (track->rows[i].record)
			free_record(track->rows[i].record);
	}
	for (size_t i = 0; i < track->spare_count; i++) {
		if (track->spare[i].record)
			free_record(track->spare[i].record);
	}
	free(track->rows);
	free(track->spare);
	*track = (struct fw_track){0};
}
