/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may reach some backends of a service and not others. In: tables with subjects and services,
 * and the addresses of this node's pods. Out: choices (pod, service port) and backends (pod,
 * backend port, allowed), for the judgement after DNAT; a service row is marked exact when all its
 * pairs stand in them. A pair that all backends agree about is left to the service's row.
 *
 * The addresses are those that a pod may send from: its sandboxes' and its own. Where two pods have
 * one address, a backend is allowed when both may reach it. Edge cases 24, 34 and 35: leaving
 * backends are asked about, too, and no pod is kept from itself.
 */
#include <string.h>

#include "compile/stages.h"

#define KINDS_MAX                                                                                  \
	256u /* (class, port) of one service's backends; more: denied where they differ            \
	      */

struct source {
	struct fw_ip ip;
	uint32_t subject;
	const struct fw_member *member;
};

struct backend {
	struct fw_ip ip;
	uint16_t port;
	uint32_t kind;
};

struct kind {
	uint32_t class;
	uint16_t port;
	bool allowed, firm; /* as the subject asked for last */
};

struct choosing {
	struct fw_compiler *compiler;
	const struct fw_address_index *index;
	struct fw_tables *tables;
	FW_LIST(struct source) sources; /* by subject */
	FW_LIST(struct backend) listed; /* of the row in hand */
	FW_LIST(struct kind) kinds;
	size_t choices_cap, backends_cap;
};

static int add_source(struct choosing *c, const struct fw_ip *ip, const struct fw_member *member)
{
	int r = FW_ROOM(&c->sources, 1);

	if (!r)
		c->sources.items[c->sources.count++] = (struct source){
			.ip = *ip, .subject = member->subject->index, .member = member};
	return r;
}

static int compare_sources(const void *left, const void *right)
{
	const struct source *a = left, *b = right;

	if (a->subject != b->subject)
		return a->subject < b->subject ? -1 : 1;
	return fw_ip_compare(&a->ip, &b->ip);
}

static int gather(struct choosing *c, const struct fw_model *model)
{
	struct fw_sandbox *const *sandboxes;
	size_t count = fw_model_list_sandboxes(model, &sandboxes);
	int r = 0;

	for (size_t i = 0; !r && i < c->compiler->pods.count; i++) {
		const struct fw_member *member = c->compiler->pods.rows[i].record;

		for (size_t k = 0; !r && member->subject && k < member->pod->ip_count; k++)
			r = add_source(c, &member->pod->ips[k], member);
	}
	for (size_t i = 0; !r && i < count; i++) {
		const struct fw_pod *pod = fw_model_pod_of_sandbox(model, sandboxes[i]);
		const struct fw_member *member = pod ? fw_member_find(c->compiler, pod) : NULL;

		for (size_t k = 0; !r && member && member->subject && k < sandboxes[i]->ip_count;
		     k++)
			r = add_source(c, &sandboxes[i]->ips[k], member);
	}
	if (c->sources.count)
		qsort(c->sources.items, c->sources.count, sizeof(struct source), compare_sources);
	return r;
}

static bool allows(const struct choosing *c, uint32_t subject, uint32_t class, uint8_t protocol,
		   uint16_t port, bool *ret_firm)
{
	uint32_t decision = fw_tables_decide(c->tables, subject, FW_EGRESS, class,
					     FW_RANGE_KEY(protocol, port));

	*ret_firm = c->tables->decisions[decision].firm;
	return c->tables->decisions[decision].verdict == FW_VERDICT_ALLOW;
}

/* As far as the row tells, which is all when it has room left. */
static bool agrees(const struct choosing *c, const struct fw_service_row *row, uint32_t subject)
{
	bool first = false, firm;

	if (row->group_count == FW_SERVICE_GROUPS)
		return false;
	for (uint32_t i = 0; i < row->group_count; i++) {
		bool allowed = allows(c, subject, row->group[i].peer_class, row->protocol,
				      row->group[i].port, &firm);

		if (i && allowed != first)
			return false;
		first = allowed;
	}
	return true;
}

