/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool fw_ip_is4(const struct fw_ip *ip)
{
	return !memcmp(ip->b, mapped, sizeof(mapped));
}

bool fw_ip_is_zero(const struct fw_ip *ip)
{
	static const uint8_t zero[16];

	return fw_ip_is4(ip) ? !memcmp(ip->b + 12, zero, 4) : !memcmp(ip->b, zero, 16);
}

struct fw_ip fw_ip_from4(uint32_t address_be)
{
	struct fw_ip ip;

	memcpy(ip.b, mapped, sizeof(mapped));
	memcpy(ip.b + 12, &address_be, 4);
	return ip;
}

uint32_t fw_ip_to4(const struct fw_ip *ip)
{
	uint32_t address_be;

	memcpy(&address_be, ip->b + 12, 4);
	return address_be;
}

/* Four decimal octets; leading zeros allowed, so inet_pton(3) will not do. */
static bool parse4(const char *s, uint8_t ret_octets[4])
{
	for (int i = 0; i < 4; i++) {
		unsigned int value = 0;
		int digits = 0;

		for (; *s >= '0' && *s <= '9'; s++, digits++) {
			value = value * 10 + (unsigned int)(*s - '0');
			if (value > 255 || digits > 15)
				return false;
		}
		if (!digits || *s != (i < 3 ? '.' : '\0'))
			return false;
		ret_octets[i] = (uint8_t)value;
		s++;
	}
	return true;
}

int fw_ip_parse(const char *text, struct fw_ip *ret_ip, struct fw_err *err)
{
	uint8_t octets[4];
	struct fw_ip ip;

	if (parse4(text, octets)) {
		uint32_t address_be;

		memcpy(&address_be, octets, 4);
		*ret_ip = fw_ip_from4(address_be);
		return 0;
	}
	if (inet_pton(AF_INET6, text, ip.b) != 1)
		return fw_err_set(err, -EINVAL, "\"%.64s\" is not an IP address", text);
	*ret_ip = ip;
	return 0;
}

int fw_prefix_parse(const char *text, struct fw_prefix *ret_prefix, struct fw_err *err)
{
	struct fw_prefix prefix;
	unsigned int bits = 0, most;
	char address[64];
	const char *slash = strchr(text, '/'), *s;
	bool dotted;

	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return fw_err_set(err, -EINVAL, "\"%.64s\" is not a CIDR (address/length)", text);
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	if (fw_ip_parse(address, &prefix.ip, NULL))
		return fw_err_set(err, -EINVAL, "\"%.64s\" is not a CIDR: bad address", text);
	for (s = slash + 1; *s >= '0' && *s <= '9' && s - slash <= 3; s++)
		bits = bits * 10 + (unsigned int)(*s - '0');
	dotted = !strchr(address, ':');
	most = dotted ? 32 : 128;
	if (s == slash + 1 || *s || bits > most)
		return fw_err_set(err, -EINVAL, "\"%.64s\" is not a CIDR: length must be 0 to %u",
				  text, most);
	if (dotted)
		bits += 96;
	prefix.bits = (uint8_t)bits;
	for (unsigned int i = 0; i < 16; i++) {
		unsigned int keep = bits > i * 8 ? bits - i * 8 : 0;

		if (keep < 8)
			prefix.ip.b[i] &= (uint8_t)(0xff00u >> keep);
	}
	*ret_prefix = prefix;
	return 0;
}

const char *fw_ip_format(const struct fw_ip *ip, char *text)
{
	if (fw_ip_is4(ip))
		(void)inet_ntop(AF_INET, ip->b + 12, text, FW_IP_TEXT);
	else
		(void)inet_ntop(AF_INET6, ip->b, text, FW_IP_TEXT);
	return text;
}

const char *fw_prefix_format(const struct fw_prefix *prefix, char *text)
{
	char address[FW_IP_TEXT];
	bool four = fw_ip_is4(&prefix->ip) && prefix->bits >= 96;

	(void)snprintf(text, FW_PREFIX_TEXT, "%s/%d", fw_ip_format(&prefix->ip, address),
		       four ? prefix->bits - 96 : prefix->bits);
	return text;
}

bool fw_prefix_contains(const struct fw_prefix *prefix, const struct fw_ip *ip)
{
	unsigned int whole = prefix->bits / 8, rest = prefix->bits % 8;

	if (prefix->bits < 96 && fw_ip_is4(ip))
		return false;
	if (memcmp(prefix->ip.b, ip->b, whole))
		return false;
	return !rest || !((prefix->ip.b[whole] ^ ip->b[whole]) & (uint8_t)(0xff00u >> rest));
}

int fw_prefix_compare(const struct fw_prefix *a, const struct fw_prefix *b)
{
	int order = fw_ip_compare(&a->ip, &b->ip);

	return order ? order : (int)a->bits - (int)b->bits;
}
