/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Feeds the ring buffer of records in the place of the real programs. In: a test run whose packet
 * is an Ethernet header and one struct fw_event. Out: that event (fw_feed_one), or one that differs
 * in ports and time from the one before (fw_feed_many), lost ones counted as emit.h does.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "fw/abi.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} fw_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FW_LOST_ROWS);
	__type(key, __u32);
	__type(value, __u64);
} fw_lost SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fw_event);
} feed_template SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} feed_count SEC(".maps");

const volatile __u32 feed_flows = 65536; /* different flows, a power of two */
const volatile __u32 feed_peers = 1024;	 /* different addresses, a power of two */

static __always_inline void count_lost(__u32 type)
{
	__u64 *lost = bpf_map_lookup_elem(&fw_lost, &type);

	if (lost)
		(*lost)++;
}

SEC("tc") int fw_feed_one(struct __sk_buff *skb)
{
	struct fw_event *event = bpf_ringbuf_reserve(&fw_events, sizeof(*event), 0);
	__u8 type = FW_EVENT_NEW;

	if (!event) {
		(void)bpf_skb_load_bytes(skb, 14 + __builtin_offsetof(struct fw_event, type), &type,
					 1);
		count_lost(type & 7);
		return 1;
	}
	if (bpf_skb_load_bytes(skb, 14, event, sizeof(*event))) {
		bpf_ringbuf_discard(event, BPF_RB_NO_WAKEUP);
		return 2;
	}
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return 0;
}

SEC("tc") int fw_feed_many(struct __sk_buff *skb __attribute__((unused)))
{
	__u32 zero = 0, number;
	struct fw_event *template = bpf_map_lookup_elem(&feed_template, &zero);
	__u64 *count = bpf_map_lookup_elem(&feed_count, &zero);
	struct fw_event *event;

	if (!template || !count)
		return 2;
	number = (__u32)(*count)++;
	event = bpf_ringbuf_reserve(&fw_events, sizeof(*event), 0);
	if (!event) {
		count_lost(FW_EVENT_NEW);
		return 1;
	}
	__builtin_memcpy(event, template, sizeof(*event));
	event->time_ns = bpf_ktime_get_ns();
	event->local_port = (__u16)number;
	event->flow = number & (feed_flows - 1);
	event->flow_ctl = 2 | (number / feed_flows) << 3;
	event->remote[14] = (__u8)((number & (feed_peers - 1)) >> 8);
	event->remote[15] = (__u8)number & (__u8)(feed_peers - 1);
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return 0;
}

char feed_license[] SEC("license") = "Dual BSD/GPL";
