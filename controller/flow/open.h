/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flows that are open now: what their first record said, for the last one. In: a flow id
 * (bucket * 8 + slot). Out: one entry per open flow, in a pool that grows with the number of flows
 * and never beyond the table's slots.
 */
#ifndef FW_FLOW_OPEN_H
#define FW_FLOW_OPEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"
#include "flow/intern.h"

struct fw_open {
	uint32_t flow;
	uint32_t next;	     /* in the hash chain or the free list */
	uint32_t generation; /* FW_CTL_GENERATION bits of the slot's ctl: which life of the slot */
	uint32_t decision;
	uint32_t service;
	uint8_t egress : 1;	 /* the pod opened it */
	uint8_t was_allowed : 1; /* at some time: its end is worth a record */
	uint8_t begun : 1;	 /* its first record was seen, start_ns is true */
	uint8_t settle : 1; /* just became denied: what moved until the next sweep is not all denied
			     */
	uint8_t reason;
	uint16_t endpoint_generation;
	uint64_t start_ns; /* CLOCK_MONOTONIC */
	uint64_t moved_ns; /* sweep that last saw packets; 0: none yet */
	struct fw_ip local;
	struct fw_atom *local_name; /* owned references */
	struct fw_atom *remote_name;
	struct fw_atom *chosen; /* service and backend, where that is known, and the rule */
	struct fw_atom *chosen_rule;
	uint64_t packets[2], bytes[2]; /* by fw_direction, as far as the sweeper has told */
	uint64_t last[2];	       /* the slot's counters when it last told */
	uint64_t reported;	       /* denied packets that records have told of */
};

struct fw_opens;

int fw_opens_new(struct fw_interns *interns, struct fw_opens **ret_opens);
void fw_opens_free(struct fw_opens **opens);
/* NULL when there is none. Valid until the next fw_opens_add(). */
struct fw_open *fw_opens_find(struct fw_opens *opens, uint32_t flow);
/* An empty entry (an older one of the same slot is dropped); NULL without memory. Valid until the
 * next one. */
struct fw_open *fw_opens_add(struct fw_opens *opens, uint32_t flow);
void fw_opens_drop(struct fw_opens *opens, uint32_t flow);
size_t fw_opens_count(const struct fw_opens *opens);

#endif
