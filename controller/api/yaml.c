/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML to trees, one per document. In: the bytes of one piece of a file. Out: cJSON nodes that know
 * their line. Aliases are expanded within the file's budget of nodes and bytes; nothing refers to
 * itself. Must never keep a tree beyond the handler's call.
 */
#include "api/tree.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "api/decode.h"
#include "base/cleanup.h"

#define ANCHORS_MAX 1000u
#define MERGE_MAX   1000u
#define FEW_MEMBERS 16 /* compared pair by pair */

struct anchor {
	char *name;
	const cJSON *node; /* NULL while it is being read: an alias to it would never end */
};

struct parser {
	yaml_parser_t yaml;
	unsigned int first_line;
	unsigned int line; /* of the last event */
	unsigned int depth;
	struct fw_tree_budget *budget;
	struct fw_err *err;
	struct anchor anchors[ANCHORS_MAX];
	size_t anchor_count;
};

static int read_node(struct parser *p, yaml_event_t *event, cJSON **ret_node);

static unsigned int line_of(const struct parser *p, yaml_mark_t mark)
{
	return p->first_line + (unsigned int)mark.line;
}

static int next_event(struct parser *p, yaml_event_t *ret_event)
{
	const char *context;

	if (yaml_parser_parse(&p->yaml, ret_event)) {
		p->line = line_of(p, ret_event->start_mark);
		return 0;
	}
	if (p->yaml.error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	context = p->yaml.context;
	p->line = line_of(p, p->yaml.problem_mark);
	return fw_err_set(p->err, -EINVAL, "not YAML: %s%s%s",
			  p->yaml.problem ? p->yaml.problem : "cannot be read", context ? ", " : "",
			  context ? context : "");
}

static int new_node(struct parser *p, int type, cJSON **ret_node)
{
	int r = fw_tree_count(p->budget, p->depth, p->err);
	cJSON *node;

	if (r)
		return r;
	node = cJSON_CreateNull();
	if (!node)
		return -ENOMEM;
	node->type = type;
	node->valueint = p->line > INT_MAX ? 0 : (int)p->line;
	*ret_node = node;
	return 0;
}

static int copy_text(const char *text, size_t len, char **ret_text)
{
	char *copy = cJSON_malloc(len + 1);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, text, len);
	copy[len] = '\0';
	*ret_text = copy;
	return 0;
}

static bool has_tag(const yaml_char_t *tag, const char *name)
{
	return tag && !strncmp((const char *)tag, "tag:yaml.org,2002:", 18) &&
	       !strcmp((const char *)tag + 18, name);
}

/* The type of a scalar event: by its tag, else by how it is written. */
static int resolve(struct parser *p, const yaml_event_t *event, enum fw_scalar *ret_scalar,
		   double *ret_number)
{
	const char *text = (const char *)event->data.scalar.value;
	const yaml_char_t *tag = event->data.scalar.tag;
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

	if (memchr(text, '\0', event->data.scalar.length))
		return fw_err_set(p->err, -EINVAL, "a string holds \\0");
	*ret_scalar = FW_SCALAR_STRING;
	if (has_tag(tag, "str") || (!tag && !plain) || (tag && !strcmp((const char *)tag, "!")))
		return 0;
	if (tag && !has_tag(tag, "int") && !has_tag(tag, "float") && !has_tag(tag, "bool") &&
	    !has_tag(tag, "null"))
		return fw_err_set(p->err, -EINVAL, "the tag %.64s is not read", (const char *)tag);
	if (fw_scalar_resolve(text, ret_scalar, ret_number))
		return fw_err_set(p->err, -EINVAL, "%.64s is not a number that JSON knows", text);
	return 0;
}

static int read_scalar(struct parser *p, const yaml_event_t *event, cJSON **ret_node)
{
	static const int types[] = {
		[FW_SCALAR_STRING] = cJSON_String,  [FW_SCALAR_NULL] = cJSON_NULL,
		[FW_SCALAR_TRUE] = cJSON_True,	    [FW_SCALAR_FALSE] = cJSON_False,
		[FW_SCALAR_INTEGER] = cJSON_Number, [FW_SCALAR_FLOAT] = cJSON_Number,
	};
	enum fw_scalar scalar;
	double number = 0;
	cJSON *node;
	int r;

	r = resolve(p, event, &scalar, &number);
	if (!r)
		r = new_node(p, types[scalar], &node);
	if (r)
		return r;
	node->valuedouble = number;
	if (scalar == FW_SCALAR_STRING)
		r = copy_text((const char *)event->data.scalar.value, event->data.scalar.length,
			      &node->valuestring);
	if (r) {
		cJSON_Delete(node);
		return r;
	}
	*ret_node = node;
	return 0;
}

