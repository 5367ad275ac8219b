/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of test_packet_reasons.c about services: what a packet to a service's address meets.
 * In: rows of services and the node's word. Out: test functions. Leaves the word as it was.
 */
#define SERVICE_CLASS 30u

static struct packet to_service(int family, uint16_t local_port, uint16_t port)
{
	return PACKET(.family = family, .direction = FW_EGRESS, .proto = PROTO_TCP, .flags = SYN,
		      .local_port = local_port, .remote_port = port,
		      .remote = family_text(family, WORLD4, WORLD6));
}

/* A service on port 80 with backends of two classes on 8080; the other outcomes on 81 to 84. */
static void services(int family)
{
	const char *address = family_text(family, WORLD4, WORLD6);
	struct fw_service two = {
		.id = 5, .count = 2, .group = {{PEER_CLASS, 8080, 0}, {SERVICE_CLASS, 8080, 0}}};

	fixture_forget();
	fixture_default(FW_DECIDED_NOTHING, FW_DECIDED_NOTHING);
	fixture_address(address, SERVICE_CLASS + 1, FW_PEER_SERVICE);
	fixture_service(address, 80, PROTO_TCP, two);
	fixture_service(address, 82, PROTO_TCP,
			(struct fw_service){.id = 6, .state = FW_SERVICE_EMPTY});
	fixture_service(address, 83, PROTO_TCP,
			(struct fw_service){.id = 7, .state = FW_SERVICE_WIDE});
	fixture_range(FW_EGRESS, PEER_CLASS, FW_RANGE_KEY(PROTO_TCP, 8080),
		      FW_RANGE_KEY(PROTO_TCP, 8080), ALLOW(64));
	fixture_range(FW_EGRESS, SERVICE_CLASS, FW_RANGE_KEY(PROTO_TCP, 8080),
		      FW_RANGE_KEY(PROTO_TCP, 8080), ALLOW(65));
	expect(to_service(family, 1, 80), FW_REASON_POLICY_ALLOW);
	assert_int_equal(fx->events[0].decision, ALLOW(64));
	assert_int_equal(fx->events[0].service, 5);
	assert_true(fx->events[0].state & FW_FLOW_STATE_SERVICE);
}

static void service_port(void **state)
{
	(void)state;
	EACH_FAMILY(family)
	{
		services(family);
		expect(to_service(family, 1, 81), FW_REASON_SERVICE_PORT);
		expect_record(FW_EVENT_DENY, FW_REASON_SERVICE_PORT);
		fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT); /* for every pod, isolated or not */
		expect(to_service(family, 2, 81), FW_REASON_SERVICE_PORT);
		expect(PACKET(.family = family, .direction = FW_EGRESS, PING(family),
			      .local_port = 1, .remote = family_text(family, WORLD4, WORLD6)),
		       FW_REASON_POLICY_ALLOW);
		fixture_default(FW_DECIDED_NOTHING, FW_DECIDED_NOTHING);
		expect(PACKET(.family = family, .direction = FW_EGRESS, PING(family),
			      .local_port = 2, .remote = family_text(family, WORLD4, WORLD6)),
		       FW_REASON_SERVICE_PORT);
	}
}

static void service_empty(void **state)
{
	(void)state;
	EACH_FAMILY(family)
	{
		services(family);
		expect(to_service(family, 1, 82), FW_REASON_SERVICE_EMPTY);
		expect_record(FW_EVENT_DENY, FW_REASON_SERVICE_EMPTY);
		assert_int_equal(fx->events[0].service, 6);
		fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT); /* kube-proxy refuses it */
		expect(to_service(family, 2, 82), FW_REASON_POLICY_ALLOW);
		fixture_default(FW_DECIDED_NOTHING, FW_DECIDED_NOTHING);
	}
}

static void service_differs(void **state)
{
	(void)state;
	EACH_FAMILY(family)
	{
		services(family);
		fixture_range(FW_EGRESS, SERVICE_CLASS, FW_RANGE_KEY(PROTO_TCP, 8081),
			      FW_RANGE_KEY(PROTO_TCP, 8081), ALLOW(65));
		fixture_bump();
		expect(to_service(family, 1, 80), FW_REASON_SERVICE_DIFFERS);
		expect_record(FW_EVENT_CHANGE, FW_REASON_SERVICE_DIFFERS);
		expect(to_service(family, 2, 80), FW_REASON_SERVICE_DIFFERS);
		fixture_range(FW_EGRESS, PEER_CLASS, FW_RANGE_KEY(PROTO_TCP, 80),
			      FW_RANGE_KEY(PROTO_TCP, 80), ALLOW(65));
		fixture_bump(); /* the service's own port opens nothing; now all deny */
		expect(to_service(family, 3, 80), FW_REASON_POLICY_DENY);
	}
}

