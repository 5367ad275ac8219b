/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration, environment and JSON: what is read, what is refused, and by which name.
 * In: texts. Out: TAP.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../env.h"
#include "../json.h"
#include "../netconf.h"

#define FRAME "\"cniVersion\":\"1.0.0\",\"name\":\"net\",\"type\":\"podwall-cni\""

static int parse(const char *text, bool removal, struct fw_netconf *conf, struct fw_err *err)
{
	enum fw_cni_version version = FW_CNI_NEWEST;

	return fw_netconf_parse(text, strlen(text), removal, &version, conf, err);
}

static void smallest_configuration_gets_the_stated_defaults(void **state)
{
	struct fw_netconf conf;
	struct fw_err err = {""};

	(void)state;
	assert_int_equal(parse("{" FRAME "}", false, &conf, &err), 0);
	assert_int_equal(conf.version, FW_CNI_1_0_0);
	assert_string_equal(conf.network, "net");
	assert_string_equal(conf.pin_dir, "/sys/fs/bpf/podwall");
	assert_string_equal(conf.run_dir, "/run/podwall");
	assert_string_equal(conf.default_namespace, "default");
	assert_string_equal(conf.node_name, "");
	assert_int_equal(conf.without_daemon, FW_WITHOUT_DAEMON_RETRY);
	assert_int_equal(conf.daemon_timeout_ms, 2000);
	assert_null(conf.prev);
	assert_false(fw_netconf_exempts(&conf, "kube-system"));
	fw_netconf_done(&conf);
}

static void every_option_is_read(void **state)
{
	struct fw_netconf conf;
	struct fw_err err = {""};

	(void)state;
	assert_int_equal(
		parse("{" FRAME ",\"pinDir\":\"/a\",\"runDir\":\"/b\",\"nodeName\":\"n1.example\","
		      "\"withoutDaemon\":\"isolated\",\"daemonTimeoutMs\":0,"
		      "\"exemptNamespaces\":[\"kube-system\",\"a\"],\"defaultNamespace\":\"hosts\","
		      "\"prevResult\":{},\"unknown\":{\"to\":\"us\"}}",
		      false, &conf, &err),
		0);
	assert_string_equal(conf.pin_dir, "/a");
	assert_string_equal(conf.run_dir, "/b");
	assert_string_equal(conf.node_name, "n1.example");
	assert_int_equal(conf.without_daemon, FW_WITHOUT_DAEMON_ISOLATED);
	assert_int_equal(conf.daemon_timeout_ms, 0);
	assert_string_equal(conf.default_namespace, "hosts");
	assert_non_null(conf.prev);
	assert_true(fw_netconf_exempts(&conf, "kube-system"));
	assert_true(fw_netconf_exempts(&conf, "a"));
	assert_false(fw_netconf_exempts(&conf, "kube-systemd"));
	fw_netconf_done(&conf);
}

static void options_inside_podwall_win(void **state)
{
	struct fw_netconf conf;
	struct fw_err err = {""};

	(void)state;
	assert_int_equal(parse("{" FRAME ",\"pinDir\":\"/top\",\"runDir\":\"/"
			       "top\",\"podwall\":{\"pinDir\":\"/inner\"}}",
			       false, &conf, &err),
			 0);
	assert_string_equal(conf.pin_dir, "/inner");
	assert_string_equal(conf.run_dir, "/top");
	fw_netconf_done(&conf);
}

static void names_are_exact_and_the_last_duplicate_counts(void **state)
{
	struct fw_netconf conf;
	struct fw_err err = {""};

	(void)state;
	assert_int_equal(parse("{" FRAME ",\"PinDir\":\"/wrong\",\"pinDir\":7,\"pinDir\":\"/"
			       "last\",\"pindir\":\"/wrong\"}",
			       false, &conf, &err),
			 0);
	assert_string_equal(conf.pin_dir, "/last");
	fw_netconf_done(&conf);
}

static void null_counts_as_missing(void **state)
{
	struct fw_netconf conf;
	struct fw_err err = {""};

	(void)state;
	assert_int_equal(parse("{" FRAME ",\"prevResult\":null,\"pinDir\":null,\"podwall\":null}",
			       false, &conf, &err),
			 0);
	assert_null(conf.prev);
	assert_string_equal(conf.pin_dir, "/sys/fs/bpf/podwall");
	fw_netconf_done(&conf);
}

static void removal_reads_where_things_are_and_nothing_else(void **state)
{
	static const char text[] =
		"{" FRAME ",\"daemonTimeoutMs\":\"x\",\"exemptNamespaces\":1,\"prevResult\":3,"
		"\"podwall\":{\"typo\":1},\"pinDir\":\"/p\"}";
	struct fw_netconf conf;
	struct fw_err err = {""};

	(void)state;
	assert_int_equal(parse(text, false, &conf, &err), FW_CNI_CONFIG);
	assert_int_equal(parse(text, true, &conf, &err), 0);
	assert_string_equal(conf.pin_dir, "/p");
	assert_null(conf.prev);
	fw_netconf_done(&conf);
	assert_int_equal(parse("{" FRAME ",\"pinDir\":\"p\"}", true, &conf, &err), FW_CNI_CONFIG);
	assert_non_null(strstr(err.text, "pinDir"));
}

