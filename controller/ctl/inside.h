/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this folder share: a client, and one function per group of operations. In: a
 * parsed request. Out: an answer. Never included from outside of it.
 */
#ifndef FW_CTL_INSIDE_H
#define FW_CTL_INSIDE_H

#include <cjson/cJSON.h>

#include "ctl/ctl.h"
#include "ctl/protocol.h"
#include "ctl/request.h"

struct bufferevent;
struct event;

struct fw_client {
	struct fw_ctl *ctl;
	struct bufferevent *io;
	struct fw_client *next;
	bool asked;	 /* its request was taken */
	bool ending;	 /* closes when what is queued has gone */
	uint64_t ticket; /* waits for an endpoint */
	bool streaming, follow;
	uint64_t after; /* sequence of the last record given */
};

struct fw_ctl {
	struct event_base *base; /* borrowed */
	struct fw_agent *agent;	 /* borrowed */
	struct evconnlistener *listener;
	struct event *tick; /* while somebody follows */
	struct fw_client *clients;
	unsigned int client_count;
	char path[108];
};

/* Takes `answer` (NULL: no memory); sends it as the last line, then the connection ends. */
void fw_client_answer(struct fw_client *client, cJSON *answer);
void fw_client_refuse(struct fw_client *client, const char *error);
/* {"ok": true} */
cJSON *fw_answer_new(void);
/* RFC 3339, UTC, nanoseconds; of CLOCK_REALTIME. */
#define FW_TIME_TEXT 40
const char *fw_answer_time(uint64_t ns, char *text);
/* Adding to a tree that has no memory left sets *failed; the others do nothing then. */
void fw_add_text(cJSON *object, const char *name, const char *text, bool *failed);
void fw_add_number(cJSON *object, const char *name, double number, bool *failed);
void fw_add_bool(cJSON *object, const char *name, bool value, bool *failed);
cJSON *fw_add_object(cJSON *object, const char *name, bool *failed);
cJSON *fw_add_list(cJSON *object, const char *name, bool *failed);
/* A new object at the end of `list`. */
cJSON *fw_add_item(cJSON *list, bool *failed);

void fw_op_endpoint_add(struct fw_client *client, const struct fw_request *request);
void fw_op_endpoint_del(struct fw_client *client, const struct fw_request *request);
cJSON *fw_op_status(struct fw_agent *agent);
cJSON *fw_op_endpoints(struct fw_agent *agent);
cJSON *fw_op_maps(struct fw_agent *agent);
void fw_add_maps(cJSON *list, struct fw_agent *agent, bool with_percent, bool *failed);
void fw_add_counters(cJSON *answer, struct fw_agent *agent, bool *failed);
cJSON *fw_op_version(struct fw_agent *agent);
cJSON *fw_op_policies(struct fw_agent *agent, const char *pod,
		      struct fw_err *err); /* NULL with a text */
void fw_op_flows(struct fw_client *client, const struct fw_request *request);
/* Gives a streaming client what its socket takes. */
void fw_flows_feed(struct fw_client *client);

#endif
