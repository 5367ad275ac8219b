/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One interface behind the wall: row, hook and file together, in the order that cover.h states.
 * In: an open datapath. Out: an isolated endpoint, or none. Never touches what another owner has.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "cover.h"
#include "daemon.h"
#include "netns.h"

/* The row that `state` and `iface` ask for; what the claim filled in is kept. */
static void fill(struct fw_endpoint *row, const struct fw_iface *iface,
		 const struct fw_state *state)
{
	memcpy(row->mac, iface->mac, sizeof(row->mac));
	memcpy(row->ip6_ll, iface->link_local.b, sizeof(row->ip6_ll));
	row->flags = iface->in_sandbox ? FW_EP_IN_SANDBOX : 0;
	row->subject = 0;
	row->ip4_be = 0;
	row->ip4_more = row->ip6_more = 0;
	memset(row->ip6, 0, sizeof(row->ip6));
	memset(row->ip4_extra_be, 0, sizeof(row->ip4_extra_be));
	memset(row->ip6_extra, 0, sizeof(row->ip6_extra));
	for (size_t i = 0; i < state->ips.count; i++) {
		const struct fw_ip *ip = &state->ips.ip[i];
		if (fw_ip_is4(ip) && !row->ip4_be)
			row->ip4_be = fw_ip_to4(ip);
		else if (fw_ip_is4(ip))
			row->ip4_extra_be[row->ip4_more++] = fw_ip_to4(ip);
		else if (!memcmp(row->ip6, (const uint8_t[16]){0}, sizeof(row->ip6)))
			memcpy(row->ip6, ip->b, sizeof(row->ip6));
		else
			memcpy(row->ip6_extra[row->ip6_more++], ip->b, sizeof(row->ip6));
	}
}

/* True when the row already says what fill() would write. */
static bool is_filled(const struct fw_endpoint *row, const struct fw_iface *iface,
		      const struct fw_state *state)
{
	struct fw_endpoint wanted = *row;

	fill(&wanted, iface, state);
	wanted.subject = row->subject;
	return !memcmp(&wanted, row, sizeof(wanted));
}

static struct fw_hook hook_of(uint32_t slot, uint32_t ifindex, bool in_sandbox)
{
	return (struct fw_hook){.ifindex = ifindex,
				.slot = slot,
				.in_sandbox = in_sandbox,
				.constant = slot >= FW_IFINDEX_SLOTS};
}

/* The hook's device is in the sandbox or here; `netns` is entered for the first. */
static int query(struct fw_datapath *datapath, int netns, const struct fw_hook *hook,
		 enum fw_hook_kind *ret_kind, struct fw_err *err)
{
	_cleanup_(fw_netns_leave) int home = -1;

	int r = hook->in_sandbox ? fw_netns_enter(netns, &home, err) : 0;
	return r < 0 ? r : fw_hook_query(datapath, hook, ret_kind, err);
}

static int attach(struct fw_datapath *datapath, int netns, const struct fw_hook *hook,
		  struct fw_err *err)
{
	_cleanup_(fw_netns_leave) int home = -1;
	enum fw_hook_kind kind;

	int r = hook->in_sandbox ? fw_netns_enter(netns, &home, err) : 0;
	return r < 0 ? r : fw_hook_attach(datapath, hook, &kind, err);
}

static bool is_covered(struct fw_datapath *datapath, int netns, uint32_t slot,
		       const struct fw_iface *iface, const struct fw_state *state)
{
	const struct fw_endpoint *row = fw_datapath_endpoint(datapath, slot);
	struct fw_hook hook = hook_of(slot, iface->ifindex, iface->in_sandbox);
	enum fw_hook_kind kind = FW_HOOK_NONE;

	if (!row || row->state < FW_EP_ISOLATED || !is_filled(row, iface, state))
		return false;
	if (!hook.constant && row->ifindex != iface->ifindex)
		return false;
	return !query(datapath, netns, &hook, &kind, NULL) &&
	       (kind == FW_HOOK_CLSACT || kind == FW_HOOK_TCX);
}

/* Full tables and a held lock pass; the rest needs a person. */
static int failed(int r)
{
	bool passes = r == -ENOSPC || r == -EBUSY || r == -EAGAIN || r == -ETIMEDOUT;

	return passes ? FW_CNI_TRY_AGAIN : FW_CNI_ATTACH;
}

/* An earlier endpoint of this key on another device (the sandbox was made anew) goes first. */
static int clear_other_device(struct fw_datapath *datapath, const char *run_dir,
			      const struct fw_iface *iface, const struct fw_state *state,
			      struct fw_err *err)
{
	struct fw_state old;

	int r = fw_state_read(run_dir, state->container_id, state->ifname, &old, NULL);
	if (r == -ENOENT)
		return 0;
	if (!r && old.in_sandbox == iface->in_sandbox && old.netns_inode == state->netns_inode &&
	    old.ifindex == iface->ifindex)
		return 0;
	return fw_cover_remove(datapath, run_dir, state->container_id, state->ifname, err);
}

