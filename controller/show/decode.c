/* SPDX-License-Identifier: Apache-2.0 */
/* Records from JSON; see decode.h. Member names are exact, duplicates: the last wins. */
#include "show/decode.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/cleanup.h"
#include "fw/reasons.h"

#define SECOND_NS UINT64_C(1000000000)

static void free_json(cJSON **json)
{
	cJSON_Delete(*json);
}

/* The last member of this exact name, NULL for none. */
static const cJSON *get(const cJSON *object, const char *name)
{
	const cJSON *item, *found = NULL;

	if (!cJSON_IsObject(object))
		return NULL;
	cJSON_ArrayForEach(item, object) {
		if (item->string && !strcmp(item->string, name))
			found = item;
	}
	return found;
}

static const char *text_of(const cJSON *object, const char *name)
{
	const cJSON *item = get(object, name);

	return cJSON_IsString(item) ? item->valuestring : "";
}

static void copy_text(const cJSON *object, const char *name, char *ret_text, size_t size)
{
	(void)snprintf(ret_text, size, "%s", text_of(object, name));
}

/* A number, or protobuf's 64-bit number in quotes; 0 for anything else. */
static uint64_t number_of(const cJSON *object, const char *name)
{
	const cJSON *item = get(object, name);
	uint64_t number = 0;

	if (cJSON_IsNumber(item))
		return item->valuedouble >= 0 && item->valuedouble < 1e18
			       ? (uint64_t)item->valuedouble
			       : 0;
	if (!cJSON_IsString(item))
		return 0;
	for (const char *s = item->valuestring; *s >= '0' && *s <= '9' && number < UINT64_MAX / 20;
	     s++)
		number = number * 10 + (uint64_t)(*s - '0');
	return number;
}

static uint16_t port_of(const cJSON *object, const char *name)
{
	uint64_t number = number_of(object, name);

	return number <= UINT16_MAX ? (uint16_t)number : 0;
}

int fw_show_parse_time(const char *text, uint64_t *ret_ns)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	uint64_t fraction = 0, unit = SECOND_NS / 10;
	int hours = 0, minutes = 0;
	char sign = 0;
	time_t seconds;

	if (!rest)
		return -EINVAL;
	if (*rest == '.') {
		for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit /= 10)
			fraction += unit * (uint64_t)(*rest - '0');
	}
	if (!strcmp(rest, "Z") || !strcmp(rest, "z"))
		sign = '+';
	else if (strlen(rest) != 6 || sscanf(rest, "%c%2d:%2d", &sign, &hours, &minutes) != 3 ||
		 (sign != '+' && sign != '-'))
		return -EINVAL;
	seconds = timegm(&tm) - (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
	if (seconds < 0 || seconds > INT64_MAX / (int64_t)SECOND_NS)
		return -EINVAL;
	*ret_ns = (uint64_t)seconds * SECOND_NS + fraction;
	return 0;
}

static void read_party(const cJSON *flow, const cJSON *ours, const char *name,
		       struct fw_party *ret_party)
{
	const cJSON *party = get(flow, name);
	const cJSON *workload = cJSON_GetArrayItem(get(party, "workloads"), 0);
	const cJSON *label = cJSON_GetArrayItem(get(party, "labels"), 0);
	static const char reserved[] = "reserved:";

	copy_text(party, "namespace", ret_party->namespace, sizeof(ret_party->namespace));
	copy_text(party, "pod_name", ret_party->pod, sizeof(ret_party->pod));
	if (workload)
		(void)snprintf(ret_party->workload, sizeof(ret_party->workload), "%s/%s",
			       text_of(workload, "kind"), text_of(workload, "name"));
	copy_text(get(ours, name), "entity", ret_party->entity, sizeof(ret_party->entity));
	if (ret_party->entity[0])
		return;
	if (ret_party->pod[0])
		(void)snprintf(ret_party->entity, sizeof(ret_party->entity), "pod");
	else if (cJSON_IsString(label) &&
		 !strncmp(label->valuestring, reserved, sizeof(reserved) - 1))
		(void)snprintf(ret_party->entity, sizeof(ret_party->entity), "%s",
			       label->valuestring + sizeof(reserved) - 1);
}

static uint8_t read_flags(const cJSON *flags)
{
	static const char *const names[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"};
	uint8_t bits = 0;

	for (size_t i = 0; i < 8; i++) {
		if (cJSON_IsTrue(get(flags, names[i])))
			bits |= (uint8_t)(1u << i);
	}
	return bits;
}

static void read_l4(const cJSON *flow, struct fw_record *record)
{
	static const struct {
		const char *name;
		uint8_t protocol;
	} kinds[] = {{"TCP", FW_PROTO_TCP},
		     {"UDP", FW_PROTO_UDP},
		     {"SCTP", FW_PROTO_SCTP},
		     {"ICMPv4", FW_PROTO_ICMP},
		     {"ICMPv6", FW_PROTO_ICMPV6}};
	const cJSON *l4 = get(flow, "l4");

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		const cJSON *item = get(l4, kinds[i].name);

		if (!item)
			continue;
		record->protocol = kinds[i].protocol;
		record->source.port = port_of(item, "source_port");
		record->destination.port = port_of(item, "destination_port");
		record->tcp_flags = read_flags(get(item, "flags"));
		if (kinds[i].protocol == FW_PROTO_ICMP || kinds[i].protocol == FW_PROTO_ICMPV6)
			record->destination.port =
				(uint16_t)((number_of(item, "type") & 0xff) << 8 |
					   (number_of(item, "code") & 0xff));
	}
}

