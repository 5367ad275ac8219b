// SPDX-License-Identifier: Apache-2.0
/*
 * Cells for the moment between the flip of the addresses and the flip of the endpoints. In: the
 * differences of addresses, prefixes and services. Out: rows for subjects that are going. Never
 * touches a subject that stays.
 */
#include "apply/carry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define MOVES_MAX 65536u

struct move {
	uint32_t to, from; /* classes */
};

struct moves {
	struct move *items;
	size_t count, size;
	bool length[129]; /* prefix lengths that the old trie has */
};

static void moves_done(struct moves *moves)
{
	free(moves->items);
}

static bool is_new(const struct fw_cells *cells, uint32_t id)
{
	const struct fw_id *entry = fw_ids_by_id(&cells->classes, id);

	return id >= FW_CLASS_FIRST && entry && entry->fresh;
}

static int add_move(const struct fw_cells *cells, struct moves *moves, uint32_t from, uint32_t to)
{
	if (from == to || !is_new(cells, to) || moves->count == MOVES_MAX)
		return 0;
	if (moves->count && moves->items[moves->count - 1].to == to &&
	    moves->items[moves->count - 1].from == from)
		return 0;
	if (moves->count == moves->size) {
		size_t size = moves->size ? 2 * moves->size : 64;
		struct move *grown = realloc(moves->items, size * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		moves->items = grown;
		moves->size = size;
	}
	moves->items[moves->count++] = (struct move){to, from};
	return 0;
}

static uint32_t class_in(const void *value)
{
	struct fw_peer peer;

	memcpy(&peer, value, sizeof(peer));
	return peer.peer_class;
}

/* The class that the old trie gives to a prefix, looking at lengths below `limit`. */
static uint32_t old_class(const struct fw_peers *peers, const struct moves *moves,
			  const uint8_t *addr, uint32_t limit)
{
	for (uint32_t bits = limit; bits-- > 0;) {
		struct fw_prefix_key key = {.prefixlen = bits};
		const void *value;

		if (!moves->length[bits])
			continue;
		memcpy(key.addr, addr, bits / 8);
		if (bits % 8)
			key.addr[bits / 8] = (__u8)(addr[bits / 8] & (0xff00u >> (bits % 8)));
		value = fw_row_set_find(&peers->prefixes, &key);
		if (value)
			return class_in(value);
	}
	return FW_CLASS_WORLD;
}

static void note_lengths(const struct fw_peers *peers, struct moves *moves)
{
	for (size_t i = 0; i < peers->prefixes.count; i++) {
		struct fw_prefix_key key;

		memcpy(&key, fw_row_key(&peers->prefixes, i), sizeof(key));
		if (key.prefixlen <= 128)
			moves->length[key.prefixlen] = true;
	}
}

static int moves_of_addresses(const struct fw_cells *cells, const struct fw_peers *peers,
			      const struct fw_row_diff *diff, struct moves *moves)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < diff->change.count; i++)
		r = add_move(cells, moves,
			     fw_addresses_class_at(&peers->addresses, fw_row_key(&diff->change, i)),
			     class_in(fw_row_value(&diff->change, i)));
	for (size_t i = 0; r == 0 && i < diff->add.count; i++) {
		uint32_t to = class_in(fw_row_value(&diff->add, i));

		if (is_new(cells, to))
			r = add_move(cells, moves,
				     old_class(peers, moves, fw_row_key(&diff->add, i), 129), to);
	}
	return r;
}

static int moves_of_prefixes(const struct fw_cells *cells, const struct fw_peers *peers,
			     const struct fw_row_diff *diff, struct moves *moves)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < diff->change.count; i++)
		r = add_move(
			cells, moves,
			class_in(fw_row_set_find(&peers->prefixes, fw_row_key(&diff->change, i))),
			class_in(fw_row_value(&diff->change, i)));
	for (size_t i = 0; r == 0 && i < diff->add.count; i++) {
		uint32_t to = class_in(fw_row_value(&diff->add, i));
		struct fw_prefix_key key;

		memcpy(&key, fw_row_key(&diff->add, i), sizeof(key));
		if (is_new(cells, to))
			r = add_move(cells, moves, old_class(peers, moves, key.addr, key.prefixlen),
				     to);
	}
	return r;
}

/* Kinds of backends; pods that stand for themselves come after them. */
static uint32_t kinds_of(const struct fw_service *row)
{
	uint32_t kinds = 0;

	while (kinds < row->count && kinds < FW_SERVICE_GROUPS &&
	       !(row->group[kinds].flags & FW_GROUP_OWN))
		kinds++;
	return kinds;
}

