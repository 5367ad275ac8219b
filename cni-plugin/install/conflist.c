/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the spans of "plugins" and of its elements in text that a JSON parser has accepted, and
 * cuts or inserts there. In: bytes of a conflist. Out: new bytes, or NULL when nothing changes.
 */
#include "conflist.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "json.h"

#define PLUGINS_MAX 64

struct span {
	size_t begin, end;
};

/* Where "plugins" stands: `list.begin` behind its '[', `list.end` at its ']'. */
struct layout {
	struct span list;
	struct span plugins[PLUGINS_MAX];
	bool ours[PLUGINS_MAX];
	size_t count;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_space(const char *text, size_t at)
{
	while (is_space(text[at]))
		at++;
	return at;
}

/* The byte behind the value that begins at `at`; the text is valid JSON and NUL-terminated. */
static size_t skip_value(const char *text, size_t at)
{
	size_t depth = 0;
	bool in_string = false;

	for (; text[at]; at++) {
		char c = text[at];

		if (in_string) {
			if (c == '\\')
				at++;
			else if (c == '"')
				in_string = false;
			if (in_string || depth)
				continue;
			return at + 1;
		}
		if (!depth && (c == ',' || c == '}' || c == ']' || is_space(c)))
			return at;
		if (c == '"')
			in_string = true;
		else if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && --depth == 0)
			return at + 1;
	}
	return at;
}

static void free_tree(cJSON **root)
{
	if (*root)
		fw_json_free(root);
}

static bool is_ours(const cJSON *plugin)
{
	const char *type = fw_json_get_string(plugin, "type");

	return type && !strcmp(type, FW_PLUGIN_NAME);
}

/*
 * The span of the last top-level member called "plugins": of duplicates, the last one counts. A key
 * with an escape in it may be another spelling of the same name: then nothing is found.
 */
static bool find_list(const char *text, struct span *ret_list)
{
	size_t at = skip_space(text, 0) + 1;
	bool found = false;

	for (at = skip_space(text, at); text[at] == '"'; at = skip_space(text, at)) {
		size_t key = at;
		size_t key_end = skip_value(text, at);

		if (memchr(text + key, '\\', key_end - key))
			return false;
		at = skip_space(text, skip_space(text, key_end) + 1);
		size_t end = skip_value(text, at);
		if (key_end - key == strlen("\"plugins\"") &&
		    !memcmp(text + key, "\"plugins\"", key_end - key) && text[at] == '[') {
			*ret_list = (struct span){at + 1, end - 1};
			found = true;
		}
		at = skip_space(text, end);
		if (text[at] == ',')
			at++;
	}
	return found;
}

static int find_layout(const char *text, size_t len, struct layout *ret_layout, struct fw_err *err)
{
	_cleanup_(free_tree) cJSON *root = NULL;
	struct layout *layout = ret_layout;
	const cJSON *plugin;

	layout->count = 0;
	int r = len > FW_CONFLIST_MAX ? fw_err_errno(err, -EFBIG, "%zu bytes", len)
				      : fw_json_parse(text, len, &root, err);
	if (r < 0)
		return r;
	const cJSON *plugins = fw_json_get(root, "plugins");
	if (!cJSON_IsArray(plugins) || !fw_json_get_string(root, "name"))
		return fw_err_set(err, -EINVAL, "not a conflist: no name, or no list of plugins");
	if (!find_list(text, &layout->list))
		return fw_err_set(err, -EINVAL, "\"plugins\" is not spelled plainly");

	size_t at = skip_space(text, layout->list.begin);
	cJSON_ArrayForEach(plugin, plugins) {
		if (layout->count == PLUGINS_MAX)
			return fw_err_set(err, -EINVAL, "more than %d plugins", PLUGINS_MAX);
		layout->ours[layout->count] = is_ours(plugin);
		layout->plugins[layout->count] = (struct span){at, skip_value(text, at)};
		at = skip_space(text, layout->plugins[layout->count++].end);
		if (text[at] == ',')
			at = skip_space(text, at + 1);
	}
	if (at != layout->list.end)
		return fw_err_set(err, -EINVAL, "two lists of plugins");
	return 0;
}

