/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NetworkPolicy, networking.k8s.io/v1. In: a document with its head filled. Out: the policy,
 * defaulted and validated as the API server does (pkg/apis/networking: SetDefaults_NetworkPolicy,
 * ValidateNetworkPolicySpec). A field that we do not read makes it `broken`: it must never be
 * compiled as if the field were not there.
 */
#include "api/kinds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <fw/abi.h>

#include "base/cleanup.h"

#define POLICY_TYPES_MAX 2

static const char *const policy_fields[] = {"apiVersion", "kind",   "metadata",
					    "spec",	  "status", NULL};
static const char *const spec_fields[] = {"podSelector", "policyTypes", "ingress", "egress", NULL};
static const char *const rule_fields[2][3] = {
	[FW_INGRESS] = {"from", "ports", NULL},
	[FW_EGRESS] = {"to", "ports", NULL},
};
static const char *const port_fields[] = {"protocol", "port", "endPort", NULL};
static const char *const peer_fields[] = {"podSelector", "namespaceSelector", "ipBlock", NULL};
static const char *const block_fields[] = {"cidr", "except", NULL};

static int decode_prefix(struct fw_decoder *d, const struct fw_field *field,
			 struct fw_prefix *ret_prefix)
{
	struct fw_err err = {0};
	const char *text = "";
	int r = fw_field_string(d, field, &text);

	if (r)
		return r;
	return fw_prefix_parse(text, ret_prefix, &err) ? fw_field_fail(d, field, "%s", err.text)
						       : 0;
}

static int decode_except(struct fw_decoder *d, const struct fw_field *block,
			 struct fw_policy_peer *peer)
{
	struct fw_field list;
	size_t count;
	int r = fw_member_list(d, block, "except", &list, &count);

	if (r || !count)
		return r;
	peer->except = calloc(count, sizeof(*peer->except));
	if (!peer->except)
		return -ENOMEM;
	for (const cJSON *item = list.json->child; item; item = item->next) {
		struct fw_field field = fw_field_element(&list, item, peer->except_count);
		struct fw_prefix *except = &peer->except[peer->except_count];
		char outer[FW_PREFIX_TEXT], inner[FW_PREFIX_TEXT];

		r = decode_prefix(d, &field, except);
		if (r)
			return r;
		if (except->bits <= peer->block.bits ||
		    !fw_prefix_contains(&peer->block, &except->ip))
			return fw_field_fail(d, &field, "%s is not a part of %s",
					     fw_prefix_format(except, inner),
					     fw_prefix_format(&peer->block, outer));
		peer->except_count++;
	}
	return 0;
}

static int decode_block(struct fw_decoder *d, const struct fw_field *block,
			struct fw_policy_peer *peer)
{
	struct fw_field cidr;
	int r;

	fw_field_note_unknown(d, block, block_fields);
	if (!fw_field_get(block, "cidr", &cidr))
		return fw_field_missing(d, block, "cidr");
	r = decode_prefix(d, &cidr, &peer->block);
	if (r)
		return r;
	peer->kind = FW_PEER_IP_BLOCK;
	return decode_except(d, block, peer);
}

static int decode_peer(struct fw_decoder *d, const struct fw_field *field,
		       struct fw_policy_peer *peer)
{
	struct fw_field selector, block;
	int r = fw_field_object(d, field);

	if (r)
		return r;
	fw_field_note_unknown(d, field, peer_fields);
	peer->kind = FW_PEER_SELECTOR;
	if (fw_field_get(field, "podSelector", &selector)) {
		peer->has_pod_selector = true;
		r = fw_decode_selector(d, &selector, &peer->pod_selector);
	}
	if (!r && fw_field_get(field, "namespaceSelector", &selector)) {
		peer->has_namespace_selector = true;
		r = fw_decode_selector(d, &selector, &peer->namespace_selector);
	}
	if (r)
		return r;
	r = fw_member_object(d, field, "ipBlock", &block);
	if (r && r != -ENOENT)
		return r;
	if (r && !peer->has_pod_selector && !peer->has_namespace_selector)
		return fw_field_fail(d, field, "needs podSelector, namespaceSelector or ipBlock");
	if (r)
		return 0;
	if (peer->has_pod_selector || peer->has_namespace_selector)
		return fw_field_fail(d, field, "ipBlock excludes the selectors");
	return decode_block(d, &block, peer);
}

