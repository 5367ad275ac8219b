/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Every map of abi.h as the programs see it, and the constants that the loader sets before it loads
 * them. max_entries are the defaults of struct fw_sizes; the loader changes them for maps that it
 * makes.
 */
#ifndef FW_BPF_MAPS_H
#define FW_BPF_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "fw/abi.h"
#include "fw/reasons.h"

/* Set by the loader from fw_node: every version of the programs that runs on these maps has the
 * same. */
const volatile __u64 fw_hash_secret[8] = {1, 1, 1, 1, 1, 1, 1, 1};
const volatile __u64 fw_mark_secret = 0;
const volatile __u32 fw_hz = 250;
/* Records of flows that a pod may write on one CPU within a window (fw_budgets). */
const volatile __u32 fw_flow_budget = FW_BUDGET_FLOWS;
/* CLOCK_MONOTONIC = jiffies x fw_tick_ns + fw_clock_base, in nanoseconds, two ticks late at most.
 */
const volatile __u32 fw_tick_ns = 0;
const volatile __u64 fw_clock_base = 0;
/* The endpoint row of a private copy of the program; FW_NO_SLOT: found by ifindex. */
const volatile __u32 fw_slot = FW_NO_SLOT;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fw_node);
} fw_node SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, FW_ENDPOINT_SLOTS);
	__type(key, __u32);
	__type(value, struct fw_endpoint);
} fw_endpoints SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct fw_region);
} fw_regions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 256 * 512);
	__type(key, __u32);
	__type(value, struct fw_bucket);
} fw_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, FW_SUBJECTS_MAX);
	__type(key, __u32);
	__type(value, struct fw_subject);
} fw_subjects SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, struct fw_cell_key);
	__type(value, struct fw_cell);
} fw_cells SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct fw_range);
} fw_ranges SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct fw_address_key);
	__type(value, struct fw_peer);
} fw_addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct fw_prefix_key);
	__type(value, struct fw_peer);
} fw_prefixes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct fw_service_key);
	__type(value, struct fw_service);
} fw_services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} fw_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FW_REASON_COUNT * 2);
	__type(key, __u32);
	__type(value, struct fw_counter);
} fw_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FW_LOST_ROWS);
	__type(key, __u32);
	__type(value, __u64);
} fw_lost SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct fw_budget);
} fw_budgets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FW_JUDGED_ROWS);
	__type(key, __u32);
	__type(value, struct fw_judged);
} fw_judged SEC(".maps");

#endif
