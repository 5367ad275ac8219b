/* SPDX-License-Identifier: Apache-2.0 */
/* Records as JSON and back, formats at 40 to 120 columns, hostile names. In: records made here.
 * Out: TAP. */
#include "show_records.h"

static void expect_line(const struct fw_record *record, struct fw_show_options options,
			const char *wanted)
{
	struct fw_buf buf;

	fw_buf_init(&buf, 65536);
	assert_int_equal(fw_show_record(through(record), &options, &buf), 0);
	assert_string_equal(buf.data, wanted);
	fw_buf_done(&buf);
}

static void expect_compact(const struct fw_record *record, unsigned int width, const char *wanted)
{
	expect_line(record, (struct fw_show_options){.format = FW_SHOW_COMPACT, .width = width},
		    wanted);
}

static void a_record_comes_back_from_json_as_it_was(void **state)
{
	struct fw_record r = denied();
	const struct fw_shown *shown;

	(void)state;
	r.type = FW_RECORD_CHANGE;
	r.pending = FW_VERDICT_ALLOW;
	r.packets[0] = 3;
	r.packets[1] = 4;
	r.bytes[0] = 68719476735;
	r.bytes[1] = 9;
	r.duration_ns = 1234567890;
	r.inexact = true;
	(void)snprintf(r.rule_before, sizeof(r.rule_before), "no rule matched");
	(void)snprintf(r.pending_rule, sizeof(r.pending_rule), "netpol shop/next ingress[1]");
	(void)snprintf(r.service, sizeof(r.service), "shop/db:sql");
	shown = through(&r);
	assert_memory_equal(&shown->record.source, &r.source, sizeof(r.source));
	assert_memory_equal(&shown->record.destination, &r.destination, sizeof(r.destination));
	assert_memory_equal(shown->record.packets, r.packets, sizeof(r.packets));
	assert_memory_equal(shown->record.bytes, r.bytes, sizeof(r.bytes));
	assert_int_equal(shown->record.time_ns, r.time_ns);
	assert_int_equal(shown->record.sequence, 7);
	assert_int_equal(shown->record.type, FW_RECORD_CHANGE);
	assert_int_equal(shown->record.reason, FW_REASON_POLICY_DENY);
	assert_int_equal(shown->record.pending, FW_VERDICT_ALLOW);
	assert_int_equal(shown->record.verdict, FW_VERDICT_DENY);
	assert_int_equal(shown->record.duration_ns, r.duration_ns);
	assert_int_equal(shown->record.flow, 5);
	assert_true(shown->record.inexact);
	assert_string_equal(shown->record.rule, r.rule);
	assert_string_equal(shown->record.rule_before, r.rule_before);
	assert_string_equal(shown->record.pending_rule, r.pending_rule);
	assert_string_equal(shown->record.service, r.service);
	assert_string_equal(shown->node, "node-a");
}

static void json_has_hubbles_members(void **state)
{
	struct fw_record r = denied();

	(void)state;
	(void)through(&r);
	assert_string_equal(
		json,
		"{\"time\":\"2026-09-24T03:12:41.102000000Z\",\"verdict\":\"DROPPED\",\"drop_"
		"reason\":133,"
		"\"IP\":{\"source\":\"10.1.0.2\",\"destination\":\"10.1.0.3\",\"ipVersion\":"
		"\"IPv4\"},"
		"\"l4\":{\"TCP\":{\"source_port\":41822,\"destination_port\":5432,\"flags\":{"
		"\"SYN\":true}}},"
		"\"source\":{\"namespace\":\"shop\",\"pod_name\":\"web-7d9f\","
		"\"workloads\":[{\"name\":\"web\",\"kind\":\"Deployment\"}]},"
		"\"destination\":{\"namespace\":\"shop\",\"pod_name\":\"db-0\","
		"\"workloads\":[{\"name\":\"db\",\"kind\":\"StatefulSet\"}]},"
		"\"Type\":\"L3_L4\",\"node_name\":\"node-a\",\"event_type\":{\"type\":5},"
		"\"traffic_direction\":\"INGRESS\",\"drop_reason_desc\":\"POLICY_DENIED\",\"is_"
		"reply\":false,"
		"\"Summary\":\"TCP Flags: "
		"SYN\",\"podwall\":{\"type\":\"DENY\",\"sequence\":7,\"repeats\":6,"
		"\"verdict\":\"DENY\",\"pending\":\"DENY\",\"audited\":false,\"inexact\":false,"
		"\"reason\":\"policy-deny\",\"protocol\":6,\"tcpFlags\":2,\"rule\":\"isolated(2) "
		"netpol shop/db\","
		"\"pendingRule\":\"\",\"service\":\"\",\"source\":{\"entity\":\"pod\"},"
		"\"destination\":{\"entity\":\"pod\"},\"packets\":{\"forward\":0,\"backward\":0},"
		"\"bytes\":{\"forward\":0,\"backward\":0},\"durationNs\":0,\"flow\":5}}");
}

