/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to a cJSON tree, with the line of every node. In: the bytes of one document. Out: a tree, or
 * one error with its line. Limits of decode.h hold here: nothing deeper or larger is ever built.
 * Used by the decoder and by readers of case files.
 *
 * The line of a node stands in its `valueint`: numbers are read from `valuedouble` alone.
 */
#ifndef FW_API_TREE_H
#define FW_API_TREE_H

#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "base/err.h"

#define FW_TREE_PATH_MAX 3u

/*
 * Names from the document down, lists have none: {"spec", "containers", "env"}. The last of an
 * array of these has none.
 */
struct fw_tree_path {
	const char *name[FW_TREE_PATH_MAX];
};

struct fw_tree_budget {
	size_t nodes; /* of the whole file so far, aliases expanded */
	size_t bytes; /* of strings made by aliases */
	size_t most;  /* nodes; 0: FW_DECODE_NODES_MAX */
	/* Of JSON: members that nobody reads are checked like all others, and not built. NULL:
	 * none. */
	const struct fw_tree_path *unread;
};

/* Counts one more node at this depth. -E2BIG with a text. */
int fw_tree_count(struct fw_tree_budget *budget, unsigned int depth, struct fw_err *err);

/*
 * RFC 8259, strict: no trailing text, no leading zeros, no control characters, valid UTF-8, no NUL.
 * Duplicate names are kept: who reads takes the last. -EINVAL, -E2BIG with a text and *ret_line;
 * -ENOMEM.
 */
int fw_tree_json(const char *text, size_t len, struct fw_tree_budget *budget, cJSON **ret_tree,
		 unsigned int *ret_line, struct fw_err *err);

/*
 * YAML as sigs.k8s.io/yaml reads it: plain scalars by YAML 1.1 (yes, no, on, off, y, n are
 * booleans; 0x1f, 0o17, 017 are numbers), quoted ones are strings; keys become strings; merge keys
 * work; a repeated key is an error. Calls `document` for each document that is not empty; the tree
 * stays with the caller of `document` only for the call. Ends with the first error.
 */
struct fw_tree_handler {
	int (*document)(const cJSON *tree, unsigned int line, void *context);
	void *context;
};
int fw_tree_yaml(const char *text, size_t len, unsigned int first_line,
		 struct fw_tree_budget *budget, const struct fw_tree_handler *handler,
		 unsigned int *ret_line, struct fw_err *err);

/* Bytes of the UTF-8 character at text (RFC 3629), 0 when it is none. */
size_t fw_utf8_length(const char *text, size_t left);

/* What a plain scalar means. -EINVAL for what JSON cannot say (.nan, .inf). */
enum fw_scalar {
	FW_SCALAR_STRING,
	FW_SCALAR_NULL,
	FW_SCALAR_TRUE,
	FW_SCALAR_FALSE,
	FW_SCALAR_INTEGER,
	FW_SCALAR_FLOAT
};
int fw_scalar_resolve(const char *text, enum fw_scalar *ret_scalar, double *ret_number);
/* strtod(3) in the C locale, whatever the program's locale is. */
double fw_number_read(const char *text);

#endif
