/* SPDX-License-Identifier: Apache-2.0 */
/*
 * podwall-install: texts in and out, then folders on disk. What is added and taken out again must
 * leave the very bytes that were there.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "install/conflist.h"
#include "install/folder.h"
#include "install/install.h"

#define ENTRY "{\"type\":\"podwall-cni\"}"

static char *added(const char *text)
{
	struct fw_err err = {""};
	char *changed = NULL;

	int r = fw_conflist_add(text, strlen(text), ENTRY, &changed, &err);
	if (r < 0)
		fail_msg("%s: %s", text, err.text);
	return changed;
}

static char *removed(const char *text)
{
	struct fw_err err = {""};
	char *changed = NULL;

	int r = fw_conflist_remove(text, strlen(text), &changed, &err);
	if (r < 0)
		fail_msg("%s: %s", text, err.text);
	return changed;
}

static void what_is_added_and_removed_leaves_the_same_bytes(void **state)
{
	static const char *const texts[] = {
		"{\"name\":\"n\",\"plugins\":[{\"type\":\"bridge\"}]}",
		"{ \"plugins\" :\n\t[ {\"type\":\"ptp\", \"x\": [\"]\", {}]} , {\"type\" : "
		"\"portmap\"}\n\t]\r\n, "
		"\"name\" : \"n\" }\n\n",
		"{\"name\":\"n\",\"a\":{\"plugins\":[]},\"b\":\"\\\"plugins\\\":[\",\"plugins\":[{"
		"\"type\":\"b\"}],"
		"\"c\":[1,2],\"d\":null,\"e\":-1.5e3,\"f\":true}",
		"{\"name\":\"n\",\"plugins\":[{\"type\":\"b\"}],\"comment\":\"\\\\\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		_cleanup_free_ char *with = added(texts[i]);
		assert_non_null(with);
		assert_non_null(strstr(with, "," ENTRY));
		assert_int_equal(strlen(with), strlen(texts[i]) + strlen("," ENTRY));
		assert_null(added(with));
		_cleanup_free_ char *without = removed(with);
		assert_string_equal(without, texts[i]);
		assert_null(removed(without));
	}
}

static void an_entry_elsewhere_or_with_other_options_moves_to_the_end(void **state)
{
	static const char *const texts[] = {
		"{\"name\":\"n\",\"plugins\":[{\"type\":\"podwall-cni\"},{\"type\":\"a\"}]}",
		"{\"name\":\"n\",\"plugins\":[{\"type\":\"podwall-cni\"} , "
		"{\"type\":\"podwall-cni\"}, "
		"{\"type\":\"a\"}]}",
		"{\"name\":\"n\",\"plugins\":[{\"type\":\"a\"},{\"type\":\"podwall-cni\","
		"\"pinDir\":\"/x\"}]}",
		"{\"name\":\"n\",\"plugins\":[{\"type\":\"a\"} , "
		"{\"type\":\"podwall-cni\"},{\"type\":\"podwall-cni\"}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		_cleanup_free_ char *with = added(texts[i]);
		assert_string_equal(with,
				    "{\"name\":\"n\",\"plugins\":[{\"type\":\"a\"}," ENTRY "]}");
	}
}

static void what_is_no_conflist_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"[]",
		"{}",
		"{\"name\":\"n\",\"type\":\"bridge\"}",
		"{\"plugins\":[{\"type\":\"a\"}]}",
		"{\"name\":\"n\",\"plugins\":{}}",
		"{\"name\":\"n\",\"plugins\":[]}",
		"{\"name\":\"n\",\"plugins\":[" ENTRY "]}",
		"{\"name\":\"n\",\"plugins\":[{\"type\":\"a\"}]} x",
		"{\"name\":\"n\",\"plugins\":[{\"type\":\"a\"}],\"plugins\":3}",
		"{\"name\":\"n\",\"plugins\":[{\"type\":\"a\"}],\"plug\\u0069ns\":[{\"type\":\"b\"}"
		",{\"type\":\"c\"}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct fw_err err = {""};
		char *changed = (char *)1;

		if (fw_conflist_add(texts[i], strlen(texts[i]), ENTRY, &changed, &err) != -EINVAL)
			fail_msg("accepted: %s", texts[i]);
		assert_ptr_equal(changed, (char *)1);
		assert_true(err.text[0]);
	}
}

/* Found by fuzz_conflist: what was written could not be read, and so never be taken out. */
static void a_list_that_is_full_is_left_alone(void **state)
{
	char text[2048] = "{\"name\":\"n\",\"plugins\":[{\"type\":\"a\"}";
	struct fw_err err = {""};
	char *changed = NULL;
	int plugins = 1;

	(void)state;
	for (; plugins < 63; plugins++)
		(void)strncat(text, ",{\"type\":\"a\"}", sizeof(text) - strlen(text) - 1);
	(void)strncat(text, "]}", sizeof(text) - strlen(text) - 1);
	changed = added(text);
	assert_non_null(changed);
	assert_null(added(changed));
	free(changed);
	changed = NULL;
	text[strlen(text) - 2] = '\0';
	(void)strncat(text, ",{\"type\":\"a\"}]}", sizeof(text) - strlen(text) - 1);
	assert_int_equal(fw_conflist_add(text, strlen(text), ENTRY, &changed, &err), -EINVAL);
	assert_null(changed);
	assert_non_null(strstr(err.text, "no room"));
}

