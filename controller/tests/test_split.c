/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The splitter of API answers. In: lists and watches, whole and in pieces of every size. Out: TAP.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "split_seen.h"

#define MOST 200

/* Feeds the text in pieces of `step` bytes; the result of the first feed that fails. */
static int feed(enum fw_split_mode mode, const char *text, size_t step, struct seen *seen,
		bool *ret_at_end, struct fw_err *err)
{
	struct fw_split_handler handler = seen_handler(seen);
	size_t len = strlen(text);
	struct fw_split *split;
	int r = 0;

	fw_buf_init(&seen->text, 1u << 20);
	seen->items = 0;
	assert_int_equal(fw_split_new(mode, MOST, &handler, &split), 0);
	for (size_t i = 0; !r && i < len; i += step) {
		/* a piece of its own, so that reading beyond it is seen */
		size_t n = len - i < step ? len - i : step;
		char *piece = malloc(n);

		assert_non_null(piece);
		memcpy(piece, text + i, n);
		r = fw_split_feed(split, piece, n, err);
		free(piece);
	}
	*ret_at_end = fw_split_at_end(split);
	fw_split_free(&split);
	return r;
}

static void expect(enum fw_split_mode mode, const char *text, const char *expected)
{
	for (size_t step = 1; step <= strlen(text); step++) {
		struct fw_err err = {""};
		struct seen seen;
		bool at_end;

		assert_int_equal(feed(mode, text, step, &seen, &at_end, &err), 0);
		assert_true(at_end);
		assert_string_equal(seen.text.data, expected);
		fw_buf_done(&seen.text);
	}
}

static void refuse(enum fw_split_mode mode, const char *text, const char *expected)
{
	for (size_t step = 1; step <= strlen(text); step++) {
		struct fw_err err = {""};
		struct seen seen;
		bool at_end;

		assert_int_equal(feed(mode, text, step, &seen, &at_end, &err), -EINVAL);
		assert_false(at_end);
		assert_non_null(strstr(err.text, expected));
		fw_buf_done(&seen.text);
	}
}

static void a_list_is_cut_into_its_items(void **state)
{
	(void)state;
	expect(FW_SPLIT_LIST,
	       "{\"kind\":\"PodList\", \"metadata\":{\"resourceVersion\":\"7\"},\n\"items\":[ "
	       "{\"a\":\"}]\\\"\"} ,{\"b\":[1,{}]}],\"n\":12,\"t\":true}\n",
	       "kind=\"PodList\"\nmetadata={\"resourceVersion\":\"7\"}\nitem:{\"a\":\"}]\\\"\"}\n"
	       "item:{\"b\":[1,{}]}\nitems=[]\nn=12\nt=true\nend\n");
}

static void an_empty_list_has_no_items(void **state)
{
	(void)state;
	expect(FW_SPLIT_LIST, "{\"items\":[ ]}", "items=[]\nend\n");
	expect(FW_SPLIT_LIST, "{\"items\":null}", "items=null\nend\n");
	expect(FW_SPLIT_LIST, "{}", "end\n");
}

static void a_watch_is_cut_into_its_events(void **state)
{
	(void)state;
	expect(FW_SPLIT_EVENTS,
	       "{\"type\":\"ADDED\",\"object\":{\"x\":\"\\\\\"}}\n{\"object\":{},\"type\":\"X\"}\n",
	       "type=\"ADDED\"\nitem:{\"x\":\"\\\\\"}\nend\ntype=\"X\"\nitem:{}\nend\n");
}

static void items_inside_an_item_are_its_own(void **state)
{
	(void)state;
	expect(FW_SPLIT_LIST, "{\"items\":[{\"items\":[{},{}]}]}",
	       "item:{\"items\":[{},{}]}\nitems=[]\nend\n");
	expect(FW_SPLIT_EVENTS, "{\"object\":{\"object\":{\"object\":1}}}",
	       "item:{\"object\":{\"object\":1}}\nend\n");
}

/* An item of MOST bytes is whole; one byte more, and its beginning is handed out. */
static void an_item_that_is_too_large_is_cut_and_the_rest_goes_on(void **state)
{
	char text[1024], expected[1024], filler[MOST + 1];

	(void)state;
	memset(filler, 'x', MOST);
	filler[MOST - 2] = '\0';
	(void)snprintf(text, sizeof(text), "{\"items\":[\"%s\",\"%sy\",{}]}", filler, filler);
	(void)snprintf(expected, sizeof(expected),
		       "item:\"%s\"\nhead:\"%sy\nitem:{}\nitems=[]\nend\n", filler, filler);
	expect(FW_SPLIT_LIST, text, expected);
	(void)snprintf(text, sizeof(text), "{\"object\":\"%sy\",\"type\":\"A\"}{}", filler);
	(void)snprintf(expected, sizeof(expected), "type=\"A\"\nhead:\"%sy\nend\nend\n", filler);
	expect(FW_SPLIT_EVENTS, text, expected);
}

