/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects in one piece. In: an object whose strings and lists were allocated one by one. Out: the
 * same object in one block, its name and UID in it, every other string shared with the other
 * objects: with 10,000 remote pods each small allocation and each repeated word costs. Must never
 * be half done.
 */
#include "model/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/block.h"
#include "base/cleanup.h"
#include "model/lists.h"
#include "model/text.h"

#define ALIGNMENT     FW_BLOCK_ALIGNMENT
#define OWN_VALUE_MIN 8 /* a label's value that the name repeats is the object's own from here */

struct packer {
	struct fw_block block;
	bool failed; /* no memory for a shared string */
};

static void *take(struct packer *packer, const void *data, size_t size, size_t alignment)
{
	return fw_block_take(&packer->block, data, size, alignment);
}

static char *own_text(struct packer *packer, const char *text)
{
	return fw_block_text(&packer->block, text);
}

static char *share(struct packer *packer, const char *text)
{
	char *shared = text && packer->block.data ? fw_text_take(text) : NULL;

	packer->failed |= text && packer->block.data && !shared;
	return shared;
}

/*
 * Each of the functions below is given a shallow copy of the original and makes its pointers those
 * of the block.
 */

/* A template hash or the pod's own name: nobody shares it. */
static bool is_own(const struct fw_object *object, const char *value)
{
	return strlen(value) >= OWN_VALUE_MIN && strstr(object->name, value);
}

static void *share_list(struct packer *packer, const void *items, size_t count, size_t size)
{
	void *shared = count && packer->block.data ? fw_list_take(items, count, size) : NULL;

	packer->failed |= count && packer->block.data && !shared;
	return shared;
}

static void pack_labels(struct packer *packer, const struct fw_object *object,
			struct fw_labels *labels)
{
	char **from = labels->values;
	char **to = take(packer, from, labels->count * sizeof(*from), ALIGNMENT);

	for (size_t i = 0; i < labels->count; i++) {
		char *value = is_own(object, from[i]) ? own_text(packer, from[i])
						      : share(packer, from[i]);

		if (to)
			to[i] = value;
	}
	labels->keys = share_list(packer, labels->keys, labels->count, sizeof(*labels->keys));
	labels->values = to;
}

static void pack_head(struct packer *packer, struct fw_object *object)
{
	pack_labels(packer, object, &object->labels);
	object->namespace = share(packer, object->namespace);
	object->name = own_text(packer, object->name);
	object->uid = own_text(packer, object->uid);
	object->origin = share(packer, object->origin);
}

static void pack_pod(struct packer *packer, struct fw_pod *pod)
{
	pod->ports = share_list(packer, pod->ports, pod->port_count, sizeof(*pod->ports));
	pod->ips = take(packer, pod->ips, pod->ip_count * sizeof(*pod->ips), 1);
	pod->node = share(packer, pod->node);
	pod->workload_kind = share(packer, pod->workload_kind);
	pod->workload_name = share(packer, pod->workload_name);
	pod->config_hash = share(packer, pod->config_hash);
}

static void pack_service(struct packer *packer, struct fw_service_object *service)
{
	const struct fw_service_port *from = service->ports;

	service->ports = take(packer, from, service->port_count * sizeof(*from), ALIGNMENT);
	for (size_t i = 0; i < service->port_count; i++) {
		char *name = share(packer, from[i].name);

		if (service->ports)
			service->ports[i].name = name;
	}
	service->ips = take(packer, service->ips, service->ip_count * sizeof(*service->ips), 1);
}

static void pack_slice(struct packer *packer, struct fw_endpoint_slice *slice)
{
	const struct fw_slice_port *from = slice->ports;

	slice->ports = take(packer, from, slice->port_count * sizeof(*from), ALIGNMENT);
	for (size_t i = 0; i < slice->port_count; i++) {
		char *name = share(packer, from[i].name);

		if (slice->ports)
			slice->ports[i].name = name;
	}
	slice->endpoints = take(packer, slice->endpoints,
				slice->endpoint_count * sizeof(*slice->endpoints), ALIGNMENT);
	slice->service = share(packer, slice->service);
}

static void pack_selector(struct packer *packer, struct fw_selector *selector)
{
	const struct fw_requirement *from = selector->items;
	struct fw_requirement *to = take(packer, from, selector->count * sizeof(*from), ALIGNMENT);

	for (size_t i = 0; i < selector->count; i++) {
		size_t count = from[i].value_count;
		char **values = take(packer, from[i].values, count * sizeof(char *), ALIGNMENT);
		char *key = share(packer, from[i].key);

		for (size_t k = 0; k < count; k++) {
			char *value = share(packer, from[i].values[k]);

			if (values)
				values[k] = value;
		}
		if (to)
			to[i] = (struct fw_requirement){key, from[i].op, values, count};
	}
	selector->items = to;
}

