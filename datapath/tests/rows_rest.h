/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows 23 to 43 of test_packet_rows.c: what is carried inside, and what state an attacker can
 * abuse.
 */

/* The outer protocol decides; what is inside is payload. */
static void row_23_tunnels_are_their_outer_protocol(void **state)
{
	const uint8_t tunnels[] = {4, 41, 47, 50};

	(void)state;
	EACH_WAY(family, way)
	{
		for (int i = 0; i < 4; i++) {
			struct packet p = PACKET(.family = family, .direction = way,
						 .proto = tunnels[i], .payload = 64);
			struct packet inner = TCP(4, way, 80, 80, SYN);

			fixture_forget();
			memcpy(p.b + p.l4, inner.b + 14, inner.len - 14);
			deny_all();
			fixture_range(way, PEER_CLASS, FW_RANGE_KEY(PROTO_TCP, 0),
				      FW_RANGE_KEY(PROTO_TCP, 65535), ALLOW(64));
			expect(p, FW_REASON_POLICY_DENY);
			fixture_range(way, PEER_CLASS, FW_RANGE_KEY(tunnels[i], 0),
				      FW_RANGE_KEY(tunnels[i], 65535), ALLOW(64));
			fixture_bump();
			expect(p, FW_REASON_POLICY_ALLOW);
			fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
		}
	}
}

static void row_24_multicast_wants_a_rule(void **state)
{
	(void)state;
	EACH_FAMILY(family)
	{
		const char *group = family_text(family, "224.0.0.251", "ff02::fb");

		expect(PACKET(.family = family, .direction = FW_EGRESS, .proto = PROTO_UDP,
			      .remote = group),
		       FW_REASON_MULTICAST);
		expect(PACKET(.family = family, .direction = FW_INGRESS, .proto = PROTO_UDP,
			      .local = group),
		       FW_REASON_MULTICAST);
		expect(UDP(family, FW_EGRESS, 0, 0), FW_REASON_POLICY_ALLOW);
	}
}

static void row_25_rogue_dhcp_server(void **state)
{
	(void)state;
	expect(UDP(4, FW_EGRESS, 67, 68), FW_REASON_ROGUE_DHCP);
	expect(UDP(6, FW_EGRESS, 547, 546), FW_REASON_ROGUE_DHCP);
	expect(PACKET(.family = 4, .direction = FW_EGRESS, .proto = PROTO_UDP, .local_port = 67,
		      .remote_port = 68, .remote = "255.255.255.255"),
	       FW_REASON_ROGUE_DHCP);
	assert_int_equal(fixture_flows(), 0);
	expect(UDP(4, FW_EGRESS, 68, 67), FW_REASON_POLICY_ALLOW);
	expect(UDP(6, FW_EGRESS, 546, 547), FW_REASON_POLICY_ALLOW);
	/* and to the pod, whose client it answers: the other side of those two */
	expect(UDP(4, FW_INGRESS, 68, 67), FW_REASON_FLOW);
	expect(UDP(6, FW_INGRESS, 546, 547), FW_REASON_FLOW);
}

/* An ipBlock of one address, as the compiler writes it: a prefix with a class of its own. */
static void one_address(const char *text, uint32_t peer_class)
{
	struct fw_prefix_key key = {.prefixlen = 128};
	struct fw_peer peer = {.peer_class = peer_class};
	struct fw_ip ip = ip_of(text);

	memcpy(key.addr, &ip, 16);
	assert_int_equal(
		bpf_map_update_elem(bpf_map__fd(fx->skel->maps.fw_prefixes), &key, &peer, BPF_ANY),
		0);
}

