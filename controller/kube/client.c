/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl's multi interface in a libevent loop. In: its wishes for sockets and timers. Out: their
 * events. Must never send a proof to anybody but the server of the configuration: no redirects, no
 * proxies of the environment, no certificates but the configuration's.
 */
#include "kube/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define CONNECT_MS   5000L
#define BUFFER_BYTES (256L << 10)
#define KEEP_IDLE_S  15L /* a peer that vanished is noticed within 15 + 9 * 5 s */
#define KEEP_EACH_S  5L

struct fw_request {
	struct fw_client *client;
	struct fw_request_handler handler;
	CURL *easy;
	struct curl_slist *headers, *connect;
	int stopped;
	char trouble[CURL_ERROR_SIZE];
	struct fw_request *next;
};

struct fw_client {
	struct event_base *base;	     /* borrowed */
	const struct fw_kube_config *config; /* borrowed */
	CURLM *multi;
	struct event *timer;
	struct fw_request *requests;
	void (*idle)(void *context);
	void *context;
};

static void free_request(struct fw_request *request)
{
	struct fw_request **at = &request->client->requests;

	while (*at && *at != request)
		at = &(*at)->next;
	if (*at) {
		*at = request->next;
		(void)curl_multi_remove_handle(request->client->multi, request->easy);
	}
	curl_easy_cleanup(request->easy);
	curl_slist_free_all(request->headers);
	curl_slist_free_all(request->connect);
	free(request);
}

void fw_request_cancel(struct fw_request **request)
{
	if (*request)
		free_request(*request);
	*request = NULL;
}

static void make_reply(const struct fw_request *request, CURLcode code, struct fw_reply *reply)
{
	curl_off_t wait = 0;
	long sent = 0;

	*reply = (struct fw_reply){.stopped = request->stopped};
	(void)curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &reply->status);
	(void)curl_easy_getinfo(request->easy, CURLINFO_REQUEST_SIZE, &sent);
	(void)curl_easy_getinfo(request->easy, CURLINFO_RETRY_AFTER, &wait);
	reply->sent = sent > 0;
	reply->wait_s = wait > 0 ? (unsigned long)wait : 0;
	if (code != CURLE_OK)
		(void)snprintf(reply->text, sizeof(reply->text), "%s",
			       request->trouble[0] ? request->trouble : curl_easy_strerror(code));
}

static void finish(struct fw_client *client)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(client->multi, &left))) {
		struct fw_request_handler handler;
		struct fw_request *request = NULL;
		struct fw_reply reply;

		if (message->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
		make_reply(request, message->data.result, &reply);
		handler = request->handler;
		free_request(request);
		handler.done(&reply, handler.context);
	}
	client->idle(client->context);
}

static void on_socket(evutil_socket_t fd, short what, void *context)
{
	struct fw_client *client = context;
	int running, flags = (what & EV_READ ? CURL_CSELECT_IN : 0) |
			     (what & EV_WRITE ? CURL_CSELECT_OUT : 0);

	(void)curl_multi_socket_action(client->multi, fd, flags, &running);
	finish(client);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct fw_client *client = context;
	int running;

	(void)fd;
	(void)what;
	(void)curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	finish(client);
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *assigned)
{
	struct fw_client *client = context;
	struct event *event = assigned;
	short flags = (short)((what & CURL_POLL_IN ? EV_READ : 0) |
			      (what & CURL_POLL_OUT ? EV_WRITE : 0) | EV_PERSIST);

	(void)easy;
	if (event)
		event_free(event);
	event = NULL;
	if (what != CURL_POLL_REMOVE) {
		event = event_new(client->base, fd, flags, on_socket, client);
		if (event && event_add(event, NULL) < 0) {
			event_free(event);
			event = NULL;
		}
	}
	(void)curl_multi_assign(client->multi, fd, event);
	return event || what == CURL_POLL_REMOVE ? 0 : -1;
}

static int want_timer(CURLM *multi, long ms, void *context)
{
	struct fw_client *client = context;
	const struct timeval wait = {ms / 1000, ms % 1000 * 1000};

	(void)multi;
	if (ms < 0)
		(void)evtimer_del(client->timer);
	else
		(void)evtimer_add(client->timer, &wait);
	return 0;
}

int fw_client_new(struct event_base *base, const struct fw_kube_config *config,
		  void (*idle)(void *context), void *context, struct fw_client **ret_client)
{
	_cleanup_(fw_client_free) struct fw_client *client = calloc(1, sizeof(*client));

	if (!client || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	client->base = base;
	client->config = config;
	client->idle = idle;
	client->context = context;
	client->timer = evtimer_new(base, on_timer, client);
	client->multi = curl_multi_init();
	if (!client->timer || !client->multi)
		return -ENOMEM;
	(void)curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	(void)curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
	(void)curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, want_timer);
	(void)curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
	*ret_client = TAKE_PTR(client);
	return 0;
}

void fw_client_free(struct fw_client **client_at)
{
	struct fw_client *client = *client_at;

	if (!client)
		return;
	while (client->requests)
		free_request(client->requests);
	if (client->multi)
		(void)curl_multi_cleanup(client->multi);
	if (client->timer)
		event_free(client->timer);
	free(client);
	*client_at = NULL;
}