static void hubbles_envelope_holds_nothing_of_ours(void **state)
{
	struct fw_record r = allowed(),
			 lost = {.time_ns = TIME_NS, .type = FW_RECORD_LOST, .repeats = 3};
	struct fw_show_options options = {.format = FW_SHOW_JSONPB};

	(void)state;
	r.source = party("", "", "", "198.51.100.7", 443);
	r.destination.pod[0] = r.destination.workload[0] = '\0';
	(void)snprintf(r.destination.entity, sizeof(r.destination.entity), "service");
	(void)snprintf(r.service, sizeof(r.service), "shop/db:sql");
	expect_line(
		&r, options,
		"{\"flow\":{\"time\":\"2026-09-24T03:12:41.102000000Z\",\"verdict\":\"FORWARDED\","
		"\"IP\":{\"source\":\"198.51.100.7\",\"destination\":\"10.1.0.3\",\"ipVersion\":"
		"\"IPv4\"},"
		"\"l4\":{\"TCP\":{\"source_port\":443,\"destination_port\":5432,\"flags\":{\"SYN\":"
		"true}}},"
		"\"source\":{\"labels\":[\"reserved:world\"]},\"destination\":{},"
		"\"Type\":\"L3_L4\",\"node_name\":\"node-a\",\"event_type\":{\"type\":5},"
		"\"destination_service\":{\"name\":\"db\",\"namespace\":\"shop\"},"
		"\"traffic_direction\":\"INGRESS\",\"is_reply\":false,\"Summary\":\"TCP Flags: "
		"SYN\"},"
		"\"node_name\":\"node-a\",\"time\":\"2026-09-24T03:12:41.102000000Z\"}\n");
	expect_line(&lost, options,
		    "{\"lost_events\":{\"source\":\"PERF_EVENT_RING_BUFFER\",\"num_events_lost\":"
		    "\"3\"},"
		    "\"node_name\":\"node-a\",\"time\":\"2026-09-24T03:12:41.102000000Z\"}\n");
}

static void hubbles_own_lines_can_be_read(void **state)
{
	static const char line[] = "{\"flow\":{\"time\":\"2026-01-02T03:04:05.5Z\",\"verdict\":"
				   "\"DROPPED\",\"IP\":{\"source\":\"fd00::1\","
				   "\"destination\":\"fd00::2\",\"ipVersion\":\"IPv6\"},\"l4\":{"
				   "\"UDP\":{\"source_port\":9,"
				   "\"destination_port\":53}},\"source\":{\"namespace\":\"a\","
				   "\"pod_name\":\"b\"},\"destination\":{"
				   "\"labels\":[\"reserved:world\"]},\"traffic_direction\":"
				   "\"EGRESS\"},\"node_name\":\"n\","
				   "\"time\":\"2026-01-02T03:04:05.5Z\"}";
	struct fw_show_options options = {.format = FW_SHOW_COMPACT};
	struct fw_shown shown;
	struct fw_buf buf;

	(void)state;
	assert_int_equal(fw_show_decode(line, sizeof(line) - 1, &shown, NULL), 0);
	fw_buf_init(&buf, 4096);
	assert_int_equal(fw_show_record(&shown, &options, &buf), 0);
	assert_string_equal(buf.data,
			    "03:04:05.500 a/b:9 -> [fd00::2]:53 udp DROPPED out BY policy-deny\n");
	fw_buf_done(&buf);
}

