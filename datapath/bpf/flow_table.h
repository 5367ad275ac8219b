/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The flow table: find, insert, evict, judge again. In: a key and its hash. Out: a slot, its
 * decision and the control word that vouched for it. Never blocks, never waits, never hands out a
 * decision that belongs to another key.
 *
 * Protocol (slot = one line; ctl = state 2 | SUSPECT 1 | generation 29 | tag 32):
 *  1. Only a successful cmpxchg on the whole ctl changes its state; who moved it to BUSY writes the
 * fields.
 *  2. Insert, evict: FREE or a victim -> BUSY with generation + 1, write, publish by cmpxchg BUSY
 * -> VALID.
 *  3. Look up: ctl, key, ev, ctl again; a hit only when nothing but SUSPECT changed in between.
 *  4. SUSPECT (the sweeper is about to end it): take it back by cmpxchg, or it is a miss.
 *  5. ev = epoch << 32 | decision, one word. 6. Judged again: VALID -> BUSY (same generation),
 * store, BUSY -> VALID.
 *  7. BUSY with our tag: judge, store nothing. 8. Two inserts of one key: the lower slot stays.
 *  9. seen is written when jiffies changed; counters are added after 3. 10. The sweeper (user
 * space) writes only ctl.
 *
 * A TCP flow stays half-open, with its short idle time, until both directions were seen. Checksums
 * are not verified (packets from a pod are mostly CHECKSUM_PARTIAL): a wrong one can move that idle
 * time, never a verdict.
 */
#ifndef FW_BPF_FLOW_TABLE_H
#define FW_BPF_FLOW_TABLE_H

#include "emit.h"
#include "fw/flow_hash.h"

#define FW_FLOW_BUSY   0xfffffffeu /* not a flow: somebody else is writing a slot with our tag */
#define FW_FLOW_BOTH   (FW_FLOW_STATE_SEEN_IN | FW_FLOW_STATE_SEEN_OUT)
#define FW_FLOW_CLOSED (FW_FLOW_STATE_FIN_IN | FW_FLOW_STATE_FIN_OUT)
#define FW_CTL_TAG     0xffffffff00000000ULL
#define FW_DEAD_IDLE                                                                               \
	60u /* seconds after which a slot that no sweeper frees is taken all the same */

static __always_inline __u64 fw_flow_rest(__u32 ports, __u8 protocol, __u8 kind, __u16 generation)
{
	return (__u64)ports | (__u64)protocol << 32 | (__u64)kind << 40 | (__u64)generation << 48;
}

static __always_inline __u64 fw_flow_hash4(__u32 addr, __u64 rest)
{
	return fw_hash_of4(fw_hash_secret, addr, rest);
}

static __always_inline __u64 fw_flow_hash6(__u64 high, __u64 low, __u64 rest)
{
	return fw_hash_of6(fw_hash_secret, high, low, rest);
}

static __always_inline __u64 fw_flow_hash(const struct fw_flow_key *key)
{
	if (key->remote.d[0] == 0 && key->remote.w[2] == bpf_htonl(0xffff))
		return fw_flow_hash4(key->remote.w[3], key->rest);
	return fw_flow_hash6(key->remote.d[0], key->remote.d[1], key->rest);
}

static __always_inline __u32 fw_flow_bucket1(const struct fw_endpoint *ep, __u64 hash)
{
	return ep->flow_base + fw_hash_bucket1(ep->flow_mask, hash);
}

static __always_inline __u32 fw_flow_bucket2(const struct fw_endpoint *ep, __u64 hash)
{
	return ep->flow_base + fw_hash_bucket2(ep->flow_mask, hash);
}

static __always_inline __u32 fw_flow_start(__u64 hash)
{
	return (__u32)(hash >> 61);
}

static __always_inline struct fw_flow *fw_flow_at(__u32 id)
{
	__u32 row = id / FW_BUCKET_SLOTS;
	struct fw_bucket *bucket = bpf_map_lookup_elem(&fw_flows, &row);

	return bucket ? &bucket->slot[id % FW_BUCKET_SLOTS] : 0;
}

