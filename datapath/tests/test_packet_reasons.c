/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One test per row of reasons.h, in both families and directions where the reason has them, each
 * drop beside a packet that passes on the same path. The last test fails when a reason was never
 * seen.
 */
#include "fixture.h"

static void flow(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		fixture_forget();
		expect(TCP(family, way, 1000, 80, SYN), FW_REASON_POLICY_ALLOW);
		expect_record(FW_EVENT_NEW, FW_REASON_POLICY_ALLOW);
		expect(TCP(family, way, 1000, 80, SYN), FW_REASON_FLOW);
		expect(TCP(family, !way, 1000, 80, SYN | ACK), FW_REASON_FLOW);
		expect(TCP(family, way, 1000, 80, ACK), FW_REASON_FLOW);
		expect(TCP(family, !way, 1000, 80, ACK), FW_REASON_FLOW);
		expect_no_record();
	}
}

static void own_node(void **state)
{
	(void)state;
	fixture_default(FW_DECIDED_NOTHING, FW_DECIDED_NOTHING);
	EACH_FAMILY(family)
	{
		expect(TCP(family, FW_INGRESS, 80, 999, SYN), FW_REASON_POLICY_DENY);
		fx->ingress_ifindex = 0;
		expect(TCP(family, FW_INGRESS, 80, 1000, SYN), FW_REASON_OWN_NODE);
		expect_record(FW_EVENT_NEW, FW_REASON_OWN_NODE);
		assert_int_equal(fx->events[0].decision, ALLOW(FW_DECIDED_OWN_NODE));
		expect(TCP(family, FW_INGRESS, 80, 999, SYN),
		       FW_REASON_OWN_NODE); /* was denied to a stranger */
		expect(TCP(family, FW_EGRESS, 80, 1000, SYN | ACK), FW_REASON_FLOW);
		fixture_bump(); /* judged again by the answer: still the node's */
		expect(TCP(family, FW_EGRESS, 80, 1000, ACK), FW_REASON_OWN_NODE);
		fx->ep->flags = FW_EP_IN_SANDBOX; /* nobody is the own node there */
		expect(TCP(family, FW_INGRESS, 80, 1001, SYN), FW_REASON_POLICY_DENY);
		fx->ep->flags = 0;
		fx->ingress_ifindex = ANY_INTERFACE;
	}
}

static void related(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		struct packet sent = TCP(family, !way, 1000, 80, SYN);
		struct packet error = packet_error(way, NULL, family == 4 ? 3 : 1, 1, &sent, 0);

		fixture_forget();
		expect(error, FW_REASON_ICMP_NO_FLOW);
		expect_record(FW_EVENT_DROP, FW_REASON_ICMP_NO_FLOW);
		assert_int_equal(fx->events[0].protocol, family == 4 ? 1 : 58);
		expect(sent, FW_REASON_POLICY_ALLOW);
		expect(error, FW_REASON_RELATED);
		fixture_bump();
		expect(error, FW_REASON_RELATED);
		fixture_default(FW_DECIDED_NOTHING, FW_DECIDED_NOTHING);
		expect(error, FW_REASON_ICMP_NO_FLOW);
		fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
	}
}

static void arp(void **state)
{
	(void)state;
	expect(packet_arp(FW_EGRESS, 1, pod_mac, POD4, PEER4), FW_REASON_ARP);
	expect(packet_arp(FW_EGRESS, 2, pod_mac, POD4B, PEER4), FW_REASON_ARP);
	expect(packet_arp(FW_EGRESS, 1, pod_mac, "0.0.0.0", POD4), FW_REASON_ARP);
	expect(packet_arp(FW_INGRESS, 1, peer_mac, PEER4, POD4), FW_REASON_ARP);
	expect(packet_arp(FW_INGRESS, 2, peer_mac, PEER4, POD4), FW_REASON_ARP);
	expect_no_record();
}

