// SPDX-License-Identifier: Apache-2.0
/*
 * `fwctl test`: unit tests for policies. In: case files. Out: one line for each expectation that is
 * not met, and a summary; exit 0, 1 or 2. Talks to no daemon; without --kernel it needs no rights
 * at all.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "case.h"
#include "check/kernel.h"
#include "output.h"

static const char usage[] =
	"usage: fwctl test [--kernel] [-v] [-o text|json] FILE...\n"
	"\n"
	"Checks the expectations of case files against the policies in them. Needs no\n"
	"cluster.\n"
	"\n"
	"  --kernel      ask the BPF programs by test runs, not the compiler (root)\n"
	"  -v, --verbose list the expectations that are met, too\n"
	"  -o FORMAT     text (default) or json: one object for each expectation, then\n"
	"                the summary\n"
	"\n"
	"Exit: 0 all are met, 1 one is not, 2 wrong usage, a wrong file, or no kernel\n"
	"to ask.\n"
	"\n"
	"  fwctl test policies/cases/*.yaml\n"
	"  fwctl test -v --kernel shop/deny.yaml\n";

#define ROOM 16u

struct test {
	bool kernel, verbose, json;
	size_t met, failed;
	struct fw_world *world;	 /* of the file in hand */
	struct fw_kernel *judge; /* with --kernel */
	uint32_t room;		 /* pods that it has room for */
};

static int judge(const struct fw_end *end, struct fw_decision_name *ret_name, void *context,
		 struct fw_err *err)
{
	const struct test *test = context;
	struct fw_said said;
	int r;

	if (!test->kernel) {
		fw_world_judge(test->world, end, &said);
		fw_world_name(test->world, &said, ret_name);
		return 0;
	}
	r = fw_kernel_judge(test->judge, end, &said, err);
	if (r == 0)
		fw_kernel_name(test->judge, &said, ret_name);
	return r;
}

static const char *wanted_text(const struct fw_expect *expect)
{
	return expect->verdict == FW_VERDICT_ALLOW ? "Allow" : "Deny";
}

static void print_json(const char *path, size_t index, const struct fw_case_expect *one,
		       const struct fw_expect_result *result)
{
	cJSON *json = cJSON_CreateObject();
	char *text;

	(void)cJSON_AddStringToObject(json, "file", path);
	(void)cJSON_AddNumberToObject(json, "line", one->line);
	(void)cJSON_AddNumberToObject(json, "index", (double)index);
	(void)cJSON_AddStringToObject(json, "from", one->expect.from);
	(void)cJSON_AddStringToObject(json, "to", one->expect.to);
	(void)cJSON_AddBoolToObject(json, "met", result->met);
	(void)cJSON_AddStringToObject(json, "expected", wanted_text(&one->expect));
	if (one->expect.rule)
		(void)cJSON_AddStringToObject(json, "expectedRule", one->expect.rule);
	(void)cJSON_AddStringToObject(json, "verdict", result->verdict);
	(void)cJSON_AddStringToObject(json, "rule", result->rule);
	(void)cJSON_AddStringToObject(json, "where", result->where);
	text = cJSON_PrintUnformatted(json);
	(void)printf("%s\n", text ? text : "{}");
	cJSON_free(text);
	cJSON_Delete(json);
}

static void print_text(const char *path, size_t index, const struct fw_case_expect *one,
		       const struct fw_expect_result *result)
{
	_cleanup_(fw_buf_done) struct fw_buf line = {0};

	fw_buf_init(&line, 8192);
	(void)fw_buf_printf(&line,
			    "%s %s:%u: expect[%zu] %s -> %s: ", result->met ? "ok  " : "FAIL", path,
			    one->line, index, one->expect.from, one->expect.to);
	if (!result->met)
		(void)fw_buf_printf(&line, "expected %s%s%s, got ", wanted_text(&one->expect),
				    one->expect.rule ? " by " : "",
				    one->expect.rule ? one->expect.rule : "");
	(void)fw_buf_printf(&line, "%s%s%s", result->verdict, result->rule[0] ? " by " : "",
			    result->rule);
	if (result->where[0])
		(void)fw_buf_printf(&line, " (%s)", result->where);
	{
		_cleanup_(fw_buf_done) struct fw_buf shown = {0};

		fw_buf_init(&shown, 65536);
		(void)fw_buf_append_escaped(&shown, line.data ? line.data : "");
		(void)printf("%s\n", shown.data ? shown.data : "");
	}
}

