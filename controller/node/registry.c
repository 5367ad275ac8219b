// SPDX-License-Identifier: Apache-2.0
/*
 * The pod interfaces of this node. In: what the plugin told, and its files. Out: the model's
 * sandboxes, one entry per (container id, ifname), and answers to those who wait for one. Keyed by
 * that pair only, never by a pod's name.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "node/inside.h"

#define ADD_LONGEST_NS (10000 * FW_MS) /* of its way from the programs' pins to us */
#define SEE_US	       5000	       /* after an endpoint was told: when the answer has gone */

struct fw_agent_endpoint *fw_agent_find(const struct fw_agent *agent, uint64_t owner)
{
	struct fw_agent_endpoint *endpoint;

	HASH_FIND(hh, agent->endpoints, &owner, sizeof(owner), endpoint);
	return endpoint;
}

/* A copy for the model, which takes it. */
static struct fw_sandbox *sandbox_of(struct fw_agent *agent, const struct fw_sandbox_info *info)
{
	struct fw_sandbox *sandbox = calloc(1, sizeof(*sandbox));

	if (!sandbox)
		return NULL;
	sandbox->container_id = strdup(info->container_id);
	sandbox->ifname = strdup(info->ifname);
	sandbox->namespace = strdup(info->namespace);
	sandbox->name = strdup(info->name);
	sandbox->uid = strdup(info->uid);
	sandbox->ips = calloc(info->ip_count + 1, sizeof(*sandbox->ips));
	sandbox->slot = info->slot;
	sandbox->sequence = ++agent->sequence;
	if (!sandbox->container_id || !sandbox->ifname || !sandbox->namespace || !sandbox->name ||
	    !sandbox->uid || !sandbox->ips) {
		fw_sandbox_free(&sandbox);
		return NULL;
	}
	memcpy(sandbox->ips, info->ips, info->ip_count * sizeof(*sandbox->ips));
	sandbox->ip_count = info->ip_count;
	return sandbox;
}

int fw_agent_register(struct fw_agent *agent, const struct fw_sandbox_info *info,
		      struct fw_agent_endpoint **ret_endpoint, struct fw_err *err)
{
	uint64_t owner = fw_endpoint_owner(info->container_id, info->ifname);
	struct fw_agent_endpoint *endpoint = fw_agent_find(agent, owner), *fresh = NULL;
	struct fw_sandbox *sandbox = sandbox_of(agent, info);
	int r;

	if (!endpoint)
		endpoint = fresh = calloc(1, sizeof(*fresh));
	if (!sandbox || !endpoint) {
		fw_sandbox_free(&sandbox);
		free(fresh);
		return fw_err_errno(err, -ENOMEM, "endpoint %s", info->container_id);
	}
	r = fw_model_put_sandbox(agent->model, sandbox);
	if (r < 0) {
		free(fresh);
		return fw_err_errno(err, r, "endpoint %s", info->container_id);
	}
	endpoint->owner = owner;
	endpoint->info = *info;
	endpoint->trouble[0] = '\0';
	if (fresh)
		fresh->outdated = true; /* whoever attached them */
	if (fresh)
		HASH_ADD(hh, agent->endpoints, owner, sizeof(fresh->owner), fresh);
	*ret_endpoint = endpoint;
	return 0;
}

void fw_agent_flush(struct fw_agent *agent, uint64_t owner)
{
	const struct fw_endpoint *row =
		fw_datapath_endpoint(agent->datapath, fw_endpoint_find(agent->datapath, owner));

	if (row)
		fw_flows_flush(agent->flows, row->region);
}

void fw_agent_unregister(struct fw_agent *agent, struct fw_agent_endpoint *endpoint)
{
	(void)fw_model_remove_sandbox(agent->model, endpoint->info.container_id,
				      endpoint->info.ifname);
	HASH_DEL(agent->endpoints, endpoint);
	free(endpoint);
	fw_agent_keep_settle(agent);
}

enum fw_endpoint_state fw_agent_state(const struct fw_agent *agent,
				      const struct fw_agent_endpoint *endpoint)
{
	const struct fw_endpoint *row = fw_datapath_endpoint(agent->datapath, endpoint->info.slot);

	if (!row || __atomic_load_n(&row->owner, __ATOMIC_ACQUIRE) != endpoint->owner)
		return FW_EP_FREE;
	return (enum fw_endpoint_state)__atomic_load_n(&row->state, __ATOMIC_ACQUIRE);
}

