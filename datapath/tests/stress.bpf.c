/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The flow table under stress: one run looks one of 64 keys up in 16 slots whose tags collide,
 * inserts it when it is not there (so somebody else's flow goes), and judges one hit in eight
 * again. The right mode is the code of bpf/flow_table.h itself; each wrong one leaves out one rule
 * of the protocol. Out: counts; `bad` is the number of hits that brought another key's decision.
 */
#include "bpf/flow_table.h"
#include "stress.h"

const volatile __u32 stress_mode = STRESS_RIGHT;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stress_counts);
} stress_counts SEC(".maps");

static __always_inline __u64 decision_of(__u32 key)
{
	return 1ULL << 32 | FW_DECISION_ALLOW | (key * 0x9e3779b1u & FW_DECISION_ID);
}

/* Two buckets, four tags: each tag and bucket is shared by many keys. */
static __always_inline void make_packet(struct fw_packet *p, __u32 key)
{
	p->key.remote.d[0] = 0x9e3779b97f4a7c15ULL * (key + 1);
	p->key.remote.d[1] = 0xc2b2ae3d27d4eb4fULL * (key + 7);
	p->key.rest = 0xff51afd7ed558ccdULL * (key + 3) & ~((__u64)FW_FLOW_FRAGMENT << 40);
	p->hash =
		(__u64)(key & 1) << 40 | (__u64)(key >> 1 & 1) << 61 | (__u64)(key >> 2 & 1) << 31;
	p->ev = decision_of(key);
	p->state = FW_FLOW_STATE_SEEN_OUT; /* half-open: may be evicted */
	p->direction = FW_EGRESS;
	p->add = 1ULL << FW_COUNT_BYTES_BITS | 60;
}

/* Wrong: what was read is believed without a second look at ctl. */
static __noinline __u32 find_without_recheck(struct fw_packet *p, __u32 row)
{
	struct fw_bucket *bucket = bpf_map_lookup_elem(&fw_flows, &row);

	if (!bucket)
		return FW_NO_SLOT;
	for (__u32 i = 0; i < FW_BUCKET_SLOTS; i++) {
		struct fw_flow *flow = &bucket->slot[i];
		__u64 ctl = FW_READ(flow->ctl);
		struct fw_flow_seen seen;

		if (((ctl ^ p->hash) & FW_CTL_TAG) || (ctl & FW_CTL_STATE) != FW_CTL_VALID ||
		    !fw_flow_same(flow, &p->key, ctl, &seen))
			continue;
		p->ev = seen.ev;
		p->ctl = ctl;
		return row * FW_BUCKET_SLOTS + i;
	}
	return FW_NO_SLOT;
}

/* Wrong: key and decision are written in place, and ctl last, by plain stores. */
static __noinline int insert_naively(struct fw_packet *p, __u32 row, __u32 victim)
{
	struct fw_bucket *bucket = bpf_map_lookup_elem(&fw_flows, &row);
	struct fw_flow *flow;
	__u64 ctl;

	if (!bucket)
		return FW_INSERT_FULL;
	flow = &bucket->slot[victim & (FW_BUCKET_SLOTS - 1)];
	ctl = FW_READ(flow->ctl);
	fw_flow_write(flow, p);
	FW_WRITE(flow->ctl, (p->hash & FW_CTL_TAG) |
				    ((ctl + FW_CTL_GENERATION_ONE) & FW_CTL_GENERATION) |
				    FW_CTL_VALID);
	return FW_INSERT_EVICTED;
}

static __always_inline __u32 find(const struct fw_endpoint *ep, struct fw_packet *p)
{
	__u32 id;

	if (stress_mode != STRESS_NAIVE && stress_mode != STRESS_NO_RECHECK)
		return fw_flow_find(ep, p);
	id = find_without_recheck(p, fw_flow_bucket1(ep, p->hash));
	return id != FW_NO_SLOT ? id : find_without_recheck(p, fw_flow_bucket2(ep, p->hash));
}

static __always_inline void judge_again(struct fw_flow *flow, struct fw_packet *p, __u32 key)
{
	p->ev = decision_of(key);
	if (stress_mode == STRESS_PLAIN_STORE) /* wrong: the slot may be another key's by now */
		FW_WRITE(flow->ev, p->ev);
	else
		(void)fw_flow_store(flow, p);
}

SEC("tc") int stress(struct __sk_buff *skb __attribute__((unused)))
{
	__u32 zero = 0, random = bpf_get_prandom_u32(), key = random % STRESS_KEYS, id;
	struct fw_endpoint *ep = bpf_map_lookup_elem(&fw_endpoints, &zero);
	struct stress_counts *counts = bpf_map_lookup_elem(&stress_counts, &zero);
	struct fw_packet p = {};
	struct fw_flow *flow;
	int done;

	if (!ep || !counts)
		return 0;
	make_packet(&p, key);
	id = find(ep, &p);
	if (id < FW_FLOW_BUSY) {
		flow = fw_flow_at(id);
		if (!flow)
			return 0;
		counts->hits++;
		if (p.ev != decision_of(key))
			counts->bad++;
		p.flow = id;
		if ((random >> 20 & 7) == 0)
			judge_again(flow, &p, key);
		else
			fw_flow_touch(flow, &p);
		return 0;
	}
	counts->misses++;
	if (id == FW_FLOW_BUSY)
		return 0; /* rule 7 */
	p.ev = decision_of(key);
	if (stress_mode == STRESS_NAIVE)
		done = insert_naively(&p, fw_flow_bucket1(ep, p.hash), random >> 24);
	else
		done = fw_flow_insert(ep, &p);
	if (done == FW_INSERTED)
		counts->inserted++;
	else if (done == FW_INSERT_EVICTED)
		counts->evicted++;
	else if (done == FW_INSERT_TWIN)
		counts->twins++;
	return 0;
}

char stress_license[] SEC("license") = "Dual BSD/GPL";
