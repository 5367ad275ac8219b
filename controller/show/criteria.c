/* SPDX-License-Identifier: Apache-2.0 */
/* What each filter option means; see criteria.h. Pods and services match by prefix, as Hubble's do.
 */
#include "show/criteria.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fw/reasons.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static int parse_text(const char *text, struct fw_criterion_value *ret_value, struct fw_err *err)
{
	(void)ret_value;
	return *text ? 0 : fw_err_set(err, -EINVAL, "needs a value");
}

static int parse_nothing(const char *text, struct fw_criterion_value *ret_value, struct fw_err *err)
{
	(void)ret_value;
	return *text ? fw_err_set(err, -EINVAL, "takes no value") : 0;
}

static int parse_number(const char *text, size_t len, uint32_t max, uint32_t *ret_number,
			struct fw_err *err)
{
	uint64_t number = 0;

	for (size_t i = 0; i < len && number <= max; i++) {
		if (text[i] < '0' || text[i] > '9')
			return fw_err_set(err, -EINVAL, "\"%s\" is not a number", text);
		number = number * 10 + (uint64_t)(text[i] - '0');
	}
	if (!len || number > max)
		return fw_err_set(err, -EINVAL, "\"%s\" is out of range (0 to %u)", text, max);
	*ret_number = (uint32_t)number;
	return 0;
}

/* "8080" or "8000-8100" */
static int parse_port(const char *text, struct fw_criterion_value *ret_value, struct fw_err *err)
{
	const char *dash = strchr(text, '-');
	size_t len = dash ? (size_t)(dash - text) : strlen(text);
	int r = parse_number(text, len, UINT16_MAX, &ret_value->lo, err);

	ret_value->hi = ret_value->lo;
	if (!r && dash)
		r = parse_number(dash + 1, strlen(dash + 1), UINT16_MAX, &ret_value->hi, err);
	if (!r && ret_value->hi < ret_value->lo)
		r = fw_err_set(err, -EINVAL, "\"%s\" ends before it begins", text);
	return r;
}

static int parse_ip(const char *text, struct fw_criterion_value *ret_value, struct fw_err *err)
{
	if (strchr(text, '/'))
		return fw_prefix_parse(text, &ret_value->prefix, err);
	ret_value->prefix.bits = 128;
	return fw_ip_parse(text, &ret_value->prefix.ip, err);
}

/* Records carry no pod labels; what Hubble calls reserved labels are our entities. */
static int parse_label(const char *text, struct fw_criterion_value *ret_value, struct fw_err *err)
{
	static const char *const entities[] = {"reserved:world", "reserved:unknown-pod",
					       "reserved:node", "reserved:host"};

	(void)ret_value;
	for (size_t i = 0; i < COUNT(entities); i++) {
		if (!strcmp(text, entities[i]))
			return 0;
	}
	return fw_err_set(
		err, -EINVAL,
		"\"%s\": records carry no pod labels, only reserved:world, reserved:unknown-pod, "
		"reserved:node, reserved:host; use --workload, --pod or --namespace",
		text);
}

struct word {
	const char *name;
	uint64_t bits;
	bool impossible;
};

static int parse_word(const struct word *words, size_t count, const char *text,
		      struct fw_criterion_value *ret_value, struct fw_err *err)
{
	char known[256] = "";
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(words[i].name);

		if (!strcasecmp(text, words[i].name)) {
			ret_value->bits = words[i].bits;
			ret_value->impossible = words[i].impossible;
			return 0;
		}
		if (words[i].impossible || used + len + 3 > sizeof(known))
			continue;
		if (used) {
			memcpy(known + used, ", ", 2);
			used += 2;
		}
		memcpy(known + used, words[i].name, len + 1);
		used += len;
	}
	return fw_err_set(err, -EINVAL, "\"%s\" is none of %s", text, known);
}

enum { VERDICT_FORWARDED = 1, VERDICT_DROPPED = 2, VERDICT_AUDIT = 4 };

static int parse_verdict(const char *text, struct fw_criterion_value *ret_value, struct fw_err *err)
{
	static const struct word words[] = {{"FORWARDED", VERDICT_FORWARDED, false},
					    {"DROPPED", VERDICT_DROPPED, false},
					    {"AUDIT", VERDICT_AUDIT, false},
					    {"REDIRECTED", 0, true},
					    {"ERROR", 0, true},
					    {"TRACED", 0, true},
					    {"TRANSLATED", 0, true}};

	return parse_word(words, COUNT(words), text, ret_value, err);
}

