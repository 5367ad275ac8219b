/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON to a tree. In: the bytes of one JSON text. Out: cJSON nodes that know their line. cJSON's
 * own parser takes what RFC 8259 forbids (leading zeros, raw control characters, \u0000 that cuts a
 * string) and knows no lines. Must never read beyond `end` nor nest deeper than the limit.
 */
#include "api/tree.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "api/decode.h"
#include "base/cleanup.h"

struct parser {
	const char *at, *end;
	unsigned int line;
	unsigned int depth;
	struct fw_tree_budget *budget;
	struct fw_err *err;
	const char *names[FW_TREE_PATH_MAX]; /* of the members around the one under way */
	unsigned int name_count;	     /* may be more than fit */
	unsigned int unread;		     /* members around that nobody reads */
};

static int parse_value(struct parser *p, cJSON **ret_node);

int fw_tree_count(struct fw_tree_budget *budget, unsigned int depth, struct fw_err *err)
{
	size_t most = budget->most ? budget->most : FW_DECODE_NODES_MAX;

	if (depth > FW_DECODE_DEPTH_MAX)
		return fw_err_set(err, -E2BIG, "nested deeper than %u", FW_DECODE_DEPTH_MAX);
	if (++budget->nodes > most)
		return fw_err_set(err, -E2BIG, "more than %zu values in one %s", most,
				  budget->most ? "object" : "file");
	return 0;
}

size_t fw_utf8_length(const char *text, size_t left)
{
	static const unsigned int least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *s = (const unsigned char *)text;
	unsigned int code;
	size_t len;

	if (!left || s[0] > 0xf4)
		return 0;
	if (s[0] < 0x80)
		return 1;
	len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 0;
	if (!len || len > left)
		return 0;
	code = s[0] & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3fu);
	}
	if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	return len;
}

static int fail(struct parser *p, const char *text)
{
	return fw_err_set(p->err, -EINVAL, "not JSON: %s", text);
}

static void skip_space(struct parser *p)
{
	for (; p->at < p->end; p->at++) {
		if (*p->at == '\n')
			p->line++;
		else if (*p->at != ' ' && *p->at != '\t' && *p->at != '\r')
			return;
	}
}

static bool starts(const struct parser *p, char c)
{
	return p->at < p->end && *p->at == c;
}

static int new_node(struct parser *p, int type, cJSON **ret_node)
{
	int r = fw_tree_count(p->budget, p->depth, p->err);
	cJSON *node;

	*ret_node = NULL;
	if (r || p->unread)
		return r;
	node = cJSON_CreateNull();
	if (!node)
		return -ENOMEM;
	node->type = type;
	node->valueint = p->line > INT_MAX ? 0 : (int)p->line;
	*ret_node = node;
	return 0;
}

static int hex4(struct parser *p, unsigned int *ret_code)
{
	unsigned int code = 0;

	if (p->end - p->at < 4)
		return fail(p, "bad \\u escape");
	for (int i = 0; i < 4; i++) {
		char c = *p->at++;

		if (c >= '0' && c <= '9')
			code = code << 4 | (unsigned int)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			code = code << 4 | (unsigned int)((c | 0x20) - 'a' + 10);
		else
			return fail(p, "bad \\u escape");
	}
	*ret_code = code;
	return 0;
}

static char *put_utf8(char *out, unsigned int code)
{
	if (code < 0x80) {
		*out++ = (char)code;
		return out;
	}
	if (code < 0x800) {
		*out++ = (char)(0xc0 | code >> 6);
	} else if (code < 0x10000) {
		*out++ = (char)(0xe0 | code >> 12);
		*out++ = (char)(0x80 | (code >> 6 & 0x3f));
	} else {
		*out++ = (char)(0xf0 | code >> 18);
		*out++ = (char)(0x80 | (code >> 12 & 0x3f));
		*out++ = (char)(0x80 | (code >> 6 & 0x3f));
	}
	*out++ = (char)(0x80 | (code & 0x3f));
	return out;
}

/* Behind "\u". */
static int parse_unicode(struct parser *p, char **out)
{
	unsigned int code, low;
	int r = hex4(p, &code);

	if (r)
		return r;
	if (!code)
		return fail(p, "a string holds \\u0000");
	if (code >= 0xdc00 && code < 0xe000)
		return fail(p, "half a surrogate pair");
	if (code >= 0xd800 && code < 0xdc00) {
		if (p->end - p->at < 6 || p->at[0] != '\\' || p->at[1] != 'u')
			return fail(p, "half a surrogate pair");
		p->at += 2;
		r = hex4(p, &low);
		if (r)
			return r;
		if (low < 0xdc00 || low >= 0xe000)
			return fail(p, "half a surrogate pair");
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
	}
	*out = put_utf8(*out, code);
	return 0;
}