static void row_26_metadata_address_is_an_ordinary_one(void **state)
{
	const uint32_t block = 41, http = FW_RANGE_KEY(PROTO_TCP, 80);

	(void)state;
	EACH_FAMILY(family)
	{
		const char *metadata = family_text(family, "169.254.169.254", "fd00:ec2::254"),
			   *beside = family_text(family, "169.254.169.253", "fd00:ec2::253");
		struct packet to = TCP(family, FW_EGRESS, 1000, 80, SYN), other = to,
			      port = TCP(family, FW_EGRESS, 1000, 81, SYN);

		packet_addresses(&to, family_text(family, POD4, POD6), metadata);
		packet_addresses(&port, family_text(family, POD4, POD6), metadata);
		packet_addresses(&other, family_text(family, POD4, POD6), beside);
		one_address(metadata, block);
		deny_all();
		expect(to, FW_REASON_POLICY_DENY);
		fixture_range(FW_EGRESS, block, http, http, ALLOW(64)); /* only this block */
		fixture_bump();
		expect(to, FW_REASON_POLICY_ALLOW);
		expect(port, FW_REASON_POLICY_DENY);
		expect(other, FW_REASON_POLICY_DENY);
		fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT); /* all but this block */
		fixture_range(FW_EGRESS, block, 0, FW_RANGE_ALL_HI, 65);
		fixture_bump();
		expect(to, FW_REASON_POLICY_DENY);
		expect(other, FW_REASON_POLICY_ALLOW);
		fixture_reset();
	}
}

static void row_27_loopback_destination(void **state)
{
	(void)state;
	EACH_FAMILY(family)
	{
		expect(PACKET(.family = family, .direction = FW_EGRESS, .proto = PROTO_UDP,
			      .remote = family_text(family, "127.9.9.9", "::1")),
		       FW_REASON_LOOPBACK);
		expect(PACKET(.family = family, .direction = FW_INGRESS, .proto = PROTO_UDP,
			      .local = family_text(family, "127.0.0.1", "::1")),
		       FW_REASON_LOOPBACK);
		expect(UDP(family, FW_EGRESS, 7, 8), FW_REASON_POLICY_ALLOW);
		expect(UDP(family, FW_INGRESS, 9, 10), FW_REASON_POLICY_ALLOW);
	}
}

static void row_28_impossible_tcp_flags(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		for (int flags = 0; flags < 64; flags++) {
			bool several = !!(flags & SYN) + !!(flags & FIN) + !!(flags & RST) > 1;
			bool bad = several || !(flags & (SYN | RST | ACK));
			fixture_forget();
			expect(TCP(family, way, 1, 2, (uint8_t)flags),
			       bad ? FW_REASON_BAD_TCP : FW_REASON_POLICY_ALLOW);
			assert_int_equal(fixture_flows(), !bad);
		}
	}
}

static void row_29_ack_without_syn_is_judged_as_new(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		fixture_forget();
		expect(TCP(family, way, 1000, 80, ACK), FW_REASON_POLICY_ALLOW);
		deny_all();
		expect(TCP(family, way, 1000, 81, ACK), FW_REASON_POLICY_DENY);
		expect(TCP(family, way, 1000, 82, SYN | ACK), FW_REASON_POLICY_DENY);
		expect(TCP(family, way, 1000, 83, RST), FW_REASON_POLICY_DENY);
		fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
	}
}

static void row_30_simultaneous_open_needs_both_policies(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		uint32_t in = way ? FW_DECIDED_NOTHING : ALLOW_DEFAULT,
			 out = way ? ALLOW_DEFAULT : FW_DECIDED_NOTHING;

		fixture_forget();
		fixture_default(in, out);
		expect(TCP(family, way, 5, 6, SYN), FW_REASON_POLICY_ALLOW);
		expect(TCP(family, !way, 5, 6, SYN), FW_REASON_POLICY_DENY);
		expect_record(FW_EVENT_DENY, FW_REASON_POLICY_DENY);
		expect(TCP(family, !way, 5, 6, SYN | ACK),
		       FW_REASON_FLOW); /* an answer is not an opening */
		fixture_forget();
		fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
		expect(TCP(family, way, 5, 6, SYN), FW_REASON_POLICY_ALLOW);
		expect(TCP(family, !way, 5, 6, SYN), FW_REASON_FLOW);
		assert_int_equal(!!(fixture_only()->state & FW_FLOW_STATE_EGRESS), way);
	}
}