/*
 * Rule 3 on machines that reorder loads (arm64): the key and ev are read at an address that depends
 * on ctl, and ctl is read again at an address that depends on all of them. The compiler cannot see
 * through the asm; a comparison would let it use the wanted value in the place of the one read.
 * FW_LOADS_IN_ORDER: built for x86, which keeps the order of loads by itself.
 */
static __always_inline const struct fw_flow *fw_flow_after(const struct fw_flow *flow, __u64 read)
{
#ifdef FW_LOADS_IN_ORDER
	(void)read;
	return flow;
#else
	asm volatile("%0 &= 0" : "+r"(read));
	return (const struct fw_flow *)((const char *)flow + read);
#endif
}

/* What a hit stands on. */
struct fw_flow_seen {
	__u64 ev;
	__u64 all; /* depends on every word read */
};

/* Key and ev of a slot whose ctl was read: 1 when the key is this one. */
static __always_inline int fw_flow_same(const struct fw_flow *flow, const struct fw_flow_key *key,
					__u64 ctl, struct fw_flow_seen *ret_seen)
{
	const struct fw_flow *slot = fw_flow_after(flow, ctl);
	const __u64 *word = (const __u64 *)slot->remote;
	__u64 rest = FW_READ(word[2]), low = FW_READ(word[1]), high = FW_READ(word[0]);

	ret_seen->ev = FW_READ(slot->ev);
	ret_seen->all = rest | low | high | ret_seen->ev;
#ifndef FW_LOADS_IN_ORDER
	asm volatile("" : "+r"(ret_seen->all));
#endif
	return rest == key->rest && low == key->remote.d[1] && high == key->remote.d[0];
}

static __always_inline __u64 fw_flow_recheck(const struct fw_flow *flow,
					     const struct fw_flow_seen *seen)
{
	return FW_READ(fw_flow_after(flow, seen->all)->ctl);
}

/* Rules 3 and 4 for one bucket. Fills p->ctl, p->ev and p->known. */
FW_SUB __u32 fw_flow_find_in(struct fw_packet *p, __u32 row)
{
	struct fw_bucket *bucket = bpf_map_lookup_elem(&fw_flows, &row);
	__u32 found = FW_NO_SLOT, start;

	if (!p)
		return FW_NO_SLOT;
	start = fw_flow_start(p->hash);
	if (!bucket)
		return FW_NO_SLOT;
	for (__u32 i = 0; i < FW_BUCKET_SLOTS; i++) {
		__u32 index = (start + i) & (FW_BUCKET_SLOTS - 1);
		struct fw_flow *flow = &bucket->slot[index];
		__u64 ctl = FW_READ(flow->ctl), again;
		__u32 state;
		struct fw_flow_seen seen;

		if ((ctl ^ p->hash) & FW_CTL_TAG)
			continue;
		if ((ctl & FW_CTL_STATE) == FW_CTL_BUSY)
			found = FW_FLOW_BUSY;
		if ((ctl & FW_CTL_STATE) != FW_CTL_VALID ||
		    !fw_flow_same(flow, &p->key, ctl, &seen))
			continue;
		state = FW_READ(flow->state);
		seen.all |= state;
		again = fw_flow_recheck(flow, &seen);
		if ((again ^ ctl) & ~FW_CTL_SUSPECT)
			continue;
		if (again & FW_CTL_SUSPECT) {
			ctl = __sync_val_compare_and_swap(&flow->ctl, again,
							  again & ~FW_CTL_SUSPECT);
			if (ctl != again)
				continue;
			again &= ~FW_CTL_SUSPECT;
		}
		p->ctl = again;
		p->ev = seen.ev;
		p->known = (__u16)state;
		return row * FW_BUCKET_SLOTS + index;
	}
	return found;
}

