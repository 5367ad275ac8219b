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
 *
 * Asked by subject, then told by address: most subjects say the same of all kinds of a service's
 * backends, which is seen from the programs without looking into them. A subject is asked about
 * services only where it says of a class something else than of the outside.
 */
#include <string.h>

#include "compile/stages.h"

#define KINDS_MAX                                                                                  \
	256u /* (class, port) of one service's backends; more: denied where they differ            \
	      */
#define NONE UINT32_MAX

struct source {
	struct fw_ip ip;
	uint32_t subject;
	const struct fw_member *member;
};

struct listed {
	struct fw_ip ip;
	uint16_t port;
	uint32_t kind;
};

struct kind {
	uint32_t class;
	uint16_t port;
};

/* A service row whose backends were listed. */
struct service {
	uint32_t row;
	size_t first_vip, end_vip;
	bool done;		       /* listed */
	size_t first, count;	       /* into listed */
	size_t first_kind, kind_count; /* into kinds */
	size_t pairs[2];	       /* by family: who asks */
	uint32_t turn;		       /* the subject that last considered it, counted from 1 */
	bool asked;
};

/* A class, and a service of which it is a kind of backends. */
struct tie {
	uint32_t class, service;
};

/* A subject that differs about a service; `answers` into answers, one for each kind. */
struct answer {
	bool allowed, firm;
};

struct candidate {
	uint32_t service;
	size_t answers;
};

struct subject {
	uint32_t index;
	size_t sources[2];   /* by family */
	size_t first, count; /* into candidates */
};

struct choosing {
	struct fw_compiler *compiler;
	struct fw_tables *tables;
	FW_LIST(struct source) sources;	  /* by address */
	FW_LIST(struct subject) subjects; /* with cells for egress, by index */
	FW_LIST(struct service) services; /* of several kinds, by row */
	FW_LIST(struct tie) ties;
	FW_LIST(uint32_t) always; /* services whose row does not tell all, or with several ports */
	FW_LIST(struct listed) listed;
	FW_LIST(struct kind) kinds;
	FW_LIST(struct candidate) candidates;
	FW_LIST(struct answer) answers;
	FW_LIST(uint32_t) program; /* by class, of the subject in hand; NONE: as its default */
	size_t choices_cap, backends_cap;
};

static int add_source(struct choosing *c, const struct fw_ip *ip, const struct fw_member *member)
{
	int r = FW_ROOM(&c->sources, 1);

	if (!r)
		c->sources.items[c->sources.count++] = (struct source){
			.ip = *ip, .subject = member->local->subject->index, .member = member};
	return r;
}

static int compare_sources(const void *left, const void *right)
{
	const struct source *a = left, *b = right;
	int order = fw_ip_compare(&a->ip, &b->ip);

	return order ? order : (a->subject > b->subject) - (a->subject < b->subject);
}

static int gather(struct choosing *c, const struct fw_model *model)
{
	struct fw_sandbox *const *sandboxes;
	size_t count = fw_model_list_sandboxes(model, &sandboxes);
	int r = 0;

	for (size_t i = 0; !r && i < c->compiler->locals.count; i++) {
		const struct fw_member *member = c->compiler->locals.items[i];

		for (size_t k = 0; !r && k < member->pod->ip_count; k++)
			r = add_source(c, &member->pod->ips[k], member);
	}
	for (size_t i = 0; !r && i < count; i++) {
		const struct fw_pod *pod = fw_model_pod_of_sandbox(model, sandboxes[i]);
		const struct fw_member *member = pod ? fw_member_find(c->compiler, pod) : NULL;

		if (!member || !member->local || !member->local->subject)
			continue;
		for (size_t k = 0; !r && k < sandboxes[i]->ip_count; k++)
			r = add_source(c, &sandboxes[i]->ips[k], member);
	}
	if (c->sources.count)
		qsort(c->sources.items, c->sources.count, sizeof(struct source), compare_sources);
	return r;
}

