/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices to name in test runs. In: how many. Out: their indexes, in a network namespace that ends
 * with the process.
 */
#ifndef FW_CHECK_DEVICES_H
#define FW_CHECK_DEVICES_H

#include <stdint.h>

#include "base/err.h"

/* Moves the calling thread into a new network namespace and makes `count` devices there. -EPERM
 * without the right. */
int fw_devices_make(uint32_t count, uint32_t *ret_ifindexes, struct fw_err *err);

#endif
