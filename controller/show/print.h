/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records as text. In: a record with raw names. Out: one line (or, for dict, one block) that a
 * terminal shows and does nothing else with. Long names are cut in the middle, never the verdict or
 * the rule. Pure: time zone is the process's.
 */
#ifndef FW_SHOW_PRINT_H
#define FW_SHOW_PRINT_H

#include "show/decode.h"

enum fw_show_format {
	FW_SHOW_COMPACT,
	FW_SHOW_TABLE,
	FW_SHOW_WIDE,
	FW_SHOW_DICT,
	FW_SHOW_CSV,
	FW_SHOW_JSON,	/* as the daemon sends it */
	FW_SHOW_JSONPB, /* Hubble's members only: what an old, strict `hubble observe --input-file`
			   takes */
};

enum fw_show_time {
	FW_TIME_SHORT, /* 03:12:41.102 */
	FW_TIME_STAMP, /* Nov 24 03:12:41.102 */
	FW_TIME_RFC3339,
	FW_TIME_RFC3339_MILLI,
	FW_TIME_RFC3339_MICRO,
	FW_TIME_RFC3339_NANO,
	FW_TIME_RFC1123Z,
};

struct fw_show_options {
	enum fw_show_format format;
	enum fw_show_time time;
	bool numeric; /* addresses, not names */
	bool color;
	unsigned int width; /* columns; 0: cut nothing */
};

/* -EINVAL with the list of names. */
int fw_show_parse_format(const char *text, enum fw_show_format *ret_format, struct fw_err *err);
int fw_show_parse_time_format(const char *text, enum fw_show_time *ret_time, struct fw_err *err);

/* What comes before the first record: column heads of table, wide and csv; nothing for the others.
 */
int fw_show_head(const struct fw_show_options *options, struct fw_buf *buf);
/* One record with its newline. */
int fw_show_record(const struct fw_shown *shown, const struct fw_show_options *options,
		   struct fw_buf *buf);

/* Pieces that other commands use, too. */
void fw_show_time_text(uint64_t time_ns, enum fw_show_time format, struct fw_buf *buf);
void fw_show_bytes(uint64_t bytes, struct fw_buf *buf); /* "840", "9.1k", "1.2G" */
void fw_show_duration(uint64_t ns,
		      struct fw_buf *buf); /* "120ms", "1.2s", "3m4s", "2h5m", "3d4h" */
/* Appends `text` escaped and cut in its middle ("shop/web-7d..9f") to at most `columns`. */
void fw_show_cut(const char *text, size_t columns, struct fw_buf *buf);
const char *fw_show_protocol(uint8_t protocol, char text[8]); /* "tcp", or its number */

#endif
