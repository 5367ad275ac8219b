/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second half of test_packet_reasons.c: what is in the packet, what state it meets, what policy
 * says; the list of all tests, and the one that fails when a reason was never seen.
 */
static void truncated(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		struct packet p = TCP(family, way, 1, 2, SYN), q = p;

		expect(p, FW_REASON_POLICY_ALLOW);
		q.len = q.l4 + 19; /* the IP header still promises 20 */
		expect(q, FW_REASON_TRUNCATED);
		expect_record(FW_EVENT_DROP, FW_REASON_TRUNCATED);
		packet_lengths(&q);
		expect(q, FW_REASON_TRUNCATED);
		p = UDP(family, way, 1, 2);
		p.len = p.l4 + 7;
		packet_lengths(&p);
		expect(p, FW_REASON_TRUNCATED);
		fixture_forget();
	}
}

static void bad_ipv4(void **state)
{
	const uint8_t router_alert[4] = {148, 4, 0, 0}, broken[4] = {148, 9, 0, 0},
		      zero[4] = {148, 0, 0, 0};

	(void)state;
	EACH_DIRECTION(way)
	{
		struct packet good = TCP(4, way, 1, 2, SYN), p = good;

		fixture_forget();
		p.b[14] = 0x55;
		expect(p, FW_REASON_BAD_IPV4);
		p.b[14] = 0x44;
		expect(p, FW_REASON_BAD_IPV4);
		p = good;
		put16(p.b + 16, 19);
		expect(p, FW_REASON_BAD_IPV4);
		put16(p.b + 16, 0);
		expect(p, FW_REASON_BAD_IPV4);
		p = good;
		packet_options(&p, broken, 4);
		expect(p, FW_REASON_BAD_IPV4);
		p = good;
		packet_options(&p, zero, 4);
		expect(p, FW_REASON_BAD_IPV4);
		p = good;
		packet_options(&p, router_alert, 4);
		expect(p, FW_REASON_POLICY_ALLOW);
	}
}

static void source_route(void **state)
{
	const uint8_t kinds[] = {131, 137};

	(void)state;
	EACH_DIRECTION(way)
	{
		for (int i = 0; i < 2; i++) {
			const uint8_t route[8] = {1, kinds[i], 7, 4, 10, 0, 0, 1},
				      record[8] = {1, 7, 7, 4, 0, 0, 0, 0};
			struct packet p = TCP(4, way, 1, 2, SYN), q = p;

			fixture_forget();
			packet_options(&p, route, 8);
			expect(p, FW_REASON_SOURCE_ROUTE);
			packet_options(&q, record, 8);
			expect(q, FW_REASON_POLICY_ALLOW);
		}
	}
}

static void bad_ipv6(void **state)
{
	(void)state;
	EACH_DIRECTION(way)
	{
		struct packet good = TCP(6, way, 1, 2, SYN), p = good;

		fixture_forget();
		p.b[14] = 0x40;
		expect(p, FW_REASON_BAD_IPV6);
		p = good;
		packet_addresses(&p, POD6, "::ffff:10.1.0.9"); /* would meet the keys of IPv4 */
		expect(p, FW_REASON_BAD_IPV6);
		p = good;
		packet_extension(&p, 0, 8);
		packet_extension(&p, 60, 8); /* hop-by-hop is not first */
		expect(p, FW_REASON_BAD_IPV6);
		expect(good, FW_REASON_POLICY_ALLOW);
	}
}

static void extensions(void **state)
{
	(void)state;
	EACH_DIRECTION(way)
	{
		struct packet p = TCP(6, way, 1, 2, SYN), q = p;

		fixture_forget();
		for (int i = 0; i < 6; i++)
			packet_extension(&p, 60, 8);
		expect(p, FW_REASON_POLICY_ALLOW);
		packet_extension(&p, 60, 8);
		expect(p, FW_REASON_EXTENSIONS);
		packet_extension(&q, 60, 256);
		struct packet r = q;
		expect(q, FW_REASON_FLOW);
		packet_extension(&r, 60, 8);
		expect(r, FW_REASON_EXTENSIONS);
	}
}

