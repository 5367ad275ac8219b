/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Label selectors. In: a LabelSelector of the API. Out: requirements, sorted and unique, so that
 * equal meaning has one form. Validation as apimachinery's (meta/v1/validation
 * ValidateLabelSelector).
 */
#include "api/kinds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static const char *const selector_fields[] = {"matchLabels", "matchExpressions", NULL};
static const char *const expression_fields[] = {"key", "operator", "values", NULL};

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int compare_requirements(const void *a, const void *b)
{
	const struct fw_requirement *left = a, *right = b;
	int order = strcmp(left->key, right->key);

	if (!order)
		order = (int)left->op - (int)right->op;
	for (size_t i = 0; !order && i < left->value_count && i < right->value_count; i++)
		order = strcmp(left->values[i], right->values[i]);
	if (!order)
		order = (left->value_count > right->value_count) -
			(left->value_count < right->value_count);
	return order;
}

static void sort_values(struct fw_requirement *requirement)
{
	size_t unique = 0;

	qsort(requirement->values, requirement->value_count, sizeof(*requirement->values),
	      compare_strings);
	for (size_t i = 0; i < requirement->value_count; i++) {
		if (unique && !strcmp(requirement->values[unique - 1], requirement->values[i]))
			free(requirement->values[i]);
		else
			requirement->values[unique++] = requirement->values[i];
	}
	requirement->value_count = unique;
}

static void done_requirement(struct fw_requirement *requirement)
{
	free(requirement->key);
	for (size_t i = 0; i < requirement->value_count; i++)
		free(requirement->values[i]);
	free(requirement->values);
}

static void sort_requirements(struct fw_selector *selector)
{
	size_t unique = 0;

	qsort(selector->items, selector->count, sizeof(*selector->items), compare_requirements);
	for (size_t i = 0; i < selector->count; i++) {
		if (unique &&
		    !compare_requirements(&selector->items[unique - 1], &selector->items[i]))
			done_requirement(&selector->items[i]);
		else
			selector->items[unique++] = selector->items[i];
	}
	selector->count = unique;
}

static int add_value(struct fw_requirement *requirement, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	requirement->values[requirement->value_count++] = copy;
	return 0;
}

static int decode_match_label(struct fw_decoder *d, const struct fw_field *labels,
			      const cJSON *member, struct fw_requirement *requirement)
{
	struct fw_field field = {.json = member, .up = labels, .name = member->string};
	const char *wrong = fw_check_label_key(member->string), *value;
	int r;

	if (wrong)
		return fw_field_fail(d, labels, "key \"%.128s\": %s", member->string, wrong);
	r = fw_field_string(d, &field, &value);
	if (r)
		return r;
	wrong = fw_check_label_value(value);
	if (wrong)
		return fw_field_fail(d, &field, "\"%.128s\": %s", value, wrong);
	requirement->op = FW_OP_IN;
	requirement->key = strdup(member->string);
	requirement->values = calloc(1, sizeof(*requirement->values));
	if (!requirement->key || !requirement->values)
		return -ENOMEM;
	return add_value(requirement, value);
}

static int decode_operator(struct fw_decoder *d, const struct fw_field *expression,
			   enum fw_operator *ret_op)
{
	static const char *const names[] = {"In", "NotIn", "Exists", "DoesNotExist"};
	struct fw_field field;
	const char *text = "";
	int r;

	if (!fw_field_get(expression, "operator", &field))
		return fw_field_missing(d, expression, "operator");
	r = fw_field_string(d, &field, &text);
	if (r)
		return r;
	for (unsigned int op = FW_OP_IN; op <= FW_OP_DOES_NOT_EXIST; op++) {
		if (strcmp(text, names[op]) != 0)
			continue;
		*ret_op = (enum fw_operator)op;
		return 0;
	}
	return fw_field_fail(d, &field, "\"%.64s\" is none of In, NotIn, Exists, DoesNotExist",
			     text);
}

static int decode_values(struct fw_decoder *d, const struct fw_field *expression,
			 struct fw_requirement *requirement)
{
	bool wanted = requirement->op == FW_OP_IN || requirement->op == FW_OP_NOT_IN;
	const cJSON *item;
	struct fw_field values;
	size_t count, i = 0;
	int r = fw_member_list(d, expression, "values", &values, &count);

