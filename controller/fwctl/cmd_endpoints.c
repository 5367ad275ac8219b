/* SPDX-License-Identifier: Apache-2.0 */
/* `fwctl endpoints`: every pod of this node, its state and why. */
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "output.h"

static const char help[] =
	"usage: fwctl endpoints [-o json|yaml] [--wide] [--server PATH]\n"
	"\n"
	"Every pod interface that podwalld knows on this node.\n"
	"\n"
	"  STATE    active: its policy is in force; isolated: no policy yet; locked: its\n"
	"           policy could not be stored, everything is denied\n"
	"  IN, OUT  whether some policy isolates that direction\n"
	"  SLOTS    how many flows it may have at a time\n"
	"  DETAIL   why it is not active, or not covered\n"
	"\n"
	"  fwctl endpoints\n"
	"  fwctl endpoints -o json | jq -r '.endpoints[] | select(.state != \"active\")'\n";

static void ips_text(const cJSON *endpoint, char *ret_text, size_t size)
{
	const cJSON *item;
	size_t used = 0;

	ret_text[0] = '\0';
	cJSON_ArrayForEach(item, fw_json_get(endpoint, "ips")) {
		int n;

		if (!cJSON_IsString(item) || used >= size)
			continue;
		n = snprintf(ret_text + used, size - used, "%s%s", used ? "," : "",
			     item->valuestring);
		used += n > 0 ? (size_t)n : 0;
	}
}

static void add_row(struct fw_table *table, const cJSON *endpoint, bool wide)
{
	const char *container = fw_json_text(endpoint, "containerId");
	char ips[256];

	ips_text(endpoint, ips, sizeof(ips));
	fw_table_add(table, "%s/%s", fw_json_text(endpoint, "namespace"),
		     fw_json_text(endpoint, "name"));
	fw_table_add(table, "%s", fw_json_text(endpoint, "state"));
	fw_table_add(table, "%s", fw_json_true(endpoint, "isolatedIn") ? "isolated" : "open");
	fw_table_add(table, "%s", fw_json_true(endpoint, "isolatedOut") ? "isolated" : "open");
	fw_table_add(table, "%s%s", fw_json_text(endpoint, "hook"),
		     fw_json_true(endpoint, "inSandbox") ? "(in)" : "");
	fw_table_add(table, "%.0f", fw_json_number(endpoint, "flows"));
	fw_table_add(table, "%s", ips);
	if (wide) {
		fw_table_add(table, "%.12s/%s", container, fw_json_text(endpoint, "ifname"));
		fw_table_add(table, "%.0f", fw_json_number(endpoint, "slot"));
		fw_table_add(table, "%.0f", fw_json_number(endpoint, "epoch"));
		fw_table_add(table, "%s", fw_json_text(endpoint, "subject"));
	}
	fw_table_add(table, "%s", fw_json_text(endpoint, "detail"));
}

int cmd_endpoints(int argc, char **argv)
{
	static const struct fw_column narrow[] = {{"POD", false, true},	  {"STATE", false, false},
						  {"IN", false, false},	  {"OUT", false, false},
						  {"HOOK", false, false}, {"SLOTS", true, false},
						  {"IPS", false, true},	  {"DETAIL", false, true}};
	static const struct fw_column wide[] = {
		{"POD", false, false},	{"STATE", false, false},     {"IN", false, false},
		{"OUT", false, false},	{"HOOK", false, false},	     {"SLOTS", true, false},
		{"IPS", false, false},	{"CONTAINER", false, false}, {"SLOT", true, false},
		{"EPOCH", true, false}, {"SUBJECT", false, false},   {"DETAIL", false, false}};
	static const char *const flag_names[] = {"wide", NULL};
	_cleanup_(fw_table_free) struct fw_table *table = NULL;
	_cleanup_json_ cJSON *answer = NULL;
	const cJSON *item;
	struct fw_common common;
	unsigned int flags;
	int code = fw_common_parse(argc, argv, help, flag_names, &flags, &common);

	if (code < 0)
		code = fw_common_ask(argc, argv, "{\"op\":\"endpoints\"}", &answer);
	if (code >= 0)
		return code;
	if (common.form != FW_FORM_TABLE)
		return fw_common_print(&common, answer);
	if (fw_table_new(flags ? wide : narrow,
			 flags ? sizeof(wide) / sizeof(*wide) : sizeof(narrow) / sizeof(*narrow),
			 &table))
		return fw_fail(FW_EXIT_FAILURE, argv[0], "out of memory");
	cJSON_ArrayForEach(item, fw_json_get(answer, "endpoints")) {
		add_row(table, item, flags != 0);
	}
	if (fw_table_print(table) < 0)
		return FW_EXIT_FAILURE;
	if (!cJSON_GetArraySize(fw_json_get(answer, "endpoints")))
		(void)fprintf(stderr, "no pods on this node\n");
	return FW_EXIT_OK;
}