static void spoofed_arp(void **state)
{
	(void)state;
	arp(state);
	expect(packet_arp(FW_EGRESS, 2, pod_mac, PEER4, PEER4), FW_REASON_SPOOFED_ARP);
	expect_record(FW_EVENT_DROP, FW_REASON_SPOOFED_ARP);
	expect(packet_arp(FW_EGRESS, 1, pod_mac, WORLD4, WORLD4), FW_REASON_SPOOFED_ARP);
	expect(packet_arp(FW_EGRESS, 1, peer_mac, POD4, PEER4), FW_REASON_SPOOFED_ARP);
	expect(packet_arp(FW_EGRESS, 1, pod_mac, "0.0.0.0", PEER4), FW_REASON_SPOOFED_ARP);
	expect(packet_arp(FW_EGRESS, 2, pod_mac, "0.0.0.0", POD4), FW_REASON_SPOOFED_ARP);
	expect(packet_arp(FW_INGRESS, 2, peer_mac, POD4, POD4), FW_REASON_SPOOFED_ARP);
}

static void bad_arp(void **state)
{
	const struct {
		int at;
		uint8_t value;
	} wrong[] = {{15, 6}, {17, 1}, {18, 8}, {19, 16}, {21, 3}, {21, 0}};

	arp(state);
	EACH_DIRECTION(way)
	{
		struct packet p = packet_arp(way, 1, way ? pod_mac : peer_mac, way ? POD4 : PEER4,
					     way ? PEER4 : POD4);
		for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
			struct packet bad = p;
			bad.b[wrong[i].at] = wrong[i].value;
			expect(bad, FW_REASON_BAD_ARP);
		}
		p.len = 41;
		expect(p, FW_REASON_BAD_ARP);
	}
}

static void neighbour(void **state)
{
	(void)state;
	expect(packet_nd(FW_EGRESS, 133, POD6LL, "ff02::2", NULL, 1, pod_mac), FW_REASON_NEIGHBOUR);
	expect(packet_nd(FW_EGRESS, 133, "::", "ff02::2", NULL, 0, NULL), FW_REASON_NEIGHBOUR);
	expect(packet_nd(FW_EGRESS, 135, POD6, "ff02::1:ff00:9", PEER6, 1, pod_mac),
	       FW_REASON_NEIGHBOUR);
	expect(packet_nd(FW_EGRESS, 135, "::", "ff02::1:ff00:5", POD6, 0, NULL),
	       FW_REASON_NEIGHBOUR);
	expect(packet_nd(FW_EGRESS, 136, POD6, PEER6, POD6, 2, pod_mac), FW_REASON_NEIGHBOUR);
	expect(packet_nd(FW_EGRESS, 136, POD6LL, PEER6, POD6B, 2, pod_mac), FW_REASON_NEIGHBOUR);
	expect(packet_nd(FW_INGRESS, 135, "ff02::1:ff00:5", PEER6, POD6, 1, peer_mac),
	       FW_REASON_NEIGHBOUR);
	expect(packet_nd(FW_INGRESS, 136, POD6, PEER6, PEER6, 2, peer_mac), FW_REASON_NEIGHBOUR);
	expect(packet_nd(FW_INGRESS, 134, "ff02::1", "fe80::1", NULL, 1, peer_mac),
	       FW_REASON_NEIGHBOUR);
	expect(PACKET(.family = 6, .direction = FW_EGRESS, .proto = 58, .type = 143,
		      .local = POD6LL, .remote = "ff02::16", .payload = 20, .hops = 1),
	       FW_REASON_NEIGHBOUR);
	expect_no_record();
	assert_int_equal(fixture_flows(), 0);
}

static void spoofed_neighbour(void **state)
{
	neighbour(state);
	expect(packet_nd(FW_EGRESS, 136, POD6, PEER6, PEER6, 2, pod_mac),
	       FW_REASON_SPOOFED_NEIGHBOUR);
	expect_record(FW_EVENT_DROP, FW_REASON_SPOOFED_NEIGHBOUR);
	expect(packet_nd(FW_EGRESS, 136, POD6, PEER6, POD6, 2, peer_mac),
	       FW_REASON_SPOOFED_NEIGHBOUR);
	expect(packet_nd(FW_EGRESS, 136, WORLD6, PEER6, POD6, 2, pod_mac),
	       FW_REASON_SPOOFED_NEIGHBOUR);
	expect(packet_nd(FW_EGRESS, 135, "::", "ff02::1:ff00:9", PEER6, 0, NULL),
	       FW_REASON_SPOOFED_NEIGHBOUR);
	expect(packet_nd(FW_EGRESS, 135, WORLD6, "ff02::1:ff00:9", PEER6, 1, pod_mac),
	       FW_REASON_SPOOFED_NEIGHBOUR);
	expect(packet_nd(FW_EGRESS, 135, POD6, "ff02::1:ff00:9", PEER6, 1, peer_mac),
	       FW_REASON_SPOOFED_NEIGHBOUR);
	expect(packet_nd(FW_EGRESS, 133, WORLD6, "ff02::2", NULL, 0, NULL),
	       FW_REASON_SPOOFED_NEIGHBOUR);
	expect(packet_nd(FW_INGRESS, 136, "ff02::1", PEER6, POD6, 2, peer_mac),
	       FW_REASON_SPOOFED_NEIGHBOUR);
}

