/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict JSON from a socket or a file of ours. In: bytes. Out: a cJSON tree of one object. Refuses
 * what cJSON lets through: NUL (escaped too: it would cut a string), raw control characters,
 * invalid UTF-8, text behind the value.
 */
#ifndef FW_NODE_WIRE_H
#define FW_NODE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "base/err.h"
#include "base/ip.h"

/* -EINVAL with a text, -ENOMEM. The caller owns the tree. */
int fw_wire_parse(const char *text, size_t len, cJSON **ret_root, struct fw_err *err);
void fw_wire_free(cJSON **root);
/* By exact name; of duplicates the last; NULL when absent or null. Borrowed. */
const cJSON *fw_wire_get(const cJSON *object, const char *name);
/* A string member of at most `max` bytes, without control characters. -EINVAL with a text that
 * names it. */
int fw_wire_string(const cJSON *object, const char *name, size_t max, const char **ret_text,
		   struct fw_err *err);
/* The same, `otherwise` where it is absent. */
int fw_wire_string_or(const cJSON *object, const char *name, size_t max, const char *otherwise,
		      const char **ret_text, struct fw_err *err);
/* A whole number in [0, max]. */
int fw_wire_number(const cJSON *object, const char *name, uint64_t max, uint64_t *ret_number,
		   struct fw_err *err);
/* A list of at most `max` addresses. */
int fw_wire_ips(const cJSON *object, const char *name, struct fw_ip *ips, size_t max,
		size_t *ret_count, struct fw_err *err);
/* "02:00:00:00:00:01" */
int fw_wire_mac(const cJSON *object, const char *name, uint8_t *ret_mac, struct fw_err *err);

/*
 * Copies a string member into `to` (size bytes with the NUL; a longer one is an error). Absent: ""
 * unless `needed`, and what is needed may not be empty. -EINVAL with a text that names the member.
 */
int fw_wire_copy(const cJSON *root, const char *name, char *to, size_t size, bool needed,
		 struct fw_err *err);

#endif