/* The subjects whose egress has cells: others say the same of everybody. */
static int list_subjects(struct choosing *c)
{
	const struct fw_tables *t = c->tables;
	int r = 0;

	for (size_t i = 0; !r && i < t->cells_count; i++) {
		uint32_t subject = t->cells[i].subject;

		if (t->cells[i].direction != FW_EGRESS ||
		    (c->subjects.count &&
		     c->subjects.items[c->subjects.count - 1].index == subject))
			continue;
		r = FW_ROOM(&c->subjects, 1);
		if (!r)
			c->subjects.items[c->subjects.count++] = (struct subject){.index = subject};
	}
	return r;
}

static struct subject *find_subject(const struct choosing *c, uint32_t index)
{
	size_t low = 0, high = c->subjects.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (c->subjects.items[middle].index == index)
			return &c->subjects.items[middle];
		if (c->subjects.items[middle].index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* The rows are in the order of the virtual addresses, one for each that is another. */
static int list_services(struct choosing *c)
{
	const struct fw_vip *vips = c->compiler->vips.items;
	size_t at = 0, next = 0;
	int r = 0;

	for (size_t i = 0; !r && i < c->tables->services_count; i++, at = next) {
		const struct fw_service_row *row = &c->tables->services[i];

		while (next < c->compiler->vips.count && vips[next].port == row->port &&
		       vips[next].protocol == row->protocol &&
		       fw_ip_equal(&vips[next].ip, &row->ip))
			next++;
		if (row->group_count < 2)
			continue;
		r = FW_ROOM(&c->services, 1);
		if (!r)
			c->services.items[c->services.count++] = (struct service){
				.row = (uint32_t)i, .first_vip = at, .end_vip = next};
	}
	return r;
}

/* Which services are to be looked at for a class; which ones for every subject. */
static int tie_services(struct choosing *c)
{
	int r = FW_ROOM(&c->ties, c->services.count * FW_SERVICE_GROUPS);

	if (!r)
		r = FW_ROOM(&c->always, c->services.count);
	for (uint32_t i = 0; !r && i < c->services.count; i++) {
		const struct fw_service_row *row = &c->tables->services[c->services.items[i].row];
		bool ports = false;

		for (uint32_t g = 0; g < row->group_count; g++) {
			ports |= row->group[g].port != row->group[0].port;
			c->ties.items[c->ties.count++] =
				(struct tie){.class = row->group[g].peer_class, .service = i};
		}
		if (ports || row->group_count == FW_SERVICE_GROUPS)
			c->always.items[c->always.count++] = i;
	}
	return r;
}

/* Its place among all kinds; one more when it is new. */
static int list_kind(struct choosing *c, const struct service *service, uint32_t class,
		     uint16_t port, size_t *ret_kind)
{
	size_t kind = service->first_kind;
	int r = 0;

	while (kind < c->kinds.count &&
	       (c->kinds.items[kind].class != class || c->kinds.items[kind].port != port))
		kind++;
	if (kind == c->kinds.count) {
		r = FW_ROOM(&c->kinds, 1);
		if (!r)
			c->kinds.items[c->kinds.count++] =
				(struct kind){.class = class, .port = port};
	}
	*ret_kind = kind;
	return r;
}

static int list_backend(struct choosing *c, struct service *service, struct fw_backend *backend)
{
	uint32_t class = fw_backend_class(c->compiler, c->tables, backend);
	size_t kind;
	int r = list_kind(c, service, class, backend->port, &kind);

	if (!r)
		r = FW_ROOM(&c->listed, 1);
	if (!r)
		c->listed.items[c->listed.count++] =
			(struct listed){.ip = backend->ip,
					.port = backend->port,
					.kind = (uint32_t)(kind - service->first_kind)};
	return r;
}

static int list_backends(struct choosing *c, struct service *service)
{
	size_t kind;
	int r = 0;

	service->done = true;
	service->first = c->listed.count;
	service->first_kind = c->kinds.count;
	for (size_t i = service->first_vip; i < service->end_vip; i++) {
		const struct fw_vip *vip = &c->compiler->vips.items[i];
		struct fw_service_ports *ports = &vip->service->ports[vip->port_index];
		int four = fw_ip_is4(&vip->ip);

		for (size_t k = 0; !r && k < ports->backends[four].count; k++)
			r = list_backend(c, service, &ports->backends[four].items[k]);
		for (size_t k = 0; !r && k < ports->leaving[four].count; k++)
			r = list_backend(c, service, &ports->leaving[four].items[k]);
	}
	/* others, which nobody can list: who may not reach those may reach the listed ones only */
	if (!r && c->tables->services[service->row].unsure)
		r = list_kind(c, service, FW_TABLES_UNKNOWN_POD, 0, &kind);
	service->count = c->listed.count - service->first;
	service->kind_count = c->kinds.count - service->first_kind;
	return r;
}

/* What the subject in hand says of a class. */
static struct answer ask(const struct choosing *c, uint32_t subject, uint32_t class,
			 uint8_t protocol, uint16_t port)
{
	uint32_t program = c->program.items[class], key = FW_RANGE_KEY(protocol, port);
	uint32_t decision = c->tables->subjects[subject].otherwise[FW_EGRESS];

	if (program != NONE)
		decision = fw_tables_search(c->tables, program, key, decision);
	return (struct answer){.allowed =
				       c->tables->decisions[decision].verdict == FW_VERDICT_ALLOW,
			       .firm = c->tables->decisions[decision].firm};
}

/* As far as the row tells, which is all when it has room left. */
static bool agrees(const struct choosing *c, const struct fw_service_row *row, uint32_t subject)
{
	uint32_t program = c->program.items[row->group[0].peer_class];
	bool same = true, first = false;

	if (row->group_count == FW_SERVICE_GROUPS)
		return false;
	for (uint32_t i = 1; i < row->group_count && same; i++)
		same = c->program.items[row->group[i].peer_class] == program &&
		       (program == NONE || row->group[i].port == row->group[0].port);
	for (uint32_t i = 0; i < row->group_count && !same; i++) {
		bool allowed =
			ask(c, subject, row->group[i].peer_class, row->protocol, row->group[i].port)
				.allowed;

		if (i && allowed != first)
			return false;
		first = allowed;
	}
	return true;
}

/* A candidate when the subject may reach some of all the listed backends and not others. */
static int consider(struct choosing *c, struct subject *subject, uint32_t number)
{
	struct service *service = &c->services.items[number];
	const struct fw_service_row *row = &c->tables->services[service->row];
	size_t from = c->answers.count, allowed = 0;
	int r = service->done ? 0 : list_backends(c, service);

	if (!r)
		r = FW_ROOM(&c->answers, service->kind_count);
	if (!r)
		r = FW_ROOM(&c->candidates, 1);
	if (r)
		return r;
	for (size_t i = 0; i < service->kind_count; i++) {
		const struct kind *kind = &c->kinds.items[service->first_kind + i];
		struct answer answer =
			ask(c, subject->index, kind->class, row->protocol, kind->port);

		c->answers.items[c->answers.count++] = answer;
		allowed += answer.allowed;
	}
	if (!allowed || allowed == service->kind_count) {
		c->answers.count = from;
		return 0;
	}
	c->candidates.items[c->candidates.count++] =
		(struct candidate){.service = number, .answers = from};
	service->asked = true;
	service->pairs[0] += subject->sources[0];
	service->pairs[1] += subject->sources[1];
	return 0;
}

/* Once for each subject. */
static int consider_once(struct choosing *c, struct subject *subject, uint32_t number)
{
	struct service *service = &c->services.items[number];
	uint32_t turn = (uint32_t)(subject - c->subjects.items) + 1;

	if (service->turn == turn)
		return 0;
	service->turn = turn;
	if (agrees(c, &c->tables->services[service->row], subject->index))
		return 0;
	return consider(c, subject, number);
}

/* A service of one port agrees where all of its classes have the program that the outside has. */
static int consider_all(struct choosing *c, struct subject *subject)
{
	uint32_t usual = c->program.items[FW_TABLES_WORLD];
	int r = 0;

	for (size_t i = 0; !r && i < c->ties.count; i++) {
		if (c->program.items[c->ties.items[i].class] != usual)
			r = consider_once(c, subject, c->ties.items[i].service);
	}
	for (size_t i = 0; !r && i < c->always.count; i++)
		r = consider_once(c, subject, c->always.items[i]);
	return r;
}

/* With the programs of its cells at hand. */
static int ask_subject(struct choosing *c, struct subject *subject, size_t *cell)
{
	const struct fw_tables *t = c->tables;
	size_t begin;
	int r;

	while (t->cells[*cell].subject != subject->index || t->cells[*cell].direction != FW_EGRESS)
		(*cell)++;
	begin = *cell;
	for (; *cell < t->cells_count && t->cells[*cell].subject == subject->index; (*cell)++)
		c->program.items[t->cells[*cell].peer_class] = t->cells[*cell].program;
	subject->first = c->candidates.count;
	r = consider_all(c, subject);
	subject->count = c->candidates.count - subject->first;
	for (size_t i = begin; i < *cell; i++)
		c->program.items[t->cells[i].peer_class] = NONE;
	return r;
}

static int ask_subjects(struct choosing *c)
{
	size_t cell = 0;
	int r = FW_ROOM(&c->program, c->tables->classes_count + 1);

	if (r)
		return r;
	memset(c->program.items, 0xff, (c->tables->classes_count + 1) * sizeof(uint32_t));
	for (size_t i = 0; i < c->sources.count; i++) {
		struct subject *subject = find_subject(c, c->sources.items[i].subject);

		if (subject)
			subject->sources[fw_ip_is4(&c->sources.items[i].ip)]++;
	}
	for (size_t i = 0; !r && i < c->subjects.count; i++)
		r = ask_subject(c, &c->subjects.items[i], &cell);
	return r;
}

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
								.protocol = row->protocol};
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

static int compare_choices(const void *left, const void *right)
{
	const struct fw_choice_row *a = left, *b = right;
	int order = fw_ip_compare(&a->service, &b->service);

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

/* The rows of one address, from there on. */
static void settle(struct fw_tables *t, size_t choices, size_t backends)
{
	size_t kept = choices;

	if (t->choices_count > choices)
		qsort(t->choices + choices, t->choices_count - choices, sizeof(*t->choices),
		      compare_choices);
	for (size_t i = choices; i < t->choices_count; i++) {
		if (kept == choices || compare_choices(&t->choices[kept - 1], &t->choices[i]))
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

static int tell_all(struct choosing *c)
{
	struct fw_tables *t = c->tables;
	int r = 0;

	for (size_t i = 0, end; !r && i < c->sources.count; i = end) {
		size_t choices = t->choices_count, backends = t->backends_count;

		for (end = i; !r && end < c->sources.count &&
			      fw_ip_equal(&c->sources.items[i].ip, &c->sources.items[end].ip);
		     end++) {
			const struct source *source = &c->sources.items[end];
			const struct subject *subject = find_subject(c, source->subject);

			for (size_t k = 0; !r && subject && k < subject->count; k++)
				r = tell(c, source, &c->candidates.items[subject->first + k]);
		}
		if (!r)
			settle(t, choices, backends);
	}
	return r;
}

static void choosing_done(struct choosing *c)
{
	free(c->sources.items);
	free(c->subjects.items);
	free(c->services.items);
	free(c->ties.items);
	free(c->always.items);
	free(c->listed.items);
	free(c->kinds.items);
	free(c->candidates.items);
	free(c->answers.items);
	free(c->program.items);
}

int fw_emit_choices(struct fw_compiler *compiler, const struct fw_model *model,
		    struct fw_tables *tables)
{
	struct choosing c = {.compiler = compiler, .tables = tables};
	int r = list_services(&c);

	if (!r && c.services.count)
		r = list_subjects(&c);
	if (!r && c.subjects.count)
		r = tie_services(&c);
	if (!r && c.subjects.count)
		r = gather(&c, model);
	if (!r && c.sources.count)
		r = ask_subjects(&c);
	if (!r && c.candidates.count) {
		admit(&c);
		r = tell_all(&c);
	}
	choosing_done(&c);
	return r;
}