static void row_31_blind_reset_changes_no_verdict(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		fixture_forget();
		fixture_default(way ? FW_DECIDED_NOTHING : ALLOW_DEFAULT,
				way ? ALLOW_DEFAULT : FW_DECIDED_NOTHING);
		expect(TCP(family, way, 5, 6, SYN), FW_REASON_POLICY_ALLOW);
		expect(TCP(family, !way, 5, 6, SYN | ACK), FW_REASON_FLOW);
		expect(TCP(family, !way, 5, 6, RST), FW_REASON_FLOW);
		assert_true(fixture_only()->state & FW_FLOW_STATE_RST);
		expect(TCP(family, !way, 5, 6, ACK), FW_REASON_FLOW);
		assert_false(fixture_only()->state &
			     FW_FLOW_STATE_RST); /* it was blind: taken back */
		expect(TCP(family, way, 5, 6, ACK), FW_REASON_FLOW);
	}
	fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
}

static void row_32_half_open_flood_spares_the_established(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		uint32_t kept = 0;

		fixture_forget();
		for (uint16_t port = 1; port <= 64; port++) {
			reason_of(TCP(family, !way, port, 80, SYN));
			reason_of(TCP(family, way, port, 80, SYN | ACK));
		}
		for (uint16_t port = 1000; port < 3000; port++) {
			int reason = reason_of(TCP(family, way, port, 443, SYN));

			if (reason_drops(reason))
				fail_msg("SYN from port %u: %s", port, reason_name(reason));
		}
		for (uint16_t port = 1; port <= 64; port++)
			kept += reason_of(TCP(family, way, port, 80, ACK)) == FW_REASON_FLOW;
		assert_int_equal(kept, 64);
		assert_true(fixture_flows() <= fx->buckets * FW_BUCKET_SLOTS);
	}
}

static void row_33_port_used_again_is_judged_again(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		struct fw_flow *flow;

		fixture_forget();
		expect(TCP(family, way, 5, 6, SYN), FW_REASON_POLICY_ALLOW);
		expect(TCP(family, !way, 5, 6, SYN | ACK), FW_REASON_FLOW);
		expect(TCP(family, way, 5, 6, FIN | ACK), FW_REASON_FLOW);
		expect(TCP(family, !way, 5, 6, FIN | ACK), FW_REASON_FLOW);
		flow = fixture_only();
		uint64_t life = flow->ctl;
		expect(TCP(family, !way, 5, 6, SYN),
		       FW_REASON_POLICY_ALLOW);	      /* now the other side opens */
		assert_int_equal(fx->event_count, 2); /* the end of the old one, the new one */
		assert_int_equal(fx->events[0].type, FW_EVENT_EVICT);
		assert_int_equal(fx->events[0].count[0] >> FW_COUNT_BYTES_BITS, 2);
		assert_int_equal(fx->events[0].count[1] >> FW_COUNT_BYTES_BITS, 2);
		assert_int_equal(fx->events[1].type, FW_EVENT_NEW);
		assert_ptr_equal(flow, fixture_only());
		assert_true(flow->ctl != life);
		assert_int_equal(!!(flow->state & FW_FLOW_STATE_EGRESS), !way);
		assert_int_equal(flow->count[!way] >> FW_COUNT_BYTES_BITS, 1);
		fixture_default(way ? FW_DECIDED_NOTHING : ALLOW_DEFAULT,
				way ? ALLOW_DEFAULT : FW_DECIDED_NOTHING);
		expect(TCP(family, way, 7, 6, SYN), FW_REASON_POLICY_ALLOW);
		expect(TCP(family, !way, 7, 6, SYN | ACK), FW_REASON_FLOW);
		expect(TCP(family, !way, 7, 6, SYN), FW_REASON_POLICY_DENY);
		expect(TCP(family, way, 7, 6, ACK),
		       FW_REASON_FLOW); /* the refused SYN left the flow alone */
		fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
	}
}