static void lines_that_are_no_records_are_refused_with_a_reason(void **state)
{
	static const char *const lines[] = {
		"",
		"{",
		"[]",
		"{}",
		"null",
		"{\"verdict\":\"DROPPED\"}",
		"{\"verdict\":\"DROPPED\",\"time\":\"yesterday\"}",
		"{\"verdict\":\"DROPPED\",\"time\":\"2026-01-02T03:04:05Z\"} x",
		"{\"flow\":5,\"time\":\"2026-01-02T03:04:05Z\"}",
		"{\"flow\":{},\"time\":\"2026-01-02T03:04:05+0100\"}"};
	static const char zoned[] = "{\"flow\":{},\"time\":\"2026-01-02T03:04:05+01:00\"}";
	struct fw_shown shown;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		struct fw_err err = {""};

		assert_int_equal(fw_show_decode(lines[i], strlen(lines[i]), &shown, &err), -EINVAL);
		assert_true(err.text[0]);
	}
	assert_int_equal(fw_show_decode(zoned, strlen(zoned), &shown, NULL), 0);
	assert_int_equal(shown.record.time_ns, 1767319445000000000ULL);
}

static void row_70_hostile_names_do_nothing_to_a_terminal(void **state)
{
	struct fw_record r = denied();
	struct fw_show_options options = {.width = 0};
	struct fw_buf buf;

	(void)state;
	(void)snprintf(r.source.pod, sizeof(r.source.pod),
		       "a\x1b[2J\n\"\\\xe2\x80\xae\xff\xc2\x9b\x31");
	(void)snprintf(r.rule, sizeof(r.rule), "netpol shop/\x1b]0;x\x07");
	(void)snprintf(r.source.workload, sizeof(r.source.workload), "Deployment/=cmd\",\"\x1b");
	fw_buf_init(&buf, 65536);
	for (enum fw_show_format format = FW_SHOW_COMPACT; format <= FW_SHOW_JSONPB; format++) {
		options.format = format;
		assert_int_equal(fw_show_record(through(&r), &options, &buf), 0);
	}
	for (const char *at = buf.data; *at;) {
		uint32_t code;

		at += fw_utf8_next(at, &code);
		assert_true(code == '\n' || (code >= 0x20 && code < 0x7f) || code == 0xfffd);
	}
	fw_buf_done(&buf);
	assert_string_equal(through(&r)->record.source.pod,
			    "a\x1b[2J\n\"\\\xe2\x80\xae\xef\xbf\xbd\xc2\x9b\x31");
	expect_compact(&r, 0,
		       "03:12:41.102 shop/a\\x1b[2J\\x0a\"\\\\\\u202e\xef\xbf\xbd\\u009b1:41822 -> "
		       "shop/db-0:5432 tcp "
		       "DROPPED in  BY netpol shop/\\x1b]0;x\\x07 (SYN) x6\n");
}

