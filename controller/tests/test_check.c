// SPDX-License-Identifier: Apache-2.0
/*
 * Units of controller/check: packets by hand, backends of a service, and what an expectation comes
 * to when the judge is a canned one. What tables and programs really say is compared elsewhere
 * (e2e/tests/oracle, e2e/tests/cases).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/decode.h"
#include "base/cleanup.h"
#include "check/expect.h"
#include "check/packet.h"

static const char objects[] =
	"apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n"
	"apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\n"
	"spec: {containers: [{name: c, image: i}]}\nstatus: {podIPs: [{ip: 10.0.0.1}, {ip: "
	"'fd00::1'}]}\n---\n"
	"apiVersion: v1\nkind: Pod\nmetadata: {name: api, namespace: shop}\n"
	"spec: {containers: [{name: c, image: i}]}\nstatus: {podIPs: [{ip: 10.0.0.2}, {ip: "
	"'fd00::2'}]}\n---\n"
	"apiVersion: v1\nkind: Pod\nmetadata: {name: db, namespace: shop}\n"
	"spec: {containers: [{name: c, image: i}]}\nstatus: {podIPs: [{ip: 10.0.0.3}]}\n---\n"
	"apiVersion: v1\nkind: Pod\nmetadata: {name: host, namespace: shop}\n"
	"spec: {hostNetwork: true, containers: [{name: c, image: i}]}\nstatus: {podIPs: [{ip: "
	"10.9.0.1}]}\n---\n"
	"apiVersion: v1\nkind: Service\nmetadata: {name: both, namespace: shop}\n"
	"spec: {clusterIP: 10.96.0.1, ports: [{name: a, port: 80}, {name: b, port: 81}, {name: c, "
	"port: 82}]}\n---\n"
	"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
	"metadata: {name: both-1, namespace: shop, labels: {kubernetes.io/service-name: both}}\n"
	"addressType: IPv4\nports: [{name: a, port: 8080}, {name: b, port: 8081}]\n"
	"endpoints: [{addresses: [10.0.0.2]}, {addresses: [10.0.0.3]},\n"
	"  {addresses: [10.0.0.9], conditions: {ready: false, serving: true, terminating: "
	"true}}]\n---\n"
	"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
	"metadata: {name: both-2, namespace: shop, labels: {kubernetes.io/service-name: both}}\n"
	"addressType: IPv4\nports: [{name: c, port: 8082}]\n"
	"endpoints: [{addresses: [10.0.0.9], conditions: {ready: false, serving: true, "
	"terminating: true}},\n"
	"  {addresses: [10.0.0.8], conditions: {ready: false, serving: true}}]\n";

static void take(struct fw_object *object, void *context)
{
	struct fw_world *world = context;
	bool changed;

	assert_int_equal(fw_model_put(world->model, object, &changed), 0);
}

static void refuse(unsigned int document, unsigned int line, enum fw_kind kind,
		   const char *namespace, const char *name, const char *text, void *context)
{
	(void)kind;
	(void)namespace;
	(void)name;
	(void)context;
	fail_msg("document %u, line %u: %s", document, line, text);
}

static int make_world(void **state)
{
	const struct fw_decode_handler handler = {.object = take, .error = refuse};
	struct fw_decode_handler with = handler;
	struct fw_world *world = calloc(1, sizeof(*world));
	struct fw_err err = {0};

	assert_non_null(world);
	assert_int_equal(fw_world_init(world), 0);
	with.context = world;
	assert_int_equal(fw_decode_text("objects", objects, strlen(objects), &with), 0);
	assert_int_equal(fw_world_compile(world, NULL, &err), 0);
	*state = world;
	return 0;
}

static int free_world(void **state)
{
	struct fw_world *world = *state;

	fw_world_done(world);
	free(world);
	return 0;
}

static struct fw_ip ip(const char *text)
{
	struct fw_err err = {0};
	struct fw_ip address;

	assert_int_equal(fw_ip_parse(text, &address, &err), 0);
	return address;
}

static void packets_have_the_length_their_headers_say(void **state)
{
	static const struct {
		const char *source, *destination;
		uint8_t protocol;
		size_t len;
	} rows[] = {{"10.0.0.1", "10.0.0.2", FW_PROTO_TCP, 54},
		    {"10.0.0.1", "10.0.0.2", FW_PROTO_UDP, 42},
		    {"10.0.0.1", "10.0.0.2", FW_PROTO_SCTP, 66},
		    {"10.0.0.1", "10.0.0.2", FW_PROTO_ICMP, 42},
		    {"fd00::1", "fd00::2", FW_PROTO_TCP, 74},
		    {"fd00::1", "fd00::2", FW_PROTO_UDP, 62},
		    {"fd00::1", "fd00::2", FW_PROTO_ICMPV6, 62},
		    {"10.0.0.1", "10.0.0.2", 47, 50}};
	uint8_t bytes[FW_PACKET_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct fw_packet packet = {.source = ip(rows[i].source),
						 .destination = ip(rows[i].destination),
						 .protocol = rows[i].protocol,
						 .source_port = 20000,
						 .destination_port = 80};
		const bool is4 = fw_ip_is4(&packet.source);
		uint32_t sum = 0;

		assert_int_equal(fw_packet_build(&packet, bytes), rows[i].len);
		if (!is4) {
			assert_int_equal(bytes[18] << 8 | bytes[19], rows[i].len - 54);
			continue;
		}
		assert_int_equal(bytes[16] << 8 | bytes[17], rows[i].len - 14);
		for (size_t k = 14; k < 34; k += 2)
			sum += (uint32_t)bytes[k] << 8 | bytes[k + 1];
		assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
	}
}

static void backends_are_those_of_kube_proxy(void **state)
{
	const struct fw_world *world = *state;
	const struct fw_service_object *service;
	const struct fw_ip address = ip("10.96.0.1"), other = ip("10.0.0.1");
	struct fw_backend *backends;
	size_t count;

	assert_int_equal(
		fw_world_backends(world, &address, FW_PROTO_TCP, 80, &service, &backends, &count),
		0);
	assert_string_equal(service->object.name, "both");
	assert_int_equal(count, 2); /* the ready ones only */
	assert_int_equal(backends[0].port, 8080);
	free(backends);
	assert_int_equal(
		fw_world_backends(world, &address, FW_PROTO_TCP, 82, &service, &backends, &count),
		0);
	assert_int_equal(count, 1); /* none is ready: what serves and terminates */
	assert_int_equal(backends[0].port, 8082);
	free(backends);
	assert_int_equal(
		fw_world_backends(world, &address, FW_PROTO_UDP, 80, &service, &backends, &count),
		0);
	assert_int_equal(count, 0);
	assert_int_equal(
		fw_world_backends(world, &other, FW_PROTO_TCP, 80, &service, &backends, &count), 0);
	assert_null(service);
}

