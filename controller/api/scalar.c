/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a plain YAML scalar means, as sigs.k8s.io/yaml (YAML 1.1 by go-yaml v2) decides it. In: the
 * text of an unquoted scalar. Out: its type and, for numbers, its value. Timestamps stay strings,
 * as there.
 */
#include "api/tree.h"

#include <errno.h>
#include <locale.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX 320

double fw_number_read(const char *text)
{
	static locale_t plain;

	if (!plain)
		plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	return plain ? strtod_l(text, NULL, plain) : strtod(text, NULL);
}

static bool is_word(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(text, *words))
			return true;
	return false;
}

static int resolve_word(const char *text, enum fw_scalar *ret_scalar)
{
	static const char *const yes[] = {"y",	  "Y",	  "yes", "Yes", "YES", "true",
					  "True", "TRUE", "on",	 "On",	"ON",  NULL};
	static const char *const no[] = {"n",	  "N",	   "no",  "No",	 "NO",	"false",
					 "False", "FALSE", "off", "Off", "OFF", NULL};
	static const char *const nothing[] = {"", "~", "null", "Null", "NULL", NULL};
	static const char *const infinite[] = {".nan",	".NaN",	 ".NAN",  ".inf",  ".Inf",
					       ".INF",	"+.inf", "+.Inf", "+.INF", "-.inf",
					       "-.Inf", "-.INF", NULL};

	if (is_word(text, infinite))
		return -EINVAL;
	*ret_scalar = is_word(text, yes)       ? FW_SCALAR_TRUE
		      : is_word(text, no)      ? FW_SCALAR_FALSE
		      : is_word(text, nothing) ? FW_SCALAR_NULL
					       : FW_SCALAR_STRING;
	return 0;
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return 99;
}

/* As Go's ParseInt and ParseUint with base 0: 0x, 0o, 0b, a leading 0 is octal; 64 bits. */
static bool read_integer(const char *text, double *ret_number)
{
	bool negative = *text == '-';
	unsigned long long value = 0, most = negative ? 1ull << 63 : ~0ull;
	int base = 10;

	if (*text == '-' || *text == '+')
		text++;
	if (text[0] == '0' && text[1]) {
		char c = (char)(text[1] | 0x20);

		base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
		text += c == 'x' || c == 'b' || c == 'o' ? 2 : 1;
	}
	if (!*text)
		return false;
	for (; *text; text++) {
		unsigned int digit = (unsigned int)digit_of(*text);

		if (digit >= (unsigned int)base || value > (most - digit) / (unsigned int)base)
			return false;
		value = value * (unsigned int)base + digit;
	}
	*ret_number = negative ? -(double)value : (double)value;
	return true;
}

static const char *skip_digits(const char *text)
{
	while (*text >= '0' && *text <= '9')
		text++;
	return text;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool is_float(const char *text)
{
	const char *s = text, *digits;

	if (*s == '-' || *s == '+')
		s++;
	digits = s;
	s = skip_digits(s);
	if (*s == '.') {
		const char *point = s;

		s = skip_digits(s + 1);
		if (point == digits && s == point + 1)
			return false;
	} else if (s == digits) {
		return false;
	}
	if (*s == 'e' || *s == 'E') {
		s++;
		if (*s == '-' || *s == '+')
			s++;
		digits = s;
		s = skip_digits(s);
		if (s == digits)
			return false;
	}
	return !*s;
}

int fw_scalar_resolve(const char *text, enum fw_scalar *ret_scalar, double *ret_number)
{
	char plain[NUMBER_MAX];
	size_t len = 0;

	if (!strchr("0123456789+-.", *text) || !*text)
		return resolve_word(text, ret_scalar);
	for (const char *s = text; *s; s++) {
		if (len + 1 == sizeof(plain)) {
			*ret_scalar = FW_SCALAR_STRING;
			return 0;
		}
		if (*s != '_')
			plain[len++] = *s;
	}
	plain[len] = '\0';
	if (*text != '.' && read_integer(plain, ret_number)) {
		*ret_scalar = FW_SCALAR_INTEGER;
		return 0;
	}
	if (is_float(plain)) {
		*ret_number = fw_number_read(plain);
		*ret_scalar = FW_SCALAR_FLOAT;
		return 0;
	}
	return resolve_word(text, ret_scalar);
}
