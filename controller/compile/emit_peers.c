/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows about peers: addresses, prefixes, services. In: claims, boundaries, virtual addresses. Out:
 * sorted rows by class index. Disputed addresses go to whom the model says; a claimed address that
 * nobody wins is an unknown pod's.
 */
#include <stdio.h>
#include <string.h>

#include "compile/stages.h"

#define NONE UINT32_MAX
#define NEAR 4u /* rows that are looked at around the one where an address stood */

/* The class of the claims [from, end) of one address. */
static uint32_t settle_claims(const struct fw_compiler *compiler, const struct fw_model *model,
			      size_t from, size_t end)
{
	const struct fw_claim *claims = compiler->claims.items;
	const struct fw_pod *owner;

	if (end == from + 1)
		return claims[from].class->rank;
	owner = fw_model_pod_by_ip(model, &claims[from].ip);
	for (size_t i = from; i < end; i++) {
		if (claims[i].member->pod == owner)
			return claims[i].class->rank;
	}
	return FW_TABLES_UNKNOWN_POD;
}

struct merge {
	size_t claim, node, service;
};

static const struct fw_ip *least(const struct fw_ip *a, const struct fw_ip *b)
{
	if (!a || !b)
		return a ? a : b;
	return fw_ip_compare(a, b) <= 0 ? a : b;
}

/* The smallest address that is left of nodes and services; NULL: none. */
static const struct fw_ip *next_other(const struct fw_compiler *compiler, const struct merge *at)
{
	const struct fw_ip *ip = NULL;

	if (at->node < compiler->node_ips.count)
		ip = least(ip, &compiler->node_ips.items[at->node].ip);
	if (at->service < compiler->service_ips.count)
		ip = least(ip, &compiler->service_ips.items[at->service].ip);
	return ip;
}

static struct fw_address_row take_address(const struct fw_compiler *compiler,
					  const struct fw_model *model, struct merge *at,
					  const struct fw_ip *ip)
{
	struct fw_address_row row = {.ip = *ip, .peer_class = FW_TABLES_WORLD};
	const struct fw_boundary *boundary;
	size_t from = at->claim;

	while (at->claim < compiler->claims.count &&
	       fw_ip_equal(&compiler->claims.items[at->claim].ip, ip))
		at->claim++;
	/* edge case 29: a cluster IP is in no ipBlock; what else may be an address of somebody is,
	 * and a pod's or a node's own class comes first */
	if (at->service < compiler->service_ips.count &&
	    fw_ip_equal(&compiler->service_ips.items[at->service].ip, ip)) {
		row.flags |= FW_PEER_SERVICE;
		if (compiler->service_ips.items[at->service].shared) {
			row.flags |= FW_PEER_SHARED;
			boundary = fw_blocks_find(compiler, ip);
			if (boundary)
				row.peer_class = boundary->class->rank;
		}
		at->service++;
	}
	if (at->node < compiler->node_ips.count &&
	    fw_ip_equal(&compiler->node_ips.items[at->node].ip, ip)) {
		row.flags |= FW_PEER_NODE;
		row.peer_class = compiler->node_ips.items[at->node].class->rank;
		at->node++;
	}
	if (at->claim > from) {
		row.flags |= FW_PEER_POD;
		row.peer_class = settle_claims(compiler, model, from, at->claim);
	}
	return row;
}

/* Nearly all addresses are pods' and nobody else's: those before `end` (NULL: all that are left).
 */
static void take_claims(const struct fw_compiler *compiler, const struct fw_model *model,
			struct merge *at, const struct fw_ip *end, struct fw_tables *tables)
{
	const struct fw_claim *claims = compiler->claims.items;
	size_t count = compiler->claims.count, from = at->claim, next;

	for (; from < count && (!end || fw_ip_compare(&claims[from].ip, end) < 0); from = next) {
		for (next = from + 1;
		     next < count && fw_ip_equal(&claims[from].ip, &claims[next].ip);)
			next++;
		tables->addresses[tables->addresses_count++] = (struct fw_address_row){
			.ip = claims[from].ip,
			.peer_class = settle_claims(compiler, model, from, next),
			.flags = FW_PEER_POD,
		};
	}
	at->claim = from;
}

