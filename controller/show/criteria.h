/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of criteria, one row each: how a value is read, and whether it holds for a record or
 * one side of it. In: a value's text. Out: a value that can be asked many times. Only for filter.c.
 */
#ifndef FW_SHOW_CRITERIA_H
#define FW_SHOW_CRITERIA_H

#include "show/decode.h"

enum fw_side { FW_SIDE_ANY, FW_SIDE_FROM, FW_SIDE_TO };

struct fw_criterion_value {
	const char *text; /* what the user wrote; borrowed, set after parse() */
	struct fw_prefix prefix;
	uint32_t lo, hi;
	uint64_t bits;
	bool impossible; /* a good value, but no record of Podwall has it */
};

struct fw_criterion_kind {
	const char *name;
	bool sided; /* asked of a party, with from- and to-; else of the record */
	int (*parse)(const char *text, struct fw_criterion_value *ret_value, struct fw_err *err);
	bool (*party)(const struct fw_criterion_value *value, const struct fw_record *record,
		      const struct fw_party *party);
	bool (*record)(const struct fw_criterion_value *value, const struct fw_shown *shown);
};

const struct fw_criterion_kind *fw_criterion_find(const char *name); /* NULL for none */

/* "FORWARDED", "DROPPED", "AUDIT"; "" for a lost record. */
const char *fw_show_verdict(const struct fw_record *record);

#endif
