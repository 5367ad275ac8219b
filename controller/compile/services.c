/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services to (address, port, protocol) and the backends that kube-proxy would use. In: Services
 * and EndpointSlices, joined by namespace and the label kubernetes.io/service-name, by port name
 * and protocol. Out: sorted virtual addresses; the classes of backends are looked up when the
 * tables are written. Edge cases 24 to 28, 31, 32.
 */
#include <string.h>

#include "compile/stages.h"

static int make_service(void *context, const struct fw_object *object, void **ret_record)
{
	const struct fw_service_object *service = (const struct fw_service_object *)object;
	size_t namespace = strlen(object->namespace) + 1, name = strlen(object->name) + 1;
	struct fw_service_record *record = calloc(1, sizeof(*record));
	struct fw_service_text *text = malloc(sizeof(*text) + namespace + name);

	(void)context;
	if (record)
		record->ports = calloc(service->port_count, sizeof(*record->ports));
	if (!record || (service->port_count && !record->ports) || !text) {
		if (record)
			free(record->ports);
		free(record);
		free(text);
		return -ENOMEM;
	}
	*text = (struct fw_service_text){.blob.refs = 1};
	memcpy(text->text, object->namespace, namespace);
	memcpy(text->text + namespace, object->name, name);
	text->namespace = text->text;
	text->name = text->text + namespace;
	record->text = &text->blob;
	record->service = service;
	record->port_count = service->port_count;
	record->dirty = true;
	*ret_record = record;
	return 0;
}

static void free_service(void *item)
{
	struct fw_service_record *record = item;

	for (size_t i = 0; i < record->port_count; i++) {
		for (int four = 0; four < 2; four++) {
			free(record->ports[i].backends[four].items);
			free(record->ports[i].leaving[four].items);
		}
	}
	free(record->ports);
	fw_blob_drop(record->text);
	free(record);
}

static void drop_service(void *context, void *record)
{
	(void)context;
	free_service(record);
}

static void free_slice(void *item)
{
	struct fw_slice_record *record = item;

	free(record->namespace);
	free(record->service);
	free(record);
}

static const struct fw_service_text *text_of(const struct fw_service_record *record)
{
	return (const struct fw_service_text *)record->text;
}

static int compare_names(const char *namespace, const char *name, const char *other_namespace,
			 const char *other_name)
{
	int order = strcmp(namespace, other_namespace);

	return order ? order : strcmp(name, other_name);
}

/* Slices come before services in a compile: what is marked here are the services of the time
 * before. */
static void mark(struct fw_compiler *compiler, const char *namespace, const char *name)
{
	size_t low = 0, high = compiler->services.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct fw_service_record *record = compiler->services.rows[middle].record;
		int order = compare_names(text_of(record)->namespace, text_of(record)->name,
					  namespace, name);

		if (!order)
			record->dirty = true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
}

static void mark_slice(struct fw_compiler *compiler, const struct fw_slice_record *slice)
{
	if (!slice->unknown_service) {
		mark(compiler, slice->namespace, slice->service);
		return;
	}
	for (size_t i = 0; i < compiler->services.count; i++) {
		struct fw_service_record *record = compiler->services.rows[i].record;

		if (!strcmp(text_of(record)->namespace, slice->namespace))
			record->dirty = true;
	}
}

static int make_slice(void *context, const struct fw_object *object, void **ret_record)
{
	const struct fw_endpoint_slice *slice = (const struct fw_endpoint_slice *)object;
	struct fw_slice_record *record = calloc(1, sizeof(*record));
	struct fw_compiler *compiler = context;

	if (!record)
		return -ENOMEM;
	record->slice = slice;
	record->namespace = strdup(object->namespace);
	record->service = strdup(slice->service);
	if (!record->namespace || !record->service) {
		free_slice(record);
		return -ENOMEM;
	}
	record->unknown_service = slice->unknown_service;
	compiler->unknown_services += record->unknown_service;
	mark_slice(compiler, record);
	*ret_record = record;
	return 0;
}

