/* SPDX-License-Identifier: Apache-2.0 */
/* `fwctl status`: is this node all right, and what to do if not. Exit 4 when it is not. */
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "output.h"
#include "show/print.h"

static const char help[] =
	"usage: fwctl status [--ready] [-o json|yaml] [--color WHEN] [--server PATH]\n"
	"\n"
	"One look at this node: coverage, enforcement, policies, input that is wrong,\n"
	"tables, losses.\n"
	"\n"
	"  --ready     only whether podwalld was told everything once, by exit code\n"
	"              and one line: for a readiness probe\n"
	"\n"
	"Exit: 0 all is well, 4 something is not (the first line says what),\n"
	"3 podwalld does not answer.\n"
	"\n"
	"  fwctl status\n"
	"  fwctl status -o json | jq .endpoints\n";

static unsigned int number(const cJSON *object, const char *name)
{
	double value = fw_json_number(object, name);

	return value > 0 && value < 4e9 ? (unsigned int)value : 0;
}

static void print_escaped(const char *text)
{
	struct fw_buf buf;

	fw_buf_init(&buf, 65536);
	(void)fw_buf_append_escaped(&buf, text);
	(void)printf("%s", buf.data ? buf.data : "");
	fw_buf_done(&buf);
}

static void print_head(const cJSON *answer, bool color)
{
	bool healthy = fw_json_true(answer, "healthy");
	const cJSON *problem = cJSON_GetArrayItem(fw_json_get(answer, "problems"), 0);
	int more = cJSON_GetArraySize(fw_json_get(answer, "problems")) - 1;

	(void)printf("podwall %s  ", fw_json_text(answer, "version"));
	if (color)
		(void)printf("\x1b[%sm%s\x1b[0m", healthy ? "32" : "31;1",
			     healthy ? "OK" : "NOT OK");
	else
		(void)printf("%s", healthy ? "OK" : "NOT OK");
	if (cJSON_IsString(problem)) {
		(void)printf("  ");
		print_escaped(problem->valuestring);
		if (more > 0)
			(void)printf("  (and %d more below)", more);
	}
	(void)printf("\n");
}

/* The fullest table's percentage, and which hooks carry the programs. */
static void print_node(const cJSON *answer)
{
	static const struct fw_column columns[] = {
		{"NODE", false, false},	       {"READY", false, false},
		{"ENFORCEMENT", false, false}, {"PODS", true, false},
		{"UNCOVERED", true, false},    {"LOCKED", true, false},
		{"REVISION", true, false},     {"BEHIND", true, false},
		{"MAPS", true, false},	       {"LOST", true, false},
		{"HOOK", false, false}};
	_cleanup_(fw_table_free) struct fw_table *table = NULL;
	const cJSON *endpoints = fw_json_get(answer, "endpoints"),
		    *hooks = fw_json_get(answer, "hooks");
	const cJSON *fullest = cJSON_GetArrayItem(fw_json_get(answer, "maps"), 0);
	double behind = fw_json_number(answer, "revision") - fw_json_number(answer, "applied");
	bool tcx = number(hooks, "tcx") > 0, clsact = number(hooks, "clsact") > 0;

	if (fw_table_new(columns, sizeof(columns) / sizeof(*columns), &table))
		return;
	fw_table_add(table, "%s", fw_json_text(answer, "node"));
	fw_table_add(table, "%s", fw_json_true(answer, "healthy") ? "yes" : "no");
	fw_table_add(table, "%s",
		     !strcmp(fw_json_text(answer, "enforcement"), "Audit") ? "AUDIT" : "enforce");
	fw_table_add(table, "%u", number(endpoints, "total"));
	fw_table_add(table, "%u", number(endpoints, "uncovered"));
	fw_table_add(table, "%u", number(endpoints, "locked"));
	fw_table_add(table, "%.0f", fw_json_number(answer, "revision"));
	fw_table_add(table, "%.0f", behind > 0 ? behind : 0);
	fw_table_add(table, "%u%%", number(fullest, "percent"));
	fw_table_add(table, "%.0f", fw_json_number(fw_json_get(answer, "records"), "lost"));
	fw_table_add(table, "%s",
		     tcx && clsact ? "tcx+clsact"
		     : tcx	   ? "tcx"
		     : clsact	   ? "clsact"
				   : "-");
	(void)fw_table_print(table);
}

static void print_line(const char *head, const char *text)
{
	(void)printf("%-9s ", head);
	print_escaped(text);
	(void)printf("\n");
}

static void print_policies(const cJSON *answer)
{
	const cJSON *policies = fw_json_get(answer, "policies"), *broken, *item;
	int invalid;

	broken = fw_json_get(policies, "broken");
	invalid = cJSON_GetArraySize(broken);
	(void)printf("%-9s %u enforced, %u audit", "policies", number(policies, "enforced"),
		     number(policies, "audit"));
	if (number(policies, "audit"))
		(void)printf(" (policies --pending)");
	(void)printf(", %d invalid\n", invalid);
	cJSON_ArrayForEach(item, broken) {
		char text[1024];

		const char *origin = fw_json_text(item, "origin");

		(void)snprintf(text, sizeof(text), "%s%s%s: %s (what it selects is isolated)",
			       origin, *origin ? ": " : "", fw_json_text(item, "object"),
			       fw_json_text(item, "text"));
		print_line("invalid", text);
	}
}

/* "04:12:33" of a time as the daemon writes it; "-" for never. */
static const char *clock_of(const cJSON *row, const char *name, char clock[9])
{
	const char *text = fw_json_text(row, name), *t = strchr(text, 'T');

	(void)snprintf(clock, 9, "%s", t ? t + 1 : "-");
	return clock;
}

