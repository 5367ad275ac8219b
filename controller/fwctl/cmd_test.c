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
	"  --kernel      ask the BPF programs by test runs, not the compiler (root); the\n"
	"                chain after DNAT is not asked: where a service's backends are\n"
	"                judged differently, each is judged by what its sets would hold\n"
	"  -v, --verbose list the expectations that are met, too\n"
	"  -o FORMAT     text (default) or json: one object for each expectation, then\n"
	"                the summary\n"
	"\n"
	"Exit: 0 all are met, 1 one is not, 2 wrong usage, a wrong file, or no kernel\n"
	"to ask.\n"
	"\n"
	"  fwctl test policies/cases/*.yaml\n"
	"  fwctl test -v --kernel shop/deny.yaml\n";

#define ROOM	       16u
#define BACKENDS_SHOWN 20u

struct test {
	bool kernel, verbose, json;
	size_t met, failed;
	struct fw_world *world;	 /* of the file in hand */
	struct fw_kernel *judge; /* with --kernel */
	uint32_t room;		 /* pods that it has room for */
};

static int judge(const struct fw_end *end, struct fw_said *ret_said,
		 struct fw_decision_name *ret_name, void *context, struct fw_err *err)
{
	const struct test *test = context;
	int r;

	if (!test->kernel) {
		fw_world_judge(test->world, end, ret_said);
		fw_world_name(test->world, ret_said, ret_name);
		return 0;
	}
	r = fw_kernel_judge(test->judge, end, ret_said, err);
	if (r == 0)
		fw_kernel_name(test->judge, ret_said, ret_name);
	return r;
}

static const char *wanted_text(const struct fw_expect *expect)
{
	return expect->verdict == FW_VERDICT_ALLOW ? "Allow" : "Deny";
}

static void address_text(const struct fw_expect_backend *backend, char *text, size_t size)
{
	char ip[FW_IP_TEXT];

	(void)snprintf(text, size, fw_ip_is4(&backend->ip) ? "%s:%u" : "[%s]:%u",
		       fw_ip_format(&backend->ip, ip), backend->port);
}

static const char *verdict_text(const struct fw_expect_backend *backend)
{
	return backend->denied ? "Deny" : "Allow";
}

static void add_backends(cJSON *json, const struct fw_expect_result *result)
{
	cJSON *list = cJSON_AddArrayToObject(json, "backends");

	for (size_t i = 0; i < result->backend_count; i++) {
		const struct fw_expect_backend *backend = &result->backends[i];
		cJSON *item = cJSON_CreateObject();
		char ip[FW_IP_TEXT];

		if (backend->pod) {
			(void)cJSON_AddStringToObject(item, "namespace",
						      backend->pod->object.namespace);
			(void)cJSON_AddStringToObject(item, "pod", backend->pod->object.name);
		}
		(void)cJSON_AddStringToObject(item, "address", fw_ip_format(&backend->ip, ip));
		(void)cJSON_AddNumberToObject(item, "port", backend->port);
		(void)cJSON_AddStringToObject(item, "verdict", verdict_text(backend));
		(void)cJSON_AddStringToObject(item, "rule", backend->rule);
		(void)cJSON_AddItemToArray(list, item);
	}
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
	if (one->expect.backend)
		(void)cJSON_AddStringToObject(json, "backend", one->expect.backend);
	(void)cJSON_AddBoolToObject(json, "met", result->met);
	(void)cJSON_AddStringToObject(json, "expected", wanted_text(&one->expect));
	if (one->expect.rule)
		(void)cJSON_AddStringToObject(json, "expectedRule", one->expect.rule);
	(void)cJSON_AddStringToObject(json, "verdict", result->verdict);
	(void)cJSON_AddStringToObject(json, "rule", result->rule);
	(void)cJSON_AddStringToObject(json, "where", result->where);
	if (result->backend_count)
		add_backends(json, result);
	text = cJSON_PrintUnformatted(json);
	(void)printf("%s\n", text ? text : "{}");
	cJSON_free(text);
	cJSON_Delete(json);
}

static void print_escaped(const struct fw_buf *line)
{
	_cleanup_(fw_buf_done) struct fw_buf shown = {0};

	fw_buf_init(&shown, 65536);
	(void)fw_buf_append_escaped(&shown, line->data ? line->data : "");
	(void)printf("%s\n", shown.data ? shown.data : "");
}

/* What a person needs who expected one answer of all of them. */
static void print_backends(const struct fw_expect_result *result)
{
	const size_t shown =
		result->backend_count < BACKENDS_SHOWN ? result->backend_count : BACKENDS_SHOWN;

	for (size_t i = 0; i < shown; i++) {
		const struct fw_expect_backend *backend = &result->backends[i];
		_cleanup_(fw_buf_done) struct fw_buf line = {0};
		char address[FW_IP_TEXT + 8];

		fw_buf_init(&line, 8192);
		address_text(backend, address, sizeof(address));
		(void)fw_buf_printf(&line, "       backend %s", address);
		if (backend->pod)
			(void)fw_buf_printf(&line, " %s/%s", backend->pod->object.namespace,
					    backend->pod->object.name);
		(void)fw_buf_printf(&line, ": %s%s%s", verdict_text(backend),
				    backend->rule[0] ? " by " : "", backend->rule);
		print_escaped(&line);
	}
	if (shown < result->backend_count)
		(void)printf("       and %zu more\n", result->backend_count - shown);
}

static void print_text(const char *path, size_t index, const struct fw_case_expect *one,
		       const struct fw_expect_result *result)
{
	const struct fw_expect *expect = &one->expect;
	_cleanup_(fw_buf_done) struct fw_buf line = {0};

	fw_buf_init(&line, 8192);
	(void)fw_buf_printf(
		&line, "%s %s:%u: expect[%zu] %s -> %s%s%s: ", result->met ? "ok  " : "FAIL", path,
		one->line, index, expect->from, expect->to, expect->backend ? " backend " : "",
		expect->backend ? expect->backend : "");
	if (!result->met)
		(void)fw_buf_printf(&line, "expected %s%s%s, got ", wanted_text(expect),
				    expect->rule ? " by " : "", expect->rule ? expect->rule : "");
	(void)fw_buf_printf(&line, "%s%s%s", result->verdict, result->rule[0] ? " by " : "",
			    result->rule);
	if (result->where[0])
		(void)fw_buf_printf(&line, " (%s)", result->where);
	print_escaped(&line);
	if (!result->met)
		print_backends(result);
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
		fw_expect_result_done(&result);
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