static void drop_slice(void *context, void *item)
{
	struct fw_slice_record *record = item;
	struct fw_compiler *compiler = context;

	mark_slice(compiler, record);
	compiler->unknown_services -= record->unknown_service;
	free_slice(record);
}

static int compare_slices(const void *left, const void *right)
{
	const struct fw_slice_record *a = *(struct fw_slice_record *const *)left;
	const struct fw_slice_record *b = *(struct fw_slice_record *const *)right;

	return compare_names(a->namespace, a->service, b->namespace, b->service);
}

static int order_slices(struct fw_compiler *compiler)
{
	int r = fw_grow((void **)&compiler->slice_order.items, &compiler->slice_order.cap,
			compiler->slices.count + 1, sizeof(*compiler->slice_order.items));

	if (r)
		return r;
	compiler->slice_order.count = compiler->slices.count;
	for (size_t i = 0; i < compiler->slices.count; i++)
		compiler->slice_order.items[i] = compiler->slices.rows[i].record;
	if (compiler->slices.count)
		qsort(compiler->slice_order.items, compiler->slices.count,
		      sizeof(struct fw_slice_record *), compare_slices);
	return 0;
}

/* The slices of a service: [*ret_first, *ret_end) of the order. */
static void find_slices(const struct fw_compiler *compiler, const struct fw_service_record *record,
			size_t *ret_first, size_t *ret_end)
{
	size_t low = 0, high = compiler->slice_order.count;
	const struct fw_service_text *text = text_of(record);

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct fw_slice_record *slice = compiler->slice_order.items[middle];

		if (compare_names(slice->namespace, slice->service, text->namespace, text->name) <
		    0)
			low = middle + 1;
		else
			high = middle;
	}
	for (high = low; high < compiler->slice_order.count; high++) {
		const struct fw_slice_record *slice = compiler->slice_order.items[high];

		if (compare_names(slice->namespace, slice->service, text->namespace, text->name))
			break;
	}
	*ret_first = low;
	*ret_end = high;
}

/* Edge case 24: ready; where there is none, serving and terminating. */
enum readiness { READY, DRAINING, NOBODY };

static bool is_wanted(const struct fw_slice_endpoint *endpoint, enum readiness readiness)
{
	if (readiness == READY)
		return endpoint->ready;
	return readiness == DRAINING && endpoint->serving && endpoint->terminating;
}

static bool is_port(const struct fw_slice_port *from, const struct fw_service_port *port)
{
	return from->protocol == port->protocol && from->port && !strcmp(from->name, port->name);
}

static bool is_of(const struct fw_slice_endpoint *endpoint, int four, enum readiness readiness,
		  bool leaving)
{
	return is_wanted(endpoint, readiness) != leaving && fw_ip_is4(&endpoint->ip) == !!four;
}

/* Those that kube-proxy uses when it uses `readiness`; with `leaving`, the others. */
static int add_slice(struct fw_service_ports *ports, const struct fw_endpoint_slice *slice,
		     const struct fw_slice_port *from, int four, enum readiness readiness,
		     bool leaving)
{
	struct fw_backends *list = leaving ? &ports->leaving[four] : &ports->backends[four];
	size_t count = 0;
	int r;

	for (size_t i = 0; i < slice->endpoint_count; i++)
		count += is_of(&slice->endpoints[i], four, readiness, leaving);
	r = FW_FIT(list, count);
	for (size_t i = 0; !r && i < slice->endpoint_count; i++) {
		const struct fw_slice_endpoint *endpoint = &slice->endpoints[i];

		if (is_of(endpoint, four, readiness, leaving))
			list->items[list->count++] =
				(struct fw_backend){.ip = endpoint->ip, .port = from->port};
	}
	return r;
}

