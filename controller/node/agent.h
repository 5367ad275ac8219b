/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The node agent: owns the model, the source, the compiler, apply, the flow records, and the
 * endpoints of this node. In: options, and what the plugin asks for over the socket. Out: a
 * datapath that says what the objects say. Runs on one event loop. Ending it leaves everything
 * pinned and enforcing.
 */
#ifndef FW_NODE_AGENT_H
#define FW_NODE_AGENT_H

#include "api/source.h"
#include "apply/apply.h"
#include "compile/compile.h"
#include "flow/flow.h"
#include "kube/kube.h"
#include "loader/attach.h"
#include "node/sandbox.h"

struct event_base;

enum fw_log_level { FW_LOG_ERROR, FW_LOG_WARNING, FW_LOG_INFO, FW_LOG_DEBUG };

#define FW_POD_CIDRS_MAX 64
#define FW_EXEMPT_MAX	 256 /* as the plugin's */

struct fw_agent_options {
	const char *objects;	     /* folder; NULL: the API server */
	struct fw_kube_options kube; /* without objects; node_name is the agent's */
	const char *pin_dir, *run_dir, *state_dir, *node_name;
	const char *cni_conf_dir, *cni_cache_dir;
	const char *exempt[FW_EXEMPT_MAX]; /* namespaces whose pods are not missed */
	size_t exempt_count;
	struct fw_prefix pod_cidrs[FW_POD_CIDRS_MAX];
	size_t pod_cidr_count;
	int enforcement; /* enum fw_enforcement; -1: as the map says */
	struct fw_sizes sizes;
	size_t history;
	bool no_promote;
	bool agreeing_only; /* no chain after DNAT: services whose backends differ are denied */
	bool shared_table;  /* do not own the chain's table, as before Linux 6.9 */
	void (*log)(enum fw_log_level level, const char *text, void *context);
	void *log_context;
};

/* One pod interface. Strings and numbers in `info` are fixed once it is known. */
struct fw_agent_endpoint;

struct fw_agent_view {
	const struct fw_sandbox_info *info;
	uint64_t owner;
	enum fw_hook_kind hook;
	enum fw_endpoint_state state;
	bool gone; /* the row is not this owner's any more */
	bool covered;
	bool isolated[2];
	const char *subject;
	uint32_t epoch, region, flows;
	char detail[256];
};

struct fw_agent_latency {
	double compile_ms, apply_ms, total_ms, max_total_ms;
};

struct fw_agent_counts {
	size_t total, active, isolated, locked, uncovered;
	size_t hooks[4]; /* by enum fw_hook_kind */
	size_t in_sandbox;
	uint64_t
		promotion_turns; /* how often it was time to promote one, whether or not it could */
};

/* The chain after DNAT. */
struct fw_agent_chain {
	bool needed; /* some pod here may reach some backends of a service only */
	bool stands;
	bool owned;  /* nobody else can change it while this process lives */
	size_t rows; /* elements of its sets */
};

struct fw_agent;

/*
 * Makes or adopts the datapath, reads the folder, adopts the pods of this node, compiles and
 * applies: when it returns, the policy of the folder is in force. An API server is asked from the
 * loop: until it has told everything once, what the maps hold stays in force, and new pods stay
 * isolated. -EBUSY with a text when another
 * podwalld has this pin directory or run directory.
 */
int fw_agent_new(struct event_base *base, const struct fw_agent_options *options,
		 struct fw_agent **ret_agent, struct fw_err *err);
void fw_agent_free(struct fw_agent **agent);
/*
 * Takes Podwall off the node instead (remove.c): hooks, pins, files. The pods go on, open;
 * *ret_pods: how many. -EBUSY with a text while a podwalld runs or the plugin is at work. 0 also
 * when there was nothing.
 */
int fw_agent_remove(const struct fw_agent_options *options, size_t *ret_pods, struct fw_err *err);
/* Reads the endpoint files and checks every hook now (SIGHUP). */
void fw_agent_rescan(struct fw_agent *agent);

/* Called once, at once or later, with the state that the endpoint then has. */
typedef void (*fw_agent_added)(enum fw_endpoint_state state, const char *detail, void *context);
/*
 * A pod interface that the plugin has put behind the wall. -EINVAL with a text when the row is not
 * this owner's. *ret_ticket is for fw_agent_forget_waiter(); 0 when `added` was called already.
 */
int fw_agent_add(struct fw_agent *agent, const struct fw_sandbox_info *info, unsigned int wait_ms,
		 fw_agent_added added, void *context, uint64_t *ret_ticket, struct fw_err *err);
void fw_agent_forget_waiter(struct fw_agent *agent, uint64_t ticket);
/* 0 also when it is not known. */
int fw_agent_del(struct fw_agent *agent, const char *container_id, const char *ifname,
		 struct fw_err *err);
int fw_agent_set_enforcement(struct fw_agent *agent, enum fw_enforcement enforcement,
			     struct fw_err *err);

typedef void (*fw_agent_visit)(const struct fw_agent_view *view, void *context);
void fw_agent_walk(struct fw_agent *agent, fw_agent_visit visit, void *context);
void fw_agent_count(struct fw_agent *agent, struct fw_agent_counts *ret_counts);
/* Each line that says what is wrong now, for status. */
typedef void (*fw_agent_problem)(const char *text, void *context);
void fw_agent_problems(struct fw_agent *agent, fw_agent_problem problem, void *context);

/* What it owns, borrowed, to be read. */
const struct fw_model *fw_agent_model(const struct fw_agent *agent);
const struct fw_source *fw_agent_source(const struct fw_agent *agent);
const struct fw_tables *fw_agent_tables(const struct fw_agent *agent);
const struct fw_apply *fw_agent_apply(const struct fw_agent *agent);
const struct fw_flows *fw_agent_flows(const struct fw_agent *agent);
struct fw_datapath *fw_agent_datapath(const struct fw_agent *agent);
const struct fw_agent_options *fw_agent_opts(const struct fw_agent *agent);
struct fw_agent_chain fw_agent_chain(const struct fw_agent *agent);
struct fw_agent_latency fw_agent_latency(const struct fw_agent *agent);
uint64_t fw_agent_applied(const struct fw_agent *agent);    /* revision that the maps hold */
uint64_t fw_agent_started_ns(const struct fw_agent *agent); /* CLOCK_REALTIME */
uint64_t
fw_agent_programs_ns(const struct fw_agent *agent); /* when the programs in force were loaded */
uint64_t fw_agent_changed_ns(const struct fw_agent *agent); /* last change from the source */
uint32_t fw_agent_fill(const struct fw_agent *agent, enum fw_map map);

#endif
