/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What the compiled policy says. In: subject, direction, peer class, protocol and port. Out: a
 * decision. The order of tiers and rules was resolved by the compiler; nothing here depends on how
 * many policies there are.
 */
#ifndef FW_BPF_POLICY_H
#define FW_BPF_POLICY_H

#include "parse.h"

#define FW_POLICY_STEPS 13 /* a binary search among FW_RANGES_PER_CELL */
_Static_assert(FW_RANGES_PER_CELL <= 1u << (FW_POLICY_STEPS - 1), "the search reaches every range");

struct fw_policy_ask {
	__u32 subject;
	__u32 direction;
	__u32 peer_class;
	__u32 range;	/* FW_RANGE_KEY */
	__u32 by_rule;	/* out: a range held the key */
	__u32 by_chain; /* what is sent passes this node's prerouting, from an address of the pod */
};

static __always_inline const struct fw_range *fw_policy_range(__u32 row)
{
	return bpf_map_lookup_elem(&fw_ranges, &row);
}

/* The last range whose lo is not above the key, if it holds the key. */
static __always_inline const struct fw_range *fw_policy_search(const struct fw_cell *cell,
							       __u32 key)
{
	__u32 low = 0, high = cell->count; /* [low, high) is still open */
	__u32 first = cell->first;
	const struct fw_range *range;

	for (int i = 0; i < FW_POLICY_STEPS; i++) {
		if (low >= high)
			break;
		__u32 middle = (low + high) >> 1;
		range = fw_policy_range(first + middle);
		if (!range)
			return 0;
		if (key < range->lo)
			high = middle;
		else if (key <= range->hi)
			return range;
		else
			low = middle + 1;
	}
	return 0;
}

FW_SUB __u32 fw_policy_decide(struct fw_policy_ask *ask)
{
	struct fw_subject *subject;
	const struct fw_range *range;
	struct fw_cell_key key;
	struct fw_cell *cell;
	__u32 direction;

	if (!ask)
		return FW_DECIDED_LOCKED;
	ask->by_rule = 0;
	direction = ask->direction & 1;
	key.subject = ask->subject;
	key.peer = ask->peer_class << 1 | direction;
	subject = bpf_map_lookup_elem(&fw_subjects, &key.subject);
	if (!subject)
		return FW_DECIDED_LOCKED;
	if (!(subject->flags & (FW_SUBJECT_CELLS_IN << direction)))
		return subject->otherwise[direction];
	cell = bpf_map_lookup_elem(&fw_cells, &key);
	range = cell ? fw_policy_search(cell, ask->range) : 0;
	if (!range)
		return subject->otherwise[direction];
	ask->by_rule = 1;
	return range->decision;
}

#endif
