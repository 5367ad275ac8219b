/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first packet of a connection, as bytes. In: who asks whom. Out: an Ethernet frame. Sends
 * nothing.
 */
#ifndef FW_CHECK_PACKET_H
#define FW_CHECK_PACKET_H

#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"

#define FW_PACKET_MAX 128u

struct fw_packet {
	uint8_t source_mac[6], destination_mac[6];
	struct fw_ip source, destination; /* of one family */
	uint8_t protocol;
	uint16_t source_port;	   /* ICMP echo: the identifier */
	uint16_t destination_port; /* ICMP: type << 8 | code */
};

/* Writes at most FW_PACKET_MAX bytes; returns the length. TCP is a SYN, SCTP an INIT. */
size_t fw_packet_build(const struct fw_packet *packet, uint8_t *bytes);

#endif