static __always_inline __u32 fw_flow_find(const struct fw_endpoint *ep, struct fw_packet *p)
{
	__u32 first = fw_flow_find_in(p, fw_flow_bucket1(ep, p->hash)), second;

	if (first < FW_FLOW_BUSY)
		return first;
	second = fw_flow_find_in(p, fw_flow_bucket2(ep, p->hash));
	return second < FW_FLOW_BUSY || first == FW_NO_SLOT ? second : first;
}

/* Idle seconds that this flow is granted (abi.h). */
static __always_inline __u32 fw_flow_idle(const struct fw_flow *flow)
{
	__u32 state = flow->state;
	int half = (state & FW_FLOW_BOTH) != FW_FLOW_BOTH;

	if (flow->protocol == IPPROTO_TCP) {
		if ((state & FW_FLOW_CLOSED) == FW_FLOW_CLOSED || (state & FW_FLOW_STATE_RST))
			return FW_IDLE_TCP_CLOSED;
		return half ? FW_IDLE_TCP_HALF : FW_IDLE_TCP;
	}
	if (flow->protocol == IPPROTO_UDP)
		return half ? FW_IDLE_UDP_HALF : FW_IDLE_UDP;
	return FW_IDLE_OTHER;
}

static __always_inline int fw_flow_weak(const struct fw_flow *flow)
{
	return (flow->kind & FW_FLOW_FRAGMENT) || !(FW_READ(flow->ev) & FW_DECISION_ALLOW);
}

/* Upper half: what kind of slot is given up; lower half: its age in jiffies, or how many are free.
 */
#define FW_WORTH_FREE	   (6ULL << 32)
#define FW_WORTH_WEAK	   (5ULL << 32)
#define FW_WORTH_CLOSED	   (4ULL << 32)
#define FW_WORTH_HALF_OPEN (3ULL << 32)
#define FW_WORTH_EXPIRED   (2ULL << 32)
#define FW_WORTH_DEAD	   (1ULL << 32)

/*
 * How willingly a slot is given up: 0 never. Order: free, denied or fragment, closed by both sides,
 * half-open, expired, left behind by a sweeper that died; the oldest of its kind first. `weak` (a
 * denied flow, a fragment) never pushes out an allowed one. Closed ones do not wait for their time:
 * a pod with many short connections would fill its table with them.
 */
static __always_inline __u64 fw_flow_worth(const struct fw_flow *flow, __u64 ctl, __u32 now,
					   int weak)
{
	__u64 age = now - FW_READ(flow->seen);

	if ((ctl & FW_CTL_STATE) == FW_CTL_FREE)
		return FW_WORTH_FREE;
	if ((ctl & FW_CTL_STATE) == FW_CTL_DEAD)
		return age > (__u64)FW_DEAD_IDLE * fw_hz && age < 1ULL << 31 ? FW_WORTH_DEAD | age
									     : 0;
	if ((ctl & FW_CTL_STATE) != FW_CTL_VALID)
		return 0;
	if (age >= 1ULL << 31) /* written by a CPU whose jiffies are ahead of ours */
		age = 0;
	if (fw_flow_weak(flow))
		return FW_WORTH_WEAK | age;
	if (weak)
		return 0;
	if ((flow->state & FW_FLOW_CLOSED) == FW_FLOW_CLOSED)
		return FW_WORTH_CLOSED | age;
	if ((flow->state & FW_FLOW_BOTH) != FW_FLOW_BOTH)
		return FW_WORTH_HALF_OPEN | age;
	return age > (__u64)fw_flow_idle(flow) * fw_hz ? FW_WORTH_EXPIRED | age : 0;
}

/*
 * The slot of a bucket that is given up more willingly than what *ret_worth says; its ctl goes to
 * *ret_ctl. A free one counts for more the more of its bucket is free: of two buckets the emptier
 * one is filled, else a table that is half full of flows that stay refuses some new ones already.
 */
