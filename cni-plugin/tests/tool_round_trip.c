/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control of e2e/bench/cni: what any plugin that asks podwalld costs before it has done
 * anything. In: podwalld's socket as the argument, standard input to its end (as a plugin reads
 * it). Out: exit 0 when podwalld answered one request. Static, as the plugin is.
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"

static const char question[] = "{\"op\":\"version\"}\n";

int main(int argc, char **argv)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = -1;
	char answer[16384];
	ssize_t got;

	if (argc != 2 || strlen(argv[1]) >= sizeof(address.sun_path))
		return 2;
	memcpy(address.sun_path, argv[1], strlen(argv[1]) + 1);
	do
		got = read(STDIN_FILENO, answer, sizeof(answer));
	while (got > 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    send(fd, question, sizeof(question) - 1, MSG_NOSIGNAL) < 0)
		return 1;
	do
		got = read(fd, answer, sizeof(answer));
	while (got > 0 && !memchr(answer, '\n', (size_t)got));
	return got > 0 ? 0 : 1;
}
