/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adds and removes: composes folder.h and conflist.h. In: struct fw_install. Out: the node's CNI
 * folders changed by rename, file by file, and only where they differ.
 */
#include "install.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "conflist.h"
#include "folder.h"

#define BINARY_MAX ((size_t)64 << 20)

static int open_folder(const char *path, int *ret_fd, struct fw_err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return fw_err_errno(err, -errno, "%s", path);
	*ret_fd = fd;
	return 0;
}

static int add_binary(const struct fw_install *install, enum fw_install_change *change,
		      struct fw_err *err)
{
	_cleanup_free_ char *fresh = NULL, *old = NULL;
	_cleanup_close_ int folder = -1;
	size_t fresh_len = 0, old_len = 0;
	struct stat stat;
	struct fw_err ignored;

	if (!install->plugin)
		return 0;
	int r = fw_folder_read(AT_FDCWD, install->plugin, BINARY_MAX, &fresh, &fresh_len, err);
	if (r == 0)
		r = open_folder(install->bin_dir, &folder, err);
	if (r < 0)
		return r;
	if (fw_folder_read(folder, FW_PLUGIN_NAME, BINARY_MAX, &old, &old_len, &ignored) == 0 &&
	    old_len == fresh_len && !memcmp(old, fresh, fresh_len) &&
	    fstatat(folder, FW_PLUGIN_NAME, &stat, 0) == 0 && (stat.st_mode & 0111) == 0111)
		return 0;
	r = fw_folder_replace(folder, FW_PLUGIN_NAME, fresh, fresh_len, 0755, err);
	if (r == 0)
		*change = FW_INSTALL_DONE;
	return r;
}

/* Keeps the file's mode: what the primary CNI plugin made private stays private. */
static int replace(int folder, const char *name, const char *text, struct fw_err *err)
{
	struct stat stat;
	unsigned int mode = fstatat(folder, name, &stat, 0) == 0 ? stat.st_mode & 07777 : 0600;

	return fw_folder_replace(folder, name, text, strlen(text), mode, err);
}

/* 0 with ret_change, or why this file is none that a runtime would load. */
static int add_entry(int folder, const char *name, const char *entry,
		     enum fw_install_change *ret_change, struct fw_err *err)
{
	_cleanup_free_ char *text = NULL, *changed = NULL;
	size_t len = 0;

	int r = fw_folder_read(folder, name, FW_CONFLIST_MAX, &text, &len, err);
	if (r == 0)
		r = fw_conflist_add(text, len, entry, &changed, err);
	if (r < 0)
		return r;
	if (!changed)
		return 0;
	r = replace(folder, name, changed, err);
	if (r == 0)
		*ret_change = FW_INSTALL_DONE;
	return r;
}

int fw_install_add(const struct fw_install *install, enum fw_install_change *ret_change,
		   char *ret_name, struct fw_err *err)
{
	_cleanup_free_ struct fw_conflists *list = calloc(1, sizeof(*list));
	enum fw_install_change change = FW_INSTALL_NOTHING;
	_cleanup_close_ int folder = -1;
	int r;

	if (!list)
		return fw_err_errno(err, -ENOMEM, "conflists");
	r = add_binary(install, &change, err);
	if (r == 0)
		r = open_folder(install->conf_dir, &folder, err);
	if (r == 0)
		r = fw_folder_list(folder, list, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < list->count; i++) {
		/* a file that is no conflist is passed over, as the runtime does */
		r = add_entry(folder, list->name[i], install->entry, &change, err);
		if (r == -EINVAL || r == -ENOENT)
			continue;
		if (r < 0)
			return r;
		(void)snprintf(ret_name, NAME_MAX + 1, "%s", list->name[i]);
		*ret_change = change;
		return 0;
	}
	ret_name[0] = '\0';
	*ret_change = FW_INSTALL_NO_CONFLIST;
	return 0;
}

int fw_install_remove(const struct fw_install *install, enum fw_install_change *ret_change,
		      struct fw_err *err)
{
	_cleanup_free_ struct fw_conflists *list = calloc(1, sizeof(*list));
	enum fw_install_change change = FW_INSTALL_NOTHING;
	_cleanup_close_ int folder = -1;
	int r;

	if (!list)
		return fw_err_errno(err, -ENOMEM, "conflists");
	r = open_folder(install->conf_dir, &folder, err);
	if (r == 0)
		r = fw_folder_list(folder, list, err);
	for (size_t i = 0; r == 0 && i < list->count; i++) {
		_cleanup_free_ char *text = NULL, *changed = NULL;
		size_t len = 0;

		r = fw_folder_read(folder, list->name[i], FW_CONFLIST_MAX, &text, &len, err);
		if (r == 0)
			r = fw_conflist_remove(text, len, &changed, err);
		if (r == 0 && changed) {
			r = replace(folder, list->name[i], changed, err);
			change = FW_INSTALL_DONE;
		}
		if (r == -EINVAL || r == -ENOENT)
			r = 0; /* not a conflist: nothing of ours in it */
	}
	if (r == 0)
		*ret_change = change;
	return r;
}

int fw_install_remove_plugin(const struct fw_install *install, struct fw_err *err)
{
	_cleanup_close_ int folder = open(install->bin_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (folder < 0)
		return errno == ENOENT ? 0 : fw_err_errno(err, -errno, "%s", install->bin_dir);
	if (unlinkat(folder, FW_PLUGIN_NAME, 0) < 0 && errno != ENOENT)
		return fw_err_errno(err, -errno, "%s/" FW_PLUGIN_NAME, install->bin_dir);
	return 0;
}
