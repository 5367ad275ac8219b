/* SPDX-License-Identifier: Apache-2.0 */
/*
 * While addresses move to their new classes, endpoints that are about to flip still have their old
 * subject, which knows nothing of a class that is new. In: which class becomes which. Out: cells
 * that let an old subject say about the new class what it said about the old one. They go with the
 * subject when it is collected.
 */
#ifndef FW_APPLY_CARRY_H
#define FW_APPLY_CARRY_H

#include "apply/peers.h"

/*
 * Adds to plan->cells. Two old classes that an old subject tells apart and that become one new
 * class cannot both be carried: their packets get the old subject's default for the moment (with
 * NetworkPolicy: denied, never opened). What does not fit is not carried.
 */
int fw_carry(struct fw_cells *cells, struct fw_cells_plan *plan, const struct fw_peers *peers,
	     const struct fw_peers_plan *wanted);

#endif