const struct fw_pod *fw_agent_pod(const struct fw_agent *agent,
				  const struct fw_agent_endpoint *endpoint)
{
	struct fw_sandbox *const *list;
	size_t count = fw_model_list_sandboxes(agent->model, &list);

	for (size_t i = 0; i < count; i++) {
		if (!strcmp(list[i]->container_id, endpoint->info.container_id) &&
		    !strcmp(list[i]->ifname, endpoint->info.ifname))
			return fw_model_pod_of_sandbox(agent->model, list[i]);
	}
	return NULL;
}

static void why_isolated(const struct fw_agent *agent, const struct fw_agent_endpoint *endpoint,
			 char *text, size_t size)
{
	const struct fw_pod *pod = fw_agent_pod(agent, endpoint);

	if (agent->problem[0])
		(void)snprintf(text, size, "isolated: %.200s", agent->problem);
	else if (!pod)
		(void)snprintf(text, size, "isolated: no Pod %s/%s%s%.64s is known",
			       endpoint->info.namespace, endpoint->info.name,
			       endpoint->info.uid[0] ? " with UID " : "", endpoint->info.uid);
	else
		(void)snprintf(
			text, size,
			"isolated: Pod %s/%s is not a pod of this node (spec.nodeName is '%s')",
			pod->object.namespace, pod->object.name, pod->node);
}

void fw_agent_detail(const struct fw_agent *agent, const struct fw_agent_endpoint *endpoint,
		     char *text, size_t size)
{
	enum fw_endpoint_state state = fw_agent_state(agent, endpoint);
	const char *locked = fw_apply_locked(agent->apply, endpoint->info.slot);

	text[0] = '\0';
	if (endpoint->trouble[0] &&
	    (endpoint->hook == FW_HOOK_NONE || endpoint->hook == FW_HOOK_PARTIAL))
		(void)snprintf(text, size, "not covered: %.230s", endpoint->trouble);
	else if (state == FW_EP_LOCKED)
		(void)snprintf(text, size, "locked down: %.200s",
			       locked ? locked : "no reason kept");
	else if (state == FW_EP_ISOLATED)
		why_isolated(agent, endpoint, text, size);
	else if (state == FW_EP_CLAIMED)
		(void)snprintf(text, size, "being set up or taken down by the plugin");
	else if (state == FW_EP_FREE)
		(void)snprintf(text, size, "released by the plugin");
}

static void set_wake(struct fw_agent *agent)
{
	uint64_t first = UINT64_MAX, now = fw_agent_now();
	struct timeval wait;

	for (const struct fw_waiter *w = agent->waiters; w; w = w->next)
		first = w->deadline_ns < first ? w->deadline_ns : first;
	if (first == UINT64_MAX) {
		(void)event_del(agent->wake);
		return;
	}
	first = first > now ? first - now : 0;
	wait.tv_sec = (time_t)(first / 1000000000u);
	wait.tv_usec = (suseconds_t)(first % 1000000000u / 1000u) + 1;
	(void)event_add(agent->wake, &wait);
}

/* Settled, or its time is over: answered and forgotten. */
void fw_agent_answer_waiters(struct fw_agent *agent)
{
	uint64_t now = fw_agent_now();
	struct fw_waiter **at = &agent->waiters, *waiter;

	while ((waiter = *at)) {
		const struct fw_agent_endpoint *endpoint = fw_agent_find(agent, waiter->owner);
		enum fw_endpoint_state state =
			endpoint ? fw_agent_state(agent, endpoint) : FW_EP_ISOLATED;
		char detail[256] = "the endpoint was removed";

		if (endpoint && state != FW_EP_ACTIVE && state != FW_EP_LOCKED &&
		    now < waiter->deadline_ns) {
			at = &waiter->next;
			continue;
		}
		if (endpoint)
			fw_agent_detail(agent, endpoint, detail, sizeof(detail));
		*at = waiter->next;
		waiter->added(state, detail, waiter->context);
		free(waiter);
	}
	set_wake(agent);
}

static int add_waiter(struct fw_agent *agent, uint64_t owner, unsigned int wait_ms,
		      fw_agent_added added, void *context, uint64_t *ret_ticket)
{
	struct fw_waiter *waiter = calloc(1, sizeof(*waiter));

	if (!waiter)
		return -ENOMEM;
	*waiter = (struct fw_waiter){.ticket = ++agent->tickets,
				     .owner = owner,
				     .added = added,
				     .context = context,
				     .next = agent->waiters,
				     .deadline_ns = fw_agent_now() + wait_ms * FW_MS};
	agent->waiters = waiter;
	*ret_ticket = waiter->ticket;
	set_wake(agent);
	return 0;
}

