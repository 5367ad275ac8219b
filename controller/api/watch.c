/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inotify(7). In: events of one folder. Out: names. Hidden names are no files of ours, but a change
 * of one that begins with ".." may be the switch of a ConfigMap mount, whose files are links
 * through "..data".
 */
#include "api/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVENTS                                                                                     \
	(IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |        \
	 IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
#define GONE (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)

int fw_watch_open(struct fw_watch *watch, struct fw_err *err)
{
	watch->id = -1;
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	return watch->fd < 0 ? fw_err_errno(err, -errno, "inotify") : 0;
}

void fw_watch_close(struct fw_watch *watch)
{
	if (watch->fd >= 0)
		(void)close(watch->fd);
	watch->fd = -1;
	watch->id = -1;
}

int fw_watch_attach(struct fw_watch *watch, const char *folder, struct fw_err *err)
{
	struct stat st;
	int id;

	if (watch->id >= 0)
		(void)inotify_rm_watch(watch->fd, watch->id);
	watch->id = -1;
	id = inotify_add_watch(watch->fd, folder, EVENTS);
	if (id < 0)
		return fw_err_errno(err, -errno, "folder %s", folder);
	if (stat(folder, &st)) {
		int r = -errno;

		(void)inotify_rm_watch(watch->fd, id);
		return fw_err_errno(err, r, "folder %s", folder);
	}
	watch->id = id;
	watch->device = st.st_dev;
	watch->inode = st.st_ino;
	return 0;
}

bool fw_watch_holds(const struct fw_watch *watch, const char *folder)
{
	struct stat st;

	return watch->id >= 0 && !stat(folder, &st) && st.st_dev == watch->device &&
	       st.st_ino == watch->inode;
}

static void handle_event(struct fw_watch *watch, const struct inotify_event *event,
			 const struct fw_watch_handler *handler)
{
	const char *name = event->len ? event->name : "";

	if (event->mask & IN_Q_OVERFLOW) {
		handler->everything(handler->context);
		return;
	}
	if (event->wd != watch->id)
		return; /* of a folder that is no longer watched */
	if (event->mask & GONE) {
		if (event->mask & IN_MOVE_SELF)
			(void)inotify_rm_watch(watch->fd, watch->id);
		watch->id = -1;
		handler->lost(handler->context);
		return;
	}
	if (!*name)
		return;
	if (name[0] == '.') {
		if (name[1] == '.')
			handler->everything(handler->context);
		return;
	}
	if (event->mask & (IN_CREATE | IN_MODIFY))
		handler->writing(name, handler->context);
	else
		handler->changed(name, !(event->mask & IN_ATTRIB), handler->context);
}

void fw_watch_read(struct fw_watch *watch, const struct fw_watch_handler *handler)
{
	_Alignas(struct inotify_event) char data[16384];

	for (;;) {
		ssize_t len = read(watch->fd, data, sizeof(data));

		if (len < 0 && errno == EINTR)
			continue;
		if (len <= 0)
			return;
		for (const char *at = data; at < data + len;) {
			const struct inotify_event *event = (const void *)at;

			handle_event(watch, event, handler);
			at += sizeof(*event) + event->len;
		}
	}
}
