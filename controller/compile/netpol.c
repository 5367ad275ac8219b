/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NetworkPolicy (networking.k8s.io/v1) to item. In: the decoded, defaulted object. Out: an item of
 * the application layer. Edge cases 1 to 16; what cannot be compiled whole isolates and allows
 * nothing. Never guesses.
 */
#include <stdio.h>
#include <string.h>

#include "base/block.h"
#include "compile/item.h"
#include "compile/match.h"

#define KIND "netpol"

static int add_span(struct fw_item_rule *rule, uint32_t lo, uint32_t hi)
{
	rule->spans[rule->span_count++] = (struct fw_span){.lo = lo, .hi = hi};
	return 0;
}

static int read_port(struct fw_terms *terms, const struct fw_policy_port *port,
		     struct fw_item_rule *rule)
{
	if (port->any) /* edge case 5: every port of this protocol, nothing else */
		return add_span(rule, FW_RANGE_KEY(port->protocol, 0),
				FW_RANGE_KEY(port->protocol, 0xffff));
	if (!port->name) {
		if (port->first <= port->last)
			add_span(rule, FW_RANGE_KEY(port->protocol, port->first),
				 FW_RANGE_KEY(port->protocol, port->last));
		return 0;
	}
	return fw_portname_intern(terms, port->name, port->protocol,
				  &rule->names[rule->name_count++]);
}

static int read_ports(struct fw_terms *terms, const struct fw_policy_rule *from,
		      struct fw_item_rule *rule)
{
	rule->spans = calloc(from->port_count + 1, sizeof(*rule->spans));
	rule->names = calloc(from->port_count + 1, sizeof(*rule->names));
	if (!rule->spans || !rule->names)
		return -ENOMEM;
	if (from->any_port)
		return add_span(rule, 0, FW_RANGE_ALL_HI);
	for (size_t i = 0; i < from->port_count; i++) {
		int r = read_port(terms, &from->ports[i], rule);

		if (r)
			return r;
	}
	return 0;
}

/* Edge case 15: a named port belongs to pods that a selector names, or to every pod; never to an
 * ipBlock. */
static int use_names(struct fw_terms *terms, const struct fw_item_rule *rule)
{
	for (size_t n = 0; n < rule->name_count; n++) {
		int r = rule->any ? fw_portname_use(terms, rule->names[n], FW_TERM_NONE) : 0;

		for (size_t p = 0; !r && p < rule->peer_count; p++) {
			if (!rule->peers[p]->is_block)
				r = fw_portname_use(terms, rule->names[n], rule->peers[p]->id);
		}
		if (r)
			return r;
	}
	return 0;
}

static int read_rule(struct fw_terms *terms, const char *namespace, uint8_t direction,
		     const struct fw_policy_rule *from, struct fw_item_rule *rule)
{
	int r = read_ports(terms, from, rule);

	rule->action = FW_ACTION_ACCEPT;
	rule->any = from->any_peer;
	rule->peers = calloc(from->peer_count + 1, sizeof(*rule->peers));
	if (r || !rule->peers)
		return -ENOMEM;
	for (size_t i = 0; !rule->any && i < from->peer_count; i++) {
		if (from->peers[i].kind == FW_PEER_INVALID) /* an accept that matches nothing */
			continue;
		r = fw_terms_intern(terms, namespace, &from->peers[i],
				    &rule->peers[rule->peer_count]);
		if (r)
			return r;
		rule->peer_count++;
	}
	return direction == FW_EGRESS ? use_names(terms, rule) : 0;
}

static int read_rules(struct fw_terms *terms, const struct fw_network_policy *policy,
		      uint8_t direction, struct fw_item *item)
{
	size_t count =
		item->isolates[direction] && !item->broken ? policy->rule_count[direction] : 0;

	item->rules[direction] = calloc(count + 1, sizeof(**item->rules));
	if (!item->rules[direction])
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		int r = read_rule(terms, item->namespace, direction, &policy->rules[direction][i],
				  &item->rules[direction][i]);

		item->rule_count[direction]++; /* also what was read in part is freed */
		if (r)
			return r;
	}
	return 0;
}

static void hash_rule(struct fw_hasher *hasher, const struct fw_terms *terms,
		      const struct fw_item_rule *rule)
{
	fw_hasher_number(hasher, rule->any);
	fw_hasher_number(hasher, rule->action);
	fw_hasher_number(hasher, rule->peer_count);
	for (size_t i = 0; i < rule->peer_count; i++)
		fw_hasher_digest(hasher, &rule->peers[i]->digest);
	fw_hasher_number(hasher, rule->span_count);
	for (size_t i = 0; i < rule->span_count; i++) {
		fw_hasher_number(hasher, rule->spans[i].lo);
		fw_hasher_number(hasher, rule->spans[i].hi);
	}
	fw_hasher_number(hasher, rule->name_count);
	for (size_t i = 0; i < rule->name_count; i++) {
		const struct fw_portname *portname = terms->portnames.items[rule->names[i]];

		fw_hasher_text(hasher, portname->name);
		fw_hasher_number(hasher, portname->protocol);
	}
}

static struct fw_digest digest_item(const struct fw_terms *terms, const struct fw_item *item)
{
	struct fw_hasher hasher;

	fw_hasher_init(&hasher);
	fw_hasher_number(&hasher, item->layer);
	fw_hasher_text(&hasher, item->kind);
	fw_hasher_text(&hasher, item->namespace);
	fw_hasher_text(&hasher, item->name);
	fw_hasher_number(&hasher, item->audit);
	fw_hasher_text(&hasher, item->replaces);
	fw_hasher_text(&hasher, item->broken);
	for (int direction = 0; direction < 2; direction++) {
		fw_hasher_number(&hasher, item->isolates[direction]);
		fw_hasher_number(&hasher, item->rule_count[direction]);
		for (size_t i = 0; i < item->rule_count[direction]; i++)
			hash_rule(&hasher, terms, &item->rules[direction][i]);
	}
	return fw_hasher_done(&hasher);
}