static void a_member_that_is_too_large_is_cut(void **state)
{
	size_t len = (FW_SPLIT_HEAD << 10) + 100;
	char *text = malloc(len + 64);
	struct fw_err err = {""};
	struct seen seen;
	bool at_end;

	(void)state;
	assert_non_null(text);
	memcpy(text, "{\"m\":\"", 6);
	memset(text + 6, 'x', len);
	memcpy(text + 6 + len, "\",\"items\":[{}]}", 16);
	for (size_t step = 1000; step < 2 * len; step *= 8) {
		assert_int_equal(feed(FW_SPLIT_LIST, text, step, &seen, &at_end, &err), 0);
		assert_true(at_end);
		assert_int_equal(seen.text.data[1], '~');
		assert_int_equal(seen.text.len,
				 2 + (FW_SPLIT_HEAD << 10) + strlen("\nitem:{}\nitems=[]\nend\n"));
		fw_buf_done(&seen.text);
	}
	free(text);
}

static void what_is_no_list_is_refused(void **state)
{
	(void)state;
	refuse(FW_SPLIT_LIST, "<html>", "\"{\" was expected");
	refuse(FW_SPLIT_LIST, "[1]", "\"{\" was expected");
	refuse(FW_SPLIT_LIST, "{,", "a member name was expected");
	refuse(FW_SPLIT_LIST, "{\"a\":1,}", "a member name was expected");
	refuse(FW_SPLIT_LIST, "{\"a\" 1}", "\":\" was expected");
	refuse(FW_SPLIT_LIST, "{\"a\":}", "a value was expected");
	refuse(FW_SPLIT_LIST, "{\"a\":1 2}", "\",\" or \"}\" was expected");
	refuse(FW_SPLIT_LIST, "{\"items\":[,{}]}", "an item was expected");
	refuse(FW_SPLIT_LIST, "{\"items\":[{},]}", "an item was expected");
	refuse(FW_SPLIT_LIST, "{\"items\":[{} {}]}", "\",\" or \"]\" was expected");
	refuse(FW_SPLIT_LIST, "{\"items\":[]}{", "its end was expected");
	refuse(FW_SPLIT_EVENTS, "{}\n}", "\"{\" was expected");
}

static void a_list_cut_short_is_not_at_its_end(void **state)
{
	static const char text[] = "{\"metadata\":{},\"items\":[{\"a\":1},{}]}";

	(void)state;
	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		char cut[sizeof(text)];
		struct fw_err err = {""};
		struct seen seen;
		bool at_end;

		memcpy(cut, text, len);
		cut[len] = '\0';
		assert_int_equal(feed(FW_SPLIT_LIST, cut, 1000, &seen, &at_end, &err), 0);
		assert_false(at_end);
		fw_buf_done(&seen.text);
	}
}

static int stop(void *context)
{
	(void)context;
	return -ECANCELED;
}

static void a_handler_ends_the_feed(void **state)
{
	static const char text[] = "{}{}";
	struct fw_err err = {""};
	struct fw_split_handler handler;
	struct fw_split *split;
	struct seen seen;

	(void)state;
	fw_buf_init(&seen.text, 100);
	handler = seen_handler(&seen);
	handler.end = stop;
	assert_int_equal(fw_split_new(FW_SPLIT_EVENTS, MOST, &handler, &split), 0);
	assert_int_equal(fw_split_feed(split, text, 4, &err), -ECANCELED);
	assert_int_equal(fw_split_feed(split, text, 4, &err), -EINVAL);
	fw_split_reset(split);
	assert_int_equal(fw_split_feed(split, text, 1, &err), 0);
	assert_false(fw_split_at_end(split));
	fw_split_free(&split);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_is_cut_into_its_items),
		cmocka_unit_test(an_empty_list_has_no_items),
		cmocka_unit_test(a_watch_is_cut_into_its_events),
		cmocka_unit_test(items_inside_an_item_are_its_own),
		cmocka_unit_test(an_item_that_is_too_large_is_cut_and_the_rest_goes_on),
		cmocka_unit_test(a_member_that_is_too_large_is_cut),
		cmocka_unit_test(what_is_no_list_is_refused),
		cmocka_unit_test(a_list_cut_short_is_not_at_its_end),
		cmocka_unit_test(a_handler_ends_the_feed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
