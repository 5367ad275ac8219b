/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every object has: metadata. In: a document. Out: names, UID, labels, checked as the API
 * server does. Managed fields, resource versions and foreign annotations are never read.
 */
#include "api/kinds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* Where the key stands, or would. */
static size_t place_of(const struct fw_labels *labels, const char *key, bool *ret_there)
{
	size_t low = 0, high = labels->count;

	*ret_there = false;
	while (low < high && !*ret_there) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(labels->keys[middle], key);

		*ret_there = !order;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return *ret_there ? high : low;
}

static int reserve(struct fw_labels *labels, size_t count)
{
	char **keys = reallocarray(labels->keys, count, sizeof(*keys)), **values;

	if (!keys)
		return -ENOMEM;
	labels->keys = keys;
	values = reallocarray(labels->values, count, sizeof(*values));
	if (!values)
		return -ENOMEM;
	labels->values = values;
	return 0;
}

/* There is room for one more. */
static int set(struct fw_labels *labels, const char *key, const char *value)
{
	_cleanup_free_ char *key_copy = NULL, *value_copy = strdup(value);
	bool there;
	size_t at = place_of(labels, key, &there);

	if (!there)
		key_copy = strdup(key);
	if (!value_copy || (!there && !key_copy))
		return -ENOMEM;
	if (there) {
		free(labels->values[at]);
	} else {
		size_t behind = labels->count++ - at;

		memmove(labels->keys + at + 1, labels->keys + at, behind * sizeof(*labels->keys));
		memmove(labels->values + at + 1, labels->values + at,
			behind * sizeof(*labels->values));
		labels->keys[at] = TAKE_PTR(key_copy);
	}
	labels->values[at] = TAKE_PTR(value_copy);
	return 0;
}

int fw_labels_set(struct fw_labels *labels, const char *key, const char *value)
{
	int r = reserve(labels, labels->count + 1);

	return r ? r : set(labels, key, value);
}

static int check_label(struct fw_decoder *d, const struct fw_field *labels, const cJSON *member)
{
	const char *wrong = fw_check_label_key(member->string);
	struct fw_field field = {.json = member, .up = labels, .name = member->string};
	const char *value;
	int r;

	if (wrong)
		return fw_field_fail(d, labels, "key \"%.128s\": %s", member->string, wrong);
	r = fw_field_string(d, &field, &value);
	if (r)
		return r;
	wrong = fw_check_label_value(value);
	return wrong ? fw_field_fail(d, &field, "\"%.128s\": %s", value, wrong) : 0;
}

/* Of one key twice, the last counts, as for Kubernetes. */
static int decode_labels(struct fw_decoder *d, const struct fw_field *metadata,
			 struct fw_labels *labels)
{
	struct fw_field field;
	size_t count = 0;
	int r = fw_member_object(d, metadata, "labels", &field);

	if (r)
		return r == -ENOENT ? 0 : r;
	for (const cJSON *member = field.json->child; member; member = member->next)
		count++;
	if (count > 10000)
		return fw_field_fail(d, &field, "more than 10000 labels");
	r = reserve(labels, count + 1);
	for (const cJSON *member = field.json->child; !r && member; member = member->next) {
		r = check_label(d, &field, member);
		if (!r)
			r = set(labels, member->string, member->valuestring);
	}
	return r;
}

static bool is_namespaced(enum fw_kind kind)
{
	return kind != FW_KIND_NAMESPACE && kind != FW_KIND_NODE;
}

static const char *check_name(enum fw_kind kind, const char *name)
{
	return kind == FW_KIND_NAMESPACE || kind == FW_KIND_SERVICE ? fw_check_label(name)
								    : fw_check_subdomain(name);
}

static int decode_names(struct fw_decoder *d, const struct fw_field *metadata,
			struct fw_object *object)
{
	const char *name = "", *namespace = "", *wrong;
	struct fw_field field;
	int r = fw_member_string(d, metadata, "name", &name);

	if (r)
		return r;
	if (!fw_field_get(metadata, "name", &field))
		return fw_field_missing(d, metadata, "name");
	wrong = check_name(object->kind, name);
	if (wrong)
		return fw_field_fail(d, &field, "\"%.128s\": %s", name, wrong);
	r = fw_member_string(d, metadata, "namespace", &namespace);
	if (r)
		return r;
	if (is_namespaced(object->kind) && !*namespace)
	namespace = "default";
	if (fw_field_get(metadata, "namespace", &field) && *namespace) {
		wrong = is_namespaced(object->kind) ? fw_check_label(namespace)
						    : "this kind has no namespace";
		if (wrong)
			return fw_field_fail(d, &field, "\"%.128s\": %s", namespace, wrong);
	}
	object->name = strdup(name);
	object->namespace = strdup(namespace);
	return object->name && object->namespace ? 0 : -ENOMEM;
}

int fw_decode_head(struct fw_decoder *d, const struct fw_field *document, struct fw_object *object)
{
	struct fw_field metadata;
	int r = fw_member_object(d, document, "metadata", &metadata);

	if (r == -ENOENT)
		return fw_field_missing(d, document, "metadata");
	if (r)
		return r;
	r = decode_names(d, &metadata, object);
	if (!r)
		r = fw_member_copy(d, &metadata, "uid", &object->uid);
	if (!r)
		r = fw_member_integer(d, &metadata, "generation", 0, (int64_t)1 << 53,
				      &object->generation);
	if (!r)
		r = decode_labels(d, &metadata, &object->labels);
	if (!r && !object->uid)
		object->uid = strdup("");
	return r || object->uid ? r : -ENOMEM;
}

int fw_decode_annotation(struct fw_decoder *d, const struct fw_field *document, const char *name,
			 struct fw_annotation *ret_annotation)
{
	struct fw_annotation *a = ret_annotation;
	int r;

	a->text = NULL;
	r = fw_member_object(d, document, "metadata", &a->metadata);
	if (!r)
		r = fw_member_object(d, &a->metadata, "annotations", &a->annotations);
	if (r)
		return r == -ENOENT ? 0 : r;
	if (!fw_field_get(&a->annotations, name, &a->field))
		return 0;
	return fw_field_string(d, &a->field, &a->text);
}
