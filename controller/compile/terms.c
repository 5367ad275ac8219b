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

static void free_selector(struct fw_selector *selector)
{
	for (size_t i = 0; i < selector->count; i++) {
		for (size_t k = 0; k < selector->items[i].value_count; k++)
			free(selector->items[i].values[k]);
		free(selector->items[i].values);
		free(selector->items[i].key);
	}
	free(selector->items);
	*selector = (struct fw_selector){0};
}

static void free_term(struct fw_term *term)
{
	if (!term)
		return;
	free_selector(&term->namespaces);
	free_selector(&term->pods);
	free(term->except);
	free(term->namespace);
	free(term->text);
	free(term);
}

static int copy_requirement(const struct fw_requirement *from, struct fw_requirement *to)
{
	to->op = from->op;
	to->key = strdup(from->key);
	to->values = calloc(from->value_count + 1, sizeof(*to->values));
	if (!to->key || !to->values)
		return -ENOMEM;
	for (; to->value_count < from->value_count; to->value_count++) {
		to->values[to->value_count] = strdup(from->values[to->value_count]);
		if (!to->values[to->value_count])
			return -ENOMEM;
	}
	return 0;
}

/* What was copied before a failure is in *to, which the caller frees. */
int fw_selector_copy(const struct fw_selector *from, struct fw_selector *to)
{
	to->items = calloc(from->count + 1, sizeof(*to->items));
	if (!to->items)
		return -ENOMEM;
	while (to->count < from->count) {
		int r = copy_requirement(&from->items[to->count], &to->items[to->count]);

		to->count++;
		if (r)
			return r;
	}
	return 0;
}

void fw_selector_done(struct fw_selector *selector)
{
	free_selector(selector);
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

static char *print_term(const struct fw_term *term)
{
	char prefix[FW_PREFIX_TEXT];
	struct fw_buf buf;
	char *text;

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
	text = buf.error ? NULL : strdup(buf.data); /* kept for long: without the room to grow */
	fw_buf_done(&buf);
	return text;
}

static int compare_prefixes(const void *a, const void *b)
{
	return fw_prefix_compare(a, b);
}

static int fill_term(struct fw_term *term, const char *namespace, const struct fw_policy_peer *peer)
{
	int r = 0;

	term->is_block = peer->kind == FW_PEER_IP_BLOCK;
	if (term->is_block) {
		term->block = peer->block;
		term->except = calloc(peer->except_count + 1, sizeof(*term->except));
		if (!term->except)
			return -ENOMEM;
		if (peer->except_count)
			memcpy(term->except, peer->except,
			       peer->except_count * sizeof(*term->except));
		term->except_count = peer->except_count;
		qsort(term->except, term->except_count, sizeof(*term->except), compare_prefixes);
	} else if (peer->has_namespace_selector) {
		r = fw_selector_copy(&peer->namespace_selector, &term->namespaces);
	} else {
		term->namespace = strdup(namespace);
		r = term->namespace ? 0 : -ENOMEM;
	}
	if (!r && !term->is_block && peer->has_pod_selector)
		r = fw_selector_copy(&peer->pod_selector, &term->pods);
	if (r)
		return r;
	term->text = print_term(term);
	return term->text ? 0 : -ENOMEM;
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
		free_term(term);
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
		term = calloc(1, sizeof(*term));
		if (!term)
			return -ENOMEM;
		term->digest = digest;
		r = fill_term(term, namespace, peer);
		if (r) {
			free_term(term);
			return r;
		}
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
		free_term(term);
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
		free_term(terms->by_id.items[i]);
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
