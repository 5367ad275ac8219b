// SPDX-License-Identifier: Apache-2.0
/*
 * The plugin's endpoint files against what is known and what is attached. In: <run dir>/endpoints.
 * Out: every pod that runs here has an entry, a row and a hook; rows of devices that are gone are
 * freed. Writes no file: they are the plugin's. Never restarts a pod.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "node/inside.h"

#define FILES_MAX 16384u

struct found {
	char name[NAME_MAX + 1];
	struct timespec mtime;
};

static int compare_found(const void *a, const void *b)
{
	const struct timespec *x = &((const struct found *)a)->mtime;
	const struct timespec *y = &((const struct found *)b)->mtime;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? -1 : 1;
	return x->tv_nsec < y->tv_nsec ? -1 : x->tv_nsec > y->tv_nsec;
}

static void close_dir(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

/* The files, oldest first: of two sandboxes with one address the newer owns it. -ENOENT: no folder.
 */
static int list_files(const char *path, struct found **ret_found, size_t *ret_count, int *ret_fd)
{
	_cleanup_(close_dir) DIR *dir = opendir(path);
	_cleanup_free_ struct found *found = NULL;
	size_t count = 0, size = 0;
	struct dirent *entry;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir)) && count < FILES_MAX) {
		const char *dot = strrchr(entry->d_name, '.');
		struct stat st;

		if (entry->d_name[0] == '.' || !dot || strcmp(dot, ".json") != 0)
			continue;
		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (count == size) {
			struct found *grown = realloc(found, (2 * size + 64) * sizeof(*grown));

			if (!grown)
				return -ENOMEM;
			found = grown;
			size = 2 * size + 64;
		}
		(void)snprintf(found[count].name, sizeof(found->name), "%s", entry->d_name);
		found[count++].mtime = st.st_mtim;
	}
	if (count)
		qsort(found, count, sizeof(*found), compare_found);
	*ret_fd = fcntl(dirfd(dir), F_DUPFD_CLOEXEC, 0);
	if (*ret_fd < 0)
		return -errno;
	*ret_found = TAKE_PTR(found);
	*ret_count = count;
	return 0;
}

/* RFC 4291, appendix A: the link-local address that the pod gives itself. */
static void link_local_of(const uint8_t *mac, uint8_t *ret_ip)
{
	const uint8_t ip[16] = {0xfe,	    0x80,   0,	    0,	  0,	0,	0,	0,
				mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]};

	memcpy(ret_ip, ip, sizeof(ip));
}

static void fill_row(struct fw_endpoint *row, const struct fw_sandbox_info *info)
{
	static const uint8_t none[16];

	memcpy(row->mac, info->mac, sizeof(row->mac));
	link_local_of(info->mac, row->ip6_ll);
	row->flags = info->in_sandbox ? FW_EP_IN_SANDBOX : 0;
	for (size_t i = 0; i < info->ip_count; i++) {
		const struct fw_ip *ip = &info->ips[i];

		if (fw_ip_is4(ip) && !row->ip4_be)
			row->ip4_be = fw_ip_to4(ip);
		else if (fw_ip_is4(ip) && row->ip4_more < 4)
			row->ip4_extra_be[row->ip4_more++] = fw_ip_to4(ip);
		else if (!fw_ip_is4(ip) && !memcmp(row->ip6, none, sizeof(none)))
			memcpy(row->ip6, ip->b, sizeof(row->ip6));
		else if (!fw_ip_is4(ip) && row->ip6_more < 2)
			memcpy(row->ip6_extra[row->ip6_more++], ip->b, sizeof(row->ip6));
	}
}

/* A pod that runs, and whose row is lost (the pins were removed): isolated until it is compiled. */
static int make_row(struct fw_agent *agent, struct fw_sandbox_info *info, struct fw_err *err)
{
	uint64_t owner = fw_endpoint_owner(info->container_id, info->ifname);
	struct fw_endpoint *row;
	int r = fw_endpoint_claim(agent->datapath, owner, info->in_sandbox ? 0 : info->ifindex,
				  &info->slot, err);

	if (r < 0)
		return r;
	row = fw_datapath_endpoint(agent->datapath, info->slot);
	fill_row(row, info);
	fw_endpoint_bump(row);
	fw_endpoint_publish(row, FW_EP_ISOLATED);
	return 0;
}

static void drop_dead(struct fw_agent *agent, const struct fw_sandbox_info *info, uint64_t owner)
{
	struct fw_err err = {""};

	fw_agent_log(agent, FW_LOG_INFO, "%s/%s (%s): its device %s is gone: endpoint released",
		     info->namespace, info->name, info->container_id, info->device);
	fw_agent_detach(agent, info);
	fw_agent_flush(agent, owner);
	if (fw_endpoint_release(agent->datapath, owner, &err) < 0)
		fw_agent_log(agent, FW_LOG_WARNING, "%s: %s", info->container_id, err.text);
}

