/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Another version of the real programs: no fast path, every packet is read by the careful one, and
 * counted. In: the programs as they are, with another way through them. Out: the same verdicts and
 * the same records, by other code. Runs on the maps of the real ones, beside them. Never used by
 * the product.
 */
#include "../bpf/fast.h"

__u64 careful_packets[2]; /* by direction */

static __always_inline int careful_packet(struct __sk_buff *skb, const struct fw_endpoint *ep,
					  const int direction)
{
	struct fw_packet p;

	__sync_fetch_and_add(&careful_packets[direction], 1);
	__builtin_memset(&p, 0, sizeof(p));
	p.slot = fw_hook_slot(skb);
	p.flow = FW_NO_SLOT;
	p.direction = (__u8)direction;
	return fw_slow(skb, ep, &p, fw_odd(skb, ep, &p));
}

#define fw_fast_packet careful_packet
#include "../bpf/fw_tc.bpf.c"
