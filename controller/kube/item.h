/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One object of an answer. In: its text, whole or its beginning. Out: which object it is and its
 * tree, or why there is none; what a Status says. Pure.
 */
#ifndef FW_KUBE_ITEM_H
#define FW_KUBE_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "base/err.h"
#include "model/model.h"

#define FW_ITEM_NODES_MAX 500000u /* values in one object; more is refused */
#define FW_VERSION_MAX	  63u	  /* bytes of a resourceVersion */

struct fw_item {
	cJSON *tree;	    /* owned; NULL when it could not be read */
	char namespace[64]; /* "" for kinds without one; valid names only */
	char name[254];	    /* "" when it could not be told */
	char version[FW_VERSION_MAX + 1];
	bool initial_end; /* a bookmark: every object that existed was told */
	char why[256];	  /* why there is no tree */
};

/* Of a kind: the namespace is "default" where one is needed and none is given. */
void fw_item_read(enum fw_kind kind, const char *text, size_t len, bool whole,
		  struct fw_item *ret_item);
void fw_item_done(struct fw_item *item);

/* The number of a resourceVersion, 0 when it is none: only such may be compared (KEP-5504). */
uint64_t fw_version_number(const char *version);

struct fw_status {
	unsigned int code, retry_after; /* 0: not told; seconds */
	char reason[64];
	char message[256];
};

/* What is not a Status leaves everything empty. */
void fw_status_read(const char *text, size_t len, struct fw_status *ret_status);

/* metadata of a list: -EINVAL when there is no version. ret_next: "" for the last page; owned. */
int fw_list_read(const char *text, size_t len, char *ret_version, char **ret_next);

#endif