static size_t count_ours(const struct layout *layout)
{
	size_t mine = 0;

	for (size_t i = 0; i < layout->count; i++)
		mine += layout->ours[i];
	return mine;
}

/* Copies the text without our elements: each goes with the comma before it, or the one behind it.
 */
static int cut(const char *text, size_t len, const struct layout *layout, struct fw_buf *out)
{
	size_t from = 0;
	bool kept = false;

	for (size_t i = 0; i < layout->count; i++) {
		bool last = i + 1 == layout->count;

		if (!layout->ours[i]) {
			kept = true;
			continue;
		}
		size_t begin = kept ? layout->plugins[i - 1].end : layout->plugins[i].begin;
		size_t end = kept || last ? layout->plugins[i].end : layout->plugins[i + 1].begin;
#ifdef FW_PLANTED_BUG /* tests/fuzz_conflist.c must find that a comma is left at the beginning */
		end = layout->plugins[i].end;
#endif
		if (begin > from)
			(void)fw_buf_append(out, text + from, begin - from);
		from = end > from ? end : from;
	}
	return fw_buf_append(out, text + from, len - from);
}

int fw_conflist_remove(const char *text, size_t len, char **ret_text, struct fw_err *err)
{
	_cleanup_(fw_buf_done) struct fw_buf out = {0};
	struct layout layout;

	int r = find_layout(text, len, &layout, err);
	if (r < 0)
		return r;
	if (!count_ours(&layout)) {
		*ret_text = NULL;
		return 0;
	}
	fw_buf_init(&out, FW_CONFLIST_MAX);
	r = cut(text, len, &layout, &out);
	if (r < 0)
		return fw_err_errno(err, r, "without our entry");
	*ret_text = fw_buf_take(&out);
	return 0;
}

/* True when the only entry of ours is the last one and reads exactly so. */
static bool is_in_place(const char *text, const struct layout *layout, const char *entry)
{
	if (count_ours(layout) != 1 || !layout->ours[layout->count - 1])
		return false;
	const struct span *last = &layout->plugins[layout->count - 1];
	return last->end - last->begin == strlen(entry) &&
	       !memcmp(text + last->begin, entry, strlen(entry));
}

int fw_conflist_add(const char *text, size_t len, const char *entry, char **ret_text,
		    struct fw_err *err)
{
	_cleanup_(fw_buf_done) struct fw_buf out = {0};
	_cleanup_free_ char *bare = NULL;
	struct layout layout;

	int r = find_layout(text, len, &layout, err);
	if (r < 0)
		return r;
	if (layout.count == count_ours(&layout))
		return fw_err_set(err, -EINVAL, "no plugin that makes an interface");
	if (is_in_place(text, &layout, entry)) {
		*ret_text = NULL;
		return 0;
	}
	r = fw_conflist_remove(text, len, &bare, err);
	if (r == 0 && bare) {
		text = bare;
		len = strlen(bare);
		r = find_layout(text, len, &layout, err);
	}
	if (r == 0 && layout.count == PLUGINS_MAX) /* what is written must be read again */
		r = fw_err_set(err, -EINVAL, "no room for our entry behind %d plugins",
			       PLUGINS_MAX);
	if (r < 0)
		return r;
	size_t at = layout.plugins[layout.count - 1].end;
	fw_buf_init(&out, FW_CONFLIST_MAX);
	(void)fw_buf_append(&out, text, at);
	(void)fw_buf_printf(&out, ",%s", entry);
	r = fw_buf_append(&out, text + at, len - at);
	if (r < 0)
		return fw_err_errno(err, r, "with our entry");
	*ret_text = fw_buf_take(&out);
	return 0;
}

int fw_conflist_check_entry(const char *entry, struct fw_err *err)
{
	_cleanup_(free_tree) cJSON *root = NULL;

	int r = fw_json_parse(entry, strlen(entry), &root, err);
	if (r == 0 && (!is_ours(root) || entry[0] != '{' || strlen(entry) > 2048))
		r = fw_err_set(err, -EINVAL, "not an object with \"type\": \"" FW_PLUGIN_NAME "\"");
	return r;
}