static void bad_neighbour(void **state)
{
	struct packet p = packet_nd(FW_EGRESS, 135, POD6, "ff02::1:ff00:9", PEER6, 1, pod_mac),
		      q = p;

	neighbour(state);
	q.b[21] = 64;
	expect(q, FW_REASON_BAD_NEIGHBOUR);
	q = p;
	q.b[55] = 1;
	expect(q, FW_REASON_BAD_NEIGHBOUR);
	q = p;
	q.b[p.l4 + 25] = 0; /* an option without length never ends */
	expect(q, FW_REASON_BAD_NEIGHBOUR);
	q = p;
	q.b[p.l4 + 24] = 14; /* a nonce that ends behind the packet */
	q.b[p.l4 + 25] = 9;
	expect(q, FW_REASON_BAD_NEIGHBOUR);
	q = packet_nd(FW_INGRESS, 135, POD6, PEER6, POD6, 1, peer_mac);
	q.b[21] = 254; /* not from this link */
	expect(q, FW_REASON_BAD_NEIGHBOUR);
	expect(packet_nd(FW_INGRESS, 134, "ff02::1", PEER6, NULL, 1, peer_mac),
	       FW_REASON_BAD_NEIGHBOUR);
	q = p;
	packet_fragment(&q, 1, 0, true);
	expect(q, FW_REASON_BAD_NEIGHBOUR);
}

static void rogue_router(void **state)
{
	neighbour(state);
	expect(packet_nd(FW_EGRESS, 134, POD6LL, "ff02::1", NULL, 1, pod_mac),
	       FW_REASON_ROGUE_ROUTER);
	expect_record(FW_EVENT_DROP, FW_REASON_ROGUE_ROUTER);
	expect(packet_nd(FW_EGRESS, 137, POD6LL, PEER6, NULL, 0, NULL), FW_REASON_ROGUE_ROUTER);
	expect(PACKET(.family = 4, .direction = FW_EGRESS, .proto = 1, .type = 5, .payload = 28),
	       FW_REASON_ROGUE_ROUTER);
	expect(PACKET(.family = 4, .direction = FW_EGRESS, .proto = 1, .type = 9),
	       FW_REASON_ROGUE_ROUTER);
}

static void rogue_dhcp(void **state)
{
	(void)state;
	expect(UDP(4, FW_EGRESS, 67, 68), FW_REASON_ROGUE_DHCP);
	expect_record(FW_EVENT_DROP, FW_REASON_ROGUE_DHCP);
	expect(UDP(6, FW_EGRESS, 547, 546), FW_REASON_ROGUE_DHCP);
	expect(UDP(4, FW_EGRESS, 68, 67), FW_REASON_POLICY_ALLOW);
	expect(UDP(6, FW_EGRESS, 546, 547), FW_REASON_POLICY_ALLOW);
	expect(UDP(4, FW_INGRESS, 68, 67), FW_REASON_FLOW);
}

/* A series of fragments, and what the late ones may do. */
static void fragment(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		struct shape shape = {.family = family,
				      .direction = way,
				      .proto = PROTO_UDP,
				      .local_port = 7,
				      .remote_port = 8,
				      .payload = 24};
		struct packet first = packet_make(shape);

		fixture_forget();
		packet_fragment(&first, 0x12345, 0, true);
		expect(packet_late(shape, 0x12345, 4, false, 16), FW_REASON_FRAGMENT_UNKNOWN);
		expect_record(FW_EVENT_DROP, FW_REASON_FRAGMENT_UNKNOWN);
		expect(first, FW_REASON_POLICY_ALLOW);
		expect(packet_late(shape, 0x12345, 4, true, 16), FW_REASON_FRAGMENT);
		expect(packet_late(shape, 0x12345, 6, false, 13), FW_REASON_FRAGMENT);
		expect_no_record();
		expect(packet_late(shape, 0x54321, 4, false, 16), FW_REASON_FRAGMENT_UNKNOWN);
		shape.direction = !way; /* the same number the other way is another series */
		expect(packet_late(shape, 0x12345, 4, false, 16), FW_REASON_FRAGMENT_UNKNOWN);
	}
}

