// SPDX-License-Identifier: Apache-2.0
/*
 * Slices of fw_ranges. In: verdict programs as ranges. Out: where they stand in the mapped table.
 * First fit over free extents, which merge when they meet. Never moves a slice.
 */
#include "apply/slices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply/log.h"
#include "base/cleanup.h"

int fw_slices_init(struct fw_slices *slices, struct fw_range *rows, uint32_t capacity)
{
	*slices = (struct fw_slices){.rows = rows, .capacity = capacity, .free_size = 64};
	slices->free = calloc(slices->free_size, sizeof(*slices->free));
	if (!slices->free)
		return -ENOMEM;
	if (capacity)
		slices->free[slices->free_count++] = (struct fw_extent){.count = capacity};
	return 0;
}

void fw_slices_done(struct fw_slices *slices)
{
	struct fw_slice *slice, *next;

	HASH_ITER(hh, slices->by_content, slice, next)
		HASH_DELETE(hh, slices->by_content, slice);
	HASH_ITER(by_first, slices->by_first, slice, next) {
		HASH_DELETE(by_first, slices->by_first, slice);
		free(slice);
	}
	free(slices->free);
	*slices = (struct fw_slices){0};
}

static void extent_remove(struct fw_slices *slices, uint32_t at)
{
	slices->free_count--;
	memmove(slices->free + at, slices->free + at + 1,
		(slices->free_count - at) * sizeof(*slices->free));
}

static int extent_insert(struct fw_slices *slices, uint32_t at, struct fw_extent extent)
{
	if (slices->free_count == slices->free_size) {
		struct fw_extent *grown =
			realloc(slices->free, 2 * slices->free_size * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		slices->free = grown;
		slices->free_size *= 2;
	}
	memmove(slices->free + at + 1, slices->free + at,
		(slices->free_count - at) * sizeof(*slices->free));
	slices->free[at] = extent;
	slices->free_count++;
	return 0;
}

/* The first extent that ends behind `row`. */
static uint32_t extent_at(const struct fw_slices *slices, uint32_t row)
{
	uint32_t low = 0, high = slices->free_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (slices->free[middle].first + slices->free[middle].count <= row)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int take_rows(struct fw_slices *slices, uint32_t count, uint32_t *ret_first)
{
	for (uint32_t i = 0; i < slices->free_count; i++) {
		struct fw_extent *extent = &slices->free[i];

		if (extent->count < count)
			continue;
		*ret_first = extent->first;
		extent->first += count;
		extent->count -= count;
		if (!extent->count)
			extent_remove(slices, i);
		slices->used += count;
		return 0;
	}
	return -ENOSPC;
}

static int take_rows_at(struct fw_slices *slices, uint32_t first, uint32_t count)
{
	uint32_t at = extent_at(slices, first), end;
	struct fw_extent extent;

	if (at == slices->free_count)
		return -ERANGE;
	extent = slices->free[at];
	end = extent.first + extent.count;
	if (extent.first > first || end < first + count)
		return -ERANGE;
	extent_remove(slices, at);
	if (end > first + count)
		(void)extent_insert(slices, at,
				    (struct fw_extent){first + count, end - first - count});
	if (extent.first < first)
		(void)extent_insert(slices, at,
				    (struct fw_extent){extent.first, first - extent.first});
	slices->used += count;
	return 0;
}

static void give_rows(struct fw_slices *slices, uint32_t first, uint32_t count)
{
	uint32_t at = extent_at(slices, first);
	struct fw_extent *after = at < slices->free_count ? &slices->free[at] : NULL;
	struct fw_extent *before = at ? &slices->free[at - 1] : NULL;

	slices->used -= count;
	if (before && before->first + before->count == first) {
		before->count += count;
		if (after && after->first == first + count) {
			before->count += after->count;
			extent_remove(slices, at);
		}
	} else if (after && after->first == first + count) {
		after->first = first;
		after->count += count;
	} else {
		/* no memory: the rows are lost until the next start */
		(void)extent_insert(slices, at, (struct fw_extent){first, count});
	}
}

static struct fw_slice_key key_of(const struct fw_range *content, uint32_t count)
{
	size_t len = count * sizeof(*content);

	return (struct fw_slice_key){.a = fw_log_hash(content, len, 0x1111),
				     .b = fw_log_hash(content, len, 0x9e3779b97f4a7c15ULL),
				     .count = count};
}

static int enter(struct fw_slices *slices, const struct fw_slice_key *key, uint32_t first,
		 struct fw_slice **ret_slice)
{
	struct fw_slice *slice = calloc(1, sizeof(*slice)), *same;

	if (!slice)
		return -ENOMEM;
	slice->key = *key;
	slice->first = first;
	/* equal content twice (adopted): only one of them is found by content */
	HASH_FIND(hh, slices->by_content, key, sizeof(*key), same);
	if (same)
		slice->key.reserved = 1 + first;
	HASH_ADD(hh, slices->by_content, key, sizeof(slice->key), slice);
	HASH_ADD(by_first, slices->by_first, first, sizeof(slice->first), slice);
	*ret_slice = slice;
	return 0;
}

int fw_slices_get(struct fw_slices *slices, const struct fw_range *content, uint32_t count,
		  struct fw_slice **ret_slice)
{
	struct fw_slice_key key = key_of(content, count);
	struct fw_slice *slice;
	uint32_t first;
	int r;

	if (count > FW_RANGES_PER_CELL)
		return -E2BIG;
	HASH_FIND(hh, slices->by_content, &key, sizeof(key), slice);
	if (slice && !memcmp(slices->rows + slice->first, content, count * sizeof(*content))) {
		*ret_slice = slice;
		return 0;
	}
	r = take_rows(slices, count, &first);
	if (r < 0)
		return r;
	r = enter(slices, &key, first, ret_slice);
	if (r < 0) {
		give_rows(slices, first, count);
		return r;
	}
	memcpy(slices->rows + first, content, count * sizeof(*content));
	__atomic_thread_fence(__ATOMIC_RELEASE);
	return 0;
}

int fw_slices_adopt(struct fw_slices *slices, uint32_t first, uint32_t count,
		    struct fw_slice **ret_slice)
{
	struct fw_slice_key key;
	struct fw_slice *slice;
	int r;

	if (!count || count > FW_RANGES_PER_CELL || first >= slices->capacity ||
	    count > slices->capacity - first)
		return -ERANGE;
	HASH_FIND(by_first, slices->by_first, &first, sizeof(first), slice);
	if (slice) {
		*ret_slice = slice;
		return slice->key.count == count ? 0 : -ERANGE;
	}
	r = take_rows_at(slices, first, count);
	if (r < 0)
		return r;
	key = key_of(slices->rows + first, count);
	r = enter(slices, &key, first, ret_slice);
	if (r < 0)
		give_rows(slices, first, count);
	return r;
}

static void drop(struct fw_slices *slices, struct fw_slice *slice)
{
	HASH_DELETE(hh, slices->by_content, slice);
	HASH_DELETE(by_first, slices->by_first, slice);
	give_rows(slices, slice->first, slice->key.count);
	free(slice);
}

void fw_slices_unref(struct fw_slices *slices, struct fw_slice *slice)
{
	if (--slice->refs == 0)
		drop(slices, slice);
}

void fw_slices_trim(struct fw_slices *slices)
{
	struct fw_slice *slice, *next;

	HASH_ITER(by_first, slices->by_first, slice, next) {
		if (!slice->refs)
			drop(slices, slice);
	}
}
