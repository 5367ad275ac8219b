/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who has which endpoint row and which flow region. In: owners (hashes of container id and
 * interface). Out: rows that belong to exactly one owner. All changes are made under the lock of
 * the pin directory, and in an order in which a process killed at any point leaves only what the
 * next claim or release of that owner, or any claim that needs the room, takes up again. Never
 * frees what another owner has.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"
#include "loader/inside.h"

#define NO_REGION 0xffffffffu

uint64_t fw_endpoint_owner(const char *container_id, const char *ifname)
{
	const char *const parts[] = {container_id, ifname};
	uint64_t hash =
		0xcbf29ce484222325u; /* FNV-1a, then a finalizer so that all bits depend on all */

	for (size_t i = 0; i < 2; i++) {
		for (const char *at = parts[i];; at++) {
			hash = (hash ^ (unsigned char)*at) * 0x100000001b3u;
			if (!*at)
				break;
		}
	}
	hash = (hash ^ hash >> 32) * 0xd6e8feb86659fd93u;
	hash = (hash ^ hash >> 32) * 0xd6e8feb86659fd93u;
	hash ^= hash >> 32;
	return hash ? hash : 1;
}

static uint32_t region_of(const struct fw_datapath *datapath, uint64_t owner)
{
	for (uint32_t i = 0; i < datapath->capacity[FW_MAP_REGIONS]; i++)
		if (__atomic_load_n(&fw_datapath_region(datapath, i)->owner, __ATOMIC_ACQUIRE) ==
		    owner)
			return i;
	return NO_REGION;
}

/* The row that a region names, when it is really that region's. */
static uint32_t row_of(const struct fw_datapath *datapath, uint32_t region)
{
	const struct fw_region *area = fw_datapath_region(datapath, region);
	const struct fw_endpoint *row = fw_datapath_endpoint(datapath, area->slot);

	if (!row || __atomic_load_n(&row->state, __ATOMIC_ACQUIRE) == FW_EP_FREE ||
	    row->owner != area->owner || row->region != region)
		return FW_NO_SLOT;
	return area->slot;
}

uint32_t fw_endpoint_find(const struct fw_datapath *datapath, uint64_t owner)
{
	const uint32_t region = owner ? region_of(datapath, owner) : NO_REGION;

	return region == NO_REGION ? FW_NO_SLOT : row_of(datapath, region);
}

static void free_region(struct fw_region *area)
{
	area->slot = FW_NO_SLOT;
	__atomic_store_n(&area->owner, 0, __ATOMIC_RELEASE);
}

static void free_row(struct fw_endpoint *row)
{
	__atomic_store_n(&row->state, FW_EP_CLAIMED, __ATOMIC_SEQ_CST);
	row->owner = 0;
	row->ifindex = 0;
	__atomic_store_n(&row->state, FW_EP_FREE, __ATOMIC_RELEASE);
}

/* The free region that was used least, so that flows of a pod that has gone are overwritten as late
 * as can be. */
static uint32_t choose_region(const struct fw_datapath *datapath)
{
	uint32_t best = NO_REGION, torn = NO_REGION;

	for (uint32_t i = 0; i < datapath->capacity[FW_MAP_REGIONS]; i++) {
		const struct fw_region *area = fw_datapath_region(datapath, i);

		if (area->owner) {
			if (torn == NO_REGION && row_of(datapath, i) == FW_NO_SLOT)
				torn = i; /* its owner was killed before it had a row */
			continue;
		}
		if (best == NO_REGION ||
		    area->generation < fw_datapath_region(datapath, best)->generation)
			best = i;
	}
	if (best == NO_REGION && torn != NO_REGION) {
		free_region(fw_datapath_region(datapath, torn));
		best = torn;
	}
	return best;
}

static int take_region(struct fw_datapath *datapath, uint64_t owner, uint32_t *ret_region,
		       struct fw_err *err)
{
	const uint32_t region = choose_region(datapath);
	struct fw_region *area;
	uint64_t nobody = 0;