int fw_emit_addresses(struct fw_compiler *compiler, const struct fw_model *model,
		      struct fw_tables *tables)
{
	size_t room =
		compiler->claims.count + compiler->node_ips.count + compiler->service_ips.count;
	struct merge at = {0};
	const struct fw_ip *ip;

	tables->address_rows = fw_address_rows_new(room);
	if (!tables->address_rows)
		return -ENOMEM;
	tables->addresses = tables->address_rows->rows;
	while ((ip = next_other(compiler, &at))) {
		take_claims(compiler, model, &at, ip, tables);
		tables->addresses[tables->addresses_count++] =
			take_address(compiler, model, &at, ip);
	}
	take_claims(compiler, model, &at, NULL, tables);
	return 0;
}

/* Rows that say what the next outer row says already are left out. */
int fw_emit_prefixes(struct fw_compiler *compiler, struct fw_tables *tables)
{
	tables->prefixes = malloc((compiler->boundaries.count + 1) * sizeof(*tables->prefixes));
	if (!tables->prefixes)
		return -ENOMEM;
	for (size_t i = 0; i < compiler->boundaries.count; i++) {
		const struct fw_boundary *row = &compiler->boundaries.items[i];
		const struct fw_peer_class *outer =
			row->parent == NONE ? compiler->world
					    : compiler->boundaries.items[row->parent].class;

		if (row->class == outer)
			continue;
		tables->prefixes[tables->prefixes_count++] = (struct fw_prefix_row){
			.prefix = row->prefix, .peer_class = row->class->rank};
	}
	return 0;
}

