/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which file holds which object. In: decoded files, one after the other. Out: puts and removes: the
 * first file by name owns an object, a broken document keeps its last valid version, what no file
 * holds is removed. Must never put anything before the batch is complete.
 */
#include "api/folder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/decode.h"
#include "base/cleanup.h"

#define KEY_MAX	  1024
#define WHERE_MAX 512

struct load {
	struct fw_holder *holder;
	struct fw_file *file;
	struct fw_error_list errors;
	bool unidentified; /* a broken document whose object cannot be told */
	int failed;
};

struct other_holding {
	struct fw_holding holding;
	struct fw_slot *slot;
};

struct name {
	const char *namespace, *name;
};

static const char *slot_name(const struct fw_slot *slot)
{
	return slot->key + slot->holding.name_at;
}

static struct fw_slot *slot_of(const struct fw_holding *holding)
{
	uintptr_t at = (uintptr_t)holding;

	if (holding->own)
		return (struct fw_slot *)(at - offsetof(struct fw_slot, holding));
	return ((struct other_holding *)(at - offsetof(struct other_holding, holding)))->slot;
}

/* Room for one more; doubles. */
static int grow(void **list, size_t count, size_t *cap)
{
	size_t more = *cap ? 2 * *cap : 64;
	void *grown;

	if (count < *cap)
		return 0;
	grown = reallocarray(*list, more, sizeof(void *));
	if (!grown)
		return -ENOMEM;
	*list = grown;
	*cap = more;
	return 0;
}

static void touch(struct fw_holder *holder, struct fw_slot *slot)
{
	if (slot->holding.touched)
		return;
	slot->holding.touched = true;
	if (grow((void **)&holder->touched, holder->touched_count, &holder->touched_cap))
		holder->unlisted = true;
	else
		holder->touched[holder->touched_count++] = slot;
}

static struct fw_slot *next_touched(struct fw_holder *holder)
{
	if (holder->touched_count)
		return holder->touched[--holder->touched_count];
	for (int kind = 0; holder->unlisted && kind < FW_KIND_COUNT; kind++) {
		for (size_t i = 0; i < holder->slots[kind].cap; i++) {
			struct fw_slot *slot = holder->slots[kind].slots[i].item;

			if (slot && slot->holding.touched)
				return slot;
		}
	}
	return NULL;
}

static struct fw_object *take_fresh(struct fw_holder *holder, struct fw_holding *holding)
{
	struct fw_object *object = NULL;

	if (holding->fresh)
		object = TAKE_PTR(holder->fresh[holding->fresh - 1]);
	holding->fresh = 0;
	return object;
}

static void drop_fresh(struct fw_holder *holder, struct fw_holding *holding)
{
	_cleanup_(fw_object_free) struct fw_object *object = take_fresh(holder, holding);

	(void)object;
}

/* Takes the object, also on failure. */
static int put_fresh(struct fw_holder *holder, struct fw_holding *holding, struct fw_object *object)
{
	drop_fresh(holder, holding);
	if (grow((void **)&holder->fresh, holder->fresh_count, &holder->fresh_cap)) {
		fw_object_free(&object);
		return -ENOMEM;
	}
	holder->fresh[holder->fresh_count++] = object;
	holding->fresh = (uint32_t)holder->fresh_count;
	return 0;
}

/* Nothing is fresh or touched any more. */
static void end_batch(struct fw_holder *holder)
{
	free(holder->touched);
	free(holder->fresh);
	holder->touched = NULL;
	holder->fresh = NULL;
	holder->touched_count = holder->touched_cap = 0;
	holder->fresh_count = holder->fresh_cap = 0;
	holder->unlisted = false;
}

static uint64_t hash_of(const char *namespace, const char *name)
{
	return fw_hash_mix(fw_hash_text(1, namespace), fw_hash_text(2, name));
}

static bool is_named(const void *item, const void *key)
{
	const struct fw_slot *slot = item;
	const struct name *name = key;

	return !strcmp(slot->key, name->namespace) && !strcmp(slot_name(slot), name->name);
}

static struct fw_slot *find_slot(const struct fw_holder *holder, enum fw_kind kind,
				 const char *namespace, const char *name)
{
	const struct name key = {namespace, name};

	return fw_htab_find(&holder->slots[kind], hash_of(namespace, name), is_named, &key);
}

