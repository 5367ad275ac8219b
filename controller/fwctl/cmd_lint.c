// SPDX-License-Identifier: Apache-2.0
/*
 * `fwctl lint`: what is wrong in manifests, and what is valid and surely not meant. In: files and
 * folders. Out: a line for each finding, and a summary; exit 0, 1 or 2. Talks to no daemon.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "check/lint.h"
#include "manifests.h"
#include "output.h"

static const char usage[] =
	"usage: fwctl lint [OPTIONS] FILE|DIR|-...\n"
	"\n"
	"Reads manifests as podwalld does and says what cannot be read, and what is\n"
	"valid and surely not meant: rules that match nobody, that nothing is left for,\n"
	"or that match more than they seem to. Needs no cluster and no rights. Of a\n"
	"folder it reads *.yaml, *.yml and *.json. What depends on pods, namespaces,\n"
	"nodes or services is said when there are some among the objects; kinds that\n"
	"Podwall does not read are skipped.\n"
	"\n"
	"  --service-range CIDR  that cluster addresses come from; repeatable\n"
	"  --pod-range CIDR      that pods get addresses from, beside those of Node\n"
	"                        objects; repeatable\n"
	"  -o FORMAT             text (default) or json: one object for each finding,\n"
	"                        then the summary\n"
	"\n"
	"Exit: 0 nothing was found, 1 a warning or an error, 2 wrong usage, or a file\n"
	"that cannot be read.\n"
	"\n"
	"  fwctl lint shop/\n"
	"  kubectl get ns,nodes,pods,svc,netpol -A -o yaml | fwctl lint -\n";

#define RANGES_MAX 64u

struct finding {
	const char *file; /* of the manifests; "" before they are read */
	unsigned int line;
	size_t order;
	bool error;
	char *object, *field, *name, *text;
};

struct lint {
	struct fw_manifests manifests;
	struct fw_prefix services[RANGES_MAX], pods[RANGES_MAX];
	size_t service_count, pod_count;
	struct finding *findings;
	size_t count, cap;
	bool json, failed;
};

static void take(struct lint *lint, const struct finding *finding)
{
	struct finding copy = *finding;

	copy.object = strdup(finding->object);
	copy.field = strdup(finding->field);
	copy.name = strdup(finding->name);
	copy.text = strdup(finding->text);
	copy.order = lint->count;
	if (lint->count == lint->cap) {
		size_t cap = lint->cap ? lint->cap * 2 : 64;
		struct finding *grown = reallocarray(lint->findings, cap, sizeof(*grown));

		if (grown) {
			lint->findings = grown;
			lint->cap = cap;
		}
	}
	if (!copy.object || !copy.field || !copy.name || !copy.text || lint->count == lint->cap) {
		free(copy.object);
		free(copy.field);
		free(copy.name);
		free(copy.text);
		lint->failed = true;
		return;
	}
	lint->findings[lint->count++] = copy;
}

/* "spec.ingress[0].ports: why": a field in front, if it looks like one. */
static size_t field_length(const char *text)
{
	size_t len = strcspn(text, ": ");

	return len && text[len] == ':' && text[len + 1] == ' ' && len < 256 ? len : 0;
}

static void take_error(const char *file, unsigned int line, const char *object, const char *name,
		       const char *text, void *context)
{
	const size_t len = *object ? field_length(text) : 0;
	char field[256];

	(void)snprintf(field, sizeof(field), "%.*s", (int)len, text);
	take(context, &(struct finding){.file = file,
					.line = line,
					.error = true,
					.object = (char *)object,
					.field = field,
					.name = (char *)name,
					.text = (char *)text + (len ? len + 2 : 0)});
}

static const cJSON *document_of(const struct fw_object *object, void *context)
{
	struct lint *lint = context;
	const struct fw_manifest *manifest = fw_manifests_find(&lint->manifests, object);

	return manifest ? manifest->document : NULL;
}

static void take_finding(const struct fw_lint_finding *found, void *context)
{
	struct lint *lint = context;
	const struct fw_object *object = found->object;
	const struct fw_manifest *manifest = fw_manifests_find(&lint->manifests, object);
	const cJSON *at = NULL;
	char name[400];
	bool whole;

	if (manifest)
		at = fw_lint_field(manifest->document, found->path, &whole);
	(void)snprintf(name, sizeof(name), "%s %s%s%s", fw_kind_name(object->kind),
		       object->namespace, *object->namespace ? "/" : "", object->name);
	take(lint, &(struct finding){.file = manifest ? manifest->file : "",
				     .line = at ? (unsigned int)at->valueint : 0,
				     .error = found->error,
				     .object = name,
				     .field = (char *)found->path,
				     .name = (char *)found->name,
				     .text = (char *)found->text});
}

static size_t file_order(const struct lint *lint, const char *file)
{
	size_t i = 0;

	while (i < lint->manifests.file_count && lint->manifests.files[i] != file)
		i++;
	return i;
}