FW_SUB __u32 fw_flow_choose(struct fw_packet *p, __u32 row, int weak, __u64 *ret_worth,
			    __u64 *ret_ctl)
{
	struct fw_bucket *bucket = bpf_map_lookup_elem(&fw_flows, &row);
	__u32 now = (__u32)bpf_jiffies64(), chosen = FW_NO_SLOT, start, free = 0;
	__u64 best = 0, best_ctl = 0;

	if (!p || !ret_worth || !ret_ctl)
		return FW_NO_SLOT;
	start = fw_flow_start(p->hash);
	if (!bucket)
		return FW_NO_SLOT;
	for (__u32 i = 0; i < FW_BUCKET_SLOTS; i++) {
		__u32 index = (start + i) & (FW_BUCKET_SLOTS - 1);
		struct fw_flow *flow = &bucket->slot[index];
		__u64 ctl = FW_READ(flow->ctl), worth = fw_flow_worth(flow, ctl, now, weak);

		free += worth == FW_WORTH_FREE;
		if (worth <= best)
			continue;
		best = worth;
		best_ctl = ctl;
		chosen = row * FW_BUCKET_SLOTS + index;
	}
	if (best == FW_WORTH_FREE)
		best += free;
	if (best <= *ret_worth)
		return FW_NO_SLOT;
	*ret_worth = best;
	*ret_ctl = best_ctl;
	return chosen;
}

/* Rule 8: 1 when the same key is VALID in a lower slot than `own`, as far as this bucket goes. */
static __always_inline int fw_flow_twice(const struct fw_packet *p, __u32 row, __u32 own)
{
	struct fw_bucket *bucket;

	if (row * FW_BUCKET_SLOTS >= own)
		return 0;
	bucket = bpf_map_lookup_elem(&fw_flows, &row);
	if (!bucket)
		return 0;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < FW_BUCKET_SLOTS; i++) {
		struct fw_flow *flow = &bucket->slot[i];
		__u64 ctl = FW_READ(flow->ctl);
		struct fw_flow_seen seen;

		if ((ctl ^ p->hash) & FW_CTL_TAG)
			continue;
		if (row * FW_BUCKET_SLOTS + i >= own)
			return 0;
		if ((ctl & FW_CTL_STATE) != FW_CTL_VALID ||
		    !fw_flow_same(flow, &p->key, ctl, &seen))
			continue;
		if (!((fw_flow_recheck(flow, &seen) ^ ctl) & ~FW_CTL_SUSPECT))
			return 1;
	}
	return 0;
}

enum fw_insert {
	FW_INSERTED,
	FW_INSERT_EVICTED, /* inserted, somebody else's flow went */
	FW_INSERT_TWIN,	   /* another CPU was first with this key: its slot stands */
	FW_INSERT_FULL,
};

static __always_inline void fw_flow_write(struct fw_flow *flow, const struct fw_packet *p)
{
	__u64 *word = (__u64 *)flow->remote;

	FW_WRITE(word[0], p->key.remote.d[0]);
	FW_WRITE(word[1], p->key.remote.d[1]);
	FW_WRITE(word[2], p->key.rest);
	FW_WRITE(flow->ev, p->ev);
	FW_WRITE(flow->count[0], p->direction == FW_INGRESS ? p->add : 0);
	FW_WRITE(flow->count[1], p->direction == FW_EGRESS ? p->add : 0);
	FW_WRITE(flow->seen, (__u32)bpf_jiffies64());
	FW_WRITE(flow->state, p->state);
}

static __always_inline int fw_flow_is_weak(const struct fw_packet *p)
{
	return ((p->key.rest >> 40) & FW_FLOW_FRAGMENT) || !(p->ev & FW_DECISION_ALLOW);
}

static __always_inline __u64 fw_flow_busy(const struct fw_packet *p, __u64 ctl)
{
	return (p->hash & FW_CTL_TAG) | ((ctl + FW_CTL_GENERATION_ONE) & FW_CTL_GENERATION) |
	       FW_CTL_BUSY;
}

