// SPDX-License-Identifier: Apache-2.0
/*
 * One podwalld per run directory and per pin directory. In: their paths. Out: locks that live as
 * long as the process, and a file with its pid. Never waits for the other one.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "node/inside.h"

static int make_dirs(const char *dir, struct fw_err *err)
{
	char path[PATH_MAX];
	size_t len = strlen(dir);

	if (!len || len >= sizeof(path))
		return fw_err_set(err, -ENAMETOOLONG, "'%s': empty or too long", dir);
	memcpy(path, dir, len + 1);
	for (char *at = path + 1;; at++) {
		bool last = !*at;

		if (*at && *at != '/')
			continue;
		*at = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return fw_err_errno(err, -errno, "%s", path);
		if (last)
			return 0;
		*at = '/';
	}
}

static int lock_fd(int fd, const char *path, struct fw_err *err)
{
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return fw_err_errno(err, -errno, "locking %s", path);
	return fw_err_set(err, -EBUSY, "another podwalld runs on %s", path);
}

int fw_agent_lock_run(const char *run_dir, int *ret_fd, struct fw_err *err)
{
	char path[PATH_MAX], text[32];
	_cleanup_close_ int fd = -1;
	int r = make_dirs(run_dir, err), len;

	if (r < 0) {
		fw_err_prefix(err, "run directory");
		return r;
	}
	if ((size_t)snprintf(path, sizeof(path), "%s/podwalld.pid", run_dir) >= sizeof(path))
		return fw_err_errno(err, -ENAMETOOLONG, "run directory %s", run_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return fw_err_errno(err, -errno, "%s", path);
	r = lock_fd(fd, run_dir, err);
	if (r < 0)
		return r;
	len = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)len, 0) != len)
		return fw_err_errno(err, -errno, "%s", path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int fw_agent_lock_pins(const char *pin_dir, int *ret_fd, struct fw_err *err)
{
	_cleanup_close_ int fd = open(pin_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return fw_err_errno(err, -errno, "%s", pin_dir);
	r = lock_fd(fd, pin_dir, err);
	if (r == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}

int fw_agent_lock_endpoint(const char *run_dir, uint64_t owner, int *ret_fd)
{
	struct flock lock = {.l_type = F_WRLCK,
			     .l_whence = SEEK_SET,
			     .l_start = (off_t)(owner & 0x7fffffff),
			     .l_len = 1};
	char path[PATH_MAX];
	_cleanup_close_ int fd = -1;

	if ((size_t)snprintf(path, sizeof(path), "%s/endpoints.lock", run_dir) >= sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
		return errno == EACCES ? -EAGAIN : -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}
