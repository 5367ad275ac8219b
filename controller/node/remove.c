// SPDX-License-Identifier: Apache-2.0
/*
 * Podwall leaves the node. In: its three folders. Out: no program on any device, no pin, no file;
 * every pod goes on, open. Never stops or restarts a pod, and removes nothing that it does not know
 * by name.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "node/inside.h"
#include "postnat/postnat.h"

#define PLUGIN_WAIT_MS 10000
#define PLUGIN_STEP_MS 10

static void close_dir(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

/* The plugin's lock of all endpoints at once: no ADD or DEL is under way while it is held. */
static int lock_plugin(const char *run_dir, int *ret_fd, struct fw_err *err)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	const struct timespec step = {.tv_nsec = PLUGIN_STEP_MS * (long)FW_MS};
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s/endpoints.lock", run_dir) >= sizeof(path))
		return fw_err_errno(err, -ENAMETOOLONG, "%s", run_dir);
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : fw_err_errno(err, -errno, "%s", path);
	for (int waited = 0; fcntl(fd, F_OFD_SETLK, &all) < 0; waited += PLUGIN_STEP_MS) {
		if (errno != EAGAIN && errno != EACCES)
			return fw_err_errno(err, -errno, "locking %s", path);
		if (waited >= PLUGIN_WAIT_MS)
			return fw_err_set(err, -EBUSY, "podwall-cni is at work on a pod (%s)",
					  path);
		(void)nanosleep(&step, NULL);
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Hooks inside of sandboxes, too, which only a file leads to. */
static int detach_files(struct fw_agent *agent, const char *run_dir, struct fw_err *err)
{
	_cleanup_free_ struct fw_sandbox_info *info = calloc(1, sizeof(*info));
	_cleanup_(close_dir) DIR *dir = NULL;
	char path[PATH_MAX];
	struct dirent *entry;

	if (!info)
		return fw_err_errno(err, -ENOMEM, "endpoint files");
	if ((size_t)snprintf(path, sizeof(path), "%s/endpoints", run_dir) >= sizeof(path))
		return fw_err_errno(err, -ENAMETOOLONG, "%s", run_dir);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0 : fw_err_errno(err, -errno, "%s", path);
	while ((entry = readdir(dir))) {
		struct fw_err reason = {""};

		if (entry->d_name[0] == '.')
			continue;
		if (fw_sandbox_read(dirfd(dir), entry->d_name, info, &reason) < 0)
			fw_agent_log(agent, FW_LOG_WARNING, "%s", reason.text);
		else if (info->placed)
			fw_agent_detach(agent, info);
	}
	return 0;
}

static size_t count_rows(const struct fw_datapath *datapath)
{
	uint32_t rows = fw_datapath_capacity(datapath, FW_MAP_ENDPOINTS);
	size_t count = 0;

	for (uint32_t slot = 0; slot < rows; slot++) {
		const struct fw_endpoint *row = fw_datapath_endpoint(datapath, slot);

		count += row && row->state != FW_EP_FREE;
	}
	return count;
}

static bool is_ours(const char *name)
{
	static const char *const files[] = {"podwalld.pid",  "podwalld.sock", "endpoints.lock",
					    "decisions.log", "services.log",  "ids.log",
					    "local.json",    ".local.json"};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (!strcmp(name, files[i]))
			return true;
	}
	return false;
}

/* Our files of one folder, then the folder if nothing else is in it. `every`: all are ours. */
static int remove_folder(struct fw_agent *agent, const char *path, bool every, struct fw_err *err)
{
	_cleanup_(close_dir) DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return errno == ENOENT ? 0 : fw_err_errno(err, -errno, "%s", path);
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if ((every || is_ours(entry->d_name)) && unlinkat(dirfd(dir), entry->d_name, 0) < 0)
			return fw_err_errno(err, -errno, "%s/%s", path, entry->d_name);
	}
	if (rmdir(path) == 0 || errno == ENOENT)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST && errno != EBUSY)
		return fw_err_errno(err, -errno, "%s", path);
	fw_agent_log(agent, FW_LOG_WARNING, "%s stays: other files are in it, or it is a mount",
		     path);
	return 0;
}

static int remove_files(struct fw_agent *agent, struct fw_err *err)
{
	const struct fw_agent_options *options = &agent->options;
	char endpoints[PATH_MAX];
	int r = 0;

	if ((size_t)snprintf(endpoints, sizeof(endpoints), "%s/endpoints", options->run_dir) >=
	    sizeof(endpoints))
		return fw_err_errno(err, -ENAMETOOLONG, "%s", options->run_dir);
	r = remove_folder(agent, endpoints, true, err);
	if (r == 0)
		r = remove_folder(agent, options->state_dir, false, err);
	if (r == 0)
		r = remove_folder(agent, options->run_dir, false, err);
	return r;
}

/* After the programs: nothing is judged by it any more. */
static void remove_chain(struct fw_agent *agent)
{
	struct fw_err err = {""};

	if (fw_postnat_uninstall(&err) < 0)
		fw_agent_log(agent, FW_LOG_WARNING, "the nftables table podwall stays: %s",
			     err.text);
}

int fw_agent_remove(const struct fw_agent_options *options, size_t *ret_pods, struct fw_err *err)
{
	_cleanup_close_ int run_lock = -1, pin_lock = -1, plugin_lock = -1;
	struct fw_agent agent = {.options = *options};
	bool made;
	int r;

	*ret_pods = 0;
	r = fw_agent_lock_run(options->run_dir, &run_lock, err);
	if (r == 0)
		r = fw_datapath_open(options->pin_dir, &agent.datapath, err);
	made = r == 0;
	if (r == -ENOENT)
		r = 0;
	if (r == 0 && made)
		r = fw_agent_lock_pins(options->pin_dir, &pin_lock, err);
	if (r == 0)
		r = lock_plugin(options->run_dir, &plugin_lock, err);
	if (r == 0 && made)
		r = detach_files(&agent, options->run_dir, err);
	if (r == 0 && made)
		*ret_pods = count_rows(agent.datapath);
	fw_datapath_close(&agent.datapath);
	if (r == 0)
		r = fw_datapath_destroy(options->pin_dir, err);
	if (r == 0 && made)
		remove_chain(&agent);
	return r < 0 ? r : remove_files(&agent, err);
}
