// SPDX-License-Identifier: Apache-2.0
/*
 * Grace periods in a thread of their own. In: a wish. Out: a callback in the event loop. The thread
 * touches nothing but the datapath's grace map, and lives for one grace period.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "base/cleanup.h"
#include "node/inside.h"

struct fw_grace {
	struct fw_datapath *datapath; /* borrowed */
	void (*done)(int result, void *context);
	void *context;
	struct event *event;
	int fd;
	bool running;
	int result;
	pthread_t thread;
};

static void *wait_for_grace(void *context)
{
	struct fw_grace *grace = context;
	const uint64_t one = 1;

	grace->result = fw_datapath_synchronize(grace->datapath, NULL);
	while (write(grace->fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	return NULL;
}

static void on_done(evutil_socket_t fd, short what, void *context)
{
	struct fw_grace *grace = context;
	uint64_t count;

	(void)what;
	if (read(fd, &count, sizeof(count)) != (ssize_t)sizeof(count) || !grace->running)
		return;
	(void)pthread_join(grace->thread, NULL);
	grace->running = false;
	grace->done(grace->result, grace->context);
}

int fw_grace_new(struct event_base *base, struct fw_datapath *datapath,
		 void (*done)(int result, void *context), void *context,
		 struct fw_grace **ret_grace)
{
	_cleanup_(fw_grace_free) struct fw_grace *grace = calloc(1, sizeof(*grace));
	/* the first one makes the map that the thread then only updates */
	int r = fw_datapath_synchronize(datapath, NULL);

	if (r < 0)
		return r;
	if (!grace)
		return -ENOMEM;
	grace->datapath = datapath;
	grace->done = done;
	grace->context = context;
	grace->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (grace->fd < 0)
		return -errno;
	grace->event = event_new(base, grace->fd, EV_READ | EV_PERSIST, on_done, grace);
	if (!grace->event || event_add(grace->event, NULL) < 0)
		return -ENOMEM;
	*ret_grace = TAKE_PTR(grace);
	return 0;
}

void fw_grace_free(struct fw_grace **grace_at)
{
	struct fw_grace *grace = *grace_at;

	if (!grace)
		return;
	if (grace->running)
		(void)pthread_join(grace->thread, NULL);
	if (grace->event)
		event_free(grace->event);
	fw_close_fd(&grace->fd);
	free(grace);
	*grace_at = NULL;
}

int fw_grace_begin(struct fw_grace *grace)
{
	sigset_t all, before;
	int r;

	if (grace->running)
		return -EBUSY;
	/* signals are the loop's */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&grace->thread, NULL, wait_for_grace, grace);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	grace->running = r == 0;
	return -r;
}
