/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EndpointSlice, discovery.k8s.io/v1. In: a document with its head filled. Out: endpoints with
 * their conditions (edge cases 24, 25: an absent `ready` is true, an absent `serving` is as ready)
 * and ports. FQDN slices carry nothing.
 */
#include "api/kinds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/decode.h"
#include "base/cleanup.h"

#define SERVICE_LABEL "kubernetes.io/service-name"

/*
 * The API server takes any number. kube-proxy serves no such port and goes on with the others: a
 * slice without them would hide backends.
 */
static bool is_port(struct fw_decoder *d, const struct fw_field *value)
{
	double number = cJSON_IsNumber(value->json) ? value->json->valuedouble : 1;

	if (number >= 1 && number <= 65535)
		return true;
	(void)fw_field_warn(d, value, "%.0f is out of range (1 to 65535): not served", number);
	return false;
}

static int decode_port(struct fw_decoder *d, const struct fw_field *field,
		       struct fw_slice_port *port, bool *ret_served)
{
	int64_t number = 0;
	struct fw_field value;
	int r = fw_field_object(d, field);

	*ret_served = true;
	if (!r && fw_field_get(field, "port", &value)) {
		*ret_served = is_port(d, &value);
		if (*ret_served)
			r = fw_field_integer(d, &value, 1, 65535, &number);
	}
	if (!r)
		r = fw_member_protocol(d, field, &port->protocol);
	if (!r)
		r = fw_member_copy(d, field, "name", &port->name);
	if (r)
		return r;
	port->port = (uint16_t)number;
	if (!port->name)
		port->name = strdup("");
	return port->name ? 0 : -ENOMEM;
}

static int decode_ports(struct fw_decoder *d, const struct fw_field *document,
			struct fw_endpoint_slice *slice)
{
	struct fw_field list;
	size_t count, i = 0;
	int r = fw_member_list(d, document, "ports", &list, &count);

	if (r || !count)
		return r;
	slice->ports = calloc(count, sizeof(*slice->ports));
	if (!slice->ports)
		return -ENOMEM;
	for (const cJSON *item = list.json->child; item; item = item->next) {
		struct fw_field field = fw_field_element(&list, item, i++);
		struct fw_slice_port *port = &slice->ports[slice->port_count++];
		bool served;

		r = decode_port(d, &field, port, &served);
		if (r)
			return r;
		if (served)
			continue;
		free(port->name);
		*port = (struct fw_slice_port){0};
		slice->port_count--;
	}
	return 0;
}

/* All are looked at, the first is kept. */
static int decode_addresses(struct fw_decoder *d, const struct fw_field *field, bool want4,
			    struct fw_slice_endpoint *endpoint)
{
	struct fw_field list;
	size_t count, i = 0;
	int r = fw_member_list(d, field, "addresses", &list, &count);

	if (r)
		return r;
	if (!count)
		return fw_field_missing(d, field, "addresses");
	for (const cJSON *item = list.json->child; item; item = item->next) {
		struct fw_field address = fw_field_element(&list, item, i);
		struct fw_ip ip = {0};

		r = fw_field_ip(d, &address, &ip);
		if (r)
			return r;
		if (!i++)
			endpoint->ip = ip;
		if (fw_ip_is4(&ip) != want4)
			return fw_field_fail(d, &address, "is not of addressType %s",
					     want4 ? "IPv4" : "IPv6");
	}
	return 0;
}

static int decode_conditions(struct fw_decoder *d, const struct fw_field *field,
			     struct fw_slice_endpoint *endpoint)
{
	struct fw_field conditions;
	int r = fw_member_object(d, field, "conditions", &conditions);

	endpoint->ready = true;
	endpoint->serving = true;
	if (r)
		return r == -ENOENT ? 0 : r;
	r = fw_member_bool(d, &conditions, "ready", &endpoint->ready);
	endpoint->serving = endpoint->ready;
	if (!r)
		r = fw_member_bool(d, &conditions, "serving", &endpoint->serving);
	if (!r)
		r = fw_member_bool(d, &conditions, "terminating", &endpoint->terminating);
	return r;
}

