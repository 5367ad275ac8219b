/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods of this node to subjects. In: members, items. Out: one subject per distinct (items that
 * select the pod, numbers that it gives to the port names of their ingress rules). A pod that
 * nothing selects has the subject of the empty set.
 */
#include <string.h>

#include "base/buf.h"
#include "compile/digest.h"
#include "compile/stages.h"

#define LABEL_PICKS 64
#define LABEL_MAX   262144

struct key {
	const struct fw_pick *picks;
	const uint64_t *named;
	size_t pick_count, named_count;
};

static uint64_t hash_key(const struct key *key)
{
	uint64_t hash = fw_hash_bytes(3, key->picks, key->pick_count * sizeof(*key->picks));

	return fw_hash_bytes(hash, key->named, key->named_count * sizeof(*key->named));
}

static bool is_subject(const void *item, const void *wanted)
{
	const struct fw_policy_subject *subject = item;
	const struct key *key = wanted;

	return subject->pick_count == key->pick_count && subject->named_count == key->named_count &&
	       !memcmp(subject->picks, key->picks, key->pick_count * sizeof(*key->picks)) &&
	       !memcmp(subject->named, key->named, key->named_count * sizeof(*key->named));
}

static struct fw_digest digest_subject(const struct fw_policy_subject *subject,
				       const struct fw_named_port *named)
{
	struct fw_hasher hasher;

	fw_hasher_init(&hasher);
	fw_hasher_number(&hasher, subject->pick_count);
	for (size_t i = 0; i < subject->pick_count; i++) {
		fw_hasher_digest(&hasher, &subject->picks[i].item->digest);
		fw_hasher_number(&hasher, subject->picks[i].selects);
	}
	for (size_t i = 0; i < subject->named_count; i++) {
		fw_hasher_text(&hasher, named[i].portname->name);
		fw_hasher_number(&hasher, named[i].portname->protocol);
		fw_hasher_number(&hasher, named[i].port);
	}
	return fw_hasher_done(&hasher);
}

static void print_subject(const struct fw_policy_subject *subject,
			  const struct fw_named_port *named, struct fw_buf *buf)
{
	size_t shown = subject->pick_count < LABEL_PICKS ? subject->pick_count : LABEL_PICKS;

	if (!subject->pick_count)
		(void)fw_buf_printf(buf, "nothing selects it");
	for (size_t i = 0; i < shown; i++) {
		const struct fw_pick *pick = &subject->picks[i];

		(void)fw_buf_printf(buf, "%s%s%s%s", i ? ", " : "", pick->item->title,
				    pick->item->audit ? " (audit)" : "",
				    pick->selects ? "" : " (replaces only)");
	}
	if (shown < subject->pick_count)
		(void)fw_buf_printf(buf, ", ... (%zu in all)", subject->pick_count);
	for (size_t i = 0; i < subject->named_count && i < LABEL_PICKS; i++)
		(void)fw_buf_printf(buf, " %s/%s=%u", named[i].portname->name,
				    fw_port_protocol_name(named[i].portname->protocol),
				    named[i].port);
}

static const struct fw_item *first_broken(const struct fw_policy_subject *subject)
{
	for (size_t i = 0; i < subject->pick_count; i++) {
		if (subject->picks[i].selects && subject->picks[i].item->broken)
			return subject->picks[i].item;
	}
	return NULL;
}

static int make_text(struct fw_policy_subject *subject, const struct fw_named_port *named)
{
	const struct fw_item *broken = first_broken(subject);
	struct fw_subject_text *text;
	struct fw_buf buf;
	size_t label;

	fw_buf_init(&buf, LABEL_MAX);
	print_subject(subject, named, &buf);
	label = buf.len;
	if (broken)
		(void)fw_buf_printf(&buf, "%cNetworkPolicy %s/%s: %.4096s", 0, broken->namespace,
				    broken->name, broken->broken);
	text = buf.error ? NULL : malloc(sizeof(*text) + buf.len + 1);
	if (text) {
		*text = (struct fw_subject_text){.blob.refs = 1};
		memcpy(text->text, buf.data, buf.len + 1);
		text->label = text->text;
		text->broken = broken ? text->text + label + 1 : NULL;
		subject->text = &text->blob;
	}
	fw_buf_done(&buf);
	return text ? 0 : -ENOMEM;
}

static int describe(const struct fw_compiler *compiler, struct fw_policy_subject *subject)
{
	struct fw_named_port *named;
	int r = fw_named_ports(&compiler->terms, subject->named, subject->named_count, &named);

	if (r)
		return r;
	subject->digest = digest_subject(subject, named);
	r = make_text(subject, named);
	free(named);
	return r;
}