#define TYPE(type) (1u << FW_RECORD_##type)

static int parse_type(const char *text, struct fw_criterion_value *ret_value, struct fw_err *err)
{
	static const struct word words[] = {
		{"new", TYPE(NEW), false},
		{"end", TYPE(END), false},
		{"deny", TYPE(DENY), false},
		{"change", TYPE(CHANGE), false},
		{"invalid", TYPE(DROP), false},
		{"lost", TYPE(LOST), false},
		{"drop", TYPE(DENY) | TYPE(DROP), false},
		{"policy-verdict", TYPE(NEW) | TYPE(DENY) | TYPE(CHANGE), false},
		{"trace", TYPE(NEW) | TYPE(END), false},
		{"l7", 0, true},
		{"capture", 0, true},
		{"trace-sock", 0, true}};
	char head[32];
	size_t len = strcspn(text, ":");

	if (len >= sizeof(head))
		return parse_word(words, COUNT(words), text, ret_value, err);
	memcpy(head, text, len);
	head[len] = '\0';
	return parse_word(words, COUNT(words), head, ret_value, err);
}

static int parse_protocol(const char *text, struct fw_criterion_value *ret_value,
			  struct fw_err *err)
{
	static const struct word words[] = {
		{"tcp", 1u << 0, false},  {"udp", 1u << 1, false},    {"sctp", 1u << 2, false},
		{"icmp", 3u << 3, false}, {"icmpv4", 1u << 3, false}, {"icmpv6", 1u << 4, false},
		{"http", 0, true},	  {"dns", 0, true},	      {"kafka", 0, true}};

	if (*text < '0' || *text > '9')
		return parse_word(words, COUNT(words), text, ret_value, err);
	ret_value->bits = 0;
	return parse_number(text, strlen(text), UINT8_MAX, &ret_value->lo, err);
}

static int parse_direction(const char *text, struct fw_criterion_value *ret_value,
			   struct fw_err *err)
{
	static const struct word words[] = {{"ingress", 1u << FW_INGRESS, false},
					    {"egress", 1u << FW_EGRESS, false}};

	return parse_word(words, COUNT(words), text, ret_value, err);
}

static int parse_family(const char *text, struct fw_criterion_value *ret_value, struct fw_err *err)
{
	static const struct word words[] = {{"v4", 4, false},
					    {"v6", 6, false},
					    {"none", 0, false},
					    {"ipv4", 4, false},
					    {"ipv6", 6, false}};

	return parse_word(words, COUNT(words), text, ret_value, err);
}

