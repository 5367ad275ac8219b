/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may reach some backends of a service and not others. In: tables with subjects and services,
 * and the addresses of this node's pods. Out: by subject, the services that it differs about, and
 * what it says of each kind of their backends; tell_choices.c makes rows of that. A pair that all
 * backends agree about is left to the service's row.
 *
 * Asked by subject, then told by address: most subjects say the same of all kinds of a service's
 * backends, which is seen from the programs without looking into them. A subject is asked about
 * services only where it says of a class something else than of the outside. Edge cases 24 and 34:
 * leaving backends are asked about, too.
 */
#include <string.h>

#include "compile/choices.h"

#define NONE UINT32_MAX

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

struct subject *fw_choices_subject(const struct choosing *c, uint32_t index)
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

struct service fw_choices_service(const struct choosing *c, uint32_t number, size_t first_vip)
{
	const struct fw_vip *vips = c->compiler->vips.items;
	const struct fw_service_row *row = &c->tables->services[number];
	struct service service = {.row = number, .first_vip = first_vip, .end_vip = first_vip};

	while (service.end_vip < c->compiler->vips.count &&
	       vips[service.end_vip].port == row->port &&
	       vips[service.end_vip].protocol == row->protocol &&
	       fw_ip_equal(&vips[service.end_vip].ip, &row->ip))
		service.end_vip++;
	return service;
}

static int list_services(struct choosing *c)
{
	size_t vip = 0;
	int r = 0;

	for (uint32_t i = 0; !r && i < c->tables->services_count; i++) {
		struct service service = fw_choices_service(c, i, vip);

		vip = service.end_vip;
		if (c->tables->services[i].group_count < 2)
			continue;
		r = FW_ROOM(&c->services, 1);
		if (!r)
			c->services.items[c->services.count++] = service;
	}
	c->several = c->services.count;
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

int fw_choices_list_backends(struct choosing *c, struct service *service)
{
	size_t kind;
	int r = 0;

	if (service->done)
		return 0;
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

bool fw_choices_deny_firmly(const struct choosing *c, uint32_t subject,
			    const struct service *service, size_t answers)
{
	uint8_t protocol = c->tables->services[service->row].protocol;
	bool firm = false;

	for (size_t i = 0; i < service->kind_count && !firm; i++) {
		uint16_t port = c->kinds.items[service->first_kind + i].port;
		uint32_t decision =
			fw_tables_decide(c->tables, subject, FW_EGRESS, FW_TABLES_UNKNOWN_POD,
					 FW_RANGE_KEY(protocol, port));

		firm = c->answers.items[answers + i].firm || c->tables->decisions[decision].firm;
	}
	return firm;
}

/* A candidate when the subject may reach some of all the listed backends and not others. */
static int consider(struct choosing *c, struct subject *subject, uint32_t number)
{
	struct service *service = &c->services.items[number];
	const struct fw_service_row *row = &c->tables->services[service->row];
	size_t from = c->answers.count, allowed = 0;
	int r = fw_choices_list_backends(c, service);

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
	c->candidates.items[c->candidates.count++] = (struct candidate){
		.service = number,
		.answers = from,
		.firm = fw_choices_deny_firmly(c, subject->index, service, from)};
	service->differs = service->asked = true;
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
		struct subject *subject = fw_choices_subject(c, c->sources.items[i].subject);

		if (subject)
			subject->sources[fw_ip_is4(&c->sources.items[i].ip)]++;
	}
	for (size_t i = 0; !r && i < c->subjects.count; i++)
		r = ask_subject(c, &c->subjects.items[i], &cell);
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
	free(c->owns.items);
}

/* Some pod of this node may not reach everybody. */
static bool denies(const struct choosing *c)
{
	const struct fw_tables *t = c->tables;
	bool found = c->subjects.count;

	for (size_t i = 0; i < t->subjects_count && !found; i++)
		found = t->decisions[t->subjects[i].otherwise[FW_EGRESS]].verdict !=
			FW_VERDICT_ALLOW;
	return found;
}

int fw_emit_choices(struct fw_compiler *compiler, const struct fw_model *model,
		    struct fw_tables *tables)
{
	struct choosing c = {.compiler = compiler, .tables = tables};
	int r = list_services(&c);

	if (!r && tables->services_count)
		r = list_subjects(&c);
	if (!r && tables->services_count && denies(&c))
		r = gather(&c, model);
	if (!r && c.sources.count && c.services.count && c.subjects.count)
		r = tie_services(&c);
	if (!r && c.ties.count)
		r = ask_subjects(&c);
	if (!r && c.sources.count)
		r = fw_choices_own(&c);
	if (!r && (c.candidates.count || c.owns.count))
		r = fw_choices_tell(&c);
	choosing_done(&c);
	return r;
}
