/* SPDX-License-Identifier: Apache-2.0 */
/* Times, amounts and names as people read them; see print.h. */
#include "show/print.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define SECOND_NS    UINT64_C(1000000000)
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

int fw_show_parse_format(const char *text, enum fw_show_format *ret_format, struct fw_err *err)
{
	static const char *const names[] = {"compact", "table", "wide",	 "dict",
					    "csv",     "json",	"jsonpb"};

	for (size_t i = 0; i < COUNT(names); i++) {
		if (!strcmp(text, names[i])) {
			*ret_format = (enum fw_show_format)i;
			return 0;
		}
	}
	return fw_err_set(err, -EINVAL,
			  "\"%s\" is none of compact, table, wide, dict, csv, json, jsonpb", text);
}

int fw_show_parse_time_format(const char *text, enum fw_show_time *ret_time, struct fw_err *err)
{
	static const struct {
		const char *name;
		enum fw_show_time time;
	} names[] = {
		{"Time", FW_TIME_SHORT},
		{"StampMilli", FW_TIME_STAMP},
		{"RFC3339", FW_TIME_RFC3339},
		{"RFC3339Milli", FW_TIME_RFC3339_MILLI},
		{"YYYY-MM-DDTHH:MM:SS.sssZ", FW_TIME_RFC3339_MILLI},
		{"RFC3339Micro", FW_TIME_RFC3339_MICRO},
		{"RFC3339Nano", FW_TIME_RFC3339_NANO},
		{"RFC1123Z", FW_TIME_RFC1123Z},
	};

	for (size_t i = 0; i < COUNT(names); i++) {
		if (!strcasecmp(text, names[i].name)) {
			*ret_time = names[i].time;
			return 0;
		}
	}
	return fw_err_set(err, -EINVAL,
			  "\"%s\" is none of Time, StampMilli, RFC3339, RFC3339Milli, "
			  "RFC3339Micro, RFC3339Nano, "
			  "RFC1123Z",
			  text);
}

void fw_show_time_text(uint64_t time_ns, enum fw_show_time format, struct fw_buf *buf)
{
	time_t seconds = (time_t)(time_ns / SECOND_NS);
	uint64_t fraction = time_ns % SECOND_NS;
	bool utc = format >= FW_TIME_RFC3339 && format <= FW_TIME_RFC3339_NANO;
	struct tm tm = {0};
	char text[64];
	size_t len;

	if (utc)
		(void)gmtime_r(&seconds, &tm);
	else
		(void)localtime_r(&seconds, &tm);
	if (format == FW_TIME_SHORT)
		len = strftime(text, sizeof(text), "%H:%M:%S", &tm);
	else if (format == FW_TIME_STAMP)
		len = strftime(text, sizeof(text), "%b %e %H:%M:%S", &tm);
	else if (format == FW_TIME_RFC1123Z)
		len = strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S %z", &tm);
	else
		len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)fw_buf_append(buf, text, len);
	if (format == FW_TIME_SHORT || format == FW_TIME_STAMP || format == FW_TIME_RFC3339_MILLI)
		(void)fw_buf_printf(buf, ".%03u", (unsigned int)(fraction / 1000000));
	if (format == FW_TIME_RFC3339_MICRO)
		(void)fw_buf_printf(buf, ".%06u", (unsigned int)(fraction / 1000));
	if (format == FW_TIME_RFC3339_NANO)
		(void)fw_buf_printf(buf, ".%09u", (unsigned int)fraction);
	if (utc)
		(void)fw_buf_append(buf, "Z", 1);
}

void fw_show_bytes(uint64_t bytes, struct fw_buf *buf)
{
	static const char units[] = "kMGTPE";
	uint64_t unit = 1000;
	size_t i = 0;

	if (bytes < 1000) {
		(void)fw_buf_printf(buf, "%" PRIu64, bytes);
		return;
	}
	while (i + 2 < sizeof(units) && bytes / unit >= 1000) {
		unit *= 1000;
		i++;
	}
	if (bytes / unit < 10)
		(void)fw_buf_printf(buf, "%" PRIu64 ".%" PRIu64 "%c", bytes / unit,
				    bytes % unit / (unit / 10), units[i]);
	else
		(void)fw_buf_printf(buf, "%" PRIu64 "%c", bytes / unit, units[i]);
}

void fw_show_duration(uint64_t ns, struct fw_buf *buf)
{
	uint64_t seconds = ns / SECOND_NS;

	if (ns < SECOND_NS)
		(void)fw_buf_printf(buf, "%" PRIu64 "ms", ns / 1000000);
	else if (seconds < 60)
		(void)fw_buf_printf(buf, "%" PRIu64 ".%" PRIu64 "s", seconds,
				    ns % SECOND_NS / (SECOND_NS / 10));
	else if (seconds < 3600)
		(void)fw_buf_printf(buf, "%" PRIu64 "m%" PRIu64 "s", seconds / 60, seconds % 60);
	else if (seconds < 86400)
		(void)fw_buf_printf(buf, "%" PRIu64 "h%" PRIu64 "m", seconds / 3600,
				    seconds % 3600 / 60);
	else
		(void)fw_buf_printf(buf, "%" PRIu64 "d%" PRIu64 "h", seconds / 86400,
				    seconds % 86400 / 3600);
}

/* Bytes of the first `columns` characters, never half of one. */
static size_t head_bytes(const char *text, size_t columns)
{
	size_t at = 0;
	uint32_t code;

	while (columns-- && text[at])
		at += fw_utf8_next(text + at, &code);
	return at;
}

static size_t width_of(const char *text)
{
	size_t width = 0;
	uint32_t code;

	while (*text) {
		text += fw_utf8_next(text, &code);
		width++;
	}
	return width;
}

void fw_show_cut(const char *text, size_t columns, struct fw_buf *buf)
{
	struct fw_buf plain;
	size_t width, head, tail;

	fw_buf_init(&plain, 16384);
	if (fw_buf_append_escaped(&plain, text) || !plain.data) {
		fw_buf_done(&plain);
		return;
	}
	width = width_of(plain.data);
	if (width <= columns || columns < 5) {
		(void)fw_buf_append(buf, plain.data, plain.len);
	} else {
		head = (columns - 2 + 1) / 2;
		tail = columns - 2 - head;
		(void)fw_buf_append(buf, plain.data, head_bytes(plain.data, head));
		(void)fw_buf_append(buf, "..", 2);
		head = head_bytes(plain.data, width - tail);
		(void)fw_buf_append(buf, plain.data + head, plain.len - head);
	}
	fw_buf_done(&plain);
}

const char *fw_show_protocol(uint8_t protocol, char text[8])
{
	switch (protocol) {
	case FW_PROTO_ICMP:
		return "icmp";
	case 2: /* IANA protocol numbers */
		return "igmp";
	case 47:
		return "gre";
	case 50:
		return "esp";
	case FW_PROTO_TCP:
		return "tcp";
	case FW_PROTO_UDP:
		return "udp";
	case FW_PROTO_ICMPV6:
		return "icmpv6";
	case FW_PROTO_SCTP:
		return "sctp";
	default:
		(void)snprintf(text, 8, "ip/%u", protocol);
		return text;
	}
}
