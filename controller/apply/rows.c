// SPDX-License-Identifier: Apache-2.0
/*
 * Rows of hash maps and tries. In: sets of rows. Out: the map holds them. Batches of bounded size,
 * single calls where a map knows no batches. Never reads what it wrote: the owner keeps a copy.
 */
#include "apply/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"

#define BATCH		1024u
#define SAME_BLOCK	64u
#define KERNEL_ENOTSUPP 524 /* the kernel gives it away, errno.h does not know it */

void (*fw_apply_write_hook)(const char *what);

void fw_apply_writing(const char *what)
{
	if (fw_apply_write_hook)
		fw_apply_write_hook(what);
}

void fw_row_set_init(struct fw_row_set *set, uint32_t key_size, uint32_t value_size)
{
	*set = (struct fw_row_set){.key_size = key_size, .value_size = value_size};
}

void fw_row_set_done(struct fw_row_set *set)
{
	free(set->data);
	fw_row_set_init(set, set->key_size, set->value_size);
}

static size_t step_of(const struct fw_row_set *set)
{
	return (size_t)set->key_size + set->value_size;
}

const void *fw_row_key(const struct fw_row_set *set, size_t row)
{
	return set->data + row * step_of(set);
}

const void *fw_row_value(const struct fw_row_set *set, size_t row)
{
	return set->data + row * step_of(set) + set->key_size;
}

int fw_row_set_reserve(struct fw_row_set *set, size_t count)
{
	uint8_t *grown;

	if (count <= set->size)
		return 0;
	grown = reallocarray(set->data, count, step_of(set));
	if (!grown)
		return -ENOMEM;
	set->data = grown;
	set->size = count;
	return 0;
}

int fw_row_set_add(struct fw_row_set *set, const void *key, const void *value)
{
	size_t step = step_of(set);
	uint8_t *to;

	if (set->count == set->size && fw_row_set_reserve(set, set->size ? set->size * 2 : 64) < 0)
		return -ENOMEM;
	to = set->data + set->count++ * step;
	memcpy(to, key, set->key_size);
	memcpy(to + set->key_size, value, set->value_size);
	return 0;
}

static int compare_keys(const void *a, const void *b, void *key_size)
{
	return memcmp(a, b, *(uint32_t *)key_size);
}

void fw_row_set_sort(struct fw_row_set *set)
{
	size_t step = step_of(set), kept = 0;
	bool sorted = true;

	if (!set->count)
		return;
	for (size_t i = 1; i < set->count && sorted; i++)
		sorted = memcmp(fw_row_key(set, i - 1), fw_row_key(set, i), set->key_size) < 0;
	if (sorted)
		return;
	qsort_r(set->data, set->count, step, compare_keys, &set->key_size);
	for (size_t i = 1; i < set->count; i++) {
		if (!memcmp(fw_row_key(set, kept), fw_row_key(set, i), set->key_size))
			continue;
		kept++;
		memmove(set->data + kept * step, set->data + i * step, step);
	}
	set->count = kept + 1;
}

