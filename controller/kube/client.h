/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET requests to the API server, many at a time. In: paths. Out: bytes as they come in, and how
 * each ended; all in the caller's event loop, by libcurl. Never reads a body, never tries again.
 */
#ifndef FW_KUBE_CLIENT_H
#define FW_KUBE_CLIENT_H

#include "kube/config.h"

struct event_base;
struct fw_client;
struct fw_request;

struct fw_reply {
	bool sent;	      /* the server was reached: it may have read the request */
	int stopped;	      /* what `body` returned to end it, 0: it did not */
	long status;	      /* of HTTP, 0: no answer */
	unsigned long wait_s; /* Retry-After in seconds, 0: none */
	char text[300];	      /* why there is no whole answer; "": there is */
};

struct fw_request_handler {
	/* The answer begins; type: its content type, "" none. */
	void (*head)(long status, const char *type, void *context);
	/* Not 0: the request ends, and `done` is told so. Must not cancel the request. */
	int (*body)(const char *data, size_t len, void *context);
	/* The request is over and freed. New ones may be made. */
	void (*done)(const struct fw_reply *reply, void *context);
	void *context;
};

/* `idle` is called when everything that has come in was handed out. config is borrowed. */
int fw_client_new(struct event_base *base, const struct fw_kube_config *config,
		  void (*idle)(void *context), void *context, struct fw_client **ret_client);
/* Cancels every request. */
void fw_client_free(struct fw_client **client);
/* path: with its query, from the first "/". -ENOMEM. */
int fw_client_get(struct fw_client *client, const char *path,
		  const struct fw_request_handler *handler, struct fw_request **ret_request);
/* Ends it without a call; not from inside `body`. */
void fw_request_cancel(struct fw_request **request);

#endif
