/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One stream: list, then watch, for ever. In: how requests end, and the clock. Out: the next
 * request, at its time. What was delivered stays until a complete list says otherwise; a list that
 * breaks off is begun anew. Must never ask more often than the server allows (Retry-After), nor in
 * step with other nodes (jitter).
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube/inside.h"
#include "kube/pace.h"

#define JITTER_MS    100u /* before a watch that the server ended in time */
#define BRIEF	     20	  /* a watch that ends in that part of the patience is a failure */
#define STEADY	     4	  /* one that holds for that part clears what failed before it */
#define SILENCE	     6u	  /* patiences that an idle watch may be silent */
#define PAGE_OBJECTS 500
#define WATCH_S	     300u /* and up to twice that */
#define OTHER_MAX    8192 /* bytes kept of an answer that is no list */
#define PATH_MAX_LEN 65536

static void on_timer(evutil_socket_t fd, short what, void *context);

int fw_stream_init(struct fw_stream *stream, struct fw_kube *kube,
		   const struct fw_stream_kind *what)
{
	stream->kube = kube;
	stream->what = what;
	stream->seen.name = what->name;
	stream->timer = evtimer_new(kube->base, on_timer, stream);
	fw_buf_init(&stream->other, OTHER_MAX);
	fw_stream_trouble(stream, "not connected yet");
	return stream->timer ? 0 : -ENOMEM;
}

void fw_stream_done(struct fw_stream *stream)
{
	fw_request_cancel(&stream->request);
	fw_split_free(&stream->split);
	if (stream->timer)
		event_free(stream->timer);
	fw_buf_done(&stream->other);
	free(stream->next);
}

/* RFC 3986: everything but the unreserved characters is escaped. */
static void add_query(struct fw_buf *path, const char *name, const char *value)
{
	char begin = path->data && strchr(path->data, '?') ? '&' : '?';

	(void)fw_buf_printf(path, "%c%s=", begin, name);
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;
		bool plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
			     strchr("-._~", c);

		(void)fw_buf_printf(path, plain ? "%c" : "%%%02X", c);
	}
}

/*
 * Of other nodes' pods only those that can be peers: with an address of their own, which neither
 * finished pods nor those of the host network have. Of this node's pods all (edge cases 21 to 23).
 */
static void add_selector(struct fw_buf *path, const struct fw_stream *stream)
{
	char text[1024];

	if (stream->what->kind != FW_KIND_POD)
		return;
	if (stream->what->slot)
		(void)snprintf(text, sizeof(text),
			       "spec.nodeName!=%s,spec.nodeName!=,status.phase!=Succeeded,"
			       "status.phase!=Failed%s",
			       stream->kube->node_name,
			       stream->without_host_network ? "" : ",spec.hostNetwork=false");
	else
		(void)snprintf(text, sizeof(text), "spec.nodeName=%s", stream->kube->node_name);
	add_query(path, "fieldSelector", text);
}

static void add_watch(struct fw_buf *path, const struct fw_stream *stream)
{
	char seconds[16];

	(void)snprintf(seconds, sizeof(seconds), "%u",
		       WATCH_S + fw_kube_random(stream->kube) % WATCH_S);
	add_query(path, "watch", "1");
	add_query(path, "allowWatchBookmarks", "true");
	add_query(path, "timeoutSeconds", seconds);
}

static char *make_path(const struct fw_stream *stream)
{
	struct fw_buf path;
	char limit[16];

	fw_buf_init(&path, PATH_MAX_LEN);
	(void)fw_buf_append(&path, stream->what->path, strlen(stream->what->path));
	add_selector(&path, stream);
	if (stream->state == FW_STREAM_PAGES) {
		(void)snprintf(limit, sizeof(limit), "%d", PAGE_OBJECTS);
		add_query(&path, "limit", limit);
		if (stream->next && *stream->next)
			add_query(&path, "continue", stream->next);
		return fw_buf_take(&path);
	}
	add_watch(&path, stream);
	if (stream->state == FW_STREAM_WATCHING) {
		add_query(&path, "resourceVersion", stream->version);
	} else {
		add_query(&path, "sendInitialEvents", "true");
		add_query(&path, "resourceVersionMatch", "NotOlderThan");
	}
	return fw_buf_take(&path);
}

/* A list cannot be gone on with: its first page comes again. */
static void wait_for(struct fw_stream *stream, uint64_t ns)
{
	fw_request_cancel(&stream->request);
	free(stream->next);
	stream->next = NULL;
	stream->state = FW_STREAM_WAITING;
	stream->seen.connected = false;
	fw_kube_arm(stream->timer, ns);
}

/* Each trouble is told once, not at each attempt; its end is told, too. */
static void note(struct fw_stream *stream)
{
	const struct fw_source_handler *handler = &stream->kube->handler;
	char text[FW_TROUBLE_TEXT + 100];

	if (!strcmp(stream->noted, stream->trouble))
		return;
	memcpy(stream->noted, stream->trouble, sizeof(stream->noted));
	(void)snprintf(text, sizeof(text), "API server: %s: %s", stream->what->name,
		       stream->noted[0] ? stream->noted : "watched again");
	if (handler->note)
		handler->note(stream->noted[0] != '\0', text, handler->context);
}

