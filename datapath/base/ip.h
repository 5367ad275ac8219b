/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses and prefixes as 16 bytes in network order, IPv4 mapped (::ffff:a.b.c.d), as abi.h holds
 * them. In: text as Kubernetes writes it. Out: canonical values and canonical text. Never resolves
 * names.
 */
#ifndef FW_BASE_IP_H
#define FW_BASE_IP_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

struct fw_ip {
	uint8_t b[16];
};

struct fw_prefix {
	struct fw_ip ip; /* host bits are zero */
	uint8_t bits;	 /* of the 16-byte form: 96 + n for IPv4, so 0..128 */
};

#define FW_IP_TEXT     46 /* INET6_ADDRSTRLEN */
#define FW_PREFIX_TEXT 50

/*
 * fw_ip_parse: one address. IPv4 octets with leading zeros are read as decimal (old objects hold
 * them, as Kubernetes' own parser did); `::ffff:1.2.3.4` is IPv4. -EINVAL with a text otherwise.
 * fw_prefix_parse: address/length; host bits are cleared, as Kubernetes' net.ParseCIDR does.
 */
int fw_ip_parse(const char *text, struct fw_ip *ret_ip, struct fw_err *err);
int fw_prefix_parse(const char *text, struct fw_prefix *ret_prefix, struct fw_err *err);

/* Returns `text` (of FW_IP_TEXT, FW_PREFIX_TEXT bytes): dotted for IPv4, RFC 5952 for IPv6. */
const char *fw_ip_format(const struct fw_ip *ip, char *text);
const char *fw_prefix_format(const struct fw_prefix *prefix, char *text);

/* Inline: some hundred thousand are compared when one object changes. */
static inline bool fw_ip_equal(const struct fw_ip *a, const struct fw_ip *b)
{
	return !memcmp(a->b, b->b, sizeof(a->b));
}

/* By bytes, as memcmp(3). */
static inline int fw_ip_compare(const struct fw_ip *a, const struct fw_ip *b)
{
	uint64_t x[2], y[2];
	int word;

	memcpy(x, a->b, sizeof(x));
	memcpy(y, b->b, sizeof(y));
	word = x[0] == y[0];
	return (be64toh(x[word]) > be64toh(y[word])) - (be64toh(x[word]) < be64toh(y[word]));
}

bool fw_ip_is4(const struct fw_ip *ip);
bool fw_ip_is_zero(const struct fw_ip *ip); /* :: or 0.0.0.0 */
/* Every address is in a /0 of its own family only: 0.0.0.0/0 is ::ffff:0:0/96 here, ::/0 holds no
 * IPv4. */
bool fw_prefix_contains(const struct fw_prefix *prefix, const struct fw_ip *ip);
int fw_prefix_compare(const struct fw_prefix *a, const struct fw_prefix *b);
struct fw_ip fw_ip_from4(uint32_t address_be);
uint32_t fw_ip_to4(const struct fw_ip *ip); /* network order; only where fw_ip_is4() */

#endif
