/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STATUS: could ADD succeed now? Called every few seconds. In: a configuration. Out: nothing, or
 * NOT_AVAILABLE with why. Fast, and changes nothing.
 */
#include "base/cleanup.h"
#include "command.h"
#include "daemon.h"

int fw_command_status(struct fw_call *call, char **ret_output, struct fw_err *err)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = NULL;

	(void)ret_output;
	if (fw_subject_datapath(call, &datapath, err))
		return FW_CNI_NOT_AVAILABLE;
	if (call->conf.without_daemon == FW_WITHOUT_DAEMON_ISOLATED)
		return 0;
	if (fw_datapath_node(datapath)->enforcement == FW_AUDIT)
		return 0; /* ADD does not wait for podwalld there */
	return fw_daemon_ping(call->conf.run_dir, err) < 0 ? FW_CNI_NOT_AVAILABLE : 0;
}
