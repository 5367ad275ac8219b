/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Realms: namespaces by name, whether or not the model holds an object for them. In: Namespace
 * objects. Out: realms with labels, marked when these changed. A namespace without an object
 * matches no namespaceSelector.
 */
#include <string.h>

#include "compile/stages.h"

/* An object's tie to its realm; a newer object of the same name may already hold it. */
struct tie {
	struct fw_realm_record *record;
	uint32_t generation;
};

static uint64_t hash_of(const char *name)
{
	return fw_hash_text(2, name);
}

static bool has_name(const void *item, const void *key)
{
	return !strcmp(((const struct fw_realm_record *)item)->realm.name, key);
}

struct fw_realm_record *fw_realm_find(const struct fw_compiler *compiler, const char *name)
{
	return fw_htab_find(&compiler->realms, hash_of(name), has_name, name);
}

int fw_realm_take(struct fw_compiler *compiler, const char *name,
		  struct fw_realm_record **ret_realm)
{
	struct fw_realm_record *record = fw_realm_find(compiler, name);

	if (!record) {
		record = calloc(1, sizeof(*record));
		if (!record)
			return -ENOMEM;
		record->realm.name = strdup(name);
		if (!record->realm.name || fw_htab_add(&compiler->realms, hash_of(name), record)) {
			free(record->realm.name);
			free(record);
			return -ENOMEM;
		}
	}
	record->refs++;
	*ret_realm = record;
	return 0;
}

static void free_realm(struct fw_realm_record *record)
{
	free(record->realm.known);
	free(record->realm.scopes);
	free(record->realm.name);
	free(record);
}

void fw_realm_drop(struct fw_compiler *compiler, struct fw_realm_record *record)
{
	if (!record || --record->refs)
		return;
	fw_htab_remove(&compiler->realms, hash_of(record->realm.name), record);
	free_realm(record);
}

static void change(struct fw_compiler *compiler, struct fw_realm_record *record,
		   const struct fw_object *object)
{
	record->realm.object = object;
	record->generation++;
	record->changed = true;
	if (record->realm.known_cap)
		memset(record->realm.known, 0, record->realm.known_cap);
	free(record->realm.scopes);
	record->realm.scopes = NULL;
	compiler->realms_changed = true;
}

static int make(void *context, const struct fw_object *object, void **ret_record)
{
	struct fw_compiler *compiler = context;
	struct tie *tie = calloc(1, sizeof(*tie));

	if (!tie)
		return -ENOMEM;
	if (fw_realm_take(compiler, object->name, &tie->record)) {
		free(tie);
		return -ENOMEM;
	}
	change(compiler, tie->record, object);
	tie->generation = tie->record->generation;
	*ret_record = tie;
	return 0;
}

static void drop(void *context, void *item)
{
	struct fw_compiler *compiler = context;
	struct tie *tie = item;

	if (tie->generation == tie->record->generation)
		change(compiler, tie->record, NULL);
	fw_realm_drop(compiler, tie->record);
	free(tie);
}

/* Room to remember the answer for every term. */
static int prepare(struct fw_realm *realm, size_t terms)
{
	size_t old = realm->known_cap;
	int r = fw_grow((void **)&realm->known, &realm->known_cap, (terms + 3) / 4, 1);

	if (!r && realm->known_cap > old)
		memset(realm->known + old, 0, realm->known_cap - old);
	return r;
}

int fw_stage_namespaces(struct fw_compiler *compiler, const struct fw_model *model)
{
	struct fw_track_ops ops = {.make = make, .drop = drop, .context = compiler};
	bool changed;

	return fw_track_update(&compiler->namespaces, model, FW_KIND_NAMESPACE, &ops, &changed);
}

int fw_realms_prepare(struct fw_compiler *compiler)
{
	int r = 0;

	for (size_t i = 0; !r && i < compiler->realms.cap; i++) {
		struct fw_realm_record *record = compiler->realms.slots[i].item;

		if (record)
			r = prepare(&record->realm, compiler->terms.by_id.count);
	}
	return r;
}

/* Terms that go away: their ids will mean something else. */
void fw_namespaces_settle(struct fw_compiler *compiler)
{
	const struct fw_terms *terms = &compiler->terms;

	for (size_t i = 0; i < compiler->realms.cap; i++) {
		struct fw_realm_record *record = compiler->realms.slots[i].item;

		if (!record)
			continue;
		record->changed = record->items_changed = false;
		for (size_t k = 0; k < terms->idle.count; k++) {
			const struct fw_term *term = terms->idle.items[k];

			if (!term->refs)
				fw_realm_remember(&record->realm, term->id, FW_REALM_NOT_ASKED);
		}
	}
	compiler->realms_changed = false;
}

void fw_namespaces_done(struct fw_compiler *compiler)
{
	fw_track_done(&compiler->namespaces, free);
	for (size_t i = 0; i < compiler->realms.cap; i++) {
		if (compiler->realms.slots[i].item)
			free_realm(compiler->realms.slots[i].item);
	}
	fw_htab_done(&compiler->realms);
}