/* "SYN,ACK": all of them; several options are alternatives. */
static int parse_flags(const char *text, struct fw_criterion_value *ret_value, struct fw_err *err)
{
	static const char *const names[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"};

	ret_value->bits = 0;
	while (true) {
		size_t len = strcspn(text, ","), i = 0;

		while (i < COUNT(names) && (len != 3 || strncasecmp(text, names[i], 3) != 0))
			i++;
		if (i == COUNT(names))
			return fw_err_set(
				err, -EINVAL,
				"\"%.*s\" is none of SYN, ACK, FIN, RST, PSH, URG, ECE, CWR",
				(int)len, text);
		ret_value->bits |= 1u << i;
		if (!text[len])
			return 0;
		text += len + 1;
	}
}

static bool reason_is(const char *text, uint8_t reason)
{
	static const char *const names[] = {
#define FW_REASON_NAME(symbol, name, drops, text) [FW_REASON_##symbol] = name,
		FW_REASONS(FW_REASON_NAME)
#undef FW_REASON_NAME
	};

	return reason < COUNT(names) && !strcasecmp(text, names[reason]);
}

/* Our names (reasons.h) or those that Hubble gives them, which are upper case with underscores. */
static int parse_reason(const char *text, struct fw_criterion_value *ret_value, struct fw_err *err)
{
	bool upper = *text != '\0';

	for (const char *s = text; *s; s++)
		upper = upper &&
			((*s >= 'A' && *s <= 'Z') || *s == '_' || (*s >= '0' && *s <= '9'));
	ret_value->bits = upper;
	if (upper)
		return 0;
	for (uint8_t reason = 0; reason < FW_REASON_COUNT; reason++) {
		if (reason_is(text, reason))
			return 0;
	}
	return fw_err_set(err, -EINVAL,
			  "no reason is called \"%s\" (policy-deny, flow-denied, isolated, "
			  "spoofed-address, ...: "
			  "`fwctl flows --help reasons` lists them)",
			  text);
}

static bool party_ip(const struct fw_criterion_value *value, const struct fw_record *record,
		     const struct fw_party *party)
{
	return record->family && fw_prefix_contains(&value->prefix, &party->ip);
}

/* Prefix of a name, or a pattern when it holds * or ?. */
static bool name_like(const char *pattern, const char *name)
{
	if (strpbrk(pattern, "*?"))
		return !fnmatch(pattern, name, 0);
	return !strncmp(pattern, name, strlen(pattern));
}

/* "[namespace/]name": without a namespace in any. */
static bool in_namespace(const char *text, const char *namespace, const char **ret_name)
{
	const char *slash = strchr(text, '/');

	*ret_name = slash ? slash + 1 : text;
	return !slash || (strlen(namespace) == (size_t)(slash - text) &&
			  !strncmp(text, namespace, strlen(namespace)));
}

static bool party_pod(const struct fw_criterion_value *value, const struct fw_record *record,
		      const struct fw_party *party)
{
	const char *name;

	(void)record;
	return party->pod[0] && in_namespace(value->text, party->namespace, &name) &&
	       name_like(name, party->pod);
}

static bool party_label(const struct fw_criterion_value *value, const struct fw_record *record,
			const struct fw_party *party)
{
	(void)record;
	return !strcmp(value->text + strlen("reserved:"), party->entity);
}

/* A service's address belongs to the service's namespace. */
static bool party_namespace(const struct fw_criterion_value *value, const struct fw_record *record,
			    const struct fw_party *party)
{
	size_t len = strlen(value->text);

	if (!strcmp(party->entity, "service"))
		return !strncmp(record->service, value->text, len) && record->service[len] == '/';
	return !strcmp(value->text, party->namespace) && party->pod[0];
}

static bool party_service(const struct fw_criterion_value *value, const struct fw_record *record,
			  const struct fw_party *party)
{
	const char *text = !strncmp(value->text, "svc/", 4) ? value->text + 4 : value->text;
	const char *slash = strchr(record->service, '/');
	char namespace[64] = "";
	const char *name;

	if (strcmp(party->entity, "service") != 0 || !slash ||
	    (size_t)(slash - record->service) >= sizeof(namespace))
		return false;
	memcpy(namespace, record->service, (size_t)(slash - record->service));
	return in_namespace(text, namespace, &name) && name_like(name, slash + 1);
}

static bool party_port(const struct fw_criterion_value *value, const struct fw_record *record,
		       const struct fw_party *party)
{
	bool ports = record->protocol == FW_PROTO_TCP || record->protocol == FW_PROTO_UDP ||
		     record->protocol == FW_PROTO_SCTP;

	return ports && party->port >= value->lo && party->port <= value->hi;
}

static bool kind_is(const char *text, size_t len, const char *kind, size_t kind_len)
{
	static const char *const shorts[][2] = {{"deploy", "Deployment"}, {"ds", "DaemonSet"},
						{"sts", "StatefulSet"},	  {"rs", "ReplicaSet"},
						{"job", "Job"},		  {"cj", "CronJob"}};

	if (len == kind_len && !strncasecmp(text, kind, len))
		return true;
	for (size_t i = 0; i < COUNT(shorts); i++) {
		if (strlen(shorts[i][0]) == len && !strncasecmp(text, shorts[i][0], len))
			return strlen(shorts[i][1]) == kind_len &&
			       !strncmp(kind, shorts[i][1], kind_len);
	}
	return false;
}

/* "web", "deploy/web", "Deployment/web" or, with a namespace, "shop/web". */
static bool party_workload(const struct fw_criterion_value *value, const struct fw_record *record,
			   const struct fw_party *party)
{
	const char *name = strchr(party->workload, '/'), *slash = strchr(value->text, '/');
	size_t len = slash ? (size_t)(slash - value->text) : 0;

	(void)record;
	if (!name || strcmp(slash ? slash + 1 : value->text, name + 1) != 0)
		return false;
	return !slash ||
	       kind_is(value->text, len, party->workload, (size_t)(name - party->workload)) ||
	       (strlen(party->namespace) == len && !strncmp(value->text, party->namespace, len));
}

const char *fw_show_verdict(const struct fw_record *record)
{
	if (record->type == FW_RECORD_LOST)
		return "";
	if (record->type == FW_RECORD_DROP || record->verdict != FW_VERDICT_ALLOW)
		return "DROPPED";
	return record->audited || record->pending != FW_VERDICT_ALLOW ? "AUDIT" : "FORWARDED";
}

static bool record_verdict(const struct fw_criterion_value *value, const struct fw_shown *shown)
{
	const char *verdict = fw_show_verdict(&shown->record);
	uint64_t bit = verdict[0] == 'F'   ? VERDICT_FORWARDED
		       : verdict[0] == 'D' ? VERDICT_DROPPED
					   : VERDICT_AUDIT;

	return (value->bits & bit) != 0;
}

static bool record_denied(const struct fw_criterion_value *value, const struct fw_shown *shown)
{
	(void)value;
	return fw_show_verdict(&shown->record)[0] == 'D';
}

static bool record_pending(const struct fw_criterion_value *value, const struct fw_shown *shown)
{
	(void)value;
	return shown->record.type != FW_RECORD_DROP &&
	       (shown->record.pending != shown->record.verdict || shown->record.audited);
}

static bool record_type(const struct fw_criterion_value *value, const struct fw_shown *shown)
{
	return (value->bits & (1u << shown->record.type)) != 0;
}

static bool record_protocol(const struct fw_criterion_value *value, const struct fw_shown *shown)
{
	static const uint8_t numbers[] = {FW_PROTO_TCP, FW_PROTO_UDP, FW_PROTO_SCTP, FW_PROTO_ICMP,
					  FW_PROTO_ICMPV6};

	for (size_t i = 0; value->bits && i < COUNT(numbers); i++) {
		if ((value->bits & (1u << i)) && shown->record.protocol == numbers[i])
			return true;
	}
	return !value->bits && !value->impossible && shown->record.protocol == value->lo;
}

static bool record_flags(const struct fw_criterion_value *value, const struct fw_shown *shown)
{
	return shown->record.protocol == FW_PROTO_TCP &&
	       (shown->record.tcp_flags & value->bits) == value->bits;
}

static bool record_direction(const struct fw_criterion_value *value, const struct fw_shown *shown)
{
	return (value->bits & (1u << shown->record.direction)) != 0;
}

static bool record_family(const struct fw_criterion_value *value, const struct fw_shown *shown)
{
	return shown->record.family == value->bits;
}

static bool record_node(const struct fw_criterion_value *value, const struct fw_shown *shown)
{
	return !fnmatch(value->text, shown->node, 0);
}

static bool record_reason(const struct fw_criterion_value *value, const struct fw_shown *shown)
{
	const char *hubble = fw_record_drop_name(&shown->record);

	if (!record_denied(value, shown))
		return false;
	return value->bits ? !strcmp(value->text, hubble)
			   : reason_is(value->text, shown->record.reason);
}

/* The name as a whole word of the rule's text: "shop/api", "netpol shop/api", "api", "isolated". */
static bool names_rule(const char *rule, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = strstr(rule, name); at; at = strstr(at + 1, name)) {
		if ((at == rule || strchr(" /", at[-1])) && strchr(" [#(,", at[len]))
			return true;
	}
	return false;
}

