/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the folder source. In: files. Out: who holds which object, and what is wrong with
 * each file. Inside this folder only.
 *
 * A file holds objects (struct fw_holding); a slot is one object by (kind, namespace, name) with
 * all files that hold it. The first file by name owns the slot: its version is the one that was
 * put.
 */
#ifndef FW_API_FOLDER_H
#define FW_API_FOLDER_H

#define HASH_NONFATAL_OOM	     1
#define uthash_nonfatal_oom(element) ((void)(element))

#include <sys/stat.h>

#include <uthash.h>

#include "api/provider.h"
#include "base/htab.h"

/* A slot has room for one; what a second file holds, too, is allocated beside it. */
struct fw_holding {
	struct fw_file *file; /* NULL: nobody's, the slot's own is free */
	struct fw_holding *next_in_file, *next_in_slot;
	uint32_t fresh; /* in the holder's list, from 1: decoded in this batch, not yet put */
	uint32_t document;
	bool own : 1;  /* of a slot, in which it stands */
	bool turn : 1; /* the file's when it was last seen */
	bool kept : 1; /* its document is broken: the last valid version stays */
	bool put : 1;  /* its file's version is the one that was put */
	/* of a slot, in its own holding */
	bool in_force : 1; /* something was put and not removed */
	bool touched : 1;  /* to be settled */
	uint8_t kind;	   /* enum fw_kind */
	uint16_t name_at;  /* in the key */
};

/* One for each object of the cluster: 72 bytes with the names that objects have. */
struct fw_slot {
	struct fw_holding holding; /* and those behind it */
	char key[];		   /* namespace, NUL, name, NUL */
};

/* What tells one version of a file from another. */
struct fw_signature {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified, changed;
};

struct fw_file {
	struct fw_signature signature;
	struct fw_holding *holdings;
	size_t holding_count;
	struct fw_error_list errors;
	bool turn;	      /* changes with each read */
	uint64_t reloaded_in; /* the batch in which it was read once more for an inherited object */
	uint64_t writing_since; /* CLOCK_MONOTONIC ns of the last write that was not closed; 0 none
				 */
	bool known;		/* was read at least once */
	bool stale;		/* must be read in this batch */
	bool seen;		/* by the scan under way */
	UT_hash_handle hh;
	char name[];
};

struct fw_holder {
	const struct fw_source_handler *handler;
	struct fw_file *files;
	struct fw_htab slots[FW_KIND_COUNT];
	size_t slot_count;
	struct fw_slot **touched; /* in this batch */
	size_t touched_count, touched_cap;
	bool unlisted;		  /* no memory for all of them: others are touched, too */
	struct fw_object **fresh; /* of this batch; owned, NULL when they were put */
	size_t fresh_count, fresh_cap;
	uint64_t batch;
};

/* -ENOMEM. Finds or makes. */
int fw_holder_file(struct fw_holder *holder, const char *name, struct fw_file **ret_file);
/* Text of the file -> holdings with fresh objects; nothing is put yet. -ENOMEM: the old holdings
 * stay. */
int fw_holder_load(struct fw_holder *holder, struct fw_file *file, const char *text, size_t len);
/* The file cannot be read: the error replaces its others, its objects stay. */
int fw_holder_refuse(struct fw_holder *holder, struct fw_file *file, const char *text);
/* The file is gone; frees it. */
void fw_holder_drop(struct fw_holder *holder, struct fw_file *file);
/*
 * Puts and removes what the touched slots need. `reload` reads a file again that has inherited an
 * object (it must call fw_holder_load() or fw_holder_refuse()).
 */
void fw_holder_settle(struct fw_holder *holder, void (*reload)(struct fw_file *file, void *context),
		      void *context);
/* Errors of all files in name order, and the objects that several files hold. -ENOMEM. */
int fw_holder_errors(struct fw_holder *holder, struct fw_error_list *ret_list);
void fw_holder_done(struct fw_holder *holder);

#endif
