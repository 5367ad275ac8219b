/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of fw_addresses: one for each pod of the cluster, so they are not copied. In: the
 * compiler's rows, shared with its tables, and the ids of their classes; or the map, read back.
 * Out: what differs between two of them, as rows of the map.
 */
#ifndef FW_APPLY_ADDRESSES_H
#define FW_APPLY_ADDRESSES_H

#include "apply/rows.h"
#include "compile/tables.h"

struct fw_addresses {
	struct fw_address_rows *shared;	   /* holds the rows; NULL: there are none */
	const struct fw_address_row *rows; /* ascending */
	size_t count;
	uint32_t *class_id; /* by the class of a row; NULL: that is the id */
	size_t class_count;
};

void fw_addresses_done(struct fw_addresses *addresses);
/* The rows of the tables with these ids. -ENOMEM. */
int fw_addresses_of(const struct fw_tables *tables, const uint32_t *class_id,
		    struct fw_addresses *ret_addresses);
int fw_addresses_read(int map_fd, struct fw_addresses *ret_addresses, struct fw_err *err);
uint32_t fw_addresses_class(const struct fw_addresses *addresses, size_t row);
/* The class of an address that has a row. */
uint32_t fw_addresses_class_at(const struct fw_addresses *addresses, const void *ip);
/* As fw_row_diff(). */
int fw_addresses_diff(const struct fw_addresses *before, const struct fw_addresses *after,
		      size_t capacity, struct fw_row_diff *ret_diff);
/* `addresses` become all but the skipped ones. -ENOMEM. */
int fw_addresses_skip(struct fw_addresses *addresses, const struct fw_row_set *skipped);

#endif