/* Denies at the ends that `context` names, as "ingress shop/db". */
static int canned(const struct fw_end *end, struct fw_said *ret_said,
		  struct fw_decision_name *ret_name, void *context, struct fw_err *err)
{
	char text[128];

	(void)err;
	(void)snprintf(text, sizeof(text), "%s %s/%s",
		       end->direction == FW_EGRESS ? "egress" : "ingress",
		       end->pod->object.namespace, end->pod->object.name);
	*ret_name = (struct fw_decision_name){0};
	ret_name->verdict = strstr(context, text) ? FW_VERDICT_DENY : FW_VERDICT_ALLOW;
	*ret_said = (struct fw_said){ret_name->verdict, 0};
	(void)snprintf(ret_name->rule, sizeof(ret_name->rule), "%s", text);
	return 0;
}

static struct fw_expect_result check(void **state, struct fw_expect expect, const char *denies)
{
	struct fw_expect_result result = {0};
	struct fw_err err = {0};

	if (!expect.protocol)
		expect.protocol = FW_PROTO_TCP;
	if (!expect.port)
		expect.port = 80;
	if (fw_expect_check(*state, &expect, canned, (void *)(uintptr_t)denies, &result, &err) < 0)
		fail_msg("%s", err.text);
	free(TAKE_PTR(result.backends)); /* every_backend_is_told() looks at them */
	return result;
}

