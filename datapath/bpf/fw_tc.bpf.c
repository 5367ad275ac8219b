/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The four entry points: packets that leave the pod (from) and that enter it (to), on clsact and on
 * tcx. In: one packet on the pod's veth. Out: FW_NEXT (TC_ACT_UNSPEC: the next program) or FW_SHOT.
 * Only composes.
 */
#include "fast.h"
#include "hook.h"

static __always_inline int run(struct __sk_buff *skb, const int direction, const int carrier)
{
	struct fw_endpoint *ep = fw_hook_endpoint(skb);
	int action;

	if (!ep)
		return fw_slow_nobody(skb, (__u32)direction, FW_REASON_NO_ENDPOINT);
	if (carrier == FW_CARRIER_CLSACT && skb->cb[4] &&
	    skb->cb[4] == fw_hook_mark(skb->ifindex, (__u32)direction))
		return fw_slow_nobody(skb, (__u32)direction, FW_REASON_JUDGED_ELSEWHERE);
	action = fw_fast_packet(skb, ep, direction);
	if (carrier == FW_CARRIER_TCX && action == FW_NEXT)
		skb->cb[4] = fw_hook_mark(skb->ifindex, (__u32)direction);
	return action;
}

SEC("tc") int fw_from_clsact(struct __sk_buff *skb)
{
	return run(skb, FW_EGRESS, FW_CARRIER_CLSACT);
}

SEC("tc") int fw_to_clsact(struct __sk_buff *skb)
{
	return run(skb, FW_INGRESS, FW_CARRIER_CLSACT);
}

SEC("tc") int fw_from_tcx(struct __sk_buff *skb)
{
	return run(skb, FW_EGRESS, FW_CARRIER_TCX);
}

SEC("tc") int fw_to_tcx(struct __sk_buff *skb)
{
	return run(skb, FW_INGRESS, FW_CARRIER_TCX);
}

char fw_license[] SEC("license") = "Dual BSD/GPL";
