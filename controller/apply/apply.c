// SPDX-License-Identifier: Apache-2.0
/*
 * Tables to maps: plan, add, flip; and later finish. In: compiled tables and the endpoint rows.
 * Out: the maps say the same. Only composes: cells (plan.c, cells.c), peers (peers.c), endpoint
 * rows (flip.c).
 */
#include "apply/apply.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apply/carry.h"
#include "apply/cells.h"
#include "apply/flip.h"
#include "apply/names.h"
#include "apply/peers.h"
#include "base/cleanup.h"

#define IDS_STALE_MAX 65536u /* records in ids.log beyond which a start rewrites it */

struct fw_apply {
	struct fw_datapath *datapath; /* borrowed */
	struct fw_names names;
	struct fw_log *id_log;
	struct fw_cells cells;
	struct fw_peers peers;
	struct fw_flip flip;
	bool adopted;	/* the copies agree with the maps */
	bool bump_next; /* every flow is judged again at the next apply */
	bool garbage;	/* fw_cells_collect() has something to do */
	bool exact;	/* the chain after DNAT has every choice of the next tables */
	char problem[FW_ERR_TEXT];
	char log_problem[FW_ERR_TEXT];
};

static int read_id(const void *data, void *context)
{
	struct fw_apply *apply = context;
	struct fw_id_record record;
	struct fw_ids *ids;
	int r;

	memcpy(&record, data, sizeof(record));
	if (record.kind == apply->cells.classes.kind)
		ids = &apply->cells.classes;
	else if (record.kind == apply->cells.subjects.kind)
		ids = &apply->cells.subjects;
	else
		return 0;
	r = fw_ids_adopt(ids, record.id, &record.digest);
	return r == -ERANGE ? 0 : r;
}

/* The maps that the logs are about: made with a random number of their own. */
static uint64_t identity_of(const struct fw_datapath *datapath)
{
	const struct fw_node *node = fw_datapath_node(datapath);
	uint64_t parts[2] = {node->mark_secret, node->boot_ns};

	return fw_log_hash(parts, sizeof(parts), node->hash_secret[0]);
}

/* Calls `see` for each decision that a row or a live flow carries. Reads only the regions in use.
 */
static void each_decision(struct fw_apply *apply, void (*see)(struct fw_names *, uint32_t))
{
	const struct fw_range *ranges = fw_datapath_ranges(apply->datapath);
	uint32_t rows = fw_datapath_capacity(apply->datapath, FW_MAP_RANGES);
	uint32_t regions = fw_datapath_capacity(apply->datapath, FW_MAP_REGIONS);
	uint32_t buckets = fw_datapath_node(apply->datapath)->region_buckets;

	for (uint32_t i = 0; i < rows; i++)
		see(&apply->names, ranges[i].decision & FW_DECISION_ID);
	for (const struct fw_subject_entry *e = apply->cells.entries; e; e = e->next) {
		see(&apply->names, e->row.otherwise[0] & FW_DECISION_ID);
		see(&apply->names, e->row.otherwise[1] & FW_DECISION_ID);
	}
	for (uint32_t i = 0; i < regions; i++) {
		if (!fw_datapath_region(apply->datapath, i)->owner)
			continue;
		for (uint32_t b = i * buckets; b < (i + 1) * buckets; b++) {
			const struct fw_bucket *bucket = fw_datapath_bucket(apply->datapath, b);

			for (uint32_t s = 0; bucket && s < FW_BUCKET_SLOTS; s++)
				see(&apply->names, (uint32_t)bucket->slot[s].ev & FW_DECISION_ID);
		}
	}
}

static int compact_names(struct fw_apply *apply, struct fw_err *err)
{
	const struct fw_row_set *services = &apply->peers.services;

	if (!fw_names_overgrown(&apply->names))
		return 0;
	each_decision(apply, fw_names_keep_decision);
	for (size_t i = 0; i < services->count; i++) {
		struct fw_service row;

		memcpy(&row, fw_row_value(services, i), sizeof(row));
		fw_names_keep_service(&apply->names, row.id);
	}
	return fw_names_compact(&apply->names, err);
}

