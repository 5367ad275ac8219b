// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzz target: a request line of podwalld's socket. In: bytes. Out: nothing; a crash, a leak or a
 * broken promise of request.h ends it. With FW_PLANTED_BUG the parser has one to be found.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ctl/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fw_request request;

static void check_request(void)
{
	assert(request.op < FW_OP_COUNT);
	assert(request.wait_ms <= FW_WAIT_MS_MAX);
	assert(request.info.ip_count <= FW_SANDBOX_IPS_MAX);
	assert(!strchr(request.info.ifname, '/'));
	if (request.op == FW_OP_ENDPOINT_ADD || request.op == FW_OP_ENDPOINT_DEL)
		assert(request.info.container_id[0] && request.info.ifname[0]);
	if (request.op == FW_OP_POLICIES && request.pod[0])
		assert(strchr(request.pod, '/'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fw_err err = {""};

	if (!size)
		return 0;
	if (fw_request_parse((const char *)data, size, &request, &err) == 0)
		check_request();
	else
		assert(err.text[0]);
	return 0;
}