static void routing_header(void **state)
{
	(void)state;
	EACH_DIRECTION(way)
	{
		struct packet p = TCP(6, way, 1, 2, SYN), q = p, r = p;
		uint8_t *head = packet_extension(&p, 43, 24);

		head[2] = 0;
		head[3] = 1;
		expect(p, FW_REASON_ROUTING_HEADER);
		head[3] = 0;
		expect(p, FW_REASON_ROUTING_HEADER);
		head = packet_extension(&q, 43, 24);
		head[2] = 4; /* segment routing that has a stop to make */
		head[3] = 1;
		expect(q, FW_REASON_ROUTING_HEADER);
		head = packet_extension(&r, 43, 24);
		head[2] = 4;
		expect(r, way ? FW_REASON_FLOW : FW_REASON_POLICY_ALLOW);
	}
}

static void bad_tcp(void **state)
{
	const uint8_t bad[] = {SYN | FIN, SYN | RST, FIN | RST,	      0,    FIN | PSH | URG,
			       FIN,	  PSH,	     SYN | FIN | ACK, 0x3f, 0xff};

	(void)state;
	EACH_WAY(family, way)
	{
		fixture_forget();
		for (size_t i = 0; i < sizeof(bad); i++) {
			expect(TCP(family, way, 1, 2, bad[i]), FW_REASON_BAD_TCP);
			expect_record(FW_EVENT_DROP, FW_REASON_BAD_TCP);
			assert_int_equal(fixture_flows(), 0);
		}
		struct packet p = TCP(family, way, 1, 2, SYN);
		p.b[p.l4 + 12] = 4 << 4;
		expect(p, FW_REASON_BAD_TCP);
		p.b[p.l4 + 12] = 6 << 4;
		expect(p, FW_REASON_BAD_TCP);
		p.b[p.l4 + 12] = 5 << 4;
		expect(p, FW_REASON_POLICY_ALLOW);
		for (size_t i = 0; i < sizeof(bad); i++) /* on a flow, too */
			expect(TCP(family, way, 1, 2, bad[i]), FW_REASON_BAD_TCP);
	}
}

static void bad_l4(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		struct packet p = UDP(family, way, 1, 2);

		put16(p.b + p.l4 + 4, 7);
		expect(p, FW_REASON_BAD_L4);
		put16(p.b + p.l4 + 4, 9);
		expect(p, FW_REASON_BAD_L4);
		expect(UDP(family, way, 1, 2), way ? FW_REASON_FLOW : FW_REASON_POLICY_ALLOW);
		expect(PACKET(.family = 4, .direction = way, .proto = 1, .type = 4, .payload = 28),
		       FW_REASON_BAD_L4);
	}
}

static void vlan(void **state)
{
	const uint16_t tags[] = {0x8100, 0x88a8};

	(void)state;
	EACH_WAY(family, way)
	{
		for (int i = 0; i < 2; i++) {
			struct packet p = TCP(family, way, 1, 2, SYN);
			memmove(p.b + 16, p.b + 12, p.len - 12);
			put16(p.b + 12, tags[i]);
			put16(p.b + 14, 5);
			p.len += 4;
			expect(p, FW_REASON_VLAN);
		}
		expect(TCP(family, way, 1, 2, SYN), way ? FW_REASON_FLOW : FW_REASON_POLICY_ALLOW);
	}
}

static void ethertype(void **state)
{
	const uint16_t types[] = {0x8847, 0x88cc, 0x0000, 0x86de, 0x8864, 0x0100};

	(void)state;
	EACH_WAY(family, way)
	{
		fixture_forget();
		for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
			struct packet p = TCP(family, way, 1, 2, SYN);
			put16(p.b + 12, types[i]);
			expect(p, FW_REASON_ETHERTYPE);
		}
		expect(TCP(family, way, 1, 2, SYN), FW_REASON_POLICY_ALLOW);
	}
}

