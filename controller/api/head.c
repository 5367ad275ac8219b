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

static int compare_labels(const void *a, const void *b)
{
	const struct fw_label *left = a, *right = b;

	return strcmp(left->key, right->key);
}

static int copy_label(struct fw_label *label, const char *key, const char *value)
{
	label->key = strdup(key);
	label->value = strdup(value);
	return label->key && label->value ? 0 : -ENOMEM;
}

static int replace_value(struct fw_label *label, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(label->value);
	label->value = copy;
	return 0;
}

int fw_labels_set(struct fw_labels *labels, const char *key, const char *value)
{
	struct fw_label *items;
	int r;

	for (size_t i = 0; i < labels->count; i++)
		if (!strcmp(labels->items[i].key, key))
			return replace_value(&labels->items[i], value);
	items = reallocarray(labels->items, labels->count + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	labels->items = items;
	items[labels->count] = (struct fw_label){0};
	r = copy_label(&items[labels->count++], key, value);
	if (r)
		return r;
	qsort(items, labels->count, sizeof(*items), compare_labels);
	return 0;
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

static bool is_overridden(const cJSON *member)
{
	for (const cJSON *later = member->next; later; later = later->next)
		if (!strcmp(later->string, member->string))
			return true;
	return false;
}

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
	labels->items = calloc(count + 1, sizeof(*labels->items));
	if (!labels->items)
		return -ENOMEM;
	for (const cJSON *member = field.json->child; member; member = member->next) {
		r = check_label(d, &field, member);
		if (!r && !is_overridden(member))
			r = copy_label(&labels->items[labels->count++], member->string,
				       member->valuestring);
		if (r)
			return r;
	}
	qsort(labels->items, labels->count, sizeof(*labels->items), compare_labels);
	return 0;
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
