// SPDX-License-Identifier: Apache-2.0
/*
 * Peers, ports and blocks of a policy's rules; see lint.h. In: the rules of one direction, and the
 * pods, services and ranges that there are. Out: findings about what matches nothing, or more than
 * it seems to.
 */
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "check/lint_inside.h"
#include "fw/abi.h"

struct place {
	const struct fw_lint_run *run;
	const struct fw_network_policy *policy;
	const struct fw_policy_rule *rule;
	int direction;
	size_t number; /* of the rule */
};

static void say_at(const struct place *place, const char *list, size_t index, const char *field,
		   const char *name, const char *text)
{
	char path[FW_LINT_PATH];

	(void)snprintf(path, sizeof(path), "spec.%s[%zu].%s[%zu]%s", fw_lint_list(place->direction),
		       place->number, list, index, field);
	fw_lint_say(place->run, &place->policy->object, path, name, "%s", text);
}

static void say_of_peer(const struct place *place, size_t index, const char *field,
			const char *name, const char *text)
{
	say_at(place, fw_lint_peers(place->direction), index, field, name, text);
}

/* Whether it can be told whom the peer means. */
static bool is_decidable(const struct fw_lint_run *run, const struct fw_policy_peer *peer)
{
	return run->pods && (run->namespaces || !peer->has_namespace_selector);
}

static bool is_some_namespace(const struct fw_lint_run *run, const struct fw_policy_peer *peer)
{
	struct fw_object *const *objects;
	size_t count = fw_model_list(run->lint->model, FW_KIND_NAMESPACE, &objects);

	for (size_t i = 0; i < count; i++) {
		if (fw_selector_matches(&peer->namespace_selector, &objects[i]->labels))
			return true;
	}
	return false;
}

/* Edge cases 21 and 23: who is no peer at all. */
static void say_nobody(const struct place *place, size_t index, const struct fw_policy_peer *peer)
{
	const struct fw_lint_run *run = place->run;
	struct fw_object *const *objects;
	size_t count = fw_model_list(run->lint->model, FW_KIND_POD, &objects), finished = 0;
	struct fw_lint_matched matched = {0};

	if (run->namespaces && peer->has_namespace_selector && !is_some_namespace(run, peer)) {
		say_of_peer(place, index, ".namespaceSelector", "peer-matches-nobody",
			    "no Namespace has these labels");
		return;
	}
	if (!is_decidable(run, peer))
		return;
	for (size_t i = 0; i < count; i++) {
		const struct fw_pod *pod = (const struct fw_pod *)objects[i];

		if (!fw_lint_means(run, place->policy, peer, pod))
			continue;
		*(pod->host_network ? &matched.host
		  : pod->finished   ? &finished
				    : &matched.pods) += 1;
	}
	if (matched.pods)
		return;
	if (matched.host)
		say_of_peer(place, index, "", "peer-on-host-network",
			    "the pods that it matches are on the host's network: only an ipBlock "
			    "means them");
	else
		say_of_peer(place, index, "", "peer-matches-nobody",
			    finished ? "the pods that it matches have finished: their addresses "
				       "are nobody's"
				     : "no pod matches it");
}

static bool contains(const struct fw_prefix *outer, const struct fw_prefix *inner)
{
	return outer->bits <= inner->bits && fw_prefix_contains(outer, &inner->ip);
}

static bool is_excepted(const struct fw_policy_peer *peer, const struct fw_prefix *range)
{
	for (size_t i = 0; i < peer->except_count; i++) {
		if (contains(&peer->except[i], range) || contains(range, &peer->except[i]))
			return true;
	}
	return false;
}

