// SPDX-License-Identifier: Apache-2.0
/*
 * Hooks of known endpoints: asked for, put back, refreshed, promoted. In: an endpoint and its
 * place. Out: both programs on its device. Enters a sandbox's network namespace only for hooks that
 * are inside of it, and comes back or ends the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "node/inside.h"

#define CHECK_SHARES 10u
#define RETRY_NS     (60000 * FW_MS)
#define QUIET_NS     (2000 * FW_MS)  /* without ADD and DEL: promotions go on */
#define RARELY_NS    (10000 * FW_MS) /* between two promotions where it is never quiet */
#define NEEDS_SYS_ADMIN                                                                            \
	"no tcx link is pinned for its hook inside the sandbox, and podwalld needs "               \
	"CAP_SYS_ADMIN to look there"

static void leave(int *home)
{
	if (*home < 0)
		return;
	if (setns(*home, CLONE_NEWNET) < 0)
		abort(); /* nothing may be done in a pod's namespace by mistake */
	(void)close(*home);
	*home = -1;
}

/* The sandbox of the file, if it is still the same one; -1 when not. */
static int open_sandbox(const struct fw_sandbox_info *info)
{
	_cleanup_close_ int fd = open(info->netns, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_ino != info->netns_inode)
		return -1;
	return TAKE_FD(fd);
}

/* Moves into the sandbox where the hook is there; *ret_home stays -1 where it is not. */
static int enter(const struct fw_sandbox_info *info, int *ret_home)
{
	_cleanup_close_ int home = -1, sandbox = -1;

	if (!info->in_sandbox)
		return 0;
	sandbox = open_sandbox(info);
	if (sandbox < 0)
		return -ENODEV;
	home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0 || setns(sandbox, CLONE_NEWNET) < 0)
		return -errno;
	*ret_home = TAKE_FD(home);
	return 0;
}

static struct fw_hook hook_of(const struct fw_sandbox_info *info)
{
	return (struct fw_hook){.ifindex = info->ifindex,
				.slot = info->slot,
				.in_sandbox = info->in_sandbox,
				.constant = info->slot >= FW_IFINDEX_SLOTS};
}

/*
 * The hook as this process can reach it. Entering a sandbox takes CAP_SYS_ADMIN: without it only
 * its pinned links are within reach, and a number of a device would mean another one here.
 */
static int reach(const struct fw_sandbox_info *info, struct fw_hook *ret_hook, int *ret_home)
{
	int r = enter(info, ret_home);

	*ret_hook = hook_of(info);
	if (r == -EPERM)
		ret_hook->ifindex = 0;
	return r == -EPERM ? 0 : r;
}

bool fw_agent_device_alive(const struct fw_sandbox_info *info)
{
	_cleanup_(leave) int home = -1;
	char name[IF_NAMESIZE];
	int r = info->placed ? enter(info, &home) : -ENODEV;

	if (r < 0)
		return r == -EPERM; /* the sandbox is there */
	return if_indextoname(info->ifindex, name) && !strcmp(name, info->device);
}

static void set_trouble(struct fw_agent *agent, struct fw_agent_endpoint *endpoint,
			const char *text)
{
	if (text[0] && strncmp(endpoint->trouble, text, sizeof(endpoint->trouble) - 1) != 0)
		fw_agent_log(agent, FW_LOG_WARNING, "%s/%s (%s, %s): %s", endpoint->info.namespace,
			     endpoint->info.name, endpoint->info.device,
			     endpoint->info.container_id, text);
	(void)snprintf(endpoint->trouble, sizeof(endpoint->trouble), "%s", text);
}

static void attach(struct fw_agent *agent, struct fw_agent_endpoint *endpoint, bool was_known)
{
	struct fw_hook hook = hook_of(&endpoint->info);
	_cleanup_close_ int lock = -1;
	struct fw_err err = {""};

	hook.live = true; /* the pod runs already */
	/* a DEL detaches before it tells us: what it takes away is not put back */
	if (fw_agent_lock_endpoint(agent->options.run_dir, endpoint->owner, &lock) < 0 ||
	    fw_agent_state(agent, endpoint) == FW_EP_FREE)
		return;
	if (fw_hook_attach(agent->datapath, &hook, &endpoint->hook, &err) < 0) {
		endpoint->hook = FW_HOOK_NONE;
		endpoint->retry_ns = fw_agent_now() + 1000 * FW_MS;
		set_trouble(agent, endpoint, err.text);
		return;
	}
	endpoint->outdated = false;
	if (was_known)
		endpoint->restored_ns = fw_agent_wall();
	else
		endpoint->late = agent->late = true;
	fw_agent_log(agent, FW_LOG_WARNING,
		     "%s/%s (%s): our programs were not attached: attached%s",
		     endpoint->info.namespace, endpoint->info.name, endpoint->info.device,
		     was_known ? " again" : "");
	set_trouble(agent, endpoint, "");
}

