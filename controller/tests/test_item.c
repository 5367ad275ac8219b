/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One object of an answer: its names, its version, its tree. In: texts, good and bad. Out: nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "api/decode.h"
#include "api/field.h"
#include "kube/item.h"

static struct fw_item read_item(enum fw_kind kind, const char *text, bool whole)
{
	struct fw_item item;

	fw_item_read(kind, text, strlen(text), whole, &item);
	return item;
}

static void an_item_has_names_a_version_and_a_tree(void **state)
{
	struct fw_item item = read_item(FW_KIND_POD,
					"{\"metadata\":{\"name\":\"web-0\",\"namespace\":\"shop\","
					"\"resourceVersion\":\"17\"}}",
					true);

	(void)state;
	assert_non_null(item.tree);
	assert_string_equal(item.name, "web-0");
	assert_string_equal(item.namespace, "shop");
	assert_string_equal(item.version, "17");
	assert_false(item.initial_end);
	fw_item_done(&item);
	assert_null(item.tree);
}

static void a_bookmark_tells_the_end_of_what_existed(void **state)
{
	struct fw_item item = read_item(FW_KIND_POD,
					"{\"metadata\":{\"resourceVersion\":\"9\",\"annotations\":{"
					"\"k8s.io/initial-events-end\":\"true\"}}}",
					true);

	(void)state;
	assert_true(item.initial_end);
	assert_string_equal(item.version, "9");
	assert_string_equal(item.name, "");
	fw_item_done(&item);
}

static void what_cannot_be_read_still_has_its_name(void **state)
{
	static const char *const texts[] = {
		"{\"metadata\":{\"name\":\"web-0\",\"namespace\":\"shop\"},\"spec\":{,}}",
		"{\"metadata\":{\"name\":\"web-0\",\"namespace\":\"shop\"},\"spec\":{\"a\":"
		"\"\x01\"}}",
		"{\"metadata\":{\"name\":\"web-0\",\"namespace\":\"shop\",\"x\":\"cut here",
		"{\"kind\":\"Pod\",\"metadata\":{\"namespace\":\"shop\",\"name\":\"web-0\"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct fw_item item = read_item(FW_KIND_POD, texts[i], i < 2);

		assert_null(item.tree);
		assert_string_equal(item.name, "web-0");
		assert_string_equal(item.namespace, "shop");
		assert_string_not_equal(item.why, "");
		fw_item_done(&item);
	}
}

/* Members of the tree, "a.b" for those of members. */
static bool has_member(const cJSON *tree, const char *outer, const char *name)
{
	struct fw_field document = {.json = tree}, field, inner;

	return fw_field_get(&document, outer, &field) && fw_field_get(&field, name, &inner);
}

static void what_nobody_reads_is_not_built(void **state)
{
	static const char text[] =
		"{\"metadata\":{\"name\":\"web-0\",\"labels\":{\"managedFields\":\"kept\"},"
		"\"managedFields\":[{\"a\":[1,{\"b\":\"\\u00e9\"}]}],\"uid\":\"u\"},"
		"\"managedFields\":7,"
		"\"spec\":{\"volumes\":[{\"name\":\"v\"}],\"containers\":[{\"name\":\"c\",\"env\":["
		"1],"
		"\"ports\":[{\"containerPort\":80}]}],\"nodeName\":\"n\"}}";
	struct fw_item item = read_item(FW_KIND_POD, text, true);
	struct fw_object *object;
	struct fw_err err;

	(void)state;
	assert_non_null(item.tree);
	assert_false(has_member(item.tree, "metadata", "managedFields"));
	assert_false(has_member(item.tree, "spec", "volumes"));
	assert_true(has_member(item.tree, "metadata", "uid"));
	assert_true(has_member(item.tree, "spec", "nodeName"));
	assert_int_equal(fw_decode_item(item.tree, FW_KIND_POD, "here", &object, &err), 0);
	assert_string_equal(fw_labels_get(&object->labels, "managedFields"), "kept");
	assert_int_equal(((struct fw_pod *)object)->port_count, 1);
	fw_object_free(&object);
	fw_item_done(&item);
	item = read_item(FW_KIND_NETWORK_POLICY, text, true);
	assert_false(has_member(item.tree, "metadata", "managedFields"));
	assert_true(has_member(item.tree, "spec", "volumes"));
	fw_item_done(&item);
}

