/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pure parts of the API source. In: texts, numbers and files of a folder of its own. Out:
 * nothing. What needs a server is tested in e2e/tests/kube and e2e/api.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <errno.h>

#include <fw/abi.h>

#include "kube/closed.h"
#include "kube/config.h"
#include "kube/known.h"
#include "kube/pace.h"

#define MS  1000000ull
#define PEM "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

static char folder[] = "/tmp/podwall-kube-XXXXXX";

/* pace.h */

static void the_first_attempt_waits_not_at_all(void **state)
{
	(void)state;
	assert_int_equal(fw_pace_wait_ns(0, 0, UINT32_MAX), 0);
}

static void each_failure_doubles_the_wait_up_to_a_limit_with_jitter(void **state)
{
	static const uint32_t randoms[] = {0, 1, 125, 250, 999, 123456789, UINT32_MAX};

	(void)state;
	for (unsigned int failures = 1; failures < 2000; failures += failures < 20 ? 1 : 97) {
		uint64_t middle = failures > 7 ? FW_PACE_MOST_MS
					       : (uint64_t)FW_PACE_FIRST_MS << (failures - 1);
		uint64_t least = UINT64_MAX, most = 0;

		for (size_t i = 0; i < sizeof(randoms) / sizeof(*randoms); i++) {
			uint64_t wait = fw_pace_wait_ns(failures, 0, randoms[i]);

			assert_in_range(wait, middle * MS / 2, middle * MS * 3 / 2);
			least = wait < least ? wait : least;
			most = wait > most ? wait : most;
		}
		assert_true(least < most);
	}
}

static void a_server_is_never_asked_before_its_time(void **state)
{
	(void)state;
	for (uint32_t random = 0; random < 100000; random += 37) {
		assert_in_range(fw_pace_wait_ns(1, 3, random), 3000 * MS, 3300 * MS);
		assert_in_range(fw_pace_wait_ns(40, 1, random), 8000 * MS, 24000 * MS);
		assert_in_range(fw_pace_wait_ns(1, 600, random), 600000 * MS, 660000 * MS);
		assert_in_range(fw_pace_wait_ns(1, 86400, random), 600000 * MS, 660000 * MS);
	}
}

/* known.h: two streams may tell of one pod */

static struct fw_known_object *tell(struct fw_known *known, unsigned int stream, uint64_t order,
				    uint32_t mark, bool newest)
{
	struct fw_known_object *object;
	bool found;

	assert_int_equal(fw_known_put(known, stream, "shop", "web-0", order, mark, &object, &found),
			 0);
	assert_int_equal(found, newest);
	return object;
}

static void the_higher_version_is_in_force_whoever_tells_it(void **state)
{
	struct fw_known known = {0};
	bool lost;

	(void)state;
	(void)tell(&known, 0, 10, 1, true);
	(void)tell(&known, 1, 9, 1, false);
	(void)tell(&known, 1, 11, 1, true);
	assert_false(fw_known_drop(&known, 0, fw_known_find(&known, "shop", "web-0"), &lost));
	assert_false(lost);
	assert_true(fw_known_drop(&known, 1, fw_known_find(&known, "shop", "web-0"), &lost));
	assert_null(fw_known_find(&known, "shop", "web-0"));
	fw_known_done(&known);
}

static void a_delete_that_uncovers_an_unread_version_is_told(void **state)
{
	struct fw_known known = {0};
	bool lost;

	(void)state;
	(void)tell(&known, 0, 10, 1, true);
	(void)tell(&known, 1, 9, 1, false);
	assert_true(fw_known_drop(&known, 0, fw_known_find(&known, "shop", "web-0"), &lost));
	assert_true(lost);
	assert_non_null(fw_known_find(&known, "shop", "web-0"));
	fw_known_done(&known);
}

