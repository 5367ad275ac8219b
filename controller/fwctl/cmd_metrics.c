/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `fwctl metrics`: this node's status as numbers with names. In: the answer to "status". Out: the
 * text format of Prometheus (exposition format 0.0.4): seconds, bytes, counters since the start.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "output.h"

static const char help[] =
	"usage: fwctl metrics [-o json|yaml] [--server PATH]\n"
	"\n"
	"This node's numbers in the text format of Prometheus: coverage, age of the view\n"
	"of the API server, tables, packets by reason, records made and lost, times.\n"
	"For node_exporter's textfile collector, or any agent that runs a command.\n"
	"\n"
	"  fwctl metrics\n"
	"  fwctl metrics > p.tmp && mv p.tmp /var/lib/node_exporter/podwall.prom\n"
	"  fwctl metrics | grep '^podwall_packets_total.*drops=\"true\"'\n";

#define METRICS_MAX (4u << 20) /* bytes; longer: a failure */

enum form {
	NUMBER,
	MILLISECONDS, /* told in seconds */
	TRUTH,	      /* 0 or 1 */
	TIME,	      /* RFC 3339, told in seconds since 1970; 0 for never */
	ROWS,	      /* how many stand in a list */
	EXACTLY,      /* 1 where the text is `wanted` */
};

/*
 * One family. `place`: where in the answer, a name or two with a dot; NULL: the answer itself.
 * Without `label` it has one sample, `field` of that place. With `label` and `field`, one for each
 * row of the list there, labelled by the row's `name`. With `label` alone, one for each number in
 * the object there, labelled by its name.
 */
struct family {
	const char *name, *type, *help;
	const char *place, *field, *label, *wanted;
	enum form form;
};

#define STREAMS .place = "source.streams", .label = "kind"
static const struct family families[] = {
	{"healthy", "gauge", "1 when nothing is wrong on this node", .field = "healthy",
	 .form = TRUTH},
	{"problems", "gauge", "what fwctl status says is wrong", .field = "problems", .form = ROWS},
	{"audit", "gauge", "1 when the node is in Audit: nothing is denied by policy",
	 .field = "enforcement", .wanted = "Audit", .form = EXACTLY},
	{"start_time_seconds", "gauge", "when podwalld started", .field = "started", .form = TIME},
	{"pods", "gauge", "pods of this node, by state", .place = "endpoints", .label = "state"},
	{"hooks", "gauge", "pods of this node, by what carries the programs", .place = "hooks",
	 .label = "kind"},
	{"objects", "gauge", "objects known", .place = "objects", .label = "kind"},
	{"object_errors", "gauge", "objects that cannot be read, or not whole", .field = "errors",
	 .form = ROWS},
	{"policies", "gauge", "policies, by mode", .place = "policies", .label = "mode"},
	{"policies_broken", "gauge", "policies that fail closed", .place = "policies",
	 .field = "broken", .form = ROWS},
	{"source_connected", "gauge", "1 when objects are told of as they change",
	 .place = "source", .field = "connected", .form = TRUTH},
	{"source_ready", "gauge", "1 when every kind was listed once", .place = "source",
	 .field = "ready", .form = TRUTH},
	{"source_changed_timestamp_seconds", "gauge", "when the view changed last",
	 .place = "source", .field = "since", .form = TIME},
	{"watch_connected", "gauge", "1 while this kind is watched", STREAMS, .field = "connected",
	 .form = TRUTH},
	{"watch_connected_since_timestamp_seconds", "gauge", "since when this kind is watched",
	 STREAMS, .field = "connectedSince", .form = TIME},
	{"watch_last_event_timestamp_seconds", "gauge",
	 "when the server last said something of this kind", STREAMS, .field = "lastEvent",
	 .form = TIME},
	{"watch_objects", "gauge", "objects of this kind in the view", STREAMS, .field = "objects"},
	{"watch_backlog", "gauge", "changes of this kind that are not compiled yet", STREAMS,
	 .field = "backlog"},
	{"watch_events_total", "counter", "events of this kind", STREAMS, .field = "events"},
	{"watch_lists_total", "counter", "complete lists of this kind", STREAMS, .field = "lists"},
	{"watch_connects_total", "counter", "requests for this kind", STREAMS, .field = "connects"},
	{"watch_faults_total", "counter", "requests for this kind that failed", STREAMS,
	 .field = "faults"},
	{"watch_received_bytes_total", "counter", "bytes read for this kind", STREAMS,
	 .field = "bytes"},
	{"map_entries", "gauge", "rows used", .place = "maps", .field = "used", .label = "map"},
	{"map_capacity", "gauge", "rows that there are", .place = "maps", .field = "capacity",
	 .label = "map"},
	{"flow_records_total", "counter", "flow records made", .place = "records", .field = "made"},
	{"flow_records_lost_total", "counter", "flow records that were lost, each counted",
	 .place = "records", .field = "lost"},
	{"revision", "gauge", "changes of the view", .field = "revision"},
	{"revision_applied", "gauge", "the last of them that is in force", .field = "applied"},
	{"change_compile_seconds", "gauge", "of the last change", .place = "latency",
	 .field = "compileMs", .form = MILLISECONDS},
	{"change_apply_seconds", "gauge", "of the last change", .place = "latency",
	 .field = "applyMs", .form = MILLISECONDS},
	{"change_seconds", "gauge", "event to verdict in force, of the last change",
	 .place = "latency", .field = "totalMs", .form = MILLISECONDS},
	{"change_max_seconds", "gauge", "the longest since podwalld started", .place = "latency",
	 .field = "maxTotalMs", .form = MILLISECONDS},
	{"after_dnat_needed", "gauge", "1 when a service here is judged after DNAT",
	 .place = "afterDnat", .field = "needed", .form = TRUTH},
	{"after_dnat_stands", "gauge", "1 when the chain for it was read back",
	 .place = "afterDnat", .field = "stands", .form = TRUTH},
	{"after_dnat_elements", "gauge", "elements of its sets", .place = "afterDnat",
	 .field = "rows"},
};
#undef STREAMS

