/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods to the sets of terms that hold them. In: Pod objects, realms, terms. Out: per pod one
 * interned set. A pod that did not change is asked about new terms only. Host-network and finished
 * pods are nobody's peer (edge cases 21, 23).
 */
#include <string.h>

#include "compile/stages.h"

#define PREFETCH   8	/* members whose memory is asked for ahead */
#define FRESH_KEPT 1024 /* room for new members that is kept */
#define FRESH_MAX  48	/* more new terms than that: the index over all terms is faster */

static int make(void *context, const struct fw_object *object, void **ret_record)
{
	const struct fw_pod *pod = (const struct fw_pod *)object;
	struct fw_compiler *compiler = context;
	struct fw_member *member;

	if (FW_ROOM(&compiler->fresh_members, 1))
		return -ENOMEM;
	member = calloc(1, sizeof(*member));
	if (!member)
		return -ENOMEM;
	if (fw_realm_take(compiler, object->namespace, &member->realm)) {
		free(member);
		return -ENOMEM;
	}
	member->pod = pod;
	member->peer = !pod->host_network && !pod->finished;
	member->dirty = true;
	compiler->fresh_members.items[compiler->fresh_members.count++] = member;
	*ret_record = member;
	return 0;
}

static void drop(void *context, void *record)
{
	struct fw_compiler *compiler = context;
	struct fw_member *member = record;

	member->dead = true;
	compiler->dead_members.items[compiler->dead_members.count++] = member;
}

static bool is_needed(const struct fw_portname *portname, const struct fw_ids *ids)
{
	for (size_t i = 0; i < ids->count; i++) {
		if (ids->items[i] < portname->users_cap && portname->users[ids->items[i]])
			return true;
	}
	return portname->everybody;
}

/* Edge case 12: of two ports with one name and protocol the first counts. */
static bool is_first(const struct fw_pod *pod, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (pod->ports[i].name && pod->ports[i].protocol == pod->ports[at].protocol &&
		    !strcmp(pod->ports[i].name, pod->ports[at].name))
			return false;
	}
	return true;
}

/* What the pod's own numbers are for the port names that rules about it ask for. */
static int find_named(struct fw_compiler *compiler, const struct fw_pod *pod)
{
	const struct fw_terms *terms = &compiler->terms;

	compiler->scratch_named.count = 0;
	for (size_t i = 0; terms->portnames.count && i < pod->port_count; i++) {
		const struct fw_container_port *port = &pod->ports[i];
		const struct fw_portname *portname;
		int r;

		if (!port->name || !port->port)
			continue;
		portname = fw_portname_find(terms, port->name, port->protocol);
		if (!portname || !is_needed(portname, &compiler->scratch_ids) || !is_first(pod, i))
			continue;
		r = FW_ROOM(&compiler->scratch_named, 1);
		if (r)
			return r;
		compiler->scratch_named.items[compiler->scratch_named.count++] =
			(uint64_t)portname->id << 16 | port->port;
	}
	return 0;
}

static int match_fresh(struct fw_compiler *compiler, struct fw_member *member)
{
	const struct fw_terms *terms = &compiler->terms;
	struct fw_ids *ids = &compiler->scratch_ids;

	for (size_t i = 0; i < terms->fresh.count; i++) {
		const struct fw_term *term = terms->fresh.items[i];
		int r;

		if (!term->refs || !fw_term_holds_pod(term, &member->realm->realm, member->pod))
			continue;
		r = FW_ROOM(ids, 1);
		if (r)
			return r;
		ids->items[ids->count++] = term->id;
	}
	return 0;
}

/* The old set without what goes away, and what is new. *ret_same: nothing changed. */
static int adjust(struct fw_compiler *compiler, struct fw_member *member, bool *ret_same)
{
	const struct fw_idset *set = member->set;
	struct fw_ids *ids = &compiler->scratch_ids;
	int r = match_fresh(compiler, member);

	*ret_same = !r && !ids->count && !set->touched;
	if (!r && !*ret_same)
		r = FW_ROOM(ids, set->count);
	if (r || *ret_same)
		return r;
	for (uint32_t i = 0; i < set->count; i++) {
		const struct fw_term *term = compiler->terms.by_id.items[set->ids[i]];

		if (term->refs)
			ids->items[ids->count++] = set->ids[i];
	}
	return 0;
}

static int update(struct fw_compiler *compiler, struct fw_member *member, bool all)
{
	struct fw_idset *set;
	bool same = false;
	int r;

	compiler->scratch_ids.count = 0;
	if (member->dirty || all || !member->set)
		r = fw_terms_match(&compiler->terms, &member->realm->realm, member->pod,
				   &compiler->scratch_ids);
	else
		r = adjust(compiler, member, &same);
	member->dirty = false;
	if (r || same)
		return r;
	r = find_named(compiler, member->pod);
	if (!r)
		r = fw_sets_intern(&compiler->sets, compiler->scratch_ids.items,
				   compiler->scratch_ids.count, compiler->scratch_named.items,
				   compiler->scratch_named.count, &set);
	if (r)
		return r;
	if (set == member->set) {
		fw_sets_drop(&compiler->sets, set);
		return 0;
	}
	fw_sets_drop(&compiler->sets, member->set);
	member->set = set;
	member->moved = true;
	compiler->sets_changed = true;
	return 0;
}

