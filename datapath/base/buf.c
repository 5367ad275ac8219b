/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 256

void fw_buf_init(struct fw_buf *buf, size_t max)
{
	*buf = (struct fw_buf){.max = max};
}

void fw_buf_done(struct fw_buf *buf)
{
	free(buf->data);
	*buf = (struct fw_buf){.max = buf->max};
}

void fw_buf_clear(struct fw_buf *buf)
{
	buf->len = 0;
	buf->error = 0;
	if (buf->data)
		buf->data[0] = '\0';
}

static int reserve(struct fw_buf *buf, size_t more)
{
	size_t cap = buf->cap ? buf->cap : FIRST_SIZE;
	char *data;

	if (buf->error)
		return buf->error;
	if (more > buf->max || buf->len > buf->max - more)
		return buf->error = -EFBIG;
	while (cap < buf->len + more + 1)
		cap *= 2;
	if (cap == buf->cap)
		return 0;
	data = realloc(buf->data, cap);
	if (!data)
		return buf->error = -ENOMEM;
	buf->data = data;
	buf->cap = cap;
	return 0;
}

int fw_buf_append(struct fw_buf *buf, const void *data, size_t len)
{
	int r = reserve(buf, len);

	if (r)
		return r;
	if (len)
		memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
	return 0;
}

int fw_buf_printf(struct fw_buf *buf, const char *format, ...)
{
	size_t room = buf->cap && !buf->error ? buf->cap - buf->len : 0;
	va_list args;
	int n, r;

	if (buf->error)
		return buf->error;
	va_start(args, format);
	n = vsnprintf(room ? buf->data + buf->len : NULL, room, format, args);
	va_end(args);
	if (n < 0)
		return buf->error = -EINVAL;
	if ((size_t)n >= room || (size_t)n > buf->max - buf->len) { /* once more, where it fits */
		if (room)
			buf->data[buf->len] = '\0';
		r = reserve(buf, (size_t)n);
		if (r)
			return r;
		va_start(args, format);
		(void)vsnprintf(buf->data + buf->len, (size_t)n + 1, format, args);
		va_end(args);
	}
	buf->len += (size_t)n;
	return 0;
}

void fw_buf_consume(struct fw_buf *buf, size_t len)
{
	if (len >= buf->len) {
		fw_buf_clear(buf);
		return;
	}
	memmove(buf->data, buf->data + len, buf->len - len + 1);
	buf->len -= len;
}

char *fw_buf_take(struct fw_buf *buf)
{
	char *data;

	if (!buf->error && !buf->data)
		(void)reserve(buf, 0);
	if (buf->error) {
		fw_buf_done(buf);
		return NULL;
	}
	buf->data[buf->len] = '\0';
	data = buf->data;
	*buf = (struct fw_buf){.max = buf->max};
	return data;
}

/* Decodes one UTF-8 character (RFC 3629: no surrogates, no overlong forms); 0 when the bytes are
 * not one. */
static size_t decode(const unsigned char *s, uint32_t *ret_code)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 0;
	uint32_t code;

	if (!len || s[0] > 0xf4)
		return 0;
	code = len == 1 ? s[0] : s[0] & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (len > 1 && (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)))
		return 0;
	*ret_code = code;
	return len;
}

size_t fw_utf8_next(const char *text, uint32_t *ret_code)
{
	size_t len = decode((const unsigned char *)text, ret_code);

	if (len)
		return len;
	*ret_code = 0xfffd;
	return 1;
}

static bool is_bidi_control(uint32_t code)
{
	return code == 0x61c || code == 0x200e || code == 0x200f ||
	       (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
	       code == 0x2028 || code == 0x2029;
}

int fw_buf_append_escaped(struct fw_buf *buf, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	while (*s) {
		uint32_t code = 0;
		size_t len = decode(s, &code);

		if (!len) {
			(void)fw_buf_printf(buf, "\\x%02x", *s);
			len = 1;
		} else if (code == '\\') {
			(void)fw_buf_append(buf, "\\\\", 2);
		} else if (code < 0x20 || code == 0x7f) {
			(void)fw_buf_printf(buf, "\\x%02x", (unsigned int)code);
		} else if ((code >= 0x80 && code < 0xa0) || is_bidi_control(code)) {
			(void)fw_buf_printf(buf, "\\u%04x", (unsigned int)code);
		} else {
			(void)fw_buf_append(buf, s, len);
		}
		s += len;
	}
	return buf->error;
}
