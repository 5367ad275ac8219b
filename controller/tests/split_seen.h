/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a splitter hands out, as one text. In: its calls. Out: "item:{...}\n", "head:...\n",
 * "name=value\n", "end\n". For the tests of the splitter.
 */
#ifndef FW_TESTS_SPLIT_SEEN_H
#define FW_TESTS_SPLIT_SEEN_H

#include <string.h>

#include "base/buf.h"
#include "kube/split.h"

struct seen {
	struct fw_buf text;
	size_t items;
};

static inline int seen_item(const char *text, size_t len, bool whole, void *context)
{
	struct seen *seen = context;

	seen->items++;
	(void)fw_buf_append(&seen->text, whole ? "item:" : "head:", 5);
	(void)fw_buf_append(&seen->text, text, len);
	return fw_buf_append(&seen->text, "\n", 1);
}

static inline int seen_member(const char *name, const char *text, size_t len, bool whole,
			      void *context)
{
	struct seen *seen = context;

	(void)fw_buf_append(&seen->text, name, strlen(name));
	(void)fw_buf_append(&seen->text, whole ? "=" : "~", 1);
	(void)fw_buf_append(&seen->text, text, len);
	return fw_buf_append(&seen->text, "\n", 1);
}

static inline int seen_end(void *context)
{
	return fw_buf_append(&((struct seen *)context)->text, "end\n", 4);
}

static inline struct fw_split_handler seen_handler(struct seen *seen)
{
	return (struct fw_split_handler){seen_item, seen_member, seen_end, seen};
}

#endif