/* Ids that rows and flows carry are never given to another decision, whatever became of the log. */
static int skip_used(struct fw_apply *apply, struct fw_err *err)
{
	if (apply->names.next == FW_DECISION_FIRST)
		each_decision(apply, fw_names_skip_decision);
	return compact_names(apply, err);
}

/* The log holds what is in use, once, when it has grown by what is not. */
static int compact_ids(struct fw_apply *apply, struct fw_err *err)
{
	const struct fw_ids *all[2] = {&apply->cells.classes, &apply->cells.subjects};
	size_t count = 0, used = all[0]->used + all[1]->used;
	_cleanup_free_ struct fw_id_record *records = NULL;

	if (fw_log_count(apply->id_log) < IDS_STALE_MAX + 2 * used)
		return 0;
	records = calloc(used + 1, sizeof(*records));
	if (!records)
		return fw_err_errno(err, -ENOMEM, "ids.log");
	for (int k = 0; k < 2; k++) {
		for (uint32_t id = all[k]->first; id < all[k]->next; id++) {
			const struct fw_id *entry = fw_ids_by_id(all[k], id);

			if (entry && entry->known)
				records[count++] =
					(struct fw_id_record){all[k]->kind, id, entry->digest};
		}
	}
	return fw_log_rewrite(apply->id_log, records, count, err);
}

static int read_ids(struct fw_apply *apply, const char *state_dir, struct fw_err *err)
{
	int r;

	apply->cells.classes.log = apply->cells.subjects.log = NULL;
	r = fw_log_open(state_dir, "ids.log", sizeof(struct fw_id_record),
			identity_of(apply->datapath), read_id, apply, &apply->id_log, err);
	if (r < 0)
		return r;
	apply->cells.classes.log = apply->cells.subjects.log = apply->id_log;
	return 0;
}

/* The copies are made from the maps; ids are known already. */
static int adopt(struct fw_apply *apply, struct fw_err *err)
{
	_cleanup_free_ bool *in_use = calloc(FW_SUBJECTS_MAX, sizeof(*in_use));
	int r;

	if (!in_use)
		return fw_err_errno(err, -ENOMEM, "adopting the maps");
	r = fw_flip_adopt(&apply->flip, in_use, apply->cells.subjects.limit);
	if (r < 0)
		return fw_err_errno(err, r, "adopting the endpoints");
	r = fw_cells_adopt(&apply->cells, in_use, err);
	if (r < 0)
		return r;
	r = fw_peers_adopt(&apply->peers, &apply->cells, &apply->names, err);
	if (r < 0)
		return r;
	r = skip_used(apply, err);
	if (r < 0)
		return r;
	/* killed between a flip and its bumps? Nobody knows: every flow is judged once more */
	apply->bump_next = true;
	apply->garbage = true;
	apply->adopted = true;
	return 0;
}

/* After a write that failed: the ids are still known, the rest is read back. */
static int adopt_again(struct fw_apply *apply, struct fw_err *err)
{
	struct fw_cells *cells = &apply->cells;
	uint64_t stamp = cells->stamp + 1;
	int r;

	fw_cells_forget(cells);
	cells->stamp = cells->applied = stamp;
	fw_peers_done(&apply->peers);
	fw_peers_init(&apply->peers, apply->datapath);
	r = fw_slices_init(&cells->slices, fw_datapath_ranges(apply->datapath),
			   fw_datapath_capacity(apply->datapath, FW_MAP_RANGES));
	return r < 0 ? fw_err_errno(err, r, "adopting the maps") : adopt(apply, err);
}

int fw_apply_new(struct fw_datapath *datapath, const char *state_dir, struct fw_apply **ret_apply,
		 struct fw_err *err)
{
	_cleanup_(fw_apply_free) struct fw_apply *apply = calloc(1, sizeof(*apply));
	int r;

