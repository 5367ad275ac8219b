// SPDX-License-Identifier: Apache-2.0
/*
 * The unix socket: accepts, checks who asks, takes one line, hands the request over, closes. In:
 * connections. Out: requests to operations. A client that is slow, silent or garbage costs its own
 * connection only.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "ctl/inside.h"

#define LISTEN_BACKLOG 128
#define WRITE_LIMIT_S  60 /* a reader that takes nothing for so long is dropped */

static void drop(struct fw_client *client)
{
	struct fw_ctl *ctl = client->ctl;

	for (struct fw_client **at = &ctl->clients; *at; at = &(*at)->next) {
		if (*at == client) {
			*at = client->next;
			ctl->client_count--;
			break;
		}
	}
	if (client->ticket)
		fw_agent_forget_waiter(ctl->agent, client->ticket);
	bufferevent_free(client->io);
	free(client);
}

/* Nothing more is queued after this; drops the client when all has gone. */
static void end_when_sent(struct fw_client *client)
{
	client->ending = true;
	client->streaming = false;
	bufferevent_setwatermark(client->io, EV_WRITE, 0, 0);
	(void)bufferevent_enable(client->io, EV_WRITE);
}

void fw_client_answer(struct fw_client *client, cJSON *answer)
{
	static const char no_memory[] = "{\"ok\":false,\"error\":\"no memory for the answer\"}\n";
	struct evbuffer *out = bufferevent_get_output(client->io);
	char *text = answer ? cJSON_PrintUnformatted(answer) : NULL;

	cJSON_Delete(answer);
	if (text) {
		(void)evbuffer_add(out, text, strlen(text));
		(void)evbuffer_add(out, "\n", 1);
		cJSON_free(text);
	} else {
		(void)evbuffer_add(out, no_memory, sizeof(no_memory) - 1);
	}
	end_when_sent(client);
}

void fw_client_refuse(struct fw_client *client, const char *error)
{
	bool failed = false;
	cJSON *answer = cJSON_CreateObject();

	fw_add_bool(answer, "ok", false, &failed);
	fw_add_text(answer, "error", error, &failed);
	fw_client_answer(client, answer);
}

static void serve_enforcement(struct fw_client *client, bool audit)
{
	struct fw_err err = {""};

	if (fw_agent_set_enforcement(client->ctl->agent, audit ? FW_AUDIT : FW_ENFORCE, &err) < 0)
		fw_client_refuse(client, err.text);
	else
		fw_client_answer(client, fw_answer_new());
}

static void serve_policies(struct fw_client *client, const char *pod)
{
	struct fw_err err = {""};
	cJSON *answer = fw_op_policies(client->ctl->agent, pod, &err);

	if (!answer && err.text[0])
		fw_client_refuse(client, err.text);
	else
		fw_client_answer(client, answer);
}

static void serve(struct fw_client *client, const struct fw_request *request)
{
	struct fw_agent *agent = client->ctl->agent;

	switch (request->op) {
	case FW_OP_ENDPOINT_ADD:
		return fw_op_endpoint_add(client, request);
	case FW_OP_ENDPOINT_DEL:
		return fw_op_endpoint_del(client, request);
	case FW_OP_STATUS:
		return fw_client_answer(client, fw_op_status(agent));
	case FW_OP_ENDPOINTS:
		return fw_client_answer(client, fw_op_endpoints(agent));
	case FW_OP_POLICIES:
		return serve_policies(client, request->pod);
	case FW_OP_MAPS:
		return fw_client_answer(client, fw_op_maps(agent));
	case FW_OP_VERSION:
		return fw_client_answer(client, fw_op_version(agent));
	case FW_OP_FLOWS:
		return fw_op_flows(client, request);
	case FW_OP_ENFORCEMENT:
		return serve_enforcement(client, request->audit);
	case FW_OP_COUNT:
		break;
	}
	fw_client_refuse(client, "request: op: not known");
}

static void take_request(struct fw_client *client, const char *line, size_t len)
{
	_cleanup_free_ struct fw_request *request = malloc(sizeof(*request));
	struct fw_err err = {""};

	client->asked = true;
	bufferevent_set_timeouts(client->io, NULL, &(struct timeval){WRITE_LIMIT_S, 0});
	if (!request)
		fw_client_refuse(client, "no memory for the request");
	else if (fw_request_parse(line, len, request, &err) < 0)
		fw_client_refuse(client, err.text);
	else
		serve(client, request);
}

static void on_read(struct bufferevent *io, void *context)
{
	struct fw_client *client = context;
	struct evbuffer *in = bufferevent_get_input(io);
	_cleanup_free_ char *line = NULL;
	size_t len = 0;

	if (client->asked || client->ending) {
		(void)evbuffer_drain(in, evbuffer_get_length(in));
		return;
	}
	line = evbuffer_readln(in, &len, EVBUFFER_EOL_LF);
	if (line && len <= FW_REQUEST_MAX) {
		take_request(client, line, len);
	} else if (line || evbuffer_get_length(in) > FW_REQUEST_MAX) {
		client->asked = true;
		(void)evbuffer_drain(in, evbuffer_get_length(in));
		fw_client_refuse(client, "request: longer than 65536 bytes");
	}
}

