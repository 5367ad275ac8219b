// SPDX-License-Identifier: Apache-2.0
/*
 * Which backend a pod's connection to a service has, for the flow records. In: a question about one
 * flow. Out: conntrack's choice, and what the tables in force say of it. Judges nothing itself: the
 * chain after DNAT has.
 */
#include <errno.h>

#include "node/conntrack.h"
#include "node/inside.h"
#include "postnat/postnat.h"

/* The subject of the pod whose endpoint row this is; UINT32_MAX for none. */
static uint32_t subject_at(const struct fw_agent *agent, uint32_t slot)
{
	struct fw_sandbox *const *sandboxes;
	size_t count = fw_model_list_sandboxes(agent->model, &sandboxes);

	for (size_t i = 0; i < count; i++) {
		const struct fw_pod *pod;

		if (sandboxes[i]->slot != slot)
			continue;
		pod = fw_model_pod_of_sandbox(agent->model, sandboxes[i]);
		return pod ? fw_tables_subject_of(agent->tables, pod->object.namespace,
						  pod->object.name)
			   : UINT32_MAX;
	}
	return UINT32_MAX;
}

static void judge(const struct fw_agent *agent, const struct fw_choice_question *question,
		  struct fw_choice *choice)
{
	struct fw_question asked = {.direction = FW_EGRESS,
				    .remote = choice->backend,
				    .protocol = question->protocol,
				    .port = choice->port,
				    .chosen = true};
	const struct fw_decision_row *row;
	struct fw_answer answer;

	if (fw_ip_equal(&choice->backend, &question->pod)) { /* edge case 35 */
		choice->itself = choice->allowed = true;
		return;
	}
	asked.subject = agent->tables ? subject_at(agent, question->slot) : UINT32_MAX;
	if (asked.subject == UINT32_MAX)
		return;
	fw_tables_judge(agent->tables, &asked, &answer);
	if (answer.decision == UINT32_MAX)
		return;
	row = &agent->tables->decisions[answer.decision];
	choice->decision = row;
	choice->allowed = row->verdict == FW_VERDICT_ALLOW;
}

/* A node in Audit lets it pass, unless the chain has a reason not to. */
static bool is_audited(const struct fw_agent *agent, const struct fw_choice_question *question,
		       const struct fw_choice *choice)
{
	const struct fw_postnat_connection connection = {.pod = question->pod,
							 .service = question->service,
							 .backend = choice->backend,
							 .service_port = question->port,
							 .backend_port = choice->port,
							 .protocol = question->protocol};

	if (fw_datapath_node(agent->datapath)->enforcement != FW_AUDIT || !agent->postnat)
		return false;
	return fw_postnat_judge(agent->postnat, &connection) != FW_POSTNAT_DROP;
}

int fw_agent_chosen(const struct fw_choice_question *question, struct fw_choice *ret_choice,
		    void *context)
{
	const struct fw_tuple original = {.source = question->pod,
					  .destination = question->service,
					  .source_port = question->pod_port,
					  .destination_port = question->port};
	struct fw_connection connection;
	struct fw_agent *agent = context;
	int r = agent->conntrack ? 0 : fw_conntrack_open(&agent->conntrack);

	if (r == 0)
		r = fw_conntrack_find(agent->conntrack, question->protocol, &original, &connection);
	if (r < 0 && r != -ENOENT) /* answers may be left in the socket: another one next time */
		fw_conntrack_close(&agent->conntrack);
	/* an entry that translates nothing is of a packet that the chain drops */
	if (r == 0 && fw_ip_equal(&connection.reply.source, &question->service))
		r = -ENOENT;
	if (r < 0 && r != -ENOENT)
		return r;
	*ret_choice = (struct fw_choice){.port = 0};
	if (r == 0) {
		ret_choice->backend = connection.reply.source;
		ret_choice->port = connection.reply.source_port;
		judge(agent, question, ret_choice);
	}
	ret_choice->audited = !ret_choice->allowed && is_audited(agent, question, ret_choice);
	return r;
}