/* The service of services() on port 80, told to the chain after DNAT; SERVICE_CLASS may leave. */
static void exact_service(int family, uint16_t flags, uint16_t leaving)
{
	struct fw_service two = {.id = 5,
				 .count = 2,
				 .flags = flags,
				 .group = {{PEER_CLASS, 8080, 0}, {SERVICE_CLASS, 8080, leaving}}};

	fixture_service(family_text(family, WORLD4, WORLD6), 80, PROTO_TCP, two);
	fixture_bump();
}

static void deny_second_class(void)
{
	fixture_range(FW_EGRESS, SERVICE_CLASS, FW_RANGE_KEY(PROTO_TCP, 8081),
		      FW_RANGE_KEY(PROTO_TCP, 8081), ALLOW(65));
}

/* Passes only with the word, the row's flag, and a hook and an address that the chain meets. */
static void service_judged_by_the_chain(void **state)
{
	(void)state;
	EACH_FAMILY(family)
	{
		services(family);
		deny_second_class();
		exact_service(family, FW_SERVICE_EXACT, 0);
		expect(to_service(family, 2, 80), FW_REASON_SERVICE_DIFFERS); /* no word */
		fx->node->postnat_ok = 1;
		fixture_bump();
		expect(to_service(family, 3, 80), FW_REASON_POLICY_ALLOW);
		assert_int_equal(fx->events[0].decision,
				 FW_DECISION_ALLOW | FW_DECIDED_SERVICE_CHOSEN);
		exact_service(family, 0, 0);
		expect(to_service(family, 4, 80), FW_REASON_SERVICE_DIFFERS); /* not told of it */
		exact_service(family, FW_SERVICE_EXACT, 0);
		fx->ep->flags |= FW_EP_IN_SANDBOX; /* no chain on the way */
		fixture_bump();
		expect(to_service(family, 5, 80), FW_REASON_SERVICE_DIFFERS);
		fx->ep->flags &= (__u8)~FW_EP_IN_SANDBOX;
		fixture_bump();
		expect(to_service(family, 6, 80), FW_REASON_POLICY_ALLOW);
		/* the word is taken back: live flows, too, are denied at their next packet */
		fx->node->postnat_ok = 0;
		fixture_bump();
		expect(to_service(family, 6, 80), FW_REASON_SERVICE_DIFFERS);
		fx->node->postnat_ok = 2; /* nothing but 1 is the word */
		fixture_bump();
		expect(to_service(family, 7, 80), FW_REASON_SERVICE_DIFFERS);
		fx->node->postnat_ok = 0;
	}
}

/* Edge case 34: a new connection is asked about the backends that it gets, a live one about all. */
static void service_with_leaving_backends(void **state)
{
	(void)state;
	EACH_FAMILY(family)
	{
		struct packet later = to_service(family, 3, 80);

		services(family);
		deny_second_class();
		fx->node->postnat_ok = 1;
		exact_service(family, FW_SERVICE_EXACT, FW_GROUP_LEAVING);
		expect(to_service(family, 2, 80), FW_REASON_POLICY_ALLOW);
		assert_int_equal(fx->events[0].decision, ALLOW(64));
		/* the other way round: who is left is forbidden, who is leaving is not */
		fixture_range(FW_EGRESS, PEER_CLASS, FW_RANGE_KEY(PROTO_TCP, 8081),
			      FW_RANGE_KEY(PROTO_TCP, 8081), ALLOW(64));
		fixture_range(FW_EGRESS, SERVICE_CLASS, FW_RANGE_KEY(PROTO_TCP, 8080),
			      FW_RANGE_KEY(PROTO_TCP, 8080), ALLOW(65));
		exact_service(family, FW_SERVICE_EXACT, 0);
		expect(to_service(family, 3, 80), FW_REASON_POLICY_ALLOW);
		exact_service(family, FW_SERVICE_EXACT, FW_GROUP_LEAVING);
		later = PACKET(.family = family, .direction = FW_EGRESS, .proto = PROTO_TCP,
			       .flags = ACK, .local_port = 3, .remote_port = 80,
			       .remote = family_text(family, WORLD4, WORLD6));
		expect(later, FW_REASON_POLICY_ALLOW); /* the chain judges it by its own */
		expect(to_service(family, 4, 80), FW_REASON_POLICY_DENY);
		fx->node->postnat_ok = 0;
		fixture_bump();
		expect(later, FW_REASON_SERVICE_DIFFERS);
	}
}

