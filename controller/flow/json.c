/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One record as one line of JSON. In: a record with raw names. Out: Hubble's envelope and members,
 * ours under "podwall"; every text escaped, invalid UTF-8 as U+FFFD. Pure.
 */
#include "flow/flow.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fw/reasons.h"

#define SECOND_NS UINT64_C(1000000000)

struct flag_name {
	uint8_t bit;
	const char *name;
};

static const struct flag_name flag_names[] = {
	{0x02, "SYN"}, {0x10, "ACK"}, {0x01, "FIN"}, {0x04, "RST"},
	{0x08, "PSH"}, {0x20, "URG"}, {0x40, "ECE"}, {0x80, "CWR"},
};

/*
 * Hubble's names and numbers for why a packet was dropped (flow.proto, enum DropReason), the
 * nearest to each of ours; whatever is not named is POLICY_DENIED when a policy decided and
 * INVALID_PACKET_DROPPED else.
 */
struct drop_name {
	uint8_t reason;
	uint16_t number;
	const char *name;
};

static const struct drop_name drop_names[] = {
	{FW_REASON_SPOOFED_MAC, 130, "INVALID_SOURCE_MAC"},
	{FW_REASON_SPOOFED_ADDRESS, 132, "INVALID_SOURCE_IP"},
	{FW_REASON_SPOOFED_ARP, 132, "INVALID_SOURCE_IP"},
	{FW_REASON_SPOOFED_NEIGHBOUR, 132, "INVALID_SOURCE_IP"},
	{FW_REASON_BAD_SOURCE, 132, "INVALID_SOURCE_IP"},
	{FW_REASON_ROGUE_ROUTER, 176, "FORBIDDEN_ICMPV6_MESSAGE"},
	{FW_REASON_VLAN, 166, "UNSUPPORTED_L2_PROTOCOL"},
	{FW_REASON_ETHERTYPE, 166, "UNSUPPORTED_L2_PROTOCOL"},
	{FW_REASON_EXTENSIONS, 156, "INVALID_IPV6_EXTENSION_HEADER"},
	{FW_REASON_ROUTING_HEADER, 156, "INVALID_IPV6_EXTENSION_HEADER"},
	{FW_REASON_FRAGMENT_UNKNOWN, 175, "FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND"},
	{FW_REASON_TABLE_FULL, 155, "CT_MAP_INSERTION_FAILED"},
	{FW_REASON_SERVICE_EMPTY, 158, "SERVICE_BACKEND_NOT_FOUND"},
	{FW_REASON_NO_ENDPOINT, 172, "UNKNOWN_SENDER"},
};

static const char *reason_name(uint8_t reason)
{
	static const char *const names[] = {
#define FW_REASON_NAME(symbol, name, drops, text) [FW_REASON_##symbol] = name,
		FW_REASONS(FW_REASON_NAME)
#undef FW_REASON_NAME
	};

	return reason < FW_REASON_COUNT ? names[reason] : "unknown";
}

static struct drop_name drop_name(const struct fw_record *record)
{
	static const struct drop_name denied = {0, 133, "POLICY_DENIED"};
	static const struct drop_name invalid = {0, 134, "INVALID_PACKET_DROPPED"};

	for (size_t i = 0; i < sizeof(drop_names) / sizeof(*drop_names); i++) {
		if (drop_names[i].reason == record->reason)
			return drop_names[i];
	}
	return record->type == FW_RECORD_DROP ? invalid : denied;
}

const char *fw_record_drop_name(const struct fw_record *record)
{
	return drop_name(record).name;
}

static void add(struct fw_buf *buf, const char *text)
{
	(void)fw_buf_append(buf, text, strlen(text));
}

/* A JSON string. Control, C1, line separators and bidirectional characters are escaped: safe to
 * show as it is. */