static int parse_escape(struct parser *p, char **out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *found;
	char c;

	if (p->at >= p->end)
		return fail(p, "a string without an end");
	c = *p->at++;
	if (c == 'u')
		return parse_unicode(p, out);
	found = c ? strchr(from, c) : NULL;
	if (!found)
		return fail(p, "bad escape in a string");
	*(*out)++ = to[found - from];
	return 0;
}

static bool is_plain(char c)
{
	return c >= ' ' && c != '"' && c != '\\' && (unsigned char)c < 0x80;
}

/* How many bytes from here on stand for themselves. */
static size_t span_plain(const struct parser *p)
{
	const char *s = p->at;

	while (s < p->end && is_plain(*s))
		s++;
	return (size_t)(s - p->at);
}

/* The bytes up to the closing quote or the end: what a decoded string needs at most. */
static size_t span_string(const struct parser *p, size_t plain)
{
	const char *s = p->at + plain;

#ifdef FW_PLANTED_BUG /* tests/fuzz_decode.c must find that an escaped quote does not end a string \
		       */
	while (s < p->end && *s != '"')
		s++;
#else
	while (s < p->end && *s != '"')
		s += *s == '\\' && p->end - s > 1 ? 2 : 1;
#endif
	return (size_t)(s - p->at);
}

/* The same errors as of one that is kept. */
static int check_string(struct parser *p)
{
	int r = 0;

	p->at++;
	while (!r && p->at < p->end && *p->at != '"') {
		char scratch[4], *out = scratch;
		size_t len = span_plain(p);

		if (!len)
			len = fw_utf8_length(p->at, (size_t)(p->end - p->at));
		if ((unsigned char)*p->at < 0x20) {
			r = fail(p, "a control character in a string");
		} else if (*p->at == '\\') {
			p->at++;
			r = parse_escape(p, &out);
		} else if (!len) {
			r = fail(p, "bytes that are not UTF-8 in a string");
		} else {
			p->at += len;
		}
	}
	if (!r && !starts(p, '"'))
		r = fail(p, "a string without an end");
	if (!r)
		p->at++;
	return r;
}

static int parse_string(struct parser *p, char **ret_text)
{
	char *text, *out;
	size_t len;
	int r = 0;

	*ret_text = NULL;
	if (p->unread)
		return check_string(p);
	p->at++;
	len = span_plain(p);
	text = out = cJSON_malloc(span_string(p, len) + 1);
	if (!text)
		return -ENOMEM;
	for (; !r && p->at < p->end && *p->at != '"'; len = span_plain(p)) {
		if (!len)
			len = fw_utf8_length(p->at, (size_t)(p->end - p->at));
		if ((unsigned char)*p->at < 0x20) {
			r = fail(p, "a control character in a string");
		} else if (*p->at == '\\') {
			p->at++;
			r = parse_escape(p, &out);
		} else if (!len) {
			r = fail(p, "bytes that are not UTF-8 in a string");
		} else {
			memcpy(out, p->at, len);
			out += len;
			p->at += len;
		}
	}
	if (!r && !starts(p, '"'))
		r = fail(p, "a string without an end");
	if (r) {
		cJSON_free(text);
		return r;
	}
	p->at++;
	*out = '\0';
	*ret_text = text;
	return 0;
}

static bool skip_digits(struct parser *p)
{
	const char *begin = p->at;

	while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
		p->at++;
	return p->at > begin;
}

static int parse_number(struct parser *p, cJSON **ret_node)
{
	const char *begin = p->at;
	char text[320];
	size_t len;
	cJSON *node;
	int r;

	if (starts(p, '-'))
		p->at++;
	if (starts(p, '0'))
		p->at++;
	else if (!skip_digits(p))
		return fail(p, "a value was expected");
	if (starts(p, '.')) {
		p->at++;
		if (!skip_digits(p))
			return fail(p, "a number without digits behind its point");
	}
	if (starts(p, 'e') || starts(p, 'E')) {
		p->at++;
		if (starts(p, '+') || starts(p, '-'))
			p->at++;
		if (!skip_digits(p))
			return fail(p, "a number without digits in its exponent");
	}
	len = (size_t)(p->at - begin);
	if (len >= sizeof(text))
		return fail(p, "a number with more than 319 characters");
	memcpy(text, begin, len);
	text[len] = '\0';
	r = new_node(p, cJSON_Number, &node);
	if (r)
		return r;
	if (node)
		node->valuedouble = fw_number_read(text);
	*ret_node = node;
	return 0;
}

static int parse_word(struct parser *p, const char *word, int type, cJSON **ret_node)
{
	size_t len = strlen(word);

	if ((size_t)(p->end - p->at) < len || memcmp(p->at, word, len) != 0)
		return fail(p, "a value was expected");
	p->at += len;
	return new_node(p, type, ret_node);
}

