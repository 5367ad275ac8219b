// SPDX-License-Identifier: Apache-2.0
/*
 * Requests of the socket and the plugin's endpoint files. In: wrong and right bytes. Out: TAP;
 * messages word for word.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/request.h"

#define ADD                                                                                        \
	"{\"op\":\"endpoint_add\",\"containerId\":\"4f6a\",\"ifname\":\"eth0\",\"namespace\":"     \
	"\"shop\","                                                                                \
	"\"name\":\"web-1\",\"uid\":\"u-1\",\"ips\":[\"10.1.0.2\",\"fd00::2\"],\"slot\":17,"       \
	"\"wait_ms\":2000}"
#define FILE_TEXT                                                                                  \
	"{\"version\":1,\"containerId\":\"4f6a\",\"ifname\":\"eth0\",\"network\":\"n\","           \
	"\"nodeName\":\"\","                                                                       \
	"\"namespace\":\"shop\",\"name\":\"web-1\",\"uid\":\"\",\"slot\":17,\"hook\":\"host\","    \
	"\"ifindex\":12,"                                                                          \
	"\"device\":\"veth1\",\"mac\":\"0a:58:0a:01:00:02\",\"ips\":[\"10.1.0.2\"],\"netns\":\"/"  \
	"run/netns/x\","                                                                           \
	"\"netnsInode\":4026532573}"

static struct fw_request request;
static struct fw_sandbox_info info;

static void refuse(const char *line, const char *text)
{
	struct fw_err err = {""};

	assert_true(fw_request_parse(line, strlen(line), &request, &err) < 0);
	assert_string_equal(err.text, text);
}

/* ADD with `from` replaced by `to`. */
static const char *changed(const char *whole, const char *from, const char *to)
{
	static char text[2048];
	const char *at = strstr(whole, from);

	assert_non_null(at);
	(void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - whole), whole, to,
		       at + strlen(from));
	return text;
}

static void test_a_whole_request_is_read_with_every_member(void **state)
{
	struct fw_err err = {""};
	struct fw_ip ip;

	(void)state;
	assert_int_equal(fw_request_parse(ADD, strlen(ADD), &request, &err), 0);
	assert_int_equal(request.op, FW_OP_ENDPOINT_ADD);
	assert_string_equal(request.info.container_id, "4f6a");
	assert_string_equal(request.info.ifname, "eth0");
	assert_string_equal(request.info.namespace, "shop");
	assert_string_equal(request.info.name, "web-1");
	assert_string_equal(request.info.uid, "u-1");
	assert_int_equal(request.info.ip_count, 2);
	assert_int_equal(fw_ip_parse("fd00::2", &ip, NULL), 0);
	assert_true(fw_ip_equal(&request.info.ips[1], &ip));
	assert_int_equal(request.info.slot, 17);
	assert_int_equal(request.wait_ms, 2000);
}

static void test_each_wrong_request_names_its_member(void **state)
{
	(void)state;
	refuse("", "request: byte 0: not JSON");
	refuse("{", "request: byte 0: not JSON");
	refuse("[]", "request: not an object");
	refuse("{} {}", "request: byte 3: text behind the object");
	refuse("{\"op\":\"\x01\"}", "request: byte 7: a control character");
	refuse("{\"op\":\"\xc0\x80\"}", "request: byte 7: not UTF-8");
	refuse("{\"op\":\"a\\u0000b\"}", "request: byte 8: a NUL character");
	refuse("{}", "request: op: missing");
	refuse("{\"op\":null}", "request: op: missing");
	refuse("{\"op\":7}", "request: op: not a string");
	refuse("{\"OP\":\"status\"}", "request: op: missing");
	refuse("{\"op\":\"Status\"}", "request: op: 'Status' is not known");
	refuse(changed(ADD, "4f6a", ""), "request: containerId: empty");
	refuse(changed(ADD, "4f6a", "-x"),
	       "request: containerId: does not begin with a letter or digit");
	refuse(changed(ADD, "4f6a", "a/b"),
	       "request: containerId: holds other than letters, digits, '_', '.', '-'");
	refuse(changed(ADD, "eth0", "a-name-of-16-byt"), "request: ifname: longer than 15 bytes");
	refuse(changed(ADD, "eth0", "e/0"), "request: ifname: not a name of an interface");
	refuse(changed(ADD, "\"web-1\"", "[]"), "request: name: not a string");
	refuse(changed(ADD, "10.1.0.2", "10.1.0"),
	       "request: ips[0]: \"10.1.0\" is not an IP address");
	refuse(changed(ADD, "17", "-1"), "request: slot: not a whole number from 0 to 4294967294");
	refuse(changed(ADD, "17", "1.5"), "request: slot: not a whole number from 0 to 4294967294");
	refuse(changed(ADD, "17", "1e300"),
	       "request: slot: not a whole number from 0 to 4294967294");
	refuse(changed(ADD, "2000", "30001"),
	       "request: wait_ms: not a whole number from 0 to 30000");
	refuse(changed(ADD, "\"slot\":17,", ""), "request: slot: missing");
	refuse("{\"op\":\"policies\",\"pod\":\"/x\"}", "request: pod: not NAMESPACE/NAME");
	refuse("{\"op\":\"flows\",\"follow\":1}", "request: follow: neither true nor false");
	refuse("{\"op\":\"flows\",\"last\":4294967296}",
	       "request: last: not a whole number from 0 to 4294967295");
	refuse("{\"op\":\"enforcement\",\"mode\":\"enforce\"}",
	       "request: mode: neither Enforce nor Audit");
	refuse("{\"op\":\"endpoint_del\",\"ifname\":\"eth0\"}", "request: containerId: missing");
}

