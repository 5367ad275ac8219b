// SPDX-License-Identifier: Apache-2.0
/*
 * Rows of fw_addresses by reference: see addresses.h. In: sorted rows. Out: differences. Never
 * changes rows that somebody else has, too.
 */
#include "apply/addresses.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "fw/abi.h"

#define SAME_BLOCK 64u /* rows that are compared at once */

void fw_addresses_done(struct fw_addresses *addresses)
{
	fw_address_rows_drop(addresses->shared);
	free(addresses->class_id);
	*addresses = (struct fw_addresses){0};
}

int fw_addresses_of(const struct fw_tables *tables, const uint32_t *class_id,
		    struct fw_addresses *ret_addresses)
{
	_cleanup_(fw_addresses_done) struct fw_addresses addresses = {
		.shared = tables->address_rows,
		.rows = tables->addresses,
		.count = tables->addresses_count,
		.class_count = tables->classes_count,
	};

	if (addresses.shared) {
		addresses.shared->refs++;
	} else { /* nobody's to keep: a copy */
		addresses.shared = fw_address_rows_new(addresses.count);
		if (!addresses.shared)
			return -ENOMEM;
		if (addresses.count)
			memcpy(addresses.shared->rows, addresses.rows,
			       addresses.count * sizeof(*addresses.rows));
		addresses.rows = addresses.shared->rows;
	}
	addresses.class_id = malloc((addresses.class_count + 1) * sizeof(*class_id));
	if (!addresses.class_id)
		return -ENOMEM;
	if (addresses.class_count)
		memcpy(addresses.class_id, class_id, addresses.class_count * sizeof(*class_id));
	*ret_addresses = addresses;
	addresses = (struct fw_addresses){0};
	return 0;
}

static int of_set(const struct fw_row_set *set, struct fw_addresses *ret_addresses)
{
	struct fw_address_rows *shared = fw_address_rows_new(set->count);

	if (!shared)
		return -ENOMEM;
	for (size_t i = 0; i < set->count; i++) {
		struct fw_address_row *row = &shared->rows[i];
		struct fw_peer peer;

		memcpy(row->ip.b, fw_row_key(set, i), sizeof(row->ip.b));
		memcpy(&peer, fw_row_value(set, i), sizeof(peer));
		row->peer_class = peer.peer_class;
		row->flags = peer.flags;
	}
	*ret_addresses =
		(struct fw_addresses){.shared = shared, .rows = shared->rows, .count = set->count};
	return 0;
}

static void init_set(struct fw_row_set *set)
{
	fw_row_set_init(set, sizeof(struct fw_address_key), sizeof(struct fw_peer));
}

int fw_addresses_read(int map_fd, struct fw_addresses *ret_addresses, struct fw_err *err)
{
	_cleanup_(fw_row_set_done) struct fw_row_set set;
	int r;

	init_set(&set);
	r = fw_rows_read(map_fd, true, &set, err);
	if (r < 0)
		return r;
	r = of_set(&set, ret_addresses);
	return r < 0 ? fw_err_errno(err, r, "fw_addresses") : 0;
}

uint32_t fw_addresses_class(const struct fw_addresses *addresses, size_t row)
{
	uint32_t class = addresses->rows[row].peer_class;

	return addresses->class_id ? addresses->class_id[class] : class;
}

uint32_t fw_addresses_class_at(const struct fw_addresses *addresses, const void *ip)
{
	size_t low = 0, high = addresses->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(addresses->rows[middle].ip.b, ip, sizeof(addresses->rows->ip.b)) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return fw_addresses_class(addresses, low);
}

static int add(struct fw_row_set *set, const struct fw_addresses *addresses, size_t row)
{
	struct fw_peer peer = {fw_addresses_class(addresses, row), addresses->rows[row].flags};

	return fw_row_set_add(set, addresses->rows[row].ip.b, &peer);
}

static bool differs(const struct fw_addresses *before, size_t at, const struct fw_addresses *after,
		    size_t to)
{
	return fw_addresses_class(before, at) != fw_addresses_class(after, to) ||
	       before->rows[at].flags != after->rows[to].flags;
}

static int diff_step(const struct fw_addresses *before, const struct fw_addresses *after,
		     size_t *at, size_t *to, struct fw_row_diff *diff)
{
	int order;

	if (*at == before->count)
		order = 1;
	else if (*to == after->count)
		order = -1;
	else
		order = fw_ip_compare(&before->rows[*at].ip, &after->rows[*to].ip);
	if (order < 0)
		return add(&diff->remove, before, (*at)++);
	if (order > 0)
		return add(&diff->add, after, (*to)++);
	if (differs(before, (*at)++, after, *to))
		return add(&diff->change, after, (*to)++);
	(*to)++;
	return 0;
}

/* Equal bytes mean equal rows. */
static bool same_classes(const struct fw_addresses *a, const struct fw_addresses *b)
{
	return a->class_id && b->class_id && a->class_count == b->class_count &&
	       !memcmp(a->class_id, b->class_id, a->class_count * sizeof(*a->class_id));
}

/* Nearly all rows are the same: how many of the next ones, as far as whole blocks are. */
static size_t same_rows(const struct fw_addresses *before, const struct fw_addresses *after,
			size_t at, size_t to)
{
	size_t same = 0;

	while (at + same + SAME_BLOCK <= before->count && to + same + SAME_BLOCK <= after->count &&
	       !memcmp(before->rows + at + same, after->rows + to + same,
		       SAME_BLOCK * sizeof(*before->rows)))
		same += SAME_BLOCK;
	return same;
}

int fw_addresses_diff(const struct fw_addresses *before, const struct fw_addresses *after,
		      size_t capacity, struct fw_row_diff *ret_diff)
{
	_cleanup_(fw_row_diff_done) struct fw_row_diff diff;
	bool alike = same_classes(before, after);
	size_t at = 0, to = 0;
	int r = 0;

	init_set(&diff.add);
	diff.change = diff.remove = diff.skipped = diff.add;
	if (!before->count) /* the first tables: no room to spare is needed */
		r = fw_row_set_reserve(&diff.add, after->count);
	while (r == 0 && (at < before->count || to < after->count)) {
		size_t same = alike ? same_rows(before, after, at, to) : 0;

		at += same;
		to += same;
		for (size_t i = 0;
		     r == 0 && i < SAME_BLOCK && (at < before->count || to < after->count); i++)
			r = diff_step(before, after, &at, &to, &diff);
	}
	if (r == 0)
		r = fw_row_diff_limit(&diff, before->count, capacity);
	if (r < 0)
		return r;
	*ret_diff = diff;
	memset(&diff, 0, sizeof(diff));
	return 0;
}

int fw_addresses_skip(struct fw_addresses *addresses, const struct fw_row_set *skipped)
{
	_cleanup_(fw_row_set_done) struct fw_row_set kept;
	struct fw_addresses found;
	int r = 0;

	init_set(&kept);
	if (!skipped->count)
		return 0;
	for (size_t i = 0; r == 0 && i < addresses->count; i++) {
		if (!fw_row_set_find(skipped, addresses->rows[i].ip.b))
			r = add(&kept, addresses, i);
	}
	if (r == 0)
		r = of_set(&kept, &found);
	if (r < 0)
		return r;
	fw_addresses_done(addresses);
	*addresses = found;
	return 0;
}
