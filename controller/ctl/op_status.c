// SPDX-License-Identifier: Apache-2.0
/*
 * status, maps and version: how this node is. In: the agent. Out: numbers and what is wrong, in
 * words.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "ctl/inside.h"

struct lines {
	cJSON *list;
	bool *failed;
};

static void add_line(const char *text, void *context)
{
	struct lines *lines = context;
	cJSON *line = *lines->failed ? NULL : cJSON_CreateString(text);

	if (!line || !cJSON_AddItemToArray(lines->list, line)) {
		cJSON_Delete(line);
		*lines->failed = true;
	}
}

/* Times are "" for never. */
static const char *time_or_none(uint64_t ns, char text[FW_TIME_TEXT])
{
	return ns ? fw_answer_time(ns, text) : "";
}

/* Returns whether every kind is watched. */
static bool add_streams(cJSON *source, struct fw_agent *agent, bool *failed)
{
	struct fw_source_stream stream;
	cJSON *list = NULL, *row;
	char text[FW_TIME_TEXT];
	bool connected = true;

	for (size_t i = 0; fw_source_stream(fw_agent_source(agent), i, &stream) && !*failed; i++) {
		if (!list)
			list = fw_add_list(source, "streams", failed);
		row = fw_add_item(list, failed);
		connected = connected && stream.connected;
		fw_add_text(row, "name", stream.name, failed);
		fw_add_text(row, "state", stream.state, failed);
		fw_add_bool(row, "synced", stream.synced, failed);
		fw_add_bool(row, "connected", stream.connected, failed);
		fw_add_text(row, "connectedSince", time_or_none(stream.connected_ns, text), failed);
		fw_add_text(row, "lastEvent", time_or_none(stream.event_ns, text), failed);
		fw_add_text(row, "resourceVersion", stream.version, failed);
		fw_add_number(row, "objects", (double)stream.objects, failed);
		fw_add_number(row, "backlog", (double)stream.backlog, failed);
		fw_add_number(row, "events", (double)stream.events, failed);
		fw_add_number(row, "lists", (double)stream.lists, failed);
		fw_add_number(row, "connects", (double)stream.connects, failed);
		fw_add_number(row, "bytes", (double)stream.bytes, failed);
		fw_add_number(row, "faults", (double)stream.faults, failed);
		fw_add_text(row, "trouble", stream.trouble, failed);
	}
	return connected;
}

static void add_source(cJSON *answer, struct fw_agent *agent, bool *failed)
{
	cJSON *source = fw_add_object(answer, "source", failed);
	const struct fw_input_error *errors;
	char text[FW_TIME_TEXT];
	cJSON *list, *row;
	size_t count;

	fw_add_bool(source, "connected", add_streams(source, agent, failed), failed);
	fw_add_bool(source, "ready", fw_source_ready(fw_agent_source(agent)), failed);
	fw_add_text(source, "description", fw_source_describe(fw_agent_source(agent)), failed);
	fw_add_text(source, "since", fw_answer_time(fw_agent_changed_ns(agent), text), failed);
	list = fw_add_list(answer, "errors", failed);
	count = fw_source_errors(fw_agent_source(agent), &errors);
	for (size_t i = 0; i < count && !*failed; i++) {
		row = fw_add_item(list, failed);
		fw_add_text(row, "where", errors[i].where, failed);
		fw_add_text(row, "object", errors[i].object, failed);
		fw_add_text(row, "text", errors[i].text, failed);
	}
}

static void add_policies(cJSON *answer, struct fw_agent *agent, bool *failed)
{
	cJSON *policies = fw_add_object(answer, "policies", failed);
	struct fw_object *const *objects;
	size_t count = fw_model_list(fw_agent_model(agent), FW_KIND_NETWORK_POLICY, &objects);
	size_t audit = 0;
	cJSON *list = fw_add_list(policies, "broken", failed);

	for (size_t i = 0; i < count && !*failed; i++) {
		const struct fw_network_policy *policy = (const void *)objects[i];
		char name[600];
		cJSON *row;

		audit += policy->audit;
		if (!policy->broken)
			continue;
		(void)snprintf(name, sizeof(name), "NetworkPolicy %s/%s", objects[i]->namespace,
			       objects[i]->name);
		row = fw_add_item(list, failed);
		fw_add_text(row, "object", name, failed);
		fw_add_text(row, "origin", objects[i]->origin, failed);
		fw_add_text(row, "text", policy->broken, failed);
	}
	fw_add_number(policies, "total", (double)count, failed);
	fw_add_number(policies, "enforced", (double)(count - audit), failed);
	fw_add_number(policies, "audit", (double)audit, failed);
}