void fw_agent_cover(struct fw_agent *agent, struct fw_agent_endpoint *endpoint)
{
	_cleanup_(leave) int home = -1;
	struct fw_hook hook;
	enum fw_hook_kind kind = FW_HOOK_NONE;
	struct fw_err err = {""};
	bool was_covered = endpoint->hook == FW_HOOK_CLSACT || endpoint->hook == FW_HOOK_TCX;

	endpoint->unseen = false;
	if (!endpoint->info.placed || !fw_agent_device_alive(&endpoint->info)) {
		endpoint->hook = FW_HOOK_NONE;
		set_trouble(agent, endpoint, "its device is gone");
		return;
	}
	if (reach(&endpoint->info, &hook, &home) < 0)
		return;
	if (fw_hook_query(agent->datapath, &hook, &kind, &err) < 0) {
		set_trouble(agent, endpoint, err.text);
		return;
	}
	endpoint->hook = kind;
	if (kind == FW_HOOK_NONE || kind == FW_HOOK_PARTIAL) {
		if (!hook.ifindex)
			set_trouble(agent, endpoint, NEEDS_SYS_ADMIN);
		else if (fw_agent_now() >= endpoint->retry_ns)
			attach(agent, endpoint, was_covered);
	} else if (endpoint->retry_ns < fw_agent_now()) {
		set_trouble(agent, endpoint, "");
	}
}

void fw_agent_see_new(struct fw_agent *agent)
{
	struct fw_agent_endpoint *endpoint, *next;

	HASH_ITER(hh, agent->endpoints, endpoint, next) {
		if (endpoint->unseen)
			fw_agent_cover(agent, endpoint);
	}
}

void fw_agent_refresh(struct fw_agent *agent, struct fw_agent_endpoint *endpoint)
{
	_cleanup_(leave) int home = -1;
	_cleanup_close_ int lock = -1;
	struct fw_hook hook;
	struct fw_err err = {""};

	if (endpoint->hook != FW_HOOK_CLSACT && endpoint->hook != FW_HOOK_TCX)
		return;
	/* as in promote(): what a DEL detaches is not put back */
	if (fw_agent_lock_endpoint(agent->options.run_dir, endpoint->owner, &lock) < 0 ||
	    fw_agent_state(agent, endpoint) == FW_EP_FREE)
		return;
	if (reach(&endpoint->info, &hook, &home) < 0)
		return;
	if (fw_hook_refresh(agent->datapath, &hook, &err) < 0)
		set_trouble(agent, endpoint, err.text);
	else
		endpoint->outdated = false;
}

void fw_agent_detach(struct fw_agent *agent, const struct fw_sandbox_info *info)
{
	struct fw_hook hook = hook_of(info);
	_cleanup_(leave) int home = -1;

	if (enter(info, &home) < 0)
		hook.ifindex = 0; /* that number means another device here */
	(void)fw_hook_detach(agent->datapath, &hook, NULL);
}

/* The endpoint after `owner` in ascending order, round the end. */
static struct fw_agent_endpoint *next_after(struct fw_agent *agent, uint64_t owner)
{
	struct fw_agent_endpoint *endpoint, *tmp, *best = NULL, *first = NULL;

	HASH_ITER(hh, agent->endpoints, endpoint, tmp) {
		if (!first || endpoint->owner < first->owner)
			first = endpoint;
		if (endpoint->owner > owner && (!best || endpoint->owner < best->owner))
			best = endpoint;
	}
	return best ? best : first;
}

void fw_agent_check_some(struct fw_agent *agent)
{
	size_t count = HASH_COUNT(agent->endpoints);

	for (size_t i = (count + CHECK_SHARES - 1) / CHECK_SHARES; i; i--) {
		struct fw_agent_endpoint *endpoint = next_after(agent, agent->check_after);

		agent->check_after = endpoint->owner;
		fw_agent_cover(agent, endpoint);
		if (endpoint->outdated)
			fw_agent_refresh(agent, endpoint);
	}
	fw_agent_seed(agent);
}

/* False when it cannot be tried now: the plugin is at work on it, or has released it. */
static bool promote(struct fw_agent *agent, struct fw_agent_endpoint *endpoint)
{
	const struct fw_hook hook = hook_of(&endpoint->info);
	_cleanup_close_ int lock = -1;
	struct fw_err err = {""};

	/* a DEL detaches under this lock: links made after it would stay pinned for nobody */
	if (fw_agent_lock_endpoint(agent->options.run_dir, endpoint->owner, &lock) < 0 ||
	    fw_agent_state(agent, endpoint) == FW_EP_FREE ||
	    !fw_agent_device_alive(&endpoint->info))
		return false;
	if (fw_hook_promote(agent->datapath, &hook, &err) < 0) {
		endpoint->retry_ns = fw_agent_now() + RETRY_NS;
		fw_agent_log(agent, FW_LOG_WARNING, "%s: stays on clsact: %s",
			     endpoint->info.device, err.text);
	} else {
		endpoint->hook = FW_HOOK_TCX;
	}
	return true;
}

/*
 * A promotion holds RTNL for two grace periods (20 ms), and whoever makes an interface waits for
 * it. Pods come in bursts, so the next ADD is awaited for a while; where they never stop coming,
 * two in a thousand ADDs meet a promotion.
 */
static bool is_time_to_promote(const struct fw_agent *agent)
{
	uint64_t now = fw_agent_now();

	return !agent->waiters &&
	       (now - agent->asked_ns >= QUIET_NS || now - agent->promoted_ns >= RARELY_NS);
}

void fw_agent_promote_one(struct fw_agent *agent)
{
	struct fw_agent_endpoint *endpoint, *tmp;

	if (agent->options.no_promote || !is_time_to_promote(agent) || !fw_hook_tcx_supported())
		return;
	agent->promotion_turns++;
	HASH_ITER(hh, agent->endpoints, endpoint, tmp) {
		if (endpoint->hook != FW_HOOK_CLSACT || endpoint->info.in_sandbox ||
		    fw_agent_now() < endpoint->retry_ns || !promote(agent, endpoint))
			continue;
		agent->promoted_ns = fw_agent_now();
		return;
	}
}
