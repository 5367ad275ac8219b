/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subjects, their cells, and the slices that cells refer to: what the maps hold, and what is to be
 * written. In: compiled tables, and which subjects are needed. Out: rows to add before the flip,
 * rows to remove after it. A subject row is immutable for those that use it: a changed policy is a
 * new row with all its cells. Cells are added to a row in use only for classes that no address has
 * yet, and taken away only for classes that none has.
 */
#ifndef FW_APPLY_CELLS_H
#define FW_APPLY_CELLS_H

#include "apply/ids.h"
#include "apply/names.h"
#include "apply/rows.h"
#include "apply/slices.h"
#include "loader/loader.h"

struct fw_cell_ref {
	uint32_t peer; /* class id << 1 | direction */
	struct fw_slice *slice;
};

/* One row of fw_subjects and its cells. */
struct fw_subject_entry {
	uint32_t id;
	struct fw_digest digest;
	struct fw_subject row;
	bool current; /* the one to use for its digest */
	bool adopted; /* read back, and an endpoint had it: as if the apply before had needed it */
	uint64_t stamp; /* of the last apply that needed it */
	struct fw_cell_ref *cells;
	uint32_t count, size;
	char *label;	  /* NULL: adopted, not told yet */
	bool isolated[2]; /* as the compiler said */
	struct fw_subject_entry *next;
};

struct fw_cells {
	struct fw_datapath *datapath; /* borrowed */
	struct fw_names *names;	      /* borrowed */
	struct fw_ids classes, subjects;
	struct fw_slices slices;
	struct fw_subject_entry *entries; /* list */
	uint32_t used;			  /* rows of fw_cells */
	uint32_t capacity;
	uint64_t stamp;	  /* of the tables that the maps hold or are to hold */
	uint64_t applied; /* the stamp before */
	/* scratch: what the subject at hand has, by peer */
	struct fw_slice **scratch;
	uint32_t *scratch_mark, scratch_size, scratch_turn;
};

/* What one apply does to them; indexes are those of the tables. */
struct fw_cells_plan {
	const struct fw_tables *tables;
	uint32_t *class_id;		   /* by class */
	struct fw_slice **slice;	   /* by program, NULL: not asked for yet */
	uint32_t *first_cell;		   /* by subject, one more at the end */
	struct fw_subject_entry **subject; /* by subject, NULL: not needed, or it does not fit */
	char (*locked)[160];		   /* by subject: why it does not fit, "" when it does */
	struct fw_row_set rows;		   /* new rows of fw_subjects */
	struct fw_row_set cells;	   /* new rows of fw_cells */
};

int fw_cells_init(struct fw_cells *cells, struct fw_datapath *datapath, struct fw_names *names);
void fw_cells_done(struct fw_cells *cells);
/* Forgets entries and slices, keeps the ids: before fw_slices_init() and fw_cells_adopt(). */
void fw_cells_forget(struct fw_cells *cells);
/*
 * Reads back what the maps hold. Before: ids have what the log knows. `in_use`: bitmap of subject
 * ids that endpoints have. Classes that live rows refer to are told by fw_cells_adopt_class().
 */
int fw_cells_adopt(struct fw_cells *cells, const bool *in_use, struct fw_err *err);
int fw_cells_adopt_class(struct fw_cells *cells, uint32_t id);

/* Ids for every class of the tables. Begins a new stamp. */
int fw_cells_begin(struct fw_cells *cells, const struct fw_tables *tables,
		   struct fw_cells_plan *plan);
/* Plans one subject of the tables: it fits, or plan->locked says why not. -ENOMEM. */
int fw_cells_plan_subject(struct fw_cells *cells, struct fw_cells_plan *plan, uint32_t index);
void fw_cells_plan_done(struct fw_cells_plan *plan);
/* Writes what the plan adds; nothing refers to it yet. */
int fw_cells_write(struct fw_cells *cells, struct fw_cells_plan *plan, struct fw_err *err);
/* After the grace period: removes what nothing refers to any more. */
int fw_cells_collect(struct fw_cells *cells, uint64_t *ret_removed, struct fw_err *err);
const struct fw_subject_entry *fw_cells_subject(const struct fw_cells *cells, uint32_t id);

#endif
