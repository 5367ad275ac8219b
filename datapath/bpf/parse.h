/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * From bytes to struct fw_packet, the careful way: every read goes through bpf_skb_load_bytes(), so
 * that options, extension headers and fragments need no bounds of their own. Headers outside the
 * linear part were pulled before (odd.h).
 * In: offsets. Out: FW_REASON_NONE or the reason for which the packet is dropped. Never looks at
 * policy or state, never writes to the packet.
 */
#ifndef FW_BPF_PARSE_H
#define FW_BPF_PARSE_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>

#include "maps.h"

#define FW_NEXT (-1) /* TC_ACT_UNSPEC, TCX_NEXT: other programs on the hook still run */
#define FW_SHOT 2

/*
 * A subprogram that the verifier proves once, for any arguments, and not anew at each call: a
 * global function. Its pointers may be NULL as far as the verifier knows, hence the check at the
 * top of each.
 */
#define FW_SUB __attribute__((noinline))

#define FW_READ(x)	   (*(const volatile __typeof__(x) *)&(x))
#define FW_WRITE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))

#define FW_TCP_FIN 0x01
#define FW_TCP_SYN 0x02
#define FW_TCP_RST 0x04
#define FW_TCP_ACK 0x10

#define FW_PROTOCOL_SCTP    132
#define FW_EXTENSIONS_MAX   6	/* IPv6 extension headers in one packet */
#define FW_EXTENSIONS_BYTES 256 /* and their bytes, together */

union fw_addr {
	__u8 b[16];
	__u32 w[4];
	__u64 d[2];
};

/* The 24 bytes that a slot is found by; laid out as in struct fw_flow (little-endian machines). */
struct fw_flow_key {
	union fw_addr remote;
	__u64 rest; /* local port | remote port << 16 | protocol << 32 | kind << 40 | generation <<
		       48 */
};
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "flow keys are built for little-endian machines");

#define FW_KEY_KIND(kind)    ((__u64)(kind) << 40)
#define FW_KEY_PROTOCOL(key) ((__u8)((key)->rest >> 32))
#define FW_KEY_LOCAL(key)    ((__u16)(key)->rest)
#define FW_KEY_REMOTE(key)   ((__u16)((key)->rest >> 16))
#define FW_KEY_ADDRESS(key)  ((__u8)((key)->rest >> 40) & FW_FLOW_ADDRESS)
#define FW_DECISION_TOLD                                                                           \
	(~(FW_DECISION_ASKED_IN | FW_DECISION_ASKED_OUT)) /* what records carry                    \
							   */
#define FW_FLOW_ADDRESS_GROUP  6 /* kind: the local address is multicast or broadcast */
#define FW_FLOW_ADDRESS_LINK   7
#define FW_FLOW_ADDRESS_NOBODY 0xff

enum fw_packet_flag {
	FW_PACKET_MISSED = 0x01,   /* the table was searched: nothing there */
	FW_PACKET_BUSY = 0x02,	   /* somebody is writing our slot: judge, store nothing */
	FW_PACKET_FRAGMENT = 0x04, /* a fragment, first or late */
	FW_PACKET_LATE = 0x08,	   /* a fragment whose offset is not 0 */
	FW_PACKET_EMBEDDED = 0x10, /* the packet inside an ICMP error: its end may be cut off */
	FW_PACKET_AGAIN = 0x20,	   /* of a flow that is known, and no SYN */
};

/*
 * One packet on its way through the cold and slow paths. Addresses and ports are seen from the pod:
 * local is the pod's side. For ICMP the local port is the echo identifier (else 0), the remote port
 * is type << 8 | code.
 */
struct fw_packet {
	struct fw_flow_key key;
	__u64 hash;
	union fw_addr local;
	__u64 add; /* what it adds to a slot's counter: packets << 36 | bytes */
	__u64 ctl; /* of the slot found */
	__u64 ev;
	__u32 slot; /* endpoint row */
	__u32 flow; /* bucket * 8 + slot, FW_NO_SLOT for none */
	__u32 l4;   /* offset of the L4 header */
	__u32 end;  /* offset behind the IP payload */
	__u32 epoch;
	__u32 decision;
	__u32 before;
	__u32 peer_class;
	__u32 service;
	__u32 state;
	__u32 tcp_flags;
	__u32 fragment;	    /* identification */
	__u16 offset;	    /* of the fragment, in units of 8 bytes */
	__u16 known;	    /* state bits of the slot found, as `ctl` vouches for them */
	__u8 fragment_next; /* protocol field that all fragments share */
	__u8 more;	    /* more fragments follow */
	__u8 direction;
	__u8 family;
	__u8 protocol;
	__u8 flags; /* enum fw_packet_flag */
	__u8 hops;
	__u8 own; /* index of the local address, as in fw_flow.kind */
};

