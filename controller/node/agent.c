// SPDX-License-Identifier: Apache-2.0
/*
 * The agent's life: parts made in the order in which data flows, timers, and an end that detaches
 * nothing. In: options. Out: a running agent. Only composes.
 */
#include "node/agent.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "node/conntrack.h"
#include "node/inside.h"

#define POLL_MS	   20
#define SWEEP_MS   1000
#define CHECK_MS   100 /* a tenth of the endpoints each */
#define PROMOTE_MS 200 /* attaching a link holds RTNL for a grace period */

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now = {0};

	(void)clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t fw_agent_now(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t fw_agent_wall(void)
{
	return clock_ns(CLOCK_REALTIME);
}

void fw_agent_log(struct fw_agent *agent, enum fw_log_level level, const char *format, ...)
{
	char text[1024];
	va_list args;

	if (!agent->options.log)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	agent->options.log(level, text, agent->options.log_context);
}

static void on_work(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	fw_agent_work(context, 0);
}

static void on_finish(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	fw_agent_finish(context);
}

static void on_wake(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	fw_agent_answer_waiters(context);
}

static void on_see(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	fw_agent_see_new(context);
}

static void on_poll(evutil_socket_t fd, short what, void *context)
{
	struct fw_agent *agent = context;

	(void)fd;
	(void)what;
	(void)fw_flows_poll(agent->flows);
	/* a pod that floods with flows takes no turn from policy: a timer, so that sockets and
	 * inotify are looked at in between */
	if (fw_flows_behind(agent->flows))
		(void)event_add(agent->poll_on, &(struct timeval){0, 0});
}

static void on_sweep(evutil_socket_t fd, short what, void *context)
{
	struct fw_agent *agent = context;
	struct fw_err err = {""};

	(void)fd;
	(void)what;
	if (fw_flows_sweep(agent->flows, &err) < 0)
		fw_agent_log(agent, FW_LOG_WARNING, "sweep: %s", err.text);
	if (!fw_flows_behind(agent->flows) && fw_apply_tidy(agent->apply, &err) < 0)
		fw_agent_log(agent, FW_LOG_WARNING, "names of decisions: %s", err.text);
	fw_agent_look_for_running(agent);
	fw_agent_adopt(agent, false);
	fw_agent_remember(agent);
}

static void on_check(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	fw_agent_see_addresses(context);
	fw_agent_check_some(context);
}

static void on_promote(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	fw_agent_promote_one(context);
}

static int add_timer(struct fw_agent *agent, event_callback_fn callback, unsigned int ms,
		     struct event **ret_event)
{
	const struct timeval every = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};

	*ret_event = event_new(agent->base, -1, ms ? EV_PERSIST : 0, callback, agent);
	if (!*ret_event)
		return -ENOMEM;
	return ms && event_add(*ret_event, &every) < 0 ? -ENOMEM : 0;
}

/* One-shot timers first: the parts may ask for them while they are made. */
static int make_timers(struct fw_agent *agent)
{
	int r = add_timer(agent, on_work, 0, &agent->work);

	if (r == 0)
		r = add_timer(agent, on_finish, 0, &agent->finish);
	if (r == 0)
		r = add_timer(agent, on_wake, 0, &agent->wake);
	if (r == 0)
		r = add_timer(agent, on_poll, 0, &agent->poll_on);
	if (r == 0)
		r = add_timer(agent, on_see, 0, &agent->see);
	return r;
}

static int start_timers(struct fw_agent *agent)
{
	int r = add_timer(agent, on_poll, POLL_MS, &agent->poll);

	if (r == 0)
		r = add_timer(agent, on_sweep, SWEEP_MS, &agent->sweep);
	if (r == 0)
		r = add_timer(agent, on_check, CHECK_MS, &agent->check);
	if (r == 0)
		r = add_timer(agent, on_promote, PROMOTE_MS, &agent->promote);
	return r;
}

/* A mistyped folder leaves nothing behind: it is found before anything is made. */
static int check_folder(const char *folder, struct fw_err *err)
{
	struct stat info;

	if (stat(folder, &info) < 0)
		return fw_err_errno(err, -errno, "folder %s", folder);
	if (!S_ISDIR(info.st_mode))
		return fw_err_errno(err, -ENOTDIR, "folder %s", folder);
	return 0;
}

static int make_datapath(struct fw_agent *agent, struct fw_err *err)
{
	int r = fw_agent_lock_run(agent->options.run_dir, &agent->run_lock, err);

	if (r == 0)
		r = fw_datapath_make(agent->options.pin_dir, &agent->options.sizes,
				     &agent->datapath, err);
	if (r == 0)
		r = fw_agent_lock_pins(agent->options.pin_dir, &agent->pin_lock, err);
	if (r == 0)
		r = fw_datapath_load_programs(agent->datapath, err);
	if (r == 0)
		agent->programs_ns = fw_agent_wall();
	return r;
}

static int make_model(struct fw_agent *agent, struct fw_err *err)
{
	int r = fw_model_new(&agent->model);

	if (r == 0)
		r = fw_model_set_node_name(agent->model, agent->options.node_name);
	if (r == 0)
		r = fw_model_set_pod_ranges(agent->model, agent->options.pod_cidrs,
					    agent->options.pod_cidr_count);
	if (r == 0)
		r = fw_compiler_new(&agent->compiler);
	if (r == 0)
		fw_agent_see_addresses(agent);
	return r < 0 ? fw_err_errno(err, r, "model") : 0;
}

