// SPDX-License-Identifier: Apache-2.0
/*
 * Many probes from one pod at once. In: milliseconds, then PROTOCOL ADDRESS PORT for each. Out: one
 * line "NUMBER WORD" for each: OK (TCP connected, UDP answered "hostname"), TIMEOUT, REFUSED, or
 * the error's name. Must never send anything twice: each probe is one packet to be judged.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PROBES_MAX 1000

static struct pollfd polls[PROBES_MAX];
static const char *words[PROBES_MAX];

static const char *word_of(int error)
{
	return !error ? "OK" : error == ECONNREFUSED ? "REFUSED" : strerrorname_np(error);
}

/* Opens the socket; a word at once when it already failed. */
static const char *begin(struct pollfd *poll, const char *protocol, const char *host,
			 const char *port)
{
	int udp = !strcmp(protocol, "udp");
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				       .ai_socktype = udp ? SOCK_DGRAM : SOCK_STREAM};
	struct addrinfo *found = NULL;

	poll->fd = -1;
	if (getaddrinfo(host, port, &hints, &found) || !found)
		return "ADDRESS";
	poll->fd = socket(found->ai_family, found->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r = poll->fd < 0 ? -1 : connect(poll->fd, found->ai_addr, found->ai_addrlen);
	int error = r < 0 ? errno : 0;
	freeaddrinfo(found);
	if (error && error != EINPROGRESS)
		return word_of(error);
	if (udp && send(poll->fd, "hostname\n", 9, MSG_NOSIGNAL) < 0)
		return word_of(errno);
	poll->events = udp ? POLLIN : POLLOUT;
	return NULL;
}

static const char *end(const struct pollfd *poll)
{
	int error = 0;
	socklen_t len = sizeof(error);
	char answer[256];

	if (getsockopt(poll->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (!error && poll->events == POLLIN && recv(poll->fd, answer, sizeof(answer), 0) < 0)
		error = errno;
	return word_of(error);
}

static long now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void wait_for_answers(int count, long deadline)
{
	for (int left = count; left;) {
		long wait = deadline - now_ms();

		if (poll(polls, (nfds_t)count, wait > 0 ? (int)wait : 0) <= 0 && wait <= 0)
			return;
		left = 0;
		for (int i = 0; i < count; i++) {
			if (!words[i] && polls[i].revents)
				words[i] = end(&polls[i]);
			if (words[i] && polls[i].fd >= 0) {
				(void)close(polls[i].fd);
				polls[i].fd = -1;
			}
			left += !words[i];
		}
	}
}

int main(int argc, char **argv)
{
	int count = (argc - 2) / 3;

	if (argc < 5 || (argc - 2) % 3 || count > PROBES_MAX)
		return 2;
	for (int i = 0; i < count; i++)
		words[i] = begin(&polls[i], argv[2 + 3 * i], argv[3 + 3 * i], argv[4 + 3 * i]);
	wait_for_answers(count, now_ms() + strtol(argv[1], NULL, 10));
	for (int i = 0; i < count; i++)
		printf("%d %s\n", i, words[i] ? words[i] : "TIMEOUT");
	return 0;
}