/* Seconds since 1970 of a time as podwalld writes it; 0 where there is none. */
static double seconds_of(const char *text)
{
	struct tm tm = {0};

	return strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) ? (double)timegm(&tm) : 0;
}

static double value_of(const struct family *family, const cJSON *place)
{
	const char *field = family->field;

	switch (family->form) {
	case MILLISECONDS:
		return fw_json_number(place, field) / 1000;
	case TRUTH:
		return fw_json_true(place, field);
	case TIME:
		return seconds_of(fw_json_text(place, field));
	case ROWS:
		return cJSON_GetArraySize(fw_json_get(place, field));
	case EXACTLY:
		return !strcmp(fw_json_text(place, field), family->wanted);
	default:
		return fw_json_number(place, field);
	}
}

/* A label's value: what a terminal may see, then as the format quotes it. */
static void add_quoted(struct fw_buf *out, const char *text)
{
	struct fw_buf shown;

	fw_buf_init(&shown, METRICS_MAX);
	(void)fw_buf_append_escaped(&shown, text);
	(void)fw_buf_append(out, "\"", 1);
	for (const char *at = shown.data ? shown.data : ""; *at; at++) {
		if (*at == '"' || *at == '\\')
			(void)fw_buf_append(out, "\\", 1);
		(void)fw_buf_append(out, at, 1);
	}
	(void)fw_buf_append(out, "\"", 1);
	fw_buf_done(&shown);
}

static void add_head(struct fw_buf *out, const char *name, const char *type, const char *text)
{
	(void)fw_buf_printf(out, "# HELP podwall_%s %s\n# TYPE podwall_%s %s\n", name, text, name,
			    type);
}

