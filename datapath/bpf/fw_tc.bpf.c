/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The four entry points: packets that leave the pod (from) and that enter it (to), on clsact and on tcx.
 * In: one packet on the pod's veth. Out: TC_ACT_UNSPEC (next program) or TC_ACT_SHOT. Only composes.
 */
#include "maps.h"

#define ENTRY(name)                                                                                                    \
	SEC("tc") int name(struct __sk_buff *skb)                                                                      \
	{                                                                                                              \
		__u32 slot = skb->ifindex & 0xffff;                                                                    \
		struct fw_endpoint *endpoint = bpf_map_lookup_elem(&fw_endpoints, &slot);                              \
		return endpoint && endpoint->state == FW_EP_ACTIVE ? -1 : 2;                                           \
	}
ENTRY(fw_from_clsact)
ENTRY(fw_to_clsact)
ENTRY(fw_from_tcx)
ENTRY(fw_to_tcx)

/* every map is used by the programs; until then keep them in the object */
SEC("tc") int fw_keep(struct __sk_buff *skb)
{
	void *maps[] = {&fw_node, &fw_regions, &fw_flows, &fw_subjects, &fw_cells, &fw_ranges, &fw_addresses,
			&fw_prefixes, &fw_services, &fw_events, &fw_counters, &fw_lost};
	return skb->len + (maps[skb->mark % 12] != 0) + (int)fw_hash_secret[skb->mark & 7] + (int)fw_mark_secret +
	       (int)fw_hz + (int)fw_slot;
}

char fw_license[] SEC("license") = "Dual BSD/GPL";
