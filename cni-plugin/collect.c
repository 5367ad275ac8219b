/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoints that nobody will DEL: gathered by name, judged and removed one by one under their lock.
 * In: the endpoint files. Out: fewer of them. Never waits for a lock, so two collectors cannot
 * block each other.
 */
#include "collect.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "cover.h"
#include "netlink.h"

struct key {
	char container_id[FW_CONTAINER_ID_MAX + 1];
	char ifname[FW_IFNAME_MAX + 1];
};

struct keys {
	struct key *list; /* owned */
	size_t count, room;
};

static void keys_done(struct keys *keys)
{
	free(keys->list);
}

/* Names are gathered first: removing while reading a folder skips entries. */
static int note(const char *container_id, const char *ifname, void *context)
{
	struct keys *keys = context;

	if (keys->count == keys->room) {
		size_t room = keys->room ? 2 * keys->room : 64;
		struct key *list = reallocarray(keys->list, room, sizeof(*list));
		if (!list)
			return -ENOMEM;
		keys->list = list;
		keys->room = room;
	}
	struct key *key = &keys->list[keys->count++];
	memcpy(key->container_id, container_id, strlen(container_id) + 1);
	memcpy(key->ifname, ifname, strlen(ifname) + 1);
	return 0;
}

/* 1 when it went, 0 when it stays, -errno. */
static int collect_one(struct fw_datapath *datapath, const char *run_dir, const struct key *key,
		       fw_collect_judge judge, void *context, struct fw_err *err)
{
	uint64_t owner = fw_endpoint_owner(key->container_id, key->ifname);
	_cleanup_close_ int lock = -1;
	struct fw_state state;

	int r = fw_state_lock(run_dir, owner, FW_STATE_TRY, &lock, err);
	if (r < 0)
		return r == -EAGAIN || r == -ENOENT ? 0 : r;
	r = fw_state_read(run_dir, key->container_id, key->ifname, &state, NULL);
	if (!judge(key->container_id, key->ifname, r < 0 ? NULL : &state, context))
		return 0;
	r = fw_cover_remove(datapath, run_dir, key->container_id, key->ifname, err);
	return r < 0 ? r : 1;
}

int fw_collect(struct fw_datapath *datapath, const char *run_dir, fw_collect_judge judge,
	       void *context, size_t *ret_count, struct fw_err *err)
{
	_cleanup_(keys_done) struct keys keys = {0};
	size_t count = 0;
	int failure = 0;

	int r = fw_state_walk(run_dir, note, &keys, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < keys.count; i++) {
		r = collect_one(datapath, run_dir, &keys.list[i], judge, context,
				failure ? NULL : err);
		count += r > 0;
		failure = r < 0 && !failure ? r : failure;
	}
	*ret_count = count;
	return failure;
}

struct dead {
	struct fw_datapath *datapath;
	int netlink;
};

/* The links of a hook inside a sandbox know whether they still have a device. */
static bool sandbox_has_gone(struct fw_datapath *datapath, const struct fw_state *state)
{
	const struct fw_hook hook = {.slot = state->slot, .in_sandbox = true, .constant = true};
	enum fw_hook_kind kind;

	return fw_hook_tcx_supported() && !fw_hook_query(datapath, &hook, &kind, NULL) &&
	       kind == FW_HOOK_NONE;
}

static bool is_dead(const char *container_id, const char *ifname, const struct fw_state *state,
		    void *context)
{
	const struct dead *dead = context;
	struct fw_link link;

	if (!state)
		return false; /* damaged: DEL knows what it belongs to */
	uint32_t slot = fw_endpoint_find(dead->datapath, fw_endpoint_owner(container_id, ifname));
	if (state->slot == FW_NO_SLOT || slot != state->slot)
		return state->slot == FW_NO_SLOT; /* a killed ADD, nothing attached */
	if (state->in_sandbox)
		return sandbox_has_gone(dead->datapath, state);
	return fw_netlink_link_by_index(dead->netlink, state->ifindex, &link, NULL) == -ENODEV;
}

size_t fw_collect_dead(struct fw_datapath *datapath, const char *run_dir)
{
	_cleanup_close_ int netlink = fw_netlink_open(NULL);
	struct dead dead = {.datapath = datapath, .netlink = netlink};
	size_t count = 0;

	if (netlink >= 0)
		(void)fw_collect(datapath, run_dir, is_dead, &dead, &count, NULL);
	return count;
}
