/* SPDX-License-Identifier: Apache-2.0 */
/* `fwctl version`: this program's and podwalld's. */
#include <stdio.h>

#include "client.h"
#include "fw/abi.h"
#include "output.h"

static const char help[] = "usage: fwctl version [--client] [-o json|yaml] [--server PATH]\n"
			   "\n"
			   "The version of fwctl and of the podwalld that answers. --client: "
			   "fwctl's\n"
			   "alone, asks nobody.\n"
			   "\n"
			   "Exit: 0, or 3 when podwalld does not answer.\n"
			   "\n"
			   "  fwctl version\n"
			   "  fwctl version --client\n";

int cmd_version(int argc, char **argv)
{
	static const char *const flag_names[] = {"client", NULL};
	_cleanup_json_ cJSON *answer = NULL;
	struct fw_common common;
	unsigned int flags;
	int code = fw_common_parse(argc, argv, help, flag_names, &flags, &common);

	if (code >= 0)
		return code;
	if (optind < argc)
		return fw_fail(FW_EXIT_USAGE, argv[0], "takes no argument: %s", argv[optind]);
	if (common.form == FW_FORM_TABLE)
		(void)printf("fwctl     %s  (abi %u)\n", FW_VERSION, FW_ABI_VERSION);
	if (flags)
		answer = cJSON_CreateObject();
	else
		code = fw_common_ask(argc, argv, "{\"op\":\"version\"}", &answer);
	if (code >= 0)
		return code;
	if (common.form != FW_FORM_TABLE) {
		if (!cJSON_AddStringToObject(answer, "client", FW_VERSION) ||
		    (flags && !cJSON_AddNumberToObject(answer, "abi", FW_ABI_VERSION)))
			return fw_fail(FW_EXIT_FAILURE, argv[0], "out of memory");
		return fw_common_print(&common, answer);
	}
	if (!flags)
		(void)printf("podwalld  %s  (abi %.0f, kernel %s, node %s)\n",
			     fw_json_text(answer, "version"), fw_json_number(answer, "abi"),
			     fw_json_text(answer, "kernel"), fw_json_text(answer, "node"));
	return FW_EXIT_OK;
}
