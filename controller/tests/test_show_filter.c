/* SPDX-License-Identifier: Apache-2.0 */
/* The filters of fwctl flows, each beside a value that must not hold, and counting. In: records
 * made here. Out: TAP. */
#include "show_records.h"

static bool passes(const struct fw_record *record, const char *const *arguments)
{
	_cleanup_(fw_filter_free) struct fw_filter *filter = NULL;
	struct fw_err err = {""};

	assert_int_equal(fw_filter_new(&filter), 0);
	for (size_t i = 0; arguments[i]; i += 2) {
		bool negated = arguments[i][0] == '!';

		if (fw_filter_add(filter, arguments[i] + negated, arguments[i + 1], negated, &err))
			fail_msg("%s", err.text);
	}
	return fw_filter_match(filter, through(record));
}

#define PASSES(record, ...)  assert_true(passes(record, (const char *const[]){__VA_ARGS__, NULL}))
#define REFUSES(record, ...) assert_false(passes(record, (const char *const[]){__VA_ARGS__, NULL}))

static void filters_of_ends_hold_for_what_they_name_and_for_nothing_else(void **state)
{
	struct fw_record r = denied();

	(void)state;
	PASSES(&r, "pod", "shop/web");
	PASSES(&r, "pod", "web-7");
	PASSES(&r, "pod", "shop/*-0");
	PASSES(&r, "pod", "shop/");
	REFUSES(&r, "pod", "bank/web");
	REFUSES(&r, "pod", "sho/web");
	PASSES(&r, "from-pod", "shop/web");
	REFUSES(&r, "to-pod", "shop/web");
	PASSES(&r, "to-pod", "shop/db-0");
	PASSES(&r, "namespace", "shop");
	REFUSES(&r, "namespace", "sho");
	PASSES(&r, "ip", "10.1.0.3");
	PASSES(&r, "from-ip", "10.1.0.0/30");
	REFUSES(&r, "from-ip", "10.1.0.3");
	REFUSES(&r, "ip", "::/0");
	PASSES(&r, "port", "5432");
	PASSES(&r, "to-port", "5000-6000");
	REFUSES(&r, "from-port", "5432");
	PASSES(&r, "workload", "web");
	PASSES(&r, "workload", "deploy/web");
	PASSES(&r, "workload", "Deployment/web");
	PASSES(&r, "workload", "shop/web");
	REFUSES(&r, "workload", "we");
	REFUSES(&r, "workload", "sts/web");
	PASSES(&r, "node-name", "node-*");
	REFUSES(&r, "node-name", "node-b");
}

static void filters_of_packets_hold_for_what_they_name_and_for_nothing_else(void **state)
{
	struct fw_record r = denied();

	(void)state;
	PASSES(&r, "verdict", "dropped");
	REFUSES(&r, "verdict", "FORWARDED");
	PASSES(&r, "type", "drop");
	PASSES(&r, "type", "policy-verdict");
	REFUSES(&r, "type", "end");
	PASSES(&r, "protocol", "TCP");
	PASSES(&r, "protocol", "6");
	REFUSES(&r, "protocol", "udp");
	REFUSES(&r, "protocol", "http");
	PASSES(&r, "tcp-flags", "SYN");
	REFUSES(&r, "tcp-flags", "syn,ack");
	PASSES(&r, "traffic-direction", "ingress");
	REFUSES(&r, "traffic-direction", "egress");
	PASSES(&r, "ip-version", "v4");
	REFUSES(&r, "ip-version", "v6");
	PASSES(&r, "drop-reason", "policy-deny");
	PASSES(&r, "drop-reason", "POLICY_DENIED");
	REFUSES(&r, "drop-reason", "spoofed-mac");
	REFUSES(&r, "drop-reason", "INVALID_SOURCE_IP");
	PASSES(&r, "denied", NULL, "policy", "shop/db");
	PASSES(&r, "policy", "netpol shop/db");
	PASSES(&r, "policy", "db");
	REFUSES(&r, "policy", "shop/d");
	REFUSES(&r, "pending", "");
}

static void filters_of_services_hold_for_what_they_name_and_for_nothing_else(void **state)
{
	struct fw_record service = allowed();

	(void)state;
	(void)snprintf(service.destination.entity, sizeof(service.destination.entity), "service");
	service.destination.pod[0] = '\0';
	(void)snprintf(service.service, sizeof(service.service), "shop/cache:redis");
	PASSES(&service, "service", "shop/cache");
	PASSES(&service, "to-service", "svc/cache");
	PASSES(&service, "to-namespace", "shop");
	REFUSES(&service, "from-service", "shop/cache");
	REFUSES(&service, "service", "bank/cache");
	REFUSES(&service, "denied", "");
	service.pending = FW_VERDICT_DENY;
	PASSES(&service, "pending", "", "verdict", "AUDIT");
	REFUSES(&service, "label", "reserved:world");
	service.source = party("", "", "", "192.0.2.1", 1);
	PASSES(&service, "from-label", "reserved:world");
}

static void one_option_again_is_or_different_ones_are_and_not_excludes(void **state)
{
	struct fw_record r = denied();

	(void)state;
	PASSES(&r, "verdict", "FORWARDED", "verdict", "DROPPED");
	REFUSES(&r, "verdict", "DROPPED", "port", "80");
	PASSES(&r, "port", "80", "port", "5432", "verdict", "DROPPED");
	REFUSES(&r, "!verdict", "DROPPED");
	PASSES(&r, "!verdict", "FORWARDED");
	REFUSES(&r, "pod", "shop/", "!to-pod", "shop/db");
	REFUSES(&r, "!port", "80", "!port", "5432");
	PASSES(&r, "!port", "80", "!port", "81");
	PASSES(&r, "from-pod", "shop/web", "to-pod", "shop/db");
	REFUSES(&r, "from-pod", "shop/db", "to-pod", "shop/web");
}

