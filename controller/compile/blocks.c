/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The boundaries that ipBlocks and pod ranges draw, as a sorted forest, each with the set of all
 * ipBlocks that hold the addresses just inside it (`except` subtracted). In: block terms, pod
 * ranges. Out: boundaries, and the set of any address. Families never mix: 0.0.0.0/0 holds no IPv6
 * address and ::/0 no IPv4 one.
 */
#include <string.h>

#include "compile/stages.h"

enum effect { BARRIER, RANGE, ENTER, LEAVE }; /* in this order at one prefix */

struct event {
	struct fw_prefix prefix;
	enum effect effect;
	uint32_t term;
};

struct events {
	FW_LIST(struct event) list;
};

static int compare_events(const void *left, const void *right)
{
	const struct event *a = left, *b = right;
	int order = fw_prefix_compare(&a->prefix, &b->prefix);

	return order ? order : (int)a->effect - (int)b->effect;
}

static int add(struct events *events, const struct fw_prefix *prefix, enum effect effect,
	       uint32_t term)
{
	int r = FW_ROOM(&events->list, 1);

	if (r)
		return r;
	events->list.items[events->list.count++] =
		(struct event){.prefix = *prefix, .effect = effect, .term = term};
	return 0;
}

/* By bits alone, as the trie in the kernel sees it. */
static bool covers(const struct fw_prefix *outer, const struct fw_prefix *inner)
{
	unsigned int whole = outer->bits / 8, rest = outer->bits % 8;

	if (outer->bits > inner->bits || memcmp(outer->ip.b, inner->ip.b, whole))
		return false;
	return !rest || !((outer->ip.b[whole] ^ inner->ip.b[whole]) & (uint8_t)(0xff00u >> rest));
}

static const struct fw_prefix every4 = {.ip.b = {[10] = 0xff, [11] = 0xff}, .bits = 96};

static int add_term(struct events *events, const struct fw_term *term)
{
	int r;

	for (size_t i = 0; i < term->except_count; i++) {
		if (covers(&term->except[i], &term->block))
			return 0; /* nothing is left of it */
	}
	r = add(events, &term->block, ENTER, term->id);
	for (size_t i = 0; !r && i < term->except_count; i++)
		r = add(events, &term->except[i], LEAVE, term->id);
	return r;
}

static int collect(const struct fw_compiler *compiler, struct events *events)
{
	bool barrier = false;
	int r = 0;

	for (size_t i = 0; !r && i < compiler->terms.by_id.count; i++) {
		const struct fw_term *term = compiler->terms.by_id.items[i];

		if (term && term->is_block && term->refs)
			r = add_term(events, term);
	}
	for (size_t i = 0; !r && i < compiler->ranges.count; i++)
		r = add(events, &compiler->ranges.items[i], RANGE, FW_TERM_NONE);
	for (size_t i = 0; i < events->list.count; i++)
		barrier |= events->list.items[i].prefix.bits < 96 &&
			   covers(&events->list.items[i].prefix, &every4);
	if (!r && barrier)
		r = add(events, &every4, BARRIER, FW_TERM_NONE);
	if (events->list.count)
		qsort(events->list.items, events->list.count, sizeof(struct event), compare_events);
	return r;
}

static void leave(struct fw_ids *ids, uint32_t term)
{
	for (size_t i = 0; i < ids->count; i++) {
		if (ids->items[i] == term)
			ids->items[i--] = ids->items[--ids->count];
	}
}

/* One boundary: what its parent has, changed by all events at its prefix. */
static int make_boundary(struct fw_compiler *compiler, const struct event *events, size_t count,
			 uint32_t parent)
{
	struct fw_boundary boundary = {.prefix = events->prefix, .parent = parent};
	struct fw_boundary *outer =
		parent == UINT32_MAX ? NULL : &compiler->boundaries.items[parent];
	struct fw_ids *ids = &compiler->scratch_ids;
	size_t inherited = outer ? outer->blocks->count : 0;
	int r = 0;

	ids->count = 0;
	r = FW_ROOM(ids, inherited + count);
	if (r)
		return r;
	boundary.unknown = outer && outer->unknown;
	if (inherited)
		memcpy(ids->items, outer->blocks->ids, inherited * sizeof(*ids->items));
	ids->count = inherited;
	for (size_t i = 0; i < count; i++) {
		if (events[i].effect == BARRIER) {
			ids->count = 0;
			boundary.unknown = false;
		} else if (events[i].effect == RANGE) {
			boundary.unknown = true;
		} else if (events[i].effect == ENTER) {
			ids->items[ids->count++] = events[i].term;
		} else {
			leave(ids, events[i].term);
		}
	}
	r = fw_sets_intern(&compiler->sets, ids->items, ids->count, NULL, 0, &boundary.blocks);
	if (!r)
		compiler->boundaries.items[compiler->boundaries.count++] = boundary;
	return r;
}

