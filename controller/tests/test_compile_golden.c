/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Golden texts of the compiler: controller/tests/golden/NAME.yaml compiled and printed is
 * NAME.expected, byte by byte. FW_GOLDEN_UPDATE=1 rewrites the expected texts: read the difference
 * before you commit it. Run from the repository's top.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "compile_yaml.h"

#define GOLDEN	 "controller/tests/golden"
#define TEXT_MAX (16u << 20)
#define PATH_LEN 512

static char *read_text(const char *path)
{
	FILE *file = fopen(path, "re");
	struct fw_buf buf;
	char piece[4096];
	size_t n;

	if (!file)
		return NULL;
	fw_buf_init(&buf, TEXT_MAX);
	while ((n = fread(piece, 1, sizeof(piece), file)))
		assert_int_equal(fw_buf_append(&buf, piece, n), 0);
	fclose(file);
	return fw_buf_take(&buf);
}

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void check_golden(const char *name)
{
	char path[PATH_LEN];
	struct fw_buf buf;
	char *yaml, *text, *expected;
	struct world w;

	(void)snprintf(path, sizeof(path), GOLDEN "/%s.yaml", name);
	yaml = read_text(path);
	assert_non_null(yaml);
	begin(&w);
	add(&w, yaml);
	compile(&w);
	fw_buf_init(&buf, TEXT_MAX);
	assert_int_equal(fw_tables_print(w.tables, &buf), 0);
	text = fw_buf_take(&buf);
	(void)snprintf(path, sizeof(path), GOLDEN "/%s.expected", name);
	if (getenv("FW_GOLDEN_UPDATE"))
		write_text(path, text);
	expected = read_text(path);
	assert_non_null(expected);
	assert_string_equal(text, expected);
	free(expected);
	free(text);
	free(yaml);
	end(&w);
}

static void test_golden_texts(void **state)
{
	DIR *folder = opendir(GOLDEN);
	unsigned int checked = 0;
	struct dirent *entry;

	(void)state;
	if (!folder) {
		print_message("run from the top of the repository: no folder " GOLDEN "\n");
		fail();
	}
	while ((entry = readdir(folder))) {
		char *dot = strrchr(entry->d_name, '.');

		if (!dot || strcmp(dot, ".yaml"))
			continue;
		*dot = '\0';
		check_golden(entry->d_name);
		checked++;
	}
	closedir(folder);
	assert_true(checked >= 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_texts),
	};

	return cmocka_run_group_tests_name("compile: golden texts", tests, NULL, NULL);
}
