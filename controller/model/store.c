/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: objects by (kind, namespace, name), and their sorted lists. In: objects, which the
 * model owns from then on. Out: lookups in constant time, lists sorted when they are asked for. A
 * put that fails changes nothing.
 */
#include "model/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define FIRST_CAPACITY 64
/* Up to so many new objects are put into a sorted list one by one, beyond it the list is sorted
 * anew. */
#define INSERT_MAX 16

bool fw_model_name_fits(const char *namespace, const char *name)
{
	return namespace && name && strlen(namespace) + strlen(name) < FW_MODEL_KEY_MAX;
}

int fw_model_key_make(const char *a, const char *b, struct fw_model_key *ret_key)
{
	size_t a_len, b_len;

	if (!a || !b)
		return -EINVAL;
	a_len = strlen(a);
	b_len = strlen(b);
	if (a_len + b_len + 1 > FW_MODEL_KEY_MAX)
		return -EINVAL;
	memcpy(ret_key->text, a, a_len + 1);
	memcpy(ret_key->text + a_len + 1, b, b_len);
	ret_key->len = a_len + 1 + b_len;
	return 0;
}

static int compare_names(const struct fw_object *object, const char *namespace, const char *name)
{
	int order = strcmp(object->namespace, namespace);

	return order ? order : strcmp(object->name, name);
}

struct row {
	struct fw_object *object;
	uint64_t version;
};

static int compare_rows(const void *a, const void *b)
{
	const struct fw_object *right = ((const struct row *)b)->object;

	return compare_names(((const struct row *)a)->object, right->namespace, right->name);
}