/* The row is the truth about what the plugin has put behind the wall. */
static int check_row(struct fw_agent *agent, const struct fw_sandbox_info *info, struct fw_err *err)
{
	const struct fw_endpoint *row = fw_datapath_endpoint(agent->datapath, info->slot);

	if (!row)
		return fw_err_set(err, -EINVAL, "slot: there is no endpoint row %u", info->slot);
	if (row->owner != fw_endpoint_owner(info->container_id, info->ifname) ||
	    row->state == FW_EP_FREE || row->state == FW_EP_CLAIMED)
		return fw_err_set(
			err, -EINVAL,
			"slot: endpoint row %u does not belong to this container and interface",
			info->slot);
	return 0;
}

/* Where its hook is: by the plugin's file, which stands before the hook does; else by the row. */
static void find_place(struct fw_agent *agent, struct fw_sandbox_info *info)
{
	const struct fw_endpoint *row = fw_datapath_endpoint(agent->datapath, info->slot);
	_cleanup_free_ struct fw_sandbox_info *file = calloc(1, sizeof(*file));
	char path[PATH_MAX], name[NAME_MAX + 1];
	_cleanup_close_ int folder = -1;

	memcpy(info->mac, row->mac, sizeof(info->mac));
	info->in_sandbox = row->flags & FW_EP_IN_SANDBOX;
	info->ifindex = row->ifindex;
	if ((size_t)snprintf(path, sizeof(path), "%s/endpoints", agent->options.run_dir) <
	    sizeof(path))
		folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (file && folder >= 0 &&
	    fw_sandbox_file_name(info->container_id, info->ifname, name) == 0 &&
	    fw_sandbox_read(folder, name, file, NULL) == 0 && file->slot == info->slot) {
		info->in_sandbox = file->in_sandbox;
		info->ifindex = file->ifindex;
		memcpy(info->device, file->device, sizeof(info->device));
		memcpy(info->netns, file->netns, sizeof(info->netns));
		info->netns_inode = file->netns_inode;
		info->placed = true;
		return;
	}
	info->placed =
		!info->in_sandbox && info->ifindex && if_indextoname(info->ifindex, info->device);
}

int fw_agent_add(struct fw_agent *agent, const struct fw_sandbox_info *info, unsigned int wait_ms,
		 fw_agent_added added, void *context, uint64_t *ret_ticket, struct fw_err *err)
{
	_cleanup_free_ struct fw_sandbox_info *copy = malloc(sizeof(*copy));
	static const struct timeval soon = {.tv_usec = SEE_US};
	struct fw_agent_endpoint *endpoint;
	int r = check_row(agent, info, err);

	agent->asked_ns = fw_agent_now();
	if (r < 0)
		return r;
	if (!copy)
		return fw_err_errno(err, -ENOMEM, "endpoint %s", info->container_id);
	*copy = *info;
	find_place(agent, copy);
	r = fw_agent_register(agent, copy, &endpoint, err);
	if (r < 0)
		return r;
	endpoint->unseen = true;
	fw_agent_see_addresses(agent); /* the first pod brings its gateway with it */
	/* an ADD that began before our programs were pinned has attached those before them */
	endpoint->outdated = fw_agent_wall() - agent->programs_ns < ADD_LONGEST_NS;
	(void)event_add(agent->see, &soon);
	r = add_waiter(agent, endpoint->owner, wait_ms, added, context, ret_ticket);
	if (r < 0)
		return fw_err_errno(err, r, "endpoint %s", info->container_id);
	/* in the next turn of the loop, so that ADDs that arrive together are one apply */
	event_active(agent->work, EV_TIMEOUT, 0);
	return 0;
}

void fw_agent_forget_waiter(struct fw_agent *agent, uint64_t ticket)
{
	for (struct fw_waiter **at = &agent->waiters; *at; at = &(*at)->next) {
		struct fw_waiter *waiter = *at;

		if (waiter->ticket != ticket)
			continue;
		*at = waiter->next;
		free(waiter);
		return;
	}
}

int fw_agent_del(struct fw_agent *agent, const char *container_id, const char *ifname,
		 struct fw_err *err)
{
	struct fw_agent_endpoint *endpoint =
		fw_agent_find(agent, fw_endpoint_owner(container_id, ifname));

	(void)err;
	agent->asked_ns = fw_agent_now();
	if (!endpoint)
		return 0;
	fw_agent_flush(agent, endpoint->owner);
	fw_agent_unregister(agent, endpoint);
	event_active(agent->work, EV_TIMEOUT, 0);
	return 0;
}
