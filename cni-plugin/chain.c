/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prevResult: read for the addresses of our interface, echoed otherwise untouched.
 * In: a tree from netconf. Out: addresses; text. Never touches the system; pure, and fuzzed.
 */
#include <errno.h>
#include <string.h>

#include "chain.h"
#include "json.h"

/* interfaces[index] is our interface: that name, inside a sandbox. */
static bool is_ours(const cJSON *interfaces, int64_t index, const char *ifname)
{
	const cJSON *item = cJSON_GetArrayItem(interfaces, (int)index);
	const char *name = fw_json_get_string(item, "name");
	const char *sandbox = fw_json_get_string(item, "sandbox");

	return name && sandbox && *sandbox && !strcmp(name, ifname);
}

static bool is_link_local(const struct fw_ip *ip)
{
	return ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80;
}

/* "10.1.0.2/24" with its host part kept. */
static int parse_address(const char *text, struct fw_ip *ret_ip, struct fw_err *err)
{
	char bare[FW_PREFIX_TEXT];
	struct fw_prefix prefix;
	const char *slash = strchrnul(text, '/');

	if ((size_t)(slash - text) >= sizeof(bare))
		return fw_err_set(err, -EINVAL, "not an address");
	memcpy(bare, text, (size_t)(slash - text));
	bare[slash - text] = '\0';
	if (*slash) {
		int r = fw_prefix_parse(text, &prefix, err);
		if (r < 0)
			return r;
	}
	return fw_ip_parse(bare, ret_ip, err);
}

/* 0 also when it is there already or does not count. */
static int add_ip(struct fw_chain_ips *ips, const struct fw_ip *ip, struct fw_err *err)
{
	size_t same_family = 0, max = fw_ip_is4(ip) ? FW_CHAIN_IP4_MAX : FW_CHAIN_IP6_MAX;

	if (fw_ip_is_zero(ip))
		return fw_err_set(err, FW_CNI_CONFIG, "the unspecified address");
	if (is_link_local(ip))
		return 0;
	for (size_t i = 0; i < ips->count; i++) {
		if (fw_ip_equal(&ips->ip[i], ip))
			return 0;
		same_family += fw_ip_is4(&ips->ip[i]) == fw_ip_is4(ip);
	}
	if (same_family == max)
		return fw_err_set(err, FW_CNI_INTERFACE,
				  "more than %zu %s addresses, which is all that an endpoint holds",
				  max, fw_ip_is4(ip) ? "IPv4" : "IPv6");
	ips->ip[ips->count++] = *ip;
	return 0;
}

static int take_entry(const cJSON *entry, const cJSON *interfaces, const char *ifname,
		      struct fw_chain_ips *ips, struct fw_err *err)
{
	const cJSON *index = fw_json_get(entry, "interface");
	const char *address = fw_json_get_string(entry, "address");
	struct fw_ip ip;
	int64_t number;

	if (!address)
		return fw_err_set(err, FW_CNI_CONFIG, "address: must be a string like 10.1.0.2/24");
	if (index) {
		if (!fw_json_integer(index, 0, FW_CHAIN_ENTRIES_MAX - 1, &number) ||
		    number >= cJSON_GetArraySize(interfaces))
			return fw_err_set(err, FW_CNI_CONFIG,
					  "interface: must be an index of prevResult.interfaces");
		if (!is_ours(interfaces, number, ifname))
			return 0;
	}
	if (parse_address(address, &ip, err) < 0) {
		fw_err_prefix(err, "address");
		return FW_CNI_CONFIG;
	}
	return add_ip(ips, &ip, err);
}

static int check_array(const cJSON *array, const char *field, struct fw_err *err)
{
	if (!array || (cJSON_IsArray(array) && cJSON_GetArraySize(array) <= FW_CHAIN_ENTRIES_MAX))
		return 0;
	return fw_err_set(err, FW_CNI_CONFIG, "prevResult.%s: must be an array of at most %d",
			  field, FW_CHAIN_ENTRIES_MAX);
}

int fw_chain_ips(const cJSON *prev, const char *ifname, struct fw_chain_ips *ret_ips,
		 struct fw_err *err)
{
	const cJSON *interfaces = fw_json_get(prev, "interfaces");
	const cJSON *list = fw_json_get(prev, "ips"), *entry;
	struct fw_chain_ips ips = {.count = 0};
	int index = 0;

	if (check_array(interfaces, "interfaces", err) || check_array(list, "ips", err))
		return FW_CNI_CONFIG;
	cJSON_ArrayForEach(entry, list) {
		int code = take_entry(entry, interfaces, ifname, &ips, err);
		if (code) {
			fw_err_prefix(err, "prevResult.ips[%d]", index);
			return code;
		}
		index++;
	}
	*ret_ips = ips;
	return 0;
}

static void delete_all(cJSON *object, const char *name)
{
	cJSON *item;

	while ((item = cJSON_DetachItemFromObjectCaseSensitive(object, name)))
		cJSON_Delete(item);
}

/* ips[].version: "4" or "6" up to 0.4.0, gone since 1.0.0. */
static int convert_ip(cJSON *entry, bool wants_version, struct fw_err *err)
{
	const char *address = fw_json_get_string(entry, "address");

	if (!cJSON_IsObject(entry) || (wants_version && fw_json_get(entry, "version")))
		return 0;
	delete_all(entry, "version");
	if (wants_version && address &&
	    !cJSON_AddStringToObject(entry, "version", strchr(address, ':') ? "6" : "4"))
		return fw_err_set(err, FW_CNI_IO, "out of memory");
	return 0;
}

int fw_chain_echo(cJSON *prev, enum fw_cni_version version, char **ret_text, struct fw_err *err)
{
	cJSON *list = (cJSON *)fw_json_get(prev, "ips"), *entry;

	delete_all(prev, "cniVersion");
	if (!cJSON_AddStringToObject(prev, "cniVersion", fw_cni_version_text(version)))
		return fw_err_set(err, FW_CNI_IO, "out of memory");
	cJSON_ArrayForEach(entry, list) {
		int code = convert_ip(entry, version < FW_CNI_1_0_0, err);
		if (code)
			return code;
	}
	char *text = cJSON_PrintUnformatted(prev);
	if (!text)
		return fw_err_set(err, FW_CNI_IO, "out of memory");
	*ret_text = text;
	return 0;
}