static void icmp_embedded(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		uint8_t type = family == 4 ? 11 : 3;
		struct packet sent = TCP(family, !way, 1000, 80, SYN), foreign = sent, deep;
		struct packet good = packet_error(way, NULL, type, 0, &sent, 0);

		fixture_forget();
		expect(sent, FW_REASON_POLICY_ALLOW);
		expect(good, FW_REASON_RELATED);
		expect(packet_error(way, NULL, type, 0, &sent, sent.l4 - 14 + 8),
		       FW_REASON_RELATED);
		for (size_t bytes = 1; bytes < sent.l4 - 14 + 8; bytes++)
			expect(packet_error(way, NULL, type, 0, &sent, bytes),
			       FW_REASON_ICMP_EMBEDDED);
		packet_addresses(&foreign, family_text(family, POD4B, POD6B),
				 family_text(family, PEER4, PEER6));
		expect(packet_error(way, NULL, type, 0, &foreign, 0), FW_REASON_ICMP_EMBEDDED);
		packet_addresses(&foreign, family_text(family, WORLD4, WORLD6),
				 family_text(family, PEER4, PEER6));
		expect(packet_error(way, NULL, type, 0, &foreign, 0), FW_REASON_ICMP_EMBEDDED);
		deep = packet_error(!way, NULL, type, 0, &good, 0); /* no error about an error */
		expect(packet_error(way, NULL, type, 0, &deep, 0), FW_REASON_ICMP_EMBEDDED);
		foreign = good;
		foreign.b[good.l4 + 8] ^= 0xf0;
		expect(foreign, FW_REASON_ICMP_EMBEDDED);
	}
}

static void icmp_unsolicited(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		fixture_forget();
		expect(PACKET(.family = family, .direction = way, PONG(family), .local_port = 5),
		       FW_REASON_ICMP_UNSOLICITED);
		expect(PACKET(.family = family, .direction = !way, PING(family), .local_port = 5),
		       FW_REASON_POLICY_ALLOW);
		expect(PACKET(.family = family, .direction = way, PONG(family), .local_port = 5),
		       FW_REASON_FLOW);
		expect(PACKET(.family = family, .direction = !way, PONG(family), .local_port = 5),
		       FW_REASON_ICMP_UNSOLICITED);
		expect(PACKET(.family = family, .direction = way, PONG(family), .local_port = 6),
		       FW_REASON_ICMP_UNSOLICITED);
	}
}

static void table_full(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		fixture_forget();
		for (uint32_t i = fx->buckets; i < 2 * fx->buckets; i++) {
			for (uint32_t j = 0; j < FW_BUCKET_SLOTS;
			     j++) { /* established flows that are not idle */
				struct fw_flow *slot = &fx->flows[i].slot[j];
				slot->protocol = PROTO_TCP;
				slot->state = FW_FLOW_STATE_SEEN_IN | FW_FLOW_STATE_SEEN_OUT;
				slot->ev = FW_DECISION_ALLOW;
				slot->seen = (uint32_t)-1; /* ahead of now: age 0 */
				slot->ctl = FW_CTL_VALID | (uint64_t)(i * 8 + j) << 32;
			}
		}
		expect(TCP(family, way, 1, 2, SYN), FW_REASON_TABLE_FULL);
		expect_record(FW_EVENT_DROP, FW_REASON_TABLE_FULL);
		assert_int_equal(fx->events[0].decision, FW_DECIDED_TABLE_FULL);
		for (uint32_t i = fx->buckets; i < 2 * fx->buckets; i++)
			fx->flows[i].slot[3].ctl = 0;
		expect(TCP(family, way, 1, 2, SYN), FW_REASON_POLICY_ALLOW);
	}
}