static void row_34_idle_for_days_survives_if_allowed(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		struct fw_flow *flow;

		fixture_forget();
		expect(TCP(family, way, 5, 6, SYN), FW_REASON_POLICY_ALLOW);
		flow = fixture_only();
		flow->seen -= 3u * 86400u * fx->skel->rodata->fw_hz;
		expect(TCP(family, way, 5, 6, ACK), FW_REASON_FLOW);
		flow->ctl = (flow->ctl & ~FW_CTL_STATE) |
			    FW_CTL_DEAD; /* the sweeper ended it meanwhile */
		expect(TCP(family, way, 5, 6, ACK), FW_REASON_POLICY_ALLOW);
	}
}

static void row_35_late_udp_answer_is_judged_as_new(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		struct fw_flow *flow;

		fixture_forget();
		fixture_default(way ? FW_DECIDED_NOTHING : ALLOW_DEFAULT,
				way ? ALLOW_DEFAULT : FW_DECIDED_NOTHING);
		expect(UDP(family, way, 5, 53), FW_REASON_POLICY_ALLOW);
		expect(UDP(family, !way, 5, 53), FW_REASON_FLOW);
		flow = fixture_only();
		flow->ctl = (flow->ctl & ~FW_CTL_STATE) | FW_CTL_DEAD;
		expect(UDP(family, !way, 5, 53), FW_REASON_POLICY_DENY);
		fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
	}
}

static void row_36_icmp_error_to_its_owner_only(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		uint8_t type = family == 4 ? 3 : 1;
		struct packet sent = UDP(family, !way, 1000, 53),
			      error = packet_error(way, NULL, type, 1, &sent, 0), other;

		fixture_forget();
		expect(sent, FW_REASON_POLICY_ALLOW);
		expect(error, FW_REASON_RELATED);
		/* a router on the way may send it to the pod; the pod may send it to its peer only
		 */
		other = packet_error(way, WORLD(family), type, 1, &sent, 0);
		expect(other, way ? FW_REASON_ICMP_EMBEDDED : FW_REASON_RELATED);
		other = error; /* to another of the pod's addresses */
		packet_addresses(&other, family_text(family, POD4B, POD6B),
				 family_text(family, PEER4, PEER6));
		expect(other, FW_REASON_ICMP_EMBEDDED);
	}
}

static void row_37_forged_embedded_packet(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		uint8_t type = family == 4 ? 3 : 1;
		struct packet sent = UDP(family, !way, 1000, 53),
			      guess = UDP(family, !way, 1001, 53), backwards;

		fixture_forget();
		expect(sent, FW_REASON_POLICY_ALLOW);
		expect(packet_error(way, NULL, type, 1, &guess, 0), FW_REASON_ICMP_NO_FLOW);
		backwards = UDP(family, way, 1000, 53);
		expect(packet_error(way, NULL, type, 1, &backwards, 0), FW_REASON_ICMP_EMBEDDED);
		for (size_t bytes = 1; bytes < sent.len - 14; bytes++)
			expect(packet_error(way, NULL, type, 1, &sent, bytes),
			       FW_REASON_ICMP_EMBEDDED);
		expect(packet_error(way, NULL, type, 1, &sent, 0), FW_REASON_RELATED);
	}
}

