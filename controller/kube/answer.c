/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of an answer to objects. In: pieces of a list or of a watch. Out: puts and deletes for the
 * fan-in, the version to go on from, or why the answer is not to be believed. Must never take a
 * version from a list that is not complete.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube/inside.h"

void fw_stream_trouble(struct fw_stream *stream, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(stream->trouble, sizeof(stream->trouble), format, args);
	va_end(args);
}

static int end_with(struct fw_stream *stream, enum fw_verdict verdict)
{
	stream->verdict = verdict;
	return -ECANCELED;
}

static int garbage(struct fw_stream *stream, const char *what)
{
	stream->seen.faults++;
	fw_stream_trouble(stream, "%s: listed anew", what);
	return end_with(stream, FW_ANSWER_GARBAGE);
}

/* Something was understood: the connection works. */
static void heard(struct fw_stream *stream)
{
	stream->told = true;
	stream->progress_ns = fw_kube_now();
	stream->seen.event_ns = fw_kube_wall();
}

static int put(struct fw_stream *stream, const struct fw_item *item)
{
	if (item->name[0])
		return fw_fan_put(stream, item) ? end_with(stream, FW_ANSWER_NO_MEMORY) : 0;
	stream->seen.faults++;
	stream->unnamed = true;
	if (stream->state == FW_STREAM_WATCHING)
		return garbage(stream, item->why[0] ? item->why : "an event without a name");
	fw_stream_trouble(stream,
			  "an object without a name in the list (%.200s): nothing is removed",
			  item->why[0] ? item->why : "no metadata.name");
	return 0;
}

static int take_listed(const char *text, size_t len, bool whole, void *context)
{
	struct fw_stream *stream = context;
	struct fw_item item;
	int r;

	stream->seen.events++;
	fw_item_read(stream->what->kind, text, len, whole, &item);
	r = put(stream, &item);
	fw_item_done(&item);
	heard(stream);
	return r;
}

static int take_list_member(const char *name, const char *text, size_t len, bool whole,
			    void *context)
{
	struct fw_stream *stream = context;
	char kind[64];

	if (!strcmp(name, "metadata") &&
	    (!whole || fw_list_read(text, len, stream->list_version, &stream->next)))
		return garbage(stream, "a list without a resourceVersion");
	(void)snprintf(kind, sizeof(kind), "\"%sList\"", fw_kind_name(stream->what->kind));
	if (!strcmp(name, "kind"))
		stream->right_kind = len == strlen(kind) && !memcmp(text, kind, len);
	if (strcmp(name, "items") != 0)
		return 0;
	/* "[]": the splitter's word for items that were handed out; null: Go's empty list */
	stream->listed_items =
		(len == 2 && !memcmp(text, "[]", 2)) || (len == 4 && !memcmp(text, "null", 4));
	return stream->listed_items ? 0 : garbage(stream, "a list whose items are no list");
}

static int end_list(void *context)
{
	(void)context;
	return 0;
}

static int take_event_member(const char *name, const char *text, size_t len, bool whole,
			     void *context)
{
	struct fw_stream *stream = context;

	if (strcmp(name, "type") != 0)
		return 0;
	if (!whole || len < 2 || text[0] != '"' || len - 2 >= sizeof(stream->event))
		return garbage(stream, "an event of an unknown type");
	memcpy(stream->event, text + 1, len - 2);
	stream->event[len - 2] = '\0';
	return 0;
}

static int take_error(struct fw_stream *stream, const char *text, size_t len)
{
	fw_status_read(text, len, &stream->refusal);
	if (stream->refusal.code == 410 || !strcmp(stream->refusal.reason, "Expired") ||
	    !strcmp(stream->refusal.reason, "Gone"))
		return end_with(stream, FW_ANSWER_GONE);
	fw_stream_trouble(stream, "the server ended the watch: %u %s: %s", stream->refusal.code,
			  stream->refusal.reason, stream->refusal.message);
	return end_with(stream, FW_ANSWER_REFUSED);
}