static void compact_lines_are_as_documented(void **state)
{
	struct fw_record r = denied();

	(void)state;
	expect_compact(&r, 105,
		       "03:12:41.102 shop/web-7d9f:41822 -> shop/db-0:5432 tcp DROPPED in  BY "
		       "isolated(2) netpol shop/db"
		       " (SYN) x6\n");
	r = allowed();
	r.direction = FW_EGRESS;
	r.pending = FW_VERDICT_DENY;
	(void)snprintf(r.pending_rule, sizeof(r.pending_rule), "nsiso shop/default");
	r.destination = party("", "", "", "10.96.0.9", 6379);
	(void)snprintf(r.destination.entity, sizeof(r.destination.entity), "service");
	(void)snprintf(r.service, sizeof(r.service), "shop/cache:redis");
	expect_compact(&r, 105,
		       "03:12:41.102 shop/web-7d9f:41822 -> svc/cache:6379 tcp AUDIT out PENDING "
		       "nsiso shop/default "
		       "(SYN)\n");
	(void)snprintf(r.service, sizeof(r.service), "bank/cache:redis");
	expect_compact(&r, 0,
		       "03:12:41.102 shop/web-7d9f:41822 -> svc/bank/cache:6379 tcp AUDIT out "
		       "PENDING nsiso "
		       "shop/default (SYN)\n");
	r = (struct fw_record){.type = FW_RECORD_LOST, .time_ns = TIME_NS, .repeats = 3};
	expect_compact(&r, 100, "03:12:41.102 LOST 3 records on node-a (ring full)\n");
}

static void ends_changes_and_drops_say_what_they_are(void **state)
{
	struct fw_record r = allowed();

	(void)state;
	r.type = FW_RECORD_END;
	r.packets[0] = 12;
	r.packets[1] = 10;
	r.bytes[0] = 840;
	r.bytes[1] = 9120;
	r.duration_ns = 1234567890;
	expect_compact(&r, 0,
		       "03:12:41.102 shop/web-7d9f:41822 -> shop/db-0:5432 tcp FORWARDED in  BY "
		       "netpol shop/db ingress[0] "
		       "(END 12/10 packets 840/9.1k bytes 1.2s)\n");
	r = denied();
	r.type = FW_RECORD_CHANGE;
	r.repeats = 0;
	(void)snprintf(r.rule_before, sizeof(r.rule_before), "no rule matched");
	expect_compact(&r, 0,
		       "03:12:41.102 shop/web-7d9f:41822 -> shop/db-0:5432 tcp DROPPED in  BY "
		       "isolated(2) netpol shop/db "
		       "(WAS no rule matched)\n");
	r = denied();
	r.type = FW_RECORD_DROP;
	r.reason = FW_REASON_SPOOFED_ADDRESS;
	r.rule[0] = '\0';
	r.flow = FW_NO_SLOT;
	r.repeats = 40;
	r.protocol = FW_PROTO_ICMP;
	r.destination.port = 8 << 8;
	expect_compact(&r, 0,
		       "03:12:41.102 shop/web-7d9f -> shop/db-0 icmp DROPPED in  BY "
		       "spoofed-address (type 8 code 0) +40 "
		       "not recorded\n");
	r.family = 0;
	r.protocol = 0;
	r.repeats = 0;
	r.destination.pod[0] = '\0';
	r.reason = FW_REASON_ETHERTYPE;
	expect_compact(&r, 0, "03:12:41.102 shop/web-7d9f -> ? ip/0 DROPPED in  BY ethertype\n");
}

static void long_names_are_cut_in_the_middle_never_the_verdict_or_the_rule(void **state)
{
	struct fw_record r = denied();

	(void)state;
	(void)snprintf(r.source.pod, sizeof(r.source.pod), "checkout-frontend-6b7f9d8c5-x2x4q");
	(void)snprintf(r.destination.pod, sizeof(r.destination.pod), "payments-database-primary-0");
	expect_compact(&r, 100,
		       "03:12:41.102 sho..x4q:41822 -> shop..y-0:5432 tcp DROPPED in  BY "
		       "isolated(2) netpol shop/db "
		       "(SYN) x6\n");
	expect_compact(&r, 120,
		       "03:12:41.102 shop/che..c5-x2x4q:41822 -> shop/paym..rimary-0:5432 tcp "
		       "DROPPED in  BY "
		       "isolated(2) netpol shop/db (SYN) x6\n");
	expect_compact(&r, 40, /* it cannot fit: cut as far as it can still be read */
		       "03:12:41.102 shop/che..c5-x2x4q:41822 -> shop/paym..rimary-0:5432 tcp "
		       "DROPPED in  BY "
		       "isolated(2) netpol shop/db (SYN) x6\n");
	(void)snprintf(r.destination.pod, sizeof(r.destination.pod),
		       "db-0"); /* a short one leaves its room */
	expect_compact(&r, 108,
		       "03:12:41.102 shop/ch..5-x2x4q:41822 -> shop/db-0:5432 tcp DROPPED in  BY "
		       "isolated(2) netpol "
		       "shop/db (SYN) x6\n");
}