	if (r)
		return r;
	if (wanted && !count)
		return fw_field_fail(d, expression, "values: needed with In and NotIn");
	if (!wanted && count)
		return fw_field_fail(d, &values, "not allowed with Exists and DoesNotExist");
	if (!count)
		return 0;
	requirement->values = calloc(count, sizeof(*requirement->values));
	if (!requirement->values)
		return -ENOMEM;
	for (item = values.json->child; item; item = item->next) {
		struct fw_field field = fw_field_element(&values, item, i++);
		const char *value, *wrong;

		r = fw_field_string(d, &field, &value);
		if (r)
			return r;
		wrong = fw_check_label_value(value);
		if (wrong)
			return fw_field_fail(d, &field, "\"%.128s\": %s", value, wrong);
		r = add_value(requirement, value);
		if (r)
			return r;
	}
	sort_values(requirement);
	return 0;
}

static int decode_expression(struct fw_decoder *d, const struct fw_field *expression,
			     struct fw_requirement *requirement)
{
	struct fw_field field;
	const char *key, *wrong;
	int r = fw_field_object(d, expression);

	if (r)
		return r;
	fw_field_note_unknown(d, expression, expression_fields);
	if (!fw_field_get(expression, "key", &field))
		return fw_field_missing(d, expression, "key");
	r = fw_field_string(d, &field, &key);
	if (r)
		return r;
	wrong = fw_check_label_key(key);
	if (wrong)
		return fw_field_fail(d, &field, "\"%.128s\": %s", key, wrong);
	r = decode_operator(d, expression, &requirement->op);
	if (r)
		return r;
	requirement->key = strdup(key);
	if (!requirement->key)
		return -ENOMEM;
	return decode_values(d, expression, requirement);
}

static size_t count_children(const cJSON *json)
{
	size_t count = 0;

	for (const cJSON *child = json->child; child; child = child->next)
		count++;
	return count;
}

static bool is_overridden(const cJSON *member)
{
	for (const cJSON *later = member->next; later; later = later->next)
		if (!strcmp(later->string, member->string))
			return true;
	return false;
}

/* The item counts as soon as it may own memory, so that a failure frees it with the selector. */
static int decode_match_labels(struct fw_decoder *d, const struct fw_field *labels,
			       struct fw_selector *selector)
{
	for (const cJSON *member = labels->json->child; member; member = member->next) {
		int r;

		if (is_overridden(member))
			continue;
		r = decode_match_label(d, labels, member, &selector->items[selector->count++]);
		if (r)
			return r;
	}
	return 0;
}

static int decode_match_expressions(struct fw_decoder *d, const struct fw_field *expressions,
				    struct fw_selector *selector)
{
	size_t i = 0;

	for (const cJSON *item = expressions->json->child; item; item = item->next) {
		struct fw_field field = fw_field_element(expressions, item, i++);
		int r = decode_expression(d, &field, &selector->items[selector->count++]);

		if (r)
			return r;
	}
	return 0;
}

int fw_decode_selector(struct fw_decoder *d, const struct fw_field *field,
		       struct fw_selector *selector)
{
	struct fw_field labels, expressions;
	size_t label_count = 0, expression_count = 0;
	int r = fw_field_object(d, field);

	if (r)
		return r;
	fw_field_note_unknown(d, field, selector_fields);
	r = fw_member_object(d, field, "matchLabels", &labels);
	if (r && r != -ENOENT)
		return r;
	if (!r)
		label_count = count_children(labels.json);
	r = fw_member_list(d, field, "matchExpressions", &expressions, &expression_count);
	if (r)
		return r;
	if (label_count + expression_count > 10000)
		return fw_field_fail(d, field, "more than 10000 requirements");
	selector->items = calloc(label_count + expression_count + 1, sizeof(*selector->items));
	if (!selector->items)
		return -ENOMEM;
	if (label_count)
		r = decode_match_labels(d, &labels, selector);
	if (!r && expression_count)
		r = decode_match_expressions(d, &expressions, selector);
	if (!r)
		sort_requirements(selector);
	return r;
}
