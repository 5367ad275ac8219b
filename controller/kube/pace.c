/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exponential back-off with jitter. In and out: pace.h. Must never be zero after a failure.
 */
#include "kube/pace.h"

#define MS 1000000ull /* nanoseconds */

uint64_t fw_pace_wait_ns(unsigned int failures, unsigned long server_s, uint32_t random)
{
	unsigned int doublings = failures > 10 ? 10 : failures;
	uint64_t ms = doublings ? (uint64_t)FW_PACE_FIRST_MS << (doublings - 1) : 0;
	uint64_t server_ms = (server_s > FW_PACE_SERVER_MAX ? FW_PACE_SERVER_MAX : server_s) * 1000;

	if (ms > FW_PACE_MOST_MS)
		ms = FW_PACE_MOST_MS;
	ms = ms / 2 + random % (ms + 1);
	if (ms < server_ms)
		ms = server_ms + random % (server_ms / 10 + 1);
	return ms * MS;
}
