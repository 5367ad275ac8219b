/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets for test runs. In: a shape (family, direction, who talks to whom). Out: bytes from the
 * Ethernet header on, lengths right, checksums zero (the programs do not look at them). The helpers
 * bend a good packet into a bad one.
 */
#ifndef FW_TESTS_PACKET_H
#define FW_TESTS_PACKET_H

#include <arpa/inet.h>
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "fw/abi.h"

#define POD4	   "10.1.0.5"
#define POD4B	   "10.1.0.6" /* a second address of the pod */
#define POD6	   "fd00:1::5"
#define POD6B	   "fd00:1::6"
#define POD6LL	   "fe80::ff:fe00:5"
#define PEER4	   "10.1.0.9"
#define PEER6	   "fd00:1::9"
#define WORLD4	   "203.0.113.7"
#define WORLD6	   "2001:db8:ffff::7"
#define PROTO_TCP  6
#define PROTO_UDP  17
#define PROTO_SCTP 132
#define FIN	   0x01
#define SYN	   0x02
#define RST	   0x04
#define PSH	   0x08
#define ACK	   0x10
#define URG	   0x20

static const uint8_t pod_mac[6] = {0x02, 0, 0, 0, 0, 0x05};
static const uint8_t peer_mac[6] = {0x02, 0, 0, 0, 0, 0x09};

struct packet {
	uint8_t b[4096];
	size_t len;
	size_t l4; /* offset of the L4 header */
	int family;
	int direction;
};

struct shape {
	int family;    /* 4 or 6 */
	int direction; /* enum fw_direction */
	uint8_t proto;
	uint8_t flags; /* TCP */
	uint8_t type;  /* ICMP */
	uint8_t code;
	uint16_t local_port, remote_port; /* echo: local_port is the identifier */
	const char *local, *remote;	  /* NULL: the pod's first address, the peer */
	size_t payload;
	uint8_t hops; /* 0: 64 */
};

static inline void put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void packet_mac(struct packet *p)
{
	bool out = p->direction == FW_EGRESS;

	memcpy(p->b, out ? peer_mac : pod_mac, 6);
	memcpy(p->b + 6, out ? pod_mac : peer_mac, 6);
}

/* Makes the IP lengths fit p->len. */
static inline void packet_lengths(struct packet *p)
{
	if (p->family == 4)
		put16(p->b + 16, p->len - 14);
	else
		put16(p->b + 18, p->len - 54);
}

static inline uint32_t packet_sum(const uint8_t *at, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? at[i] : (uint32_t)at[i] << 8;
	return sum;
}

/* The right checksum of a TCP segment (RFC 9293, 3.1), for those who ask for one. */
static inline void packet_checksum(struct packet *p)
{
	const size_t addresses = p->family == 4 ? 26 : 22, size = p->family == 4 ? 8 : 32;
	uint32_t sum = PROTO_TCP + (uint32_t)(p->len - p->l4);

	put16(p->b + p->l4 + 16, 0);
	sum = packet_sum(p->b + addresses, size, sum);
	sum = packet_sum(p->b + p->l4, p->len - p->l4, sum);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	put16(p->b + p->l4 + 16, ~sum & 0xffff);
}

static inline const char *family_text(int family, const char *four, const char *six)
{
	return family == 4 ? four : six;
}

static inline void packet_addresses(struct packet *p, const char *local, const char *remote)
{
	bool out = p->direction == FW_EGRESS;
	int af = p->family == 4 ? AF_INET : AF_INET6;
	uint8_t *source = p->b + (p->family == 4 ? 26 : 22),
		*target = p->b + (p->family == 4 ? 30 : 38);

	assert(inet_pton(af, out ? local : remote, source) == 1);
	assert(inet_pton(af, out ? remote : local, target) == 1);
}

static inline size_t packet_l4(struct packet *p, const struct shape *s)
{
	bool out = s->direction == FW_EGRESS;
	uint8_t *l4 = p->b + p->l4;
	size_t size = s->payload;

	if (s->proto == PROTO_TCP || s->proto == PROTO_UDP || s->proto == PROTO_SCTP) {
		put16(l4, out ? s->local_port : s->remote_port);
		put16(l4 + 2, out ? s->remote_port : s->local_port);
		size += s->proto == PROTO_TCP ? 20 : s->proto == PROTO_UDP ? 8 : 12;
	}
	if (s->proto == PROTO_TCP) {
		l4[12] = 5 << 4;
		l4[13] = s->flags;
	} else if (s->proto == PROTO_UDP) {
		put16(l4 + 4, size);
	} else if (s->proto == 1 || s->proto == 58) {
		l4[0] = s->type;
		l4[1] = s->code;
		put16(l4 + 4, s->local_port);
		size += 8;
	}
	return size;
}

