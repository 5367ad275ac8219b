/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of one object: made empty, freed with everything it owns. In: objects of any kind,
 * half-built ones too. Out: nothing remains. Must never read a field that the kind does not have.
 */
#include "model/model.h"

#include <stdlib.h>

#include "model/lists.h"
#include "model/text.h"

static const struct {
	const char *name;
	size_t size;
} kinds[FW_KIND_COUNT] = {
	[FW_KIND_NAMESPACE] = {"Namespace", sizeof(struct fw_namespace)},
	[FW_KIND_POD] = {"Pod", sizeof(struct fw_pod)},
	[FW_KIND_SERVICE] = {"Service", sizeof(struct fw_service_object)},
	[FW_KIND_ENDPOINT_SLICE] = {"EndpointSlice", sizeof(struct fw_endpoint_slice)},
	[FW_KIND_NETWORK_POLICY] = {"NetworkPolicy", sizeof(struct fw_network_policy)},
	[FW_KIND_NODE] = {"Node", sizeof(struct fw_node_object)},
};

const char *fw_kind_name(enum fw_kind kind)
{
	return (unsigned int)kind < FW_KIND_COUNT ? kinds[kind].name : "object";
}

struct fw_object *fw_object_new(enum fw_kind kind)
{
	struct fw_object *object = NULL;

	if ((unsigned int)kind < FW_KIND_COUNT)
		object = calloc(1, kinds[kind].size);
	if (object)
		object->kind = kind;
	return object;
}

size_t fw_object_size(enum fw_kind kind)
{
	return kinds[kind].size;
}

/* A packed object has its lists and some strings in its own block; the others it shares. */
static void drop_list(const struct fw_object *object, void *list)
{
	if (!object->packed)
		free(list);
}

static void drop_text(const struct fw_object *object, char *text)
{
	if (!object->packed)
		free(text);
	else if ((uintptr_t)text - (uintptr_t)object >= object->packed)
		fw_text_drop(text);
}

static void done_labels(const struct fw_object *object, struct fw_labels *labels)
{
	for (size_t i = 0; i < labels->count; i++) {
		if (labels->values)
			drop_text(object, labels->values[i]);
		if (labels->keys && !object->packed)
			free(labels->keys[i]);
	}
	drop_list(object, labels->values);
	if (object->packed)
		fw_list_drop(labels->keys);
	else
		free(labels->keys);
	*labels = (struct fw_labels){0};
}

static void done_requirement(const struct fw_object *object, struct fw_requirement *requirement)
{
	for (size_t i = 0; requirement->values && i < requirement->value_count; i++)
		drop_text(object, requirement->values[i]);
	drop_list(object, requirement->values);
	drop_text(object, requirement->key);
}

static void done_selector(const struct fw_object *object, struct fw_selector *selector)
{
	for (size_t i = 0; selector->items && i < selector->count; i++)
		done_requirement(object, &selector->items[i]);
	drop_list(object, selector->items);
}

static void done_pod(const struct fw_object *object, struct fw_pod *pod)
{
	drop_text(object, pod->node);
	drop_text(object, pod->workload_kind);
	drop_text(object, pod->workload_name);
	drop_text(object, pod->config_hash);
	drop_list(object, pod->ips);
	if (object->packed) {
		fw_list_drop(pod->ports);
		return;
	}
	for (size_t i = 0; pod->ports && i < pod->port_count; i++)
		free(pod->ports[i].name);
	free(pod->ports);
}

static void done_service(const struct fw_object *object, struct fw_service_object *service)
{
	drop_list(object, service->ips);
	for (size_t i = 0; service->ports && i < service->port_count; i++)
		drop_text(object, service->ports[i].name);
	drop_list(object, service->ports);
}

static void done_slice(const struct fw_object *object, struct fw_endpoint_slice *slice)
{
	drop_text(object, slice->service);
	drop_list(object, slice->endpoints);
	for (size_t i = 0; slice->ports && i < slice->port_count; i++)
		drop_text(object, slice->ports[i].name);
	drop_list(object, slice->ports);
}

static void done_rule(const struct fw_object *object, struct fw_policy_rule *rule)
{
	for (size_t i = 0; rule->peers && i < rule->peer_count; i++) {
		done_selector(object, &rule->peers[i].namespace_selector);
		done_selector(object, &rule->peers[i].pod_selector);
		drop_list(object, rule->peers[i].except);
	}
	drop_list(object, rule->peers);
	for (size_t i = 0; rule->ports && i < rule->port_count; i++)
		drop_text(object, rule->ports[i].name);
	drop_list(object, rule->ports);
}

static void done_policy(const struct fw_object *object, struct fw_network_policy *policy)
{
	done_selector(object, &policy->subject);
	for (int direction = 0; direction < 2; direction++) {
		struct fw_policy_rule *rules = policy->rules[direction];

		for (size_t i = 0; rules && i < policy->rule_count[direction]; i++)
			done_rule(object, &rules[i]);
		drop_list(object, rules);
	}
	drop_text(object, policy->replaces);
	drop_text(object, policy->broken);
}

static void done_kind(struct fw_object *object)
{
	switch (object->kind) {
	case FW_KIND_POD:
		done_pod(object, (struct fw_pod *)object);
		break;
	case FW_KIND_SERVICE:
		done_service(object, (struct fw_service_object *)object);
		break;
	case FW_KIND_ENDPOINT_SLICE:
		done_slice(object, (struct fw_endpoint_slice *)object);
		break;
	case FW_KIND_NETWORK_POLICY:
		done_policy(object, (struct fw_network_policy *)object);
		break;
	case FW_KIND_NODE:
		drop_list(object, ((struct fw_node_object *)object)->ips);
		drop_list(object, ((struct fw_node_object *)object)->pod_ranges);
		break;
	case FW_KIND_NAMESPACE:
	case FW_KIND_COUNT:
		break;
	}
}

void fw_object_drop_labels(struct fw_object *object)
{
	done_labels(object, &object->labels);
}

void fw_object_free(struct fw_object **object)
{
	struct fw_object *o = *object;

	if (!o)
		return;
	*object = NULL;
	done_kind(o);
	done_labels(o, &o->labels);
	drop_text(o, o->namespace);
	drop_text(o, o->name);
	drop_text(o, o->uid);
	drop_text(o, o->origin);
	free(o);
}

void fw_sandbox_free(struct fw_sandbox **sandbox)
{
	struct fw_sandbox *s = *sandbox;

	if (!s)
		return;
	free(s->container_id);
	free(s->ifname);
	free(s->namespace);
	free(s->name);
	free(s->uid);
	free(s->ips);
	free(s);
	*sandbox = NULL;
}
