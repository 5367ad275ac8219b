/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses and their classes. In: pods with their sets, boundaries of ipBlocks, nodes. Out: one
 * sorted list of the pods' claims and one of the nodes' addresses, each with its class. Who wins a
 * disputed address is the model's word, asked when the tables are written.
 */
#include <string.h>

#include "compile/stages.h"

struct claims {
	FW_LIST(struct fw_claim) list;
};

static int compare_claims(const void *left, const void *right)
{
	return fw_ip_compare(&((const struct fw_claim *)left)->ip,
			     &((const struct fw_claim *)right)->ip);
}

static int claim(struct fw_compiler *compiler, struct claims *fresh, struct fw_member *member,
		 const struct fw_ip *ips, size_t count)
{
	int r = FW_ROOM(&fresh->list, count);

	if (r)
		return r;
	for (size_t i = 0; i < count; i++)
		fresh->list.items[fresh->list.count++] =
			(struct fw_claim){.ip = ips[i], .member = member};
	member->reclaim = member->claimed;
	member->claimed = true;
	compiler->claims_changed = true;
	return 0;
}

static uint64_t hash_ips(const struct fw_ip *ips, size_t count)
{
	return count ? fw_hash_bytes(0, ips, count * sizeof(*ips)) : 0;
}

/* Those that have no status address: their sandboxes may have changed. */
static int claim_sandboxed(struct fw_compiler *compiler, const struct fw_model *model,
			   struct claims *fresh)
{
	size_t kept = 0;
	int r = 0;

	for (size_t i = 0; !r && i < compiler->sandboxed.count; i++) {
		struct fw_sandboxed row = compiler->sandboxed.items[i];
		uint64_t hash_before = row.ips_hash;
		const struct fw_ip *ips;
		size_t count;

		if (row.member->dead)
			continue;
		count = fw_model_pod_ips(model, row.member->pod, &ips);
		row.ips_hash = hash_ips(ips, count);
		compiler->sandboxed.items[kept++] = row;
		if (row.ips_hash != hash_before)
			r = claim(compiler, fresh, row.member, ips, count);
	}
	compiler->sandboxed.count = kept;
	return r;
}

static int claim_fresh(struct fw_compiler *compiler, const struct fw_model *model,
		       struct claims *fresh, struct fw_member *member)
{
	const struct fw_ip *ips;
	size_t count = fw_model_pod_ips(model, member->pod, &ips);
	int r = claim(compiler, fresh, member, ips, count);

	if (r || member->pod->ip_count)
		return r;
	r = FW_ROOM(&compiler->sandboxed, 1);
	if (!r)
		compiler->sandboxed.items[compiler->sandboxed.count++] =
			(struct fw_sandboxed){member, hash_ips(ips, count)};
	return r;
}

static int find_fresh(struct fw_compiler *compiler, const struct fw_model *model,
		      struct claims *fresh)
{
	int r = claim_sandboxed(compiler, model, fresh);

	for (size_t i = 0; !r && i < compiler->fresh_members.count; i++) {
		if (compiler->fresh_members.items[i]->peer)
			r = claim_fresh(compiler, model, fresh, compiler->fresh_members.items[i]);
	}
	if (fresh->list.count)
		qsort(fresh->list.items, fresh->list.count, sizeof(struct fw_claim),
		      compare_claims);
	return r;
}

/* Takes out what is no longer claimed, puts in what is new. */
static int merge(struct fw_compiler *compiler, const struct claims *fresh)
{
	size_t kept = 0, left = fresh->list.count;
	struct fw_claim *claims;
	int r = FW_FIT(&compiler->claims, left + 1);

	if (r)
		return r;
	claims = compiler->claims.items;
	for (size_t i = 0; i < compiler->claims.count; i++) {
		if (claims[i].member->dead || claims[i].member->reclaim)
			claims[i].class->claims--;
		else
			claims[kept++] = claims[i];
	}
	compiler->claims.count = kept + left;
	for (size_t at = kept + left; left; at--) { /* from the end, in place */
		const struct fw_claim *last = &fresh->list.items[left - 1];

		if (kept && compare_claims(&claims[kept - 1], last) > 0) {
			claims[at - 1] = claims[--kept];
		} else {
			claims[at - 1] = *last;
			last->member->reclaim = false;
			left--;
		}
	}
	return 0;
}

/* The innermost boundary of each address of an ascending list: `at` never goes back. */
struct cursor {
	const struct fw_compiler *compiler;
	uint32_t next; /* first boundary that begins behind the address */
};

static struct fw_idset *look(struct cursor *cursor, const struct fw_ip *ip)
{
	const struct fw_compiler *compiler = cursor->compiler;
	const struct fw_boundary *boundaries = compiler->boundaries.items;

	while (cursor->next < compiler->boundaries.count &&
	       fw_ip_compare(&boundaries[cursor->next].prefix.ip, ip) <= 0)
		cursor->next++;
	return fw_boundary_blocks(compiler, cursor->next - 1, ip);
}

