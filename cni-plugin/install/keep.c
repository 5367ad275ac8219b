/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps Podwall in the conflist while the primary CNI plugin writes it again. In: inotify events of
 * the node's CNI folders. Out: fw_install_add() soon after each, and the pods that started while
 * the entry was out are covered. Polls once a minute besides, so that a lost event costs a minute
 * and not a node. Never removes anything.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "earlier.h"
#include "install.h"

#define POLL_MS	  60000
#define RETRY_MS  1000 /* after a failure, and while there is no conflist or no folder to watch */
#define SETTLE_MS 20   /* a writer that truncates and writes is let finish */

#define CHANGES                                                                                    \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_DELETE_SELF |   \
	 IN_MOVE_SELF)

static void drain(int watch)
{
	char events[4096];

	while (read(watch, events, sizeof(events)) > 0)
		;
}

/* True when there is nothing left to do for pods that run already. */
static bool cover_once(const struct fw_install *install, fw_install_tell tell)
{
	struct fw_err err = {""};
	unsigned int count = 0;
	char text[64];

	if (!install->cache_dir)
		return true;
	int r = fw_earlier_cover(install->cache_dir, install->entry, &count, &err);
	(void)snprintf(text, sizeof(text), "%u", count);
	if (count)
		tell(0, FW_INSTALL_COVERED, text);
	if (r < 0)
		tell(r, FW_INSTALL_NOTHING, err.text);
	return r == 0;
}

/* Adds once; returns how long nothing needs to be done if no event comes. */
static int add_once(const struct fw_install *install, fw_install_tell tell, int watched)
{
	enum fw_install_change change = FW_INSTALL_NOTHING;
	struct fw_err err = {""};
	char name[NAME_MAX + 1] = "", text[sizeof(err.text) + NAME_MAX + 1];

	int r = fw_install_add(install, &change, name, &err);
	(void)snprintf(text, sizeof(text), "%s", r < 0 ? err.text : name);
	tell(r, change, text);
	bool done = cover_once(install, tell);
	return r < 0 || change == FW_INSTALL_NO_CONFLIST || !watched || !done ? RETRY_MS : POLL_MS;
}

/* True when every folder that is there is watched. Again each time: a folder that was replaced is
 * watched anew, one that is watched stays so. */
static bool watch_folders(int watch, const struct fw_install *install)
{
	char results[PATH_MAX];
	bool watched = inotify_add_watch(watch, install->conf_dir, CHANGES | IN_ONLYDIR) >= 0 &&
		       inotify_add_watch(watch, install->bin_dir, CHANGES | IN_ONLYDIR) >= 0;

	if (!install->cache_dir || (size_t)snprintf(results, sizeof(results), "%s/results",
						    install->cache_dir) >= sizeof(results))
		return watched;
	return inotify_add_watch(watch, results, IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR) >= 0 &&
	       watched;
}

int fw_install_keep(const struct fw_install *install, int stop, fw_install_tell tell,
		    struct fw_err *err)
{
	_cleanup_close_ int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct pollfd wait[2] = {{.fd = stop, .events = POLLIN}, {.events = POLLIN}};

	if (watch < 0)
		return fw_err_errno(err, -errno, "inotify");
	wait[1].fd = watch;
	for (;;) {
		bool watched = watch_folders(watch, install);
		int n = poll(wait, 2, add_once(install, tell, watched));

		if (n < 0 && errno != EINTR)
			return fw_err_errno(err, -errno, "waiting for changes");
		if (n > 0 && wait[0].revents)
			return 0;
		if (n > 0 && wait[1].revents) {
			if (poll(wait, 1, SETTLE_MS) > 0)
				return 0;
			drain(watch);
		}
	}
}
