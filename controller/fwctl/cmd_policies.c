/* SPDX-License-Identifier: Apache-2.0 */
/* `fwctl policies [POD]`: the objects in force, in the order of their layers, or those that select
 * one pod. */
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "output.h"

static const char help[] =
	"usage: fwctl policies [NAMESPACE/POD] [--pending] [-o json|yaml] [--server PATH]\n"
	"\n"
	"Every policy that podwalld holds, or those that select a pod.\n"
	"\n"
	"  --pending   those in Audit, and those that are invalid (what an invalid one\n"
	"              selects is isolated)\n"
	"\n"
	"  fwctl policies\n"
	"  fwctl policies shop/db-0\n"
	"  fwctl policies --pending -o json\n";

static const char *short_kind(const char *kind)
{
	return !strcmp(kind, "NetworkPolicy") ? "netpol" : kind;
}

static const char *short_direction(const char *direction)
{
	return !strcmp(direction, "Ingress") ? "in" : !strcmp(direction, "Egress") ? "out" : "both";
}

static bool is_pending(const cJSON *policy)
{
	return !strcmp(fw_json_text(policy, "mode"), "Audit") || *fw_json_text(policy, "broken");
}

static void drop_settled(cJSON *policies)
{
	cJSON *item = policies ? policies->child : NULL;

	while (item) {
		cJSON *next = item->next;

		if (!is_pending(item))
			cJSON_Delete(cJSON_DetachItemViaPointer(policies, item));
		item = next;
	}
}

static int print_policies(const cJSON *policies)
{
	static const struct fw_column columns[] = {
		{"LAYER", false, false}, {"OBJECT", false, true}, {"DIR", false, false},
		{"MODE", false, false},	 {"PODS", true, false},	  {"ORIGIN", false, true}};
	_cleanup_(fw_table_free) struct fw_table *table = NULL;
	const cJSON *item;

	if (fw_table_new(columns, sizeof(columns) / sizeof(*columns), &table))
		return FW_EXIT_FAILURE;
	cJSON_ArrayForEach(item, policies) {
		const char *namespace = fw_json_text(item, "namespace");

		fw_table_add(table, "%s", fw_json_text(item, "layer"));
		fw_table_add(table, "%s %s%s%s", short_kind(fw_json_text(item, "kind")), namespace,
			     *namespace ? "/" : "", fw_json_text(item, "name"));
		fw_table_add(table, "%s", short_direction(fw_json_text(item, "direction")));
		fw_table_add(table, "%s",
			     !strcmp(fw_json_text(item, "mode"), "Audit") ? "AUDIT" : "enforce");
		fw_table_add(table, "%.0f", fw_json_number(item, "pods"));
		fw_table_add(table, "%s%s%s", fw_json_text(item, "origin"),
			     *fw_json_text(item, "broken") ? ": INVALID: " : "",
			     fw_json_text(item, "broken"));
	}
	return fw_table_print(table) < 0 ? FW_EXIT_FAILURE : FW_EXIT_OK;
}

static enum fw_exit ask(const char *pod, cJSON **ret_answer, struct fw_err *err)
{
	_cleanup_json_ cJSON *request = cJSON_CreateObject();
	enum fw_exit code = FW_EXIT_FAILURE;
	char *text = NULL;

	if (request && cJSON_AddStringToObject(request, "op", "policies") &&
	    (!pod || cJSON_AddStringToObject(request, "pod", pod)))
		text = cJSON_PrintUnformatted(request);
	if (!text)
		(void)fw_err_set(err, 0, "out of memory");
	else
		code = fw_client_ask(text, ret_answer, err);
	cJSON_free(text);
	return code;
}

int cmd_policies(int argc, char **argv)
{
	static const char *const flag_names[] = {"pending", NULL};
	_cleanup_json_ cJSON *answer = NULL;
	struct fw_common common;
	struct fw_err err = {""};
	unsigned int flags;
	cJSON *policies;
	int code = fw_common_parse(argc, argv, help, flag_names, &flags, &common);

	if (code >= 0)
		return code;
	if (argc - optind > 1)
		return fw_fail(FW_EXIT_USAGE, argv[0], "one pod at most: %s", argv[optind + 1]);
	if (optind < argc && !strchr(argv[optind], '/'))
		return fw_fail(FW_EXIT_USAGE, argv[0], "\"%s\": a pod is named NAMESPACE/NAME",
			       argv[optind]);
	code = (int)ask(optind < argc ? argv[optind] : NULL, &answer, &err);
	if (code)
		return fw_fail((enum fw_exit)code, argv[0], "%s", err.text);
	policies = (cJSON *)fw_json_get(answer, "policies");
	if (flags)
		drop_settled(policies);
	if (common.form != FW_FORM_TABLE)
		return fw_common_print(&common, answer);
	if (!cJSON_GetArraySize(policies))
		(void)fprintf(stderr, "no policies%s\n",
			      flags	      ? " are pending"
			      : optind < argc ? " select it: it is open in both directions"
					      : "");
	return print_policies(policies);
}
