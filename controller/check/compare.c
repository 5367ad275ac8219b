// SPDX-License-Identifier: Apache-2.0
/*
 * One question to compiled tables and to the programs. In: a packet at a pod. Out: equal, or both
 * answers as text.
 */
#include "check/compare.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMO_SIZE 4096u

struct pair {
	uint32_t tables, kernel;
	bool used;
};

struct fw_compare {
	struct fw_kernel *kernel;
	const struct fw_world *world;
	struct pair memo[MEMO_SIZE]; /* equal names; a clash only costs time */
};

int fw_compare_new(struct fw_kernel *kernel, const struct fw_world *world,
		   struct fw_compare **ret_compare)
{
	struct fw_compare *compare = calloc(1, sizeof(*compare));

	if (!compare)
		return -ENOMEM;
	compare->kernel = kernel;
	compare->world = world;
	*ret_compare = compare;
	return 0;
}

void fw_compare_free(struct fw_compare **compare)
{
	free(*compare);
	*compare = NULL;
}

const struct fw_world *fw_compare_world(const struct fw_compare *compare)
{
	return compare->world;
}

static bool names_equal(const struct fw_decision_name *a, const struct fw_decision_name *b)
{
	return a->verdict == b->verdict && a->pending == b->pending &&
	       strcmp(a->rule, b->rule) == 0 && strcmp(a->pending_rule, b->pending_rule) == 0;
}

static const char *verdict_text(enum fw_verdict verdict)
{
	return verdict == FW_VERDICT_ALLOW ? "Allow" : "Deny";
}

static void describe(const struct fw_end *end, const struct fw_decision_name *tables,
		     const struct fw_decision_name *kernel, const char *error, char *ret_text)
{
	char remote[FW_IP_TEXT], local[FW_IP_TEXT], kernel_text[400];

	if (error)
		(void)snprintf(kernel_text, sizeof(kernel_text), "%.300s", error);
	else
		(void)snprintf(kernel_text, sizeof(kernel_text), "%s by %s (pending %s by %s)",
			       verdict_text(kernel->verdict), kernel->rule,
			       verdict_text(kernel->pending), kernel->pending_rule);
	(void)snprintf(ret_text, FW_COMPARE_TEXT,
		       "%s %s/%s %s, peer %s, protocol %u port %u: tables %s by %s, kernel %s",
		       end->direction == FW_EGRESS ? "egress of" : "ingress of",
		       end->pod->object.namespace, end->pod->object.name,
		       fw_ip_format(&end->local, local), fw_ip_format(&end->remote, remote),
		       end->protocol, end->port, verdict_text(tables->verdict), tables->rule,
		       kernel_text);
}

int fw_compare_end(struct fw_compare *compare, const struct fw_end *end, char *ret_text)
{
	struct fw_decision_name tables_name, kernel_name = {0};
	struct fw_said tables, kernel;
	struct fw_err err = {0};
	struct pair *memo;
	int r;

	fw_world_judge(compare->world, end, &tables);
	r = fw_kernel_judge(compare->kernel, end, &kernel, &err);
	if (r < 0) {
		fw_world_name(compare->world, &tables, &tables_name);
		describe(end, &tables_name, &kernel_name, err.text, ret_text);
		return 0;
	}
	memo = &compare->memo[(tables.decision * 31 + kernel.decision) % MEMO_SIZE];
	if (tables.verdict == kernel.verdict && memo->used && memo->tables == tables.decision &&
	    memo->kernel == kernel.decision)
		return 1;
	fw_world_name(compare->world, &tables, &tables_name);
	fw_kernel_name(compare->kernel, &kernel, &kernel_name);
	if (tables.verdict == kernel.verdict && names_equal(&tables_name, &kernel_name)) {
		*memo = (struct pair){tables.decision, kernel.decision, true};
		return 1;
	}
	describe(end, &tables_name, &kernel_name, NULL, ret_text);
	return 0;
}

/*
 * What the tables say of a packet of which it is not known whether its flow stands: as a new one,
 * or (edge case 34) as a live one. They are two answers only where a service has leaving backends.
 * A SYN on a flow that stands is no new one, either: it may be sent again.
 */
static bool tables_say(const struct fw_world *world, const struct fw_end *end,
		       enum fw_verdict verdict, struct fw_said *ret_said)
{
	struct fw_end live = *end;
	struct fw_said said;

	fw_world_judge(world, end, ret_said);
	if ((ret_said->verdict == FW_VERDICT_ALLOW) == (verdict == FW_VERDICT_ALLOW))
		return true;
	live.live = true;
	fw_world_judge(world, &live, &said);
	return (said.verdict == FW_VERDICT_ALLOW) == (verdict == FW_VERDICT_ALLOW);
}

int fw_compare_live_end(struct fw_compare *compare, const struct fw_end *end, uint16_t source_port,
			bool opens, char *ret_text)
{
	struct fw_decision_name tables_name, kernel_name = {0};
	enum fw_verdict verdict = FW_VERDICT_DENY;
	struct fw_err err = {0};
	struct fw_said tables;
	int r;

	r = fw_kernel_judge_live(compare->kernel, end, source_port, opens, &verdict, &err);
	if (tables_say(compare->world, end, verdict, &tables) && r == 0)
		return 1;
	fw_world_name(compare->world, &tables, &tables_name);
	kernel_name.verdict = kernel_name.pending = verdict;
	describe(end, &tables_name, &kernel_name, r < 0 ? err.text : NULL, ret_text);
	return 0;
}
