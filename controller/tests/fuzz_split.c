/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the answer of an API server, fed in pieces. In: bytes; the first tells list, watch
 * or object, the second the length of the pieces. Out: nothing; a crash, or pieces that give
 * another result than the whole, ends it. With FW_PLANTED_BUG the splitter has one to be found.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "split_seen.h"

#define ITEM_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run(enum fw_split_mode mode, const uint8_t *data, size_t size, size_t step,
	       struct seen *seen, bool *ret_at_end)
{
	struct fw_split_handler handler = seen_handler(seen);
	struct fw_err err = {""};
	struct fw_split *split;
	int r = 0;

	fw_buf_init(&seen->text, 1u << 24);
	seen->items = 0;
	assert(!fw_split_new(mode, ITEM_MAX, &handler, &split));
	for (size_t i = 0; !r && i < size; i += step) {
		size_t n = size - i < step ? size - i : step;
		char *piece = malloc(n);

		assert(piece);
		memcpy(piece, data + i, n);
		r = fw_split_feed(split, piece, n, &err);
		free(piece);
	}
	assert(!r || err.text[0]);
	*ret_at_end = fw_split_at_end(split);
	assert(!r || !*ret_at_end);
	fw_split_free(&split);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole, pieces;
	bool whole_end, pieces_end;
	enum fw_split_mode mode;
	int r;

	if (size < 3)
		return 0;
	mode = (enum fw_split_mode)(data[0] % 3);
	r = run(mode, data + 2, size - 2, size, &whole, &whole_end);
	assert(run(mode, data + 2, size - 2, 1u + data[1] % 16, &pieces, &pieces_end) == r);
	assert(whole_end == pieces_end && whole.items == pieces.items);
	assert(whole.text.len == pieces.text.len);
	assert(!whole.text.len || !memcmp(whole.text.data, pieces.text.data, whole.text.len));
	fw_buf_done(&whole.text);
	fw_buf_done(&pieces.text);
	return 0;
}
