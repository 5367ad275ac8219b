/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where objects come from: one interface for the folder and the API server (kube/kube.h).
 * In: a folder of YAML (or a server). Out: puts and removes, decoded, defaulted and validated.
 * Never compiles.
 */
#ifndef FW_API_SOURCE_H
#define FW_API_SOURCE_H

#include "base/err.h"
#include "model/model.h"

struct event_base;

/* Something wrong in the input; stays until the input is mended. */
struct fw_input_error {
	char *where;  /* "shop.yaml: document 3, line 41" */
	char *object; /* "NetworkPolicy shop/api", "" when it could not be told */
	char *text;   /* "spec.ingress[0].ports[0].port: 70000 is out of range (1 to 65535)" */
};

struct fw_source_handler {
	/* Takes the object. `broken` objects (parsed, not compilable whole) come here too, with
	 * their field set. */
	void (*put)(struct fw_object *object, void *context);
	void (*remove)(enum fw_kind kind, const char *namespace, const char *name, void *context);
	/* A batch of changes is complete: compile now. `arrived_ns`: CLOCK_MONOTONIC when its first
	 * byte came in. */
	void (*settled)(uint64_t arrived_ns, void *context);
	/* The list of errors changed (fw_source_errors). */
	void (*errors)(void *context);
	/* A line for the log: a server that does not answer, and that it answers again. May be
	 * NULL. */
	void (*note)(bool bad, const char *text, void *context);
	void *context;
};

struct fw_source;

/*
 * What a server tells of one kind, for status. Times are CLOCK_REALTIME in ns, 0: never. Strings
 * are borrowed until the next event.
 */
struct fw_source_stream {
	const char *name;    /* "Pod", "Pod (peers)" */
	const char *state;   /* "waiting", "connecting", "listing", "watching" */
	const char *version; /* resourceVersion of the last word, "" none */
	const char *trouble; /* why it is not watched, "" when it is */
	bool synced;	     /* was listed completely at least once */
	bool connected;
	uint64_t connected_ns, event_ns;
	uint64_t objects, events, lists, connects, bytes;
	uint64_t faults;  /* what could not be read, of objects, events and answers */
	uint64_t backlog; /* events that came in and are not compiled yet */
};

/*
 * A folder, watched with inotify: *.yaml, *.yml and *.json, many documents per file, kind List
 * unpacked; hidden files and other names are ignored. A document that is broken leaves the last
 * valid version of its object in force. The initial content is delivered before this returns (puts,
 * then one settled).
 */
int fw_source_folder_new(struct event_base *base, const char *folder,
			 const struct fw_source_handler *handler, struct fw_source **ret_source,
			 struct fw_err *err);
void fw_source_free(struct fw_source **source);
/* Looks at everything again, as at the start, but delivers differences only. */
void fw_source_rescan(struct fw_source *source);
size_t fw_source_errors(const struct fw_source *source, const struct fw_input_error **ret_errors);
/* False until everything was delivered once: until then there is nothing to compile. */
bool fw_source_ready(const struct fw_source *source);
/* false when there is no stream of that index; folders have none. */
bool fw_source_stream(const struct fw_source *source, size_t index,
		      struct fw_source_stream *ret_stream);
/* One line for status: "folder /etc/podwall/objects: 12 files, 48 objects". Borrowed. */
const char *fw_source_describe(const struct fw_source *source);

#endif
