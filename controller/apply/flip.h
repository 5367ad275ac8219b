/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoint rows: one store makes a pod's policy another. In: which subject each row shall have.
 * Out: stores into the mapped rows, and epoch bumps. Never touches a row that is free, being
 * filled, or somebody else's.
 */
#ifndef FW_APPLY_FLIP_H
#define FW_APPLY_FLIP_H

#include <uthash.h>

#include "apply/apply.h"

struct fw_slot_state {
	uint32_t slot;
	uint64_t owner;
	uint64_t turn;	  /* of the last apply that named it */
	bool bumped;	  /* wants its second bump */
	char locked[160]; /* why it is locked, "" when it is not */
	UT_hash_handle hh;
};

struct fw_flip {
	struct fw_datapath *datapath; /* borrowed */
	struct fw_slot_state *slots;  /* by slot */
	uint64_t turn;
	bool pending; /* some row waits for its second bump */
};

/* What a row shall be. */
struct fw_flip_target {
	enum fw_endpoint_state state; /* ISOLATED, ACTIVE or LOCKED */
	uint32_t subject;	      /* ACTIVE */
	const char *locked;	      /* LOCKED: why; else "" */
};

void fw_flip_init(struct fw_flip *flip, struct fw_datapath *datapath);
void fw_flip_done(struct fw_flip *flip);
/* Finds the rows that are in use, and marks the subjects that active ones have in `in_use`. */
int fw_flip_adopt(struct fw_flip *flip, bool *in_use, uint32_t subjects);
void fw_flip_begin(struct fw_flip *flip);
/* -ENOMEM. `bump`: also when the row stays as it is. Counts into *flipped when the row changed. */
int fw_flip_endpoint(struct fw_flip *flip, const struct fw_apply_endpoint *endpoint,
		     const struct fw_flip_target *target, bool bump, uint64_t *flipped);
/* Rows that were active and that nobody named since fw_flip_begin() are isolated. */
void fw_flip_rest(struct fw_flip *flip, bool bump, uint64_t *flipped);
void fw_flip_bump_all(struct fw_flip *flip);
/* The second bump of every row that had its first. */
void fw_flip_finish(struct fw_flip *flip);
const struct fw_slot_state *fw_flip_slot(const struct fw_flip *flip, uint32_t slot);

#endif
