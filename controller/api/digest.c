/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A digest of an object as it was decoded. In: an object. Out: 64 bits of SipHash-2-4 (Aumasson,
 * Bernstein 2012), keyed with a secret of this process: nobody who writes labels can make two
 * contents look equal. Where it came from is left out.
 */
#include "api/kinds.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <fw/abi.h>

struct digest {
	uint64_t v0, v1, v2, v3;
	uint64_t tail; /* the bytes of an incomplete word */
	uint64_t len;
};

static uint64_t rotate(uint64_t value, int by)
{
	return value << by | value >> (64 - by);
}

static void mix(struct digest *g)
{
	g->v0 += g->v1;
	g->v1 = rotate(g->v1, 13) ^ g->v0;
	g->v0 = rotate(g->v0, 32);
	g->v2 += g->v3;
	g->v3 = rotate(g->v3, 16) ^ g->v2;
	g->v0 += g->v3;
	g->v3 = rotate(g->v3, 21) ^ g->v0;
	g->v2 += g->v1;
	g->v1 = rotate(g->v1, 17) ^ g->v2;
	g->v2 = rotate(g->v2, 32);
}

static void add_word(struct digest *g, uint64_t word)
{
	g->v3 ^= word;
	mix(g);
	mix(g);
	g->v0 ^= word;
}

static void add_bytes(struct digest *g, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++) {
		g->tail |= (uint64_t)bytes[i] << (g->len % 8 * 8);
		if (++g->len % 8 == 0) {
			add_word(g, g->tail);
			g->tail = 0;
		}
	}
}

static void add_number(struct digest *g, uint64_t value)
{
	add_bytes(g, &value, sizeof(value));
}

/* With its length, so that neighbours cannot trade bytes; NULL differs from "". */
static void add_text(struct digest *g, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	add_number(g, text ? len : UINT64_MAX);
	add_bytes(g, text, len);
}

static void add_ips(struct digest *g, const struct fw_ip *ips, size_t count)
{
	add_number(g, count);
	for (size_t i = 0; i < count; i++)
		add_bytes(g, &ips[i], sizeof(ips[i]));
}

static void add_prefix(struct digest *g, const struct fw_prefix *prefix)
{
	add_bytes(g, &prefix->ip, sizeof(prefix->ip));
	add_number(g, prefix->bits);
}

static void add_pod(struct digest *g, const struct fw_pod *pod)
{
	add_text(g, pod->node);
	add_text(g, pod->workload_kind);
	add_text(g, pod->workload_name);
	add_text(g, pod->config_hash);
	add_number(g, (uint64_t)pod->host_network << 1 | pod->finished);
	add_ips(g, pod->ips, pod->ip_count);
	add_number(g, pod->port_count);
	for (size_t i = 0; i < pod->port_count; i++) {
		add_text(g, pod->ports[i].name);
		add_number(g, (uint64_t)pod->ports[i].protocol << 16 | pod->ports[i].port);
	}
}

static void add_service(struct digest *g, const struct fw_service_object *service)
{
	add_number(g, service->external_name);
	add_ips(g, service->ips, service->ip_count);
	add_number(g, service->cluster_ip_count);
	add_number(g, service->port_count);
	for (size_t i = 0; i < service->port_count; i++) {
		const struct fw_service_port *port = &service->ports[i];

		add_text(g, port->name);
		add_number(g, (uint64_t)port->protocol << 32 | (uint64_t)port->node_port << 16 |
				      port->port);
	}
}

static void add_slice(struct digest *g, const struct fw_endpoint_slice *slice)
{
	add_text(g, slice->service);
	add_number(g, (uint64_t)slice->unread << 2 | (uint64_t)slice->unknown_service << 1 |
			      slice->fqdn);
	add_number(g, slice->endpoint_count);
	for (size_t i = 0; i < slice->endpoint_count; i++) {
		const struct fw_slice_endpoint *endpoint = &slice->endpoints[i];

		add_bytes(g, &endpoint->ip, sizeof(endpoint->ip));
		add_number(g, (uint64_t)endpoint->ready << 2 | (uint64_t)endpoint->serving << 1 |
				      endpoint->terminating);
	}
	add_number(g, slice->port_count);
	for (size_t i = 0; i < slice->port_count; i++) {
		add_text(g, slice->ports[i].name);
		add_number(g, (uint64_t)slice->ports[i].protocol << 16 | slice->ports[i].port);
	}
}

