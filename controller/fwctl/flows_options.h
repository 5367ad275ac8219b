/* SPDX-License-Identifier: Apache-2.0 */
/* The options of `fwctl flows`. In: argv. Out: what to read, what to keep, how to show it; or an
 * exit code. */
#ifndef FW_FWCTL_FLOWS_OPTIONS_H
#define FW_FWCTL_FLOWS_OPTIONS_H

#include "base/cleanup.h"
#include "show/filter.h"
#include "show/print.h"
#include "show/tally.h"

#define FW_FLOWS_LAST_DEFAULT 20u

struct fw_flows_options {
	struct fw_filter *filter; /* owned */
	struct fw_show_options show;
	bool follow;
	uint64_t last;	   /* newest of those that match; UINT64_MAX: all */
	uint64_t first;	   /* oldest of those that match; UINT64_MAX: all */
	const char *input; /* a file, "-", or NULL: podwalld */
	enum fw_tally_key group;
	uint64_t top;
	bool count, json;
};

/* -1: go on; else the exit code, everything was said. */
int fw_flows_options_parse(int argc, char **argv, struct fw_flows_options *ret_options);
void fw_flows_options_done(struct fw_flows_options *options);

#endif
