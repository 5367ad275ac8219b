/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arrays, blobs and arena: see store.h. In: sizes and items. Out: memory or -ENOMEM.
 * Never aborts.
 */
#include "compile/store.h"

#include <string.h>

#define CHUNK_BYTES 16384

struct chunk {
	struct chunk *next;
	size_t used, size;
	_Alignas(16) char data[];
};

struct fw_arena {
	FW_LIST(struct fw_blob *) held;
	struct chunk *chunks;
};

static int resize(void **array, size_t *cap, size_t room, size_t size)
{
	void *grown = reallocarray(*array, room, size);

	if (!grown)
		return -ENOMEM;
	*array = grown;
	*cap = room;
	return 0;
}

int fw_grow(void **array, size_t *cap, size_t need, size_t size)
{
	size_t room = *cap ? *cap : 8;

	if (need <= *cap)
		return 0;
	while (room < need)
		room *= 2;
	return resize(array, cap, room, size);
}

int fw_fit(void **array, size_t *cap, size_t need, size_t size)
{
	return need <= *cap ? 0 : resize(array, cap, need + need / 16, size);
}

void fw_blob_drop(struct fw_blob *blob)
{
	if (blob && !--blob->refs)
		free(blob);
}

int fw_arena_new(struct fw_arena **ret_arena)
{
	struct fw_arena *arena = calloc(1, sizeof(*arena));

	if (!arena)
		return -ENOMEM;
	*ret_arena = arena;
	return 0;
}

void fw_arena_free(struct fw_arena **arena)
{
	struct fw_arena *a = *arena;

	if (!a)
		return;
	for (size_t i = 0; i < a->held.count; i++)
		fw_blob_drop(a->held.items[i]);
	free(a->held.items);
	while (a->chunks) {
		struct chunk *next = a->chunks->next;

		free(a->chunks);
		a->chunks = next;
	}
	free(a);
	*arena = NULL;
}

int fw_arena_hold(struct fw_arena *arena, struct fw_blob *blob)
{
	int r = FW_ROOM(&arena->held, 1);

	if (r)
		return r;
	fw_blob_take(blob);
	arena->held.items[arena->held.count++] = blob;
	return 0;
}

void *fw_arena_alloc(struct fw_arena *arena, size_t size)
{
	struct chunk *chunk = arena->chunks;
	void *memory;

	size = (size + 15) & ~(size_t)15;
	if (!chunk || chunk->size - chunk->used < size) {
		size_t bytes = size > CHUNK_BYTES ? size : CHUNK_BYTES;

		chunk = malloc(sizeof(*chunk) + bytes);
		if (!chunk)
			return NULL;
		*chunk = (struct chunk){.next = arena->chunks, .size = bytes};
		arena->chunks = chunk;
	}
	memory = chunk->data + chunk->used;
	chunk->used += size;
	return memory;
}

char *fw_arena_text(struct fw_arena *arena, const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = fw_arena_alloc(arena, size);

	if (copy)
		memcpy(copy, text, size);
	return copy;
}