static int build(struct fw_compiler *compiler, const struct events *events)
{
	uint32_t parent = UINT32_MAX;
	int r = FW_ROOM(&compiler->boundaries, events->list.count + 1);

	for (size_t i = 0, next; !r && i < events->list.count; i = next) {
		const struct event *event = &events->list.items[i];

		for (next = i + 1; next < events->list.count; next++) {
			if (fw_prefix_compare(&events->list.items[next].prefix, &event->prefix))
				break;
		}
		while (parent != UINT32_MAX &&
		       !covers(&compiler->boundaries.items[parent].prefix, &event->prefix))
			parent = compiler->boundaries.items[parent].parent;
		r = make_boundary(compiler, event, next - i, parent);
		parent = (uint32_t)compiler->boundaries.count - 1;
	}
	return r;
}

static bool ranges_changed(const struct fw_compiler *compiler, const struct fw_prefix *ranges,
			   size_t count)
{
	if (count != compiler->ranges.count)
		return true;
	for (size_t i = 0; i < count; i++) {
		if (fw_prefix_compare(&ranges[i], &compiler->ranges.items[i]))
			return true;
	}
	return false;
}

static bool terms_changed(const struct fw_terms *terms)
{
	for (size_t i = 0; i < terms->fresh.count; i++) {
		if (terms->fresh.items[i]->is_block && terms->fresh.items[i]->refs)
			return true;
	}
	for (size_t i = 0; i < terms->idle.count; i++) {
		if (terms->idle.items[i]->is_block && !terms->idle.items[i]->refs)
			return true;
	}
	return false;
}

static void drop_boundaries(struct fw_compiler *compiler)
{
	for (size_t i = 0; i < compiler->boundaries.count; i++)
		fw_sets_drop(&compiler->sets, compiler->boundaries.items[i].blocks);
	compiler->boundaries.count = 0;
}

int fw_stage_blocks(struct fw_compiler *compiler, const struct fw_model *model)
{
	const struct fw_prefix *ranges;
	size_t count = fw_model_pod_ranges(model, &ranges);
	bool changed = ranges_changed(compiler, ranges, count);
	struct events events = {0};
	int r;

	compiler->blocks_changed = changed || terms_changed(&compiler->terms);
	if (!compiler->blocks_changed)
		return 0;
	r = fw_grow((void **)&compiler->ranges.items, &compiler->ranges.cap, count + 1,
		    sizeof(*ranges));
	if (r)
		return r;
	if (count)
		memcpy(compiler->ranges.items, ranges, count * sizeof(*ranges));
	compiler->ranges.count = count;
	drop_boundaries(compiler);
	r = collect(compiler, &events);
	if (!r)
		r = build(compiler, &events);
	free(events.list.items);
	return r;
}

static const struct fw_boundary *climb(const struct fw_compiler *compiler, uint32_t at,
				       const struct fw_prefix *wanted)
{
	for (; at != UINT32_MAX; at = compiler->boundaries.items[at].parent) {
		if (covers(&compiler->boundaries.items[at].prefix, wanted))
			return &compiler->boundaries.items[at];
	}
	return NULL;
}

/* The innermost boundary that holds the address; NULL: none. */
const struct fw_boundary *fw_blocks_find(const struct fw_compiler *compiler, const struct fw_ip *ip)
{
	struct fw_prefix wanted = {.ip = *ip, .bits = 128};
	size_t low = 0, high = compiler->boundaries.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (fw_prefix_compare(&compiler->boundaries.items[middle].prefix, &wanted) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return climb(compiler, (uint32_t)low - 1, &wanted);
}

/* From the last boundary that begins at or before the address. */
struct fw_idset *fw_boundary_blocks(const struct fw_compiler *compiler, uint32_t at,
				    const struct fw_ip *ip)
{
	struct fw_prefix wanted = {.ip = *ip, .bits = 128};
	const struct fw_boundary *boundary = climb(compiler, at, &wanted);

	return boundary ? boundary->blocks : compiler->world->blocks;
}

struct fw_idset *fw_blocks_of(const struct fw_compiler *compiler, const struct fw_ip *ip)
{
	const struct fw_boundary *boundary = fw_blocks_find(compiler, ip);

	return boundary ? boundary->blocks : compiler->world->blocks;
}

void fw_blocks_done(struct fw_compiler *compiler)
{
	free(compiler->boundaries.items);
	free(compiler->ranges.items);
}