static void an_entry_must_be_ours(void **state)
{
	struct fw_err err = {""};

	(void)state;
	assert_int_equal(fw_conflist_check_entry(ENTRY, &err), 0);
	assert_int_equal(fw_conflist_check_entry("{\"type\":\"bridge\"}", &err), -EINVAL);
	assert_int_equal(fw_conflist_check_entry("[" ENTRY "]", &err), -EINVAL);
	assert_int_equal(fw_conflist_check_entry(ENTRY "," ENTRY, &err), -EINVAL);
	assert_int_equal(fw_conflist_check_entry(" " ENTRY, &err), -EINVAL);
}

/* folders */

struct world {
	char root[64], conf[96], bin[96], plugin[96];
	struct fw_install install;
};

static void put(const struct world *world, const char *folder, const char *name, const char *text)
{
	char path[256];

	(void)world;
	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	_cleanup_fclose_ FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
}

static void expect(const char *folder, const char *name, const char *text)
{
	_cleanup_close_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *found = NULL;
	struct fw_err err = {""};
	size_t len = 0;

	assert_int_equal(fw_folder_read(fd, name, 1 << 20, &found, &len, &err), 0);
	assert_string_equal(found, text);
}

static int make_world(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	(void)snprintf(world->root, sizeof(world->root), "/tmp/fw-install-XXXXXX");
	assert_non_null(mkdtemp(world->root));
	(void)snprintf(world->conf, sizeof(world->conf), "%s/conf", world->root);
	(void)snprintf(world->bin, sizeof(world->bin), "%s/bin", world->root);
	(void)snprintf(world->plugin, sizeof(world->plugin), "%s/plugin", world->root);
	assert_int_equal(mkdir(world->conf, 0755) | mkdir(world->bin, 0755), 0);
	put(world, world->root, "plugin", "the binary");
	world->install = (struct fw_install){world->conf, world->bin, world->plugin, ENTRY, NULL};
	*state = world;
	return 0;
}

static int end_world(void **state)
{
	struct world *world = *state;
	pid_t pid = fork();

	if (pid == 0) {
		execlp("rm", "rm", "-rf", world->root, (char *)NULL);
		_exit(1);
	}
	(void)waitpid(pid, NULL, 0);
	free(world);
	return 0;
}

#define PLAIN "{\"name\":\"n\",\"plugins\":[{\"type\":\"a\"}]}"
#define OURS  "{\"name\":\"n\",\"plugins\":[{\"type\":\"a\"}," ENTRY "]}"

static enum fw_install_change add(const struct world *world, char *ret_name)
{
	enum fw_install_change change = FW_INSTALL_NOTHING;
	struct fw_err err = {""};

	if (fw_install_add(&world->install, &change, ret_name, &err) < 0)
		fail_msg("%s", err.text);
	return change;
}

static void the_list_that_a_runtime_would_load_gets_the_entry(void **state)
{
	const struct world *world = *state;
	char name[NAME_MAX + 1], path[256];
	struct stat stat_a;

	assert_int_equal(add(world, name), FW_INSTALL_NO_CONFLIST);
	expect(world->bin, "podwall-cni", "the binary");
	put(world, world->conf, "00-broken.conflist", "{");
	put(world, world->conf, "01-hidden.conf", PLAIN);
	put(world, world->conf, ".02-hidden.conflist", PLAIN);
	put(world, world->conf, "10-a.conflist", PLAIN);
	put(world, world->conf, "20-b.conflist", PLAIN);
	(void)snprintf(path, sizeof(path), "%s/10-a.conflist", world->conf);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(add(world, name), FW_INSTALL_DONE);
	assert_string_equal(name, "10-a.conflist");
	expect(world->conf, "10-a.conflist", OURS);
	expect(world->conf, "20-b.conflist", PLAIN);
	assert_int_equal(stat(path, &stat_a), 0);
	assert_int_equal(stat_a.st_mode & 07777, 0640);
	assert_int_equal(add(world, name), FW_INSTALL_NOTHING);
}

