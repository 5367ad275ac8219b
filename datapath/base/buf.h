/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing text buffer with a stated maximum. In: formatted pieces. Out: one NUL-terminated
 * string. Appending after a failure does nothing, so that a chain of appends is checked once, at
 * the end.
 */
#ifndef FW_BASE_BUF_H
#define FW_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct fw_buf {
	char *data; /* NUL-terminated, NULL while empty; owned */
	size_t len; /* bytes without the NUL */
	size_t cap;
	size_t max; /* len never exceeds this */
	int error;  /* 0, -ENOMEM or -EFBIG (maximum reached); sticky */
};

void fw_buf_init(struct fw_buf *buf, size_t max);
void fw_buf_done(struct fw_buf *buf);
/* Keeps the memory, forgets content and error. */
void fw_buf_clear(struct fw_buf *buf);
int fw_buf_append(struct fw_buf *buf, const void *data, size_t len);
int fw_buf_printf(struct fw_buf *buf, const char *format, ...) FW_PRINTF(2, 3);
/* The first `len` bytes go away (what a socket has taken). */
void fw_buf_consume(struct fw_buf *buf, size_t len);
/* Moves the string to the caller, who frees it; "" for an empty buffer; NULL after an error. */
char *fw_buf_take(struct fw_buf *buf);

/*
 * Appends `text` so that a terminal shows it and does nothing else: control characters, DEL, C1,
 * invalid UTF-8 and bidirectional controls (U+200E/F, U+202A..E, U+2066..9) are written as \xNN or
 * \uNNNN, a backslash as \\.
 */
int fw_buf_append_escaped(struct fw_buf *buf, const char *text);

/* The next character of a text: bytes taken (at least 1); U+FFFD for a byte that is not UTF-8. */
size_t fw_utf8_next(const char *text, uint32_t *ret_code);

#endif
