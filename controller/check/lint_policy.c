// SPDX-License-Identifier: Apache-2.0
/*
 * A NetworkPolicy as a whole; see lint.h. In: the policy, and the pods that there are. Out:
 * findings about whom it selects, and which of its parts are in force at all.
 */
#include <stdio.h>
#include <string.h>

#include "check/lint_inside.h"

static void say_subjects(const struct fw_lint_run *run, const struct fw_network_policy *policy)
{
	struct fw_object *const *objects;
	size_t count = fw_model_list(run->lint->model, FW_KIND_POD, &objects);
	struct fw_lint_matched matched = {0};

	for (size_t i = 0; i < count; i++) {
		const struct fw_pod *pod = (const struct fw_pod *)objects[i];

		if (fw_lint_selects(policy, pod))
			*(pod->host_network ? &matched.host : &matched.pods) += 1;
	}
	if (matched.pods || !run->pods)
		return;
	if (matched.host)
		fw_lint_say(run, &policy->object, "spec.podSelector", "selects-host-network",
			    "the pods that it selects are on the host's network: no NetworkPolicy "
			    "applies to them");
	else
		fw_lint_say(run, &policy->object, "spec.podSelector", "selects-no-pod",
			    "no pod of namespace %s has these labels", policy->object.namespace);
}

/* Edge case 1. */
static void say_dead_rules(const struct fw_lint_run *run, const struct fw_network_policy *policy)
{
	for (int direction = 0; direction < 2; direction++) {
		const char *list = fw_lint_list(direction);
		char path[FW_LINT_PATH];

		if (policy->isolates[direction] || !policy->rule_count[direction])
			continue;
		(void)snprintf(path, sizeof(path), "spec.%s", list);
		fw_lint_say(run, &policy->object, path, "dead-rules",
			    "policyTypes has no %s: these rules are ignored, and %s stays open",
			    direction ? "Egress" : "Ingress", list);
	}
}

static void say_replaced(const struct fw_lint_run *run, const struct fw_network_policy *policy)
{
	if (policy->replaces && !fw_model_get(run->lint->model, FW_KIND_NETWORK_POLICY,
					      policy->object.namespace, policy->replaces))
		fw_lint_say(run, &policy->object, "metadata.annotations.podwall.io/replaces",
			    "replaces-nothing", "there is no NetworkPolicy %s/%s",
			    policy->object.namespace, policy->replaces);
}

/* "spec.x: why": what stands before the first colon is the field. */
static void say_broken(const struct fw_lint_run *run, const struct fw_network_policy *policy)
{
	const char *colon = strstr(policy->broken, ": ");
	char path[FW_LINT_PATH];

	(void)snprintf(path, sizeof(path), "%.*s", colon ? (int)(colon - policy->broken) : 0,
		       policy->broken);
	fw_lint_say(
		run, &policy->object, path, "unread-field",
		"%s: what the policy selects is isolated, and none of its rules allows anything",
		colon ? colon + 2 : policy->broken);
}

void fw_lint_policy(const struct fw_lint_run *run, const struct fw_network_policy *policy)
{
	say_subjects(run, policy);
	say_replaced(run, policy);
	if (policy->broken) {
		say_broken(run, policy);
		return;
	}
	say_dead_rules(run, policy);
	for (int direction = 0; direction < 2; direction++) {
		fw_lint_rules(run, policy, direction);
		fw_lint_covered(run, policy, direction);
	}
}
