// SPDX-License-Identifier: Apache-2.0
/*
 * Flips endpoint rows. In: targets. Out: subject first, then state, then epoch. The plugin claims
 * and frees rows in processes of its own: states change by cmpxchg only, and the owner is looked at
 * before and after.
 */
#include "apply/flip.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "apply/rows.h"
#include "base/cleanup.h"

void fw_flip_init(struct fw_flip *flip, struct fw_datapath *datapath)
{
	*flip = (struct fw_flip){.datapath = datapath};
}

void fw_flip_done(struct fw_flip *flip)
{
	struct fw_slot_state *slot, *next;

	HASH_ITER(hh, flip->slots, slot, next) {
		HASH_DEL(flip->slots, slot);
		free(slot);
	}
}

static uint8_t state_of(const struct fw_endpoint *row)
{
	return __atomic_load_n(&row->state, __ATOMIC_ACQUIRE);
}

static bool change_state(struct fw_endpoint *row, uint8_t from, enum fw_endpoint_state to)
{
	return __atomic_compare_exchange_n(&row->state, &from, (uint8_t)to, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

static uint64_t owner_of(const struct fw_endpoint *row)
{
	return __atomic_load_n(&row->owner, __ATOMIC_ACQUIRE);
}

static struct fw_slot_state *slot_of(struct fw_flip *flip, uint32_t number)
{
	struct fw_slot_state *slot;

	HASH_FIND(hh, flip->slots, &number, sizeof(number), slot);
	if (slot)
		return slot;
	slot = calloc(1, sizeof(*slot));
	if (!slot)
		return NULL;
	slot->slot = number;
	HASH_ADD(hh, flip->slots, slot, sizeof(slot->slot), slot);
	return slot;
}

int fw_flip_adopt(struct fw_flip *flip, bool *in_use, uint32_t subjects)
{
	for (uint32_t i = 0; i < FW_ENDPOINT_SLOTS; i++) {
		const struct fw_endpoint *row = fw_datapath_endpoint(flip->datapath, i);
		struct fw_slot_state *slot;

		if (!row || state_of(row) == FW_EP_FREE)
			continue;
		slot = slot_of(flip, i);
		if (!slot)
			return -ENOMEM;
		slot->owner = owner_of(row);
		if (state_of(row) == FW_EP_ACTIVE && row->subject < subjects)
			in_use[row->subject] = true;
	}
	return 0;
}

void fw_flip_begin(struct fw_flip *flip)
{
	flip->turn++;
}

static void bump(struct fw_flip *flip, struct fw_slot_state *slot, struct fw_endpoint *row)
{
	fw_apply_writing("epoch");
	fw_endpoint_bump(row);
	slot->bumped = true;
	flip->pending = true;
}

/* Subject, then state. False when there was nothing to do, or the row is not ours to change. */
static bool store(struct fw_endpoint *row, const struct fw_flip_target *target, uint64_t owner)
{
	uint8_t state = state_of(row);
	bool changed = false;

	if (state == FW_EP_FREE || state == FW_EP_CLAIMED)
		return false;
	if (target->state == FW_EP_ACTIVE && row->subject != target->subject) {
		fw_apply_writing("subject");
		__atomic_store_n(&row->subject, target->subject, __ATOMIC_SEQ_CST);
		changed = true;
	}
	if (state != target->state) {
		fw_apply_writing("state");
		if (!change_state(row, state, target->state))
			return false;
		changed = true;
	}
	/* freed and given to another pod in between: nothing of ours may stay */
	if (owner && owner_of(row) != owner && target->state == FW_EP_ACTIVE)
		(void)change_state(row, FW_EP_ACTIVE, FW_EP_ISOLATED);
	return changed;
}

int fw_flip_endpoint(struct fw_flip *flip, const struct fw_apply_endpoint *endpoint,
		     const struct fw_flip_target *target, bool bump_it, uint64_t *flipped)
{
	struct fw_endpoint *row = fw_datapath_endpoint(flip->datapath, endpoint->slot);
	struct fw_slot_state *slot;
	bool changed;

	if (!row || state_of(row) == FW_EP_FREE)
		return 0;
	if (endpoint->owner && owner_of(row) != endpoint->owner)
		return 0;
	slot = slot_of(flip, endpoint->slot);
	if (!slot)
		return -ENOMEM;
	slot->turn = flip->turn;
	slot->owner = owner_of(row);
	(void)snprintf(slot->locked, sizeof(slot->locked), "%s", target->locked);
	changed = store(row, target, endpoint->owner);
	if (changed)
		(*flipped)++;
	if (changed || bump_it)
		bump(flip, slot, row);
	return 0;
}

void fw_flip_rest(struct fw_flip *flip, bool bump_it, uint64_t *flipped)
{
	const struct fw_flip_target isolated = {.state = FW_EP_ISOLATED, .locked = ""};
	struct fw_slot_state *slot, *next;

	HASH_ITER(hh, flip->slots, slot, next) {
		struct fw_endpoint *row = fw_datapath_endpoint(flip->datapath, slot->slot);
		uint8_t state = state_of(row);
		bool changed = false;

		if (slot->turn == flip->turn)
			continue;
		if (state == FW_EP_FREE) {
			HASH_DEL(flip->slots, slot);
			free(slot);
			continue;
		}
		slot->locked[0] = '\0';
		if (state != FW_EP_CLAIMED)
			changed = store(row, &isolated, 0);
		if (changed)
			(*flipped)++;
		if (changed || bump_it)
			bump(flip, slot, row);
	}
}

void fw_flip_bump_all(struct fw_flip *flip)
{
	struct fw_slot_state *slot, *next;

	HASH_ITER(hh, flip->slots, slot, next)
		bump(flip, slot, fw_datapath_endpoint(flip->datapath, slot->slot));
}

void fw_flip_finish(struct fw_flip *flip)
{
	struct fw_slot_state *slot, *next;

	HASH_ITER(hh, flip->slots, slot, next) {
		if (slot->bumped) {
			fw_apply_writing("epoch");
			fw_endpoint_bump(fw_datapath_endpoint(flip->datapath, slot->slot));
		}
		slot->bumped = false;
	}
	flip->pending = false;
}

const struct fw_slot_state *fw_flip_slot(const struct fw_flip *flip, uint32_t slot)
{
	struct fw_slot_state *found;

	HASH_FIND(hh, flip->slots, &slot, sizeof(slot), found);
	return found;
}