const void *fw_row_set_find(const struct fw_row_set *set, const void *key)
{
	size_t low = 0, high = set->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = memcmp(fw_row_key(set, middle), key, set->key_size);

		if (!order)
			return fw_row_value(set, middle);
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

void fw_row_diff_done(struct fw_row_diff *diff)
{
	fw_row_set_done(&diff->add);
	fw_row_set_done(&diff->change);
	fw_row_set_done(&diff->remove);
	fw_row_set_done(&diff->skipped);
}

static int diff_step(const struct fw_row_set *before, const struct fw_row_set *after, size_t *at,
		     size_t *to, struct fw_row_diff *diff)
{
	int order;

	if (*at == before->count)
		order = 1;
	else if (*to == after->count)
		order = -1;
	else
		order = memcmp(fw_row_key(before, *at), fw_row_key(after, *to), before->key_size);
	if (order < 0) {
		(*at)++;
		return fw_row_set_add(&diff->remove, fw_row_key(before, *at - 1),
				      fw_row_value(before, *at - 1));
	}
	(*to)++;
	if (order > 0)
		return fw_row_set_add(&diff->add, fw_row_key(after, *to - 1),
				      fw_row_value(after, *to - 1));
	(*at)++;
	if (!memcmp(fw_row_value(before, *at - 1), fw_row_value(after, *to - 1),
		    before->value_size))
		return 0;
	return fw_row_set_add(&diff->change, fw_row_key(after, *to - 1),
			      fw_row_value(after, *to - 1));
}

/* Nearly all rows are the same: how many of the next ones, as far as whole blocks are. */
static size_t same_rows(const struct fw_row_set *before, const struct fw_row_set *after, size_t at,
			size_t to)
{
	size_t step = step_of(before), same = 0;

	while (at + same + SAME_BLOCK <= before->count && to + same + SAME_BLOCK <= after->count &&
	       !memcmp(before->data + (at + same) * step, after->data + (to + same) * step,
		       SAME_BLOCK * step))
		same += SAME_BLOCK;
	return same;
}

int fw_row_diff_limit(struct fw_row_diff *diff, size_t held, size_t capacity)
{
	size_t room = capacity > held ? capacity - held : 0;
	int r = 0;

	for (size_t i = room; r == 0 && i < diff->add.count; i++)
		r = fw_row_set_add(&diff->skipped, fw_row_key(&diff->add, i),
				   fw_row_value(&diff->add, i));
	if (r < 0)
		return r;
	if (diff->add.count > room)
		diff->add.count = room;
	return 0;
}

int fw_row_diff(const struct fw_row_set *before, const struct fw_row_set *after, size_t capacity,
		struct fw_row_diff *ret_diff)
{
	_cleanup_(fw_row_diff_done) struct fw_row_diff diff;
	size_t at = 0, to = 0, same;
	int r = 0;

	fw_row_set_init(&diff.add, before->key_size, before->value_size);
	diff.change = diff.remove = diff.skipped = diff.add;
	while (r == 0 && (at < before->count || to < after->count)) {
		same = same_rows(before, after, at, to);
		at += same;
		to += same;
		for (size_t i = 0;
		     r == 0 && i < SAME_BLOCK && (at < before->count || to < after->count); i++)
			r = diff_step(before, after, &at, &to, &diff);
	}
	if (r == 0)
		r = fw_row_diff_limit(&diff, before->count, capacity);
	if (r < 0)
		return r;
	*ret_diff = diff;
	memset(&diff, 0, sizeof(diff));
	return 0;
}

static int read_batches(int map_fd, struct fw_row_set *set)
{
	_cleanup_free_ uint8_t *keys = malloc((size_t)BATCH * 4 * set->key_size);
	_cleanup_free_ uint8_t *values = malloc((size_t)BATCH * 4 * set->value_size);
	uint8_t cursor[FW_ROW_KEY_MAX];
	void *in = NULL;
	int r = 0;

	if (!keys || !values)
		return -ENOMEM;
	while (r == 0) {
		uint32_t count = BATCH * 4;
		int s;

		r = bpf_map_lookup_batch(map_fd, in, cursor, keys, values, &count, NULL);
		if (r < 0 && r != -ENOENT)
			return r;
		for (uint32_t i = 0; i < count; i++) {
			s = fw_row_set_add(set, keys + (size_t)i * set->key_size,
					   values + (size_t)i * set->value_size);
			if (s < 0)
				return s;
		}
		in = cursor;
	}
	return 0;
}

static int read_singly(int map_fd, struct fw_row_set *set)
{
	uint8_t key[FW_ROW_KEY_MAX], value[FW_ROW_VALUE_MAX];
	void *from = NULL;
	int r;

	for (;;) {
		r = bpf_map_get_next_key(map_fd, from, key);
		if (r == -ENOENT)
			return 0;
		if (r == 0)
			r = bpf_map_lookup_elem(map_fd, key, value);
		if (r == 0)
			r = fw_row_set_add(set, key, value);
		if (r < 0)
			return r;
		from = key;
	}
}

int fw_rows_read(int map_fd, bool batch, struct fw_row_set *set, struct fw_err *err)
{
	int r = batch ? read_batches(map_fd, set) : read_singly(map_fd, set);

	if (r < 0)
		return fw_err_errno(err, r, "reading back a map");
	fw_row_set_sort(set);
	return 0;
}

/* Splits records into the two arrays that batches take. */
static void split(const struct fw_row_set *set, size_t from, size_t count, uint8_t *keys,
		  uint8_t *values)
{
	for (size_t i = 0; i < count; i++) {
		memcpy(keys + i * set->key_size, fw_row_key(set, from + i), set->key_size);
		if (values)
			memcpy(values + i * set->value_size, fw_row_value(set, from + i),
			       set->value_size);
	}
}

static int write_one(int map_fd, const struct fw_row_set *set, size_t row)
{
	return bpf_map_update_elem(map_fd, fw_row_key(set, row), fw_row_value(set, row), BPF_ANY);
}

static int write_batches(int map_fd, const char *map, const struct fw_row_set *set)
{
	_cleanup_free_ uint8_t *keys = malloc((size_t)BATCH * set->key_size);
	_cleanup_free_ uint8_t *values = malloc((size_t)BATCH * set->value_size);
	size_t done = 0;
	int r;

	if (!keys || !values)
		return -ENOMEM;
	while (done < set->count) {
		size_t left = set->count - done;
		uint32_t count = left < BATCH ? (uint32_t)left : BATCH;

		split(set, done, count, keys, values);
		fw_apply_writing(map);
		r = bpf_map_update_batch(map_fd, keys, values, &count, NULL);
		if (r < 0)
			return r;
		done += count;
	}
	return 0;
}

int fw_rows_write(int map_fd, const char *map, const struct fw_row_set *set, bool backwards,
		  struct fw_err *err)
{
	int r = 0;

	if (!backwards && set->count > 1 && !fw_apply_write_hook) {
		r = write_batches(map_fd, map, set);
		if (r == 0)
			return 0;
		if (r != -KERNEL_ENOTSUPP && r != -EOPNOTSUPP && r != -EINVAL)
			return fw_err_errno(err, r, "%s: writing %zu rows", map, set->count);
	}
	for (size_t i = 0; i < set->count; i++) {
		fw_apply_writing(map);
		r = write_one(map_fd, set, backwards ? set->count - 1 - i : i);
		if (r < 0)
			return fw_err_errno(err, r, "%s: writing a row", map);
	}
	return 0;
}

int fw_rows_remove(int map_fd, const char *map, const struct fw_row_set *set, struct fw_err *err)
{
	_cleanup_free_ uint8_t *keys = NULL;
	uint32_t count = (uint32_t)set->count;
	int r;

	if (set->count > 1 && !fw_apply_write_hook) {
		keys = malloc(set->count * set->key_size);
		if (!keys)
			return fw_err_errno(err, -ENOMEM, "%s", map);
		split(set, 0, set->count, keys, NULL);
		fw_apply_writing(map);
		if (bpf_map_delete_batch(map_fd, keys, &count, NULL) == 0)
			return 0;
		/* not for this kind of map, or a row was missing: one by one */
	}
	for (size_t i = 0; i < set->count; i++) {
		fw_apply_writing(map);
		r = bpf_map_delete_elem(map_fd, fw_row_key(set, i));
		if (r < 0 && r != -ENOENT)
			return fw_err_errno(err, r, "%s: removing a row", map);
	}
	return 0;
}
