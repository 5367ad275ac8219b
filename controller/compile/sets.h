/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interned sets: the terms that hold a pod, with the numbers that it gives to the port names
 * somebody asks for; or the ipBlocks that hold an address. In: sorted ids. Out: one counted struct
 * per distinct set, comparable by pointer.
 */
#ifndef FW_COMPILE_SETS_H
#define FW_COMPILE_SETS_H

#include "compile/store.h"

struct fw_idset {
	uint32_t refs;
	uint32_t count, named_count;
	bool touched; /* scratch of one compile: something about one of its ids changed */
	uint64_t hash;
	const uint64_t *named; /* portname id << 16 | port, sorted */
	const uint32_t *ids;   /* sorted */
	uint64_t data[];
};

struct fw_sets {
	struct fw_htab table;
};

/* +1 reference. Sorts ids and named in place and drops repeats. */
int fw_sets_intern(struct fw_sets *sets, uint32_t *ids, size_t count, uint64_t *named,
		   size_t named_count, struct fw_idset **ret_set);
void fw_sets_drop(struct fw_sets *sets, struct fw_idset *set); /* NULL is nothing */
void fw_sets_done(struct fw_sets *sets);
bool fw_idset_has(const struct fw_idset *set, uint32_t id);
/* The port of a name, 0 none. */
uint16_t fw_idset_port(const struct fw_idset *set, uint32_t portname);

#endif