static void names_of_other_namespaces_are_other_objects(void **state)
{
	struct fw_known known = {0};
	struct fw_known_object *object;
	bool newest;

	(void)state;
	assert_int_equal(fw_known_put(&known, 0, "ab", "c", 1, 1, &object, &newest), 0);
	assert_null(fw_known_find(&known, "a", "bc"));
	assert_null(fw_known_find(&known, "", "ab"));
	assert_string_equal(fw_known_name(object), "c");
	assert_true(fw_known_trouble(&known, object, "wrong"));
	assert_false(fw_known_trouble(&known, object, "wrong"));
	assert_int_equal(known.troubled, 1);
	assert_true(fw_known_trouble(&known, object, NULL));
	assert_int_equal(known.troubled, 0);
	fw_known_done(&known);
}

#define MANY 1000u

static void what_a_list_did_not_tell_is_swept_while_it_is_looked_for(void **state)
{
	struct fw_known known = {0};
	struct fw_known_object *object;
	bool newest, lost;
	size_t at = 0, dropped = 0, left = 0;
	char name[16];

	(void)state;
	for (unsigned int i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof(name), "web-%u", i);
		assert_int_equal(
			fw_known_put(&known, 1, "shop", name, i, i % 3 ? 1 : 2, &object, &newest),
			0);
	}
	while ((object = fw_known_next(&known, &at))) {
		if (object->mark[1] == 2)
			continue;
		assert_true(fw_known_drop(&known, 1, object, &lost));
		dropped++;
		at--;
	}
	assert_int_equal(dropped, MANY - (MANY + 2) / 3);
	at = 0;
	while ((object = fw_known_next(&known, &at))) {
		assert_int_equal(object->mark[1], 2);
		assert_true(fw_known_held(object, 1));
		assert_false(fw_known_held(object, 0));
		left++;
	}
	assert_int_equal(left, (MANY + 2) / 3);
	fw_known_done(&known);
}

/* closed.h */

static struct fw_item read_item(enum fw_kind kind, const char *text, bool whole)
{
	struct fw_item item;

	fw_item_read(kind, text, strlen(text), whole, &item);
	return item;
}

static void a_policy_that_cannot_be_read_isolates_its_namespace(void **state)
{
	struct fw_item item = {.namespace = "shop", .name = "p"};
	struct fw_object *object = fw_closed_policy(&item, "here", "too large");
	const struct fw_network_policy *policy = (const void *)object;

	(void)state;
	assert_non_null(object);
	assert_true(policy->isolates[FW_INGRESS] && policy->isolates[FW_EGRESS]);
	assert_string_equal(policy->broken, "cannot be read: too large");
	fw_object_free(&object);
}

static void a_service_that_cannot_be_read_keeps_its_addresses_and_has_no_port(void **state)
{
	struct fw_item item = read_item(
		FW_KIND_SERVICE,
		"{\"metadata\":{\"name\":\"s\",\"namespace\":\"shop\"},\"spec\":{\"clusterIP\":"
		"\"10.0.0.9\",\"clusterIPs\":[\"10.0.0.9\",\"fd00::9\",\"None\",7],\"externalIPs\":"
		"[\"192.0.2.1\"],\"ports\":\"many\"},\"status\":{\"loadBalancer\":{\"ingress\":["
		"{\"ip\":\"192.0.2.2\"},{\"hostname\":\"x\"}]}}}",
		true);
	struct fw_object *object = fw_closed_service(&item, "here");
	const struct fw_service_object *service = (const void *)object;

	(void)state;
	assert_non_null(object);
	assert_int_equal(service->ip_count, 4);
	assert_int_equal(service->cluster_ip_count, 2);
	assert_int_equal(service->port_count, 0);
	assert_int_not_equal(object->digest, 0);
	fw_object_free(&object);
	fw_item_done(&item);
}

/* config.h */

static void write_file(const char *name, const char *text)
{
	char path[200];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fputs(text, file) < 0, 0);
	assert_int_equal(fclose(file), 0);
}

static int read_config(const char *text, const char *context, struct fw_kube_config *ret_config,
		       struct fw_err *err)
{
	char path[200];

	write_file("config", text);
	(void)snprintf(path, sizeof(path), "%s/config", folder);
	err->text[0] = '\0';
	return fw_kube_config_file(path, context, false, ret_config, err);
}

