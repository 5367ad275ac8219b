/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seeds of the flow table. In: a connection and the endpoint whose it is. Out: one slot, by the
 * flow table's protocol (bpf/flow_table.h, rules 1, 2, 6 and 8), against packets that run on the
 * same buckets. Never takes a slot that holds another flow, never changes one that is allowed.
 */
#include "loader/seed.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "fw/flow_hash.h"
#include "loader/inside.h"

#define TRIES	    3
#define SEEN_BOTH   (FW_FLOW_STATE_SEEN_IN | FW_FLOW_STATE_SEEN_OUT)
#define SEED_ADVICE (FW_DECISION_ALLOW | FW_DECIDED_OLDER)

struct place {
	struct fw_bucket *bucket[2];
	uint32_t start;
	uint64_t tag; /* in its place in ctl */
	uint64_t key[3];
};

int fw_seeder_init(struct fw_datapath *datapath, struct fw_seeder *ret_seeder, struct fw_err *err)
{
	_cleanup_close_ int fd = fw_jiffies_open(err);
	struct fw_seeder seeder = {.datapath = datapath};
	int r = fd < 0 ? fd : fw_jiffies_read(fd, &seeder.now);

	if (r < 0)
		return fd < 0 ? r : fw_err_errno(err, r, "cannot read jiffies");
	if (!fw_datapath_bucket(datapath, 0))
		return fw_err_errno(err, -ENOMEM, "cannot map the flow table");
	*ret_seeder = seeder;
	return 0;
}

/* fw_flow.kind of a flow by this address: its index as bpf/source.h counts. */
static int address_index(const struct fw_endpoint *row, const struct fw_ip *local)
{
	if (fw_ip_is_zero(local))
		return -ENOENT;
	if (fw_ip_is4(local)) {
		if (fw_ip_to4(local) == row->ip4_be)
			return 0;
		for (int i = 0; i < row->ip4_more; i++)
			if (fw_ip_to4(local) == row->ip4_extra_be[i])
				return i + 1;
		return -ENOENT;
	}
	if (!memcmp(local->b, row->ip6, sizeof(row->ip6)))
		return 0;
	for (int i = 0; i < row->ip6_more; i++)
		if (!memcmp(local->b, row->ip6_extra[i], sizeof(row->ip6_extra[i])))
			return i + 1;
	return -ENOENT;
}

static void find_place(const struct fw_seeder *seeder, const struct fw_endpoint *row,
		       const struct fw_flow *flow, bool is4, struct place *ret_place)
{
	const __u64 *secret = fw_datapath_node(seeder->datapath)->hash_secret;
	const fw_word *key = (const fw_word *)flow->remote;
	const uint32_t mask = row->flow_mask;
	uint64_t hash;

	memcpy(ret_place->key, key, sizeof(ret_place->key));
	hash = is4 ? fw_hash_of4(secret, (uint32_t)(key[1] >> 32), key[2])
		   : fw_hash_of6(secret, key[0], key[1], key[2]);
	ret_place->start = (uint32_t)(hash >> 61);
	ret_place->tag = hash >> 32 << FW_CTL_TAG_SHIFT;
	ret_place->bucket[0] =
		fw_datapath_bucket(seeder->datapath, row->flow_base + fw_hash_bucket1(mask, hash));
	ret_place->bucket[1] =
		fw_datapath_bucket(seeder->datapath, row->flow_base + fw_hash_bucket2(mask, hash));
}

static struct fw_flow *slot_of(const struct place *place, uint32_t at)
{
	const uint32_t index = (place->start + at) % FW_BUCKET_SLOTS;

	return &place->bucket[at / FW_BUCKET_SLOTS % 2]->slot[index];
}

static uint64_t load_ctl(const struct fw_flow *flow)
{
	return __atomic_load_n((const fw_word *)&flow->ctl, __ATOMIC_ACQUIRE);
}

