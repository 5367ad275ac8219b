/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths in bpffs. In: a pin directory. Out: directories, a lock, pins that are taken or replaced in
 * one step. Never removes a pin but where its name says so, and never follows a symbolic link while
 * removing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "loader/inside.h"

#define BPFFS	   "/sys/fs/bpf"
#define TREE_DEPTH 8 /* deeper trees are not ours */

int fw_pin_path(char *ret_path, struct fw_err *err, const char *format, ...)
{
	char path[FW_PIN_TEXT];
	va_list arguments;
	int len;

	va_start(arguments, format);
	len = vsnprintf(path, sizeof(path), format, arguments);
	va_end(arguments);
	if (len < 0 || (size_t)len >= sizeof(path))
		return fw_err_set(err, -ENAMETOOLONG, "pin path is longer than %d bytes",
				  FW_PIN_TEXT - 1);
	memcpy(ret_path, path, (size_t)len + 1);
	return 0;
}

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (unsigned long)fs.f_type == BPF_FS_MAGIC;
}

/* The longest existing part of `path` is in a bpffs. */
static bool stands_in_bpffs(const char *path)
{
	char part[FW_PIN_TEXT];
	struct stat st;
	char *slash;

	(void)snprintf(part, sizeof(part), "%s", path);
	while (stat(part, &st) < 0) {
		slash = strrchr(part, '/');
		if (!slash || slash == part)
			return false;
		*slash = '\0';
	}
	return is_bpffs(part);
}

/* /sys/fs/bpf for pins below it, else the pin directory's parent. */
static int mount_point(const char *pin_dir, char *ret_path, struct fw_err *err)
{
	const char *slash = strrchr(pin_dir, '/');

	if (strncmp(pin_dir, BPFFS "/", sizeof(BPFFS)) == 0)
		return fw_pin_path(ret_path, err, BPFFS);
	if (!slash || slash == pin_dir)
		return fw_err_set(err, -EINVAL,
				  "pin directory \"%s\": not an absolute path below a bpffs",
				  pin_dir);
	return fw_pin_path(ret_path, err, "%.*s", (int)(slash - pin_dir), pin_dir);
}

int fw_pin_mount(const char *pin_dir, struct fw_err *err)
{
	_cleanup_close_ int lock = -1;
	char point[FW_PIN_TEXT];
	int r;

	if (pin_dir[0] != '/' || strlen(pin_dir) > FW_PIN_TEXT - 64)
		return fw_err_set(
			err, -EINVAL,
			"pin directory \"%.64s\": not an absolute path of at most %d bytes",
			pin_dir, FW_PIN_TEXT - 64);
	if (stands_in_bpffs(pin_dir))
		return 0;
	r = mount_point(pin_dir, point, err);
	if (r == 0)
		r = fw_pin_mkdir(point, err);
	if (r == 0)
		r = fw_pin_lock(point, &lock, err);
	if (r < 0)
		return r;
	if (is_bpffs(point)) /* somebody was faster */
		return 0;
	if (mount("bpf", point, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0)
		return fw_err_errno(err, -errno,
				    "cannot mount bpffs on %s (as root: mount -t bpf bpf %s)",
				    point, point);
	return 0;
}

/* systemd mounts bpffs for root alone, where others see only that they may not. */
static int cannot_make(const char *path, int error, struct fw_err *err)
{
	char part[FW_PIN_TEXT];

	(void)snprintf(part, sizeof(part), "%s", path);
	for (char *at = strchr(part + 1, '/'); error == EACCES && at; at = strchr(at + 1, '/')) {
		*at = '\0';
		if (faccessat(AT_FDCWD, part, X_OK, AT_EACCESS) < 0)
			return fw_err_errno(err, -error, "cannot make %s (chmod o+x %s, as root)",
					    path, part);
		*at = '/';
	}
	return fw_err_errno(err, -error, "cannot make %s", path);
}

int fw_pin_mkdir(const char *path, struct fw_err *err)
{
	char part[FW_PIN_TEXT];
	int r = fw_pin_path(part, err, "%s", path);

	if (r < 0)
		return r;
	for (char *at = part + 1; *at; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST && errno != EROFS && errno != EPERM &&
		    errno != EACCES)
			return cannot_make(part, errno, err);
		*at = '/';
	}
	if (mkdir(part, 0700) < 0 && errno != EEXIST)
		return cannot_make(part, errno, err);
	return 0;
}

