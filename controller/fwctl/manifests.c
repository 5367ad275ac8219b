// SPDX-License-Identifier: Apache-2.0
/* Files and folders of manifests; see manifests.h. */
#include "manifests.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

int fw_file_read(const char *path, struct fw_buf *buf, struct fw_err *err)
{
	bool standard = strcmp(path, "-") == 0;
	_cleanup_close_ int own = standard ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	int fd = standard ? STDIN_FILENO : own;
	char chunk[16384];
	ssize_t got;

	if (fd < 0)
		return fw_err_errno(err, -errno, "%s", path);
	while ((got = read(fd, chunk, sizeof(chunk))) > 0)
		if (fw_buf_append(buf, chunk, (size_t)got) < 0)
			return fw_err_set(err, -EFBIG, "%s: larger than %zu bytes", path, buf->max);
	return got < 0 ? fw_err_errno(err, -errno, "%s", path) : 0;
}

int fw_manifests_init(struct fw_manifests *manifests)
{
	*manifests = (struct fw_manifests){0};
	return fw_model_new(&manifests->model);
}

void fw_manifests_done(struct fw_manifests *manifests)
{
	for (size_t i = 0; i < manifests->count; i++)
		cJSON_Delete(manifests->items[i].document);
	for (size_t i = 0; i < manifests->file_count; i++)
		free(manifests->files[i]);
	cJSON_Delete(manifests->next);
	free(manifests->items);
	free(manifests->files);
	fw_model_free(&manifests->model);
	*manifests = (struct fw_manifests){0};
}

static void name_object(enum fw_kind kind, const char *namespace, const char *name, char *text,
			size_t size)
{
	if (kind == FW_KIND_COUNT)
		(void)snprintf(text, size, "%s", "");
	else
		(void)snprintf(text, size, "%s %s%s%s", fw_kind_name(kind), namespace,
			       *namespace ? "/" : "", name);
}

static const char *file_of(const struct fw_manifests *manifests)
{
	return manifests->files[manifests->file_count - 1];
}

static void take_error(unsigned int document, unsigned int line, enum fw_kind kind,
		       const char *namespace, const char *name, const char *text, void *context)
{
	struct fw_manifests *manifests = context;
	char object[400];

	(void)document;
	name_object(kind, namespace, name, object, sizeof(object));
	manifests->error(file_of(manifests), line, object, "invalid", text, manifests->context);
}

static void take_document(const cJSON *document, void *context)
{
	struct fw_manifests *manifests = context;

	cJSON_Delete(manifests->next);
	manifests->next = cJSON_Duplicate(document, 1);
	if (!manifests->next)
		manifests->failed = -ENOMEM;
}

static int add(struct fw_manifests *manifests, struct fw_object *object)
{
	struct fw_manifest *grown = manifests->items;
	bool changed;
	int r;

	if (manifests->count == manifests->cap) {
		size_t cap = manifests->cap ? manifests->cap * 2 : 64;

		grown = reallocarray(manifests->items, cap, sizeof(*grown));
		if (!grown) {
			fw_object_free(&object);
			return -ENOMEM;
		}
		manifests->items = grown;
		manifests->cap = cap;
	}
	r = fw_model_put(manifests->model, object, &changed);
	if (r < 0)
		return r;
	manifests->items[manifests->count++] = (struct fw_manifest){
		.object = object,
		.document = TAKE_PTR(manifests->next),
		.file = file_of(manifests),
	};
	return 0;
}

static void take_object(struct fw_object *object, void *context)
{
	struct fw_manifests *manifests = context;
	const struct fw_object *before =
		fw_model_get(manifests->model, object->kind, object->namespace, object->name);
	char name[400], text[FW_ERR_TEXT];
	int r;

	if (before) {
		name_object(object->kind, object->namespace, object->name, name, sizeof(name));
		(void)snprintf(text, sizeof(text),
			       "stands in %s already, which is the one that counts",
			       before->origin);
		manifests->error(file_of(manifests),
				 manifests->next ? (unsigned int)manifests->next->valueint : 0,
				 name, "defined-twice", text, manifests->context);
		fw_object_free(&object);
		return;
	}
	r = add(manifests, object);
	if (r < 0 && !manifests->failed)
		manifests->failed = r;
}

static int read_one(struct fw_manifests *manifests, const char *path, struct fw_err *err)
{
	const struct fw_decode_handler handler = {.document = take_document,
						  .object = take_object,
						  .error = take_error,
						  .context = manifests};
	char **files = reallocarray(manifests->files, manifests->file_count + 1, sizeof(*files));
	_cleanup_(fw_buf_done) struct fw_buf text = {0};
	int r;

	if (!files)
		return -ENOMEM;
	manifests->files = files;
	files[manifests->file_count] = strdup(path);
	if (!files[manifests->file_count])
		return -ENOMEM;
	manifests->file_count++;
	fw_buf_init(&text, FW_DECODE_BYTES_MAX);
	r = fw_file_read(path, &text, err);
	if (r == 0)
		r = fw_decode_text(path, text.data ? text.data : "", text.len, &handler);
	return r < 0 ? r : manifests->failed;
}

static int is_manifest(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && dot &&
	       (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml") || !strcmp(dot, ".json"));
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_folder(struct fw_manifests *manifests, const char *path, struct fw_err *err)
{
	struct dirent **entries = NULL;
	int count = scandir(path, &entries, is_manifest, by_bytes), r = 0;

	if (count < 0)
		return fw_err_errno(err, -errno, "%s", path);
	for (int i = 0; i < count; i++) {
		_cleanup_free_ char *name = NULL;
		struct stat status;

		if (r == 0 && asprintf(&name, "%s/%s", path, entries[i]->d_name) < 0)
			r = -ENOMEM;
		if (r == 0 && (stat(name, &status) < 0 || !S_ISDIR(status.st_mode)))
			r = read_one(manifests, name, err);
		free(entries[i]);
	}
	free(entries);
	return r;
}

int fw_manifests_read(struct fw_manifests *manifests, const char *path, struct fw_err *err)
{
	struct stat status;

	if (strcmp(path, "-") != 0 && stat(path, &status) < 0)
		return fw_err_errno(err, -errno, "%s", path);
	if (strcmp(path, "-") != 0 && S_ISDIR(status.st_mode))
		return read_folder(manifests, path, err);
	return read_one(manifests, path, err);
}

static int by_object(const void *left, const void *right)
{
	const struct fw_manifest *a = left, *b = right;

	return (a->object > b->object) - (a->object < b->object);
}

const struct fw_manifest *fw_manifests_find(struct fw_manifests *manifests,
					    const struct fw_object *object)
{
	const struct fw_manifest key = {.object = object};

	if (manifests->cap) {
		qsort(manifests->items, manifests->count, sizeof(key), by_object);
		manifests->cap = 0;
	}
	return manifests->count
		       ? bsearch(&key, manifests->items, manifests->count, sizeof(key), by_object)
		       : NULL;
}