static void numeric_shows_addresses(void **state)
{
	struct fw_record r = denied();

	(void)state;
	expect_line(&r, (struct fw_show_options){.numeric = true},
		    "03:12:41.102 10.1.0.2:41822 -> 10.1.0.3:5432 tcp DROPPED in  BY isolated(2) "
		    "netpol shop/db (SYN) "
		    "x6\n");
}

static void peers_that_are_no_pods_say_who_they_are(void **state)
{
	struct fw_record r = allowed();

	(void)state;
	r.source = party("", "", "", "10.9.0.1", 80);
	(void)snprintf(r.source.entity, sizeof(r.source.entity), "host");
	expect_compact(&r, 0,
		       "03:12:41.102 10.9.0.1:80(host) -> shop/db-0:5432 tcp FORWARDED in  BY "
		       "netpol shop/db ingress[0] "
		       "(SYN)\n");
	r.family = 6;
	r.source = party("", "", "", "2001:db8::1", 80);
	expect_compact(&r, 0,
		       "03:12:41.102 [2001:db8::1]:80 -> shop/db-0:5432 tcp FORWARDED in  BY "
		       "netpol shop/db ingress[0] "
		       "(SYN)\n");
}

static void tables_keep_their_columns(void **state)
{
	struct fw_record r = denied();
	struct fw_show_options options = {.format = FW_SHOW_TABLE};
	struct fw_buf buf;

	(void)state;
	fw_buf_init(&buf, 4096);
	assert_int_equal(fw_show_head(&options, &buf), 0);
	assert_string_equal(buf.data, "TIME         SOURCE                     DESTINATION         "
				      "       TYPE    PROTO  VERDICT   DIR RULE\n");
	fw_buf_done(&buf);
	expect_line(&r, options,
		    "03:12:41.102 shop/web-7d9f:41822        shop/db-0:5432             DENY    "
		    "tcp    DROPPED   in  "
		    "isolated(2) netpol shop/db (SYN) x6\n");
	options.color = true;
	expect_line(
		&r, options,
		"03:12:41.102 shop/web-7d9f:41822        shop/db-0:5432             DENY    tcp    "
		"\x1b[31mDROPPED\x1b[0m   in  isolated(2) netpol shop/db (SYN) x6\n");
}

static void dict_has_a_line_for_each_thing(void **state)
{
	struct fw_record r = denied();

	(void)state;
	expect_line(&r, (struct fw_show_options){.format = FW_SHOW_DICT},
		    "   TIMESTAMP: 03:12:41.102\n"
		    "        NODE: node-a\n"
		    "      SOURCE: shop/web-7d9f:41822\n"
		    "    WORKLOAD: Deployment/web\n"
		    " DESTINATION: shop/db-0:5432\n"
		    "    WORKLOAD: StatefulSet/db\n"
		    "        TYPE: DENY\n"
		    "    PROTOCOL: tcp\n"
		    "   DIRECTION: INGRESS\n"
		    "     VERDICT: DROPPED\n"
		    "      REASON: policy-deny\n"
		    "        RULE: isolated(2) netpol shop/db\n"
		    "     SUMMARY: (SYN) x6\n"
		    "------------\n");
}

