/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps Podwall in the conflist while the primary CNI plugin writes it again. In: inotify events of
 * the node's CNI folders. Out: fw_install_add() soon after each. Polls once a minute besides, so
 * that a lost event costs a minute and not a node. Never removes anything.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/cleanup.h"
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

/* Adds once; returns how long nothing needs to be done if no event comes. */
static int add_once(const struct fw_install *install, fw_install_tell tell, int watched)
{
	enum fw_install_change change = FW_INSTALL_NOTHING;
	struct fw_err err = {""};
	char name[NAME_MAX + 1] = "", text[sizeof(err.text) + NAME_MAX + 1];

	int r = fw_install_add(install, &change, name, &err);
	(void)snprintf(text, sizeof(text), "%s", r < 0 ? err.text : name);
	tell(r, change, text);
	return r < 0 || change == FW_INSTALL_NO_CONFLIST || !watched ? RETRY_MS : POLL_MS;
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
		/* again each time: a folder that was replaced is watched anew, one that is watched
		 * stays so */
		int watched =
			inotify_add_watch(watch, install->conf_dir, CHANGES | IN_ONLYDIR) >= 0 &&
			inotify_add_watch(watch, install->bin_dir, CHANGES | IN_ONLYDIR) >= 0;
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