	if (!apply)
		return fw_err_errno(err, -ENOMEM, "apply");
	apply->datapath = datapath;
	fw_flip_init(&apply->flip, datapath);
	fw_peers_init(&apply->peers, datapath);
	r = fw_cells_init(&apply->cells, datapath, &apply->names);
	if (r < 0)
		return fw_err_errno(err, r, "apply");
	r = fw_names_open(&apply->names, state_dir, identity_of(datapath), err);
	if (r < 0)
		return r;
	r = read_ids(apply, state_dir, err);
	if (r < 0)
		return r;
	r = adopt(apply, err);
	if (r < 0)
		return r;
	r = compact_ids(apply, err);
	if (r < 0)
		return r;
	*ret_apply = TAKE_PTR(apply);
	return 0;
}

void fw_apply_free(struct fw_apply **apply)
{
	if (!*apply)
		return;
	fw_cells_done(&(*apply)->cells);
	fw_peers_done(&(*apply)->peers);
	fw_flip_done(&(*apply)->flip);
	fw_names_done(&(*apply)->names);
	fw_log_close(&(*apply)->id_log);
	free(*apply);
	*apply = NULL;
}

static int compare_pod(const void *key, const void *row)
{
	const struct fw_apply_endpoint *endpoint = key;
	const struct fw_pod_row *pod = row;
	int order = strcmp(endpoint->namespace, pod->namespace);

	return order ? order : strcmp(endpoint->name, pod->name);
}

/* The pod of each endpoint: an index of the tables, UINT32_MAX while it is not known. */
static uint32_t *pods_of(const struct fw_tables *tables, const struct fw_apply_endpoint *endpoints,
			 size_t count)
{
	uint32_t *pods = calloc(count + 1, sizeof(*pods));

	for (size_t i = 0; pods && i < count; i++) {
		const struct fw_pod_row *pod = NULL;

		if (endpoints[i].namespace && tables->pods_count)
			pod = bsearch(&endpoints[i], tables->pods, tables->pods_count, sizeof(*pod),
				      compare_pod);
		pods[i] = pod ? (uint32_t)(pod - tables->pods) : UINT32_MAX;
	}
	return pods;
}

struct change {
	struct fw_cells_plan plan;
	struct fw_peers_plan peers;
	uint32_t *pods; /* by endpoint */
};

static void change_done(struct change *change)
{
	fw_cells_plan_done(&change->plan);
	fw_peers_plan_done(&change->peers);
	free(change->pods);
}

static uint32_t subject_of(const struct change *change, size_t endpoint)
{
	uint32_t pod = change->pods[endpoint];

	return pod == UINT32_MAX ? UINT32_MAX : change->plan.tables->pods[pod].subject;
}

static int plan_subjects(struct fw_apply *apply, struct change *change, size_t count)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		uint32_t subject = subject_of(change, i);

		if (subject == UINT32_MAX || change->plan.subject[subject] ||
		    change->plan.locked[subject][0])
			continue;
		r = fw_cells_plan_subject(&apply->cells, &change->plan, subject);
	}
	return r;
}

/* Capacity is looked at here; nothing that a packet can reach is written. */
static int make_plan(struct fw_apply *apply, const struct fw_tables *tables,
		     const struct fw_apply_endpoint *endpoints, size_t count, struct change *change,
		     struct fw_err *err)
{
	struct fw_peers_local local = {.endpoints = endpoints, .count = count};
	int r;

	local.pods = change->pods = pods_of(tables, endpoints, count);
	if (!change->pods)
		return fw_err_errno(err, -ENOMEM, "planning the change");
	r = fw_cells_begin(&apply->cells, tables, &change->plan);
	if (r == 0)
		r = plan_subjects(apply, change, count);
	if (r == 0)
		r = fw_peers_plan(&apply->peers, &change->plan, &apply->names, &local, apply->exact,
				  &change->peers);
	if (r == 0)
		r = fw_carry(&apply->cells, &change->plan, &apply->peers, &change->peers);
	return r < 0 ? fw_err_errno(err, r, "planning the change") : 0;
}

