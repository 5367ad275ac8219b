/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folders of podwalld. In: their paths and the user who runs it. Out: they are there, and
 * belong to that user, so that podwalld itself needs no root.
 */
#ifndef FW_INSTALL_PREPARE_H
#define FW_INSTALL_PREPARE_H

#include <sys/types.h>

#include "base/err.h"

struct fw_prepare {
	const char *pin_dir; /* below a mounted BPF file system */
	const char *run_dir;
	const char *state_dir;
	uid_t user; /* and group of the same number */
};

/* What is in the folders already is given to the user, too: an earlier podwalld may have been
 * somebody else. Symbolic links are not followed. */
int fw_prepare(const struct fw_prepare *prepare, struct fw_err *err);

#endif
