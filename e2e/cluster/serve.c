// SPDX-License-Identifier: Apache-2.0
/*
 * Answers on many ports at once, until it is killed. In: port numbers. Out: the host name, to who
 * connects by TCP and for each datagram by UDP, from the address that was asked, in both families.
 * What another process serves already is left to it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKETS_MAX 256

static struct pollfd polls[SOCKETS_MAX];
static nfds_t count;
static char name[64];

static int open_port(int type, unsigned long port)
{
	const struct sockaddr_in6 own = {.sin6_family = AF_INET6,
					 .sin6_port = htons((uint16_t)port)};
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, off = 0;

	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)))
		return -1;
	if (bind(fd, (const struct sockaddr *)&own, sizeof(own)) ||
	    (type == SOCK_STREAM && listen(fd, 64))) {
		(void)close(fd);
		return errno == EADDRINUSE ? 0 : -1;
	}
	polls[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
	return 0;
}

/* A datagram is answered from the address that it was sent to: its own control message says which.
 */
static void answer_datagram(int fd)
{
	struct sockaddr_in6 peer;
	char bytes[256], control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
	struct msghdr message = {.msg_name = &peer,
				 .msg_namelen = sizeof(peer),
				 .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};

	if (recvmsg(fd, &message, 0) < 0)
		return;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
			memset(CMSG_DATA(c) + offsetof(struct in6_pktinfo, ipi6_ifindex), 0,
			       sizeof(unsigned int)); /* the way back is the routes' choice */
	}
	part = (struct iovec){.iov_base = name, .iov_len = strlen(name)};
	(void)sendmsg(fd, &message, MSG_NOSIGNAL);
}

static void answer(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len))
		return;
	if (type == SOCK_DGRAM) {
		answer_datagram(fd);
		return;
	}
	int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (connection < 0)
		return;
	(void)send(connection, name, strlen(name), MSG_NOSIGNAL);
	(void)close(connection);
}

static void end(int number)
{
	(void)number;
	_exit(0);
}

int main(int argc, char **argv)
{
	const struct sigaction ends = {.sa_handler = end};

	if (argc < 2 || 2 * (argc - 1) > SOCKETS_MAX || gethostname(name, sizeof(name) - 1))
		return 2;
	(void)sigaction(SIGTERM, &ends, NULL);
	for (int i = 1; i < argc; i++) {
		unsigned long port = strtoul(argv[i], NULL, 10);

		if (!port || port > 65535 || open_port(SOCK_STREAM, port) ||
		    open_port(SOCK_DGRAM, port))
			return 1;
	}
	for (;;) {
		if (poll(polls, count, -1) < 0)
			continue;
		for (nfds_t i = 0; i < count; i++)
			if (polls[i].revents)
				answer(polls[i].fd);
	}
}
