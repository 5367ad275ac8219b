/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects to Kubernetes JSON; see encode.h. In: what the decoder made. Out: a document that it
 * makes the same of. Failures of memory are sticky and told once, at the end.
 */
#include "api/encode.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

struct encoder {
	bool failed;
};

static void free_json(cJSON **json)
{
	cJSON_Delete(*json);
}

static cJSON *add(struct encoder *e, cJSON *to, const char *name, cJSON *item)
{
	bool fine = item && to &&
		    (name ? cJSON_AddItemToObject(to, name, item) : cJSON_AddItemToArray(to, item));

	if (!fine) {
		e->failed = true;
		cJSON_Delete(item);
		return NULL;
	}
	return item;
}

static cJSON *add_object(struct encoder *e, cJSON *to, const char *name)
{
	return add(e, to, name, cJSON_CreateObject());
}

static cJSON *add_list(struct encoder *e, cJSON *to, const char *name)
{
	return add(e, to, name, cJSON_CreateArray());
}

static void add_text(struct encoder *e, cJSON *to, const char *name, const char *text)
{
	(void)add(e, to, name, cJSON_CreateString(text ? text : ""));
}

/* Absent where it is empty. */
static void add_some(struct encoder *e, cJSON *to, const char *name, const char *text)
{
	if (text && *text)
		add_text(e, to, name, text);
}

static void add_number(struct encoder *e, cJSON *to, const char *name, unsigned int number)
{
	(void)add(e, to, name, cJSON_CreateNumber(number));
}

static const char *protocol_name(uint8_t protocol)
{
	return protocol == FW_PROTO_UDP ? "UDP" : protocol == FW_PROTO_SCTP ? "SCTP" : "TCP";
}

/* Returns metadata. */
static cJSON *add_head(struct encoder *e, cJSON *root, const struct fw_object *object)
{
	bool policy = object->kind == FW_KIND_NETWORK_POLICY;
	cJSON *metadata, *labels;

	add_text(e, root, "apiVersion", policy ? "networking.k8s.io/v1" : "v1");
	add_text(e, root, "kind", fw_kind_name(object->kind));
	metadata = add_object(e, root, "metadata");
	add_some(e, metadata, "namespace", object->namespace);
	add_text(e, metadata, "name", object->name);
	add_some(e, metadata, "uid", object->uid);
	if (object->generation)
		(void)add(e, metadata, "generation",
			  cJSON_CreateNumber((double)object->generation));
	labels = add_object(e, metadata, "labels");
	for (size_t i = 0; i < object->labels.count; i++)
		add_text(e, labels, object->labels.keys[i], object->labels.values[i]);
	return metadata;
}

static void add_namespace(struct encoder *e, cJSON *root, const struct fw_namespace *namespace)
{
	if (namespace->terminating)
		add_text(e, add_object(e, root, "status"), "phase", "Terminating");
}

/* One container for each port: names repeat between containers, and only there. */
static void add_ports(struct encoder *e, cJSON *spec, const struct fw_pod *pod)
{
	cJSON *containers = add_list(e, spec, "containers");

	for (size_t i = 0; i < pod->port_count; i++) {
		const struct fw_container_port *port = &pod->ports[i];
		cJSON *item =
			add_object(e, add_list(e, add_object(e, containers, NULL), "ports"), NULL);

		add_some(e, item, "name", port->name);
		add_number(e, item, "containerPort", port->port);
		add_text(e, item, "protocol", protocol_name(port->protocol));
	}
}

static void add_pod(struct encoder *e, cJSON *root, cJSON *metadata, const struct fw_pod *pod)
{
	char text[FW_IP_TEXT];
	cJSON *spec = add_object(e, root, "spec"), *status = add_object(e, root, "status");
	cJSON *owner, *ips;

	if (pod->workload_kind && *pod->workload_kind) {
		owner = add_object(e, add_list(e, metadata, "ownerReferences"), NULL);
		add_text(e, owner, "kind", pod->workload_kind);
		add_text(e, owner, "name", pod->workload_name);
		(void)add(e, owner, "controller", cJSON_CreateTrue());
	}
	if (pod->config_hash && *pod->config_hash)
		add_text(e, add_object(e, metadata, "annotations"), "kubernetes.io/config.hash",
			 pod->config_hash);
	add_some(e, spec, "nodeName", pod->node);
	if (pod->host_network)
		(void)add(e, spec, "hostNetwork", cJSON_CreateTrue());
	add_ports(e, spec, pod);
	add_text(e, status, "phase", pod->finished ? "Succeeded" : "Running");
	ips = add_list(e, status, "podIPs");
	for (size_t i = 0; i < pod->ip_count; i++)
		add_text(e, add_object(e, ips, NULL), "ip", fw_ip_format(&pod->ips[i], text));
}

