/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attacker's catalogue, rows 1 to 43, against the real programs: each row in both families and
 * directions where it makes sense, each refusal beside a packet that passes on the same path.
 */
#include "fixture.h"

#define WORLD(family) family_text(family, WORLD4, WORLD6)

static void deny_all(void)
{
	fixture_default(FW_DECIDED_NOTHING, FW_DECIDED_NOTHING);
}

static void row_01_spoofed_source_stores_nothing(void **state)
{
	(void)state;
	EACH_FAMILY(family)
	{
		struct packet p = TCP(family, FW_EGRESS, 1, 2, SYN), mac = p, address = p;

		fixture_forget();
		mac.b[11] ^= 1;
		packet_addresses(&address, family_text(family, PEER4, PEER6), WORLD(family));
		expect(mac, FW_REASON_SPOOFED_MAC);
		expect(address, FW_REASON_SPOOFED_ADDRESS);
		assert_int_equal(fixture_flows(), 0);
		expect(p, FW_REASON_POLICY_ALLOW);
		expect(mac, FW_REASON_SPOOFED_MAC); /* before the lookup: the flow's counter does
						       not move */
		assert_int_equal(fixture_only()->count[FW_EGRESS] >> FW_COUNT_BYTES_BITS, 1);
	}
}

/* A second endpoint's view: the flow that an attacker made in its own region opens nothing in the
 * victim's. */
static void row_02_poisoning_another_pods_flow(void **state)
{
	(void)state;
	EACH_FAMILY(family)
	{
		struct packet answer = TCP(family, FW_INGRESS, 1000, 80, SYN | ACK);

		fixture_forget();
		fixture_default(FW_DECIDED_NOTHING, ALLOW_DEFAULT);
		expect(TCP(family, FW_EGRESS, 1000, 80, SYN),
		       FW_REASON_POLICY_ALLOW); /* the attacker's */
		expect(answer, FW_REASON_FLOW);
		fx->ep->flow_base = 0; /* the victim's region, same tuple */
		expect(answer, FW_REASON_POLICY_DENY);
		fx->ep->flow_base = fx->buckets;
		fx->ep->generation++; /* the region given to a new pod */
		expect(answer, FW_REASON_POLICY_DENY);
		fx->ep->generation--;
		expect(answer, FW_REASON_FLOW);
	}
}

static void row_03_impossible_sources(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		const char *bad[] = {family_text(family, "127.0.0.1", "::1"),
				     family_text(family, "224.0.0.1", "ff02::1"),
				     family_text(family, "255.255.255.255", "ff05::2"),
				     family_text(family, "0.0.0.0", "::")};
		for (int i = 0; i < 4; i++) {
			struct packet p = UDP(family, way, 1, 2);
			packet_addresses(&p, way ? bad[i] : family_text(family, POD4, POD6),
					 way ? family_text(family, PEER4, PEER6) : bad[i]);
			expect(p, FW_REASON_BAD_SOURCE);
		}
		struct packet node =
			UDP(family, way, 1, 2); /* the node's address, sent by the pod */
		packet_addresses(&node, family_text(family, "10.1.0.1", "fd00:1::1"),
				 family_text(family, PEER4, PEER6));
		expect(node, way ? FW_REASON_SPOOFED_ADDRESS : FW_REASON_NOT_OURS);
		fixture_forget();
		expect(UDP(family, way, 1, 2), FW_REASON_POLICY_ALLOW);
	}
}

static void row_04_gratuitous_arp(void **state)
{
	(void)state;
	expect(packet_arp(FW_EGRESS, 1, pod_mac, PEER4, PEER4), FW_REASON_SPOOFED_ARP);
	expect(packet_arp(FW_EGRESS, 2, pod_mac, PEER4, PEER4), FW_REASON_SPOOFED_ARP);
	expect(packet_arp(FW_EGRESS, 1, pod_mac, POD4, POD4), FW_REASON_ARP);
}

