/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One file's text to objects. In: YAML (several documents) or JSON. Out: objects and errors, in the
 * order of the text. Documents are cut apart before they are parsed, so that a syntax error in one
 * leaves the others readable.
 */
#include "api/decode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/documents.h"
#include "api/tree.h"
#include "base/buf.h"
#include "base/cleanup.h"

#define ORIGIN_MAX 4200

struct reader {
	const char *origin;
	const struct fw_decode_handler *handler;
	struct fw_tree_budget budget;
	unsigned int document;
};

static int read_value(struct reader *reader, const struct fw_field *value, enum fw_kind implied);

static void report(const struct reader *reader, unsigned int line, enum fw_kind kind,
		   const char *namespace, const char *name, const char *text)
{
	reader->handler->error(reader->document, line, kind, namespace, name, text,
			       reader->handler->context);
}

/* Which object a broken document speaks of, as far as it can be told. */
static void identify(const struct fw_field *document, enum fw_kind *kind, const char **namespace,
		     const char **name)
{
	struct fw_field metadata, field;
	bool cluster = *kind == FW_KIND_NAMESPACE || *kind == FW_KIND_NODE;

	*namespace = *name = "";
	if (*kind != FW_KIND_COUNT && fw_field_get(document, "metadata", &metadata)) {
		if (fw_field_get(&metadata, "name", &field) && cJSON_IsString(field.json))
			*name = field.json->valuestring;
		if (fw_field_get(&metadata, "namespace", &field) && cJSON_IsString(field.json))
			*namespace = field.json->valuestring;
	}
	if (!**name)
		*kind = FW_KIND_COUNT;
	if (*kind == FW_KIND_COUNT || cluster)
		*namespace = "";
	else if (!**namespace)
		*namespace = "default";
	if (*kind == FW_KIND_COUNT)
		*name = "";
}

static char *origin_of(const struct reader *reader)
{
	struct fw_buf buf;

	fw_buf_init(&buf, ORIGIN_MAX);
	(void)fw_buf_printf(&buf, "%s: document %u", reader->origin, reader->document);
	return fw_buf_take(&buf);
}

/* What stands in for a document that cannot be read, of kinds that have such a thing. */
static int stand_in(struct reader *reader, const struct fw_field *document, enum fw_kind kind,
		    const char *namespace, const char *name)
{
	_cleanup_free_ char *origin = NULL;
	struct fw_object *object;
	int r;

	if (kind != FW_KIND_ENDPOINT_SLICE || !reader->handler->unread)
		return 0;
	origin = origin_of(reader);
	if (!origin)
		return -ENOMEM;
	r = fw_decode_unread_slice(document->json, namespace, name, origin, &object);
	if (!r)
		reader->handler->unread(object, reader->handler->context);
	return r;
}

static int deliver(struct reader *reader, struct fw_decoder *d, const struct fw_field *document,
		   enum fw_kind kind)
{
	_cleanup_free_ char *origin = origin_of(reader);
	const char *namespace, *name;
	struct fw_object *object;
	int r;

	if (!origin)
		return -ENOMEM;
	r = fw_document_decode(d, document, kind, origin, &object);
	if (r)
		return r;
	if (reader->handler->document)
		reader->handler->document(document->json, reader->handler->context);
	reader->handler->object(object, reader->handler->context);
	if (!d->warning.text[0])
		return 0;
	identify(document, &kind, &namespace, &name);
	report(reader, d->warning_line, kind, namespace, name, d->warning.text);
	return 0;
}

/* "List", or the name of one of our kinds with "List" behind it. */
static bool is_list(const struct fw_field *document, enum fw_kind *ret_implied)
{
	struct fw_field kind;
	const char *text;
	size_t len;

	if (!fw_field_get(document, "kind", &kind) || !cJSON_IsString(kind.json))
		return false;
	text = kind.json->valuestring;
	len = strlen(text);
	if (len < 4 || strcmp(text + len - 4, "List") != 0)
		return false;
	*ret_implied = len == 4 ? FW_KIND_COUNT : fw_kind_by_name(text, len - 4);
	return len == 4 || *ret_implied != FW_KIND_COUNT;
}

static int read_list(struct reader *reader, const struct fw_field *document, enum fw_kind implied)
{
	struct fw_err err = {0};
	struct fw_decoder d = {.err = &err, .lines = true};
	struct fw_field items;
	size_t count, i = 0;
	int r = fw_member_list(&d, document, "items", &items, &count);

	if (r == -EINVAL)
		report(reader, d.line, FW_KIND_COUNT, "", "", err.text);
	if (r)
		return r == -EINVAL ? 0 : r;
	for (const cJSON *item = count ? items.json->child : NULL; item; item = item->next) {
		struct fw_field element = fw_field_element(&items, item, i++);

		r = read_value(reader, &element, implied);
		if (r)
			return r;
	}
	return 0;
}

/* Paths are those of the object itself, also inside a List: the object's name is told beside them.
 */
