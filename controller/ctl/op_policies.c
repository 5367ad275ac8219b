// SPDX-License-Identifier: Apache-2.0
/*
 * policies: which objects are in force, and for which pods. In: the model. Out: one row per policy,
 * sorted by namespace and name. Reads selectors as the model matches them; decides nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/inside.h"

static bool selects(const struct fw_network_policy *policy, const struct fw_pod *pod)
{
	return !pod->host_network && !strcmp(policy->object.namespace, pod->object.namespace) &&
	       fw_selector_matches(&policy->subject, &pod->object.labels);
}

/* Objects are listed by namespace and name: the first pod of a namespace, or where it would stand.
 */
static size_t first_of(struct fw_object *const *pods, size_t count, const char *namespace)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(pods[middle]->namespace, namespace) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static size_t count_pods(const struct fw_model *model, const struct fw_network_policy *policy)
{
	const char *namespace = policy->object.namespace;
	struct fw_object *const *pods;
	size_t count = fw_model_list(model, FW_KIND_POD, &pods), selected = 0;

	for (size_t i = first_of(pods, count, namespace); i < count; i++) {
		if (strcmp(pods[i]->namespace, namespace) != 0)
			break;
		selected += selects(policy, (const void *)pods[i]);
	}
	return selected;
}

static const char *direction_of(const struct fw_network_policy *policy)
{
	if (policy->isolates[FW_INGRESS] && policy->isolates[FW_EGRESS])
		return "Both";
	return policy->isolates[FW_EGRESS] ? "Egress" : "Ingress";
}

static void add_row(cJSON *list, const struct fw_model *model,
		    const struct fw_network_policy *policy, bool *failed)
{
	cJSON *row = fw_add_item(list, failed);

	fw_add_text(row, "layer", "application", failed);
	fw_add_text(row, "kind", fw_kind_name(policy->object.kind), failed);
	fw_add_text(row, "namespace", policy->object.namespace, failed);
	fw_add_text(row, "name", policy->object.name, failed);
	fw_add_text(row, "uid", policy->object.uid, failed);
	fw_add_number(row, "generation", (double)policy->object.generation, failed);
	fw_add_text(row, "origin", policy->object.origin, failed);
	fw_add_text(row, "direction", direction_of(policy), failed);
	fw_add_text(row, "mode", policy->audit ? "Audit" : "Enforce", failed);
	fw_add_text(row, "replaces", policy->replaces, failed);
	fw_add_text(row, "broken", policy->broken, failed);
	fw_add_number(row, "pods", (double)count_pods(model, policy), failed);
}

static const struct fw_pod *find_pod(const struct fw_model *model, const char *text)
{
	const char *slash = strchr(text, '/');
	char namespace[FW_SANDBOX_NAME_MAX + 1];

	if (!slash || (size_t)(slash - text) >= sizeof(namespace))
		return NULL;
	memcpy(namespace, text, (size_t)(slash - text));
	namespace[slash - text] = '\0';
	return (const struct fw_pod *)fw_model_get(model, FW_KIND_POD, namespace, slash + 1);
}

cJSON *fw_op_policies(struct fw_agent *agent, const char *pod_name, struct fw_err *err)
{
	const struct fw_model *model = fw_agent_model(agent);
	const struct fw_pod *pod = *pod_name ? find_pod(model, pod_name) : NULL;
	struct fw_object *const *objects;
	size_t count = fw_model_list(model, FW_KIND_NETWORK_POLICY, &objects);
	cJSON *answer, *list;
	bool failed;

	if (*pod_name && !pod) {
		(void)fw_err_set(err, -ENOENT, "pod %s: not known", pod_name);
		return NULL;
	}
	answer = fw_answer_new();
	failed = !answer;
	list = fw_add_list(answer, "policies", &failed);
	for (size_t i = 0; i < count && !failed; i++) {
		const struct fw_network_policy *policy = (const void *)objects[i];

		if (!pod || selects(policy, pod))
			add_row(list, model, policy, &failed);
	}
	if (!failed)
		return answer;
	cJSON_Delete(answer);
	return NULL;
}
