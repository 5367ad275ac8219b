/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The node's CNI folders: which conflist the runtime uses, files read whole and replaced by rename.
 * In: paths. Out: texts, new files. Never leaves a half-written file under a name that a runtime
 * reads, and never follows a name out of the folder.
 */
#ifndef FW_INSTALL_FOLDER_H
#define FW_INSTALL_FOLDER_H

#include <limits.h>
#include <stddef.h>

#include "base/err.h"

#define FW_CONFLISTS_MAX 64

/* Names of the *.conflist files of a folder, in the order in which runtimes look at them. */
struct fw_conflists {
	char name[FW_CONFLISTS_MAX][NAME_MAX + 1];
	size_t count;
};

/* folder: an open descriptor. -E2BIG when there are more than FW_CONFLISTS_MAX. */
int fw_folder_list(int folder, struct fw_conflists *ret_list, struct fw_err *err);

/* The whole file, NUL-terminated, owned by the caller. -EFBIG above `max` bytes. */
int fw_folder_read(int folder, const char *name, size_t max, char **ret_text, size_t *ret_len,
		   struct fw_err *err);

/* Replaces or makes `name` with these bytes and this mode: a runtime sees the old or the new. */
int fw_folder_replace(int folder, const char *name, const void *data, size_t len, unsigned int mode,
		      struct fw_err *err);

#endif
