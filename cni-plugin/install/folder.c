/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listing, reading and replacing files of one folder. In: a descriptor of it and plain names.
 * Out: see folder.h. A temporary name begins with a dot and has no suffix that a runtime loads.
 */
#include "folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define SUFFIX	  ".conflist"
#define TEMPORARY ".podwall-install.new"

static void close_dir(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static int compare(const void *left, const void *right)
{
	return strcmp(left, right);
}

static bool is_conflist(const char *name)
{
	size_t len = strlen(name);

	return name[0] != '.' && len > strlen(SUFFIX) &&
	       !strcmp(name + len - strlen(SUFFIX), SUFFIX);
}

int fw_folder_list(int folder, struct fw_conflists *ret_list, struct fw_err *err)
{
	_cleanup_close_ int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(close_dir) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir)
		return fw_err_errno(err, -errno, "listing conflists");
	fd = -1; /* the stream's now */
	ret_list->count = 0;
	for (errno = 0; (entry = readdir(dir)); errno = 0) {
		if (!is_conflist(entry->d_name))
			continue;
		if (ret_list->count == FW_CONFLISTS_MAX)
			return fw_err_set(err, -E2BIG, "more than %d conflists", FW_CONFLISTS_MAX);
		(void)snprintf(ret_list->name[ret_list->count++], NAME_MAX + 1, "%s",
			       entry->d_name);
	}
	if (errno)
		return fw_err_errno(err, -errno, "listing conflists");
	qsort(ret_list->name, ret_list->count, sizeof(ret_list->name[0]), compare);
	return 0;
}

int fw_folder_read(int folder, const char *name, size_t max, char **ret_text, size_t *ret_len,
		   struct fw_err *err)
{
	_cleanup_close_ int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	struct stat stat;
	size_t len = 0;

	if (fd < 0 || fstat(fd, &stat) < 0)
		return fw_err_errno(err, -errno, "%s", name);
	if (!S_ISREG(stat.st_mode))
		return fw_err_set(err, -EINVAL, "%s: not a file", name);
	if (stat.st_size > (off_t)max)
		return fw_err_errno(err, -EFBIG, "%s", name);
	size_t size = (size_t)stat.st_size;
	text = malloc(size + 1);
	if (!text)
		return fw_err_errno(err, -ENOMEM, "%s", name);
	while (len < size) {
		ssize_t got = read(fd, text + len, size - len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fw_err_errno(err, -errno, "%s", name);
		if (!got)
			break;
		len += (size_t)got;
	}
	text[len] = '\0';
	*ret_text = TAKE_PTR(text);
	*ret_len = len;
	return 0;
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t put = write(fd, data, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		data += put;
		len -= (size_t)put;
	}
	return 0;
}

int fw_folder_replace(int folder, const char *name, const void *data, size_t len, unsigned int mode,
		      struct fw_err *err)
{
	(void)unlinkat(folder, TEMPORARY, 0); /* of a run that was killed */
	_cleanup_close_ int fd = openat(folder, TEMPORARY,
					O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fw_err_errno(err, -errno, "making a file beside %s", name);
	int r = write_all(fd, data, len);
	if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
		r = -errno;
	if (r == 0 && renameat(folder, TEMPORARY, folder, name) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(folder, TEMPORARY, 0);
		return fw_err_errno(err, r, "writing %s", name);
	}
	(void)fsync(folder);
	return 0;
}
