/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stand-ins. In: an object's names, and its tree where there is one. Out: closed.h. Must never
 * allow what the object itself might not.
 */
#include "kube/closed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fw/abi.h>

#include "api/field.h"
#include "api/kinds.h"
#include "base/cleanup.h"

static struct fw_object *named(enum fw_kind kind, const struct fw_item *item, const char *origin)
{
	struct fw_object *object = fw_object_new(kind);

	if (!object)
		return NULL;
	object->namespace = strdup(item->namespace);
	object->name = strdup(item->name);
	object->uid = strdup("");
	object->origin = strdup(origin);
	if (!object->namespace || !object->name || !object->uid || !object->origin)
		fw_object_free(&object);
	return object;
}

struct fw_object *fw_closed_policy(const struct fw_item *item, const char *origin, const char *why)
{
	struct fw_object *object = named(FW_KIND_NETWORK_POLICY, item, origin);
	struct fw_network_policy *policy = (struct fw_network_policy *)object;

	if (!object)
		return NULL;
	policy->isolates[FW_INGRESS] = policy->isolates[FW_EGRESS] = true;
	if (asprintf(&policy->broken, "cannot be read: %s", why) < 0) {
		policy->broken = NULL;
		fw_object_free(&object);
	}
	return object;
}

/* What is no address is not one of the service's. */
static int add_ip(const struct fw_field *field, struct fw_service_object *service)
{
	struct fw_err err = {""};
	struct fw_decoder d = {.err = &err};
	int r = fw_field_add_ip(&d, field, &service->ips, &service->ip_count);

	return r == -ENOMEM ? r : 0;
}

/* member: of each element, NULL: the element itself is the address. */
static int add_ips(const struct fw_field *up, const char *name, const char *member,
		   struct fw_service_object *service)
{
	struct fw_field list, ip;
	size_t i = 0;
	int r = 0;

	if (!fw_field_get(up, name, &list) || !cJSON_IsArray(list.json))
		return 0;
	for (const cJSON *item = list.json->child; !r && item; item = item->next) {
		struct fw_field element = fw_field_element(&list, item, i++);

		if (!member)
			r = add_ip(&element, service);
		else if (fw_field_get(&element, member, &ip))
			r = add_ip(&ip, service);
	}
	return r;
}

static int fill(const cJSON *tree, struct fw_service_object *service)
{
	struct fw_field document = {.json = tree}, spec, status, balancer, ip;
	int r = 0;

	if (fw_field_get(&document, "spec", &spec)) {
		if (fw_field_get(&spec, "clusterIP", &ip))
			r = add_ip(&ip, service);
		if (!r)
			r = add_ips(&spec, "clusterIPs", NULL, service);
		service->cluster_ip_count = service->ip_count;
		if (!r)
			r = add_ips(&spec, "externalIPs", NULL, service);
	}
	if (!r && fw_field_get(&document, "status", &status) &&
	    fw_field_get(&status, "loadBalancer", &balancer))
		r = add_ips(&balancer, "ingress", "ip", service);
	return r;
}

struct fw_object *fw_closed_service(const struct fw_item *item, const char *origin)
{
	struct fw_object *object = named(FW_KIND_SERVICE, item, origin);

	if (!object)
		return NULL;
	if (item->tree && fill(item->tree, (struct fw_service_object *)object))
		fw_object_free(&object);
	else
		object->digest = fw_object_digest(object);
	return object;
}
