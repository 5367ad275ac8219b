/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Who is the other side. In: its address. Out: its peer class and flags. The exact address first,
 * then the longest prefix; an address in neither is the world outside, in no ipBlock that a policy
 * names.
 */
#ifndef FW_BPF_IDENTITY_H
#define FW_BPF_IDENTITY_H

#include "parse.h"

FW_SUB __u32 fw_identity_find(const union fw_addr *addr, __u32 *ret_class)
{
	struct fw_prefix_key prefix = {.prefixlen = 128};
	struct fw_peer *peer;

	if (!addr || !ret_class)
		return 0;
	/* keys stand on the stack: before 6.2 the verifier takes no other memory for a key */
	__builtin_memcpy(prefix.addr, addr, 16);
	peer = bpf_map_lookup_elem(&fw_addresses, prefix.addr);
	if (!peer)
		peer = bpf_map_lookup_elem(&fw_prefixes, &prefix);
	*ret_class = peer ? peer->peer_class : FW_CLASS_WORLD;
	return peer ? peer->flags : 0;
}

#endif
