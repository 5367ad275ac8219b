/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What the datapath is measured against, and what drives it: an empty program; a parse and one hash
 * lookup ("limit"); an evicting LRU insert; the limit and a ring buffer record; drivers that
 * write a flow's number into the ports and tail call the program under test.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "fw/abi.h"

#define BENCH_FLOWS 65536

struct key4 {
	__u32 source, target, ports, protocol;
};

struct key6 {
	__u32 source[4], target[4], ports, protocol;
};

struct value {
	__u64 word[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * BENCH_FLOWS);
	__type(key, struct key4);
	__type(value, struct value);
} bench_hash4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * BENCH_FLOWS);
	__type(key, struct key6);
	__type(value, struct value);
} bench_hash6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, BENCH_FLOWS);
	__type(key, struct key4);
	__type(value, struct value);
} bench_lru4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, BENCH_FLOWS);
	__type(key, struct key6);
	__type(value, struct value);
} bench_lru6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} bench_ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} bench_next SEC(".maps");

__u32 bench_count; /* packets of the drivers so far */
__u32 bench_mask;  /* flows - 1 */
__u32 bench_shift; /* 16: the number goes into the destination port, not the source port */

static __always_inline int parse4(struct __sk_buff *skb, struct key4 *key)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = data + sizeof(*eth);
	struct tcphdr *tcp;

	if ((void *)(ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP) || ip->version != 4 ||
	    ip->ihl < 5)
		return -1;
	tcp = (void *)ip + ip->ihl * 4;
	if ((void *)(tcp + 1) > end)
		return -1;
	key->source = ip->saddr;
	key->target = ip->daddr;
	key->ports = *(__u32 *)tcp;
	key->protocol = ip->protocol;
	return 0;
}

static __always_inline int parse6(struct __sk_buff *skb, struct key6 *key)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ethhdr *eth = data;
	struct ipv6hdr *ip = data + sizeof(*eth);
	struct tcphdr *tcp = (void *)(ip + 1);

	if ((void *)(tcp + 1) > end || eth->h_proto != bpf_htons(ETH_P_IPV6) || ip->version != 6)
		return -1;
	__builtin_memcpy(key->source, &ip->saddr, 16);
	__builtin_memcpy(key->target, &ip->daddr, 16);
	key->ports = *(__u32 *)tcp;
	key->protocol = ip->nexthdr;
	return 0;
}

SEC("tc") int bench_empty(struct __sk_buff *skb)
{
	(void)skb;
	return -1;
}

SEC("tc") int bench_limit4(struct __sk_buff *skb)
{
	struct value *value, zero = {{1}};
	struct key4 key = {};

	if (parse4(skb, &key))
		return 2;
	value = bpf_map_lookup_elem(&bench_hash4, &key);
	if (!value) /* while the flows are being made */
		bpf_map_update_elem(&bench_hash4, &key, &zero, BPF_ANY);
	return value && value->word[0] == 1 ? -1 : 2;
}

SEC("tc") int bench_limit6(struct __sk_buff *skb)
{
	struct value *value, zero = {{1}};
	struct key6 key = {};

	if (parse6(skb, &key))
		return 2;
	value = bpf_map_lookup_elem(&bench_hash6, &key);
	if (!value)
		bpf_map_update_elem(&bench_hash6, &key, &zero, BPF_ANY);
	return value && value->word[0] == 1 ? -1 : 2;
}

/* Every key is new: the table is full, each insert evicts. Only the insert: no parse, no lookup. */
SEC("tc") int bench_insert4(struct __sk_buff *skb)
{
	struct value zero = {{1}};
	struct key4 key = {.source = ++bench_count};

	(void)skb;
	bpf_map_update_elem(&bench_lru4, &key, &zero, BPF_ANY);
	return -1;
}

SEC("tc") int bench_insert6(struct __sk_buff *skb)
{
	struct value zero = {{1}};
	struct key6 key = {.source = {++bench_count}};

	(void)skb;
	bpf_map_update_elem(&bench_lru6, &key, &zero, BPF_ANY);
	return -1;
}

/* The limit and one record of the size of ours. */
static __always_inline int record(const struct value *value)
{
	__u64 *record = bpf_ringbuf_reserve(&bench_ring, sizeof(struct fw_event), 0);

	if (record) {
		record[0] = value ? value->word[0] : 0;
		bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	}
	return 2;
}

SEC("tc") int bench_deny4(struct __sk_buff *skb)
{
	struct value *value, one = {{1}};
	struct key4 key = {};

	if (parse4(skb, &key))
		return 2;
	value = bpf_map_lookup_elem(&bench_hash4, &key);
	if (!value) /* before the first round */
		bpf_map_update_elem(&bench_hash4, &key, &one, BPF_ANY);
	return record(value);
}

SEC("tc") int bench_deny6(struct __sk_buff *skb)
{
	struct value *value, one = {{1}};
	struct key6 key = {};

	if (parse6(skb, &key))
		return 2;
	value = bpf_map_lookup_elem(&bench_hash6, &key);
	if (!value) /* before the first round */
		bpf_map_update_elem(&bench_hash6, &key, &one, BPF_ANY);
	return record(value);
}

static __always_inline int drive(struct __sk_buff *skb, __u32 offset)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	__u32 number;

	if (data + offset + 4 > end)
		return 2;
	number = bench_count++ & bench_mask;
	*(__u32 *)(data + offset) = (number * 40503u & bench_mask)
				    << (bench_shift & 16); /* not in the order of the table */
	bpf_tail_call(skb, &bench_next, 0);
	return 2;
}

SEC("tc") int bench_drive4(struct __sk_buff *skb)
{
	return drive(skb, 34);
}

SEC("tc") int bench_drive6(struct __sk_buff *skb)
{
	return drive(skb, 54);
}

char bench_license[] SEC("license") = "Dual BSD/GPL";
