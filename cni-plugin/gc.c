/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GC: takes away every endpoint of this network that the runtime does not list. In:
 * cni.dev/valid-attachments. Out: nothing. Without that list nothing is known to be stale and
 * nothing goes; other networks' endpoints never do.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "collect.h"
#include "command.h"
#include "json.h"

struct listed {
	const char *network;
	const cJSON *valid;
	const struct fw_datapath *datapath; /* NULL: gone */
};

static int check_list(const cJSON *valid, struct fw_err *err)
{
	const cJSON *entry;
	int index = 0;

	cJSON_ArrayForEach(entry, valid) {
		if (!fw_json_get_string(entry, "containerID") ||
		    !fw_json_get_string(entry, "ifname"))
			return fw_err_set(err, FW_CNI_CONFIG,
					  "cni.dev/valid-attachments[%d]: must be an object with "
					  "containerID and ifname",
					  index);
		index++;
	}
	return 0;
}

static bool is_valid(const cJSON *valid, const char *container_id, const char *ifname)
{
	const cJSON *entry;

	cJSON_ArrayForEach(entry, valid)
		if (!strcmp(fw_json_get_string(entry, "containerID"), container_id) &&
		    !strcmp(fw_json_get_string(entry, "ifname"), ifname))
			return true;
	return false;
}

static bool is_stale(const char *container_id, const char *ifname, const struct fw_state *state,
		     void *context)
{
	const struct listed *listed = context;
	uint64_t owner = fw_endpoint_owner(container_id, ifname);

	if (is_valid(listed->valid, container_id, ifname))
		return false;
	if (state)
		return !strcmp(state->network, listed->network);
	/* of an unknown network: left to DEL while it is in use */
	return !listed->datapath || fw_endpoint_find(listed->datapath, owner) == FW_NO_SLOT;
}

int fw_command_gc(struct fw_call *call, char **ret_output, struct fw_err *err)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = NULL;
	size_t count;

	(void)ret_output;
	if (!call->conf.valid)
		return 0;
	int code = check_list(call->conf.valid, err);
	if (code)
		return code;
	int r = fw_datapath_open(call->conf.pin_dir, &datapath, err);
	if (r < 0 && r != -ENOENT)
		return FW_CNI_ATTACH;
	struct listed listed = {call->conf.network, call->conf.valid, datapath};
	r = fw_collect(datapath, call->conf.run_dir, is_stale, &listed, &count, err);
	return r < 0 ? FW_CNI_ATTACH : 0;
}
