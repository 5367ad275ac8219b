/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mask of flat rules to a verdict program. In: a side, the rules whose peers a class holds, the
 * class's own port numbers. Out: the ranges of (protocol, port) in which something else than the
 * side's default is decided. Cuts the ports at every edge of every rule and walks the layers once
 * per piece.
 */
#include <string.h>

#include "compile/stages.h"

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

bool fw_masks_meet(const uint64_t *a, const uint64_t *b, size_t words)
{
	for (size_t i = 0; i < words; i++) {
		if (a[i] & b[i])
			return true;
	}
	return false;
}

int fw_side_program(struct fw_compiler *compiler, struct fw_side *side, const uint64_t *mask,
		    const struct fw_peer_class *class, struct fw_program **ret_program)
{
	struct mask_key key = {.mask = mask, .words = side->words};
	uint64_t hash = fw_hash_bytes(5, mask, side->words * 8);
	struct fw_memo *memo;
	int r;

	*ret_program = NULL;
	if (fw_masks_meet(mask, side->named_mask,
			  side->words)) /* depends on the class's numbers, too */
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