static int add_rows(struct fw_apply *apply, struct change *change, struct fw_err *err)
{
	struct fw_err log_err = {""};

	/* A log that cannot be written costs names and ids after a restart, no packet: go on and
	 * say so. */
	if (fw_names_flush(&apply->names, &log_err) < 0 ||
	    fw_log_flush(apply->id_log, &log_err) < 0)
		(void)snprintf(apply->log_problem, sizeof(apply->log_problem), "%s", log_err.text);
	else
		apply->log_problem[0] = '\0';
	return fw_cells_write(&apply->cells, &change->plan, err);
}

static int flip_endpoints(struct fw_apply *apply, const struct change *change,
			  const struct fw_apply_endpoint *endpoints, size_t count, bool bump,
			  struct fw_apply_stats *stats)
{
	int r = 0;

	fw_flip_begin(&apply->flip);
	for (size_t i = 0; r == 0 && i < count; i++) {
		uint32_t subject = subject_of(change, i);
		struct fw_flip_target target = {.state = FW_EP_ISOLATED, .locked = ""};

		if (subject != UINT32_MAX && change->plan.locked[subject][0]) {
			target.state = FW_EP_LOCKED;
			target.locked = change->plan.locked[subject];
			stats->locked++;
		} else if (subject != UINT32_MAX) {
			target.state = FW_EP_ACTIVE;
			target.subject = change->plan.subject[subject]->id;
		}
		r = fw_flip_endpoint(&apply->flip, &endpoints[i], &target, bump,
				     &stats->endpoints_flipped);
	}
	fw_flip_rest(&apply->flip, bump, &stats->endpoints_flipped);
	return r;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int commit(struct fw_apply *apply, struct change *change,
		  const struct fw_apply_endpoint *endpoints, size_t count,
		  struct fw_apply_stats *stats, struct fw_err *err)
{
	bool bump;
	int r = add_rows(apply, change, err);

	if (r < 0)
		return r;
	apply->garbage = true;
	stats->rows_added = change->plan.cells.count + change->plan.rows.count;
	bump = apply->bump_next || fw_peers_differ(&change->peers);
	/* from here on packets see it */
	r = fw_peers_write(&apply->peers, &change->peers, stats, err);
	if (r < 0) {
		fw_flip_bump_all(&apply->flip);
		return r;
	}
	r = flip_endpoints(apply, change, endpoints, count, bump, stats);
	if (r < 0)
		return fw_err_errno(err, r, "flipping endpoints");
	apply->bump_next = false;
	apply->cells.applied = apply->cells.stamp;
	return 0;
}

int fw_apply_tables(struct fw_apply *apply, const struct fw_tables *tables,
		    const struct fw_apply_endpoint *endpoints, size_t endpoint_count,
		    struct fw_apply_stats *ret_stats, struct fw_err *err)
{
	_cleanup_(change_done) struct change change = {0};
	struct fw_apply_stats stats = {0};
	uint64_t begin;
	int r = apply->adopted ? 0 : adopt_again(apply, err);