static void add_objects(cJSON *answer, struct fw_agent *agent, bool *failed)
{
	static const struct {
		enum fw_kind kind;
		const char *name;
	} kinds[] = {
		{FW_KIND_NAMESPACE, "namespaces"},    {FW_KIND_POD, "pods"},
		{FW_KIND_SERVICE, "services"},	      {FW_KIND_ENDPOINT_SLICE, "endpointSlices"},
		{FW_KIND_NETWORK_POLICY, "policies"}, {FW_KIND_NODE, "nodes"}};
	cJSON *objects = fw_add_object(answer, "objects", failed);
	struct fw_object *const *list;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		fw_add_number(objects, kinds[i].name,
			      (double)fw_model_list(fw_agent_model(agent), kinds[i].kind, &list),
			      failed);
}

static void add_endpoints(cJSON *answer, struct fw_agent *agent, bool *failed)
{
	cJSON *endpoints = fw_add_object(answer, "endpoints", failed);
	cJSON *hooks = fw_add_object(answer, "hooks", failed);
	struct fw_agent_counts counts;

	fw_agent_count(agent, &counts);
	fw_add_number(endpoints, "total", (double)counts.total, failed);
	fw_add_number(endpoints, "active", (double)counts.active, failed);
	fw_add_number(endpoints, "isolated", (double)counts.isolated, failed);
	fw_add_number(endpoints, "locked", (double)counts.locked, failed);
	fw_add_number(endpoints, "uncovered", (double)counts.uncovered, failed);
	fw_add_number(hooks, "clsact", (double)counts.hooks[FW_HOOK_CLSACT], failed);
	fw_add_number(hooks, "tcx", (double)counts.hooks[FW_HOOK_TCX], failed);
	fw_add_number(hooks, "partial", (double)counts.hooks[FW_HOOK_PARTIAL], failed);
	fw_add_number(hooks, "none", (double)counts.hooks[FW_HOOK_NONE], failed);
	fw_add_number(hooks, "inSandbox", (double)counts.in_sandbox, failed);
	fw_add_number(hooks, "turns", (double)counts.promotion_turns, failed);
}

static void add_times(cJSON *answer, struct fw_agent *agent, bool *failed)
{
	struct fw_agent_latency latency = fw_agent_latency(agent);
	cJSON *records = fw_add_object(answer, "records", failed), *times;

	fw_add_number(records, "made", (double)fw_flows_made(fw_agent_flows(agent)), failed);
	fw_add_number(records, "lost", (double)fw_flows_lost(fw_agent_flows(agent)), failed);
	fw_add_number(answer, "revision", (double)fw_model_revision(fw_agent_model(agent)), failed);
	fw_add_number(answer, "applied", (double)fw_agent_applied(agent), failed);
	times = fw_add_object(answer, "latency", failed);
	fw_add_number(times, "compileMs", latency.compile_ms, failed);
	fw_add_number(times, "applyMs", latency.apply_ms, failed);
	fw_add_number(times, "totalMs", latency.total_ms, failed);
	fw_add_number(times, "maxTotalMs", latency.max_total_ms, failed);
}

static void add_chain(cJSON *answer, const struct fw_agent *agent, bool *failed)
{
	struct fw_agent_chain chain = fw_agent_chain(agent);
	cJSON *after = fw_add_object(answer, "afterDnat", failed);

	fw_add_bool(after, "needed", chain.needed, failed);
	fw_add_bool(after, "stands", chain.stands, failed);
	fw_add_bool(after, "owned", chain.owned, failed);
	fw_add_number(after, "rows", (double)chain.rows, failed);
}

static void add_head(cJSON *answer, struct fw_agent *agent, bool *failed)
{
	const struct fw_node *node = fw_datapath_node(fw_agent_datapath(agent));
	char text[FW_TIME_TEXT], line[FW_TIME_TEXT + 16];
	struct lines lines = {NULL, failed};

	fw_add_text(answer, "version", FW_VERSION, failed);
	fw_add_number(answer, "abi", FW_ABI_VERSION, failed);
	(void)snprintf(line, sizeof(line), "loaded %s",
		       fw_answer_time(fw_agent_programs_ns(agent), text));
	fw_add_text(answer, "datapath", line, failed);
	fw_add_text(answer, "node", fw_agent_opts(agent)->node_name, failed);
	fw_add_number(answer, "pid", (double)getpid(), failed);
	fw_add_text(answer, "enforcement", node->enforcement == FW_AUDIT ? "Audit" : "Enforce",
		    failed);
	fw_add_text(answer, "started", fw_answer_time(fw_agent_started_ns(agent), text), failed);
	lines.list = fw_add_list(answer, "problems", failed);
	if (!*failed)
		fw_agent_problems(agent, add_line, &lines);
	fw_add_bool(answer, "healthy", !*failed && !cJSON_GetArraySize(lines.list), failed);
}