static void fragment_tiny(void **state)
{
	const struct {
		uint8_t proto;
		size_t enough;
	} of[] = {{PROTO_TCP, 24}, {PROTO_UDP, 8}, {PROTO_SCTP, 16}};

	fragment(state);
	EACH_WAY(family, way)
	{
		fixture_forget();
		for (size_t i = 0; i < 3; i++) {
			struct packet p = PACKET(.family = family, .direction = way,
						 .proto = of[i].proto, .flags = SYN,
						 .local_port = 9, .remote_port = 10, .payload = 64);
			p.len = p.l4 + of[i].enough;
			packet_lengths(&p);
			struct packet tiny = p;
			packet_fragment(&p, 99, 0, true);
			expect(p, FW_REASON_POLICY_ALLOW);
			tiny.len = of[i].enough == 8 ? tiny.l4 : tiny.l4 + 8;
			packet_lengths(&tiny);
			packet_fragment(&tiny, 98, 0, true);
			expect(tiny, FW_REASON_FRAGMENT_TINY);
		}
	}
}

static void fragment_overlap(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		struct shape shape = {.family = family,
				      .direction = way,
				      .proto = PROTO_TCP,
				      .flags = SYN,
				      .local_port = 11,
				      .remote_port = 12,
				      .payload = 4};
		struct packet first = packet_make(shape);

		fixture_forget();
		packet_fragment(&first, 5, 0, true);
		expect(first, FW_REASON_POLICY_ALLOW);
		expect(packet_late(shape, 5, 1, true, 16), FW_REASON_FRAGMENT_OVERLAP);
		expect(packet_late(shape, 5, 2, true, 16), FW_REASON_FRAGMENT_OVERLAP);
		expect(packet_late(shape, 5, 3, true, 16), FW_REASON_FRAGMENT);
	}
}

static void fragment_end(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		struct shape shape = {.family = family,
				      .direction = way,
				      .proto = PROTO_UDP,
				      .local_port = 13,
				      .remote_port = 14};
		struct packet first = packet_make(shape);

		fixture_forget();
		packet_fragment(&first, 6, 0, true);
		expect(first, FW_REASON_POLICY_ALLOW);
		expect(packet_late(shape, 6, 8189, false, 23), FW_REASON_FRAGMENT);
		expect(packet_late(shape, 6, 8189, false, 24), FW_REASON_FRAGMENT_END);
		expect(packet_late(shape, 6, 8191, false, 8), FW_REASON_FRAGMENT_END);
	}
}

static void audited(void **state)
{
	(void)state;
	fixture_default(FW_DECIDED_NOTHING, FW_DECIDED_NOTHING);
	EACH_WAY(family, way)
	{
		fixture_forget();
		expect(TCP(family, way, 1, 2, SYN), FW_REASON_POLICY_DENY);
		fx->node->enforcement = FW_AUDIT;
		fixture_bump();
		expect(TCP(family, way, 1, 2, SYN), FW_REASON_AUDITED);
		expect_record(FW_EVENT_CHANGE, FW_REASON_AUDITED);
		expect(TCP(family, way, 3, 4, SYN), FW_REASON_AUDITED);
		expect_record(FW_EVENT_NEW, FW_REASON_AUDITED);
		assert_int_equal(fx->events[0].decision, FW_DECISION_ALLOW | FW_DECISION_AUDITED);
		expect(TCP(family, !way, 3, 4, SYN | ACK), FW_REASON_FLOW);
		/* what no policy decides stays refused */
		expect(TCP(family, way, 3, 4, SYN | FIN), FW_REASON_BAD_TCP);
		fixture_default(FW_DECISION_FIRM | 70, FW_DECISION_FIRM | 70);
		expect(TCP(family, way, 5, 6, SYN), FW_REASON_POLICY_DENY);
		fx->node->enforcement = FW_ENFORCE;
		fixture_default(FW_DECIDED_NOTHING, FW_DECIDED_NOTHING);
	}
}

