/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Units of controller/api's reading of text: YAML and JSON, their limits, and what is said about
 * each wrong document. In: text. Out: TAP. No files, no clock.
 */
#include "decode_seen.h"

#include <stdlib.h>

#include "decode_wrong.h"

/* Prints what differs; returns whether the row is as it should be. */
static bool is_said(const char *origin, const char *text, const char *said)
{
	_seen_ struct seen seen;
	char expected[1024];

	decode_as(origin, text, strlen(text), &seen);
	(void)snprintf(expected, sizeof(expected), "%s\n", said);
	if (!strcmp(errors_of(&seen), expected) && !seen.count)
		return true;
	print_error("# %s\n# expected: %s# got: %s# objects: %zu\n", text, expected,
		    errors_of(&seen), seen.count);
	return false;
}

static void each_wrong_document_is_named_with_its_field(void **state)
{
	size_t failed = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		failed += !is_said("f.yaml", wrong[i].text, wrong[i].said);
	assert_int_equal(failed, 0);
	assert_true(sizeof(wrong) / sizeof(wrong[0]) >= 60);
}

static void each_wrong_json_is_named_with_its_line(void **state)
{
	size_t failed = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong_json) / sizeof(wrong_json[0]); i++)
		failed += !is_said("f.json", wrong_json[i].text, wrong_json[i].said);
	assert_int_equal(failed, 0);
}

static void unread_kinds_are_skipped(void **state)
{
	_seen_ struct seen seen;

	(void)state;
	decode("kind: Deployment\n---\n# nothing\n---\nnull\n---\n"
	       "apiVersion: crd.projectcalico.org/v1\nkind: NetworkPolicy\n---\n"
	       "apiVersion: networking.k8s.io/v1\nkind: Ingress\n---\n"
	       "apiVersion: networking.k8s.io/v1\nkind: IngressList\nitems: []\n---\n"
	       "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n",
	       &seen);
	assert_int_equal(seen.count, 1);
	assert_string_equal(seen.objects[0]->name, "shop");
}

static void a_broken_document_leaves_the_others(void **state)
{
	static const char text[] =
		"---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\n}{\n--- # c\n"
		"apiVersion: v1\nkind: Namespace\nmetadata: {name: b}\n...\n---\n"
		"apiVersion: v1\nkind: Pod\nmetadata: {name: w}\nspec: 5\n";
	_seen_ struct seen seen;

	(void)state;
	decode_as("f.yaml", text, strlen(text), &seen);
	assert_int_equal(seen.count, 2);
	assert_string_equal(seen.objects[1]->name, "b");
	assert_string_equal(seen.objects[1]->origin, "f.yaml: document 3");
	assert_non_null(strstr(errors_of(&seen), "6 - not YAML: "));
	assert_non_null(strstr(errors_of(&seen),
			       "16 Pod default/w: spec: must be an object, not a number\n"));
}

static void lists_are_unpacked(void **state)
{
	_seen_ struct seen seen;

	(void)state;
	decode("apiVersion: v1\nkind: List\nitems:\n"
	       "- {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n"
	       "- {apiVersion: v1, kind: ConfigMap, metadata: {name: x}}\n"
	       "- {apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Node, metadata: "
	       "{name: n1}}]}\n---\n"
	       "apiVersion: v1\nkind: PodList\nitems: [{metadata: {name: w, namespace: b}}]\n",
	       &seen);
	assert_int_equal(seen.count, 3);
	assert_int_equal(seen.objects[1]->kind, FW_KIND_NODE);
	assert_int_equal(seen.objects[2]->kind, FW_KIND_POD);
	assert_string_equal(seen.objects[2]->namespace, "b");
}

static void yaml_anchors_and_merges_are_expanded(void **state)
{
	_seen_ struct seen seen;
	const struct fw_labels *labels;

	(void)state;
	decode("apiVersion: v1\nkind: Pod\nx: &base {app: web, tier: front}\nmetadata:\n  name: w\n"
	       "  labels:\n    tier: back\n    <<: *base\n    true: y1\n    8080: port\n",
	       &seen);
	labels = &seen.objects[0]->labels;
	assert_int_equal(labels->count, 4);
	assert_string_equal(fw_labels_get(labels, "app"), "web");
	assert_string_equal(fw_labels_get(labels, "tier"), "back");
	assert_string_equal(fw_labels_get(labels, "true"), "y1");
	assert_string_equal(fw_labels_get(labels, "8080"), "port");
}

static void aliases_that_explode_are_refused(void **state)
{
	_seen_ struct seen seen;
	struct fw_buf text;

	(void)state;
	fw_buf_init(&text, 1 << 20);
	(void)fw_buf_printf(&text, "a0: &a0 [x]\n");
	for (int i = 1; i < 12; i++) {
		(void)fw_buf_printf(&text, "a%d: &a%d [", i, i);
		for (int k = 0; k < 10; k++)
			(void)fw_buf_printf(&text, "*a%d, ", i - 1);
		(void)fw_buf_printf(&text, "]\n");
	}
	decode_as("f.yaml", text.data, text.len, &seen);
	assert_string_equal(errors_of(&seen), "8 - more than 8000000 values in one file\n");
	fw_buf_done(&text);
}

