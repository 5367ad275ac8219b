// SPDX-License-Identifier: Apache-2.0
/*
 * The copy of subjects and cells in the maps: read back, written, collected. In: plans. Out: map
 * writes, all of them to rows that nothing refers to. Never decides what a subject means (plan.c).
 */
#include "apply/cells.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"

#define CLASSES_MAX 0x40000000u

int fw_cells_init(struct fw_cells *cells, struct fw_datapath *datapath, struct fw_names *names)
{
	*cells = (struct fw_cells){.datapath = datapath, .names = names, .stamp = 1, .applied = 1};
	cells->capacity = fw_datapath_capacity(datapath, FW_MAP_CELLS);
	fw_ids_init(&cells->classes, 'C', FW_CLASS_FIRST, CLASSES_MAX);
	/* row 0 is what an endpoint has that was never programmed */
	fw_ids_init(&cells->subjects, 'S', 1, fw_datapath_capacity(datapath, FW_MAP_SUBJECTS));
	return fw_slices_init(&cells->slices, fw_datapath_ranges(datapath),
			      fw_datapath_capacity(datapath, FW_MAP_RANGES));
}

static void free_entry(struct fw_subject_entry *entry)
{
	free(entry->cells);
	free(entry->label);
	free(entry);
}

void fw_cells_forget(struct fw_cells *cells)
{
	while (cells->entries) {
		struct fw_subject_entry *next = cells->entries->next;

		free_entry(cells->entries);
		cells->entries = next;
	}
	fw_slices_done(&cells->slices);
	cells->used = 0;
}

void fw_cells_done(struct fw_cells *cells)
{
	fw_cells_forget(cells);
	fw_ids_done(&cells->classes);
	fw_ids_done(&cells->subjects);
	free(cells->scratch);
	free(cells->scratch_mark);
	*cells = (struct fw_cells){0};
}

int fw_cells_adopt_class(struct fw_cells *cells, uint32_t id)
{
	struct fw_id *entry;
	int r;

	if (id < FW_CLASS_FIRST)
		return 0;
	r = fw_ids_adopt(&cells->classes, id, NULL);
	if (r < 0)
		return r;
	entry = fw_ids_by_id(&cells->classes, id);
	entry->stamp = cells->stamp;
	return 0;
}

static int adopt_subject(struct fw_cells *cells, uint32_t id, const bool *in_use,
			 struct fw_subject_entry **index)
{
	int fd = fw_datapath_map_fd(cells->datapath, FW_MAP_SUBJECTS), r;
	struct fw_subject_entry *entry;
	const struct fw_id *known;

	if (index[id])
		return 0;
	r = fw_ids_adopt(&cells->subjects, id, NULL);
	if (r < 0)
		return r;
	known = fw_ids_by_id(&cells->subjects, id);
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	index[id] = entry;
	entry->id = id;
	entry->next = cells->entries;
	cells->entries = entry;
	entry->digest = known->digest;
	entry->current = known->known && known->hashed && in_use[id];
	entry->adopted = in_use[id];
	return bpf_map_lookup_elem(fd, &id, &entry->row);
}

static int adopt_cell(struct fw_cells *cells, const struct fw_cell_key *key,
		      const struct fw_cell *cell, struct fw_subject_entry *entry)
{
	struct fw_cell_ref *grown;
	struct fw_slice *slice;
	int r = fw_slices_adopt(&cells->slices, cell->first, cell->count, &slice);

	if (r < 0)
		return r;
	if (entry->count == entry->size) {
		grown = realloc(entry->cells, (2 * entry->size + 8) * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		entry->cells = grown;
		entry->size = 2 * entry->size + 8;
	}
	entry->cells[entry->count++] = (struct fw_cell_ref){.peer = key->peer, .slice = slice};
	slice->refs++;
	cells->used++;
	return key->peer >> 1 < FW_CLASS_FIRST
		       ? 0
		       : fw_ids_adopt(&cells->classes, key->peer >> 1, NULL);
}

/* A cell that refers to rows that it cannot have is not kept: its subject is made anew. */
static int adopt_cells(struct fw_cells *cells, const struct fw_row_set *rows, const bool *in_use,
		       struct fw_subject_entry **index, struct fw_row_set *strange)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < rows->count; i++) {
		const struct fw_cell_key *key = fw_row_key(rows, i);
		const struct fw_cell *cell = fw_row_value(rows, i);

		if (!key->subject || key->subject >= cells->subjects.limit ||
		    key->peer >> 1 >= CLASSES_MAX) {
			r = fw_row_set_add(strange, key, cell);
			continue;
		}
		r = adopt_subject(cells, key->subject, in_use, index);
		if (r == 0)
			r = adopt_cell(cells, key, cell, index[key->subject]);
		if (r == -ERANGE) {
			index[key->subject]->current = false;
			r = fw_row_set_add(strange, key, cell);
		}
	}
	return r;
}

