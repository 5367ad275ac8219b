/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which terms hold a pod. Each selector term hangs in the bucket of one requirement that the pod
 * must meet by having a label: (scope, key, value) for In, (scope, key) for Exists; a term without
 * such a requirement hangs in the bucket of its scope. The scope is the term's namespace, or a
 * label that the namespace must have, or everywhere. A bucket is only a hint (equal hashes may
 * share one): every candidate is evaluated.
 */
#include "compile/match.h"

#include <string.h>

struct bucket {
	uint64_t hash;
	size_t count;
	struct fw_term *terms[]; /* one as a rule: room for the next power of two */
};

#define SCOPES_MAX 64 /* values of one namespace label; a term with more hangs everywhere */

/* "" is everywhere. */
static uint64_t scope_of(const char *namespace)
{
	return fw_hash_text(0x5c09e, namespace);
}

static uint64_t hash_key(uint64_t scope, uint64_t key)
{
	return fw_hash_mix(scope, key);
}

static uint64_t hash_value(uint64_t scope, uint64_t key, uint64_t value)
{
	return fw_hash_mix(fw_hash_mix(scope, key), value);
}

static uint64_t of_text(const char *text)
{
	return fw_hash_text(1, text);
}

static uint64_t scope_of_label(const char *key, const char *value)
{
	return hash_value(0x1abe1, of_text(key), of_text(value));
}

static bool has_hash(const void *item, const void *key)
{
	return ((const struct bucket *)item)->hash == *(const uint64_t *)key;
}

static struct bucket *find(const struct fw_terms *terms, uint64_t hash)
{
	return fw_htab_find(&terms->buckets, hash, has_hash, &hash);
}

/* The requirement to hang a term on: In with the fewest values, else Exists; NULL: none. */
static const struct fw_requirement *anchor(const struct fw_selector *selector)
{
	const struct fw_requirement *best = NULL;

	for (size_t i = 0; i < selector->count; i++) {
		const struct fw_requirement *item = &selector->items[i];

		if (item->op == FW_OP_EXISTS && !best)
			best = item;
		if (item->op == FW_OP_IN &&
		    (!best || best->op != FW_OP_IN || item->value_count < best->value_count))
			best = item;
	}
	return best;
}

static bool is_full(const struct bucket *bucket)
{
	return !(bucket->count & (bucket->count - 1));
}

/* The bucket with room for one more term, in the place of the one that is full or is not there. */
static struct bucket *enlarge(struct fw_terms *terms, uint64_t hash, struct bucket *full)
{
	size_t count = full ? full->count : 0;
	struct bucket *bucket =
		malloc(sizeof(*bucket) + (count ? 2 * count : 1) * sizeof(*bucket->terms));

	if (!bucket || fw_htab_add(&terms->buckets, hash, bucket)) {
		free(bucket);
		return NULL;
	}
	bucket->hash = hash;
	bucket->count = count;
	if (full) {
		memcpy(bucket->terms, full->terms, count * sizeof(*bucket->terms));
		fw_htab_remove(&terms->buckets, hash, full);
		free(full);
	}
	return bucket;
}

static int hang(struct fw_terms *terms, uint64_t hash, struct fw_term *term)
{
	struct bucket *bucket = find(terms, hash);

	if (!bucket || is_full(bucket))
		bucket = enlarge(terms, hash, bucket);
	if (!bucket)
		return -ENOMEM;
	bucket->terms[bucket->count++] = term;
	return 0;
}

static int take_down(struct fw_terms *terms, uint64_t hash, struct fw_term *term)
{
	struct bucket *bucket = find(terms, hash);

	for (size_t i = 0; bucket && i < bucket->count; i++) {
		if (bucket->terms[i] != term)
			continue;
		bucket->terms[i] = bucket->terms[--bucket->count];
		break;
	}
	if (bucket && !bucket->count) {
		fw_htab_remove(&terms->buckets, hash, bucket);
		free(bucket);
	}
	return 0;
}

typedef int change_bucket(struct fw_terms *terms, uint64_t hash, struct fw_term *term);

/* Calls `change` for each bucket of the term in one scope. */
static int each_in_scope(struct fw_terms *terms, struct fw_term *term, uint64_t scope,
			 change_bucket *change)
{
	const struct fw_requirement *item = anchor(&term->pods);
	uint64_t key;

	if (!item)
		return change(terms, scope, term);
	key = of_text(item->key);
	if (item->op == FW_OP_EXISTS)
		return change(terms, hash_key(scope, key), term);
	for (size_t i = 0; i < item->value_count; i++) {
		int r = change(terms, hash_value(scope, key, of_text(item->values[i])), term);

		if (r)
			return r;
	}
	return 0;
}

