// SPDX-License-Identifier: Apache-2.0
/*
 * Reads case files. In: YAML, and the manifests it names. Out: a model and expectations. Every
 * member is known or an error: a misspelt `verdct` must never be an expectation that cannot fail.
 */
#include "case.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "api/decode.h"
#include "api/tree.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "manifests.h"

struct reader {
	const char *path;
	struct fw_case *one;
	cJSON *tree; /* the document, ours */
	int documents;
	int failed; /* of a manifest: the first error */
	const char *manifest;
	struct fw_err *err;
};

static int wrong(const struct reader *reader, const cJSON *at, const char *format, ...)
	FW_PRINTF(3, 4);
static int wrong(const struct reader *reader, const cJSON *at, const char *format, ...)
{
	char text[FW_ERR_TEXT];
	va_list list;

	va_start(list, format);
	(void)vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	return fw_err_set(reader->err, -EINVAL, "%s:%d: %s", reader->path, at ? at->valueint : 1,
			  text);
}

static int put_object(struct reader *reader, struct fw_object *object)
{
	bool changed;

	return fw_model_put(reader->one->world.model, object, &changed);
}

static void take_object(struct fw_object *object, void *context)
{
	struct reader *reader = context;
	int r = put_object(reader, object);

	if (r < 0 && !reader->failed)
		reader->failed = fw_err_set(reader->err, r, "%s: out of memory", reader->manifest);
}

static void take_error(unsigned int document, unsigned int line, enum fw_kind kind,
		       const char *namespace, const char *name, const char *text, void *context)
{
	struct reader *reader = context;

	(void)namespace;
	if (reader->failed)
		return;
	if (kind != FW_KIND_COUNT)
		reader->failed = fw_err_set(reader->err, -EINVAL, "%s:%u: document %u: %s %s: %s",
					    reader->manifest, line, document, fw_kind_name(kind),
					    name, text);
	else
		reader->failed = fw_err_set(reader->err, -EINVAL, "%s:%u: document %u: %s",
					    reader->manifest, line, document, text);
}

/* Paths are relative to the case file. */
static int read_manifest(struct reader *reader, const char *name)
{
	const struct fw_decode_handler handler = {
		.object = take_object, .error = take_error, .context = reader};
	_cleanup_(fw_buf_done) struct fw_buf path = {0}, text = {0};
	const char *slash = strrchr(reader->path, '/');
	int r;

	fw_buf_init(&path, 4096);
	fw_buf_init(&text, FW_DECODE_BYTES_MAX);
	if (*name != '/' && slash)
		(void)fw_buf_append(&path, reader->path, (size_t)(slash - reader->path) + 1);
	r = fw_buf_printf(&path, "%s", name);
	if (r == 0)
		r = fw_file_read(path.data, &text, reader->err);
	if (r < 0)
		return r;
	reader->manifest = path.data;
	r = fw_decode_text(path.data, text.data ? text.data : "", text.len, &handler);
	return r < 0 ? r : reader->failed;
}