/* The same where nobody needs the chain: a live connection outlasts its service's last backend. */
static void service_with_leaving_backends_alone(void **state)
{
	(void)state;
	EACH_FAMILY(family)
	{
		const char *address = family_text(family, WORLD4, WORLD6);
		struct fw_service gone = {.id = 5,
					  .state = FW_SERVICE_EMPTY,
					  .count = 1,
					  .group = {{PEER_CLASS, 8080, FW_GROUP_LEAVING}}};
		struct packet later =
			PACKET(.family = family, .direction = FW_EGRESS, .proto = PROTO_TCP,
			       .flags = ACK, .local_port = 2, .remote_port = 80, .remote = address);

		services(family);
		expect(to_service(family, 2, 80), FW_REASON_POLICY_ALLOW);
		fixture_service(address, 80, PROTO_TCP, gone);
		fixture_bump();
		expect(later, FW_REASON_POLICY_ALLOW);
		expect(to_service(family, 3, 80), FW_REASON_SERVICE_EMPTY);
		fixture_range(FW_EGRESS, PEER_CLASS, FW_RANGE_KEY(PROTO_TCP, 8081),
			      FW_RANGE_KEY(PROTO_TCP, 8081), ALLOW(64));
		fixture_bump();
		expect(later, FW_REASON_POLICY_DENY);
		gone.count = 0; /* no longer listed, or its place was not left */
		fixture_service(address, 80, PROTO_TCP, gone);
		fixture_bump();
		expect(later, FW_REASON_SERVICE_EMPTY);
	}
}

/* Edge case 35: a pod that may reach no backend, or is one itself. */
static void service_of_which_the_pod_is_a_backend(void **state)
{
	(void)state;
	EACH_FAMILY(family)
	{
		const char *address = family_text(family, WORLD4, WORLD6);
		struct fw_service row = {.id = 5,
					 .count = 2,
					 .flags = FW_SERVICE_EXACT,
					 .group = {{PEER_CLASS, 8081, 0}, {0, 0, FW_GROUP_OWN}}};

		services(family);
		row.group[1].peer_class = (uint32_t)fx->ep->owner;
		row.group[1].port = (uint16_t)(fx->ep->owner >> 32);
		fixture_service(address, 80, PROTO_TCP, row);
		fixture_bump();
		expect(to_service(family, 2, 80), FW_REASON_POLICY_DENY); /* no word: as ever */
		fx->node->postnat_ok = 1;
		fixture_bump();
		expect(to_service(family, 3, 80), FW_REASON_POLICY_ALLOW);
		assert_int_equal(fx->events[0].decision,
				 FW_DECISION_ALLOW | FW_DECIDED_SERVICE_CHOSEN);
		assert_int_equal(fx->events[0].peer_class, PEER_CLASS);
		row.flags = 0; /* the chain was not told of it */
		fixture_service(address, 80, PROTO_TCP, row);
		fixture_bump();
		expect(to_service(family, 4, 80), FW_REASON_POLICY_DENY);
		row.flags = FW_SERVICE_EXACT;
		for (int other = 0; other < 2; other++) { /* another pod's owner */
			row.group[1].peer_class ^= other ? 0 : 1;
			row.group[1].port ^= other ? 1 : 0;
			fixture_service(address, 80, PROTO_TCP, row);
			fixture_bump();
			expect(to_service(family, (uint16_t)(5 + other), 80),
			       FW_REASON_POLICY_DENY);
			row.group[1].peer_class ^= other ? 0 : 1;
			row.group[1].port ^= other ? 1 : 0;
		}
		row.group[0].port = 8080; /* policy allows all: nobody needs the chain */
		fixture_service(address, 80, PROTO_TCP, row);
		fixture_bump();
		expect(to_service(family, 7, 80), FW_REASON_POLICY_ALLOW);
		assert_int_equal(fx->events[0].decision, ALLOW(64));
		fx->node->postnat_ok = 0;
	}
}

static void service_wide(void **state)
{
	(void)state;
	EACH_FAMILY(family)
	{
		services(family);
		expect(to_service(family, 1, 83), FW_REASON_SERVICE_WIDE);
		expect_record(FW_EVENT_DENY, FW_REASON_SERVICE_WIDE);
		fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
		fx->subject->flags = 0; /* and yet it is kept from some */
		expect(to_service(family, 2, 83), FW_REASON_SERVICE_WIDE);
		fixture_default(ALLOW_DEFAULT, ALLOW_DEFAULT);
		expect(to_service(family, 3, 83), FW_REASON_POLICY_ALLOW);
		fixture_default(FW_DECIDED_NOTHING, FW_DECIDED_NOTHING);
	}
}
