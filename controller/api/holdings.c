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

static const char *slot_namespace(const struct fw_slot *slot)
{
	return slot->key + 1;
}

static const char *slot_name(const struct fw_slot *slot)
{
	return slot->key + 1 + slot->namespace_len + 1;
}

static void touch(struct fw_holder *holder, struct fw_slot *slot)
{
	if (slot->touched)
		return;
	slot->touched = true;
	slot->next_touched = holder->touched;
	holder->touched = slot;
}

static size_t make_key(enum fw_kind kind, const char *namespace, const char *name,
		       char key[KEY_MAX])
{
	size_t namespace_len = strlen(namespace), name_len = strlen(name);

	if (namespace_len + name_len + 3 > KEY_MAX)
		return 0;
	key[0] = (char)kind;
	memcpy(key + 1, namespace, namespace_len + 1);
	memcpy(key + 1 + namespace_len + 1, name, name_len + 1);
	return namespace_len + name_len + 3;
}

static struct fw_slot *find_slot(const struct fw_holder *holder, enum fw_kind kind,
				 const char *namespace, const char *name)
{
	struct fw_slot *slot = NULL;
	char key[KEY_MAX];
	size_t len = make_key(kind, namespace, name, key);

	if (len)
		HASH_FIND(hh, holder->slots, key, len, slot);
	return slot;
}

static struct fw_slot *make_slot(struct fw_holder *holder, const struct fw_object *object)
{
	struct fw_slot *slot = find_slot(holder, object->kind, object->namespace, object->name);
	char key[KEY_MAX];
	size_t len;

	if (slot)
		return slot;
	len = make_key(object->kind, object->namespace, object->name, key);
	slot = len ? calloc(1, sizeof(*slot) + len) : NULL;
	if (!slot)
		return NULL;
	memcpy(slot->key, key, len);
	slot->kind = (uint8_t)object->kind;
	slot->namespace_len = (uint16_t)strlen(object->namespace);
	HASH_ADD_KEYPTR(hh, holder->slots, slot->key, len, slot);
	if (!slot->hh.tbl) {
		free(slot);
		return NULL;
	}
	holder->slot_count++;
	touch(holder, slot); /* so that it goes again when nothing comes to hold it */
	return slot;
}

static struct fw_holding *find_holding(const struct fw_slot *slot, const struct fw_file *file)
{
	struct fw_holding *holding = slot ? slot->holdings : NULL;

	while (holding && holding->file != file)
		holding = holding->next_in_slot;
	return holding;
}

static struct fw_holding *make_holding(struct fw_slot *slot, struct fw_file *file)
{
	struct fw_holding *holding = find_holding(slot, file);

	if (holding)
		return holding;
	holding = calloc(1, sizeof(*holding));
	if (!holding)
		return NULL;
	holding->file = file;
	holding->slot = slot;
	holding->next_in_file = file->holdings;
	holding->next_in_slot = slot->holdings;
	file->holdings = holding;
	slot->holdings = holding;
	file->holding_count++;
	return holding;
}

/* Takes it out of its slot and frees it; its file's list is the caller's matter. */
static void free_holding(struct fw_holder *holder, struct fw_holding *holding)
{
	struct fw_holding **link = &holding->slot->holdings;

	while (*link != holding)
		link = &(*link)->next_in_slot;
	*link = holding->next_in_slot;
	touch(holder, holding->slot);
	holding->file->holding_count--;
	fw_object_free(&holding->fresh);
	free(holding);
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
	if (holding->load == load->file->load && !holding->kept) {
		describe_object(owned->kind, owned->namespace, owned->name, name);
		add_error(load, owned->origin, name,
			  "is in this file already: the first is in force");
		return;
	}
	fw_object_free(&holding->fresh);
	holding->document = space ? (unsigned int)strtoul(space + 1, NULL, 10) : 0;
	holding->fresh = TAKE_PTR(owned);
	holding->load = load->file->load;
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
	if (!holding || holding->load == load->file->load)
		return;
	holding->load = load->file->load;
	holding->kept = true;
}

/* Old holdings that the new text does not have: kept where a broken document may be theirs. */
static void drop_unseen(struct load *load, bool keep)
{
	struct fw_holding **link = &load->file->holdings;

	while (*link) {
		struct fw_holding *holding = *link;
		bool seen = holding->load == load->file->load;

		if (!seen && keep) {
			holding->load = load->file->load;
			holding->kept = true;
		}
		/* Only the owner has a version in force to keep. */
		if ((seen || keep) && (!holding->kept || holding->slot->owner == load->file)) {
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

	file->load++;
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

	file->load++;
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
		if (holding->slot->owner == file)
			holding->slot->owner = NULL;
		free_holding(holder, holding);
	}
	fw_error_list_done(&file->errors);
	HASH_DEL(holder->files, file);
	free(file);
}

static struct fw_holding *first_holding(const struct fw_slot *slot)
{
	struct fw_holding *first = slot->holdings;

	for (struct fw_holding *holding = first; holding; holding = holding->next_in_slot)
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
		if (slot->in_force)
			handler->remove(slot->kind, slot_namespace(slot), slot_name(slot),
					handler->context);
		HASH_DEL(holder->slots, slot);
		holder->slot_count--;
		free(slot);
		return NULL;
	}
	if (!first->fresh && slot->owner != first->file &&
	    first->file->reloaded_in != holder->batch) {
		touch(holder, slot);
		return first->file;
	}
	if (first->fresh) {
		handler->put(TAKE_PTR(first->fresh), handler->context);
		slot->owner = first->file;
		slot->in_force = true;
	}
	for (struct fw_holding *other = slot->holdings; other; other = other->next_in_slot)
		fw_object_free(&other->fresh);
	return NULL;
}

void fw_holder_settle(struct fw_holder *holder, void (*reload)(struct fw_file *file, void *context),
		      void *context)
{
	holder->batch++;
	while (holder->touched) {
		struct fw_slot *slot = holder->touched;
		struct fw_file *file;

		holder->touched = slot->next_touched;
		slot->touched = false;
		file = settle_slot(holder, slot);
		if (!file)
			continue;
		file->reloaded_in = holder->batch;
		reload(file, context);
	}
}

static int compare_files(const struct fw_file *a, const struct fw_file *b)
{
	return strcmp(a->name, b->name);
}

static int add_disputes(const struct fw_file *file, struct fw_error_list *list)
{
	for (struct fw_holding *holding = file->holdings; holding;
	     holding = holding->next_in_file) {
		struct fw_slot *slot = holding->slot;
		char where[WHERE_MAX], object[WHERE_MAX], text[WHERE_MAX];
		int r;

		if (slot->owner == file || !slot->owner)
			continue;
		(void)snprintf(where, sizeof(where), "%s: document %u", file->name,
			       holding->document);
		describe_object(slot->kind, slot_namespace(slot), slot_name(slot), object);
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
	struct fw_slot *slot, *next_slot;

	HASH_ITER(hh, holder->files, file, next) {
		fw_holder_drop(holder, file);
	}
	HASH_ITER(hh, holder->slots, slot, next_slot) {
		HASH_DEL(holder->slots, slot);
		free(slot);
	}
}
