/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slices of fw_ranges: interned, immutable, shared by content. In: the ranges of one verdict
 * program. Out: rows of the mapped table. A slice is written before anything refers to it and not
 * changed until nothing does.
 */
#ifndef FW_APPLY_SLICES_H
#define FW_APPLY_SLICES_H

#include <uthash.h>

#include "compile/tables.h"
#include "fw/abi.h"

struct fw_slice_key {
	uint64_t a, b; /* of the content */
	uint32_t count;
	uint32_t reserved;
};

struct fw_slice {
	struct fw_slice_key key;
	uint32_t first;
	uint32_t refs;		 /* cells */
	UT_hash_handle hh;	 /* by content */
	UT_hash_handle by_first; /* by first row */
};

struct fw_extent {
	uint32_t first, count;
};

struct fw_slices {
	struct fw_range *rows; /* borrowed: the mapped table */
	uint32_t capacity;
	uint32_t used;
	struct fw_slice *by_content, *by_first;
	struct fw_extent *free; /* ascending, never adjacent */
	uint32_t free_count, free_size;
};

int fw_slices_init(struct fw_slices *slices, struct fw_range *rows, uint32_t capacity);
void fw_slices_done(struct fw_slices *slices);
/*
 * The slice of this content, written to the table when it is new (`refs` stays as it is: 0 for a
 * new one). -E2BIG: more than FW_RANGES_PER_CELL; -ENOSPC: no room in one piece.
 */
int fw_slices_get(struct fw_slices *slices, const struct fw_range *content, uint32_t count,
		  struct fw_slice **ret_slice);
/* A slice that a cell in the map refers to. -ERANGE when it lies outside or across another. */
int fw_slices_adopt(struct fw_slices *slices, uint32_t first, uint32_t count,
		    struct fw_slice **ret_slice);
/* Takes one reference away; the last one frees the rows. For after the grace period. */
void fw_slices_unref(struct fw_slices *slices, struct fw_slice *slice);
/* Frees the slices that nothing refers to. */
void fw_slices_trim(struct fw_slices *slices);

#endif
