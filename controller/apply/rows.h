/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One hash map or trie of the datapath and a copy of what it holds. In: the rows that it shall
 * hold. Out: batched writes of the differences. Knows keys and values as bytes; never what they
 * mean.
 */
#ifndef FW_APPLY_ROWS_H
#define FW_APPLY_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define FW_ROW_KEY_MAX	 20
#define FW_ROW_VALUE_MAX 72

/* Packed records key|value, ascending by memcmp of the key. */
struct fw_row_set {
	uint32_t key_size, value_size;
	uint8_t *data;
	size_t count, size;
};

/* Called before each system call that changes a map: tests end the process there. NULL: nothing. */
extern void (*fw_apply_write_hook)(const char *what);
void fw_apply_writing(const char *what);

void fw_row_set_init(struct fw_row_set *set, uint32_t key_size, uint32_t value_size);
void fw_row_set_done(struct fw_row_set *set);
/* Room for so many in all. */
int fw_row_set_reserve(struct fw_row_set *set, size_t count);
int fw_row_set_add(struct fw_row_set *set, const void *key, const void *value);
/* Sorts by key; of equal keys the first added stays. */
void fw_row_set_sort(struct fw_row_set *set);
const void *fw_row_key(const struct fw_row_set *set, size_t row);
const void *fw_row_value(const struct fw_row_set *set, size_t row);
const void *fw_row_set_find(const struct fw_row_set *set,
			    const void *key); /* the value, NULL for none */

/* What has to be done to turn one set into the other. */
struct fw_row_diff {
	struct fw_row_set add;	   /* not there before */
	struct fw_row_set change;  /* there with another value */
	struct fw_row_set remove;  /* values as they were */
	struct fw_row_set skipped; /* would be added, but the map is full */
};

void fw_row_diff_done(struct fw_row_diff *diff);
/* What is to be added beside the `held` rows and does not fit is skipped. -ENOMEM. */
int fw_row_diff_limit(struct fw_row_diff *diff, size_t held, size_t capacity);
/* `capacity`: rows that may stand in the map at any moment; what is removed makes room only
 * afterwards. */
int fw_row_diff(const struct fw_row_set *before, const struct fw_row_set *after, size_t capacity,
		struct fw_row_diff *ret_diff);

/* Reads a whole map into `set` (sorted). `batch`: by bpf_map_lookup_batch (hash maps). */
int fw_rows_read(int map_fd, bool batch, struct fw_row_set *set, struct fw_err *err);
/* Writes every row (add or replace); from the last to the first with `backwards`. Batched where the
 * kernel can. */
int fw_rows_write(int map_fd, const char *map, const struct fw_row_set *set, bool backwards,
		  struct fw_err *err);
/* Removes every row; one that is not there is no error. */
int fw_rows_remove(int map_fd, const char *map, const struct fw_row_set *set, struct fw_err *err);

#endif
