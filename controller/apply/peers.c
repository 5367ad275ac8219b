// SPDX-License-Identifier: Apache-2.0
/*
 * Addresses, prefixes, services. In: compiled rows. Out: map writes: longer prefixes are added
 * before shorter ones and removed after them, so that an exception always stands inside its block.
 */
#include "apply/peers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

void fw_peers_init(struct fw_peers *peers, struct fw_datapath *datapath)
{
	peers->datapath = datapath;
	peers->addresses = (struct fw_addresses){0};
	fw_row_set_init(&peers->prefixes, sizeof(struct fw_prefix_key), sizeof(struct fw_peer));
	fw_row_set_init(&peers->services, sizeof(struct fw_service_key), sizeof(struct fw_service));
}

void fw_peers_done(struct fw_peers *peers)
{
	fw_addresses_done(&peers->addresses);
	fw_row_set_done(&peers->prefixes);
	fw_row_set_done(&peers->services);
}

/* One that is not ours is no error: its row is replaced or removed. */
static int adopt_class(struct fw_cells *cells, uint32_t id)
{
	int r = fw_cells_adopt_class(cells, id);

	return r == -ERANGE ? 0 : r;
}

static int adopt_addresses(struct fw_cells *cells, const struct fw_addresses *addresses)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < addresses->count; i++)
		r = adopt_class(cells, fw_addresses_class(addresses, i));
	return r;
}

static int adopt_prefixes(struct fw_cells *cells, const struct fw_row_set *set)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < set->count; i++) {
		struct fw_peer peer;

		memcpy(&peer, fw_row_value(set, i), sizeof(peer));
		r = adopt_class(cells, peer.peer_class);
	}
	return r;
}

static int adopt_services(struct fw_cells *cells, struct fw_names *names,
			  const struct fw_row_set *set)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < set->count; i++) {
		struct fw_service row;

		memcpy(&row, fw_row_value(set, i), sizeof(row));
		fw_names_skip_service(names, row.id);
		for (uint32_t g = 0; r == 0 && g < row.count && g < FW_SERVICE_GROUPS; g++) {
			if (!(row.group[g].flags & FW_GROUP_OWN))
				r = adopt_class(cells, row.group[g].peer_class);
		}
	}
	return r;
}

int fw_peers_adopt(struct fw_peers *peers, struct fw_cells *cells, struct fw_names *names,
		   struct fw_err *err)
{
	struct fw_datapath *datapath = peers->datapath;
	int r = fw_addresses_read(fw_datapath_map_fd(datapath, FW_MAP_ADDRESSES), &peers->addresses,
				  err);

	if (r == 0)
		r = fw_rows_read(fw_datapath_map_fd(datapath, FW_MAP_PREFIXES), false,
				 &peers->prefixes, err);
	if (r == 0)
		r = fw_rows_read(fw_datapath_map_fd(datapath, FW_MAP_SERVICES), true,
				 &peers->services, err);
	if (r < 0)
		return r;
	r = adopt_addresses(cells, &peers->addresses);
	if (r == 0)
		r = adopt_prefixes(cells, &peers->prefixes);
	if (r == 0)
		r = adopt_services(cells, names, &peers->services);
	return r < 0 ? fw_err_errno(err, r, "adopting classes") : 0;
}

static int want_prefixes(const struct fw_cells_plan *plan, struct fw_row_set *set)
{
	const struct fw_tables *tables = plan->tables;
	int r = fw_row_set_reserve(set, tables->prefixes_count);

	for (size_t i = 0; r == 0 && i < tables->prefixes_count; i++) {
		const struct fw_prefix_row *row = &tables->prefixes[i];
		struct fw_peer peer = {plan->class_id[row->peer_class], row->flags};
		struct fw_prefix_key key = {.prefixlen = row->prefix.bits};

		memcpy(key.addr, row->prefix.ip.b, sizeof(key.addr));
		r = fw_row_set_add(set, &key, &peer);
	}
	fw_row_set_sort(set);
	return r;
}

/*
 * Leaving backends are for live connections. Where pods may reach some backends only, and no chain
 * tells these apart, rows hold those for new connections.
 */
static void want_groups(const struct fw_cells_plan *plan, const struct fw_service_row *from,
			bool exact, struct fw_service *row)
{
	bool leaving = exact || !from->differs;

	if (exact)
		row->flags = FW_SERVICE_EXACT;
	for (uint32_t g = 0; g < from->group_count && g < FW_SERVICE_GROUPS; g++) {
		if (from->group[g].leaving && !leaving)
			break;
		row->group[g].peer_class = plan->class_id[from->group[g].peer_class];
		row->group[g].port = from->group[g].port;
		row->group[g].flags = from->group[g].leaving ? FW_GROUP_LEAVING : 0;
		row->count++;
	}
}