static inline struct packet packet_make(struct shape s)
{
	struct packet p = {.family = s.family, .direction = s.direction};
	const char *local = s.local ? s.local : family_text(s.family, POD4, POD6);
	const char *remote = s.remote ? s.remote : family_text(s.family, PEER4, PEER6);

	packet_mac(&p);
	p.l4 = s.family == 4 ? 34 : 54;
	put16(p.b + 12, s.family == 4 ? 0x0800 : 0x86dd);
	if (s.family == 4) {
		p.b[14] = 0x45;
		p.b[22] = s.hops ? s.hops : 64;
		p.b[23] = s.proto;
	} else {
		p.b[14] = 0x60;
		p.b[20] = s.proto;
		p.b[21] = s.hops ? s.hops : 64;
	}
	packet_addresses(&p, local, remote);
	p.len = p.l4 + packet_l4(&p, &s);
	assert(p.len <= sizeof(p.b));
	packet_lengths(&p);
	return p;
}

#define PACKET(...) packet_make((struct shape){__VA_ARGS__})

/* Moves what stands behind `at` by `count` zero bytes. */
static inline void packet_insert(struct packet *p, size_t at, size_t count)
{
	assert(p->len + count <= sizeof(p->b));
	memmove(p->b + at + count, p->b + at, p->len - at);
	memset(p->b + at, 0, count);
	p->len += count;
	p->l4 += count;
	packet_lengths(p);
}

/* IPv4 options, a multiple of four bytes. */
static inline void packet_options(struct packet *p, const uint8_t *options, size_t count)
{
	packet_insert(p, 34, count);
	memcpy(p->b + 34, options, count);
	p->b[14] = (uint8_t)(0x40 | (20 + count) / 4);
}

/* An IPv6 extension header of `count` bytes (a multiple of 8) in front of what is there. */
static inline uint8_t *packet_extension(struct packet *p, uint8_t kind, size_t count)
{
	uint8_t next = p->b[20];

	packet_insert(p, 54, count);
	p->b[20] = kind;
	p->b[54] = next;
	p->b[55] = (uint8_t)(kind == 51 ? count / 4 - 2 : count / 8 - 1);
	return p->b + 54;
}

/* `offset` in units of 8 bytes. */
static inline void packet_fragment(struct packet *p, uint32_t id, uint16_t offset, bool more)
{
	if (p->family == 4) {
		put16(p->b + 18, id & 0xffff);
		put16(p->b + 20, (size_t)offset | (more ? 0x2000 : 0));
		return;
	}
	uint8_t *head = packet_extension(p, 44, 8);
	head[1] = 0;
	put16(head + 2, (size_t)(offset << 3) | more);
	put16(head + 4, id >> 16);
	put16(head + 6, id & 0xffff);
}

/* A late fragment: no L4 header, `bytes` of payload. */
static inline struct packet packet_late(struct shape s, uint32_t id, uint16_t offset, bool more,
					size_t bytes)
{
	uint8_t proto = s.proto;
	struct packet p;

	s.proto = 253;
	s.payload = bytes;
	p = packet_make(s);
	p.b[s.family == 4 ? 23 : 20] = proto;
	packet_fragment(&p, id, offset, more);
	return p;
}

static inline struct packet packet_arp(int direction, uint16_t operation, const uint8_t *sender_mac,
				       const char *sender, const char *target)
{
	struct packet p = {.family = 4, .direction = direction, .len = 60, .l4 = 14};

	packet_mac(&p);
	put16(p.b + 12, 0x0806);
	put16(p.b + 14, 1);
	put16(p.b + 16, 0x0800);
	p.b[18] = 6;
	p.b[19] = 4;
	put16(p.b + 20, operation);
	memcpy(p.b + 22, sender_mac, 6);
	assert(inet_pton(AF_INET, sender, p.b + 28) == 1);
	assert(inet_pton(AF_INET, target, p.b + 38) == 1);
	return p;
}

/* Neighbour discovery of 133..137; `target` for 135 and 136, `option` 1 or 2 with `mac`, 0 for
 * none. */
static inline struct packet packet_nd(int direction, uint8_t type, const char *local,
				      const char *remote, const char *target, uint8_t option,
				      const uint8_t *mac)
{
	size_t header = type == 133 ? 8 : type == 134 ? 16 : type == 137 ? 40 : 24;
	struct packet p = PACKET(.family = 6, .direction = direction, .proto = 58, .type = type,
				 .local = local, .remote = remote,
				 .payload = header - 8 + (option ? 8 : 0), .hops = 255);

	if (target)
		assert(inet_pton(AF_INET6, target, p.b + p.l4 + 8) == 1);
	if (option) {
		p.b[p.l4 + header] = option;
		p.b[p.l4 + header + 1] = 1;
		memcpy(p.b + p.l4 + header + 2, mac, 6);
	}
	return p;
}

/* An ICMP error about `inner` (its first `bytes` bytes from the IP header on; 0: all). */
static inline struct packet packet_error(int direction, const char *remote, uint8_t type,
					 uint8_t code, const struct packet *inner, size_t bytes)
{
	size_t size = bytes ? bytes : inner->len - 14;
	struct packet p = PACKET(.family = inner->family, .direction = direction,
				 .proto = inner->family == 4 ? 1 : 58, .type = type, .code = code,
				 .remote = remote, .payload = size);

	memcpy(p.b + p.l4 + 8, inner->b + 14, size);
	return p;
}

#endif