static void lost_records_pass_every_filter(void **state)
{
	struct fw_record lost = {.type = FW_RECORD_LOST, .time_ns = TIME_NS, .repeats = 3};

	(void)state;
	PASSES(&lost, "pod", "shop/web", "verdict", "FORWARDED", "!namespace", "x");
}

static void since_and_until_bound_the_time(void **state)
{
	_cleanup_(fw_filter_free) struct fw_filter *filter = NULL;
	struct fw_record r = denied();

	(void)state;
	assert_int_equal(fw_filter_new(&filter), 0);
	assert_true(fw_filter_empty(filter));
	fw_filter_between(filter, TIME_NS, TIME_NS);
	assert_false(fw_filter_empty(filter));
	assert_true(fw_filter_match(filter, through(&r)));
	fw_filter_between(filter, TIME_NS + 1, UINT64_MAX);
	assert_false(fw_filter_match(filter, through(&r)));
	fw_filter_between(filter, 0, TIME_NS - 1);
	assert_false(fw_filter_match(filter, through(&r)));
}

static void wrong_values_are_refused_by_name(void **state)
{
	static const char *const cases[][2] = {
		{"port", "70000"},	{"port", "80-"},
		{"port", "90-80"},	{"ip", "10.0.0"},
		{"ip", "10.0.0.0/33"},	{"verdict", "NO"},
		{"protocol", "tcpp"},	{"protocol", "256"},
		{"tcp-flags", "SYM"},	{"type", "flow"},
		{"drop-reason", "why"}, {"label", "app=web"},
		{"denied", "yes"},	{"pod", ""},
		{"ip-version", "5"},	{"traffic-direction", "up"},
	};
	_cleanup_(fw_filter_free) struct fw_filter *filter = NULL;

	(void)state;
	assert_int_equal(fw_filter_new(&filter), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fw_err err = {""};
		char head[32];

		assert_int_equal(fw_filter_add(filter, cases[i][0], cases[i][1], false, &err),
				 -EINVAL);
		(void)snprintf(head, sizeof(head), "--%s: ", cases[i][0]);
		assert_int_equal(strncmp(err.text, head, strlen(head)), 0);
	}
	assert_int_equal(fw_filter_add(filter, "from-verdict", "DROPPED", false, NULL), -ENOENT);
	assert_int_equal(fw_filter_add(filter, "colour", "red", false, NULL), -ENOENT);
	assert_true(fw_filter_empty(filter));
}

static void note(const char *option, const char *value, uint64_t seen, void *context)
{
	char *text = context;

	(void)snprintf(text + strlen(text), 256 - strlen(text), "%s=%s/%lu ", option, value, seen);
}

static void values_that_matched_nothing_are_told(void **state)
{
	_cleanup_(fw_filter_free) struct fw_filter *filter = NULL;
	char text[256] = "";
	struct fw_record r = denied();

	(void)state;
	assert_int_equal(fw_filter_new(&filter), 0);
	assert_int_equal(fw_filter_add(filter, "from-pod", "shop/webb", false, NULL), 0);
	assert_int_equal(fw_filter_add(filter, "from-pod", "shop/web", false, NULL), 0);
	assert_int_equal(fw_filter_add(filter, "type", "l7", false, NULL), 0);
	assert_int_equal(fw_filter_add(filter, "port", "99", true, NULL), 0);
	(void)fw_filter_match(filter, through(&r));
	fw_filter_unmatched(filter, note, text);
	assert_string_equal(text, "--from-pod=shop/webb/1 ");
	text[0] = '\0';
	fw_filter_impossible(filter, note, text);
	assert_string_equal(text, "--type=l7/1 ");
}

static void groups_are_counted_greatest_first(void **state)
{
	_cleanup_(fw_tally_free) struct fw_tally *tally = NULL;
	struct fw_record r = denied(), other = allowed();
	const struct fw_tally_row *rows;

	(void)state;
	assert_int_equal(fw_tally_new(FW_TALLY_APP, &tally), 0);
	assert_int_equal(fw_tally_add(tally, through(&other)), 0);
	r.repeats = 0;
	assert_int_equal(fw_tally_add(tally, through(&r)), 0);
	r.repeats = 6;
	assert_int_equal(fw_tally_add(tally, through(&r)), 0);
	other.type = FW_RECORD_END;
	other.packets[0] = 5;
	other.bytes[1] = 500;
	assert_int_equal(fw_tally_add(tally, through(&other)), 0);
	assert_int_equal(fw_tally_rows(tally, &rows), 2);
	assert_string_equal(rows[0].key, "shop/web -> shop/db");
	assert_string_equal(rows[0].verdict, "DROPPED");
	assert_int_equal(rows[0].flows, 7);
	assert_int_equal(rows[1].flows, 1);
	assert_int_equal(rows[1].packets, 5);
	assert_int_equal(rows[1].bytes, 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters_of_ends_hold_for_what_they_name_and_for_nothing_else),
		cmocka_unit_test(filters_of_packets_hold_for_what_they_name_and_for_nothing_else),
		cmocka_unit_test(filters_of_services_hold_for_what_they_name_and_for_nothing_else),
		cmocka_unit_test(one_option_again_is_or_different_ones_are_and_not_excludes),
		cmocka_unit_test(lost_records_pass_every_filter),
		cmocka_unit_test(since_and_until_bound_the_time),
		cmocka_unit_test(wrong_values_are_refused_by_name),
		cmocka_unit_test(values_that_matched_nothing_are_told),
		cmocka_unit_test(groups_are_counted_greatest_first),
	};

	(void)setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