static int decode_end_port(struct fw_decoder *d, const struct fw_field *field,
			   struct fw_policy_port *port)
{
	struct fw_field end;
	int64_t value;
	int r;

	if (!fw_field_get(field, "endPort", &end))
		return 0;
	if (port->any)
		return fw_field_fail(d, &end, "needs port");
	if (port->name)
		return fw_field_fail(d, &end, "not allowed with a named port");
	r = fw_field_integer(d, &end, 1, 65535, &value);
	if (r)
		return r;
	if (value < port->first)
		return fw_field_fail(d, &end, "%lld is smaller than port (%u)", (long long)value,
				     port->first);
	port->last = (uint16_t)value;
	return 0;
}

static int decode_port(struct fw_decoder *d, const struct fw_field *field,
		       struct fw_policy_port *port)
{
	struct fw_field number;
	const char *wrong;
	int64_t value;
	int r = fw_field_object(d, field);

	if (r)
		return r;
	fw_field_note_unknown(d, field, port_fields);
	r = fw_member_protocol(d, field, &port->protocol);
	if (r)
		return r;
	if (!fw_field_get(field, "port", &number)) {
		port->any = true;
	} else if (cJSON_IsString(number.json)) {
		wrong = fw_check_port_name(number.json->valuestring);
		if (wrong)
			return fw_field_fail(d, &number, "\"%.64s\": %s", number.json->valuestring,
					     wrong);
		port->name = strdup(number.json->valuestring);
		if (!port->name)
			return -ENOMEM;
	} else {
		r = fw_field_integer(d, &number, 1, 65535, &value);
		if (r)
			return r;
		port->first = port->last = (uint16_t)value;
	}
	return decode_end_port(d, field, port);
}

static int decode_ports(struct fw_decoder *d, const struct fw_field *rule_field,
			struct fw_policy_rule *rule)
{
	struct fw_field list;
	size_t count;
	int r = fw_member_list(d, rule_field, "ports", &list, &count);

	if (r)
		return r;
	rule->any_port = !count;
	rule->ports = calloc(count + 1, sizeof(*rule->ports));
	if (!rule->ports)
		return -ENOMEM;
	for (const cJSON *item = count ? list.json->child : NULL; item; item = item->next) {
		struct fw_field field = fw_field_element(&list, item, rule->port_count);

		r = decode_port(d, &field, &rule->ports[rule->port_count++]);
		if (r)
			return r;
	}
	return 0;
}

static int decode_rule(struct fw_decoder *d, const struct fw_field *rule_field, int direction,
		       struct fw_policy_rule *rule)
{
	struct fw_field list;
	size_t count;
	int r = fw_field_object(d, rule_field);

	if (r)
		return r;
	fw_field_note_unknown(d, rule_field, rule_fields[direction]);
	r = decode_ports(d, rule_field, rule);
	if (!r)
		r = fw_member_list(d, rule_field, rule_fields[direction][0], &list, &count);
	if (r)
		return r;
	rule->any_peer = !count;
	rule->peers = calloc(count + 1, sizeof(*rule->peers));
	if (!rule->peers)
		return -ENOMEM;
	for (const cJSON *item = count ? list.json->child : NULL; item; item = item->next) {
		struct fw_field field = fw_field_element(&list, item, rule->peer_count);

		r = decode_peer(d, &field, &rule->peers[rule->peer_count++]);
		if (r)
			return r;
	}
	return 0;
}

static int decode_rules(struct fw_decoder *d, const struct fw_field *spec, int direction,
			struct fw_network_policy *policy)
{
	struct fw_policy_rule **rules = &policy->rules[direction];
	size_t *rule_count = &policy->rule_count[direction], count;
	struct fw_field list;
	int r = fw_member_list(d, spec, direction == FW_INGRESS ? "ingress" : "egress", &list,
			       &count);