/* tcx judges and marks; clsact on the same device and direction does not judge again. */
static void judged_elsewhere(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		struct packet p = TCP(family, way, 21, 22, SYN);
		uint32_t mark;

		fixture_forget();
		fx->cb4 = 0;
		fx->tcx = true;
		expect(p, FW_REASON_POLICY_ALLOW);
		mark = fx->cb4;
		assert_int_not_equal(mark, 0);
		fx->tcx = false;
		expect(p, FW_REASON_JUDGED_ELSEWHERE);
		p.direction = !way; /* another direction's mark is none */
		packet_addresses(&p, family_text(family, POD4, POD6),
				 family_text(family, PEER4, PEER6));
		packet_mac(&p);
		fx->cb4 = mark;
		assert_int_not_equal(fixture_reason(&p), FW_REASON_JUDGED_ELSEWHERE);
		fx->cb4 = mark + 2;
		assert_int_not_equal(fixture_reason(&p), FW_REASON_JUDGED_ELSEWHERE);
		fixture_default(FW_DECIDED_NOTHING,
				FW_DECIDED_NOTHING); /* a refused packet carries no mark */
		fx->tcx = true;
		fx->cb4 = 0;
		expect(TCP(family, way, 23, 24, SYN), FW_REASON_POLICY_DENY);
		assert_int_equal(fx->cb4, 0);
		fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
		fx->tcx = false;
	}
}

static void no_endpoint(void **state)
{
	const uint8_t states[] = {FW_EP_FREE, FW_EP_CLAIMED};

	(void)state;
	EACH_WAY(family, way)
	{
		fixture_forget();
		expect(TCP(family, way, 1, 2, SYN), FW_REASON_POLICY_ALLOW);
		for (size_t i = 0; i < 2; i++) {
			fx->ep->state = states[i];
			expect(TCP(family, way, 1, 2, SYN), FW_REASON_NO_ENDPOINT);
			expect(packet_arp(way, 1, pod_mac, POD4, PEER4), FW_REASON_NO_ENDPOINT);
		}
		fx->ep->state = FW_EP_ACTIVE;
		fx->ep->ifindex = 65537; /* the row of another device with the same low half */
		expect(TCP(family, way, 1, 2, SYN), FW_REASON_NO_ENDPOINT);
		fx->ep->ifindex = 1;
		expect(TCP(family, way, 1, 2, SYN), FW_REASON_FLOW);
	}
}

static void spoofed_mac(void **state)
{
	(void)state;
	EACH_FAMILY(family)
	{
		struct packet p = TCP(family, FW_EGRESS, 1, 2, SYN);
		for (int i = 6; i < 12; i++) {
			struct packet q = p;
			q.b[i] ^= 0x40;
			expect(q, FW_REASON_SPOOFED_MAC);
			expect_record(FW_EVENT_DROP, FW_REASON_SPOOFED_MAC);
		}
		expect(p, FW_REASON_POLICY_ALLOW);
	}
}

static void spoofed_address(void **state)
{
	(void)state;
	EACH_FAMILY(family)
	{
		const char *foreign = family_text(family, WORLD4, WORLD6);
		const char *second = family_text(family, POD4B, POD6B);
		struct packet p =
			PACKET(.family = family, .direction = FW_EGRESS, .proto = PROTO_UDP,
			       .local = foreign, .local_port = 1, .remote_port = 2);

		fixture_forget();
		expect(p, FW_REASON_SPOOFED_ADDRESS);
		expect_record(FW_EVENT_DROP, FW_REASON_SPOOFED_ADDRESS);
		assert_int_equal(fixture_flows(), 0);
		packet_addresses(&p, second, family_text(family, PEER4, PEER6));
		expect(p, FW_REASON_POLICY_ALLOW);
		packet_addresses(&p, family_text(family, POD4, POD6),
				 family_text(family, PEER4, PEER6));
		expect(p, FW_REASON_POLICY_ALLOW); /* another address is another flow */
	}
}

