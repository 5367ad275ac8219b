/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows for the judgement after DNAT. In: who differs about which services (emit_choices.c).
 * Out: choices (pod, service port) and backends (pod, backend port, allowed), sorted, unique and
 * within their maxima; a service row is marked exact when all its pairs stand in them, else
 * crowded. Asks no policy.
 *
 * The addresses are those that a pod may send from: its sandboxes' and its own. Where two pods have
 * one address, a backend is allowed when both may reach it. Edge case 35: no pod is kept from
 * itself.
 */
#include "compile/choices.h"

#define KINDS_MAX 256u /* (class, port) of one service's backends; more: crowded */

/* Whole services, as far as they fit. */
static void admit(struct choosing *c)
{
	size_t choices = 0, backends = 0;

	for (size_t i = 0; i < c->services.count; i++) {
		struct service *service = &c->services.items[i];
		struct fw_service_row *row = &c->tables->services[service->row];
		size_t pairs = service->pairs[fw_ip_is4(&row->ip)];

		if (!service->asked || !pairs)
			continue;
		row->crowded = service->kind_count > KINDS_MAX ||
			       choices + pairs > FW_CHOICES_MAX ||
			       backends + pairs * service->count > FW_BACKENDS_MAX;
		row->exact = !row->crowded;
		row->differs = service->differs;
		choices += row->exact ? pairs : 0;
		backends += row->exact ? pairs * service->count : 0;
	}
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

static int tell(struct choosing *c, const struct source *source, const struct candidate *candidate)
{
	const struct service *service = &c->services.items[candidate->service];
	const struct fw_service_row *row = &c->tables->services[service->row];
	struct fw_tables *t = c->tables;
	int r;

	if (!row->exact || fw_ip_is4(&source->ip) != fw_ip_is4(&row->ip))
		return 0;
	r = fw_grow((void **)&t->choices, &c->choices_cap, t->choices_count + 1,
		    sizeof(*t->choices));
	if (!r)
		r = fw_grow((void **)&t->backends, &c->backends_cap,
			    t->backends_count + service->count, sizeof(*t->backends));
	if (r)
		return r;
	t->choices[t->choices_count++] = (struct fw_choice_row){.pod = source->ip,
								.service = row->ip,
								.port = row->port,
								.protocol = row->protocol,
								.firm = candidate->firm};
	for (size_t i = 0; i < service->count; i++) {
		const struct listed *listed = &c->listed.items[service->first + i];
		struct answer answer = c->answers.items[candidate->answers + listed->kind];
		bool allowed = answer.allowed || is_own(source, &listed->ip);

		t->backends[t->backends_count++] =
			(struct fw_backend_row){.pod = source->ip,
						.backend = listed->ip,
						.port = listed->port,
						.protocol = row->protocol,
						.allowed = allowed,
						.firm = !allowed && answer.firm};
	}
	return 0;
}

static int compare_asked(const struct fw_choice_row *a, const struct fw_choice_row *b)
{
	int order = fw_ip_compare(&a->service, &b->service);

	if (!order)
		order = (int)a->port - (int)b->port;
	return order ? order : (int)a->protocol - (int)b->protocol;
}

/* Of two for one question the stricter one comes first. */
static int compare_choices(const void *left, const void *right)
{
	const struct fw_choice_row *a = left, *b = right;
	int order = compare_asked(a, b);

	return order ? order : (int)b->firm - (int)a->firm;
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

/* The rows of one address, from there on. */
static void settle(struct fw_tables *t, size_t choices, size_t backends)
{
	size_t kept = choices;

	if (t->choices_count > choices)
		qsort(t->choices + choices, t->choices_count - choices, sizeof(*t->choices),
		      compare_choices);
	for (size_t i = choices; i < t->choices_count; i++) {
		if (kept == choices || compare_asked(&t->choices[kept - 1], &t->choices[i]))
			t->choices[kept++] = t->choices[i];
	}
	t->choices_count = kept;
	kept = backends;
	if (t->backends_count > backends)
		qsort(t->backends + backends, t->backends_count - backends, sizeof(*t->backends),
		      compare_backends);
	for (size_t i = backends; i < t->backends_count; i++) {
		if (kept == backends ||
		    fw_backend_row_compare(&t->backends[kept - 1], &t->backends[i]))
			t->backends[kept++] = t->backends[i];
	}
	t->backends_count = kept;
}

/* The pod's place in the tables, which is the one in the list. */
static uint32_t pod_of(const struct choosing *c, const struct fw_member *member)
{
	uint32_t pod = 0;

	while (c->compiler->locals.items[pod] != member)
		pod++;
	return pod;
}

static int compare_owns(const void *left, const void *right)
{
	const struct fw_own_row *a = left, *b = right;

	if (a->service != b->service)
		return a->service < b->service ? -1 : 1;
	return (a->pod > b->pod) - (a->pod < b->pod);
}

static int tell_owns(struct choosing *c)
{
	struct fw_tables *t = c->tables;

	t->owns = malloc((c->owns.count + 1) * sizeof(*t->owns));
	if (!t->owns)
		return -ENOMEM;
	for (size_t i = 0; i < c->owns.count; i++) {
		const struct own *own = &c->owns.items[i];
		uint32_t row = c->services.items[own->candidate.service].row;

		if (t->services[row].exact)
			t->owns[t->owns_count++] =
				(struct fw_own_row){.service = row, .pod = pod_of(c, own->member)};
	}
	qsort(t->owns, t->owns_count, sizeof(*t->owns), compare_owns);
	return 0;
}

static int tell_source(struct choosing *c, const struct source *source)
{
	const struct subject *subject = fw_choices_subject(c, source->subject);
	int r = 0;

	for (size_t i = 0; !r && subject && i < subject->count; i++)
		r = tell(c, source, &c->candidates.items[subject->first + i]);
	for (size_t i = 0; !r && i < c->owns.count; i++) {
		if (c->owns.items[i].member == source->member && !c->owns.items[i].is_candidate)
			r = tell(c, source, &c->owns.items[i].candidate);
	}
	return r;
}

static int tell_all(struct choosing *c)
{
	struct fw_tables *t = c->tables;
	int r = 0;

	for (size_t i = 0, end; !r && i < c->sources.count; i = end) {
		size_t choices = t->choices_count, backends = t->backends_count;

		for (end = i; !r && end < c->sources.count &&
			      fw_ip_equal(&c->sources.items[i].ip, &c->sources.items[end].ip);
		     end++) {
			r = tell_source(c, &c->sources.items[end]);
		}
		if (!r)
			settle(t, choices, backends);
	}
	return r;
}

int fw_choices_tell(struct choosing *c)
{
	int r;

	admit(c);
	r = tell_all(c);
	return r ? r : tell_owns(c);
}
