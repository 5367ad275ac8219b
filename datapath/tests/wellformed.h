/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A second reading of a frame, for the fuzzers: could it pass at all where policy allows everything
 * unicast? Written from the RFCs over a plain byte array and sharing nothing with bpf/: what passes
 * there must be well-formed here.
 */
#ifndef FW_TESTS_WELLFORMED_H
#define FW_TESTS_WELLFORMED_H

#include "packet.h"

struct frame {
	const uint8_t *b;
	size_t len;
	bool out; /* leaves the pod */
};

static inline size_t get16(const uint8_t *at)
{
	return (size_t)at[0] << 8 | at[1];
}

static inline bool is_own(int family, const uint8_t *address)
{
	const char *own[] = {POD4, POD4B, NULL, POD6, POD6B, POD6LL};

	for (int i = family == 4 ? 0 : 3; i < 6 && own[i]; i++) {
		uint8_t bytes[16];
		assert(inet_pton(family == 4 ? AF_INET : AF_INET6, own[i], bytes) == 1);
		if (!memcmp(bytes, address, family == 4 ? 4 : 16))
			return true;
	}
	return false;
}

/* Loopback, unspecified, multicast, broadcast, mapped: never the other side of a unicast flow. */
static inline bool is_impossible(int family, const uint8_t *address)
{
	static const uint8_t zero[16];

	if (family == 4)
		return address[0] == 127 || address[0] == 0 || (address[0] & 0xf0) == 0xe0 ||
		       !memcmp(address, "\xff\xff\xff\xff", 4);
	if (address[0] == 0xff || (!memcmp(address, zero, 15) && address[15] <= 1))
		return true;
	return !memcmp(address, zero, 10) && address[10] == 0xff && address[11] == 0xff;
}

static inline bool l4_well_formed(int protocol, int icmp, const uint8_t *l4, size_t len,
				  bool fragment)
{
	if (protocol == PROTO_TCP) {
		if (len < 20 || (l4[12] >> 4) < 5 || (size_t)(l4[12] >> 4) * 4 > len)
			return false;
		uint8_t three = l4[13] & (SYN | FIN | RST);
		return (three == 0 || three == SYN || three == FIN || three == RST) &&
		       (l4[13] & (SYN | RST | ACK));
	}
	if (protocol == PROTO_UDP)
		return len >= 8 && get16(l4 + 4) >= 8 && (fragment || get16(l4 + 4) <= len);
	if (protocol == PROTO_SCTP)
		return len >= 12;
	return protocol != icmp || len >= 8; /* the other family's ICMP is a protocol like any */
}

static inline bool fragment_well_formed(size_t offset, bool more, size_t len, int protocol)
{
	if ((more && len % 8) || offset + len > 65535)
		return false;
	return !offset || offset >= (size_t)(protocol == PROTO_TCP    ? 20
					     : protocol == PROTO_SCTP ? 12
								      : 8);
}

static inline bool options_well_formed(const uint8_t *options, size_t len)
{
	for (size_t at = 0; at < len && options[at];) {
		if (options[at] == 1) {
			at++;
			continue;
		}
		if (options[at] == 131 || options[at] == 137 || at + 1 >= len ||
		    options[at + 1] < 2 || at + options[at + 1] > len)
			return false;
		at += options[at + 1];
	}
	return true;
}

static inline bool ip4_well_formed(const struct frame *f)
{
	const uint8_t *ip = f->b + 14;
	size_t header, total, offset;
	bool more;

	if (f->len < 34 || ip[0] >> 4 != 4)
		return false;
	header = (size_t)(ip[0] & 15) * 4;
	total = get16(ip + 2);
	if (header < 20 || total < header || total > f->len - 14 ||
	    !options_well_formed(ip + 20, header - 20))
		return false;
	if (!is_own(4, ip + (f->out ? 12 : 16)) || is_impossible(4, ip + (f->out ? 16 : 12)))
		return false;
	offset = (get16(ip + 6) & 0x1fff) * 8;
	more = ip[6] & 0x20;
	if (offset || more) {
		if (!fragment_well_formed(offset, more, total - header, ip[9]))
			return false;
		if (offset)
			return true;
	}
	return l4_well_formed(ip[9], 1, ip + header, total - header, more);
}

static inline bool ip6_well_formed(const struct frame *f)
{
	const uint8_t *ip = f->b + 14;
	size_t at = 40, end;
	bool fragment = false;
	int next, count = 0;

	if (f->len < 54 || ip[0] >> 4 != 6)
		return false;
	end = 40 + get16(ip + 4);
	next = ip[6];
	if (end > f->len - 14)
		return false;
	for (; next == 0 || next == 43 || next == 44 || next == 51 || next == 60; count++) {
		if (at + 8 > end || count == 6 || (next == 0 && count))
			return false;
		size_t size = next == 44   ? 8
			      : next == 51 ? (ip[at + 1] + 2u) * 4
					   : (ip[at + 1] + 1u) * 8;
		if (at + size > end || at + size - 40 > 256)
			return false;
		if (next == 43 && (ip[at + 2] == 0 || ip[at + 3] != 0))
			return false;
		if (next == 44 && (get16(ip + at + 2) & 0xfff9)) {
			size_t offset = get16(ip + at + 2) & 0xfff8;
			if (fragment ||
			    !fragment_well_formed(offset, ip[at + 3] & 1, end - at - 8, ip[at]))
				return false;
			fragment = true;
			if (offset)
				return is_own(6, ip + (f->out ? 8 : 24)) &&
				       !is_impossible(6, ip + (f->out ? 24 : 8));
		}
		next = ip[at];
		at += size;
	}
	if (next == 58 && end - at >= 8 && ((ip[at] >= 130 && ip[at] <= 137) || ip[at] == 143))
		return !fragment; /* neighbour discovery has a judge of its own */
	return is_own(6, ip + (f->out ? 8 : 24)) && !is_impossible(6, ip + (f->out ? 24 : 8)) &&
	       l4_well_formed(next, 58, ip + at, end - at, fragment);
}

static inline bool frame_well_formed(const struct frame *f)
{
	if (f->len < 14 || (f->out && memcmp(f->b + 6, pod_mac, 6)))
		return false;
	switch (get16(f->b + 12)) {
	case 0x0806:
		return f->len >= 42;
	case 0x0800:
		return ip4_well_formed(f);
	case 0x86dd:
		return ip6_well_formed(f);
	}
	return false;
}

#endif