static void row_05_foreign_neighbour_claims(void **state)
{
	(void)state;
	expect(packet_nd(FW_EGRESS, 136, POD6, "ff02::1", PEER6, 2, pod_mac),
	       FW_REASON_SPOOFED_NEIGHBOUR);
	expect(packet_nd(FW_EGRESS, 135, PEER6, "ff02::1:ff00:7", WORLD6, 1, pod_mac),
	       FW_REASON_SPOOFED_NEIGHBOUR);
	expect(packet_nd(FW_EGRESS, 135, "::", "ff02::1:ff00:9", PEER6, 0, NULL),
	       FW_REASON_SPOOFED_NEIGHBOUR);
	expect(packet_nd(FW_EGRESS, 136, POD6, "ff02::1", POD6, 2, pod_mac), FW_REASON_NEIGHBOUR);
	expect(packet_nd(FW_EGRESS, 135, "::", "ff02::1:ff00:5", POD6LL, 0, NULL),
	       FW_REASON_NEIGHBOUR);
}

static void row_06_router_advertisement_and_redirect(void **state)
{
	(void)state;
	expect(packet_nd(FW_EGRESS, 134, POD6LL, "ff02::1", NULL, 1, pod_mac),
	       FW_REASON_ROGUE_ROUTER);
	expect(packet_nd(FW_EGRESS, 137, POD6LL, PEER6, PEER6, 2, pod_mac), FW_REASON_ROGUE_ROUTER);
	expect(PACKET(.family = 4, .direction = FW_EGRESS, .proto = 1, .type = 5, .payload = 28),
	       FW_REASON_ROGUE_ROUTER);
	expect(packet_nd(FW_EGRESS, 133, POD6LL, "ff02::2", NULL, 1, pod_mac), FW_REASON_NEIGHBOUR);
}

static void row_07_the_pod_takes_another_address(void **state)
{
	(void)state;
	EACH_FAMILY(family)
	{
		struct packet p = UDP(family, FW_EGRESS, 1, 2);
		packet_addresses(&p, family_text(family, "10.1.0.77", "fd00:1::77"), WORLD(family));
		expect(p, FW_REASON_SPOOFED_ADDRESS);
		packet_addresses(&p, family_text(family, POD4, POD6), WORLD(family));
		expect(p, FW_REASON_POLICY_ALLOW);
	}
}

static void row_08_policy_of_one_family_isolates_both(void **state)
{
	struct fw_prefix_key key = {.prefixlen = 96 + 24};
	struct fw_peer peer = {.peer_class = 40};
	struct fw_ip ip = ip_of("203.0.113.0");

	(void)state;
	deny_all();
	memcpy(key.addr, &ip, 16);
	assert_int_equal(
		bpf_map_update_elem(bpf_map__fd(fx->skel->maps.fw_prefixes), &key, &peer, BPF_ANY),
		0);
	EACH_DIRECTION(way)
	{
		fixture_range(way, 40, 0, FW_RANGE_ALL_HI, ALLOW(64));
		EACH_FAMILY(family)
		{
			expect(PACKET(.family = family, .direction = way, .proto = PROTO_UDP,
				      .local_port = 5, .remote_port = (uint16_t)(6 + way),
				      .remote = WORLD(family)),
			       family == 4 ? FW_REASON_POLICY_ALLOW : FW_REASON_POLICY_DENY);
		}
	}
	expect(packet_nd(FW_EGRESS, 135, POD6, "ff02::1:ff00:9", PEER6, 1, pod_mac),
	       FW_REASON_NEIGHBOUR);
}

static struct shape series(int family, int way)
{
	return (struct shape){.family = family,
			      .direction = way,
			      .proto = PROTO_UDP,
			      .local_port = 30,
			      .remote_port = 31,
			      .payload = 16};
}

static struct packet first_of(struct shape shape, uint32_t id)
{
	struct packet p = packet_make(shape);

	packet_fragment(&p, id, 0, true);
	return p;
}

