// SPDX-License-Identifier: Apache-2.0
/*
 * Source to model to tables to maps. In: puts and removes. Out: the maps say what the model says,
 * and how long that took. A failure keeps what is in force, says so, and is tried again.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "node/inside.h"

#define FINISH_MS     40   /* after the last apply: a burst of changes is finished once */
#define RETRY_MS      1000 /* after a failure */
#define UNFINISHED_NS (1000 * FW_MS)

/* A policy that cannot be compiled whole is told once for each fault, not at each reading. */
static void log_broken(struct fw_agent *agent, const struct fw_object *object)
{
	const struct fw_network_policy *policy = (const void *)object, *before;

	if (object->kind != FW_KIND_NETWORK_POLICY || !policy->broken)
		return;
	before = (const void *)fw_model_get(agent->model, object->kind, object->namespace,
					    object->name);
	if (before && before->broken && !strcmp(before->broken, policy->broken))
		return;
	fw_agent_log(agent, FW_LOG_WARNING,
		     "%s: NetworkPolicy %s/%s: %s: what it selects is isolated",
		     object->origin ? object->origin : "?", object->namespace, object->name,
		     policy->broken);
}

static void source_put(struct fw_object *object, void *context)
{
	struct fw_agent *agent = context;
	bool changed;

	log_broken(agent, object);
	fw_agent_keep_put(agent, object);
	fw_agent_keep_leaving(agent, &object);
	if (fw_model_put(agent->model, object, &changed) < 0)
		(void)snprintf(agent->problem, sizeof(agent->problem),
			       "no memory for an object: the last policy stays in force");
}

static void source_remove(enum fw_kind kind, const char *namespace, const char *name, void *context)
{
	struct fw_agent *agent = context;

	fw_agent_keep_remove(agent, kind, namespace, name);
}

static void source_settled(uint64_t arrived_ns, void *context)
{
	struct fw_agent *agent = context;

	if (agent->started)
		fw_agent_judge_recalled(agent);
	else
		fw_agent_keep_settle(agent);
	agent->changed_ns = fw_agent_wall();
	if (!agent->started)
		return;
	if (!agent->tables)
		fw_agent_log(agent, FW_LOG_INFO, "everything was told: %s",
			     fw_source_describe(agent->source));
	fw_agent_work(agent, arrived_ns);
}

static void source_errors(void *context)
{
	struct fw_agent *agent = context;
	const struct fw_input_error *errors;
	size_t count = agent->source ? fw_source_errors(agent->source, &errors) : 0;

	for (size_t i = 0; i < count && i < 20; i++)
		fw_agent_log(agent, FW_LOG_WARNING, "%s: %s%s%s", errors[i].where, errors[i].object,
			     errors[i].object[0] ? ": " : "", errors[i].text);
	if (count > 20)
		fw_agent_log(agent, FW_LOG_WARNING, "%zu more input errors: see fwctl status",
			     count - 20);
}

static void source_note(bool bad, const char *text, void *context)
{
	fw_agent_log(context, bad ? FW_LOG_WARNING : FW_LOG_INFO, "%s", text);
}

int fw_agent_open_source(struct fw_agent *agent, struct fw_err *err)
{
	const struct fw_source_handler handler = {.put = source_put,
						  .remove = source_remove,
						  .settled = source_settled,
						  .errors = source_errors,
						  .note = source_note,
						  .context = agent};
	struct fw_kube_options kube = agent->options.kube;
	int r;

	kube.node_name = agent->options.node_name;
	if (agent->options.objects)
		r = fw_source_folder_new(agent->base, agent->options.objects, &handler,
					 &agent->source, err);
	else
		r = fw_kube_source_new(agent->base, &kube, &handler, &agent->source, err);
	if (r < 0)
		return r;
	source_errors(agent); /* those of the first reading came before there was a source */
	return 0;
}

static double ms_between(uint64_t from, uint64_t to)
{
	return to > from ? (double)(to - from) / 1e6 : 0;
}

/* *ret_old: what was in force before, to be freed when packets see the new one. */
static int compile(struct fw_agent *agent, struct fw_tables **ret_old, struct fw_err *err)
{
	uint64_t revision = fw_model_revision(agent->model), begin = fw_agent_now();
	struct fw_tables *tables;
	int r;

	if (agent->tables && revision == agent->compiled)
		return 0;
	r = fw_compile(agent->compiler, agent->model, &tables, err);
	if (r < 0)
		return r;
	*ret_old = agent->tables;
	agent->tables = tables;
	agent->compiled = revision;
	agent->latency.compile_ms = ms_between(begin, fw_agent_now());
	return 0;
}

/* Every sandbox of this node with the pod that it belongs to. */
static struct fw_apply_endpoint *endpoints_of(struct fw_agent *agent, size_t *ret_count)
{
	struct fw_sandbox *const *list;
	size_t count = fw_model_list_sandboxes(agent->model, &list);
	struct fw_apply_endpoint *endpoints = calloc(count + 1, sizeof(*endpoints));

	for (size_t i = 0; endpoints && i < count; i++) {
		const struct fw_pod *pod = fw_model_pod_of_sandbox(agent->model, list[i]);

		endpoints[i].slot = list[i]->slot;
		endpoints[i].owner = fw_endpoint_owner(list[i]->container_id, list[i]->ifname);
		if (pod) {
			endpoints[i].namespace = pod->object.namespace;
			endpoints[i].name = pod->object.name;
		}
	}
	*ret_count = count;
	return endpoints;
}

