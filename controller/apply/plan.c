// SPDX-License-Identifier: Apache-2.0
/*
 * Plans the cells of one change. In: tables by index. Out: rows to add, by kernel id. A subject
 * whose rows do not fit leaves no trace but a text. Writes nothing but slices that no cell refers
 * to.
 */
#include "apply/cells.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

void fw_cells_plan_done(struct fw_cells_plan *plan)
{
	free(plan->class_id);
	free(plan->slice);
	free(plan->first_cell);
	free(plan->subject);
	free(plan->locked);
	fw_row_set_done(&plan->rows);
	fw_row_set_done(&plan->cells);
	*plan = (struct fw_cells_plan){0};
}

static int begin_class(struct fw_cells *cells, const struct fw_class_row *row, uint32_t *ret_id)
{
	struct fw_id *entry = fw_ids_by_digest(&cells->classes, &row->digest);
	int r;

	if (entry) {
		if (entry->stamp != cells->stamp)
			entry->fresh = entry->stamp != cells->applied;
	} else {
		r = fw_ids_new(&cells->classes, &row->digest, &entry);
		if (r < 0)
			return r;
		entry->fresh = true;
	}
	entry->stamp = cells->stamp;
	*ret_id = entry->id;
	return 0;
}

static int reserve_scratch(struct fw_cells *cells)
{
	uint32_t need = 2 * cells->classes.next + 2, size = cells->scratch_size;
	struct fw_slice **scratch;
	uint32_t *mark;

	if (size >= need)
		return 0;
	for (size = size ? size : 1024; size < need;)
		size *= 2;
	scratch = realloc(cells->scratch, size * sizeof(struct fw_slice *));
	if (!scratch)
		return -ENOMEM;
	cells->scratch = scratch;
	mark = realloc(cells->scratch_mark, size * sizeof(*mark));
	if (!mark)
		return -ENOMEM;
	memset(mark + cells->scratch_size, 0, (size - cells->scratch_size) * sizeof(*mark));
	cells->scratch_mark = mark;
	cells->scratch_size = size;
	return 0;
}

int fw_cells_begin(struct fw_cells *cells, const struct fw_tables *tables,
		   struct fw_cells_plan *plan)
{
	size_t cell = 0;
	int r = 0;

	*plan = (struct fw_cells_plan){.tables = tables};
	fw_row_set_init(&plan->rows, sizeof(uint32_t), sizeof(struct fw_subject));
	fw_row_set_init(&plan->cells, sizeof(struct fw_cell_key), sizeof(struct fw_cell));
	plan->class_id = calloc(tables->classes_count + 1, sizeof(*plan->class_id));
	plan->slice = calloc(tables->programs_count + 1, sizeof(struct fw_slice *));
	plan->first_cell = calloc(tables->subjects_count + 1, sizeof(*plan->first_cell));
	plan->subject = calloc(tables->subjects_count + 1, sizeof(struct fw_subject_entry *));
	plan->locked = calloc(tables->subjects_count + 1, sizeof(*plan->locked));
	if (!plan->class_id || !plan->slice || !plan->first_cell || !plan->subject || !plan->locked)
		return -ENOMEM;
	cells->stamp++;
	for (size_t i = 0; r == 0 && i < tables->classes_count; i++) {
		plan->class_id[i] = (uint32_t)i; /* world and unknown-pod are fixed */
		if (i > FW_TABLES_UNKNOWN_POD)
			r = begin_class(cells, &tables->classes[i], &plan->class_id[i]);
	}
	if (r < 0)
		return r;
	for (size_t i = 0; i <= tables->subjects_count; i++) {
		while (cell < tables->cells_count && tables->cells[cell].subject < i)
			cell++;
		plan->first_cell[i] = (uint32_t)cell;
	}
	return reserve_scratch(cells);
}

/* Locks the subject; returns -ENOSPC. */
static int does_not_fit(struct fw_cells_plan *plan, uint32_t index, const char *what,
			uint64_t needed, uint64_t fit)
{
	(void)snprintf(plan->locked[index], sizeof(plan->locked[index]),
		       "%s: %llu needed, %llu fit", what, (unsigned long long)needed,
		       (unsigned long long)fit);
	return -ENOSPC;
}

static int word_of(struct fw_cells *cells, const struct fw_tables *tables, uint32_t decision,
		   uint32_t *ret_word)
{
	const struct fw_decision_entry *entry;
	int r = fw_names_decision(cells->names, &tables->decisions[decision], &entry);

	if (r == 0)
		*ret_word = entry->word;
	return r;
}

