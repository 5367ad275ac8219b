/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists that many objects share: the keys of labels, the ports of containers. In: a list of items
 * that each begin with a text. Out: the one copy of it in the process, counted by reference. For
 * one thread. Nothing outside this folder may include it.
 */
#ifndef FW_MODEL_LISTS_H
#define FW_MODEL_LISTS_H

#include <stddef.h>

/*
 * +1 reference to `count` items of `size` bytes: a char *, NULL for none, and bytes that say all
 * else. NULL: no memory. Never to be changed or freed by others.
 */
void *fw_list_take(const void *items, size_t count, size_t size);
/* NULL is nobody's. */
void fw_list_drop(const void *items);

#endif