static void add_string(struct fw_buf *buf, const char *text)
{
	add(buf, "\"");
	while (*text) {
		size_t plain = 0;
		uint32_t code;

		while ((unsigned char)text[plain] >= 0x20 && (unsigned char)text[plain] < 0x7f &&
		       text[plain] != '"' && text[plain] != '\\')
			plain++;
		(void)fw_buf_append(buf, text, plain);
		text += plain;
		if (!*text)
			break;
		if (*text == '"' || *text == '\\') {
			(void)fw_buf_printf(buf, "\\%c", *text++);
			continue;
		}
		text += fw_utf8_next(text, &code);
		if (code < 0x10000)
			(void)fw_buf_printf(buf, "\\u%04" PRIx32, code);
		else
			(void)fw_buf_printf(buf, "\\u%04" PRIx32 "\\u%04" PRIx32,
					    0xd7c0 + (code >> 10), 0xdc00 + (code & 0x3ff));
	}
	add(buf, "\"");
}

static void add_name(struct fw_buf *buf, const char *name)
{
	add(buf, ",\"");
	add(buf, name);
	add(buf, "\":");
}

static void add_member(struct fw_buf *buf, const char *name, const char *text)
{
	add_name(buf, name);
	add_string(buf, text);
}

/* Digits by hand: a record has a dozen numbers, and printf would be most of its cost. */
static void add_digits(struct fw_buf *buf, uint64_t number)
{
	char text[20], *at = text + sizeof(text);

	do
		*--at = (char)('0' + number % 10);
	while (number /= 10);
	(void)fw_buf_append(buf, at, (size_t)(text + sizeof(text) - at));
}

static void add_number(struct fw_buf *buf, const char *name, uint64_t number)
{
	add_name(buf, name);
	add_digits(buf, number);
}

static void add_pair(struct fw_buf *buf, const char *name, const uint64_t numbers[2])
{
	add_name(buf, name);
	add(buf, "{\"forward\":");
	add_digits(buf, numbers[0]);
	add_number(buf, "backward", numbers[1]);
	add(buf, "}");
}

static void add_bool(struct fw_buf *buf, const char *name, bool truth)
{
	add_name(buf, name);
	add(buf, truth ? "true" : "false");
}

static void add_time(struct fw_buf *buf, uint64_t time_ns)
{
	time_t seconds = (time_t)(time_ns / SECOND_NS);
	struct tm tm = {0};

	(void)gmtime_r(&seconds, &tm);
	(void)fw_buf_printf(buf, "\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%09" PRIu64 "Z\"",
			    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
			    tm.tm_sec, time_ns % SECOND_NS);
}

static void add_flags(struct fw_buf *buf, uint8_t flags)
{
	const char *comma = "";

	add(buf, ",\"flags\":{");
	for (size_t i = 0; i < sizeof(flag_names) / sizeof(*flag_names); i++) {
		if (!(flags & flag_names[i].bit))
			continue;
		(void)fw_buf_printf(buf, "%s\"%s\":true", comma, flag_names[i].name);
		comma = ",";
	}
	add(buf, "}");
}

static void add_l4(struct fw_buf *buf, const struct fw_record *record)
{
	uint16_t from = record->source.port, to = record->destination.port;
	const char *name = NULL;

	if (record->protocol == FW_PROTO_ICMP || record->protocol == FW_PROTO_ICMPV6) {
		(void)fw_buf_printf(buf, ",\"l4\":{\"%s\":{\"type\":%u,\"code\":%u}}",
				    record->protocol == FW_PROTO_ICMP ? "ICMPv4" : "ICMPv6",
				    to >> 8, to & 0xff);
		return;
	}
	name = record->protocol == FW_PROTO_TCP	   ? "TCP"
	       : record->protocol == FW_PROTO_UDP  ? "UDP"
	       : record->protocol == FW_PROTO_SCTP ? "SCTP"
						   : NULL;
	if (!name)
		return;
	(void)fw_buf_printf(buf, ",\"l4\":{\"%s\":{\"source_port\":%u,\"destination_port\":%u",
			    name, from, to);
	if (record->protocol == FW_PROTO_TCP)
		add_flags(buf, record->tcp_flags);
	add(buf, "}}");
}

