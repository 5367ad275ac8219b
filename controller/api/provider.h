/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each source must be, for those who write one (folder.c, kube/). In: nothing. Out: the table
 * behind source.h, and lists of errors.
 */
#ifndef FW_API_PROVIDER_H
#define FW_API_PROVIDER_H

#include "api/source.h"

struct fw_source_kind {
	void (*free)(struct fw_source *source);
	size_t (*errors)(const struct fw_source *source, const struct fw_input_error **ret_errors);
	const char *(*describe)(const struct fw_source *source);
	void (*rescan)(struct fw_source *source);
	/* NULL: always ready; NULL: no streams. */
	bool (*ready)(const struct fw_source *source);
	bool (*stream)(const struct fw_source *source, size_t index,
		       struct fw_source_stream *ret_stream);
};

/* The first member of every source. */
struct fw_source {
	const struct fw_source_kind *kind;
};

/* Owned copies in order; a full list (1,000) says so in its last entry and takes no more. */
struct fw_error_list {
	struct fw_input_error *items;
	size_t count, capacity;
};

int fw_error_list_add(struct fw_error_list *list, const char *where, const char *object,
		      const char *text);
void fw_error_list_done(struct fw_error_list *list);
bool fw_error_list_equal(const struct fw_error_list *a, const struct fw_error_list *b);

#endif