/*
 * A watch that held for a while clears what failed before it. A complete list does not: a server
 * that lists well and refuses each watch would be asked for everything without a pause.
 */
static void forgive(struct fw_stream *stream)
{
	if (stream->state == FW_STREAM_WATCHING && stream->good &&
	    fw_kube_now() - stream->began_ns >= stream->kube->patience_ns / STEADY)
		stream->failures = 0;
}

/* stream->trouble says why. */
static void fail(struct fw_stream *stream, unsigned long server_s)
{
	note(stream);
	stream->failures++;
	wait_for(stream, fw_pace_wait_ns(stream->failures, server_s, fw_kube_random(stream->kube)));
}

/* The server answers again: who waits because it did not need not wait on. */
static void wake_others(struct fw_kube *kube)
{
	for (unsigned int i = 0; i < FW_STREAMS; i++) {
		struct fw_stream *other = &kube->streams[i];

		if (other->state != FW_STREAM_WAITING || !other->unreached)
			continue;
		other->unreached = false;
		fw_kube_arm(other->timer, fw_kube_random(kube) % JITTER_MS * FW_MS);
	}
}

/* The beginning of a good answer. A list before the watch is not what status calls watched. */
static void connected(struct fw_stream *stream)
{
	if (!stream->seen.connected || stream->state == FW_STREAM_WATCHING)
		stream->seen.connected_ns = fw_kube_wall();
	if (stream->seen.connected)
		return;
	stream->seen.connected = true;
	stream->seen.connects++;
	stream->unreached = false;
	if (!stream->unnamed)
		stream->trouble[0] = '\0';
	if (stream->seen.synced)
		note(stream);
	wake_others(stream->kube);
}

static void on_head(long status, const char *type, void *context)
{
	struct fw_stream *stream = context;

	stream->good = status == 200 && !strncmp(type, "application/json", 16);
	stream->progress_ns = fw_kube_now();
	if (stream->good)
		connected(stream);
}

static int on_body(const char *data, size_t len, void *context)
{
	struct fw_stream *stream = context;
	size_t room = OTHER_MAX - stream->other.len;

	stream->seen.bytes += len;
	if (stream->good)
		return fw_answer_take(stream, data, len);
	return fw_buf_append(&stream->other, data, len < room ? len : room);
}

static void on_done(const struct fw_reply *reply, void *context);

static void ask(struct fw_stream *stream)
{
	const struct fw_request_handler handler = {on_head, on_body, on_done, stream};
	struct fw_kube *kube = stream->kube;
	struct fw_err err = {""};
	char *path;
	int r = fw_kube_config_refresh(&kube->config, &err);

	fw_fan_stale(kube, r ? err.text : "");
	if (r == -ENOENT) {
		fw_stream_trouble(stream, "%s", err.text);
		fail(stream, 0);
		return;
	}
	path = make_path(stream);
	r = path ? fw_answer_begin(stream) : -ENOMEM;
	if (!r)
		r = fw_client_get(kube->client, path, &handler, &stream->request);
	free(path);
	if (r) {
		fw_stream_trouble(stream, "out of memory");
		fail(stream, 0);
		return;
	}
	fw_kube_arm(stream->timer, kube->patience_ns / 4);
}

static void list(struct fw_stream *stream)
{
	stream->state = stream->kube->pages ? FW_STREAM_PAGES : FW_STREAM_INITIAL;
	stream->version[0] = '\0';
	free(stream->next);
	stream->next = NULL;
	stream->unnamed = stream->relist = false;
	stream->mark++;
	stream->seen.lists++;
	ask(stream);
}

static void go_on(struct fw_stream *stream)
{
	if (!stream->version[0]) {
		list(stream);
		return;
	}
	stream->state = FW_STREAM_WATCHING;
	ask(stream);
}

void fw_stream_relist(struct fw_stream *stream)
{
	stream->relist = true;
	fw_kube_arm(stream->timer, 0);
}

void fw_stream_listed(struct fw_stream *stream, const char *version)
{
	memcpy(stream->version, version, sizeof(stream->version));
	stream->state = FW_STREAM_WATCHING;
	stream->seen.synced = true;
	stream->began_ns = fw_kube_now();
	stream->seen.connected_ns = fw_kube_wall();
	if (!stream->unnamed)
		fw_fan_sweep(stream);
	note(stream);
	/* a large list leaves much free memory in small pieces */
	(void)malloc_trim(0);
}

/* A list without end is begun anew; 410 on a page, too: its version is gone. */
static void end_page(struct fw_stream *stream)
{
	if (!fw_split_at_end(stream->split) || !stream->listed_items || !stream->right_kind ||
	    !stream->list_version[0]) {
		stream->seen.faults++;
		fw_stream_trouble(stream, "a list that is cut short or no %sList: listed anew",
				  fw_kind_name(stream->what->kind));
		fail(stream, 0);
	} else if (*stream->next) {
		ask(stream);
	} else {
		fw_stream_listed(stream, stream->list_version);
		go_on(stream);
	}
}

