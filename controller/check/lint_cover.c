// SPDX-License-Identifier: Apache-2.0
/*
 * Rules, peers and ports that say nothing beside another one of the same policy; see lint.h. In:
 * the rules of one direction. Out: findings. By form alone: A covers B when whatever B matches, A
 * does, whatever pods there are; of two that cover each other the later one is told.
 */
#include <stdio.h>
#include <string.h>

#include "check/lint_inside.h"

static bool same_requirement(const struct fw_requirement *a, const struct fw_requirement *b)
{
	if (a->op != b->op || strcmp(a->key, b->key) != 0 || a->value_count != b->value_count)
		return false;
	for (size_t i = 0; i < a->value_count; i++) {
		if (strcmp(a->values[i], b->values[i]) != 0)
			return false;
	}
	return true;
}

/* Every requirement of A is one of B, too. */
static bool selector_covers(const struct fw_selector *a, const struct fw_selector *b)
{
	for (size_t i = 0; i < a->count; i++) {
		size_t k = 0;

		while (k < b->count && !same_requirement(&a->items[i], &b->items[k]))
			k++;
		if (k == b->count)
			return false;
	}
	return true;
}

static bool prefix_covers(const struct fw_prefix *a, const struct fw_prefix *b)
{
	return a->bits <= b->bits && fw_prefix_contains(a, &b->ip);
}

/* What A leaves out of B's block, B leaves out, too. */
static bool block_covers(const struct fw_policy_peer *a, const struct fw_policy_peer *b)
{
	if (!prefix_covers(&a->block, &b->block))
		return false;
	for (size_t i = 0; i < a->except_count; i++) {
		const struct fw_prefix *hole = &a->except[i];
		size_t k = 0;

		if (!prefix_covers(&b->block, hole) && !prefix_covers(hole, &b->block))
			continue;
		while (k < b->except_count && !prefix_covers(&b->except[k], hole))
			k++;
		if (k == b->except_count)
			return false;
	}
	return true;
}

static bool peer_covers(const struct fw_policy_peer *a, const struct fw_policy_peer *b)
{
	if (a->kind != b->kind || a->kind == FW_PEER_INVALID)
		return false;
	if (a->kind == FW_PEER_IP_BLOCK)
		return block_covers(a, b);
	if (!a->has_namespace_selector && b->has_namespace_selector)
		return false;
	/* the own namespace is one of all that an empty selector means, and of others nobody knows
	 */
	if (a->has_namespace_selector && !b->has_namespace_selector && a->namespace_selector.count)
		return false;
	return selector_covers(&a->namespace_selector, &b->namespace_selector) &&
	       selector_covers(&a->pod_selector, &b->pod_selector);
}

static bool port_covers(const struct fw_policy_port *a, const struct fw_policy_port *b)
{
	if (a->protocol != b->protocol || a->any)
		return a->protocol == b->protocol;
	if (a->name || b->name || b->any)
		return a->name && b->name && strcmp(a->name, b->name) == 0;
	return a->first <= b->first && b->last <= a->last;
}

static bool peers_cover(const struct fw_policy_rule *a, const struct fw_policy_rule *b)
{
	if (a->any_peer || b->any_peer)
		return a->any_peer;
	for (size_t i = 0; i < b->peer_count; i++) {
		size_t k = 0;

		while (k < a->peer_count && !peer_covers(&a->peers[k], &b->peers[i]))
			k++;
		if (k == a->peer_count)
			return false;
	}
	return true;
}

static bool ports_cover(const struct fw_policy_rule *a, const struct fw_policy_rule *b)
{
	if (a->any_port || b->any_port)
		return a->any_port;
	for (size_t i = 0; i < b->port_count; i++) {
		size_t k = 0;

		while (k < a->port_count && !port_covers(&a->ports[k], &b->ports[i]))
			k++;
		if (k == a->port_count)
			return false;
	}
	return true;
}

/* Items of one list, by index. */
typedef bool (*covers_fn)(const void *list, size_t a, size_t b);

static bool rule_at(const void *list, size_t a, size_t b)
{
	const struct fw_policy_rule *rules = list;

	return peers_cover(&rules[a], &rules[b]) && ports_cover(&rules[a], &rules[b]);
}

static bool peer_at(const void *list, size_t a, size_t b)
{
	const struct fw_policy_peer *peers = list;

	return peer_covers(&peers[a], &peers[b]);
}

static bool port_at(const void *list, size_t a, size_t b)
{
	const struct fw_policy_port *ports = list;

	return port_covers(&ports[a], &ports[b]);
}

/* Who covers item `index`; count: nobody. */
static size_t find_cover(const void *list, size_t count, size_t index, covers_fn covers)
{
	for (size_t i = 0; i < count; i++) {
		if (i != index && covers(list, i, index) && (i < index || !covers(list, index, i)))
			return i;
	}
	return count;
}

static void say_list(const struct fw_lint_run *run, const struct fw_network_policy *policy,
		     const char *path, const void *list, size_t count, covers_fn covers,
		     const char *name)
{
	for (size_t i = 0; i < count; i++) {
		size_t cover = find_cover(list, count, i, covers);
		char item[FW_LINT_PATH];

		if (cover == count)
			continue;
		(void)snprintf(item, sizeof(item), "%s[%zu]", path, i);
		fw_lint_say(run, &policy->object, item, name,
			    "allows nothing that %s[%zu] does not allow already", path, cover);
	}
}

void fw_lint_covered(const struct fw_lint_run *run, const struct fw_network_policy *policy,
		     int direction)
{
	const struct fw_policy_rule *rules = policy->rules[direction];
	const size_t count = policy->rule_count[direction];
	const char *list = fw_lint_list(direction);
	char path[FW_LINT_PATH];

	(void)snprintf(path, sizeof(path), "spec.%s", list);
	say_list(run, policy, path, rules, count, rule_at, "rule-covered");
	for (size_t i = 0; i < count; i++) {
		(void)snprintf(path, sizeof(path), "spec.%s[%zu].%s", list, i,
			       fw_lint_peers(direction));
		say_list(run, policy, path, rules[i].peers, rules[i].peer_count, peer_at,
			 "peer-covered");
		(void)snprintf(path, sizeof(path), "spec.%s[%zu].ports", list, i);
		say_list(run, policy, path, rules[i].ports, rules[i].port_count, port_at,
			 "port-covered");
	}
}