static int decode_endpoint(struct fw_decoder *d, const struct fw_field *field, bool want4,
			   struct fw_slice_endpoint *endpoint)
{
	int r = fw_field_object(d, field);

	if (!r)
		r = decode_addresses(d, field, want4, endpoint);
	return r ? r : decode_conditions(d, field, endpoint);
}

static int decode_endpoints(struct fw_decoder *d, const struct fw_field *document, bool want4,
			    struct fw_endpoint_slice *slice)
{
	struct fw_field list;
	size_t count;
	int r = fw_member_list(d, document, "endpoints", &list, &count);

	if (r || !count)
		return r;
	slice->endpoints = calloc(count, sizeof(*slice->endpoints));
	if (!slice->endpoints)
		return -ENOMEM;
	for (const cJSON *item = list.json->child; item; item = item->next) {
		struct fw_field field = fw_field_element(&list, item, slice->endpoint_count);

		r = decode_endpoint(d, &field, want4, &slice->endpoints[slice->endpoint_count++]);
		if (r)
			return r;
	}
	return 0;
}

int fw_decode_slice(struct fw_decoder *d, const struct fw_field *document,
		    struct fw_endpoint_slice *slice)
{
	const char *service = fw_labels_get(&slice->object.labels, SERVICE_LABEL);
	struct fw_field type;
	const char *text = "";
	int r;

	slice->service = strdup(service ? service : "");
	if (!slice->service)
		return -ENOMEM;
	if (!fw_field_get(document, "addressType", &type))
		return fw_field_missing(d, document, "addressType");
	r = fw_field_string(d, &type, &text);
	if (r)
		return r;
	slice->fqdn = !strcmp(text, "FQDN");
	if (slice->fqdn)
		return 0;
	if (strcmp(text, "IPv4") != 0 && strcmp(text, "IPv6") != 0)
		return fw_field_fail(d, &type, "\"%.64s\" is none of IPv4, IPv6, FQDN", text);
	r = decode_ports(d, document, slice);
	return r ? r : decode_endpoints(d, document, !strcmp(text, "IPv4"), slice);
}

/* The service that the label names, "" where there is no label, NULL where that cannot be told. */
static const char *find_service(const cJSON *json)
{
	struct fw_field document = {.json = json}, metadata, labels, label;

	if (!cJSON_IsObject(json) || !fw_field_get(&document, "metadata", &metadata) ||
	    !cJSON_IsObject(metadata.json))
		return NULL;
	if (!fw_field_get(&metadata, "labels", &labels))
		return "";
	if (!cJSON_IsObject(labels.json))
		return NULL;
	if (!fw_field_get(&labels, SERVICE_LABEL, &label))
		return "";
	return cJSON_IsString(label.json) ? label.json->valuestring : NULL;
}

int fw_decode_unread_slice(const struct cJSON *json, const char *namespace, const char *name,
			   const char *origin, struct fw_object **ret_object)
{
	_cleanup_(fw_object_free) struct fw_object *object = fw_object_new(FW_KIND_ENDPOINT_SLICE);
	struct fw_endpoint_slice *slice = (struct fw_endpoint_slice *)object;
	const char *service = json ? find_service(json) : NULL;
	int r;

	if (!object)
		return -ENOMEM;
	object->namespace = strdup(namespace);
	object->name = strdup(name);
	object->uid = strdup("");
	object->origin = strdup(origin);
	slice->service = strdup(service ? service : "");
	slice->unread = true;
	slice->unknown_service = !service;
	if (!object->namespace || !object->name || !object->uid || !object->origin ||
	    !slice->service)
		return -ENOMEM;
	object->digest = fw_object_digest(object);
	r = fw_object_pack(&object);
	if (!r)
		*ret_object = TAKE_PTR(object);
	return r;
}