/* Counts what a copy of the tree would cost, before it is made. */
static int charge(struct parser *p, const cJSON *node)
{
	for (; node; node = node->next) {
		int r = fw_tree_count(p->budget, p->depth, p->err);

		if (r)
			return r;
		p->budget->bytes += (node->string ? strlen(node->string) : 0) +
				    (node->valuestring ? strlen(node->valuestring) : 0);
		if (p->budget->bytes > FW_DECODE_BYTES_MAX)
			return fw_err_set(p->err, -E2BIG, "aliases expand to more than %u bytes",
					  FW_DECODE_BYTES_MAX);
		p->depth++;
		r = charge(p, node->child);
		p->depth--;
		if (r)
			return r;
	}
	return 0;
}

static int copy_tree(struct parser *p, const cJSON *node, cJSON **ret_node)
{
	cJSON *copy;
	int r = fw_tree_count(p->budget, p->depth, p->err);

	if (r)
		return r;
	p->depth++;
	r = charge(p, node->child);
	p->depth--;
	if (r)
		return r;
	copy = cJSON_Duplicate(node, true);
	if (!copy)
		return -ENOMEM;
	cJSON_free(copy->string);
	copy->string = NULL;
	*ret_node = copy;
	return 0;
}

static int read_alias(struct parser *p, const yaml_event_t *event, cJSON **ret_node)
{
	const char *name = (const char *)event->data.alias.anchor;

	for (size_t i = p->anchor_count; i--;) {
		if (strcmp(p->anchors[i].name, name) != 0)
			continue;
		if (!p->anchors[i].node)
			return fw_err_set(p->err, -EINVAL, "*%.64s stands inside what it names",
					  name);
		return copy_tree(p, p->anchors[i].node, ret_node);
	}
	return fw_err_set(p->err, -EINVAL, "*%.64s names nothing", name);
}

/* Returns the place of the anchor, NULL where the node has none. */
static int new_anchor(struct parser *p, const yaml_char_t *name, struct anchor **ret_anchor)
{
	struct anchor *anchor = &p->anchors[p->anchor_count];

	*ret_anchor = NULL;
	if (!name)
		return 0;
	if (p->anchor_count == ANCHORS_MAX)
		return fw_err_set(p->err, -E2BIG, "more than %u anchors in one document",
				  ANCHORS_MAX);
	anchor->name = strdup((const char *)name);
	if (!anchor->name)
		return -ENOMEM;
	anchor->node = NULL;
	p->anchor_count++;
	*ret_anchor = anchor;
	return 0;
}

static int read_sequence(struct parser *p, cJSON *array)
{
	for (;;) {
		yaml_event_t event;
		cJSON *value = NULL;
		int r = next_event(p, &event);

		if (r)
			return r;
		if (event.type == YAML_SEQUENCE_END_EVENT) {
			yaml_event_delete(&event);
			return 0;
		}
		r = read_node(p, &event, &value);
		yaml_event_delete(&event);
		if (r)
			return r;
		(void)cJSON_AddItemToArray(array, value);
	}
}

/* Keys are strings, as JSON wants them: true and 8080 become "true" and "8080". */
static int read_key(struct parser *p, const yaml_event_t *event, char **ret_key, bool *ret_merge)
{
	const char *text = (const char *)event->data.scalar.value;
	enum fw_scalar scalar;
	double number = 0;
	char digits[32];
	int r;

	if (event->type != YAML_SCALAR_EVENT)
		return fw_err_set(p->err, -EINVAL, "a key must be a plain text");
	r = resolve(p, event, &scalar, &number);
	if (r)
		return r;
	*ret_merge = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !strcmp(text, "<<");
	switch (scalar) {
	case FW_SCALAR_STRING:
		break;
	case FW_SCALAR_TRUE:
		text = "true";
		break;
	case FW_SCALAR_FALSE:
		text = "false";
		break;
	case FW_SCALAR_INTEGER:
		(void)snprintf(digits, sizeof(digits), "%.0f", number);
		text = digits;
		break;
	case FW_SCALAR_FLOAT:
	case FW_SCALAR_NULL:
		return fw_err_set(p->err, -EINVAL, "the key \"%.64s\" is not a string: quote it",
				  text);
	}
	return copy_text(text, strlen(text), ret_key);
}

