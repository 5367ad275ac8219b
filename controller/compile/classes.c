/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peer classes: (terms that hold the pod, ipBlocks that hold the address), interned. In: pairs of
 * sets. Out: classes with a digest and a label that do not depend on ids, and their order in the
 * tables.
 */
#include <string.h>

#include "base/buf.h"
#include "compile/digest.h"
#include "compile/match.h"
#include "compile/stages.h"

#define LABEL_MAX   65536
#define LABEL_TERMS 48 /* more are counted, and the digest is shown */

struct key {
	const struct fw_idset *pods, *blocks;
};

static uint64_t hash_of(const struct fw_idset *pods, const struct fw_idset *blocks)
{
	return fw_hash_mix((uint64_t)(uintptr_t)pods, (uint64_t)(uintptr_t)blocks);
}

static bool is_class(const void *item, const void *wanted)
{
	const struct fw_peer_class *class = item;
	const struct key *key = wanted;

	return class->pods == key->pods && class->blocks == key->blocks;
}

static int compare_terms(const void *left, const void *right)
{
	const struct fw_term *a = *(struct fw_term *const *)left;
	const struct fw_term *b = *(struct fw_term *const *)right;

	return fw_digest_compare(&a->digest, &b->digest);
}

/* Everything a class is made of, in an order that does not depend on ids. */
struct parts {
	struct fw_term **terms;
	size_t term_count;
	struct fw_named_port *named;
	size_t named_count;
};

static int gather(const struct fw_compiler *compiler, const struct fw_idset *pods,
		  const struct fw_idset *blocks, struct parts *parts)
{
	size_t pod_terms = pods ? pods->count : 0;

	parts->term_count = pod_terms + blocks->count;
	parts->named_count = pods ? pods->named_count : 0;
	parts->terms = calloc(parts->term_count + 1, sizeof(struct fw_term *));
	if (!parts->terms)
		return -ENOMEM;
	for (size_t i = 0; i < parts->term_count; i++) {
		uint32_t id = i < pod_terms ? pods->ids[i] : blocks->ids[i - pod_terms];

		parts->terms[i] = compiler->terms.by_id.items[id];
	}
	if (parts->term_count)
		qsort(parts->terms, parts->term_count, sizeof(*parts->terms), compare_terms);
	return fw_named_ports(&compiler->terms, pods ? pods->named : NULL, parts->named_count,
			      &parts->named);
}

static struct fw_digest digest_class(bool is_pod, const struct parts *parts)
{
	struct fw_hasher hasher;

	fw_hasher_init(&hasher);
	fw_hasher_text(&hasher, is_pod ? "pod" : "outside");
	fw_hasher_number(&hasher, parts->term_count);
	for (size_t i = 0; i < parts->term_count; i++)
		fw_hasher_digest(&hasher, &parts->terms[i]->digest);
	for (size_t i = 0; i < parts->named_count; i++) {
		fw_hasher_text(&hasher, parts->named[i].portname->name);
		fw_hasher_number(&hasher, parts->named[i].portname->protocol);
		fw_hasher_number(&hasher, parts->named[i].port);
	}
	return fw_hasher_done(&hasher);
}

/* In a label, pods' terms come first, each kind by its text. */
struct shown {
	const struct fw_term *term;
	char *text;
};

static int compare_shown(const void *left, const void *right)
{
	const struct shown *a = left, *b = right;

	if (a->term->is_block != b->term->is_block)
		return a->term->is_block ? 1 : -1;
	return strcmp(a->text, b->text);
}

static void print_terms(const struct parts *parts, const struct fw_digest *digest,
			struct shown *terms, struct fw_buf *buf)
{
	size_t shown = parts->term_count < LABEL_TERMS ? parts->term_count : LABEL_TERMS;

	if (parts->term_count)
		qsort(terms, parts->term_count, sizeof(*terms), compare_shown);
	for (size_t i = 0; i < shown && buf->len < LABEL_MAX / 2; i++)
		(void)fw_buf_printf(buf, " %s", terms[i].text);
	if (shown < parts->term_count || buf->len >= LABEL_MAX / 2)
		(void)fw_buf_printf(buf, " (%zu in all #%016llx%016llx)", parts->term_count,
				    (unsigned long long)digest->a, (unsigned long long)digest->b);
}

