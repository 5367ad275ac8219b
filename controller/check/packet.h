/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One packet, as bytes. In: who asks whom. Out: an Ethernet frame. Sends
 * nothing.
 */
#ifndef FW_CHECK_PACKET_H
#define FW_CHECK_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"

#define FW_PACKET_MAX 128u

struct fw_packet {
	uint8_t source_mac[6], destination_mac[6];
	struct fw_ip source, destination; /* of one family */
	uint8_t protocol;
	bool middle;	      /* TCP and SCTP: a packet of a connection that is there already */
	uint16_t source_port; /* ICMP echo: the identifier */
	uint16_t destination_port; /* ICMP: type << 8 | code */
};

/* Writes at most FW_PACKET_MAX bytes; returns the length. TCP is a SYN or an ACK, SCTP an INIT or
 * DATA. */
size_t fw_packet_build(const struct fw_packet *packet, uint8_t *bytes);

#endif