static void say_pod_ranges(const struct place *place, size_t index,
			   const struct fw_policy_peer *peer)
{
	const struct fw_prefix *ranges;
	size_t count = fw_model_pod_ranges(place->run->lint->model, &ranges);

	for (size_t i = 0; i < count; i++) {
		char range[FW_PREFIX_TEXT], text[FW_ERR_TEXT];
		bool around = contains(&peer->block, &ranges[i]);

		if ((!around && !contains(&ranges[i], &peer->block)) ||
		    is_excepted(peer, &ranges[i]))
			continue;
		(void)snprintf(
			text, sizeof(text),
			around ? "covers the pod range %s, and so every pod that has an "
				 "address there: put it into except where only others are meant"
			       : "is inside of the pod range %s: addresses of pods come and "
				 "go; a selector means the pods themselves",
			fw_prefix_format(&ranges[i], range));
		say_of_peer(place, index, ".ipBlock.cidr", "block-of-pods", text);
		return; /* one is enough */
	}
}

/* An address in the block that can be meant: a pod's or a node's. */
static bool holds_somebody(const struct fw_model *model, const struct fw_prefix *block)
{
	struct fw_object *const *objects;
	size_t count = fw_model_list(model, FW_KIND_POD, &objects);
	const struct fw_prefix *ranges;

	for (size_t i = 0; i < count; i++) {
		const struct fw_pod *pod = (const struct fw_pod *)objects[i];

		for (size_t k = 0; k < pod->ip_count; k++)
			if (fw_prefix_contains(block, &pod->ips[k]))
				return true;
	}
	count = fw_model_list(model, FW_KIND_NODE, &objects);
	for (size_t i = 0; i < count; i++) {
		const struct fw_node_object *node = (const struct fw_node_object *)objects[i];

		for (size_t k = 0; k < node->ip_count; k++)
			if (fw_prefix_contains(block, &node->ips[k]))
				return true;
	}
	count = fw_model_pod_ranges(model, &ranges);
	for (size_t i = 0; i < count; i++)
		if (contains(block, &ranges[i]))
			return true;
	return false;
}

/* Edge case 29: what goes to a service is judged by its backends. */
static void say_service_range(const struct place *place, size_t index,
			      const struct fw_policy_peer *peer)
{
	const struct fw_lint *lint = place->run->lint;
	struct fw_object *const *objects;
	size_t count = fw_model_list(lint->model, FW_KIND_SERVICE, &objects);
	char text[FW_ERR_TEXT], range[FW_PREFIX_TEXT], ip[FW_IP_TEXT];
	static const char why[] = "a rule for addresses never matches what goes to a service: name "
				  "the pods behind it";

	for (size_t i = 0; i < lint->service_range_count; i++) {
		if (!contains(&lint->service_ranges[i], &peer->block))
			continue;
		(void)snprintf(text, sizeof(text), "is inside of the service range %s: %s",
			       fw_prefix_format(&lint->service_ranges[i], range), why);
		say_of_peer(place, index, ".ipBlock.cidr", "block-of-services", text);
		return;
	}
	if (holds_somebody(lint->model, &peer->block))
		return;
	for (size_t i = 0; i < count; i++) {
		const struct fw_service_object *service =
			(const struct fw_service_object *)objects[i];

		if (!service->cluster_ip_count ||
		    !fw_prefix_contains(&peer->block, &service->ips[0]))
			continue;
		(void)snprintf(text, sizeof(text),
			       "holds %s of service %s/%s, and neither pod nor node: %s",
			       fw_ip_format(&service->ips[0], ip), service->object.namespace,
			       service->object.name, why);
		say_of_peer(place, index, ".ipBlock.cidr", "block-of-services", text);
		return;
	}
}

static bool has_name(const struct fw_pod *pod, const struct fw_policy_port *port)
{
	for (size_t i = 0; i < pod->port_count; i++) {
		if (pod->ports[i].name && pod->ports[i].protocol == port->protocol &&
		    strcmp(pod->ports[i].name, port->name) == 0)
			return true;
	}
	return false;
}

/* Whose ports a name of this rule means: ingress the selected pods', egress those of its peers. */
static bool is_holder(const struct place *place, const struct fw_pod *pod)
{
	if (pod->host_network)
		return false;
	if (place->direction == FW_INGRESS)
		return fw_lint_selects(place->policy, pod);
	for (size_t i = 0; i < place->rule->peer_count; i++) {
		const struct fw_policy_peer *peer = &place->rule->peers[i];

		if (peer->kind == FW_PEER_SELECTOR &&
		    fw_lint_means(place->run, place->policy, peer, pod))
			return true;
	}
	return place->rule->any_peer; /* edge case 14 */
}

