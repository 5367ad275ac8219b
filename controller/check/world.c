// SPDX-License-Identifier: Apache-2.0
/*
 * Questions to compiled tables. In: a model, a packet at one pod's interface. Out: verdict and
 * names. Never judges by itself: what decides is fw_tables_judge(), but for a pod's own address,
 * which the tables cannot know.
 */
#include "check/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fw/abi.h"

int fw_world_init(struct fw_world *world)
{
	*world = (struct fw_world){0};
	return fw_model_new(&world->model);
}

void fw_world_done(struct fw_world *world)
{
	fw_postnat_rows_done(&world->postnat);
	fw_tables_free(&world->tables);
	fw_model_free(&world->model);
}

int fw_world_compile(struct fw_world *world, struct fw_compiler *compiler, struct fw_err *err)
{
	struct fw_compiler *fresh = NULL;
	struct fw_postnat_rows postnat;
	struct fw_tables *tables = NULL;
	int r = 0;

	if (!compiler)
		r = fw_compiler_new(&fresh);
	if (r == 0)
		r = fw_compile(compiler ? compiler : fresh, world->model, &tables, err);
	fw_compiler_free(&fresh);
	if (r == 0)
		r = fw_postnat_rows_want(tables, false, &postnat);
	if (r < 0) {
		fw_tables_free(&tables);
		return r;
	}
	fw_tables_free(&world->tables);
	fw_postnat_rows_done(&world->postnat);
	world->tables = tables;
	world->postnat = postnat;
	return 0;
}

bool fw_world_end(const struct fw_world *world, const struct fw_pod *pod, uint8_t direction,
		  struct fw_end *ret_end)
{
	uint32_t subject;

	if (!pod)
		return false;
	subject = fw_tables_subject_of(world->tables, pod->object.namespace, pod->object.name);
	if (subject == UINT32_MAX)
		return false;
	*ret_end = (struct fw_end){.pod = pod, .subject = subject, .direction = direction};
	return true;
}

bool fw_end_is_self(const struct fw_end *end)
{
	for (size_t i = 0; i < end->pod->ip_count; i++)
		if (fw_ip_equal(&end->pod->ips[i], &end->remote))
			return true;
	return false;
}

/* chosen: the remote side is a backend behind a service. */
static void ask(const struct fw_world *world, const struct fw_end *end, bool chosen,
		struct fw_answer *ret_answer)
{
	const struct fw_question question = {.subject = end->subject,
					     .direction = end->direction,
					     .remote = end->remote,
					     .protocol = end->protocol,
					     .port = end->port,
					     .live = end->live,
					     .chosen = chosen};

	fw_tables_judge(world->tables, &question, ret_answer);
}

static void judge(const struct fw_world *world, const struct fw_end *end, bool chosen,
		  struct fw_said *ret_said)
{
	struct fw_answer answer;

	if (fw_end_is_self(end)) {
		*ret_said =
			(struct fw_said){FW_VERDICT_ALLOW, FW_SAID_BUILTIN | FW_DECIDED_DEFAULT};
		return;
	}
	ask(world, end, chosen, &answer);
	ret_said->verdict = answer.verdict;
	ret_said->decision =
		answer.decision == UINT32_MAX ? FW_SAID_BUILTIN | answer.builtin : answer.decision;
}

void fw_world_judge(const struct fw_world *world, const struct fw_end *end,
		    struct fw_said *ret_said)
{
	judge(world, end, false, ret_said);
}

/* The tables leave it to the chain. */
static bool differs(const struct fw_said *said)
{
	return said->decision == (FW_SAID_BUILTIN | FW_DECIDED_SERVICE_DIFFERS);
}

/* Edge case 35: the pod stands behind the service, and may reach no other of its backends. */
static bool is_own(const struct fw_world *world, const struct fw_end *end, uint32_t service)
{
	const struct fw_tables *t = world->tables;

	for (size_t i = 0; i < t->owns_count; i++) {
		const struct fw_pod_row *pod = &t->pods[t->owns[i].pod];

		if (t->owns[i].service == service &&
		    !strcmp(pod->namespace, end->pod->object.namespace) &&
		    !strcmp(pod->name, end->pod->object.name))
			return t->services[service].state == FW_SERVICE_RESOLVED || end->live;
	}
	return false;
}

