// SPDX-License-Identifier: Apache-2.0
/*
 * What the source no longer tells of and a sandbox here still needs. In: removes, one batch at a
 * time. Out: removes, now or when the last sandbox that needs the object is gone. A pod stays as a
 * subject and is no peer any more (edge case 23); the policies of a namespace that is being deleted
 * stay for its pods here (CVE-2024-7598: policies vanish before the pods do). Never keeps what was
 * put again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "node/inside.h"

struct fw_kept_object {
	enum fw_kind kind;
	bool told; /* the log says that it is kept */
	struct fw_kept_object *next;
	char *namespace;
	char name[];
};

static struct fw_kept_object **find(struct fw_agent *agent, enum fw_kind kind,
				    const char *namespace, const char *name)
{
	struct fw_kept_object **at = &agent->kept;

	while (*at && ((*at)->kind != kind || strcmp((*at)->namespace, namespace) != 0 ||
		       strcmp((*at)->name, name) != 0))
		at = &(*at)->next;
	return at;
}

static void forget(struct fw_kept_object **at)
{
	struct fw_kept_object *kept = *at;

	*at = kept->next;
	free(kept->namespace);
	free(kept);
}

void fw_agent_keep_nothing(struct fw_agent *agent)
{
	while (agent->kept)
		forget(&agent->kept);
}

void fw_agent_keep_put(struct fw_agent *agent, const struct fw_object *object)
{
	struct fw_kept_object **at = find(agent, object->kind, object->namespace, object->name);

	if (*at)
		forget(at);
}

/* Namespaces are remembered by name only: the object goes at once. */
static bool can_be_needed(const struct fw_agent *agent, enum fw_kind kind, const char *namespace,
			  const char *name)
{
	const struct fw_agent_endpoint *endpoint, *next;

	if (kind != FW_KIND_POD && kind != FW_KIND_NETWORK_POLICY && kind != FW_KIND_NAMESPACE)
		return false;
	HASH_ITER(hh, agent->endpoints, endpoint, next) {
		if (kind == FW_KIND_POD && !strcmp(endpoint->info.namespace, namespace) &&
		    !strcmp(endpoint->info.name, name))
			return true;
		if (kind != FW_KIND_POD &&
		    !strcmp(endpoint->info.namespace, kind == FW_KIND_NAMESPACE ? name : namespace))
			return true;
	}
	return false;
}

int fw_agent_keep_add(struct fw_agent *agent, enum fw_kind kind, const char *namespace,
		      const char *name)
{
	_cleanup_free_ struct fw_kept_object *kept = NULL;

	if (fw_agent_keep_has(agent, kind, namespace, name))
		return 0;
	kept = calloc(1, sizeof(*kept) + strlen(name) + 1);
	if (kept)
		kept->namespace = strdup(namespace);
	if (!kept || !kept->namespace)
		return -ENOMEM;
	kept->kind = kind;
	memcpy(kept->name, name, strlen(name) + 1);
	kept->next = agent->kept;
	agent->kept = TAKE_PTR(kept);
	return 0;
}

bool fw_agent_keep_has(struct fw_agent *agent, enum fw_kind kind, const char *namespace,
		       const char *name)
{
	return *find(agent, kind, namespace, name);
}

void fw_agent_keep_remove(struct fw_agent *agent, enum fw_kind kind, const char *namespace,
			  const char *name)
{
	if (can_be_needed(agent, kind, namespace, name) &&
	    !fw_agent_keep_has(agent, kind, namespace, name) &&
	    fw_agent_keep_add(agent, kind, namespace, name) == 0 && kind != FW_KIND_NAMESPACE)
		return; /* the end of the batch decides */
	(void)fw_model_remove(agent->model, kind, namespace, name);
}

/* Being deleted, or gone. One that the source never told of is neither. */
static bool is_going(struct fw_agent *agent, const char *namespace)
{
	const struct fw_namespace *object =
		(const void *)fw_model_get(agent->model, FW_KIND_NAMESPACE, "", namespace);

	return (object && object->terminating) || *find(agent, FW_KIND_NAMESPACE, "", namespace);
}

/* A sandbox of that very pod, not one of an older pod of its name. */
static bool has_sandbox(struct fw_agent *agent, const char *namespace, const char *name)
{
	const struct fw_agent_endpoint *endpoint, *next;

	HASH_ITER(hh, agent->endpoints, endpoint, next) {
		if (strcmp(endpoint->info.namespace, namespace) != 0)
			continue;
		if (!name || (!strcmp(endpoint->info.name, name) && fw_agent_pod(agent, endpoint)))
			return true;
	}
	return false;
}

static bool is_needed(struct fw_agent *agent, const struct fw_kept_object *kept)
{
	switch (kept->kind) {
	case FW_KIND_POD:
		return has_sandbox(agent, kept->namespace, kept->name);
	case FW_KIND_NETWORK_POLICY:
		return is_going(agent, kept->namespace) &&
		       has_sandbox(agent, kept->namespace, NULL);
	default:
		return has_sandbox(agent, kept->name, NULL);
	}
}

void fw_agent_keep_settle(struct fw_agent *agent)
{
	struct fw_kept_object **at = &agent->kept, *kept;

	while ((kept = *at)) {
		if (!is_needed(agent, kept)) {
			(void)fw_model_remove(agent->model, kept->kind, kept->namespace,
					      kept->name);
			forget(at);
			continue;
		}
		if (kept->kind == FW_KIND_POD)
			(void)fw_model_retire_pod(agent->model, kept->namespace, kept->name);
		if (!kept->told && kept->kind != FW_KIND_NAMESPACE)
			fw_agent_log(agent, FW_LOG_INFO,
				     "%s %s/%s is gone and its sandbox here is not: policy stays "
				     "as it was until it is",
				     fw_kind_name(kept->kind), kept->namespace, kept->name);
		kept->told = true;
		at = &kept->next;
	}
}