static int each_bucket(struct fw_terms *terms, struct fw_term *term, change_bucket *change)
{
	const struct fw_requirement *item;

	if (term->is_block)
		return 0;
	if (term->namespace)
		return each_in_scope(terms, term, scope_of(term->namespace), change);
	item = anchor(&term->namespaces);
	if (!item || item->op != FW_OP_IN || item->value_count > SCOPES_MAX)
		return each_in_scope(terms, term, scope_of(""), change);
	for (size_t i = 0; i < item->value_count; i++) {
		int r = each_in_scope(terms, term, scope_of_label(item->key, item->values[i]),
				      change);

		if (r)
			return r;
	}
	return 0;
}

int fw_match_add(struct fw_terms *terms, struct fw_term *term)
{
	return each_bucket(terms, term, hang);
}

void fw_match_remove(struct fw_terms *terms, struct fw_term *term)
{
	(void)each_bucket(terms, term, take_down);
}

void fw_match_done(struct fw_terms *terms)
{
	for (size_t i = 0; i < terms->buckets.cap; i++)
		free(terms->buckets.slots[i].item);
	fw_htab_done(&terms->buckets);
}

void fw_realm_remember(struct fw_realm *realm, uint32_t term, enum fw_realm_answer answer)
{
	unsigned int shift = term % 4 * 2;
	uint8_t *byte = realm->known + term / 4;

	if (term / 4 < realm->known_cap)
		*byte = (uint8_t)((*byte & ~(3u << shift)) | (unsigned int)answer << shift);
}

static enum fw_realm_answer recall(const struct fw_realm *realm, uint32_t term)
{
	return term / 4 < realm->known_cap
		       ? (enum fw_realm_answer)(realm->known[term / 4] >> term % 4 * 2 & 3)
		       : FW_REALM_NOT_ASKED;
}

/* A namespace that the model does not hold has no labels to match: no namespaceSelector matches it.
 */
bool fw_term_holds_realm(const struct fw_term *term, struct fw_realm *realm)
{
	enum fw_realm_answer answer;
	bool yes;

	if (term->namespace)
		return !strcmp(term->namespace, realm->name);
	answer = recall(realm, term->id);
	if (answer != FW_REALM_NOT_ASKED)
		return answer == FW_REALM_HELD;
	yes = realm->object && fw_selector_matches(&term->namespaces, &realm->object->labels);
	fw_realm_remember(realm, term->id, yes ? FW_REALM_HELD : FW_REALM_OUTSIDE);
	return yes;
}

bool fw_term_holds_pod(const struct fw_term *term, struct fw_realm *realm, const struct fw_pod *pod)
{
	return !term->is_block && fw_term_holds_realm(term, realm) &&
	       fw_selector_matches(&term->pods, &pod->object.labels);
}

static int try_bucket(const struct fw_terms *terms, uint64_t hash, struct fw_realm *realm,
		      const struct fw_pod *pod, struct fw_ids *ids)
{
	const struct bucket *bucket = find(terms, hash);
	int r = bucket ? FW_ROOM(ids, bucket->count) : 0;

	if (r)
		return r;
	for (size_t i = 0; bucket && i < bucket->count; i++) {
		const struct fw_term *term = bucket->terms[i];

		/* one without references goes away at the end of this compile */
		if (term->refs && fw_term_holds_pod(term, realm, pod))
			ids->items[ids->count++] = term->id;
	}
	return 0;
}

/* The scopes in which a pod of the realm is looked for. */
static int find_scopes(struct fw_realm *realm)
{
	const struct fw_labels *labels = realm->object ? &realm->object->labels : NULL;
	size_t count = labels ? labels->count : 0;

	realm->scopes = calloc(2 + count, sizeof(*realm->scopes));
	if (!realm->scopes)
		return -ENOMEM;
	realm->scopes[0] = scope_of("");
	realm->scopes[1] = scope_of(realm->name);
	for (size_t i = 0; i < count; i++)
		realm->scopes[2 + i] = scope_of_label(labels->keys[i], labels->values[i]);
	realm->scope_count = 2 + count;
	return 0;
}

int fw_terms_match(const struct fw_terms *terms, struct fw_realm *realm, const struct fw_pod *pod,
		   struct fw_ids *ids)
{
	const struct fw_labels *labels = &pod->object.labels;
	int r = realm->scopes ? 0 : find_scopes(realm);

	for (size_t s = 0; !r && s < realm->scope_count; s++)
		r = try_bucket(terms, realm->scopes[s], realm, pod, ids);
	for (size_t i = 0; !r && i < labels->count; i++) {
		uint64_t key = of_text(labels->keys[i]);
		uint64_t value = of_text(labels->values[i]);

		for (size_t s = 0; !r && s < realm->scope_count; s++) {
			r = try_bucket(terms, hash_key(realm->scopes[s], key), realm, pod, ids);
			if (!r)
				r = try_bucket(terms, hash_value(realm->scopes[s], key, value),
					       realm, pod, ids);
		}
	}
	return r;
}
