/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ADD and CHECK look at first: the sandbox, its interface, and whether prevResult tells the
 * truth about it. In: a call. Out: struct fw_subject_pod. Changes nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "chain.h"
#include "command.h"
#include "netns.h"

const char *fw_subject_namespace(const struct fw_call *call)
{
	return call->env.namespace[0] ? call->env.namespace : call->conf.default_namespace;
}

static int open_netns(const struct fw_call *call, struct fw_subject_pod *pod, struct fw_err *err)
{
	pod->netns = fw_netns_open(call->env.netns, &pod->state.netns_inode, err);
	if (pod->netns >= 0)
		return 0;
	fw_err_prefix(err, "CNI_NETNS");
	return FW_CNI_ENVIRONMENT;
}

/* Every address of prevResult must be on the interface: the source check will hold the pod to them.
 */
static int check_ips(const struct fw_subject_pod *pod, struct fw_err *err)
{
	char text[FW_IP_TEXT];

	for (size_t i = 0; i < pod->state.ips.count; i++) {
		bool found = false;
		for (size_t j = 0; j < pod->iface.ips.count; j++)
			found |= fw_ip_equal(&pod->state.ips.ip[i], &pod->iface.ips.ip[j]);
		if (!found)
			return fw_err_set(err, FW_CNI_INTERFACE,
					  "prevResult gives %s the address %s, but the interface "
					  "does not have it",
					  pod->state.ifname,
					  fw_ip_format(&pod->state.ips.ip[i], text));
	}
	return 0;
}

/* Every field is as large as the longest value that env.c and netconf.c let through. */
static void name_pod(const struct fw_call *call, struct fw_state *state)
{
	const char *name = call->env.name[0] ? call->env.name : call->env.container_id;

	(void)snprintf(state->container_id, sizeof(state->container_id), "%s",
		       call->env.container_id);
	(void)snprintf(state->ifname, sizeof(state->ifname), "%s", call->env.ifname);
	(void)snprintf(state->network, sizeof(state->network), "%s", call->conf.network);
	(void)snprintf(state->node_name, sizeof(state->node_name), "%s", call->conf.node_name);
	(void)snprintf(state->namespace, sizeof(state->namespace), "%s",
		       fw_subject_namespace(call));
	(void)snprintf(state->name, sizeof(state->name), "%s", name);
	(void)snprintf(state->uid, sizeof(state->uid), "%s", call->env.uid);
	(void)snprintf(state->netns, sizeof(state->netns), "%s", call->env.netns);
}

static void place_pod(const struct fw_iface *iface, struct fw_state *state)
{
	state->slot = FW_NO_SLOT;
	state->in_sandbox = iface->in_sandbox;
	state->ifindex = iface->ifindex;
	memcpy(state->device, iface->device, sizeof(state->device));
	memcpy(state->mac, iface->mac, sizeof(state->mac));
}

int fw_subject_find(const struct fw_call *call, struct fw_subject_pod *ret_pod, struct fw_err *err)
{
	_cleanup_(fw_subject_done) struct fw_subject_pod pod = {.netns = -1};

	int code = fw_chain_ips(call->conf.prev, call->env.ifname, &pod.state.ips, err);
	if (!code)
		code = open_netns(call, &pod, err);
	if (code)
		return code;
	int r = fw_iface_find(pod.netns, call->env.ifname, &pod.iface, err);
	if (r < 0) {
		fw_err_prefix(err, "sandbox %s", call->env.netns);
		return FW_CNI_INTERFACE;
	}
	name_pod(call, &pod.state);
	place_pod(&pod.iface, &pod.state);
	code = check_ips(&pod, err);
	if (code)
		return code;
	*ret_pod = pod;
	pod.netns = -1;
	return 0;
}

void fw_subject_done(struct fw_subject_pod *pod)
{
	fw_close_fd(&pod->netns);
	pod->netns = -1;
}

int fw_subject_datapath(const struct fw_call *call, struct fw_datapath **ret_datapath,
			struct fw_err *err)
{
	int r = fw_datapath_open(call->conf.pin_dir, ret_datapath, err);

	if (r == -ENOENT)
		return fw_err_set(err, FW_CNI_TRY_AGAIN,
				  "podwalld has never run on this node: no datapath is pinned at "
				  "%s; start podwalld with this pin directory, or correct pinDir",
				  call->conf.pin_dir);
	return r < 0 ? FW_CNI_ATTACH : 0;
}
