/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects made in memory, for tests and benchmarks of the compiler: a cluster of any size,
 * deterministic by seed. In: numbers. Out: owned objects, as the decoder would have made them.
 * Aborts when memory runs out: never in a product.
 */
#ifndef FW_TESTS_COMPILE_WORLD_H
#define FW_TESTS_COMPILE_WORLD_H

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"

static inline void *world_alloc(size_t count, size_t size)
{
	void *memory = calloc(count ? count : 1, size);

	if (!memory)
		abort();
	return memory;
}

static inline char *world_text(const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		abort();
	return copy;
}

__attribute__((format(printf, 1, 2))) static inline char *world_format(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	return text;
}

static inline uint64_t world_random(uint64_t *seed)
{
	uint64_t x = *seed += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static inline unsigned int world_pick(uint64_t *seed, unsigned int below)
{
	return (unsigned int)(world_random(seed) % below);
}

/* Every object gets a digest of its own: it differs from all before it. */
static inline void world_head(struct fw_object *object, enum fw_kind kind, char *namespace,
			      char *name)
{
	static uint64_t digest;

	object->kind = kind;
	object->namespace = namespace;
	object->name = name;
	object->uid = world_text("");
	object->origin = world_text("memory");
	object->digest = ++digest;
}

/* "key=value" pairs; sorted by key. The list ends with NULL. Takes the texts. */
static inline void world_labels(struct fw_labels *labels, char **pairs)
{
	size_t count = 0;

	while (pairs[count])
		count++;
	labels->keys = world_alloc(count, sizeof(*labels->keys));
	labels->values = world_alloc(count, sizeof(*labels->values));
	for (size_t i = 0; i < count; i++) {
		char *equals = strchr(pairs[i], '=');
		char *key = strndup(pairs[i], (size_t)(equals - pairs[i]));
		size_t at = labels->count++;

		for (; at && strcmp(labels->keys[at - 1], key) > 0; at--) {
			labels->keys[at] = labels->keys[at - 1];
			labels->values[at] = labels->values[at - 1];
		}
		labels->keys[at] = key;
		labels->values[at] = world_text(equals + 1);
		free(pairs[i]);
	}
}

static inline struct fw_ip world_ip4(uint32_t address)
{
	return fw_ip_from4(htonl(address));
}

static inline struct fw_ip world_ip6(uint32_t low)
{
	struct fw_ip ip = {.b = {0xfd, 0x10}};
	uint32_t be = htonl(low);

	memcpy(ip.b + 12, &be, 4);
	return ip;
}

static inline void world_in(struct fw_selector *selector, const char *key, const char *value)
{
	struct fw_requirement *item;
	size_t at = selector->count++;

	selector->items = reallocarray(selector->items, selector->count, sizeof(*item));
	if (!selector->items)
		abort();
	for (; at && strcmp(selector->items[at - 1].key, key) > 0; at--)
		selector->items[at] = selector->items[at - 1];
	item = &selector->items[at];
	*item = (struct fw_requirement){.key = world_text(key), .op = FW_OP_IN, .value_count = 1};
	item->values = world_alloc(1, sizeof(*item->values));
	item->values[0] = world_text(value);
}

static inline struct fw_policy_rule *world_rule(struct fw_network_policy *policy, int direction)
{
	size_t count = ++policy->rule_count[direction];

	policy->rules[direction] =
		reallocarray(policy->rules[direction], count, sizeof(struct fw_policy_rule));
	if (!policy->rules[direction])
		abort();
	policy->rules[direction][count - 1] =
		(struct fw_policy_rule){.any_peer = true, .any_port = true};
	return &policy->rules[direction][count - 1];
}

static inline struct fw_policy_peer *world_peer(struct fw_policy_rule *rule)
{
	rule->any_peer = false;
	rule->peers = reallocarray(rule->peers, ++rule->peer_count, sizeof(*rule->peers));
	if (!rule->peers)
		abort();
	rule->peers[rule->peer_count - 1] = (struct fw_policy_peer){.kind = FW_PEER_SELECTOR};
	return &rule->peers[rule->peer_count - 1];
}

static inline void world_port(struct fw_policy_rule *rule, uint8_t protocol, uint16_t first,
			      uint16_t last, const char *name)
{
	rule->any_port = false;
	rule->ports = reallocarray(rule->ports, ++rule->port_count, sizeof(*rule->ports));
	if (!rule->ports)
		abort();
	rule->ports[rule->port_count - 1] =
		(struct fw_policy_port){.protocol = protocol,
					.first = first,
					.last = last,
					.name = name ? world_text(name) : NULL};
}

struct world_size {
	unsigned int namespaces, pods, policies, services, nodes, apps, teams;
};

static inline struct fw_object *world_namespace(unsigned int n, unsigned int team)
{
	struct fw_namespace *namespace = world_alloc(1, sizeof(*namespace));
	char *pairs[] = {world_format("team=team-%u", team),
			 world_format("kubernetes.io/metadata.name=ns-%u", n),
			 world_format("env=%s", n % 3 ? "prod" : "test"), NULL};

	world_head(&namespace->object, FW_KIND_NAMESPACE, world_text(""), world_format("ns-%u", n));
	world_labels(&namespace->object.labels, pairs);
	return &namespace->object;
}

/* app, tier and the rollout's hash decide the labels; `index` the name and the addresses. */
static inline struct fw_object *world_pod(const struct world_size *size, unsigned int index,
					  unsigned int app, uint64_t hash)
{
	static const char *const tiers[] = {"front", "back", "data"};
	struct fw_pod *pod = world_alloc(1, sizeof(*pod));
	unsigned int namespace = index % size->namespaces;
	char *pairs[] = {world_format("app=app-%u", app), world_format("tier=%s", tiers[app % 3]),
			 world_format("pod-template-hash=%08x", (unsigned int)hash),
			 world_format("app.kubernetes.io/part-of=part-%u", namespace % 20), NULL};

	world_head(&pod->object, FW_KIND_POD, world_format("ns-%u", namespace),
		   world_format("app-%u-%u", app, index));
	free(pod->object.name);
	pod->object.name = world_format("pod-%05u", index);
	world_labels(&pod->object.labels, pairs);
	pod->node = world_format("node-%u", index / size->namespaces % size->nodes);
	pod->workload_kind = world_text("Deployment");
	pod->workload_name = world_format("app-%u", app);
	pod->config_hash = world_text("");
	pod->ip_count = 2;
	pod->ips = world_alloc(2, sizeof(*pod->ips));
	pod->ips[0] = world_ip4(0x0a000000u + 0x100u + index);
	pod->ips[1] = world_ip6(0x100u + index);
	pod->port_count = 2;
	pod->ports = world_alloc(2, sizeof(*pod->ports));
	pod->ports[0] = (struct fw_container_port){
		.name = world_text("http"), .port = app % 2 ? 8080 : 80, .protocol = FW_PROTO_TCP};
	pod->ports[1] = (struct fw_container_port){
		.name = world_text("metrics"), .port = 9090, .protocol = FW_PROTO_TCP};
	return &pod->object;
}

static inline void world_own_app(struct fw_policy_rule *rule, unsigned int app)
{
	struct fw_policy_peer *peer = world_peer(rule);
	char text[32];

	(void)snprintf(text, sizeof(text), "app-%u", app);
	peer->has_pod_selector = true;
	world_in(&peer->pod_selector, "app", text);
}

static inline void world_team(struct fw_policy_rule *rule, unsigned int team)
{
	struct fw_policy_peer *peer = world_peer(rule);
	char text[32];

	(void)snprintf(text, sizeof(text), "team-%u", team);
	peer->has_namespace_selector = true;
	world_in(&peer->namespace_selector, "team", text);
}

static inline void world_block(struct fw_policy_rule *rule, uint32_t address, uint8_t bits)
{
	struct fw_policy_peer *peer = world_peer(rule);

	peer->kind = FW_PEER_IP_BLOCK;
	peer->block = (struct fw_prefix){.ip = world_ip4(address), .bits = (uint8_t)(96 + bits)};
	if (bits <= 24) {
		peer->except_count = 1;
		peer->except = world_alloc(1, sizeof(*peer->except));
		peer->except[0] =
			(struct fw_prefix){.ip = world_ip4(address | 0x10), .bits = 96 + 28};
	}
}

/* Policy `index`: its shape by index, what it names by seed. */
static inline struct fw_object *world_policy(const struct world_size *size, unsigned int index,
					     uint64_t *seed)
{
	struct fw_network_policy *policy = world_alloc(1, sizeof(*policy));
	unsigned int namespace = index % size->namespaces, shape = index / size->namespaces % 5;
	unsigned int app = world_pick(seed, size->apps);
	char text[32];

	(void)snprintf(text, sizeof(text), "app-%u", app);
	world_head(&policy->object, FW_KIND_NETWORK_POLICY, world_format("ns-%u", namespace),
		   world_format("policy-%u", index / size->namespaces));
	policy->isolates[0] = true;
	if (shape) /* the first of each namespace selects every pod */
		world_in(&policy->subject, "app", text);
	if (shape == 1 || shape == 2) {
		struct fw_policy_rule *rule = world_rule(policy, 0);

		world_own_app(rule, world_pick(seed, size->apps));
		world_port(rule, FW_PROTO_TCP, 80, 80, shape == 1 ? "http" : NULL);
		rule = world_rule(policy, 0);
		world_team(rule, world_pick(seed, size->teams));
		world_port(rule, FW_PROTO_TCP, 9000, 9100, NULL);
	} else if (shape == 3) {
		struct fw_policy_rule *rule = world_rule(policy, 1);

		policy->isolates[0] = false;
		policy->isolates[1] = true;
		world_own_app(rule, world_pick(seed, size->apps));
		world_own_app(rule, world_pick(seed, size->apps));
		world_port(rule, FW_PROTO_TCP, 0, 0, "http");
		rule = world_rule(policy, 1);
		world_port(rule, FW_PROTO_UDP, 53, 53, NULL);
	} else if (shape == 4) {
		struct fw_policy_rule *rule = world_rule(policy, 1);

		policy->isolates[1] = true;
		world_block(rule, 0xc0a80000u + (world_pick(seed, 64) << 8), 24);
		world_port(rule, FW_PROTO_TCP, 443, 443, NULL);
		world_own_app(world_rule(policy, 0), world_pick(seed, size->apps));
	}
	return &policy->object;
}

static inline struct fw_object *world_service(const struct world_size *size, unsigned int index)
{
	struct fw_service_object *service = world_alloc(1, sizeof(*service));

	world_head(&service->object, FW_KIND_SERVICE,
		   world_format("ns-%u", index % size->namespaces),
		   world_format("service-%u", index));
	service->ip_count = service->port_count = 1;
	service->ips = world_alloc(1, sizeof(*service->ips));
	service->ips[0] = world_ip4(0x0a600000u + 1 + index);
	service->ports = world_alloc(1, sizeof(*service->ports));
	service->ports[0] = (struct fw_service_port){
		.name = world_text("http"), .port = 80, .protocol = FW_PROTO_TCP};
	return &service->object;
}

/* Backends: `count` pods of the namespace, from `first` on. */
static inline struct fw_object *world_slice(const struct world_size *size, unsigned int index,
					    unsigned int first, unsigned int count)
{
	struct fw_endpoint_slice *slice = world_alloc(1, sizeof(*slice));
	unsigned int namespace = index % size->namespaces;

	world_head(&slice->object, FW_KIND_ENDPOINT_SLICE, world_format("ns-%u", namespace),
		   world_format("service-%u-x", index));
	slice->service = world_format("service-%u", index);
	slice->port_count = 1;
	slice->ports = world_alloc(1, sizeof(*slice->ports));
	slice->ports[0] = (struct fw_slice_port){
		.name = world_text("http"), .port = 8080, .protocol = FW_PROTO_TCP};
	slice->endpoint_count = count;
	slice->endpoints = world_alloc(count, sizeof(*slice->endpoints));
	for (unsigned int i = 0; i < count; i++) {
		unsigned int pod = (namespace + (first + i) * size->namespaces) % size->pods;
		struct fw_slice_endpoint *endpoint = &slice->endpoints[i];

		endpoint->ready = endpoint->serving = true;
		endpoint->ip = world_ip4(0x0a000000u + 0x100u + pod);
	}
	return &slice->object;
}

static inline void world_put(struct fw_model *model, struct fw_object *object)
{
	bool changed;

	/* as the decoder does */
	if (fw_object_pack(&object) || fw_model_put(model, object, &changed) || !changed)
		abort();
}

static inline void world_fill(struct fw_model *model, const struct world_size *size, uint64_t *seed)
{
	for (unsigned int i = 0; i < size->namespaces; i++)
		world_put(model, world_namespace(i, i % size->teams));
	for (unsigned int i = 0; i < size->pods; i++)
		world_put(model, world_pod(size, i, i / size->namespaces % size->apps,
					   world_random(seed)));
	for (unsigned int i = 0; i < size->policies; i++)
		world_put(model, world_policy(size, i, seed));
	for (unsigned int i = 0; i < size->services; i++) {
		world_put(model, world_service(size, i));
		world_put(model, world_slice(size, i, i / size->namespaces * 5, 20));
	}
}

#endif