static struct fw_slot *make_slot(struct fw_holder *holder, const struct fw_object *object)
{
	struct fw_slot *slot = find_slot(holder, object->kind, object->namespace, object->name);
	size_t namespace_size = strlen(object->namespace) + 1;
	size_t name_size = strlen(object->name) + 1;
	uint64_t hash = hash_of(object->namespace, object->name);

	if (slot)
		return slot;
	slot = namespace_size + name_size > KEY_MAX
		       ? NULL
		       : calloc(1, offsetof(struct fw_slot, key) + namespace_size + name_size);
	if (!slot || fw_htab_add(&holder->slots[object->kind], hash, slot)) {
		free(slot);
		return NULL;
	}
	memcpy(slot->key, object->namespace, namespace_size);
	memcpy(slot->key + namespace_size, object->name, name_size);
	slot->holding.name_at = (uint16_t)namespace_size;
	slot->holding.kind = (uint8_t)object->kind;
	slot->holding.own = true;
	holder->slot_count++;
	touch(holder, slot); /* so that it goes again when nothing comes to hold it */
	return slot;
}

static void free_slot(struct fw_holder *holder, struct fw_slot *slot)
{
	fw_htab_remove(&holder->slots[slot->holding.kind], hash_of(slot->key, slot_name(slot)),
		       slot);
	holder->slot_count--;
	free(slot);
}

/* The first that some file has, from this one on; NULL: none. */
static struct fw_holding *held_from(struct fw_holding *holding)
{
	while (holding && !holding->file)
		holding = holding->next_in_slot;
	return holding;
}

static struct fw_holding *find_holding(struct fw_slot *slot, const struct fw_file *file)
{
	struct fw_holding *holding = slot ? &slot->holding : NULL;

	while (holding && holding->file != file)
		holding = holding->next_in_slot;
	return holding;
}

/* Behind the slot's own, which somebody has. */
static struct fw_holding *make_other(struct fw_slot *slot)
{
	struct other_holding *other = calloc(1, sizeof(*other));

	if (!other)
		return NULL;
	other->slot = slot;
	other->holding.next_in_slot = slot->holding.next_in_slot;
	slot->holding.next_in_slot = &other->holding;
	return &other->holding;
}

static struct fw_holding *make_holding(struct fw_slot *slot, struct fw_file *file)
{
	struct fw_holding *holding = find_holding(slot, file);

	if (holding)
		return holding;
	holding = slot->holding.file ? make_other(slot) : &slot->holding;
	if (!holding)
		return NULL;
	holding->file = file;
	holding->turn = !file->turn;
	holding->next_in_file = file->holdings;
	file->holdings = holding;
	file->holding_count++;
	return holding;
}

/* Takes it out of its slot and frees it; its file's list is the caller's matter. */
static void free_holding(struct fw_holder *holder, struct fw_holding *holding)
{
	struct fw_slot *slot = slot_of(holding);
	struct fw_holding *before = &slot->holding;

	touch(holder, slot);
	holding->file->holding_count--;
	drop_fresh(holder, holding);
	if (holding->own) {
		holding->file = NULL;
		holding->next_in_file = NULL;
		holding->kept = holding->put = false;
		return;
	}
	while (before->next_in_slot != holding)
		before = before->next_in_slot;
	before->next_in_slot = holding->next_in_slot;
	free((struct other_holding *)((uintptr_t)holding -
				      offsetof(struct other_holding, holding)));
}

static void add_error(struct load *load, const char *where, const char *object, const char *text)
{
	if (fw_error_list_add(&load->errors, where, object, text))
		load->failed = -ENOMEM;
}

static void describe_object(enum fw_kind kind, const char *namespace, const char *name,
			    char text[WHERE_MAX])
{
	if (kind == FW_KIND_COUNT)
		text[0] = '\0';
	else
		(void)snprintf(text, WHERE_MAX, "%s %s%s%s", fw_kind_name(kind), namespace,
			       *namespace ? "/" : "", name);
}

