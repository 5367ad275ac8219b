/* SPDX-License-Identifier: Apache-2.0 */
/* See ports.h. The table goes with its last list, so that nothing is left at the end. */
#include "model/ports.h"

#include <stdlib.h>
#include <string.h>

#include "base/htab.h"
#include "model/text.h"

struct list {
	const struct fw_container_port *items;
	size_t count;
};

struct shared {
	uint64_t hash;
	uint32_t refs, count;
	struct fw_container_port items[];
};

static struct fw_htab table;

static bool same_port(const struct fw_container_port *a, const struct fw_container_port *b)
{
	bool same_name = a->name && b->name ? !strcmp(a->name, b->name) : a->name == b->name;

	return same_name && a->port == b->port && a->protocol == b->protocol;
}

static bool is_list(const void *item, const void *key)
{
	const struct shared *shared = item;
	const struct list *list = key;
	bool same = shared->count == list->count;

	for (size_t i = 0; same && i < list->count; i++)
		same = same_port(&shared->items[i], &list->items[i]);
	return same;
}

static uint64_t hash_of(const struct list *list)
{
	uint64_t hash = list->count;

	for (size_t i = 0; i < list->count; i++) {
		const struct fw_container_port *port = &list->items[i];

		hash = fw_hash_text(hash, port->name ? port->name : "");
		hash = fw_hash_mix(hash, (uint64_t)port->protocol << 16 | port->port);
	}
	return hash;
}

static void free_shared(struct shared *shared)
{
	for (uint32_t i = 0; i < shared->count; i++)
		fw_text_drop(shared->items[i].name);
	free(shared);
}

static struct shared *make(const struct list *list, uint64_t hash)
{
	size_t bytes = list->count * sizeof(*list->items);
	struct shared *shared = list->count > UINT32_MAX ? NULL : malloc(sizeof(*shared) + bytes);

	if (!shared)
		return NULL;
	*shared = (struct shared){.hash = hash};
	for (; shared->count < list->count; shared->count++) {
		struct fw_container_port *port = &shared->items[shared->count];

		*port = list->items[shared->count];
		port->name = port->name ? fw_text_take(port->name) : NULL;
		if (!port->name && list->items[shared->count].name)
			break;
	}
	if (shared->count == list->count && !fw_htab_add(&table, hash, shared))
		return shared;
	free_shared(shared);
	return NULL;
}

struct fw_container_port *fw_ports_take(const struct fw_container_port *ports, size_t count)
{
	const struct list list = {ports, count};
	uint64_t hash = hash_of(&list);
	struct shared *shared = fw_htab_find(&table, hash, is_list, &list);

	if (!shared)
		shared = make(&list, hash);
	if (!shared)
		return NULL;
	shared->refs++;
	return shared->items;
}

void fw_ports_drop(const struct fw_container_port *ports)
{
	struct shared *shared;

	if (!ports)
		return;
	shared = (struct shared *)((uintptr_t)ports - offsetof(struct shared, items));
	if (--shared->refs)
		return;
	fw_htab_remove(&table, shared->hash, shared);
	free_shared(shared);
	if (!table.used)
		fw_htab_done(&table);
}
