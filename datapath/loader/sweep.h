/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sweeper: reads counters, ends idle flows. In: the mapped flow table. Out: one callback per
 * flow that has something to tell. Writes nothing but `ctl` (flow-table protocol, rules 10 to 12).
 */
#ifndef FW_LOADER_SWEEP_H
#define FW_LOADER_SWEEP_H

#include "loader/loader.h"

struct fw_sweep_flow {
	uint32_t flow;	     /* bucket * 8 + slot */
	uint32_t slot;	     /* endpoint row */
	struct fw_flow copy; /* consistent: re-checked against ctl */
	uint64_t packets[2]; /* since the previous report of this life of the slot, by fw_direction
			      */
	uint64_t bytes[2];
	bool ended; /* final: the slot is free after this */
};

typedef void (*fw_sweep_report)(const struct fw_sweep_flow *flow, void *context);

struct fw_sweeper;

/*
 * Starts a thread that waits for grace periods, with all signals blocked. The first report of a
 * flow that is older than the sweeper carries its whole counters. Flows of a released endpoint are
 * ended and reported by the next pass, without a call of fw_sweeper_flush().
 */
int fw_sweeper_new(struct fw_datapath *datapath, struct fw_sweeper **ret_sweeper);
void fw_sweeper_free(struct fw_sweeper **sweeper);
/*
 * One pass over the regions in use: reports flows whose counters moved, marks idle ones SUSPECT,
 * ends those that a pass before marked and that stayed idle (ended ones are reported in the pass
 * after, behind a grace period, when their counters are final). Call about once a second. `report`
 * may be NULL.
 */
int fw_sweeper_pass(struct fw_sweeper *sweeper, fw_sweep_report report, void *context,
		    struct fw_err *err);
/* Ends every flow of a region at once (its endpoint is released). */
void fw_sweeper_flush(struct fw_sweeper *sweeper, uint32_t region, fw_sweep_report report,
		      void *context);
/* Every live flow, without changing anything. */
void fw_sweeper_walk(struct fw_sweeper *sweeper, fw_sweep_report report, void *context);

#endif