static void take_object(struct fw_object *object, void *context)
{
	_cleanup_(fw_object_free) struct fw_object *owned = object;
	struct load *load = context;
	const char *space = strrchr(owned->origin, ' ');
	struct fw_slot *slot = make_slot(load->holder, owned);
	struct fw_holding *holding = slot ? make_holding(slot, load->file) : NULL;
	char name[WHERE_MAX];

	if (!holding) {
		load->failed = -ENOMEM;
		return;
	}
	if (holding->turn == load->file->turn && !holding->kept) {
		describe_object(owned->kind, owned->namespace, owned->name, name);
		add_error(load, owned->origin, name,
			  "is in this file already: the first is in force");
		return;
	}
	if (put_fresh(load->holder, holding, TAKE_PTR(owned))) {
		load->failed = -ENOMEM;
		return;
	}
	holding->document = space ? (uint32_t)strtoul(space + 1, NULL, 10) : 0;
	holding->turn = load->file->turn;
	holding->kept = false;
	touch(load->holder, slot);
}

static void take_error(unsigned int document, unsigned int line, enum fw_kind kind,
		       const char *namespace, const char *name, const char *text, void *context)
{
	char where[WHERE_MAX], object[WHERE_MAX];
	struct load *load = context;
	struct fw_holding *holding;

	if (line)
		(void)snprintf(where, sizeof(where), "%s: document %u, line %u", load->file->name,
			       document, line);
	else
		(void)snprintf(where, sizeof(where), "%s: document %u", load->file->name, document);
	describe_object(kind, namespace, name, object);
	add_error(load, where, object, text);
	if (kind == FW_KIND_COUNT) {
		load->unidentified = true;
		return;
	}
	holding = find_holding(find_slot(load->holder, kind, namespace, name), load->file);
	if (!holding || holding->turn == load->file->turn)
		return;
	holding->turn = load->file->turn;
	holding->kept = true;
}

/* Old holdings that the new text does not have: kept where a broken document may be theirs. */
static void drop_unseen(struct load *load, bool keep)
{
	struct fw_holding **link = &load->file->holdings;

	while (*link) {
		struct fw_holding *holding = *link;
		bool seen = holding->turn == load->file->turn;

		if (!seen && keep) {
			holding->turn = load->file->turn;
			holding->kept = true;
		}
		/* Only the owner has a version in force to keep. */
		if ((seen || keep) && (!holding->kept || holding->put)) {
			link = &holding->next_in_file;
			continue;
		}
		*link = holding->next_in_file;
		free_holding(load->holder, holding);
	}
}

int fw_holder_load(struct fw_holder *holder, struct fw_file *file, const char *text, size_t len)
{
	struct load load = {.holder = holder, .file = file};
	struct fw_decode_handler handler = {.object = take_object,
					    .unread = take_object,
					    .error = take_error,
					    .context = &load};
	int r;

	file->turn = !file->turn;
	r = fw_decode_text(file->name, text, len, &handler);
	if (!r)
		r = load.failed;
	drop_unseen(&load, load.unidentified || r);
	fw_error_list_done(&file->errors);
	file->errors = load.errors;
	return r ? fw_error_list_add(&file->errors, file->name, "", "out of memory") : 0;
}

int fw_holder_refuse(struct fw_holder *holder, struct fw_file *file, const char *text)
{
	struct load load = {.holder = holder, .file = file, .unidentified = true};

	file->turn = !file->turn;
	drop_unseen(&load, true);
	fw_error_list_done(&file->errors);
	return fw_error_list_add(&file->errors, file->name, "", text);
}

int fw_holder_file(struct fw_holder *holder, const char *name, struct fw_file **ret_file)
{
	struct fw_file *file;
	size_t len = strlen(name);

	HASH_FIND(hh, holder->files, name, len, file);
	if (!file) {
		file = calloc(1, sizeof(*file) + len + 1);
		if (!file)
			return -ENOMEM;
		memcpy(file->name, name, len);
		HASH_ADD_KEYPTR(hh, holder->files, file->name, len, file);
		if (!file->hh.tbl) {
			free(file);
			return -ENOMEM;
		}
	}
	*ret_file = file;
	return 0;
}

void fw_holder_drop(struct fw_holder *holder, struct fw_file *file)
{
	while (file->holdings) {
		struct fw_holding *holding = file->holdings;

		file->holdings = holding->next_in_file;
		free_holding(holder, holding);
	}
	fw_error_list_done(&file->errors);
	HASH_DEL(holder->files, file);
	free(file);
}

/* By the name of its file; NULL: no file has it any more. */
static struct fw_holding *first_holding(struct fw_slot *slot)
{
	struct fw_holding *first = held_from(&slot->holding), *holding = first;