static void read_ip(const cJSON *flow, struct fw_record *record)
{
	const cJSON *ip = get(flow, "IP");

	(void)fw_ip_parse(text_of(ip, "source"), &record->source.ip, NULL);
	(void)fw_ip_parse(text_of(ip, "destination"), &record->destination.ip, NULL);
	record->family = !ip ? 0 : !strcmp(text_of(ip, "ipVersion"), "IPv6") ? 6 : 4;
}

static enum fw_verdict verdict_of(const char *text)
{
	return !strcmp(text, "ALLOW")	 ? FW_VERDICT_ALLOW
	       : !strcmp(text, "REJECT") ? FW_VERDICT_REJECT
					 : FW_VERDICT_DENY;
}

static uint8_t reason_of(const char *text)
{
	static const char *const names[] = {
#define FW_REASON_NAME(symbol, name, drops, text) [FW_REASON_##symbol] = name,
		FW_REASONS(FW_REASON_NAME)
#undef FW_REASON_NAME
	};

	for (uint8_t i = 0; i < FW_REASON_COUNT; i++) {
		if (!strcmp(names[i], text))
			return i;
	}
	return FW_REASON_NONE;
}

static void read_counts(const cJSON *ours, struct fw_record *record)
{
	const cJSON *packets = get(ours, "packets"), *bytes = get(ours, "bytes");

	record->packets[0] = number_of(packets, "forward");
	record->packets[1] = number_of(packets, "backward");
	record->bytes[0] = number_of(bytes, "forward");
	record->bytes[1] = number_of(bytes, "backward");
	record->repeats = number_of(ours, "repeats");
	record->duration_ns = number_of(ours, "durationNs");
	record->sequence = number_of(ours, "sequence");
	record->flow = get(ours, "flow") ? (uint32_t)number_of(ours, "flow") : FW_NO_SLOT;
}

static void read_ours(const cJSON *ours, struct fw_record *record)
{
	static const char *const types[] = {"NEW", "END", "DENY", "CHANGE", "DROP", "LOST"};
	uint64_t protocol = number_of(ours, "protocol"), flags = number_of(ours, "tcpFlags");

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		if (!strcmp(text_of(ours, "type"), types[i]))
			record->type = (enum fw_record_type)i;
	}
	record->verdict = verdict_of(text_of(ours, "verdict"));
	record->pending = verdict_of(text_of(ours, "pending"));
	record->audited = cJSON_IsTrue(get(ours, "audited"));
	record->inexact = cJSON_IsTrue(get(ours, "inexact"));
	record->reason = reason_of(text_of(ours, "reason"));
	record->protocol = protocol <= UINT8_MAX ? (uint8_t)protocol : 0;
	record->tcp_flags = flags <= UINT8_MAX ? (uint8_t)flags : 0;
	copy_text(ours, "rule", record->rule, sizeof(record->rule));
	copy_text(ours, "ruleBefore", record->rule_before, sizeof(record->rule_before));
	copy_text(ours, "pendingRule", record->pending_rule, sizeof(record->pending_rule));
	copy_text(ours, "service", record->service, sizeof(record->service));
	copy_text(ours, "backend", record->backend, sizeof(record->backend));
	read_counts(ours, record);
}

/* A line of Hubble's own: the nearest that it says. */
static void guess(const cJSON *flow, struct fw_record *record)
{
	const char *verdict = text_of(flow, "verdict");

	record->flow = FW_NO_SLOT;
	record->type = !strcmp(verdict, "DROPPED") ? FW_RECORD_DENY : FW_RECORD_NEW;
	record->verdict = record->type == FW_RECORD_DENY ? FW_VERDICT_DENY : FW_VERDICT_ALLOW;
	record->pending = record->verdict;
	record->audited = !strcmp(verdict, "AUDIT");
	record->reason =
		record->type == FW_RECORD_DENY ? FW_REASON_POLICY_DENY : FW_REASON_POLICY_ALLOW;
}

int fw_show_decode(const char *line, size_t len, struct fw_shown *ret_shown, struct fw_err *err)
{
	const char *end = NULL;
	_cleanup_(free_json) cJSON *json = cJSON_ParseWithLengthOpts(line, len, &end, false);
	const cJSON *flow = get(json, "flow"), *lost = get(json, "lost_events"),
		    *ours = get(json, "podwall");
	struct fw_record *record = &ret_shown->record;

	if (!json || end != line + len)
		return fw_err_set(err, -EINVAL, "not one JSON object on a line");
	if (!flow && !lost)
		flow = get(json, "verdict") ? json : NULL;
	if (!cJSON_IsObject(flow) && !cJSON_IsObject(lost))
		return fw_err_set(err, -EINVAL,
				  "no flow: neither \"verdict\" nor \"lost_events\" in it");
	memset(ret_shown, 0, sizeof(*ret_shown));
	ret_shown->line = line;
	ret_shown->len = len;
	copy_text(json, "node_name", ret_shown->node, sizeof(ret_shown->node));
	if (fw_show_parse_time(text_of(json, "time"), &record->time_ns) &&
	    fw_show_parse_time(text_of(flow, "time"), &record->time_ns))
		return fw_err_set(err, -EINVAL, "time \"%.40s\" is not RFC 3339",
				  text_of(json, "time"));
	if (!flow) {
		record->type = FW_RECORD_LOST;
		record->repeats = number_of(lost, "num_events_lost");
		return 0;
	}
	read_ip(flow, record);
	if (ours)
		read_ours(ours, record);
	else
		guess(flow, record);
	read_l4(flow, record);
	read_party(flow, ours, "source", &record->source);
	read_party(flow, ours, "destination", &record->destination);
	record->direction =
		!strcmp(text_of(flow, "traffic_direction"), "EGRESS") ? FW_EGRESS : FW_INGRESS;
	return 0;
}