static void pack_peer(struct packer *packer, struct fw_policy_peer *peer)
{
	pack_selector(packer, &peer->namespace_selector);
	pack_selector(packer, &peer->pod_selector);
	peer->except =
		take(packer, peer->except, peer->except_count * sizeof(*peer->except), ALIGNMENT);
}

static void pack_rule(struct packer *packer, struct fw_policy_rule *rule)
{
	const struct fw_policy_peer *peers = rule->peers;
	const struct fw_policy_port *ports = rule->ports;

	rule->peers = take(packer, peers, rule->peer_count * sizeof(*peers), ALIGNMENT);
	for (size_t i = 0; i < rule->peer_count; i++) {
		struct fw_policy_peer scratch = peers[i];

		pack_peer(packer, rule->peers ? &rule->peers[i] : &scratch);
	}
	rule->ports = take(packer, ports, rule->port_count * sizeof(*ports), ALIGNMENT);
	for (size_t i = 0; i < rule->port_count; i++) {
		char *name = share(packer, ports[i].name);

		if (rule->ports)
			rule->ports[i].name = name;
	}
}

static void pack_policy(struct packer *packer, struct fw_network_policy *policy)
{
	pack_selector(packer, &policy->subject);
	for (int direction = 0; direction < 2; direction++) {
		const struct fw_policy_rule *from = policy->rules[direction];
		size_t count = policy->rule_count[direction];
		struct fw_policy_rule *to = take(packer, from, count * sizeof(*from), ALIGNMENT);

		for (size_t i = 0; i < count; i++) {
			struct fw_policy_rule scratch = from[i];

			pack_rule(packer, to ? &to[i] : &scratch);
		}
		policy->rules[direction] = to;
	}
	policy->replaces = own_text(packer, policy->replaces);
	policy->broken = own_text(packer, policy->broken);
}

static void pack_node(struct packer *packer, struct fw_node_object *node)
{
	node->ips = take(packer, node->ips, node->ip_count * sizeof(*node->ips), 1);
	node->pod_ranges = take(packer, node->pod_ranges,
				node->pod_range_count * sizeof(*node->pod_ranges), ALIGNMENT);
}

static void pack_kind(struct packer *packer, struct fw_object *object)
{
	switch (object->kind) {
	case FW_KIND_POD:
		pack_pod(packer, (struct fw_pod *)object);
		break;
	case FW_KIND_SERVICE:
		pack_service(packer, (struct fw_service_object *)object);
		break;
	case FW_KIND_ENDPOINT_SLICE:
		pack_slice(packer, (struct fw_endpoint_slice *)object);
		break;
	case FW_KIND_NETWORK_POLICY:
		pack_policy(packer, (struct fw_network_policy *)object);
		break;
	case FW_KIND_NODE:
		pack_node(packer, (struct fw_node_object *)object);
		break;
	case FW_KIND_NAMESPACE:
	case FW_KIND_COUNT:
		break;
	}
}

/* Lists first and strings last, so that little is lost to alignment. */
static void walk(struct packer *packer, const struct fw_object *object)
{
	union {
		struct fw_object object;
		struct fw_namespace namespace;
		struct fw_pod pod;
		struct fw_service_object service;
		struct fw_endpoint_slice slice;
		struct fw_network_policy policy;
		struct fw_node_object node;
	} scratch;
	size_t size = fw_object_size(object->kind);
	struct fw_object *to = take(packer, object, size, ALIGNMENT);

	memcpy(&scratch, object, size);
	if (!to)
		to = &scratch.object;
	pack_kind(packer, to);
	pack_head(packer, to);
}

int fw_object_pack(struct fw_object **object)
{
	_cleanup_(fw_object_free) struct fw_object *packed = NULL;
	struct packer packer = {0};
	size_t size;

	if ((*object)->packed)
		return 0;
	walk(&packer, *object);
	size = packer.block.used;
	if (size > UINT32_MAX)
		return -ENOMEM;
	packer = (struct packer){.block.data = malloc(size)};
	if (!packer.block.data)
		return -ENOMEM;
	walk(&packer, *object);
	packed = (struct fw_object *)packer.block.data;
	packed->packed = (uint32_t)size;
	if (packer.failed)
		return -ENOMEM;
	fw_object_free(object);
	*object = TAKE_PTR(packed);
	return 0;
}
