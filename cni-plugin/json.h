/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict JSON for what comes from a pipe, a file or a socket. In: bytes. Out: a cJSON tree, or why
 * not. Refuses what cJSON lets through: NUL (raw or escaped, which would cut strings), other
 * control characters, invalid UTF-8, anything behind the value. Members are found by exact name; of
 * duplicates the last one counts.
 */
#ifndef FW_CNI_JSON_H
#define FW_CNI_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "base/err.h"

/* -EINVAL with a text that gives the byte offset; -ENOMEM. The caller owns the tree. */
int fw_json_parse(const char *text, size_t len, cJSON **ret_root, struct fw_err *err);
void fw_json_free(cJSON **root);

/* NULL when `object` is no object or has no such member; a member that is null counts as missing.
 * Borrowed. */
const cJSON *fw_json_get(const cJSON *object, const char *name);
/* As fw_json_get(), NULL also when the member is not a string. */
const char *fw_json_get_string(const cJSON *object, const char *name);
/* True when `item` is a whole number in [min, max]. */
bool fw_json_integer(const cJSON *item, int64_t min, int64_t max, int64_t *ret_value);

#endif