static void row_09_first_fragment_gets_a_normal_verdict(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		fixture_forget();
		expect(first_of(series(family, way), 1), FW_REASON_POLICY_ALLOW);
		deny_all();
		expect(first_of(series(family, way), 1), FW_REASON_POLICY_DENY);
		fixture_forget();
		expect(first_of(series(family, way), 2), FW_REASON_POLICY_DENY);
		expect(packet_late(series(family, way), 2, 3, false, 8),
		       FW_REASON_FRAGMENT_UNKNOWN);
		fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
	}
}

static void row_10_late_fragment_of_an_allowed_first(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		struct shape shape = series(family, way);

		fixture_forget();
		expect(first_of(shape, 3), FW_REASON_POLICY_ALLOW);
		expect(packet_late(shape, 3, 3, true, 8), FW_REASON_FRAGMENT);
		expect(packet_late(shape, 3, 4, false, 5), FW_REASON_FRAGMENT);
		fixture_bump(); /* another policy: not by a verdict of the old one */
		expect(packet_late(shape, 3, 3, true, 8), FW_REASON_FRAGMENT_UNKNOWN);
		expect(first_of(shape, 3), FW_REASON_POLICY_ALLOW);
		expect(packet_late(shape, 3, 3, true, 8), FW_REASON_FRAGMENT);
		shape.remote = WORLD(family); /* somebody else's fragment of the same number */
		expect(packet_late(shape, 3, 3, true, 8), FW_REASON_FRAGMENT_UNKNOWN);
	}
}

static void row_11_late_fragment_without_a_first(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		expect(UDP(family, way, 30, 31), way ? FW_REASON_FLOW : FW_REASON_POLICY_ALLOW);
		expect(packet_late(series(family, way), 4, 3, true, 8), FW_REASON_FRAGMENT_UNKNOWN);
		expect_record(FW_EVENT_DROP, FW_REASON_FRAGMENT_UNKNOWN);
	}
}

static void row_12_tiny_overlapping_odd_fragments(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		struct shape shape = {.family = family,
				      .direction = way,
				      .proto = PROTO_TCP,
				      .flags = SYN,
				      .local_port = 33,
				      .remote_port = 34,
				      .payload = 12};
		struct packet tiny = packet_make(shape), other;

		fixture_forget();
		expect(first_of(shape, 5), FW_REASON_POLICY_ALLOW);
		tiny.len = tiny.l4 + 16;
		packet_lengths(&tiny);
		packet_fragment(&tiny, 6, 0, true);
		expect(tiny, FW_REASON_FRAGMENT_TINY);
		expect(packet_late(shape, 5, 1, true, 16), FW_REASON_FRAGMENT_OVERLAP);
		expect(packet_late(shape, 5, 8191, false, 64), FW_REASON_FRAGMENT_END);
		expect(packet_late(shape, 5, 4, true, 9),
		       family == 4 ? FW_REASON_BAD_IPV4 : FW_REASON_BAD_IPV6);
		/* a second first fragment with other ports is judged by its own */
		fixture_default(FW_DECIDED_NOTHING, FW_DECIDED_NOTHING);
		shape.local_port = shape.remote_port = 99;
		other = first_of(shape, 5);
		expect(other, FW_REASON_POLICY_DENY);
		fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
	}
}

static void row_13_fragment_flood_pushes_out_no_flow(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		fixture_forget();
		expect(TCP(family, way, 1000, 80, SYN), FW_REASON_POLICY_ALLOW);
		expect(TCP(family, !way, 1000, 80, SYN | ACK), FW_REASON_FLOW);
		for (uint32_t id = 0; id < 2000; id++) {
			struct packet p = first_of(series(family, way), id);
			int reason = fixture_reason(&p);
			assert_true(reason == FW_REASON_POLICY_ALLOW || reason == FW_REASON_FLOW);
		}
		expect(TCP(family, way, 1000, 80, ACK), FW_REASON_FLOW);
		for (uint32_t i = 0; i < fx->buckets; i++) /* the neighbour's region */
			for (uint32_t j = 0; j < FW_BUCKET_SLOTS; j++)
				assert_int_equal(fx->flows[i].slot[j].ctl, 0);
	}
}

