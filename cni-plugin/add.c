/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ADD: the pod is isolated and hooked before podwalld is asked, so a dead controller never means an
 * open pod. In: a call with prevResult. Out: prevResult in the configuration's version. After a
 * failure nothing of it is left.
 */
#include "base/cleanup.h"
#include "chain.h"
#include "collect.h"
#include "command.h"
#include "cover.h"
#include "daemon.h"

#define AUDIT_PATIENCE_MS 200

/* What podwalld's answer, or its silence, means for ADD. */
static int ask_daemon(const struct fw_call *call, const struct fw_state *state, bool audit,
		      struct fw_err *err)
{
	enum fw_daemon_state answer;

	if (audit) { /* the pod starts open: podwalld is told, and nothing depends on it */
		(void)fw_daemon_add(call->conf.run_dir, state, 0, AUDIT_PATIENCE_MS, &answer, NULL);
		return 0;
	}
	/* Whatever podwalld answers, it has the endpoint now: isolated (pod not known yet) and
	 * locked are its states. */
	if (!fw_daemon_add(call->conf.run_dir, state, call->conf.daemon_timeout_ms,
			   FW_DAEMON_PATIENCE_MS, &answer, err))
		return 0;
	return call->conf.without_daemon == FW_WITHOUT_DAEMON_ISOLATED ? 0 : FW_CNI_TRY_AGAIN;
}

static int cover(const struct fw_call *call, struct fw_datapath *datapath,
		 struct fw_subject_pod *pod, bool *ret_fresh, struct fw_err *err)
{
	_cleanup_close_ int lock = -1;

	uint64_t owner = fw_endpoint_owner(call->env.container_id, call->env.ifname);
	if (fw_state_lock(call->conf.run_dir, owner, FW_STATE_MAKE, &lock, err) < 0)
		return FW_CNI_IO;
	return fw_cover_add(datapath, call->conf.run_dir, pod->netns, &pod->iface, &pod->state,
			    ret_fresh, err);
}

static void roll_back(const struct fw_call *call, struct fw_datapath *datapath)
{
	_cleanup_close_ int lock = -1;

	uint64_t owner = fw_endpoint_owner(call->env.container_id, call->env.ifname);
	(void)fw_state_lock(call->conf.run_dir, owner, FW_STATE_WAIT, &lock, NULL);
	(void)fw_cover_remove(datapath, call->conf.run_dir, call->env.container_id,
			      call->env.ifname, NULL);
}

int fw_command_add(struct fw_call *call, char **ret_output, struct fw_err *err)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = NULL;
	_cleanup_(fw_subject_done) struct fw_subject_pod pod = {.netns = -1};
	_cleanup_free_ char *output = NULL;
	bool fresh = false;

	if (!call->conf.prev)
		return fw_err_set(
			err, FW_CNI_CONFIG,
			"prevResult: missing; podwall-cni is chained: it must stand behind "
			"the plugin that makes the interface");
	if (!fw_netconf_exempts(&call->conf, fw_subject_namespace(call))) {
		int code = fw_subject_datapath(call, &datapath, err);
		if (!code)
			code = fw_subject_find(call, &pod, err);
		if (code)
			return code;
	}
	int code = fw_chain_echo((cJSON *)call->conf.prev, call->conf.version, &output, err);
	if (code)
		return code;
	if (datapath) {
		bool audit = fw_datapath_node(datapath)->enforcement == FW_AUDIT;
		code = cover(call, datapath, &pod, &fresh, err);
		if (code == FW_CNI_TRY_AGAIN && fw_collect_dead(datapath, call->conf.run_dir))
			code = cover(call, datapath, &pod, &fresh, err);
		if (!code)
			code = ask_daemon(call, &pod.state, audit, err);
		if (code && fresh)
			roll_back(call, datapath);
	}
	if (!code)
		*ret_output = TAKE_PTR(output);
	return code;
}