static void on_write(struct bufferevent *io, void *context)
{
	struct fw_client *client = context;

	if (client->streaming)
		fw_flows_feed(client);
	else if (client->ending && !evbuffer_get_length(bufferevent_get_output(io)))
		drop(client);
}

static void on_event(struct bufferevent *io, short what, void *context)
{
	struct fw_client *client = context;

	if (what & BEV_EVENT_TIMEOUT && what & BEV_EVENT_READING && !client->asked) {
		client->asked = true;
		fw_client_refuse(client, "request: not complete within 5 s");
		return;
	}
	/* a client that only closed its sending side still reads what was asked for */
	if (what & BEV_EVENT_EOF && (client->ending || (client->streaming && !client->follow))) {
		(void)bufferevent_disable(io, EV_READ);
		return;
	}
	drop(client);
}

static bool may_ask(int fd, char *text, size_t size)
{
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	    (peer.uid == 0 || peer.uid == geteuid()))
		return true;
	(void)snprintf(text, size, "only root and uid %u may ask, not uid %u",
		       (unsigned int)geteuid(), (unsigned int)peer.uid);
	return false;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
		      int address_len, void *context)
{
	const struct timeval request_limit = {FW_REQUEST_TIMEOUT_MS / 1000,
					      FW_REQUEST_TIMEOUT_MS % 1000 * 1000};
	const struct timeval write_limit = {WRITE_LIMIT_S, 0};
	struct fw_client *client = calloc(1, sizeof(*client));
	struct fw_ctl *ctl = context;
	char text[96] = "";

	(void)listener;
	(void)address;
	(void)address_len;
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (client)
		client->io = bufferevent_socket_new(ctl->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!client || !client->io) {
		free(client);
		(void)close(fd);
		return;
	}
	client->ctl = ctl;
	client->next = ctl->clients;
	ctl->clients = client;
	ctl->client_count++;
	bufferevent_setcb(client->io, on_read, on_write, on_event, client);
	bufferevent_setwatermark(client->io, EV_READ, 0, FW_REQUEST_MAX + 2);
	bufferevent_set_timeouts(client->io, &request_limit, &write_limit);
	(void)bufferevent_enable(client->io, EV_READ | EV_WRITE);
	client->asked = true;
	if (ctl->client_count > FW_CLIENTS_MAX)
		fw_client_refuse(client, "too many clients (64): try again");
	else if (!may_ask(fd, text, sizeof(text)))
		fw_client_refuse(client, text);
	else
		client->asked = false;
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
	struct fw_ctl *ctl = context;
	struct fw_client *next;

	(void)fd;
	(void)what;
	for (struct fw_client *client = ctl->clients; client; client = next) {
		next = client->next;
		if (client->streaming && client->follow)
			fw_flows_feed(client);
	}
}

/* A socket of mode 0600 from the moment it has a name. */
static int listen_on(struct fw_ctl *ctl, const char *run_dir, struct fw_err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = -1;
	mode_t mask;
	int r;

	if ((size_t)snprintf(ctl->path, sizeof(ctl->path), "%s/" FW_SOCKET_NAME, run_dir) >=
	    sizeof(ctl->path))
		return fw_err_errno(err, -ENAMETOOLONG, "socket in %s", run_dir);
	memcpy(address.sun_path, ctl->path, sizeof(address.sun_path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fw_err_errno(err, -errno, "socket");
	(void)unlink(ctl->path);
	mask = umask(0177);
	r = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	(void)umask(mask);
	if (r < 0)
		return fw_err_errno(err, r, "%s", ctl->path);
	ctl->listener = evconnlistener_new(ctl->base, on_accept, ctl,
					   LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
					   LISTEN_BACKLOG, fd);
	if (!ctl->listener)
		return fw_err_errno(err, -ENOMEM, "%s", ctl->path);
	(void)TAKE_FD(fd);
	return 0;
}

int fw_ctl_new(struct event_base *base, const char *run_dir, struct fw_agent *agent,
	       struct fw_ctl **ret_ctl, struct fw_err *err)
{
	_cleanup_(fw_ctl_free) struct fw_ctl *ctl = calloc(1, sizeof(*ctl));
	const struct timeval tick = {0, 25000};
	int r;

	if (!ctl)
		return fw_err_errno(err, -ENOMEM, "socket");
	ctl->base = base;
	ctl->agent = agent;
	ctl->tick = event_new(base, -1, EV_PERSIST, on_tick, ctl);
	if (!ctl->tick || event_add(ctl->tick, &tick) < 0)
		return fw_err_errno(err, -ENOMEM, "socket");
	r = listen_on(ctl, run_dir, err);
	if (r < 0)
		return r;
	*ret_ctl = TAKE_PTR(ctl);
	return 0;
}

void fw_ctl_free(struct fw_ctl **ctl)
{
	if (!*ctl)
		return;
	while ((*ctl)->clients)
		drop((*ctl)->clients);
	if ((*ctl)->tick)
		event_free((*ctl)->tick);
	if ((*ctl)->listener) {
		evconnlistener_free((*ctl)->listener);
		(void)unlink((*ctl)->path);
	}
	free(*ctl);
	*ctl = NULL;
}
