// SPDX-License-Identifier: Apache-2.0
/*
 * The datapath's counters as a part of status. In: the agent. Out: one row for each reason that a
 * packet has met since the maps were made; packets that hit a flow are in the flow's own record.
 */
#include "ctl/inside.h"
#include "fw/reasons.h"

struct reason {
	const char *name;
	const char *text;
	bool drops;
};

/* Numbers of a direction: a cell of a row. */
static void add_counter(cJSON *row, const char *direction, const struct fw_counter *counter,
			bool *failed)
{
	cJSON *object = fw_add_object(row, direction, failed);

	fw_add_number(object, "packets", (double)counter->packets, failed);
	fw_add_number(object, "bytes", (double)counter->bytes, failed);
}

void fw_add_counters(cJSON *answer, struct fw_agent *agent, bool *failed)
{
	static const struct reason reasons[] = {
#define ROW(symbol, name, drops, text) [FW_REASON_##symbol] = {name, text, drops},
		FW_REASONS(ROW)
#undef ROW
	};
	struct fw_counter counters[FW_REASON_COUNT][2];
	struct fw_err err = {0};
	cJSON *list = fw_add_list(answer, "reasons", failed), *row;

	if (fw_datapath_counters(fw_agent_datapath(agent), counters, &err) < 0) {
		fw_add_text(answer, "reasonsError", err.text, failed);
		return;
	}
	for (int i = 0; i < FW_REASON_COUNT && !*failed; i++) {
		if (!counters[i][FW_INGRESS].packets && !counters[i][FW_EGRESS].packets)
			continue;
		row = fw_add_item(list, failed);
		fw_add_text(row, "reason", reasons[i].name, failed);
		fw_add_text(row, "text", reasons[i].text, failed);
		fw_add_bool(row, "drops", reasons[i].drops, failed);
		add_counter(row, "in", &counters[i][FW_INGRESS], failed);
		add_counter(row, "out", &counters[i][FW_EGRESS], failed);
	}
}