#define CONFIG(server, user)                                                                       \
	"current-context: one\n"                                                                   \
	"contexts:\n"                                                                              \
	"- {name: one, context: {cluster: k, user: u}}\n"                                          \
	"- {name: two, context: {cluster: other, user: u}}\n"                                      \
	"- {name: lost, context: {cluster: nowhere, user: u}}\n"                                   \
	"clusters:\n"                                                                              \
	"- {name: k, cluster: {server: '" server "'}}\n"                                           \
	"- {name: other, cluster: {server: 'https://[fd00::1]:6443/'}}\n"                          \
	"users:\n"                                                                                 \
	"- {name: u, user: {" user "}}\n"

static void contexts_are_chosen_by_name(void **state)
{
	struct fw_kube_config config;
	struct fw_err err;

	(void)state;
	assert_int_equal(read_config(CONFIG("https://a:1/x/", "token: t0p"), NULL, &config, &err),
			 0);
	assert_string_equal(config.server, "https://a:1/x");
	assert_string_equal(config.token.now.data, "t0p");
	fw_kube_config_done(&config);
	assert_int_equal(read_config(CONFIG("https://a:1", "token: t0p"), "two", &config, &err), 0);
	assert_string_equal(config.server, "https://[fd00::1]:6443");
	fw_kube_config_done(&config);
	assert_int_equal(read_config(CONFIG("https://a:1", "token: t0p"), "three", &config, &err),
			 -EINVAL);
	assert_non_null(strstr(err.text, "contexts: none is named \"three\""));
	assert_int_equal(read_config(CONFIG("https://a:1", "token: t0p"), "lost", &config, &err),
			 -EINVAL);
	assert_non_null(strstr(err.text, "clusters: none is named \"nowhere\""));
}

static void what_is_not_done_is_refused_by_name_and_tells_no_secret(void **state)
{
	static const struct {
		const char *text, *said;
		int result;
	} rows[] = {
		{CONFIG("https://a:1", "exec: {command: canary}"), "users[0].user.exec", -EINVAL},
		{CONFIG("https://a:1", "auth-provider: {name: canary}"), "auth-provider", -EINVAL},
		{CONFIG("https://a:1", "username: canary, password: canary"), "username", -EINVAL},
		{CONFIG("https://a:1", "token: t, as: canary"), "users[0].user.as", -EINVAL},
		{CONFIG("https://a:1", "token: t, as-groups: [canary]"), "as-groups", -EINVAL},
		{CONFIG("https://a:1", "token: \"can\\nary\""), "token: not a token", -EINVAL},
		{CONFIG("https://a:1", "client-certificate-data: Y2FuYXJ5"), "client-key", -EINVAL},
		{CONFIG("https://a:1", "client-certificate-data: '*canary'"), "not base64",
		 -EINVAL},
		{CONFIG("https://a:1", "tokenFile: nowhere"), "nowhere", -ENOENT},
		{CONFIG("http://a:1", "token: canary"), "--api-insecure", -EPERM},
		{CONFIG("https://canary@a:1", "token: t"), "server", -EINVAL},
		{CONFIG("ftp://a:1", "token: t"), "https://", -EINVAL},
		{"", "is empty", -EINVAL},
		{"a: [", "", -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fw_kube_config config;
		struct fw_err err;

		assert_int_equal(read_config(rows[i].text, NULL, &config, &err), rows[i].result);
		assert_non_null(strstr(err.text, rows[i].said));
		assert_null(strstr(err.text, "canary"));
	}
}

static void a_proof_that_cannot_be_read_leaves_the_last_good_one(void **state)
{
	static const char *const halves[] = {"", " \n", "two words", "tok\x01n"};
	struct fw_kube_config config;
	struct fw_err err;
	char path[200];

	(void)state;
	write_file("token", "first\n");
	write_file("ca.crt", PEM);
	assert_int_equal(
		read_config(CONFIG("https://a:1", "tokenFile: token"), NULL, &config, &err), 0);
	assert_string_equal(config.token.now.data, "first");
	for (size_t i = 0; i < sizeof(halves) / sizeof(*halves); i++) {
		write_file("token", halves[i]);
		assert_int_equal(fw_kube_config_refresh(&config, &err), -EAGAIN);
		assert_non_null(strstr(err.text, "holds no token"));
		assert_string_equal(config.token.now.data, "first");
	}
	(void)snprintf(path, sizeof(path), "%s/token", folder);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(fw_kube_config_refresh(&config, &err), -EAGAIN);
	assert_string_equal(config.token.now.data, "first");
	write_file("token", "second");
	assert_int_equal(fw_kube_config_refresh(&config, &err), 0);
	assert_string_equal(config.token.now.data, "second");
	fw_kube_config_done(&config);
}

static void half_a_certificate_is_none(void **state)
{
	static const char *const wrong[] = {"", "-----BEGIN CERTIFICATE-----\nAAAA\n", "nonsense",
					    PEM "-----BEGIN CERTIFICATE-----\nAA"};
	struct fw_kube_config config;
	struct fw_err err;

	(void)state;
	assert_int_equal(setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1), 0);
	assert_int_equal(setenv("KUBERNETES_SERVICE_PORT", "443", 1), 0);
	write_file("token", "first\n");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		write_file("ca.crt", wrong[i]);
		assert_int_equal(fw_kube_config_pod(folder, &config, &err), -ENOENT);
		assert_non_null(strstr(err.text, "PEM"));
	}
	write_file("ca.crt", PEM PEM);
	assert_int_equal(fw_kube_config_pod(folder, &config, &err), 0);
	assert_string_equal(config.server, "https://[fd00::1]:443");
	write_file("ca.crt", wrong[3]);
	assert_int_equal(fw_kube_config_refresh(&config, &err), -EAGAIN);
	assert_string_equal(config.ca.now.data, PEM PEM);
	fw_kube_config_done(&config);
}

