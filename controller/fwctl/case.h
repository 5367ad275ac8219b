/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Case files (policies/cases/README.md). In: the path of one. Out: its world and its expectations,
 * or what is wrong with it by file, line and member. Never judges.
 */
#ifndef FW_FWCTL_CASE_H
#define FW_FWCTL_CASE_H

#include "check/expect.h"
#include "check/world.h"

struct fw_case_expect {
	struct fw_expect expect; /* texts are owned here */
	unsigned int line;
};

struct fw_case {
	struct fw_world world; /* not compiled */
	struct fw_case_expect *expects;
	size_t count;
};

#define FW_CASE_EXPECTS_MAX 10000u

/* -EINVAL, -ENOENT...: the text says "FILE:LINE: member: what is wrong". */
int fw_case_read(const char *path, struct fw_case *ret_case, struct fw_err *err);
void fw_case_done(struct fw_case *one);

#endif