	if (region == NO_REGION)
		return fw_err_set(err, -ENOSPC,
				  "all %u flow regions are in use (one per pod interface)",
				  datapath->capacity[FW_MAP_REGIONS]);
	area = fw_datapath_region(datapath, region);
	if (!__atomic_compare_exchange_n(&area->owner, &nobody, owner, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return fw_err_set(err, -EBUSY, "flow region %u was taken meanwhile", region);
	area->slot = FW_NO_SLOT;
	*ret_region = region;
	return 0;
}

/* Ends what is left of former flows. Each slot keeps its generation; BUSY belongs to a program and
 * is left alone. */
static int wipe_region(const struct fw_datapath *datapath, uint32_t region, struct fw_err *err)
{
	const uint32_t buckets = fw_datapath_node(datapath)->region_buckets;
	_cleanup_(fw_mapping_done) struct fw_mapping mapping = {0};
	struct fw_bucket *bucket;
	int r;

	r = fw_flows_mmap(datapath, region * buckets, buckets, &mapping, &bucket, err);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < buckets * FW_BUCKET_SLOTS; i++) {
		fw_word *ctl =
			(fw_word *)&bucket[i / FW_BUCKET_SLOTS].slot[i % FW_BUCKET_SLOTS].ctl;
		fw_word before = __atomic_load_n(ctl, __ATOMIC_RELAXED);

		while ((before & FW_CTL_STATE) == FW_CTL_VALID ||
		       (before & FW_CTL_STATE) == FW_CTL_DEAD)
			if (__atomic_compare_exchange_n(ctl, &before,
							(before & FW_CTL_GENERATION) | FW_CTL_FREE,
							false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
				break;
	}
	return 0;
}

/* Under the lock a CLAIMED row without an owner was left by a process that died between the two. */
static bool take_row(struct fw_endpoint *row)
{
	uint8_t state = FW_EP_FREE;

	if (__atomic_compare_exchange_n(&row->state, &state, FW_EP_CLAIMED, false, __ATOMIC_SEQ_CST,
					__ATOMIC_SEQ_CST))
		return true;
	return state == FW_EP_CLAIMED && row->owner == 0;
}

static int choose_row(const struct fw_datapath *datapath, uint32_t ifindex, uint32_t *ret_slot,
		      struct fw_err *err)
{
	if (ifindex && take_row(fw_datapath_endpoint(datapath, ifindex & (FW_IFINDEX_SLOTS - 1)))) {
		*ret_slot = ifindex & (FW_IFINDEX_SLOTS - 1);
		return 0;
	}
	for (uint32_t slot = FW_IFINDEX_SLOTS; slot < FW_ENDPOINT_SLOTS; slot++) {
		if (!take_row(fw_datapath_endpoint(datapath, slot)))
			continue;
		*ret_slot = slot;
		return 0;
	}
	return fw_err_set(err, -ENOSPC, "all %u extra endpoint rows are in use", FW_EXTRA_SLOTS);
}

/* All but state and addresses; who claims fills the rest. */
static void fill_row(const struct fw_datapath *datapath, uint32_t slot, uint32_t region,
		     uint32_t ifindex)
{
	struct fw_endpoint *row = fw_datapath_endpoint(datapath, slot);
	struct fw_region *area = fw_datapath_region(datapath, region);
	const uint32_t buckets = fw_datapath_node(datapath)->region_buckets;
	const struct fw_endpoint fresh = {
		.ifindex = slot < FW_IFINDEX_SLOTS ? ifindex : 0,
		.epoch = row->epoch + 1,
		.flow_base = region * buckets,
		.flow_mask = buckets - 1,
		.generation = (uint16_t)area->generation,
		.state = FW_EP_CLAIMED,
		.region = region,
	};

	/* the owner comes last: until then the row is one that any claim may take up */
	__atomic_store_n(&area->slot, slot, __ATOMIC_RELEASE);
	*row = fresh;
	__atomic_store_n(&row->owner, area->owner, __ATOMIC_RELEASE);
}

static bool still_fits(const struct fw_datapath *datapath, uint32_t slot, uint32_t ifindex)
{
	if (slot >= FW_IFINDEX_SLOTS)
		return true; /* bound by a constant, to whatever device it is attached */
	return ifindex && fw_datapath_endpoint(datapath, slot)->ifindex == ifindex;
}

int fw_endpoint_claim(struct fw_datapath *datapath, uint64_t owner, uint32_t ifindex,
		      uint32_t *ret_slot, struct fw_err *err)
{
	uint32_t region, slot = FW_NO_SLOT;
	_cleanup_close_ int lock = -1;
	struct fw_region *area;
	int r;

	if (!owner)
		return fw_err_set(err, -EINVAL, "owner 0 means nobody");
	r = fw_pin_lock(datapath->pin, &lock, err);
	if (r < 0)
		return r;
	region = region_of(datapath, owner);
	if (region != NO_REGION)
		slot = row_of(datapath, region);
	if (slot != FW_NO_SLOT && still_fits(datapath, slot, ifindex)) {
		*ret_slot = slot;
		return 0;
	}
	if (slot != FW_NO_SLOT)
		free_row(fw_datapath_endpoint(datapath, slot)); /* the device was made anew */
	if (region == NO_REGION)
		r = take_region(datapath, owner, &region, err);
	if (r < 0)
		return r;
	area = fw_datapath_region(datapath, region);
	area->generation++;
	r = wipe_region(datapath, region, err);
	if (r == 0)
		r = choose_row(datapath, ifindex, &slot, err);
	if (r < 0) {
		free_region(area);
		return r;
	}
	fill_row(datapath, slot, region, ifindex);
	*ret_slot = slot;
	return 0;
}

void fw_endpoint_publish(struct fw_endpoint *endpoint, enum fw_endpoint_state state)
{
	__atomic_store_n(&endpoint->state, (uint8_t)state, __ATOMIC_RELEASE);
}

void fw_endpoint_bump(struct fw_endpoint *endpoint)
{
	(void)__atomic_add_fetch(&endpoint->epoch, 1, __ATOMIC_SEQ_CST);
}

/* Nothing passes any more, but the row is still the owner's: no program that read it before may
 * meet a new one. */
static int close_row(struct fw_datapath *datapath, uint64_t owner, uint32_t *ret_region,
		     uint32_t *ret_generation, struct fw_err *err)
{
	_cleanup_close_ int lock = -1;
	uint32_t region, slot;
	int r;

	r = fw_pin_lock(datapath->pin, &lock, err);
	if (r < 0)
		return r;
	region = region_of(datapath, owner);
	slot = region == NO_REGION ? FW_NO_SLOT : row_of(datapath, region);
	if (slot != FW_NO_SLOT)
		fw_endpoint_publish(fw_datapath_endpoint(datapath, slot), FW_EP_CLAIMED);
	*ret_region = region;
	*ret_generation =
		region == NO_REGION ? 0 : fw_datapath_region(datapath, region)->generation;
	return 0;
}

int fw_endpoint_release(struct fw_datapath *datapath, uint64_t owner, struct fw_err *err)
{
	uint32_t region = NO_REGION, generation = 0, slot;
	_cleanup_close_ int lock = -1;
	struct fw_region *area;
	int r;

	if (!owner)
		return 0;
	r = close_row(datapath, owner, &region, &generation, err);
	if (r < 0 || region == NO_REGION)
		return r;
	r = fw_datapath_synchronize(datapath, err);
	if (r == 0)
		r = fw_pin_lock(datapath->pin, &lock, err);
	if (r < 0)
		return r;
	area = fw_datapath_region(datapath, region);
	if (area->owner != owner || area->generation != generation)
		return 0; /* claimed again meanwhile */
	slot = row_of(datapath, region);
	if (slot != FW_NO_SLOT)
		free_row(fw_datapath_endpoint(datapath, slot));
	free_region(area);
	return 0;
}