static bool starts_with(const char *text, const char *start)
{
	return !strncmp(text, start, strlen(start));
}

/* Fails closed: whom and which direction it selects may be what could not be read. */
static void read_head(const struct fw_network_policy *policy, struct fw_item *ret_draft)
{
	const char *broken = policy->broken;
	bool everybody = broken && starts_with(broken, "spec.podSelector");
	bool both = broken && ((!policy->isolates[0] && !policy->isolates[1]) ||
			       starts_with(broken, "spec.policyTypes"));

	*ret_draft = (struct fw_item){
		.layer = FW_LAYER_APPLICATION,
		.kind = KIND,
		.namespace = policy->object.namespace,
		.name = policy->object.name,
		.audit = policy->audit,
		.isolates = {policy->isolates[0] || both, policy->isolates[1] || both},
		.replaces = policy->replaces,
		.broken = broken,
		.subject = everybody ? (struct fw_selector){0} : policy->subject,
	};
}

static void lay_rule(struct fw_block *block, struct fw_item_rule *rule)
{
	rule->peers = fw_block_take(block, rule->peers, rule->peer_count * sizeof(*rule->peers),
				    FW_BLOCK_ALIGNMENT);
	rule->spans = fw_block_take(block, rule->spans, rule->span_count * sizeof(*rule->spans),
				    FW_BLOCK_ALIGNMENT);
	rule->names = fw_block_take(block, rule->names, rule->name_count * sizeof(*rule->names),
				    FW_BLOCK_ALIGNMENT);
}

/* The item, and behind it what it owns; the name is the end of the title. */
static struct fw_item *lay(struct fw_block *block, const struct fw_item *draft, const char *title)
{
	struct fw_item *item = fw_block_take(block, draft, sizeof(*draft), FW_BLOCK_ALIGNMENT);
	struct fw_item measured = *draft, *to = item ? item : &measured;

	for (int direction = 0; direction < 2; direction++) {
		const struct fw_item_rule *from = draft->rules[direction];
		size_t count = draft->rule_count[direction];
		struct fw_item_rule *rules =
			fw_block_take(block, from, count * sizeof(*from), FW_BLOCK_ALIGNMENT);

		for (size_t i = 0; i < count; i++) {
			struct fw_item_rule scratch = from[i];

			lay_rule(block, rules ? &rules[i] : &scratch);
		}
		to->rules[direction] = rules;
	}
	fw_selector_lay(block, &to->subject);
	to->namespace = fw_block_text(block, draft->namespace);
	to->title = fw_block_text(block, title);
	if (to->title)
		to->name = to->title + strlen(title) - strlen(draft->name);
	to->replaces = fw_block_text(block, draft->replaces);
	to->broken = fw_block_text(block, draft->broken);
	return item;
}

static struct fw_item *make_item(const struct fw_item *draft)
{
	struct fw_block block = {0};
	struct fw_item *item = NULL;
	char *title;

	if (asprintf(&title, KIND " %s/%s", draft->namespace, draft->name) < 0)
		return NULL;
	(void)lay(&block, draft, title);
	block = (struct fw_block){.data = malloc(block.used)};
	if (block.data)
		item = lay(&block, draft, title);
	free(title);
	return item;
}

static void free_rules(struct fw_item *draft)
{
	for (int direction = 0; direction < 2; direction++) {
		for (size_t i = 0; i < draft->rule_count[direction]; i++) {
			free(draft->rules[direction][i].peers);
			free(draft->rules[direction][i].spans);
			free(draft->rules[direction][i].names);
		}
		free(draft->rules[direction]);
	}
}

int fw_item_from_network_policy(struct fw_terms *terms, const struct fw_network_policy *policy,
				struct fw_item **ret_item)
{
	struct fw_item draft, *item = NULL;
	int r = 0;

	read_head(policy, &draft);
	for (uint8_t direction = 0; !r && direction < 2; direction++)
		r = read_rules(terms, policy, direction, &draft);
	if (!r)
		item = make_item(&draft);
	free_rules(&draft);
	if (!item) /* references are lost with the compiler's whole memory */
		return -ENOMEM;
	item->name_hash =
		fw_hash_text(fw_hash_text(fw_hash_text(0, KIND), item->namespace), item->name);
	item->digest = digest_item(terms, item);
	*ret_item = item;
	return 0;
}

static void release_rule(struct fw_terms *terms, uint8_t direction, const struct fw_item_rule *rule)
{
	for (size_t n = 0; direction == FW_EGRESS && n < rule->name_count; n++) {
		if (rule->any)
			fw_portname_leave(terms, rule->names[n], FW_TERM_NONE);
		for (size_t p = 0; p < rule->peer_count; p++) {
			if (!rule->peers[p]->is_block)
				fw_portname_leave(terms, rule->names[n], rule->peers[p]->id);
		}
	}
	for (size_t p = 0; p < rule->peer_count; p++)
		fw_terms_release(terms, rule->peers[p]);
}

void fw_item_release(struct fw_terms *terms, struct fw_item *item)
{
	for (uint8_t direction = 0; direction < 2; direction++) {
		for (size_t i = 0; i < item->rule_count[direction]; i++)
			release_rule(terms, direction, &item->rules[direction][i]);
	}
}

void fw_item_free(struct fw_item *item)
{
	free(item);
}
