/* SPDX-License-Identifier: Apache-2.0 */
/*
 * (subject, direction, class) to verdict program. In: prepared sides, live classes. Out: each
 * side's cells, sorted by class, where something differs from its default. A class meets a side as
 * a bit mask: which of its flat rules name a peer that the class holds. An old side meets the new
 * classes only. Cost: the pairs that meet, not all pairs.
 */
#include <string.h>

#include "compile/stages.h"

#define MEMO_SPARE 64

struct cells {
	struct fw_side_cell *items;
	size_t count;
};

static void count_terms(const struct fw_class_index *index, uint32_t *first)
{
	for (size_t i = 0; i < index->count; i++) {
		const struct fw_idset *sets[2] = {index->classes[i]->pods,
						  index->classes[i]->blocks};

		for (int k = 0; k < 2; k++) {
			for (uint32_t n = 0; sets[k] && n < sets[k]->count; n++)
				first[sets[k]->ids[n] + 2]++;
		}
	}
}

/* first[term + 1] moves from the beginning of the term's part to its end. */
static void place_terms(struct fw_class_index *index, uint32_t *first)
{
	for (size_t i = 0; i < index->count; i++) {
		const struct fw_idset *sets[2] = {index->classes[i]->pods,
						  index->classes[i]->blocks};

		for (int k = 0; k < 2; k++) {
			for (uint32_t n = 0; sets[k] && n < sets[k]->count; n++)
				index->at.items[first[sets[k]->ids[n] + 1]++] = (uint32_t)i;
		}
	}
}

static int make_index(struct fw_compiler *compiler, struct fw_class_index *index,
		      struct fw_peer_class *const *classes, size_t count)
{
	size_t terms = compiler->terms.by_id.count;
	int r;

	if (index->made == compiler->now)
		return 0;
	index->classes = classes;
	index->count = count;
	r = FW_ROOM(&index->first, terms + 2);
	if (r)
		return r;
	memset(index->first.items, 0, (terms + 2) * sizeof(uint32_t));
	count_terms(index, index->first.items);
	for (size_t i = 2; i < terms + 2; i++)
		index->first.items[i] += index->first.items[i - 1];
	r = FW_ROOM(&index->at, index->first.items[terms + 1] + 1u);
	if (r)
		return r;
	place_terms(index, index->first.items);
	index->made = compiler->now;
	return 0;
}

static int compare_positions(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	return a < b ? -1 : a > b;
}

/* Positions of the classes that some term of the side holds: sorted, with empty masks. */
static int touch(struct fw_compiler *compiler, const struct fw_side *side,
		 const struct fw_class_index *index)
{
	size_t words = side->words, unique = 0;
	uint32_t *touched;

	compiler->touched.count = 0;
	for (size_t u = 0; u < side->uses.count; u++) {
		uint32_t from = index->first.items[side->uses.items[u].term];
		uint32_t to = index->first.items[side->uses.items[u].term + 1];
		int r = FW_ROOM(&compiler->touched, to - from);

		if (r)
			return r;
		if (to > from)
			memcpy(compiler->touched.items + compiler->touched.count,
			       index->at.items + from, (to - from) * sizeof(uint32_t));
		compiler->touched.count += to - from;
	}
	touched = compiler->touched.items;
	if (compiler->touched.count)
		qsort(touched, compiler->touched.count, sizeof(*touched), compare_positions);
	for (size_t i = 0; i < compiler->touched.count; i++) {
		if (unique && touched[unique - 1] == touched[i])
			continue;
		touched[unique++] = touched[i];
		memset(&compiler->masks.items[touched[i] * words], 0, words * 8);
	}
	compiler->touched.count = unique;
	return 0;
}

/* Sets the bits of the rules in the masks of the classes that hold their terms. */
static void set_bits(struct fw_compiler *compiler, const struct fw_side *side,
		     const struct fw_class_index *index)
{
	for (size_t u = 0; u < side->uses.count; u++) {
		const struct fw_use *use = &side->uses.items[u];
		uint32_t to = index->first.items[use->term + 1];

		for (uint32_t i = index->first.items[use->term]; i < to; i++) {
			uint64_t *mask = &compiler->masks.items[index->at.items[i] * side->words];

			mask[use->flat / 64] |= 1ULL << use->flat % 64;
		}
	}
}

/* The cell of one class, unless the side's default says the same. */
static int add_cell(struct fw_compiler *compiler, struct fw_side *side, uint64_t *mask,
		    struct fw_peer_class *class, struct cells *cells)
{
	struct fw_program *program;
	int r;

	for (size_t k = 0; k < side->words; k++)
		mask[k] |= side->any_mask[k] | (class->pods ? side->any_pod_mask[k] : 0);
	if (class->dead || !fw_masks_meet(mask, mask, side->words))
		return 0;
	r = fw_side_program(compiler, side, mask, class, &program);
	if (!r && program)
		cells->items[cells->count++] =
			(struct fw_side_cell){.class = class, .program = program};
	return r;
}

