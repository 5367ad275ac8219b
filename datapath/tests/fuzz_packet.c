/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The careful parser (bpf/odd.h and below) compiled for the host: the packet is a heap block of
 * exactly its size, so that the sanitizers see each byte read beyond it, and what the parser lets
 * through is compared with a second reading. First input byte: direction and family bit are free,
 * the rest is the frame.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wellformed.h"

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

static long fuzz_load_bytes(const void *skb, uint32_t offset, void *to, uint32_t length);
static void *fuzz_no_peer(void *map, const void *key);
static long fuzz_pull_data(void *skb, uint32_t length);

/* the helpers that the parser may call; any other would jump to a small number and be found at once
 */
#define bpf_skb_load_bytes  fuzz_load_bytes
#define bpf_map_lookup_elem fuzz_no_peer
#define bpf_skb_pull_data   fuzz_pull_data

#include "bpf/slow.h"

static const uint8_t *frame_bytes;

static long fuzz_load_bytes(const void *skb, uint32_t offset, void *to, uint32_t length)
{
	uint32_t have = ((const struct __sk_buff *)skb)->len;

#ifdef FW_PLANTED_BUG
	if (offset > have)
#else
	if (offset > have || length > have - offset)
#endif
		return -1;
	memcpy(to, frame_bytes + offset, length);
	return 0;
}

static void *fuzz_no_peer(void *map, const void *key)
{
	(void)map;
	(void)key;
	return NULL;
}

/* The frame is read by fuzz_load_bytes() alone: nothing is behind a linear part. */
static long fuzz_pull_data(void *skb, uint32_t length)
{
	return length <= ((const struct __sk_buff *)skb)->len ? 0 : -1;
}

static struct fw_endpoint endpoint(void)
{
	struct fw_endpoint ep = {.generation = 9,
				 .ip4_more = 1,
				 .ip6_more = 1,
				 .flow_mask = 7,
				 .state = FW_EP_ACTIVE};

	memcpy(ep.mac, pod_mac, 6);
	assert(inet_pton(AF_INET, POD4, &ep.ip4_be) == 1 && inet_pton(AF_INET6, POD6, ep.ip6) == 1);
	assert(inet_pton(AF_INET, POD4B, &ep.ip4_extra_be[0]) == 1);
	assert(inet_pton(AF_INET6, POD6B, ep.ip6_extra[0]) == 1);
	assert(inet_pton(AF_INET6, POD6LL, ep.ip6_ll) == 1);
	return ep;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fw_endpoint ep = endpoint();
	struct __sk_buff skb = {};
	struct fw_packet p = {};
	struct frame f;
	uint8_t *copy;
	int next;

	if (size < 15 || size > 4096)
		return 0;
	p.direction = data[0] & 1;
	copy = malloc(size - 1);
	assert(copy);
	memcpy(copy, data + 1, size - 1);
	if (p.direction == FW_EGRESS &&
	    (data[0] & 2)) /* past the first checks more often than chance would */
		memcpy(copy + 6, pod_mac, 6);
	frame_bytes = copy;
	skb.len = (uint32_t)size - 1;
	next = fw_odd(&skb, &ep, &p);
	f = (struct frame){.b = copy, .len = size - 1, .out = p.direction == FW_EGRESS};
	assert(next < FW_REASON_COUNT && next >= FW_ODD_LATE && next != FW_REASON_NONE);
	if (next == FW_ODD_LATE && fw_fragment_overlaps(&p))
		next = FW_REASON_FRAGMENT_OVERLAP;
	if (next == FW_ODD_MEET && p.protocol == IPPROTO_TCP && !fw_meet_tcp_sane(p.tcp_flags))
		next = FW_REASON_BAD_TCP;
	if (next < 0 && fw_source_possible(&p))
		next = FW_REASON_BAD_SOURCE;
	if (next < 0 && !fw_addr_is_group(&p.local) && !fw_addr_is_group(&p.key.remote))
		assert(frame_well_formed(&f));
	free(copy);
	return 0;
}