static int list_backend(struct choosing *c, const struct fw_backend *backend)
{
	uint32_t class = fw_address_class(c->compiler, c->tables, c->index, &backend->ip), kind = 0;
	int r = FW_ROOM(&c->listed, 1);

	while (kind < c->kinds.count &&
	       (c->kinds.items[kind].class != class || c->kinds.items[kind].port != backend->port))
		kind++;
	if (!r && kind == c->kinds.count) {
		if (kind == KINDS_MAX)
			return -ENOSPC;
		r = FW_ROOM(&c->kinds, 1);
		if (!r)
			c->kinds.items[c->kinds.count++] =
				(struct kind){.class = class, .port = backend->port};
	}
	if (!r)
		c->listed.items[c->listed.count++] =
			(struct backend){.ip = backend->ip, .port = backend->port, .kind = kind};
	return r;
}

static int list_backends(struct choosing *c, const struct fw_vip *vips, size_t count)
{
	int r = 0;

	c->listed.count = c->kinds.count = 0;
	for (size_t i = 0; i < count; i++) {
		const struct fw_service_ports *ports = &vips[i].service->ports[vips[i].port_index];
		int four = fw_ip_is4(&vips[i].ip);

		for (size_t k = 0; !r && k < ports->backends[four].count; k++)
			r = list_backend(c, &ports->backends[four].items[k]);
		for (size_t k = 0; !r && k < ports->leaving[four].count; k++)
			r = list_backend(c, &ports->leaving[four].items[k]);
	}
	return r;
}

/* True when the subject may reach some of the listed backends and not others. */
static bool differ(struct choosing *c, uint32_t subject, uint8_t protocol)
{
	size_t allowed = 0;

	for (size_t i = 0; i < c->kinds.count; i++) {
		struct kind *kind = &c->kinds.items[i];

		kind->allowed = allows(c, subject, kind->class, protocol, kind->port, &kind->firm);
		allowed += kind->allowed;
	}
	return allowed && allowed < c->kinds.count;
}

/* Edge case 35. */
static bool is_own(const struct source *source, const struct fw_ip *ip)
{
	for (size_t i = 0; i < source->member->pod->ip_count; i++) {
		if (fw_ip_equal(&source->member->pod->ips[i], ip))
			return true;
	}
	return fw_ip_equal(&source->ip, ip);
}

/* -ENOSPC: the service is left out. */
static int add_source_rows(struct choosing *c, const struct fw_service_row *row,
			   const struct source *source)
{
	struct fw_tables *t = c->tables;
	int r;

	if (t->choices_count >= FW_CHOICES_MAX ||
	    t->backends_count + c->listed.count > FW_BACKENDS_MAX)
		return -ENOSPC;
	r = fw_grow((void **)&t->choices, &c->choices_cap, t->choices_count + 1,
		    sizeof(*t->choices));
	if (!r)
		r = fw_grow((void **)&t->backends, &c->backends_cap,
			    t->backends_count + c->listed.count, sizeof(*t->backends));
	if (r)
		return r;
	t->choices[t->choices_count++] = (struct fw_choice_row){.pod = source->ip,
								.service = row->ip,
								.port = row->port,
								.protocol = row->protocol};
	for (size_t i = 0; i < c->listed.count; i++) {
		const struct backend *backend = &c->listed.items[i];
		const struct kind *kind = &c->kinds.items[backend->kind];
		bool allowed = kind->allowed || is_own(source, &backend->ip);

		t->backends[t->backends_count++] =
			(struct fw_backend_row){.pod = source->ip,
						.backend = backend->ip,
						.port = backend->port,
						.protocol = row->protocol,
						.allowed = allowed,
						.firm = !allowed && kind->firm};
	}
	return 0;
}

static int add_subject(struct choosing *c, struct fw_service_row *row, size_t from, size_t end)
{
	int r = 0;

	for (size_t i = from; !r && i < end; i++) {
		const struct source *source = &c->sources.items[i];

		if (fw_ip_is4(&source->ip) == fw_ip_is4(&row->ip)) {
			r = add_source_rows(c, row, source);
			row->exact = true;
		}
	}
	return r;
}

