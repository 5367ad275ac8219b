/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of the compiler: growing arrays, blobs counted by
 * reference (what the tables and the compiler's memory share), and the arena that a struct
 * fw_tables owns. Never aborts.
 */
#ifndef FW_COMPILE_STORE_H
#define FW_COMPILE_STORE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/htab.h"

/* Room for `need` elements of `size` bytes; doubles. -ENOMEM. */
int fw_grow(void **array, size_t *cap, size_t need, size_t size);
/* For `struct x { T *items; size_t count, cap; }`: room for one more. */
#define FW_ROOM(list, more)                                                                        \
	fw_grow((void **)&(list)->items, &(list)->cap, (list)->count + (more),                     \
		sizeof(*(list)->items))
/* The same with little room to spare, for arrays of which there is one for each pod, or many. */
int fw_fit(void **array, size_t *cap, size_t need, size_t size);
#define FW_FIT(list, more)                                                                         \
	fw_fit((void **)&(list)->items, &(list)->cap, (list)->count + (more),                      \
	       sizeof(*(list)->items))
#define FW_LIST(type)                                                                              \
	struct {                                                                                   \
		type *items;                                                                       \
		size_t count, cap;                                                                 \
	}

#define FW_LIST_DONE(list)                                                                         \
	do {                                                                                       \
		free((list)->items);                                                               \
		(list)->items = NULL;                                                              \
		(list)->count = (list)->cap = 0;                                                   \
	} while (0)

/* First member of what is shared; one allocation. */
struct fw_blob {
	uint32_t refs;
};

static inline void fw_blob_take(struct fw_blob *blob)
{
	blob->refs++;
}
void fw_blob_drop(struct fw_blob *blob);

struct fw_arena;

int fw_arena_new(struct fw_arena **ret_arena);
void fw_arena_free(struct fw_arena **arena); /* drops what it holds */
int fw_arena_hold(struct fw_arena *arena, struct fw_blob *blob);
void *fw_arena_alloc(struct fw_arena *arena, size_t size); /* NULL: no memory */
char *fw_arena_text(struct fw_arena *arena, const char *text);

#endif