/* The slice of a program; remembered for the subjects that share it. */
static int slice_of(struct fw_cells *cells, struct fw_cells_plan *plan, uint32_t index,
		    uint32_t program, struct fw_slice **ret_slice)
{
	const struct fw_program_row *row = &plan->tables->programs[program];
	const struct fw_range_row *ranges = plan->tables->ranges + row->first;
	_cleanup_free_ struct fw_range *content = NULL;
	int r = 0;

	if (plan->slice[program]) {
		*ret_slice = plan->slice[program];
		return 0;
	}
	if (row->count > FW_RANGES_PER_CELL)
		return does_not_fit(plan, index, "ranges for one peer", row->count,
				    FW_RANGES_PER_CELL);
	content = calloc(row->count + 1, sizeof(*content));
	if (!content)
		return -ENOMEM;
	for (uint32_t i = 0; r == 0 && i < row->count; i++) {
		content[i].lo = ranges[i].lo;
		content[i].hi = ranges[i].hi;
		r = word_of(cells, plan->tables, ranges[i].decision, &content[i].decision);
	}
	if (r == 0)
		r = fw_slices_get(&cells->slices, content, row->count, ret_slice);
	if (r == -ENOSPC)
		return does_not_fit(plan, index, "ranges",
				    (uint64_t)cells->slices.used + row->count,
				    cells->slices.capacity);
	if (r == 0)
		plan->slice[program] = *ret_slice;
	return r;
}

/* Slices that only a subject that does not fit asked for give their rows back. */
static void forget_slices(struct fw_cells *cells, struct fw_cells_plan *plan, uint32_t index)
{
	for (uint32_t i = plan->first_cell[index]; i < plan->first_cell[index + 1]; i++) {
		struct fw_slice **slice = &plan->slice[plan->tables->cells[i].program];

		if (!*slice || (*slice)->refs)
			continue;
		(*slice)->refs = 1;
		fw_slices_unref(&cells->slices, *slice);
		*slice = NULL;
	}
}

static uint32_t peer_of(const struct fw_cells_plan *plan, const struct fw_cell_row *cell)
{
	return plan->class_id[cell->peer_class] << 1 | cell->direction;
}

static bool class_is_live(const struct fw_cells *cells, uint32_t id)
{
	const struct fw_id *entry = fw_ids_by_id(&cells->classes, id);

	return id < FW_CLASS_FIRST || (entry && entry->stamp == cells->stamp);
}

static bool class_is_fresh(const struct fw_cells *cells, uint32_t id)
{
	const struct fw_id *entry = fw_ids_by_id(&cells->classes, id);

	return id >= FW_CLASS_FIRST && entry && entry->fresh;
}

static int row_of(struct fw_cells *cells, const struct fw_cells_plan *plan, uint32_t index,
		  struct fw_subject *ret_row)
{
	const struct fw_subject_row *from = &plan->tables->subjects[index];
	struct fw_subject row = {0};
	int r = word_of(cells, plan->tables, from->otherwise[FW_INGRESS],
			&row.otherwise[FW_INGRESS]);

	if (r == 0)
		r = word_of(cells, plan->tables, from->otherwise[FW_EGRESS],
			    &row.otherwise[FW_EGRESS]);
	for (uint32_t i = plan->first_cell[index]; i < plan->first_cell[index + 1]; i++)
		row.flags |= plan->tables->cells[i].direction == FW_INGRESS ? FW_SUBJECT_CELLS_IN
									    : FW_SUBJECT_CELLS_OUT;
	if (from->open[FW_EGRESS])
		row.flags |= FW_SUBJECT_OPEN_OUT;
	if (r == 0)
		*ret_row = row;
	return r;
}

/*
 * Does the row that the maps hold mean the same wherever an address can already be? Counts what is
 * to be added. Peers that both have are marked with scratch_turn + 1.
 */
static bool compatible(struct fw_cells *cells, const struct fw_cells_plan *plan, uint32_t index,
		       const struct fw_subject_entry *entry, const struct fw_subject *row,
		       uint32_t *ret_more)
{
	uint32_t turn = cells->scratch_turn += 2, more = 0;

	if (!turn) /* came round: no mark of old may look like ours */
		memset(cells->scratch_mark, 0xff, cells->scratch_size * sizeof(uint32_t));
	if (memcmp(entry->row.otherwise, row->otherwise, sizeof(row->otherwise)) ||
	    (entry->row.flags ^ row->flags) & FW_SUBJECT_OPEN_OUT)
		return false;
	for (uint32_t i = 0; i < entry->count; i++) {
		cells->scratch[entry->cells[i].peer] = entry->cells[i].slice;
		cells->scratch_mark[entry->cells[i].peer] = turn;
	}
	for (uint32_t i = plan->first_cell[index]; i < plan->first_cell[index + 1]; i++) {
		const struct fw_cell_row *cell = &plan->tables->cells[i];
		uint32_t peer = peer_of(plan, cell);

		if (cells->scratch_mark[peer] != turn) {
			if (!class_is_fresh(cells, peer >> 1))
				return false;
			more++;
			continue;
		}
		if (cells->scratch[peer] != plan->slice[cell->program])
			return false;
		cells->scratch_mark[peer] = turn + 1;
	}
	for (uint32_t i = 0; i < entry->count; i++) {
		if (cells->scratch_mark[entry->cells[i].peer] == turn &&
		    class_is_live(cells, entry->cells[i].peer >> 1))
			return false;
	}
	*ret_more = more;
	return true;
}

