/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Podwall on one node's disk: the plugin's binary, and its entry in the conflist that the runtime
 * uses. In: the node's folders. Out: both in place, or both gone. Never touches a running pod.
 */
#ifndef FW_INSTALL_H
#define FW_INSTALL_H

#include "base/err.h"

struct fw_install {
	const char *conf_dir;  /* /etc/cni/net.d of the node */
	const char *bin_dir;   /* /opt/cni/bin of the node */
	const char *plugin;    /* podwall-cni to copy; NULL: the binary is there already */
	const char *entry;     /* what goes into the conflist, one JSON object */
	const char *cache_dir; /* libcni's, for pods that run without us; NULL: they are let be */
};

enum fw_install_change {
	FW_INSTALL_NOTHING, /* it was so already */
	FW_INSTALL_DONE,
	FW_INSTALL_NO_CONFLIST, /* the primary CNI plugin has not written one yet */
	FW_INSTALL_COVERED,	/* pods that ran without us */
};

/*
 * The binary first, then the entry in the first conflist that libcni would load. ret_name, of
 * NAME_MAX + 1 bytes, tells which. What is in place is not written again.
 */
int fw_install_add(const struct fw_install *install, enum fw_install_change *ret_change,
		   char *ret_name, struct fw_err *err);

/*
 * The entry out of every conflist. The binary stays: a runtime calls it once more for each pod that
 * runs, and a pod whose plugin is missing cannot be removed.
 */
int fw_install_remove(const struct fw_install *install, enum fw_install_change *ret_change,
		      struct fw_err *err);
/* The binary, too, once the entry is out and no runtime knows it any more. 0 also without one. */
int fw_install_remove_plugin(const struct fw_install *install, struct fw_err *err);

/*
 * Adds, and covers pods that run without us (earlier.h), then waits for changes of any folder and
 * does it again, until `stop` (a signal descriptor) is readable. Calls `tell` with what it did. The
 * entry stays when it ends.
 */
typedef void (*fw_install_tell)(int r, enum fw_install_change change, const char *text);
int fw_install_keep(const struct fw_install *install, int stop, fw_install_tell tell,
		    struct fw_err *err);

#endif
