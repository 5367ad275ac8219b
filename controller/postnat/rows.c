// SPDX-License-Identifier: Apache-2.0
/* Elements of the four sets; see rows.h. */
#include "postnat/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/compile.h"

void fw_postnat_rows_done(struct fw_postnat_rows *rows)
{
	free(rows->items);
	*rows = (struct fw_postnat_rows){0};
}

int fw_postnat_compare(const struct fw_postnat_element *a, const struct fw_postnat_element *b)
{
	if (a->set != b->set)
		return a->set < b->set ? -1 : 1;
	return memcmp(a->key, b->key, sizeof(a->key));
}

static int compare(const void *left, const void *right)
{
	return fw_postnat_compare(left, right);
}

void fw_postnat_sort(struct fw_postnat_rows *rows)
{
	size_t kept = 0;

	if (rows->count)
		qsort(rows->items, rows->count, sizeof(*rows->items), compare);
	for (size_t i = 0; i < rows->count; i++) {
		if (!kept || fw_postnat_compare(&rows->items[kept - 1], &rows->items[i]))
			rows->items[kept++] = rows->items[i];
	}
	rows->count = kept;
}

static struct fw_postnat_element element(enum fw_postnat_set four, const struct fw_ip *pod,
					 const struct fw_ip *other, uint8_t protocol, uint16_t port)
{
	bool is4 = fw_ip_is4(pod);
	size_t size = is4 ? 4 : 16;
	struct fw_postnat_element e = {.set = (uint8_t)(is4 ? four : four + 1)};

	memcpy(e.key, pod->b + 16 - size, size);
	memcpy(e.key + size, other->b + 16 - size, size);
	e.key[2 * size] = protocol;
	e.key[2 * size + 4] = (uint8_t)(port >> 8);
	e.key[2 * size + 5] = (uint8_t)port;
	return e;
}

static struct fw_postnat_element choice_of(const struct fw_choice_row *row)
{
	return element(FW_POSTNAT_AMBIGUOUS4, &row->pod, &row->service, row->protocol, row->port);
}

static struct fw_postnat_element backend_of(const struct fw_backend_row *row)
{
	return element(FW_POSTNAT_ALLOWED4, &row->pod, &row->backend, row->protocol, row->port);
}

static int fill(const struct fw_tables *tables, bool audit, size_t more,
		struct fw_postnat_rows *rows)
{
	rows->items = calloc(tables->choices_count + tables->backends_count + more + 1,
			     sizeof(*rows->items));
	if (!rows->items)
		return -ENOMEM;
	for (size_t i = 0; i < tables->choices_count; i++) {
		if (!audit || tables->choices[i].firm)
			rows->items[rows->count++] = choice_of(&tables->choices[i]);
	}
	for (size_t i = 0; i < tables->backends_count; i++) {
		const struct fw_backend_row *row = &tables->backends[i];

		if (row->allowed || (audit && !row->firm))
			rows->items[rows->count++] = backend_of(row);
	}
	return 0;
}

int fw_postnat_rows_want(const struct fw_tables *tables, bool audit,
			 struct fw_postnat_rows *ret_rows)
{
	struct fw_postnat_rows rows = {0};
	int r = fill(tables, audit, 0, &rows);

	if (r < 0)
		return r;
	fw_postnat_sort(&rows);
	*ret_rows = rows;
	return 0;
}

/* Every backend that the tables speak of, allowed or not, as elements. */
static int list_spoken(const struct fw_tables *tables, struct fw_postnat_rows *ret_rows)
{
	ret_rows->items = calloc(tables->backends_count + 1, sizeof(*ret_rows->items));
	if (!ret_rows->items)
		return -ENOMEM;
	for (size_t i = 0; i < tables->backends_count; i++)
		ret_rows->items[ret_rows->count++] = backend_of(&tables->backends[i]);
	fw_postnat_sort(ret_rows);
	return 0;
}

static bool has(const struct fw_postnat_rows *rows, struct fw_postnat_element e)
{
	return rows->count && bsearch(&e, rows->items, rows->count, sizeof(e), compare);
}

static bool is_choice(const struct fw_postnat_element *e)
{
	return e->set == FW_POSTNAT_AMBIGUOUS4 || e->set == FW_POSTNAT_AMBIGUOUS6;
}

int fw_postnat_rows_join(const struct fw_tables *tables, bool audit,
			 const struct fw_postnat_rows *held, struct fw_postnat_rows *ret_rows)
{
	_cleanup_(fw_postnat_rows_done) struct fw_postnat_rows spoken = {0}, rows = {0};
	int r = list_spoken(tables, &spoken);

	if (r == 0)
		r = fill(tables, audit, held->count, &rows);
	if (r < 0)
		return r;
	for (size_t i = 0; i < held->count; i++) {
		const struct fw_postnat_element *e = &held->items[i];

		if (is_choice(e) || !has(&spoken, *e))
			rows.items[rows.count++] = *e;
	}
	fw_postnat_sort(&rows);
	*ret_rows = rows;
	rows = (struct fw_postnat_rows){0};
	return 0;
}

enum fw_postnat_verdict fw_postnat_rows_judge(const struct fw_postnat_rows *rows,
					      const struct fw_postnat_connection *connection)
{
	const struct fw_postnat_connection *c = connection;

	if (!has(rows, element(FW_POSTNAT_AMBIGUOUS4, &c->pod, &c->service, c->protocol,
			       c->service_port)))
		return FW_POSTNAT_NOT_ASKED;
	return has(rows,
		   element(FW_POSTNAT_ALLOWED4, &c->pod, &c->backend, c->protocol, c->backend_port))
		       ? FW_POSTNAT_ACCEPT
		       : FW_POSTNAT_DROP;
}
