/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts the bytes of an answer into its objects, as they come in. In: pieces of JSON of any size.
 * Out: each object of a list or of a watch as one text of stated size, each other member of the
 * outermost object. Only looks for where values end: who takes a text must parse it. Pure; never
 * holds more than one object.
 */
#ifndef FW_KUBE_SPLIT_H
#define FW_KUBE_SPLIT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define FW_SPLIT_HEAD  64u	  /* KiB kept of a value that is too large, most of a member */
#define FW_SPLIT_KEY   64u	  /* bytes of a member's name; longer ones are cut */
#define FW_SPLIT_BYTES (8u << 20) /* the usual maximum of an item: etcd refuses 1.5 MiB */

enum fw_split_mode {
	FW_SPLIT_LIST,	 /* one object; items are the elements of its member "items" */
	FW_SPLIT_EVENTS, /* objects one after the other; the item of each is its member "object" */
	FW_SPLIT_OBJECT, /* one object, no items */
};

/* Each returns 0 to go on; anything else ends the feed and is returned by it. Texts are borrowed.
 */
struct fw_split_handler {
	/* whole: false when it is larger than the maximum: then the text is its beginning. */
	int (*item)(const char *text, size_t len, bool whole, void *context);
	/* Also for "items", when its last item was handed out: then the text is "[]". */
	int (*member)(const char *name, const char *text, size_t len, bool whole, void *context);
	/* An outermost object has ended. Of an event, item and members came before. */
	int (*end)(void *context);
	void *context;
};

struct fw_split;

/* item_max: bytes of one item. -ENOMEM. */
int fw_split_new(enum fw_split_mode mode, size_t item_max, const struct fw_split_handler *handler,
		 struct fw_split **ret_split);
void fw_split_free(struct fw_split **split);
/*
 * -EINVAL with a text: not what the mode says; everything before was handed out, and nothing can be
 * fed any more. -ENOMEM.
 */
int fw_split_feed(struct fw_split *split, const char *data, size_t len, struct fw_err *err);
/* Between two events, or behind the one object. */
bool fw_split_at_end(const struct fw_split *split);
/* The member under way: its name, and what was collected of it; NULL when none is. */
const char *fw_split_unfinished(const struct fw_split *split, const char **ret_text,
				size_t *ret_len);
/* Begins anew, as a new one. */
void fw_split_reset(struct fw_split *split);

#endif
