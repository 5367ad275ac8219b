// SPDX-License-Identifier: Apache-2.0
/*
 * The plugin's endpoint files, read. In: a file of <run dir>/endpoints. Out: struct
 * fw_sandbox_info. Believes nothing that it has not checked: the folder is writable by root only,
 * but a half-written or foreign file must not hurt.
 */
#include "node/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "node/wire.h"

/* CNI specification: alphanumerics, then also underscore, dot and hyphen; interface names as Linux
 * takes them. */
int fw_sandbox_check_key(const struct fw_sandbox_info *info, struct fw_err *err)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

	if (!strchr(letters, info->container_id[0]))
		return fw_err_set(err, -EINVAL,
				  "containerId: does not begin with a letter or digit");
	for (const char *c = info->container_id; *c; c++) {
		if (!strchr(letters, *c) && !strchr("_.-", *c))
			return fw_err_set(
				err, -EINVAL,
				"containerId: holds other than letters, digits, '_', '.', '-'");
	}
	for (const char *c = info->ifname; *c; c++) {
		if (*c == '/' || *c == ':' || *c == ' ')
			return fw_err_set(err, -EINVAL, "ifname: not a name of an interface");
	}
	return 0;
}

static int take_names(const cJSON *root, struct fw_sandbox_info *info, struct fw_err *err)
{
	int r = fw_wire_copy(root, "containerId", info->container_id, sizeof(info->container_id),
			     true, err);

	if (r == 0)
		r = fw_wire_copy(root, "ifname", info->ifname, sizeof(info->ifname), true, err);
	if (r == 0)
		r = fw_sandbox_check_key(info, err);
	if (r == 0)
		r = fw_wire_copy(root, "namespace", info->namespace, sizeof(info->namespace), false,
				 err);
	if (r == 0)
		r = fw_wire_copy(root, "name", info->name, sizeof(info->name), false, err);
	if (r == 0)
		r = fw_wire_copy(root, "uid", info->uid, sizeof(info->uid), false, err);
	return r;
}

static int take_place(const cJSON *root, struct fw_sandbox_info *info, struct fw_err *err)
{
	uint64_t number = FW_SANDBOX_UNPLACED;
	const char *hook;
	int r = 0;

	if (fw_wire_get(root, "slot"))
		r = fw_wire_number(root, "slot", FW_SANDBOX_UNPLACED - 1, &number, err);
	if (r < 0)
		return r;
	info->slot = (uint32_t)number;
	r = fw_wire_string(root, "hook", 16, &hook, err);
	if (r == 0 && strcmp(hook, "host") != 0 && strcmp(hook, "sandbox") != 0)
		r = fw_err_set(err, -EINVAL, "hook: neither host nor sandbox");
	if (r == 0)
		r = fw_wire_number(root, "ifindex", INT32_MAX, &number, err);
	if (r < 0)
		return r;
#ifdef FW_PLANTED_BUG /* reads beyond the list: what tests/fuzz_sandbox.c must find */
	if (number > 99)
		number = info->ips[number].b[0];
#endif
	info->in_sandbox = !strcmp(hook, "sandbox");
	info->ifindex = (uint32_t)number;
	r = fw_wire_copy(root, "device", info->device, sizeof(info->device), true, err);
	if (r == 0)
		r = fw_wire_mac(root, "mac", info->mac, err);
	if (r == 0)
		r = fw_wire_ips(root, "ips", info->ips, FW_SANDBOX_IPS_MAX, &info->ip_count, err);
	if (r == 0)
		r = fw_wire_copy(root, "netns", info->netns, sizeof(info->netns), false, err);
	if (r == 0 && fw_wire_get(root, "netnsInode"))
		r = fw_wire_number(root, "netnsInode", UINT64_MAX, &info->netns_inode, err);
	info->placed = r == 0;
	return r;
}

int fw_sandbox_parse(const char *text, size_t len, struct fw_sandbox_info *ret_info,
		     struct fw_err *err)
{
	_cleanup_(fw_wire_free) cJSON *root = NULL;
	_cleanup_free_ struct fw_sandbox_info *info = calloc(1, sizeof(*info));
	uint64_t version;
	int r;

	if (!info)
		return fw_err_errno(err, -ENOMEM, "endpoint file");
	r = fw_wire_parse(text, len, &root, err);
	if (r == 0)
		r = fw_wire_number(root, "version", 1, &version, err);
	if (r == 0 && version != 1)
		r = fw_err_set(err, -EINVAL, "version: not 1");
	if (r == 0)
		r = take_names(root, info, err);
	if (r == 0)
		r = take_place(root, info, err);
	if (r == 0)
		*ret_info = *info;
	return r;
}

int fw_sandbox_read(int folder_fd, const char *name, struct fw_sandbox_info *ret_info,
		    struct fw_err *err)
{
	_cleanup_close_ int fd =
		openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	_cleanup_free_ char *text = malloc(FW_SANDBOX_FILE_MAX + 1);
	ssize_t len;
	int r;

	if (fd < 0)
		return fw_err_errno(err, -errno, "endpoint file %s", name);
	if (!text)
		return fw_err_errno(err, -ENOMEM, "endpoint file %s", name);
	len = read(fd, text, FW_SANDBOX_FILE_MAX + 1);
	if (len < 0)
		return fw_err_errno(err, -errno, "endpoint file %s", name);
	if (len > FW_SANDBOX_FILE_MAX)
		return fw_err_set(err, -EINVAL, "endpoint file %s: longer than %d bytes", name,
				  FW_SANDBOX_FILE_MAX);
	r = fw_sandbox_parse(text, (size_t)len, ret_info, err);
	if (r < 0)
		fw_err_prefix(err, "endpoint file %s", name);
	return r;
}

int fw_sandbox_file_name(const char *container_id, const char *ifname, char *ret_name)
{
	char escaped[3 * IF_NAMESIZE + 1];
	size_t used = 0;

	for (const char *c = ifname; *c && used + 3 < sizeof(escaped); c++) {
		if (*c == '-' || *c == '%')
			used += (size_t)snprintf(escaped + used, 4, "%%%02x", (unsigned char)*c);
		else
			escaped[used++] = *c;
	}
	escaped[used] = '\0';
	if ((size_t)snprintf(ret_name, NAME_MAX + 1, "%s-%s.json", container_id, escaped) >
	    NAME_MAX)
		return -ENAMETOOLONG;
	return 0;
}