static void row_38_echo_id_collision(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		struct packet ask =
			PACKET(.family = family, .direction = way, PING(family), .local_port = 77);
		struct packet counter_ask =
			PACKET(.family = family, .direction = !way, PING(family), .local_port = 77);

		fixture_forget();
		fixture_default(way ? FW_DECIDED_NOTHING : ALLOW_DEFAULT,
				way ? ALLOW_DEFAULT : FW_DECIDED_NOTHING);
		expect(ask, FW_REASON_POLICY_ALLOW);
		expect(counter_ask,
		       FW_REASON_POLICY_DENY); /* the same identifier, asked from the other side */
		expect(PACKET(.family = family, .direction = way, PONG(family), .local_port = 77),
		       FW_REASON_FLOW_DENIED);
		expect(PACKET(.family = family, .direction = !way, PONG(family), .local_port = 77),
		       FW_REASON_FLOW);
		expect(PACKET(.family = family, .direction = !way, PONG(family), .local_port = 78),
		       FW_REASON_ICMP_UNSOLICITED);
		fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
	}
}

static void row_39_path_mtu_works_under_deny_all(void **state)
{
	(void)state;
	EACH_FAMILY(family)
	{
		struct packet sent = TCP(family, FW_EGRESS, 1000, 80, SYN);
		struct packet big = packet_error(FW_INGRESS, WORLD(family), family == 4 ? 3 : 2,
						 family == 4 ? 4 : 0, &sent, 0);

		fixture_forget();
		fixture_default(FW_DECIDED_NOTHING, FW_DECIDED_NOTHING);
		fixture_range(FW_EGRESS, PEER_CLASS, FW_RANGE_KEY(PROTO_TCP, 80),
			      FW_RANGE_KEY(PROTO_TCP, 80), ALLOW(64));
		expect(sent, FW_REASON_POLICY_ALLOW);
		expect(big, FW_REASON_RELATED);
		expect(PACKET(.family = family, .direction = FW_INGRESS, PING(family)),
		       FW_REASON_POLICY_DENY);
	}
	fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
}

static void row_40_sctp_further_addresses_are_ignored(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		struct packet init = PACKET(.family = family, .direction = way, .proto = PROTO_SCTP,
					    .local_port = 5, .remote_port = 6, .payload = 64);
		struct fw_ip named = ip_of(WORLD(family));
		struct shape other = {.family = family,
				      .direction = !way,
				      .proto = PROTO_SCTP,
				      .local_port = 5,
				      .remote_port = 6,
				      .payload = 32,
				      .remote = WORLD(family)};

		fixture_forget();
		memcpy(init.b + init.l4 + 40, &named,
		       16); /* the INIT chunk names a second address */
		fixture_default(way ? FW_DECIDED_NOTHING : ALLOW_DEFAULT,
				way ? ALLOW_DEFAULT : FW_DECIDED_NOTHING);
		expect(init, FW_REASON_POLICY_ALLOW);
		expect(packet_make(other), FW_REASON_POLICY_DENY);
		other.remote = NULL;
		expect(packet_make(other), FW_REASON_FLOW);
		fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
	}
}

static void row_41_exhaustion_stays_in_the_pods_region(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		fixture_forget();
		fx->ep->flow_base = 0; /* the neighbour's */
		expect(TCP(family, way, 5, 6, SYN), FW_REASON_POLICY_ALLOW);
		fx->ep->flow_base = fx->buckets;
		for (uint16_t port = 1; port < 3000; port++)
			reason_of(TCP(family, way, port, 443, SYN));
		assert_true(fixture_flows() > fx->buckets * FW_BUCKET_SLOTS * 3 / 4);
		fx->ep->flow_base = 0;
		expect(TCP(family, way, 5, 6, ACK), FW_REASON_FLOW);
		fx->ep->flow_base = fx->buckets;
	}
}

/* The sweeper's marks, by hand: taken back by a packet; a slot that it did end is judged as new,
 * never wrongly. */