/* The same text where it is read and where it is not: the same verdict, the same words. */
static void what_nobody_reads_is_checked_all_the_same(void **state)
{
	static const char *const values[] = {
		"1",
		"-0.5e+3",
		"01",
		"1.",
		"1e",
		"true",
		"nul",
		"{}",
		"{\"a\":1}",
		"{\"a\":}",
		"{\"a\" 1}",
		"{a:1}",
		"{,}",
		"[]",
		"[1,2]",
		"[1,]",
		"[1 2]",
		"[",
		"\"x\"",
		"\"\\n\\u00e9\"",
		"\"\\x\"",
		"\"\\u12\"",
		"\"\x01\"",
		"\"\xff\"",
		"\"\xc3\xa9\"",
		"\"\\ud800\"",
		"\"\\ud83d\\ude00\"",
		"\"\\u0000\"",
		"\"",
		"",
	};
	char text[2][256];

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		struct fw_item items[2];

		for (int k = 0; k < 2; k++) {
			(void)snprintf(text[k], sizeof(text[k]),
				       "{\"metadata\":{\"name\":\"n\",\"%s\":%s,\"uid\":\"u\"}}",
				       k ? "managedFields" : "managedFieldz", values[i]);
			items[k] = read_item(FW_KIND_POD, text[k], true);
		}
		assert_int_equal(items[0].tree != NULL, items[1].tree != NULL);
		assert_string_equal(items[0].why, items[1].why);
		fw_item_done(&items[0]);
		fw_item_done(&items[1]);
	}
}

static void a_name_that_is_none_is_not_handed_on(void **state)
{
	static const char *const texts[] = {
		"{\"metadata\":{\"name\":\"../web\",\"namespace\":\"shop\"}}",
		"{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop.bank\"}}",
		"{\"metadata\":{\"name\":\"web\\u0000x\",\"namespace\":\"shop\"}}",
		"{\"metadata\":{\"name\":7}}",
		"{\"metadata\":[]}",
		"{}",
		"7",
		"null",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct fw_item item = read_item(FW_KIND_POD, texts[i], true);

		assert_string_equal(item.name, "");
		assert_string_equal(item.namespace, "");
		fw_item_done(&item);
	}
}

static void only_decimal_versions_are_compared(void **state)
{
	(void)state;
	assert_int_equal(fw_version_number("123456789012345678"), 123456789012345678);
	assert_int_equal(fw_version_number(""), 0);
	assert_int_equal(fw_version_number("12a"), 0);
	assert_int_equal(fw_version_number("-1"), 0);
	assert_int_equal(fw_version_number("1234567890123456789"), 0);
}

static void a_status_tells_code_reason_and_when_to_come_back(void **state)
{
	static const char text[] = "{\"kind\":\"Status\",\"code\":429,\"reason\":"
				   "\"TooManyRequests\",\"message\":\"m\","
				   "\"details\":{\"retryAfterSeconds\":7}}";
	struct fw_status status;

	(void)state;
	fw_status_read(text, strlen(text), &status);
	assert_int_equal(status.code, 429);
	assert_int_equal(status.retry_after, 7);
	assert_string_equal(status.reason, "TooManyRequests");
	assert_string_equal(status.message, "m");
	fw_status_read("<html>", 6, &status);
	assert_int_equal(status.code, 0);
	assert_string_equal(status.reason, "");
	fw_status_read("{\"code\":-3,\"details\":{\"retryAfterSeconds\":1e99}}", 47, &status);
	assert_int_equal(status.code, 0);
	assert_int_equal(status.retry_after, 0);
}

static void a_list_without_a_version_is_none(void **state)
{
	char version[FW_VERSION_MAX + 1] = "old", *next = NULL;

	(void)state;
	assert_int_equal(fw_list_read("{\"continue\":\"x\"}", 16, version, &next), -EINVAL);
	assert_string_equal(version, "old");
	assert_null(next);
	assert_int_equal(
		fw_list_read("{\"resourceVersion\":\"5\",\"continue\":\"x\"}", 38, version, &next),
		0);
	assert_string_equal(version, "5");
	assert_string_equal(next, "x");
	assert_int_equal(fw_list_read("{\"resourceVersion\":\"6\"}", 23, version, &next), 0);
	assert_string_equal(next, "");
	free(next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_item_has_names_a_version_and_a_tree),
		cmocka_unit_test(a_bookmark_tells_the_end_of_what_existed),
		cmocka_unit_test(what_cannot_be_read_still_has_its_name),
		cmocka_unit_test(what_nobody_reads_is_not_built),
		cmocka_unit_test(what_nobody_reads_is_checked_all_the_same),
		cmocka_unit_test(a_name_that_is_none_is_not_handed_on),
		cmocka_unit_test(only_decimal_versions_are_compared),
		cmocka_unit_test(a_status_tells_code_reason_and_when_to_come_back),
		cmocka_unit_test(a_list_without_a_version_is_none),
	};

	return cmocka_run_group_tests_name("objects of an answer", tests, NULL, NULL);
}
