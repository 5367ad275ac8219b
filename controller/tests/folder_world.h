/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the folder source's tests share: a folder, an event loop, a model behind the source; ways to
 * write files, waits with a deadline. In: nothing. Out: struct world. Nothing is left behind.
 */
#ifndef FW_TESTS_FOLDER_WORLD_H
#define FW_TESTS_FOLDER_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "api/source.h"
#include "base/buf.h"
#include "base/cleanup.h"

#define DEADLINE_MS 30000

struct world {
	char root[64];
	char folder[96];
	struct event_base *base;
	struct fw_source *source;
	struct fw_model *model;
	size_t puts, removes, settles, error_calls;
	uint64_t settled_ns, arrived_ns;
};

static inline uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void on_put(struct fw_object *object, void *context)
{
	struct world *w = context;
	bool changed;

	w->puts++;
	assert_int_equal(fw_model_put(w->model, object, &changed), 0);
}

static inline void on_remove(enum fw_kind kind, const char *namespace, const char *name,
			     void *context)
{
	struct world *w = context;

	w->removes++;
	assert_int_equal(fw_model_remove(w->model, kind, namespace, name), 0);
}

static inline void on_settled(uint64_t arrived_ns, void *context)
{
	struct world *w = context;

	w->settles++;
	w->arrived_ns = arrived_ns;
	w->settled_ns = now_ns();
}

static inline void on_errors(void *context)
{
	((struct world *)context)->error_calls++;
}

/* Runs the loop until the condition holds; fails after the deadline. */
#define UNTIL(w, condition)                                                                        \
	do {                                                                                       \
		uint64_t end_ = now_ns() + DEADLINE_MS * 1000000ull;                               \
		while (!(condition) && now_ns() < end_)                                            \
			turn(w, 1);                                                                \
		assert_true(condition);                                                            \
	} while (0)

static inline void on_tick(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(context);
}

static inline void turn(struct world *w, unsigned int ms)
{
	struct timeval delay = {.tv_usec = (suseconds_t)ms * 1000};
	struct event *tick = evtimer_new(w->base, on_tick, w->base);

	(void)evtimer_add(tick, &delay);
	(void)event_base_loop(w->base, EVLOOP_ONCE);
	event_free(tick);
}

static inline void path_of(const struct world *w, const char *name, char path[256])
{
	(void)snprintf(path, 256, "%s/%s", w->folder, name);
}

static inline void write_path(const char *path, const char *text)
{
	_cleanup_fclose_ FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
}

static inline void write_in_place(const struct world *w, const char *name, const char *text)
{
	char path[256];

	path_of(w, name, path);
	write_path(path, text);
}

static inline void write_by_rename(const struct world *w, const char *name, const char *text)
{
	char from[256], to[256];

	path_of(w, ".new", from);
	path_of(w, name, to);
	write_path(from, text);
	assert_int_equal(rename(from, to), 0);
}

static inline void remove_file(const struct world *w, const char *name)
{
	char path[256];

	path_of(w, name, path);
	assert_int_equal(unlink(path), 0);
}

static inline void open_source(struct world *w)
{
	struct fw_source_handler handler = {.put = on_put,
					    .remove = on_remove,
					    .settled = on_settled,
					    .errors = on_errors,
					    .context = w};
	struct fw_err err = {0};

	assert_int_equal(fw_source_folder_new(w->base, w->folder, &handler, &w->source, &err), 0);
}

static inline int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	(void)snprintf(w->root, sizeof(w->root), "/tmp/pw-mdl-folder-XXXXXX");
	assert_non_null(mkdtemp(w->root));
	(void)snprintf(w->folder, sizeof(w->folder), "%s/objects", w->root);
	assert_int_equal(mkdir(w->folder, 0755), 0);
	w->base = event_base_new();
	assert_non_null(w->base);
	assert_int_equal(fw_model_new(&w->model), 0);
	*state = w;
	return 0;
}

static inline void remove_tree(const char *path)
{
	char command_path[512];
	pid_t pid;

	(void)snprintf(command_path, sizeof(command_path), "%s", path);
	pid = fork();
	if (!pid) {
		(void)execlp("rm", "rm", "-rf", "--", command_path, (char *)NULL);
		_exit(127);
	}
	(void)waitpid(pid, NULL, 0);
}

static inline int teardown(void **state)
{
	struct world *w = *state;

	fw_source_free(&w->source);
	fw_model_free(&w->model);
	event_base_free(w->base);
	remove_tree(w->root);
	free(w);
	return 0;
}

#define NS(name) "apiVersion: v1\nkind: Namespace\nmetadata: {name: " name "}\n"
#define NS_LABEL(name, x)                                                                          \
	"apiVersion: v1\nkind: Namespace\nmetadata: {name: " name ", labels: {x: '" x "'}}\n"
#define SLICE(family)                                                                              \
	"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: s, namespace: a, " \
	"labels: {kubernetes.io/service-name: web}}\naddressType: " family                         \
	"\nendpoints: [{addresses: [10.0.0.1]}]\n"
#define NS_BAD(name)                                                                               \
	"apiVersion: v1\nkind: Namespace\nmetadata: {name: " name ", labels: {x: []}}\n"

static inline const char *label_of(const struct world *w, const char *name)
{
	struct fw_object *object = fw_model_get(w->model, FW_KIND_NAMESPACE, "", name);
	const char *value = object ? fw_labels_get(&object->labels, "x") : NULL;

	return value ? value : object ? "" : "absent";
}

static inline bool has(const struct world *w, const char *name)
{
	return fw_model_get(w->model, FW_KIND_NAMESPACE, "", name);
}

static inline bool is_labelled(const struct world *w, const char *name, const char *x)
{
	return !strcmp(label_of(w, name), x);
}

static inline const struct fw_input_error *error_at(const struct world *w, size_t index)
{
	const struct fw_input_error *errors;

	return index < fw_source_errors(w->source, &errors) ? &errors[index] : NULL;
}

static inline size_t error_count(const struct world *w)
{
	const struct fw_input_error *errors;

	return fw_source_errors(w->source, &errors);
}

/*
 * For "nothing happens": a change that is made now comes in after everything before it, so when it
 * is there, what was to happen has happened. Leaves a namespace `mark` in mark.yaml.
 */
static inline void run_quietly(struct world *w)
{
	static unsigned int count;
	char value[16], text[128];

	(void)snprintf(value, sizeof(value), "m%u", ++count);
	(void)snprintf(text, sizeof(text), NS_LABEL("mark", "%s"), value);
	write_in_place(w, "mark.yaml", text);
	UNTIL(w, is_labelled(w, "mark", value));
}

#endif
