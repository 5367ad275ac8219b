// SPDX-License-Identifier: Apache-2.0
/*
 * Many probes from one place at once. In: lines on standard input: "MILLISECONDS", then for each
 * probe " PROTOCOL ADDRESS PORT SOURCE" (tcp, udp or icmp; "-" as the source leaves it to the
 * kernel). Out: for each probe a line "WORD PORT": OK (TCP connected, UDP or the echo answered),
 * TIMEOUT, REFUSED, or the error's name; and the port that it was sent from, by which its flow
 * record is found; then an empty line. Ends with its input. Must never ask anybody twice.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PROBES_MAX 1000
#define WORDS	   4 /* of a line, for each probe */
#define PORT_FIRST 10000u
#define PORTS	   20000u /* ends before the node ports */

static struct pollfd polls[PROBES_MAX];
static const char *words[PROBES_MAX];
static int ports[PROBES_MAX];

static const char *word_of(int error)
{
	return !error ? "OK" : error == ECONNREFUSED ? "REFUSED" : strerrorname_np(error);
}

static int open_socket(const char *protocol, int family)
{
	int type = strcmp(protocol, "tcp") ? SOCK_DGRAM : SOCK_STREAM;
	int number = strcmp(protocol, "icmp") ? 0
		     : family == AF_INET      ? IPPROTO_ICMP
					      : IPPROTO_ICMPV6;

	return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, number);
}

static int address_of(const char *host, const char *port, struct addrinfo **ret_found)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				       .ai_socktype = SOCK_DGRAM};

	return getaddrinfo(host, port, &hints, ret_found) ? -1 : 0;
}

/* To a port that nobody here had before: what conntrack still knows of an earlier probe would have
 * a service's probe leave from another port, and its record could not be found. */
static int bind_to(int fd, int family, const char *source)
{
	static unsigned int tried;
	const char *any = family == AF_INET ? "0.0.0.0" : "::";
	struct addrinfo *found = NULL;
	char port[8];
	int r = -1;

	if (!tried)
		tried = (unsigned int)time(NULL);
	for (int i = 0; r && i < PORTS; i++) {
		(void)snprintf(port, sizeof(port), "%u", PORT_FIRST + tried++ % PORTS);
		if (address_of(strcmp(source, "-") ? source : any, port, &found))
			return -1;
		r = bind(fd, found->ai_addr, found->ai_addrlen);
		freeaddrinfo(found);
		if (r && errno != EADDRINUSE)
			return -1;
	}
	return r;
}

/* What is asked; the kernel fills in an echo's checksum and identifier. TCP asks by connecting. */
static ssize_t ask(int fd, const char *protocol, int family)
{
	const struct icmphdr echo = {.type = family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST};

	if (!strcmp(protocol, "tcp"))
		return 0;
	if (!strcmp(protocol, "icmp"))
		return send(fd, &echo, sizeof(echo), MSG_NOSIGNAL);
	return send(fd, "hostname\n", 9, MSG_NOSIGNAL);
}

static int port_of(int fd)
{
	struct sockaddr_in6 own = {0}; /* the port stands where that of struct sockaddr_in does */
	socklen_t len = sizeof(own);

	return getsockname(fd, (struct sockaddr *)&own, &len) ? 0 : ntohs(own.sin6_port);
}

/* Opens the socket and asks; a word at once when it failed already. */
static const char *begin(int number, char **target)
{
	const char *protocol = target[0];
	struct addrinfo *found = NULL;

	polls[number].fd = -1;
	if (address_of(target[1], target[2], &found))
		return "ADDRESS";
	int family = found->ai_family, fd = open_socket(protocol, family);
	int r = fd < 0 || bind_to(fd, family, target[3])
			? -1
			: connect(fd, found->ai_addr, found->ai_addrlen);
	int error = r < 0 ? errno : 0;
	freeaddrinfo(found);
	polls[number].fd = fd;
	polls[number].events = strcmp(protocol, "tcp") ? POLLIN : POLLOUT;
	if (error && error != EINPROGRESS)
		return word_of(error);
	ports[number] = port_of(fd);
	return ask(fd, protocol, family) < 0 ? word_of(errno) : NULL;
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

/* One line of probes, all at once. */
static int batch(char *line)
{
	static char *targets[PROBES_MAX * WORDS];
	char *rest = line, *patience = strsep(&rest, " \n");
	int found = 0;

	for (char *word; (word = strsep(&rest, " \n"));) {
		if (*word && found == PROBES_MAX * WORDS)
			return -1;
		if (*word)
			targets[found++] = word;
	}
	if (found % WORDS)
		return -1;
	int count = found / WORDS;
	for (int i = 0; i < count; i++) {
		ports[i] = 0;
		words[i] = begin(i, targets + WORDS * i);
	}
	wait_for_answers(count, now_ms() + strtol(patience, NULL, 10));
	for (int i = 0; i < count; i++) {
		printf("%s %d\n", words[i] ? words[i] : "TIMEOUT", ports[i]);
		if (polls[i].fd >= 0)
			(void)close(polls[i].fd);
	}
	putchar('\n');
	return fflush(stdout);
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0)
		if (batch(line))
			return 2;
	free(line);
	return 0;
}