static int check_all(struct test *test, const char *path, struct fw_case *one, struct fw_err *err)
{
	for (size_t i = 0; i < one->count; i++) {
		struct fw_expect_result result;
		int r = fw_expect_check(&one->world, &one->expects[i].expect, judge, test, &result,
					err);

		if (r < 0) {
			fw_err_prefix(err, "%s:%u: expect[%zu]", path, one->expects[i].line, i);
			return r;
		}
		*(result.met ? &test->met : &test->failed) += 1;
		if (test->json)
			print_json(path, i, &one->expects[i], &result);
		else if (test->verbose || !result.met)
			print_text(path, i, &one->expects[i], &result);
	}
	return 0;
}

/* One datapath serves all files; a file with more pods than it has room for gets a larger one. */
static int program(struct test *test, const struct fw_world *world, struct fw_err *err)
{
	const uint32_t pods = (uint32_t)world->tables->pods_count;
	int r;

	if (!test->judge || pods > test->room) {
		fw_kernel_close(&test->judge);
		test->room = pods > ROOM ? pods : ROOM;
		r = fw_kernel_open(test->room, NULL, &test->judge, err);
		if (r < 0)
			return r;
	}
	return fw_kernel_program(test->judge, world, err);
}

static int check_file(struct test *test, const char *path, struct fw_err *err)
{
	struct fw_case one;
	int r = fw_case_read(path, &one, err);

	if (r < 0)
		return r;
	test->world = &one.world;
	r = fw_world_compile(&one.world, NULL, err);
	if (r == 0 && test->kernel)
		r = program(test, &one.world, err);
	if (r < 0)
		fw_err_prefix(err, "%s", path);
	else
		r = check_all(test, path, &one, err);
	fw_case_done(&one);
	return r;
}

static int read_options(int argc, char **argv, struct test *test)
{
	static const struct option options[] = {{"kernel", no_argument, NULL, 'k'},
						{"verbose", no_argument, NULL, 'v'},
						{"output", required_argument, NULL, 'o'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	int option;

	optind = 0;
	while ((option = fw_getopt(argc, argv, "vo:h", options, NULL)) != -1) {
		if (option == 'h') {
			(void)fputs(usage, stdout);
			return 0;
		}
		if (option == 'k')
			test->kernel = true;
		else if (option == 'v')
			test->verbose = true;
		else if (option == 'o' && strcmp(optarg, "json") == 0)
			test->json = true;
		else if (option != 'o' || strcmp(optarg, "text") != 0) {
			(void)fputs(usage, stderr);
			return 2;
		}
	}
	if (optind >= argc) {
		(void)fputs("fwctl test: no case file given\n", stderr);
		(void)fputs(usage, stderr);
		return 2;
	}
	return -1;
}

int cmd_test(int argc, char **argv)
{
	struct test test = {0};
	int code = read_options(argc, argv, &test);

	if (code >= 0)
		return code;
	code = 0;
	for (int i = optind; i < argc; i++) {
		struct fw_err err = {0};

		if (check_file(&test, argv[i], &err) < 0) {
			(void)fflush(stdout);
			(void)fprintf(stderr, "fwctl test: %s\n", err.text);
			code = FW_EXIT_USAGE;
		}
	}
	fw_kernel_close(&test.judge);
	if (test.json)
		(void)printf("{\"met\":%zu,\"failed\":%zu,\"wrongFiles\":%s}\n", test.met,
			     test.failed, code ? "true" : "false");
	else
		(void)printf("%zu met, %zu failed\n", test.met, test.failed);
	if (code)
		return code;
	return test.failed ? 1 : 0;
}