static void policy_deny(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		fixture_forget();
		fixture_default(FW_DECIDED_NOTHING, FW_DECIDED_NOTHING);
		fixture_range(way, PEER_CLASS, FW_RANGE_KEY(PROTO_TCP, 80),
			      FW_RANGE_KEY(PROTO_TCP, 89), ALLOW(77));
		uint16_t lp = way ? 1000 : 80, rp = way ? 80 : 1000;
		expect(TCP(family, way, lp, rp, SYN), FW_REASON_POLICY_ALLOW);
		assert_int_equal(fx->events[0].decision, ALLOW(77));
		assert_int_equal(fx->events[0].peer_class, PEER_CLASS);
		expect(TCP(family, way, way ? 1000 : 90, way ? 90 : 1000, SYN),
		       FW_REASON_POLICY_DENY);
		expect_record(FW_EVENT_DENY, FW_REASON_POLICY_DENY);
		expect(TCP(family, way, way ? 1000 : 79, way ? 79 : 1000, SYN),
		       FW_REASON_POLICY_DENY);
		expect(UDP(family, way, lp, rp), FW_REASON_POLICY_DENY);
		expect(PACKET(.family = family, .direction = way, .proto = PROTO_TCP, .flags = SYN,
			      .local_port = lp, .remote_port = rp,
			      .remote = family_text(family, WORLD4, WORLD6)),
		       FW_REASON_POLICY_DENY);
	}
}

static void flow_denied(void **state)
{
	(void)state;
	fixture_default(FW_DECIDED_NOTHING, FW_DECIDED_NOTHING);
	EACH_WAY(family, way)
	{
		fixture_forget();
		expect(TCP(family, way, 1, 2, SYN), FW_REASON_POLICY_DENY);
		expect_record(FW_EVENT_DENY, FW_REASON_POLICY_DENY);
		for (int i = 0; i < 3; i++) {
			expect(TCP(family, way, 1, 2, SYN), FW_REASON_FLOW_DENIED);
			expect_no_record();
			expect(TCP(family, way, 1, 2, ACK), FW_REASON_FLOW_DENIED);
			expect_no_record();
		}
		assert_int_equal(fixture_only()->count[way] >> FW_COUNT_BYTES_BITS, 7);
		expect(TCP(family, !way, 1, 2, ACK),
		       FW_REASON_POLICY_DENY); /* asked from the other side, once */
		expect_record(FW_EVENT_DENY, FW_REASON_POLICY_DENY);
		expect(TCP(family, !way, 1, 2, ACK), FW_REASON_FLOW_DENIED);
		assert_int_equal(fixture_flows(), 1);
		fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
		expect(TCP(family, way, 1, 2, SYN), FW_REASON_POLICY_ALLOW);
		expect(TCP(family, !way, 1, 2, ACK), FW_REASON_FLOW);
		fixture_default(FW_DECIDED_NOTHING, FW_DECIDED_NOTHING);
	}
}

static void without_policy(uint8_t endpoint_state, int reason, uint32_t decision)
{
	fx->ep->state = endpoint_state;
	EACH_WAY(family, way)
	{
		fixture_forget();
		fx->ingress_ifindex = ANY_INTERFACE;
		expect(TCP(family, way, 1, 2, SYN), reason);
		expect_record(FW_EVENT_DENY, reason);
		assert_int_equal(fx->events[0].decision, decision);
		expect(PACKET(.family = family, .direction = way, PING(family), .local_port = 5),
		       reason);
		fx->ingress_ifindex = 0;
		expect(TCP(family, FW_INGRESS, 3, 4, SYN), FW_REASON_OWN_NODE);
		expect(TCP(family, FW_EGRESS, 3, 4, SYN | ACK), FW_REASON_FLOW);
		fx->ingress_ifindex = ANY_INTERFACE;
	}
	fixture_forget();
	arp(NULL);
	neighbour(NULL);
	fx->node->enforcement = FW_AUDIT;
	fixture_bump();
	expect(TCP(4, FW_EGRESS, 5, 6, SYN), FW_REASON_AUDITED);
}

static void isolated(void **state)
{
	(void)state;
	without_policy(FW_EP_ISOLATED, FW_REASON_ISOLATED, FW_DECIDED_NO_POLICY_YET);
}

static void locked(void **state)
{
	(void)state;
	without_policy(FW_EP_LOCKED, FW_REASON_LOCKED, FW_DECIDED_LOCKED);
	fixture_reset();
	fx->ep->subject = FW_SUBJECTS_MAX; /* a subject that cannot be */
	expect(TCP(4, FW_EGRESS, 5, 6, SYN), FW_REASON_LOCKED);
}

