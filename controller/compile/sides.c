/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One direction of a subject, prepared for the walk. In: the items that select it. Out: parts in
 * the order of the layers, their rules laid flat with the terms that each one names, and bit masks
 * over these. Knows no kind of policy.
 */
#include <string.h>

#include "compile/stages.h"

static int find_part(const struct fw_side *side, const struct fw_item *item)
{
	for (size_t i = 0; item->replaces && i < side->items.count; i++) {
		const struct fw_item *other = side->items.items[i];

		if (other != item && other->kind == item->kind &&
		    !strcmp(other->namespace, item->namespace) &&
		    !strcmp(other->name, item->replaces))
			return (int)i;
	}
	return -1;
}

static void add_part(struct fw_side *side, const struct fw_pick *pick, bool speaks)
{
	uint32_t flags = (speaks ? FW_PART_ISOLATES : 0) | (pick->item->audit ? FW_PART_AUDIT : 0);

	side->items.items[side->items.count++] = pick->item;
	side->parts.items[side->parts.count++] =
		(struct fw_part){.layer = pick->item->layer, .flags = flags, .rule = -1};
}

/*
 * Items that speak in this direction, by layer; within a layer in their own order. One that does
 * not speak but replaces another has a part without a word.
 */
static int add_parts(const struct fw_policy_subject *subject, uint8_t direction,
		     struct fw_side *side)
{
	int r = FW_ROOM(&side->parts, subject->pick_count);

	if (!r)
		r = FW_ROOM(&side->items, subject->pick_count);
	if (r)
		return r;
	for (enum fw_layer layer = 0; layer < FW_LAYER_COUNT; layer++) {
		for (size_t i = 0; i < subject->pick_count; i++) {
			const struct fw_pick *pick = &subject->picks[i];
			bool speaks = pick->selects && pick->item->isolates[direction];

			if (pick->item->layer == layer && (speaks || pick->item->replaces))
				add_part(side, pick, speaks);
		}
	}
	for (size_t i = 0; i < side->parts.count; i++)
		side->parts.items[i].replaces = find_part(side, side->items.items[i]);
	fw_layers_members(side->parts.items, side->parts.count);
	for (size_t i = 0; i < side->parts.count; i++) {
		uint32_t both = FW_PART_ENFORCED | FW_PART_ISOLATES;

		side->isolated |= (side->parts.items[i].flags & both) == both;
	}
	return 0;
}

/* Ingress: the rule's numbers and the pod's own numbers for its names. */
static int resolve(const struct fw_compiler *compiler, const struct fw_policy_subject *subject,
		   struct fw_flat *flat)
{
	const struct fw_item_rule *rule = flat->source;

	flat->spans = calloc(rule->span_count + rule->name_count + 1, sizeof(*flat->spans));
	if (!flat->spans)
		return -ENOMEM;
	memcpy(flat->spans, rule->spans, rule->span_count * sizeof(*flat->spans));
	flat->span_count = rule->span_count;
	for (size_t n = 0; n < rule->name_count; n++) {
		for (size_t i = 0; i < subject->named_count; i++) {
			uint8_t protocol =
				compiler->terms.portnames.items[rule->names[n]]->protocol;
			uint32_t key = FW_RANGE_KEY(protocol, subject->named[i] & 0xffff);

			if (subject->named[i] >> 16 == rule->names[n])
				flat->spans[flat->span_count++] =
					(struct fw_span){.lo = key, .hi = key};
		}
	}
	return 0;
}

static int add_flat(const struct fw_compiler *compiler, const struct fw_policy_subject *subject,
		    struct fw_side *side, struct fw_flat flat, bool resolves)
{
	int r = resolves ? resolve(compiler, subject, &flat) : 0;

	if (!r)
		r = FW_ROOM(&side->flats, 1);
	if (!r)
		r = FW_ROOM(&side->uses, flat.source->peer_count);
	if (r) {
		free(flat.spans);
		return r;
	}
	for (size_t i = 0; !flat.any && i < flat.source->peer_count; i++) {
		const struct fw_term *term = flat.source->peers[i];

		if (!flat.named || !term->is_block)
			side->uses.items[side->uses.count++] = (struct fw_use){
				.term = term->id, .flat = (uint32_t)side->flats.count};
	}
	side->flats.items[side->flats.count++] = flat;
	return 0;
}

static int add_rules(const struct fw_compiler *compiler, const struct fw_policy_subject *subject,
		     uint8_t direction, struct fw_side *side, size_t part)
{
	const struct fw_item *item = side->items.items[part];
	int r = 0;

	if (!(side->parts.items[part].flags & FW_PART_ISOLATES))
		return 0;
	for (size_t i = 0; !r && i < item->rule_count[direction]; i++) {
		const struct fw_item_rule *rule = &item->rules[direction][i];
		bool ingress = direction == FW_INGRESS;
		struct fw_flat flat = {.part = (uint32_t)part,
				       .rule = (int32_t)i,
				       .any = rule->any,
				       .source = rule};

		if (rule->span_count || ingress)
			r = add_flat(compiler, subject, side, flat, ingress && rule->name_count);
		flat.named = true;
		if (!r && !ingress && rule->name_count)
			r = add_flat(compiler, subject, side, flat, false);
	}
	return r;
}

static int compare_uses(const void *left, const void *right)
{
	const struct fw_use *a = left, *b = right;

	if (a->term != b->term)
		return a->term < b->term ? -1 : 1;
	return a->flat < b->flat ? -1 : a->flat > b->flat;
}

static int make_masks(struct fw_side *side)
{
	size_t words = side->words = (side->flats.count + 63) / 64;

	side->any_mask = calloc(words * 3 + 1, sizeof(uint64_t));
	if (!side->any_mask)
		return -ENOMEM;
	side->any_pod_mask = side->any_mask + words;
	side->named_mask = side->any_pod_mask + words;
	for (size_t i = 0; i < side->flats.count; i++) {
		const struct fw_flat *flat = &side->flats.items[i];
		uint64_t bit = 1ULL << i % 64;

		if (flat->named)
			side->named_mask[i / 64] |= bit;
		if (flat->any && flat->named)
			side->any_pod_mask[i / 64] |= bit;
		else if (flat->any)
			side->any_mask[i / 64] |= bit;
	}
	return 0;
}

int fw_side_init(struct fw_compiler *compiler, const struct fw_policy_subject *subject,
		 uint8_t direction, struct fw_side *side)
{
	int r = add_parts(subject, direction, side);

	for (size_t i = 0; !r && i < side->parts.count; i++)
		r = add_rules(compiler, subject, direction, side, i);
	if (!r && side->uses.count)
		qsort(side->uses.items, side->uses.count, sizeof(*side->uses.items), compare_uses);
	if (!r)
		r = make_masks(side);
	return r ? r : fw_side_default(compiler, side);
}

void fw_side_done(struct fw_compiler *compiler, struct fw_side *side)
{
	for (size_t i = 0; i < side->flats.count; i++)
		free(side->flats.items[i].spans);
	fw_decision_drop(compiler, side->otherwise);
	free(side->parts.items);
	free(side->items.items);
	free(side->flats.items);
	free(side->uses.items);
	free(side->cells.items);
	free(side->any_mask);
	*side = (struct fw_side){0};
}
