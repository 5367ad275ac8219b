/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The syntaxes of names in Kubernetes (apimachinery, util/validation). In: one string. Out: NULL,
 * or what is wrong with it. Pure.
 */
#include "api/field.h"

#include <string.h>

#define LABEL_MAX     63
#define SUBDOMAIN_MAX 253
#define PORT_NAME_MAX 15

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower_alnum(char c)
{
	return is_lower(c) || is_digit(c);
}

static bool is_alnum(char c)
{
	return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

/* [a-z0-9]([-a-z0-9]*[a-z0-9])? */
static bool is_label(const char *text, size_t len)
{
	if (!len || !is_lower_alnum(text[0]) || !is_lower_alnum(text[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_lower_alnum(text[i]) && text[i] != '-')
			return false;
	return true;
}

const char *fw_check_label(const char *text)
{
	size_t len = strlen(text);

	if (len > LABEL_MAX)
		return "must have at most 63 characters";
	return is_label(text, len) ? NULL
				   : "must be lower case letters, digits and \"-\", and begin and "
				     "end with a letter or digit";
}

const char *fw_check_subdomain(const char *text)
{
	const char *end;

	if (strlen(text) > SUBDOMAIN_MAX)
		return "must have at most 253 characters";
	for (;; text = end + 1) {
		end = strchrnul(text, '.');
		if (!is_label(text, (size_t)(end - text)))
			return "must be lower case letters, digits, \"-\" and \".\", and begin and "
			       "end with a letter or digit";
		if (!*end)
			return NULL;
	}
}

const char *fw_check_port_name(const char *text)
{
	size_t len = strlen(text);
	bool letter = false;

	if (!len || len > PORT_NAME_MAX)
		return "a port name must have 1 to 15 characters";
	for (size_t i = 0; i < len; i++) {
		if (!is_lower_alnum(text[i]) && text[i] != '-')
			return "a port name must be lower case letters, digits and \"-\"";
		if (text[i] == '-' && text[i + 1] == '-')
			return "a port name must not hold \"--\"";
		letter = letter || is_lower(text[i]);
	}
	if (!letter)
		return "a port name must hold a letter: a number is written without quotes";
	if (text[0] == '-' || text[len - 1] == '-')
		return "a port name must not begin or end with \"-\"";
	return NULL;
}

/* ([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9] */
static bool is_qualified_part(const char *text, size_t len)
{
	if (!len || !is_alnum(text[0]) || !is_alnum(text[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_alnum(text[i]) && !strchr("-_.", text[i]))
			return false;
	return true;
}

const char *fw_check_label_key(const char *text)
{
	const char *slash = strchr(text, '/'), *name = slash ? slash + 1 : text;
	char prefix[SUBDOMAIN_MAX + 1];

	if (slash) {
		size_t len = (size_t)(slash - text);

		if (!len)
			return "the part before \"/\" is empty";
		if (len >= sizeof(prefix))
			return "the part before \"/\" must have at most 253 characters";
		memcpy(prefix, text, len);
		prefix[len] = '\0';
		if (fw_check_subdomain(prefix))
			return "the part before \"/\" must be a DNS subdomain in lower case";
	}
	if (strlen(name) > LABEL_MAX)
		return "the name must have at most 63 characters";
	if (!is_qualified_part(name, strlen(name)))
		return "the name must be letters, digits, \"-\", \"_\", \".\", and begin and end "
		       "with a letter or digit";
	return NULL;
}

const char *fw_check_label_value(const char *text)
{
	size_t len = strlen(text);

	if (len > LABEL_MAX)
		return "must have at most 63 characters";
	if (len && !is_qualified_part(text, len))
		return "must be letters, digits, \"-\", \"_\", \".\", and begin and end with a "
		       "letter or digit";
	return NULL;
}