static int read_value(struct reader *reader, const struct fw_field *value, enum fw_kind implied)
{
	struct fw_err err = {0};
	struct fw_decoder d = {.err = &err, .lines = true};
	struct fw_field document = {.json = value->json};
	enum fw_kind kind = implied, list;
	const char *namespace, *name;
	int r = fw_field_object(&d, &document);

	if (!r && is_list(&document, &list))
		return read_list(reader, &document, list);
	if (!r)
		r = fw_document_kind(&d, &document, implied, &kind);
	if (r == -ENOTSUP)
		return 0;
	if (!r)
		r = deliver(reader, &d, &document, kind);
	if (r != -EINVAL)
		return r;
	identify(&document, &kind, &namespace, &name);
	r = stand_in(reader, &document, kind, namespace, name);
	report(reader, d.line, kind, namespace, name, err.text);
	return r;
}

static int read_tree(const cJSON *tree, unsigned int line, void *context)
{
	struct reader *reader = context;
	struct fw_field document = {.json = tree};

	(void)line;
	reader->document++;
	return read_value(reader, &document, FW_KIND_COUNT);
}

static int report_text(struct reader *reader, int r, unsigned int line, const struct fw_err *err)
{
	if (r != -EINVAL && r != -E2BIG)
		return r;
	reader->document++;
	report(reader, line, FW_KIND_COUNT, "", "", err->text);
	return 0;
}

static bool has_suffix(const char *text, const char *suffix)
{
	size_t len = strlen(text), suffix_len = strlen(suffix);

	return len >= suffix_len && !strcmp(text + len - suffix_len, suffix);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/*
 * JSON by its name, or by a "{" first where it parses: YAML's flow style begins like it. *ret_taken
 * tells whether the text was JSON.
 */
static int read_json(struct reader *reader, const char *text, size_t len, bool *ret_taken)
{
	bool named = has_suffix(reader->origin, ".json");
	struct fw_tree_budget budget = {0};
	struct fw_err err = {0};
	unsigned int line = 0;
	cJSON *tree = NULL;
	size_t i = 0;
	int r;

	while (i < len && (is_blank(text[i]) || text[i] == '\n'))
		i++;
	*ret_taken = named || (i < len && text[i] == '{');
	if (!*ret_taken)
		return 0;
	r = fw_tree_json(text, len, &budget, &tree, &line, &err);
	*ret_taken = named || !r || r == -ENOMEM;
	if (r)
		return *ret_taken ? report_text(reader, r, line, &err) : 0;
	r = read_tree(tree, line, reader);
	cJSON_Delete(tree);
	return r;
}

static int read_yaml(struct reader *reader, const char *text, size_t len, unsigned int line)
{
	struct fw_tree_handler handler = {.document = read_tree, .context = reader};
	struct fw_err err = {0};
	unsigned int error_line = 0;
	int r = fw_tree_yaml(text, len, line, &reader->budget, &handler, &error_line, &err);

	return r ? report_text(reader, r, error_line, &err) : 0;
}

/* "---" alone or with something behind it: at the beginning of a line it is always a mark between
 * documents. */
static bool is_mark(const char *line, size_t len)
{
	return len >= 3 && !memcmp(line, "---", 3) && (len == 3 || is_blank(line[3]));
}

/* Comments, directives and empty lines belong to the document behind them. */
static bool is_content(const char *line, size_t len)
{
	size_t i = is_mark(line, len) ? 3 : 0;

	while (i < len && is_blank(line[i]))
		i++;
	return i < len && line[i] != '#' && line[0] != '%';
}

static int read_documents(struct reader *reader, const char *text, size_t len)
{
	const char *begin = text, *at = text, *end = text + len;
	unsigned int begin_line = 1, line = 1;
	bool content = false;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *line_end = newline ? newline : end;
		size_t line_len = (size_t)(line_end - at);

		if (content && is_mark(at, line_len)) {
			int r = read_yaml(reader, begin, (size_t)(at - begin), begin_line);

			if (r)
				return r;
			begin = at;
			begin_line = line;
			content = false;
		}
		content = content || is_content(at, line_len);
		at = newline ? newline + 1 : end;
		line++;
	}
	return content ? read_yaml(reader, begin, (size_t)(end - begin), begin_line) : 0;
}

int fw_decode_text(const char *origin, const char *text, size_t len,
		   const struct fw_decode_handler *handler)
{
	struct reader reader = {.origin = origin, .handler = handler};
	struct fw_err err;
	bool is_json;
	int r;

	if (len > FW_DECODE_BYTES_MAX) {
		(void)fw_err_set(&err, -E2BIG, "larger than %u bytes", FW_DECODE_BYTES_MAX);
		return report_text(&reader, -E2BIG, 0, &err);
	}
	r = read_json(&reader, text, len, &is_json);
	if (r || is_json)
		return r;
	return read_documents(&reader, text, len);
}