static void row_14_extension_chains(void **state)
{
	(void)state;
	EACH_DIRECTION(way)
	{
		for (int count = 0; count < 12; count++) {
			struct packet p = TCP(6, way, (uint16_t)(count + 1), 2, SYN);
			for (int i = 0; i < count; i++)
				packet_extension(&p, i == count - 1 && way ? 0 : 60, 8);
			fixture_forget();
			expect(p, count <= 6 ? FW_REASON_POLICY_ALLOW : FW_REASON_EXTENSIONS);
		}
		struct packet p = TCP(6, way, 1, 2, SYN), q = p;
		uint8_t *head = packet_extension(&p, 43, 24);
		head[3] = 1;
		expect(p, FW_REASON_ROUTING_HEADER);
		packet_extension(&q, 51, 24); /* authentication: its length counts in fours */
		expect(q, FW_REASON_POLICY_ALLOW);
	}
}

static void row_15_ipv4_options(void **state)
{
	(void)state;
	EACH_DIRECTION(way)
	{
		for (size_t size = 4; size <= 40; size += 4) {
			uint8_t options[40] = {0};
			struct packet p = TCP(4, way, (uint16_t)size, 2, SYN),
				      denied = TCP(4, way, (uint16_t)size, 3, SYN);

			fixture_forget();
			memset(options, 1, sizeof(options)); /* no-operations */
			packet_options(&p, options, size);
			expect(p, FW_REASON_POLICY_ALLOW);
			assert_int_equal(fixture_only()->local_port, size);
			options[size - 3] = 131;
			options[size - 2] = 3;
			options[size - 1] = 4;
			packet_options(&denied, options, size);
			expect(denied, FW_REASON_SOURCE_ROUTE);
		}
	}
}

static void row_16_impossible_lengths(void **state)
{
	(void)state;
	EACH_DIRECTION(way)
	{
		for (int ihl = 0; ihl < 16; ihl++) {
			struct packet p = TCP(4, way, 1, 2, SYN);
			fixture_forget();
			p.b[14] = (uint8_t)(0x40 | ihl);
			int reason = fixture_reason(&p);
			assert_int_equal(reason_drops(reason), ihl != 5);
		}
		for (int version = 0; version < 16; version++) {
			struct packet p = TCP(4, way, 1, 2, SYN), q = TCP(6, way, 1, 2, SYN);
			fixture_forget();
			p.b[14] = (uint8_t)(version << 4 | 5);
			q.b[14] = (uint8_t)(version << 4);
			expect(p, version == 4 ? FW_REASON_POLICY_ALLOW : FW_REASON_BAD_IPV4);
			expect(q, version == 6 ? FW_REASON_POLICY_ALLOW : FW_REASON_BAD_IPV6);
		}
		for (int doff = 0; doff < 16; doff++) {
			EACH_FAMILY(family)
			{
				struct packet p = TCP(family, way, 1, 2, SYN);
				fixture_forget();
				p.b[p.l4 + 12] = (uint8_t)(doff << 4);
				expect(p, doff == 5 ? FW_REASON_POLICY_ALLOW : FW_REASON_BAD_TCP);
			}
		}
		EACH_FAMILY(family)
		{
			for (int delta = -30; delta <= 30; delta++) {
				struct packet p = UDP(family, way, 1, 2);
				size_t at = family == 4 ? 16 : 18,
				       right = p.len - (family == 4 ? 14 : 54);
				fixture_forget();
				put16(p.b + at, (size_t)((int)right + delta));
				int reason = fixture_reason(&p);
				assert_int_equal(reason_drops(reason), delta != 0);
			}
		}
	}
}

/* With the lengths left as they were and with lengths made to fit; a frame shorter than its L2
 * header cannot arrive. */
