/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fan-in. In: objects of all streams, in the order in which each server answer tells them. Out:
 * puts and removes of the newest version, one batch when all that came in is taken, every 5 ms at
 * most under a storm, and none before every kind is complete. What cannot be read is never skipped:
 * it fails closed, and says so.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/decode.h"
#include "base/cleanup.h"
#include "kube/closed.h"
#include "kube/inside.h"

#define ORIGIN	    "API server"
#define STORM_NS    (5 * FW_MS)	   /* between two batches */
#define ERRORS_NS   (1000 * FW_MS) /* between two lists of errors: each goes to the log */
#define OBJECT_TEXT 400

static struct fw_known *known_of(const struct fw_stream *stream)
{
	return &stream->kube->known[stream->what->kind];
}

static void changed(struct fw_kube *kube)
{
	kube->pending++;
}

static void set_trouble(struct fw_stream *stream, struct fw_known_object *object, const char *text)
{
	if (fw_known_trouble(known_of(stream), object, text))
		stream->kube->errors_due = true;
}

/*
 * What cannot be read, by kind: a policy isolates; a service answers on no port; a slice stays as
 * it was, and its service may have other backends, too; a pod or namespace is taken out, so that no
 * Accept matches it; a node stays as it was.
 */
static int put_broken(struct fw_stream *stream, const struct fw_item *item, const char *why)
{
	const struct fw_source_handler *handler = &stream->kube->handler;
	struct fw_object *object = NULL;

	switch (stream->what->kind) {
	case FW_KIND_NETWORK_POLICY:
		object = fw_closed_policy(item, ORIGIN, why);
		break;
	case FW_KIND_SERVICE:
		object = fw_closed_service(item, ORIGIN);
		break;
	case FW_KIND_ENDPOINT_SLICE:
		(void)fw_decode_unread_slice(item->tree, item->namespace, item->name, ORIGIN,
					     &object);
		break;
	case FW_KIND_POD:
	case FW_KIND_NAMESPACE:
		handler->remove(stream->what->kind, item->namespace, item->name, handler->context);
		return 0;
	default:
		return 0;
	}
	if (!object)
		return -ENOMEM;
	handler->put(object, handler->context);
	return 0;
}

int fw_fan_put(struct fw_stream *stream, const struct fw_item *item)
{
	const struct fw_source_handler *handler = &stream->kube->handler;
	struct fw_known_object *known;
	struct fw_object *object = NULL;
	struct fw_err err = {""};
	bool newest;
	int r = fw_known_put(known_of(stream), stream->what->slot, item->namespace, item->name,
			     fw_version_number(item->version), stream->mark, &known, &newest);

	if (r || !newest)
		return r;
	if (item->tree)
		r = fw_decode_item(item->tree, stream->what->kind, ORIGIN, &object, &err);
	else
		r = fw_err_set(&err, -EINVAL, "%s", item->why);
	if (r == -ENOMEM)
		return r;
	changed(stream->kube);
	stream->seen.faults += r != 0;
	set_trouble(stream, known, err.text[0] ? err.text : NULL);
	if (r)
		return put_broken(stream, item, err.text);
	handler->put(object, handler->context);
	return 0;
}

static struct fw_stream *sibling_of(struct fw_stream *stream)
{
	struct fw_kube *kube = stream->kube;

	for (unsigned int i = 0; i < FW_STREAMS; i++)
		if (kube->streams[i].what->kind == stream->what->kind &&
		    &kube->streams[i] != stream)
			return &kube->streams[i];
	return NULL;
}

static void drop(struct fw_stream *stream, struct fw_known_object *known)
{
	const struct fw_source_handler *handler = &stream->kube->handler;
	char namespace[64], name[254];
	bool lost, troubled = known->trouble != NULL;

	(void)snprintf(namespace, sizeof(namespace), "%s", known->key);
	(void)snprintf(name, sizeof(name), "%s", fw_known_name(known));
	if (fw_known_drop(known_of(stream), stream->what->slot, known, &lost)) {
		handler->remove(stream->what->kind, namespace, name, handler->context);
		changed(stream->kube);
	}
	stream->kube->errors_due = stream->kube->errors_due || troubled;
	if (lost && sibling_of(stream))
		fw_stream_relist(sibling_of(stream));
}