/* Every sandbox of the pods that stand behind service `number`, beginning at *own; as many as fit.
 */
static void want_owns(const struct fw_tables *tables, const struct fw_peers_local *local,
		      uint32_t number, bool exact, size_t *own, struct fw_service *row)
{
	for (; *own < tables->owns_count && tables->owns[*own].service == number; (*own)++) {
		for (size_t i = 0; exact && i < local->count; i++) {
			uint64_t owner = local->endpoints[i].owner;

			if (local->pods[i] != tables->owns[*own].pod || !owner ||
			    row->count == FW_SERVICE_GROUPS)
				continue;
			row->group[row->count++] =
				(struct fw_service_group){.peer_class = (uint32_t)owner,
							  .port = (uint16_t)(owner >> 32),
							  .flags = FW_GROUP_OWN};
		}
	}
}

static int want_services(const struct fw_cells_plan *plan, struct fw_names *names,
			 const struct fw_peers_local *local, bool exact, struct fw_row_set *set)
{
	const struct fw_tables *tables = plan->tables;
	size_t own = 0;
	int r = fw_row_set_reserve(set, tables->services_count);

	for (size_t i = 0; r == 0 && i < tables->services_count; i++) {
		const struct fw_service_row *from = &tables->services[i];
		struct fw_service_key key = {.port = from->port, .protocol = from->protocol};
		struct fw_service row = {.state = from->state};

		memcpy(key.addr, from->ip.b, sizeof(key.addr));
		r = fw_names_service(names, from, &row.id);
		want_groups(plan, from, from->exact && exact, &row);
		want_owns(tables, local, (uint32_t)i, from->exact && exact, &own, &row);
		if (r == 0)
			r = fw_row_set_add(set, &key, &row);
	}
	fw_row_set_sort(set);
	return r;
}

/* Subjects that could be judged otherwise without this prefix: all with a cell for its class. */
static void lock_class(struct fw_cells_plan *plan, uint32_t id, const char *why)
{
	const struct fw_tables *tables = plan->tables;

	for (size_t i = 0; i < tables->cells_count; i++) {
		const struct fw_cell_row *cell = &tables->cells[i];

		if (plan->class_id[cell->peer_class] == id && !plan->locked[cell->subject][0])
			(void)snprintf(plan->locked[cell->subject],
				       sizeof(plan->locked[cell->subject]), "%s", why);
	}
}

/* The class of the row that holds an address of this prefix when the prefix itself has none. */
static uint32_t covering_class(const struct fw_peers_plan *peers, const struct fw_prefix_key *key)
{
	struct fw_prefix_key shorter = *key;

	while (shorter.prefixlen) {
		const void *value;
		struct fw_peer peer;

		shorter.prefixlen--;
		shorter.addr[shorter.prefixlen / 8] &=
			(__u8)(0xff00u >> (shorter.prefixlen % 8) & 0xffu);
		value = fw_row_set_find(&peers->prefixes, &shorter);
		if (value && !fw_row_set_find(&peers->prefix_diff.skipped, &shorter)) {
			memcpy(&peer, value, sizeof(peer));
			return peer.peer_class;
		}
	}
	return FW_CLASS_WORLD;
}

static void lock_for_prefixes(const struct fw_peers *peers, struct fw_cells_plan *plan,
			      const struct fw_peers_plan *wanted)
{
	char why[160];

	(void)snprintf(why, sizeof(why), "prefixes: %zu needed, %u fit", wanted->prefixes.count,
		       fw_datapath_capacity(peers->datapath, FW_MAP_PREFIXES));
	for (size_t i = 0; i < wanted->prefix_diff.skipped.count; i++) {
		struct fw_prefix_key key;
		struct fw_peer peer;

		memcpy(&key, fw_row_key(&wanted->prefix_diff.skipped, i), sizeof(key));
		memcpy(&peer, fw_row_value(&wanted->prefix_diff.skipped, i), sizeof(peer));
		lock_class(plan, peer.peer_class, why);
		lock_class(plan, covering_class(wanted, &key), why);
	}
}

static bool is_service(const struct fw_row_set *addresses, size_t row)
{
	struct fw_peer peer;

	memcpy(&peer, fw_row_value(addresses, row), sizeof(peer));
	return peer.flags & FW_PEER_SERVICE;
}