static void test_of_duplicate_members_the_last_counts(void **state)
{
	static const char line[] = "{\"op\":\"flows\",\"op\":\"version\"}";
	struct fw_err err = {""};

	(void)state;
	assert_int_equal(fw_request_parse(line, strlen(line), &request, &err), 0);
	assert_int_equal(request.op, FW_OP_VERSION);
}

static void test_a_failure_leaves_the_output_untouched(void **state)
{
	struct fw_request before;

	(void)state;
	memset(&request, 0x5a, sizeof(request));
	before = request;
	refuse("{\"op\":\"flows\",\"follow\":true,\"last\":-1}",
	       "request: last: not a whole number from 0 to 4294967295");
	assert_memory_equal(&before, &request, sizeof(request));
}

static void refuse_file(const char *text, const char *message)
{
	struct fw_err err = {""};

	assert_true(fw_sandbox_parse(text, strlen(text), &info, &err) < 0);
	assert_string_equal(err.text, message);
}

static void test_the_plugins_file_is_read_strictly(void **state)
{
	static const uint8_t mac[6] = {0x0a, 0x58, 0x0a, 1, 0, 2};
	struct fw_err err = {""};

	(void)state;
	assert_int_equal(fw_sandbox_parse(FILE_TEXT, strlen(FILE_TEXT), &info, &err), 0);
	assert_int_equal(info.slot, 17);
	assert_int_equal(info.ifindex, 12);
	assert_memory_equal(info.mac, mac, 6);
	assert_false(info.in_sandbox);
	assert_true(info.placed);
	assert_int_equal(info.netns_inode, 4026532573);
	refuse_file(changed(FILE_TEXT, "\"version\":1", "\"version\":2"),
		    "version: not a whole number from 0 to 1");
	refuse_file(changed(FILE_TEXT, "\"version\":1", "\"version\":0"), "version: not 1");
	refuse_file(changed(FILE_TEXT, "eth0", "a/b0"), "ifname: not a name of an interface");
	refuse_file(changed(FILE_TEXT, "\"4f6a", "\"/f6a"),
		    "containerId: does not begin with a letter or digit");
	refuse_file(changed(FILE_TEXT, "host", "pod"), "hook: neither host nor sandbox");
	refuse_file(changed(FILE_TEXT, "0a:58:0a:01:00:02", "0a:58:0a:01:00:0g"), "mac: not a MAC");
	refuse_file(changed(FILE_TEXT, "0a:58:0a:01:00:02", "0a:58"), "mac: not a MAC");
	refuse_file(changed(FILE_TEXT, "\"ips\":[\"10.1.0.2\"],", ""), "ips: missing");
}

static void test_a_file_without_a_slot_is_an_add_under_way(void **state)
{
	struct fw_err err = {""};
	const char *text = changed(FILE_TEXT, "\"slot\":17,", "");

	(void)state;
	assert_int_equal(fw_sandbox_parse(text, strlen(text), &info, &err), 0);
	assert_int_equal(info.slot, FW_SANDBOX_UNPLACED);
}

static void test_file_names_are_those_of_the_plugin(void **state)
{
	char name[NAME_MAX + 1];

	(void)state;
	assert_int_equal(fw_sandbox_file_name("4f6a", "eth0", name), 0);
	assert_string_equal(name, "4f6a-eth0.json");
	assert_int_equal(fw_sandbox_file_name("4f6a", "a-b%", name), 0);
	assert_string_equal(name, "4f6a-a%2db%25.json");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_whole_request_is_read_with_every_member),
		cmocka_unit_test(test_each_wrong_request_names_its_member),
		cmocka_unit_test(test_of_duplicate_members_the_last_counts),
		cmocka_unit_test(test_a_failure_leaves_the_output_untouched),
		cmocka_unit_test(test_the_plugins_file_is_read_strictly),
		cmocka_unit_test(test_a_file_without_a_slot_is_an_add_under_way),
		cmocka_unit_test(test_file_names_are_those_of_the_plugin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
