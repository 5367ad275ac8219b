/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods that run and have no endpoint: they started before our entry stood in the conflist, or while
 * it was out. In: the node's conflists, and the results that libcni keeps for its DEL. Out: an
 * endpoint file for each, which podwalld takes up: it attaches in place and keeps their
 * connections. Never touches a sandbox; pods of networks without our entry are let be.
 */
#ifndef FW_INSTALL_EARLIER_H
#define FW_INSTALL_EARLIER_H

#include <stddef.h>

#include "base/err.h"

#define FW_EARLIER_CACHE_DIR "/var/lib/cni" /* libcni's default */

struct fw_earlier {
	size_t known;  /* have an endpoint already */
	size_t told;   /* have one now */
	size_t exempt; /* by the entry's exemptNamespaces */
	size_t failed; /* run, and podwalld cannot be told: `say` said why */
};

/*
 * One look at every result of cache_dir. `say` is called once for each pod that was told and for
 * each that failed. -errno with a text where a folder cannot be read; a missing one is an empty
 * one.
 */
int fw_earlier_cover(const char *conf_dir, const char *cache_dir, void (*say)(const char *line),
		     struct fw_earlier *ret_found, struct fw_err *err);

#endif