	if (r || !count)
		return r;
	*rules = calloc(count, sizeof(**rules));
	if (!*rules)
		return -ENOMEM;
	for (const cJSON *item = list.json->child; item; item = item->next) {
		struct fw_field field = fw_field_element(&list, item, *rule_count);

		r = decode_rule(d, &field, direction, &(*rules)[(*rule_count)++]);
		if (r)
			return r;
	}
	return 0;
}

/* Edge cases 1 to 3: without policyTypes always Ingress, and Egress when there is an egress rule.
 */
static int decode_types(struct fw_decoder *d, const struct fw_field *spec,
			struct fw_network_policy *policy)
{
	struct fw_field list;
	size_t count, i = 0;
	int r = fw_member_list(d, spec, "policyTypes", &list, &count);

	if (r)
		return r;
	if (!count) {
		policy->isolates[FW_INGRESS] = true;
		policy->isolates[FW_EGRESS] = policy->rule_count[FW_EGRESS] > 0;
		return 0;
	}
	if (count > POLICY_TYPES_MAX)
		return fw_field_fail(d, &list, "at most two");
	for (const cJSON *item = list.json->child; item; item = item->next) {
		struct fw_field field = fw_field_element(&list, item, i++);
		const char *text = "";

		r = fw_field_string(d, &field, &text);
		if (r)
			return r;
		if (!strcmp(text, "Ingress"))
			policy->isolates[FW_INGRESS] = true;
		else if (!strcmp(text, "Egress"))
			policy->isolates[FW_EGRESS] = true;
		else
			return fw_field_fail(d, &field, "\"%.64s\" is none of Ingress, Egress",
					     text);
	}
	return 0;
}

static int decode_annotations(struct fw_decoder *d, const struct fw_field *document,
			      struct fw_network_policy *policy)
{
	struct fw_annotation mode, replaces;
	const char *wrong;
	int r = fw_decode_annotation(d, document, "podwall.io/mode", &mode);

	if (!r)
		r = fw_decode_annotation(d, document, "podwall.io/replaces", &replaces);
	if (r)
		return r;
	policy->audit = mode.text && !strcmp(mode.text, "Audit");
	if (mode.text && !policy->audit && strcmp(mode.text, "Enforce") != 0)
		(void)fw_field_warn(d, &mode.field,
				    "\"%.64s\" is none of Enforce, Audit: Enforce is taken",
				    mode.text);
	if (!replaces.text)
		return 0;
	wrong = fw_check_subdomain(replaces.text);
	if (wrong)
		return fw_field_warn(d, &replaces.field, "\"%.128s\": %s: nothing is replaced",
				     replaces.text, wrong);
	policy->replaces = strdup(replaces.text);
	return policy->replaces ? 0 : -ENOMEM;
}

static int decode_spec(struct fw_decoder *d, const struct fw_field *spec,
		       struct fw_network_policy *policy)
{
	struct fw_field selector;
	int r = 0;

	fw_field_note_unknown(d, spec, spec_fields);
	if (fw_field_get(spec, "podSelector", &selector))
		r = fw_decode_selector(d, &selector, &policy->subject);
	for (int direction = 0; !r && direction < 2; direction++)
		r = decode_rules(d, spec, direction, policy);
	return r ? r : decode_types(d, spec, policy);
}

int fw_decode_policy(struct fw_decoder *d, const struct fw_field *document,
		     struct fw_network_policy *policy)
{
	struct fw_field spec;
	int r = fw_member_object(d, document, "spec", &spec);

	if (r && r != -ENOENT)
		return r;
	fw_field_note_unknown(d, document, policy_fields);
	if (r == -ENOENT)
		policy->isolates[FW_INGRESS] = true;
	else
		r = decode_spec(d, &spec, policy);
	if (r && r != -ENOENT)
		return r;
	r = decode_annotations(d, document, policy);
	if (r || !d->unknown.text[0])
		return r;
	policy->broken = strdup(d->unknown.text);
	return policy->broken ? 0 : -ENOMEM;
}