static void removal_empties_every_list_and_leaves_the_binary(void **state)
{
	const struct world *world = *state;
	enum fw_install_change change = FW_INSTALL_NOTHING;
	struct fw_err err = {""};
	char name[NAME_MAX + 1];

	put(world, world->conf, "00-broken.conflist", "{");
	put(world, world->conf, "10-a.conflist", PLAIN);
	put(world, world->conf, "20-b.conflist", OURS);
	assert_int_equal(add(world, name), FW_INSTALL_DONE);
	assert_int_equal(fw_install_remove(&world->install, &change, &err), 0);
	assert_int_equal(change, FW_INSTALL_DONE);
	expect(world->conf, "00-broken.conflist", "{");
	expect(world->conf, "10-a.conflist", PLAIN);
	expect(world->conf, "20-b.conflist", PLAIN);
	expect(world->bin, "podwall-cni", "the binary");
	assert_int_equal(fw_install_remove(&world->install, &change, &err), 0);
	assert_int_equal(change, FW_INSTALL_NOTHING);
}

static bool comes(const char *folder, const char *name, const char *text)
{
	for (int i = 0; i < 1000; i++) {
		_cleanup_close_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		_cleanup_free_ char *found = NULL;
		struct fw_err err = {""};
		size_t len = 0;

		if (fd >= 0 && fw_folder_read(fd, name, 1 << 20, &found, &len, &err) == 0 &&
		    !strcmp(found, text))
			return true;
		(void)usleep(5000);
	}
	return false;
}

static void quiet(int r, enum fw_install_change change, const char *text)
{
	(void)r;
	(void)change;
	(void)text;
}

static void a_list_that_is_written_again_gets_the_entry_again(void **state)
{
	const struct world *world = *state;
	struct fw_err err = {""};
	char path[256], moved[256];
	int stop[2];

	assert_int_equal(pipe(stop), 0);
	pid_t pid = fork();
	if (pid == 0) {
		(void)close(stop[1]);
		_exit(fw_install_keep(&world->install, stop[0], quiet, &err) < 0);
	}
	put(world, world->conf, "10-a.conflist", PLAIN);
	assert_true(comes(world->conf, "10-a.conflist", OURS));
	assert_true(comes(world->bin, "podwall-cni", "the binary"));
	put(world, world->conf, "10-a.conflist", PLAIN); /* in place */
	assert_true(comes(world->conf, "10-a.conflist", OURS));
	put(world, world->conf, "05-first.conflist", PLAIN); /* a list that goes before it */
	assert_true(comes(world->conf, "05-first.conflist", OURS));
	(void)snprintf(path, sizeof(path), "%s/new", world->root);
	(void)snprintf(moved, sizeof(moved), "%s/05-first.conflist", world->conf);
	put(world, world->root, "new", PLAIN);
	assert_int_equal(rename(path, moved), 0); /* by rename */
	assert_true(comes(world->conf, "05-first.conflist", OURS));
	(void)snprintf(path, sizeof(path), "%s/podwall-cni", world->bin);
	assert_int_equal(unlink(path), 0);
	assert_true(comes(world->bin, "podwall-cni", "the binary"));
	(void)snprintf(path, sizeof(path), "%s/old", world->root);
	assert_int_equal(rename(world->conf, path), 0); /* the folder itself */
	assert_int_equal(mkdir(world->conf, 0755), 0);
	put(world, world->conf, "30-c.conflist", PLAIN);
	assert_true(comes(world->conf, "30-c.conflist", OURS));

	int status = -1;
	(void)close(stop[1]);
	(void)close(stop[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	expect(world->conf, "30-c.conflist", OURS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_added_and_removed_leaves_the_same_bytes),
		cmocka_unit_test(an_entry_elsewhere_or_with_other_options_moves_to_the_end),
		cmocka_unit_test(what_is_no_conflist_is_refused),
		cmocka_unit_test(a_list_that_is_full_is_left_alone),
		cmocka_unit_test(an_entry_must_be_ours),
		cmocka_unit_test_setup_teardown(the_list_that_a_runtime_would_load_gets_the_entry,
						make_world, end_world),
		cmocka_unit_test_setup_teardown(removal_empties_every_list_and_leaves_the_binary,
						make_world, end_world),
		cmocka_unit_test_setup_teardown(a_list_that_is_written_again_gets_the_entry_again,
						make_world, end_world),
	};

	return cmocka_run_group_tests_name("install", tests, NULL, NULL);
}