static __always_inline int fw_load(const struct __sk_buff *skb, __u32 offset, void *to,
				   __u32 length)
{
	return bpf_skb_load_bytes(skb, offset, to, length) != 0;
}

static __always_inline int fw_addr_equal(const union fw_addr *a, const union fw_addr *b)
{
	return a->d[0] == b->d[0] && a->d[1] == b->d[1];
}

static __always_inline void fw_addr_map4(union fw_addr *addr, __u32 ip4_be)
{
	addr->d[0] = 0;
	addr->w[2] = bpf_htonl(0xffff);
	addr->w[3] = ip4_be;
}

/*
 * One IPv4 option: its length in bytes, 0 where the list ends, -reason. A subprogram of its own:
 * what it returns is any number to the verifier, so that the 40 steps below look alike and cost
 * one.
 */
FW_SUB int fw_parse_option4(const struct __sk_buff *skb, __u32 at, __u32 end)
{
	__u8 kind, size;

	if (at >= end)
		return 0;
	if (fw_load(skb, at, &kind, 1))
		return -FW_REASON_TRUNCATED;
	if (kind <= 1)
		return kind;
	if (kind == 131 || kind == 137)
		return -FW_REASON_SOURCE_ROUTE;
	if (at + 2 > end)
		return -FW_REASON_BAD_IPV4;
	if (fw_load(skb, at + 1, &size, 1))
		return -FW_REASON_TRUNCATED;
	return size < 2 || at + size > end ? -FW_REASON_BAD_IPV4 : size;
}

/* Source routes are refused (RFC 7126), a broken list of options too. */
FW_SUB int fw_parse_options4(const struct __sk_buff *skb, __u32 at, __u32 length)
{
	__u32 end = at + length;

#pragma clang loop unroll(disable)
	for (int i = 0; i < 40; i++) {
		int size = fw_parse_option4(skb, at, end);

		if (size <= 0)
			return -size;
		at += (__u32)size;
	}
	return FW_REASON_NONE;
}

static __always_inline int fw_parse_fragment(struct fw_packet *p)
{
	__u32 bytes = p->end - p->l4;

	if (p->more && (bytes & 7) && !(p->flags & FW_PACKET_EMBEDDED))
		return p->family == 4 ? FW_REASON_BAD_IPV4 : FW_REASON_BAD_IPV6;
	if ((__u32)p->offset * 8 + bytes > 65535)
		return FW_REASON_FRAGMENT_END;
	p->flags |= FW_PACKET_FRAGMENT;
	if (p->offset)
		p->flags |= FW_PACKET_LATE;
	return FW_REASON_NONE;
}

/* `outgoing`: the pod is the source. Total length 0 is what Linux writes into GSO packets beyond 64
 * KiB. */
FW_SUB int fw_parse_ip4(struct __sk_buff *skb, struct fw_packet *p, __u32 offset, int outgoing)
{
	struct iphdr ip;
	__u32 header, total;

	if (!p)
		return FW_REASON_TRUNCATED;
	if (fw_load(skb, offset, &ip, sizeof(ip)))
		return FW_REASON_TRUNCATED;
	header = ip.ihl * 4u;
	total = bpf_ntohs(ip.tot_len);
	if (ip.version != 4 || header < sizeof(ip))
		return FW_REASON_BAD_IPV4;
	if (!total && skb->gso_size && skb->len > 65535 && !(p->flags & FW_PACKET_EMBEDDED))
		total = skb->len - offset;
	if (total < header)
		return FW_REASON_BAD_IPV4;
	if (p->flags & FW_PACKET_EMBEDDED) {
		if (offset + total < p->end)
			p->end = offset + total;
	} else {
		p->end = offset + total;
	}
	if (p->end > skb->len || offset + header > p->end)
		return FW_REASON_TRUNCATED;
	p->family = 4;
	p->hops = ip.ttl;
	p->protocol = ip.protocol;
	p->l4 = offset + header;
	fw_addr_map4(&p->local, outgoing ? ip.saddr : ip.daddr);
	fw_addr_map4(&p->key.remote, outgoing ? ip.daddr : ip.saddr);
	if (header > sizeof(ip)) {
		int reason = fw_parse_options4(skb, offset + sizeof(ip), header - sizeof(ip));
		if (reason)
			return reason;
	}
	if (!(ip.frag_off & bpf_htons(0x3fff)))
		return FW_REASON_NONE;
	p->fragment = bpf_ntohs(ip.id);
	p->offset = bpf_ntohs(ip.frag_off) & 0x1fff;
	p->more = (ip.frag_off & bpf_htons(0x2000)) != 0;
	p->fragment_next = ip.protocol;
	return fw_parse_fragment(p);
}

