/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the parts of lint. In: a policy, a pod. Out: findings through one function. Inside this
 * folder only.
 */
#ifndef FW_CHECK_LINT_INSIDE_H
#define FW_CHECK_LINT_INSIDE_H

#include "base/err.h"
#include "check/lint.h"

struct fw_lint_run {
	const struct fw_lint *lint;
	bool pods, namespaces; /* there are some */
};

#define FW_LINT_PATH 128u

/* One finding; path is printf'd by the caller. */
void fw_lint_say(const struct fw_lint_run *run, const struct fw_object *object, const char *path,
		 const char *name, const char *format, ...) FW_PRINTF(5, 6);

void fw_lint_pod(const struct fw_lint_run *run, const struct fw_pod *pod);
void fw_lint_policy(const struct fw_lint_run *run, const struct fw_network_policy *policy);
/* lint_rules.c: peers, ports and blocks of one direction. */
void fw_lint_rules(const struct fw_lint_run *run, const struct fw_network_policy *policy,
		   int direction);
/* lint_cover.c: what says nothing beside another one. */
void fw_lint_covered(const struct fw_lint_run *run, const struct fw_network_policy *policy,
		     int direction);

/* Pods that a policy selects, or that a peer of it means; those on the host's network counted
 * apart, finished ones as peers not at all. */
struct fw_lint_matched {
	size_t pods, host;
};
bool fw_lint_selects(const struct fw_network_policy *policy, const struct fw_pod *pod);
bool fw_lint_means(const struct fw_lint_run *run, const struct fw_network_policy *policy,
		   const struct fw_policy_peer *peer, const struct fw_pod *pod);

static inline const char *fw_lint_list(int direction)
{
	return direction ? "egress" : "ingress";
}

static inline const char *fw_lint_peers(int direction)
{
	return direction ? "to" : "from";
}

#endif