static bool record_policy(const struct fw_criterion_value *value, const struct fw_shown *shown)
{
	return names_rule(shown->record.rule, value->text) ||
	       names_rule(shown->record.rule_before, value->text) ||
	       names_rule(shown->record.pending_rule, value->text);
}

static const struct fw_criterion_kind kinds[] = {
	{"ip", true, parse_ip, party_ip, NULL},
	{"pod", true, parse_text, party_pod, NULL},
	{"label", true, parse_label, party_label, NULL},
	{"namespace", true, parse_text, party_namespace, NULL},
	{"service", true, parse_text, party_service, NULL},
	{"workload", true, parse_text, party_workload, NULL},
	{"port", true, parse_port, party_port, NULL},
	{"verdict", false, parse_verdict, NULL, record_verdict},
	{"type", false, parse_type, NULL, record_type},
	{"protocol", false, parse_protocol, NULL, record_protocol},
	{"tcp-flags", false, parse_flags, NULL, record_flags},
	{"traffic-direction", false, parse_direction, NULL, record_direction},
	{"ip-version", false, parse_family, NULL, record_family},
	{"node-name", false, parse_text, NULL, record_node},
	{"drop-reason", false, parse_reason, NULL, record_reason},
	{"policy", false, parse_text, NULL, record_policy},
	{"denied", false, parse_nothing, NULL, record_denied},
	{"pending", false, parse_nothing, NULL, record_pending},
};

const struct fw_criterion_kind *fw_criterion_find(const char *name)
{
	for (size_t i = 0; i < COUNT(kinds); i++) {
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	}
	return NULL;
}