static void both_ends_must_allow(void **state)
{
	const struct fw_expect expect = {
		.from = "shop/web", .to = "shop/api", .verdict = FW_VERDICT_ALLOW};

	assert_true(check(state, expect, "").met);
	assert_false(check(state, expect, "egress shop/web").met);
	assert_false(check(state, expect, "ingress shop/api").met);
	assert_true(check(state, expect, "ingress shop/web, egress shop/api").met);
	assert_string_equal(check(state, expect, "egress shop/web, ingress shop/api").rule,
			    "egress shop/web");
}

static void the_rule_is_that_of_the_deciding_end(void **state)
{
	struct fw_expect expect = {.from = "shop/web",
				   .to = "shop/api",
				   .verdict = FW_VERDICT_ALLOW,
				   .rule = "ingress shop/api"};

	assert_true(check(state, expect, "").met);
	expect.rule = "egress shop/web";
	assert_true(check(state, expect, "").met);
	expect.rule = "something else";
	assert_false(check(state, expect, "").met);
	expect.verdict = FW_VERDICT_DENY;
	expect.rule = "egress shop/web";
	assert_false(check(state, expect, "ingress shop/api").met); /* that end allowed */
	expect.rule = "ingress shop/api";
	assert_true(check(state, expect, "ingress shop/api").met);
}

static int numbered(const struct fw_end *end, struct fw_said *ret_said,
		    struct fw_decision_name *ret_name, void *context, struct fw_err *err)
{
	*ret_said = (struct fw_said){FW_VERDICT_ALLOW, 0};
	(void)end;
	(void)context;
	(void)err;
	*ret_name = (struct fw_decision_name){.verdict = FW_VERDICT_ALLOW};
	(void)snprintf(ret_name->rule, sizeof(ret_name->rule), "netpol shop/db[0]");
	return 0;
}

static void a_rule_may_be_written_as_records_show_it(void **state)
{
	static const struct {
		const char *rule;
		uint8_t direction;
		bool met;
	} rows[] = {{"netpol shop/db[0]", FW_INGRESS, true},
		    {"netpol shop/db ingress[0]", FW_INGRESS, true},
		    {"netpol shop/db egress[0]", FW_EGRESS, true},
		    {"netpol shop/db egress[0]", FW_INGRESS, false},
		    {"netpol shop/db ingress[1]", FW_INGRESS, false},
		    {"netpol shop/d ingress[0]", FW_INGRESS, false},
		    {"netpol shop/db ingress", FW_INGRESS, false},
		    {"netpol", FW_INGRESS, false}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct fw_expect expect = {.from = "shop/web",
						 .to = "shop/api",
						 .protocol = FW_PROTO_TCP,
						 .port = 80,
						 .only_one = true,
						 .direction = rows[i].direction,
						 .verdict = FW_VERDICT_ALLOW,
						 .rule = rows[i].rule};
		struct fw_expect_result result = {0};
		struct fw_err err = {0};

		assert_int_equal(fw_expect_check(*state, &expect, numbered, NULL, &result, &err),
				 0);
		assert_int_equal(result.met, rows[i].met);
		fw_expect_result_done(&result);
	}
}

static void direction_asks_one_end(void **state)
{
	struct fw_expect expect = {
		.from = "shop/web", .to = "shop/api", .only_one = true, .direction = FW_EGRESS};

	expect.verdict = FW_VERDICT_ALLOW;
	assert_true(check(state, expect, "ingress shop/api").met);
	expect.direction = FW_INGRESS;
	assert_false(check(state, expect, "ingress shop/api").met);
}

static void backends_that_differ_are_neither(void **state)
{
	struct fw_expect expect = {
		.from = "shop/web", .to = "svc/shop/both", .verdict = FW_VERDICT_ALLOW};

	assert_true(check(state, expect, "").met);
	assert_false(check(state, expect, "ingress shop/db").met);
	assert_string_equal(check(state, expect, "ingress shop/db").verdict,
			    "depends on the backend");
	expect.verdict = FW_VERDICT_DENY;
	assert_false(check(state, expect, "ingress shop/db").met);
	assert_true(check(state, expect, "ingress shop/db, ingress shop/api").met);
	assert_true(check(state, expect, "egress shop/web").met);
}

