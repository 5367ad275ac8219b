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

const char *fw_known_name(const struct fw_known_object *object)
{
	return object->key + strlen(object->key) + 1;
}

static size_t make_key(const char *namespace, const char *name, char key[KEY_MAX])
{
	size_t namespace_size = strlen(namespace) + 1, name_size = strlen(name) + 1;

	if (namespace_size + name_size > KEY_MAX)
		return 0;
	memcpy(key, namespace, namespace_size);
	memcpy(key + namespace_size, name, name_size);
	return namespace_size + name_size;
}

struct fw_known_object *fw_known_find(const struct fw_known *known, const char *namespace,
				      const char *name)
{
	struct fw_known_object *object = NULL;
	char key[KEY_MAX];
	size_t len = make_key(namespace, name, key);

	if (len)
		HASH_FIND(hh, known->objects, key, len, object);
	return object;
}

static int make(struct fw_known *known, const char *namespace, const char *name,
		struct fw_known_object **ret_object)
{
	struct fw_known_object *object;
	char key[KEY_MAX];
	size_t len = make_key(namespace, name, key);

	if (!len)
		return -EINVAL;
	object = calloc(1, sizeof(*object) + len);
	if (!object)
		return -ENOMEM;
	memcpy(object->key, key, len);
	object->in_force = FW_KNOWN_NONE;
	HASH_ADD_KEYPTR(hh, known->objects, object->key, len, object);
	if (!object->hh.tbl) {
		free(object);
		return -ENOMEM;
	}
	*ret_object = object;
	return 0;
}

int fw_known_put(struct fw_known *known, unsigned int stream, const char *namespace,
		 const char *name, uint64_t order, uint32_t mark,
		 struct fw_known_object **ret_object, bool *ret_newest)
{
	struct fw_known_object *object = fw_known_find(known, namespace, name);
	unsigned int other = 1 - stream;
	int r = object ? 0 : make(known, namespace, name, &object);

	if (r)
		return r;
	object->held[stream] = true;
	object->mark[stream] = mark;
	object->ignored[stream] =
		object->in_force == other && order && order < object->order[other];
	object->order[stream] = order;
	if (!object->ignored[stream])
		object->in_force = (uint8_t)stream;
	*ret_newest = !object->ignored[stream];
	*ret_object = object;
	return 0;
}

bool fw_known_drop(struct fw_known *known, unsigned int stream, struct fw_known_object *object,
		   bool *ret_lost)
{
	unsigned int other = 1 - stream;
	bool removed = object->in_force == stream;

	*ret_lost = removed && object->held[other] && object->ignored[other];
	object->held[stream] = object->ignored[stream] = false;
	object->order[stream] = 0;
	if (removed)
		object->in_force = FW_KNOWN_NONE;
	if (!object->held[other]) {
		(void)fw_known_trouble(known, object, NULL);
		HASH_DEL(known->objects, object);
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
	struct fw_known_object *object, *next;

	HASH_ITER(hh, known->objects, object, next) {
		HASH_DEL(known->objects, object);
		free(object->trouble);
		free(object);
	}
	known->troubled = 0;
}
