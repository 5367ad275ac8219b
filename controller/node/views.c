// SPDX-License-Identifier: Apache-2.0
/*
 * What the agent knows, for those who ask. In: the agent. Out: views, counts, problems. Changes
 * nothing; hooks that it has not seen yet are asked for first.
 */
#include <stdio.h>
#include <string.h>

#include "node/inside.h"

#define RESTORED_SHOWN_NS (600000 * FW_MS) /* how long status tells of a hook that was put back */
#define FULL_PERCENT	  90u

static bool is_covered(const struct fw_agent_endpoint *endpoint)
{
	return endpoint->hook == FW_HOOK_CLSACT || endpoint->hook == FW_HOOK_TCX;
}

static void view_of(struct fw_agent *agent, const struct fw_agent_endpoint *endpoint,
		    struct fw_agent_view *view)
{
	const struct fw_endpoint *row = fw_datapath_endpoint(agent->datapath, endpoint->info.slot);
	const struct fw_pod *pod = fw_agent_pod(agent, endpoint);
	uint32_t subject;

	*view = (struct fw_agent_view){.info = &endpoint->info,
				       .owner = endpoint->owner,
				       .hook = endpoint->hook,
				       .covered = is_covered(endpoint),
				       .state = fw_agent_state(agent, endpoint),
				       .subject = ""};
	view->gone = view->state == FW_EP_FREE;
	if (row && !view->gone) {
		view->epoch = row->epoch;
		view->region = row->region;
		view->flows = (row->flow_mask + 1) * FW_BUCKET_SLOTS;
	}
	fw_agent_detail(agent, endpoint, view->detail, sizeof(view->detail));
	if (view->state != FW_EP_ACTIVE || !pod || !agent->tables)
		return;
	view->subject = fw_apply_subject(agent->apply, endpoint->info.slot);
	subject = fw_tables_subject_of(agent->tables, pod->object.namespace, pod->object.name);
	if (subject < agent->tables->subjects_count) {
		view->isolated[0] = agent->tables->subjects[subject].isolated[0];
		view->isolated[1] = agent->tables->subjects[subject].isolated[1];
	}
}

void fw_agent_walk(struct fw_agent *agent, fw_agent_visit visit, void *context)
{
	struct fw_agent_endpoint *endpoint, *next;
	struct fw_agent_view view;

	fw_agent_see_new(agent);
	HASH_ITER(hh, agent->endpoints, endpoint, next) {
		view_of(agent, endpoint, &view);
		visit(&view, context);
	}
}

void fw_agent_count(struct fw_agent *agent, struct fw_agent_counts *ret_counts)
{
	struct fw_agent_endpoint *endpoint, *next;
	char names[8];

	*ret_counts = (struct fw_agent_counts){.promotion_turns = agent->promotion_turns};
	fw_agent_see_new(agent);
	HASH_ITER(hh, agent->endpoints, endpoint, next) {
		enum fw_endpoint_state state = fw_agent_state(agent, endpoint);

		ret_counts->total++;
		ret_counts->active += state == FW_EP_ACTIVE;
		ret_counts->locked += state == FW_EP_LOCKED;
		ret_counts->isolated += state == FW_EP_ISOLATED || state == FW_EP_CLAIMED;
		ret_counts->uncovered += !is_covered(endpoint);
		ret_counts->hooks[endpoint->hook]++;
		ret_counts->in_sandbox += endpoint->info.in_sandbox;
	}
	ret_counts->uncovered += fw_agent_missing(agent, names, sizeof(names));
}

/* "2 pods are not covered: shop/a, shop/b" */
static void list_endpoints(struct fw_agent *agent, const char *what,
			   bool (*which)(struct fw_agent *, const struct fw_agent_endpoint *),
			   fw_agent_problem problem, void *context)
{
	struct fw_agent_endpoint *endpoint, *next;
	char names[400] = "", line[512];
	size_t count = 0, len = 0;

	fw_agent_see_new(agent);
	HASH_ITER(hh, agent->endpoints, endpoint, next) {
		if (!which(agent, endpoint))
			continue;
		if (len < sizeof(names) - 130)
			len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%.60s/%.60s",
						count ? ", " : "", endpoint->info.namespace,
						endpoint->info.name);
		count++;
	}
	if (!count)
		return;
	(void)snprintf(line, sizeof(line), "%zu pod%s %s: %s", count, count == 1 ? "" : "s", what,
		       names);
	problem(line, context);
}