static int parse_array(struct parser *p, cJSON *array)
{
	p->at++;
	skip_space(p);
	if (starts(p, ']')) {
		p->at++;
		return 0;
	}
	for (;;) {
		cJSON *value = NULL;
		int r;

		skip_space(p);
		r = parse_value(p, &value);
		if (r)
			return r;
		if (value)
			(void)cJSON_AddItemToArray(array, value);
		skip_space(p);
		if (starts(p, ']')) {
			p->at++;
			return 0;
		}
		if (!starts(p, ','))
			return fail(p, "\",\" or \"]\" was expected");
		p->at++;
	}
}

/* Whether the member of that name, inside of p->names, is one of those. */
static bool is_unread(const struct parser *p, const char *name)
{
	const struct fw_tree_path *path = p->budget->unread;
	unsigned int last = p->name_count;

	for (; path && path->name[0] && last < FW_TREE_PATH_MAX; path++) {
		unsigned int i = 0;

		/* the last name first: it is the one that differs */
		if (!path->name[last] || *path->name[last] != *name ||
		    strcmp(path->name[last], name) != 0 ||
		    (last + 1 < FW_TREE_PATH_MAX && path->name[last + 1]))
			continue;
		while (i < last && !strcmp(path->name[i], p->names[i]))
			i++;
		if (i == last)
			return true;
	}
	return false;
}

/* The value behind the colon. */
static int parse_inside(struct parser *p, const char *name, cJSON **ret_value)
{
	bool unread = !p->unread && is_unread(p, name);
	int r;

	if (!p->unread && p->name_count < FW_TREE_PATH_MAX)
		p->names[p->name_count] = name;
	p->name_count++;
	p->unread += unread;
	r = parse_value(p, ret_value);
	p->unread -= unread;
	p->name_count--;
	return r;
}

static int parse_member(struct parser *p, cJSON *object)
{
	cJSON *value = NULL;
	char *name = NULL;
	int r;

	skip_space(p);
	if (!starts(p, '"'))
		return fail(p, "a member name was expected");
	r = parse_string(p, &name);
	if (r)
		return r;
	skip_space(p);
	if (starts(p, ':')) {
		p->at++;
		skip_space(p);
		r = parse_inside(p, name, &value);
	} else {
		r = fail(p, "\":\" was expected");
	}
	if (r || !value) {
		cJSON_free(name);
		return r;
	}
	value->string = name;
	(void)cJSON_AddItemToArray(object, value);
	return 0;
}

static int parse_object(struct parser *p, cJSON *object)
{
	p->at++;
	skip_space(p);
	if (starts(p, '}')) {
		p->at++;
		return 0;
	}
	for (;;) {
		int r = parse_member(p, object);

		if (r)
			return r;
		skip_space(p);
		if (starts(p, '}')) {
			p->at++;
			return 0;
		}
		if (!starts(p, ','))
			return fail(p, "\",\" or \"}\" was expected");
		p->at++;
	}
}

static int parse_nested(struct parser *p, int type, cJSON **ret_node)
{
	cJSON *node;
	int r = new_node(p, type, &node);

	if (r)
		return r;
	p->depth++;
	r = type == cJSON_Object ? parse_object(p, node) : parse_array(p, node);
	p->depth--;
	if (r) {
		cJSON_Delete(node);
		return r;
	}
	*ret_node = node;
	return 0;
}

static int parse_text(struct parser *p, cJSON **ret_node)
{
	cJSON *node;
	int r = new_node(p, cJSON_String, &node);

	if (r || !node) {
		*ret_node = NULL;
		return r ? r : check_string(p);
	}
	r = parse_string(p, &node->valuestring);
	if (r) {
		cJSON_Delete(node);
		return r;
	}
	*ret_node = node;
	return 0;
}

static int parse_value(struct parser *p, cJSON **ret_node)
{
	if (p->at >= p->end)
		return fail(p, "the text ends too early");
	switch (*p->at) {
	case '{':
		return parse_nested(p, cJSON_Object, ret_node);
	case '[':
		return parse_nested(p, cJSON_Array, ret_node);
	case '"':
		return parse_text(p, ret_node);
	case 't':
		return parse_word(p, "true", cJSON_True, ret_node);
	case 'f':
		return parse_word(p, "false", cJSON_False, ret_node);
	case 'n':
		return parse_word(p, "null", cJSON_NULL, ret_node);
	default:
		return parse_number(p, ret_node);
	}
}

int fw_tree_json(const char *text, size_t len, struct fw_tree_budget *budget, cJSON **ret_tree,
		 unsigned int *ret_line, struct fw_err *err)
{
	struct parser p = {
		.at = text, .end = text + len, .line = 1, .depth = 1, .budget = budget, .err = err};
	cJSON *tree = NULL;
	int r;

	skip_space(&p);
	r = parse_value(&p, &tree);
	if (!r) {
		skip_space(&p);
		if (p.at < p.end)
			r = fail(&p, "text behind the end of the document");
	}
	*ret_line = p.line;
	if (r) {
		cJSON_Delete(tree);
		return r;
	}
	*ret_tree = tree;
	return 0;
}
