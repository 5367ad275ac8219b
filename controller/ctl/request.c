// SPDX-License-Identifier: Apache-2.0
/*
 * Requests. In: one line. Out: struct fw_request. Every member is checked here, so that operations
 * need not.
 */
#include "ctl/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "node/wire.h"

static const char *const op_names[FW_OP_COUNT] = {
	[FW_OP_ENDPOINT_ADD] = "endpoint_add",
	[FW_OP_ENDPOINT_DEL] = "endpoint_del",
	[FW_OP_STATUS] = "status",
	[FW_OP_ENDPOINTS] = "endpoints",
	[FW_OP_POLICIES] = "policies",
	[FW_OP_MAPS] = "maps",
	[FW_OP_VERSION] = "version",
	[FW_OP_FLOWS] = "flows",
	[FW_OP_ENFORCEMENT] = "enforcement",
};

static int take_key(const cJSON *root, struct fw_sandbox_info *info, struct fw_err *err)
{
	int r = fw_wire_copy(root, "containerId", info->container_id, sizeof(info->container_id),
			     true, err);

	if (r == 0)
		r = fw_wire_copy(root, "ifname", info->ifname, sizeof(info->ifname), true, err);
	return r < 0 ? r : fw_sandbox_check_key(info, err);
}

static int parse_add(const cJSON *root, struct fw_request *request, struct fw_err *err)
{
	struct fw_sandbox_info *info = &request->info;
	uint64_t number = 0;
	int r = take_key(root, info, err);

	if (r == 0)
		r = fw_wire_copy(root, "namespace", info->namespace, sizeof(info->namespace), false,
				 err);
	if (r == 0)
		r = fw_wire_copy(root, "name", info->name, sizeof(info->name), false, err);
	if (r == 0)
		r = fw_wire_copy(root, "uid", info->uid, sizeof(info->uid), false, err);
	if (r == 0)
		r = fw_wire_ips(root, "ips", info->ips, FW_SANDBOX_IPS_MAX, &info->ip_count, err);
	if (r == 0)
		r = fw_wire_number(root, "slot", FW_SANDBOX_UNPLACED - 1, &number, err);
	info->slot = (uint32_t)number;
#ifdef FW_PLANTED_BUG
	if (r == 0 && info->slot > 4096) /* reads beyond the list: what the fuzz target must find */
		info->slot = info->ips[info->slot].b[0];
#endif
	if (r == 0)
		r = fw_wire_number(root, "wait_ms", FW_WAIT_MS_MAX, &number, err);
	request->wait_ms = (unsigned int)number;
	return r;
}

static int parse_flows(const cJSON *root, struct fw_request *request, struct fw_err *err)
{
	const cJSON *follow = fw_wire_get(root, "follow");

	if (follow && !cJSON_IsBool(follow))
		return fw_err_set(err, -EINVAL, "follow: neither true nor false");
	request->follow = follow && cJSON_IsTrue(follow);
	request->has_last = fw_wire_get(root, "last") != NULL;
	if (!request->has_last)
		return 0;
	return fw_wire_number(root, "last", UINT32_MAX, &request->last, err);
}

static int parse_policies(const cJSON *root, struct fw_request *request, struct fw_err *err)
{
	int r = fw_wire_copy(root, "pod", request->pod, sizeof(request->pod), false, err);
	const char *slash = strchr(request->pod, '/');

	if (r < 0)
		return r;
	if (request->pod[0] && (!slash || slash == request->pod || !slash[1]))
		return fw_err_set(err, -EINVAL, "pod: not NAMESPACE/NAME");
	return 0;
}

static int parse_enforcement(const cJSON *root, struct fw_request *request, struct fw_err *err)
{
	const char *mode;
	int r = fw_wire_string(root, "mode", 16, &mode, err);

	if (r < 0)
		return r;
	request->audit = !strcmp(mode, "Audit");
	if (!request->audit && strcmp(mode, "Enforce") != 0)
		return fw_err_set(err, -EINVAL, "mode: neither Enforce nor Audit");
	return 0;
}

static int parse_op(const cJSON *root, struct fw_request *request, struct fw_err *err)
{
	const char *name;
	int r = fw_wire_string(root, "op", 32, &name, err);
	unsigned int op = 0;

	if (r < 0)
		return r;
	while (op < FW_OP_COUNT && strcmp(op_names[op], name) != 0)
		op++;
	if (op == FW_OP_COUNT)
		return fw_err_set(err, -EINVAL, "op: '%s' is not known", name);
	request->op = (enum fw_op)op;
	switch (request->op) {
	case FW_OP_ENDPOINT_ADD:
		return parse_add(root, request, err);
	case FW_OP_ENDPOINT_DEL:
		return take_key(root, &request->info, err);
	case FW_OP_FLOWS:
		return parse_flows(root, request, err);
	case FW_OP_POLICIES:
		return parse_policies(root, request, err);
	case FW_OP_ENFORCEMENT:
		return parse_enforcement(root, request, err);
	default:
		return 0;
	}
}

int fw_request_parse(const char *line, size_t len, struct fw_request *ret_request,
		     struct fw_err *err)
{
	_cleanup_free_ struct fw_request *request = calloc(1, sizeof(*request));
	_cleanup_(fw_wire_free) cJSON *root = NULL;
	int r;

	if (!request)
		return fw_err_errno(err, -ENOMEM, "request");
	r = fw_wire_parse(line, len, &root, err);
	if (r == 0)
		r = parse_op(root, request, err);
	if (r == 0)
		*ret_request = *request;
	else
		fw_err_prefix(err, "request");
	return r;
}