static void base64_is_read_strictly(void **state)
{
	static const struct {
		const char *text, *found;
	} rows[] = {{"", ""},		{"YQ==", "a"},	{"YWI=", "ab"}, {"YWJj", "abc"},
		    {"YW\nJj", "abc"},	{"YQ", NULL},	{"YQ=", NULL},	{"Y===", NULL},
		    {"YQ==YQ==", NULL}, {"Y*Jj", NULL}, {"=", NULL},	{"YWJj=", NULL}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fw_blob blob = {0};
		int r = fw_base64_decode(rows[i].text, &blob);

		assert_int_equal(r, rows[i].found ? 0 : -EINVAL);
		if (rows[i].found)
			assert_string_equal(blob.data, rows[i].found);
		free(blob.data);
	}
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
	static const char *const names[] = {"config", "token", "ca.crt"};
	char path[200];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		(void)unlink(path);
	}
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_attempt_waits_not_at_all),
		cmocka_unit_test(each_failure_doubles_the_wait_up_to_a_limit_with_jitter),
		cmocka_unit_test(a_server_is_never_asked_before_its_time),
		cmocka_unit_test(the_higher_version_is_in_force_whoever_tells_it),
		cmocka_unit_test(a_delete_that_uncovers_an_unread_version_is_told),
		cmocka_unit_test(names_of_other_namespaces_are_other_objects),
		cmocka_unit_test(what_a_list_did_not_tell_is_swept_while_it_is_looked_for),
		cmocka_unit_test(a_policy_that_cannot_be_read_isolates_its_namespace),
		cmocka_unit_test(a_service_that_cannot_be_read_keeps_its_addresses_and_has_no_port),
		cmocka_unit_test(contexts_are_chosen_by_name),
		cmocka_unit_test(what_is_not_done_is_refused_by_name_and_tells_no_secret),
		cmocka_unit_test(a_proof_that_cannot_be_read_leaves_the_last_good_one),
		cmocka_unit_test(half_a_certificate_is_none),
		cmocka_unit_test(base64_is_read_strictly),
	};

	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