static int choose(struct choosing *c, struct fw_service_row *row, const struct fw_vip *vips,
		  size_t count)
{
	size_t choices = c->tables->choices_count, backends = c->tables->backends_count, end;
	bool listed = false;
	int r = 0;

	for (size_t i = 0; !r && i < c->sources.count; i = end) {
		uint32_t subject = c->sources.items[i].subject;

		for (end = i; end < c->sources.count && c->sources.items[end].subject == subject;)
			end++;
		if (agrees(c, row, subject))
			continue;
		if (!listed)
			r = list_backends(c, vips, count);
		listed = true;
		if (!r && differ(c, subject, row->protocol))
			r = add_subject(c, row, i, end);
	}
	if (r != -ENOSPC)
		return r;
	c->tables->choices_count = choices;
	c->tables->backends_count = backends;
	row->exact = false;
	row->crowded = true;
	return 0;
}

static int compare_choices(const void *left, const void *right)
{
	const struct fw_choice_row *a = left, *b = right;
	int order = fw_ip_compare(&a->pod, &b->pod);

	if (!order)
		order = fw_ip_compare(&a->service, &b->service);
	if (!order)
		order = (int)a->port - (int)b->port;
	return order ? order : (int)a->protocol - (int)b->protocol;
}

int fw_backend_row_compare(const struct fw_backend_row *a, const struct fw_backend_row *b)
{
	int order = fw_ip_compare(&a->pod, &b->pod);

	if (!order)
		order = fw_ip_compare(&a->backend, &b->backend);
	if (!order)
		order = (int)a->port - (int)b->port;
	return order ? order : (int)a->protocol - (int)b->protocol;
}

/* Of two answers to one question the stricter one comes first. */
static int compare_backends(const void *left, const void *right)
{
	const struct fw_backend_row *a = left, *b = right;
	int order = fw_backend_row_compare(a, b);

	if (!order)
		order = (int)a->allowed - (int)b->allowed;
	return order ? order : (int)b->firm - (int)a->firm;
}

static void settle(struct fw_tables *t)
{
	size_t kept = 0;

	if (t->choices_count)
		qsort(t->choices, t->choices_count, sizeof(*t->choices), compare_choices);
	for (size_t i = 0; i < t->choices_count; i++) {
		if (!kept || compare_choices(&t->choices[kept - 1], &t->choices[i]))
			t->choices[kept++] = t->choices[i];
	}
	t->choices_count = kept;
	kept = 0;
	if (t->backends_count)
		qsort(t->backends, t->backends_count, sizeof(*t->backends), compare_backends);
	for (size_t i = 0; i < t->backends_count; i++) {
		if (!kept || fw_backend_row_compare(&t->backends[kept - 1], &t->backends[i]))
			t->backends[kept++] = t->backends[i];
	}
	t->backends_count = kept;
}

/* The rows of the services are in the order of the addresses, one for each that is another. */
static int choose_all(struct choosing *c)
{
	const struct fw_vip *vips = c->compiler->vips.items;
	size_t at = 0, next = 0;
	int r = 0;

	for (size_t i = 0; !r && i < c->tables->services_count; i++, at = next) {
		struct fw_service_row *row = &c->tables->services[i];

		while (next < c->compiler->vips.count && vips[next].port == row->port &&
		       vips[next].protocol == row->protocol &&
		       fw_ip_equal(&vips[next].ip, &row->ip))
			next++;
		if (row->group_count > 1)
			r = choose(c, row, &vips[at], next - at);
	}
	return r;
}

int fw_emit_choices(struct fw_compiler *compiler, const struct fw_model *model,
		    const struct fw_address_index *index, struct fw_tables *tables)
{
	struct choosing c = {.compiler = compiler, .index = index, .tables = tables};
	bool many = false;
	int r = 0;

	for (size_t i = 0; i < tables->services_count && !many; i++)
		many = tables->services[i].group_count > 1;
	if (many)
		r = gather(&c, model);
	if (!r && many)
		r = choose_all(&c);
	if (!r)
		settle(tables);
	free(c.sources.items);
	free(c.listed.items);
	free(c.kinds.items);
	return r;
}