/* How old the view is, of each kind that a server tells of. */
static void print_streams(const cJSON *streams)
{
	static const struct fw_column columns[] = {
		{"KIND", false, false},	  {"STATE", false, false},     {"OBJECTS", true, false},
		{"VERSION", true, true},  {"CONNECTED", false, false}, {"LAST-EVENT", false, false},
		{"BACKLOG", true, false}, {"FAULTS", true, false}};
	_cleanup_(fw_table_free) struct fw_table *table = NULL;
	const cJSON *row;
	char clock[9];

	if (!cJSON_GetArraySize(streams) ||
	    fw_table_new(columns, sizeof(columns) / sizeof(*columns), &table))
		return;
	cJSON_ArrayForEach(row, streams) {
		fw_table_add(table, "%s", fw_json_text(row, "name"));
		fw_table_add(table, "%s", fw_json_text(row, "state"));
		fw_table_add(table, "%u", number(row, "objects"));
		fw_table_add(table, "%s", fw_json_text(row, "resourceVersion"));
		fw_table_add(table, "%s", clock_of(row, "connectedSince", clock));
		fw_table_add(table, "%s", clock_of(row, "lastEvent", clock));
		fw_table_add(table, "%u", number(row, "backlog"));
		fw_table_add(table, "%u", number(row, "faults"));
	}
	(void)fw_table_print(table);
}

static void print_input(const cJSON *answer)
{
	const cJSON *source = fw_json_get(answer, "source"),
		    *objects = fw_json_get(answer, "objects"), *item;
	char text[1024];

	(void)snprintf(text, sizeof(text), "%s%s", fw_json_text(source, "description"),
		       fw_json_true(source, "connected")
			       ? ""
			       : " (NOT CONNECTED: the last state stays in force)");
	print_line("source", text);
	print_streams(fw_json_get(source, "streams"));
	(void)snprintf(
		text, sizeof(text), "%u namespaces, %u pods, %u services, %u policies, %u nodes",
		number(objects, "namespaces"), number(objects, "pods"), number(objects, "services"),
		number(objects, "policies"), number(objects, "nodes"));
	print_line("objects", text);
	cJSON_ArrayForEach(item, fw_json_get(answer, "errors")) {
		const char *object = fw_json_text(item, "object");

		(void)snprintf(text, sizeof(text), "%s: %s%s%s", fw_json_text(item, "where"),
			       object, *object ? ": " : "", fw_json_text(item, "text"));
		print_line("error", text);
	}
}

/* Packets that one reason dropped, both directions. */
static double dropped_by(const cJSON *row)
{
	return fw_json_true(row, "drops")
		       ? fw_json_number(fw_json_get(row, "in"), "packets") +
				 fw_json_number(fw_json_get(row, "out"), "packets")
		       : 0;
}

/* How many packets were dropped, and by which reasons most. */
static void print_drops(const cJSON *answer)
{
	enum { SHOWN = 3 };
	const cJSON *row, *reasons = fw_json_get(answer, "reasons"), *most[SHOWN] = {NULL};
	double total = 0;

	cJSON_ArrayForEach(row, reasons) {
		const cJSON *here = row, *next;

		total += dropped_by(row);
		for (int i = 0; i < SHOWN; i++) {
			if (dropped_by(here) <= (most[i] ? dropped_by(most[i]) : 0))
				continue;
			next = most[i];
			most[i] = here;
			here = next;
		}
	}
	if (total <= 0)
		return;
	(void)printf("%-9s %.0f packets", "dropped", total);
	for (int i = 0; i < SHOWN && most[i]; i++) {
		(void)printf("%s", i ? ", " : ": ");
		print_escaped(fw_json_text(most[i], "reason"));
		(void)printf(" %.0f", dropped_by(most[i]));
	}
	(void)printf("\n");
}

static void print_problems(const cJSON *answer)
{
	const cJSON *item, *problems = fw_json_get(answer, "problems");
	bool first = true;

	cJSON_ArrayForEach(item, problems) {
		if (!first && cJSON_IsString(item))
			print_line("problem", item->valuestring);
		first = false;
	}
	if (number(fw_json_get(answer, "endpoints"), "uncovered") ||
	    number(fw_json_get(answer, "endpoints"), "locked"))
		print_line("next", "fwctl endpoints    says for each pod why");
}

static int print_ready(const cJSON *answer)
{
	const cJSON *source = fw_json_get(answer, "source");
	bool ready = fw_json_true(source, "ready");

	print_line(ready ? "ready" : "not ready", fw_json_text(source, "description"));
	return ready ? FW_EXIT_OK : FW_EXIT_FALSE;
}

int cmd_status(int argc, char **argv)
{
	static const char *const flag_names[] = {"ready", NULL};
	_cleanup_json_ cJSON *answer = NULL;
	struct fw_common common;
	unsigned int flags;
	int code = fw_common_parse(argc, argv, help, flag_names, &flags, &common);

	if (code < 0)
		code = fw_common_ask(argc, argv, "{\"op\":\"status\"}", &answer);
	if (code >= 0)
		return code;
	if (flags)
		return print_ready(answer);
	if (common.form != FW_FORM_TABLE) {
		code = fw_common_print(&common, answer);
	} else {
		code = FW_EXIT_OK;
		print_head(answer, fw_color_wanted(common.color));
		print_node(answer);
		print_policies(answer);
		print_input(answer);
		print_drops(answer);
		print_problems(answer);
	}
	return code ? code : fw_json_true(answer, "healthy") ? FW_EXIT_OK : FW_EXIT_FALSE;
}