static int compare(const void *left, const void *right, void *context)
{
	const struct finding *a = left, *b = right;
	const size_t file = file_order(context, a->file), other = file_order(context, b->file);

	if (file != other)
		return file < other ? -1 : 1;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

static void print_json(const struct finding *finding)
{
	cJSON *json = cJSON_CreateObject();
	char *text;

	(void)cJSON_AddStringToObject(json, "file", finding->file);
	(void)cJSON_AddNumberToObject(json, "line", finding->line);
	(void)cJSON_AddStringToObject(json, "level", finding->error ? "error" : "warning");
	(void)cJSON_AddStringToObject(json, "check", finding->name);
	(void)cJSON_AddStringToObject(json, "object", finding->object);
	(void)cJSON_AddStringToObject(json, "field", finding->field);
	(void)cJSON_AddStringToObject(json, "text", finding->text);
	text = cJSON_PrintUnformatted(json);
	(void)printf("%s\n", text ? text : "{}");
	cJSON_free(text);
	cJSON_Delete(json);
}

static void print_text(const struct finding *finding)
{
	_cleanup_(fw_buf_done) struct fw_buf line = {0}, shown = {0};

	fw_buf_init(&line, 8192);
	fw_buf_init(&shown, 65536);
	(void)fw_buf_printf(&line, "%s:%u: %s: %s%s%s%s%s [%s]", finding->file, finding->line,
			    finding->error ? "error" : "warning", finding->object,
			    *finding->object ? ": " : "", finding->field,
			    *finding->field ? ": " : "", finding->text, finding->name);
	(void)fw_buf_append_escaped(&shown, line.data ? line.data : "");
	(void)printf("%s\n", shown.data ? shown.data : "");
}

static void print_all(struct lint *lint)
{
	size_t errors = 0;

	if (lint->count)
		qsort_r(lint->findings, lint->count, sizeof(*lint->findings), compare, lint);
	for (size_t i = 0; i < lint->count; i++) {
		errors += lint->findings[i].error;
		if (lint->json)
			print_json(&lint->findings[i]);
		else
			print_text(&lint->findings[i]);
	}
	if (lint->json)
		(void)printf("{\"files\":%zu,\"objects\":%zu,\"errors\":%zu,\"warnings\":%zu}\n",
			     lint->manifests.file_count, lint->manifests.count, errors,
			     lint->count - errors);
	else
		(void)printf("%zu objects in %zu files: %zu errors, %zu warnings\n",
			     lint->manifests.count, lint->manifests.file_count, errors,
			     lint->count - errors);
}

static int read_range(const char *option, struct fw_prefix *ranges, size_t *count)
{
	struct fw_err err = {""};

	if (*count == RANGES_MAX)
		return fw_fail(FW_EXIT_USAGE, "lint", "--%s: at most %u", option, RANGES_MAX);
	if (fw_prefix_parse(optarg, &ranges[*count], &err) < 0)
		return fw_fail(FW_EXIT_USAGE, "lint", "--%s: %s", option, err.text);
	*count += 1;
	return -1;
}

static int read_options(int argc, char **argv, struct lint *lint)
{
	static const struct option options[] = {{"service-range", required_argument, NULL, 's'},
						{"pod-range", required_argument, NULL, 'p'},
						{"output", required_argument, NULL, 'o'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	int option, code = -1;

	optind = 0;
	while (code < 0 && (option = fw_getopt(argc, argv, "o:h", options, NULL)) != -1) {
		if (option == 'h') {
			(void)fputs(usage, stdout);
			return FW_EXIT_OK;
		}
		if (option == 's')
			code = read_range("service-range", lint->services, &lint->service_count);
		else if (option == 'p')
			code = read_range("pod-range", lint->pods, &lint->pod_count);
		else if (option == 'o' && strcmp(optarg, "json") == 0)
			lint->json = true;
		else if (option != 'o')
			code = fw_fail(FW_EXIT_USAGE, argv[0], "see `fwctl lint --help`");
		else if (strcmp(optarg, "text") != 0)
			code = fw_fail(FW_EXIT_USAGE, argv[0], "-o: \"%s\" is none of text, json",
				       optarg);
	}
	if (code < 0 && optind >= argc)
		code = fw_fail(FW_EXIT_USAGE, argv[0], "no file given; see `fwctl lint --help`");
	return code;
}

static void lint_done(struct lint *lint)
{
	for (size_t i = 0; i < lint->count; i++) {
		free(lint->findings[i].object);
		free(lint->findings[i].field);
		free(lint->findings[i].name);
		free(lint->findings[i].text);
	}
	free(lint->findings);
	fw_manifests_done(&lint->manifests);
}

static int run(struct lint *lint, int argc, char **argv)
{
	const struct fw_lint what = {.model = lint->manifests.model,
				     .service_ranges = lint->services,
				     .service_range_count = lint->service_count,
				     .document = document_of,
				     .found = take_finding,
				     .context = lint};
	bool unread = false;

	if (fw_model_set_pod_ranges(lint->manifests.model, lint->pods, lint->pod_count) < 0)
		return fw_fail(FW_EXIT_FAILURE, argv[0], "out of memory");
	for (int i = optind; i < argc; i++) {
		struct fw_err err = {""};
		int r = fw_manifests_read(&lint->manifests, argv[i], &err);

		if (r < 0) {
			(void)fw_fail(FW_EXIT_USAGE, argv[0], "%s",
				      r == -ENOMEM ? "out of memory" : err.text);
			unread = true;
		}
	}
	fw_lint_run(&what);
	print_all(lint);
	if (lint->failed)
		return fw_fail(FW_EXIT_FAILURE, argv[0], "out of memory");
	if (unread)
		return FW_EXIT_USAGE;
	return lint->count ? FW_EXIT_FAILURE : FW_EXIT_OK;
}

int cmd_lint(int argc, char **argv)
{
	_cleanup_(lint_done) struct lint lint = {0};
	int code = read_options(argc, argv, &lint);

	if (code >= 0)
		return code;
	if (fw_manifests_init(&lint.manifests) < 0)
		return fw_fail(FW_EXIT_FAILURE, argv[0], "out of memory");
	lint.manifests.error = take_error;
	lint.manifests.context = &lint;
	return run(&lint, argc, argv);
}
