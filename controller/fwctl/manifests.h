/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files and folders of manifests. In: paths. Out: a model, and for each object the file and the
 * document that it was read from. Decodes as podwalld does; judges nothing.
 */
#ifndef FW_FWCTL_MANIFESTS_H
#define FW_FWCTL_MANIFESTS_H

#include <cjson/cJSON.h>

#include "api/decode.h"
#include "base/buf.h"

/* The whole of a file ("-": standard input) behind what the buffer holds. -EFBIG: more than the
 * buffer may hold. */
int fw_file_read(const char *path, struct fw_buf *buf, struct fw_err *err);

struct fw_manifest {
	const struct fw_object *object; /* of the model */
	cJSON *document;		/* owned */
	const char *file;		/* owned by the manifests */
};

struct fw_manifests {
	struct fw_model *model;
	struct fw_manifest *items; /* sorted by object once everything was read */
	size_t count, cap;
	char **files; /* in the order in which they were read */
	size_t file_count;
	cJSON *next; /* the document of the next object */
	/* What a document cannot be read for; object "": it cannot be told which. line 0: unknown.
	 */
	void (*error)(const char *file, unsigned int line, const char *object, const char *name,
		      const char *text, void *context);
	void *context;
	int failed;
};

int fw_manifests_init(struct fw_manifests *manifests);
void fw_manifests_done(struct fw_manifests *manifests);
/*
 * A file, or every *.yaml, *.yml and *.json of a folder (sub-folders are not read), in the order of
 * their names. An object that was read already is an error of the later one, which is left out.
 */
int fw_manifests_read(struct fw_manifests *manifests, const char *path, struct fw_err *err);
/* NULL for none. Sorts on first use: nothing may be read behind it. */
const struct fw_manifest *fw_manifests_find(struct fw_manifests *manifests,
					    const struct fw_object *object);

#endif
