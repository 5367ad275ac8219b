/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Units of controller/api's encoder: what is decoded, encoded and decoded again is the same object,
 * by its digest. In: text, and the compiler's golden inputs. Out: TAP.
 */
#include "decode_seen.h"

#include <errno.h>

#include "api/encode.h"

/* Decodes what fw_encode_object() says of `object`. */
static void again(const struct fw_object *object, struct seen *ret_seen)
{
	struct fw_buf text;

	fw_buf_init(&text, 1 << 20);
	assert_int_equal(fw_encode_object(object, &text), 0);
	decode_as("again.json", text.data, text.len, ret_seen);
	if (ret_seen->errors.len)
		print_error("%s\n%s", text.data, ret_seen->errors.data);
	assert_int_equal(ret_seen->errors.len, 0);
	assert_int_equal(ret_seen->count, 1);
	fw_buf_done(&text);
}

static bool is_broken(const struct fw_object *object)
{
	return object->kind == FW_KIND_NETWORK_POLICY &&
	       ((const struct fw_network_policy *)object)->broken;
}

static bool can_be_told(const struct fw_object *object)
{
	return object->kind == FW_KIND_NAMESPACE || object->kind == FW_KIND_POD ||
	       object->kind == FW_KIND_NETWORK_POLICY;
}

static size_t check_all(const char *text)
{
	_seen_ struct seen seen;
	size_t checked = 0;

	decode(text, &seen);
	for (size_t i = 0; i < seen.count; i++) {
		_seen_ struct seen copy;

		if (!can_be_told(seen.objects[i])) {
			struct fw_buf none;

			fw_buf_init(&none, 64);
			assert_int_equal(fw_encode_object(seen.objects[i], &none), -ENOTSUP);
			fw_buf_init(&copy.errors, 64);
			copy.count = 0;
			continue;
		}
		again(seen.objects[i], &copy);
		if (is_broken(seen.objects[i]))
			continue;
		if (copy.objects[0]->digest != seen.objects[i]->digest)
			print_error("%s %s/%s differs\n", fw_kind_name(seen.objects[i]->kind),
				    seen.objects[i]->namespace, seen.objects[i]->name);
		assert_true(copy.objects[0]->digest == seen.objects[i]->digest);
		checked++;
	}
	return checked;
}

static void every_member_comes_back(void **state)
{
	(void)state;
	assert_int_equal(
		check_all(
			"apiVersion: v1\nkind: Namespace\nmetadata: {name: a, uid: u, labels: {x: "
			"z, A: \"\"}}\n"
			"status: {phase: Terminating}\n---\n"
			"apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  namespace: a\n  uid: "
			"u1\n"
			"  generation: 7\n  labels: {app: web, pod-template-hash: abc}\n"
			"  annotations: {kubernetes.io/config.hash: h}\n"
			"  ownerReferences: [{kind: ReplicaSet, name: web-abc, controller: true, "
			"apiVersion: apps/v1, uid: z}]\n"
			"spec:\n  nodeName: n1\n  serviceAccountName: sa\n  containers:\n"
			"  - {name: c, ports: [{name: web, containerPort: 80}, {name: web, "
			"containerPort: 81, protocol: UDP}]}\n"
			"  - {name: d, ports: [{name: web, containerPort: 82}, {containerPort: 9, "
			"protocol: SCTP}]}\n"
			"status: {phase: Running, podIPs: [{ip: 10.0.0.1}, {ip: "
			"\"fd00::1\"}]}\n---\n"
			"apiVersion: v1\nkind: Pod\nmetadata: {name: h, namespace: a}\n"
			"spec: {hostNetwork: true}\nstatus: {phase: Failed}\n"),
		3);
}

static void every_rule_comes_back(void **state)
{
	(void)state;
	assert_int_equal(
		check_all(
			"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
			"metadata: {name: all, namespace: a, annotations: {podwall.io/mode: Audit, "
			"podwall.io/replaces: b}}\n"
			"spec:\n  podSelector: {matchLabels: {app: web}, matchExpressions: [{key: "
			"t, "
			"operator: NotIn, values: [b, a]}, "
			"{key: u, operator: Exists}, {key: v, operator: DoesNotExist}]}\n"
			"  policyTypes: [Egress, Ingress]\n"
			"  ingress:\n  - {}\n  - from: [{podSelector: {}}, {namespaceSelector: "
			"{}}, "
			"{namespaceSelector: {matchLabels: {x: z}}, podSelector: {}}, "
			"{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.2.0.1/32]}}, "
			"{ipBlock: {cidr: \"fd00::/8\"}}]\n"
			"    ports: [{}, {port: 80}, {protocol: UDP}, {port: web, protocol: SCTP}, "
			"{port: 90, endPort: 99}]\n"
			"  egress:\n  - ports: [{port: 53, protocol: UDP}]\n---\n"
			"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
			"metadata: {name: none, namespace: a}\nspec: {podSelector: {}}\n---\n"
			"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
			"metadata: {name: out, namespace: a}\nspec: {podSelector: {}, policyTypes: "
			"[Egress]}\n"),
		3);
}

static void what_cannot_be_compiled_comes_back_as_isolation(void **state)
{
	_seen_ struct seen seen;
	_seen_ struct seen copy;
	const struct fw_network_policy *policy;

	(void)state;
	decode("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
	       "metadata: {name: odd, namespace: a, annotations: {podwall.io/mode: Audit}}\n"
	       "spec: {podSelector: {matchLabels: {app: x}}, ingress: [{}], foo: 1}\n",
	       &seen);
	assert_non_null(((struct fw_network_policy *)seen.objects[0])->broken);
	again(seen.objects[0], &copy);
	policy = (const struct fw_network_policy *)copy.objects[0];
	assert_true(policy->isolates[0] && policy->isolates[1] && !policy->audit);
	assert_int_equal(policy->rule_count[0] + policy->rule_count[1], 0);
	assert_int_equal(policy->subject.count, 1);
}

static void golden_inputs_come_back(void **state)
{
	static const char *const names[] = {"audit", "blocks", "open", "shop"};
	static char text[1 << 16];
	size_t checked = 0;
	char path[128];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		_cleanup_fclose_ FILE *file = NULL;
		size_t len;

		(void)snprintf(path, sizeof(path), "controller/tests/golden/%s.yaml", names[i]);
		file = fopen(path, "re");
		assert_non_null(file);
		len = fread(text, 1, sizeof(text) - 1, file);
		text[len] = '\0';
		checked += check_all(text);
	}
	assert_true(checked > 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_member_comes_back),
		cmocka_unit_test(every_rule_comes_back),
		cmocka_unit_test(what_cannot_be_compiled_comes_back_as_isolation),
		cmocka_unit_test(golden_inputs_come_back),
	};

	return cmocka_run_group_tests_name("api: encoder", tests, NULL, NULL);
}
