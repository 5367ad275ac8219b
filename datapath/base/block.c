/* SPDX-License-Identifier: Apache-2.0 */
/* See block.h. */
#include "base/block.h"

#include <string.h>

void *fw_block_take(struct fw_block *block, const void *from, size_t size, size_t alignment)
{
	size_t at = (block->used + alignment - 1) / alignment * alignment;

	block->used = at + size;
	if (!block->data)
		return NULL;
	if (size)
		memcpy(block->data + at, from, size);
	return block->data + at;
}

char *fw_block_text(struct fw_block *block, const char *text)
{
	return text ? fw_block_take(block, text, strlen(text) + 1, 1) : NULL;
}
