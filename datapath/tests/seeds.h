/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Good frames of every kind, and ways to spoil them. In: a random number generator. Out: a frame.
 */
#ifndef FW_TESTS_SEEDS_H
#define FW_TESTS_SEEDS_H

#include "packet.h"

/* xorshift64*: a failing case is found again by its seed. */
static inline uint32_t seeds_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t)(*state * 0x2545f4914f6cdd1dULL >> 32);
}

static inline struct packet seeds_error(int family, int way)
{
	struct packet inner = PACKET(.family = family, .direction = !way, .proto = PROTO_UDP,
				     .local_port = 5, .remote_port = 6);

	return packet_error(way, NULL, family == 4 ? 3 : 1, 1, &inner, 0);
}

static inline struct packet seeds_make(uint64_t *state)
{
	int family = seeds_random(state) & 1 ? 4 : 6, way = (int)(seeds_random(state) & 1);
	uint16_t port = (uint16_t)(seeds_random(state) & 15);
	struct shape s = {.family = family,
			  .direction = way,
			  .proto = PROTO_TCP,
			  .flags = SYN,
			  .local_port = port,
			  .remote_port = 80,
			  .payload = 32};
	struct packet p;

	switch (seeds_random(state) % 12) {
	case 0:
		s.proto = PROTO_UDP;
		break;
	case 1:
		s.proto = PROTO_SCTP;
		break;
	case 2:
		s.proto = family == 4 ? 1 : 58;
		s.type = family == 4 ? 8 : 128;
		break;
	case 3:
		s.proto = (uint8_t)seeds_random(state);
		break;
	case 4:
		return seeds_error(family, way);
	case 5:
		return packet_arp(way, 1, way ? pod_mac : peer_mac, way ? POD4 : PEER4,
				  way ? PEER4 : POD4);
	case 6:
		return packet_nd(way, 135, way ? POD6 : "ff02::1:ff00:5",
				 way ? "ff02::1:ff00:9" : PEER6, way ? PEER6 : POD6, 1,
				 way ? pod_mac : peer_mac);
	case 7:
		return packet_late(s, port, (uint16_t)(seeds_random(state) % 9),
				   seeds_random(state) & 1, 32);
	case 8:
		p = packet_make(s);
		packet_fragment(&p, port, 0, true);
		return p;
	case 9:
		p = packet_make(s);
		if (family == 6)
			packet_extension(&p, seeds_random(state) & 1 ? 60 : 43,
					 8u << (seeds_random(state) % 3));
		else
			packet_options(&p, (const uint8_t[8]){1, 7, 7, 4}, 8);
		return p;
	default:
		break;
	}
	return packet_make(s);
}

static inline void seeds_spoil(struct packet *p, uint64_t *state)
{
	const uint8_t edges[] = {0, 1, 0x7f, 0x80, 0xff, 0x45, 0x46, 0x60, 6, 17, 44, 58};

	for (uint32_t times = seeds_random(state) % 6; times; times--) {
		size_t at = seeds_random(state) % p->len;
		switch (seeds_random(state) % 5) {
		case 0:
			p->b[at] ^= (uint8_t)(1u << (seeds_random(state) & 7));
			break;
		case 1:
			p->b[at] = (uint8_t)seeds_random(state);
			break;
		case 2:
			p->b[at] = edges[seeds_random(state) % sizeof(edges)];
			break;
		case 3:
			p->len = at < 15 ? 15 : at;
			break;
		case 4:
			p->len += seeds_random(state) % 16;
			break;
		}
	}
}

#endif
