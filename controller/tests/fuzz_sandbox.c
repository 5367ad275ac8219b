/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: an endpoint file of the plugin, as podwalld reads it. In: bytes. Out: nothing; a
 * crash, a leak or a broken promise of sandbox.h ends it. With FW_PLANTED_BUG the parser has one to
 * be found.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "node/sandbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fw_sandbox_info info;
	char name[NAME_MAX + 1];
	struct fw_err err = {""};

	if (size > FW_SANDBOX_FILE_MAX)
		return 0;
	if (fw_sandbox_parse((const char *)data, size, &info, &err)) {
		assert(err.text[0]);
		return 0;
	}
	assert(info.placed && info.ip_count <= FW_SANDBOX_IPS_MAX);
	assert(info.container_id[0] && info.ifname[0] && !strchr(info.ifname, '/'));
	assert(strnlen(info.netns, sizeof(info.netns)) < sizeof(info.netns));
	/* its own name is one name, or too long for one */
	assert(fw_sandbox_file_name(info.container_id, info.ifname, name) ||
	       (strlen(name) <= NAME_MAX && strstr(name, ".json")));
	return 0;
}