/* The slot is BUSY by us: it becomes the flow of p. */
static __always_inline int fw_flow_publish(const struct fw_endpoint *ep, struct fw_packet *p,
					   struct fw_flow *flow, __u32 id, __u64 busy, int inserted)
{
	fw_flow_write(flow, p);
	p->ctl = busy ^ FW_CTL_BUSY ^ FW_CTL_VALID;
	if (__sync_val_compare_and_swap(&flow->ctl, busy, p->ctl) != busy)
		return FW_INSERT_FULL;
	p->flow = id;
	/* a denied key that stands twice costs a record, no more */
	if (!fw_flow_is_weak(p) && (fw_flow_twice(p, fw_flow_bucket1(ep, p->hash), id) ||
				    fw_flow_twice(p, fw_flow_bucket2(ep, p->hash), id))) {
		__sync_val_compare_and_swap(&flow->ctl, p->ctl,
					    p->ctl ^ FW_CTL_VALID ^ FW_CTL_DEAD);
		p->flow = FW_NO_SLOT;
		return FW_INSERT_TWIN;
	}
	return inserted;
}

/* Rule 2. Takes p->key, p->hash, p->ev, p->state, p->add; sets p->flow and p->ctl when inserted. */
FW_SUB int fw_flow_insert(const struct fw_endpoint *ep, struct fw_packet *p)
{
	__u64 worth = 0, ctl = 0, busy;
	struct fw_flow *flow = 0;
	__u32 id, other;
	int weak;

	if (!ep || !p)
		return FW_INSERT_FULL;
	weak = fw_flow_is_weak(p);
	for (int try = 0;; try++) {
		worth = 0;
		id = fw_flow_choose(p, fw_flow_bucket1(ep, p->hash), weak, &worth, &ctl);
		other = fw_flow_choose(p, fw_flow_bucket2(ep, p->hash), weak, &worth, &ctl);
		if (other != FW_NO_SLOT)
			id = other;
		if (id == FW_NO_SLOT || try == 3)
			return FW_INSERT_FULL;
		flow = fw_flow_at(id);
		if (!flow)
			return FW_INSERT_FULL;
		busy = fw_flow_busy(p, ctl);
		if (__sync_val_compare_and_swap(&flow->ctl, ctl, busy) == ctl)
			break;
	}
	/* a denied flow of one packet and a fragment have told everything; a free slot has nothing
	 * to tell */
	if ((ctl & FW_CTL_STATE) == FW_CTL_VALID && !(flow->kind & FW_FLOW_FRAGMENT) &&
	    ((flow->ev & FW_DECISION_ALLOW) ||
	     (flow->count[0] + flow->count[1]) >> FW_COUNT_BYTES_BITS > 1))
		fw_emit_evict(ep, p, flow, id, ctl);
	return fw_flow_publish(ep, p, flow, id, busy,
			       worth >= FW_WORTH_FREE ? FW_INSERTED : FW_INSERT_EVICTED);
}

/* How much of a bucket is used: states are added up, of which FREE is 0 and VALID is 2. */
static __always_inline __u32 fw_flow_used(const struct fw_bucket *bucket)
{
	__u32 states = 0;

#pragma clang loop unroll(full)
	for (__u32 i = 0; i < FW_BUCKET_SLOTS; i++)
		states += (__u32)FW_READ(bucket->slot[i].ctl) & (__u32)FW_CTL_STATE;
	return states;
}

/*
 * The same without a call where there is a free slot, as nearly always: in the first bucket while
 * less than half of it is used, else in the emptier one.
 */
