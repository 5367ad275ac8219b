/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the text of one file of objects; a first byte 'j' makes it JSON. In: bytes. Out:
 * nothing; a crash, a leak or a broken promise of decode.h and model.h ends it. With FW_PLANTED_BUG
 * the JSON reader has one to be found.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "api/decode.h"
#include "api/field.h"
#include "api/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
	struct fw_model *model;
	uint64_t digests;
	size_t objects, errors;
};

static void check_selector(const struct fw_selector *selector)
{
	for (size_t i = 0; i < selector->count; i++) {
		const struct fw_requirement *requirement = &selector->items[i];
		bool listed = requirement->op == FW_OP_IN || requirement->op == FW_OP_NOT_IN;

		assert(!fw_check_label_key(requirement->key));
		assert(listed == (requirement->value_count > 0));
		assert(!i || strcmp(requirement[-1].key, requirement->key) <= 0);
		for (size_t k = 1; k < requirement->value_count; k++)
			assert(strcmp(requirement->values[k - 1], requirement->values[k]) < 0);
	}
}

static void check_peer(const struct fw_policy_peer *peer)
{
	assert(peer->kind == FW_PEER_SELECTOR || peer->kind == FW_PEER_IP_BLOCK);
	check_selector(&peer->namespace_selector);
	check_selector(&peer->pod_selector);
	assert((peer->kind == FW_PEER_SELECTOR) ==
	       (peer->has_pod_selector || peer->has_namespace_selector));
	for (size_t i = 0; i < peer->except_count; i++) {
		assert(peer->except[i].bits > peer->block.bits);
		assert(fw_prefix_contains(&peer->block, &peer->except[i].ip));
	}
}

static void check_rule(const struct fw_policy_rule *rule)
{
	assert(rule->any_peer == !rule->peer_count && rule->any_port == !rule->port_count);
	for (size_t i = 0; i < rule->peer_count; i++)
		check_peer(&rule->peers[i]);
	for (size_t i = 0; i < rule->port_count; i++) {
		const struct fw_policy_port *port = &rule->ports[i];

		assert(port->protocol == FW_PROTO_TCP || port->protocol == FW_PROTO_UDP ||
		       port->protocol == FW_PROTO_SCTP);
		assert(!port->name || !fw_check_port_name(port->name));
		assert(port->any || port->name || (port->first && port->first <= port->last));
	}
}

static void check_policy(const struct fw_network_policy *policy)
{
	check_selector(&policy->subject);
	assert(policy->isolates[0] || policy->isolates[1]);
	for (int direction = 0; direction < 2; direction++)
		for (size_t i = 0; i < policy->rule_count[direction]; i++)
			check_rule(&policy->rules[direction][i]);
}

static void take_object(struct fw_object *object, void *context)
{
	struct run *run = context;
	bool changed;

	assert(object->digest && object->uid && object->origin);
	assert(!fw_check_subdomain(object->name));
	assert(!*object->namespace || !fw_check_label(object->namespace));
	for (size_t i = 0; i < object->labels.count; i++) {
		assert(!fw_check_label_value(object->labels.values[i]));
		assert(!i || strcmp(object->labels.keys[i - 1], object->labels.keys[i]) < 0);
	}
	if (object->kind == FW_KIND_NETWORK_POLICY)
		check_policy((const struct fw_network_policy *)object);
	if (object->kind == FW_KIND_POD && ((const struct fw_pod *)object)->ip_count)
		(void)fw_model_pod_by_ip(run->model, ((const struct fw_pod *)object)->ips);
	run->objects++;
	run->digests = run->digests * 31 + object->digest;
	assert(!fw_model_put(run->model, object, &changed));
}

static void take_error(unsigned int document, unsigned int line, enum fw_kind kind,
		       const char *namespace, const char *name, const char *text, void *context)
{
	(void)line;
	assert(document && *text && strlen(text) < FW_ERR_TEXT);
	assert(kind == FW_KIND_COUNT ? !*namespace && !*name : *name);
	((struct run *)context)->errors++;
}

static void run_once(const uint8_t *data, size_t size, struct run *run)
{
	const struct fw_decode_handler handler = {
		.object = take_object, .error = take_error, .context = run};
	bool json = size && data[0] == 'j';
	int r;

	assert(!fw_model_new(&run->model));
	r = fw_decode_text(json ? "f.json" : "f.yaml", (const char *)data + json, size - json,
			   &handler);
	assert(!r);
	fw_model_free(&run->model);
}

/* Members that nobody reads are checked like all others: the same verdict, line and words. */
static void check_unread(const char *text, size_t len)
{
	static const struct fw_tree_path paths[] = {
		{{"spec"}}, {{"metadata", "labels"}}, {{"items", "spec", "ingress"}}, {{NULL}}};
	struct fw_tree_budget whole = {.most = 10000}, part = {.most = 10000, .unread = paths};
	struct fw_err err = {""}, other = {""};
	cJSON *tree = NULL, *without = NULL;
	unsigned int line, other_line;
	int r = fw_tree_json(text, len, &whole, &tree, &line, &err);

	assert(fw_tree_json(text, len, &part, &without, &other_line, &other) == r);
	assert(line == other_line && whole.nodes == part.nodes && !strcmp(err.text, other.text));
	cJSON_Delete(tree);
	cJSON_Delete(without);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run first = {0}, second = {0};

	run_once(data, size, &first);
	run_once(data, size, &second);
	assert(first.objects == second.objects && first.errors == second.errors &&
	       first.digests == second.digests);
	if (size && data[0] == 'j')
		check_unread((const char *)data + 1, size - 1);
	return 0;
}