static void row_17_truncated_at_every_byte(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		struct packet kinds[] = {
			TCP(family, way, 1, 2, SYN), UDP(family, way, 1, 2),
			PACKET(.family = family, .direction = way, PING(family), .local_port = 9),
			PACKET(.family = family, .direction = way, .proto = PROTO_SCTP)};
		for (int i = 0; i < 4; i++) {
			for (size_t len = 15; len < kinds[i].len; len++) {
				struct packet p = kinds[i];
				int action = 0, r;
				fixture_forget();
				p.len = len;
				r = fixture_run(p.b, p.len, way, &action);
				assert_true(r ? len < p.l4 : action == SHOT);
				if (len < p.l4)
					continue;
				packet_lengths(&p);
				assert_true(reason_drops(fixture_reason(&p)));
				assert_int_equal(fixture_flows(), 0);
			}
			expect(kinds[i], FW_REASON_POLICY_ALLOW);
		}
	}
}

/* Which sides of the only flow have been seen: both, when it is established. */
static uint32_t seen_sides(void)
{
	return fixture_only()->state & (FW_FLOW_STATE_SEEN_IN | FW_FLOW_STATE_SEEN_OUT);
}

/*
 * Checksums are not looked at (flow_table.h says why): a wrong one may not do more than any single
 * packet. Beside it a handshake whose checksums are right.
 */
static void row_18_wrong_checksums_do_not_establish(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		struct packet p = TCP(family, way, 1000, 80, SYN),
			      open = TCP(family, way, 1001, 80, SYN),
			      answer = TCP(family, !way, 1001, 80, SYN | ACK);

		fixture_forget();
		packet_checksum(&open);
		packet_checksum(&answer);
		expect(open, FW_REASON_POLICY_ALLOW);
		expect(answer, FW_REASON_FLOW);
		assert_int_equal(seen_sides(), FW_FLOW_STATE_SEEN_IN | FW_FLOW_STATE_SEEN_OUT);
		fixture_forget();
		packet_checksum(&p);
		p.b[p.l4 + 16] ^= 0xff;
		for (int i = 0; i < 5; i++)
			fixture_reason(&p);
		p.b[p.l4 + 13] = ACK;
		for (int i = 0; i < 5; i++)
			fixture_reason(&p);
		/* half-open: the short idle time, and the first to be given up */
		assert_int_equal(seen_sides(),
				 way ? FW_FLOW_STATE_SEEN_OUT : FW_FLOW_STATE_SEEN_IN);
		deny_all();
		expect(p, FW_REASON_POLICY_DENY);
		fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
	}
}

static void row_19_every_protocol_is_a_flow_of_its_own(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		fixture_forget();
		deny_all();
		fixture_range(way, PEER_CLASS, FW_RANGE_KEY(99, 0), FW_RANGE_KEY(99, 0xffff),
			      ALLOW(64));
		expect(PACKET(.family = family, .direction = way, .proto = 99, .payload = 32),
		       FW_REASON_POLICY_ALLOW);
		for (int protocol = 0; protocol < 256; protocol++) {
			struct packet p =
				PACKET(.family = family, .direction = way,
				       .proto = (uint8_t)protocol, .flags = SYN, .payload = 32);
			int reason = fixture_reason(&p);
			assert_int_equal(reason_drops(reason), protocol != 99);
		}
		expect(PACKET(.family = family, .direction = !way, .proto = 99, .payload = 32),
		       FW_REASON_FLOW);
		fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
	}
}

static void row_20_port_0_is_a_number(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		fixture_forget();
		deny_all();
		fixture_range(way, PEER_CLASS, FW_RANGE_KEY(PROTO_TCP, 0),
			      FW_RANGE_KEY(PROTO_TCP, 0), ALLOW(64));
		expect(TCP(family, way, way ? 7 : 0, way ? 0 : 7, SYN), FW_REASON_POLICY_ALLOW);
		expect(TCP(family, way, way ? 7 : 1, way ? 1 : 7, SYN), FW_REASON_POLICY_DENY);
		expect(TCP(family, way, way ? 0 : 7, way ? 7 : 0, SYN), FW_REASON_POLICY_DENY);
		fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
	}
}

