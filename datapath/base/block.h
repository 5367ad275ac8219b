/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many pieces in one allocation. In: pieces, taken twice by the same walk: first without memory,
 * which measures, then with a block of that size, which copies. Out: where each piece stands. What
 * there are many of is kept so: each small allocation costs 8 bytes and its rounding.
 */
#ifndef FW_BASE_BLOCK_H
#define FW_BASE_BLOCK_H

#include <stddef.h>

#define FW_BLOCK_ALIGNMENT 8u /* of everything but text */

struct fw_block {
	char *data; /* NULL: measures; the caller's */
	size_t used;
};

/* NULL while it measures. */
void *fw_block_take(struct fw_block *block, const void *from, size_t size, size_t alignment);
char *fw_block_text(struct fw_block *block, const char *text); /* NULL stays NULL */

#endif