static bool has_member(const cJSON *object, const char *name)
{
	const cJSON *member;

	cJSON_ArrayForEach(member, object) {
		if (member->string && !strcmp(member->string, name))
			return true;
	}
	return false;
}

static size_t count_members(const cJSON *object)
{
	size_t count = 0;

	for (const cJSON *member = object->child; member; member = member->next)
		count++;
	return count;
}

/* Moves the members of `from` that `object` does not have. */
static int merge_members(struct parser *p, cJSON *object, cJSON *from)
{
	cJSON *member = from->child;

	if (count_members(object) > MERGE_MAX || count_members(from) > MERGE_MAX)
		return fw_err_set(p->err, -E2BIG, "<< with more than %u members", MERGE_MAX);
	while (member) {
		cJSON *next = member->next;

		if (!has_member(object, member->string))
			(void)cJSON_AddItemToArray(object,
						   cJSON_DetachItemViaPointer(from, member));
		member = next;
	}
	return 0;
}

/* `from` is one mapping or a list of mappings; the earlier wins. */
static int merge(struct parser *p, cJSON *object, cJSON *from)
{
	if (cJSON_IsObject(from))
		return merge_members(p, object, from);
	p->line = (unsigned int)from->valueint;
	if (!cJSON_IsArray(from))
		return fw_err_set(p->err, -EINVAL, "<< needs a mapping");
	for (cJSON *item = from->child; item; item = item->next) {
		int r = cJSON_IsObject(item) ? merge_members(p, object, item)
					     : fw_err_set(p->err, -EINVAL, "<< needs a mapping");

		if (r)
			return r;
	}
	return 0;
}

static int compare_members(const void *a, const void *b)
{
	const cJSON *left = *(const cJSON *const *)a, *right = *(const cJSON *const *)b;
	int order = strcmp(left->string, right->string);

	return order ? order : left->valueint - right->valueint;
}

static int repeated(struct parser *p, const cJSON *first, const cJSON *second)
{
	p->line = (unsigned int)second->valueint;
	return fw_err_set(p->err, -EINVAL, "the key \"%.64s\" is already there in line %d",
			  second->string, first->valueint);
}

/* Many members: sorted, so that the time stays bounded. */
static int check_many(struct parser *p, const cJSON *object, size_t count)
{
	_cleanup_free_ const cJSON **members = calloc(count, sizeof(*members));
	const cJSON *member = object->child;

	if (!members)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++, member = member->next)
		members[i] = member;
	qsort(members, count, sizeof(*members), compare_members);
	for (size_t i = 1; i < count; i++)
		if (!strcmp(members[i - 1]->string, members[i]->string))
			return repeated(p, members[i - 1], members[i]);
	return 0;
}

static int check_unique(struct parser *p, const cJSON *object)
{
	size_t count = count_members(object);

	if (count > FEW_MEMBERS)
		return check_many(p, object, count);
	for (const cJSON *second = object->child; second; second = second->next)
		for (const cJSON *first = object->child; first != second; first = first->next)
			if (!strcmp(first->string, second->string))
				return repeated(p, first, second);
	return 0;
}

static int read_member(struct parser *p, yaml_event_t *key_event, cJSON *object, cJSON **merged)
{
	yaml_event_t event;
	cJSON *value = NULL;
	size_t anchors = p->anchor_count;
	unsigned int line = p->line;
	bool is_merge = false;
	char *key = NULL;
	int r = read_key(p, key_event, &key, &is_merge);

	if (r)
		return r;
	r = next_event(p, &event);
	if (!r) {
		r = read_node(p, &event, &value);
		yaml_event_delete(&event);
	}
	if (r || is_merge) {
		cJSON_free(key);
		if (!r && *merged)
			r = fw_err_set(p->err, -EINVAL, "the key \"<<\" stands here twice");
		else if (!r && p->anchor_count > anchors) /* its nodes will be moved */
			r = fw_err_set(p->err, -EINVAL, "an anchor inside << is not read");
		if (r)
			cJSON_Delete(value);
		else
			*merged = value;
		return r;
	}
	value->string = key;
	value->valueint = line > INT_MAX ? 0 : (int)line;
	(void)cJSON_AddItemToArray(object, value);
	return 0;
}

