/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What depends on the hook: which endpoint it serves, and promotion. While a device goes from
 * clsact to tcx both programs are attached; tcx runs first, judges, and leaves a mark in
 * skb->cb[4]; the clsact program that finds the mark of its own device and direction judges
 * nothing. The mark is drawn from a secret of this boot, so neither a pod's own programs nor a
 * packet marked at another device can make one.
 */
#ifndef FW_BPF_HOOK_H
#define FW_BPF_HOOK_H

#include "parse.h"

enum fw_hook_carrier {
	FW_CARRIER_CLSACT,
	FW_CARRIER_TCX,
};

static __always_inline __u32 fw_hook_mark(__u32 ifindex, __u32 direction)
{
	__u64 mix = fw_mark_secret ^ (((__u64)ifindex << 1 | direction) * 0x9e3779b97f4a7c15ULL);

	mix = (mix ^ mix >> 32) * 0xd6e8feb86659fd93ULL;
	mix = (mix ^ mix >> 29) * 0xbf58476d1ce4e5b9ULL;
	return (__u32)(mix >> 32) | 1; /* never 0, what an untouched cb holds */
}

/* The row of the packet's device. */
static __always_inline __u32 fw_hook_slot(const struct __sk_buff *skb)
{
	return fw_slot == FW_NO_SLOT ? skb->ifindex & 0xffff : fw_slot;
}

/* The endpoint in it; 0 when no packet of this device is to be judged by that row. */
static __always_inline struct fw_endpoint *fw_hook_endpoint(const struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex, bound = fw_slot;
	__u32 slot = bound == FW_NO_SLOT ? ifindex & 0xffff : bound;
	struct fw_endpoint *ep = bpf_map_lookup_elem(&fw_endpoints, &slot);

	if (!ep || FW_READ(ep->state) <= FW_EP_CLAIMED)
		return 0;
	return bound == FW_NO_SLOT && ep->ifindex != ifindex ? 0 : ep;
}

#endif
