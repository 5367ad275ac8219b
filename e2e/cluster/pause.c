// SPDX-License-Identifier: Apache-2.0
/*
 * The process that holds a pod's namespaces. In: nothing. Out: nothing; ends on SIGTERM and SIGINT,
 * and reaps what is left to it. Must never take memory: there is one in each pod.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int number)
{
	(void)number;
	_exit(0);
}

static void reap(int number)
{
	(void)number;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

int main(void)
{
	const struct sigaction ends = {.sa_handler = end};
	const struct sigaction reaps = {.sa_handler = reap, .sa_flags = SA_NOCLDSTOP};

	if (sigaction(SIGTERM, &ends, NULL) < 0 || sigaction(SIGINT, &ends, NULL) < 0 ||
	    sigaction(SIGCHLD, &reaps, NULL) < 0)
		return 1;
	for (;;)
		(void)pause();
}
