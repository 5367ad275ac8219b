/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line of JSON back to a record: what fw_record_json() writes, and lines of Hubble's without
 * "podwall". In: one line, from a socket or a file that anybody may have written. Out: a record
 * with raw names. Pure.
 */
#ifndef FW_SHOW_DECODE_H
#define FW_SHOW_DECODE_H

#include "flow/flow.h"

struct fw_shown {
	struct fw_record record;
	char node[FW_NAME_TEXT];
	const char *line; /* borrowed: the JSON itself */
	size_t len;
};

/* -EINVAL with a text when the line is no record; unknown members are skipped, texts too long are
 * cut. */
int fw_show_decode(const char *line, size_t len, struct fw_shown *ret_shown, struct fw_err *err);

/* RFC 3339 with any number of digits behind the second, to nanoseconds of CLOCK_REALTIME. */
int fw_show_parse_time(const char *text, uint64_t *ret_ns);

#endif