static void add_sample(struct fw_buf *out, const struct family *family, const char *label,
		       double value)
{
	(void)fw_buf_printf(out, "podwall_%s", family->name);
	if (label) {
		(void)fw_buf_printf(out, "{%s=", family->label);
		add_quoted(out, label);
		(void)fw_buf_append(out, "}", 1);
	}
	(void)fw_buf_printf(out, " %.15g\n", value);
}

static const cJSON *place_of(const cJSON *answer, const char *place)
{
	const char *dot = place ? strchr(place, '.') : NULL;
	char first[32];

	if (!place)
		return answer;
	if (!dot)
		return fw_json_get(answer, place);
	(void)snprintf(first, sizeof(first), "%.*s", (int)(dot - place), place);
	return fw_json_get(fw_json_get(answer, first), dot + 1);
}

static void add_family(struct fw_buf *out, const struct family *family, const cJSON *answer)
{
	const cJSON *place = place_of(answer, family->place), *row;

	if (!place)
		return;
	add_head(out, family->name, family->type, family->help);
	if (!family->label) {
		add_sample(out, family, NULL, value_of(family, place));
		return;
	}
	cJSON_ArrayForEach(row, place) {
		if (family->field)
			add_sample(out, family, fw_json_text(row, "name"), value_of(family, row));
		else if (cJSON_IsNumber(row) && strcmp(row->string, "total") != 0)
			add_sample(out, family, row->string, row->valuedouble);
	}
}

static void add_build(struct fw_buf *out, const cJSON *answer)
{
	add_head(out, "build_info", "gauge", "podwalld's version and node, always 1");
	(void)fw_buf_printf(out, "podwall_build_info{version=");
	add_quoted(out, fw_json_text(answer, "version"));
	(void)fw_buf_printf(out, ",abi=\"%.0f\",node=", fw_json_number(answer, "abi"));
	add_quoted(out, fw_json_text(answer, "node"));
	(void)fw_buf_printf(out, "} 1\n");
}

/* One family of packets or of bytes, by reason and direction. */
static void add_reasons(struct fw_buf *out, const cJSON *answer, const char *field,
			const char *text)
{
	static const char *const directions[] = {"in", "out"};
	const cJSON *row;
	char name[32];

	(void)snprintf(name, sizeof(name), "%s_total", field);
	add_head(out, name, "counter", text);
	cJSON_ArrayForEach(row, fw_json_get(answer, "reasons")) {
		for (int i = 0; i < 2; i++) {
			(void)fw_buf_printf(out, "podwall_%s{reason=", name);
			add_quoted(out, fw_json_text(row, "reason"));
			(void)fw_buf_printf(out, ",direction=\"%s\",drops=\"%s\"} %.15g\n",
					    directions[i],
					    fw_json_true(row, "drops") ? "true" : "false",
					    fw_json_number(fw_json_get(row, directions[i]), field));
		}
	}
}

static int print_metrics(const char *command, const cJSON *answer)
{
	struct fw_buf out;
	int code = FW_EXIT_OK;

	fw_buf_init(&out, METRICS_MAX);
	add_build(&out, answer);
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
		add_family(&out, &families[i], answer);
	add_reasons(&out, answer, "packets",
		    "packets by reason; those that hit a known flow are in its record");
	add_reasons(&out, answer, "bytes", "bytes of these packets");
	if (out.error)
		code = fw_fail(FW_EXIT_FAILURE, command, "more than %u bytes", METRICS_MAX);
	else
		(void)fwrite(out.data, 1, out.len, stdout);
	fw_buf_done(&out);
	return code;
}

int cmd_metrics(int argc, char **argv)
{
	_cleanup_json_ cJSON *answer = NULL;
	struct fw_common common;
	unsigned int flags;
	int code = fw_common_parse(argc, argv, help, NULL, &flags, &common);

	if (code < 0)
		code = fw_common_ask(argc, argv, "{\"op\":\"status\"}", &answer);
	if (code >= 0)
		return code;
	return common.form == FW_FORM_TABLE ? print_metrics(argv[0], answer)
					    : fw_common_print(&common, answer);
}
