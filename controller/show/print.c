/* SPDX-License-Identifier: Apache-2.0 */
/* Records in the formats of `fwctl flows`; see print.h. Every name passes fw_show_cut(), which
 * escapes. */
#include "show/print.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "fw/reasons.h"
#include "show/criteria.h"

#define PARTY_MIN  14u /* columns that a name keeps so that the line fits */
#define PARTY_WRAP 24u /* and where it cannot fit: the terminal wraps it anyway */
#define UNCUT	   100000u

static const char *reason_name(uint8_t reason)
{
	static const char *const names[] = {
#define FW_REASON_NAME(symbol, name, drops, text) [FW_REASON_##symbol] = name,
		FW_REASONS(FW_REASON_NAME)
#undef FW_REASON_NAME
	};

	return reason < FW_REASON_COUNT ? names[reason] : "unknown";
}

static const char *type_name(enum fw_record_type type)
{
	static const char *const names[] = {"NEW", "END", "DENY", "CHANGE", "INVALID", "LOST"};

	return names[type];
}

static void add(struct fw_buf *buf, const char *text)
{
	(void)fw_buf_append(buf, text, strlen(text));
}

static bool has_ports(const struct fw_record *record)
{
	return record->protocol == FW_PROTO_TCP || record->protocol == FW_PROTO_UDP ||
	       record->protocol == FW_PROTO_SCTP;
}

/* "svc/cache", with the namespace in between where it is not the other side's. */
static void service_name(const struct fw_record *record, const struct fw_party *other,
			 struct fw_buf *buf)
{
	const char *slash = strchr(record->service, '/');
	size_t len = slash ? (size_t)(slash - record->service) : 0;
	const char *name = slash ? slash + 1 : record->service;

	add(buf, "svc/");
	if (slash && (strlen(other->namespace) != len ||
		      strncmp(other->namespace, record->service, len) != 0))
		(void)fw_buf_append(buf, record->service, len + 1);
	(void)fw_buf_append(buf, name, strcspn(name, ":"));
}

/* The name without its port, raw. */
static void party_name(const struct fw_record *record, const struct fw_party *party,
		       const struct fw_party *other, bool numeric, struct fw_buf *buf)
{
	char text[FW_IP_TEXT];

	if (party->pod[0] && !numeric)
		(void)fw_buf_printf(buf, "%s/%s", party->namespace, party->pod);
	else if (!strcmp(party->entity, "service") && record->service[0] && !numeric)
		service_name(record, other, buf);
	else if (!record->family)
		add(buf, "?");
	else if (!fw_ip_is4(&party->ip) && has_ports(record))
		(void)fw_buf_printf(buf, "[%s]", fw_ip_format(&party->ip, text));
	else
		add(buf, fw_ip_format(&party->ip, text));
}

/* What stands behind the name and is never cut: the port, and who it is where no pod is. */
static void party_tail(const struct fw_record *record, const struct fw_party *party, bool numeric,
		       struct fw_buf *buf)
{
	bool plain = party->pod[0] || !strcmp(party->entity, "service") ||
		     !strcmp(party->entity, "world") || !strcmp(party->entity, "pod");

	if (has_ports(record))
		(void)fw_buf_printf(buf, ":%u", party->port);
	if (record->backend[0] && !strcmp(party->entity, "service")) {
		add(buf, " [");
		(void)fw_buf_append_escaped(buf, record->backend);
		add(buf, "]");
	}
	if (!numeric && !plain && party->entity[0]) {
		add(buf, "(");
		(void)fw_buf_append_escaped(buf, party->entity);
		add(buf, ")");
	}
}

static void party_text(const struct fw_record *record, bool destination,
		       const struct fw_show_options *options, size_t columns, struct fw_buf *buf)
{
	const struct fw_party *party = destination ? &record->destination : &record->source;
	const struct fw_party *other = destination ? &record->source : &record->destination;
	struct fw_buf name, tail;

	fw_buf_init(&name, 1024);
	fw_buf_init(&tail, 256);
	party_name(record, party, other, options->numeric, &name);
	party_tail(record, party, options->numeric, &tail);
	if (!name.error && !tail.error && name.data) {
		size_t room = columns > tail.len + 5 ? columns - tail.len : 5;

		fw_show_cut(name.data, room, buf);
		(void)fw_buf_append(buf, tail.data, tail.len);
	}
	fw_buf_done(&name);
	fw_buf_done(&tail);
}

