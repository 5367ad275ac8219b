/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of one pod interface on this node: from the plugin's request, and from the file
 * that the plugin leaves in <run dir>/endpoints (its format is the plugin's; it is read here and
 * never written).
 */
#ifndef FW_NODE_SANDBOX_H
#define FW_NODE_SANDBOX_H

#include <limits.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ip.h"

#define FW_SANDBOX_ID_MAX   253
#define FW_SANDBOX_NAME_MAX 253
#define FW_SANDBOX_IPS_MAX  16
#define FW_SANDBOX_FILE_MAX 16384
#define FW_SANDBOX_UNPLACED 0xffffffffu /* no slot: its ADD is under way */

struct fw_sandbox_info {
	char container_id[FW_SANDBOX_ID_MAX + 1];
	char ifname[IF_NAMESIZE];
	char namespace[FW_SANDBOX_NAME_MAX + 1];
	char name[FW_SANDBOX_NAME_MAX + 1];
	char uid[FW_SANDBOX_NAME_MAX + 1];
	struct fw_ip ips[FW_SANDBOX_IPS_MAX];
	size_t ip_count;
	uint32_t slot;
	/* from the file only */
	bool placed; /* the rest is known */
	bool in_sandbox;
	uint32_t ifindex;
	char device[IF_NAMESIZE];
	uint8_t mac[6];
	char netns[PATH_MAX];
	uint64_t netns_inode;
};

/* Container id and interface make a file's name: -EINVAL with a text for what is not a name. */
int fw_sandbox_check_key(const struct fw_sandbox_info *info, struct fw_err *err);
/* Pure. -EINVAL with a text that names the member. */
int fw_sandbox_parse(const char *text, size_t len, struct fw_sandbox_info *ret_info,
		     struct fw_err *err);
/* Reads <folder>/<name>. -ENOENT when it went. */
int fw_sandbox_read(int folder_fd, const char *name, struct fw_sandbox_info *ret_info,
		    struct fw_err *err);
/* The file's name for these two: as the plugin forms it. `ret_name`: NAME_MAX + 1 bytes.
 * -ENAMETOOLONG. */
int fw_sandbox_file_name(const char *container_id, const char *ifname, char *ret_name);

#endif
