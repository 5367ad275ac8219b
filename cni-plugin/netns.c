/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox's network namespace: opened, checked, entered and left (man 2 setns, man 2 ioctl_ns).
 * In: a path from the runtime. Out: descriptors. Never blocks on a path that is a pipe.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "netns.h"

#define OWN "/proc/thread-self/ns/net"

int fw_netns_open(const char *path, uint64_t *ret_inode, struct fw_err *err)
{
	struct stat theirs, ours;

	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return fw_err_errno(err, -errno, "%s", path);
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return fw_err_set(err, -EINVAL, "%s: not a network namespace", path);
	if (fstat(fd, &theirs) < 0 || stat(OWN, &ours) < 0)
		return fw_err_errno(err, -errno, "%s", path);
	if (theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev)
		return fw_err_set(err, -EINVAL,
				  "%s: the network namespace in which the plugin runs", path);
	*ret_inode = theirs.st_ino;
	return TAKE_FD(fd);
}

int fw_netns_enter(int netns, int *ret_home, struct fw_err *err)
{
	_cleanup_close_ int home = open(OWN, O_RDONLY | O_CLOEXEC);
	if (home < 0)
		return fw_err_errno(err, -errno, OWN);
	if (setns(netns, CLONE_NEWNET) < 0)
		return fw_err_errno(err, -errno, "entering the sandbox's network namespace");
	*ret_home = TAKE_FD(home);
	return 0;
}

void fw_netns_leave(int *home)
{
	if (*home < 0)
		return;
	if (setns(*home, CLONE_NEWNET) < 0)
		abort();
	(void)close(TAKE_FD(*home));
}
