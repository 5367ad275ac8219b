/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kept results (libcni's cniCacheV1) to endpoint files. In: see earlier.h. Out: files that name no
 * row yet. What ADD checks is checked here by the same code: names, sandbox, interface, addresses.
 */
#include "earlier.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "command.h"
#include "conflist.h"
#include "folder.h"
#include "json.h"

#define RESULT_MAX ((size_t)4 << 20) /* bytes: it holds the conflist and the pod's annotations */

struct look {
	cJSON *conflists[FW_CONFLISTS_MAX];
	size_t count;
	int cache; /* folder */
	void (*say)(const char *line);
	struct fw_earlier found;
};

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

static void look_done(struct look *look)
{
	for (size_t i = 0; i < look->count; i++)
		fw_json_free(&look->conflists[i]);
	fw_close_fd(&look->cache);
}

static const cJSON *our_entry(const cJSON *conflist)
{
	const cJSON *plugin;

	cJSON_ArrayForEach(plugin, fw_json_get(conflist, "plugins")) {
		const char *type = fw_json_get_string(plugin, "type");

		if (type && !strcmp(type, FW_PLUGIN_NAME))
			return plugin;
	}
	return NULL;
}

/* Those that hold our entry. One that is broken is the runtime's to complain about. */
static int read_conflists(struct look *look, const char *path, struct fw_err *err)
{
	_cleanup_close_ int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct fw_conflists list;

	if (folder < 0)
		return errno == ENOENT ? 0 : fw_err_errno(err, -errno, "%s", path);
	int r = fw_folder_list(folder, &list, err);
	for (size_t i = 0; r == 0 && i < list.count; i++) {
		_cleanup_free_ char *text = NULL;
		cJSON *root = NULL;
		size_t len;

		if (fw_folder_read(folder, list.name[i], FW_CONFLIST_MAX, &text, &len, NULL) < 0 ||
		    fw_json_parse(text, len, &root, NULL) < 0)
			continue;
		if (our_entry(root) && fw_json_get_string(root, "name"))
			look->conflists[look->count++] = root;
		else
			fw_json_free(&root);
	}
	return r;
}

/* The entry of ours that this result's pod would have met; NULL: another network. */
static const cJSON *entry_for(const struct look *look, const cJSON *kept)
{
	const char *network = fw_json_get_string(kept, "networkName");

	for (size_t i = 0; network && i < look->count; i++) {
		if (!strcmp(fw_json_get_string(look->conflists[i], "name"), network))
			return our_entry(look->conflists[i]);
	}
	return NULL;
}

/* What ADD would have got on standard input. */
static char *input_of(const cJSON *entry, const cJSON *kept)
{
	const cJSON *result = fw_json_get(kept, "result");
	_cleanup_(free_tree) cJSON *input = cJSON_Duplicate(entry, true);
	_cleanup_(free_tree) cJSON *prev = cJSON_Duplicate(result, true);
	const char *version = fw_json_get_string(result, "cniVersion");

	if (!input || !prev || !version || !cJSON_AddStringToObject(input, "cniVersion", version) ||
	    !cJSON_AddStringToObject(input, "name", fw_json_get_string(kept, "networkName")) ||
	    !cJSON_AddItemToObject(input, "prevResult", prev))
		return NULL;
	prev = NULL;
	return cJSON_PrintUnformatted(input);
}

/* The sandbox of the interface, where the result names it. */
static const char *netns_of(const cJSON *kept, const char *ifname)
{
	const cJSON *interface;

	if (fw_json_get_string(kept, "netns"))
		return fw_json_get_string(kept, "netns");
	cJSON_ArrayForEach(interface, fw_json_get(fw_json_get(kept, "result"), "interfaces")) {
		const char *name = fw_json_get_string(interface, "name");
		const char *sandbox = fw_json_get_string(interface, "sandbox");

		if (name && sandbox && *sandbox && !strcmp(name, ifname))
			return sandbox;
	}
	return NULL;
}

/* KEY=VALUE;KEY=VALUE of [["KEY", "VALUE"], ...]; keys of others are not ours to judge. */
static int args_of(const cJSON *kept, struct fw_buf *ret_args)
{
	int r = fw_buf_printf(ret_args, "IgnoreUnknown=1");
	const cJSON *pair;

	cJSON_ArrayForEach(pair, fw_json_get(kept, "cniArgs")) {
		const char *key = cJSON_GetStringValue(cJSON_GetArrayItem(pair, 0));
		const char *value = cJSON_GetStringValue(cJSON_GetArrayItem(pair, 1));

		if (r == 0 && key && value && !strpbrk(key, "=;") && !strchr(value, ';'))
			r = fw_buf_printf(ret_args, ";%s=%s", key, value);
	}
	return r;
}

static void say(struct look *look, const struct fw_call *call, const char *text)
{
	char line[FW_ERR_TEXT + 512];

	(void)snprintf(line, sizeof(line), "%s/%s (%.20s): %s", fw_subject_namespace(call),
		       call->env.name, call->env.container_id, text);
	look->say(line);
}

/* The result went while we looked: so did the pod, and nobody would take the file away. */
static void recheck(struct look *look, const struct fw_call *call, const char *file)
{
	struct stat st;

	if (fstatat(look->cache, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
		(void)fw_state_remove(call->conf.run_dir, call->env.container_id, call->env.ifname,
				      NULL);
}

static void tell_pod(struct look *look, const struct fw_call *call, const char *file)
{
	_cleanup_(fw_subject_done) struct fw_subject_pod pod = {.netns = -1};
	_cleanup_close_ int lock = -1;
	struct fw_err err = {""};
	uint64_t owner = fw_endpoint_owner(call->env.container_id, call->env.ifname);
	struct fw_state state;

	if (fw_netconf_exempts(&call->conf, fw_subject_namespace(call))) {
		look->found.exempt++;
		return;
	}
	int r = fw_state_lock(call->conf.run_dir, owner, FW_STATE_MAKE, &lock, &err);
	if (r == 0 && fw_state_read(call->conf.run_dir, call->env.container_id, call->env.ifname,
				    &state, NULL) != -ENOENT) {
		look->found.known++;
		return;
	}
	if (r == 0)
		r = fw_subject_find(call, &pod, &err);
	if (r == FW_CNI_ENVIRONMENT)
		return; /* the sandbox is gone, its result was left behind */
	if (r == 0) {
		pod.state.slot = 0; /* a row of nobody: podwalld claims one (state.h) */
		r = fw_state_write(call->conf.run_dir, &pod.state, &err);
	}
	say(look, call, r ? err.text : "ran without a firewall: podwalld is told");
	look->found.told += !r;
	look->found.failed += !!r;
	recheck(look, call, file);
}

static void call_done(struct fw_call *call)
{
	fw_netconf_done(&call->conf);
}

/* The call that ADD would have been; -ENOENT where it is none of ours. Else 0 or a code. */
static int call_of(const struct look *look, const cJSON *kept, struct fw_buf *args,
		   struct fw_call *ret_call, struct fw_err *err)
{
	const char *ifname = fw_json_get_string(kept, "ifName");
	const cJSON *entry = entry_for(look, kept);
	enum fw_cni_version version;

	if (!entry || !ifname)
		return -ENOENT;
	_cleanup_free_ char *input = input_of(entry, kept);
	if (!input || args_of(kept, args) < 0)
		return fw_err_set(err, FW_CNI_DECODE, "no result that can be read");
	int code = fw_netconf_parse(input, strlen(input), false, &version, &ret_call->conf, err);
	if (code)
		return code;
	const struct fw_env_raw raw = {fw_json_get_string(kept, "containerId"),
				       netns_of(kept, ifname), ifname, args->data};
	return fw_env_parse(&raw, FW_ENV_CONTAINER | FW_ENV_NETNS | FW_ENV_POD, &ret_call->env,
			    err);
}

/* "NETWORK-CONTAINER-IFNAME" */
static bool named_for_ours(const struct look *look, const char *file)
{
	for (size_t i = 0; i < look->count; i++) {
		const char *name = fw_json_get_string(look->conflists[i], "name");

		if (!strncmp(file, name, strlen(name)) && file[strlen(name)] == '-')
			return true;
	}
	return false;
}

static void say_failed(struct look *look, const char *file, struct fw_err *err)
{
	fw_err_prefix(err, "%s", file);
	look->say(err->text);
	look->found.failed++;
}

static void look_at(struct look *look, const char *file)
{
	_cleanup_(call_done) struct fw_call call = {0};
	_cleanup_(free_tree) cJSON *kept = NULL;
	_cleanup_(fw_buf_done) struct fw_buf args;
	_cleanup_free_ char *text = NULL;
	struct fw_err err = {""};
	size_t len;

	fw_buf_init(&args, FW_CNI_ARGS_MAX + 1);
	int code = fw_folder_read(look->cache, file, RESULT_MAX, &text, &len, &err);
	if (code == 0)
		code = fw_json_parse(text, len, &kept, &err);
	if (code < 0) {
		if (code != -ENOENT && named_for_ours(look, file))
			say_failed(look, file, &err);
		return;
	}
	code = call_of(look, kept, &args, &call, &err);
	if (!code)
		tell_pod(look, &call, file);
	else if (code != -ENOENT)
		say_failed(look, file, &err);
}

int fw_earlier_cover(const char *conf_dir, const char *cache_dir,
		     void (*say_line)(const char *line), struct fw_earlier *ret_found,
		     struct fw_err *err)
{
	_cleanup_(look_done) struct look look = {.cache = -1, .say = say_line};
	_cleanup_(close_dir) DIR *dir = NULL;
	const struct dirent *entry;
	char path[PATH_MAX];
	int r = read_conflists(&look, conf_dir, err);

	*ret_found = (struct fw_earlier){0};
	if (r < 0 || !look.count)
		return r;
	if ((size_t)snprintf(path, sizeof(path), "%s/results", cache_dir) >= sizeof(path))
		return fw_err_errno(err, -ENAMETOOLONG, "%s", cache_dir);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0 : fw_err_errno(err, -errno, "%s", path);
	look.cache = fcntl(dirfd(dir), F_DUPFD_CLOEXEC, 0);
	if (look.cache < 0)
		return fw_err_errno(err, -errno, "%s", path);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			look_at(&look, entry->d_name);
	}
	*ret_found = look.found;
	return 0;
}