static void bad_source(void **state)
{
	const char *four[] = {"127.0.0.1", "224.0.0.5",	  "255.255.255.255",
			      "0.0.0.0",   "127.255.3.4", "0.1.2.3"};
	const char *six[] = {"::1", "ff02::5", "::", NULL, NULL, NULL};

	(void)state;
	EACH_WAY(family, way)
	{
		for (int i = 0; i < 6; i++) {
			const char *bad = family == 4 ? four[i] : six[i];
			if (!bad)
				continue;
			struct packet p = TCP(family, way, 1, 2, SYN);
			if (way == FW_EGRESS)
				packet_addresses(&p, bad, family_text(family, PEER4, PEER6));
			else
				packet_addresses(&p, family_text(family, POD4, POD6), bad);
			expect(p, FW_REASON_BAD_SOURCE);
		}
		expect(TCP(family, way, 1, 2, SYN), way ? FW_REASON_FLOW : FW_REASON_POLICY_ALLOW);
	}
}

static void loopback(void **state)
{
	const char *four[] = {"127.0.0.1", "0.0.0.0"}, *six[] = {"::1", "::"};

	(void)state;
	EACH_FAMILY(family)
	{
		for (int i = 0; i < 2; i++) {
			expect(PACKET(.family = family, .direction = FW_EGRESS, .proto = PROTO_TCP,
				      .flags = SYN, .remote = family == 4 ? four[i] : six[i],
				      .local_port = 1, .remote_port = 2),
			       FW_REASON_LOOPBACK);
		}
		expect(PACKET(.family = family, .direction = FW_INGRESS, .proto = PROTO_TCP,
			      .flags = SYN, .local = family == 4 ? four[0] : six[0],
			      .local_port = 1, .remote_port = 2),
		       FW_REASON_LOOPBACK);
		expect(TCP(family, FW_EGRESS, 1, 2, SYN), FW_REASON_POLICY_ALLOW);
	}
}

static void not_ours(void **state)
{
	(void)state;
	EACH_FAMILY(family)
	{
		expect(PACKET(.family = family, .direction = FW_INGRESS, .proto = PROTO_UDP,
			      .local_port = 1, .remote_port = 2,
			      .local = family_text(family, WORLD4, WORLD6)),
		       FW_REASON_NOT_OURS);
		expect(PACKET(.family = family, .direction = FW_INGRESS, .proto = PROTO_UDP,
			      .local_port = 1, .remote_port = 2,
			      .local = family_text(family, POD4B, POD6B)),
		       FW_REASON_POLICY_ALLOW);
	}
	expect(packet_nd(FW_INGRESS, 135, WORLD6, PEER6, WORLD6, 1, peer_mac), FW_REASON_NOT_OURS);
}

#include "reasons_service.h"

#include "reasons_rest.h"

#define TEST(name) cmocka_unit_test_setup(name, fixture_setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(flow),
		TEST(own_node),
		TEST(related),
		TEST(arp),
		TEST(neighbour),
		TEST(fragment),
		TEST(audited),
		TEST(judged_elsewhere),
		TEST(no_endpoint),
		TEST(spoofed_mac),
		TEST(spoofed_address),
		TEST(spoofed_arp),
		TEST(spoofed_neighbour),
		TEST(rogue_router),
		TEST(rogue_dhcp),
		TEST(bad_source),
		TEST(loopback),
		TEST(not_ours),
		TEST(truncated),
		TEST(bad_ipv4),
		TEST(source_route),
		TEST(bad_ipv6),
		TEST(extensions),
		TEST(routing_header),
		TEST(bad_tcp),
		TEST(bad_l4),
		TEST(bad_arp),
		TEST(bad_neighbour),
		TEST(vlan),
		TEST(ethertype),
		TEST(fragment_tiny),
		TEST(fragment_overlap),
		TEST(fragment_end),
		TEST(icmp_embedded),
		TEST(icmp_unsolicited),
		TEST(table_full),
		TEST(policy_deny),
		TEST(flow_denied),
		TEST(isolated),
		TEST(locked),
		TEST(unknown_pod),
		TEST(multicast),
		TEST(service_port),
		TEST(service_empty),
		TEST(service_differs),
		TEST(service_judged_by_the_chain),
		TEST(service_with_leaving_backends),
		TEST(service_with_leaving_backends_alone),
		TEST(service_of_which_the_pod_is_a_backend),
		TEST(service_wide),
		TEST(every_reason_has_a_test),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
