// SPDX-License-Identifier: Apache-2.0
/*
 * Which backends stand behind a service's port. In: services and endpoint slices of a model. Out:
 * addresses and ports, as kube-proxy chooses them. Used to ask each backend's own ingress; judges
 * nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check/world.h"

static bool is_own_node(const struct fw_model *model, const struct fw_ip *ip)
{
	struct fw_object *const *objects;
	size_t count = fw_model_list(model, FW_KIND_NODE, &objects);

	for (size_t i = 0; i < count; i++) {
		const struct fw_node_object *node = (const struct fw_node_object *)objects[i];

		if (!*fw_model_node_name(model) ||
		    strcmp(node->object.name, fw_model_node_name(model)) != 0)
			continue;
		for (size_t k = 0; k < node->ip_count; k++)
			if (fw_ip_equal(&node->ips[k], ip))
				return true;
	}
	return false;
}

static const struct fw_service_port *port_of(const struct fw_service_object *service,
					     uint8_t protocol, uint16_t port, bool node_port)
{
	for (size_t i = 0; i < service->port_count; i++) {
		const struct fw_service_port *own = &service->ports[i];

		if (own->protocol == protocol && (node_port ? own->node_port : own->port) == port)
			return own;
	}
	return NULL;
}

/* The port that a service has at an address; `own_node`: it is one of this node's. */
static const struct fw_service_port *port_at(const struct fw_service_object *service,
					     const struct fw_ip *ip, bool own_node,
					     uint8_t protocol, uint16_t port)
{
	const struct fw_service_port *found = NULL;
	bool family = false;

	for (size_t k = 0; !found && k < service->ip_count; k++)
		if (fw_ip_equal(&service->ips[k], ip))
			found = port_of(service, protocol, port, false);
	for (size_t k = 0; k < service->cluster_ip_count; k++)
		family |= fw_ip_is4(&service->ips[k]) == fw_ip_is4(ip);
	return !found && own_node && family ? port_of(service, protocol, port, true) : found;
}

/* ready: the ready ones, else those that serve while they terminate. */
static size_t collect(const struct fw_endpoint_slice *slice, const struct fw_service_port *port,
		      bool is4, bool ready, struct fw_backend *backends)
{
	size_t found = 0;

	for (size_t p = 0; p < slice->port_count; p++) {
		const struct fw_slice_port *own = &slice->ports[p];

		if (!own->port || own->protocol != port->protocol ||
		    strcmp(own->name, port->name) != 0)
			continue;
		for (size_t e = 0; e < slice->endpoint_count; e++) {
			const struct fw_slice_endpoint *endpoint = &slice->endpoints[e];
			bool takes = ready ? endpoint->ready
					   : endpoint->serving && endpoint->terminating;

			if (!takes || fw_ip_is4(&endpoint->ip) != is4)
				continue;
			if (backends)
				backends[found] = (struct fw_backend){endpoint->ip, own->port};
			found++;
		}
	}
	return found;
}

static size_t collect_all(const struct fw_model *model, const struct fw_service_object *service,
			  const struct fw_service_port *port, bool is4, bool ready,
			  struct fw_backend *backends)
{
	struct fw_object *const *objects;
	size_t count = fw_model_list(model, FW_KIND_ENDPOINT_SLICE, &objects), found = 0;

	for (size_t i = 0; i < count; i++) {
		const struct fw_endpoint_slice *slice =
			(const struct fw_endpoint_slice *)objects[i];

		if (slice->fqdn || strcmp(slice->service, service->object.name) != 0 ||
		    strcmp(slice->object.namespace, service->object.namespace) != 0)
			continue;
		found += collect(slice, port, is4, ready, backends ? backends + found : NULL);
	}
	return found;
}

/* Of one service: the ready ones, where there is none those that serve while they terminate. */
static size_t collect_usable(const struct fw_model *model, const struct fw_service_object *service,
			     const struct fw_service_port *port, bool is4,
			     struct fw_backend *backends)
{
	size_t found = collect_all(model, service, port, is4, true, backends);

	return found ? found : collect_all(model, service, port, is4, false, backends);
}

/* Two services may have a port at one address. */
static size_t collect_services(const struct fw_model *model, const struct fw_ip *ip,
			       uint8_t protocol, uint16_t port,
			       const struct fw_service_object **ret_service,
			       struct fw_backend *backends)
{
	bool own_node = is_own_node(model, ip);
	struct fw_object *const *objects;
	size_t count = fw_model_list(model, FW_KIND_SERVICE, &objects), found = 0;

	*ret_service = NULL;
	for (size_t i = 0; i < count; i++) {
		const struct fw_service_object *service =
			(const struct fw_service_object *)objects[i];
		const struct fw_service_port *own = port_at(service, ip, own_node, protocol, port);

		if (!own)
			continue;
		if (!*ret_service)
			*ret_service = service;
		found += collect_usable(model, service, own, fw_ip_is4(ip),
					backends ? backends + found : NULL);
	}
	return found;
}

int fw_world_backends(const struct fw_world *world, const struct fw_ip *ip, uint8_t protocol,
		      uint16_t port, const struct fw_service_object **ret_service,
		      struct fw_backend **ret_backends, size_t *ret_count)
{
	const struct fw_service_object *service;
	size_t count = collect_services(world->model, ip, protocol, port, &service, NULL);
	struct fw_backend *backends = NULL;

	if (count) {
		backends = calloc(count, sizeof(*backends));
		if (!backends)
			return -ENOMEM;
		(void)collect_services(world->model, ip, protocol, port, &service, backends);
	}
	*ret_service = service;
	*ret_backends = backends;
	*ret_count = count;
	return 0;
}
