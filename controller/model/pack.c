/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods in one piece. In: a pod whose strings and lists were allocated one by one. Out: the same pod
 * in one block: of 10,000 remote pods each allocation would cost 16 bytes and more. Must never be
 * half done.
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

static void take_ports(struct packer *packer, const struct fw_pod *from, struct fw_pod *to)
{
	to->ports = take(packer, from->ports, from->port_count * sizeof(*from->ports), ALIGNMENT);
	for (size_t i = 0; i < from->port_count; i++) {
		char *name = take_text(packer, from->ports[i].name);

		if (to->ports)
			to->ports[i].name = name;
	}
}

/* Lists first and strings last, so that little is lost to alignment. */
static size_t walk(char *block, const struct fw_pod *from)
{
	struct packer packer = {.block = block};
	struct fw_pod scratch = *from, *to = take(&packer, from, sizeof(*from), ALIGNMENT);

	if (!to)
		to = &scratch;
	to->ips = take(&packer, from->ips, from->ip_count * sizeof(*from->ips), ALIGNMENT);
	take_ports(&packer, from, to);
	take_labels(&packer, &from->object.labels, &to->object.labels);
	to->object.namespace = take_text(&packer, from->object.namespace);
	to->object.name = take_text(&packer, from->object.name);
	to->object.uid = take_text(&packer, from->object.uid);
	to->object.origin = take_text(&packer, from->object.origin);
	to->node = take_text(&packer, from->node);
	to->service_account = take_text(&packer, from->service_account);
	to->workload_kind = take_text(&packer, from->workload_kind);
	to->workload_name = take_text(&packer, from->workload_name);
	to->config_hash = take_text(&packer, from->config_hash);
	to->object.packed = true;
	return packer.used;
}

int fw_object_pack(struct fw_object **object)
{
	struct fw_object *packed;

	if ((*object)->kind != FW_KIND_POD || (*object)->packed)
		return 0;
	packed = malloc(walk(NULL, (const struct fw_pod *)*object));
	if (!packed)
		return -ENOMEM;
	(void)walk((char *)packed, (const struct fw_pod *)*object);
	fw_object_free(object);
	*object = packed;
	return 0;
}
