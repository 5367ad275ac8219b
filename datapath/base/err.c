/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Puts ": tail" at `used`, cut where the text ends. */
static void append(struct fw_err *err, size_t used, const char *tail)
{
	size_t room = sizeof(err->text) - 1 - used, len = strlen(tail);

	if (room <= 2)
		return;
	if (len > room - 2)
		len = room - 2;
	memcpy(err->text + used, ": ", 2);
	memcpy(err->text + used + 2, tail, len);
	err->text[used + 2 + len] = '\0';
}

int fw_err_set(struct fw_err *err, int code, const char *format, ...)
{
	va_list args;

	if (!err)
		return code;
	va_start(args, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	return code;
}

void fw_err_prefix(struct fw_err *err, const char *format, ...)
{
	char old[FW_ERR_TEXT];
	size_t used;
	va_list args;
	int n;

	if (!err)
		return;
	memcpy(old, err->text, sizeof(old));
	va_start(args, format);
	n = vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	used = n < 0 ? 0 : (size_t)n;
	if (used >= sizeof(err->text))
		return;
	append(err, used, old);
}

int fw_err_errno(struct fw_err *err, int code, const char *format, ...)
{
	size_t used;
	va_list args;
	int n;

	if (!err)
		return code;
	va_start(args, format);
	n = vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	used = n < 0 ? 0 : (size_t)n;
	if (used >= sizeof(err->text))
		return code;
	append(err, used, strerror(-code));
	return code;
}
