/* SPDX-License-Identifier: Apache-2.0 */
/* Units of base/: errors, buffers, addresses. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/block.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/htab.h"
#include "base/ip.h"

static void error_text_gains_context_on_its_way_up(void **state)
{
	struct fw_err err = {0};

	(void)state;
	assert_int_equal(fw_err_set(&err, -EINVAL, "port %d: out of range", 70000), -EINVAL);
	fw_err_prefix(&err, "rule %d", 2);
	fw_err_prefix(&err, "NetworkPolicy %s", "shop/api");
	assert_string_equal(err.text, "NetworkPolicy shop/api: rule 2: port 70000: out of range");
	assert_int_equal(fw_err_errno(&err, -ENOENT, "open %s", "x"), -ENOENT);
	assert_string_equal(err.text, "open x: No such file or directory");
	assert_int_equal(fw_err_set(NULL, -EIO, "nobody listens"), -EIO);
}

static void error_text_is_cut_at_its_end(void **state)
{
	struct fw_err err = {0};
	char longer[2 * FW_ERR_TEXT];

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	(void)fw_err_set(&err, -EINVAL, "%s", longer);
	assert_int_equal(strlen(err.text), FW_ERR_TEXT - 1);
	fw_err_prefix(&err, "head");
	assert_int_equal(strlen(err.text), FW_ERR_TEXT - 1);
	assert_memory_equal(err.text, "head: xxx", 9);
	fw_err_prefix(&err, "%s", longer);
	assert_int_equal(strlen(err.text), FW_ERR_TEXT - 1);
}

static void buffer_grows_to_its_maximum_and_no_further(void **state)
{
	struct fw_buf buf;
	char *text;

	(void)state;
	fw_buf_init(&buf, 1000);
	for (int i = 0; i < 100; i++)
		assert_int_equal(fw_buf_append(&buf, "0123456789", 10), 0);
	assert_int_equal(buf.len, 1000);
	assert_int_equal(fw_buf_append(&buf, "x", 1), -EFBIG);
	assert_int_equal(fw_buf_printf(&buf, "%d", 1), -EFBIG);
	assert_null(fw_buf_take(&buf));
	assert_int_equal(fw_buf_printf(&buf, "a%db", 7), 0);
	text = fw_buf_take(&buf);
	assert_string_equal(text, "a7b");
	free(text);
	text = fw_buf_take(&buf);
	assert_string_equal(text, "");
	free(text);
	fw_buf_done(&buf);
}

static void buffer_gives_up_what_was_consumed(void **state)
{
	struct fw_buf buf;

	(void)state;
	fw_buf_init(&buf, 100);
	assert_int_equal(fw_buf_append(&buf, "hello", 5), 0);
	fw_buf_consume(&buf, 2);
	assert_string_equal(buf.data, "llo");
	fw_buf_consume(&buf, 99);
	assert_int_equal(buf.len, 0);
	fw_buf_done(&buf);
}

static void escaped(const char *in, const char *out)
{
	struct fw_buf buf;

	fw_buf_init(&buf, 1000);
	assert_int_equal(fw_buf_append_escaped(&buf, in), 0);
	assert_string_equal(buf.data ? buf.data : "", out);
	fw_buf_done(&buf);
}

static void hostile_text_is_shown_and_does_nothing(void **state)
{
	(void)state;
	escaped("shop/web-0", "shop/web-0");
	escaped("caf\xc3\xa9 \xe7\xbd\x91", "caf\xc3\xa9 \xe7\xbd\x91");
	escaped("\x1b[31m\n\r\x7f", "\\x1b[31m\\x0a\\x0d\\x7f");
	escaped("a\\b", "a\\\\b");
	escaped("\xc2\x9b"
		"31m",
		"\\u009b31m");
	escaped("\xe2\x80\xae"
		"evil",
		"\\u202eevil");
	escaped("\xff\xc0\xaf\xed\xa0\x80", "\\xff\\xc0\\xaf\\xed\\xa0\\x80");
	escaped("\xf0\x9f\x98\x80\xf4\x90\x80\x80", "\xf0\x9f\x98\x80\\xf4\\x90\\x80\\x80");
	escaped("cut \xe2\x80", "cut \\xe2\\x80");
}

static void address(const char *in, const char *out)
{
	struct fw_ip ip;
	char text[FW_IP_TEXT];
	struct fw_err err = {0};

	if (!out) {
		assert_int_equal(fw_ip_parse(in, &ip, &err), -EINVAL);
		assert_true(err.text[0]);
		return;
	}
	assert_int_equal(fw_ip_parse(in, &ip, &err), 0);
	assert_string_equal(fw_ip_format(&ip, text), out);
}

static void addresses_are_read_as_kubernetes_reads_them(void **state)
{
	(void)state;
	address("10.0.0.1", "10.0.0.1");
	address("010.000.008.09", "10.0.8.9");
	address("::ffff:10.0.0.1", "10.0.0.1");
	address("FD00:0:0::0001", "fd00::1");
	address("::", "::");
	address("10.0.0", NULL);
	address("10.0.0.256", NULL);
	address("10.0.0.1.", NULL);
	address("10.0.0.-1", NULL);
	address(" 10.0.0.1", NULL);
	address("fe80::1%eth0", NULL);
	address("", NULL);
	address("1:2:3:4:5:6:7:8:9", NULL);
}

static void prefix(const char *in, const char *out)
{
	struct fw_prefix parsed;
	char text[FW_PREFIX_TEXT];
	struct fw_err err = {0};

	if (!out) {
		assert_int_equal(fw_prefix_parse(in, &parsed, &err), -EINVAL);
		assert_true(err.text[0]);
		return;
	}
	assert_int_equal(fw_prefix_parse(in, &parsed, &err), 0);
	assert_string_equal(fw_prefix_format(&parsed, text), out);
}

static void prefixes_are_canonical(void **state)
{
	(void)state;
	prefix("10.0.0.5/24", "10.0.0.0/24");
	prefix("010.0.0.0/8", "10.0.0.0/8");
	prefix("::ffff:10.0.0.0/104", "10.0.0.0/8");
	prefix("0.0.0.0/0", "0.0.0.0/0");
	prefix("::/0", "::/0");
	prefix("fd00::1/128", "fd00::1/128");
	prefix("255.255.255.255/31", "255.255.255.254/31");
	prefix("10.0.0.0/33", NULL);
	prefix("10.0.0.0", NULL);
	prefix("10.0.0.0/", NULL);
	prefix("10.0.0.0/8x", NULL);
	prefix("10.0.0.0/-1", NULL);
	prefix("fd00::/129", NULL);
	prefix("fd00::/4294967296", NULL);
}

static bool contains(const char *block, const char *host)
{
	struct fw_prefix parsed;
	struct fw_ip ip;

	assert_int_equal(fw_prefix_parse(block, &parsed, NULL), 0);
	assert_int_equal(fw_ip_parse(host, &ip, NULL), 0);
	return fw_prefix_contains(&parsed, &ip);
}

static void a_prefix_holds_addresses_of_its_family_only(void **state)
{
	(void)state;
	assert_true(contains("10.0.0.0/9", "10.127.255.255"));
	assert_false(contains("10.0.0.0/9", "10.128.0.0"));
	assert_true(contains("0.0.0.0/0", "203.0.113.9"));
	assert_false(contains("0.0.0.0/0", "2001:db8::1"));
	assert_false(contains("::/0", "203.0.113.9"));
	assert_true(contains("::/0", "2001:db8::1"));
	assert_true(contains("fd00::/127", "fd00::1"));
	assert_false(contains("fd00::/127", "fd00::2"));
}

/* Hashes that all fall into a few slots: what stays is found, whatever was taken out before. */
static void a_table_keeps_what_stays_and_loses_what_goes(void **state)
{
	_cleanup_(fw_htab_done) struct fw_htab htab = {0};
	char items[1000];
	size_t at;

	(void)state;
	for (size_t i = 0; i < sizeof(items); i++)
		assert_int_equal(fw_htab_add(&htab, i % 7 * 5, &items[i]), 0);
	for (size_t i = 0; i < sizeof(items); i += 2)
		fw_htab_remove(&htab, i % 7 * 5, &items[i]);
	fw_htab_remove(&htab, 0, &htab); /* never was in it */
	assert_int_equal(htab.used, sizeof(items) / 2);
	for (size_t hash = 0; hash < 7; hash++) {
		size_t found = 0, wanted = 0;
		const char *item;

		for (size_t i = 1; i < sizeof(items); i += 2)
			wanted += i % 7 == hash;
		for (at = 0; (item = fw_htab_next(&htab, hash * 5, &at)); found++)
			assert_int_equal((size_t)(item - items) % 7, hash);
		assert_int_equal(found, wanted);
	}
}

