/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records counted by what they have in common: `fwctl flows --group-by`. In: records. Out: rows of
 * (key, counts), the greatest first. Bounded: beyond the maximum a record counts under "(others)".
 * Pure.
 */
#ifndef FW_SHOW_TALLY_H
#define FW_SHOW_TALLY_H

#include "show/decode.h"

#define FW_TALLY_ROWS_MAX 16384u

enum fw_tally_key {
	FW_TALLY_NONE,
	FW_TALLY_APP,
	FW_TALLY_NAMESPACE,
	FW_TALLY_POD,
	FW_TALLY_PORT,
	FW_TALLY_POLICY
};

struct fw_tally_row {
	const char *key; /* "shop/web -> shop/db" */
	const char *verdict;
	uint64_t flows;	  /* new, denied and changed ones, repeats included */
	uint64_t packets; /* of ended flows and denies */
	uint64_t bytes;
	uint64_t newest_ns;
};

struct fw_tally;

int fw_tally_parse(const char *text, enum fw_tally_key *ret_key,
		   struct fw_err *err); /* app, ns, pod, port, policy */
int fw_tally_new(enum fw_tally_key key, struct fw_tally **ret_tally);
void fw_tally_free(struct fw_tally **tally);
int fw_tally_add(struct fw_tally *tally, const struct fw_shown *shown);
/* Sorted by flows, then key; borrowed until the next call. */
size_t fw_tally_rows(struct fw_tally *tally, const struct fw_tally_row **ret_rows);

#endif
