/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and versions of objects. In: text that may be anything. Out: trees by the strict reader of
 * api/; of an object that it refuses, the name, if the beginning of the text tells it. Must never
 * hand on a name that is no name.
 */
#include "kube/item.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/field.h"
#include "api/tree.h"
#include "kube/split.h"

#define NEXT_MAX 16384 /* bytes of a continue token */

/*
 * What no decoder of api/ reads and is large or has many members: more than half of a pod. It is
 * checked like the rest, and costs neither memory nor time to build.
 */
#define OF_ALL                                                                                     \
	{                                                                                          \
		{                                                                                  \
			"metadata", "managedFields"                                                \
		}                                                                                  \
	}
#define OF_CONTAINERS(list)                                                                        \
	{{"spec", list, "env"}}, {{"spec", list, "envFrom"}}, {{"spec", list, "volumeMounts"}},    \
		{{"spec", list, "resources"}}, {{"spec", list, "args"}},                           \
		{{"spec", list, "livenessProbe"}}, {{"spec", list, "readinessProbe"}},             \
		{{"spec", list, "startupProbe"}},                                                  \
	{                                                                                          \
		{                                                                                  \
			"spec", list, "securityContext"                                            \
		}                                                                                  \
	}

static const struct fw_tree_path of_all[] = {OF_ALL, {{NULL}}};
static const struct fw_tree_path of_pod[] = {OF_ALL,
					     OF_CONTAINERS("containers"),
					     OF_CONTAINERS("initContainers"),
					     {{"spec", "volumes"}},
					     {{"spec", "tolerations"}},
					     {{"spec", "affinity"}},
					     {{"spec", "ephemeralContainers"}},
					     {{"status", "conditions"}},
					     {{"status", "containerStatuses"}},
					     {{"status", "initContainerStatuses"}},
					     {{"status", "ephemeralContainerStatuses"}},
					     {{NULL}}};
static const struct fw_tree_path of_node[] = {OF_ALL,
					      {{"status", "images"}},
					      {{"status", "conditions"}},
					      {{"status", "nodeInfo"}},
					      {{NULL}}};

static const struct fw_tree_path *unread_of(enum fw_kind kind)
{
	return kind == FW_KIND_POD ? of_pod : kind == FW_KIND_NODE ? of_node : of_all;
}

/* False, and nothing copied, when it is longer than the room. */
static bool copy(char *to, size_t size, const char *text, size_t len)
{
	if (len >= size || memchr(text, '\0', len))
		return false;
	memcpy(to, text, len);
	to[len] = '\0';
	return true;
}

static void copy_member(const struct fw_field *up, const char *name, char *to, size_t size)
{
	struct fw_field field;

	if (fw_field_get(up, name, &field) && cJSON_IsString(field.json))
		(void)copy(to, size, field.json->valuestring, strlen(field.json->valuestring));
}

static void drop_wrong_names(enum fw_kind kind, struct fw_item *item)
{
	bool cluster = kind == FW_KIND_NAMESPACE || kind == FW_KIND_NODE;

	if (fw_check_subdomain(item->name))
		item->name[0] = '\0';
	if (cluster || !item->name[0])
		item->namespace[0] = '\0';
	else if (!item->namespace[0])
		(void)snprintf(item->namespace, sizeof(item->namespace), "default");
	else if (fw_check_label(item->namespace))
		item->namespace[0] = item->name[0] = '\0';
}

static void read_metadata(struct fw_item *item)
{
	struct fw_field document = {.json = item->tree}, metadata, annotations, end;

	if (!fw_field_get(&document, "metadata", &metadata))
		return;
	copy_member(&metadata, "name", item->name, sizeof(item->name));
	copy_member(&metadata, "namespace", item->namespace, sizeof(item->namespace));
	copy_member(&metadata, "resourceVersion", item->version, sizeof(item->version));
	item->initial_end = fw_field_get(&metadata, "annotations", &annotations) &&
			    fw_field_get(&annotations, "k8s.io/initial-events-end", &end) &&
			    cJSON_IsString(end.json) && !strcmp(end.json->valuestring, "true");
}

static int no_item(const char *text, size_t len, bool whole, void *context)
{
	(void)text;
	(void)len;
	(void)whole;
	(void)context;
	return 0;
}

static int no_end(void *context)
{
	(void)context;
	return 0;
}

typedef int (*take_member)(const char *name, const char *text, size_t len, bool whole,
			   void *context);

/* Calls `take` for each member of a text that may be cut or garbled, also for the last one. */
static void walk_members(const char *text, size_t len, take_member take, void *context)
{
	const struct fw_split_handler handler = {no_item, take, no_end, context};
	struct fw_split *split;
	const char *name, *rest;
	size_t rest_len;

	if (fw_split_new(FW_SPLIT_OBJECT, 0, &handler, &split))
		return;
	(void)fw_split_feed(split, text, len, NULL);
	name = fw_split_unfinished(split, &rest, &rest_len);
	if (name && rest_len)
		(void)take(name, rest, rest_len, false, context);
	fw_split_free(&split);
}

