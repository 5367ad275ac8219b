/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of one object: made empty, freed with everything it owns. In: objects of any kind,
 * half-built ones too. Out: nothing remains. Must never read a field that the kind does not have.
 */
#include "model/model.h"

#include <stdlib.h>

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

static void free_strings(char **strings, size_t count)
{
	for (size_t i = 0; strings && i < count; i++)
		free(strings[i]);
	free(strings);
}

static void done_selector(struct fw_selector *selector)
{
	for (size_t i = 0; selector->items && i < selector->count; i++) {
		free(selector->items[i].key);
		free_strings(selector->items[i].values, selector->items[i].value_count);
	}
	free(selector->items);
}

static void done_pod(struct fw_pod *pod)
{
	free(pod->node);
	free(pod->service_account);
	free(pod->workload_kind);
	free(pod->workload_name);
	free(pod->config_hash);
	free(pod->ips);
	for (size_t i = 0; pod->ports && i < pod->port_count; i++)
		free(pod->ports[i].name);
	free(pod->ports);
}

static void done_service(struct fw_service_object *service)
{
	free(service->ips);
	for (size_t i = 0; service->ports && i < service->port_count; i++)
		free(service->ports[i].name);
	free(service->ports);
}

static void done_slice(struct fw_endpoint_slice *slice)
{
	free(slice->service);
	for (size_t i = 0; slice->endpoints && i < slice->endpoint_count; i++) {
		free(slice->endpoints[i].ips);
		free(slice->endpoints[i].target_namespace);
		free(slice->endpoints[i].target_name);
		free(slice->endpoints[i].node);
	}
	free(slice->endpoints);
	for (size_t i = 0; slice->ports && i < slice->port_count; i++)
		free(slice->ports[i].name);
	free(slice->ports);
}

static void done_rule(struct fw_policy_rule *rule)
{
	for (size_t i = 0; rule->peers && i < rule->peer_count; i++) {
		done_selector(&rule->peers[i].namespace_selector);
		done_selector(&rule->peers[i].pod_selector);
		free(rule->peers[i].except);
	}
	free(rule->peers);
	for (size_t i = 0; rule->ports && i < rule->port_count; i++)
		free(rule->ports[i].name);
	free(rule->ports);
}

static void done_policy(struct fw_network_policy *policy)
{
	done_selector(&policy->subject);
	for (int direction = 0; direction < 2; direction++) {
		struct fw_policy_rule *rules = policy->rules[direction];

		for (size_t i = 0; rules && i < policy->rule_count[direction]; i++)
			done_rule(&rules[i]);
		free(rules);
	}
	free(policy->replaces);
	free(policy->broken);
}

static void done_kind(struct fw_object *object)
{
	switch (object->kind) {
	case FW_KIND_POD:
		done_pod((struct fw_pod *)object);
		break;
	case FW_KIND_SERVICE:
		done_service((struct fw_service_object *)object);
		break;
	case FW_KIND_ENDPOINT_SLICE:
		done_slice((struct fw_endpoint_slice *)object);
		break;
	case FW_KIND_NETWORK_POLICY:
		done_policy((struct fw_network_policy *)object);
		break;
	case FW_KIND_NODE:
		free(((struct fw_node_object *)object)->ips);
		free(((struct fw_node_object *)object)->pod_ranges);
		break;
	case FW_KIND_NAMESPACE:
	case FW_KIND_COUNT:
		break;
	}
}

void fw_object_free(struct fw_object **object)
{
	struct fw_object *o = *object;

	if (!o)
		return;
	*object = NULL;
	if (o->packed) {
		free(o);
		return;
	}
	done_kind(o);
	for (size_t i = 0; o->labels.items && i < o->labels.count; i++) {
		free(o->labels.items[i].key);
		free(o->labels.items[i].value);
	}
	free(o->labels.items);
	free(o->namespace);
	free(o->name);
	free(o->uid);
	free(o->origin);
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
