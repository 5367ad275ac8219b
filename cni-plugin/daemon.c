/* SPDX-License-Identifier: Apache-2.0 */
/*
 * podwalld, asked over its unix socket: one connection, one line there, one line back, one
 * deadline. In: a request. Out: the answer, strictly read. Never waits longer than it says.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

#include "base/cleanup.h"
#include "ctl/protocol.h"
#include "daemon.h"
#include "json.h"

#define ANSWER_MAX 65536
#define DEL_MS	   500
#define PING_MS	   500
#define PAUSE_MS   20 /* before the same question is asked again */

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Gives the next call on the socket what is left; false when nothing is. */
static bool set_deadline(int fd, int64_t deadline)
{
	int64_t left = deadline - now_ms();
	struct timeval wait = {.tv_sec = left / 1000, .tv_usec = (left % 1000) * 1000};

	return left > 0 && !setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) &&
	       !setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
}

static bool is_timeout(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINPROGRESS ||
	       error == ETIMEDOUT;
}

static int connect_daemon(const char *run_dir, int64_t deadline, struct fw_err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	int len =
		snprintf(address.sun_path, sizeof(address.sun_path), "%s/" FW_SOCKET_NAME, run_dir);
	if (len < 0 || (size_t)len >= sizeof(address.sun_path))
		return fw_err_errno(err, -ENAMETOOLONG, "%s/" FW_SOCKET_NAME, run_dir);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fw_err_errno(err, -errno, "unix socket");
	if (!set_deadline(fd, deadline))
		return fw_err_set(err, -ETIMEDOUT, "podwalld did not answer in time");
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		if (is_timeout(errno))
			return fw_err_set(err, -ETIMEDOUT, "podwalld takes no connections (%s)",
					  address.sun_path);
		return fw_err_errno(err, -errno, "podwalld is not running (%s)", address.sun_path);
	}
	return TAKE_FD(fd);
}

static int send_line(int fd, const char *text, int64_t deadline, struct fw_err *err)
{
	size_t len = strlen(text);

	while (len) {
		if (!set_deadline(fd, deadline))
			return fw_err_set(err, -ETIMEDOUT, "podwalld did not answer in time");
		ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EPIPE)
			return 0; /* it may have said why before it closed */
		if (sent < 0)
			return is_timeout(errno) ? fw_err_set(err, -ETIMEDOUT,
							      "podwalld did not answer in time")
						 : fw_err_errno(err, -errno, "asking podwalld");
		text += sent;
		len -= (size_t)sent;
	}
	return 0;
}