static void add_selector(struct encoder *e, cJSON *to, const char *name,
			 const struct fw_selector *selector)
{
	static const char *const operators[] = {[FW_OP_IN] = "In",
						[FW_OP_NOT_IN] = "NotIn",
						[FW_OP_EXISTS] = "Exists",
						[FW_OP_DOES_NOT_EXIST] = "DoesNotExist"};
	cJSON *object = add_object(e, to, name);
	cJSON *list = selector->count ? add_list(e, object, "matchExpressions") : NULL;

	for (size_t i = 0; i < selector->count; i++) {
		const struct fw_requirement *requirement = &selector->items[i];
		cJSON *item = add_object(e, list, NULL), *values;

		add_text(e, item, "key", requirement->key);
		add_text(e, item, "operator", operators[requirement->op]);
		values = requirement->value_count ? add_list(e, item, "values") : NULL;
		for (size_t j = 0; j < requirement->value_count; j++)
			add_text(e, values, NULL, requirement->values[j]);
	}
}

static void add_peer(struct encoder *e, cJSON *to, const struct fw_policy_peer *peer)
{
	char text[FW_PREFIX_TEXT];
	cJSON *item = add_object(e, to, NULL), *block, *except;

	if (peer->kind == FW_PEER_IP_BLOCK) {
		block = add_object(e, item, "ipBlock");
		add_text(e, block, "cidr", fw_prefix_format(&peer->block, text));
		except = peer->except_count ? add_list(e, block, "except") : NULL;
		for (size_t i = 0; i < peer->except_count; i++)
			add_text(e, except, NULL, fw_prefix_format(&peer->except[i], text));
		return;
	}
	if (peer->has_namespace_selector)
		add_selector(e, item, "namespaceSelector", &peer->namespace_selector);
	if (peer->has_pod_selector)
		add_selector(e, item, "podSelector", &peer->pod_selector);
}

static void add_port(struct encoder *e, cJSON *to, const struct fw_policy_port *port)
{
	cJSON *item = add_object(e, to, NULL);

	add_text(e, item, "protocol", protocol_name(port->protocol));
	if (port->name)
		add_text(e, item, "port", port->name);
	else if (!port->any)
		add_number(e, item, "port", port->first);
	if (!port->name && !port->any && port->last != port->first)
		add_number(e, item, "endPort", port->last);
}

static void add_rule(struct encoder *e, cJSON *to, int direction, const struct fw_policy_rule *rule)
{
	cJSON *item = add_object(e, to, NULL), *peers, *ports;

	if (!rule->any_peer) {
		peers = add_list(e, item, direction ? "to" : "from");
		for (size_t i = 0; i < rule->peer_count; i++)
			add_peer(e, peers, &rule->peers[i]);
	}
	if (!rule->any_port) {
		ports = add_list(e, item, "ports");
		for (size_t i = 0; i < rule->port_count; i++)
			add_port(e, ports, &rule->ports[i]);
	}
}

/* An empty list of peers or ports would say "all". */
static bool is_whole(const struct fw_network_policy *policy)
{
	if (policy->broken)
		return false;
	for (int direction = 0; direction < 2; direction++) {
		for (size_t i = 0; i < policy->rule_count[direction]; i++) {
			const struct fw_policy_rule *rule = &policy->rules[direction][i];

			if ((!rule->any_peer && !rule->peer_count) ||
			    (!rule->any_port && !rule->port_count))
				return false;
			for (size_t j = 0; j < rule->peer_count; j++)
				if (rule->peers[j].kind == FW_PEER_INVALID)
					return false;
		}
	}
	return true;
}

static void add_policy(struct encoder *e, cJSON *root, cJSON *metadata,
		       const struct fw_network_policy *policy)
{
	cJSON *spec = add_object(e, root, "spec"), *types = add_list(e, spec, "policyTypes"),
	      *rules;
	bool whole = is_whole(policy);

	if ((policy->audit && whole) || policy->replaces) {
		cJSON *annotations = add_object(e, metadata, "annotations");

		if (policy->audit && whole)
			add_text(e, annotations, "podwall.io/mode", "Audit");
		add_some(e, annotations, "podwall.io/replaces", policy->replaces);
	}
	add_selector(e, spec, "podSelector", &policy->subject);
	for (int direction = 0; direction < 2; direction++) {
		if (policy->isolates[direction] || !whole)
			add_text(e, types, NULL, direction ? "Egress" : "Ingress");
		if (!whole || !policy->rule_count[direction])
			continue;
		rules = add_list(e, spec, direction ? "egress" : "ingress");
		for (size_t i = 0; i < policy->rule_count[direction]; i++)
			add_rule(e, rules, direction, &policy->rules[direction][i]);
	}
}

int fw_encode_object(const struct fw_object *object, struct fw_buf *buf)
{
	_cleanup_(free_json) cJSON *root = cJSON_CreateObject();
	struct encoder e = {.failed = !root};
	_cleanup_free_ char *text = NULL;
	cJSON *metadata;

	if (object->kind != FW_KIND_NAMESPACE && object->kind != FW_KIND_POD &&
	    object->kind != FW_KIND_NETWORK_POLICY)
		return -ENOTSUP;
	metadata = add_head(&e, root, object);
	if (object->kind == FW_KIND_NAMESPACE)
		add_namespace(&e, root, (const struct fw_namespace *)object);
	else if (object->kind == FW_KIND_POD)
		add_pod(&e, root, metadata, (const struct fw_pod *)object);
	else
		add_policy(&e, root, metadata, (const struct fw_network_policy *)object);
	if (!e.failed)
		text = cJSON_PrintUnformatted(root);
	return text ? fw_buf_append(buf, text, strlen(text)) : -ENOMEM;
}
