/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests of meaning: BLAKE2b (RFC 7693) cut to 128 bits, no key. In: fields, each with its length,
 * so that two different field lists never hash the same bytes. Out: struct fw_digest. Collision
 * resistant on purpose: users choose labels and names, and apply gives equal digests one kernel id.
 * Never used for hash tables.
 */
#ifndef FW_COMPILE_DIGEST_H
#define FW_COMPILE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "compile/tables.h"

struct fw_hasher {
	uint64_t state[8];
	uint64_t length; /* bytes compressed so far */
	size_t used;	 /* bytes waiting in block */
	uint8_t block[128];
};

void fw_hasher_init(struct fw_hasher *hasher);
void fw_hasher_bytes(struct fw_hasher *hasher, const void *data, size_t len); /* without a length */
void fw_hasher_number(struct fw_hasher *hasher, uint64_t number);
void fw_hasher_text(struct fw_hasher *hasher, const char *text); /* NULL differs from "" */
void fw_hasher_digest(struct fw_hasher *hasher, const struct fw_digest *digest);
struct fw_digest fw_hasher_done(struct fw_hasher *hasher);

int fw_digest_compare(const struct fw_digest *a, const struct fw_digest *b);

#endif
