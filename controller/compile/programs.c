/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decisions and verdict programs, interned by content and counted. In: outcomes of the walk over
 * the layers. Out: one struct per distinct meaning, with the names by which records show it; it
 * owns them, so that it outlives its policy.
 */
#include <string.h>

#include "compile/digest.h"
#include "compile/stages.h"

static struct fw_rule_name name_of(const struct fw_side *side, const struct fw_outcome *outcome)
{
	const struct fw_item *item = outcome->part < 0 ? NULL : side->items.items[outcome->part];

	return (struct fw_rule_name){
		.layer = fw_layers[outcome->layer].name,
		.kind = item ? item->kind : "",
		.namespace = item ? item->namespace : "",
		.name = item ? item->name : "",
		.rule = outcome->rule,
		.isolated_by = outcome->isolated_by,
	};
}

static bool same_rule(const struct fw_rule_name *a, const struct fw_rule_name *b)
{
	return a->layer == b->layer && a->rule == b->rule && a->isolated_by == b->isolated_by &&
	       !strcmp(a->kind, b->kind) && !strcmp(a->namespace, b->namespace) &&
	       !strcmp(a->name, b->name);
}

static bool is_decision(const void *item, const void *wanted)
{
	const struct fw_decision_row *a = &((const struct fw_decision *)item)->row, *b = wanted;

	if (a->verdict != b->verdict || a->firm != b->firm || a->pending != b->pending ||
	    a->alone_count != b->alone_count || !same_rule(&a->rule, &b->rule) ||
	    !same_rule(&a->pending_rule, &b->pending_rule))
		return false;
	for (size_t i = 0; i < a->alone_count; i++) {
		if (strcmp(a->alone[i], b->alone[i]))
			return false;
	}
	return true;
}

static uint64_t hash_rule(uint64_t hash, const struct fw_rule_name *rule)
{
	hash = fw_hash_mix(hash, (uint64_t)(uint32_t)rule->rule << 32 | rule->isolated_by);
	return fw_hash_text(fw_hash_text(hash, rule->namespace), rule->name);
}

static uint64_t hash_row(const struct fw_decision_row *row)
{
	uint64_t hash = fw_hash_mix(row->verdict, row->pending << 8 | row->alone_count);

	return hash_rule(hash_rule(hash, &row->rule), &row->pending_rule);
}

static void digest_rule(struct fw_hasher *hasher, const struct fw_rule_name *rule)
{
	fw_hasher_text(hasher, rule->layer);
	fw_hasher_text(hasher, rule->kind);
	fw_hasher_text(hasher, rule->namespace);
	fw_hasher_text(hasher, rule->name);
	fw_hasher_number(hasher, (uint64_t)(int64_t)rule->rule);
	fw_hasher_number(hasher, rule->isolated_by);
}

static struct fw_digest digest_row(const struct fw_decision_row *row)
{
	struct fw_hasher hasher;

	fw_hasher_init(&hasher);
	fw_hasher_number(&hasher, row->verdict);
	fw_hasher_number(&hasher, row->firm);
	digest_rule(&hasher, &row->rule);
	fw_hasher_number(&hasher, row->pending);
	digest_rule(&hasher, &row->pending_rule);
	fw_hasher_number(&hasher, row->alone_count);
	for (size_t i = 0; i < row->alone_count; i++)
		fw_hasher_text(&hasher, row->alone[i]);
	return fw_hasher_done(&hasher);
}

/* Copies `text` to *at, which moves on. */
static const char *put(char **at, const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = *at;

	memcpy(copy, text, size);
	*at += size;
	return copy;
}

static struct fw_decision *copy_row(const struct fw_decision_row *row)
{
	size_t size = strlen(row->rule.namespace) + strlen(row->rule.name) +
		      strlen(row->pending_rule.namespace) + strlen(row->pending_rule.name) + 4;
	struct fw_decision *decision;
	char *at;

	for (size_t i = 0; i < row->alone_count; i++)
		size += strlen(row->alone[i]) + 1;
	decision = calloc(1, sizeof(*decision) + row->alone_count * sizeof(char *) + size);
	if (!decision)
		return NULL;
	decision->blob.refs = 1;
	decision->row = *row;
	decision->row.alone = (const char **)(decision + 1);
	at = (char *)(decision->row.alone + row->alone_count);
	decision->row.rule.namespace = put(&at, row->rule.namespace);
	decision->row.rule.name = put(&at, row->rule.name);
	decision->row.pending_rule.namespace = put(&at, row->pending_rule.namespace);
	decision->row.pending_rule.name = put(&at, row->pending_rule.name);
	for (size_t i = 0; i < row->alone_count; i++)
		decision->row.alone[i] = put(&at, row->alone[i]);
	decision->row.digest = digest_row(row);
	return decision;
}

