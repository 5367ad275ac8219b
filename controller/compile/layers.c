/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of layers and the walks over it. In: parts. Out: outcomes. Adding a kind of policy
 * adds parts, never a branch here.
 */
#include "compile/layers.h"

#include <string.h>

/* clang-format off */
const struct fw_layer_row fw_layers[FW_LAYER_COUNT] = {
	{FW_LAYER_OWN_NODE,	    "own node",		 "own node", FW_STYLE_DATAPATH,	   false},
	{FW_LAYER_POD_ISOLATION,    "pod isolation",	 "L1",	     FW_STYLE_CUT,	   true},
	{FW_LAYER_EMERGENCY,	    "emergency",	 "L2",	     FW_STYLE_FIRST_MATCH, false},
	{FW_LAYER_SECURITY,	    "security",		 "L3",	     FW_STYLE_FIRST_MATCH, false},
	{FW_LAYER_PLATFORM,	    "platform",		 "L4",	     FW_STYLE_FIRST_MATCH, false},
	{FW_LAYER_CLUSTER_ADMIN,    "cluster admin",	 "L5",	     FW_STYLE_FIRST_MATCH, false},
	{FW_LAYER_BOUNDARY,	    "boundary",		 "L6",	     FW_STYLE_CUT,	   false},
	{FW_LAYER_APPLICATION,	    "application",	 "L7",	     FW_STYLE_UNION,	   false},
	{FW_LAYER_CLUSTER_BASELINE, "cluster baseline",	 "L8",	     FW_STYLE_FIRST_MATCH, false},
	{FW_LAYER_BASELINE,	    "baseline",		 "L9",	     FW_STYLE_FIRST_MATCH, false},
	{FW_LAYER_DEFAULT,	    "default",		 "allow",    FW_STYLE_ALLOW,	   false},
};
/* clang-format on */

/* Which of the parts a walk sees. */
struct view {
	const struct fw_part *parts;
	size_t first[FW_LAYER_COUNT + 1]; /* where each layer begins */
	uint32_t flag;
	int32_t plus, minus; /* one part more, one less; -1 none */
};

static bool sees(const struct view *view, size_t i)
{
	if ((int32_t)i == view->plus)
		return (int32_t)i != view->minus;
	return (view->parts[i].flags & view->flag) && (int32_t)i != view->minus;
}

static bool end(const struct view *view, enum fw_layer layer, enum fw_verdict verdict, int32_t part,
		struct fw_outcome *ret_outcome)
{
	*ret_outcome = (struct fw_outcome){
		.verdict = verdict,
		.layer = layer,
		.part = part,
		.rule = part < 0 ? -1 : view->parts[part].rule,
	};
	return true;
}

/* Cut and first match: the first rule that is not a pass decides, but a pass ends the layer. */
static bool walk_ordered(const struct view *view, enum fw_layer layer, bool cut,
			 struct fw_outcome *ret_outcome)
{
	for (size_t i = view->first[layer]; i < view->first[layer + 1]; i++) {
		const struct fw_part *part = &view->parts[i];

		if (part->rule < 0 || !sees(view, i))
			continue;
		if (cut || part->action == FW_ACTION_DENY)
			return end(view, layer, FW_VERDICT_DENY, (int32_t)i, ret_outcome);
		if (part->action == FW_ACTION_REJECT)
			return end(view, layer, FW_VERDICT_REJECT, (int32_t)i, ret_outcome);
		if (part->action == FW_ACTION_ACCEPT)
			return end(view, layer, FW_VERDICT_ALLOW, (int32_t)i, ret_outcome);
		return false;
	}
	return false;
}

static bool walk_union(const struct view *view, enum fw_layer layer, struct fw_outcome *ret_outcome)
{
	int32_t isolates = -1, allows = -1;
	uint32_t isolated_by = 0;

	for (size_t i = view->first[layer]; i < view->first[layer + 1]; i++) {
		const struct fw_part *part = &view->parts[i];

		if (!sees(view, i))
			continue;
		if (part->flags & FW_PART_ISOLATES) {
			if (isolates < 0)
				isolates = (int32_t)i;
			isolated_by++;
		}
		if (part->rule >= 0 && allows < 0)
			allows = (int32_t)i;
	}
	if (isolates < 0)
		return false;
	if (allows >= 0)
		return end(view, layer, FW_VERDICT_ALLOW, allows, ret_outcome);
	end(view, layer, FW_VERDICT_DENY, isolates, ret_outcome);
	ret_outcome->rule = -1;
	ret_outcome->isolated_by = isolated_by;
	return true;
}

