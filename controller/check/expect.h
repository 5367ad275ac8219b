/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An expectation of a case file against a world. In: who asks whom, what should come of it. Out:
 * whether it does, and what does. How one end is judged is the caller's: by tables, or by the
 * programs.
 */
#ifndef FW_CHECK_EXPECT_H
#define FW_CHECK_EXPECT_H

#include "check/world.h"

struct fw_expect {
	const char *from;  /* "ns/pod" or an address */
	const char *to;	   /* the same, or "svc/ns/name" */
	uint8_t protocol;  /* 0: echo request of the packet's family */
	uint16_t port;	   /* ICMP: type << 8 | code */
	bool only_one;	   /* judge at one end only: */
	uint8_t direction; /* enum fw_direction */
	enum fw_verdict verdict;
	const char *rule; /* NULL: any */
};

#define FW_EXPECT_TEXT 768u

struct fw_expect_result {
	bool met;
	const char *verdict; /* "Allow", "Deny", "depends on the backend", "nothing to judge" */
	char rule[160];	     /* that decided; "" when nobody judged */
	char where[FW_EXPECT_TEXT]; /* "10.1.1.1 -> 10.1.1.2, ingress of shop/api" */
};

typedef int (*fw_expect_judge)(const struct fw_end *end, struct fw_decision_name *ret_name,
			       void *context, struct fw_err *err);

/*
 * Asked in every family and at every address of a service; the result is of the first packet that
 * does not do what is expected, else of the first one. -ENOENT, -EINVAL with a text that names the
 * member: no such pod or service.
 */
int fw_expect_check(const struct fw_world *world, const struct fw_expect *expect,
		    fw_expect_judge judge, void *context, struct fw_expect_result *ret_result,
		    struct fw_err *err);

#endif
