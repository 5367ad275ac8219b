/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terms by id and by digest, their life, and the named ports: see terms.h. Matching is in match.c.
 */
#include "compile/terms.h"

#include <string.h>

#include "base/buf.h"
#include "compile/digest.h"
#include "compile/match.h"

#define TEXT_MAX 16384

void fw_selector_lay(struct fw_block *block, struct fw_selector *selector)
{
	const struct fw_requirement *from = selector->items;
	struct fw_requirement *to =
		fw_block_take(block, from, selector->count * sizeof(*from), FW_BLOCK_ALIGNMENT);

	for (size_t i = 0; i < selector->count; i++) {
		size_t count = from[i].value_count;
		char **values = fw_block_take(block, from[i].values, count * sizeof(*values),
					      FW_BLOCK_ALIGNMENT);
		char *key = fw_block_text(block, from[i].key);

		for (size_t k = 0; k < count; k++) {
			char *value = fw_block_text(block, from[i].values[k]);

			if (values)
				values[k] = value;
		}
		if (to)
			to[i] = (struct fw_requirement){key, from[i].op, values, count};
	}
	selector->items = to;
}

static void hash_prefix(struct fw_hasher *hasher, const struct fw_prefix *prefix)
{
	fw_hasher_bytes(hasher, prefix->ip.b, sizeof(prefix->ip.b));
	fw_hasher_number(hasher, prefix->bits);
}

void fw_selector_hash(struct fw_hasher *hasher, const struct fw_selector *selector)
{
	fw_hasher_number(hasher, selector->count);
	for (size_t i = 0; i < selector->count; i++) {
		const struct fw_requirement *item = &selector->items[i];

		fw_hasher_text(hasher, item->key);
		fw_hasher_number(hasher, item->op);
		fw_hasher_number(hasher, item->value_count);
		for (size_t k = 0; k < item->value_count; k++)
			fw_hasher_text(hasher, item->values[k]);
	}
}

static struct fw_digest digest_peer(const char *namespace, const struct fw_policy_peer *peer)
{
	struct fw_hasher hasher;

	fw_hasher_init(&hasher);
	if (peer->kind == FW_PEER_IP_BLOCK) {
		fw_hasher_text(&hasher, "block");
		hash_prefix(&hasher, &peer->block);
		for (size_t i = 0; i < peer->except_count; i++)
			hash_prefix(&hasher, &peer->except[i]);
		return fw_hasher_done(&hasher);
	}
	fw_hasher_text(&hasher, "pods");
	if (peer->has_namespace_selector) {
		fw_hasher_text(&hasher, NULL);
		fw_selector_hash(&hasher, &peer->namespace_selector);
	} else {
		fw_hasher_text(&hasher, namespace);
	}
	if (peer->has_pod_selector)
		fw_selector_hash(&hasher, &peer->pod_selector);
	else
		fw_hasher_number(&hasher, 0);
	return fw_hasher_done(&hasher);
}

void fw_selector_print(const struct fw_selector *selector, struct fw_buf *buf)
{
	(void)fw_buf_append(buf, "{", 1);
	for (size_t i = 0; i < selector->count; i++) {
		const struct fw_requirement *item = &selector->items[i];
		bool one = item->op == FW_OP_IN && item->value_count == 1;

		(void)fw_buf_printf(buf, "%s%s%s", i ? "," : "",
				    item->op == FW_OP_DOES_NOT_EXIST ? "!" : "", item->key);
		if (item->op == FW_OP_EXISTS || item->op == FW_OP_DOES_NOT_EXIST)
			continue;
		if (one) {
			(void)fw_buf_printf(buf, "=%s", item->values[0]);
			continue;
		}
		(void)fw_buf_printf(buf, "%s", item->op == FW_OP_IN ? " in (" : " notin (");
		for (size_t k = 0; k < item->value_count; k++)
			(void)fw_buf_printf(buf, "%s%s", k ? "," : "", item->values[k]);
		(void)fw_buf_append(buf, ")", 1);
	}
	(void)fw_buf_append(buf, "}", 1);
}

char *fw_term_text(const struct fw_term *term)
{
	char prefix[FW_PREFIX_TEXT];
	struct fw_buf buf;

	fw_buf_init(&buf, TEXT_MAX);
	if (term->is_block) {
		(void)fw_buf_printf(&buf, "%s", fw_prefix_format(&term->block, prefix));
		for (size_t i = 0; i < term->except_count; i++)
			(void)fw_buf_printf(&buf, "-%s",
					    fw_prefix_format(&term->except[i], prefix));
	} else {
		if (term->namespace)
			(void)fw_buf_printf(&buf, "%s", term->namespace);
		else
			fw_selector_print(&term->namespaces, &buf);
		(void)fw_buf_append(&buf, "/", 1);
		fw_selector_print(&term->pods, &buf);
	}
	if (buf.error ==
	    -EFBIG) { /* a selector with very long lists: named by its beginning and digest */
		buf.error = 0;
		buf.len = buf.len > TEXT_MAX - 64 ? TEXT_MAX - 64 : buf.len;
		(void)fw_buf_printf(&buf, "...#%016llx%016llx", (unsigned long long)term->digest.a,
				    (unsigned long long)term->digest.b);
	}
	return fw_buf_take(&buf);
}

static int compare_prefixes(const void *a, const void *b)
{
	return fw_prefix_compare(a, b);
}