static __always_inline int fw_flow_insert_here(const struct fw_endpoint *ep, struct fw_packet *p)
{
	__u32 row = fw_flow_bucket1(ep, p->hash), start = fw_flow_start(p->hash), used;
	struct fw_bucket *bucket = bpf_map_lookup_elem(&fw_flows, &row), *second;

	if (!bucket)
		return FW_INSERT_FULL;
	used = fw_flow_used(bucket);
	if (used >= FW_BUCKET_SLOTS / 2 * FW_CTL_VALID) {
		__u32 other = fw_flow_bucket2(ep, p->hash);

		second = bpf_map_lookup_elem(&fw_flows, &other);
		if (second && fw_flow_used(second) < used) {
			bucket = second;
			row = other;
		}
	}
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < FW_BUCKET_SLOTS; i++) {
		__u32 index = (start + i) & (FW_BUCKET_SLOTS - 1);
		struct fw_flow *flow = &bucket->slot[index];
		__u64 ctl = FW_READ(flow->ctl), busy = fw_flow_busy(p, ctl);

		if ((ctl & FW_CTL_STATE) != FW_CTL_FREE)
			continue;
		if (__sync_val_compare_and_swap(&flow->ctl, ctl, busy) != ctl)
			break;
		return fw_flow_publish(ep, p, flow, row * FW_BUCKET_SLOTS + index, busy,
				       FW_INSERTED);
	}
	return fw_flow_insert(ep, p);
}

/* Rule 6: stores p->ev (and p->state) in the slot that p->ctl vouches for. 0 when stored. */
FW_SUB int fw_flow_store(struct fw_flow *flow, const struct fw_packet *p)
{
	__u64 busy;

	if (!flow || !p)
		return -1;
	busy = p->ctl ^ FW_CTL_VALID ^ FW_CTL_BUSY;
	if (__sync_val_compare_and_swap(&flow->ctl, p->ctl, busy) != p->ctl)
		return -1;
	FW_WRITE(flow->ev, p->ev);
	if (FW_READ(flow->state) != p->state)
		FW_WRITE(flow->state, p->state);
	return __sync_val_compare_and_swap(&flow->ctl, busy, p->ctl) == busy ? 0 : -1;
}

/* A new life for the slot that p->ctl vouches for (a port used again): its record goes, counters
 * start anew. */
FW_SUB int fw_flow_restart(const struct fw_endpoint *ep, struct fw_flow *flow, struct fw_packet *p)
{
	__u64 busy;

	if (!ep || !flow || !p)
		return -1;
	busy = fw_flow_busy(p, p->ctl);
	if (__sync_val_compare_and_swap(&flow->ctl, p->ctl, busy) != p->ctl)
		return -1;
	fw_emit_evict(ep, p, flow, p->flow, p->ctl);
	fw_flow_write(flow, p);
	p->ctl = busy ^ FW_CTL_BUSY ^ FW_CTL_VALID;
	return __sync_val_compare_and_swap(&flow->ctl, busy, p->ctl) == busy ? 0 : -1;
}

/* Rule 9, for a packet that hit: last seen, counter, and what TCP's flags say about the flow's end.
 */
FW_SUB int fw_flow_touch(struct fw_flow *flow, const struct fw_packet *p)
{
	__u32 now = (__u32)bpf_jiffies64(), state, set;

	if (!flow || !p)
		return -1;
	state = FW_READ(flow->state);
	set = p->direction ? FW_FLOW_STATE_SEEN_OUT : FW_FLOW_STATE_SEEN_IN;
	if (p->tcp_flags & FW_TCP_FIN)
		set |= p->direction ? FW_FLOW_STATE_FIN_OUT : FW_FLOW_STATE_FIN_IN;
	if (p->tcp_flags & FW_TCP_RST)
		set |= FW_FLOW_STATE_RST;
	else if (state & FW_FLOW_STATE_RST)
		__sync_fetch_and_and(&flow->state, ~FW_FLOW_STATE_RST);
	if ((state & set) != set)
		__sync_fetch_and_or(&flow->state, set);
	if (FW_READ(flow->seen) != now)
		FW_WRITE(flow->seen, now);
	__sync_fetch_and_add(&flow->count[p->direction & 1], p->add);
	return 0;
}

#endif
