/* SPDX-License-Identifier: Apache-2.0 */
/* One connection, one request; see client.h. */
#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/protocol.h"

#define PATIENCE_S 10
#define CHUNK	   65536u

static const char *server_path;

void fw_client_set_server(const char *path)
{
	server_path = path;
}

static const char *server(void)
{
	const char *path = server_path;

	if (!path || !*path)
		path = getenv("PODWALL_SOCKET");
	return path && *path ? path : FW_RUN_DIR_DEFAULT "/" FW_SOCKET_NAME;
}

static enum fw_exit unreachable(struct fw_err *err, const char *why)
{
	(void)fw_err_set(err, 0,
			 "podwalld does not answer on %s: %s\n"
			 "  Is it running on this node, and are you root? Its log says more.\n"
			 "  Another socket: --server PATH or PODWALL_SOCKET=PATH.",
			 server(), why);
	return FW_EXIT_UNREACHABLE;
}

static int send_all(int fd, const char *text)
{
	size_t len = strlen(text), sent = 0;

	while (sent < len) {
		ssize_t n = send(fd, text + sent, len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			sent += (size_t)n;
	}
	return 0;
}

enum fw_exit fw_client_open(struct fw_client *client, const char *request, bool patient,
			    struct fw_err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = PATIENCE_S};
	int r;

	*client = (struct fw_client){.fd = -1};
	fw_buf_init(&client->buf, FW_ANSWER_MAX);
	if (strlen(server()) >= sizeof(address.sun_path)) {
		(void)fw_err_set(err, 0, "--server: %s: longer than a socket's path may be",
				 server());
		return FW_EXIT_USAGE;
	}
	memcpy(address.sun_path, server(), strlen(server()) + 1);
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0)
		return unreachable(err, strerror(errno));
	(void)setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (!patient)
		(void)setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(client->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return unreachable(err, strerror(errno));
	r = send_all(client->fd, request);
	if (!r)
		r = send_all(client->fd, "\n");
	return r ? unreachable(err, strerror(-r)) : FW_EXIT_OK;
}

static char *line_end(const struct fw_client *client)
{
	if (client->buf.len <= client->used)
		return NULL;
	return memchr(client->buf.data + client->used, '\n', client->buf.len - client->used);
}

bool fw_client_has_line(const struct fw_client *client)
{
	return line_end(client) != NULL;
}

int fw_client_line(struct fw_client *client, char **ret_line, size_t *ret_len, struct fw_err *err)
{
	static char chunk[CHUNK];
	char *end;

	while (!(end = line_end(client))) {
		ssize_t n;

		fw_buf_consume(&client->buf, client->used);
		client->used = 0;
		n = read(client->fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fw_err_set(err, -errno, "podwalld on %s: %s", server(),
					  errno == EAGAIN ? "no answer in 10 s" : strerror(errno));
		if (!n)
			return client->buf.len
				       ? fw_err_set(err, -EPIPE,
						    "podwalld closed in the middle of an answer")
				       : 0;
		if (fw_buf_append(&client->buf, chunk, (size_t)n))
			return fw_err_set(err, client->buf.error, "an answer is too long");
	}
	*ret_line = client->buf.data + client->used;
	*ret_len = (size_t)(end - *ret_line);
	*end = '\0';
	client->used += *ret_len + 1;
	return 1;
}

void fw_client_done(struct fw_client *client)
{
	fw_close_fd(&client->fd);
	client->fd = -1;
	fw_buf_done(&client->buf);
}

void fw_json_free(cJSON **json)
{
	cJSON_Delete(*json);
}

const cJSON *fw_json_get(const cJSON *object, const char *name)
{
	const cJSON *item, *found = NULL;

	if (!cJSON_IsObject(object))
		return NULL;
	cJSON_ArrayForEach(item, object) {
		if (item->string && !strcmp(item->string, name))
			found = item;
	}
	return found;
}

const char *fw_json_text(const cJSON *object, const char *name)
{
	const cJSON *item = fw_json_get(object, name);

	return cJSON_IsString(item) ? item->valuestring : "";
}

double fw_json_number(const cJSON *object, const char *name)
{
	const cJSON *item = fw_json_get(object, name);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

bool fw_json_true(const cJSON *object, const char *name)
{
	return cJSON_IsTrue(fw_json_get(object, name));
}

static enum fw_exit read_answer(struct fw_client *client, cJSON **ret_answer, struct fw_err *err)
{
	_cleanup_json_ cJSON *answer = NULL;
	const char *end = NULL;
	char *line;
	size_t len;
	int r = fw_client_line(client, &line, &len, err);

	if (r < 0)
		return FW_EXIT_UNREACHABLE;
	if (!r)
		return unreachable(err, "it closed without an answer");
	answer = cJSON_ParseWithLengthOpts(line, len, &end, false);
	if (!cJSON_IsObject(answer) || end != line + len) {
		(void)fw_err_set(err, 0, "podwalld's answer is not JSON: is %s its socket?",
				 server());
		return FW_EXIT_FAILURE;
	}
	if (!fw_json_true(answer, "ok")) {
		(void)fw_err_set(err, 0, "podwalld: %s", fw_json_text(answer, "error"));
		return FW_EXIT_FAILURE;
	}
	*ret_answer = TAKE_PTR(answer);
	return FW_EXIT_OK;
}

enum fw_exit fw_client_ask(const char *request, cJSON **ret_answer, struct fw_err *err)
{
	struct fw_client client;
	enum fw_exit code = fw_client_open(&client, request, false, err);

	if (!code)
		code = read_answer(&client, ret_answer, err);
	fw_client_done(&client);
	return code;
}