struct pair {
	uint64_t number;
	char *text;
};

/* The walk that both passes make. */
static struct pair *lay(struct fw_block *block, const struct pair *from)
{
	struct pair *to = fw_block_take(block, from, sizeof(*from), FW_BLOCK_ALIGNMENT);
	char *odd = fw_block_take(block, "abc", 3, 1);
	char *text = fw_block_text(block, from->text);
	void *nothing = fw_block_take(block, NULL, 0, FW_BLOCK_ALIGNMENT);
	uint64_t *last = fw_block_take(block, &from->number, sizeof(*last), FW_BLOCK_ALIGNMENT);

	assert_null(fw_block_text(block, NULL));
	if (!to)
		return NULL;
	assert_memory_equal(odd, "abc", 3);
	assert_non_null(nothing);
	assert_int_equal((uintptr_t)last % FW_BLOCK_ALIGNMENT, 0);
	assert_int_equal(*last, from->number);
	to->text = text;
	return to;
}

static void a_block_is_as_large_as_it_was_measured(void **state)
{
	const struct pair from = {0x1122334455667788u, (char *)"some text"};
	struct fw_block block = {0};
	struct pair *pair;
	size_t size;

	(void)state;
	assert_null(lay(&block, &from));
	size = block.used;
	assert_int_equal(size, 16 + 3 + 10 + 3 + 8);
	block = (struct fw_block){.data = malloc(size)};
	assert_non_null(block.data);
	pair = lay(&block, &from);
	assert_ptr_equal(pair, block.data);
	assert_int_equal(block.used, size);
	assert_string_equal(pair->text, "some text");
	assert_true(pair->text > block.data && pair->text < block.data + size);
	free(block.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_text_gains_context_on_its_way_up),
		cmocka_unit_test(error_text_is_cut_at_its_end),
		cmocka_unit_test(buffer_grows_to_its_maximum_and_no_further),
		cmocka_unit_test(buffer_gives_up_what_was_consumed),
		cmocka_unit_test(hostile_text_is_shown_and_does_nothing),
		cmocka_unit_test(addresses_are_read_as_kubernetes_reads_them),
		cmocka_unit_test(prefixes_are_canonical),
		cmocka_unit_test(a_prefix_holds_addresses_of_its_family_only),
		cmocka_unit_test(a_table_keeps_what_stays_and_loses_what_goes),
		cmocka_unit_test(a_block_is_as_large_as_it_was_measured),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
