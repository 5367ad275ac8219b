/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel ids by digest of meaning: of classes and of subjects. In: digests. Out: small numbers that
 * stay the same for as long as the meaning is in use, over restarts too (through the log). Never
 * gives a number that the maps still hold with another meaning: owners release an id only after a
 * grace period.
 */
#ifndef FW_APPLY_IDS_H
#define FW_APPLY_IDS_H

#include <stdbool.h>

#include "apply/log.h"
#include "base/htab.h"
#include "compile/tables.h"

struct fw_id {
	struct fw_digest digest;
	uint32_t id;
	bool known;  /* its digest is known: false for a number that was only found in the maps */
	bool hashed; /* found by digest: the newest of those with that digest */
	bool fresh;  /* the owner's: nothing in the maps refers to it yet */
	uint64_t stamp; /* the owner's: when it was last in use */
};

struct fw_ids {
	uint32_t kind, first, limit; /* ids first .. limit - 1 */
	uint32_t next;		     /* ids from here on were never given */
	uint32_t used;
	struct fw_id **by_id; /* index id - first */
	uint32_t by_id_size;
	uint32_t *released;
	uint32_t released_count, released_size;
	struct fw_htab by_digest;
	struct fw_log *log; /* borrowed, NULL while it is being read */
};

/* One record of the log. */
struct fw_id_record {
	uint32_t kind;
	uint32_t id;
	struct fw_digest digest;
};

void fw_ids_init(struct fw_ids *ids, uint32_t kind, uint32_t first, uint32_t limit);
void fw_ids_done(struct fw_ids *ids);
/* An id from the log (digest) or found in the maps (digest NULL: reserved, nothing more is known).
 */
int fw_ids_adopt(struct fw_ids *ids, uint32_t id, const struct fw_digest *digest);
struct fw_id *fw_ids_by_digest(const struct fw_ids *ids, const struct fw_digest *digest);
struct fw_id *fw_ids_by_id(const struct fw_ids *ids, uint32_t id); /* NULL for one not in use */
/* A number of its own for this digest, also when another has it. Logged. -ENOSPC when none is left.
 */
int fw_ids_new(struct fw_ids *ids, const struct fw_digest *digest, struct fw_id **ret_id);
void fw_ids_release(struct fw_ids *ids, uint32_t id);

#endif
