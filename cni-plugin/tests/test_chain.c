/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prevResult and endpoint files: what is read from them, what is written, what survives damage.
 * In: texts, a folder of its own under /tmp. Out: TAP.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../chain.h"
#include "fw/abi.h"
#include "../json.h"
#include "../state.h"

static cJSON *tree(const char *text)
{
	struct fw_err err = {""};
	cJSON *root = NULL;

	if (fw_json_parse(text, strlen(text), &root, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	return root;
}

/* The addresses of eth0 as one text, or "code N: text". */
static const char *ips_of(const char *text)
{
	static char result[1024];
	struct fw_chain_ips ips;
	struct fw_err err = {""};
	char one[FW_IP_TEXT];
	cJSON *prev = tree(text);
	size_t used = 0;

	int code = fw_chain_ips(prev, "eth0", &ips, &err);
	if (code)
		(void)snprintf(result, sizeof(result), "code %d: %s", code, err.text);
	result[0] = code ? result[0] : '\0';
	for (size_t i = 0; !code && i < ips.count; i++)
		used += (size_t)snprintf(result + used, sizeof(result) - used, "%s%s", i ? " " : "",
					 fw_ip_format(&ips.ip[i], one));
	fw_json_free(&prev);
	return result;
}

static void addresses_of_the_interface_are_taken_and_others_are_not(void **state)
{
	(void)state;
	assert_string_equal(
		ips_of("{\"interfaces\":[{\"name\":\"br0\"},{\"name\":\"eth0\"},"
		       "{\"name\":\"eth0\",\"sandbox\":\"/n\"},{\"name\":\"eth1\",\"sandbox\":\"/"
		       "n\"}],"
		       "\"ips\":[{\"address\":\"10.0.0.1/24\",\"interface\":0},"
		       "{\"address\":\"10.0.0.2/24\",\"interface\":2},{\"address\":\"10.0.0.3/"
		       "24\",\"interface\":1},"
		       "{\"address\":\"10.0.0.4/24\",\"interface\":3},{\"address\":\"fd00::2/"
		       "64\",\"interface\":2}]}"),
		"10.0.0.2 fd00::2");
}

static void addresses_without_an_interface_are_taken(void **state)
{
	(void)state;
	assert_string_equal(
		ips_of("{\"ips\":[{\"address\":\"10.0.0.2/24\"},{\"address\":\"10.0.0.2/16\"},"
		       "{\"address\":\"fe80::1/64\"},{\"address\":\"fd00::2\"}]}"),
		"10.0.0.2 fd00::2");
	assert_string_equal(ips_of("{}"), "");
	assert_string_equal(ips_of("{\"ips\":[]}"), "");
}

static void refused_results_name_the_field(void **state)
{
	static const struct {
		const char *text, *begin;
	} rows[] = {
		{"{\"ips\":{}}", "code 7: prevResult.ips"},
		{"{\"interfaces\":7}", "code 7: prevResult.interfaces"},
		{"{\"ips\":[7]}", "code 7: prevResult.ips[0]: address"},
		{"{\"ips\":[{\"address\":\"0.0.0.0/0\"}]}",
		 "code 7: prevResult.ips[0]: the unspecified"},
		{"{\"ips\":[{\"address\":\"10.0.0.1/\"}]}", "code 7: prevResult.ips[0]: address"},
		{"{\"ips\":[{\"address\":\"/24\"}]}", "code 7: prevResult.ips[0]: address"},
		{"{\"ips\":[{\"address\":\"fd00::"
		 "00000000000000000000000000000000000000000000000000001/64\"}]}",
		 "code 7: prevResult.ips[0]: address"},
		{"{\"interfaces\":[{}],\"ips\":[{\"address\":\"10.0.0.1/8\",\"interface\":0.5}]}",
		 "code 7: prevResult.ips[0]: interface"},
		{"{\"ips\":[{\"address\":\"fd00::1/8\"},{\"address\":\"fd00::2/"
		 "8\"},{\"address\":\"fd00::3/8\"},"
		 "{\"address\":\"10.0.0.1/8\"},{\"address\":\"fd00::4/8\"}]}",
		 "code 101: prevResult.ips[4]: more than 3 IPv6"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *said = ips_of(rows[i].text);
		if (strncmp(said, rows[i].begin, strlen(rows[i].begin)) != 0)
			fail_msg("%s: %s", rows[i].text, said);
	}
}

static void echo(const char *text, enum fw_cni_version version, const char *wanted)
{
	struct fw_err err = {""};
	cJSON *prev = tree(text);
	char *said = NULL;

	assert_int_equal(fw_chain_echo(prev, version, &said, &err), 0);
	assert_string_equal(said, wanted);
	free(said);
	fw_json_free(&prev);
}

static void result_is_echoed_in_the_version_of_the_configuration(void **state)
{
	(void)state;
	echo("{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"10.0.0.2/"
	     "24\"},{\"address\":\"fd00::2/64\"}],\"x\":[1,null]}",
	     FW_CNI_0_4_0,
	     "{\"ips\":[{\"address\":\"10.0.0.2/24\",\"version\":\"4\"},{\"address\":\"fd00::2/"
	     "64\",\"version\":\"6\"}],"
	     "\"x\":[1,null],\"cniVersion\":\"0.4.0\"}");
	echo("{\"ips\":[{\"version\":\"4\",\"address\":\"10.0.0.2/"
	     "24\",\"gateway\":\"10.0.0.1\"}],\"CNIVersion\":\"kept\"}",
	     FW_CNI_1_1_0,
	     "{\"ips\":[{\"address\":\"10.0.0.2/"
	     "24\",\"gateway\":\"10.0.0.1\"}],\"CNIVersion\":\"kept\","
	     "\"cniVersion\":\"1.1.0\"}");
	echo("{\"cniVersion\":\"9\",\"cniVersion\":7,\"ips\":[3,{}]}", FW_CNI_0_3_1,
	     "{\"ips\":[3,{}],\"cniVersion\":\"0.3.1\"}");
}

/* Endpoint files */

static char folder[] = "/tmp/pw-cni-state-XXXXXX";
static char run_dir[sizeof(folder) + 16];

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(run_dir, sizeof(run_dir), "%s/deep/run", folder);
	return 0;
}

static int drop_folder(void **state)
{
	char path[sizeof(run_dir) + 32];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/endpoints.lock", run_dir);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/endpoints", run_dir);
	(void)rmdir(path);
	(void)rmdir(run_dir);
	(void)snprintf(path, sizeof(path), "%s/deep", folder);
	(void)rmdir(path);
	return rmdir(folder);
}

static struct fw_state example(const char *container_id, const char *ifname)
{
	struct fw_state state = {.slot = 17,
				 .ifindex = 12,
				 .device = "veth1",
				 .mac = {2, 0, 0, 0xab, 0xcd, 0xef},
				 .network = "net",
				 .namespace = "shop",
				 .name = "web",
				 .netns = "/run/netns/x",
				 .netns_inode = 4026532573};

	(void)snprintf(state.container_id, sizeof(state.container_id), "%s", container_id);
	(void)snprintf(state.ifname, sizeof(state.ifname), "%s", ifname);
	assert_int_equal(fw_ip_parse("10.0.0.2", &state.ips.ip[0], NULL), 0);
	assert_int_equal(fw_ip_parse("fd00::2", &state.ips.ip[1], NULL), 0);
	state.ips.count = 2;
	return state;
}

static void endpoint_file_is_read_as_it_was_written(void **unused)
{
	struct fw_state written = example("c1", "eth0"), got;
	struct fw_err err = {""};

	(void)unused;
	memset(&got, 0, sizeof(got));
	assert_int_equal(fw_state_write(run_dir, &written, &err), 0);
	assert_int_equal(fw_state_read(run_dir, "c1", "eth0", &got, &err), 0);
	assert_memory_equal(&written, &got, sizeof(got));
	written.slot = FW_NO_SLOT;
	written.in_sandbox = true;
	assert_int_equal(fw_state_write(run_dir, &written, &err), 0);
	assert_int_equal(fw_state_read(run_dir, "c1", "eth0", &got, &err), 0);
	assert_int_equal(got.slot, FW_NO_SLOT);
	assert_true(got.in_sandbox);
	assert_int_equal(fw_state_remove(run_dir, "c1", "eth0", &err), 0);
	assert_int_equal(fw_state_remove(run_dir, "c1", "eth0", &err), 0);
	assert_int_equal(fw_state_read(run_dir, "c1", "eth0", &got, &err), -ENOENT);
}

static int count_visit(const char *container_id, const char *ifname, void *context)
{
	char *seen = context;

	(void)snprintf(seen + strlen(seen), 512 - strlen(seen), "[%s %s]", container_id, ifname);
	return 0;
}

static void names_that_look_alike_are_different_files(void **unused)
{
	static const char *const keys[][2] = {{"a-b", "c"}, {"a", "b-c"}, {"a", "b%2dc"}};
	char seen[512] = "";
	struct fw_err err = {""};
	struct fw_state got;

	(void)unused;
	for (size_t i = 0; i < 3; i++) {
		struct fw_state one = example(keys[i][0], keys[i][1]);
		one.ifindex = (uint32_t)i + 1;
		assert_int_equal(fw_state_write(run_dir, &one, &err), 0);
	}
	assert_int_equal(fw_state_walk(run_dir, count_visit, seen, &err), 0);
	for (size_t i = 0; i < 3; i++) {
		char wanted[64];
		(void)snprintf(wanted, sizeof(wanted), "[%s %s]", keys[i][0], keys[i][1]);
		assert_non_null(strstr(seen, wanted));
		assert_int_equal(fw_state_read(run_dir, keys[i][0], keys[i][1], &got, &err), 0);
		assert_int_equal(got.ifindex, i + 1);
		assert_int_equal(fw_state_remove(run_dir, keys[i][0], keys[i][1], &err), 0);
	}
	seen[0] = '\0';
	assert_int_equal(fw_state_walk(run_dir, count_visit, seen, &err), 0);
	assert_string_equal(seen, "");
}

static void put(const char *name, const char *text)
{
	char path[sizeof(run_dir) + 300];

	(void)snprintf(path, sizeof(path), "%s/endpoints/%s", run_dir, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void damaged_and_foreign_files_are_told_apart(void **unused)
{
	struct fw_state got, good = example("c1", "eth0");
	struct fw_err err = {""};
	char seen[512] = "";

	(void)unused;
	assert_int_equal(fw_state_write(run_dir, &good, &err), 0);
	assert_int_equal(fw_state_read(run_dir, "c1", "eth0", &got, &err), 0);
	put("c1-eth0.json", "{\"version\":1,\"containerId\":\"c2\"}");
	assert_int_equal(fw_state_read(run_dir, "c1", "eth0", &got, &err), -EBADMSG);
	put("c1-eth0.json", "");
	assert_int_equal(fw_state_read(run_dir, "c1", "eth0", &got, &err), -EBADMSG);
	put(".c1-eth0.json", "{");
	put("README", "not ours");
	put("-eth0.json", "not ours");
	put("c1-.json", "not ours");
	put("c1-sixteen_letters_.json", "not ours");
	assert_int_equal(fw_state_walk(run_dir, count_visit, seen, &err), 0);
	assert_string_equal(seen, "[c1 eth0][c1 eth0]");
	assert_int_equal(fw_state_remove(run_dir, "c1", "eth0", &err), 0);
	seen[0] = '\0';
	assert_int_equal(fw_state_walk(run_dir, count_visit, seen, &err), 0);
	assert_string_equal(seen, "");
	for (const char *const *name = (const char *const[]){"README", "-eth0.json", "c1-.json",
							     "c1-sixteen_letters_.json", NULL};
	     *name; name++) {
		char path[sizeof(run_dir) + 300];
		(void)snprintf(path, sizeof(path), "%s/endpoints/%s", run_dir, *name);
		assert_int_equal(unlink(path), 0);
	}
}

static void lock_of_one_endpoint_does_not_stop_another(void **unused)
{
	struct fw_err err = {""};
	int first = -1, second = -1, third = -1;

	(void)unused;
	assert_int_equal(fw_state_lock("/tmp/pw-cni-none", 7, FW_STATE_WAIT, &first, &err),
			 -ENOENT);
	assert_int_equal(fw_state_lock(run_dir, 7, FW_STATE_MAKE, &first, &err), 0);
	assert_int_equal(fw_state_lock(run_dir, 8, FW_STATE_TRY, &second, &err), 0);
	assert_int_equal(fw_state_lock(run_dir, 7, FW_STATE_TRY, &third, &err), -EAGAIN);
	(void)close(first);
	assert_int_equal(fw_state_lock(run_dir, 7, FW_STATE_TRY, &third, &err), 0);
	(void)close(third);
	(void)close(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_of_the_interface_are_taken_and_others_are_not),
		cmocka_unit_test(addresses_without_an_interface_are_taken),
		cmocka_unit_test(refused_results_name_the_field),
		cmocka_unit_test(result_is_echoed_in_the_version_of_the_configuration),
		cmocka_unit_test(endpoint_file_is_read_as_it_was_written),
		cmocka_unit_test(names_that_look_alike_are_different_files),
		cmocka_unit_test(damaged_and_foreign_files_are_told_apart),
		cmocka_unit_test(lock_of_one_endpoint_does_not_stop_another),
	};

	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