static void row_21_vlan_and_qinq(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		struct packet p = TCP(family, way, 1, 2, SYN), q;
		packet_insert(&p, 12, 4);
		put16(p.b + 12, 0x8100);
		q = p;
		packet_insert(&q, 12, 4);
		put16(q.b + 12, 0x88a8);
		expect(p, FW_REASON_VLAN);
		expect(q, FW_REASON_VLAN);
		fixture_forget();
		expect(TCP(family, way, 1, 2, SYN), FW_REASON_POLICY_ALLOW);
	}
}

static void row_22_unknown_ethertypes(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		fixture_forget();
		for (uint32_t type = 0; type < 65536; type += 61) {
			struct packet p = TCP(family, way, 1, 2, SYN);
			put16(p.b + 12, type);
			if (type != 0x0800 && type != 0x86dd && type != 0x0806 && type != 0x8100 &&
			    type != 0x88a8)
				expect(p, FW_REASON_ETHERTYPE);
		}
		assert_int_equal(fixture_flows(), 0);
		/* the very frame with its own type */
		expect(TCP(family, way, 1, 2, SYN), FW_REASON_POLICY_ALLOW);
	}
}

#include "rows_rest.h"

#define TEST(name) cmocka_unit_test_setup(name, fixture_setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(row_01_spoofed_source_stores_nothing),
		TEST(row_02_poisoning_another_pods_flow),
		TEST(row_03_impossible_sources),
		TEST(row_04_gratuitous_arp),
		TEST(row_05_foreign_neighbour_claims),
		TEST(row_06_router_advertisement_and_redirect),
		TEST(row_07_the_pod_takes_another_address),
		TEST(row_08_policy_of_one_family_isolates_both),
		TEST(row_09_first_fragment_gets_a_normal_verdict),
		TEST(row_10_late_fragment_of_an_allowed_first),
		TEST(row_11_late_fragment_without_a_first),
		TEST(row_12_tiny_overlapping_odd_fragments),
		TEST(row_13_fragment_flood_pushes_out_no_flow),
		TEST(row_14_extension_chains),
		TEST(row_15_ipv4_options),
		TEST(row_16_impossible_lengths),
		TEST(row_17_truncated_at_every_byte),
		TEST(row_18_wrong_checksums_do_not_establish),
		TEST(row_19_every_protocol_is_a_flow_of_its_own),
		TEST(row_20_port_0_is_a_number),
		TEST(row_21_vlan_and_qinq),
		TEST(row_22_unknown_ethertypes),
		TEST(row_23_tunnels_are_their_outer_protocol),
		TEST(row_24_multicast_wants_a_rule),
		TEST(row_25_rogue_dhcp_server),
		TEST(row_26_metadata_address_is_an_ordinary_one),
		TEST(row_27_loopback_destination),
		TEST(row_28_impossible_tcp_flags),
		TEST(row_29_ack_without_syn_is_judged_as_new),
		TEST(row_30_simultaneous_open_needs_both_policies),
		TEST(row_31_blind_reset_changes_no_verdict),
		TEST(row_32_half_open_flood_spares_the_established),
		TEST(row_33_port_used_again_is_judged_again),
		TEST(row_34_idle_for_days_survives_if_allowed),
		TEST(row_35_late_udp_answer_is_judged_as_new),
		TEST(row_36_icmp_error_to_its_owner_only),
		TEST(row_37_forged_embedded_packet),
		TEST(row_38_echo_id_collision),
		TEST(row_39_path_mtu_works_under_deny_all),
		TEST(row_40_sctp_further_addresses_are_ignored),
		TEST(row_41_exhaustion_stays_in_the_pods_region),
		TEST(row_42_sweeper_against_live_traffic),
		TEST(row_43_wall_clock_is_not_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
