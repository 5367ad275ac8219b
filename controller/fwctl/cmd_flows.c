/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `fwctl flows`: records from podwalld or a file, filtered, shown. The history and what comes live
 * are two connections: the live one is opened first, so that nothing falls between them; sequences
 * tell what both have. A daemon that is started again is followed from its first record on: what it
 * could not read meanwhile waits in the kernel's ring, or is counted as lost.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "flows_options.h"
#include "output.h"

#define LAST_MAX     1000000u
#define RECONNECT_MS 200
#define CLOSED	     (-3) /* of read_lines(): the daemon is gone, nothing was cut off */

struct run {
	struct fw_flows_options *options;
	struct fw_tally *tally;
	struct fw_buf out;
	char **kept; /* the newest `keep` lines that match, a ring */
	uint64_t keep, kept_count;
	uint64_t shown, counted, newest; /* newest: sequence of the newest record seen */
	uint64_t broken;		 /* lines that were no records */
	bool stop;
};

static int flush(struct run *run)
{
	if (run->out.len && fwrite(run->out.data, 1, run->out.len, stdout) != run->out.len)
		run->stop = true;
	fw_buf_clear(&run->out);
	if (fflush(stdout))
		run->stop = true;
	return run->stop ? -EPIPE : 0;
}

static void show(struct run *run, const struct fw_shown *shown)
{
	if (run->tally) {
		(void)fw_tally_add(run->tally, shown);
	} else if (!run->options->count) {
		(void)fw_show_record(shown, &run->options->show, &run->out);
		if (run->out.len > 65536)
			(void)flush(run);
	}
	run->counted++;
	run->shown += shown->record.type != FW_RECORD_LOST;
	if (run->shown >= run->options->first)
		run->stop = true;
}

static void keep(struct run *run, const struct fw_shown *shown)
{
	char **place = &run->kept[run->kept_count++ % run->keep];

	free(*place);
	*place = strndup(shown->line, shown->len);
}

/* One line that is not the end; live ones that the history has shown are skipped. */
static void take(struct run *run, const char *line, size_t len, bool live)
{
	static struct fw_shown shown;
	struct fw_err err = {""};

	if (!len)
		return;
	if (fw_show_decode(line, len, &shown, &err)) {
		if (!run->broken++)
			(void)fw_fail(FW_EXIT_FAILURE, "flows", "a line is skipped: %s", err.text);
		return;
	}
	if (live && shown.record.sequence && shown.record.sequence <= run->newest)
		return;
	if (shown.record.sequence > run->newest)
		run->newest = shown.record.sequence;
	if (!fw_filter_match(run->options->filter, &shown))
		return;
	if (run->keep && !live)
		keep(run, &shown);
	else
		show(run, &shown);
}

static void show_kept(struct run *run)
{
	uint64_t from = run->kept_count > run->keep ? run->kept_count - run->keep : 0;

	for (uint64_t i = from; i < run->kept_count; i++) {
		static struct fw_shown shown;
		char *line = run->kept[i % run->keep];

		if (line && !fw_show_decode(line, strlen(line), &shown, NULL))
			show(run, &shown);
	}
}

/* {"end": true}, {"ok": false, "error": ...} and {"ok": true} are not records. -1: it is one. */
static int control_line(const char *line, size_t len)
{
	_cleanup_json_ cJSON *json = NULL;

	if (len > 600 || (strncmp(line, "{\"ok\"", 5) != 0 && strncmp(line, "{\"end\"", 6) != 0))
		return -1;
	json = cJSON_ParseWithLength(line, len);
	if (fw_json_get(json, "ok") && !fw_json_true(json, "ok"))
		return fw_fail(FW_EXIT_FAILURE, "flows", "podwalld: %s",
			       fw_json_text(json, "error"));
	return fw_json_true(json, "end") ? FW_EXIT_OK : -2;
}

/* Reads one connection to its end; -1 when the end was said, CLOSED. */
static int read_lines(struct run *run, struct fw_client *client, bool live)
{
	struct fw_err err = {""};
	char *line;
	size_t len;
	int r = 0;

	while (!run->stop && (r = fw_client_line(client, &line, &len, &err)) > 0) {
		int code = control_line(line, len);

		if (code >= 0)
			return code ? code : -1;
		if (code == -1)
			take(run, line, len, live);
		if (live && !fw_client_has_line(client))
			(void)flush(run);
	}
	if (run->stop)
		return -1;
	if (live && (!r || r == -ECONNRESET))
		return CLOSED;
	return fw_fail(FW_EXIT_UNREACHABLE, "flows", "%s",
		       r < 0 ? err.text : "podwalld has closed the connection");
}

static enum fw_exit try_flows(struct fw_client *client, bool follow, uint64_t last,
			      struct fw_err *err)
{
	char request[96];