static void csv_quotes_every_name(void **state)
{
	struct fw_record r = denied();

	(void)state;
	(void)snprintf(r.rule, sizeof(r.rule), "say \"no\", please");
	expect_line(&r, (struct fw_show_options){.format = FW_SHOW_CSV},
		    "2026-09-24T03:12:41.102000000Z,\"node-a\",DENY,DROPPED,INGRESS,\"shop\",\"web-"
		    "7d9f\","
		    "\"Deployment/web\",10.1.0.2,41822,\"shop\",\"db-0\",\"StatefulSet/"
		    "db\",10.1.0.3,5432,\"\",6,"
		    "policy-deny,\"say \"\"no\"\", please\",\"\",6,0,0,0,0,0\n");
}

static void times_have_hubbles_formats(void **state)
{
	static const struct {
		const char *name, *text;
	} cases[] = {{"Time", "03:12:41.102"},
		     {"StampMilli", "Sep 24 03:12:41.102"},
		     {"RFC3339", "2026-09-24T03:12:41Z"},
		     {"RFC3339Milli", "2026-09-24T03:12:41.102Z"},
		     {"RFC3339Micro", "2026-09-24T03:12:41.102000Z"},
		     {"RFC3339Nano", "2026-09-24T03:12:41.102000000Z"},
		     {"RFC1123Z", "Thu, 24 Sep 2026 03:12:41 +0000"}};
	enum fw_show_time format;
	struct fw_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fw_buf buf;

		fw_buf_init(&buf, 256);
		assert_int_equal(fw_show_parse_time_format(cases[i].name, &format, NULL), 0);
		fw_show_time_text(TIME_NS, format, &buf);
		assert_string_equal(buf.data, cases[i].text);
		fw_buf_done(&buf);
	}
	assert_int_equal(fw_show_parse_time_format("noon", &format, &err), -EINVAL);
}

static void amounts_are_short(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} sizes[] = {{0, "0"},	     {999, "999"},	   {1000, "1.0k"},     {9120, "9.1k"},
		     {12345, "12k"}, {1200000000, "1.2G"}, {UINT64_MAX, "18E"}};
	static const struct {
		uint64_t ns;
		const char *text;
	} spans[] = {{0, "0ms"},
		     {120000000, "120ms"},
		     {1290000000, "1.2s"},
		     {184000000000, "3m4s"},
		     {7500000000000, "2h5m"},
		     {273600000000000, "3d4h"}};
	struct fw_buf buf;

	(void)state;
	fw_buf_init(&buf, 64);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		fw_buf_clear(&buf);
		fw_show_bytes(sizes[i].bytes, &buf);
		assert_string_equal(buf.data, sizes[i].text);
	}
	for (size_t i = 0; i < sizeof(spans) / sizeof(*spans); i++) {
		fw_buf_clear(&buf);
		fw_show_duration(spans[i].ns, &buf);
		assert_string_equal(buf.data, spans[i].text);
	}
	fw_buf_done(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_comes_back_from_json_as_it_was),
		cmocka_unit_test(json_has_hubbles_members),
		cmocka_unit_test(hubbles_envelope_holds_nothing_of_ours),
		cmocka_unit_test(hubbles_own_lines_can_be_read),
		cmocka_unit_test(lines_that_are_no_records_are_refused_with_a_reason),
		cmocka_unit_test(row_70_hostile_names_do_nothing_to_a_terminal),
		cmocka_unit_test(compact_lines_are_as_documented),
		cmocka_unit_test(ends_changes_and_drops_say_what_they_are),
		cmocka_unit_test(long_names_are_cut_in_the_middle_never_the_verdict_or_the_rule),
		cmocka_unit_test(numeric_shows_addresses),
		cmocka_unit_test(peers_that_are_no_pods_say_who_they_are),
		cmocka_unit_test(tables_keep_their_columns),
		cmocka_unit_test(dict_has_a_line_for_each_thing),
		cmocka_unit_test(csv_quotes_every_name),
		cmocka_unit_test(times_have_hubbles_formats),
		cmocka_unit_test(amounts_are_short),
	};

	(void)setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