	while (holding && (holding = held_from(holding->next_in_slot)))
		if (strcmp(holding->file->name, first->file->name) < 0)
			first = holding;
	return first;
}

/* Returns the file that must be read again before the slot can be settled, or NULL. */
static struct fw_file *settle_slot(struct fw_holder *holder, struct fw_slot *slot)
{
	const struct fw_source_handler *handler = holder->handler;
	struct fw_holding *first = first_holding(slot);

	if (!first) {
		if (slot->holding.in_force)
			handler->remove(slot->holding.kind, slot->key, slot_name(slot),
					handler->context);
		free_slot(holder, slot);
		return NULL;
	}
	if (!first->fresh && !first->put && first->file->reloaded_in != holder->batch) {
		touch(holder, slot);
		return first->file;
	}
	if (first->fresh) {
		for (struct fw_holding *any = &slot->holding; any; any = any->next_in_slot)
			any->put = any == first;
		slot->holding.in_force = true;
		handler->put(take_fresh(holder, first), handler->context);
	}
	for (struct fw_holding *other = &slot->holding; other; other = other->next_in_slot)
		drop_fresh(holder, other);
	return NULL;
}

void fw_holder_settle(struct fw_holder *holder, void (*reload)(struct fw_file *file, void *context),
		      void *context)
{
	struct fw_slot *slot;

	holder->batch++;
	while ((slot = next_touched(holder))) {
		struct fw_file *file;

		slot->holding.touched = false;
		file = settle_slot(holder, slot);
		if (!file)
			continue;
		file->reloaded_in = holder->batch;
		reload(file, context);
	}
	end_batch(holder);
}

static int compare_files(const struct fw_file *a, const struct fw_file *b)
{
	return strcmp(a->name, b->name);
}

static bool is_put(const struct fw_slot *slot)
{
	for (const struct fw_holding *any = &slot->holding; any; any = any->next_in_slot)
		if (any->put)
			return true;
	return false;
}

static int add_disputes(const struct fw_file *file, struct fw_error_list *list)
{
	for (struct fw_holding *holding = file->holdings; holding;
	     holding = holding->next_in_file) {
		struct fw_slot *slot = slot_of(holding);
		char where[WHERE_MAX], object[WHERE_MAX], text[WHERE_MAX];
		int r;

		if (holding->put || !is_put(slot))
			continue;
		(void)snprintf(where, sizeof(where), "%s: document %u", file->name,
			       holding->document);
		describe_object(slot->holding.kind, slot->key, slot_name(slot), object);
		(void)snprintf(text, sizeof(text), "is in %.255s too: that one is in force",
			       first_holding(slot)->file->name);
		r = fw_error_list_add(list, where, object, text);
		if (r)
			return r;
	}
	return 0;
}

static int add_errors(const struct fw_file *file, struct fw_error_list *list)
{
	for (size_t i = 0; i < file->errors.count; i++) {
		const struct fw_input_error *error = &file->errors.items[i];
		int r = fw_error_list_add(list, error->where, error->object, error->text);

		if (r)
			return r;
	}
	return 0;
}

int fw_holder_errors(struct fw_holder *holder, struct fw_error_list *ret_list)
{
	_cleanup_(fw_error_list_done) struct fw_error_list list = {0};
	struct fw_file *file, *next;
	size_t held = 0, errors = 0;
	bool disputed;

	HASH_ITER(hh, holder->files, file, next) {
		held += file->holding_count;
		errors += file->errors.count;
	}
	disputed = held > holder->slot_count;
	if (errors || disputed)
		HASH_SRT(hh, holder->files, compare_files);
	HASH_ITER(hh, holder->files, file, next) {
		int r = add_errors(file, &list);

		if (!r && disputed)
			r = add_disputes(file, &list);
		if (r)
			return r;
	}
	*ret_list = list;
	list = (struct fw_error_list){0};
	return 0;
}

void fw_holder_done(struct fw_holder *holder)
{
	struct fw_file *file, *next;

	HASH_ITER(hh, holder->files, file, next) {
		fw_holder_drop(holder, file);
	}
	for (int kind = 0; kind < FW_KIND_COUNT; kind++) {
		for (size_t i = 0; i < holder->slots[kind].cap; i++)
			free(holder->slots[kind].slots[i].item);
		fw_htab_done(&holder->slots[kind]);
	}
	end_batch(holder);
}
