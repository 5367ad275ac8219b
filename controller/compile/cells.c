/* SPDX-License-Identifier: Apache-2.0 */
/*
 * (subject, direction, class) to verdict program. In: prepared sides, live classes. Out: each
 * side's cells, sorted by class, where something differs from its default. A class meets a side as
 * a bit mask: which of its flat rules name a peer that the class holds. Equal masks have equal
 * programs. An old side looks at new classes only.
 */
#include <string.h>

#include "compile/stages.h"

/* More new classes than this part of all: sides are built whole, through the index. */
#define WHOLE_PART 4

static bool holds(const struct fw_span *spans, size_t count, uint32_t key)
{
	for (size_t i = 0; i < count; i++) {
		if (spans[i].lo <= key && key <= spans[i].hi)
			return true;
	}
	return false;
}

/* Edge cases 14 and 15: the numbers behind egress port names are the peer's own. */
static bool holds_named(const struct fw_compiler *compiler, const struct fw_flat *flat,
			const struct fw_peer_class *class, uint32_t key)
{
	for (size_t i = 0; i < flat->source->name_count; i++) {
		uint32_t id = flat->source->names[i];
		uint16_t port = fw_idset_port(class->pods, id);

		if (port &&
		    key == FW_RANGE_KEY(compiler->terms.portnames.items[id]->protocol, port))
			return true;
	}
	return false;
}

static bool flat_holds(const struct fw_compiler *compiler, const struct fw_flat *flat,
		       const struct fw_peer_class *class, uint32_t key)
{
	if (flat->named)
		return holds_named(compiler, flat, class, key);
	if (flat->spans)
		return holds(flat->spans, flat->span_count, key);
	return holds(flat->source->spans, flat->source->span_count, key);
}

static int add_edge(struct fw_compiler *compiler, uint32_t lo, uint32_t hi)
{
	int r = FW_ROOM(&compiler->edges, 2);

	if (r)
		return r;
	compiler->edges.items[compiler->edges.count++] = lo;
	compiler->edges.items[compiler->edges.count++] = hi + 1;
	return 0;
}

static int add_edges(struct fw_compiler *compiler, const struct fw_flat *flat,
		     const struct fw_peer_class *class)
{
	const struct fw_span *spans = flat->spans ? flat->spans : flat->source->spans;
	size_t count = flat->spans ? flat->span_count : flat->source->span_count;
	int r = 0;

	for (size_t i = 0; !r && !flat->named && i < count; i++)
		r = add_edge(compiler, spans[i].lo, spans[i].hi);
	for (size_t i = 0; !r && flat->named && i < flat->source->name_count; i++) {
		uint32_t id = flat->source->names[i];
		uint16_t port = fw_idset_port(class->pods, id);
		uint32_t key = FW_RANGE_KEY(compiler->terms.portnames.items[id]->protocol, port);

		if (port)
			r = add_edge(compiler, key, key);
	}
	return r;
}

static int compare_edges(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	return a < b ? -1 : a > b;
}

static bool has_bit(const uint64_t *mask, size_t i)
{
	return mask[i / 64] >> i % 64 & 1;
}

static int gather_edges(struct fw_compiler *compiler, const struct fw_side *side,
			const uint64_t *mask, const struct fw_peer_class *class)
{
	size_t unique = 0;
	uint32_t *edges;
	int r = 0;

	compiler->edges.count = 0;
	for (size_t i = 0; !r && i < side->flats.count; i++) {
		if (has_bit(mask, i))
			r = add_edges(compiler, &side->flats.items[i], class);
	}
	edges = compiler->edges.items;
	if (compiler->edges.count)
		qsort(edges, compiler->edges.count, sizeof(*edges), compare_edges);
	for (size_t i = 0; i < compiler->edges.count; i++) {
		if (!unique || edges[unique - 1] != edges[i])
			edges[unique++] = edges[i];
	}
	compiler->edges.count = unique;
	return r;
}

/* The first rule of each part that holds the key. */
static void find_rules(const struct fw_compiler *compiler, const struct fw_side *side,
		       const uint64_t *mask, const struct fw_peer_class *class, uint32_t key,
		       struct fw_part *parts)
{
	for (size_t i = 0; i < side->parts.count; i++)
		parts[i].rule = -1;
	for (size_t i = 0; i < side->flats.count; i++) {
		const struct fw_flat *flat = &side->flats.items[i];
		struct fw_part *part = &parts[flat->part];

		if (!has_bit(mask, i) || (part->rule >= 0 && part->rule <= flat->rule) ||
		    !flat_holds(compiler, flat, class, key))
			continue;
		part->rule = flat->rule;
		part->action = flat->source->action;
	}
}