static int apply(struct fw_agent *agent, struct fw_err *err)
{
	_cleanup_free_ struct fw_apply_endpoint *endpoints = NULL;
	uint64_t begin = fw_agent_now();
	struct fw_apply_stats stats;
	bool fresh = agent->applied != agent->compiled, first = !agent->applied;
	size_t count;
	int r;

	endpoints = endpoints_of(agent, &count);
	if (!endpoints)
		return fw_err_errno(err, -ENOMEM, "endpoints");
	agent->applies++;
	fw_agent_exact_join(agent);
	r = fw_apply_tables(agent->apply, agent->tables, endpoints, count, &stats, err);
	if (r < 0)
		return r;
	/* what did not fit may do so when finish has removed what is old: once for each change */
	agent->again = fresh && (stats.locked || stats.skipped);
	agent->applied = agent->compiled;
	agent->latency.apply_ms = ms_between(begin, fw_agent_now());
	agent->stats = stats;
	if (first) /* much was needed once */
		(void)malloc_trim(0);
	return 0;
}

static void log_change(struct fw_agent *agent, double total_ms)
{
	const struct fw_apply_stats *stats = &agent->stats;

	fw_agent_log(agent, FW_LOG_DEBUG,
		     "revision %llu: compiled in %.3f ms, applied in %.3f ms (%.3f ms since it "
		     "arrived): "
		     "%llu rows added, %llu removed, %llu endpoints changed, %u locked",
		     (unsigned long long)agent->applied, agent->latency.compile_ms,
		     agent->latency.apply_ms, total_ms, (unsigned long long)stats->rows_added,
		     (unsigned long long)stats->rows_removed,
		     (unsigned long long)stats->endpoints_flipped, stats->locked);
}

static void arm(struct event *event, unsigned int ms)
{
	const struct timeval wait = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};

	(void)event_add(event, &wait);
}

void fw_agent_work(struct fw_agent *agent, uint64_t arrived_ns)
{
	_cleanup_(fw_tables_free) struct fw_tables *old = NULL;
	struct fw_err err = {""};
	int r;

	if (!fw_source_ready(agent->source)) {
		/* half a cluster is no policy: what the maps hold is better */
		fw_agent_answer_waiters(agent);
		return;
	}
	r = compile(agent, &old, &err);
	if (r == 0)
		r = apply(agent, &err);
	if (r < 0) {
		if (strcmp(agent->problem, err.text) != 0)
			fw_agent_log(agent, FW_LOG_ERROR, "%s: the last policy stays in force",
				     err.text);
		(void)snprintf(agent->problem, sizeof(agent->problem), "%s", err.text);
		agent->failed = true;
		arm(agent->work, RETRY_MS);
	} else {
		if (agent->failed)
			fw_agent_log(agent, FW_LOG_INFO, "compile and apply work again");
		agent->failed = false;
		agent->problem[0] = '\0';
		log_change(agent, arrived_ns ? ms_between(arrived_ns, fw_agent_now()) : 0);
		if (arrived_ns) {
			agent->latency.total_ms = ms_between(arrived_ns, fw_agent_now());
			if (agent->latency.total_ms > agent->latency.max_total_ms)
				agent->latency.max_total_ms = agent->latency.total_ms;
		}
		if (fw_apply_pending(agent->apply)) {
			if (!agent->unfinished_ns)
				agent->unfinished_ns = fw_agent_now();
			arm(agent->finish, FINISH_MS);
		}
	}
	fw_agent_answer_waiters(agent);
}

static void finished(struct fw_agent *agent, int r, const struct fw_err *err)
{
	if (r < 0) {
		fw_agent_log(agent, FW_LOG_ERROR, "finishing a change: %s", err->text);
		arm(agent->finish, RETRY_MS);
		return;
	}
	agent->unfinished_ns = 0;
	if (!agent->failed) /* else the maps are not what the tables say */
		fw_agent_exact_settle(agent);
	if (agent->again) {
		agent->again = false;
		fw_agent_work(agent, 0);
	}
}

void fw_agent_finish(struct fw_agent *agent)
{
	struct fw_err err = {""};
	int r;

	/* changes that never pause: wait once in the loop rather than collect without end */
	if (agent->unfinished_ns && fw_agent_now() > agent->unfinished_ns + UNFINISHED_NS) {
		r = fw_apply_finish(agent->apply, &err);
		finished(agent, r, &err);
		return;
	}
	agent->graced_applies = agent->applies;
	r = fw_grace_begin(agent->grace);
	if (r == -EBUSY) {
		arm(agent->finish, FINISH_MS);
	} else if (r < 0) {
		(void)fw_err_errno(&err, r, "thread");
		finished(agent, r, &err);
	}
}

void fw_agent_graced(int result, void *context)
{
	struct fw_agent *agent = context;
	struct fw_err err = {""};
	int r = result;

	if (r < 0) {
		(void)fw_err_errno(&err, r, "grace period");
	} else if (agent->applies != agent->graced_applies) {
		arm(agent->finish, FINISH_MS); /* something was flipped while we waited */
		return;
	} else {
		r = fw_apply_finish_graced(agent->apply, &err);
	}
	finished(agent, r, &err);
}
