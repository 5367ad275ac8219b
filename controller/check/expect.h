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
	const char *rule;    /* NULL: any */
	const char *backend; /* "ns/pod" or an address, of a service; NULL: each of them */
};

#define FW_EXPECT_TEXT 768u

/* What becomes of a connection to a service that gets this backend. */
struct fw_expect_backend {
	struct fw_ip ip;
	uint16_t port;
	const struct fw_pod *pod; /* whose address it is, NULL for none */
	bool denied;
	char rule[160];
};

struct fw_expect_result {
	bool met;
	/* "Allow", "Deny", "depends on the backend", "not a backend", "nothing to judge" */
	const char *verdict;
	char rule[160];		    /* that decided; "" when nobody judged, or several did */
	char where[FW_EXPECT_TEXT]; /* "10.1.1.1 -> 10.1.1.2, ingress of shop/api" */
	struct fw_expect_backend *backends; /* those that kube-proxy chooses from; NULL for none */
	size_t backend_count;
};

/*
 * One end by tables or programs; both answers. What is left to the chain after DNAT is judged here,
 * by its sets, whoever answers.
 */
typedef int (*fw_expect_judge)(const struct fw_end *end, struct fw_said *ret_said,
			       struct fw_decision_name *ret_name, void *context,
			       struct fw_err *err);

/*
 * Asked in every family, at every address of a service, and for every backend there; the result is
 * of the first packet that does not do what is expected, else of the first one. -ENOENT, -EINVAL
 * with a text that names the member: no such pod or service.
 */
int fw_expect_check(const struct fw_world *world, const struct fw_expect *expect,
		    fw_expect_judge judge, void *context, struct fw_expect_result *ret_result,
		    struct fw_err *err);
void fw_expect_result_done(struct fw_expect_result *result);

#endif