static void add_selector(struct digest *g, const struct fw_selector *selector)
{
	add_number(g, selector->count);
	for (size_t i = 0; i < selector->count; i++) {
		const struct fw_requirement *requirement = &selector->items[i];

		add_text(g, requirement->key);
		add_number(g, requirement->op);
		add_number(g, requirement->value_count);
		for (size_t k = 0; k < requirement->value_count; k++)
			add_text(g, requirement->values[k]);
	}
}

static void add_peer(struct digest *g, const struct fw_policy_peer *peer)
{
	add_number(g, (uint64_t)peer->kind << 2 | (uint64_t)peer->has_namespace_selector << 1 |
			      peer->has_pod_selector);
	add_selector(g, &peer->namespace_selector);
	add_selector(g, &peer->pod_selector);
	add_prefix(g, &peer->block);
	add_number(g, peer->except_count);
	for (size_t i = 0; i < peer->except_count; i++)
		add_prefix(g, &peer->except[i]);
}

static void add_rule(struct digest *g, const struct fw_policy_rule *rule)
{
	add_number(g, (uint64_t)rule->any_peer << 1 | rule->any_port);
	add_number(g, rule->peer_count);
	for (size_t i = 0; i < rule->peer_count; i++)
		add_peer(g, &rule->peers[i]);
	add_number(g, rule->port_count);
	for (size_t i = 0; i < rule->port_count; i++) {
		const struct fw_policy_port *port = &rule->ports[i];

		add_text(g, port->name);
		add_number(g, (uint64_t)port->protocol << 40 | (uint64_t)port->any << 32 |
				      (uint64_t)port->first << 16 | port->last);
	}
}

static void add_policy(struct digest *g, const struct fw_network_policy *policy)
{
	add_selector(g, &policy->subject);
	for (int direction = 0; direction < 2; direction++) {
		add_number(g, policy->isolates[direction]);
		add_number(g, policy->rule_count[direction]);
		for (size_t i = 0; i < policy->rule_count[direction]; i++)
			add_rule(g, &policy->rules[direction][i]);
	}
	add_number(g, policy->audit);
	add_text(g, policy->replaces);
	add_text(g, policy->broken);
}

static void add_node(struct digest *g, const struct fw_node_object *node)
{
	add_ips(g, node->ips, node->ip_count);
	add_number(g, node->pod_range_count);
	for (size_t i = 0; i < node->pod_range_count; i++)
		add_prefix(g, &node->pod_ranges[i]);
}

static void add_kind(struct digest *g, const struct fw_object *object)
{
	switch (object->kind) {
	case FW_KIND_NAMESPACE:
		add_number(g, ((const struct fw_namespace *)object)->terminating);
		break;
	case FW_KIND_POD:
		add_pod(g, (const struct fw_pod *)object);
		break;
	case FW_KIND_SERVICE:
		add_service(g, (const struct fw_service_object *)object);
		break;
	case FW_KIND_ENDPOINT_SLICE:
		add_slice(g, (const struct fw_endpoint_slice *)object);
		break;
	case FW_KIND_NETWORK_POLICY:
		add_policy(g, (const struct fw_network_policy *)object);
		break;
	case FW_KIND_NODE:
		add_node(g, (const struct fw_node_object *)object);
		break;
	case FW_KIND_COUNT:
		break;
	}
}

static void begin(struct digest *g)
{
	static uint64_t key[2];
	static bool drawn;

	if (!drawn && getrandom(key, sizeof(key), GRND_NONBLOCK) != (ssize_t)sizeof(key)) {
		struct timespec now = {0};

		(void)clock_gettime(CLOCK_MONOTONIC, &now);
		key[0] = (uint64_t)now.tv_nsec;
		key[1] = (uint64_t)now.tv_sec;
	}
	drawn = true;
	*g = (struct digest){
		.v0 = key[0] ^ 0x736f6d6570736575u,
		.v1 = key[1] ^ 0x646f72616e646f6du,
		.v2 = key[0] ^ 0x6c7967656e657261u,
		.v3 = key[1] ^ 0x7465646279746573u,
	};
}

uint64_t fw_object_digest(const struct fw_object *object)
{
	struct digest g;
	uint64_t result;

	begin(&g);
	add_number(&g, object->kind);
	add_text(&g, object->namespace);
	add_text(&g, object->name);
	add_text(&g, object->uid);
	add_number(&g, (uint64_t)object->generation);
	add_number(&g, object->labels.count);
	for (size_t i = 0; i < object->labels.count; i++) {
		add_text(&g, object->labels.keys[i]);
		add_text(&g, object->labels.values[i]);
	}
	add_kind(&g, object);
	add_word(&g, g.len << 56 | g.tail);
	g.v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		mix(&g);
	result = g.v0 ^ g.v1 ^ g.v2 ^ g.v3;
	return result ? result : 1;
}