/* The term, and behind it what it owns. */
static struct fw_term *lay(struct fw_block *block, const struct fw_term *draft)
{
	struct fw_term *term = fw_block_take(block, draft, sizeof(*draft), FW_BLOCK_ALIGNMENT);
	struct fw_term measured = *draft, *to = term ? term : &measured;

	to->except = fw_block_take(block, draft->except, draft->except_count * sizeof(*to->except),
				   FW_BLOCK_ALIGNMENT);
	fw_selector_lay(block, &to->namespaces);
	fw_selector_lay(block, &to->pods);
	to->namespace = fw_block_text(block, draft->namespace);
	return term;
}

static struct fw_term *make_term(const struct fw_digest *digest, const char *namespace,
				 const struct fw_policy_peer *peer)
{
	struct fw_term draft = {.is_block = peer->kind == FW_PEER_IP_BLOCK, .digest = *digest};
	struct fw_block block = {0};
	struct fw_term *term;

	if (draft.is_block) {
		draft.block = peer->block;
		draft.except = peer->except;
		draft.except_count = peer->except_count;
	} else {
		if (peer->has_namespace_selector)
			draft.namespaces = peer->namespace_selector;
		else
			draft.namespace = namespace;
		if (peer->has_pod_selector)
			draft.pods = peer->pod_selector;
	}
	(void)lay(&block, &draft);
	block = (struct fw_block){.data = malloc(block.used)};
	term = block.data ? lay(&block, &draft) : NULL;
	if (term && term->except_count)
		qsort(term->except, term->except_count, sizeof(*term->except), compare_prefixes);
	return term;
}

static int take_id(struct fw_terms *terms, uint32_t *ret_id)
{
	int r;

	if (terms->free_ids.count) {
		*ret_id = terms->free_ids.items[--terms->free_ids.count];
		return 0;
	}
	r = FW_ROOM(&terms->by_id, 1);
	if (!r) /* so that letting go of a term never fails */
		r = fw_grow((void **)&terms->idle.items, &terms->idle.cap, terms->by_id.count + 1,
			    sizeof(*terms->idle.items));
	if (!r) /* nor giving its id back */
		r = fw_grow((void **)&terms->free_ids.items, &terms->free_ids.cap,
			    terms->by_id.count + 1, sizeof(*terms->free_ids.items));
	if (r)
		return r;
	*ret_id = (uint32_t)terms->by_id.count;
	terms->by_id.items[terms->by_id.count++] = NULL;
	return 0;
}

static bool has_digest(const void *item, const void *key)
{
	return !fw_digest_compare(&((const struct fw_term *)item)->digest, key);
}

/* Takes the term: freed at once, or, after a failure further on, with the whole memory. */
static int add_term(struct fw_terms *terms, struct fw_term *term)
{
	int r = FW_ROOM(&terms->fresh, 1);

	if (!r)
		r = take_id(terms, &term->id);
	if (r) {
		free(term);
		return r;
	}
	terms->by_id.items[term->id] = term;
	terms->fresh.items[terms->fresh.count++] = term;
	term->fresh = true;
	r = fw_htab_add(&terms->by_digest, term->digest.a, term);
	return r ? r : fw_match_add(terms, term);
}

int fw_terms_intern(struct fw_terms *terms, const char *namespace,
		    const struct fw_policy_peer *peer, struct fw_term **ret_term)
{
	struct fw_digest digest = digest_peer(namespace, peer);
	struct fw_term *term = fw_htab_find(&terms->by_digest, digest.a, has_digest, &digest);
	int r;

	if (!term) {
		term = make_term(&digest, namespace, peer);
		if (!term)
			return -ENOMEM;
		r = add_term(terms, term);
		if (r)
			return r;
	}
	term->refs++;
	*ret_term = term;
	return 0;
}

void fw_terms_release(struct fw_terms *terms, struct fw_term *term)
{
	if (--term->refs || term->idle)
		return;
	term->idle = true;
	terms->idle.items[terms->idle.count++] = term;
}

void fw_terms_settle(struct fw_terms *terms)
{
	for (size_t i = 0; i < terms->fresh.count; i++)
		terms->fresh.items[i]->fresh = false;
	terms->fresh.count = 0;
	for (size_t i = 0; i < terms->idle.count; i++) {
		struct fw_term *term = terms->idle.items[i];

		term->idle = false;
		if (term->refs)
			continue;
		fw_match_remove(terms, term);
		fw_htab_remove(&terms->by_digest, term->digest.a, term);
		terms->by_id.items[term->id] = NULL;
		terms->free_ids.items[terms->free_ids.count++] = term->id;
		free(term);
	}
	terms->idle.count = 0;
	for (size_t i = 0; terms->users_changed && i < terms->by_id.count; i++) {
		if (terms->by_id.items[i])
			terms->by_id.items[i]->users_changed = false;
	}
	terms->users_changed = terms->everybody_changed = false;
}

void fw_terms_done(struct fw_terms *terms)
{
	for (size_t i = 0; i < terms->by_id.count; i++)
		free(terms->by_id.items[i]);
	for (size_t i = 0; i < terms->portnames.count; i++) {
		free(terms->portnames.items[i]->users);
		free(terms->portnames.items[i]->name);
		free(terms->portnames.items[i]);
	}
	fw_match_done(terms);
	free(terms->by_id.items);
	free(terms->free_ids.items);
	free(terms->fresh.items);
	free(terms->idle.items);
	free(terms->portnames.items);
	fw_htab_done(&terms->by_digest);
	fw_htab_done(&terms->portnames_by_name);
	*terms = (struct fw_terms){0};
}