static int prepare_parts(struct fw_compiler *compiler, const struct fw_side *side)
{
	size_t count = side->parts.count;
	int r;

	compiler->scratch_parts.count = compiler->scratch_alone.count = 0;
	r = FW_ROOM(&compiler->scratch_parts, count + 1);
	if (!r)
		r = FW_ROOM(&compiler->scratch_alone, count + 1);
	if (!r && count)
		memcpy(compiler->scratch_parts.items, side->parts.items,
		       count * sizeof(*side->parts.items));
	return r;
}

static int decide(struct fw_compiler *compiler, const struct fw_side *side,
		  struct fw_decision **ret_decision)
{
	struct fw_evaluation evaluation;

	(void)fw_layers_evaluate(compiler->scratch_parts.items, side->parts.count, &evaluation,
				 compiler->scratch_alone.items);
	return fw_decision_intern(compiler, side, &evaluation, compiler->scratch_alone.items,
				  ret_decision);
}

int fw_side_default(struct fw_compiler *compiler, struct fw_side *side)
{
	int r = prepare_parts(compiler, side);

	return r ? r : decide(compiler, side, &side->otherwise);
}

/* Adds [lo, hi], or makes the last span longer. Takes the reference. */
static int add_span(struct fw_compiler *compiler, const struct fw_side *side, uint32_t lo,
		    uint32_t hi, struct fw_decision *decision)
{
	struct fw_program_span *last = compiler->scratch_spans.items;
	size_t count = compiler->scratch_spans.count;
	int r;

	if (decision == side->otherwise) {
		fw_decision_drop(compiler, decision);
		return 0;
	}
	if (count && last[count - 1].decision == decision && last[count - 1].hi + 1 == lo) {
		last[count - 1].hi = hi;
		fw_decision_drop(compiler, decision);
		return 0;
	}
	r = FW_ROOM(&compiler->scratch_spans, 1);
	if (r)
		return r;
	compiler->scratch_spans.items[compiler->scratch_spans.count++] =
		(struct fw_program_span){.lo = lo, .hi = hi, .decision = decision};
	return 0;
}

/* *ret_program stays NULL when everything is as the side's default says. */
static int build(struct fw_compiler *compiler, const struct fw_side *side, const uint64_t *mask,
		 const struct fw_peer_class *class, struct fw_program **ret_program)
{
	int r = prepare_parts(compiler, side);

	if (!r)
		r = gather_edges(compiler, side, mask, class);
	compiler->scratch_spans.count = 0;
	for (size_t i = 0; !r && i + 1 < compiler->edges.count; i++) {
		uint32_t lo = compiler->edges.items[i], hi = compiler->edges.items[i + 1] - 1;
		struct fw_decision *decision;

		find_rules(compiler, side, mask, class, lo, compiler->scratch_parts.items);
		r = decide(compiler, side, &decision);
		if (!r)
			r = add_span(compiler, side, lo, hi, decision);
	}
	if (r || !compiler->scratch_spans.count)
		return r;
	return fw_program_intern(compiler, compiler->scratch_spans.items,
				 compiler->scratch_spans.count, ret_program);
}

struct mask_key {
	const uint64_t *mask;
	size_t words;
};

static bool is_memo(const void *item, const void *wanted)
{
	const struct mask_key *key = wanted;

	return !memcmp(((const struct fw_memo *)item)->mask, key->mask, key->words * 8);
}

static bool meets(const uint64_t *a, const uint64_t *b, size_t words)
{
	for (size_t i = 0; i < words; i++) {
		if (a[i] & b[i])
			return true;
	}
	return false;
}

/* A new reference in *ret_program, or NULL. */
static int program_of(struct fw_compiler *compiler, struct fw_side *side, const uint64_t *mask,
		      const struct fw_peer_class *class, struct fw_program **ret_program)
{
	struct mask_key key = {.mask = mask, .words = side->words};
	uint64_t hash = fw_hash_bytes(5, mask, side->words * 8);
	struct fw_memo *memo;
	int r;

	*ret_program = NULL;
	if (meets(mask, side->named_mask, side->words)) /* depends on the class's numbers, too */
		return build(compiler, side, mask, class, ret_program);
	memo = fw_htab_find(&side->memo, hash, is_memo, &key);
	if (!memo) {
		memo = calloc(1, sizeof(*memo) + side->words * 8);
		if (!memo)
			return -ENOMEM;
		memcpy(memo->mask, mask, side->words * 8);
		r = build(compiler, side, mask, class, &memo->program);
		if (!r)
			r = fw_htab_add(&side->memo, hash, memo);
		if (r) {
			free(memo);
			return r;
		}
	}
	if (memo->program)
		memo->program->refs++;
	*ret_program = memo->program;
	return 0;
}