static cJSON *finished(cJSON *answer, bool failed)
{
	if (!failed)
		return answer;
	cJSON_Delete(answer);
	return NULL;
}

cJSON *fw_op_status(struct fw_agent *agent)
{
	cJSON *answer = fw_answer_new();
	bool failed = !answer;

	add_head(answer, agent, &failed);
	add_source(answer, agent, &failed);
	add_endpoints(answer, agent, &failed);
	add_policies(answer, agent, &failed);
	add_objects(answer, agent, &failed);
	fw_add_maps(fw_add_list(answer, "maps", &failed), agent, true, &failed);
	add_chain(answer, agent, &failed);
	fw_add_counters(answer, agent, &failed);
	add_times(answer, agent, &failed);
	return finished(answer, failed);
}

struct fill {
	enum fw_map map;
	uint64_t used, capacity;
};

static int compare_fill(const void *a, const void *b)
{
	const struct fill *x = a, *y = b;
	uint64_t left = x->used * (y->capacity ? y->capacity : 1);
	uint64_t right = y->used * (x->capacity ? x->capacity : 1);

	if (left != right)
		return left > right ? -1 : 1;
	return (int)x->map - (int)y->map;
}

static const char *full_text(enum fw_map map)
{
	switch (map) {
	case FW_MAP_ENDPOINTS:
	case FW_MAP_REGIONS:
		return "CNI ADD fails with error 11 (try again)";
	case FW_MAP_FLOWS:
		return "the pod's oldest idle flow goes, else: denied";
	case FW_MAP_SUBJECTS:
	case FW_MAP_CELLS:
	case FW_MAP_RANGES:
		return "the pod that needs more is locked down";
	case FW_MAP_ADDRESSES:
		return "the address stays in its prefix's class";
	case FW_MAP_PREFIXES:
		return "pods that need the prefix are locked down";
	case FW_MAP_SERVICES:
		return "the service port is denied as unlisted";
	default:
		return "";
	}
}

void fw_add_maps(cJSON *list, struct fw_agent *agent, bool with_percent, bool *failed)
{
	struct fill fills[FW_MAP_COUNT];
	size_t count = 0;

	for (int map = FW_MAP_ENDPOINTS; map <= FW_MAP_SERVICES; map++) {
		uint32_t rows = fw_datapath_capacity(fw_agent_datapath(agent), (enum fw_map)map);

		fills[count++] = (struct fill){
			(enum fw_map)map, fw_agent_fill(agent, (enum fw_map)map),
			map == FW_MAP_FLOWS ? (uint64_t)rows * FW_BUCKET_SLOTS : rows};
	}
	if (with_percent)
		qsort(fills, count, sizeof(fills[0]), compare_fill);
	for (size_t i = 0; i < count && !*failed; i++) {
		cJSON *row = fw_add_item(list, failed);

		fw_add_text(row, "name", fw_map_name(fills[i].map), failed);
		fw_add_number(row, "used", (double)fills[i].used, failed);
		fw_add_number(row, "capacity", (double)fills[i].capacity, failed);
		if (with_percent)
			fw_add_number(row, "percent",
				      fills[i].capacity
					      ? (double)(fills[i].used * 100 / fills[i].capacity)
					      : 0,
				      failed);
		else
			fw_add_text(row, "full", full_text(fills[i].map), failed);
	}
}

cJSON *fw_op_maps(struct fw_agent *agent)
{
	cJSON *answer = fw_answer_new();
	bool failed = !answer;

	fw_add_maps(fw_add_list(answer, "maps", &failed), agent, false, &failed);
	return finished(answer, failed);
}

cJSON *fw_op_version(struct fw_agent *agent)
{
	cJSON *answer = fw_answer_new();
	bool failed = !answer;
	struct utsname name;

	fw_add_text(answer, "version", FW_VERSION, &failed);
	fw_add_number(answer, "abi", FW_ABI_VERSION, &failed);
	fw_add_text(answer, "node", fw_agent_opts(agent)->node_name, &failed);
	fw_add_text(answer, "kernel", uname(&name) == 0 ? name.release : "", &failed);
	return finished(answer, failed);
}