int fw_decision_intern(struct fw_compiler *compiler, const struct fw_side *side,
		       const struct fw_evaluation *evaluation, const bool *alone,
		       struct fw_decision **ret_decision)
{
	const char *names[16], **list = names;
	struct fw_decision_row row = {
		.verdict = evaluation->verdict.verdict,
		.firm = evaluation->verdict.verdict != FW_VERDICT_ALLOW &&
			fw_layers[evaluation->verdict.layer].firm,
		.rule = name_of(side, &evaluation->verdict),
		.pending = evaluation->pending.verdict,
		.pending_rule = name_of(side, &evaluation->pending),
	};
	struct fw_decision *decision;
	uint64_t hash;
	int r = 0;

	if (side->parts.count > 16)
		list = calloc(side->parts.count, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < side->parts.count; i++) {
		if (alone[i])
			list[row.alone_count++] = side->items.items[i]->title;
	}
	row.alone = list;
	hash = hash_row(&row);
	decision = fw_htab_find(&compiler->decisions, hash, is_decision, &row);
	if (!decision) {
		decision = copy_row(&row);
		r = decision ? fw_htab_add(&compiler->decisions, hash, decision) : -ENOMEM;
		if (decision)
			decision->hash = hash;
		if (r) {
			free(decision);
			decision = NULL;
		}
	}
	if (list != names)
		free(list);
	if (r)
		return r;
	decision->refs++;
	*ret_decision = decision;
	return 0;
}

void fw_decision_drop(struct fw_compiler *compiler, struct fw_decision *decision)
{
	if (!decision || --decision->refs)
		return;
	fw_htab_remove(&compiler->decisions, decision->hash, decision);
	fw_blob_drop(&decision->blob);
}

struct spans {
	const struct fw_program_span *spans;
	size_t count;
};

static bool is_program(const void *item, const void *wanted)
{
	const struct fw_program *program = item;
	const struct spans *key = wanted;

	if (program->count != key->count)
		return false;
	for (size_t i = 0; i < key->count; i++) {
		const struct fw_program_span *a = &program->spans[i], *b = &key->spans[i];

		if (a->lo != b->lo || a->hi != b->hi || a->decision != b->decision)
			return false;
	}
	return true;
}

static bool refuses(const struct fw_program_span *spans, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (spans[i].decision->row.verdict != FW_VERDICT_ALLOW)
			return true;
	}
	return false;
}

int fw_program_intern(struct fw_compiler *compiler, struct fw_program_span *spans, size_t count,
		      struct fw_program **ret_program)
{
	struct spans key = {.spans = spans, .count = count};
	struct fw_program *program;
	uint64_t hash = 4;
	int r = 0;

	for (size_t i = 0; i < count; i++) {
		hash = fw_hash_mix(hash, (uint64_t)spans[i].lo << 32 | spans[i].hi);
		hash = fw_hash_mix(hash, (uint64_t)(uintptr_t)spans[i].decision);
	}
	program = fw_htab_find(&compiler->programs, hash, is_program, &key);
	if (!program) {
		program = calloc(1, sizeof(*program) + count * sizeof(*spans));
		r = program ? fw_htab_add(&compiler->programs, hash, program) : -ENOMEM;
		if (!r) {
			program->hash = hash;
			program->count = (uint32_t)count;
			memcpy(program->spans, spans, count * sizeof(*spans));
			program->refuses = refuses(spans, count);
			program->refs = 1;
			*ret_program = program;
			return 0;
		}
		free(program);
	}
	for (size_t i = 0; i < count; i++)
		fw_decision_drop(compiler, spans[i].decision);
	if (r)
		return r;
	program->refs++;
	*ret_program = program;
	return 0;
}

void fw_program_drop(struct fw_compiler *compiler, struct fw_program *program)
{
	if (!program || --program->refs)
		return;
	for (uint32_t i = 0; i < program->count; i++)
		fw_decision_drop(compiler, program->spans[i].decision);
	fw_htab_remove(&compiler->programs, program->hash, program);
	free(program);
}

/* When everything goes. */
void fw_programs_done(struct fw_compiler *compiler)
{
	for (size_t i = 0; i < compiler->programs.cap; i++)
		free(compiler->programs.slots[i].item);
	for (size_t i = 0; i < compiler->decisions.cap; i++) {
		struct fw_decision *decision = compiler->decisions.slots[i].item;

		if (decision)
			fw_blob_drop(&decision->blob);
	}
	fw_htab_done(&compiler->programs);
	fw_htab_done(&compiler->decisions);
}
