/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict JSON over cJSON: one pass that refuses bytes which cJSON would misread, then cJSON itself.
 * In: bytes. Out: a tree. Never changes the input, never reads behind its end.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "json.h"

/* Bytes of the UTF-8 character at `at`, 0 when it is not one (RFC 3629: no overlong forms, no
 * surrogates). */
static size_t utf8_length(const unsigned char *at, size_t left)
{
	if (at[0] < 0x80)
		return 1;
	size_t need = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
	if (at[0] < 0xc2 || at[0] > 0xf4 || left < need)
		return 0;
	for (size_t i = 1; i < need; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f))
		return 0;
	if ((at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	return need;
}

/* Refuses what cJSON accepts and ought not to; knows of JSON only where strings begin and end. */
static int check_bytes(const char *text, size_t len, struct fw_err *err)
{
	const unsigned char *bytes = (const unsigned char *)text;
	bool in_string = false;

	for (size_t i = 0; i < len;) {
		size_t width = utf8_length(bytes + i, len - i);
		if (!width)
			return fw_err_set(err, -EINVAL, "invalid UTF-8 at byte %zu", i);
		bool space = bytes[i] == '\t' || bytes[i] == '\n' || bytes[i] == '\r';
		if (bytes[i] < 0x20 && (in_string || !space))
			return fw_err_set(err, -EINVAL, "control character at byte %zu", i);
		if (bytes[i] == '"')
			in_string = !in_string;
		if (in_string && bytes[i] == '\\') {
			if (len - i >= 6 && !memcmp(text + i, "\\u0000", 6))
				return fw_err_set(err, -EINVAL, "NUL in a string at byte %zu", i);
			width = len - i >= 2 && bytes[i + 1] < 0x80 ? 2 : 1;
		}
		i += width;
	}
	return 0;
}

/* cJSON reads 1e999 as infinity, which it would print as null: what comes in could not go out. */
static bool all_finite(const cJSON *item)
{
	const cJSON *child;

	if (cJSON_IsNumber(item) && !isfinite(item->valuedouble))
		return false;
	cJSON_ArrayForEach(child, item)
		if (!all_finite(child))
			return false;
	return true;
}

int fw_json_parse(const char *text, size_t len, cJSON **ret_root, struct fw_err *err)
{
	const char *end = NULL;

	int r = check_bytes(text, len, err);
	if (r < 0)
		return r;
	cJSON *root = cJSON_ParseWithLengthOpts(text, len, &end, false);
	if (!root) {
		size_t at = end && end >= text && end <= text + len ? (size_t)(end - text) : 0;
		return fw_err_set(err, -EINVAL, "not JSON at byte %zu", at);
	}
	for (; end < text + len; end++) {
		if (*end == ' ' || *end == '\t' || *end == '\n' || *end == '\r')
			continue;
		fw_json_free(&root);
		return fw_err_set(err, -EINVAL, "garbage behind the JSON value at byte %zu",
				  (size_t)(end - text));
	}
	if (!all_finite(root)) {
		fw_json_free(&root);
		return fw_err_set(err, -EINVAL, "a number that is too large");
	}
	*ret_root = root;
	return 0;
}

void fw_json_free(cJSON **root)
{
	cJSON_Delete(*root);
	*root = NULL;
}

const cJSON *fw_json_get(const cJSON *object, const char *name)
{
	const cJSON *item, *found = NULL;

	if (!cJSON_IsObject(object))
		return NULL;
	cJSON_ArrayForEach(item, object)
		if (item->string && !strcmp(item->string, name))
			found = item;
	return cJSON_IsNull(found) ? NULL : found;
}

const char *fw_json_get_string(const cJSON *object, const char *name)
{
	return cJSON_GetStringValue(fw_json_get(object, name));
}

bool fw_json_integer(const cJSON *item, int64_t min, int64_t max, int64_t *ret_value)
{
	if (!cJSON_IsNumber(item))
		return false;
	double value = item->valuedouble;
	if (!(value >= (double)min && value <= (double)max) || value != trunc(value))
		return false;
	*ret_value = (int64_t)value;
	return true;
}