static int print_label(bool is_pod, const struct parts *parts, const struct fw_digest *digest,
		       struct fw_buf *buf)
{
	const char *outside = parts->term_count ? "outside" : "world";
	struct shown *terms = calloc(parts->term_count + 1, sizeof(*terms));
	bool whole = terms;

	for (size_t i = 0; whole && i < parts->term_count; i++) {
		terms[i] = (struct shown){parts->terms[i], fw_term_text(parts->terms[i])};
		whole = terms[i].text;
	}
	(void)fw_buf_printf(buf, "%s", is_pod ? "pod" : outside);
	if (whole)
		print_terms(parts, digest, terms, buf);
	for (size_t i = 0; i < parts->named_count && i < 256; i++)
		(void)fw_buf_printf(buf, " %s/%s=%u", parts->named[i].portname->name,
				    fw_port_protocol_name(parts->named[i].portname->protocol),
				    parts->named[i].port);
	for (size_t i = 0; terms && i < parts->term_count; i++)
		free(terms[i].text);
	free(terms);
	return whole ? buf->error : -ENOMEM;
}

/* NULL: without a label. */
static struct fw_peer_class *new_class(const char *label)
{
	size_t size = label ? strlen(label) + 1 : 0;
	struct fw_peer_class *class = calloc(1, sizeof(*class) + size);

	if (!class)
		return NULL;
	if (size)
		memcpy(class->label, label, size);
	class->labelled = label;
	class->blob.refs = 1;
	class->fresh = true;
	return class;
}

static int make_class(struct fw_compiler *compiler, struct fw_idset *pods, struct fw_idset *blocks,
		      struct fw_peer_class **ret_class)
{
	struct fw_peer_class *class = NULL;
	struct fw_digest digest = {0};
	struct parts parts = {0};
	struct fw_buf buf;

	fw_buf_init(&buf, LABEL_MAX);
	if (!gather(compiler, pods, blocks, &parts)) {
		digest = digest_class(pods, &parts);
		if (!compiler->labels || !print_label(pods, &parts, &digest, &buf))
			class = new_class(buf.data);
	}
	fw_buf_done(&buf);
	free(parts.terms);
	free(parts.named);
	if (!class)
		return -ENOMEM;
	class->digest = digest;
	class->pods = pods;
	class->blocks = blocks;
	*ret_class = class;
	return 0;
}

int fw_class_intern(struct fw_compiler *compiler, struct fw_idset *pods, struct fw_idset *blocks,
		    struct fw_peer_class **ret_class)
{
	struct key key = {.pods = pods, .blocks = blocks};
	uint64_t hash = hash_of(pods, blocks);
	struct fw_peer_class *class = fw_htab_find(&compiler->class_table, hash, is_class, &key);
	int r;

	if (class) {
		*ret_class = class;
		return 0;
	}
	r = FW_ROOM(&compiler->fresh_classes, 1);
	if (!r)
		r = make_class(compiler, pods, blocks, &class);
	if (r)
		return r;
	r = fw_htab_add(&compiler->class_table, hash, class);
	if (r) {
		free(class);
		return r;
	}
	if (pods)
		pods->refs++;
	blocks->refs++;
	compiler->fresh_classes.items[compiler->fresh_classes.count++] = class;
	*ret_class = class;
	return 0;
}

static int make_fixed(struct fw_compiler *compiler)
{
	struct fw_idset *none;
	struct fw_hasher hasher;
	int r = fw_sets_intern(&compiler->sets, NULL, 0, NULL, 0, &none);

	if (r)
		return r;
	compiler->unknown = new_class(compiler->labels ? "unknown-pod" : NULL);
	if (!compiler->unknown)
		return -ENOMEM;
	fw_hasher_init(&hasher);
	fw_hasher_text(&hasher, "unknown-pod");
	compiler->unknown->digest = fw_hasher_done(&hasher);
	r = FW_ROOM(&compiler->fresh_classes, 2);
	if (r)
		return r;
	compiler->fresh_classes.items[compiler->fresh_classes.count++] = compiler->unknown;
	r = fw_class_intern(compiler, NULL, none, &compiler->world);
	fw_sets_drop(&compiler->sets, none);
	return r;
}

int fw_classes_init(struct fw_compiler *compiler)
{
	return compiler->world ? 0 : make_fixed(compiler);
}

