// SPDX-License-Identifier: Apache-2.0
/*
 * The chain after DNAT in step with the maps. In: tables about to be applied, the end of a grace
 * period, notifications of nf_tables. Out: the chain says what the tables say, and the node's word
 * says whether it stands. The word is taken back before anything else is done about a chain that
 * is lost: until it stands again, services whose backends are judged differently are denied.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "node/inside.h"
#include "postnat/postnat.h"

#define RETRY_MS 1000

static bool is_audit(const struct fw_agent *agent)
{
	return fw_datapath_node(agent->datapath)->enforcement == FW_AUDIT;
}

static void arm_retry(struct fw_agent *agent)
{
	const struct timeval wait = {RETRY_MS / 1000, 0};

	(void)event_add(agent->exact_retry, &wait);
}

static void say(struct fw_agent *agent, const char *text)
{
	if (!strcmp(agent->exact_problem, text))
		return;
	(void)snprintf(agent->exact_problem, sizeof(agent->exact_problem), "%s", text);
	if (text[0] && agent->tables && agent->tables->choices_count)
		fw_agent_log(agent, FW_LOG_WARNING, "%s: %s", FW_AGENT_EXACT_DENIED, text);
}

/* The word, and a second bump after a grace period when it changed. */
static void set_word(struct fw_agent *agent, bool stands)
{
	if ((fw_datapath_node(agent->datapath)->postnat_ok != 0) == stands)
		return;
	fw_apply_set_postnat(agent->apply, stands);
	agent->applies++; /* a grace period under way is not this change's */
	event_active(agent->finish, EV_TIMEOUT, 0);
}

static void restore(struct fw_agent *agent)
{
	struct fw_err err = {""};
	uint64_t begin = fw_agent_now();

	if (fw_postnat_restore(agent->postnat, &err) < 0) {
		say(agent, err.text);
		arm_retry(agent);
		return;
	}
	say(agent, "");
	set_word(agent, true);
	fw_agent_log(agent, FW_LOG_WARNING, "the chain after DNAT stands again, made in %.3f ms",
		     (double)(fw_agent_now() - begin) / 1e6);
}

static void on_heard(evutil_socket_t fd, short what, void *context)
{
	struct fw_agent *agent = context;

	(void)fd;
	(void)what;
	if (!fw_postnat_listen(agent->postnat))
		return;
	set_word(agent, false);
	fw_agent_log(agent, FW_LOG_WARNING,
		     "somebody changed nftables under the chain after DNAT: it is made again");
	restore(agent);
}

static void on_retry(evutil_socket_t fd, short what, void *context)
{
	struct fw_agent *agent = context;

	(void)fd;
	(void)what;
	if (agent->postnat && !fw_postnat_stands(agent->postnat) &&
	    fw_postnat_count(agent->postnat))
		restore(agent);
	else
		fw_agent_work(agent, 0);
}

static int open_chain(struct fw_agent *agent, struct fw_err *err)
{
	int r = fw_postnat_new(!agent->options.shared_table, &agent->postnat, err);

	if (r < 0)
		return r;
	agent->heard = event_new(agent->base, fw_postnat_fd(agent->postnat), EV_READ | EV_PERSIST,
				 on_heard, agent);
	if (agent->heard && event_add(agent->heard, NULL) == 0)
		return 0;
	fw_agent_exact_close(agent);
	return fw_err_errno(err, -ENOMEM, "the chain after DNAT");
}

static void uninstall(struct fw_agent *agent)
{
	struct fw_err err = {""};

	if (fw_postnat_uninstall(&err) < 0)
		fw_agent_log(agent, FW_LOG_WARNING, "the nftables table podwall stays: %s",
			     err.text);
}

int fw_agent_exact_open(struct fw_agent *agent)
{
	struct fw_err err = {""};

	agent->exact_retry = event_new(agent->base, -1, 0, on_retry, agent);
	if (!agent->exact_retry)
		return -ENOMEM;
	if (agent->options.agreeing_only)
		say(agent, "the chain after DNAT is switched off");
	else if (open_chain(agent, &err) < 0)
		say(agent, err.text);
	/* that of the daemon before this one goes on, unless it is gone */
	if (!agent->postnat || !fw_postnat_stands(agent->postnat))
		set_word(agent, false);
	/* and one that nobody keeps in step would deny what policy allows */
	if (agent->options.agreeing_only)
		uninstall(agent);
	return 0;
}

void fw_agent_exact_close(struct fw_agent *agent)
{
	if (agent->heard)
		event_free(agent->heard);
	agent->heard = NULL;
	fw_postnat_free(&agent->postnat);
}

static int join(struct fw_agent *agent, bool audit, struct fw_err *err)
{
	if (agent->options.agreeing_only)
		return fw_err_set(err, -EOPNOTSUPP, "%s", agent->exact_problem);
	if (!agent->postnat && open_chain(agent, err) < 0)
		return -EOPNOTSUPP;
	return fw_postnat_join(agent->postnat, agent->tables, audit, err);
}

static void join_as(struct fw_agent *agent, bool audit)
{
	bool needed = agent->tables->choices_count, stands;
	struct fw_err err = {""};
	int r = 0;

	if (needed || agent->postnat)
		r = join(agent, audit, &err);
	say(agent, err.text);
	if (r < 0 && needed && !agent->options.agreeing_only)
		arm_retry(agent);
	stands = r == 0 && agent->postnat && fw_postnat_stands(agent->postnat);
	set_word(agent, stands);
	fw_apply_set_exact(agent->apply, stands && needed);
}

void fw_agent_exact_join(struct fw_agent *agent)
{
	join_as(agent, is_audit(agent));
}

void fw_agent_exact_settle(struct fw_agent *agent)
{
	struct fw_err err = {""};

	if (!agent->postnat || !agent->tables || !fw_postnat_unsettled(agent->postnat))
		return;
	if (fw_postnat_settle(agent->postnat, agent->tables, is_audit(agent), &err) < 0) {
		say(agent, err.text);
		arm_retry(agent);
	}
	set_word(agent, fw_postnat_stands(agent->postnat));
}

/* What the podwalld before this one left says what the other switch does, and no tables yet. */
static void forget(struct fw_agent *agent)
{
	set_word(agent, false);
	fw_agent_exact_close(agent);
	uninstall(agent);
}

int fw_agent_exact_enforcement(struct fw_agent *agent, enum fw_enforcement enforcement,
			       struct fw_err *err)
{
	int r;

	if (!agent->tables && is_audit(agent) != (enforcement == FW_AUDIT))
		forget(agent);
	/* the chain denies before the maps do; it lets pass after them */
	if (enforcement == FW_ENFORCE && agent->tables)
		join_as(agent, false);
	r = fw_apply_set_enforcement(agent->apply, enforcement, err);
	if (r == 0 && enforcement == FW_AUDIT && agent->tables)
		join_as(agent, true);
	return r;
}

struct fw_agent_chain fw_agent_chain(const struct fw_agent *agent)
{
	struct fw_agent_chain chain = {.needed = agent->tables && agent->tables->choices_count};

	if (!agent->postnat)
		return chain;
	chain.stands = fw_postnat_stands(agent->postnat);
	chain.owned = fw_postnat_owned(agent->postnat);
	chain.rows = fw_postnat_count(agent->postnat);
	return chain;
}
