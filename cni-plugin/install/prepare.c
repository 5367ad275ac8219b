/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes folders and gives them, with what is in them, to a user. In, out: prepare.h. Walks from
 * folder to folder by descriptor, so that nobody can lead it elsewhere by a link.
 */
#include "prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "state.h"

static void close_tree(FTS **tree)
{
	if (*tree)
		(void)fts_close(*tree);
}

static int give(const char *path, uid_t user, struct fw_err *err)
{
	char copy[PATH_MAX];
	char *const roots[] = {copy, NULL};
	const FTSENT *entry;

	(void)snprintf(copy, sizeof(copy), "%s", path);
	_cleanup_(close_tree) FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_XDEV, NULL);
	if (!tree)
		return fw_err_errno(err, -errno, "%s", path);
	for (errno = 0; (entry = fts_read(tree)); errno = 0) {
		if (entry->fts_info == FTS_DP)
			continue; /* seen before its content */
		if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR ||
		    entry->fts_info == FTS_NS)
			return fw_err_errno(err, -entry->fts_errno, "%s", entry->fts_path);
		if (entry->fts_statp->st_uid == user && entry->fts_statp->st_gid == user)
			continue;
		if (lchown(entry->fts_accpath, user, user) < 0 && errno != ENOENT)
			return fw_err_errno(err, -errno, "giving %s to user %u", entry->fts_path,
					    user);
	}
	return errno ? fw_err_errno(err, -errno, "%s", path) : 0;
}

int fw_prepare(const struct fw_prepare *prepare, struct fw_err *err)
{
	const char *const paths[] = {prepare->pin_dir, prepare->run_dir, prepare->state_dir};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		int r = fw_state_make_path(paths[i], err);
		if (r == 0)
			r = give(paths[i], prepare->user, err);
		if (r < 0)
			return r;
	}
	return 0;
}