static int compare_classes(const void *left, const void *right)
{
	const struct fw_peer_class *a = *(struct fw_peer_class *const *)left;
	const struct fw_peer_class *b = *(struct fw_peer_class *const *)right;

	return fw_digest_compare(&a->digest, &b->digest);
}

static bool is_fixed(const struct fw_compiler *compiler, const struct fw_peer_class *class)
{
	return class == compiler->world || class == compiler->unknown;
}

/* Live old classes and fresh ones, merged by digest behind the fixed two. */
static void merge(struct fw_compiler *compiler, struct fw_peer_class **into)
{
	struct fw_peer_class **fresh = compiler->fresh_classes.items;
	size_t left = compiler->fresh_classes.count, count = 2;

	into[FW_TABLES_WORLD] = compiler->world;
	into[FW_TABLES_UNKNOWN_POD] = compiler->unknown;
	for (size_t i = 2; i < compiler->classes.count; i++) {
		struct fw_peer_class *class = compiler->classes.items[i];

		if (class->dead)
			continue;
		for (; left && compare_classes(fresh, &class) < 0; fresh++, left--) {
			if (!is_fixed(compiler, *fresh) && !(*fresh)->dead)
				into[count++] = *fresh;
		}
		into[count++] = class;
	}
	for (; left; fresh++, left--) {
		if (!is_fixed(compiler, *fresh) && !(*fresh)->dead)
			into[count++] = *fresh;
	}
	free(compiler->classes.items);
	compiler->classes.items = into;
	compiler->classes.count = compiler->classes.cap = count;
}

static int find_dead(struct fw_compiler *compiler)
{
	struct fw_peer_class **lists[2] = {compiler->classes.items, compiler->fresh_classes.items};
	size_t counts[2] = {compiler->classes.count, compiler->fresh_classes.count};
	int r = FW_ROOM(&compiler->dead_classes, counts[0] + counts[1]);

	if (r)
		return r;
	for (int k = 0; k < 2; k++) {
		for (size_t i = 0; i < counts[k]; i++) {
			struct fw_peer_class *class = lists[k][i];

			if (class->claims || class->stamp == compiler->now ||
			    is_fixed(compiler, class))
				continue;
			class->dead = true;
			compiler->dead_classes.items[compiler->dead_classes.count++] = class;
		}
	}
	return 0;
}

int fw_stage_classes(struct fw_compiler *compiler)
{
	size_t fresh = compiler->fresh_classes.count, room = compiler->classes.count + fresh + 2;
	struct fw_peer_class **into;
	int r = find_dead(compiler);

	if (r || (!fresh && !compiler->dead_classes.count))
		return r;
	into = calloc(room, sizeof(struct fw_peer_class *));
	if (!into)
		return -ENOMEM;
	if (fresh)
		qsort(compiler->fresh_classes.items, fresh, sizeof(*into), compare_classes);
	merge(compiler, into);
	for (size_t i = 0; i < compiler->classes.count; i++)
		compiler->classes.items[i]->rank = (uint32_t)i;
	return 0;
}

void fw_classes_settle(struct fw_compiler *compiler)
{
	for (size_t i = 0; i < compiler->fresh_classes.count; i++)
		compiler->fresh_classes.items[i]->fresh = false;
	compiler->fresh_classes.count = 0;
	for (size_t i = 0; i < compiler->dead_classes.count; i++) {
		struct fw_peer_class *class = compiler->dead_classes.items[i];

		fw_htab_remove(&compiler->class_table, hash_of(class->pods, class->blocks), class);
		fw_sets_drop(&compiler->sets, class->pods);
		fw_sets_drop(&compiler->sets, class->blocks);
		class->pods = class->blocks = NULL;
		fw_blob_drop(&class->blob);
	}
	compiler->dead_classes.count = 0;
}

void fw_classes_done(struct fw_compiler *compiler)
{
	for (size_t i = 0; i < compiler->class_table.cap; i++) {
		struct fw_peer_class *class = compiler->class_table.slots[i].item;

		if (class)
			fw_blob_drop(&class->blob);
	}
	if (compiler->unknown)
		fw_blob_drop(&compiler->unknown->blob);
	fw_htab_done(&compiler->class_table);
	free(compiler->classes.items);
	free(compiler->fresh_classes.items);
	free(compiler->dead_classes.items);
}
