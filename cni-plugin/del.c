/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DEL: takes away what belongs to (container id, ifname), by that key alone. Runtimes call it up to
 * three times, late ones without a sandbox while a new pod of the same name runs. In: a call. Out:
 * nothing. Succeeds with anything missing.
 */
#include <errno.h>

#include "base/cleanup.h"
#include "command.h"
#include "cover.h"

int fw_command_del(struct fw_call *call, char **ret_output, struct fw_err *err)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = NULL;
	_cleanup_close_ int lock = -1;
	const char *run_dir = call->conf.run_dir;

	(void)ret_output;
	int r = fw_datapath_open(call->conf.pin_dir, &datapath, err);
	if (r < 0 && r != -ENOENT)
		return FW_CNI_ATTACH;
	uint64_t owner = fw_endpoint_owner(call->env.container_id, call->env.ifname);
	r = fw_state_lock(run_dir, owner, FW_STATE_WAIT, &lock, err);
	if (r < 0 && r != -ENOENT) /* without the folder there is nobody to exclude */
		return FW_CNI_IO;
	r = fw_cover_remove(datapath, run_dir, call->env.container_id, call->env.ifname, err);
	return r < 0 ? FW_CNI_ATTACH : 0;
}