static void add_ip(struct fw_buf *buf, const struct fw_record *record)
{
	char from[FW_IP_TEXT], to[FW_IP_TEXT];

	if (record->family != 4 && record->family != 6)
		return;
	(void)fw_buf_printf(
		buf, ",\"IP\":{\"source\":\"%s\",\"destination\":\"%s\",\"ipVersion\":\"IPv%u\"}",
		fw_ip_format(&record->source.ip, from), fw_ip_format(&record->destination.ip, to),
		record->family);
}

static void add_party(struct fw_buf *buf, const char *name, const struct fw_party *party)
{
	const char *slash = strchr(party->workload, '/');
	char kind[FW_NAME_TEXT];

	(void)fw_buf_printf(buf, ",\"%s\":{", name);
	if (party->pod[0]) {
		add(buf, "\"namespace\":");
		add_string(buf, party->namespace);
		add_member(buf, "pod_name", party->pod);
		if (slash) {
			(void)snprintf(kind, sizeof(kind), "%.*s", (int)(slash - party->workload),
				       party->workload);
			add(buf, ",\"workloads\":[{\"name\":");
			add_string(buf, slash + 1);
			add_member(buf, "kind", kind);
			add(buf, "}]");
		}
	} else if (party->entity[0] && strcmp(party->entity, "pod") != 0 &&
		   strcmp(party->entity, "service") != 0) {
		add(buf, "\"labels\":[");
		char label[sizeof(party->entity) + sizeof("reserved:")];

		(void)snprintf(label, sizeof(label), "reserved:%s", party->entity);
		add_string(buf, label);
		add(buf, "]");
	}
	add(buf, "}");
}

/* "shop/web:http" as {"name": "web", "namespace": "shop"}. */
static void add_service(struct fw_buf *buf, const struct fw_record *record)
{
	const char *name = strchr(record->service, '/');
	const char *side = !strcmp(record->source.entity, "service") ? "source_service"
								     : "destination_service";
	char text[FW_NAME_TEXT];

	if (!name)
		return;
	name++;
	(void)snprintf(text, sizeof(text), "%.*s", (int)strcspn(name, ":"), name);
	(void)fw_buf_printf(buf, ",\"%s\":{\"name\":", side);
	add_string(buf, text);
	(void)snprintf(text, sizeof(text), "%.*s", (int)(name - 1 - record->service),
		       record->service);
	add_member(buf, "namespace", text);
	add(buf, "}");
}

static void add_summary(struct fw_buf *buf, const struct fw_record *record)
{
	const char *lead = "TCP Flags: ";

	add(buf, ",\"Summary\":\"");
	if (record->protocol == FW_PROTO_TCP) {
		for (size_t i = 0; i < sizeof(flag_names) / sizeof(*flag_names); i++) {
			if (!(record->tcp_flags & flag_names[i].bit))
				continue;
			(void)fw_buf_printf(buf, "%s%s", lead, flag_names[i].name);
			lead = ", ";
		}
	} else if (record->protocol == FW_PROTO_UDP) {
		add(buf, "UDP");
	} else if (record->protocol == FW_PROTO_SCTP) {
		add(buf, "SCTP");
	} else if (record->protocol == FW_PROTO_ICMP || record->protocol == FW_PROTO_ICMPV6) {
		add(buf, record->protocol == FW_PROTO_ICMP ? "ICMPv4" : "ICMPv6");
	}
	add(buf, "\"");
}

static const char *verdict_of(const struct fw_record *record)
{
	if (record->type == FW_RECORD_DROP || record->verdict != FW_VERDICT_ALLOW)
		return "DROPPED";
	return record->audited || record->pending != FW_VERDICT_ALLOW ? "AUDIT" : "FORWARDED";
}