	if (r < 0)
		return r;
	apply->adopted = false; /* until it is known to be whole */
	r = make_plan(apply, tables, endpoints, endpoint_count, &change, err);
	if (r < 0)
		return r;
	begin = now_ns();
	r = commit(apply, &change, endpoints, endpoint_count, &stats, err);
	if (r < 0)
		return r;
	apply->adopted = true;
	stats.write_ns = now_ns() - begin;
	(void)snprintf(apply->problem, sizeof(apply->problem), "%s", change.peers.problem);
	if (ret_stats)
		*ret_stats = stats;
	return 0;
}

bool fw_apply_pending(const struct fw_apply *apply)
{
	return apply->garbage || apply->flip.pending;
}

int fw_apply_finish_graced(struct fw_apply *apply, struct fw_err *err)
{
	uint64_t removed = 0;
	int r;

	fw_flip_finish(&apply->flip);
	/* what was just adopted is kept until tables say what is needed */
	if (!apply->garbage || !apply->adopted || apply->bump_next)
		return 0;
	r = fw_cells_collect(&apply->cells, &removed, err);
	if (r < 0) {
		apply->adopted = false;
		return r;
	}
	apply->garbage = false;
	return 0;
}

int fw_apply_finish(struct fw_apply *apply, struct fw_err *err)
{
	int r;

	if (!fw_apply_pending(apply))
		return 0;
	r = fw_datapath_synchronize(apply->datapath, err);
	return r < 0 ? r : fw_apply_finish_graced(apply, err);
}

int fw_apply_tidy(struct fw_apply *apply, struct fw_err *err)
{
	int r;

	if (!apply->adopted || fw_apply_pending(apply))
		return 0; /* rows and flows of two tables: when they are settled */
	r = compact_names(apply, err);
	return r < 0 ? r : compact_ids(apply, err);
}

const struct fw_decision_name *fw_apply_decision(const struct fw_apply *apply, uint32_t decision)
{
	return fw_names_find_decision(&apply->names, decision & FW_DECISION_ID);
}

const char *fw_apply_service(const struct fw_apply *apply, uint32_t service)
{
	return fw_names_find_service(&apply->names, service);
}

uint32_t fw_apply_fill(const struct fw_apply *apply, enum fw_map map)
{
	uint32_t used = 0;

	switch (map) {
	case FW_MAP_NODE:
		return 1;
	case FW_MAP_ENDPOINTS:
		return (uint32_t)HASH_COUNT(apply->flip.slots);
	case FW_MAP_REGIONS:
		for (uint32_t i = 0; i < fw_datapath_capacity(apply->datapath, map); i++)
			used += fw_datapath_region(apply->datapath, i)->owner != 0;
		return used;
	case FW_MAP_SUBJECTS:
		return apply->cells.subjects.used;
	case FW_MAP_CELLS:
		return apply->cells.used;
	case FW_MAP_RANGES:
		return apply->cells.slices.used;
	case FW_MAP_ADDRESSES:
		return (uint32_t)apply->peers.addresses.count;
	case FW_MAP_PREFIXES:
		return (uint32_t)apply->peers.prefixes.count;
	case FW_MAP_SERVICES:
		return (uint32_t)apply->peers.services.count;
	default:
		return 0;
	}
}

const char *fw_apply_locked(const struct fw_apply *apply, uint32_t slot)
{
	const struct fw_slot_state *state = fw_flip_slot(&apply->flip, slot);

	return state && state->locked[0] ? state->locked : NULL;
}

const char *fw_apply_subject(const struct fw_apply *apply, uint32_t slot)
{
	const struct fw_endpoint *row = fw_datapath_endpoint(apply->datapath, slot);
	const struct fw_subject_entry *entry;

	if (!row || row->state != FW_EP_ACTIVE)
		return "";
	entry = fw_cells_subject(&apply->cells, row->subject);
	return entry && entry->label ? entry->label : "";
}

const char *fw_apply_problem(const struct fw_apply *apply)
{
	return apply->problem[0] ? apply->problem : apply->log_problem;
}

void fw_apply_set_exact(struct fw_apply *apply, bool exact)
{
	apply->exact = exact;
}

void fw_apply_set_postnat(struct fw_apply *apply, bool stands)
{
	struct fw_node *node = fw_datapath_node(apply->datapath);

	if (__atomic_load_n(&node->postnat_ok, __ATOMIC_RELAXED) == stands)
		return;
	__atomic_store_n(&node->postnat_ok, stands, __ATOMIC_SEQ_CST);
	fw_flip_bump_all(&apply->flip);
}

int fw_apply_set_enforcement(struct fw_apply *apply, enum fw_enforcement enforcement,
			     struct fw_err *err)
{
	struct fw_node *node = fw_datapath_node(apply->datapath);

	if (enforcement != FW_ENFORCE && enforcement != FW_AUDIT)
		return fw_err_set(err, -EINVAL, "enforcement %d: neither Enforce nor Audit",
				  (int)enforcement);
	__atomic_store_n(&node->enforcement, (uint32_t)enforcement, __ATOMIC_SEQ_CST);
	fw_flip_bump_all(&apply->flip);
	return 0;
}
