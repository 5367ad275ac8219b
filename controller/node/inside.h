/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this folder share. In: nothing. Out: the agent's parts. Never included from
 * outside of it.
 */
#ifndef FW_NODE_INSIDE_H
#define FW_NODE_INSIDE_H

#include <event2/event.h>
#include <time.h>
#include <uthash.h>

#include "node/agent.h"

#define FW_MS 1000000ull /* nanoseconds */

struct fw_agent_endpoint {
	uint64_t owner;
	struct fw_sandbox_info info;
	enum fw_hook_kind hook;
	bool unseen;	      /* just told by the plugin: its hook is asked for in a moment */
	uint64_t retry_ns;    /* no promotion and no re-attach before this */
	uint64_t restored_ns; /* when its hook was last put back, 0 never */
	bool outdated;	      /* its programs may be those of a daemon before this one */
	bool late;	      /* its hook came while it ran: fw_agent_seed() has work */
	uint32_t seeds;
	char trouble[256]; /* why it is not covered or not promoted, "" when all is well */
	UT_hash_handle hh;
};

struct fw_waiter {
	uint64_t ticket, owner, deadline_ns;
	fw_agent_added added;
	void *context;
	struct fw_waiter *next;
};

struct fw_kept_object; /* keep.c */
struct fw_missing_pod; /* running.c */

struct fw_agent {
	struct event_base *base; /* borrowed */
	struct fw_agent_options options;
	int run_lock, pin_lock;
	struct fw_datapath *datapath;
	struct fw_model *model;
	struct fw_compiler *compiler;
	struct fw_source *source;
	struct fw_apply *apply;
	struct fw_flows *flows;
	struct fw_tables *tables;	     /* of the last compile; NULL before */
	struct fw_agent_endpoint *endpoints; /* by owner */
	struct fw_waiter *waiters;
	struct fw_kept_object *kept; /* removed by the source, needed by a sandbox */
	struct fw_grace *grace;
	uint64_t applies,
		graced_applies; /* how often tables were applied; when the grace period began */
	uint64_t unfinished_ns; /* since when something waits for finish, 0: nothing does */
	struct event *work, *finish, *poll, *poll_on, *sweep, *check, *promote, *wake, *see;
	uint64_t tickets, sequence;
	struct fw_postnat *postnat; /* NULL where there is no nf_tables for us */
	struct event *heard, *exact_retry;
	struct mnl_socket *conntrack;	 /* for chosen.c */
	char exact_problem[FW_ERR_TEXT]; /* why the chain does not stand, "" when it does */
	bool late;			 /* some endpoint is */
	bool recalled, recall_failed;	 /* the file was read; not whole */
	uint64_t remembered;		 /* digest of what the file says */
	int remember_failed;
	bool started;			/* the source has delivered its first content */
	bool again;			/* apply once more after finish: something may fit then */
	bool failed;			/* the last compile or apply did */
	uint64_t compiled, applied;	/* revisions */
	struct timespec folder_mtime;	/* of the endpoint files */
	struct fw_missing_pod *missing; /* pods of this node without an endpoint */
	uint64_t missing_turn, missed_ns;
	pid_t looking;		    /* the plugin, at work on pods that run; 0 none */
	uint64_t looked_ns;	    /* when it was last begun */
	struct timespec conf_mtime; /* of the conflists */
	uint64_t check_after;	    /* owner: the check goes round in this order */
	uint64_t asked_ns;	    /* when the plugin last asked, 0 never */
	uint64_t promotion_turns;   /* how often it was time to promote a hook */
	uint64_t promoted_ns;	    /* when a hook was last promoted; at first, the start */
	uint64_t started_ns, programs_ns, changed_ns;
	struct fw_agent_latency latency;
	struct fw_apply_stats stats; /* of the last apply */
	char problem[FW_ERR_TEXT];   /* of compile or apply, "" when it works */
};

uint64_t fw_agent_now(void);  /* CLOCK_MONOTONIC */
uint64_t fw_agent_wall(void); /* CLOCK_REALTIME */
void fw_agent_log(struct fw_agent *agent, enum fw_log_level level, const char *format, ...)
	FW_PRINTF(3, 4);

/* local.c: tells the model of the addresses that this node holds; a failure is logged, the last
 * ones stay. */
void fw_agent_see_addresses(struct fw_agent *agent);
/* privilege.c: -EPERM with a text that names each capability that is missing. */
int fw_agent_check_privilege(struct fw_err *err);

/* lock.c: *ret_fd holds the lock until it is closed. -EBUSY with a text. */
int fw_agent_lock_run(const char *run_dir, int *ret_fd, struct fw_err *err);
int fw_agent_lock_pins(const char *pin_dir, int *ret_fd, struct fw_err *err);
/* The plugin's own lock of one endpoint. -EAGAIN while the plugin is at work on it. */
int fw_agent_lock_endpoint(const char *run_dir, uint64_t owner, int *ret_fd);

/*
 * grace.c: grace periods that the loop does not wait for (one takes about 12 ms). `done` runs in
 * the loop, after a grace period that began at or after fw_grace_begin(). One at a time: -EBUSY.
 */
struct fw_grace;
int fw_grace_new(struct event_base *base, struct fw_datapath *datapath,
		 void (*done)(int result, void *context), void *context,
		 struct fw_grace **ret_grace);
void fw_grace_free(struct fw_grace **grace);
int fw_grace_begin(struct fw_grace *grace);

