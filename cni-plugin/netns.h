/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox's network namespace. In: the path of CNI_NETNS. Out: a checked descriptor; the thread
 * inside it and back. The process has one thread.
 */
#ifndef FW_CNI_NETNS_H
#define FW_CNI_NETNS_H

#include <stdint.h>

#include "base/err.h"

/*
 * Returns a descriptor that the caller closes. -ENOENT when the path is gone, -EINVAL with a text
 * when it is no network namespace or the one in which we run (a pod of the host's network has no
 * chain).
 */
int fw_netns_open(const char *path, uint64_t *ret_inode, struct fw_err *err);
/* Moves the thread; *ret_home is what fw_netns_leave() returns to. */
int fw_netns_enter(int netns, int *ret_home, struct fw_err *err);
/* Closes `home`. Ends the process when there is no way back: nothing may be done in a pod's
 * namespace by mistake. */
void fw_netns_leave(int *home);

#endif