static int add_slices(const struct fw_compiler *compiler, struct fw_service_record *record,
		      size_t port, int four, size_t first, size_t end, enum readiness readiness,
		      bool leaving)
{
	int r = 0;

	for (size_t i = first; i < end; i++) {
		const struct fw_endpoint_slice *slice = compiler->slice_order.items[i]->slice;

		for (size_t p = 0; !r && !slice->fqdn && p < slice->port_count; p++) {
			if (is_port(&slice->ports[p], &record->service->ports[port]))
				r = add_slice(&record->ports[port], slice, &slice->ports[p], four,
					      readiness, leaving);
		}
	}
	return r;
}

/*
 * Who is listed and gets no new connection may have old ones: edge case 34. They are judged by it,
 * so it is known as leaving.
 */
static int join(const struct fw_compiler *compiler, struct fw_service_record *record, size_t port,
		int four, size_t first, size_t end)
{
	struct fw_service_ports *ports = &record->ports[port];
	int readiness = READY;
	int r = 0;

	ports->backends[four].count = ports->leaving[four].count = 0;
	for (; readiness < NOBODY; readiness++) {
		r = add_slices(compiler, record, port, four, first, end, (enum readiness)readiness,
			       false);
		if (r || ports->backends[four].count)
			break;
	}
	return r ? r
		 : add_slices(compiler, record, port, four, first, end, (enum readiness)readiness,
			      true);
}

/* Doubt means deny: one of its slices, or one that may be its own, cannot be read. */
static bool is_unsure(const struct fw_compiler *compiler, const struct fw_service_record *record,
		      size_t first, size_t end)
{
	for (size_t i = first; i < end; i++) {
		if (compiler->slice_order.items[i]->slice->unread)
			return true;
	}
	for (size_t i = 0; compiler->unknown_services && i < compiler->slices.count; i++) {
		const struct fw_slice_record *slice = compiler->slices.rows[i].record;

		if (slice->unknown_service && !strcmp(slice->namespace, text_of(record)->namespace))
			return true;
	}
	return false;
}

static int join_all(struct fw_compiler *compiler)
{
	int r = 0;

	for (size_t s = 0; !r && s < compiler->services.count; s++) {
		struct fw_service_record *record = compiler->services.rows[s].record;
		size_t first, end;

		if (!record->dirty)
			continue;
		record->dirty = false;
		find_slices(compiler, record, &first, &end);
		record->unsure = is_unsure(compiler, record, first, end);
		for (size_t p = 0; !r && p < record->port_count; p++) {
			r = join(compiler, record, p, 0, first, end);
			if (!r)
				r = join(compiler, record, p, 1, first, end);
		}
	}
	return r;
}

static int compare_vips(const void *left, const void *right)
{
	const struct fw_vip *a = left, *b = right;
	int order = fw_ip_compare(&a->ip, &b->ip);

	if (!order)
		order = (int)a->port - (int)b->port;
	if (!order)
		order = (int)a->protocol - (int)b->protocol;
	if (!order)
		order = compare_names(text_of(a->service)->namespace, text_of(a->service)->name,
				      text_of(b->service)->namespace, text_of(b->service)->name);
	return order ? order : (a->port_index > b->port_index) - (a->port_index < b->port_index);
}

/* By address, those that are nobody else's first. */
static int compare_ips(const void *left, const void *right)
{
	const struct fw_service_ip *a = left, *b = right;
	int order = fw_ip_compare(&a->ip, &b->ip);

	return order ? order : (int)a->shared - (int)b->shared;
}

/* One address with every port of the service; `node_port`: with those instead. */
static int add_vip(struct fw_compiler *compiler, struct fw_service_record *record,
		   const struct fw_ip *ip, bool shared, bool node_port)
{
	const struct fw_service_object *service = record->service;
	int r = FW_ROOM(&compiler->vips, service->port_count);

	if (!r)
		r = FW_ROOM(&compiler->service_ips, 1);
	if (r)
		return r;
	compiler->service_ips.items[compiler->service_ips.count++] =
		(struct fw_service_ip){.ip = *ip, .shared = shared};
	for (size_t p = 0; p < service->port_count; p++) {
		const struct fw_service_port *port = &service->ports[p];

		if (node_port && !port->node_port)
			continue;
		compiler->vips.items[compiler->vips.count++] = (struct fw_vip){
			.ip = *ip,
			.port = node_port ? port->node_port : port->port,
			.protocol = port->protocol,
			.service = record,
			.port_index = p,
		};
	}
	return 0;
}

