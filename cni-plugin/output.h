/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard input and output of a CNI call. In: bytes with a maximum and a deadline. Out: JSON on
 * standard output, because libcni looks there first; standard error stays empty.
 */
#ifndef FW_CNI_OUTPUT_H
#define FW_CNI_OUTPUT_H

#include <stddef.h>

#include "netconf.h"

/* All of standard input. Returns 0 or IO, DECODE (empty, too long). The caller frees *ret_text. */
int fw_input_read(int fd, char **ret_text, size_t *ret_len, struct fw_err *err);
/* Text and a newline; 0 or -errno. */
int fw_output_write(int fd, const char *text);
/* The error object of the CNI specification. */
int fw_output_error(int fd, enum fw_cni_version version, int code, const struct fw_err *err);
/* The answer to VERSION. */
int fw_output_versions(int fd);

#endif