/* The server tells changes in the order of their versions; what goes back is another history. */
static int take_version(struct fw_stream *stream, const char *version)
{
	uint64_t fresh = fw_version_number(version), last = fw_version_number(stream->version);

	if (!version[0] || stream->state != FW_STREAM_WATCHING)
		return 0;
	if (fresh && last && fresh < last)
		return garbage(stream, "a resourceVersion that goes back");
	memcpy(stream->version, version, sizeof(stream->version));
	return 0;
}

static int take_bookmark(struct fw_stream *stream, const struct fw_item *item)
{
	if (!item->version[0])
		return garbage(stream, "a bookmark without a resourceVersion");
	if (stream->state == FW_STREAM_INITIAL && item->initial_end) {
		fw_stream_listed(stream, item->version);
		return 0;
	}
	return take_version(stream, item->version);
}

static int take_change(struct fw_stream *stream, const struct fw_item *item, bool deleted)
{
	int r;

	if (!deleted)
		r = put(stream, item);
	else if (!item->name[0])
		r = garbage(stream, "a deletion without a name");
	else
		r = fw_fan_delete(stream, item) ? end_with(stream, FW_ANSWER_NO_MEMORY) : 0;
	return r ? r : take_version(stream, item->version);
}

static int take_event(const char *text, size_t len, bool whole, void *context)
{
	struct fw_stream *stream = context;
	bool deleted = !strcmp(stream->event, "DELETED");
	bool bookmark = !strcmp(stream->event, "BOOKMARK");
	struct fw_item item;
	int r;

	if (!strcmp(stream->event, "ERROR"))
		return take_error(stream, text, len);
	if (!deleted && !bookmark && strcmp(stream->event, "ADDED") != 0 &&
	    strcmp(stream->event, "MODIFIED") != 0)
		return garbage(stream, "an event of an unknown type");
	stream->has_object = true;
	stream->seen.events += !bookmark;
	fw_item_read(stream->what->kind, text, len, whole, &item);
	r = bookmark ? take_bookmark(stream, &item) : take_change(stream, &item, deleted);
	fw_item_done(&item);
	stream->event[0] = '\0';
	if (!r)
		heard(stream);
	return r;
}

static int end_event(void *context)
{
	struct fw_stream *stream = context;

	bool had_object = stream->has_object;

	stream->has_object = false;
	return had_object ? 0 : garbage(stream, "an event without an object");
}

int fw_answer_begin(struct fw_stream *stream)
{
	bool pages = stream->state == FW_STREAM_PAGES;
	const struct fw_split_handler handler = {.item = pages ? take_listed : take_event,
						 .member = pages ? take_list_member
								 : take_event_member,
						 .end = pages ? end_list : end_event,
						 .context = stream};

	fw_split_free(&stream->split);
	stream->verdict = FW_ANSWER_GOES_ON;
	stream->refusal = (struct fw_status){0};
	stream->event[0] = '\0';
	stream->has_object = false;
	stream->listed_items = stream->right_kind = stream->told = stream->good = false;
	stream->list_version[0] = '\0';
	free(stream->next);
	stream->next = NULL;
	fw_buf_clear(&stream->other);
	stream->began_ns = stream->progress_ns = fw_kube_now();
	return fw_split_new(pages ? FW_SPLIT_LIST : FW_SPLIT_EVENTS, FW_SPLIT_BYTES, &handler,
			    &stream->split);
}

int fw_answer_take(struct fw_stream *stream, const char *data, size_t len)
{
	bool between = fw_split_at_end(stream->split);
	uint64_t now = fw_kube_now();
	struct fw_err err = {""};
	int r;

	if (!stream->kube->pending && !stream->kube->arrived_ns)
		stream->kube->arrived_ns = now;
	r = fw_split_feed(stream->split, data, len, &err);
	if (between && !fw_split_at_end(stream->split))
		stream->progress_ns = now; /* an event has begun */
	if (r == -ENOMEM)
		return end_with(stream, FW_ANSWER_NO_MEMORY);
	if (r == -EINVAL && stream->verdict == FW_ANSWER_GOES_ON)
		return garbage(stream, err.text);
	return r;
}