/* As the programs: passed on to the chain where this knows every pod of the service. */
static bool is_left_to_chain(const struct fw_world *world, const struct fw_end *end,
			     const struct fw_said *said)
{
	struct fw_answer answer;

	ask(world, end, false, &answer);
	if (answer.service == UINT32_MAX || !world->tables->services[answer.service].exact)
		return false;
	return differs(said) ||
	       (said->verdict != FW_VERDICT_ALLOW && is_own(world, end, answer.service));
}

bool fw_world_chosen(const struct fw_world *world, const struct fw_end *end,
		     const struct fw_backend *backend, const struct fw_said *said,
		     struct fw_said *ret_said)
{
	const struct fw_postnat_connection connection = {.pod = end->local,
							 .service = end->remote,
							 .backend = backend->ip,
							 .service_port = end->port,
							 .backend_port = backend->port,
							 .protocol = end->protocol};
	enum fw_postnat_verdict chain = fw_postnat_rows_judge(&world->postnat, &connection);
	bool left = is_left_to_chain(world, end, said);
	struct fw_end behind = *end;
	struct fw_said own;

	if (!left && (said->verdict != FW_VERDICT_ALLOW || chain != FW_POSTNAT_DROP))
		return false;
	*ret_said = *said;
	ret_said->verdict = chain == FW_POSTNAT_DROP ? FW_VERDICT_DENY : FW_VERDICT_ALLOW;
	behind.remote = backend->ip;
	behind.port = backend->port;
	judge(world, &behind, true, &own);
	if (chain != FW_POSTNAT_NOT_ASKED && own.verdict == ret_said->verdict)
		*ret_said = own;
	return true;
}

const struct fw_decision_row *fw_world_row(const struct fw_world *world, const struct fw_said *said)
{
	if (said->decision & FW_SAID_BUILTIN)
		return NULL;
	return &world->tables->decisions[said->decision];
}

/* As records and `fwctl flows` print it. */
static void rule_text(const struct fw_rule_name *rule, char *text, size_t size)
{
	const char *space = rule->namespace ? rule->namespace : "";
	const char *slash = *space ? "/" : "";

	if (!rule->kind || !*rule->kind)
		(void)snprintf(text, size, "%s",
			       rule->layer && strcmp(rule->layer, "default") != 0
				       ? rule->layer
				       : "no rule matched");
	else if (rule->isolated_by)
		(void)snprintf(text, size, "isolated(%u) %s %s%s%s", rule->isolated_by, rule->kind,
			       space, slash, rule->name);
	else if (rule->rule >= 0)
		(void)snprintf(text, size, "%s %s%s%s[%d]", rule->kind, space, slash, rule->name,
			       rule->rule);
	else
		(void)snprintf(text, size, "%s %s%s%s", rule->kind, space, slash, rule->name);
}

static const char *builtin_text(uint32_t builtin)
{
	switch (builtin) {
	case FW_DECIDED_DEFAULT:
		return "no rule matched";
	case FW_DECIDED_SERVICE_PORT:
		return "no such service port";
	case FW_DECIDED_SERVICE_EMPTY:
		return "service has no backend";
	case FW_DECIDED_SERVICE_DIFFERS:
		return "backends are judged differently";
	case FW_DECIDED_SERVICE_WIDE:
		return "too many kinds of backends";
	default:
		return "no rule";
	}
}

void fw_world_name(const struct fw_world *world, const struct fw_said *said,
		   struct fw_decision_name *ret_name)
{
	const struct fw_decision_row *row = fw_world_row(world, said);

	*ret_name = (struct fw_decision_name){.verdict = said->verdict, .pending = said->verdict};
	if (row) {
		ret_name->pending = row->pending;
		rule_text(&row->rule, ret_name->rule, sizeof(ret_name->rule));
		rule_text(&row->pending_rule, ret_name->pending_rule,
			  sizeof(ret_name->pending_rule));
		return;
	}
	(void)snprintf(ret_name->rule, sizeof(ret_name->rule), "%s",
		       builtin_text(said->decision & ~FW_SAID_BUILTIN));
	(void)snprintf(ret_name->pending_rule, sizeof(ret_name->pending_rule), "%s",
		       ret_name->rule);
}