static void refused_configurations_name_the_field(void **state)
{
	static const struct {
		const char *text, *word;
		int code;
	} rows[] = {
		{"{" FRAME ",\"pinDir\":\"x\"}", "pinDir", FW_CNI_CONFIG},
		{"{" FRAME ",\"pinDir\":\"/a/./b\"}", "pinDir", FW_CNI_CONFIG},
		{"{" FRAME ",\"pinDir\":\"/a\\u0007\"}", "pinDir", FW_CNI_CONFIG},
		{"{" FRAME ",\"withoutDaemon\":\"Isolated\"}", "withoutDaemon", FW_CNI_CONFIG},
		{"{" FRAME ",\"withoutDaemon\":true}", "withoutDaemon", FW_CNI_CONFIG},
		{"{" FRAME ",\"daemonTimeoutMs\":1e99}", "daemonTimeoutMs", FW_CNI_CONFIG},
		{"{" FRAME ",\"daemonTimeoutMs\":-0.5}", "daemonTimeoutMs", FW_CNI_CONFIG},
		{"{" FRAME ",\"nodeName\":\"a..b\"}", "nodeName", FW_CNI_CONFIG},
		{"{" FRAME ",\"nodeName\":\"-a\"}", "nodeName", FW_CNI_CONFIG},
		{"{" FRAME ",\"exemptNamespaces\":[null]}", "item 0", FW_CNI_CONFIG},
		{"{" FRAME ",\"podwall\":{\"\":1}}", "podwall.", FW_CNI_CONFIG},
		{"{" FRAME ",\"cni.dev/valid-attachments\":{}}", "valid-attachments",
		 FW_CNI_CONFIG},
		{"{\"cniVersion\":\"1.0.0\",\"type\":\"x\"}", "name", FW_CNI_CONFIG},
		{"{\"cniVersion\":\"1.0.0\",\"name\":\"n\"}", "type", FW_CNI_CONFIG},
		{"{\"cniVersion\":\"1.0.0\",\"name\":\".n\",\"type\":\"x\"}", "name",
		 FW_CNI_CONFIG},
		{"{\"cniVersion\":\"1.2.0\",\"name\":\"n\",\"type\":\"x\"}", "1.2.0",
		 FW_CNI_VERSION},
		{"{\"cniVersion\":\"0.3.0\",\"name\":\"n\",\"type\":\"x\"}", "0.3.0",
		 FW_CNI_VERSION},
		{"{\"name\":\"n\",\"type\":\"x\"}", "cniVersion", FW_CNI_VERSION},
		{"[]", "object", FW_CNI_DECODE},
		{"{} {}", "behind", FW_CNI_DECODE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fw_netconf conf = {.network = "untouched"};
		struct fw_err err = {""};
		int code = parse(rows[i].text, false, &conf, &err);
		if (code != rows[i].code || !strstr(err.text, rows[i].word))
			fail_msg("%s: code %d, %s", rows[i].text, code, err.text);
		assert_string_equal(conf.network, "untouched");
	}
}

static void json_refuses_what_cjson_lets_through(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		int result;
	} rows[] = {
		{"{\"a\":1}", 7, 0},
		{"{\"a\":1}\0", 8, -1},
		{"{\"a\":1}x", 8, -1},
		{" {\"a\":1}\n\t\r ", 12, 0},
		{"\"\\u0000\"", 8, -1},
		{"\"\\\\u0000\"", 9, 0},
		{"\"\x1b\"", 3, -1},
		{"\"\x80\"", 3, -1},
		{"\"\xc0\xaf\"", 4, -1},
		{"\"\xed\xa0\x80\"", 5, -1},
		{"\"\xf4\x90\x80\x80\"", 6, -1},
		{"\"\xf0\x9f\x98\x80\"", 6, 0},
		{"\"\xe2\x82\"", 4, -1},
		{"{\"a\":1", 6, -1},
		{"[1e300]", 7, 0},
		{"[{\"a\":1e999}]", 13, -1},
		{"", 0, -1},
		{"\v1", 2, -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fw_err err = {""};
		cJSON *root = NULL;
		int r = fw_json_parse(rows[i].text, rows[i].len, &root, &err);
		if ((r < 0) != (rows[i].result < 0))
			fail_msg("row %zu: %s", i, err.text);
		assert_true((root != NULL) == (r == 0));
		fw_json_free(&root);
	}
}

static int parse_env(const char *id, const char *netns, const char *ifname, const char *args,
		     unsigned int needs, struct fw_env *env, struct fw_err *err)
{
	const struct fw_env_raw raw = {id, netns, ifname, args};

	return fw_env_parse(&raw, needs, env, err);
}

#define ALL (FW_ENV_CONTAINER | FW_ENV_NETNS | FW_ENV_POD)

static void pod_is_read_from_arguments_in_any_order(void **state)
{
	struct fw_err err = {""};
	struct fw_env env;

	(void)state;
	assert_int_equal(parse_env("c-1", "/run/netns/x", "eth0",
				   "K8S_POD_UID=u-1;;Other=a=b;K8S_POD_NAME=web-0;K8S_POD_INFRA_"
				   "CONTAINER_ID=c-1;"
				   "K8S_POD_NAMESPACE=shop;IgnoreUnknown=true;",
				   ALL, &env, &err),
			 0);
	assert_string_equal(env.namespace, "shop");
	assert_string_equal(env.name, "web-0");
	assert_string_equal(env.uid, "u-1");
	assert_string_equal(env.container_id, "c-1");
	assert_string_equal(env.netns, "/run/netns/x");
}

static void podman_names_and_missing_values_are_fine(void **state)
{
	struct fw_err err = {""};
	struct fw_env env;

	(void)state;
	assert_int_equal(parse_env("c", "/n", "eth0", "IgnoreUnknown=1;K8S_POD_NAME=My_Box.1", ALL,
				   &env, &err),
			 0);
	assert_string_equal(env.name, "My_Box.1");
	assert_string_equal(env.namespace, "");
	assert_int_equal(
		parse_env("c", "/n", "eth0", "K8S_POD_NAME=;K8S_POD_UID=", ALL, &env, &err), 0);
	assert_string_equal(env.name, "");
	assert_int_equal(parse_env("c", "/n", "eth0", NULL, ALL, &env, &err), 0);
}

static void longest_values_fit_and_one_byte_more_does_not(void **state)
{
	char id[FW_CONTAINER_ID_MAX + 2], args[512];
	struct fw_err err = {""};
	struct fw_env env;

	(void)state;
	memset(id, 'a', sizeof(id));
	id[FW_CONTAINER_ID_MAX] = '\0';
	assert_int_equal(parse_env(id, "/n", "fifteen-letters", "", ALL, &env, &err), 0);
	id[FW_CONTAINER_ID_MAX] = 'a';
	id[FW_CONTAINER_ID_MAX + 1] = '\0';
	assert_int_equal(parse_env(id, "/n", "eth0", "", ALL, &env, &err), FW_CNI_ENVIRONMENT);
	assert_int_equal(parse_env("c", "/n", "sixteen-letters1", "", ALL, &env, &err),
			 FW_CNI_ENVIRONMENT);
	for (int len = FW_POD_NAME_MAX; len <= FW_POD_NAME_MAX + 30; len++) {
		(void)snprintf(args, sizeof(args), "K8S_POD_NAME=%0*d", len, 0);
		assert_int_equal(parse_env("c", "/n", "eth0", args, ALL, &env, &err),
				 len == FW_POD_NAME_MAX ? 0 : FW_CNI_ENVIRONMENT);
	}
	(void)snprintf(args, sizeof(args), "K8S_POD_UID=%065d", 0);
	assert_int_equal(parse_env("c", "/n", "eth0", args, ALL, &env, &err), FW_CNI_ENVIRONMENT);
	assert_non_null(strstr(err.text, "K8S_POD_UID"));
}

static void each_command_needs_its_own_variables(void **state)
{
	struct fw_err err = {""};
	struct fw_env env;

	(void)state;
	assert_int_equal(parse_env(NULL, "dummy", "dummy", "x", 0, &env, &err), 0);
	assert_int_equal(parse_env("c", NULL, "eth0", "garbage", FW_ENV_CONTAINER, &env, &err), 0);
	assert_null(env.netns);
	assert_int_equal(
		parse_env("c", "", "eth0", NULL, FW_ENV_CONTAINER | FW_ENV_NETNS, &env, &err),
		FW_CNI_ENVIRONMENT);
	assert_non_null(strstr(err.text, "CNI_NETNS: must be set"));
	assert_int_equal(parse_env("c", "/n", "eth0", "a=b", ALL, &env, &err), FW_CNI_ENVIRONMENT);
	assert_non_null(strstr(err.text, "unknown key a,"));
	assert_int_equal(parse_env("c", "/n", "eth0", "a=b;IgnoreUnknown=0", ALL, &env, &err),
			 FW_CNI_ENVIRONMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(smallest_configuration_gets_the_stated_defaults),
		cmocka_unit_test(every_option_is_read),
		cmocka_unit_test(options_inside_podwall_win),
		cmocka_unit_test(names_are_exact_and_the_last_duplicate_counts),
		cmocka_unit_test(null_counts_as_missing),
		cmocka_unit_test(removal_reads_where_things_are_and_nothing_else),
		cmocka_unit_test(refused_configurations_name_the_field),
		cmocka_unit_test(json_refuses_what_cjson_lets_through),
		cmocka_unit_test(pod_is_read_from_arguments_in_any_order),
		cmocka_unit_test(podman_names_and_missing_values_are_fine),
		cmocka_unit_test(longest_values_fit_and_one_byte_more_does_not),
		cmocka_unit_test(each_command_needs_its_own_variables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
