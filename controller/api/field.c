/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed access to the fields of a document. In: a cJSON tree that may be anything. Out: values, or
 * "path: what is wrong". Must never convert silently: a number where a string belongs is an error,
 * as the API server has it.
 */
#include "api/field.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/model.h"

#define PATH_MAX_BYTES 300

bool fw_field_get(const struct fw_field *up, const char *name, struct fw_field *ret_field)
{
	const cJSON *found = NULL;

	for (const cJSON *member = up->json->child; member; member = member->next)
		if (member->string && !strcmp(member->string, name))
			found = member;
	if (!found || cJSON_IsNull(found))
		return false;
	*ret_field = (struct fw_field){.json = found, .up = up, .name = name};
	return true;
}

struct fw_field fw_field_element(const struct fw_field *list, const cJSON *json, size_t index)
{
	return (struct fw_field){.json = json, .up = list, .index = index};
}

/* On the stack: an error must be told also when memory is short. Long paths are cut at the end. */
struct path {
	char text[PATH_MAX_BYTES];
	size_t len;
};

static FW_PRINTF(2, 3) void append(struct path *path, const char *format, ...)
{
	size_t room = sizeof(path->text) - path->len;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(path->text + path->len, room, format, args);
	va_end(args);
	if (n > 0)
		path->len += (size_t)n < room ? (size_t)n : room - 1;
}

static void append_name(struct path *path, const char *name)
{
	append(path, "%s%.64s", path->len ? "." : "", name);
}

static void append_path(struct path *path, const struct fw_field *field)
{
	if (!field || !field->up)
		return;
	append_path(path, field->up);
	if (field->name)
		append_name(path, field->name);
	else
		append(path, "[%zu]", field->index);
}

static FW_PRINTF(4, 0) void compose(struct fw_err *err, const struct fw_field *field,
				    const char *name, const char *format, va_list args)
{
	struct path path = {.len = 0};
	char text[FW_ERR_TEXT];

	append_path(&path, field);
	if (name)
		append_name(&path, name);
	(void)vsnprintf(text, sizeof(text), format, args);
	(void)fw_err_set(err, -EINVAL, "%s%s%s", path.text, path.len ? ": " : "", text);
}

static unsigned int line_of(const struct fw_decoder *decoder, const struct fw_field *field)
{
	return decoder->lines && field->json ? (unsigned int)field->json->valueint : 0;
}

int fw_field_fail(struct fw_decoder *decoder, const struct fw_field *field, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	compose(decoder->err, field, NULL, format, args);
	va_end(args);
	decoder->line = line_of(decoder, field);
	return -EINVAL;
}

int fw_field_warn(struct fw_decoder *decoder, const struct fw_field *field, const char *format, ...)
{
	va_list args;

	if (decoder->warning.text[0])
		return 0;
	va_start(args, format);
	compose(&decoder->warning, field, NULL, format, args);
	va_end(args);
	decoder->warning_line = line_of(decoder, field);
	return 0;
}

static FW_PRINTF(4, 5) void compose_at(struct fw_err *err, const struct fw_field *field,
				       const char *name, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	compose(err, field, name, format, args);
	va_end(args);
}

int fw_field_missing(struct fw_decoder *decoder, const struct fw_field *up, const char *name)
{
	compose_at(decoder->err, up, name, "missing");
	decoder->line = line_of(decoder, up);
	return -EINVAL;
}

void fw_field_note_unknown(struct fw_decoder *decoder, const struct fw_field *field,
			   const char *const *known)
{
	for (const cJSON *member = field->json->child; member; member = member->next) {
		const char *const *name = known;

		while (*name && strcmp(*name, member->string) != 0)
			name++;
		if (*name || decoder->unknown.text[0])
			continue;
		compose_at(&decoder->unknown, field, member->string, "unknown field");
	}
}

static const char *type_name(const cJSON *json)
{
	if (cJSON_IsObject(json))
		return "an object";
	if (cJSON_IsArray(json))
		return "a list";
	if (cJSON_IsString(json))
		return "a string";
	if (cJSON_IsNumber(json))
		return "a number";
	if (cJSON_IsBool(json))
		return "a boolean";
	return "null";
}

static int wrong_type(struct fw_decoder *decoder, const struct fw_field *field, const char *wanted)
{
	bool scalar = cJSON_IsNumber(field->json) || cJSON_IsBool(field->json);
	bool quote = scalar && !strcmp(wanted, "a string");

	return fw_field_fail(decoder, field, "must be %s, not %s%s", wanted, type_name(field->json),
			     quote ? ": quote it" : "");
}

int fw_field_object(struct fw_decoder *decoder, const struct fw_field *field)
{
	return cJSON_IsObject(field->json) ? 0 : wrong_type(decoder, field, "an object");
}

int fw_field_list(struct fw_decoder *decoder, const struct fw_field *field, size_t *ret_count)
{
	size_t count = 0;

	if (!cJSON_IsArray(field->json))
		return wrong_type(decoder, field, "a list");
	for (const cJSON *item = field->json->child; item; item = item->next)
		count++;
	*ret_count = count;
	return 0;
}