/* Cells of all classes of the index, in scratch_cells, in their order. */
static int meet(struct fw_compiler *compiler, struct fw_side *side,
		const struct fw_class_index *index)
{
	bool everybody = fw_masks_meet(side->any_mask, side->any_mask, side->words) ||
			 fw_masks_meet(side->any_pod_mask, side->any_pod_mask, side->words);
	struct cells cells = {0};
	size_t next = 0, steps;
	int r;

	compiler->masks.count = compiler->scratch_cells.count = 0;
	r = FW_ROOM(&compiler->masks, (index->count + 1) * side->words);
	if (!r)
		r = touch(compiler, side, index);
	steps = everybody ? index->count : compiler->touched.count;
	if (!r)
		r = FW_ROOM(&compiler->scratch_cells, steps + 1);
	if (r)
		return r;
	set_bits(compiler, side, index);
	cells.items = compiler->scratch_cells.items;
	for (size_t i = 0; !r && i < steps; i++) {
		size_t at = everybody ? i : compiler->touched.items[i];
		uint64_t *mask = &compiler->masks.items[at * side->words];

		while (next < compiler->touched.count && compiler->touched.items[next] < at)
			next++;
		if (next >= compiler->touched.count || compiler->touched.items[next] != at)
			memset(mask, 0, side->words * 8);
		r = add_cell(compiler, side, mask, index->classes[at], &cells);
	}
	compiler->scratch_cells.count = cells.count;
	return r;
}

static void drop_dead(struct fw_compiler *compiler, struct fw_side *side)
{
	size_t kept = 0;

	for (size_t i = 0; i < side->cells.count; i++) {
		if (side->cells.items[i].class->dead)
			fw_program_drop(compiler, side->cells.items[i].program);
		else
			side->cells.items[kept++] = side->cells.items[i];
	}
	side->cells.count = kept;
}

/* Puts scratch_cells between the side's own, by rank. */
static int merge(struct fw_compiler *compiler, struct fw_side *side)
{
	const struct fw_side_cell *fresh = compiler->scratch_cells.items;
	size_t kept = side->cells.count, left = compiler->scratch_cells.count;
	struct fw_side_cell *cells;
	int r = FW_ROOM(&side->cells, left + 1);

	if (r)
		return r;
	cells = side->cells.items;
	side->cells.count = kept + left;
	for (size_t at = kept + left; left; at--) {
		if (kept && cells[kept - 1].class->rank > fresh[left - 1].class->rank)
			cells[at - 1] = cells[--kept];
		else
			cells[at - 1] = fresh[--left];
	}
	compiler->scratch_cells.count = 0;
	return 0;
}

static void forget_memo(struct fw_compiler *compiler, struct fw_side *side)
{
	for (size_t i = 0; i < side->memo.cap; i++) {
		struct fw_memo *memo = side->memo.slots[i].item;

		if (!memo)
			continue;
		fw_program_drop(compiler, memo->program);
		free(memo);
	}
	fw_htab_done(&side->memo);
}

static int update(struct fw_compiler *compiler, struct fw_side *side, bool fresh)
{
	struct fw_class_index *index = fresh ? &compiler->all_classes : &compiler->new_classes;
	int r;

	if (!side->flats.count)
		return 0;
	if (fresh)
		r = make_index(compiler, index, compiler->classes.items, compiler->classes.count);
	else
		r = make_index(compiler, index, compiler->fresh_classes.items,
			       compiler->fresh_classes.count);
	if (!r && !fresh && compiler->dead_classes.count)
		drop_dead(compiler, side);
	if (!r && index->count) {
		r = meet(compiler, side, index);
		if (!r)
			r = merge(compiler, side);
	}
	/* masks of classes that are no more: bounded by what there is */
	if (side->memo.used > MEMO_SPARE + 2 * side->cells.count)
		forget_memo(compiler, side);
	return r;
}

static void index_done(struct fw_class_index *index)
{
	FW_LIST_DONE(&index->first);
	FW_LIST_DONE(&index->at);
	index->made = 0;
}

void fw_cells_scratch_done(struct fw_compiler *compiler)
{
	index_done(&compiler->all_classes);
	index_done(&compiler->new_classes);
	FW_LIST_DONE(&compiler->masks);
	FW_LIST_DONE(&compiler->touched);
	FW_LIST_DONE(&compiler->scratch_cells);
}

int fw_stage_cells(struct fw_compiler *compiler)
{
	bool any = compiler->fresh_classes.count || compiler->dead_classes.count;
	int r = 0;

	for (size_t i = 0; !r && i < compiler->subject_order.count; i++) {
		struct fw_policy_subject *subject = compiler->subject_order.items[i];

		for (int direction = 0; !r && direction < 2; direction++) {
			if (subject->fresh || any)
				r = update(compiler, &subject->sides[direction], subject->fresh);
		}
		subject->fresh = false;
	}
	fw_cells_scratch_done(
		compiler); /* as much as there are classes and rules, and anew each time */
	return r;
}

void fw_cells_drop(struct fw_compiler *compiler, struct fw_side *side)
{
	for (size_t i = 0; i < side->cells.count; i++)
		fw_program_drop(compiler, side->cells.items[i].program);
	side->cells.count = 0;
	forget_memo(compiler, side);
}