/* One extension header: next header, length and, for two kinds, four more bytes that matter. */
static __always_inline int fw_parse_extension(struct fw_packet *p, const __u8 *head, __u32 *size)
{
	switch (p->protocol) {
	case IPPROTO_ROUTING: /* type 0 (RFC 5095), and every other one that has a stop to make
				 before its end */
		if (head[2] == 0 || head[3] != 0)
			return FW_REASON_ROUTING_HEADER;
		*size = (head[1] + 1u) * 8;
		break;
	case IPPROTO_FRAGMENT:
		*size = 8;
		break;
	case IPPROTO_AH:
		*size = (head[1] + 2u) * 4;
		break;
	default:
		*size = (head[1] + 1u) * 8;
	}
	return FW_REASON_NONE;
}

/* Walks from p->protocol at p->l4 to the first header that is not an extension. */
FW_SUB int fw_parse_extensions(struct __sk_buff *skb, struct fw_packet *p)
{
	__u32 start;

	if (!p)
		return FW_REASON_TRUNCATED;
	start = p->l4;
	for (int i = 0; i <= FW_EXTENSIONS_MAX; i++) {
		__u8 head[8], kind = p->protocol;
		__u32 size = 0;
		int reason;

		if (kind != IPPROTO_HOPOPTS && kind != IPPROTO_ROUTING &&
		    kind != IPPROTO_FRAGMENT && kind != IPPROTO_AH && kind != IPPROTO_DSTOPTS)
			return FW_REASON_NONE;
		if (i == FW_EXTENSIONS_MAX)
			return FW_REASON_EXTENSIONS;
		if (kind == IPPROTO_HOPOPTS && i)
			return FW_REASON_BAD_IPV6;
		if (p->l4 + 8 > p->end || fw_load(skb, p->l4, head, sizeof(head)))
			return FW_REASON_TRUNCATED;
		reason = fw_parse_extension(p, head, &size);
		if (reason)
			return reason;
		if (p->l4 + size - start > FW_EXTENSIONS_BYTES)
			return FW_REASON_EXTENSIONS;
		if (p->l4 + size > p->end)
			return FW_REASON_TRUNCATED;
		p->l4 += size;
		p->protocol = head[0];
		if (kind != IPPROTO_FRAGMENT)
			continue;
		if (p->flags & FW_PACKET_FRAGMENT)
			return FW_REASON_BAD_IPV6;
		p->offset = (__u16)(head[2] << 8 | head[3]) >> 3;
		p->more = head[3] & 1;
		if (!p->offset && !p->more)
			continue; /* atomic fragment, RFC 6946: an ordinary packet */
		p->fragment =
			(__u32)head[4] << 24 | (__u32)head[5] << 16 | (__u32)head[6] << 8 | head[7];
		p->fragment_next = head[0];
		reason = fw_parse_fragment(p);
		if (reason || (p->flags & FW_PACKET_LATE))
			return reason;
	}
	return FW_REASON_EXTENSIONS;
}

/* IPv4 in the mapped range is never on the wire (RFC 6890): it would meet the keys of IPv4 flows.
 */
static __always_inline int fw_addr_is_mapped4(const union fw_addr *addr)
{
	return addr->d[0] == 0 && addr->w[2] == bpf_htonl(0xffff);
}

