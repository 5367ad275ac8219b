/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table behind known.h. In: what streams tell. Out: which version is in force. Must never let
 * one stream's delete take away what the other told later.
 */
#include "kube/known.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEY_MAX 512

/* Flags, by stream. */
#define HELD(stream)	 (1u << (stream))  /* has it now */
#define IGNORED(stream)	 (4u << (stream))  /* its version was older than the one in force */
#define IN_FORCE(stream) (16u << (stream)) /* its version is; of none: no one's */

struct name {
	const char *namespace, *name;
};

const char *fw_known_name(const struct fw_known_object *object)
{
	return object->key + strlen(object->key) + 1;
}

static uint64_t hash_of(const char *namespace, const char *name)
{
	return fw_hash_mix(fw_hash_text(1, namespace), fw_hash_text(2, name));
}

static bool is_named(const void *item, const void *key)
{
	const struct fw_known_object *object = item;
	const struct name *name = key;

	return !strcmp(object->key, name->namespace) && !strcmp(fw_known_name(object), name->name);
}

struct fw_known_object *fw_known_find(const struct fw_known *known, const char *namespace,
				      const char *name)
{
	const struct name key = {namespace, name};

	return fw_htab_find(&known->objects, hash_of(namespace, name), is_named, &key);
}

struct fw_known_object *fw_known_next(const struct fw_known *known, size_t *at)
{
	while (*at < known->objects.cap) {
		struct fw_known_object *object = known->objects.slots[(*at)++].item;

		if (object)
			return object;
	}
	return NULL;
}

static int make(struct fw_known *known, const char *namespace, const char *name,
		struct fw_known_object **ret_object)
{
	size_t namespace_size = strlen(namespace) + 1, name_size = strlen(name) + 1;
	size_t size = offsetof(struct fw_known_object, key) + namespace_size + name_size;
	struct fw_known_object *object;

	if (namespace_size + name_size > KEY_MAX)
		return -EINVAL;
	object = calloc(1, size);
	if (!object || fw_htab_add(&known->objects, hash_of(namespace, name), object)) {
		free(object);
		return -ENOMEM;
	}
	memcpy(object->key, namespace, namespace_size);
	memcpy(object->key + namespace_size, name, name_size);
	*ret_object = object;
	return 0;
}

static bool has(const struct fw_known_object *object, unsigned int flag)
{
	return object->flags & flag;
}

static void set(struct fw_known_object *object, unsigned int flag, bool yes)
{
	object->flags = (uint8_t)(yes ? object->flags | flag : object->flags & ~flag);
}

bool fw_known_held(const struct fw_known_object *object, unsigned int stream)
{
	return has(object, HELD(stream));
}

int fw_known_put(struct fw_known *known, unsigned int stream, const char *namespace,
		 const char *name, uint64_t order, uint32_t mark,
		 struct fw_known_object **ret_object, bool *ret_newest)
{
	struct fw_known_object *object = fw_known_find(known, namespace, name);
	unsigned int other = 1 - stream;
	bool newest;
	int r = object ? 0 : make(known, namespace, name, &object);

	if (r)
		return r;
	newest = !has(object, IN_FORCE(other)) || !order || order >= object->order;
	set(object, HELD(stream), true);
	set(object, IGNORED(stream), !newest);
	object->mark[stream] = mark;
	if (newest) {
		set(object, IN_FORCE(other), false);
		set(object, IN_FORCE(stream), true);
		object->order = order;
	}
	*ret_newest = newest;
	*ret_object = object;
	return 0;
}

bool fw_known_drop(struct fw_known *known, unsigned int stream, struct fw_known_object *object,
		   bool *ret_lost)
{
	unsigned int other = 1 - stream;
	bool removed = has(object, IN_FORCE(stream));

	*ret_lost = removed && has(object, HELD(other)) && has(object, IGNORED(other));
	set(object, HELD(stream) | IGNORED(stream) | IN_FORCE(stream), false);
	if (!has(object, HELD(other))) {
		(void)fw_known_trouble(known, object, NULL);
		fw_htab_remove(&known->objects, hash_of(object->key, fw_known_name(object)),
			       object);
		free(object);
	}
	return removed;
}

bool fw_known_trouble(struct fw_known *known, struct fw_known_object *object, const char *text)
{
	if (!text && !object->trouble)
		return false;
	if (text && object->trouble && !strcmp(text, object->trouble))
		return false;
	known->troubled -= object->trouble != NULL;
	free(object->trouble);
	object->trouble = text ? strdup(text) : NULL;
	known->troubled += object->trouble != NULL;
	return true;
}

void fw_known_done(struct fw_known *known)
{
	struct fw_known_object *object;
	size_t at = 0;

	while ((object = fw_known_next(known, &at))) {
		free(object->trouble);
		free(object);
	}
	fw_htab_done(&known->objects);
	known->troubled = 0;
}
