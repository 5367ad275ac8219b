/* SPDX-License-Identifier: Apache-2.0 */
/* Criteria, their values, and which of them hold for a record; see filter.h. The tests of each
 * kind: criteria.c. */
#include "show/filter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "show/criteria.h"

struct criterion {
	const struct fw_criterion_kind *kind;
	enum fw_side side;
	bool negated;
	char *text;
	struct fw_criterion_value value;
	uint64_t hits;
};

struct fw_filter {
	struct criterion items[FW_FILTER_VALUES_MAX];
	size_t count;
	uint64_t since_ns, until_ns;
	uint64_t seen;
};

int fw_filter_new(struct fw_filter **ret_filter)
{
	struct fw_filter *filter = calloc(1, sizeof(*filter));

	if (!filter)
		return -ENOMEM;
	filter->until_ns = UINT64_MAX;
	*ret_filter = filter;
	return 0;
}

void fw_filter_free(struct fw_filter **filter)
{
	if (!*filter)
		return;
	for (size_t i = 0; i < (*filter)->count; i++)
		free((*filter)->items[i].text);
	free(*filter);
	*filter = NULL;
}

void fw_filter_between(struct fw_filter *filter, uint64_t since_ns, uint64_t until_ns)
{
	filter->since_ns = since_ns;
	filter->until_ns = until_ns;
}

bool fw_filter_empty(const struct fw_filter *filter)
{
	return !filter->count && !filter->since_ns && filter->until_ns == UINT64_MAX;
}

static const char *const side_prefix[] = {
	[FW_SIDE_ANY] = "", [FW_SIDE_FROM] = "from-", [FW_SIDE_TO] = "to-"};

static const struct fw_criterion_kind *find_kind(const char *option, enum fw_side *ret_side)
{
	const struct fw_criterion_kind *kind;

	*ret_side = FW_SIDE_ANY;
	if (!strncmp(option, "from-", 5))
		*ret_side = FW_SIDE_FROM;
	else if (!strncmp(option, "to-", 3))
		*ret_side = FW_SIDE_TO;
	kind = fw_criterion_find(option + strlen(side_prefix[*ret_side]));
	return kind && (*ret_side == FW_SIDE_ANY || kind->sided) ? kind : NULL;
}

int fw_filter_add(struct fw_filter *filter, const char *option, const char *value, bool negated,
		  struct fw_err *err)
{
	struct criterion item = {.negated = negated};
	int r;

	item.kind = find_kind(option, &item.side);
	if (!item.kind)
		return fw_err_set(err, -ENOENT, "no filter is called \"%s\"", option);
	if (filter->count == FW_FILTER_VALUES_MAX)
		return fw_err_set(err, -E2BIG, "more than %u filters", FW_FILTER_VALUES_MAX);
	r = item.kind->parse(value ? value : "", &item.value, err);
	if (r) {
		fw_err_prefix(err, "--%s", option);
		return r;
	}
	item.text = strdup(value ? value : "");
	if (!item.text)
		return fw_err_errno(err, -ENOMEM, "--%s", option);
	item.value.text = item.text;
	filter->items[filter->count++] = item;
	return 0;
}

static bool same_option(const struct criterion *a, const struct criterion *b)
{
	return a->kind == b->kind && a->side == b->side && a->negated == b->negated;
}

static bool holds(const struct criterion *item, const struct fw_shown *shown)
{
	const struct fw_record *record = &shown->record;

	if (!item->kind->sided)
		return item->kind->record(&item->value, shown);
	return (item->side != FW_SIDE_TO &&
		item->kind->party(&item->value, record, &record->source)) ||
	       (item->side != FW_SIDE_FROM &&
		item->kind->party(&item->value, record, &record->destination));
}

bool fw_filter_match(struct fw_filter *filter, const struct fw_shown *shown)
{
	bool hit[FW_FILTER_VALUES_MAX], pass = true;

	if (shown->record.type == FW_RECORD_LOST)
		return true;
	filter->seen++;
	for (size_t i = 0; i < filter->count; i++) {
		hit[i] = holds(&filter->items[i], shown);
		filter->items[i].hits += hit[i];
	}
	for (size_t i = 0; i < filter->count && pass; i++) {
		bool any = false;

		for (size_t j = 0; j < filter->count; j++)
			any = any || (same_option(&filter->items[i], &filter->items[j]) && hit[j]);
		pass = any != filter->items[i].negated;
	}
	return pass && shown->record.time_ns >= filter->since_ns &&
	       shown->record.time_ns <= filter->until_ns;
}

static void tell(const struct criterion *item, uint64_t seen, fw_filter_note note, void *context)
{
	char option[64];

	(void)snprintf(option, sizeof(option), "--%s%s", side_prefix[item->side], item->kind->name);
	note(option, item->text, seen, context);
}

void fw_filter_unmatched(const struct fw_filter *filter, fw_filter_note note, void *context)
{
	for (size_t i = 0; i < filter->count; i++) {
		if (!filter->items[i].hits && !filter->items[i].negated &&
		    !filter->items[i].value.impossible)
			tell(&filter->items[i], filter->seen, note, context);
	}
}

void fw_filter_impossible(const struct fw_filter *filter, fw_filter_note note, void *context)
{
	for (size_t i = 0; i < filter->count; i++) {
		if (filter->items[i].value.impossible)
			tell(&filter->items[i], filter->seen, note, context);
	}
}
