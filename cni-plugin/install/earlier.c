/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One cached result becomes the call that the plugin would have got, is looked at as ADD looks at
 * it, and is written down as ADD writes it, with a row that podwalld does not know: it takes that
 * for a pod whose row is lost, makes one, and carries the connections over. In, out: earlier.h.
 */
#include "earlier.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "command.h"
#include "fw/abi.h"
#include "folder.h"
#include "json.h"
#include "state.h"

#define RESULT_MAX  ((size_t)4 << 20) /* annotations of the pod are in it */
#define MAIN_IFNAME "eth0"	      /* what runtimes call the interface of their own network */
#define LOST_ROW    0

static void close_dir(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static void free_tree(cJSON **root)
{
	if (*root)
		fw_json_free(root);
}

static void call_done(struct fw_call *call)
{
	fw_netconf_done(&call->conf);
}

/* "NETWORK-CONTAINER-IFNAME": true when that endpoint has its file, so that most results need not
 * be read. A name that can be split otherwise is read. */
static bool is_known(const char *run_dir, const char *name)
{
	char container[FW_CONTAINER_ID_MAX + 1];
	const char *ifname = strrchr(name, '-');
	struct fw_state state;

	if (!ifname || ifname == name)
		return false;
	const char *begin = ifname - 1;
	while (begin > name && begin[-1] != '-')
		begin--;
	size_t len = (size_t)(ifname - begin);
	if (!len || len >= sizeof(container) || !fw_name_is_ifname(ifname + 1))
		return false;
	memcpy(container, begin, len);
	container[len] = '\0';
	return fw_name_is_id(container, FW_CONTAINER_ID_MAX) &&
	       fw_state_read(run_dir, container, ifname + 1, &state, NULL) == 0;
}

/* The configuration that the plugin would have read: the entry, the network, the result. */
static int make_conf(const char *entry, cJSON *cached, struct fw_netconf *ret_conf,
		     struct fw_err *err)
{
	_cleanup_(free_tree) cJSON *root = NULL;
	enum fw_cni_version version;

	int r = fw_json_parse(entry, strlen(entry), &root, err);
	if (r < 0)
		return r;
	const char *network = fw_json_get_string(cached, "networkName");
	cJSON *result = cJSON_DetachItemFromObjectCaseSensitive(cached, "result");
	if (!result || !network) {
		cJSON_Delete(result);
		return fw_err_set(err, -EINVAL, "no networkName, or no result");
	}
	const char *result_version = fw_json_get_string(result, "cniVersion");
	cJSON_DeleteItemFromObjectCaseSensitive(root, "cniVersion");
	cJSON_DeleteItemFromObjectCaseSensitive(root, "name");
	if (!cJSON_AddStringToObject(root, "cniVersion", result_version ? result_version : "") ||
	    !cJSON_AddStringToObject(root, "name", network) ||
	    !cJSON_AddItemToObject(root, "prevResult", result)) {
		cJSON_Delete(result);
		return fw_err_errno(err, -ENOMEM, "configuration");
	}
	_cleanup_free_ char *text = cJSON_PrintUnformatted(root);
	if (!text)
		return fw_err_errno(err, -ENOMEM, "configuration");
	return fw_netconf_parse(text, strlen(text), false, &version, ret_conf, err) ? -EINVAL : 0;
}

/* KEY=VALUE;KEY=VALUE of the pairs that libcni keeps. */
static int make_args(const cJSON *cached, struct fw_buf *out, struct fw_err *err)
{
	const cJSON *pair;

	cJSON_ArrayForEach(pair, fw_json_get(cached, "cniArgs")) {
		const char *key = cJSON_GetStringValue(cJSON_GetArrayItem(pair, 0));
		const char *value = cJSON_GetStringValue(cJSON_GetArrayItem(pair, 1));
		if (!key || !value)
			return fw_err_set(err, -EINVAL, "cniArgs: not pairs of texts");
		(void)fw_buf_printf(out, "%s%s=%s", out->len ? ";" : "", key, value);
	}
	int r = fw_buf_append(out, "", 1);
	return r < 0 ? fw_err_errno(err, r, "cniArgs") : 0;
}

/* libcni before 1.2 does not keep the sandbox's path beside the result, which has it, too. */
static const char *find_netns(const cJSON *cached, const char *ifname)
{
	const char *netns = fw_json_get_string(cached, "netns");
	const cJSON *interface;

	if (netns)
		return netns;
	cJSON_ArrayForEach(interface, fw_json_get(fw_json_get(cached, "result"), "interfaces")) {
		const char *name = fw_json_get_string(interface, "name");
		const char *sandbox = fw_json_get_string(interface, "sandbox");
		if (name && sandbox && *sandbox && !strcmp(name, ifname))
			return sandbox;
	}
	return NULL;
}

/* Under the lock of the endpoint, which ADD and DEL take, too. 1: written. */
static int write_state(const struct fw_call *call, int results, const char *name,
		       struct fw_state *state, struct fw_err *err)
{
	_cleanup_close_ int lock = -1;
	struct fw_state there;

	uint64_t owner = fw_endpoint_owner(state->container_id, state->ifname);
	int r = fw_state_lock(call->conf.run_dir, owner, FW_STATE_MAKE, &lock, err);
	if (r < 0)
		return r;
	if (fw_state_read(call->conf.run_dir, state->container_id, state->ifname, &there, NULL) !=
		    -ENOENT ||
	    faccessat(results, name, F_OK, 0) < 0)
		return 0; /* an ADD was under way, or a DEL came */
	state->slot = LOST_ROW;
	r = fw_state_write(call->conf.run_dir, state, err);
	return r < 0 ? r : 1;
}

/* 1: covered now; 0: needs nothing. */
static int cover(const char *entry, int results, const char *name, cJSON *cached,
		 struct fw_err *err)
{
	_cleanup_(fw_subject_done) struct fw_subject_pod pod = {.netns = -1};
	_cleanup_(fw_buf_done) struct fw_buf args = {0};
	_cleanup_(call_done) struct fw_call call = {0};
	_cleanup_free_ char *netns = NULL;

	const char *ifname = fw_json_get_string(cached, "ifName");
	if (!ifname || strcmp(ifname, MAIN_IFNAME) != 0)
		return 0; /* loopback, and networks that we are not chained on */
	const char *path = find_netns(cached, ifname);
	if (!path || access(path, F_OK) < 0)
		return 0; /* the sandbox is gone, and its DEL did not come */
	netns = strdup(path);
	fw_buf_init(&args, FW_CNI_ARGS_MAX + 1);
	int r = netns ? make_args(cached, &args, err) : fw_err_errno(err, -ENOMEM, "result");
	if (r == 0)
		r = make_conf(entry, cached, &call.conf, err);
	if (r < 0)
		return r;
	const struct fw_env_raw raw = {fw_json_get_string(cached, "containerId"), netns, ifname,
				       args.data};
	if (fw_env_parse(&raw, FW_ENV_CONTAINER | FW_ENV_NETNS | FW_ENV_POD, &call.env, err))
		return -EINVAL;
	if (fw_netconf_exempts(&call.conf, fw_subject_namespace(&call)))
		return 0;
	if (fw_subject_find(&call, &pod, err))
		return access(netns, F_OK) < 0 ? 0 : -EINVAL;
	return write_state(&call, results, name, &pod.state, err);
}

static int cover_file(const char *entry, int results, const char *name, struct fw_err *err)
{
	_cleanup_(free_tree) cJSON *cached = NULL;
	_cleanup_free_ char *text = NULL;
	size_t len = 0;

	int r = fw_folder_read(results, name, RESULT_MAX, &text, &len, err);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = fw_json_parse(text, len, &cached, err);
	if (r == 0)
		r = cover(entry, results, name, cached, err);
	if (r < 0)
		fw_err_prefix(err, "pod that runs without a firewall: %s", name);
	return r;
}

/* Where the plugin, with this entry, would write. */
static int find_run_dir(const char *entry, char *ret_path, struct fw_err *err)
{
	static const char text[] =
		"{\"networkName\":\"none\",\"result\":{\"cniVersion\":\"1.0.0\"}}";
	_cleanup_(free_tree) cJSON *none = NULL;
	struct fw_netconf conf;

	int r = fw_json_parse(text, strlen(text), &none, err);
	if (r == 0)
		r = make_conf(entry, none, &conf, err);
	if (r < 0)
		return r;
	(void)snprintf(ret_path, PATH_MAX, "%s", conf.run_dir);
	fw_netconf_done(&conf);
	return 0;
}

int fw_earlier_cover(const char *cache_dir, const char *entry, unsigned int *ret_count,
		     struct fw_err *err)
{
	_cleanup_(close_dir) DIR *dir = NULL;
	char path[PATH_MAX], run_dir[PATH_MAX];
	const struct dirent *file;
	unsigned int count = 0;

	int failure = find_run_dir(entry, run_dir, err);
	if (failure < 0)
		return failure;
	if ((size_t)snprintf(path, sizeof(path), "%s/results", cache_dir) >= sizeof(path))
		return fw_err_errno(err, -ENAMETOOLONG, "%s", cache_dir);
	dir = opendir(path);
	if (!dir && errno != ENOENT)
		return fw_err_errno(err, -errno, "%s", path);
	while (dir && (file = readdir(dir))) {
		if (file->d_name[0] == '.' || is_known(run_dir, file->d_name))
			continue;
		int r = cover_file(entry, dirfd(dir), file->d_name, err);
		count += r > 0;
		failure = r < 0 ? r : failure;
	}
	*ret_count = count;
	return failure;
}
