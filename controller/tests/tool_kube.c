/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API source alone, for tests and figures. In: a kubeconfig, or the environment of a pod and
 * the folder of its service account ("-" and the folder). Out: JSON lines: each batch with what the
 * model holds (names too, while they are few), each note, the errors whenever they change. Ends
 * after the seconds that were asked for.
 *
 * usage: tool_kube KUBECONFIG|-FOLDER NODE SECONDS [PATIENCE_MS] [insecure]
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "kube/kube.h"

#define NAMES_MAX 40

struct run {
	struct fw_model *model;
	struct fw_source *source;
	struct timespec begin;
	unsigned long batches, puts, removes;
	long anon_pages; /* the most that was seen: libraries and files are not in it */
};

static void look_at_memory(struct run *run)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long size, resident, shared;

	if (!file)
		return;
	if (fscanf(file, "%ld %ld %ld", &size, &resident, &shared) == 3 &&
	    resident - shared > run->anon_pages)
		run->anon_pages = resident - shared;
	(void)fclose(file);
}

static double ms_since(const struct timespec *begin)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - begin->tv_sec) * 1e3 +
	       (double)(now.tv_nsec - begin->tv_nsec) / 1e6;
}

/* Not ru_maxrss: that one remembers who started us. */
static long peak_kib(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	long peak = 0;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "VmHWM: %ld", &peak) == 1)
			break;
	if (file)
		(void)fclose(file);
	return peak;
}

static void put(struct fw_object *object, void *context)
{
	struct run *run = context;
	bool changed;

	if (run->puts++ % 64 == 0)
		look_at_memory(run);
	(void)fw_model_put(run->model, object, &changed);
}

static void drop(enum fw_kind kind, const char *namespace, const char *name, void *context)
{
	struct run *run = context;

	run->removes++;
	(void)fw_model_remove(run->model, kind, namespace, name);
}

static void print_names(const struct run *run)
{
	struct fw_object *const *list;
	const char *comma = "";

	(void)printf(",\"names\":[");
	for (int kind = 0; kind < FW_KIND_COUNT; kind++) {
		size_t count = fw_model_list(run->model, (enum fw_kind)kind, &list);

		for (size_t i = 0; i < count && count <= NAMES_MAX; i++) {
			const struct fw_network_policy *policy = (const void *)list[i];

			(void)printf("%s\"%s %s/%s %s%s\"", comma, fw_kind_name((enum fw_kind)kind),
				     list[i]->namespace, list[i]->name, list[i]->uid,
				     kind == FW_KIND_NETWORK_POLICY && policy->broken ? "!" : "");
			comma = ",";
		}
	}
	(void)printf("]");
}

static void settled(uint64_t arrived_ns, void *context)
{
	struct run *run = context;
	struct fw_object *const *list;
	struct rusage usage;

	(void)arrived_ns;
	look_at_memory(run);
	(void)getrusage(RUSAGE_SELF, &usage);
	(void)printf("{\"batch\":%lu,\"ms\":%.1f,\"puts\":%lu,\"removes\":%lu,\"peakKiB\":%ld,"
		     "\"peakAnonKiB\":%ld,\"cpuMs\":%ld",
		     ++run->batches, ms_since(&run->begin), run->puts, run->removes, peak_kib(),
		     run->anon_pages * (sysconf(_SC_PAGESIZE) / 1024),
		     usage.ru_utime.tv_sec * 1000 + usage.ru_utime.tv_usec / 1000 +
			     usage.ru_stime.tv_sec * 1000 + usage.ru_stime.tv_usec / 1000);
	for (int kind = 0; kind < FW_KIND_COUNT; kind++)
		(void)printf(",\"%s\":%zu", fw_kind_name((enum fw_kind)kind),
			     fw_model_list(run->model, (enum fw_kind)kind, &list));
	print_names(run);
	(void)printf("}\n");
	(void)fflush(stdout);
}

static void print_text(const char *text)
{
	(void)putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			(void)putchar('\\');
		(void)putchar((unsigned char)*text < ' ' ? ' ' : *text);
	}
	(void)putchar('"');
}

static void errors(void *context)
{
	struct run *run = context;
	const struct fw_input_error *list;
	size_t count = fw_source_errors(run->source, &list);

	(void)printf("{\"errors\":[");
	for (size_t i = 0; i < count; i++) {
		char text[2048];

		(void)snprintf(text, sizeof(text), "%s: %s", list[i].object, list[i].text);
		(void)printf("%s", i ? "," : "");
		print_text(text);
	}
	(void)printf("]}\n");
	(void)fflush(stdout);
}

static void note(bool bad, const char *text, void *context)
{
	const struct run *run = context;

	(void)printf("{\"bad\":%s,\"ms\":%.0f,\"note\":", bad ? "true" : "false",
		     ms_since(&run->begin));
	print_text(text);
	(void)printf("}\n");
	(void)fflush(stdout);
}

int main(int argc, char **argv)
{
	struct run run = {.batches = 0};
	const struct fw_source_handler handler = {put, drop, settled, errors, note, &run};
	struct fw_kube_options options = {.insecure = argc > 5};
	struct event_base *base = event_base_new();
	struct fw_err err = {""};
	struct timeval end = {0};

	if (argc < 4 || !base || fw_model_new(&run.model)) {
		(void)fprintf(stderr, "usage: tool_kube KUBECONFIG|-FOLDER NODE SECONDS "
				      "[PATIENCE_MS] [insecure]\n");
		return 2;
	}
	if (argv[1][0] == '-')
		options.service_account = argv[1] + 1;
	else
		options.kubeconfig = argv[1];
	options.node_name = argv[2];
	end.tv_sec = strtol(argv[3], NULL, 10);
	options.patience_ms = argc > 4 ? (unsigned int)strtoul(argv[4], NULL, 10) : 0;
	(void)clock_gettime(CLOCK_MONOTONIC, &run.begin);
	if (fw_kube_source_new(base, &options, &handler, &run.source, &err)) {
		(void)fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	(void)event_base_loopexit(base, &end);
	(void)event_base_dispatch(base);
	(void)printf("{\"describe\":");
	print_text(fw_source_describe(run.source));
	(void)printf("}\n");
	fw_source_free(&run.source);
	fw_model_free(&run.model);
	event_base_free(base);
	return 0;
}
