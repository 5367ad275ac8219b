/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where objects come from: one interface for the folder and, later, the API server.
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
	void *context;
};

struct fw_source;

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
/* One line for status: "folder /etc/podwall/objects: 12 files, 48 objects". Borrowed. */
const char *fw_source_describe(const struct fw_source *source);

#endif