static int take_name(const char *name, const char *text, size_t len, bool whole, void *context)
{
	struct fw_item *item = context;

	if (!whole || len < 2 || text[0] != '"' || memchr(text, '\\', len))
		return 0;
	if (!strcmp(name, "name"))
		(void)copy(item->name, sizeof(item->name), text + 1, len - 2);
	else if (!strcmp(name, "namespace"))
		(void)copy(item->namespace, sizeof(item->namespace), text + 1, len - 2);
	else if (!strcmp(name, "resourceVersion"))
		(void)copy(item->version, sizeof(item->version), text + 1, len - 2);
	return 0;
}

static int take_metadata(const char *name, const char *text, size_t len, bool whole, void *context)
{
	(void)whole;
	if (!strcmp(name, "metadata"))
		walk_members(text, len, take_name, context);
	return 0;
}

void fw_item_read(enum fw_kind kind, const char *text, size_t len, bool whole,
		  struct fw_item *ret_item)
{
	struct fw_tree_budget budget = {.most = FW_ITEM_NODES_MAX, .unread = unread_of(kind)};
	struct fw_err err = {""};
	unsigned int line;
	int r = -E2BIG;

	*ret_item = (struct fw_item){0};
	if (whole)
		r = fw_tree_json(text, len, &budget, &ret_item->tree, &line, &err);
	else
		(void)fw_err_set(&err, r, "larger than %u bytes", FW_SPLIT_BYTES);
	if (!r && !cJSON_IsObject(ret_item->tree)) {
		fw_item_done(ret_item);
		r = fw_err_set(&err, -EINVAL, "not an object");
	}
	if (r == -ENOMEM)
		(void)fw_err_set(&err, r, "out of memory");
	if (!r)
		read_metadata(ret_item);
	else
		walk_members(text, len, take_metadata, ret_item);
	if (r)
		(void)snprintf(ret_item->why, sizeof(ret_item->why), "%.250s", err.text);
	drop_wrong_names(kind, ret_item);
}

void fw_item_done(struct fw_item *item)
{
	cJSON_Delete(item->tree);
	item->tree = NULL;
}

uint64_t fw_version_number(const char *version)
{
	uint64_t number = 0;

	if (!*version || strlen(version) > 18)
		return 0;
	for (; *version; version++) {
		if (*version < '0' || *version > '9')
			return 0;
		number = number * 10 + (uint64_t)(*version - '0');
	}
	return number;
}

static unsigned int read_number(const struct fw_field *up, const char *name, unsigned int most)
{
	struct fw_field field;
	double value;

	if (!fw_field_get(up, name, &field) || !cJSON_IsNumber(field.json))
		return 0;
	value = field.json->valuedouble;
	return value > 0 && value <= most ? (unsigned int)value : 0;
}

static cJSON *parse(const char *text, size_t len)
{
	struct fw_tree_budget budget = {.most = 10000};
	struct fw_err err;
	unsigned int line;
	cJSON *tree = NULL;

	return fw_tree_json(text, len, &budget, &tree, &line, &err) ? NULL : tree;
}

void fw_status_read(const char *text, size_t len, struct fw_status *ret_status)
{
	cJSON *tree = parse(text, len);
	struct fw_field document = {.json = tree}, details;

	*ret_status = (struct fw_status){0};
	if (!tree)
		return;
	ret_status->code = read_number(&document, "code", 999);
	copy_member(&document, "reason", ret_status->reason, sizeof(ret_status->reason));
	copy_member(&document, "message", ret_status->message, sizeof(ret_status->message));
	if (fw_field_get(&document, "details", &details))
		ret_status->retry_after = read_number(&details, "retryAfterSeconds", 86400);
	cJSON_Delete(tree);
}

int fw_list_read(const char *text, size_t len, char *ret_version, char **ret_next)
{
	cJSON *tree = parse(text, len);
	struct fw_field metadata = {.json = tree};
	char version[FW_VERSION_MAX + 1] = "", *next;
	int r = -EINVAL;

	if (!tree)
		return r;
	next = calloc(1, NEXT_MAX);
	if (next) {
		copy_member(&metadata, "resourceVersion", version, sizeof(version));
		copy_member(&metadata, "continue", next, NEXT_MAX);
	}
	cJSON_Delete(tree);
	if (!next || !version[0]) {
		free(next);
		return next ? r : -ENOMEM;
	}
	memcpy(ret_version, version, sizeof(version));
	free(*ret_next);
	*ret_next = next;
	return 0;
}
