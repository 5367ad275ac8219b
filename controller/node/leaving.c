// SPDX-License-Identifier: Apache-2.0
/*
 * What a slice says no longer and is needed. In: an EndpointSlice about to be put in the place of
 * another. Out: the same with backends that have left their service while their pod lives (edge
 * case 34: it was relabelled, say), as neither ready nor serving: no new connection gets them, and
 * the old ones are judged by them. They go when a pod's address is nobody's any more and the slice
 * is put again; with the slice itself they go at once. Or, when its new version cannot be read,
 * with all that the last one said.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/htab.h"
#include "node/inside.h"

#define LEAVING_MAX 256u /* of one slice; beyond it they are judged by the service */

static bool has(const struct fw_endpoint_slice *slice, const struct fw_ip *ip)
{
	for (size_t i = 0; i < slice->endpoint_count; i++) {
		if (fw_ip_equal(&slice->endpoints[i].ip, ip))
			return true;
	}
	return false;
}

static size_t find_left(const struct fw_agent *agent, const struct fw_endpoint_slice *before,
			const struct fw_endpoint_slice *now, struct fw_ip *ret_left)
{
	size_t count = 0;

	for (size_t i = 0; i < before->endpoint_count && count < LEAVING_MAX; i++) {
		const struct fw_ip *ip = &before->endpoints[i].ip;

		if (!has(now, ip) && fw_model_pod_by_ip(agent->model, ip))
			ret_left[count++] = *ip;
	}
	return count;
}

static int copy_text(const char *text, char **ret_text)
{
	*ret_text = strdup(text ? text : "");
	return *ret_text ? 0 : -ENOMEM;
}

static int copy_head(const struct fw_object *from, struct fw_object *object)
{
	int r = copy_text(from->namespace, &object->namespace);

	if (r == 0)
		r = copy_text(from->name, &object->name);
	if (r == 0)
		r = copy_text(from->uid, &object->uid);
	if (r == 0)
		r = copy_text(from->origin, &object->origin);
	object->generation = from->generation;
	return r;
}

static int copy_ports(const struct fw_endpoint_slice *from, struct fw_endpoint_slice *slice)
{
	int r = copy_text(from->service, &slice->service);

	slice->fqdn = from->fqdn;
	slice->ports = calloc(from->port_count + 1, sizeof(*slice->ports));
	if (!slice->ports)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < from->port_count; i++) {
		slice->ports[i] = from->ports[i];
		slice->port_count++;
		r = copy_text(from->ports[i].name, &slice->ports[i].name);
	}
	return r;
}

/* The source's own telling of it again must change nothing. */
static uint64_t digest_of(const struct fw_endpoint_slice *head,
			  const struct fw_endpoint_slice *from, const struct fw_ip *left,
			  size_t count)
{
	uint64_t digest = head->object.digest;

	if (!digest)
		return 0;
	if (head == from)
		return fw_hash_bytes(digest, left, count * sizeof(*left));
	for (size_t i = 0; i < from->port_count; i++) {
		digest = fw_hash_text(digest, from->ports[i].name);
		digest = fw_hash_mix(digest,
				     (uint64_t)from->ports[i].protocol << 16 | from->ports[i].port);
	}
	return fw_hash_bytes(digest, from->endpoints,
			     from->endpoint_count * sizeof(*from->endpoints));
}

/* The object `head` with what `from` says and those that have left. */
static int extend(const struct fw_endpoint_slice *head, const struct fw_endpoint_slice *from,
		  const struct fw_ip *left, size_t count, struct fw_object **ret_object)
{
	_cleanup_(fw_object_free) struct fw_object *object = fw_object_new(FW_KIND_ENDPOINT_SLICE);
	struct fw_endpoint_slice *slice = (struct fw_endpoint_slice *)object;
	int r = object ? copy_head(&head->object, object) : -ENOMEM;

	if (r == 0)
		r = copy_ports(from, slice);
	if (r < 0)
		return r;
	slice->unread = head->unread;
	slice->unknown_service = head->unknown_service;
	slice->endpoints = calloc(from->endpoint_count + count + 1, sizeof(*slice->endpoints));
	if (!slice->endpoints)
		return -ENOMEM;
	slice->endpoint_count = from->endpoint_count + count;
	if (from->endpoint_count)
		memcpy(slice->endpoints, from->endpoints,
		       from->endpoint_count * sizeof(*from->endpoints));
	for (size_t i = 0; i < count; i++)
		slice->endpoints[from->endpoint_count + i].ip = left[i];
	object->digest = digest_of(head, from, left, count);
	r = fw_object_pack(&object);
	if (r == 0)
		*ret_object = TAKE_PTR(object);
	return r;
}

void fw_agent_keep_leaving(struct fw_agent *agent, struct fw_object **object)
{
	struct fw_endpoint_slice *now = (struct fw_endpoint_slice *)*object;
	const struct fw_endpoint_slice *before;
	struct fw_ip left[LEAVING_MAX];
	struct fw_object *extended = NULL;
	size_t count = 0;

	if ((*object)->kind != FW_KIND_ENDPOINT_SLICE || now->fqdn)
		return;
	before = (const void *)fw_model_get(agent->model, FW_KIND_ENDPOINT_SLICE,
					    (*object)->namespace, (*object)->name);
	if (!before || (!now->unknown_service && strcmp(before->service, now->service) != 0))
		return;
	if (!now->unread)
		count = find_left(agent, before, now, left);
	if ((!now->unread && !count) ||
	    extend(now, now->unread ? before : now, left, count, &extended) < 0)
		return; /* without memory: as before, judged by the service */
	fw_object_free(object);
	*object = extended;
}
