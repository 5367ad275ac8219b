/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inotify on one folder. In: the folder's path. Out: which names changed, or that everything must
 * be looked at. Inside this folder only.
 */
#ifndef FW_API_WATCH_H
#define FW_API_WATCH_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct fw_watch_handler {
	/* closed: written and closed, replaced or removed; else only its rights changed. */
	void (*changed)(const char *name, bool closed, void *context);
	/* Somebody is writing it: what it holds now is half of something. */
	void (*writing)(const char *name, void *context);
	/* The events do not tell what changed. */
	void (*everything)(void *context);
	/* The folder is no longer what stands under its path. */
	void (*lost)(void *context);
	void *context;
};

struct fw_watch {
	int fd; /* inotify; -1 when closed */
	int id; /* of the folder's watch; -1 while there is none */
	dev_t device;
	ino_t inode;
};

int fw_watch_open(struct fw_watch *watch, struct fw_err *err);
void fw_watch_close(struct fw_watch *watch);
/* Watches the folder that stands under the path now. -errno with a text; then nothing is watched.
 */
int fw_watch_attach(struct fw_watch *watch, const char *folder, struct fw_err *err);
/* Whether the path still leads to the watched folder. */
bool fw_watch_holds(const struct fw_watch *watch, const char *folder);
/* Reads every event that waits and calls the handler. */
void fw_watch_read(struct fw_watch *watch, const struct fw_watch_handler *handler);

#endif
