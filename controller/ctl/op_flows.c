// SPDX-License-Identifier: Apache-2.0
/*
 * flows: the history, and what comes after it. In: a position in the sequence of records. Out:
 * lines, as many as the client's socket takes. A follower is a cursor on the history, not a queue:
 * one that is too slow to keep up is overtaken, and told how many records it lost.
 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <string.h>
#include <time.h>

#include "ctl/inside.h"

#define PORTION 128u
#define QUEUE_HIGH                                                                                 \
	(1u << 20) /* bytes queued for one client before it has to read; below                     \
		      FW_CLIENT_BACKLOG_MAX */
#define QUEUE_LOW      (64u << 10)
#define LINE_MAX_BYTES (64u << 10)

_Static_assert(QUEUE_HIGH + PORTION * 4096 < FW_CLIENT_BACKLOG_MAX, "a portion fits the backlog");

struct portion {
	struct fw_client *client;
	struct evbuffer *out;
	struct fw_buf line;
};

static void send_record(struct portion *portion, const struct fw_record *record)
{
	const char *node = fw_agent_opts(portion->client->ctl->agent)->node_name;

	fw_buf_clear(&portion->line);
	if (fw_record_json(record, node, &portion->line) < 0)
		return;
	(void)fw_buf_append(&portion->line, "\n", 1);
	if (!portion->line.error)
		(void)evbuffer_add(portion->out, portion->line.data, portion->line.len);
}

static void send_lost(struct portion *portion, const struct fw_record *next, uint64_t count)
{
	struct fw_record lost;

	memset(&lost, 0, sizeof(lost));
	lost.type = FW_RECORD_LOST;
	lost.time_ns = next->time_ns;
	lost.sequence = next->sequence - 1;
	lost.repeats = count;
	send_record(portion, &lost);
}

static void on_record(const struct fw_record *record, void *context)
{
	struct portion *portion = context;
	struct fw_client *client = portion->client;

	if (record->sequence > client->after + 1)
		send_lost(portion, record, record->sequence - client->after - 1);
	send_record(portion, record);
	client->after = record->sequence;
}

static void end_stream(struct fw_client *client)
{
	bool failed = false;
	cJSON *last = cJSON_CreateObject();

	fw_add_bool(last, "end", true, &failed);
	fw_client_answer(client, last);
}

void fw_flows_feed(struct fw_client *client)
{
	const struct fw_flows *flows = fw_agent_flows(client->ctl->agent);
	struct portion portion = {client, bufferevent_get_output(client->io), {0}};
	size_t given = 1;

	fw_buf_init(&portion.line, LINE_MAX_BYTES);
	while (given && evbuffer_get_length(portion.out) < QUEUE_HIGH)
		given = fw_flows_history_after(flows, client->after, PORTION, on_record, &portion);
	fw_buf_done(&portion.line);
	if (!given && !client->follow)
		end_stream(client);
}

void fw_op_flows(struct fw_client *client, const struct fw_request *request)
{
	const struct fw_flows *flows = fw_agent_flows(client->ctl->agent);
	uint64_t newest = fw_flows_newest(flows), held = fw_flows_held(flows);

	if (request->has_last && request->last < held)
		held = request->last;
	client->after = newest - held;
	client->follow = request->follow;
	client->streaming = true;
	bufferevent_setwatermark(client->io, EV_WRITE, QUEUE_LOW, 0);
	fw_flows_feed(client);
}