static int read_mapping(struct parser *p, cJSON *object)
{
	cJSON *merged = NULL;
	int r;

	for (;;) {
		yaml_event_t event;

		r = next_event(p, &event);
		if (r)
			break;
		if (event.type == YAML_MAPPING_END_EVENT) {
			yaml_event_delete(&event);
			r = check_unique(p, object);
			if (!r && merged)
				r = merge(p, object, merged);
			break;
		}
		r = read_member(p, &event, object, &merged);
		yaml_event_delete(&event);
		if (r)
			break;
	}
	cJSON_Delete(merged);
	return r;
}

static int read_nested(struct parser *p, const yaml_event_t *event, cJSON **ret_node)
{
	bool mapping = event->type == YAML_MAPPING_START_EVENT;
	const yaml_char_t *tag =
		mapping ? event->data.mapping_start.tag : event->data.sequence_start.tag;
	cJSON *node;
	int r;

	if (tag && !has_tag(tag, mapping ? "map" : "seq"))
		return fw_err_set(p->err, -EINVAL, "the tag %.64s is not read", (const char *)tag);
	r = new_node(p, mapping ? cJSON_Object : cJSON_Array, &node);
	if (r)
		return r;
	p->depth++;
	r = mapping ? read_mapping(p, node) : read_sequence(p, node);
	p->depth--;
	if (r) {
		cJSON_Delete(node);
		return r;
	}
	*ret_node = node;
	return 0;
}

static int read_node(struct parser *p, yaml_event_t *event, cJSON **ret_node)
{
	const yaml_char_t *name = NULL;
	struct anchor *anchor;
	int r;

	if (event->type == YAML_ALIAS_EVENT)
		return read_alias(p, event, ret_node);
	if (event->type == YAML_SCALAR_EVENT)
		name = event->data.scalar.anchor;
	else if (event->type == YAML_MAPPING_START_EVENT)
		name = event->data.mapping_start.anchor;
	else if (event->type == YAML_SEQUENCE_START_EVENT)
		name = event->data.sequence_start.anchor;
	r = new_anchor(p, name, &anchor);
	if (r)
		return r;
	if (event->type == YAML_SCALAR_EVENT)
		r = read_scalar(p, event, ret_node);
	else
		r = read_nested(p, event, ret_node);
	if (!r && anchor)
		anchor->node = *ret_node;
	return r;
}

static void forget_anchors(struct parser *p)
{
	while (p->anchor_count)
		free(p->anchors[--p->anchor_count].name);
}

static int read_document(struct parser *p, const struct fw_tree_handler *handler)
{
	yaml_event_t event;
	cJSON *tree = NULL;
	unsigned int line;
	int r = next_event(p, &event);

	if (r)
		return r;
	line = p->line;
	r = read_node(p, &event, &tree);
	yaml_event_delete(&event);
	if (!r) {
		r = next_event(p, &event);
		if (!r)
			yaml_event_delete(&event); /* the document's end */
	}
	forget_anchors(p);
	if (!r && !cJSON_IsNull(tree))
		r = handler->document(tree, line, handler->context);
	cJSON_Delete(tree);
	return r;
}

static int read_stream(struct parser *p, const struct fw_tree_handler *handler)
{
	for (;;) {
		yaml_event_type_t type;
		yaml_event_t event;
		int r = next_event(p, &event);

		if (r)
			return r;
		type = event.type;
		yaml_event_delete(&event);
		if (type == YAML_STREAM_END_EVENT)
			return 0;
		if (type != YAML_DOCUMENT_START_EVENT)
			continue;
		p->depth = 1;
		r = read_document(p, handler);
		if (r)
			return r;
	}
}

int fw_tree_yaml(const char *text, size_t len, unsigned int first_line,
		 struct fw_tree_budget *budget, const struct fw_tree_handler *handler,
		 unsigned int *ret_line, struct fw_err *err)
{
	_cleanup_free_ struct parser *p = calloc(1, sizeof(*p));
	int r;

	if (!p || !yaml_parser_initialize(&p->yaml))
		return -ENOMEM;
	p->first_line = first_line;
	p->line = first_line;
	p->budget = budget;
	p->err = err;
	yaml_parser_set_input_string(&p->yaml, (const unsigned char *)text, len);
	r = read_stream(p, handler);
	yaml_parser_delete(&p->yaml);
	forget_anchors(p);
	*ret_line = p->line;
	return r;
}
