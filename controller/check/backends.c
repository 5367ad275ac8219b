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

static const struct fw_service_object *service_at(const struct fw_model *model,
						  const struct fw_ip *ip)
{
	struct fw_object *const *objects;
	size_t count = fw_model_list(model, FW_KIND_SERVICE, &objects);

	for (size_t i = 0; i < count; i++) {
		const struct fw_service_object *service =
			(const struct fw_service_object *)objects[i];

		for (size_t k = 0; k < service->ip_count; k++)
			if (fw_ip_equal(&service->ips[k], ip))
				return service;
	}
	return NULL;
}

static const struct fw_service_port *port_of(const struct fw_service_object *service,
					     uint8_t protocol, uint16_t port)
{
	for (size_t i = 0; i < service->port_count; i++)
		if (service->ports[i].protocol == protocol && service->ports[i].port == port)
			return &service->ports[i];
	return NULL;
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

int fw_world_backends(const struct fw_world *world, const struct fw_ip *ip, uint8_t protocol,
		      uint16_t port, const struct fw_service_object **ret_service,
		      struct fw_backend **ret_backends, size_t *ret_count)
{
	const struct fw_service_object *service = service_at(world->model, ip);
	const struct fw_service_port *own = service ? port_of(service, protocol, port) : NULL;
	bool is4 = fw_ip_is4(ip), ready = true;
	struct fw_backend *backends = NULL;
	size_t count = 0;

	if (own) {
		count = collect_all(world->model, service, own, is4, true, NULL);
		if (!count) {
			ready = false;
			count = collect_all(world->model, service, own, is4, false, NULL);
		}
	}
	if (count) {
		backends = calloc(count, sizeof(*backends));
		if (!backends)
			return -ENOMEM;
		(void)collect_all(world->model, service, own, is4, ready, backends);
	}
	*ret_service = service;
	*ret_backends = backends;
	*ret_count = count;
	return 0;
}
