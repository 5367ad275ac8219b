/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the decoder's tests share: a text is decoded, its objects and errors are kept. In: text.
 * Out: struct seen, which frees itself. Errors stand one per line: "line kind namespace/name:
 * text".
 */
#ifndef FW_TESTS_DECODE_SEEN_H
#define FW_TESTS_DECODE_SEEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "api/decode.h"
#include "base/buf.h"
#include "base/cleanup.h"

#define OBJECTS_MAX 32

struct seen {
	struct fw_object *objects[OBJECTS_MAX];
	size_t count;
	struct fw_buf errors; /* one per line */
};

static void take_object(struct fw_object *object, void *context)
{
	struct seen *seen = context;

	assert_true(seen->count < OBJECTS_MAX);
	seen->objects[seen->count++] = object;
}

static void take_error(unsigned int document, unsigned int line, enum fw_kind kind,
		       const char *namespace, const char *name, const char *text, void *context)
{
	struct seen *seen = context;

	assert_true(document > 0);
	if (kind == FW_KIND_COUNT)
		(void)fw_buf_printf(&seen->errors, "%u - %s\n", line, text);
	else
		(void)fw_buf_printf(&seen->errors, "%u %s %s%s%s: %s\n", line, fw_kind_name(kind),
				    namespace, *namespace ? "/" : "", name, text);
}

static void seen_done(struct seen *seen)
{
	for (size_t i = 0; i < seen->count; i++)
		fw_object_free(&seen->objects[i]);
	fw_buf_done(&seen->errors);
}

#define _seen_ _cleanup_(seen_done)

static inline void decode_as(const char *origin, const char *text, size_t len, struct seen *seen)
{
	const struct fw_decode_handler handler = {
		.object = take_object, .error = take_error, .context = seen};

	fw_buf_init(&seen->errors, 1 << 20);
	seen->count = 0;
	assert_int_equal(fw_decode_text(origin, text, len, &handler), 0);
}

static inline const char *errors_of(struct seen *seen)
{
	return seen->errors.len ? seen->errors.data : "";
}

static inline void decode(const char *text, struct seen *seen)
{
	decode_as("f.yaml", text, strlen(text), seen);
	assert_string_equal(errors_of(seen), "");
}

#endif
