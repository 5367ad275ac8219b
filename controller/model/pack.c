/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods and endpoint slices in one piece. In: an object whose strings and lists were allocated one
 * by one. Out: the same object in one block: with 10,000 remote pods each small allocation costs.
 * Must never be half done.
 */
#include "model/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 8u

/* Measures with block NULL, copies else; both walk the same way. */
struct packer {
	char *block;
	size_t used;
};

static void *take(struct packer *packer, const void *data, size_t size, size_t alignment)
{
	size_t at = (packer->used + alignment - 1) / alignment * alignment;

	packer->used = at + size;
	if (!packer->block)
		return NULL;
	if (size)
		memcpy(packer->block + at, data, size);
	return packer->block + at;
}

static char *take_text(struct packer *packer, const char *text)
{
	return text ? take(packer, text, strlen(text) + 1, 1) : NULL;
}

static void take_labels(struct packer *packer, const struct fw_labels *from, struct fw_labels *to)
{
	to->items = take(packer, from->items, from->count * sizeof(*from->items), ALIGNMENT);
	for (size_t i = 0; i < from->count; i++) {
		char *key = take_text(packer, from->items[i].key);
		char *value = take_text(packer, from->items[i].value);

		if (to->items)
			to->items[i] = (struct fw_label){key, value};
	}
}

static void take_head(struct packer *packer, const struct fw_object *from, struct fw_object *to)
{
	take_labels(packer, &from->labels, &to->labels);
	to->namespace = take_text(packer, from->namespace);
	to->name = take_text(packer, from->name);
	to->uid = take_text(packer, from->uid);
	to->origin = take_text(packer, from->origin);
	to->packed = true;
}

/* Lists first and strings last, so that little is lost to alignment. */
static size_t walk_pod(char *block, const struct fw_object *object)
{
	const struct fw_pod *from = (const struct fw_pod *)object;
	struct packer packer = {.block = block};
	struct fw_pod scratch = *from, *to = take(&packer, from, sizeof(*from), ALIGNMENT);

	if (!to)
		to = &scratch;
	to->ips = take(&packer, from->ips, from->ip_count * sizeof(*from->ips), ALIGNMENT);
	to->ports = take(&packer, from->ports, from->port_count * sizeof(*from->ports), ALIGNMENT);
	take_head(&packer, &from->object, &to->object);
	for (size_t i = 0; i < from->port_count; i++) {
		char *name = take_text(&packer, from->ports[i].name);

		if (to->ports)
			to->ports[i].name = name;
	}
	to->node = take_text(&packer, from->node);
	to->service_account = take_text(&packer, from->service_account);
	to->workload_kind = take_text(&packer, from->workload_kind);
	to->workload_name = take_text(&packer, from->workload_name);
	to->config_hash = take_text(&packer, from->config_hash);
	return packer.used;
}

static void take_endpoint(struct packer *packer, const struct fw_slice_endpoint *from,
			  struct fw_slice_endpoint *to)
{
	to->ips = take(packer, from->ips, from->ip_count * sizeof(*from->ips), 1);
	to->target_namespace = take_text(packer, from->target_namespace);
	to->target_name = take_text(packer, from->target_name);
	to->node = take_text(packer, from->node);
}

static size_t walk_slice(char *block, const struct fw_object *object)
{
	const struct fw_endpoint_slice *from = (const struct fw_endpoint_slice *)object;
	struct packer packer = {.block = block};
	struct fw_endpoint_slice scratch = *from, *to;

	to = take(&packer, from, sizeof(*from), ALIGNMENT);
	if (!to)
		to = &scratch;
	to->endpoints = take(&packer, from->endpoints,
			     from->endpoint_count * sizeof(*from->endpoints), ALIGNMENT);
	to->ports = take(&packer, from->ports, from->port_count * sizeof(*from->ports), ALIGNMENT);
	take_head(&packer, &from->object, &to->object);
	to->service = take_text(&packer, from->service);
	for (size_t i = 0; i < from->endpoint_count; i++) {
		struct fw_slice_endpoint unused = from->endpoints[i];

		take_endpoint(&packer, &from->endpoints[i],
			      to->endpoints ? &to->endpoints[i] : &unused);
	}
	for (size_t i = 0; i < from->port_count; i++) {
		char *name = take_text(&packer, from->ports[i].name);

		if (to->ports)
			to->ports[i].name = name;
	}
	return packer.used;
}

int fw_object_pack(struct fw_object **object)
{
	bool pod = (*object)->kind == FW_KIND_POD;
	size_t (*walk)(char *block, const struct fw_object *object) = pod ? walk_pod : walk_slice;
	struct fw_object *packed;

	if ((*object)->packed || (!pod && (*object)->kind != FW_KIND_ENDPOINT_SLICE))
		return 0;
	packed = malloc(walk(NULL, *object));
	if (!packed)
		return -ENOMEM;
	(void)walk((char *)packed, *object);
	fw_object_free(object);
	*object = packed;
	return 0;
}