/* Under the plugin's lock: no ADD or DEL of this endpoint is under way. */
static int adopt_locked(struct fw_agent *agent, int folder, const char *name, struct fw_err *err)
{
	_cleanup_free_ struct fw_sandbox_info *info = calloc(1, sizeof(*info));
	struct fw_agent_endpoint *endpoint;
	const struct fw_endpoint *row;
	uint64_t owner;
	uint32_t slot;
	bool late;
	int r;

	if (!info)
		return fw_err_errno(err, -ENOMEM, "endpoint file %s", name);
	r = fw_sandbox_read(folder, name, info, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	owner = fw_endpoint_owner(info->container_id, info->ifname);
	slot = fw_endpoint_find(agent->datapath, owner);
	if (!fw_agent_device_alive(info)) {
		if (slot != FW_NO_SLOT)
			info->slot = slot;
		if (slot != FW_NO_SLOT)
			drop_dead(agent, info, owner);
		return 0;
	}
	if (info->slot == FW_SANDBOX_UNPLACED)
		return 0;	   /* an ADD that was killed: the runtime calls DEL */
	late = slot == FW_NO_SLOT; /* and with the row its flows */
	if (late) {
		r = make_row(agent, info, err);
		if (r < 0)
			return r;
	} else {
		info->slot = slot;
		row = fw_datapath_endpoint(agent->datapath, slot);
		if (row->state == FW_EP_CLAIMED)
			return 0; /* an ADD or DEL that was killed */
	}
	r = fw_agent_register(agent, info, &endpoint, err);
	if (r == 0 && late)
		endpoint->late = agent->late = true;
	return r;
}

/* False when the plugin is at work on it: to be looked at again. */
static bool adopt_file(struct fw_agent *agent, int folder, const char *name)
{
	_cleanup_free_ struct fw_sandbox_info *info = calloc(1, sizeof(*info));
	struct fw_agent_endpoint *endpoint;
	_cleanup_close_ int lock = -1;
	struct fw_err err = {""};
	uint64_t owner;
	int r;

	if (!info)
		return false;
	r = fw_sandbox_read(folder, name, info, &err);
	if (r == -ENOENT)
		return true;
	if (r < 0) {
		fw_agent_log(agent, FW_LOG_WARNING, "%s", err.text);
		return true;
	}
	owner = fw_endpoint_owner(info->container_id, info->ifname);
	if (fw_agent_find(agent, owner))
		return true;
	if (fw_agent_lock_endpoint(agent->options.run_dir, owner, &lock) < 0)
		return false; /* it will tell us, if it can */
	r = adopt_locked(agent, folder, name, &err);
	close(TAKE_FD(lock));
	endpoint = fw_agent_find(agent, owner);
	if (r < 0)
		fw_agent_log(agent, FW_LOG_WARNING, "%s: %s", info->container_id, err.text);
	else if (endpoint)
		fw_agent_cover(agent, endpoint);
	return true;
}

/* Released by a DEL that could not reach us. */
static size_t forget_released(struct fw_agent *agent)
{
	struct fw_agent_endpoint *endpoint, *next;
	size_t count = 0;

	HASH_ITER(hh, agent->endpoints, endpoint, next) {
		if (fw_endpoint_find(agent->datapath, endpoint->owner) != FW_NO_SLOT)
			continue;
		fw_agent_unregister(agent, endpoint);
		count++;
	}
	return count;
}

void fw_agent_adopt(struct fw_agent *agent, bool always)
{
	size_t before = HASH_COUNT(agent->endpoints), released, count = 0;
	_cleanup_free_ struct found *found = NULL;
	_cleanup_close_ int folder = -1;
	char path[PATH_MAX];
	struct stat st;

	if ((size_t)snprintf(path, sizeof(path), "%s/endpoints", agent->options.run_dir) >=
	    sizeof(path))
		return;
	if (stat(path, &st) < 0)
		return;
	if (!always && st.st_mtim.tv_sec == agent->folder_mtime.tv_sec &&
	    st.st_mtim.tv_nsec == agent->folder_mtime.tv_nsec)
		return;
	agent->folder_mtime = st.st_mtim;
	if (list_files(path, &found, &count, &folder) < 0)
		return;
	released = forget_released(agent);
	for (size_t i = 0; i < count; i++) {
		if (!adopt_file(agent, folder, found[i].name))
			agent->folder_mtime = (struct timespec){0};
	}
	fw_agent_seed(agent);
	if (!always && (released || HASH_COUNT(agent->endpoints) != before))
		event_active(agent->work, EV_TIMEOUT, 0);
}
