/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BLAKE2b as RFC 7693 section 3 describes it, output length 16. In: fields. Out: 128 bits. Never
 * allocates.
 */
#include "compile/digest.h"

#include <endian.h>
#include <string.h>

#define DIGEST_BYTES 16
#define ROUNDS	     12

static const uint64_t initial[8] = {
	0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
	0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

/* RFC 7693 section 2.7; rounds 10 and 11 use rows 0 and 1 again. */
static const uint8_t sigma[10][16] = {
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
	{14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
	{11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
	{7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
	{9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
	{2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
	{12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
	{13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
	{6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
	{10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

static inline uint64_t rotate(uint64_t x, unsigned int by)
{
	return x >> by | x << (64 - by);
}

static inline void mix(uint64_t *v, int a, int b, int c, int d, uint64_t x, uint64_t y)
{
	v[a] += v[b] + x;
	v[d] = rotate(v[d] ^ v[a], 32);
	v[c] += v[d];
	v[b] = rotate(v[b] ^ v[c], 24);
	v[a] += v[b] + y;
	v[d] = rotate(v[d] ^ v[a], 16);
	v[c] += v[d];
	v[b] = rotate(v[b] ^ v[c], 63);
}

static void compress(struct fw_hasher *hasher, bool last)
{
	uint64_t m[16], v[16];

	for (int i = 0; i < 16; i++) {
		memcpy(&m[i], hasher->block + i * 8, 8);
		m[i] = le64toh(m[i]);
	}
	memcpy(v, hasher->state, sizeof(hasher->state));
	memcpy(v + 8, initial, sizeof(initial));
	v[12] ^= hasher->length;
	if (last)
		v[14] = ~v[14];
#pragma GCC unroll 12 /* so that the places in m and v are known */
	for (int round = 0; round < ROUNDS; round++) {
		const uint8_t *s = sigma[round % 10];

		mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
		mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
		mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
		mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
		mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
		mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
		mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
		mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
	}
	for (int i = 0; i < 8; i++)
		hasher->state[i] ^= v[i] ^ v[i + 8];
}

void fw_hasher_init(struct fw_hasher *hasher)
{
	memcpy(hasher->state, initial, sizeof(initial));
	hasher->state[0] ^= 0x01010000 ^ DIGEST_BYTES;
	hasher->length = 0;
	hasher->used = 0;
}

void fw_hasher_bytes(struct fw_hasher *hasher, const void *data, size_t len)
{
	const uint8_t *from = data;

	while (len) {
		size_t room = sizeof(hasher->block) - hasher->used, take = len < room ? len : room;

		if (!room) { /* only when more follows: the last block is compressed by done */
			hasher->length += sizeof(hasher->block);
			compress(hasher, false);
			hasher->used = 0;
			continue;
		}
		memcpy(hasher->block + hasher->used, from, take);
		hasher->used += take;
		from += take;
		len -= take;
	}
}

void fw_hasher_number(struct fw_hasher *hasher, uint64_t number)
{
	number = htole64(number);
	fw_hasher_bytes(hasher, &number, sizeof(number));
}

void fw_hasher_text(struct fw_hasher *hasher, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	fw_hasher_number(hasher, text ? len + 1 : 0);
	fw_hasher_bytes(hasher, text, len);
}

void fw_hasher_digest(struct fw_hasher *hasher, const struct fw_digest *digest)
{
	fw_hasher_number(hasher, digest->a);
	fw_hasher_number(hasher, digest->b);
}

struct fw_digest fw_hasher_done(struct fw_hasher *hasher)
{
	hasher->length += hasher->used;
	memset(hasher->block + hasher->used, 0, sizeof(hasher->block) - hasher->used);
	compress(hasher, true);
	return (struct fw_digest){.a = hasher->state[0], .b = hasher->state[1]};
}

int fw_digest_compare(const struct fw_digest *a, const struct fw_digest *b)
{
	if (a->a != b->a)
		return a->a < b->a ? -1 : 1;
	if (a->b != b->b)
		return a->b < b->b ? -1 : 1;
	return 0;
}