static int read_files(struct reader *reader, const cJSON *list)
{
	const cJSON *item;

	if (!cJSON_IsArray(list))
		return wrong(reader, list, "files: not a list");
	cJSON_ArrayForEach(item, list) {
		int r;

		if (!cJSON_IsString(item))
			return wrong(reader, item, "files: not a path");
		r = read_manifest(reader, item->valuestring);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_objects(struct reader *reader, const cJSON *list)
{
	const cJSON *item;
	int number = 0;

	if (!cJSON_IsArray(list))
		return wrong(reader, list, "objects: not a list");
	cJSON_ArrayForEach(item, list) {
		struct fw_object *object = NULL;
		struct fw_err err = {0};
		int r = fw_decode_object(item, reader->path, &object, &err);

		if (r == 0)
			r = put_object(reader, object);
		else if (r == -ENOTSUP)
			return wrong(reader, item, "objects[%d]: a kind that Podwall does not read",
				     number);
		if (r < 0)
			return wrong(reader, item, "objects[%d]: %.400s", number, err.text);
		number++;
	}
	return 0;
}

static int read_ranges(struct reader *reader, const cJSON *list)
{
	struct fw_prefix prefixes[64];
	size_t count = 0;
	const cJSON *item;

	if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > 64)
		return wrong(reader, list, "podRanges: not a list of at most 64 CIDRs");
	cJSON_ArrayForEach(item, list) {
		struct fw_err err = {0};

		if (!cJSON_IsString(item) ||
		    fw_prefix_parse(item->valuestring, &prefixes[count++], &err) < 0)
			return wrong(reader, item, "podRanges: %.300s",
				     err.text[0] ? err.text : "not a CIDR");
	}
	return fw_model_set_pod_ranges(reader->one->world.model, prefixes, count);
}

static int read_number(const char *text, unsigned long max, unsigned long *ret_number)
{
	char *end;

	errno = 0;
	if (*text < '0' || *text > '9')
		return -EINVAL;
	*ret_number = strtoul(text, &end, 10);
	return errno || *end || *ret_number > max ? -EINVAL : 0;
}

static int read_port(struct reader *reader, const cJSON *item, struct fw_expect *expect)
{
	static const struct {
		const char *name;
		uint8_t number;
	} protocols[] = {{"TCP", FW_PROTO_TCP}, {"UDP", FW_PROTO_UDP}, {"SCTP", FW_PROTO_SCTP}};
	unsigned long number;
	const char *slash;
	char digits[8];

	expect->protocol = FW_PROTO_TCP;
	if (cJSON_IsNumber(item) && item->valuedouble >= 1 && item->valuedouble <= 65535) {
		expect->port = (uint16_t)item->valuedouble;
		return 0;
	}
	if (!cJSON_IsString(item))
		return wrong(reader, item, "port: not 80/TCP, echo, ICMP or ICMPv6");
	if (strcmp(item->valuestring, "echo") == 0 || strncmp(item->valuestring, "ICMP", 4) == 0) {
		expect->protocol = strcmp(item->valuestring, "ICMP") == 0     ? FW_PROTO_ICMP
				   : strcmp(item->valuestring, "ICMPv6") == 0 ? FW_PROTO_ICMPV6
									      : 0;
		if (!expect->protocol && item->valuestring[0] == 'I')
			return wrong(reader, item, "port: %s: neither ICMP nor ICMPv6",
				     item->valuestring);
		return 0;
	}
	slash = strchr(item->valuestring, '/');
	(void)snprintf(digits, sizeof(digits), "%.*s",
		       slash ? (int)(slash - item->valuestring < 7 ? slash - item->valuestring : 7)
			     : 7,
		       item->valuestring);
	if (read_number(digits, 65535, &number) < 0)
		return wrong(reader, item, "port: %.40s: not a port of 0 to 65535",
			     item->valuestring);
	expect->port = (uint16_t)number;
	for (size_t i = 0; slash && i < 3; i++)
		if (strcmp(slash + 1, protocols[i].name) == 0) {
			expect->protocol = protocols[i].number;
			return 0;
		}
	return slash ? wrong(reader, item, "port: %.40s: not TCP, UDP or SCTP", item->valuestring)
		     : 0;
}

static int read_word(struct reader *reader, const cJSON *item, const char *a, const char *b,
		     bool *ret_first)
{
	if (cJSON_IsString(item) && strcmp(item->valuestring, a) == 0)
		*ret_first = true;
	else if (cJSON_IsString(item) && strcmp(item->valuestring, b) == 0)
		*ret_first = false;
	else
		return wrong(reader, item, "%s: neither %s nor %s", item->string, a, b);
	return 0;
}

static int read_text(struct reader *reader, const cJSON *item, const char **ret_text)
{
	char *copy;

	if (!cJSON_IsString(item))
		return wrong(reader, item, "%s: not a text", item->string);
	copy = strdup(item->valuestring);
	if (!copy)
		return -ENOMEM;
	free((char *)*ret_text);
	*ret_text = copy;
	return 0;
}

static int read_member(struct reader *reader, const cJSON *item, struct fw_expect *expect)
{
	bool first = false;
	int r;

	if (strcmp(item->string, "from") == 0)
		return read_text(reader, item, &expect->from);
	if (strcmp(item->string, "to") == 0)
		return read_text(reader, item, &expect->to);
	if (strcmp(item->string, "backend") == 0)
		return read_text(reader, item, &expect->backend);
	if (strcmp(item->string, "rule") == 0)
		return read_text(reader, item, &expect->rule);
	if (strcmp(item->string, "port") == 0)
		return read_port(reader, item, expect);
	if (strcmp(item->string, "verdict") == 0) {
		r = read_word(reader, item, "Allow", "Deny", &first);
		expect->verdict = first ? FW_VERDICT_ALLOW : FW_VERDICT_DENY;
		return r;
	}
	if (strcmp(item->string, "direction") == 0) {
		r = read_word(reader, item, "egress", "ingress", &first);
		expect->only_one = true;
		expect->direction = first ? FW_EGRESS : FW_INGRESS;
		return r;
	}
	return wrong(reader, item, "%.60s: unknown member of an expectation", item->string);
}

static int read_expect(struct reader *reader, const cJSON *item, struct fw_case_expect *expect)
{
	const cJSON *member;

	expect->line = (unsigned int)item->valueint;
	expect->expect.protocol = FW_PROTO_TCP;
	expect->expect.port = 80;
	cJSON_ArrayForEach(member, item) {
		int r = read_member(reader, member, &expect->expect);

		if (r < 0)
			return r;
	}
	if (!expect->expect.from || !expect->expect.to ||
	    !cJSON_GetObjectItemCaseSensitive(item, "verdict"))
		return wrong(reader, item, "an expectation needs from, to and verdict");
	return 0;
}

static int read_expects(struct reader *reader, const cJSON *list)
{
	struct fw_case *one = reader->one;
	const cJSON *item;
	int size = cJSON_GetArraySize(list);

	if (!cJSON_IsArray(list) || size < 1 || (unsigned int)size > FW_CASE_EXPECTS_MAX)
		return wrong(reader, list, "expect: not a list of 1 to %u expectations",
			     FW_CASE_EXPECTS_MAX);
	one->expects = calloc((size_t)size, sizeof(*one->expects));
	if (!one->expects)
		return -ENOMEM;
	cJSON_ArrayForEach(item, list) {
		int r;

		if (!cJSON_IsObject(item))
			r = wrong(reader, item, "expect[%zu]: not a map", one->count);
		else
			r = read_expect(reader, item, &one->expects[one->count]);
		one->count++;
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_node(struct reader *reader, const cJSON *item)
{
	if (!cJSON_IsString(item))
		return wrong(reader, item, "node: not a text");
	return fw_model_set_node_name(reader->one->world.model, item->valuestring);
}

static int read_case(struct reader *reader)
{
	static const struct {
		const char *name;
		int (*read)(struct reader *reader, const cJSON *item);
	} members[] = {{"node", read_node},
		       {"podRanges", read_ranges},
		       {"files", read_files},
		       {"objects", read_objects},
		       {"expect", read_expects}};
	const size_t count = sizeof(members) / sizeof(*members);
	const cJSON *item;

	if (!cJSON_IsObject(reader->tree))
		return wrong(reader, reader->tree,
			     "not a case: a map with objects, files and expect");
	cJSON_ArrayForEach(item, reader->tree) {
		size_t i = 0;

		while (i < count && strcmp(item->string, members[i].name) != 0)
			i++;
		if (i == count)
			return wrong(reader, item, "%.60s: unknown member of a case", item->string);
	}
	for (size_t i = 0; i < count; i++) {
		int r = 0;

		item = cJSON_GetObjectItemCaseSensitive(reader->tree, members[i].name);
		if (item && !cJSON_IsNull(item))
			r = members[i].read(reader, item);
		if (r < 0)
			return r;
	}
	return reader->one->count ? 0 : wrong(reader, reader->tree, "expect: missing");
}

static int take_document(const cJSON *tree, unsigned int line, void *context)
{
	struct reader *reader = context;

	if (reader->documents++)
		return fw_err_set(reader->err, -EINVAL, "%s:%u: a case is one document",
				  reader->path, line);
	reader->tree = cJSON_Duplicate(tree, 1);
	return reader->tree ? 0 : -ENOMEM;
}

static int parse(struct reader *reader)
{
	const struct fw_tree_handler handler = {.document = take_document, .context = reader};
	_cleanup_(fw_buf_done) struct fw_buf text = {0};
	struct fw_tree_budget budget = {0};
	struct fw_err inner = {0};
	unsigned int line = 0;
	int r;

	fw_buf_init(&text, FW_DECODE_BYTES_MAX);
	r = fw_file_read(reader->path, &text, reader->err);
	if (r < 0)
		return r;
	r = fw_tree_yaml(text.data ? text.data : "", text.len, 1, &budget, &handler, &line, &inner);
	if (r < 0 && inner.text[0])
		return fw_err_set(reader->err, r, "%s:%u: %.400s", reader->path, line, inner.text);
	if (r == 0 && !reader->tree)
		return fw_err_set(reader->err, -EINVAL, "%s:1: empty", reader->path);
	return r;
}

int fw_case_read(const char *path, struct fw_case *ret_case, struct fw_err *err)
{
	struct fw_case one = {0};
	struct reader reader = {.path = path, .one = &one, .err = err};
	int r = fw_world_init(&one.world);

	if (r == 0)
		r = parse(&reader);
	if (r == 0)
		r = read_case(&reader);
	cJSON_Delete(reader.tree);
	if (r < 0) {
		if (err && !err->text[0])
			(void)fw_err_errno(err, r, "%s", path);
		fw_case_done(&one);
		return r;
	}
	*ret_case = one;
	return 0;
}

void fw_case_done(struct fw_case *one)
{
	for (size_t i = 0; i < one->count; i++) {
		free((char *)one->expects[i].expect.from);
		free((char *)one->expects[i].expect.to);
		free((char *)one->expects[i].expect.rule);
		free((char *)one->expects[i].expect.backend);
	}
	free(one->expects);
	fw_world_done(&one->world);
	*one = (struct fw_case){0};
}