/* Terms that concern pods and came or went. */
static size_t count_fresh(const struct fw_terms *terms, bool *ret_gone)
{
	size_t fresh = 0;

	*ret_gone = false;
	for (size_t i = 0; i < terms->fresh.count; i++)
		fresh += terms->fresh.items[i]->refs && !terms->fresh.items[i]->is_block;
	for (size_t i = 0; i < terms->idle.count; i++) {
		if (!terms->idle.items[i]->refs && !terms->idle.items[i]->is_block)
			*ret_gone = true;
	}
	return fresh;
}

/* Sets with a term that goes, or of whose pods a port name is asked now and was not, or the
 * reverse. */
static void touch_sets(struct fw_compiler *compiler)
{
	const struct fw_terms *terms = &compiler->terms;

	for (size_t i = 0; i < compiler->sets.table.cap; i++) {
		struct fw_idset *set = compiler->sets.table.slots[i].item;

		if (!set)
			continue;
		set->touched = terms->everybody_changed;
		for (uint32_t k = 0; !set->touched && k < set->count; k++) {
			const struct fw_term *term = terms->by_id.items[set->ids[k]];

			set->touched = !term->refs || term->users_changed;
		}
	}
}

/* A pass over every pod waits for memory and does little else. */
static void prefetch(const struct fw_compiler *compiler, size_t at)
{
	const struct fw_member *member;

	if (at + 2 * PREFETCH < compiler->pods.count)
		__builtin_prefetch(compiler->pods.rows[at + 2 * PREFETCH].record);
	if (at + PREFETCH >= compiler->pods.count)
		return;
	member = compiler->pods.rows[at + PREFETCH].record;
	__builtin_prefetch(member->set);
	__builtin_prefetch(&member->pod->object.labels);
}

int fw_stage_pods(struct fw_compiler *compiler, const struct fw_model *model)
{
	struct fw_track_ops ops = {.make = make, .drop = drop, .context = compiler};
	bool gone, terms_changed;
	size_t fresh;
	int r = FW_ROOM(&compiler->dead_members, compiler->pods.count + 1);

	if (!r)
		r = fw_track_update(&compiler->pods, model, FW_KIND_POD, &ops,
				    &compiler->claims_changed);
	if (r)
		return r;
	fresh = count_fresh(&compiler->terms, &gone);
	terms_changed = fresh || gone || compiler->terms.users_changed;
	if (!compiler->claims_changed && !terms_changed && !compiler->realms_changed)
		return 0;
	r = fw_realms_prepare(compiler);
	if (terms_changed)
		touch_sets(compiler);
	if (!terms_changed && !compiler->realms_changed) {
		for (size_t i = 0; !r && i < compiler->fresh_members.count; i++) {
			if (compiler->fresh_members.items[i]->peer)
				r = update(compiler, compiler->fresh_members.items[i], false);
		}
		return r;
	}
	for (size_t i = 0; !r && i < compiler->pods.count; i++) {
		struct fw_member *member = compiler->pods.rows[i].record;

		prefetch(compiler, i);
		member->dirty |= member->realm->changed;
		if (member->peer && (member->dirty || terms_changed))
			r = update(compiler, member, fresh > FRESH_MAX);
	}
	return r;
}

static void free_member(struct fw_compiler *compiler, struct fw_member *member)
{
	fw_sets_drop(&compiler->sets, member->set);
	fw_realm_drop(compiler, member->realm);
	fw_local_drop_subject(compiler, member->local);
	fw_local_free(member->local);
	free(member);
}

void fw_pods_settle(struct fw_compiler *compiler)
{
	for (size_t i = 0; i < compiler->dead_members.count; i++)
		free_member(compiler, compiler->dead_members.items[i]);
	compiler->dead_members.count = compiler->fresh_members.count = 0;
	if (compiler->fresh_members.cap > FRESH_KEPT) /* every pod was new: not soon again */
		FW_LIST_DONE(&compiler->fresh_members);
	if (compiler->sets_changed) {
		for (size_t i = 0; i < compiler->pods.count; i++)
			((struct fw_member *)compiler->pods.rows[i].record)->moved = false;
	}
	compiler->sets_changed = false;
}

/* When everything goes: sets, realms and subjects are freed by their owners. */
static void forget_member(void *record)
{
	struct fw_member *member = record;

	fw_local_free(member->local);
	free(member);
}

void fw_pods_done(struct fw_compiler *compiler)
{
	fw_track_done(&compiler->pods, forget_member);
	for (size_t i = 0; i < compiler->dead_members.count; i++)
		forget_member(compiler->dead_members.items[i]);
	free(compiler->dead_members.items);
	free(compiler->fresh_members.items);
	free(compiler->scratch_ids.items);
	free(compiler->scratch_named.items);
}