/* Copies services, or the others, to `add` while there is room, then to `skipped`. */
static int choose(const struct fw_row_set *from, bool services, size_t room, struct fw_row_set *add,
		  struct fw_row_set *skipped)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < from->count; i++) {
		if (is_service(from, i) == services)
			r = fw_row_set_add(add->count < room ? add : skipped, fw_row_key(from, i),
					   fw_row_value(from, i));
	}
	return r;
}

/*
 * When addresses do not fit, those of services come first: a pod's address without its row matches
 * fewer rules, but a service's would match the blocks around it, which never judge a service.
 */
static int services_first(struct fw_row_diff *diff)
{
	_cleanup_(fw_row_set_done) struct fw_row_set add;
	_cleanup_(fw_row_set_done) struct fw_row_set skipped;
	const size_t room = diff->add.count;
	struct fw_row_set before;
	int r = 0;

	fw_row_set_init(&add, diff->add.key_size, diff->add.value_size);
	fw_row_set_init(&skipped, diff->add.key_size, diff->add.value_size);
	for (int turn = 0; r == 0 && turn < 2; turn++) {
		r = choose(&diff->add, !turn, room, &add, &skipped);
		if (r == 0)
			r = choose(&diff->skipped, !turn, room, &add, &skipped);
	}
	if (r < 0)
		return r;
	fw_row_set_sort(&skipped);
	before = diff->add;
	diff->add = add;
	add = before;
	before = diff->skipped;
	diff->skipped = skipped;
	skipped = before;
	return 0;
}

/* What judges a service whose address has no row: the block around it. */
static void lock_for_services(const struct fw_peers *peers, struct fw_cells_plan *plan,
			      const struct fw_peers_plan *wanted)
{
	const struct fw_row_set *skipped = &wanted->address_diff.skipped;
	char why[160];

	(void)snprintf(why, sizeof(why), "addresses: %zu needed, %u fit", wanted->addresses.count,
		       fw_datapath_capacity(peers->datapath, FW_MAP_ADDRESSES));
	for (size_t i = 0; i < skipped->count; i++) {
		struct fw_prefix_key key = {.prefixlen = 128};

		if (!is_service(skipped, i))
			continue;
		memcpy(key.addr, fw_row_key(skipped, i), sizeof(key.addr));
		lock_class(plan, covering_class(wanted, &key), why);
	}
}

static void say_skipped(struct fw_peers_plan *plan, const char *name, size_t needed,
			uint32_t capacity, size_t skipped, const char *means)
{
	size_t len = strlen(plan->problem);

	if (skipped)
		(void)snprintf(plan->problem + len, sizeof(plan->problem) - len,
			       "%s%s: %zu needed, %u fit: %s", len ? "; " : "", name, needed,
			       capacity, means);
}

static int plan_diffs(const struct fw_peers *peers, struct fw_peers_plan *plan)
{
	uint32_t addresses = fw_datapath_capacity(peers->datapath, FW_MAP_ADDRESSES);
	uint32_t prefixes = fw_datapath_capacity(peers->datapath, FW_MAP_PREFIXES);
	uint32_t services = fw_datapath_capacity(peers->datapath, FW_MAP_SERVICES);
	int r = fw_addresses_diff(&peers->addresses, &plan->addresses, addresses,
				  &plan->address_diff);

	if (r == 0 && plan->address_diff.skipped.count)
		r = services_first(&plan->address_diff);
	if (r == 0)
		r = fw_row_diff(&peers->prefixes, &plan->prefixes, prefixes, &plan->prefix_diff);
	if (r == 0)
		r = fw_row_diff(&peers->services, &plan->services, services, &plan->service_diff);
	if (r < 0)
		return r;
	say_skipped(plan, "addresses", plan->addresses.count, addresses,
		    plan->address_diff.skipped.count, "the others stay unknown");
	say_skipped(plan, "prefixes", plan->prefixes.count, prefixes,
		    plan->prefix_diff.skipped.count, "pods whose policy needs them are locked");
	say_skipped(plan, "services", plan->services.count, services,
		    plan->service_diff.skipped.count, "the others are denied");
	return 0;
}