static void free_subject(struct fw_compiler *compiler, struct fw_policy_subject *subject)
{
	for (int direction = 0; direction < 2; direction++) {
		fw_cells_drop(compiler, &subject->sides[direction]);
		fw_side_done(compiler, &subject->sides[direction]);
	}
	fw_blob_drop(subject->text);
	free(subject->picks);
	free(subject->named);
	free(subject);
}

static int fill_subject(struct fw_compiler *compiler, const struct key *key,
			struct fw_policy_subject *subject)
{
	int r = 0;

	subject->picks = calloc(key->pick_count + 1, sizeof(*subject->picks));
	subject->named = calloc(key->named_count + 1, sizeof(*subject->named));
	if (!subject->picks || !subject->named)
		return -ENOMEM;
	memcpy(subject->picks, key->picks, key->pick_count * sizeof(*subject->picks));
	memcpy(subject->named, key->named, key->named_count * sizeof(*subject->named));
	subject->pick_count = key->pick_count;
	subject->named_count = key->named_count;
	subject->fresh = true;
	r = describe(compiler, subject);
	for (uint8_t direction = 0; !r && direction < 2; direction++)
		r = fw_side_init(compiler, subject, direction, &subject->sides[direction]);
	return r;
}

static int intern(struct fw_compiler *compiler, const struct key *key,
		  struct fw_policy_subject **ret_subject)
{
	uint64_t hash = hash_key(key);
	struct fw_policy_subject *subject =
		fw_htab_find(&compiler->subjects, hash, is_subject, key);
	int r;

	if (!subject) {
		subject = calloc(1, sizeof(*subject));
		if (!subject)
			return -ENOMEM;
		subject->hash = hash;
		r = fill_subject(compiler, key, subject);
		if (!r)
			r = fw_htab_add(&compiler->subjects, hash, subject);
		if (r) {
			free_subject(compiler, subject);
			return r;
		}
		compiler->subjects_changed = true;
	}
	subject->refs++;
	*ret_subject = subject;
	return 0;
}

void fw_subject_drop(struct fw_compiler *compiler, struct fw_policy_subject *subject)
{
	if (!subject || --subject->refs)
		return;
	fw_htab_remove(&compiler->subjects, subject->hash, subject);
	free_subject(compiler, subject);
	compiler->subjects_changed = true;
}

