/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiler's memory to tables. In: classes, subjects, cells, programs, decisions. Out: rows by
 * index, in an order that depends on the model alone. Strings are shared with the memory by counted
 * reference.
 */
#include <stdio.h>
#include <string.h>

#include "compile/stages.h"

static int emit_classes(struct fw_compiler *compiler, struct fw_tables *tables)
{
	int r = 0;

	tables->classes = malloc((compiler->classes.count + 1) * sizeof(*tables->classes));
	if (!tables->classes)
		return -ENOMEM;
	for (size_t i = 0; !r && i < compiler->classes.count; i++) {
		struct fw_peer_class *class = compiler->classes.items[i];

		tables->classes[tables->classes_count++] = (struct fw_class_row){
			.digest = class->digest, .label = class->labelled ? class->label : ""};
		if (class->labelled)
			r = fw_arena_hold(tables->arena, &class->blob);
	}
	return r;
}

/* Index of the decision's row, made on first use. */
static int use_decision(struct fw_compiler *compiler, struct fw_tables *tables,
			struct fw_decision *decision, uint32_t *ret_index)
{
	*ret_index = decision->index;
	if (decision->stamp == compiler->now)
		return 0;
	decision->stamp = compiler->now;
	decision->index = *ret_index = (uint32_t)tables->decisions_count;
	tables->decisions[tables->decisions_count++] = decision->row;
	return fw_arena_hold(tables->arena, &decision->blob);
}

static int use_program(struct fw_compiler *compiler, struct fw_tables *tables,
		       struct fw_program *program)
{
	int r = 0;

	if (program->stamp == compiler->now)
		return 0;
	program->stamp = compiler->now;
	program->index = (uint32_t)tables->programs_count;
	tables->programs[tables->programs_count++] = (struct fw_program_row){
		.first = (uint32_t)tables->ranges_count, .count = program->count};
	for (uint32_t i = 0; !r && i < program->count; i++) {
		struct fw_range_row *row = &tables->ranges[tables->ranges_count++];

		row->lo = program->spans[i].lo;
		row->hi = program->spans[i].hi;
		r = use_decision(compiler, tables, program->spans[i].decision, &row->decision);
	}
	return r;
}

/* Decisions and programs that nothing uses now are counted, too: room enough. */
static int make_room(struct fw_compiler *compiler, struct fw_tables *tables)
{
	size_t ranges = 0, cells = 0;

	for (size_t i = 0; i < compiler->programs.cap; i++) {
		const struct fw_program *program = compiler->programs.slots[i].item;

		ranges += program ? program->count : 0;
	}
	for (size_t i = 0; i < compiler->subject_order.count; i++)
		cells += compiler->subject_order.items[i]->sides[0].cells.count +
			 compiler->subject_order.items[i]->sides[1].cells.count;
	tables->subjects = calloc(compiler->subject_order.count + 1, sizeof(*tables->subjects));
	tables->decisions = malloc((compiler->decisions.used + 1) * sizeof(*tables->decisions));
	tables->programs = malloc((compiler->programs.used + 1) * sizeof(*tables->programs));
	tables->ranges = malloc((ranges + 1) * sizeof(*tables->ranges));
	tables->cells = malloc((cells + 1) * sizeof(*tables->cells));
	if (!tables->subjects || !tables->decisions || !tables->programs || !tables->ranges ||
	    !tables->cells)
		return -ENOMEM;
	return 0;
}

static int emit_side(struct fw_compiler *compiler, struct fw_tables *tables, uint32_t subject,
		     uint8_t direction, struct fw_side *side)
{
	struct fw_subject_row *row = &tables->subjects[subject];
	struct fw_cell_row *cells = tables->cells + tables->cells_count;
	int r = use_decision(compiler, tables, side->otherwise, &row->otherwise[direction]);

	row->isolated[direction] = side->isolated;
	row->open[direction] = side->otherwise->row.verdict == FW_VERDICT_ALLOW;
	for (size_t i = 0; !r && i < side->cells.count; i++) {
		struct fw_program *program = side->cells.items[i].program;

		r = use_program(compiler, tables, program);
		row->open[direction] &= !program->refuses;
		cells[i] = (struct fw_cell_row){
			.subject = subject,
			.direction = direction,
			.peer_class = side->cells.items[i].class->rank,
			.program = program->index,
		};
	}
	tables->cells_count += side->cells.count;
	return r;
}

static int emit_subjects(struct fw_compiler *compiler, struct fw_tables *tables)
{
	int r = make_room(compiler, tables);

	for (size_t i = 0; !r && i < compiler->subject_order.count; i++) {
		struct fw_policy_subject *subject = compiler->subject_order.items[i];
		const struct fw_subject_text *text = (struct fw_subject_text *)subject->text;
		struct fw_subject_row *row = &tables->subjects[tables->subjects_count++];

		row->digest = subject->digest;
		row->label = text->label;
		row->broken = text->broken;
		r = fw_arena_hold(tables->arena, subject->text);
		for (uint8_t direction = 0; !r && direction < 2; direction++)
			r = emit_side(compiler, tables, (uint32_t)i, direction,
				      &subject->sides[direction]);
	}
	return r;
}

static uint32_t class_of_pod(const struct fw_model *model, const struct fw_tables *tables,
			     const struct fw_member *member)
{
	const struct fw_address_row *row;
	const struct fw_ip *ips;
	size_t count = fw_model_pod_ips(model, member->pod, &ips);

	if (!count || fw_model_pod_by_ip(model, &ips[0]) != member->pod)
		return FW_TABLES_UNKNOWN_POD;
	row = fw_emitted_address(tables, &ips[0]);
	return row ? row->peer_class : FW_TABLES_UNKNOWN_POD;
}

