/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Every way in which a packet's path through the programs can end: one list, used by the programs
 * (counters, records), by user space (names, help texts) and by the tests (one test per row).
 * FW_REASON(symbol, name, drops, text): `drops` is 1 when such a packet is dropped.
 * Rows are never reordered or reused within one FW_ABI_VERSION: their numbers are in records and
 * counters.
 */
#ifndef FW_REASONS_H
#define FW_REASONS_H

#define FW_REASONS(FW_REASON)                                                                      \
	FW_REASON(NONE, "none", 1, "no reason given: a bug of ours")                               \
	/* passes */                                                                               \
	FW_REASON(FLOW, "flow", 0, "packet of an allowed flow")                                    \
	FW_REASON(POLICY_ALLOW, "policy-allow", 0, "allowed by policy, now a flow")                \
	FW_REASON(OWN_NODE, "own-node", 0, "sent by a socket of the pod's own node")               \
	FW_REASON(RELATED, "related", 0, "ICMP error of an allowed flow")                          \
	FW_REASON(ARP, "arp", 0, "ARP with the pod's own addresses, or for the pod")               \
	FW_REASON(NEIGHBOUR, "neighbour", 0, "neighbour or multicast listener discovery")          \
	FW_REASON(FRAGMENT, "fragment", 0, "late fragment of an allowed packet")                   \
	FW_REASON(AUDITED, "audited", 0, "policy denies, the node is in Audit")                    \
	FW_REASON(JUDGED_ELSEWHERE, "judged-elsewhere", 0, "already judged by the other hook")     \
	/* drops: who sent it */                                                                   \
	FW_REASON(NO_ENDPOINT, "no-endpoint", 1, "no endpoint row for this device")                \
	FW_REASON(SPOOFED_MAC, "spoofed-mac", 1, "source MAC is not the pod's")                    \
	FW_REASON(SPOOFED_ADDRESS, "spoofed-address", 1, "source address is not the pod's")        \
	FW_REASON(SPOOFED_ARP, "spoofed-arp", 1, "ARP that claims a foreign address")              \
	FW_REASON(SPOOFED_NEIGHBOUR, "spoofed-neighbour", 1,                                       \
		  "neighbour discovery that claims a foreign address")                             \
	FW_REASON(ROGUE_ROUTER, "rogue-router", 1,                                                 \
		  "router advertisement or redirect sent by a pod")                                \
	FW_REASON(ROGUE_DHCP, "rogue-dhcp", 1, "DHCP server message sent by a pod")                \
	FW_REASON(BAD_SOURCE, "bad-source", 1,                                                     \
		  "source is loopback, multicast, broadcast or unspecified")                       \
	FW_REASON(LOOPBACK, "loopback", 1, "destination is a loopback address")                    \
	FW_REASON(NOT_OURS, "not-ours", 1, "destination is not an address of this pod")            \
	/* drops: what is in it */                                                                 \
	FW_REASON(TRUNCATED, "truncated", 1, "shorter than its headers say")                       \
	FW_REASON(BAD_IPV4, "bad-ipv4", 1, "impossible IPv4 version, header or total length")      \
	FW_REASON(SOURCE_ROUTE, "source-route", 1, "IPv4 source route option")                     \
	FW_REASON(BAD_IPV6, "bad-ipv6", 1, "impossible IPv6 version or length")                    \
	FW_REASON(EXTENSIONS, "extensions", 1,                                                     \
		  "more IPv6 extension headers than the stated limit")                             \
	FW_REASON(ROUTING_HEADER, "routing-header", 1, "IPv6 routing header type 0")               \
	FW_REASON(BAD_TCP, "bad-tcp", 1, "impossible TCP data offset or flags")                    \
	FW_REASON(BAD_L4, "bad-l4", 1, "impossible UDP, SCTP or ICMP header")                      \
	FW_REASON(BAD_ARP, "bad-arp", 1, "malformed ARP")                                          \
	FW_REASON(BAD_NEIGHBOUR, "bad-neighbour", 1, "malformed neighbour discovery")              \
	FW_REASON(VLAN, "vlan", 1, "VLAN or QinQ tag")                                             \
	FW_REASON(ETHERTYPE, "ethertype", 1, "neither ARP, IPv4 nor IPv6")                         \
	FW_REASON(FRAGMENT_TINY, "fragment-tiny", 1, "first fragment without its whole L4 header") \
	FW_REASON(FRAGMENT_OVERLAP, "fragment-overlap", 1,                                         \
		  "offset 1 or 2 of TCP: would overwrite the header")                              \
	FW_REASON(FRAGMENT_END, "fragment-end", 1, "fragment that ends beyond 65,535 bytes")       \
	FW_REASON(FRAGMENT_UNKNOWN, "fragment-unknown", 1,                                         \
		  "late fragment with no known first one")                                         \
	/* drops: what state it meets */                                                           \
	FW_REASON(ICMP_NO_FLOW, "icmp-no-flow", 1, "ICMP error that belongs to no allowed flow")   \
	FW_REASON(ICMP_EMBEDDED, "icmp-embedded", 1,                                               \
		  "ICMP error with a malformed or foreign embedded packet")                        \
	FW_REASON(ICMP_UNSOLICITED, "icmp-unsolicited", 1, "echo reply that nobody asked for")     \
	FW_REASON(TABLE_FULL, "table-full", 1, "no slot left in the pod's flow table")             \
	/* drops: policy */                                                                        \
	FW_REASON(POLICY_DENY, "policy-deny", 1, "denied by policy")                               \
	FW_REASON(FLOW_DENIED, "flow-denied", 1, "repeat of a packet that policy denied")          \
	FW_REASON(ISOLATED, "isolated", 1, "the endpoint has no policy yet")                       \
	FW_REASON(LOCKED, "locked", 1,                                                             \
		  "the endpoint is locked down: its policy could not be stored")                   \
	FW_REASON(UNKNOWN_POD, "unknown-pod", 1,                                                   \
		  "peer is in a pod range but owned by no known pod, and policy denies")           \
	FW_REASON(MULTICAST, "multicast", 1, "multicast or broadcast that nothing allowed")        \
	FW_REASON(SERVICE_PORT, "service-port", 1, "the service has no such port")                 \
	FW_REASON(SERVICE_EMPTY, "service-empty", 1, "the service has no backend")                 \
	FW_REASON(SERVICE_DIFFERS, "service-differs", 1,                                           \
		  "policy allows some of the service's backends only")                             \
	FW_REASON(SERVICE_WIDE, "service-wide", 1,                                                 \
		  "the service has more kinds of backends than fit")

enum fw_reason {
#define FW_REASON_SYMBOL(symbol, name, drops, text) FW_REASON_##symbol,
	FW_REASONS(FW_REASON_SYMBOL)
#undef FW_REASON_SYMBOL
		FW_REASON_COUNT
};

#endif