static void one_backend_may_be_asked_about(void **state)
{
	struct fw_expect expect = {.from = "shop/web",
				   .to = "svc/shop/both",
				   .backend = "shop/db",
				   .verdict = FW_VERDICT_DENY};

	assert_true(check(state, expect, "ingress shop/db").met);
	assert_false(check(state, expect, "ingress shop/api").met);
	expect.backend = "10.0.0.2";
	assert_true(check(state, expect, "ingress shop/api").met);
	expect.verdict = FW_VERDICT_ALLOW;
	assert_true(check(state, expect, "ingress shop/db").met);
	expect.rule = "ingress shop/api";
	assert_true(check(state, expect, "").met);
	expect.rule = "ingress shop/db";
	assert_false(check(state, expect, "").met);
	expect.rule = NULL;
	expect.backend = "shop/host";
	assert_false(check(state, expect, "").met);
	assert_string_equal(check(state, expect, "").verdict, "not a backend");
	expect.to = "shop/api";
	assert_string_equal(check(state, expect, "").verdict, "not a backend");
}

static void every_backend_is_told(void **state)
{
	const struct fw_expect expect = {.from = "shop/web",
					 .to = "svc/shop/both",
					 .protocol = FW_PROTO_TCP,
					 .port = 80,
					 .verdict = FW_VERDICT_ALLOW};
	char denies[] = "ingress shop/db";
	struct fw_expect_result result;
	struct fw_err err = {0};

	assert_int_equal(fw_expect_check(*state, &expect, canned, denies, &result, &err), 0);
	assert_int_equal(result.backend_count, 2);
	assert_false(result.backends[0].denied);
	assert_string_equal(result.backends[0].pod->object.name, "api");
	assert_string_equal(result.backends[0].rule, "egress shop/web");
	assert_true(result.backends[1].denied);
	assert_int_equal(result.backends[1].port, 8080);
	assert_string_equal(result.backends[1].rule, "ingress shop/db");
	fw_expect_result_done(&result);
	assert_null(result.backends);
}

static const char telling_apart[] =
	"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: some, namespace: "
	"shop}\n"
	"spec: {podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: "
	"10.0.0.2/32}}]}]}\n---\n"
	"apiVersion: v1\nkind: Service\nmetadata: {name: nested, namespace: shop}\n"
	"spec: {clusterIP: 10.96.0.2, ports: [{port: 80}]}\n---\n"
	"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
	"metadata: {name: nested-1, namespace: shop, labels: {kubernetes.io/service-name: "
	"nested}}\n"
	"addressType: IPv4\nports: [{port: 80}]\n"
	"endpoints: [{addresses: [10.0.0.2]}, {addresses: [10.96.0.1]}]\n";

static void choose(const struct fw_world *world, const char *service, const char *backend,
		   uint16_t port, struct fw_said *ret_said)
{
	const struct fw_pod *web =
		(const struct fw_pod *)fw_model_get(world->model, FW_KIND_POD, "shop", "web");
	const struct fw_backend chosen = {.ip = ip(backend), .port = port};
	struct fw_said said;
	struct fw_end end;

	assert_true(fw_world_end(world, web, FW_EGRESS, &end));
	end.local = ip("10.0.0.1");
	end.remote = ip(service);
	end.protocol = FW_PROTO_TCP;
	end.port = 80;
	fw_world_judge(world, &end, &said);
	assert_int_equal(said.decision, FW_SAID_BUILTIN | FW_DECIDED_SERVICE_DIFFERS);
	assert_true(fw_world_chosen(world, &end, &chosen, &said, ret_said));
}