	if (last == UINT64_MAX)
		(void)snprintf(request, sizeof(request), "{\"op\":\"flows\",\"follow\":%s}",
			       follow ? "true" : "false");
	else
		(void)snprintf(request, sizeof(request),
			       "{\"op\":\"flows\",\"follow\":%s,\"last\":%" PRIu64 "}",
			       follow ? "true" : "false", last);
	return fw_client_open(client, request, follow, err);
}

static int open_flows(struct fw_client *client, bool follow, uint64_t last)
{
	struct fw_err err = {""};
	enum fw_exit code = try_flows(client, follow, last, &err);

	return code ? fw_fail(code, "flows", "%s", err.text) : -1;
}

/* Without filters the daemon can count; with them all of the history has to be looked at. */
static int history(struct run *run)
{
	struct fw_flows_options *o = run->options;
	bool plain = fw_filter_empty(o->filter) && o->last != UINT64_MAX;
	struct fw_client client;
	int code;

	if (!o->last)
		return -1;
	code = open_flows(&client, false, plain ? o->last : UINT64_MAX);
	if (code < 0)
		code = read_lines(run, &client, false);
	fw_client_done(&client);
	return code;
}

static int from_file(struct run *run)
{
	const char *path = run->options->input;
	_cleanup_fclose_ FILE *opened = strcmp(path, "-") != 0 ? fopen(path, "re") : NULL;
	FILE *file = strcmp(path, "-") != 0 ? opened : stdin;
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	ssize_t len;

	if (!file)
		return fw_fail(FW_EXIT_FAILURE, "flows", "--input-file: %s: %s", path,
			       strerror(errno));
	while (!run->stop && (len = getline(&line, &size, file)) > 0) {
		while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
			line[--len] = '\0';
		take(run, line, (size_t)len, false);
	}
	return ferror(file) ? fw_fail(FW_EXIT_FAILURE, "flows", "--input-file: %s: %s", path,
				      strerror(errno))
			    : -1;
}

static void print_tally(struct run *run)
{
	static const struct fw_column columns[] = {
		{"WHAT", false, true},	  {"VERDICT", false, false}, {"FLOWS", true, false},
		{"PACKETS", true, false}, {"BYTES", true, false},    {"LAST", false, false}};
	_cleanup_(fw_table_free) struct fw_table *table = NULL;
	const struct fw_tally_row *rows = NULL;
	size_t count = fw_tally_rows(run->tally, &rows);

	if (!run->options->json &&
	    fw_table_new(columns, sizeof(columns) / sizeof(*columns), &table))
		return;
	for (size_t i = 0; i < count && i < run->options->top; i++) {
		struct fw_buf bytes, last;

		fw_buf_init(&bytes, 64);
		fw_buf_init(&last, 64);
		fw_show_bytes(rows[i].bytes, &bytes);
		fw_show_time_text(rows[i].newest_ns, run->options->show.time, &last);
		if (table) {
			fw_table_add(table, "%s", rows[i].key);
			fw_table_add(table, "%s", rows[i].verdict);
			fw_table_add(table, "%" PRIu64, rows[i].flows);
			fw_table_add(table, "%" PRIu64, rows[i].packets);
			fw_table_add(table, "%s", bytes.data ? bytes.data : "");
			fw_table_add(table, "%s", last.data ? last.data : "");
		} else {
			_cleanup_json_ cJSON *row = cJSON_CreateObject();
			char *text;

			(void)cJSON_AddStringToObject(row, "key", rows[i].key);
			(void)cJSON_AddStringToObject(row, "verdict", rows[i].verdict);
			(void)cJSON_AddNumberToObject(row, "flows", (double)rows[i].flows);
			(void)cJSON_AddNumberToObject(row, "packets", (double)rows[i].packets);
			(void)cJSON_AddNumberToObject(row, "bytes", (double)rows[i].bytes);
			text = cJSON_PrintUnformatted(row);
			(void)printf("%s\n", text ? text : "{}");
			cJSON_free(text);
		}
		fw_buf_done(&bytes);
		fw_buf_done(&last);
	}
	if (table)
		(void)fw_table_print(table);
}

static void note_unmatched(const char *option, const char *value, uint64_t seen, void *context)
{
	(void)context;
	(void)fw_fail(FW_EXIT_OK, "flows",
		      "note: %s%s%s holds for none of the %" PRIu64 " records looked at", option,
		      *value ? " " : "", value, seen);
}

static void note_impossible(const char *option, const char *value, uint64_t seen, void *context)
{
	(void)seen;
	(void)context;
	(void)fw_fail(FW_EXIT_OK, "flows",
		      "note: %s %s can match nothing: Podwall makes no such records", option,
		      value);
}