static bool uncovered(struct fw_agent *agent, const struct fw_agent_endpoint *endpoint)
{
	(void)agent;
	return !is_covered(endpoint);
}

static bool locked(struct fw_agent *agent, const struct fw_agent_endpoint *endpoint)
{
	return fw_agent_state(agent, endpoint) == FW_EP_LOCKED;
}

static bool restored(struct fw_agent *agent, const struct fw_agent_endpoint *endpoint)
{
	(void)agent;
	return endpoint->restored_ns && fw_agent_wall() < endpoint->restored_ns + RESTORED_SHOWN_NS;
}

/* One line for all kinds that are not watched now: mostly they share their reason. */
static void problems_of_server(struct fw_agent *agent, fw_agent_problem problem, void *context)
{
	bool ready = fw_source_ready(agent->source);
	struct fw_source_stream stream, first = {.trouble = ""};
	size_t count = 0, all = 0;
	char line[1024];

	for (; fw_source_stream(agent->source, all, &stream); all++) {
		if (stream.connected || !stream.trouble[0])
			continue;
		if (!count++)
			first = stream;
	}
	if (!count && ready)
		return;
	(void)snprintf(line, sizeof(line), "API server: %zu of %zu kinds %s%s%s%.600s; %s", count,
		       all, count ? "not watched: " : "not watched, lists are under way",
		       count ? first.name : "", count ? ": " : "", first.trouble,
		       ready ? "the last state stays in force"
			     : "nothing is compiled before all are listed: pods stay as they were, "
			       "new ones isolated");
	problem(line, context);
}

static void problems_of_input(struct fw_agent *agent, fw_agent_problem problem, void *context)
{
	const struct fw_input_error *errors;
	size_t count = fw_source_errors(agent->source, &errors);
	char line[1024];

	if (count) {
		(void)snprintf(line, sizeof(line),
			       "%zu input error%s, the first: %.200s: %.200s%s%.400s", count,
			       count == 1 ? "" : "s", errors[0].where, errors[0].object,
			       errors[0].object[0] ? ": " : "", errors[0].text);
		problem(line, context);
	}
	for (size_t i = 0; agent->tables && i < agent->tables->problems_count && i < 20; i++) {
		(void)snprintf(line, sizeof(line), "%.300s: %.600s",
			       agent->tables->problems[i].object, agent->tables->problems[i].text);
		problem(line, context);
	}
}

static void problems_of_maps(struct fw_agent *agent, fw_agent_problem problem, void *context)
{
	char line[128];

	for (int map = FW_MAP_ENDPOINTS; map < FW_MAP_COUNT; map++) {
		uint32_t capacity = fw_datapath_capacity(agent->datapath, (enum fw_map)map);
		uint64_t used = fw_agent_fill(agent, (enum fw_map)map);

		if (map == FW_MAP_FLOWS || !capacity ||
		    used * 100 < (uint64_t)capacity * FULL_PERCENT)
			continue;
		(void)snprintf(line, sizeof(line), "%s is %llu%% full",
			       fw_map_name((enum fw_map)map),
			       (unsigned long long)(used * 100 / capacity));
		problem(line, context);
	}
	if (fw_apply_problem(agent->apply)[0])
		problem(fw_apply_problem(agent->apply), context);
}

static void problems_of_chain(struct fw_agent *agent, fw_agent_problem problem, void *context)
{
	char line[FW_ERR_TEXT + 128];

	if (!agent->tables || !agent->tables->choices_count || !agent->exact_problem[0])
		return;
	(void)snprintf(line, sizeof(line), "%s: %s", FW_AGENT_EXACT_DENIED, agent->exact_problem);
	problem(line, context);
}

