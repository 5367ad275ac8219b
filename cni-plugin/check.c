/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CHECK: is the pod wholly behind the wall, with the addresses that ADD gave it? In: a call with
 * prevResult. Out: nothing, or what is wrong. Changes nothing.
 */
#include "base/cleanup.h"
#include "command.h"
#include "cover.h"

int fw_command_check(struct fw_call *call, char **ret_output, struct fw_err *err)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = NULL;
	_cleanup_(fw_subject_done) struct fw_subject_pod pod = {.netns = -1};

	(void)ret_output;
	if (!call->conf.prev)
		return fw_err_set(err, FW_CNI_CONFIG,
				  "prevResult: missing; CHECK compares with it");
	if (fw_netconf_exempts(&call->conf, fw_subject_namespace(call)))
		return 0;
	int code = fw_subject_datapath(call, &datapath, err);
	if (!code)
		code = fw_subject_find(call, &pod, err);
	return code ? code : fw_cover_check(datapath, pod.netns, &pod.iface, &pod.state, err);
}