static bool change(struct fw_flow *flow, uint64_t from, uint64_t to)
{
	fw_word expected = from;

	return __atomic_compare_exchange_n((fw_word *)&flow->ctl, &expected, to, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* The slot that has this key, other than `own`; -EBUSY while one with its tag is being written. */
static int find(const struct place *place, const struct fw_flow *own, struct fw_flow **ret_flow,
		uint64_t *ret_ctl)
{
	for (uint32_t at = 0; at < 2 * FW_BUCKET_SLOTS; at++) {
		struct fw_flow *flow = slot_of(place, at);
		const volatile fw_word *key = (const volatile fw_word *)flow->remote;
		const uint64_t ctl = load_ctl(flow);
		bool same;

		if (flow == own || (ctl >> FW_CTL_TAG_SHIFT) != (place->tag >> FW_CTL_TAG_SHIFT))
			continue;
		if ((ctl & FW_CTL_STATE) == FW_CTL_BUSY)
			return -EBUSY;
		if ((ctl & FW_CTL_STATE) != FW_CTL_VALID)
			continue;
		same = key[0] == place->key[0] && key[1] == place->key[1] &&
		       key[2] == place->key[2];
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!same || ((load_ctl(flow) ^ ctl) & ~FW_CTL_SUSPECT))
			continue;
		*ret_flow = flow;
		*ret_ctl = ctl;
		return 0;
	}
	return -ENOENT;
}

/* Rule 6: a flow that was denied because nothing of the connection was known. */
static int renew(struct fw_flow *flow, uint64_t ctl, const struct fw_flow *seed)
{
	const uint64_t busy = ctl ^ FW_CTL_VALID ^ FW_CTL_BUSY;
	int r = 0;

	if (!change(flow, ctl, busy))
		return -EBUSY;
	if (!(flow->ev & FW_DECISION_ALLOW) && !(flow->state & FW_FLOW_STATE_CUT)) {
		__atomic_store_n((fw_word *)&flow->ev, seed->ev, __ATOMIC_RELAXED);
		__atomic_store_n(&flow->state, seed->state, __ATOMIC_RELAXED);
		r = 1;
	}
	return change(flow, busy, ctl) ? r : -EBUSY;
}

static struct fw_flow *take_free(const struct place *place, uint64_t *ret_busy)
{
	for (uint32_t at = 0; at < 2 * FW_BUCKET_SLOTS; at++) {
		struct fw_flow *flow = slot_of(place, at);
		const uint64_t ctl = load_ctl(flow);
		const uint64_t busy = place->tag |
				      ((ctl + FW_CTL_GENERATION_ONE) & FW_CTL_GENERATION) |
				      FW_CTL_BUSY;

		if ((ctl & FW_CTL_STATE) != FW_CTL_FREE || !change(flow, ctl, busy))
			continue;
		*ret_busy = busy;
		return flow;
	}
	return NULL;
}

/* Rules 2 and 8; a packet that was faster with this key keeps its slot, and that is renewed. */
static int insert(const struct place *place, const struct fw_flow *seed)
{
	struct fw_flow *flow, *twin;
	uint64_t busy, valid, ctl;
	int r;

	flow = take_free(place, &busy);
	if (!flow)
		return -ENOSPC;
	memcpy((char *)flow + sizeof(flow->ctl), (const char *)seed + sizeof(seed->ctl),
	       sizeof(*seed) - sizeof(seed->ctl));
	valid = busy ^ FW_CTL_BUSY ^ FW_CTL_VALID;
	if (!change(flow, busy, valid))
		return -EBUSY;
	r = find(place, flow, &twin, &ctl);
	if (r == -ENOENT)
		return 1;
	if (r == 0)
		r = renew(twin, ctl, seed);
	/* the sweeper frees it behind a grace period, as it does the loser of two packets */
	(void)change(flow, valid, valid ^ FW_CTL_VALID ^ FW_CTL_DEAD);
	return r;
}

int fw_flow_seed(const struct fw_seeder *seeder, uint32_t slot, const struct fw_seed *seed)
{
	const struct fw_endpoint *row = fw_datapath_endpoint(seeder->datapath, slot);
	int index = row ? address_index(row, &seed->local) : -ENOENT, r = -EBUSY;
	struct fw_flow fresh = {.local_port = seed->local_port,
				.remote_port = seed->remote_port,
				.protocol = seed->protocol,
				.seen = seeder->now,
				.state = SEEN_BOTH};
	struct fw_flow *known;
	struct place place;
	uint64_t ctl;

	if (index < 0)
		return index;
	memcpy(fresh.remote, seed->remote.b, sizeof(fresh.remote));
	fresh.kind = (uint8_t)index;
	fresh.generation = row->generation;
	fresh.state |= seed->egress ? FW_FLOW_STATE_EGRESS : 0;
	find_place(seeder, row, &fresh, fw_ip_is4(&seed->remote), &place);
	if (!place.bucket[0] || !place.bucket[1])
		return -ENOENT;
	for (int try = 0; try < TRIES && r == -EBUSY; try++) {
		/* an epoch that the endpoint had before: judged again by the next packet */
		fresh.ev = (uint64_t)(__atomic_load_n(&row->epoch, __ATOMIC_ACQUIRE) - 1) << 32 |
			   SEED_ADVICE;
		r = find(&place, NULL, &known, &ctl);
		if (r == 0)
			r = renew(known, ctl, &fresh);
		else if (r == -ENOENT)
			r = insert(&place, &fresh);
	}
	return r;
}
