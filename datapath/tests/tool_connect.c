/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connect, request, close: the cost of many short connections. In: an address. Out: microseconds
 * for each.
 *
 * usage: tool_connect serve PORT          answers every connection with 64 bytes and closes, prints
 * "ready" first tool_connect run ADDRESS PORT N  N connections one after the other; prints
 * microseconds per connection
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

#define MESSAGE 64

static int fail(const char *what)
{
	(void)fprintf(stderr, "tool_connect: %s: %s\n", what, strerror(errno));
	return 1;
}

static int serve(const char *port)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6,
				       .sin6_port = htons((uint16_t)strtoul(port, NULL, 10))};
	_cleanup_close_ int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1, zero = 0;
	char message[MESSAGE] = {0};

	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) ||
	    bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 512))
		return fail("listen");
	(void)puts("ready");
	(void)fflush(stdout);
	for (;;) {
		_cleanup_close_ int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (client < 0)
			return fail("accept");
		if (recv(client, message, sizeof(message), 0) > 0)
			(void)send(client, message, sizeof(message), MSG_NOSIGNAL);
	}
}

static int once(const struct addrinfo *target)
{
	_cleanup_close_ int fd = socket(target->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct linger hard = {.l_onoff = 0};
	char message[MESSAGE] = {1};

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)) ||
	    connect(fd, target->ai_addr, target->ai_addrlen))
		return fail("connect");
	if (send(fd, message, sizeof(message), MSG_NOSIGNAL) != sizeof(message))
		return fail("send");
	while (recv(fd, message, sizeof(message), 0) > 0)
		;
	return 0;
}

static int run(const char *address, const char *port, unsigned long count)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				 .ai_socktype = SOCK_STREAM};
	struct addrinfo *target = NULL;
	struct timespec begin, end;

	if (getaddrinfo(address, port, &hints, &target))
		return fail("address");
	(void)clock_gettime(CLOCK_MONOTONIC, &begin);
	for (unsigned long i = 0; i < count; i++) {
		if (once(target)) {
			freeaddrinfo(target);
			return 1;
		}
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	freeaddrinfo(target);
	(void)printf("%.3f\n", ((double)(end.tv_sec - begin.tv_sec) * 1e6 +
				(double)(end.tv_nsec - begin.tv_nsec) / 1e3) /
				       (double)count);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "serve"))
		return serve(argv[2]);
	if (argc == 5 && !strcmp(argv[1], "run"))
		return run(argv[2], argv[3], strtoul(argv[4], NULL, 10));
	(void)fprintf(stderr, "usage: tool_connect serve PORT | run ADDRESS PORT COUNT\n");
	return 2;
}