static void paint(const struct fw_show_options *options, const char *text, struct fw_buf *buf)
{
	const char *color = text[0] == 'F'   ? "32"
			    : text[0] == 'D' ? "31"
			    : text[0] == 'A' ? "33"
					     : "35";

	if (options->color)
		(void)fw_buf_printf(buf, "\x1b[%sm%s\x1b[0m", color, text);
	else
		add(buf, text);
}

static void flags_text(const struct fw_record *record, struct fw_buf *buf)
{
	static const char *const names[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"};
	const char *lead = "";

	for (size_t i = 0; i < 8; i++) {
		if (!(record->tcp_flags & (1u << i)))
			continue;
		(void)fw_buf_printf(buf, "%s%s", lead, names[i]);
		lead = ",";
	}
}

static void rule_text(const struct fw_record *record, struct fw_buf *buf)
{
	if (record->rule[0])
		(void)fw_buf_append_escaped(buf, record->rule);
	else
		add(buf, reason_name(record->reason));
}

/* "BY netpol shop/api[0]", and what promoting everything in Audit would change. */
static void because(const struct fw_record *record, struct fw_buf *buf)
{
	bool differs = record->type != FW_RECORD_DROP && record->pending != record->verdict &&
		       !record->audited;

	if (differs && record->verdict == FW_VERDICT_ALLOW) {
		add(buf, " PENDING ");
		(void)fw_buf_append_escaped(buf, record->pending_rule[0] ? record->pending_rule
									 : "deny");
		return;
	}
	add(buf, " BY ");
	rule_text(record, buf);
	if (differs) {
		add(buf, " PENDING allow ");
		(void)fw_buf_append_escaped(buf, record->pending_rule);
	}
}

static void totals(const struct fw_record *record, struct fw_buf *buf)
{
	(void)fw_buf_printf(buf, "%s%" PRIu64 "/%" PRIu64 " packets ", record->inexact ? "~" : "",
			    record->packets[0], record->packets[1]);
	fw_show_bytes(record->bytes[0], buf);
	add(buf, "/");
	fw_show_bytes(record->bytes[1], buf);
	add(buf, " bytes");
	if (record->duration_ns) {
		add(buf, " ");
		fw_show_duration(record->duration_ns, buf);
	}
}

/* "(SYN)", "(END 12/10 packets 840/9.1k bytes 1.2s)", "(WAS netpol shop/old[0])", " x6" */
static void details(const struct fw_record *record, struct fw_buf *buf)
{
	bool icmp = record->protocol == FW_PROTO_ICMP || record->protocol == FW_PROTO_ICMPV6;

	if (record->type == FW_RECORD_END) {
		add(buf, " (END ");
		totals(record, buf);
		add(buf, ")");
		return;
	}
	if (record->type == FW_RECORD_CHANGE) {
		add(buf, " (WAS ");
		(void)fw_buf_append_escaped(buf, record->rule_before);
		add(buf, ")");
	} else if (record->protocol == FW_PROTO_TCP && record->tcp_flags) {
		add(buf, " (");
		flags_text(record, buf);
		add(buf, ")");
	} else if (icmp && record->family) {
		(void)fw_buf_printf(buf, " (type %u code %u)", record->destination.port >> 8,
				    record->destination.port & 0xff);
	}
	if (!record->repeats)
		return;
	if (record->type == FW_RECORD_DENY && record->flow != FW_NO_SLOT)
		(void)fw_buf_printf(buf, " x%" PRIu64, record->repeats);
	else
		(void)fw_buf_printf(buf, " +%" PRIu64 " not recorded", record->repeats);
}

static void lost(const struct fw_shown *shown, const struct fw_show_options *options,
		 struct fw_buf *buf)
{
	fw_show_time_text(shown->record.time_ns, options->time, buf);
	add(buf, " ");
	paint(options, "LOST", buf);
	(void)fw_buf_printf(buf, " %" PRIu64 " record%s on ", shown->record.repeats,
			    shown->record.repeats == 1 ? "" : "s");
	fw_show_cut(shown->node, UNCUT, buf);
	add(buf, " (ring full)\n");
}

/* Columns for each party when the rest of the line takes `rest`. */
static size_t party_columns(const struct fw_show_options *options, size_t rest, size_t source,
			    size_t destination)
{
	size_t room, half;

	if (!options->width || source + destination + rest <= options->width)
		return UNCUT;
	room = options->width > rest ? options->width - rest : 0;
	half = room / 2;
	if (source < half)
		half = room - source;
	else if (destination < half)
		half = room - destination;
	return half >= PARTY_MIN ? half : PARTY_WRAP;
}

static void compact(const struct fw_shown *shown, const struct fw_show_options *options,
		    struct fw_buf *buf)
{
	const struct fw_record *record = &shown->record;
	struct fw_buf head, tail, from, to;
	size_t columns, colors = options->color ? strlen("\x1b[31m\x1b[0m") : 0;
	char number[8];

	fw_buf_init(&head, 256);
	fw_buf_init(&tail, 8192);
	fw_buf_init(&from, 2048);
	fw_buf_init(&to, 2048);
	fw_show_time_text(record->time_ns, options->time, &head);
	add(&head, " ");
	(void)fw_buf_printf(&tail, " %s ", fw_show_protocol(record->protocol, number));
	paint(options, fw_show_verdict(record), &tail);
	add(&tail, record->direction == FW_EGRESS ? " out" : " in ");
	because(record, &tail);
	details(record, &tail);
	party_text(record, false, options, UNCUT, &from);
	party_text(record, true, options, UNCUT, &to);
	columns = party_columns(options, head.len + 4 + tail.len - colors, from.len, to.len);
	if (columns != UNCUT) {
		fw_buf_clear(&from);
		fw_buf_clear(&to);
		party_text(record, false, options, columns, &from);
		party_text(record, true, options, columns, &to);
	}
	(void)fw_buf_printf(buf, "%s%s -> %s%s\n", head.data ? head.data : "",
			    from.data ? from.data : "", to.data ? to.data : "",
			    tail.data ? tail.data : "");
	fw_buf_done(&head);
	fw_buf_done(&tail);
	fw_buf_done(&from);
	fw_buf_done(&to);
}

static void pad(struct fw_buf *buf, size_t from, size_t columns)
{
	do
		add(buf, " ");
	while (buf->len < from + columns + 1 && !buf->error);
}

/* Fixed columns, because a followed table cannot know what comes. */
static void table(const struct fw_shown *shown, const struct fw_show_options *options,
		  struct fw_buf *buf)
{
	const struct fw_record *record = &shown->record;
	bool wide = options->format == FW_SHOW_WIDE;
	size_t columns = wide ? 44 : 26, from = buf->len;
	char number[8];

	fw_show_time_text(record->time_ns, options->time, buf);
	pad(buf, from, 12);
	if (wide) {
		from = buf->len;
		fw_show_cut(shown->node, 16, buf);
		pad(buf, from, 16);
	}
	for (int side = 0; side < 2; side++) {
		from = buf->len;
		party_text(record, side, options, wide ? UNCUT : columns, buf);
		pad(buf, from, columns);
	}
	from = buf->len;
	add(buf, type_name(record->type));
	pad(buf, from, 7);
	from = buf->len;
	add(buf, fw_show_protocol(record->protocol, number));
	pad(buf, from, 6);
	from = buf->len;
	paint(options, fw_show_verdict(record), buf);
	pad(buf, from, options->color ? 9 + strlen("\x1b[31m\x1b[0m") : 9);
	add(buf, record->direction == FW_EGRESS ? "out " : "in  ");
	rule_text(record, buf);
	details(record, buf);
	if (wide && record->pending != record->verdict) {
		add(buf, " PENDING ");
		(void)fw_buf_append_escaped(buf, record->pending_rule);
	}
	add(buf, "\n");
}

static void dict_line(struct fw_buf *buf, const char *key, const char *text)
{
	if (!*text)
		return;
	(void)fw_buf_printf(buf, "%12s: ", key);
	(void)fw_buf_append_escaped(buf, text);
	add(buf, "\n");
}

static void dict(const struct fw_shown *shown, const struct fw_show_options *options,
		 struct fw_buf *buf)
{
	const struct fw_record *record = &shown->record;
	char number[8];

	add(buf, "   TIMESTAMP: ");
	fw_show_time_text(record->time_ns, options->time, buf);
	add(buf, "\n");
	dict_line(buf, "NODE", shown->node);
	add(buf, "      SOURCE: ");
	party_text(record, false, options, UNCUT, buf);
	add(buf, "\n");
	dict_line(buf, "WORKLOAD", record->source.workload);
	add(buf, " DESTINATION: ");
	party_text(record, true, options, UNCUT, buf);
	add(buf, "\n");
	dict_line(buf, "WORKLOAD", record->destination.workload);
	dict_line(buf, "SERVICE", record->service);
	dict_line(buf, "BACKEND", record->backend);
	dict_line(buf, "TYPE", type_name(record->type));
	dict_line(buf, "PROTOCOL", fw_show_protocol(record->protocol, number));
	dict_line(buf, "DIRECTION", record->direction == FW_EGRESS ? "EGRESS" : "INGRESS");
	add(buf, "     VERDICT: ");
	paint(options, fw_show_verdict(record), buf);
	add(buf, "\n");
	dict_line(buf, "REASON", reason_name(record->reason));
	dict_line(buf, "RULE", record->rule);
	dict_line(buf, "RULE BEFORE", record->rule_before);
	if (record->pending != record->verdict || record->audited)
		dict_line(buf, "PENDING", record->pending_rule);
	add(buf, "     SUMMARY:");
	details(record, buf);
	add(buf, "\n------------\n");
}

/* RFC 4180; a leading =, +, - or @ of a name is no formula here, because every text is in quotes
 * and escaped. */
static void csv_text(struct fw_buf *buf, const char *text)
{
	struct fw_buf plain;

	fw_buf_init(&plain, 4096);
	(void)fw_buf_append_escaped(&plain, text);
	add(buf, "\"");
	for (const char *s = plain.data ? plain.data : ""; *s; s++)
		(void)fw_buf_append(buf, *s == '"' ? "\"\"" : s, *s == '"' ? 2 : 1);
	add(buf, "\",");
	fw_buf_done(&plain);
}

static void csv(const struct fw_shown *shown, struct fw_buf *buf)
{
	const struct fw_record *record = &shown->record;
	const struct fw_party *parties[] = {&record->source, &record->destination};
	char text[FW_IP_TEXT];

	fw_show_time_text(record->time_ns, FW_TIME_RFC3339_NANO, buf);
	add(buf, ",");
	csv_text(buf, shown->node);
	(void)fw_buf_printf(buf, "%s,%s,%s,", type_name(record->type), fw_show_verdict(record),
			    record->direction == FW_EGRESS ? "EGRESS" : "INGRESS");
	for (size_t i = 0; i < 2; i++) {
		csv_text(buf, parties[i]->namespace);
		csv_text(buf, parties[i]->pod);
		csv_text(buf, parties[i]->workload);
		(void)fw_buf_printf(buf, "%s,%u,",
				    record->family ? fw_ip_format(&parties[i]->ip, text) : "",
				    parties[i]->port);
	}
	csv_text(buf, record->service);
	(void)fw_buf_printf(buf, "%u,%s,", record->protocol, reason_name(record->reason));
	csv_text(buf, record->rule);
	csv_text(buf, record->pending_rule);
	(void)fw_buf_printf(
		buf, "%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\n",
		record->repeats, record->packets[0], record->packets[1], record->bytes[0],
		record->bytes[1], record->duration_ns);
}

int fw_show_head(const struct fw_show_options *options, struct fw_buf *buf)
{
	if (options->format == FW_SHOW_TABLE)
		(void)fw_buf_printf(buf, "%-12s %-26s %-26s %-7s %-6s %-9s %-3s %s\n", "TIME",
				    "SOURCE", "DESTINATION", "TYPE", "PROTO", "VERDICT", "DIR",
				    "RULE");
	else if (options->format == FW_SHOW_WIDE)
		(void)fw_buf_printf(buf, "%-12s %-16s %-44s %-44s %-7s %-6s %-9s %-3s %s\n", "TIME",
				    "NODE", "SOURCE", "DESTINATION", "TYPE", "PROTO", "VERDICT",
				    "DIR", "RULE");
	else if (options->format == FW_SHOW_CSV)
		add(buf, "time,node,type,verdict,direction,source_namespace,source_pod,source_"
			 "workload,source_ip,"
			 "source_port,destination_namespace,destination_pod,destination_workload,"
			 "destination_ip,"
			 "destination_port,service,protocol,reason,rule,pending_rule,repeats,"
			 "packets_forward,"
			 "packets_backward,bytes_forward,bytes_backward,duration_ns\n");
	return buf->error;
}

int fw_show_record(const struct fw_shown *shown, const struct fw_show_options *options,
		   struct fw_buf *buf)
{
	enum fw_show_format format = options->format;

	if (format == FW_SHOW_JSON) {
		(void)fw_buf_append(buf, shown->line, shown->len);
		add(buf, "\n");
	} else if (format == FW_SHOW_JSONPB) {
		(void)fw_record_json_hubble(&shown->record, shown->node, buf);
		add(buf, "\n");
	} else if (format == FW_SHOW_CSV) {
		csv(shown, buf);
	} else if (shown->record.type == FW_RECORD_LOST) {
		lost(shown, options, buf);
	} else if (format == FW_SHOW_DICT) {
		dict(shown, options, buf);
	} else if (format == FW_SHOW_COMPACT) {
		compact(shown, options, buf);
	} else {
		table(shown, options, buf);
	}
	return buf->error;
}