/* Appends the cell of a class, unless the default says the same. */
static int add_cell(struct fw_compiler *compiler, struct fw_side *side, struct fw_side_cell **at,
		    const uint64_t *mask, struct fw_peer_class *class)
{
	struct fw_program *program;
	int r = program_of(compiler, side, mask, class, &program);

	if (r || !program)
		return r;
	**at = (struct fw_side_cell){.class = class, .program = program};
	(*at)++;
	return 0;
}

static void or_use(const struct fw_side *side, uint32_t term, size_t *next, uint64_t *mask)
{
	while (*next < side->uses.count && side->uses.items[*next].term < term)
		(*next)++;
	for (size_t i = *next; i < side->uses.count && side->uses.items[i].term == term; i++)
		mask[side->uses.items[i].flat / 64] |= 1ULL << side->uses.items[i].flat % 64;
}

static void or_set(const struct fw_side *side, const struct fw_idset *set, uint64_t *mask)
{
	size_t next = 0;

	for (uint32_t i = 0; set && i < set->count && next < side->uses.count; i++)
		or_use(side, set->ids[i], &next, mask);
}

/* Which flat rules name a peer that the class holds; true when any does. */
static bool make_mask(const struct fw_side *side, const struct fw_peer_class *class, uint64_t *mask)
{
	bool any = false;

	memcpy(mask, side->any_mask, side->words * 8);
	for (size_t i = 0; class->pods && i < side->words; i++)
		mask[i] |= side->any_pod_mask[i];
	or_set(side, class->pods, mask);
	or_set(side, class->blocks, mask);
	for (size_t i = 0; i < side->words; i++)
		any |= mask[i];
	return any;
}

static int make_index(struct fw_compiler *compiler)
{
	size_t terms = compiler->terms.by_id.count, total = 0;
	uint32_t *first;
	int r;

	if (compiler->index_made == compiler->now)
		return 0;
	compiler->index_first.count = compiler->index_ranks.count = 0;
	r = FW_ROOM(&compiler->index_first, terms + 2);
	if (r)
		return r;
	first = compiler->index_first.items;
	memset(first, 0, (terms + 2) * sizeof(*first));
	for (int fill = 0; fill < 2; fill++) {
		for (size_t i = 0; i < compiler->classes.count; i++) {
			const struct fw_peer_class *class = compiler->classes.items[i];
			const struct fw_idset *sets[2] = {class->pods, class->blocks};

			for (int k = 0; k < 2; k++) {
				for (uint32_t n = 0; sets[k] && n < sets[k]->count; n++) {
					if (fill)
						compiler->index_ranks
							.items[first[sets[k]->ids[n] + 1]++] =
							class->rank;
					else
						first[sets[k]->ids[n] + 2]++;
				}
			}
		}
		if (fill)
			break;
		for (size_t i = 2; i < terms + 2; i++)
			first[i] += first[i - 1];
		total = first[terms + 1];
		r = FW_ROOM(&compiler->index_ranks, total + 1);
		if (r)
			return r;
	}
	compiler->index_made = compiler->now;
	return 0;
}

static int compare_ranks(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	return a < b ? -1 : a > b;
}

/* Classes that some term of the side holds, in touched; their masks without the rules for
 * everybody. */
static int touch(struct fw_compiler *compiler, const struct fw_side *side)
{
	size_t words = side->words, unique = 0;
	uint64_t *masks;
	int r = 0;

	compiler->masks.count = compiler->touched.count = 0;
	r = FW_ROOM(&compiler->masks, compiler->classes.count * words);
	if (r)
		return r;
	masks = compiler->masks.items;
	for (int pass = 0; pass < 2; pass++) {
		for (size_t u = 0; u < side->uses.count; u++) {
			const struct fw_use *use = &side->uses.items[u];
			uint32_t from = compiler->index_first.items[use->term];
			uint32_t to = compiler->index_first.items[use->term + 1];

			r = pass ? 0 : FW_ROOM(&compiler->touched, to - from);
			for (uint32_t i = from; !r && i < to; i++) {
				uint32_t rank = compiler->index_ranks.items[i];

				if (pass) {
					masks[rank * words + use->flat / 64] |= 1ULL
										<< use->flat % 64;
					continue;
				}
				memset(&masks[rank * words], 0, words * 8);
				compiler->touched.items[compiler->touched.count++] = rank;
			}
			if (r)
				return r;
		}
	}
	if (compiler->touched.count)
		qsort(compiler->touched.items, compiler->touched.count, sizeof(uint32_t),
		      compare_ranks);
	for (size_t i = 0; i < compiler->touched.count; i++) {
		if (!unique || compiler->touched.items[unique - 1] != compiler->touched.items[i])
			compiler->touched.items[unique++] = compiler->touched.items[i];
	}
	compiler->touched.count = unique;
	return 0;
}