static void aliases_of_long_texts_are_refused(void **state)
{
	_seen_ struct seen seen;
	struct fw_buf text;

	(void)state;
	fw_buf_init(&text, 4 << 20);
	(void)fw_buf_printf(&text, "a: &a %01000000d\nb: [", 1);
	for (int i = 0; i < 80; i++)
		(void)fw_buf_printf(&text, "[*a], ");
	(void)fw_buf_printf(&text, "]\nc: [&b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]");
	for (int i = 0; i < 80; i++)
		(void)fw_buf_printf(&text, ", *b");
	(void)fw_buf_printf(&text, "]\n");
	decode_as("f.yaml", text.data, text.len, &seen);
	assert_string_equal(errors_of(&seen), "3 - aliases expand to more than 67108864 bytes\n");
	fw_buf_done(&text);
}

static void deep_nesting_is_refused(void **state)
{
	static const char *const origins[] = {"f.yaml", "f.json"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		_seen_ struct seen seen, deep;
		char text[4001];

		memset(text, '[', 4000);
		decode_as(origins[i], text, 4000, &seen);
		assert_string_equal(errors_of(&seen), "1 - nested deeper than 100\n");
		memset(text + 100, ']', 100);
		decode_as(origins[i], text, 200, &deep);
		assert_string_equal(errors_of(&deep), "1 - must be an object, not a list\n");
	}
}

static void a_file_that_is_too_large_is_refused(void **state)
{
	_seen_ struct seen seen;

	(void)state;
	decode_as("f.yaml", "", FW_DECODE_BYTES_MAX + 1, &seen);
	assert_string_equal(errors_of(&seen), "0 - larger than 67108864 bytes\n");
}

static void json_and_yaml_give_the_same_object(void **state)
{
	static const char json[] = "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":"
				   "\"w\",\"labels\":{\"a\":"
				   "\"\\u0062\\n\"}}}";
	static const char good[] = "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":"
				   "\"w\",\"labels\":{\"a\":\"\\u0062\"}}}";
	static const char yaml[] =
		"apiVersion: v1\nkind: Pod\nmetadata: {name: w, labels: {a: b}}\n";
	_seen_ struct seen bad, one, two, three;

	(void)state;
	decode_as("f.json", json, strlen(json), &bad);
	assert_int_equal(bad.count, 0);
	decode_as("f.json", good, strlen(good), &one);
	decode_as("f.yaml", good, strlen(good), &two);
	decode(yaml, &three);
	assert_int_equal(one.objects[0]->digest, three.objects[0]->digest);
	assert_int_equal(two.objects[0]->digest, three.objects[0]->digest);
}

static void flow_style_that_is_not_json_is_yaml(void **state)
{
	_seen_ struct seen seen;

	(void)state;
	decode("{apiVersion: v1, kind: Namespace, metadata: {name: a}}\n---\n"
	       "{\"apiVersion\": \"v1\", \"kind\": \"Namespace\", \"metadata\": {\"name\": "
	       "\"b\"}}\n",
	       &seen);
	assert_int_equal(seen.count, 2);
}

static void repeated_json_members_count_last(void **state)
{
	static const char text[] =
		"{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"kind\":\"Pod\",\"Kind\":"
		"\"Node\",\"metadata\":{\"name\":\"a\",\"name\":\"b\",\"labels\":{\"x\":"
		"\"1\",\"x\":\"2\"}}}";
	_seen_ struct seen seen;

	(void)state;
	decode_as("f.json", text, strlen(text), &seen);
	assert_string_equal(errors_of(&seen), "");
	assert_int_equal(seen.objects[0]->kind, FW_KIND_POD);
	assert_string_equal(seen.objects[0]->name, "b");
	assert_int_equal(seen.objects[0]->labels.count, 1);
	assert_string_equal(seen.objects[0]->labels.values[0], "2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_wrong_document_is_named_with_its_field),
		cmocka_unit_test(each_wrong_json_is_named_with_its_line),
		cmocka_unit_test(unread_kinds_are_skipped),
		cmocka_unit_test(a_broken_document_leaves_the_others),
		cmocka_unit_test(lists_are_unpacked),
		cmocka_unit_test(yaml_anchors_and_merges_are_expanded),
		cmocka_unit_test(aliases_that_explode_are_refused),
		cmocka_unit_test(aliases_of_long_texts_are_refused),
		cmocka_unit_test(deep_nesting_is_refused),
		cmocka_unit_test(a_file_that_is_too_large_is_refused),
		cmocka_unit_test(json_and_yaml_give_the_same_object),
		cmocka_unit_test(flow_style_that_is_not_json_is_yaml),
		cmocka_unit_test(repeated_json_members_count_last),
	};

	return cmocka_run_group_tests_name("decode_text", tests, NULL, NULL);
}
