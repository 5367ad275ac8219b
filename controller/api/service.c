/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service, v1. In: a document with its head filled. Out: the addresses under which kube-proxy would
 * serve it, and its ports (edge cases 29 to 31). Headless and ExternalName services have no
 * address. Session affinity is never read.
 */
#include "api/kinds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int decode_port(struct fw_decoder *d, const struct fw_field *field, bool many,
		       struct fw_service_port *port)
{
	int64_t number = 0, node_port = 0;
	struct fw_field value;
	const char *wrong;
	int r = fw_field_object(d, field);

	if (r)
		return r;
	if (!fw_field_get(field, "port", &value))
		return fw_field_missing(d, field, "port");
	r = fw_field_integer(d, &value, 1, 65535, &number);
	if (!r)
		r = fw_member_integer(d, field, "nodePort", 0, 65535, &node_port);
	if (!r)
		r = fw_member_protocol(d, field, &port->protocol);
	if (!r)
		r = fw_member_copy(d, field, "name", &port->name);
	if (r)
		return r;
	port->port = (uint16_t)number;
	port->node_port = (uint16_t)node_port;
	if (!port->name || !*port->name) {
		if (many)
			return fw_field_fail(d, field, "name: needed with more than one port");
		if (!port->name)
			port->name = strdup("");
		return port->name ? 0 : -ENOMEM;
	}
	wrong = fw_check_label(port->name);
	(void)fw_field_get(field, "name", &value);
	return wrong ? fw_field_fail(d, &value, "\"%.64s\": %s", port->name, wrong) : 0;
}

static int decode_ports(struct fw_decoder *d, const struct fw_field *spec,
			struct fw_service_object *service)
{
	struct fw_field list;
	size_t count;
	int r = fw_member_list(d, spec, "ports", &list, &count);

	if (r || !count)
		return r;
	service->ports = calloc(count, sizeof(*service->ports));
	if (!service->ports)
		return -ENOMEM;
	for (const cJSON *item = list.json->child; item; item = item->next) {
		struct fw_field field = fw_field_element(&list, item, service->port_count);

		r = decode_port(d, &field, count > 1, &service->ports[service->port_count++]);
		if (r)
			return r;
	}
	return 0;
}

static int add_ips(struct fw_decoder *d, const struct fw_field *list,
		   struct fw_service_object *service)
{
	size_t i = 0;

	for (const cJSON *item = list->json->child; item; item = item->next) {
		struct fw_field field = fw_field_element(list, item, i++);
		int r = fw_field_add_ip(d, &field, &service->ips, &service->ip_count);

		if (r)
			return r;
	}
	return 0;
}

static bool is_none(const struct fw_field *field)
{
	return cJSON_IsString(field->json) && !strcmp(field->json->valuestring, "None");
}

/* clusterIPs, or clusterIP alone; *ret_headless when it says "None". */
static int decode_cluster_ips(struct fw_decoder *d, const struct fw_field *spec,
			      struct fw_service_object *service, bool *ret_headless)
{
	struct fw_field list, field;
	size_t count;
	int r = fw_member_list(d, spec, "clusterIPs", &list, &count);

	*ret_headless = false;
	if (r)
		return r;
	if (count) {
		field = fw_field_element(&list, list.json->child, 0);
		*ret_headless = is_none(&field);
		return *ret_headless ? 0 : add_ips(d, &list, service);
	}
	if (!fw_field_get(spec, "clusterIP", &field) ||
	    (cJSON_IsString(field.json) && !*field.json->valuestring))
		return 0;
	*ret_headless = is_none(&field);
	return *ret_headless ? 0 : fw_field_add_ip(d, &field, &service->ips, &service->ip_count);
}

static int decode_ingress(struct fw_decoder *d, const struct fw_field *ingress,
			  struct fw_service_object *service)
{
	const char *mode = "VIP";
	struct fw_field ip;
	int r = fw_field_object(d, ingress);

	if (!r)
		r = fw_member_string(d, ingress, "ipMode", &mode);
	if (r || strcmp(mode, "VIP") != 0 || !fw_field_get(ingress, "ip", &ip) ||
	    (cJSON_IsString(ip.json) && !*ip.json->valuestring))
		return r;
	return fw_field_add_ip(d, &ip, &service->ips, &service->ip_count);
}

static int decode_load_balancer(struct fw_decoder *d, const struct fw_field *document,
				struct fw_service_object *service)
{
	struct fw_field status, balancer, list;
	size_t count, i = 0;
	int r = fw_member_object(d, document, "status", &status);

	if (!r)
		r = fw_member_object(d, &status, "loadBalancer", &balancer);
	if (r)
		return r == -ENOENT ? 0 : r;
	r = fw_member_list(d, &balancer, "ingress", &list, &count);
	for (const cJSON *item = !r && count ? list.json->child : NULL; item; item = item->next) {
		struct fw_field field = fw_field_element(&list, item, i++);

		r = decode_ingress(d, &field, service);
		if (r)
			return r;
	}
	return r;
}

static int decode_addresses(struct fw_decoder *d, const struct fw_field *document,
			    const struct fw_field *spec, struct fw_service_object *service)
{
	struct fw_field list;
	bool headless;
	size_t count;
	int r = decode_cluster_ips(d, spec, service, &headless);

	if (r || headless)
		return r;
	service->cluster_ip_count = service->ip_count;
	r = fw_member_list(d, spec, "externalIPs", &list, &count);
	if (!r && count)
		r = add_ips(d, &list, service);
	return r ? r : decode_load_balancer(d, document, service);
}

static int decode_type(struct fw_decoder *d, const struct fw_field *spec,
		       struct fw_service_object *service, bool *ret_node_ports)
{
	static const char *const types[] = {"ClusterIP", "NodePort", "LoadBalancer",
					    "ExternalName"};
	struct fw_field field;
	const char *text = "";
	int r;

	if (!fw_field_get(spec, "type", &field))
		return 0;
	r = fw_field_string(d, &field, &text);
	if (r || !*text)
		return r;
	service->external_name = !strcmp(text, "ExternalName");
	*ret_node_ports = !strcmp(text, "NodePort") || !strcmp(text, "LoadBalancer");
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(text, types[i]))
			return 0;
	return fw_field_fail(d, &field,
			     "\"%.64s\" is none of ClusterIP, NodePort, LoadBalancer, "
			     "ExternalName",
			     text);
}

int fw_decode_service(struct fw_decoder *d, const struct fw_field *document,
		      struct fw_service_object *service)
{
	struct fw_field spec;
	bool node_ports = false;
	int r = fw_member_object(d, document, "spec", &spec);

	if (r)
		return r == -ENOENT ? fw_field_missing(d, document, "spec") : r;
	r = decode_type(d, &spec, service, &node_ports);
	if (!r)
		r = decode_ports(d, &spec, service);
	for (size_t i = 0; !node_ports && i < service->port_count; i++)
		service->ports[i].node_port = 0;
	if (r || service->external_name)
		return r;
	return decode_addresses(d, document, &spec, service);
}