/* Cells for all classes. */
static int build_whole(struct fw_compiler *compiler, struct fw_side *side)
{
	bool everybody = meets(side->any_mask, side->any_mask, side->words);
	bool all_pods = meets(side->any_pod_mask, side->any_pod_mask, side->words);
	size_t next = 0, words = side->words, step;
	struct fw_side_cell *at;
	int r = make_index(compiler);

	fw_cells_drop(compiler, side);
	if (!r)
		r = touch(compiler, side);
	step = everybody || all_pods ? compiler->classes.count : compiler->touched.count;
	if (!r)
		r = FW_ROOM(&side->cells, step + 1);
	if (!r)
		r = FW_ROOM(&compiler->masks, compiler->classes.count * words + words);
	at = side->cells.items;
	for (size_t i = 0; !r && i < step; i++) {
		size_t rank = step == compiler->touched.count ? compiler->touched.items[i] : i;
		struct fw_peer_class *class = compiler->classes.items[rank];
		uint64_t *mask = &compiler->masks.items[rank * words];

		while (next < compiler->touched.count && compiler->touched.items[next] < rank)
			next++;
		if (next >= compiler->touched.count || compiler->touched.items[next] != rank)
			memset(mask, 0, words * 8);
		for (size_t k = 0; k < words; k++)
			mask[k] |= side->any_mask[k] | (class->pods ? side->any_pod_mask[k] : 0);
		if (meets(mask, mask, words))
			r = add_cell(compiler, side, &at, mask, class);
		side->cells.count = (size_t)(at - side->cells.items);
	}
	return r;
}

/* Cells of the fresh classes, sorted, in scratch_cells. */
static int build_fresh(struct fw_compiler *compiler, struct fw_side *side)
{
	struct fw_side_cell *at;
	int r;

	compiler->scratch_cells.count = compiler->masks.count = 0;
	r = FW_ROOM(&compiler->scratch_cells, compiler->fresh_classes.count + 1);
	if (!r)
		r = FW_ROOM(&compiler->masks, side->words + 1);
	at = compiler->scratch_cells.items;
	for (size_t i = 0; !r && i < compiler->fresh_classes.count; i++) {
		struct fw_peer_class *class = compiler->fresh_classes.items[i];

		if (!class->dead && make_mask(side, class, compiler->masks.items))
			r = add_cell(compiler, side, &at, compiler->masks.items, class);
		compiler->scratch_cells.count = (size_t)(at - compiler->scratch_cells.items);
	}
	return r;
}

/* Cells of dead classes go, those of fresh ones come. Ranks are this compile's. */
static int adjust(struct fw_compiler *compiler, struct fw_side *side)
{
	struct fw_side_cell *cells, *fresh;
	size_t kept = 0, left;
	int r = build_fresh(compiler, side);

	if (!r)
		r = FW_ROOM(&side->cells, compiler->scratch_cells.count);
	if (r)
		return r;
	cells = side->cells.items;
	fresh = compiler->scratch_cells.items;
	left = compiler->scratch_cells.count;
	if (compiler->dead_classes.count) {
		for (size_t i = 0; i < side->cells.count; i++) {
			if (cells[i].class->dead)
				fw_program_drop(compiler, cells[i].program);
			else
				cells[kept++] = cells[i];
		}
		side->cells.count = kept;
	}
	kept = side->cells.count;
	side->cells.count += left;
	for (size_t at = kept + left; left; at--) {
		if (kept && cells[kept - 1].class->rank > fresh[left - 1].class->rank)
			cells[at - 1] = cells[--kept];
		else
			cells[at - 1] = fresh[--left];
	}
	return 0;
}

int fw_stage_cells(struct fw_compiler *compiler)
{
	bool whole = compiler->fresh_classes.count * WHOLE_PART > compiler->classes.count;
	bool any = compiler->fresh_classes.count || compiler->dead_classes.count;
	int r = 0;

	for (size_t i = 0; !r && i < compiler->subject_order.count; i++) {
		struct fw_policy_subject *subject = compiler->subject_order.items[i];

		for (int direction = 0; !r && direction < 2; direction++) {
			struct fw_side *side = &subject->sides[direction];

			if (!side->flats.count)
				continue;
			if (subject->fresh || whole)
				r = build_whole(compiler, side);
			else if (any)
				r = adjust(compiler, side);
		}
		subject->fresh = false;
	}
	return r;
}

/* All cells and what was remembered for them. */
void fw_cells_drop(struct fw_compiler *compiler, struct fw_side *side)
{
	for (size_t i = 0; i < side->cells.count; i++)
		fw_program_drop(compiler, side->cells.items[i].program);
	side->cells.count = 0;
	for (size_t i = 0; i < side->memo.cap; i++) {
		struct fw_memo *memo = side->memo.slots[i].item;

		if (!memo)
			continue;
		fw_program_drop(compiler, memo->program);
		free(memo);
	}
	fw_htab_done(&side->memo);
}
