/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Units of controller/api's decoder: what each kind's document means, by edge case. In: text. Out:
 * TAP. No files, no clock.
 */
#include "decode_seen.h"

#include <errno.h>
#include <stdlib.h>

#include <cjson/cJSON.h>
#include <fw/abi.h>

#include "decode_texts.h"

static void a_namespace_carries_its_name_as_a_label(void **state)
{
	_seen_ struct seen seen;
	const struct fw_labels *labels;

	(void)state;
	decode("apiVersion: v1\nkind: Namespace\n"
	       "metadata: {name: a, labels: {z: '1', kubernetes.io/metadata.name: liar}}\n---\n"
	       "apiVersion: v1\nkind: Namespace\nmetadata: {name: b}\nstatus: {phase: "
	       "Terminating}\n",
	       &seen);
	labels = &seen.objects[0]->labels;
	assert_int_equal(labels->count, 2);
	assert_string_equal(fw_labels_get(labels, "kubernetes.io/metadata.name"), "a");
	assert_string_equal(fw_labels_get(labels, "z"), "1");
	assert_string_equal(fw_labels_get(&seen.objects[1]->labels, "kubernetes.io/metadata.name"),
			    "b");
	assert_false(((struct fw_namespace *)seen.objects[0])->terminating);
	assert_true(((struct fw_namespace *)seen.objects[1])->terminating);
}

static const struct fw_network_policy *policy_of(const char *text, struct seen *seen)
{
	decode(text, seen);
	assert_int_equal(seen->count, 1);
	assert_int_equal(seen->objects[0]->kind, FW_KIND_NETWORK_POLICY);
	return (const struct fw_network_policy *)seen->objects[0];
}

