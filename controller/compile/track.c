/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparing two lists of one order by version. What the lists begin and end with alike is left
 * alone; between, small changes are found by looking a few rows ahead, large ones through a hash
 * table of the rest.
 */
#include "compile/track.h"

#include <string.h>

#define LOOK_AHEAD 16

/* Rows before `next` are settled; those from `end` on are not looked at. */
struct walk {
	struct fw_track *track;
	const struct fw_track_ops *ops;
	size_t next, end;
	struct fw_htab rest; /* made on the first miss */
};

static uint64_t hash_of(uint64_t version)
{
	return fw_hash_mix(version, 0);
}

static bool has_version(const void *item, const void *key)
{
	return ((const struct fw_tracked *)item)->version == *(const uint64_t *)key;
}

static int fill_rest(struct walk *walk)
{
	for (size_t i = walk->next; i < walk->end; i++) {
		struct fw_tracked *row = &walk->track->rows[i];
		int r = fw_htab_add(&walk->rest, hash_of(row->version), row);

		if (r)
			return r;
	}
	return 0;
}

/* The old row of a version, at or after `next`; `end` when there is none. */
static int find(struct walk *walk, uint64_t version, size_t *ret_row)
{
	const struct fw_track *track = walk->track;
	const struct fw_tracked *row;
	int r;

	for (size_t i = walk->next; i < walk->end && i <= walk->next + LOOK_AHEAD; i++) {
		if (track->rows[i].version == version) {
			*ret_row = i;
			return 0;
		}
	}
	*ret_row = walk->end;
	if (walk->end <= walk->next + LOOK_AHEAD)
		return 0;
	if (!walk->rest.cap) {
		r = fill_rest(walk);
		if (r)
			return r;
	}
	row = fw_htab_find(&walk->rest, hash_of(version), has_version, &version);
	if (row && (size_t)(row - track->rows) >= walk->next)
		*ret_row = (size_t)(row - track->rows);
	return 0;
}

static void drop_until(struct walk *walk, size_t row)
{
	for (; walk->next < row; walk->next++) {
		walk->ops->drop(walk->ops->context, walk->track->rows[walk->next].record);
		walk->track->rows[walk->next].record = NULL;
	}
}

static int take(struct walk *walk, const struct fw_object *object, uint64_t version,
		struct fw_tracked *ret_row)
{
	struct fw_track *track = walk->track;
	size_t row;
	int r = find(walk, version, &row);

	if (r)
		return r;
	*ret_row = (struct fw_tracked){.version = version};
	if (row == walk->end)
		return walk->ops->make(walk->ops->context, object, &ret_row->record);
	drop_until(walk, row);
	ret_row->record = track->rows[row].record;
	track->rows[row].record = NULL;
	walk->next = row + 1;
	return 0;
}

/* Rows [walk->next, walk->end) become those of the objects; what stands behind moves. */
static int change(struct walk *walk, struct fw_object *const *objects, const uint64_t *versions,
		  size_t count)
{
	struct fw_track *track = walk->track;
	size_t first = walk->next, tail = track->count - walk->end;
	int r = fw_fit((void **)&track->rows, &track->cap, first + count + tail,
		       sizeof(*track->rows));

	if (r)
		return r;
	track->fresh = calloc(count + 1, sizeof(*track->fresh));
	if (!track->fresh)
		return -ENOMEM;
	for (; !r && track->fresh_count < count; track->fresh_count++)
		r = take(walk, objects[track->fresh_count], versions[track->fresh_count],
			 &track->fresh[track->fresh_count]);
	fw_htab_done(&walk->rest);
	if (r)
		return r;
	drop_until(walk, walk->end);
	memmove(track->rows + first + count, track->rows + walk->end, tail * sizeof(*track->rows));
	memcpy(track->rows + first, track->fresh, count * sizeof(*track->rows));
	track->count = first + count + tail;
	free(track->fresh);
	track->fresh = NULL;
	track->fresh_count = 0;
	return 0;
}

int fw_track_update(struct fw_track *track, const struct fw_model *model, enum fw_kind kind,
		    const struct fw_track_ops *ops, bool *ret_changed)
{
	struct walk walk = {.track = track, .ops = ops, .end = track->count};
	struct fw_object *const *objects;
	const uint64_t *versions;
	size_t count = fw_model_list(model, kind, &objects), left;

	fw_model_versions(model, kind, &versions);
	while (walk.next < walk.end && walk.next < count &&
	       track->rows[walk.next].version == versions[walk.next])
		walk.next++;
	for (left = count; left > walk.next && walk.end > walk.next &&
			   track->rows[walk.end - 1].version == versions[left - 1];
	     left--)
		walk.end--;
	*ret_changed = walk.next < walk.end || walk.next < left;
	if (!*ret_changed)
		return 0;
	return change(&walk, objects + walk.next, versions + walk.next, left - walk.next);
}

void fw_track_done(struct fw_track *track, void (*free_record)(void *record))
{
	for (size_t i = 0; i < track->count; i++) {
		if (track->rows[i].record)
			free_record(track->rows[i].record);
	}
	for (size_t i = 0; i < track->fresh_count; i++) {
		if (track->fresh[i].record)
			free_record(track->fresh[i].record);
	}
	free(track->rows);
	free(track->fresh);
	*track = (struct fw_track){0};
}