static int add_cell(struct fw_cells *cells, struct fw_cells_plan *plan,
		    struct fw_subject_entry *entry, uint32_t peer, struct fw_slice *slice)
{
	struct fw_cell_key key = {.subject = entry->id, .peer = peer};
	struct fw_cell cell = {.first = slice->first, .count = slice->key.count};
	int r = fw_row_set_add(&plan->cells, &key, &cell);

	if (r < 0)
		return r;
	entry->cells[entry->count++] = (struct fw_cell_ref){.peer = peer, .slice = slice};
	slice->refs++;
	cells->used++;
	return 0;
}

/* Appends the cells that the entry does not have; after compatible() or for a new entry. */
static int add_cells(struct fw_cells *cells, struct fw_cells_plan *plan, uint32_t index,
		     struct fw_subject_entry *entry, uint32_t more)
{
	bool all = !entry->count;
	struct fw_cell_ref *grown;
	int r = 0;

	if (entry->count + more > entry->size) {
		grown = realloc(entry->cells, (entry->count + more) * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		entry->cells = grown;
		entry->size = entry->count + more;
	}
	for (uint32_t i = plan->first_cell[index]; r == 0 && i < plan->first_cell[index + 1]; i++) {
		const struct fw_cell_row *cell = &plan->tables->cells[i];
		uint32_t peer = peer_of(plan, cell);

		if (all || cells->scratch_mark[peer] != cells->scratch_turn + 1)
			r = add_cell(cells, plan, entry, peer, plan->slice[cell->program]);
	}
	return r;
}

static int new_entry(struct fw_cells *cells, const struct fw_digest *digest,
		     struct fw_subject_entry **ret_entry)
{
	struct fw_subject_entry *entry = calloc(1, sizeof(*entry));
	struct fw_id *id;
	int r;

	if (!entry)
		return -ENOMEM;
	r = fw_ids_new(&cells->subjects, digest, &id);
	if (r < 0) {
		free(entry);
		return r;
	}
	entry->id = id->id;
	entry->digest = *digest;
	entry->next = cells->entries;
	cells->entries = entry;
	*ret_entry = entry;
	return 0;
}

static struct fw_subject_entry *entry_of(const struct fw_cells *cells,
					 const struct fw_digest *digest)
{
	for (struct fw_subject_entry *entry = cells->entries; entry; entry = entry->next) {
		if (entry->current && entry->digest.a == digest->a && entry->digest.b == digest->b)
			return entry;
	}
	return NULL;
}

static int take(struct fw_cells *cells, struct fw_cells_plan *plan, uint32_t index,
		struct fw_subject_entry *entry, const struct fw_subject *row, uint32_t more)
{
	struct fw_subject wanted = *row;
	int r;

	wanted.flags |=
		entry->row.flags; /* only ever grows: a direction without cells costs a miss */
	if (!entry->current || wanted.flags != entry->row.flags) {
		r = fw_row_set_add(&plan->rows, &entry->id, &wanted);
		if (r < 0)
			return r;
	}
	entry->row = wanted;
	entry->current = true;
	entry->stamp = cells->stamp;
	entry->isolated[0] = plan->tables->subjects[index].isolated[0];
	entry->isolated[1] = plan->tables->subjects[index].isolated[1];
	free(entry->label);
	entry->label = strdup(plan->tables->subjects[index].label);
	plan->subject[index] = entry;
	return entry->label ? add_cells(cells, plan, index, entry, more) : -ENOMEM;
}

/* -ENOSPC when it does not fit. */
static int plan_whole(struct fw_cells *cells, struct fw_cells_plan *plan, uint32_t index)
{
	const struct fw_digest *digest = &plan->tables->subjects[index].digest;
	uint32_t count = plan->first_cell[index + 1] - plan->first_cell[index], more = count;
	struct fw_subject_entry *entry, *old;
	struct fw_slice *slice;
	struct fw_subject row;
	int r = row_of(cells, plan, index, &row);

	for (uint32_t i = 0; r == 0 && i < count; i++)
		r = slice_of(cells, plan, index,
			     plan->tables->cells[plan->first_cell[index] + i].program, &slice);
	if (r < 0)
		return r;
	entry = old = entry_of(cells, digest);
	if (entry && !compatible(cells, plan, index, entry, &row, &more)) {
		entry = NULL;
		more = count;
	}
	if (more > cells->capacity - cells->used)
		return does_not_fit(plan, index, "cells", (uint64_t)cells->used + more,
				    cells->capacity);
	if (!entry) {
		r = new_entry(cells, digest, &entry);
		if (r == -ENOSPC)
			return does_not_fit(plan, index, "subjects", cells->subjects.used + 1u,
					    cells->subjects.limit - cells->subjects.first);
		if (r < 0)
			return r;
		if (old)
			old->current = false;
	}
	return take(cells, plan, index, entry, &row, more);
}

int fw_cells_plan_subject(struct fw_cells *cells, struct fw_cells_plan *plan, uint32_t index)
{
	int r = plan_whole(cells, plan, index);

	if (r != -ENOSPC)
		return r;
	if (!plan->locked[index][0])
		(void)does_not_fit(plan, index, "decisions", 1, 0);
	forget_slices(cells, plan, index);
	return 0;
}