static int classify(struct fw_compiler *compiler)
{
	struct cursor cursor = {.compiler = compiler};

	for (size_t i = 0; i < compiler->claims.count; i++) {
		struct fw_claim *row = &compiler->claims.items[i];
		struct fw_peer_class *class;
		struct fw_idset *blocks;
		int r;

		if (row->class && !row->member->moved && !compiler->blocks_changed)
			continue;
		blocks = look(&cursor, &row->ip);
		if (row->class && !row->member->moved && row->class->blocks == blocks)
			continue;
		r = fw_class_intern(compiler, row->member->set, blocks, &class);
		if (r)
			return r;
		class->claims++;
		if (row->class)
			row->class->claims--;
		row->class = class;
	}
	return 0;
}

static int make_node(void *context, const struct fw_object *object, void **ret_record)
{
	(void)context;
	*ret_record = (void *)(uintptr_t)object; /* nothing is kept of it */
	return 0;
}

static void drop_node(void *context, void *record)
{
	(void)context;
	(void)record;
}

static int compare_addresses(const void *left, const void *right)
{
	return fw_ip_compare(&((const struct fw_node_address *)left)->ip,
			     &((const struct fw_node_address *)right)->ip);
}

static int add_node_ips(struct fw_compiler *compiler, const struct fw_ip *ips, size_t count)
{
	int r = FW_ROOM(&compiler->node_ips, count);

	for (size_t i = 0; !r && i < count; i++)
		compiler->node_ips.items[compiler->node_ips.count++] =
			(struct fw_node_address){.ip = ips[i]};
	return r;
}

static bool in_pod_range(const struct fw_model *model, const struct fw_ip *ip)
{
	const struct fw_prefix *ranges;
	size_t count = fw_model_pod_ranges(model, &ranges);

	for (size_t i = 0; i < count; i++)
		if (fw_prefix_contains(&ranges[i], ip))
			return true;
	return false;
}

/*
 * The nodes' addresses, and those that this node holds in a pod range: a gateway of pods is no pod
 * that is not known yet. Its other ones are what they are anywhere (edge case 29: a service's may
 * stand on a device of its own).
 */
static int list_nodes(struct fw_compiler *compiler, const struct fw_model *model)
{
	const struct fw_ip *own;
	size_t unique = 0, count = fw_model_own_addresses(model, &own);
	int r = 0;

	compiler->node_ips.count = 0;
	for (size_t i = 0; !r && i < compiler->nodes.count; i++) {
		const struct fw_node_object *node = compiler->nodes.rows[i].record;

		r = add_node_ips(compiler, node->ips, node->ip_count);
	}
	for (size_t i = 0; !r && i < count; i++)
		if (in_pod_range(model, &own[i]))
			r = add_node_ips(compiler, &own[i], 1);
	if (r)
		return r;
	if (compiler->node_ips.count)
		qsort(compiler->node_ips.items, compiler->node_ips.count,
		      sizeof(struct fw_node_address), compare_addresses);
	for (size_t i = 0; i < compiler->node_ips.count; i++) {
		struct fw_node_address *rows = compiler->node_ips.items;

		if (!unique || !fw_ip_equal(&rows[unique - 1].ip, &rows[i].ip))
			rows[unique++] = rows[i];
	}
	compiler->node_ips.count = unique;
	compiler->own_version = fw_model_own_version(model);
	return 0;
}

/* Edge cases 20 to 22: a node's address is in the ipBlocks that hold it, and nothing else. */
static int classify_nodes(struct fw_compiler *compiler, const struct fw_model *model)
{
	struct fw_track_ops ops = {.make = make_node, .drop = drop_node, .context = compiler};
	int r = fw_track_update(&compiler->nodes, model, FW_KIND_NODE, &ops,
				&compiler->nodes_changed);

	if (!r && (compiler->nodes_changed || compiler->own_version != fw_model_own_version(model)))
		r = list_nodes(compiler, model);
	for (size_t i = 0; !r && i < compiler->node_ips.count; i++) {
		struct fw_node_address *row = &compiler->node_ips.items[i];

		if (!row->class || compiler->blocks_changed)
			r = fw_class_intern(compiler, NULL, fw_blocks_of(compiler, &row->ip),
					    &row->class);
		if (!r)
			row->class->stamp = compiler->now;
	}
	return r;
}

static int classify_boundaries(struct fw_compiler *compiler)
{
	for (size_t i = 0; i < compiler->boundaries.count; i++) {
		struct fw_boundary *row = &compiler->boundaries.items[i];
		int r = 0;

		if (row->unknown)
			row->class = compiler->unknown;
		else if (!row->class)
			r = fw_class_intern(compiler, NULL, row->blocks, &row->class);
		if (r)
			return r;
		row->class->stamp = compiler->now;
	}
	return 0;
}

int fw_stage_claims(struct fw_compiler *compiler, const struct fw_model *model)
{
	struct claims fresh = {0};
	int r = find_fresh(compiler, model, &fresh);

	if (!r && compiler->claims_changed)
		r = merge(compiler, &fresh);
	free(fresh.list.items);
	if (!r && (compiler->claims_changed || compiler->sets_changed || compiler->blocks_changed))
		r = classify(compiler);
	if (!r)
		r = classify_nodes(compiler, model);
	return r ? r : classify_boundaries(compiler);
}

static void forget_node(void *record)
{
	(void)record;
}

void fw_claims_done(struct fw_compiler *compiler)
{
	fw_track_done(&compiler->nodes, forget_node);
	free(compiler->claims.items);
	free(compiler->sandboxed.items);
	free(compiler->node_ips.items);
}
