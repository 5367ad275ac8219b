/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GC: takes away every endpoint of this network that the runtime does not list. In:
 * cni.dev/valid-attachments. Out: nothing. Without that list nothing is known to be stale and
 * nothing goes; other networks' endpoints never do.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "command.h"
#include "cover.h"
#include "json.h"

struct attachment {
	char container_id[FW_CONTAINER_ID_MAX + 1];
	char ifname[FW_IFNAME_MAX + 1];
};

struct stale {
	const cJSON *valid;
	struct attachment *list; /* owned */
	size_t count, room;
};

static void stale_done(struct stale *stale)
{
	free(stale->list);
}

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

/* Names are gathered first: removing while reading a folder skips entries. */
static int note_stale(const char *container_id, const char *ifname, void *context)
{
	struct stale *stale = context;

	if (is_valid(stale->valid, container_id, ifname))
		return 0;
	if (stale->count == stale->room) {
		size_t room = stale->room ? 2 * stale->room : 64;
		struct attachment *list = reallocarray(stale->list, room, sizeof(*list));
		if (!list)
			return -ENOMEM;
		stale->list = list;
		stale->room = room;
	}
	struct attachment *attachment = &stale->list[stale->count++];
	memcpy(attachment->container_id, container_id, strlen(container_id) + 1);
	memcpy(attachment->ifname, ifname, strlen(ifname) + 1);
	return 0;
}

/* Under the endpoint's lock no ADD is at work: a file that cannot be read belongs to nobody any
 * more. */
static int collect(const struct fw_call *call, struct fw_datapath *datapath,
		   const struct attachment *attachment, struct fw_err *err)
{
	uint64_t owner = fw_endpoint_owner(attachment->container_id, attachment->ifname);
	_cleanup_close_ int lock = -1;
	struct fw_state state;

	int r = fw_state_lock(call->conf.run_dir, owner, &lock, err);
	if (r < 0)
		return r;
	r = fw_state_read(call->conf.run_dir, attachment->container_id, attachment->ifname, &state,
			  NULL);
	if (!r && strcmp(state.network, call->conf.network) != 0)
		return 0;
	if (r == -EBADMSG && datapath && fw_endpoint_find(datapath, owner) != FW_NO_SLOT)
		return 0; /* of an unknown network, and in use: DEL takes it */
	return fw_cover_remove(datapath, call->conf.run_dir, attachment->container_id,
			       attachment->ifname, err);
}

int fw_command_gc(struct fw_call *call, char **ret_output, struct fw_err *err)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = NULL;
	_cleanup_(stale_done) struct stale stale = {.valid = call->conf.valid};

	(void)ret_output;
	if (!call->conf.valid)
		return 0;
	int code = check_list(call->conf.valid, err);
	if (code)
		return code;
	int r = fw_datapath_open(call->conf.pin_dir, &datapath, err);
	if (r < 0 && r != -ENOENT)
		return FW_CNI_ATTACH;
	r = fw_state_walk(call->conf.run_dir, note_stale, &stale, err);
	if (r < 0)
		return FW_CNI_IO;
	for (size_t i = 0; i < stale.count; i++)
		if (collect(call, datapath, &stale.list[i], err) < 0)
			code = FW_CNI_ATTACH; /* the others are tried all the same */
	return code;
}