/* pipeline.c */
int fw_agent_open_source(struct fw_agent *agent, struct fw_err *err);
/* Compiles when the model changed, applies, answers who waits. Failures are kept in agent->problem.
 */
void fw_agent_work(struct fw_agent *agent, uint64_t arrived_ns);
void fw_agent_finish(struct fw_agent *agent);	 /* begins the grace period */
void fw_agent_graced(int result, void *context); /* its end */

/* registry.c: endpoints, the model's sandboxes, and who waits for them */
struct fw_agent_endpoint *fw_agent_find(const struct fw_agent *agent, uint64_t owner);
int fw_agent_register(struct fw_agent *agent, const struct fw_sandbox_info *info,
		      struct fw_agent_endpoint **ret_endpoint, struct fw_err *err);
/* The last records of an owner's flows; its hook is detached, its row not released yet. */
void fw_agent_flush(struct fw_agent *agent, uint64_t owner);
void fw_agent_unregister(struct fw_agent *agent, struct fw_agent_endpoint *endpoint);
enum fw_endpoint_state fw_agent_state(const struct fw_agent *agent,
				      const struct fw_agent_endpoint *endpoint);
/* Why the endpoint is not active, or not covered; "" when all is well. */
void fw_agent_detail(const struct fw_agent *agent, const struct fw_agent_endpoint *endpoint,
		     char *text, size_t size);
const struct fw_pod *fw_agent_pod(const struct fw_agent *agent,
				  const struct fw_agent_endpoint *endpoint);
void fw_agent_answer_waiters(struct fw_agent *agent);

/* hooks.c */
/* True while the device that carries the hook is there. */
bool fw_agent_device_alive(const struct fw_sandbox_info *info);
/* Asks the kernel what is attached, and attaches what is missing. */
void fw_agent_cover(struct fw_agent *agent, struct fw_agent_endpoint *endpoint);
/* Those that the plugin has just told of: after its answer, for each question may wait for RTNL. */
void fw_agent_see_new(struct fw_agent *agent);
void fw_agent_refresh(struct fw_agent *agent, struct fw_agent_endpoint *endpoint);
void fw_agent_detach(struct fw_agent *agent, const struct fw_sandbox_info *info);
void fw_agent_check_some(struct fw_agent *agent); /* a share of the endpoints */
void fw_agent_promote_one(struct fw_agent *agent);

/*
 * exact.c: the chain after DNAT. Joined before tables are applied, settled after the grace period
 * that follows; open never fails for want of nf_tables: only services that need it do. -ENOMEM.
 */
#define FW_AGENT_EXACT_DENIED "services whose backends are judged differently are denied"
int fw_agent_exact_open(struct fw_agent *agent);
void fw_agent_exact_close(struct fw_agent *agent);
void fw_agent_exact_join(struct fw_agent *agent);
void fw_agent_exact_settle(struct fw_agent *agent);
/* Stores the switch, with the chain before or after it. */
int fw_agent_exact_enforcement(struct fw_agent *agent, enum fw_enforcement enforcement,
			       struct fw_err *err);

/* chosen.c: for fw_flows_set_chosen(), with the agent as context */
int fw_agent_chosen(const struct fw_choice_question *question, struct fw_choice *ret_choice,
		    void *context);

/* seed.c: connections of endpoints marked late, from conntrack into their flow tables. */
void fw_agent_seed(struct fw_agent *agent);

/*
 * keep.c: the source's removes go through here. What a sandbox of this node still needs stays in
 * the model until settle finds that nothing does: after each batch, and when a sandbox is gone.
 */
void fw_agent_keep_put(struct fw_agent *agent, const struct fw_object *object);
void fw_agent_keep_remove(struct fw_agent *agent, enum fw_kind kind, const char *namespace,
			  const char *name);
void fw_agent_keep_settle(struct fw_agent *agent);
/* One more to keep, whose object the caller puts (a Namespace has none). -ENOMEM. */
int fw_agent_keep_add(struct fw_agent *agent, enum fw_kind kind, const char *namespace,
		      const char *name);
bool fw_agent_keep_has(struct fw_agent *agent, enum fw_kind kind, const char *namespace,
		       const char *name);
void fw_agent_keep_nothing(struct fw_agent *agent); /* frees the list */

/* leaving.c: takes the object's place when it lacks backends that may have live connections, or
 * could not be read. */
void fw_agent_keep_leaving(struct fw_agent *agent, struct fw_object **object);

/* recall.c: once, when the sandboxes are known. */
void fw_agent_recall(struct fw_agent *agent);
/* Everything that the source has was told: what it did not tell of is needed, or goes. */
void fw_agent_judge_recalled(struct fw_agent *agent);
void fw_agent_remember(struct fw_agent *agent); /* writes when something changed */

/*
 * running.c: pods that started without our entry in the conflist. First: at the start, before their
 * files are adopted. Missing: how many have no endpoint for a while now, and some of their names.
 */
void fw_agent_look_first(struct fw_agent *agent);
void fw_agent_look_for_running(struct fw_agent *agent);
void fw_agent_miss_nothing(struct fw_agent *agent); /* frees the list */
size_t fw_agent_missing(struct fw_agent *agent, char *names, size_t size);

/* adopt.c: the plugin's files against what we know */
void fw_agent_adopt(struct fw_agent *agent, bool always);

#endif
