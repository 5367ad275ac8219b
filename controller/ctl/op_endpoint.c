// SPDX-License-Identifier: Apache-2.0
/*
 * endpoint_add and endpoint_del: what the plugin asks. In: one pod interface. Out: the state that
 * it has, when it is programmed or its time is over; a list of all of them (endpoints).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "ctl/inside.h"

static const char *state_name(enum fw_endpoint_state state)
{
	static const char *const names[] = {[FW_EP_FREE] = "gone",
					    [FW_EP_CLAIMED] = "claimed",
					    [FW_EP_ISOLATED] = "isolated",
					    [FW_EP_ACTIVE] = "active",
					    [FW_EP_LOCKED] = "locked"};

	return state <= FW_EP_LOCKED ? names[state] : "claimed";
}

static void on_added(enum fw_endpoint_state state, const char *detail, void *context)
{
	struct fw_client *client = context;
	cJSON *answer = fw_answer_new();
	bool failed = !answer;

	client->ticket = 0;
	if (state != FW_EP_ACTIVE && state != FW_EP_LOCKED)
		state = FW_EP_ISOLATED; /* denies everything, as an isolated one does */
	fw_add_text(answer, "state", state_name(state), &failed);
	fw_add_text(answer, "detail", detail, &failed);
	if (failed) {
		cJSON_Delete(answer);
		answer = NULL;
	}
	fw_client_answer(client, answer);
}

void fw_op_endpoint_add(struct fw_client *client, const struct fw_request *request)
{
	struct fw_err err = {""};

	if (fw_agent_add(client->ctl->agent, &request->info, request->wait_ms, on_added, client,
			 &client->ticket, &err) < 0)
		fw_client_refuse(client, err.text);
}

void fw_op_endpoint_del(struct fw_client *client, const struct fw_request *request)
{
	struct fw_err err = {""};

	if (fw_agent_del(client->ctl->agent, request->info.container_id, request->info.ifname,
			 &err) < 0)
		fw_client_refuse(client, err.text);
	else
		fw_client_answer(client, fw_answer_new());
}

struct rows {
	struct fw_agent_view *views;
	size_t count, size;
	bool failed;
};

static void collect(const struct fw_agent_view *view, void *context)
{
	struct rows *rows = context;

	if (rows->count == rows->size) {
		size_t size = 2 * rows->size + 64;
		struct fw_agent_view *grown = realloc(rows->views, size * sizeof(*grown));

		if (!grown) {
			rows->failed = true;
			return;
		}
		rows->views = grown;
		rows->size = size;
	}
	rows->views[rows->count++] = *view;
}

static int compare(const void *a, const void *b)
{
	const struct fw_sandbox_info *x = ((const struct fw_agent_view *)a)->info;
	const struct fw_sandbox_info *y = ((const struct fw_agent_view *)b)->info;
	int order = strcmp(x->namespace, y->namespace);

	if (!order)
		order = strcmp(x->name, y->name);
	if (!order)
		order = strcmp(x->container_id, y->container_id);
	return order ? order : strcmp(x->ifname, y->ifname);
}

static void add_addresses(cJSON *row, const struct fw_sandbox_info *info, bool *failed)
{
	cJSON *list = fw_add_list(row, "ips", failed);
	char text[FW_IP_TEXT];

	for (size_t i = 0; i < info->ip_count && !*failed; i++) {
		cJSON *ip = cJSON_CreateString(fw_ip_format(&info->ips[i], text));

		if (!ip || !cJSON_AddItemToArray(list, ip)) {
			cJSON_Delete(ip);
			*failed = true;
		}
	}
}

static void add_row(cJSON *list, const struct fw_agent_view *view, bool *failed)
{
	static const char *const hooks[] = {[FW_HOOK_NONE] = "none",
					    [FW_HOOK_CLSACT] = "clsact",
					    [FW_HOOK_TCX] = "tcx",
					    [FW_HOOK_PARTIAL] = "partial"};
	const struct fw_sandbox_info *info = view->info;
	cJSON *row = fw_add_item(list, failed);
	char mac[18];

	fw_add_text(row, "namespace", info->namespace, failed);
	fw_add_text(row, "name", info->name, failed);
	fw_add_text(row, "uid", info->uid, failed);
	fw_add_text(row, "containerId", info->container_id, failed);
	fw_add_text(row, "ifname", info->ifname, failed);
	add_addresses(row, info, failed);
	(void)snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", info->mac[0],
		       info->mac[1], info->mac[2], info->mac[3], info->mac[4], info->mac[5]);
	fw_add_text(row, "mac", mac, failed);
	fw_add_number(row, "ifindex", info->ifindex, failed);
	fw_add_text(row, "device", info->device, failed);
	fw_add_number(row, "slot", info->slot, failed);
	fw_add_number(row, "region", view->region, failed);
	fw_add_text(row, "state", state_name(view->state), failed);
	fw_add_text(row, "hook", hooks[view->hook], failed);
	fw_add_bool(row, "inSandbox", info->in_sandbox, failed);
	fw_add_text(row, "subject", view->subject, failed);
	fw_add_bool(row, "isolatedIn", view->isolated[FW_INGRESS], failed);
	fw_add_bool(row, "isolatedOut", view->isolated[FW_EGRESS], failed);
	fw_add_number(row, "epoch", view->epoch, failed);
	fw_add_number(row, "flows", view->flows, failed);
	fw_add_text(row, "detail", view->detail, failed);
}

cJSON *fw_op_endpoints(struct fw_agent *agent)
{
	struct rows rows = {NULL, 0, 0, false};
	cJSON *answer = fw_answer_new(), *list;
	bool failed = !answer;

	fw_agent_walk(agent, collect, &rows);
	if (rows.count)
		qsort(rows.views, rows.count, sizeof(*rows.views), compare);
	failed |= rows.failed;
	list = fw_add_list(answer, "endpoints", &failed);
	for (size_t i = 0; i < rows.count && !failed; i++)
		add_row(list, &rows.views[i], &failed);
	free(rows.views);
	if (!failed)
		return answer;
	cJSON_Delete(answer);
	return NULL;
}