/* One line of the answer's head; the empty one ends it. Interim answers (1xx) are none. */
static size_t take_head(char *data, size_t size, size_t count, void *context)
{
	struct fw_request *request = context;
	const char *type = NULL;
	long status = 0;

	if (count > 2 || (count > 0 && data[0] != '\r' && data[0] != '\n'))
		return size * count;
	(void)curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(request->easy, CURLINFO_CONTENT_TYPE, &type);
	if (status >= 200)
		request->handler.head(status, type ? type : "", request->handler.context);
	return size * count;
}

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
	struct fw_request *request = context;

	request->stopped = request->handler.body(data, size * count, request->handler.context);
	return request->stopped ? 0 : size * count;
}

static bool set_blob(CURL *easy, CURLoption option, const struct fw_proof *proof)
{
	struct curl_blob blob = {proof->now.data, proof->now.len, CURL_BLOB_COPY};

	return !proof->now.data || curl_easy_setopt(easy, option, &blob) == CURLE_OK;
}

static bool add_header(struct fw_request *request, const char *text)
{
	struct curl_slist *longer = curl_slist_append(request->headers, text);

	if (longer)
		request->headers = longer;
	return longer != NULL;
}

static bool set_headers(struct fw_request *request, const struct fw_kube_config *config)
{
	_cleanup_free_ char *token = NULL;
	bool ok = add_header(request, "Accept: application/json");

	if (ok && config->token.now.data) {
		if (asprintf(&token, "Authorization: Bearer %s", config->token.now.data) < 0)
			token = NULL;
		ok = token && add_header(request, token);
		if (token)
			explicit_bzero(token, strlen(token));
	}
	(void)curl_easy_setopt(request->easy, CURLOPT_HTTPHEADER, request->headers);
	return ok;
}

static bool set_proofs(CURL *easy, const struct fw_kube_config *config)
{
	(void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (config->insecure) {
		(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	} else if (config->ca.now.data) {
		/* nobody else's signature counts */
		(void)curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
		(void)curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	}
	return set_blob(easy, CURLOPT_CAINFO_BLOB, &config->ca) &&
	       set_blob(easy, CURLOPT_SSLCERT_BLOB, &config->cert) &&
	       set_blob(easy, CURLOPT_SSLKEY_BLOB, &config->key) &&
	       curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR,
				config->insecure ? "https,http" : "https") == CURLE_OK;
}

/* The URL speaks of the name in the certificate, the connection goes to the server's address. */
static int make_url(struct fw_request *request, const char *path, char **ret_url)
{
	const struct fw_kube_config *config = request->client->config;
	const char *name = config->server_name, *scheme_end = strstr(config->server, "://");
	const char *host = scheme_end + 3, *end = host + strcspn(host, "/"), *port = end;
	_cleanup_free_ char *connect = NULL;

	while (port > host && *port != ':' && *port != ']')
		port--;
	if (!name || !*name)
		return asprintf(ret_url, "%s%s", config->server, path) < 0 ? -ENOMEM : 0;
	if (asprintf(&connect, "%s::%.*s%s", name, (int)(end - host), host,
		     *port == ':' ? "" : ":443") < 0) {
		connect = NULL;
		return -ENOMEM;
	}
	request->connect = curl_slist_append(NULL, connect);
	if (!request->connect)
		return -ENOMEM;
	(void)curl_easy_setopt(request->easy, CURLOPT_CONNECT_TO, request->connect);
	return asprintf(ret_url, "https://%s%s%s", name, end, path) < 0 ? -ENOMEM : 0;
}

static void set_manners(CURL *easy)
{
	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "podwalld/" FW_VERSION);
	(void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	(void)curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, BUFFER_BYTES);
	(void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEP_IDLE_S);
	(void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEP_EACH_S);
	(void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
}

static int set_up(struct fw_request *request, const char *path)
{
	const struct fw_kube_config *config = request->client->config;
	_cleanup_free_ char *url = NULL;
	CURL *easy = request->easy;
	int r = make_url(request, path, &url);

	if (r) {
		url = NULL;
		return r;
	}
	(void)curl_easy_setopt(easy, CURLOPT_URL, url);
	(void)curl_easy_setopt(easy, CURLOPT_PROXY, config->proxy ? config->proxy : "");
	(void)curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
	(void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->trouble);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_head);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
	set_manners(easy);
	return set_headers(request, config) && set_proofs(easy, config) ? 0 : -ENOMEM;
}

int fw_client_get(struct fw_client *client, const char *path,
		  const struct fw_request_handler *handler, struct fw_request **ret_request)
{
	struct fw_request *request = calloc(1, sizeof(*request));
	int r;

	if (!request)
		return -ENOMEM;
	request->client = client;
	request->handler = *handler;
	request->easy = curl_easy_init();
	r = request->easy ? set_up(request, path) : -ENOMEM;
	if (!r && curl_multi_add_handle(client->multi, request->easy) != CURLM_OK)
		r = -ENOMEM;
	if (r) {
		free_request(request);
		return r;
	}
	request->next = client->requests;
	client->requests = request;
	*ret_request = request;
	return 0;
}