static int make(struct fw_datapath *datapath, const char *run_dir, int netns,
		const struct fw_iface *iface, struct fw_state *state, struct fw_err *err)
{
	uint64_t owner = fw_endpoint_owner(state->container_id, state->ifname);

	state->slot = FW_NO_SLOT;
	if (fw_state_write(run_dir, state, err) < 0)
		return FW_CNI_IO;
	int r = fw_endpoint_claim(datapath, owner, iface->in_sandbox ? 0 : iface->ifindex,
				  &state->slot, err);
	if (r < 0)
		return failed(r);
	struct fw_endpoint *row = fw_datapath_endpoint(datapath, state->slot);
	/* an incomplete one of ours comes back as it was left: closed before it is rewritten */
	fw_endpoint_publish(row, FW_EP_CLAIMED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	fill(row, iface, state);
	fw_endpoint_bump(row);
	if (fw_state_write(run_dir, state, err) < 0)
		return FW_CNI_IO;
	fw_endpoint_publish(row, FW_EP_ISOLATED);
	struct fw_hook hook = hook_of(state->slot, iface->ifindex, iface->in_sandbox);
	r = attach(datapath, netns, &hook, err);
	return r < 0 ? failed(r) : 0;
}

int fw_cover_add(struct fw_datapath *datapath, const char *run_dir, int netns,
		 const struct fw_iface *iface, struct fw_state *state, bool *ret_fresh,
		 struct fw_err *err)
{
	uint32_t slot =
		fw_endpoint_find(datapath, fw_endpoint_owner(state->container_id, state->ifname));

	if (slot != FW_NO_SLOT && is_covered(datapath, netns, slot, iface, state)) {
		state->slot = slot;
		*ret_fresh = false;
		return fw_state_write(run_dir, state, err) < 0 ? FW_CNI_IO : 0;
	}
	if (clear_other_device(datapath, run_dir, iface, state, err) < 0)
		return FW_CNI_ATTACH;
	int code = make(datapath, run_dir, netns, iface, state, err);
	if (code) {
		(void)fw_cover_remove(datapath, run_dir, state->container_id, state->ifname, NULL);
		return code;
	}
	*ret_fresh = true;
	return 0;
}

/* The sandbox of an endpoint file, when it is still the same one; -1 when not. */
static int open_sandbox(const struct fw_state *state)
{
	uint64_t inode;

	_cleanup_close_ int netns = fw_netns_open(state->netns, &inode, NULL);
	return netns >= 0 && inode == state->netns_inode ? TAKE_FD(netns) : -1;
}

/* `state` is NULL where the file is missing: the row then says where the hook is. */
static int detach(struct fw_datapath *datapath, uint32_t slot, const struct fw_state *state,
		  struct fw_err *err)
{
	const struct fw_endpoint *row = fw_datapath_endpoint(datapath, slot);
	_cleanup_(fw_netns_leave) int home = -1;
	_cleanup_close_ int netns = -1;

	struct fw_hook hook = hook_of(slot, row->ifindex, row->flags & FW_EP_IN_SANDBOX);
	if (hook.constant && state)
		hook.ifindex = state->ifindex;
	if (hook.in_sandbox) {
		netns = state ? open_sandbox(state) : -1;
		if (netns < 0 || fw_netns_enter(netns, &home, NULL) < 0)
			hook.ifindex = 0; /* that number means another device here: only the links
					     are cut */
	}
	return fw_hook_detach(datapath, &hook, err);
}

int fw_cover_remove(struct fw_datapath *datapath, const char *run_dir, const char *container_id,
		    const char *ifname, struct fw_err *err)
{
	uint64_t owner = fw_endpoint_owner(container_id, ifname);
	struct fw_state state;
	int failure = 0;

	/* The row is the truth about what is ours: podwalld may have released it, and another pod
	 * may have it now. */
	uint32_t slot = datapath ? fw_endpoint_find(datapath, owner) : FW_NO_SLOT;
	int r = fw_state_read(run_dir, container_id, ifname, &state, NULL);
	bool known = !r && state.slot == slot;
	if (slot != FW_NO_SLOT)
		(void)detach(datapath, slot, known ? &state : NULL, err);
	if (slot != FW_NO_SLOT || !r)
		(void)fw_daemon_del(run_dir, container_id, ifname, NULL);
	if (datapath)
		failure = fw_endpoint_release(datapath, owner, err);
	r = fw_state_remove(run_dir, container_id, ifname, failure ? NULL : err);
	return failure ? failure : r;
}

int fw_cover_check(struct fw_datapath *datapath, int netns, const struct fw_iface *iface,
		   const struct fw_state *state, struct fw_err *err)
{
	uint32_t slot =
		fw_endpoint_find(datapath, fw_endpoint_owner(state->container_id, state->ifname));
	struct fw_hook hook = hook_of(slot, iface->ifindex, iface->in_sandbox);
	enum fw_hook_kind kind = FW_HOOK_NONE;

	if (slot == FW_NO_SLOT)
		return fw_err_set(err, FW_CNI_UNCOVERED,
				  "the datapath has no endpoint for this interface");
	const struct fw_endpoint *row = fw_datapath_endpoint(datapath, slot);
	if (row->state < FW_EP_ISOLATED)
		return fw_err_set(err, FW_CNI_UNCOVERED, "endpoint %u is not complete", slot);
	if (!hook.constant && row->ifindex != iface->ifindex)
		return fw_err_set(err, FW_CNI_UNCOVERED,
				  "endpoint %u is hooked to device %u, the pod's is %u (%s)", slot,
				  row->ifindex, iface->ifindex, iface->device);
	if (memcmp(row->mac, iface->mac, sizeof(row->mac)) != 0)
		return fw_err_set(err, FW_CNI_UNCOVERED,
				  "endpoint %u has another MAC than the interface", slot);
	if (!is_filled(row, iface, state))
		return fw_err_set(err, FW_CNI_UNCOVERED,
				  "endpoint %u has other addresses than the interface", slot);
	int r = query(datapath, netns, &hook, &kind, err);
	if (r < 0)
		return FW_CNI_UNCOVERED;
	if (kind == FW_HOOK_NONE || kind == FW_HOOK_PARTIAL)
		return fw_err_set(err, FW_CNI_UNCOVERED, "%s program is attached to %s%s",
				  kind == FW_HOOK_NONE ? "no" : "only one direction's",
				  iface->in_sandbox ? "the sandbox's " : "", iface->device);
	return 0;
}