const struct fw_address_row *fw_emitted_address(const struct fw_tables *tables,
						const struct fw_ip *ip)
{
	size_t low = 0, high = tables->addresses_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = fw_ip_compare(&tables->addresses[middle].ip, ip);

		if (!order)
			return &tables->addresses[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* A pod that came or went moves what stands behind it by as many rows as it has addresses. */
static const struct fw_address_row *look_near(const struct fw_tables *tables,
					      const struct fw_backend *backend)
{
	uint32_t from = backend->row < NEAR ? 0 : backend->row - NEAR, to = backend->row + NEAR;

	if (backend->row < tables->addresses_count &&
	    fw_ip_equal(&tables->addresses[backend->row].ip, &backend->ip))
		return &tables->addresses[backend->row];
	for (uint32_t i = from; i <= to && i < tables->addresses_count; i++) {
		if (fw_ip_equal(&tables->addresses[i].ip, &backend->ip))
			return &tables->addresses[i];
	}
	return NULL;
}

uint32_t fw_backend_class(const struct fw_compiler *compiler, const struct fw_tables *tables,
			  struct fw_backend *backend)
{
	const struct fw_address_row *row = look_near(tables, backend);
	const struct fw_boundary *boundary;

	if (!row)
		row = fw_emitted_address(tables, &backend->ip);
	if (row) {
		backend->row = (uint32_t)(row - tables->addresses);
		return row->peer_class;
	}
	boundary = fw_blocks_find(compiler, &backend->ip);
	return boundary ? boundary->class->rank : FW_TABLES_WORLD;
}

static bool comes_after(const struct fw_service_row *row, uint32_t at, uint32_t class,
			uint16_t port, bool leaving)
{
	if (row->group[at].leaving != leaving)
		return row->group[at].leaving;
	if (row->group[at].peer_class != class)
		return row->group[at].peer_class > class;
	return row->group[at].port > port;
}

/* False when a ninth kind of backend comes. */
static bool add_group(struct fw_service_row *row, uint32_t class, uint16_t port, bool leaving)
{
	uint32_t at = row->group_count;

	for (uint32_t i = 0; i < row->group_count; i++) {
		if (row->group[i].peer_class == class && row->group[i].port == port)
			return true;
	}
	if (row->group_count == FW_SERVICE_GROUPS)
		return false;
	/* sorted: the order of backends means nothing */
	for (; at && comes_after(row, at - 1, class, port, leaving); at--)
		row->group[at] = row->group[at - 1];
	row->group[at].peer_class = class;
	row->group[at].port = port;
	row->group[at].leaving = leaving;
	row->group_count++;
	return true;
}

static void add_backends(const struct fw_compiler *compiler, const struct fw_tables *tables,
			 const struct fw_vip *vip, struct fw_service_row *row)
{
	struct fw_service_ports *ports = &vip->service->ports[vip->port_index];
	int four = fw_ip_is4(&vip->ip);

	for (size_t i = 0; row->state != FW_SERVICE_WIDE && i < ports->backends[four].count; i++) {
		struct fw_backend *backend = &ports->backends[four].items[i];

		row->state = FW_SERVICE_RESOLVED;
		if (!add_group(row, fw_backend_class(compiler, tables, backend), backend->port,
			       false))
			row->state = FW_SERVICE_WIDE;
	}
	if (row->state == FW_SERVICE_WIDE || !vip->service->unsure)
		return;
	row->unsure = true;
	row->state = add_group(row, FW_TABLES_UNKNOWN_POD, 0, false) ? FW_SERVICE_RESOLVED
								     : FW_SERVICE_WIDE;
}

/* After all that are for new connections. What does not fit is judged by the others. */
static void add_leaving(const struct fw_compiler *compiler, const struct fw_tables *tables,
			const struct fw_vip *vip, struct fw_service_row *row)
{
	struct fw_service_ports *ports = &vip->service->ports[vip->port_index];
	int four = fw_ip_is4(&vip->ip);

	for (size_t i = 0; row->state != FW_SERVICE_WIDE && i < ports->leaving[four].count; i++) {
		struct fw_backend *backend = &ports->leaving[four].items[i];

		(void)add_group(row, fw_backend_class(compiler, tables, backend), backend->port,
				true);
	}
}

static bool same_vip(const struct fw_vip *a, const struct fw_vip *b)
{
	return fw_ip_equal(&a->ip, &b->ip) && a->port == b->port && a->protocol == b->protocol;
}

static int begin_service(const struct fw_vip *vip, struct fw_tables *tables,
			 struct fw_service_row *row)
{
	const struct fw_service_text *text = (const struct fw_service_text *)vip->service->text;

	*row = (struct fw_service_row){
		.ip = vip->ip,
		.port = vip->port,
		.protocol = vip->protocol,
		.state = FW_SERVICE_EMPTY,
		.namespace = text->namespace,
		.name = text->name,
		.port_name = fw_arena_text(tables->arena,
					   vip->service->service->ports[vip->port_index].name),
	};
	return row->port_name ? fw_arena_hold(tables->arena, vip->service->text) : -ENOMEM;
}

/* Two services that share (address, port, protocol) are one row with the backends of both, named by
 * the first. */
int fw_emit_services(struct fw_compiler *compiler, struct fw_tables *tables)
{
	const struct fw_vip *vips = compiler->vips.items;
	size_t next;
	int r = 0;

	tables->services = malloc((compiler->vips.count + 1) * sizeof(*tables->services));
	if (!tables->services)
		r = -ENOMEM;
	for (size_t i = 0; !r && i < compiler->vips.count; i = next) {
		struct fw_service_row *row = &tables->services[tables->services_count];

		r = begin_service(&vips[i], tables, row);
		if (r)
			break;
		tables->services_count++;
		for (next = i; next < compiler->vips.count && same_vip(&vips[i], &vips[next]);
		     next++)
			add_backends(compiler, tables, &vips[next], row);
		for (size_t k = i; k < next; k++)
			add_leaving(compiler, tables, &vips[k], row);
		if (row->state == FW_SERVICE_WIDE)
			row->group_count = 0;
	}
	return r;
}
