// SPDX-License-Identifier: Apache-2.0
/*
 * Strict JSON. In: bytes of a peer. Out: a tree, or why not. The bytes are checked before cJSON
 * sees them; its tree is read by exact names only.
 */
#include "node/wire.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/cleanup.h"

#define DEPTH_MAX 32

void fw_wire_free(cJSON **root)
{
	cJSON_Delete(*root);
	*root = NULL;
}

/* Bytes of the UTF-8 character at `text`, 0 when it is none (RFC 3629). */
static size_t utf8_length(const uint8_t *text, size_t left)
{
	static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = text[0] < 0x80 ? 1 : text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
	uint32_t code = text[0] & (0x7fu >> (len > 1 ? len : 0));

	if (len == 1)
		return 1;
	if (text[0] < 0xc2 || text[0] > 0xf4 || len > left)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3fu);
	}
	if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	return len;
}

/* Control characters, encoding, depth, \u0000: all that cJSON is careless with. */
static int check_bytes(const char *text, size_t len, struct fw_err *err)
{
	bool quoted = false;
	int depth = 0;

	for (size_t at = 0; at < len;) {
		size_t step = utf8_length((const uint8_t *)text + at, len - at);

		if (!step)
			return fw_err_set(err, -EINVAL, "byte %zu: not UTF-8", at);
		if ((uint8_t)text[at] < 0x20 &&
		    (quoted || !strchr("\t\r\n", text[at]) || !text[at]))
			return fw_err_set(err, -EINVAL, "byte %zu: a control character", at);
		if (quoted && text[at] == '\\') {
			if (len - at >= 6 && !memcmp(text + at, "\\u0000", 6))
				return fw_err_set(err, -EINVAL, "byte %zu: a NUL character", at);
			step = len - at > 1 && !(text[at + 1] & 0x80) ? 2 : 1;
		} else if (text[at] == '"') {
			quoted = !quoted;
		} else if (!quoted && (text[at] == '{' || text[at] == '[')) {
			if (++depth > DEPTH_MAX)
				return fw_err_set(err, -EINVAL, "byte %zu: nested deeper than %d",
						  at, DEPTH_MAX);
		} else if (!quoted && (text[at] == '}' || text[at] == ']')) {
			depth--;
		}
		at += step;
	}
	return 0;
}

int fw_wire_parse(const char *text, size_t len, cJSON **ret_root, struct fw_err *err)
{
	_cleanup_(fw_wire_free) cJSON *root = NULL;
	const char *end = NULL;
	int r = check_bytes(text, len, err);

	if (r < 0)
		return r;
	root = cJSON_ParseWithLengthOpts(text, len, &end, 0);
	if (!root)
		return fw_err_set(err, -EINVAL, "byte %zu: not JSON",
				  end && end >= text ? (size_t)(end - text) : 0);
	while (end < text + len && strchr(" \t\r\n", *end))
		end++;
	if (end != text + len)
		return fw_err_set(err, -EINVAL, "byte %zu: text behind the object",
				  (size_t)(end - text));
	if (!cJSON_IsObject(root))
		return fw_err_set(err, -EINVAL, "not an object");
	*ret_root = TAKE_PTR(root);
	return 0;
}

const cJSON *fw_wire_get(const cJSON *object, const char *name)
{
	const cJSON *found = NULL, *item;

	if (!cJSON_IsObject(object))
		return NULL;
	cJSON_ArrayForEach(item, object) {
		if (item->string && !strcmp(item->string, name))
			found = item;
	}
	return cJSON_IsNull(found) ? NULL : found;
}

int fw_wire_string(const cJSON *object, const char *name, size_t max, const char **ret_text,
		   struct fw_err *err)
{
	const cJSON *item = fw_wire_get(object, name);

	if (!item)
		return fw_err_set(err, -EINVAL, "%s: missing", name);
	if (!cJSON_IsString(item))
		return fw_err_set(err, -EINVAL, "%s: not a string", name);
	if (strlen(item->valuestring) > max)
		return fw_err_set(err, -EINVAL, "%s: longer than %zu bytes", name, max);
	for (const char *c = item->valuestring; *c; c++) {
		if ((uint8_t)*c < 0x20 || *c == 0x7f)
			return fw_err_set(err, -EINVAL, "%s: holds a control character", name);
	}
	*ret_text = item->valuestring;
	return 0;
}

int fw_wire_string_or(const cJSON *object, const char *name, size_t max, const char *otherwise,
		      const char **ret_text, struct fw_err *err)
{
	if (fw_wire_get(object, name))
		return fw_wire_string(object, name, max, ret_text, err);
	*ret_text = otherwise;
	return 0;
}

int fw_wire_number(const cJSON *object, const char *name, uint64_t max, uint64_t *ret_number,
		   struct fw_err *err)
{
	const cJSON *item = fw_wire_get(object, name);

	if (!item)
		return fw_err_set(err, -EINVAL, "%s: missing", name);
	/* not so: NaN, negative, fractions, what a double cannot hold exactly */
	if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0) ||
	    item->valuedouble > 9007199254740992.0 || item->valuedouble > (double)max ||
	    floor(item->valuedouble) < item->valuedouble)
		return fw_err_set(err, -EINVAL, "%s: not a whole number from 0 to %llu", name,
				  (unsigned long long)max);
	*ret_number = (uint64_t)item->valuedouble;
	return 0;
}

int fw_wire_ips(const cJSON *object, const char *name, struct fw_ip *ips, size_t max,
		size_t *ret_count, struct fw_err *err)
{
	const cJSON *list = fw_wire_get(object, name), *item;
	size_t count = 0;
	int r;

	if (!list)
		return fw_err_set(err, -EINVAL, "%s: missing", name);
	if (!cJSON_IsArray(list))
		return fw_err_set(err, -EINVAL, "%s: not a list", name);
	cJSON_ArrayForEach(item, list) {
		if (count == max)
			return fw_err_set(err, -EINVAL, "%s: more than %zu addresses", name, max);
		if (!cJSON_IsString(item))
			return fw_err_set(err, -EINVAL, "%s[%zu]: not a string", name, count);
		r = fw_ip_parse(item->valuestring, &ips[count], err);
		if (r < 0) {
			fw_err_prefix(err, "%s[%zu]", name, count);
			return r;
		}
		count++;
	}
	*ret_count = count;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int fw_wire_mac(const cJSON *object, const char *name, uint8_t *ret_mac, struct fw_err *err)
{
	const char *text;
	uint8_t mac[6];
	int r = fw_wire_string(object, name, 17, &text, err);

	if (r < 0)
		return r;
	if (strlen(text) != 17)
		return fw_err_set(err, -EINVAL, "%s: not a MAC", name);
	for (size_t i = 0; i < 6; i++) {
		int high = hex_digit(text[3 * i]), low = hex_digit(text[3 * i + 1]);

		if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':'))
			return fw_err_set(err, -EINVAL, "%s: not a MAC", name);
		mac[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(ret_mac, mac, sizeof(mac));
	return 0;
}

int fw_wire_copy(const cJSON *root, const char *name, char *to, size_t size, bool needed,
		 struct fw_err *err)
{
	const char *text;
	int r = needed ? fw_wire_string(root, name, size - 1, &text, err)
		       : fw_wire_string_or(root, name, size - 1, "", &text, err);

	if (r < 0)
		return r;
	if (needed && !*text)
		return fw_err_set(err, -EINVAL, "%s: empty", name);
	memcpy(to, text, strlen(text) + 1);
	return 0;
}
