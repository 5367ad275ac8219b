/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records as they are kept: fixed size, names as shared atoms. In: one record. Out: the newest N of
 * them, expanded to struct fw_record on the way out. The oldest goes when full. Never grows.
 */
#ifndef FW_FLOW_HISTORY_H
#define FW_FLOW_HISTORY_H

#include "flow/flow.h"
#include "flow/intern.h"

/* Which atom of a kept record. A party is four NUL-terminated texts in a row: namespace, pod,
 * workload, entity. */
enum fw_kept_atom {
	FW_KEPT_SOURCE,
	FW_KEPT_DESTINATION,
	FW_KEPT_SERVICE,
	FW_KEPT_RULE,
	FW_KEPT_BEFORE,
	FW_KEPT_PENDING,
	FW_KEPT_ATOMS
};

struct fw_kept {
	uint64_t time_ns; /* CLOCK_REALTIME */
	uint64_t sequence;
	uint8_t type; /* enum fw_record_type */
	uint8_t direction;
	uint8_t protocol;
	uint8_t tcp_flags;
	uint8_t reason;
	uint8_t family;
	uint8_t audited : 1;
	uint8_t inexact : 1;
	uint8_t verdict : 2;
	uint8_t pending : 2;
	uint16_t source_port;
	uint16_t destination_port;
	uint32_t flow;
	struct fw_ip source;
	struct fw_ip destination;
	struct fw_atom *atom[FW_KEPT_ATOMS]; /* owned references, NULL: nothing to say */
	uint64_t repeats;
	uint64_t packets[2], bytes[2];
	uint64_t duration_ns;
};

struct fw_history;

int fw_history_new(struct fw_interns *interns, size_t max, struct fw_history **ret_history);
void fw_history_free(struct fw_history **history);
/* Takes the atoms of `kept`, gives it the next sequence, returns where it stands now (until the
 * next put). */
const struct fw_kept *fw_history_put(struct fw_history *history, const struct fw_kept *kept);
/* NULL when it is gone, or not yet there. */
const struct fw_kept *fw_history_get(const struct fw_history *history, uint64_t sequence);
uint64_t fw_history_newest(const struct fw_history *history); /* 0: none yet */
size_t fw_history_held(const struct fw_history *history);

/* Gives back the names of a record that is not put. */
void fw_kept_drop(struct fw_interns *interns, struct fw_kept *kept);
void fw_kept_expand(const struct fw_kept *kept, struct fw_record *ret_record);

#endif
