/* SPDX-License-Identifier: Apache-2.0 */
/* Shared texts, found by content in one hash table; see intern.h. */
#include "flow/intern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* A failed insert leaves the item out instead of ending the program. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct fw_atom {
	uint32_t refs;
	uint32_t len;
	UT_hash_handle hh;
	char bytes[]; /* with a NUL behind */
};

struct fw_interns {
	struct fw_atom *atoms;
};

int fw_interns_new(struct fw_interns **ret_interns)
{
	struct fw_interns *interns = calloc(1, sizeof(*interns));

	if (!interns)
		return -ENOMEM;
	*ret_interns = interns;
	return 0;
}

void fw_interns_free(struct fw_interns **interns)
{
	struct fw_atom *atom, *next;

	if (!*interns)
		return;
	HASH_ITER(hh, (*interns)->atoms, atom, next) {
		HASH_DEL((*interns)->atoms, atom);
		free(atom);
	}
	free(*interns);
	*interns = NULL;
}

struct fw_atom *fw_intern_get(struct fw_interns *interns, const void *bytes, size_t len)
{
	struct fw_atom *atom = NULL;

	if (len > UINT32_MAX / 2)
		return NULL;
	HASH_FIND(hh, interns->atoms, bytes, len, atom);
	if (atom)
		return fw_intern_hold(atom);
	atom = calloc(1, sizeof(*atom) + len + 1);
	if (!atom)
		return NULL;
	memcpy(atom->bytes, bytes, len);
	atom->len = (uint32_t)len;
	atom->refs = 1;
	HASH_ADD_KEYPTR(hh, interns->atoms, atom->bytes, len, atom);
	if (!atom->hh.tbl) {
		free(atom);
		return NULL;
	}
	return atom;
}

struct fw_atom *fw_intern_hold(struct fw_atom *atom)
{
	if (atom)
		atom->refs++;
	return atom;
}

void fw_intern_drop(struct fw_interns *interns, struct fw_atom *atom)
{
	if (!atom || --atom->refs)
		return;
	HASH_DEL(interns->atoms, atom);
	free(atom);
}

size_t fw_interns_count(const struct fw_interns *interns)
{
	return HASH_COUNT(interns->atoms);
}

const char *fw_atom_bytes(const struct fw_atom *atom, size_t *ret_len)
{
	*ret_len = atom->len;
	return atom->bytes;
}