/* One line without its newline; *ret_len bytes of `line`, of ANSWER_MAX. */
static int receive_line(int fd, char *line, int64_t deadline, size_t *ret_len, struct fw_err *err)
{
	size_t used = 0;

	for (;;) {
		if (!set_deadline(fd, deadline))
			return fw_err_set(err, -ETIMEDOUT, "podwalld did not answer in time");
		ssize_t got = recv(fd, line + used, ANSWER_MAX - used, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return is_timeout(errno) ? fw_err_set(err, -ETIMEDOUT,
							      "podwalld did not answer in time")
						 : fw_err_errno(err, -errno, "podwalld's answer");
		if (!got)
			return fw_err_set(err, -EBADMSG,
					  "podwalld closed the connection without an answer");
		const char *end = memchr(line + used, '\n', (size_t)got);
		used += (size_t)got;
		if (end) {
			*ret_len = (size_t)(end - line);
			return 0;
		}
		if (used == ANSWER_MAX)
			return fw_err_set(err, -EBADMSG,
					  "podwalld's answer is longer than %d bytes", ANSWER_MAX);
	}
}

/* An answer with an error, as a failure: -EAGAIN where the protocol says that it may pass. */
static int refused(const char *error, struct fw_err *err)
{
	static const char passing[] = "try again";
	size_t len = strlen(error), tail = sizeof(passing) - 1;
	bool passes = len >= tail && !strcmp(error + len - tail, passing);

	return fw_err_set(err, passes ? -EAGAIN : -EREMOTEIO, "podwalld: %s", error);
}

/* One connection: sends `text`, uses `line` (of ANSWER_MAX bytes) for the answer. */
static int ask_once(const char *run_dir, const char *text, char *line, int64_t deadline,
		    cJSON **ret_answer, struct fw_err *err)
{
	_cleanup_(fw_json_free) cJSON *answer = NULL;
	size_t len = 0;

	_cleanup_close_ int fd = connect_daemon(run_dir, deadline, err);
	if (fd < 0)
		return fd;
	int r = send_line(fd, text, deadline, err);
	if (!r)
		r = send_line(fd, "\n", deadline, err);
	if (!r)
		r = receive_line(fd, line, deadline, &len, err);
	if (r < 0)
		return r;
	r = fw_json_parse(line, len, &answer, err);
	if (r < 0) {
		fw_err_prefix(err, "podwalld's answer");
		return r == -ENOMEM ? r : -EBADMSG;
	}
	const char *error = fw_json_get_string(answer, "error");
	if (error)
		return refused(error, err);
	if (!cJSON_IsTrue(fw_json_get(answer, "ok")))
		return fw_err_set(err, -EBADMSG, "podwalld's answer has neither ok nor error");
	*ret_answer = TAKE_PTR(answer);
	return 0;
}

/* Takes `request`. Returns with *ret_answer an object whose ok is true. */
static int ask(const char *run_dir, cJSON *request, int64_t wait_ms, cJSON **ret_answer,
	       struct fw_err *err)
{
	_cleanup_(fw_json_free) cJSON *question = request;
	_cleanup_free_ char *text = cJSON_PrintUnformatted(question);
	_cleanup_free_ char *line = malloc(ANSWER_MAX);
	const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
	int64_t deadline = now_ms() + wait_ms;

	if (!text || !line)
		return fw_err_errno(err, -ENOMEM, "asking podwalld");
	for (;;) {
		int r = ask_once(run_dir, text, line, deadline, ret_answer, err);
		if (r != -EAGAIN || now_ms() + PAUSE_MS >= deadline)
			return r;
		(void)nanosleep(&pause, NULL);
	}
}

static cJSON *new_request(const char *op, const char *container_id, const char *ifname)
{
	_cleanup_(fw_json_free) cJSON *request = cJSON_CreateObject();

	if (!cJSON_AddStringToObject(request, "op", op))
		return NULL;
	if (container_id && (!cJSON_AddStringToObject(request, "containerId", container_id) ||
			     !cJSON_AddStringToObject(request, "ifname", ifname)))
		return NULL;
	return TAKE_PTR(request);
}

static cJSON *new_add_request(const struct fw_state *endpoint, unsigned int wait_ms)
{
	_cleanup_(fw_json_free) cJSON *request =
		new_request("endpoint_add", endpoint->container_id, endpoint->ifname);
	char text[FW_IP_TEXT];

	if (!cJSON_AddStringToObject(request, "namespace", endpoint->namespace) ||
	    !cJSON_AddStringToObject(request, "name", endpoint->name) ||
	    !cJSON_AddStringToObject(request, "uid", endpoint->uid) ||
	    !cJSON_AddNumberToObject(request, "slot", endpoint->slot) ||
	    !cJSON_AddNumberToObject(request, "wait_ms", wait_ms))
		return NULL;
	cJSON *ips = cJSON_AddArrayToObject(request, "ips");
	if (!ips)
		return NULL;
	for (size_t i = 0; i < endpoint->ips.count; i++)
		if (!cJSON_AddItemToArray(
			    ips, cJSON_CreateString(fw_ip_format(&endpoint->ips.ip[i], text))))
			return NULL;
	return TAKE_PTR(request);
}

int fw_daemon_add(const char *run_dir, const struct fw_state *endpoint, unsigned int wait_ms,
		  unsigned int patience_ms, enum fw_daemon_state *ret_state, struct fw_err *err)
{
	static const char *const states[] = {
		[FW_DAEMON_ACTIVE] = "active",
		[FW_DAEMON_ISOLATED] = "isolated",
		[FW_DAEMON_LOCKED] = "locked",
	};
	_cleanup_(fw_json_free) cJSON *answer = NULL;

	cJSON *request = new_add_request(endpoint, wait_ms);
	if (!request)
		return fw_err_errno(err, -ENOMEM, "asking podwalld");
	int r = ask(run_dir, request, (int64_t)wait_ms + patience_ms, &answer, err);
	if (r < 0)
		return r;
	const char *text = fw_json_get_string(answer, "state");
	for (size_t i = 0; text && i < sizeof(states) / sizeof(states[0]); i++) {
		if (!strcmp(text, states[i])) {
			*ret_state = (enum fw_daemon_state)i;
			return 0;
		}
	}
	return fw_err_set(err, -EBADMSG,
			  "podwalld's answer: state: must be active, isolated or locked");
}

static int ask_briefly(const char *run_dir, cJSON *request, int64_t wait_ms, struct fw_err *err)
{
	_cleanup_(fw_json_free) cJSON *answer = NULL;

	if (!request)
		return fw_err_errno(err, -ENOMEM, "asking podwalld");
	return ask(run_dir, request, wait_ms, &answer, err);
}

int fw_daemon_del(const char *run_dir, const char *container_id, const char *ifname,
		  struct fw_err *err)
{
	return ask_briefly(run_dir, new_request("endpoint_del", container_id, ifname), DEL_MS, err);
}

int fw_daemon_ping(const char *run_dir, struct fw_err *err)
{
	return ask_briefly(run_dir, new_request("version", NULL, NULL), PING_MS, err);
}