static void end_watch(struct fw_stream *stream)
{
	bool brief = fw_kube_now() - stream->began_ns < stream->kube->patience_ns / BRIEF;

	stream->seen.faults += !fw_split_at_end(stream->split);
	if (stream->state == FW_STREAM_INITIAL) {
		fw_stream_trouble(stream, "the streaming list ended before its end");
		fail(stream, 0);
	} else if (brief) {
		fw_stream_trouble(stream, "the server ends the watch at once");
		fail(stream, 0);
	} else {
		if (stream->unnamed)
			stream->version[0] = '\0'; /* the list was not to be believed whole */
		wait_for(stream, fw_kube_random(stream->kube) % JITTER_MS * FW_MS);
	}
}

/* An answer that we ended ourselves. */
static void end_stopped(struct fw_stream *stream)
{
	switch (stream->verdict) {
	case FW_ANSWER_GONE:
		stream->version[0] = '\0';
		fw_stream_trouble(stream, "410: the version is too old: listed anew");
		if (stream->state == FW_STREAM_WATCHING && !stream->failures) {
			stream->failures++; /* at once, the first time */
			wait_for(stream, 0);
			return;
		}
		fail(stream, 0);
		return;
	case FW_ANSWER_REFUSED:
		fail(stream, stream->refusal.retry_after);
		return;
	default:
		if (stream->verdict == FW_ANSWER_NO_MEMORY)
			fw_stream_trouble(stream, "out of memory: listed anew");
		stream->version[0] = '\0';
		fail(stream, 0);
	}
}

/* What a server of another age does not know is asked for differently. True: it was that. */
static bool adapt(struct fw_stream *stream, long status)
{
	if (status != 400 && status != 422)
		return false;
	if (stream->state == FW_STREAM_INITIAL) {
		stream->kube->pages = true;
	} else if (stream->state == FW_STREAM_PAGES && stream->what->slot &&
		   !stream->without_host_network) {
		stream->without_host_network = true;
		stream->kube->pages = false; /* it may have been this */
	} else {
		return false;
	}
	wait_for(stream, 0);
	return true;
}

static void end_refused(struct fw_stream *stream, const struct fw_reply *reply)
{
	struct fw_status *status = &stream->refusal;
	unsigned long wait_s = reply->wait_s;

	fw_status_read(stream->other.data ? stream->other.data : "", stream->other.len, status);
	if (adapt(stream, reply->status))
		return;
	if (wait_s < status->retry_after)
		wait_s = status->retry_after;
	if (reply->status == 200)
		fw_stream_trouble(stream, "the answer is not JSON");
	else
		fw_stream_trouble(stream, "HTTP %ld %s%s%s", reply->status, status->reason,
				  status->message[0] ? ": " : "", status->message);
	if (reply->status == 410)
		stream->version[0] = '\0';
	fail(stream, wait_s);
}

static void on_done(const struct fw_reply *reply, void *context)
{
	struct fw_stream *stream = context;

	stream->request = NULL;
	forgive(stream);
	if (reply->stopped && stream->verdict != FW_ANSWER_GOES_ON) {
		end_stopped(stream);
	} else if (reply->text[0] && stream->good && stream->state == FW_STREAM_WATCHING &&
		   stream->told) {
		end_watch(stream); /* broken off in the middle: nothing is lost */
	} else if (reply->text[0]) {
		fw_stream_trouble(stream, "%s", reply->text);
		stream->unreached = !reply->sent;
		fail(stream, 0);
	} else if (!stream->good) {
		end_refused(stream, reply);
	} else if (stream->state == FW_STREAM_PAGES) {
		end_page(stream);
	} else {
		end_watch(stream);
	}
}

/*
 * Half an object, or an answer that does not begin, may take one patience; a watch that says
 * nothing several. Blanks between events are nothing: a proxy may send them without end.
 */
static void check_progress(struct fw_stream *stream)
{
	bool idle = stream->state == FW_STREAM_WATCHING && stream->good &&
		    fw_split_at_end(stream->split);
	uint64_t now = fw_kube_now(), patience = stream->kube->patience_ns;

	if (idle)
		patience *= SILENCE;
	if (now - stream->progress_ns < patience) {
		fw_kube_arm(stream->timer, stream->kube->patience_ns / 4);
		return;
	}
	/* a server that does not know streaming lists may take it for a watch, which never ends */
	stream->kube->pages = stream->kube->pages || stream->state == FW_STREAM_INITIAL;
	stream->seen.faults++;
	fw_stream_trouble(stream, idle ? "silent for %llu s" : "no progress for %llu s",
			  (unsigned long long)((now - stream->progress_ns) / (1000 * FW_MS)));
	forgive(stream);
	fail(stream, 0);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct fw_stream *stream = context;

	(void)fd;
	(void)what;
	if (stream->relist) {
		fw_request_cancel(&stream->request);
		list(stream);
	} else if (stream->state == FW_STREAM_WAITING) {
		go_on(stream);
	} else {
		check_progress(stream);
	}
	fw_fan_errors(stream->kube);
}
