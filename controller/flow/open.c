/* SPDX-License-Identifier: Apache-2.0 */
/* A chained hash over a pool of entries, both doubled when full; see open.h. */
#include "flow/open.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define FIRST_SIZE 1024u /* a power of two */
#define NONE	   UINT32_MAX

struct fw_opens {
	struct fw_interns *interns; /* borrowed */
	struct fw_open *pool;
	uint32_t *heads;
	uint32_t size; /* entries of both arrays, a power of two */
	uint32_t used;
	uint32_t free_list;
};

static uint32_t hash(uint32_t flow, uint32_t size)
{
	return (uint32_t)(((uint64_t)flow * 0x9e3779b97f4a7c15ULL) >> 32) & (size - 1);
}

static int resize(struct fw_opens *opens, uint32_t size)
{
	struct fw_open *pool = realloc(opens->pool, size * sizeof(*pool));
	uint32_t *heads;

	if (!pool)
		return -ENOMEM;
	opens->pool = pool;
	heads = malloc(size * sizeof(*heads));
	if (!heads)
		return -ENOMEM;
	memset(heads, 0xff, size * sizeof(*heads));
	for (uint32_t i = 0; i < opens->size; i++) {
		uint32_t at = hash(pool[i].flow, size);

		pool[i].next = heads[at];
		heads[at] = i;
	}
	for (uint32_t i = opens->size; i < size; i++)
		pool[i] = (struct fw_open){.next = i + 1 < size ? i + 1 : NONE};
	opens->free_list = opens->size;
	free(opens->heads);
	opens->heads = heads;
	opens->size = size;
	return 0;
}

int fw_opens_new(struct fw_interns *interns, struct fw_opens **ret_opens)
{
	struct fw_opens *opens = calloc(1, sizeof(*opens));

	if (!opens)
		return -ENOMEM;
	opens->interns = interns;
	if (resize(opens, FIRST_SIZE)) {
		fw_opens_free(&opens);
		return -ENOMEM;
	}
	*ret_opens = opens;
	return 0;
}

static void forget(struct fw_opens *opens, struct fw_open *open)
{
	fw_intern_drop(opens->interns, TAKE_PTR(open->local_name));
	fw_intern_drop(opens->interns, TAKE_PTR(open->remote_name));
	fw_intern_drop(opens->interns, TAKE_PTR(open->chosen));
	fw_intern_drop(opens->interns, TAKE_PTR(open->chosen_rule));
}

void fw_opens_free(struct fw_opens **opens)
{
	if (!*opens)
		return;
	for (uint32_t i = 0; i < (*opens)->size; i++)
		forget(*opens, &(*opens)->pool[i]);
	free((*opens)->pool);
	free((*opens)->heads);
	free(*opens);
	*opens = NULL;
}

struct fw_open *fw_opens_find(struct fw_opens *opens, uint32_t flow)
{
	uint32_t i = opens->heads[hash(flow, opens->size)];

	while (i != NONE && opens->pool[i].flow != flow)
		i = opens->pool[i].next;
	return i == NONE ? NULL : &opens->pool[i];
}

struct fw_open *fw_opens_add(struct fw_opens *opens, uint32_t flow)
{
	struct fw_open *open = fw_opens_find(opens, flow);
	uint32_t *head, i, next;

	if (open) {
		next = open->next;
		forget(opens, open);
		*open = (struct fw_open){.flow = flow, .next = next};
		return open;
	}
	if (opens->free_list == NONE &&
	    (opens->size > UINT32_MAX / 4 || resize(opens, opens->size * 2)))
		return NULL;
	i = opens->free_list;
	open = &opens->pool[i];
	opens->free_list = open->next;
	head = &opens->heads[hash(flow, opens->size)];
	*open = (struct fw_open){.flow = flow, .next = *head};
	*head = i;
	opens->used++;
	return open;
}

void fw_opens_drop(struct fw_opens *opens, uint32_t flow)
{
	uint32_t *link = &opens->heads[hash(flow, opens->size)], i;

	while (*link != NONE && opens->pool[*link].flow != flow)
		link = &opens->pool[*link].next;
	if (*link == NONE)
		return;
	i = *link;
	*link = opens->pool[i].next;
	forget(opens, &opens->pool[i]);
	opens->pool[i].next = opens->free_list;
	opens->free_list = i;
	opens->used--;
}

size_t fw_opens_count(const struct fw_opens *opens)
{
	return opens->used;
}