static bool has_node_port(const struct fw_service_object *service, bool four)
{
	bool family = false, port = false;

	for (size_t i = 0; i < service->cluster_ip_count; i++)
		family |= fw_ip_is4(&service->ips[i]) == four;
	for (size_t p = 0; p < service->port_count; p++)
		port |= service->ports[p].node_port != 0;
	return family && port;
}

/* Edge case 32: this node's addresses, in the families that the service has. */
static int add_node_ports(struct fw_compiler *compiler, struct fw_service_record *record)
{
	int r = 0;

	for (size_t i = 0; i < compiler->nodes.count; i++) {
		const struct fw_node_object *node = compiler->nodes.rows[i].record;

		if (!*compiler->node || strcmp(node->object.name, compiler->node) != 0)
			continue;
		for (size_t k = 0; !r && k < node->ip_count; k++)
			if (has_node_port(record->service, fw_ip_is4(&node->ips[k])))
				r = add_vip(compiler, record, &node->ips[k], true, true);
	}
	return r;
}

static int add_vips(struct fw_compiler *compiler, struct fw_service_record *record)
{
	const struct fw_service_object *service = record->service;
	int r = 0;

	if (service->external_name)
		return 0;
	for (size_t i = 0; !r && i < service->ip_count; i++)
		r = add_vip(compiler, record, &service->ips[i], i >= service->cluster_ip_count,
			    false);
	return r ? r : add_node_ports(compiler, record);
}

static int list_vips(struct fw_compiler *compiler)
{
	size_t unique = 0;
	int r = 0;

	compiler->vips.count = compiler->service_ips.count = 0;
	for (size_t i = 0; !r && i < compiler->services.count; i++)
		r = add_vips(compiler, compiler->services.rows[i].record);
	if (compiler->vips.count)
		qsort(compiler->vips.items, compiler->vips.count, sizeof(struct fw_vip),
		      compare_vips);
	if (compiler->service_ips.count)
		qsort(compiler->service_ips.items, compiler->service_ips.count,
		      sizeof(struct fw_service_ip), compare_ips);
	for (size_t i = 0; i < compiler->service_ips.count; i++) {
		struct fw_service_ip *ips = compiler->service_ips.items;

		if (!unique || !fw_ip_equal(&ips[unique - 1].ip, &ips[i].ip))
			ips[unique++] = ips[i];
	}
	compiler->service_ips.count = unique;
	return r;
}

int fw_stage_services(struct fw_compiler *compiler, const struct fw_model *model)
{
	struct fw_track_ops services = {
		.make = make_service, .drop = drop_service, .context = compiler};
	struct fw_track_ops slices = {.make = make_slice, .drop = drop_slice, .context = compiler};
	bool changed, slices_changed;
	int r = fw_track_update(&compiler->slices, model, FW_KIND_ENDPOINT_SLICE, &slices,
				&slices_changed);

	if (!r && slices_changed)
		r = order_slices(compiler);
	if (r)
		return r;
	r = fw_track_update(&compiler->services, model, FW_KIND_SERVICE, &services, &changed);
	if (!r && (changed || compiler->nodes_changed || compiler->node_changed))
		r = list_vips(compiler);
	if (!r && (changed || slices_changed))
		r = join_all(compiler);
	return r;
}

void fw_services_done(struct fw_compiler *compiler)
{
	fw_track_done(&compiler->services, free_service);
	fw_track_done(&compiler->slices, free_slice);
	free(compiler->slice_order.items);
	free(compiler->vips.items);
	free(compiler->service_ips.items);
}
