// SPDX-License-Identifier: Apache-2.0
/*
 * Frames by hand. In: addresses, protocol, ports. Out: Ethernet, IPv4 (RFC 791) or IPv6 (RFC 8200),
 * and the header of the protocol. Transport checksums stay zero: no program looks at them.
 */
#include "check/packet.h"

#include <string.h>

#include "model/model.h"

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static size_t put_transport(const struct fw_packet *packet, uint8_t *at)
{
	switch (packet->protocol) {
	case FW_PROTO_TCP:
		put16(at, packet->source_port);
		put16(at + 2, packet->destination_port);
		at[12] = 5 << 4;
		at[13] = packet->middle ? 0x10 : 0x02; /* ACK, SYN */
		put16(at + 14, 1024);
		return 20;
	case FW_PROTO_UDP:
		put16(at, packet->source_port);
		put16(at + 2, packet->destination_port);
		put16(at + 4, 8);
		return 8;
	case FW_PROTO_SCTP:
		put16(at, packet->source_port);
		put16(at + 2, packet->destination_port);
		at[12] = packet->middle ? 0 : 1; /* DATA, INIT */
		put16(at + 14, 20);
		return 12 + 20;
	case FW_PROTO_ICMP:
	case FW_PROTO_ICMPV6:
		at[0] = (uint8_t)(packet->destination_port >> 8);
		at[1] = (uint8_t)packet->destination_port;
		put16(at + 4, packet->source_port);
		return 8;
	default:
		return 16;
	}
}

static size_t put4(const struct fw_packet *packet, uint8_t *at)
{
	size_t payload = put_transport(packet, at + 20);
	const uint32_t source = fw_ip_to4(&packet->source),
		       destination = fw_ip_to4(&packet->destination);
	uint32_t sum = 0;

	at[0] = 0x45;
	put16(at + 2, (uint32_t)(20 + payload));
	at[8] = 64;
	at[9] = packet->protocol;
	memcpy(at + 12, &source, 4);
	memcpy(at + 16, &destination, 4);
	for (size_t i = 0; i < 20; i += 2)
		sum += (uint32_t)at[i] << 8 | at[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	put16(at + 10, ~(sum + (sum >> 16)) & 0xffff);
	return 20 + payload;
}

static size_t put6(const struct fw_packet *packet, uint8_t *at)
{
	size_t payload = put_transport(packet, at + 40);

	at[0] = 0x60;
	put16(at + 4, (uint32_t)payload);
	at[6] = packet->protocol;
	at[7] = 64;
	memcpy(at + 8, packet->source.b, 16);
	memcpy(at + 24, packet->destination.b, 16);
	return 40 + payload;
}

size_t fw_packet_build(const struct fw_packet *packet, uint8_t *bytes)
{
	bool is4 = fw_ip_is4(&packet->source);

	memset(bytes, 0, FW_PACKET_MAX);
	memcpy(bytes, packet->destination_mac, 6);
	memcpy(bytes + 6, packet->source_mac, 6);
	put16(bytes + 12, is4 ? 0x0800 : 0x86dd);
	return 14 + (is4 ? put4(packet, bytes + 14) : put6(packet, bytes + 14));
}