static bool is_told_whose(const struct place *place)
{
	if (place->direction == FW_INGRESS)
		return place->run->pods;
	for (size_t i = 0; i < place->rule->peer_count; i++) {
		if (place->rule->peers[i].kind == FW_PEER_SELECTOR &&
		    !is_decidable(place->run, &place->rule->peers[i]))
			return false;
	}
	return place->run->pods;
}

/* Edge cases 15 and 16. */
static void say_named_port(const struct place *place, size_t index)
{
	const struct fw_policy_port *port = &place->rule->ports[index];
	struct fw_object *const *objects;
	size_t count = fw_model_list(place->run->lint->model, FW_KIND_POD, &objects);
	size_t holders = 0, named = 0, blocks = 0;
	char text[FW_ERR_TEXT];

	for (size_t i = 0; i < place->rule->peer_count; i++)
		blocks += place->rule->peers[i].kind == FW_PEER_IP_BLOCK;
	if (place->direction == FW_EGRESS && blocks) {
		(void)snprintf(text, sizeof(text),
			       "\"%s\" is no port of an ipBlock: addresses have no named ports, so "
			       "for %s of this rule's peers it matches nothing",
			       port->name, blocks == place->rule->peer_count ? "all" : "some");
		say_at(place, "ports", index, ".port", "named-port-with-block", text);
		if (blocks == place->rule->peer_count)
			return;
	}
	for (size_t i = 0; i < count && is_told_whose(place); i++) {
		const struct fw_pod *pod = (const struct fw_pod *)objects[i];

		if (!is_holder(place, pod))
			continue;
		holders++;
		named += has_name(pod, port);
	}
	if (!holders || named)
		return;
	(void)snprintf(text, sizeof(text),
		       "no pod that %s has a %s port \"%s\": it matches nothing",
		       place->direction == FW_INGRESS ? "the policy selects" : "this rule means",
		       port->protocol == FW_PROTO_TCP	? "TCP"
		       : port->protocol == FW_PROTO_UDP ? "UDP"
							: "SCTP",
		       port->name);
	say_at(place, "ports", index, ".port", "named-port-nobody-has", text);
}

static void say_end_port(const struct place *place, const cJSON *document, size_t index)
{
	const struct fw_policy_port *port = &place->rule->ports[index];
	char path[FW_LINT_PATH];
	bool whole;

	if (port->any || port->name || port->first != port->last)
		return;
	(void)snprintf(path, sizeof(path), "spec.%s[%zu].ports[%zu].endPort",
		       fw_lint_list(place->direction), place->number, index);
	(void)fw_lint_field(document, path, &whole);
	if (whole)
		say_at(place, "ports", index, ".endPort", "end-port-equals-port",
		       "is the same as port: one port, without it, too");
}

void fw_lint_rules(const struct fw_lint_run *run, const struct fw_network_policy *policy,
		   int direction)
{
	const struct fw_lint *lint = run->lint;
	const cJSON *document =
		lint->document ? lint->document(&policy->object, lint->context) : NULL;

	for (size_t i = 0; i < policy->rule_count[direction]; i++) {
		const struct fw_policy_rule *rule = &policy->rules[direction][i];
		const struct place place = {run, policy, rule, direction, i};

		for (size_t k = 0; k < rule->peer_count; k++) {
			const struct fw_policy_peer *peer = &rule->peers[k];

			if (peer->kind == FW_PEER_SELECTOR) {
				say_nobody(&place, k, peer);
			} else if (peer->kind == FW_PEER_IP_BLOCK) {
				say_pod_ranges(&place, k, peer);
				say_service_range(&place, k, peer);
			}
		}
		for (size_t k = 0; k < rule->port_count; k++) {
			if (rule->ports[k].name)
				say_named_port(&place, k);
			if (document)
				say_end_port(&place, document, k);
		}
	}
}