int fw_field_string(struct fw_decoder *decoder, const struct fw_field *field, const char **ret_text)
{
	if (!cJSON_IsString(field->json))
		return wrong_type(decoder, field, "a string");
	*ret_text = field->json->valuestring;
	return 0;
}

int fw_field_bool(struct fw_decoder *decoder, const struct fw_field *field, bool *ret_value)
{
	if (!cJSON_IsBool(field->json))
		return wrong_type(decoder, field, "a boolean");
	*ret_value = cJSON_IsTrue(field->json);
	return 0;
}

int fw_field_integer(struct fw_decoder *decoder, const struct fw_field *field, int64_t least,
		     int64_t most, int64_t *ret_value)
{
	double value = field->json->valuedouble;

	if (!cJSON_IsNumber(field->json))
		return wrong_type(decoder, field, "an integer");
	if (isfinite(value) && (value < (double)least || value > (double)most))
		return fw_field_fail(decoder, field, "%.17g is out of range (%lld to %lld)", value,
				     (long long)least, (long long)most);
	if (!isfinite(value) || value > (double)(int64_t)value || value < (double)(int64_t)value)
		return fw_field_fail(decoder, field, "%.17g is not an integer", value);
	*ret_value = (int64_t)value;
	return 0;
}

int fw_member_string(struct fw_decoder *decoder, const struct fw_field *up, const char *name,
		     const char **ret_text)
{
	struct fw_field field;

	return fw_field_get(up, name, &field) ? fw_field_string(decoder, &field, ret_text) : 0;
}

int fw_member_copy(struct fw_decoder *decoder, const struct fw_field *up, const char *name,
		   char **ret_text)
{
	const char *text = "";
	char *copy;
	int r = fw_member_string(decoder, up, name, &text);

	if (r)
		return r;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	free(*ret_text);
	*ret_text = copy;
	return 0;
}

int fw_member_bool(struct fw_decoder *decoder, const struct fw_field *up, const char *name,
		   bool *ret_value)
{
	struct fw_field field;

	return fw_field_get(up, name, &field) ? fw_field_bool(decoder, &field, ret_value) : 0;
}

int fw_member_integer(struct fw_decoder *decoder, const struct fw_field *up, const char *name,
		      int64_t least, int64_t most, int64_t *ret_value)
{
	struct fw_field field;

	if (!fw_field_get(up, name, &field))
		return 0;
	return fw_field_integer(decoder, &field, least, most, ret_value);
}

int fw_member_object(struct fw_decoder *decoder, const struct fw_field *up, const char *name,
		     struct fw_field *ret_field)
{
	struct fw_field field;
	int r;

	if (!fw_field_get(up, name, &field))
		return -ENOENT;
	r = fw_field_object(decoder, &field);
	if (r)
		return r;
	*ret_field = field;
	return 0;
}

int fw_member_list(struct fw_decoder *decoder, const struct fw_field *up, const char *name,
		   struct fw_field *ret_field, size_t *ret_count)
{
	struct fw_field field;
	int r;

	*ret_count = 0;
	if (!fw_field_get(up, name, &field))
		return 0;
	r = fw_field_list(decoder, &field, ret_count);
	if (r)
		return r;
	*ret_field = field;
	return 0;
}

int fw_member_protocol(struct fw_decoder *decoder, const struct fw_field *up, uint8_t *ret_protocol)
{
	struct fw_field field;
	const char *text = "";
	int r;

	*ret_protocol = FW_PROTO_TCP;
	if (!fw_field_get(up, "protocol", &field))
		return 0;
	r = fw_field_string(decoder, &field, &text);
	if (r)
		return r;
	if (!strcmp(text, "UDP"))
		*ret_protocol = FW_PROTO_UDP;
	else if (!strcmp(text, "SCTP"))
		*ret_protocol = FW_PROTO_SCTP;
	else if (strcmp(text, "TCP") != 0)
		return fw_field_fail(decoder, &field, "\"%.64s\" is none of TCP, UDP, SCTP", text);
	return 0;
}

int fw_field_ip(struct fw_decoder *decoder, const struct fw_field *field, struct fw_ip *ret_ip)
{
	struct fw_err err = {0};
	const char *text = "";
	int r = fw_field_string(decoder, field, &text);

	if (r)
		return r;
	return fw_ip_parse(text, ret_ip, &err) ? fw_field_fail(decoder, field, "%s", err.text) : 0;
}

int fw_field_add_ip(struct fw_decoder *decoder, const struct fw_field *field, struct fw_ip **ips,
		    size_t *count)
{
	struct fw_ip *grown, ip;
	int r = fw_field_ip(decoder, field, &ip);

	if (r)
		return r;
	for (size_t i = 0; i < *count; i++)
		if (fw_ip_equal(&(*ips)[i], &ip))
			return 0;
	grown = reallocarray(*ips, *count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	grown[(*count)++] = ip;
	*ips = grown;
	return 0;
}
