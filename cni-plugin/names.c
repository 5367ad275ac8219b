/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a name may look like: the rules of CNI, of Kubernetes (RFC 1123) and of the kernel, one
 * function each. In: NUL-terminated text. Out: yes or no. Never looks at a locale.
 */
#include <string.h>

#include "names.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_alnum(char c)
{
	return is_digit(c) || is_lower(c) || (c >= 'A' && c <= 'Z');
}

bool fw_name_is_id(const char *text, size_t max)
{
	size_t len = strlen(text);

	if (!len || len > max || !is_alnum(text[0]))
		return false;
	for (size_t i = 1; i < len; i++)
		if (!is_alnum(text[i]) && text[i] != '_' && text[i] != '.' && text[i] != '-')
			return false;
	return true;
}

static bool is_label(const char *text, size_t len)
{
	if (!len || len > FW_NAMESPACE_MAX || text[0] == '-' || text[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_lower(text[i]) && !is_digit(text[i]) && text[i] != '-')
			return false;
	return true;
}

bool fw_name_is_label(const char *text)
{
	return is_label(text, strlen(text));
}

bool fw_name_is_subdomain(const char *text)
{
	if (strlen(text) > FW_POD_NAME_MAX)
		return false;
	for (;;) {
		const char *dot = strchrnul(text, '.');
		if (!is_label(text, (size_t)(dot - text)))
			return false;
		if (!*dot)
			return true;
		text = dot + 1;
	}
}

bool fw_name_is_ifname(const char *text)
{
	size_t len = strlen(text);

	if (!len || len > FW_IFNAME_MAX || !strcmp(text, ".") || !strcmp(text, ".."))
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~' || text[i] == '/' || text[i] == ':')
			return false;
	return true;
}

bool fw_name_is_path(const char *text, size_t max)
{
	size_t len = strlen(text);

	if (!len || len > max || text[0] != '/')
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	for (const char *part = text; *part;) {
		part++;
		const char *slash = strchrnul(part, '/');
		size_t width = (size_t)(slash - part);
		if ((width == 1 && part[0] == '.') ||
		    (width == 2 && part[0] == '.' && part[1] == '.'))
			return false;
		part = slash;
	}
	return true;
}
