/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request line, parsed. In: bytes of a client. Out: an operation with members that are checked.
 * Pure.
 */
#ifndef FW_CTL_REQUEST_H
#define FW_CTL_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "node/sandbox.h"

enum fw_op {
	FW_OP_ENDPOINT_ADD,
	FW_OP_ENDPOINT_DEL,
	FW_OP_STATUS,
	FW_OP_ENDPOINTS,
	FW_OP_POLICIES,
	FW_OP_MAPS,
	FW_OP_VERSION,
	FW_OP_FLOWS,
	FW_OP_ENFORCEMENT,
	FW_OP_COUNT
};

#define FW_WAIT_MS_MAX 30000u

struct fw_request {
	enum fw_op op;
	struct fw_sandbox_info info; /* endpoint_add; endpoint_del: container_id and ifname */
	unsigned int wait_ms;	     /* endpoint_add */
	char pod[2 * FW_SANDBOX_NAME_MAX + 2]; /* policies: "ns/name", "" for all */
	bool follow, has_last;		       /* flows */
	uint64_t last;			       /* flows */
	bool audit;			       /* enforcement */
};

/* `line` without its newline. -EINVAL with a text that names the member; -ENOMEM. */
int fw_request_parse(const char *line, size_t len, struct fw_request *ret_request,
		     struct fw_err *err);

#endif
