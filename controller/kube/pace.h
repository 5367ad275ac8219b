/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long to wait before asking again. In: failures in a row, what the server asked for, random
 * numbers. Out: nanoseconds. Pure; never earlier than the server allows, never in step with other
 * nodes.
 */
#ifndef FW_KUBE_PACE_H
#define FW_KUBE_PACE_H

#include <stdint.h>

#define FW_PACE_FIRST_MS   250u	  /* before the second attempt; doubled from then on */
#define FW_PACE_MOST_MS	   16000u /* both times 0.5 to 1.5 */
#define FW_PACE_SERVER_MAX 600u	  /* seconds: the longest Retry-After that is believed */

/*
 * failures: in a row, this one included; 0 waits not at all. server_s: Retry-After, 0: none; all
 * nodes were told the same, so they come back within a tenth of it.
 */
uint64_t fw_pace_wait_ns(unsigned int failures, unsigned long server_s, uint32_t random);

#endif