int fw_peers_plan(struct fw_peers *peers, struct fw_cells_plan *plan, struct fw_names *names,
		  const struct fw_peers_local *local, bool exact, struct fw_peers_plan *ret_peers)
{
	int r;

	*ret_peers = (struct fw_peers_plan){.problem = ""};
	fw_row_set_init(&ret_peers->prefixes, sizeof(struct fw_prefix_key), sizeof(struct fw_peer));
	fw_row_set_init(&ret_peers->services, sizeof(struct fw_service_key),
			sizeof(struct fw_service));
	r = fw_addresses_of(plan->tables, plan->class_id, &ret_peers->addresses);
	if (r == 0)
		r = want_prefixes(plan, &ret_peers->prefixes);
	if (r == 0)
		r = want_services(plan, names, local, exact, &ret_peers->services);
	if (r == 0)
		r = plan_diffs(peers, ret_peers);
	if (r == 0) {
		lock_for_prefixes(peers, plan, ret_peers);
		lock_for_services(peers, plan, ret_peers);
	}
	return r;
}

void fw_peers_plan_done(struct fw_peers_plan *plan)
{
	fw_addresses_done(&plan->addresses);
	fw_row_set_done(&plan->prefixes);
	fw_row_set_done(&plan->services);
	fw_row_diff_done(&plan->address_diff);
	fw_row_diff_done(&plan->prefix_diff);
	fw_row_diff_done(&plan->service_diff);
}

static size_t diff_size(const struct fw_row_diff *diff)
{
	return diff->add.count + diff->change.count + diff->remove.count;
}

bool fw_peers_differ(const struct fw_peers_plan *plan)
{
	return diff_size(&plan->address_diff) || diff_size(&plan->prefix_diff) ||
	       diff_size(&plan->service_diff);
}

/* Add, change, remove. */
static int write_diff(int fd, const char *map, const struct fw_row_diff *diff, bool trie,
		      struct fw_apply_stats *stats, struct fw_err *err)
{
	int r = fw_rows_write(fd, map, &diff->add, trie, err);

	if (r == 0)
		r = fw_rows_write(fd, map, &diff->change, false, err);
	if (r == 0)
		r = fw_rows_remove(fd, map, &diff->remove, err);
	if (r < 0)
		return r;
	stats->rows_added += diff->add.count + diff->change.count;
	stats->rows_removed += diff->remove.count;
	stats->skipped += (uint32_t)diff->skipped.count;
	return 0;
}

/* The copy becomes what is wanted but for what was skipped: what the map now holds. */
static int keep_rows(struct fw_row_set *copy, struct fw_row_set *wanted,
		     const struct fw_row_set *skipped)
{
	_cleanup_(fw_row_set_done) struct fw_row_set held;
	int r = 0;

	fw_row_set_init(&held, copy->key_size, copy->value_size);
	for (size_t i = 0; r == 0 && skipped->count && i < wanted->count; i++) {
		if (!fw_row_set_find(skipped, fw_row_key(wanted, i)))
			r = fw_row_set_add(&held, fw_row_key(wanted, i), fw_row_value(wanted, i));
	}
	if (r < 0)
		return r;
	fw_row_set_done(copy);
	*copy = skipped->count ? held : *wanted;
	fw_row_set_init(skipped->count ? &held : wanted, copy->key_size, copy->value_size);
	return 0;
}

static int keep_addresses(struct fw_addresses *copy, struct fw_addresses *wanted,
			  const struct fw_row_set *skipped)
{
	int r = fw_addresses_skip(wanted, skipped);

	if (r < 0)
		return r;
	fw_addresses_done(copy);
	*copy = *wanted;
	*wanted = (struct fw_addresses){0};
	return 0;
}

int fw_peers_write(struct fw_peers *peers, struct fw_peers_plan *plan, struct fw_apply_stats *stats,
		   struct fw_err *err)
{
	struct fw_datapath *datapath = peers->datapath;
	int r = write_diff(fw_datapath_map_fd(datapath, FW_MAP_SERVICES), "fw_services",
			   &plan->service_diff, false, stats, err);

	if (r == 0)
		r = keep_rows(&peers->services, &plan->services, &plan->service_diff.skipped);
	if (r == 0)
		r = write_diff(fw_datapath_map_fd(datapath, FW_MAP_PREFIXES), "fw_prefixes",
			       &plan->prefix_diff, true, stats, err);
	if (r == 0)
		r = keep_rows(&peers->prefixes, &plan->prefixes, &plan->prefix_diff.skipped);
	if (r == 0)
		r = write_diff(fw_datapath_map_fd(datapath, FW_MAP_ADDRESSES), "fw_addresses",
			       &plan->address_diff, false, stats, err);
	if (r == 0)
		r = keep_addresses(&peers->addresses, &plan->addresses,
				   &plan->address_diff.skipped);
	return r;
}
