/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of input errors. In: where, which object, what. Out: owned copies in order. A list that is
 * full (1,000) says so in its last entry and takes no more.
 */
#include "api/provider.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ERRORS_MAX 1000u

static void done_error(struct fw_input_error *error)
{
	free(error->where);
	free(error->object);
	free(error->text);
}

static int append(struct fw_error_list *list, const char *where, const char *object,
		  const char *text)
{
	struct fw_input_error error = {strdup(where), strdup(object), strdup(text)};

	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? list->capacity * 2 : 4;
		struct fw_input_error *items = reallocarray(list->items, capacity, sizeof(*items));

		if (items) {
			list->items = items;
			list->capacity = capacity;
		}
	}
	if (!error.where || !error.object || !error.text || list->count == list->capacity) {
		done_error(&error);
		return -ENOMEM;
	}
	list->items[list->count++] = error;
	return 0;
}

int fw_error_list_add(struct fw_error_list *list, const char *where, const char *object,
		      const char *text)
{
	if (list->count >= ERRORS_MAX)
		return 0;
	if (list->count == ERRORS_MAX - 1)
		return append(list, "", "", "more errors than can be listed");
	return append(list, where, object, text);
}

void fw_error_list_done(struct fw_error_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		done_error(&list->items[i]);
	free(list->items);
	*list = (struct fw_error_list){0};
}

bool fw_error_list_equal(const struct fw_error_list *a, const struct fw_error_list *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->items[i].where, b->items[i].where) != 0 ||
		    strcmp(a->items[i].object, b->items[i].object) != 0 ||
		    strcmp(a->items[i].text, b->items[i].text) != 0)
			return false;
	return true;
}
