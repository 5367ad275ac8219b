/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of policy, as data, and the walk over it: verdict, pending and alone of one packet, as
 * policy-model "Order, exactly" and "Audit, exactly" define them. In: the objects that take part at
 * one (pod, direction), each with its first rule that holds the packet. Out: who decides. Knows no
 * selector, port or address, and no kind of object.
 */
#ifndef FW_COMPILE_LAYERS_H
#define FW_COMPILE_LAYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compile/tables.h"

enum fw_layer {
	FW_LAYER_OWN_NODE,
	FW_LAYER_POD_ISOLATION,
	FW_LAYER_EMERGENCY,
	FW_LAYER_SECURITY,
	FW_LAYER_PLATFORM,
	FW_LAYER_CLUSTER_ADMIN,
	FW_LAYER_BOUNDARY,
	FW_LAYER_APPLICATION,
	FW_LAYER_CLUSTER_BASELINE,
	FW_LAYER_BASELINE,
	FW_LAYER_DEFAULT,
	FW_LAYER_COUNT
};

enum fw_style {
	FW_STYLE_DATAPATH,    /* judged by the programs themselves, before any table */
	FW_STYLE_CUT,	      /* any matching rule denies; else on */
	FW_STYLE_FIRST_MATCH, /* first matching rule: accept, deny, reject; pass or none: on */
	FW_STYLE_UNION,	      /* nobody isolates: on; any matching rule allows; else deny */
	FW_STYLE_ALLOW,	      /* the end */
};

struct fw_layer_row {
	enum fw_layer layer;
	const char *name; /* as records show it */
	const char *mark; /* as policy-model.md numbers it */
	enum fw_style style;
	bool firm; /* its denies hold on a node in Audit, too */
};

extern const struct fw_layer_row fw_layers[FW_LAYER_COUNT];

enum fw_action { FW_ACTION_ACCEPT, FW_ACTION_DENY, FW_ACTION_REJECT, FW_ACTION_PASS };

#define FW_PART_ENFORCED 0x1 /* in E */
#define FW_PART_PROMOTED 0x2 /* in E' */
#define FW_PART_AUDIT	 0x4 /* in A */
#define FW_PART_ISOLATES 0x8 /* FW_STYLE_UNION: isolates the pod in this direction */

struct fw_part {
	enum fw_layer layer;
	uint32_t flags;	       /* FW_PART_* */
	int32_t replaces;      /* index of the part that stands aside for this one, -1 none */
	int32_t rule;	       /* first rule that holds the packet, -1 none */
	enum fw_action action; /* of that rule */
};

struct fw_outcome {
	enum fw_verdict verdict;
	enum fw_layer layer;
	int32_t part; /* -1: no object decided */
	int32_t rule; /* -1: none */
	uint32_t isolated_by;
};

struct fw_evaluation {
	struct fw_outcome verdict, pending;
};

/* Sets ENFORCED and PROMOTED of every part from AUDIT and `replaces`. */
void fw_layers_members(struct fw_part *parts, size_t count);
/*
 * Parts are sorted by layer, then by the order of their layer. ret_alone: room for `count` flags,
 * set where promoting that part alone would turn allow into deny or back. Returns how many.
 */
size_t fw_layers_evaluate(const struct fw_part *parts, size_t count,
			  struct fw_evaluation *ret_evaluation, bool *ret_alone);

#endif