/* Edge cases 1 to 3. */
static void policy_types_are_defaulted(void **state)
{
	static const struct {
		const char *spec;
		bool ingress, egress;
		size_t ingress_rules, egress_rules;
	} rows[] = {
		{"  podSelector: {}\n", true, false, 0, 0},
		{"  egress: []\n", true, false, 0, 0},
		{"  egress: [{}]\n", true, true, 0, 1},
		{"  policyTypes: []\n  egress: [{}]\n", true, true, 0, 1},
		{"  policyTypes: [Egress]\n  ingress: [{}]\n", false, true, 1, 0},
		{"  policyTypes: [Ingress, Ingress]\n  egress: [{}]\n", true, false, 0, 1},
		{"  policyTypes: [Egress, Ingress]\n", true, true, 0, 0},
		{"  policyTypes: null\n  ingress: null\n", true, false, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		_seen_ struct seen seen;
		char text[512];
		const struct fw_network_policy *policy;

		(void)snprintf(text, sizeof(text), "%s%s", POLICY(""), rows[i].spec);
		policy = policy_of(text, &seen);
		assert_int_equal(policy->isolates[FW_INGRESS], rows[i].ingress);
		assert_int_equal(policy->isolates[FW_EGRESS], rows[i].egress);
		assert_int_equal(policy->rule_count[FW_INGRESS], rows[i].ingress_rules);
		assert_int_equal(policy->rule_count[FW_EGRESS], rows[i].egress_rules);
		assert_null(policy->broken);
	}
}

/* Edge cases 4, 5, 6, 10. */
static void ports_and_blocks_are_read_as_the_api_reads_them(void **state)
{
	_seen_ struct seen seen;
	const struct fw_network_policy *policy =
		policy_of(RULE("ports: [{}, {port: 80, endPort: 80}, {port: 8o, protocol: UDP}, "
			       "{port: 1, endPort: 65535, protocol: SCTP}]\n"
			       "    from: [{ipBlock: {cidr: 010.0.0.0/8, except: [10.0.0.5/24]}}, "
			       "{ipBlock: {cidr: '::ffff:10.0.0.0/104'}}]\n"),
			  &seen);
	const struct fw_policy_rule *rule = &policy->rules[FW_INGRESS][0];
	char text[FW_PREFIX_TEXT];

	(void)state;
	assert_false(rule->any_port || rule->any_peer);
	assert_int_equal(rule->port_count, 4);
	assert_true(rule->ports[0].any);
	assert_int_equal(rule->ports[0].protocol, FW_PROTO_TCP);
	assert_int_equal(rule->ports[1].first, 80);
	assert_int_equal(rule->ports[1].last, 80);
	assert_string_equal(rule->ports[2].name, "8o");
	assert_int_equal(rule->ports[2].protocol, FW_PROTO_UDP);
	assert_int_equal(rule->ports[3].last, 65535);
	assert_int_equal(rule->peer_count, 2);
	assert_string_equal(fw_prefix_format(&rule->peers[0].block, text), "10.0.0.0/8");
	assert_string_equal(fw_prefix_format(&rule->peers[0].except[0], text), "10.0.0.0/24");
	assert_string_equal(fw_prefix_format(&rule->peers[1].block, text), "10.0.0.0/8");
}

static void selectors_have_one_form(void **state)
{
	_seen_ struct seen seen;
	const struct fw_network_policy *policy = policy_of(
		POLICY("  podSelector:\n    matchLabels: {b: x, a: z}\n    matchExpressions:\n"
		       "    - {key: b, operator: In, values: [x]}\n"
		       "    - {key: a, operator: NotIn, values: [q, p, q]}\n"
		       "    - {key: c, operator: Exists}\n"
		       "    - {key: d, operator: DoesNotExist, values: []}\n"),
		&seen);
	const struct fw_selector *selector = &policy->subject;

	(void)state;
	assert_int_equal(selector->count, 5);
	assert_string_equal(selector->items[0].key, "a");
	assert_int_equal(selector->items[0].op, FW_OP_IN);
	assert_int_equal(selector->items[1].op, FW_OP_NOT_IN);
	assert_int_equal(selector->items[1].value_count, 2);
	assert_string_equal(selector->items[1].values[0], "p");
	assert_string_equal(selector->items[2].key, "b");
	assert_int_equal(selector->items[3].op, FW_OP_EXISTS);
	assert_int_equal(selector->items[4].op, FW_OP_DOES_NOT_EXIST);
}

static void empty_and_absent_selectors_are_told_apart(void **state)
{
	_seen_ struct seen seen;
	const struct fw_network_policy *policy = policy_of(
		RULE("from: [{podSelector: {}}, {namespaceSelector: {}}, {podSelector: {}, "
		     "namespaceSelector: {}}]\n"),
		&seen);
	const struct fw_policy_peer *peers = policy->rules[FW_INGRESS][0].peers;

	(void)state;
	assert_true(peers[0].has_pod_selector && !peers[0].has_namespace_selector);
	assert_true(!peers[1].has_pod_selector && peers[1].has_namespace_selector);
	assert_true(peers[2].has_pod_selector && peers[2].has_namespace_selector);
	assert_true(policy->rules[FW_INGRESS][0].any_port);
}

static void an_unread_field_makes_a_policy_broken(void **state)
{
	static const struct {
		const char *text;
		const char *broken;
	} rows[] = {
		{POLICY("  podselector: {}\n"), "spec.podselector: unknown field"},
		{POLICY("  Ingress: []\n"), "spec.Ingress: unknown field"},
		{RULE("From: []\n"), "spec.ingress[0].From: unknown field"},
		{RULE("to: []\n"), "spec.ingress[0].to: unknown field"},
		{PORT("{port: 1, endport: 2}\n"),
		 "spec.ingress[0].ports[0].endport: unknown field"},
		{PEER("{podSelector: {}, nodes: {}}\n"),
		 "spec.ingress[0].from[0].nodes: unknown field"},
		{PEER("podSelector: {matchLables: {a: b}}\n"),
		 "spec.ingress[0].from[0].podSelector.matchLables: unknown field"},
		{PEER("podSelector: {matchExpressions: [{key: a, operator: Exists, x: 1}]}\n"),
		 "spec.ingress[0].from[0].podSelector.matchExpressions[0].x: unknown field"},
		{PEER("{ipBlock: {cidr: 10.0.0.0/8, excepts: []}}\n"),
		 "spec.ingress[0].from[0].ipBlock.excepts: unknown field"},
		{"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\n"
		 "sepc: {}\n",
		 "sepc: unknown field"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		_seen_ struct seen seen;

		assert_string_equal(policy_of(rows[i].text, &seen)->broken, rows[i].broken);
	}
}

static void annotations_choose_audit(void **state)
{
	static const struct {
		const char *annotations;
		bool audit;
		const char *replaces;
		const char *said;
	} rows[] = {
		{"{podwall.io/mode: Audit}", true, NULL, ""},
		{"{podwall.io/mode: Enforce, podwall.io/replaces: old.one}", false, "old.one", ""},
		{"{podwall.io/mode: audit}", false, NULL,
		 "3 NetworkPolicy default/p: metadata.annotations.podwall.io/mode: \"audit\" is "
		 "none of "
		 "Enforce, Audit: Enforce is taken\n"},
		{"{podwall.io/replaces: 'A B'}", false, NULL,
		 "3 NetworkPolicy default/p: metadata.annotations.podwall.io/replaces: \"A B\": "
		 "must be "
		 "lower case letters, digits, \"-\" and \".\", and begin and end with a letter or "
		 "digit: nothing is replaced\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		_seen_ struct seen seen;
		const struct fw_network_policy *policy;
		char text[512];

		(void)snprintf(text, sizeof(text),
			       "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
			       "metadata: {name: p, annotations: %s}\n",
			       rows[i].annotations);
		decode_as("f.yaml", text, strlen(text), &seen);
		assert_int_equal(seen.count, 1);
		policy = (const struct fw_network_policy *)seen.objects[0];
		assert_int_equal(policy->audit, rows[i].audit);
		if (rows[i].replaces)
			assert_string_equal(policy->replaces, rows[i].replaces);
		else
			assert_null(policy->replaces);
		assert_string_equal(errors_of(&seen), rows[i].said);
	}
}

/* Edge cases 12, 13, 21, 23, 36, 39. */
static void a_pod_is_read_whole(void **state)
{
	_seen_ struct seen seen;
	const struct fw_pod *pod;
	char ip[FW_IP_TEXT];

	(void)state;
	decode("apiVersion: v1\nkind: Pod\nmetadata:\n  name: web-5d9c7-x\n  namespace: shop\n"
	       "  uid: u-1\n  generation: 3\n  labels: {app: web, pod-template-hash: 5d9c7}\n"
	       "  annotations: {kubernetes.io/config.hash: abc, k8s.v1.cni.cncf.io/network-status: "
	       "'[{\"ips\": [\"9.9.9.9\"]}]'}\n"
	       "  ownerReferences: [{kind: X, name: z}, {kind: ReplicaSet, name: web-5d9c7, "
	       "controller: true}]\n"
	       "spec:\n  nodeName: n1\n  serviceAccountName: sa\n  initContainers:\n"
	       "  - {ports: [{containerPort: 1, name: init}]}\n"
	       "  - {restartPolicy: Always, ports: [{containerPort: 81, name: web}]}\n"
	       "  containers: [{ports: [{containerPort: 80, name: web}, {containerPort: 53, "
	       "protocol: UDP}]}]\n"
	       "status: {phase: Running, podIP: 10.0.0.9, podIPs: [{ip: 10.0.0.1}, {ip: "
	       "'fd00::1'}, {ip: 10.0.0.1}]}\n",
	       &seen);
	pod = (const struct fw_pod *)seen.objects[0];
	assert_string_equal(pod->object.uid, "u-1");
	assert_int_equal(pod->object.generation, 3);
	assert_string_equal(pod->workload_kind, "Deployment");
	assert_string_equal(pod->workload_name, "web");
	assert_string_equal(pod->config_hash, "abc");
	assert_string_equal(pod->node, "n1");
	assert_int_equal(pod->ip_count, 2);
	assert_string_equal(fw_ip_format(&pod->ips[0], ip), "10.0.0.1");
	assert_string_equal(fw_ip_format(&pod->ips[1], ip), "fd00::1");
	assert_int_equal(pod->port_count, 3);
	assert_int_equal(pod->ports[0].port, 80);
	assert_null(pod->ports[1].name);
	assert_int_equal(pod->ports[1].protocol, FW_PROTO_UDP);
	assert_int_equal(pod->ports[2].port, 81);
	assert_false(pod->host_network || pod->finished);
}

static void pods_that_are_no_peers_are_marked(void **state)
{
	_seen_ struct seen seen;

	(void)state;
	decode(POD("status: {phase: Succeeded, podIP: 10.0.0.1}\n") "---\n" POD(
		       "status: {phase: Failed}\n") "---\n" POD("spec: {hostNetwork: true}\n") "---"
											       "\n" POD(
												       "status: {podIP: ''}\n"),
	       &seen);
	assert_true(((struct fw_pod *)seen.objects[0])->finished);
	assert_int_equal(((struct fw_pod *)seen.objects[0])->ip_count, 1);
	assert_true(((struct fw_pod *)seen.objects[1])->finished);
	assert_true(((struct fw_pod *)seen.objects[2])->host_network);
	assert_int_equal(((struct fw_pod *)seen.objects[3])->ip_count, 0);
	assert_string_equal(((struct fw_pod *)seen.objects[3])->workload_kind, "");
}

/* Edge cases 29 to 31. */
static void service_addresses_are_those_that_are_served(void **state)
{
	static const struct {
		const char *rest;
		size_t ips;
		uint16_t node_port;
	} rows[] = {
		{"  clusterIP: 10.96.0.1\n", 1, 0},
		{"  clusterIP: 10.96.0.1\n  clusterIPs: [10.96.0.1, 'fd00::1']\n", 2, 0},
		{"  clusterIP: None\n  externalIPs: [1.2.3.4]\n", 0, 0},
		{"  clusterIPs: [None]\n", 0, 0},
		{"  clusterIP: ''\n", 0, 0},
		{"  type: ExternalName\n  externalName: x.y\n  externalIPs: [1.2.3.4]\n", 0, 0},
		{"  clusterIP: 10.96.0.1\n  externalIPs: [1.2.3.4]\n", 2, 0},
		{"  type: NodePort\n  clusterIP: 10.96.0.1\n", 1, 30080},
		{"  type: LoadBalancer\n  clusterIP: 10.96.0.1\nstatus: {loadBalancer: {ingress: "
		 "[{ip: 1.1.1.1}, {ip: 2.2.2.2, ipMode: VIP}, {ip: 3.3.3.3, ipMode: Proxy}, "
		 "{hostname: x}]}}\n",
		 3, 30080},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		_seen_ struct seen seen;
		const struct fw_service_object *service;
		char text[512];

		(void)snprintf(text, sizeof(text), "%s%s",
			       SERVICE("  ports: [{port: 80, nodePort: 30080}]\n"), rows[i].rest);
		decode(text, &seen);
		service = (const struct fw_service_object *)seen.objects[0];
		assert_int_equal(service->ip_count, rows[i].ips);
		assert_int_equal(service->ports[0].node_port, rows[i].node_port);
	}
}

/* Edge cases 24, 25, 27. */
static void slice_conditions_follow_kube_proxy(void **state)
{
	_seen_ struct seen seen;
	const struct fw_endpoint_slice *slice;

	(void)state;
	decode("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
	       "metadata: {name: e, namespace: shop, labels: {kubernetes.io/service-name: s}}\n"
	       "addressType: IPv4\nports: [{name: web, port: 80}, {protocol: UDP}]\nendpoints:\n"
	       "- {addresses: [10.0.0.1]}\n"
	       "- {addresses: [10.0.0.2], conditions: {ready: false}}\n"
	       "- {addresses: [10.0.0.3], conditions: {ready: false, serving: true, terminating: "
	       "true}}\n"
	       "- {addresses: [10.0.0.4], conditions: {ready: null}, nodeName: n1, targetRef: "
	       "{kind: "
	       "Pod, name: w, namespace: other}}\n"
	       "- {addresses: [10.0.0.5], targetRef: {kind: Node, name: n1}}\n",
	       &seen);
	slice = (const struct fw_endpoint_slice *)seen.objects[0];
	assert_string_equal(slice->service, "s");
	assert_int_equal(slice->endpoint_count, 5);
	assert_true(slice->endpoints[0].ready && slice->endpoints[0].serving);
	assert_false(slice->endpoints[0].terminating);
	assert_false(slice->endpoints[1].ready || slice->endpoints[1].serving);
	assert_true(!slice->endpoints[2].ready && slice->endpoints[2].serving &&
		    slice->endpoints[2].terminating);
	assert_true(slice->endpoints[3].ready && slice->endpoints[3].serving);
	assert_int_equal(slice->ports[0].port, 80);
	assert_int_equal(slice->ports[1].port, 0);
	assert_int_equal(slice->ports[1].protocol, FW_PROTO_UDP);
	assert_string_equal(slice->ports[1].name, "");
}

/* The API server takes such ports; nobody serves them, and the others go on. */
static void a_slice_goes_on_without_a_port_that_nobody_serves(void **state)
{
	static const char text[] =
		"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
		"metadata: {name: e, namespace: shop, labels: {kubernetes.io/service-name: s}}\n"
		"addressType: IPv4\nports: [{name: a, port: 99999}, {name: b, port: 80}]\n"
		"endpoints: [{addresses: [10.0.0.1]}]\n";
	_seen_ struct seen seen;
	const struct fw_endpoint_slice *slice;

	(void)state;
	decode_as("f.yaml", text, strlen(text), &seen);
	assert_int_equal(seen.count, 1);
	slice = (const struct fw_endpoint_slice *)seen.objects[0];
	assert_int_equal(slice->port_count, 1);
	assert_int_equal(slice->ports[0].port, 80);
	assert_non_null(strstr(errors_of(&seen),
			       "EndpointSlice shop/e: ports[0].port: 99999 is out "
			       "of range (1 to 65535): not served"));
}

static void a_node_has_addresses_and_ranges(void **state)
{
	_seen_ struct seen seen;
	const struct fw_node_object *node;

	(void)state;
	decode(NODE("spec: {podCIDR: 10.244.1.0/24, podCIDRs: [10.244.1.0/24, 'fd00:1::/64']}\n"
		    "status: {addresses: [{type: InternalIP, address: 192.168.0.1}, {type: "
		    "Hostname, "
		    "address: n1}, {type: ExternalIP, address: 1.2.3.4}]}\n"),
	       &seen);
	node = (const struct fw_node_object *)seen.objects[0];
	assert_int_equal(node->ip_count, 2);
	assert_int_equal(node->pod_range_count, 2);
}

static void yaml_scalars_are_those_of_kubernetes(void **state)
{
	_seen_ struct seen seen;
	const struct fw_network_policy *policy = policy_of(
		PORT("port: 0x50\n    - port: 0o120\n    - port: 0120\n    - port: 8_0\n"
		     "    - port: 08\n    - port: 8e1\n    - port: +80\n"
		     "    - port: !!int '80'\n    - port: !!str o80\n    - port: 0b1010000\n"),
		&seen);
	const struct fw_policy_rule *rule = &policy->rules[FW_INGRESS][0];

	(void)state;
	assert_int_equal(rule->port_count, 10);
	for (size_t i = 0; i < rule->port_count; i++)
		assert_int_equal(rule->ports[i].first, i == 8 ? 0 : i == 4 ? 8 : 80);
	assert_string_equal(rule->ports[8].name, "o80");
}

static void what_does_not_matter_leaves_the_digest(void **state)
{
	_seen_ struct seen seen;

	(void)state;
	decode("apiVersion: v1\nkind: Pod\nmetadata: {name: w, resourceVersion: '1'}\n---\n"
	       "apiVersion: v1\nkind: Pod\nmetadata: {name: w, resourceVersion: '2', "
	       "managedFields: "
	       "[{}], annotations: {a: b}}\nstatus: {conditions: [{type: Ready}]}\n---\n"
	       "apiVersion: v1\nkind: Pod\nmetadata: {name: w, labels: {a: b}}\n---\n"
	       "apiVersion: v1\nkind: Pod\nmetadata: {name: w, uid: x}\n",
	       &seen);
	assert_int_equal(seen.objects[0]->digest, seen.objects[1]->digest);
	assert_int_not_equal(seen.objects[0]->digest, seen.objects[2]->digest);
	assert_int_not_equal(seen.objects[0]->digest, seen.objects[3]->digest);
}

static void one_object_is_decoded_from_parsed_json(void **state)
{
	cJSON *json = cJSON_CreateObject(), *metadata;
	struct fw_object *object = NULL;
	struct fw_err err;

	(void)state;
	(void)cJSON_AddStringToObject(json, "apiVersion", "v1");
	(void)cJSON_AddStringToObject(json, "kind", "Secret");
	assert_int_equal(fw_decode_object(json, "x", &object, &err), -ENOTSUP);
	cJSON_ReplaceItemInObjectCaseSensitive(json, "kind", cJSON_CreateString("Namespace"));
	assert_int_equal(fw_decode_object(json, "x", &object, &err), -EINVAL);
	assert_string_equal(err.text, "metadata: missing");
	assert_null(object);
	metadata = cJSON_AddObjectToObject(json, "metadata");
	(void)cJSON_AddStringToObject(metadata, "name", "a");
	assert_int_equal(fw_decode_object(json, "x", &object, &err), 0);
	assert_string_equal(err.text, "");
	assert_string_equal(object->origin, "x");
	fw_object_free(&object);
	cJSON_Delete(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_namespace_carries_its_name_as_a_label),
		cmocka_unit_test(policy_types_are_defaulted),
		cmocka_unit_test(ports_and_blocks_are_read_as_the_api_reads_them),
		cmocka_unit_test(selectors_have_one_form),
		cmocka_unit_test(empty_and_absent_selectors_are_told_apart),
		cmocka_unit_test(an_unread_field_makes_a_policy_broken),
		cmocka_unit_test(annotations_choose_audit),
		cmocka_unit_test(a_pod_is_read_whole),
		cmocka_unit_test(pods_that_are_no_peers_are_marked),
		cmocka_unit_test(service_addresses_are_those_that_are_served),
		cmocka_unit_test(slice_conditions_follow_kube_proxy),
		cmocka_unit_test(a_slice_goes_on_without_a_port_that_nobody_serves),
		cmocka_unit_test(a_node_has_addresses_and_ranges),
		cmocka_unit_test(yaml_scalars_are_those_of_kubernetes),
		cmocka_unit_test(what_does_not_matter_leaves_the_digest),
		cmocka_unit_test(one_object_is_decoded_from_parsed_json),
	};

	return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}