static int emit_pods(struct fw_compiler *compiler, const struct fw_model *model,
		     struct fw_tables *tables)
{
	int r = 0;

	tables->pods = malloc((compiler->locals.count + 1) * sizeof(*tables->pods));
	if (!tables->pods)
		return -ENOMEM;
	for (size_t i = 0; !r && i < compiler->locals.count; i++) {
		const struct fw_member *member = compiler->locals.items[i];
		const struct fw_local *local = member->local;
		const struct fw_member_names *names = (struct fw_member_names *)local->names;

		tables->pods[tables->pods_count++] = (struct fw_pod_row){
			.namespace = names->namespace,
			.name = names->name,
			.uid = names->uid,
			.subject = local->subject->index,
			.peer_class = class_of_pod(model, tables, member),
		};
		r = fw_arena_hold(tables->arena, local->names);
	}
	return r;
}

static int add_problem(struct fw_tables *tables, char *object, char *text)
{
	struct fw_problem *row = &tables->problems[tables->problems_count];

	row->object = object ? fw_arena_text(tables->arena, object) : NULL;
	row->text = text ? fw_arena_text(tables->arena, text) : NULL;
	free(object);
	free(text);
	if (!row->object || !row->text)
		return -ENOMEM;
	tables->problems_count++;
	return 0;
}

static char *name_object(const char *kind, const char *namespace, const char *name)
{
	char *text = NULL;

	return asprintf(&text, "%s %s/%s", kind, namespace, name) < 0 ? NULL : text;
}

static char *explain_wide(const struct fw_service_row *row)
{
	char ip[FW_IP_TEXT], *text = NULL;

	if (asprintf(&text, "port \"%s\" at %s: more than %u kinds of backends: denied",
		     row->port_name, fw_ip_format(&row->ip, ip), FW_SERVICE_GROUPS) < 0)
		return NULL;
	return text;
}

static char *explain_crowded(const struct fw_service_row *row)
{
	char ip[FW_IP_TEXT], *text = NULL;

	if (asprintf(&text,
		     "port \"%s\" at %s: more pods and backends than fit (%u, %u): denied for pods "
		     "that may not reach all backends",
		     row->port_name, fw_ip_format(&row->ip, ip), FW_CHOICES_MAX,
		     FW_BACKENDS_MAX) < 0)
		return NULL;
	return text;
}

static char *explain_unsure(const struct fw_service_row *row)
{
	char ip[FW_IP_TEXT], *text = NULL;

	if (asprintf(&text,
		     "port \"%s\" at %s: an EndpointSlice cannot be read: backends that only it "
		     "names are denied",
		     row->port_name, fw_ip_format(&row->ip, ip)) < 0)
		return NULL;
	return text;
}

static char *explain_own_full(const struct fw_service_row *row)
{
	char ip[FW_IP_TEXT], *text = NULL;

	if (asprintf(&text,
		     "port \"%s\" at %s: more than %u kinds of backends, and pods here that may "
		     "reach themselves only: the other such pods are denied",
		     row->port_name, fw_ip_format(&row->ip, ip), FW_SERVICE_GROUPS) < 0)
		return NULL;
	return text;
}

static char *explain_service(const struct fw_service_row *row)
{
	if (row->state == FW_SERVICE_WIDE)
		return explain_wide(row);
	if (row->crowded)
		return explain_crowded(row);
	return row->unsure ? explain_unsure(row) : explain_own_full(row);
}

static bool is_problem(const struct fw_service_row *row)
{
	return row->state == FW_SERVICE_WIDE || row->crowded || row->unsure || row->own_full;
}

static int emit_problems(struct fw_compiler *compiler, struct fw_tables *tables)
{
	size_t count = 0;
	int r = 0;

	for (size_t i = 0; i < compiler->items.count; i++)
		count += !!compiler->items.items[i]->broken;
	for (size_t i = 0; i < tables->services_count; i++)
		count += is_problem(&tables->services[i]);
	tables->problems = calloc(count + 1, sizeof(*tables->problems));
	if (!tables->problems)
		return -ENOMEM;
	for (size_t i = 0; !r && i < compiler->items.count; i++) {
		const struct fw_item *item = compiler->items.items[i];

		if (item->broken)
			r = add_problem(tables,
					name_object("NetworkPolicy", item->namespace, item->name),
					strdup(item->broken));
	}
	for (size_t i = 0; !r && i < tables->services_count; i++) {
		const struct fw_service_row *row = &tables->services[i];

		if (is_problem(row))
			r = add_problem(tables, name_object("Service", row->namespace, row->name),
					explain_service(row));
	}
	return r;
}

int fw_emit(struct fw_compiler *compiler, const struct fw_model *model, struct fw_tables *tables)
{
	int r = emit_classes(compiler, tables);

	if (!r)
		r = fw_emit_addresses(compiler, model, tables);
	if (!r)
		r = fw_emit_prefixes(compiler, tables);
	if (!r)
		r = fw_emit_services(compiler, tables);
	if (!r)
		r = emit_subjects(compiler, tables);
	if (!r)
		r = fw_emit_choices(compiler, model, tables);
	if (!r)
		r = emit_pods(compiler, model, tables);
	return r ? r : emit_problems(compiler, tables);
}

void fw_tables_free(struct fw_tables **tables)
{
	struct fw_tables *t = *tables;

	if (!t)
		return;
	free(t->classes);
	free(t->subjects);
	free(t->decisions);
	free(t->ranges);
	free(t->programs);
	free(t->cells);
	fw_address_rows_drop(t->address_rows);
	free(t->prefixes);
	free(t->services);
	free(t->choices);
	free(t->backends);
	free(t->owns);
	free(t->pods);
	free(t->problems);
	fw_arena_free(&t->arena);
	free(t);
	*tables = NULL;
}