static void add_flow(struct fw_buf *buf, const struct fw_record *record, const char *node)
{
	bool dropped = record->type == FW_RECORD_DROP || record->verdict != FW_VERDICT_ALLOW;
	struct drop_name drop = drop_name(record);

	add_time(buf, record->time_ns);
	(void)fw_buf_printf(buf, ",\"verdict\":\"%s\"", verdict_of(record));
	if (dropped)
		add_number(buf, "drop_reason", drop.number);
	add_ip(buf, record);
	if (record->family)
		add_l4(buf, record);
	add_party(buf, "source", &record->source);
	add_party(buf, "destination", &record->destination);
	add(buf, ",\"Type\":\"L3_L4\"");
	add_member(buf, "node_name", node);
	(void)fw_buf_printf(buf, ",\"event_type\":{\"type\":%d}",
			    record->type == FW_RECORD_DROP  ? 1
			    : record->type == FW_RECORD_END ? 4
							    : 5);
	add_service(buf, record);
	(void)fw_buf_printf(buf, ",\"traffic_direction\":\"%s\"",
			    record->direction == FW_EGRESS ? "EGRESS" : "INGRESS");
	if (dropped)
		add_member(buf, "drop_reason_desc", drop.name);
	add(buf, ",\"is_reply\":false");
	add_summary(buf, record);
}

static void add_ours(struct fw_buf *buf, const struct fw_record *record)
{
	static const char *const types[] = {"NEW", "END", "DENY", "CHANGE", "DROP", "LOST"};
	static const char *const verdicts[] = {"DENY", "ALLOW", "REJECT", "DENY"};

	add(buf, ",\"podwall\":{\"type\":");
	add_string(buf, types[record->type]);
	add_number(buf, "sequence", record->sequence);
	add_number(buf, "repeats", record->repeats);
	if (record->type == FW_RECORD_LOST) {
		add(buf, "}");
		return;
	}
	add_member(buf, "verdict", verdicts[record->verdict & 3]);
	add_member(buf, "pending", verdicts[record->pending & 3]);
	add_bool(buf, "audited", record->audited);
	add_bool(buf, "inexact", record->inexact);
	add_member(buf, "reason", reason_name(record->reason));
	add_number(buf, "protocol", record->protocol);
	add_number(buf, "tcpFlags", record->tcp_flags);
	add_member(buf, "rule", record->rule);
	if (record->type == FW_RECORD_CHANGE)
		add_member(buf, "ruleBefore", record->rule_before);
	add_member(buf, "pendingRule", record->pending_rule);
	add_member(buf, "service", record->service);
	if (record->backend[0])
		add_member(buf, "backend", record->backend);
	add(buf, ",\"source\":{\"entity\":");
	add_string(buf, record->source.entity);
	add(buf, "},\"destination\":{\"entity\":");
	add_string(buf, record->destination.entity);
	add(buf, "}");
	add_pair(buf, "packets", record->packets);
	add_pair(buf, "bytes", record->bytes);
	add_number(buf, "durationNs", record->duration_ns);
	if (record->flow != FW_NO_SLOT)
		add_number(buf, "flow", record->flow);
	add(buf, "}");
}

static void add_lost(struct fw_buf *buf, const struct fw_record *record)
{
	(void)fw_buf_printf(buf,
			    "\"lost_events\":{\"source\":\"PERF_EVENT_RING_BUFFER\","
			    "\"num_events_lost\":\"%" PRIu64 "\"}",
			    record->repeats);
}

int fw_record_json(const struct fw_record *record, const char *node, struct fw_buf *buf)
{
	add(buf, "{");
	if (record->type == FW_RECORD_LOST) {
		add_time(buf, record->time_ns);
		add_member(buf, "node_name", node);
		add(buf, ",");
		add_lost(buf, record);
	} else {
		add_flow(buf, record, node);
	}
	add_ours(buf, record);
	add(buf, "}");
	return buf->error;
}

int fw_record_json_hubble(const struct fw_record *record, const char *node, struct fw_buf *buf)
{
	add(buf, "{");
	if (record->type == FW_RECORD_LOST) {
		add_lost(buf, record);
	} else {
		add(buf, "\"flow\":{");
		add_flow(buf, record, node);
		add(buf, "}");
	}
	add_member(buf, "node_name", node);
	add(buf, ",");
	add_time(buf, record->time_ns);
	add(buf, "}");
	return buf->error;
}
