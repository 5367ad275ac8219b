/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which objects of one kind the server has told of, and by which stream. In: names and versions.
 * Out: whether a version is the newest, and what a complete list no longer has. Holds names, never
 * objects.
 *
 * Two streams may tell of one pod (those of this node are asked for apart): the version with the
 * higher number is in force, and a delete counts only from the stream whose version is.
 */
#ifndef FW_KUBE_KNOWN_H
#define FW_KUBE_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/htab.h"

#define FW_KNOWN_STREAMS 2u

/* One for each object of the cluster: 64 bytes with the names that objects have. */
struct fw_known_object {
	uint64_t order;			 /* number of the version in force, 0: none */
	char *trouble;			 /* what is wrong with it; NULL: nothing. Owned */
	uint32_t mark[FW_KNOWN_STREAMS]; /* the list in which the stream told of it last */
	uint8_t flags;			 /* by stream, in known.c */
	char key[];			 /* namespace, NUL, name, NUL */
};

struct fw_known {
	struct fw_htab objects;
	size_t troubled; /* objects with a trouble */
};

bool fw_known_held(const struct fw_known_object *object, unsigned int stream);
/* Each of them, in no order: *at is 0 at first. NULL: no more. After the drop of the one that was
 * told last, another may stand in its place: one less than *at tells of that, too. */
struct fw_known_object *fw_known_next(const struct fw_known *known, size_t *at);
const char *fw_known_name(const struct fw_known_object *object);

struct fw_known_object *fw_known_find(const struct fw_known *known, const char *namespace,
				      const char *name);
/*
 * The stream tells of a version. *ret_newest: it is to be put. -ENOMEM, -EINVAL (names too long).
 */
int fw_known_put(struct fw_known *known, unsigned int stream, const char *namespace,
		 const char *name, uint64_t order, uint32_t mark,
		 struct fw_known_object **ret_object, bool *ret_newest);
/*
 * The stream has it no longer. Returns whether what is in force must be removed; *ret_lost: the
 * other stream has it in a version that was not put. Frees it when no stream holds it.
 */
bool fw_known_drop(struct fw_known *known, unsigned int stream, struct fw_known_object *object,
		   bool *ret_lost);
/* NULL: nothing is wrong any more. Returns whether that is a change. -ENOMEM is told as one. */
bool fw_known_trouble(struct fw_known *known, struct fw_known_object *object, const char *text);
void fw_known_done(struct fw_known *known);

#endif