/* Following says nothing by itself when a name is mistyped: ask whether the daemon knows it. */
static void note_unknown(const char *option, const char *value, uint64_t seen, void *context)
{
	_cleanup_json_ cJSON *request = cJSON_CreateObject(), *answer = NULL;
	const cJSON *endpoints = context, *item;
	const char *slash = strchr(value, '/');
	struct fw_err err = {""};
	char *text;

	(void)seen;
	if (!strstr(option, "pod") || !slash || strpbrk(value, "*?"))
		return;
	cJSON_ArrayForEach(item, fw_json_get(endpoints, "endpoints")) {
		const char *namespace = fw_json_text(item, "namespace");

		if (strlen(namespace) == (size_t)(slash - value) &&
		    !strncmp(value, namespace, strlen(namespace)) &&
		    !strncmp(fw_json_text(item, "name"), slash + 1, strlen(slash + 1)))
			return;
	}
	(void)cJSON_AddStringToObject(request, "op", "policies");
	(void)cJSON_AddStringToObject(request, "pod", value);
	text = cJSON_PrintUnformatted(request);
	if (text && fw_client_ask(text, &answer, &err) == FW_EXIT_FAILURE)
		(void)fw_fail(FW_EXIT_OK, "flows", "note: %s %s: no such pod is known here now",
			      option, value);
	cJSON_free(text);
}

/* Until a daemon answers, or nobody reads what we print. */
static void reconnect(struct run *run, struct fw_client *live)
{
	struct pollfd reader = {.fd = STDOUT_FILENO};
	struct fw_err err;

	(void)fw_fail(FW_EXIT_OK, "flows", "podwalld has ended; waiting for it to come back");
	do {
		fw_client_done(live);
		if (poll(&reader, 1, RECONNECT_MS) > 0) { /* errors only: nobody reads */
			run->stop = true;
			return;
		}
	} while (try_flows(live, true, UINT64_MAX, &err));
	run->newest = 0; /* a new daemon counts anew */
	(void)fw_fail(FW_EXIT_OK, "flows", "podwalld is back");
}

static int follow(struct run *run)
{
	_cleanup_json_ cJSON *endpoints = NULL;
	struct fw_err err = {""};
	struct fw_client live;
	int code = open_flows(&live, true, 0);

	if (code < 0 && !fw_filter_empty(run->options->filter) &&
	    !fw_client_ask("{\"op\":\"endpoints\"}", &endpoints, &err))
		fw_filter_unmatched(run->options->filter, note_unknown, endpoints);
	if (code < 0)
		code = history(run);
	if (code < 0) {
		show_kept(run);
		(void)flush(run);
		run->stop = false;
		while ((code = read_lines(run, &live, true)) == CLOSED && !run->stop)
			reconnect(run, &live);
	}
	fw_client_done(&live);
	return code == CLOSED ? -1 : code;
}

static int finish(struct run *run)
{
	const struct fw_flows_options *o = run->options;

	if (!o->follow)
		show_kept(run);
	(void)flush(run);
	if (run->tally)
		print_tally(run);
	else if (o->count)
		(void)printf(o->json ? "{\"count\":%" PRIu64 "}\n" : "%" PRIu64 "\n", run->shown);
	if (!o->follow && !run->stop)
		fw_filter_unmatched(o->filter, note_unmatched, NULL);
	return run->broken && o->input ? FW_EXIT_FAILURE : FW_EXIT_OK;
}

static int flows(struct run *run)
{
	struct fw_flows_options *o = run->options;
	int code;

	if (o->last != UINT64_MAX && o->last && (!fw_filter_empty(o->filter) || o->input)) {
		if (o->last > LAST_MAX)
			return fw_fail(FW_EXIT_USAGE, "flows",
				       "--last: at most %u; --all has no limit", LAST_MAX);
		run->keep = o->last;
		run->kept = calloc(o->last, sizeof(*run->kept));
		if (!run->kept)
			return fw_fail(FW_EXIT_FAILURE, "flows", "out of memory");
	}
	if (o->group != FW_TALLY_NONE && fw_tally_new(o->group, &run->tally))
		return fw_fail(FW_EXIT_FAILURE, "flows", "out of memory");
	fw_filter_impossible(o->filter, note_impossible, NULL);
	if (!run->tally && !o->count)
		(void)fw_show_head(&o->show, &run->out);
	code = o->follow ? follow(run) : o->input ? from_file(run) : history(run);
	return code >= 0 ? code : finish(run);
}

int cmd_flows(int argc, char **argv)
{
	struct fw_flows_options options;
	struct run run = {.options = &options};
	int code = fw_flows_options_parse(argc, argv, &options);

	fw_buf_init(&run.out, 64u << 20);
	if (code < 0)
		code = flows(&run);
	fw_buf_done(&run.out);
	for (uint64_t i = 0; run.kept && i < run.keep; i++)
		free(run.kept[i]);
	free(run.kept);
	fw_tally_free(&run.tally);
	fw_flows_options_done(&options);
	return code;
}