static void unknown_pod(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		struct packet p = PACKET(.family = family, .direction = way, .proto = PROTO_TCP,
					 .flags = SYN, .local_port = 1, .remote_port = 2,
					 .remote = family_text(family, WORLD4, WORLD6));

		fixture_forget();
		fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
		fixture_address(family_text(family, WORLD4, WORLD6), FW_CLASS_UNKNOWN_POD,
				FW_PEER_POD);
		expect(p, FW_REASON_POLICY_ALLOW);
		fixture_default(FW_DECIDED_NOTHING, FW_DECIDED_NOTHING);
		expect(p, FW_REASON_UNKNOWN_POD);
		expect_record(FW_EVENT_CHANGE, FW_REASON_UNKNOWN_POD);
		fixture_forget();
		expect(p, FW_REASON_UNKNOWN_POD);
		expect_record(FW_EVENT_DENY, FW_REASON_UNKNOWN_POD);
	}
}

static void multicast(void **state)
{
	(void)state;
	EACH_FAMILY(family)
	{
		const char *groups[] = {family_text(family, "239.1.2.3", "ff05::1234"),
					family_text(family, "255.255.255.255", "ff02::fb")};
		for (int i = 0; i < 2; i++) {
			struct shape out = {.family = family,
					    .direction = FW_EGRESS,
					    .proto = PROTO_UDP,
					    .local_port = 9,
					    .remote_port = 5353,
					    .remote = groups[i]};
			struct shape in = {.family = family,
					   .direction = FW_INGRESS,
					   .proto = PROTO_UDP,
					   .local_port = 5353,
					   .remote_port = 9,
					   .local = groups[i]};

			fixture_forget();
			fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
			expect(packet_make(out), FW_REASON_MULTICAST);
			expect_record(FW_EVENT_DENY, FW_REASON_MULTICAST);
			expect(packet_make(in), FW_REASON_MULTICAST);
			in.local = NULL; /* a unicast flow with these ports opens no group */
			expect(packet_make(in), FW_REASON_POLICY_ALLOW);
			in.local = groups[i];
			expect(packet_make(in), FW_REASON_FLOW_DENIED);
			fixture_range(FW_EGRESS, FW_CLASS_WORLD, FW_RANGE_KEY(PROTO_UDP, 5353),
				      FW_RANGE_KEY(PROTO_UDP, 5353), ALLOW(70));
			fixture_range(FW_INGRESS, PEER_CLASS, 0, FW_RANGE_ALL_HI, ALLOW(71));
			fixture_bump();
			expect(packet_make(out), FW_REASON_POLICY_ALLOW);
			expect(packet_make(in), FW_REASON_POLICY_ALLOW);
		}
	}
	/* a subnet's broadcast address is named by a flag */
	fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
	fixture_address("10.1.0.255", PEER_CLASS, FW_PEER_BROADCAST);
	expect(PACKET(.family = 4, .direction = FW_EGRESS, .proto = PROTO_UDP,
		      .remote = "10.1.0.255"),
	       FW_REASON_MULTICAST);
	expect(PACKET(.family = 4, .direction = FW_INGRESS, .proto = PROTO_UDP,
		      .local = "10.1.0.255"),
	       FW_REASON_MULTICAST);
	expect(PACKET(.family = 4, .direction = FW_INGRESS, .proto = PROTO_UDP,
		      .local = "10.1.0.254"),
	       FW_REASON_NOT_OURS);
}

/* Last: every reason was an outcome above; NONE is a bug of ours and never one. */
static void every_reason_has_a_test(void **state)
{
	uint64_t packets[FW_REASON_COUNT * 2];

	(void)state;
	fixture_counters(packets);
	for (int reason = 0; reason < FW_REASON_COUNT; reason++) {
		if (fx->covered[reason] != (reason != FW_REASON_NONE))
			print_error("reason %s: %s\n", reason_name(reason),
				    reason ? "no test" : "seen");
		assert_int_equal(fx->covered[reason], reason != FW_REASON_NONE);
	}
	assert_int_equal(packets[0] + packets[1], 0);
}