int fw_pin_lock(const char *path, int *ret_fd, struct fw_err *err)
{
	const struct timespec pause = {.tv_nsec = 500000};
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct timespec now, begin;

	if (fd < 0)
		return fw_err_errno(err, -errno, "cannot open %s", path);
	(void)clock_gettime(CLOCK_MONOTONIC, &begin);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return fw_err_errno(err, -errno, "cannot lock %s", path);
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
		if ((now.tv_sec - begin.tv_sec) * 1000 > FW_LOCK_WAIT_MS)
			return fw_err_set(err, -ETIMEDOUT,
					  "%s: another process holds the lock for more than %d s",
					  path, FW_LOCK_WAIT_MS / 1000);
		(void)nanosleep(&pause, NULL);
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int fw_pin_get(const char *path, int *ret_fd, struct fw_err *err)
{
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return fw_err_errno(err, fd, "%s%s", path, fw_capability_hint(fd));
	*ret_fd = fd;
	return 0;
}

static int give_to_owner(const char *path, struct fw_err *err)
{
	const char *slash = strrchr(path, '/');
	char directory[FW_PIN_TEXT];
	struct stat st;
	int r;

	if (geteuid() != 0 || !slash)
		return 0;
	r = fw_pin_path(directory, err, "%.*s", (int)(slash - path), path);
	if (r < 0)
		return r;
	if (stat(directory, &st) < 0)
		return fw_err_errno(err, -errno, "%s", directory);
	if (st.st_uid != 0 && lchown(path, st.st_uid, st.st_gid) < 0)
		return fw_err_errno(err, -errno, "cannot give %s to user %u", path,
				    (unsigned int)st.st_uid);
	return 0;
}

int fw_pin_make(int fd, const char *path, struct fw_err *err)
{
	int r = bpf_obj_pin(fd, path);

	if (r < 0)
		return fw_err_errno(err, r, "cannot pin %s%s", path, fw_capability_hint(r));
	r = give_to_owner(path, err);
	if (r < 0)
		(void)unlink(path);
	return r;
}

int fw_pin_replace(int fd, const char *path, struct fw_err *err)
{
	char fresh[FW_PIN_TEXT];
	int r = fw_pin_path(fresh, err, "%s-new", path);

	if (r < 0)
		return r;
	if (unlink(fresh) < 0 && errno != ENOENT)
		return fw_err_errno(err, -errno, "cannot remove %s", fresh);
	r = fw_pin_make(fd, fresh, err);
	if (r < 0)
		return r;
	if (rename(fresh, path) < 0) {
		r = -errno;
		(void)unlink(fresh);
		return fw_err_errno(err, r, "cannot rename %s", fresh);
	}
	return 0;
}

static void close_directory(DIR **directory)
{
	if (*directory)
		(void)closedir(*directory);
}

static int remove_below(int parent_fd, const char *name, int depth)
{
	_cleanup_(close_directory) DIR *directory = NULL;
	_cleanup_close_ int fd =
		openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct dirent *entry;
	int r = 0, fd_of_directory;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	directory = fdopendir(fd);
	if (!directory)
		return -errno;
	fd_of_directory = TAKE_FD(fd);
	if (depth >= TREE_DEPTH)
		return -ELOOP;
	while (r == 0 && (entry = readdir(directory))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (entry->d_type == DT_DIR)
			r = remove_below(fd_of_directory, entry->d_name, depth + 1);
		else if (unlinkat(fd_of_directory, entry->d_name, 0) < 0 && errno != ENOENT)
			r = -errno;
	}
	if (r == 0 && unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = -errno;
	return r;
}

int fw_pin_remove_tree(const char *path, struct fw_err *err)
{
	int r;

	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	if (!is_bpffs(path))
		return fw_err_set(err, -EINVAL, "%s is not in a bpffs: nothing removed", path);
	r = remove_below(AT_FDCWD, path, 0);
	return r < 0 ? fw_err_errno(err, r, "cannot remove %s", path) : 0;
}