/* A service whose groups are the same but for their classes. */
static int moves_of_services(const struct fw_cells *cells, const struct fw_peers *peers,
			     const struct fw_row_diff *diff, struct moves *moves)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < diff->change.count; i++) {
		struct fw_service old, new;
		uint32_t kinds;

		memcpy(&new, fw_row_value(&diff->change, i), sizeof(new));
		memcpy(&old, fw_row_set_find(&peers->services, fw_row_key(&diff->change, i)),
		       sizeof(old));
		kinds = kinds_of(&new);
		for (uint32_t g = 0; r == 0 && kinds_of(&old) == kinds && g < kinds; g++)
			if (old.group[g].port == new.group[g].port &&
			    old.group[g].flags == new.group[g].flags)
				r = add_move(cells, moves, old.group[g].peer_class,
					     new.group[g].peer_class);
	}
	return r;
}

static int compare_moves(const void *a, const void *b)
{
	const struct move *x = a, *y = b;

	if (x->to != y->to)
		return x->to < y->to ? -1 : 1;
	return x->from < y->from ? -1 : x->from > y->from;
}

static struct fw_slice *slice_at(const struct fw_cells *cells, uint32_t peer)
{
	return peer < cells->scratch_size && cells->scratch_mark[peer] == cells->scratch_turn
		       ? cells->scratch[peer]
		       : NULL;
}

/* What the subject says about every class that becomes `to`: NULL for its default, and where they
 * differ. */
static struct fw_slice *agreed(const struct fw_cells *cells, const struct move *first, size_t count,
			       uint8_t direction)
{
	struct fw_slice *slice = slice_at(cells, first->from << 1 | direction);

	for (size_t i = 1; i < count; i++) {
		if (slice_at(cells, first[i].from << 1 | direction) != slice)
			return NULL;
	}
	return slice;
}

static int add_cell(struct fw_cells *cells, struct fw_cells_plan *plan,
		    struct fw_subject_entry *entry, uint32_t peer, struct fw_slice *slice)
{
	struct fw_cell_key key = {.subject = entry->id, .peer = peer};
	struct fw_cell cell = {.first = slice->first, .count = slice->key.count};
	int r;

	if (entry->count == entry->size) {
		struct fw_cell_ref *grown =
			realloc(entry->cells, (2 * entry->size + 8) * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		entry->cells = grown;
		entry->size = 2 * entry->size + 8;
	}
	r = fw_row_set_add(&plan->cells, &key, &cell);
	if (r < 0)
		return r;
	entry->cells[entry->count++] = (struct fw_cell_ref){.peer = peer, .slice = slice};
	slice->refs++;
	cells->used++;
	return 0;
}

static int carry_subject(struct fw_cells *cells, struct fw_cells_plan *plan,
			 struct fw_subject_entry *entry, const struct moves *moves)
{
	uint32_t own = entry->count;
	int r = 0;

	cells->scratch_turn += 2;
	for (uint32_t i = 0; i < own; i++) {
		cells->scratch[entry->cells[i].peer] = entry->cells[i].slice;
		cells->scratch_mark[entry->cells[i].peer] = cells->scratch_turn;
	}
	for (size_t i = 0, next; r == 0 && i < moves->count; i = next) {
		for (next = i + 1;
		     next < moves->count && moves->items[next].to == moves->items[i].to;)
			next++;
		for (uint8_t direction = 0; r == 0 && direction < 2; direction++) {
			uint32_t peer = moves->items[i].to << 1 | direction;
			struct fw_slice *slice =
				agreed(cells, &moves->items[i], next - i, direction);

			if (slice && !slice_at(cells, peer) && cells->used < cells->capacity)
				r = add_cell(cells, plan, entry, peer, slice);
		}
	}
	return r;
}

int fw_carry(struct fw_cells *cells, struct fw_cells_plan *plan, const struct fw_peers *peers,
	     const struct fw_peers_plan *wanted)
{
	_cleanup_(moves_done) struct moves moves = {.items = NULL};
	int r;

	note_lengths(peers, &moves);
	r = moves_of_addresses(cells, peers, &wanted->address_diff, &moves);
	if (r == 0)
		r = moves_of_prefixes(cells, peers, &wanted->prefix_diff, &moves);
	if (r == 0)
		r = moves_of_services(cells, peers, &wanted->service_diff, &moves);
	if (r < 0 || !moves.count)
		return r;
	qsort(moves.items, moves.count, sizeof(*moves.items), compare_moves);
	for (struct fw_subject_entry *entry = cells->entries; r == 0 && entry;
	     entry = entry->next) {
		bool going = entry->stamp != cells->stamp &&
			     (entry->stamp == cells->applied || entry->adopted);

		if (going && entry->count)
			r = carry_subject(cells, plan, entry, &moves);
	}
	return r;
}