int fw_cells_adopt(struct fw_cells *cells, const bool *in_use, struct fw_err *err)
{
	_cleanup_(fw_row_set_done) struct fw_row_set rows, strange;
	_cleanup_free_ struct fw_subject_entry **index =
		calloc(cells->subjects.limit, sizeof(struct fw_subject_entry *));
	int fd = fw_datapath_map_fd(cells->datapath, FW_MAP_CELLS), r;

	fw_row_set_init(&rows, sizeof(struct fw_cell_key), sizeof(struct fw_cell));
	strange = rows;
	if (!index)
		return fw_err_errno(err, -ENOMEM, "fw_cells");
	r = fw_rows_read(fd, true, &rows, err);
	if (r < 0)
		return r;
	r = adopt_cells(cells, &rows, in_use, index, &strange);
	for (uint32_t id = 1; r == 0 && id < cells->subjects.limit; id++) {
		if (in_use[id] || fw_ids_by_id(&cells->subjects, id))
			r = adopt_subject(cells, id, in_use, index);
	}
	if (r < 0)
		return fw_err_errno(err, r, "adopting fw_cells");
	cells->applied = cells->stamp;
	return fw_rows_remove(fd, "fw_cells", &strange, err);
}

int fw_cells_write(struct fw_cells *cells, struct fw_cells_plan *plan, struct fw_err *err)
{
	int r = fw_rows_write(fw_datapath_map_fd(cells->datapath, FW_MAP_SUBJECTS), "fw_subjects",
			      &plan->rows, false, err);

	if (r < 0)
		return r;
	return fw_rows_write(fw_datapath_map_fd(cells->datapath, FW_MAP_CELLS), "fw_cells",
			     &plan->cells, false, err);
}

static bool is_live(const struct fw_cells *cells, const struct fw_subject_entry *entry,
		    uint32_t peer)
{
	const struct fw_id *entry_class = fw_ids_by_id(&cells->classes, peer >> 1);

	if (!entry->current || entry->stamp != cells->stamp)
		return false;
	return peer >> 1 < FW_CLASS_FIRST || (entry_class && entry_class->stamp == cells->stamp);
}

static int list_dead(const struct fw_cells *cells, struct fw_row_set *dead)
{
	int r = 0;

	for (const struct fw_subject_entry *entry = cells->entries; entry; entry = entry->next) {
		for (uint32_t i = 0; r == 0 && i < entry->count; i++) {
			struct fw_cell_key key = {entry->id, entry->cells[i].peer};
			struct fw_cell cell = {0};

			if (!is_live(cells, entry, key.peer))
				r = fw_row_set_add(dead, &key, &cell);
		}
	}
	return r;
}

/* The cells are out of the map: the copy follows. */
static void forget_dead(struct fw_cells *cells)
{
	struct fw_subject_entry **at = &cells->entries, *entry;

	while ((entry = *at)) {
		uint32_t kept = 0;

		for (uint32_t i = 0; i < entry->count; i++) {
			if (is_live(cells, entry, entry->cells[i].peer)) {
				entry->cells[kept++] = entry->cells[i];
				continue;
			}
			fw_slices_unref(&cells->slices, entry->cells[i].slice);
			cells->used--;
		}
		entry->count = kept;
		if (entry->current && entry->stamp == cells->stamp) {
			at = &entry->next;
			continue;
		}
		*at = entry->next;
		fw_ids_release(&cells->subjects, entry->id);
		free_entry(entry);
	}
	for (uint32_t id = cells->classes.first; id < cells->classes.next; id++) {
		const struct fw_id *known = fw_ids_by_id(&cells->classes, id);

		if (known && known->stamp != cells->stamp)
			fw_ids_release(&cells->classes, id);
	}
	fw_slices_trim(&cells->slices);
}

int fw_cells_collect(struct fw_cells *cells, uint64_t *ret_removed, struct fw_err *err)
{
	_cleanup_(fw_row_set_done) struct fw_row_set dead;
	int r;

	fw_row_set_init(&dead, sizeof(struct fw_cell_key), sizeof(struct fw_cell));
	r = list_dead(cells, &dead);
	if (r < 0)
		return fw_err_errno(err, r, "fw_cells");
	r = fw_rows_remove(fw_datapath_map_fd(cells->datapath, FW_MAP_CELLS), "fw_cells", &dead,
			   err);
	if (r < 0)
		return r;
	forget_dead(cells);
	*ret_removed += dead.count;
	return 0;
}

const struct fw_subject_entry *fw_cells_subject(const struct fw_cells *cells, uint32_t id)
{
	for (const struct fw_subject_entry *entry = cells->entries; entry; entry = entry->next) {
		if (entry->id == id)
			return entry;
	}
	return NULL;
}