/* True when the layer decides. */
static bool walk_layer(const struct view *view, enum fw_layer layer, struct fw_outcome *ret_outcome)
{
	switch (fw_layers[layer].style) {
	case FW_STYLE_DATAPATH:
		return false;
	case FW_STYLE_CUT:
		return walk_ordered(view, layer, true, ret_outcome);
	case FW_STYLE_FIRST_MATCH:
		return walk_ordered(view, layer, false, ret_outcome);
	case FW_STYLE_UNION:
		return walk_union(view, layer, ret_outcome);
	case FW_STYLE_ALLOW:
		break;
	}
	return end(view, layer, FW_VERDICT_ALLOW, -1, ret_outcome);
}

static void find_layers(struct view *view, size_t count)
{
	size_t i = 0;

	for (enum fw_layer layer = 0; layer < FW_LAYER_COUNT; layer++) {
		view->first[layer] = i;
		while (i < count && view->parts[i].layer == layer)
			i++;
	}
	view->first[FW_LAYER_COUNT] = i;
}

void fw_layers_members(struct fw_part *parts, size_t count)
{
	bool left = false, any = false;

	for (size_t i = 0; i < count; i++) {
		uint32_t both = FW_PART_ENFORCED | FW_PART_PROMOTED;

		parts[i].flags &= ~both;
		parts[i].flags |= parts[i].flags & FW_PART_AUDIT ? FW_PART_PROMOTED : both;
	}
	/* what an enforced object replaces stands aside, unless that would leave nobody (a circle)
	 */
	for (size_t i = 0; i < count; i++) {
		bool aside = false;

		for (size_t j = 0; j < count; j++)
			aside |= !(parts[j].flags & FW_PART_AUDIT) &&
				 parts[j].replaces == (int32_t)i;
		any |= !(parts[i].flags & FW_PART_AUDIT);
		left |= !(parts[i].flags & FW_PART_AUDIT) && !aside;
	}
	for (size_t j = 0; j < count; j++) {
		if (parts[j].replaces < 0)
			continue;
		if (parts[j].flags & FW_PART_AUDIT)
			parts[parts[j].replaces].flags &= ~(uint32_t)FW_PART_PROMOTED;
		else if (left || !any)
			parts[parts[j].replaces].flags &=
				~(uint32_t)(FW_PART_ENFORCED | FW_PART_PROMOTED);
	}
}

/* alone(a): only a's own layer is walked again; what lies below it is known from the backward walk.
 */
static bool flips(struct view *view, int32_t a, const struct fw_outcome *below,
		  const struct fw_outcome *verdict)
{
	enum fw_layer layer = view->parts[a].layer;
	struct fw_outcome outcome;

	if (layer > verdict->layer)
		return false;
	view->plus = a;
	view->minus = view->parts[a].replaces;
	if (!walk_layer(view, layer, &outcome))
		outcome = below[layer + 1];
	view->plus = view->minus = -1;
	return (outcome.verdict == FW_VERDICT_ALLOW) != (verdict->verdict == FW_VERDICT_ALLOW);
}

size_t fw_layers_evaluate(const struct fw_part *parts, size_t count,
			  struct fw_evaluation *ret_evaluation, bool *ret_alone)
{
	struct view view = {.parts = parts, .flag = FW_PART_ENFORCED, .plus = -1, .minus = -1};
	struct fw_outcome below[FW_LAYER_COUNT + 1]; /* W[i]: what E says from layer i on */
	enum fw_layer layer;
	bool audit = false;
	size_t flipped = 0;

	find_layers(&view, count);
	memset(ret_alone, 0, count * sizeof(*ret_alone));
	for (size_t i = 0; i < count; i++)
		audit |= !!(parts[i].flags & FW_PART_AUDIT);
	if (!audit) {
		for (layer = 0; !walk_layer(&view, layer, &ret_evaluation->verdict); layer++)
			;
		ret_evaluation->pending = ret_evaluation->verdict;
		return 0;
	}
	for (layer = FW_LAYER_COUNT; layer-- > 0;) {
		if (!walk_layer(&view, layer, &below[layer]))
			below[layer] = below[layer + 1];
	}
	ret_evaluation->verdict = below[0];
	for (size_t i = 0; i < count; i++) {
		if (!(parts[i].flags & FW_PART_AUDIT))
			continue;
		ret_alone[i] = flips(&view, (int32_t)i, below, &below[0]);
		flipped += ret_alone[i];
	}
	view.flag = FW_PART_PROMOTED;
	for (layer = 0; !walk_layer(&view, layer, &ret_evaluation->pending); layer++)
		;
	return flipped;
}