int fw_fan_delete(struct fw_stream *stream, const struct fw_item *item)
{
	struct fw_known_object *known =
		fw_known_find(known_of(stream), item->namespace, item->name);

	if (known && fw_known_held(known, stream->what->slot))
		drop(stream, known);
	return 0;
}

void fw_fan_sweep(struct fw_stream *stream)
{
	unsigned int slot = stream->what->slot;
	struct fw_known_object *known;
	size_t at = 0;

	while ((known = fw_known_next(known_of(stream), &at))) {
		if (!fw_known_held(known, slot) || known->mark[slot] == stream->mark)
			continue;
		drop(stream, known);
		at--; /* another may stand there now */
	}
}

static bool all_synced(const struct fw_kube *kube)
{
	for (unsigned int i = 0; i < FW_STREAMS; i++)
		if (!kube->streams[i].seen.synced)
			return false;
	return true;
}

static void deliver(struct fw_kube *kube)
{
	uint64_t arrived = kube->arrived_ns;

	kube->pending = 0;
	kube->arrived_ns = 0;
	kube->ready = true;
	kube->handler.settled(arrived ? arrived : fw_kube_now(), kube->handler.context);
	kube->batch_ns = fw_kube_now();
}

void fw_fan_flush(struct fw_kube *kube)
{
	uint64_t now = fw_kube_now();

	if (kube->ready && !kube->pending)
		kube->arrived_ns = 0;
	if (kube->ready ? kube->pending > 0 : all_synced(kube)) {
		if (now - kube->batch_ns >= STORM_NS)
			deliver(kube);
		else if (!evtimer_pending(kube->batch_timer, NULL))
			fw_kube_arm(kube->batch_timer, kube->batch_ns + STORM_NS - now);
	}
	fw_fan_errors(kube);
}

static int compare_keys(const void *left, const void *right)
{
	const struct fw_known_object *a = *(struct fw_known_object *const *)left;
	const struct fw_known_object *b = *(struct fw_known_object *const *)right;
	int order = strcmp(a->key, b->key);

	return order ? order : strcmp(fw_known_name(a), fw_known_name(b));
}

/* By namespace and name. */
static int list_errors(struct fw_kube *kube, enum fw_kind kind, struct fw_error_list *list)
{
	size_t troubled = kube->known[kind].troubled, count = 0, at = 0;
	_cleanup_free_ struct fw_known_object **all = NULL;
	struct fw_known_object *known;
	char text[OBJECT_TEXT];
	int r = 0;

	if (!troubled)
		return 0;
	all = calloc(troubled, sizeof(struct fw_known_object *));
	if (!all)
		return -ENOMEM;
	while (count < troubled && (known = fw_known_next(&kube->known[kind], &at)))
		if (known->trouble)
			all[count++] = known;
	qsort(all, count, sizeof(struct fw_known_object *), compare_keys);
	for (size_t i = 0; !r && i < count; i++) {
		(void)snprintf(text, sizeof(text), "%s %s%s%s", fw_kind_name(kind), all[i]->key,
			       all[i]->key[0] ? "/" : "", fw_known_name(all[i]));
		r = fw_error_list_add(list, ORIGIN, text, all[i]->trouble);
	}
	return r;
}

void fw_fan_stale(struct fw_kube *kube, const char *text)
{
	if (!strcmp(kube->stale, text))
		return;
	(void)snprintf(kube->stale, sizeof(kube->stale), "%s", text);
	kube->errors_due = true;
}

void fw_fan_errors(struct fw_kube *kube)
{
	_cleanup_(fw_error_list_done) struct fw_error_list list = {0};
	uint64_t now = fw_kube_now();
	int r = 0;

	if (!kube->errors_due || evtimer_pending(kube->errors_timer, NULL))
		return;
	if (kube->errors_ns && now - kube->errors_ns < ERRORS_NS) {
		fw_kube_arm(kube->errors_timer, kube->errors_ns + ERRORS_NS - now);
		return;
	}
	if (kube->stale[0])
		r = fw_error_list_add(&list, ORIGIN, "what was read before is used", kube->stale);
	for (int kind = 0; !r && kind < FW_KIND_COUNT; kind++)
		r = list_errors(kube, (enum fw_kind)kind, &list);
	if (r)
		return;
	kube->errors_due = false;
	kube->errors_ns = now;
	fw_error_list_done(&kube->errors);
	kube->errors = list;
	list = (struct fw_error_list){0};
	kube->handler.errors(kube->handler.context);
}