static void row_42_sweeper_against_live_traffic(void **state)
{
	(void)state;
	EACH_WAY(family, way)
	{
		struct fw_flow *flow;

		fixture_forget();
		expect(TCP(family, way, 5, 6, SYN), FW_REASON_POLICY_ALLOW);
		flow = fixture_only();
		for (int i = 0; i < 100; i++) {
			flow->ctl |= FW_CTL_SUSPECT;
			expect(TCP(family, way, 5, 6, ACK), FW_REASON_FLOW);
			assert_false(flow->ctl & FW_CTL_SUSPECT);
		}
		flow->ctl = (flow->ctl & ~FW_CTL_STATE) | FW_CTL_DEAD;
		expect(TCP(family, way, 5, 6, ACK), FW_REASON_POLICY_ALLOW);
		flow->ctl = (flow->ctl & ~FW_CTL_STATE) |
			    FW_CTL_BUSY; /* somebody writes it: judged, not stored */
		uint32_t before = fixture_flows();
		int reason = reason_of(TCP(family, way, 5, 6, ACK));
		assert_false(reason_drops(reason));
		assert_int_equal(fixture_flows(), before);
	}
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	assert_int_equal(clock_gettime(clock, &now), 0);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* What is opened and hit between two steps of the wall clock, and when the record says it was. */
static void a_flow_lives_through(void (*step)(long seconds), long seconds, int family, int way)
{
	uint64_t from, to, at;

	fixture_forget();
	expect(TCP(family, way, 5, 6, SYN), FW_REASON_POLICY_ALLOW);
	step(seconds);
	expect(TCP(family, way, 5, 6, ACK), FW_REASON_FLOW);
	expect(TCP(family, !way, 5, 6, SYN | ACK), FW_REASON_FLOW);
	from = clock_ns(CLOCK_MONOTONIC_COARSE);
	expect(TCP(family, way, 7, 8, SYN), FW_REASON_POLICY_ALLOW);
	to = clock_ns(CLOCK_MONOTONIC);
	at = fx->events[0].time_ns;
	step(-seconds);
	assert_true(at >= from - 20000000u && at <= to);
	expect(TCP(family, way, 5, 6, ACK), FW_REASON_FLOW);
	expect(TCP(family, way, 7, 8, ACK), FW_REASON_FLOW);
}

static void step_wall_clock(long seconds)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
	now.tv_sec += seconds;
	assert_int_equal(clock_settime(CLOCK_REALTIME, &now), 0);
}

static void leave_wall_clock(long seconds)
{
	(void)seconds;
}

/* How often a program and its subprograms call this helper of the kernel. */
static uint32_t calls_of(const struct bpf_program *program, int32_t helper)
{
	const struct bpf_insn *insns = bpf_program__insns(program);
	uint32_t calls = 0;

	for (size_t i = 0; i < bpf_program__insn_cnt(program); i++)
		calls += insns[i].code == (BPF_JMP | BPF_CALL) && insns[i].src_reg == 0 &&
			 insns[i].imm == helper;
	return calls;
}

/*
 * Times are jiffies and CLOCK_MONOTONIC. The one helper that a step of the wall clock moves is in
 * none of the programs. With FW_STEP_CLOCK=1 the clock is stepped by a day and back, too: there is
 * no namespace for it, so this is for a machine of one's own (e2e/kernels), not for everybody's.
 */
static void row_43_wall_clock_is_not_looked_at(void **state)
{
	const char *wish = getenv("FW_STEP_CLOCK");
	bool own = wish && !strcmp(wish, "1");
	struct bpf_program *program;

	(void)state;
	bpf_object__for_each_program(program, fx->skel->obj)
	{
		assert_int_equal(calls_of(program, BPF_FUNC_ktime_get_tai_ns), 0);
		assert_true(calls_of(program, BPF_FUNC_jiffies64) > 0); /* calls are seen */
	}
	EACH_WAY(family, way)
	{
		a_flow_lives_through(leave_wall_clock, 0, family, way);
		if (!own)
			continue;
		a_flow_lives_through(step_wall_clock, 86400, family, way);
		a_flow_lives_through(step_wall_clock, -86400, family, way);
	}
	if (own)
		print_message("# the wall clock was stepped by a day, both ways\n");
}
