/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods that run without us: older than Podwall, or started while the entry was out of the conflist.
 * In: the results that libcni keeps of every ADD. Out: an endpoint file for each sandbox that has
 * none, from which podwalld puts it behind the wall where it stands. Never touches a sandbox.
 */
#ifndef FW_INSTALL_EARLIER_H
#define FW_INSTALL_EARLIER_H

#include "base/err.h"

/*
 * cache_dir: libcni's, its "results" are read; one that is not there holds nothing. entry: ours,
 * whose options (runDir, exemptNamespaces...) apply. *ret_count: how many are new. Goes on behind
 * one that fails, and returns the last failure.
 */
int fw_earlier_cover(const char *cache_dir, const char *entry, unsigned int *ret_count,
		     struct fw_err *err);

#endif
