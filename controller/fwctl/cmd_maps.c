/* SPDX-License-Identifier: Apache-2.0 */
/* `fwctl maps`: how full every table is, and what happens when it is. */
#include <stdio.h>

#include "client.h"
#include "output.h"

static const char help[] =
	"usage: fwctl maps [-o json|yaml] [--server PATH]\n"
	"\n"
	"Every table of the datapath: rows used, capacity, what happens when it is full.\n"
	"\n"
	"  fwctl maps\n"
	"  fwctl maps -o json | jq '.maps[] | select(.used * 10 > .capacity * 8)'\n";

int cmd_maps(int argc, char **argv)
{
	static const struct fw_column columns[] = {{"MAP", false, false},
						   {"USED", true, false},
						   {"CAPACITY", true, false},
						   {"FULL", true, false},
						   {"WHEN FULL", false, true}};
	_cleanup_(fw_table_free) struct fw_table *table = NULL;
	_cleanup_json_ cJSON *answer = NULL;
	const cJSON *item;
	struct fw_common common;
	unsigned int flags;
	int code = fw_common_parse(argc, argv, help, NULL, &flags, &common);

	if (code < 0)
		code = fw_common_ask(argc, argv, "{\"op\":\"maps\"}", &answer);
	if (code >= 0)
		return code;
	if (common.form != FW_FORM_TABLE)
		return fw_common_print(&common, answer);
	if (fw_table_new(columns, sizeof(columns) / sizeof(*columns), &table))
		return fw_fail(FW_EXIT_FAILURE, argv[0], "out of memory");
	cJSON_ArrayForEach(item, fw_json_get(answer, "maps")) {
		double used = fw_json_number(item, "used"),
		       capacity = fw_json_number(item, "capacity");

		fw_table_add(table, "%s", fw_json_text(item, "name"));
		fw_table_add(table, "%.0f", used);
		fw_table_add(table, "%.0f", capacity);
		fw_table_add(table, "%.0f%%", capacity > 0 ? used * 100 / capacity : 0);
		fw_table_add(table, "%s", fw_json_text(item, "full"));
	}
	return fw_table_print(table) < 0 ? FW_EXIT_FAILURE : FW_EXIT_OK;
}