/* The first item of the namespace. */
static size_t find_items(const struct fw_compiler *compiler, const char *namespace)
{
	size_t low = 0, high = compiler->items.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(compiler->items.items[middle]->namespace, namespace) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool selects(const struct fw_item *item, const struct fw_pod *pod)
{
	return (item->isolates[0] || item->isolates[1]) &&
	       fw_selector_matches(&item->subject, &pod->object.labels);
}

/* Who replaces an object of the pod concerns the pod, even when it does not select it. */
static bool replaces_selected(const struct fw_compiler *compiler, size_t first,
			      const struct fw_item *item, const struct fw_pod *pod)
{
	for (size_t i = first; item->replaces && i < compiler->items.count; i++) {
		const struct fw_item *other = compiler->items.items[i];

		if (strcmp(other->namespace, item->namespace))
			return false;
		if (other != item && !strcmp(other->name, item->replaces))
			return selects(other, pod);
	}
	return false;
}

static int select_items(struct fw_compiler *compiler, const struct fw_pod *pod)
{
	size_t first = find_items(compiler, pod->object.namespace);

	compiler->scratch_picks.count = 0;
	for (size_t i = first; i < compiler->items.count; i++) {
		const struct fw_item *item = compiler->items.items[i];
		struct fw_pick pick = {.item = item};
		int r;

		if (strcmp(item->namespace, pod->object.namespace))
			break;
		pick.selects = selects(item, pod);
		if (!pick.selects && !replaces_selected(compiler, first, item, pod))
			continue;
		r = FW_ROOM(&compiler->scratch_picks, 1);
		if (r)
			return r;
		compiler->scratch_picks.items[compiler->scratch_picks.count++] = pick;
	}
	return 0;
}

static int add_named(struct fw_compiler *compiler, const struct fw_pod *pod, uint32_t id)
{
	uint16_t port = fw_portname_resolve(compiler->terms.portnames.items[id], pod);
	uint64_t value = (uint64_t)id << 16 | port;
	size_t at = compiler->scratch_named.count;
	int r = FW_ROOM(&compiler->scratch_named, 1);

	if (r || !port)
		return r;
	for (size_t i = 0; i < at; i++) {
		if (compiler->scratch_named.items[i] == value)
			return 0;
	}
	for (; at && compiler->scratch_named.items[at - 1] > value; at--)
		compiler->scratch_named.items[at] = compiler->scratch_named.items[at - 1];
	compiler->scratch_named.items[at] = value;
	compiler->scratch_named.count++;
	return 0;
}

/* Edge cases 11, 12, 16: an ingress rule's port name is the selected pod's own. */
static int resolve_names(struct fw_compiler *compiler, const struct fw_pod *pod)
{
	compiler->scratch_named.count = 0;
	for (size_t i = 0; i < compiler->scratch_picks.count; i++) {
		const struct fw_item *item = compiler->scratch_picks.items[i].item;
		bool speaks = compiler->scratch_picks.items[i].selects;

		for (size_t k = 0; speaks && k < item->rule_count[FW_INGRESS]; k++) {
			const struct fw_item_rule *rule = &item->rules[FW_INGRESS][k];

			for (size_t n = 0; n < rule->name_count; n++) {
				int r = add_named(compiler, pod, rule->names[n]);

				if (r)
					return r;
			}
		}
	}
	return 0;
}

static int find_subject(struct fw_compiler *compiler, struct fw_member *member)
{
	struct fw_policy_subject *subject;
	struct key key;
	int r = select_items(compiler, member->pod);

	if (!r)
		r = resolve_names(compiler, member->pod);
	if (!r)
		r = FW_ROOM(&compiler->scratch_picks, 1); /* so that the key never holds NULL */
	if (!r)
		r = FW_ROOM(&compiler->scratch_named, 1);
	if (r)
		return r;
	key = (struct key){
		.picks = compiler->scratch_picks.items,
		.named = compiler->scratch_named.items,
		.pick_count = compiler->scratch_picks.count,
		.named_count = compiler->scratch_named.count,
	};
	r = intern(compiler, &key, &subject);
	if (r)
		return r;
	fw_subject_drop(compiler, member->local->subject);
	member->local->subject = subject;
	return 0;
}

static int make_names(struct fw_member *member)
{
	const struct fw_object *object = &member->pod->object;
	size_t namespace = strlen(object->namespace) + 1, name = strlen(object->name) + 1;
	size_t uid = strlen(object->uid) + 1;
	struct fw_member_names *names = malloc(sizeof(*names) + namespace + name + uid);

	if (!names)
		return -ENOMEM;
	*names = (struct fw_member_names){.blob.refs = 1};
	memcpy(names->text, object->namespace, namespace);
	memcpy(names->text + namespace, object->name, name);
	memcpy(names->text + namespace + name, object->uid, uid);
	names->namespace = names->text;
	names->name = names->text + namespace;
	names->uid = names->name + name;
	member->local->names = &names->blob;
	return 0;
}

static int make_local(struct fw_member *member)
{
	if (!member->local)
		member->local = calloc(1, sizeof(*member->local));
	if (!member->local)
		return -ENOMEM;
	return member->local->names ? 0 : make_names(member);
}

void fw_local_drop_subject(struct fw_compiler *compiler, struct fw_local *local)
{
	if (!local)
		return;
	fw_subject_drop(compiler, local->subject);
	local->subject = NULL;
}

void fw_local_free(struct fw_local *local)
{
	if (!local)
		return;
	fw_blob_drop(local->names);
	free(local);
}

static int settle_member(struct fw_compiler *compiler, struct fw_member *member, bool all)
{
	bool was_here = member->here;
	int r;

	if (member->dead)
		return 0;

	if (!member->looked || compiler->node_changed) {
		member->scheduled_here = !strcmp(member->pod->node, compiler->node);
		member->looked = true;
	}
	member->here = !member->pod->host_network &&
		       (all || member->scheduled_here || member->sandbox_stamp == compiler->now);
	compiler->locals_changed |= member->here != was_here;
	if (!member->here) {
		fw_local_drop_subject(compiler, member->local);
		return 0;
	}
	if (was_here && !member->realm->items_changed)
		return 0;
	r = make_local(member);
	return r ? r : find_subject(compiler, member);
}

struct fw_member *fw_member_find(const struct fw_compiler *compiler, const struct fw_pod *pod)
{
	size_t low = 0, high = compiler->pods.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct fw_member *member = compiler->pods.rows[middle].record;
		const struct fw_object *object = &member->pod->object;
		int order = strcmp(object->namespace, pod->object.namespace);

		if (!order)
			order = strcmp(object->name, pod->object.name);
		if (!order)
			return member;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* A sandbox of this node makes its pod a pod of this node, whatever spec.nodeName says. */
static int settle_sandboxes(struct fw_compiler *compiler, const struct fw_model *model)
{
	struct fw_sandbox *const *sandboxes;
	size_t count = fw_model_list_sandboxes(model, &sandboxes);
	int r = 0;

	for (size_t i = 0; !r && i < count; i++) {
		const struct fw_pod *pod = fw_model_pod_of_sandbox(model, sandboxes[i]);
		struct fw_member *member = pod ? fw_member_find(compiler, pod) : NULL;

		if (!member)
			continue;
		member->sandbox_stamp = compiler->now;
		r = settle_member(compiler, member, false);
	}
	return r;
}

/* After the sandboxes. What is neither new nor was here before is not here. */
static int settle_members(struct fw_compiler *compiler, bool all)
{
	int r = 0;

	for (size_t i = 0; !r && compiler->node_changed && i < compiler->pods.count; i++)
		r = settle_member(compiler, compiler->pods.rows[i].record, all);
	for (size_t i = 0; !r && i < compiler->locals.count; i++)
		r = settle_member(compiler, compiler->locals.items[i], all);
	for (size_t i = 0; !r && i < compiler->fresh_members.count; i++)
		r = settle_member(compiler, compiler->fresh_members.items[i], all);
	return r;
}

/* Pods that are gone; after the others, so that a changed pod finds its subject again. */
static void drop_dead(struct fw_compiler *compiler)
{
	for (size_t i = 0; i < compiler->dead_members.count; i++) {
		struct fw_member *member = compiler->dead_members.items[i];

		compiler->locals_changed |= member->here;
		fw_local_drop_subject(compiler, member->local);
	}
}

static int list_locals(struct fw_compiler *compiler)
{
	int r = 0;

	compiler->locals.count = 0;
	for (size_t i = 0; !r && i < compiler->pods.count; i++) {
		struct fw_member *member = compiler->pods.rows[i].record;

		if (!member->here)
			continue;
		r = FW_ROOM(&compiler->locals, 1);
		if (!r)
			compiler->locals.items[compiler->locals.count++] = member;
	}
	compiler->locals_changed = false;
	return r;
}

static int compare_subjects(const void *left, const void *right)
{
	const struct fw_policy_subject *a = *(struct fw_policy_subject *const *)left;
	const struct fw_policy_subject *b = *(struct fw_policy_subject *const *)right;

	return fw_digest_compare(&a->digest, &b->digest);
}

static int order_subjects(struct fw_compiler *compiler)
{
	int r = fw_grow((void **)&compiler->subject_order.items, &compiler->subject_order.cap,
			compiler->subjects.used + 1, sizeof(*compiler->subject_order.items));

	if (r)
		return r;
	compiler->subject_order.count = 0;
	for (size_t i = 0; i < compiler->subjects.cap; i++) {
		struct fw_policy_subject *subject = compiler->subjects.slots[i].item;

		if (subject)
			compiler->subject_order.items[compiler->subject_order.count++] = subject;
	}
	if (compiler->subject_order.count)
		qsort(compiler->subject_order.items, compiler->subject_order.count,
		      sizeof(struct fw_policy_subject *), compare_subjects);
	for (size_t i = 0; i < compiler->subject_order.count; i++)
		compiler->subject_order.items[i]->index = (uint32_t)i;
	compiler->subjects_changed = false;
	return 0;
}

int fw_stage_subjects(struct fw_compiler *compiler, const struct fw_model *model)
{
	bool all = !*compiler->node;
	int r = all ? 0 : settle_sandboxes(compiler, model);

	if (!r)
		r = settle_members(compiler, all);
	drop_dead(compiler);
	if (!r && compiler->locals_changed)
		r = list_locals(compiler);
	if (!r && (compiler->subjects_changed || !compiler->subject_order.cap))
		r = order_subjects(compiler);
	return r;
}

void fw_subjects_done(struct fw_compiler *compiler)
{
	for (size_t i = 0; i < compiler->subjects.cap; i++) {
		if (compiler->subjects.slots[i].item)
			free_subject(compiler, compiler->subjects.slots[i].item);
	}
	fw_htab_done(&compiler->subjects);
	free(compiler->subject_order.items);
	free(compiler->locals.items);
	free(compiler->scratch_picks.items);
}