FW_SUB int fw_parse_ip6(struct __sk_buff *skb, struct fw_packet *p, __u32 offset, int outgoing)
{
	struct ipv6hdr ip;
	__u32 payload;

	if (!p)
		return FW_REASON_TRUNCATED;
	if (fw_load(skb, offset, &ip, sizeof(ip)))
		return FW_REASON_TRUNCATED;
	if (ip.version != 6)
		return FW_REASON_BAD_IPV6;
	payload = bpf_ntohs(ip.payload_len);
	if (!payload && skb->gso_size && skb->len > 65535 && !(p->flags & FW_PACKET_EMBEDDED))
		payload = skb->len - offset - sizeof(ip);
	if (p->flags & FW_PACKET_EMBEDDED) {
		if (offset + sizeof(ip) + payload < p->end)
			p->end = offset + sizeof(ip) + payload;
	} else {
		p->end = offset + sizeof(ip) + payload;
	}
	if (p->end > skb->len)
		return FW_REASON_TRUNCATED;
	p->family = 6;
	p->hops = ip.hop_limit;
	p->protocol = ip.nexthdr;
	p->l4 = offset + sizeof(ip);
	__builtin_memcpy(&p->local, outgoing ? &ip.saddr : &ip.daddr, 16);
	__builtin_memcpy(&p->key.remote, outgoing ? &ip.daddr : &ip.saddr, 16);
	if (fw_addr_is_mapped4(&p->local) || fw_addr_is_mapped4(&p->key.remote))
		return FW_REASON_BAD_IPV6;
	return fw_parse_extensions(skb, p);
}

/*
 * Exact counts under GSO: `header` is everything that each segment repeats. What has no gso_size is
 * sent as it is, whatever its gso_segs says (the kernel's skb_is_gso()).
 */
static __always_inline __u64 fw_parse_add(const struct __sk_buff *skb, __u32 header)
{
	__u64 packets = 1, bytes = skb->len;

	if (skb->gso_size) {
		packets = skb->gso_segs;
		if (!packets && bytes > header)
			packets = (bytes - header + skb->gso_size - 1) / skb->gso_size;
		if (packets > 1)
			bytes += (packets - 1) * header;
		else
			packets = 1;
	}
	return packets << FW_COUNT_BYTES_BITS | bytes;
}

static __always_inline void fw_parse_ports(struct fw_packet *p, __be32 ports_be, int outgoing)
{
	__u32 ports = bpf_ntohl(ports_be); /* source << 16 | destination */

	if (outgoing)
		ports = ports << 16 | ports >> 16;
	p->key.rest = ports;
}

/*
 * TCP, UDP, SCTP: ports into the key. `header` is the least that must be there; a first fragment
 * that has less is an attempt to hide it (RFC 1858).
 */
FW_SUB int fw_parse_l4(struct __sk_buff *skb, struct fw_packet *p, int outgoing)
{
	__u32 header = 8, words[2], have;

	if (!p)
		return FW_REASON_TRUNCATED;
	have = p->end - p->l4;
	p->key.rest = 0;
	if (p->protocol == IPPROTO_TCP && !(p->flags & FW_PACKET_EMBEDDED))
		header = 20;
	else if (p->protocol == FW_PROTOCOL_SCTP && !(p->flags & FW_PACKET_EMBEDDED))
		header = 12;
	else if (p->protocol != IPPROTO_TCP && p->protocol != FW_PROTOCOL_SCTP &&
		 p->protocol != IPPROTO_UDP)
		return FW_REASON_NONE;
	if (have < header)
		return p->flags & FW_PACKET_FRAGMENT ? FW_REASON_FRAGMENT_TINY
						     : FW_REASON_TRUNCATED;
	if (fw_load(skb, p->l4, words, 8))
		return FW_REASON_TRUNCATED;
	fw_parse_ports(p, words[0], outgoing);
	if (p->flags & FW_PACKET_EMBEDDED)
		return FW_REASON_NONE;
	if (p->protocol == IPPROTO_UDP) {
		__u32 length = bpf_ntohs((__u16)words[1]);
		if (length < 8 || (length > have && !(p->flags & FW_PACKET_FRAGMENT)))
			return FW_REASON_BAD_L4;
	}
	if (p->protocol == IPPROTO_TCP) {
		__u8 two[2];
		if (fw_load(skb, p->l4 + 12, two, sizeof(two)))
			return FW_REASON_TRUNCATED;
		header = (two[0] >> 4) * 4u;
		if (header < 20)
			return FW_REASON_BAD_TCP;
		if (header > have)
			return p->flags & FW_PACKET_FRAGMENT ? FW_REASON_FRAGMENT_TINY
							     : FW_REASON_BAD_TCP;
		p->tcp_flags = two[1];
	}
	p->add = fw_parse_add(skb, p->l4 + header);
	return FW_REASON_NONE;
}

#endif