/* Rows that somebody claimed and whose pod nobody can name: their files are lost. */
static void problems_of_rows(struct fw_agent *agent, fw_agent_problem problem, void *context)
{
	uint32_t regions = fw_datapath_capacity(agent->datapath, FW_MAP_REGIONS), count = 0;
	char line[PATH_MAX + 128];

	for (uint32_t i = 0; i < regions; i++) {
		const struct fw_region *region = fw_datapath_region(agent->datapath, i);
		const struct fw_endpoint *row = fw_datapath_endpoint(agent->datapath, region->slot);

		count += region->owner && row && row->owner == region->owner &&
			 row->state >= FW_EP_ISOLATED && !fw_agent_find(agent, region->owner);
	}
	if (!count)
		return;
	(void)snprintf(
		line, sizeof(line),
		"%u endpoint row%s without a file in %s/endpoints: isolated until CNI ADD or DEL",
		count, count == 1 ? "" : "s", agent->options.run_dir);
	problem(line, context);
}

/* They run without a firewall: the worst that there is to tell. */
static void problems_of_missing(struct fw_agent *agent, fw_agent_problem problem, void *context)
{
	char names[400], line[512];
	size_t count = fw_agent_missing(agent, names, sizeof(names));

	if (!count)
		return;
	(void)snprintf(line, sizeof(line),
		       "%zu pod%s of this node without a firewall (no endpoint): %s", count,
		       count == 1 ? "" : "s", names);
	problem(line, context);
}

void fw_agent_problems(struct fw_agent *agent, fw_agent_problem problem, void *context)
{
	if (agent->problem[0])
		problem(agent->problem, context);
	problems_of_missing(agent, problem, context);
	list_endpoints(agent, "not covered", uncovered, problem, context);
	list_endpoints(agent, "locked down", locked, problem, context);
	list_endpoints(agent, "had our programs removed by somebody, attached again", restored,
		       problem, context);
	problems_of_rows(agent, problem, context);
	problems_of_server(agent, problem, context);
	problems_of_input(agent, problem, context);
	problems_of_maps(agent, problem, context);
	problems_of_chain(agent, problem, context);
}

/* Slots with a flow in them: counted when asked, it reads every region in use. */
static uint32_t count_flows(const struct fw_agent *agent)
{
	uint32_t regions = fw_datapath_capacity(agent->datapath, FW_MAP_REGIONS);
	uint32_t buckets = fw_datapath_node(agent->datapath)->region_buckets, used = 0;

	for (uint32_t i = 0; i < regions * buckets; i++) {
		const struct fw_bucket *bucket;

		if (!fw_datapath_region(agent->datapath, i / buckets)->owner) {
			i += buckets - 1;
			continue;
		}
		bucket = fw_datapath_bucket(agent->datapath, i);
		for (uint32_t slot = 0; bucket && slot < FW_BUCKET_SLOTS; slot++)
			used += (bucket->slot[slot].ctl & FW_CTL_STATE) == FW_CTL_VALID;
	}
	return used;
}

uint32_t fw_agent_fill(const struct fw_agent *agent, enum fw_map map)
{
	return map == FW_MAP_FLOWS ? count_flows(agent) : fw_apply_fill(agent->apply, map);
}

const struct fw_model *fw_agent_model(const struct fw_agent *agent)
{
	return agent->model;
}

const struct fw_source *fw_agent_source(const struct fw_agent *agent)
{
	return agent->source;
}

const struct fw_tables *fw_agent_tables(const struct fw_agent *agent)
{
	return agent->tables;
}

const struct fw_apply *fw_agent_apply(const struct fw_agent *agent)
{
	return agent->apply;
}

const struct fw_flows *fw_agent_flows(const struct fw_agent *agent)
{
	return agent->flows;
}

struct fw_datapath *fw_agent_datapath(const struct fw_agent *agent)
{
	return agent->datapath;
}

const struct fw_agent_options *fw_agent_opts(const struct fw_agent *agent)
{
	return &agent->options;
}

struct fw_agent_latency fw_agent_latency(const struct fw_agent *agent)
{
	return agent->latency;
}

uint64_t fw_agent_applied(const struct fw_agent *agent)
{
	return agent->applied;
}

uint64_t fw_agent_started_ns(const struct fw_agent *agent)
{
	return agent->started_ns;
}

uint64_t fw_agent_programs_ns(const struct fw_agent *agent)
{
	return agent->programs_ns;
}

uint64_t fw_agent_changed_ns(const struct fw_agent *agent)
{
	return agent->changed_ns;
}