/* Edge cases 24 and 35, and a backend whose address is another service's: judged as an address. */
static void connections_are_judged_by_their_backend(void **state)
{
	static const struct {
		const char *service, *backend;
		uint16_t port;
		enum fw_verdict verdict;
		const char *rule;
	} rows[] = {
		{"10.96.0.1", "10.0.0.2", 8080, FW_VERDICT_ALLOW, "netpol shop/some[0]"},
		{"10.96.0.1", "10.0.0.3", 8080, FW_VERDICT_DENY, "isolated(1) netpol shop/some"},
		{"10.96.0.2", "10.0.0.2", 80, FW_VERDICT_ALLOW, "netpol shop/some[0]"},
		{"10.96.0.2", "10.96.0.1", 80, FW_VERDICT_DENY, "isolated(1) netpol shop/some"},
		/* none of its backends: nothing speaks for it */
		{"10.96.0.1", "10.0.0.2", 81, FW_VERDICT_DENY, "backends are judged differently"},
	};
	struct fw_decode_handler with = {.object = take, .error = refuse};
	struct fw_world *world;
	struct fw_err err = {0};
	void *own;

	(void)state;
	assert_int_equal(make_world(&own), 0);
	with.context = world = own;
	assert_int_equal(fw_decode_text("policy", telling_apart, strlen(telling_apart), &with), 0);
	assert_int_equal(fw_world_compile(world, NULL, &err), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fw_decision_name name;
		struct fw_said said;

		choose(world, rows[i].service, rows[i].backend, rows[i].port, &said);
		fw_world_name(world, &said, &name);
		assert_int_equal(said.verdict, rows[i].verdict);
		assert_string_equal(name.rule, rows[i].rule);
	}
	(void)free_world(&own);
}

static void host_network_is_judged_by_nobody(void **state)
{
	const struct fw_expect expect = {
		.from = "shop/host", .to = "192.0.2.1", .verdict = FW_VERDICT_ALLOW};

	assert_true(check(state, expect, "egress shop/host").met);
	assert_string_equal(check(state, expect, "").rule, "");
}

static void families_that_do_not_meet_are_not_met(void **state)
{
	struct fw_expect expect = {.from = "shop/db", .to = "fd00::2", .verdict = FW_VERDICT_ALLOW};

	assert_false(check(state, expect, "").met);
	expect.verdict = FW_VERDICT_DENY;
	assert_false(check(state, expect, "").met);
	assert_string_equal(check(state, expect, "").verdict, "nothing to judge");
}

static void parties_that_are_not_there_are_errors(void **state)
{
	static const struct {
		const char *from, *to, *backend, *text;
	} rows[] = {
		{"shop/nobody", "shop/api", NULL, "from: there is no pod shop/nobody"},
		{"shop/web", "svc/shop/nothing", NULL, "to: there is no service shop/nothing"},
		{"svc/shop/both", "shop/api", NULL, "from: a service sends nothing"},
		{"shop/web/x", "shop/api", NULL,
		 "from: shop/web/x: not namespace/pod, svc/namespace/name or an address"},
		{"shop/web", "svc/shop/both", "shop/nobody",
		 "backend: there is no pod shop/nobody"},
		{"shop/web", "svc/shop/both", "svc/shop/both", "backend: a service is no backend"},
		{"10.0.0.300", "shop/api", NULL, "from: "}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct fw_expect expect = {.from = rows[i].from,
						 .to = rows[i].to,
						 .backend = rows[i].backend,
						 .protocol = FW_PROTO_TCP};
		struct fw_expect_result result;
		struct fw_err err = {0};
		char none[] = "";

		assert_true(fw_expect_check(*state, &expect, canned, none, &result, &err) < 0);
		assert_memory_equal(err.text, rows[i].text, strlen(rows[i].text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_have_the_length_their_headers_say),
		cmocka_unit_test(backends_are_those_of_kube_proxy),
		cmocka_unit_test(both_ends_must_allow),
		cmocka_unit_test(the_rule_is_that_of_the_deciding_end),
		cmocka_unit_test(a_rule_may_be_written_as_records_show_it),
		cmocka_unit_test(direction_asks_one_end),
		cmocka_unit_test(backends_that_differ_are_neither),
		cmocka_unit_test(one_backend_may_be_asked_about),
		cmocka_unit_test(every_backend_is_told),
		cmocka_unit_test(connections_are_judged_by_their_backend),
		cmocka_unit_test(host_network_is_judged_by_nobody),
		cmocka_unit_test(families_that_do_not_meet_are_not_met),
		cmocka_unit_test(parties_that_are_not_there_are_errors),
	};

	return cmocka_run_group_tests(tests, make_world, free_world);
}