/* The first place in objects[0..count) that is not before the name. */
static size_t find_place(const struct fw_model_shelf *shelf, size_t count, const char *namespace,
			 const char *name)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_names(shelf->objects[middle], namespace, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* No two contents have the same number, in no two models of this process. */
static uint64_t next_version(void)
{
	static uint64_t last;

	return ++last;
}

static void place_object(struct fw_model_shelf *shelf, size_t place, struct fw_object *object,
			 uint64_t version)
{
	shelf->objects[place] = object;
	shelf->versions[place] = version;
}

static void move_objects(struct fw_model_shelf *shelf, size_t to, size_t from, size_t count)
{
	memmove(shelf->objects + to, shelf->objects + from, count * sizeof(*shelf->objects));
	memmove(shelf->versions + to, shelf->versions + from, count * sizeof(*shelf->versions));
}

/* Nothing happens without memory. */
static void sort_anew(struct fw_model_shelf *shelf)
{
	_cleanup_free_ struct row *rows = reallocarray(NULL, shelf->count, sizeof(*rows));

	if (!rows)
		return;
	for (size_t i = 0; i < shelf->count; i++)
		rows[i] = (struct row){shelf->objects[i], shelf->versions[i]};
	qsort(rows, shelf->count, sizeof(*rows), compare_rows);
	for (size_t i = 0; i < shelf->count; i++)
		place_object(shelf, i, rows[i].object, rows[i].version);
	shelf->sorted = shelf->count;
}

static void sort_shelf(struct fw_model_shelf *shelf)
{
	if (shelf->count - shelf->sorted > INSERT_MAX)
		sort_anew(shelf);
	while (shelf->sorted < shelf->count) {
		struct fw_object *object = shelf->objects[shelf->sorted];
		uint64_t version = shelf->versions[shelf->sorted];
		size_t place = find_place(shelf, shelf->sorted, object->namespace, object->name);

		move_objects(shelf, place + 1, place, shelf->sorted - place);
		place_object(shelf, place, object, version);
		shelf->sorted++;
	}
}

static int reserve(struct fw_model_shelf *shelf)
{
	/* little room to spare: there is one for each pod of the cluster */
	size_t capacity = shelf->capacity + shelf->capacity / 8 + FIRST_CAPACITY;
	struct fw_object **objects;
	uint64_t *versions;

	if (shelf->count < shelf->capacity)
		return 0;
	objects = reallocarray(shelf->objects, capacity, sizeof(*objects));
	if (!objects)
		return -ENOMEM;
	shelf->objects = objects;
	versions = reallocarray(shelf->versions, capacity, sizeof(*versions));
	if (!versions)
		return -ENOMEM;
	shelf->versions = versions;
	shelf->capacity = capacity;
	return 0;
}

static uint64_t hash_of(const char *namespace, const char *name)
{
	return fw_hash_mix(fw_hash_text(1, namespace), fw_hash_text(2, name));
}

static bool is_named(const void *item, const void *key)
{
	const struct fw_model_name *name = key;

	return !compare_names(item, name->namespace, name->name);
}

static struct fw_object *find(const struct fw_model_shelf *shelf, const char *namespace,
			      const char *name)
{
	const struct fw_model_name key = {namespace, name};

	return fw_htab_find(&shelf->table, hash_of(namespace, name), is_named, &key);
}

static int add(struct fw_model_shelf *shelf, struct fw_object *object)
{
	int r = reserve(shelf);

	if (!r)
		r = fw_htab_add(&shelf->table, hash_of(object->namespace, object->name), object);
	if (r)
		return r;
	place_object(shelf, shelf->count++, object, next_version());
	return 0;
}

static struct fw_model_shelf *shelf_of(const struct fw_model *model, enum fw_kind kind)
{
	return (unsigned int)kind < FW_KIND_COUNT ? &model->state->shelves[kind] : NULL;
}

static void forget(struct fw_model_state *state, struct fw_model_shelf *shelf,
		   struct fw_object *object)
{
	fw_htab_remove(&shelf->table, hash_of(object->namespace, object->name), object);
	if (object->kind == FW_KIND_POD)
		fw_model_unindex_pod(state, (const struct fw_pod *)object);
	fw_object_free(&object);
}

/* Frees the old object and puts the new one in its place in the list. */
static int replace(struct fw_model_state *state, struct fw_model_shelf *shelf,
		   struct fw_object *before, struct fw_object *object)
{
	int r = fw_htab_add(&shelf->table, hash_of(object->namespace, object->name), object);

	if (r)
		return r;
	sort_shelf(shelf);
	place_object(shelf, find_place(shelf, shelf->count, object->namespace, object->name),
		     object, next_version());
	forget(state, shelf, before);
	return 0;
}

int fw_model_put(struct fw_model *model, struct fw_object *object, bool *ret_changed)
{
	_cleanup_(fw_object_free) struct fw_object *owned = object;
	struct fw_model_shelf *shelf = shelf_of(model, owned->kind);
	struct fw_model_state *state = model->state;
	struct fw_object *before;
	int r = 0;

	if (!shelf || !fw_model_name_fits(owned->namespace, owned->name))
		return -EINVAL;
	before = find(shelf, owned->namespace, owned->name);
	if (before && owned->digest && before->digest == owned->digest) {
		*ret_changed = false;
		return 0;
	}
	if (owned->kind == FW_KIND_POD)
		r = fw_model_index_pod(state, (struct fw_pod *)owned);
	if (r)
		return r;
	r = before ? replace(state, shelf, before, owned) : add(shelf, owned);
	if (r && owned->kind == FW_KIND_POD)
		fw_model_unindex_pod(state, (const struct fw_pod *)owned);
	if (r)
		return r;
	object = TAKE_PTR(owned);
	state->revision++;
	*ret_changed = true;
	return object->kind == FW_KIND_NODE ? fw_model_rebuild_ranges(state) : 0;
}

int fw_model_remove(struct fw_model *model, enum fw_kind kind, const char *namespace,
		    const char *name)
{
	struct fw_model_shelf *shelf = shelf_of(model, kind);
	struct fw_model_state *state = model->state;
	struct fw_object *object;
	size_t place;

	if (!shelf || !fw_model_name_fits(namespace, name))
		return -ENOENT;
	object = find(shelf, namespace, name);
	if (!object)
		return -ENOENT;
	sort_shelf(shelf);
	place = find_place(shelf, shelf->count, namespace, name);
	move_objects(shelf, place, place + 1, shelf->count - place - 1);
	shelf->sorted = --shelf->count;
	forget(state, shelf, object);
	state->revision++;
	return kind == FW_KIND_NODE ? fw_model_rebuild_ranges(state) : 0;
}

int fw_model_retire_pod(struct fw_model *model, const char *namespace, const char *name)
{
	struct fw_object *object = fw_model_get(model, FW_KIND_POD, namespace, name);
	struct fw_model_shelf *shelf = shelf_of(model, FW_KIND_POD);
	struct fw_pod *pod = (struct fw_pod *)object;

	if (!pod)
		return -ENOENT;
	if (pod->finished)
		return 0;
	fw_model_unindex_pod(model->state, pod);
	pod->finished = true;
	sort_shelf(shelf);
	place_object(shelf, find_place(shelf, shelf->count, namespace, name), object,
		     next_version());
	object->digest = ~object->digest; /* the same object, put again, is a change */
	model->state->revision++;
	return 0;
}

struct fw_object *fw_model_get(const struct fw_model *model, enum fw_kind kind,
			       const char *namespace, const char *name)
{
	struct fw_model_shelf *shelf = shelf_of(model, kind);

	return shelf && fw_model_name_fits(namespace, name) ? find(shelf, namespace, name) : NULL;
}

size_t fw_model_list(const struct fw_model *model, enum fw_kind kind,
		     struct fw_object *const **ret_objects)
{
	struct fw_model_shelf *shelf = shelf_of(model, kind);

	if (!shelf) {
		*ret_objects = NULL;
		return 0;
	}
	sort_shelf(shelf);
	*ret_objects = shelf->objects;
	return shelf->count;
}

void fw_model_versions(const struct fw_model *model, enum fw_kind kind,
		       const uint64_t **ret_versions)
{
	struct fw_model_shelf *shelf = shelf_of(model, kind);

	if (shelf)
		sort_shelf(shelf);
	*ret_versions = shelf ? shelf->versions : NULL;
}

uint64_t fw_model_revision(const struct fw_model *model)
{
	return model->state->revision;
}

int fw_model_new(struct fw_model **ret_model)
{
	_cleanup_(fw_model_free) struct fw_model *model = calloc(1, sizeof(*model));

	if (!model)
		return -ENOMEM;
	model->state = calloc(1, sizeof(*model->state));
	if (!model->state)
		return -ENOMEM;
	model->state->node_name = strdup("");
	if (!model->state->node_name)
		return -ENOMEM;
	*ret_model = TAKE_PTR(model);
	return 0;
}

static void free_shelf(struct fw_model_shelf *shelf)
{
	for (size_t i = 0; i < shelf->count; i++)
		fw_object_free(&shelf->objects[i]);
	fw_htab_done(&shelf->table);
	free(shelf->objects);
	free(shelf->versions);
}

void fw_model_free(struct fw_model **model)
{
	struct fw_model *m = *model;

	if (!m)
		return;
	if (m->state) {
		fw_model_free_addresses(m->state);
		fw_model_free_sandboxes(m->state);
		for (int kind = 0; kind < FW_KIND_COUNT; kind++)
			free_shelf(&m->state->shelves[kind]);
		free(m->state->configured);
		free(m->state->ranges);
		free(m->state->node_name);
		free(m->state->own);
		free(m->state);
	}
	free(m);
	*model = NULL;
}