static int make_parts(struct fw_agent *agent, struct fw_err *err)
{
	struct fw_agent_endpoint *endpoint, *next;
	int r = make_timers(agent);

	if (r < 0)
		return fw_err_errno(err, r, "timers");
	r = make_datapath(agent, err);
	if (r == 0)
		r = make_model(agent, err);
	if (r == 0)
		r = fw_apply_new(agent->datapath, agent->options.state_dir, &agent->apply, err);
	if (r == 0)
		r = fw_flows_new(agent->datapath, agent->model, agent->apply,
				 agent->options.history, &agent->flows, err);
	if (r == 0 && (r = fw_grace_new(agent->base, agent->datapath, fw_agent_graced, agent,
					&agent->grace)) < 0)
		(void)fw_err_errno(err, r, "grace periods");
	if (r == 0)
		fw_flows_set_chosen(agent->flows, fw_agent_chosen, agent);
	if (r == 0 && (r = fw_agent_exact_open(agent)) < 0)
		(void)fw_err_errno(err, r, "the chain after DNAT");
	if (r == 0 && agent->options.enforcement >= 0)
		r = fw_agent_exact_enforcement(
			agent, (enum fw_enforcement)agent->options.enforcement, err);
	if (r == 0)
		r = fw_agent_open_source(agent, err);
	if (r < 0)
		return r;
	fw_agent_look_first(agent);
	fw_agent_adopt(agent, true);
	fw_agent_recall(agent);
	fw_agent_work(agent, 0);
	agent->started = true;
	HASH_ITER(hh, agent->endpoints, endpoint, next)
		fw_agent_refresh(agent, endpoint);
	r = start_timers(agent);
	return r < 0 ? fw_err_errno(err, r, "timers") : 0;
}

int fw_agent_new(struct event_base *base, const struct fw_agent_options *options,
		 struct fw_agent **ret_agent, struct fw_err *err)
{
	_cleanup_(fw_agent_free) struct fw_agent *agent = calloc(1, sizeof(*agent));
	int r;

	if (!agent)
		return fw_err_errno(err, -ENOMEM, "agent");
	agent->base = base;
	agent->options = *options;
	agent->run_lock = agent->pin_lock = -1;
	agent->started_ns = fw_agent_wall();
	agent->promoted_ns = fw_agent_now();
	r = options->objects ? check_folder(options->objects, err) : 0;
	if (r == 0)
		r = fw_agent_check_privilege(err);
	if (r == 0)
		r = make_parts(agent, err);
	if (r < 0)
		return r;
	*ret_agent = TAKE_PTR(agent);
	return 0;
}

static void free_event(struct event *event)
{
	if (event)
		event_free(event);
}

void fw_agent_free(struct fw_agent **agent_at)
{
	struct fw_agent *agent = *agent_at;
	struct fw_agent_endpoint *endpoint, *next;

	if (!agent)
		return;
	if (agent->started)
		fw_agent_remember(agent);
	fw_grace_free(&agent->grace);
	fw_source_free(&agent->source);
	while (agent->waiters)
		fw_agent_forget_waiter(agent, agent->waiters->ticket);
	HASH_ITER(hh, agent->endpoints, endpoint, next) {
		HASH_DEL(agent->endpoints, endpoint);
		free(endpoint);
	}
	fw_agent_keep_nothing(agent);
	fw_agent_miss_nothing(agent);
	fw_agent_exact_close(agent);
	fw_conntrack_close(&agent->conntrack);
	fw_flows_free(&agent->flows);
	fw_apply_free(&agent->apply);
	fw_tables_free(&agent->tables);
	fw_compiler_free(&agent->compiler);
	fw_model_free(&agent->model);
	fw_datapath_close(&agent->datapath);
	free_event(agent->work);
	free_event(agent->finish);
	free_event(agent->poll);
	free_event(agent->poll_on);
	free_event(agent->sweep);
	free_event(agent->check);
	free_event(agent->promote);
	free_event(agent->wake);
	free_event(agent->see);
	free_event(agent->exact_retry);
	fw_close_fd(&agent->run_lock);
	fw_close_fd(&agent->pin_lock);
	free(agent);
	*agent_at = NULL;
}

void fw_agent_rescan(struct fw_agent *agent)
{
	struct fw_agent_endpoint *endpoint, *next;

	fw_agent_adopt(agent, true);
	HASH_ITER(hh, agent->endpoints, endpoint, next)
		fw_agent_cover(agent, endpoint);
	fw_agent_seed(agent);
	fw_agent_work(agent, 0);
}

int fw_agent_set_enforcement(struct fw_agent *agent, enum fw_enforcement enforcement,
			     struct fw_err *err)
{
	int r = fw_agent_exact_enforcement(agent, enforcement, err);

	if (r == 0)
		fw_agent_log(agent, FW_LOG_WARNING, "enforcement of this node is now %s",
			     enforcement == FW_AUDIT ? "Audit" : "Enforce");
	if (r == 0) {
		agent->applies++; /* a grace period under way is not this change's */
		event_active(agent->finish, EV_TIMEOUT, 0);
	}
	return r;
}
