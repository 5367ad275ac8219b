/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our entry in the text of a conflist. In: the bytes of a file. Out: the same bytes with the entry
 * at the end of "plugins", or without it. Changes nothing else in the text, so that taking out what
 * was put in gives back the very bytes; never touches a file.
 */
#ifndef FW_INSTALL_CONFLIST_H
#define FW_INSTALL_CONFLIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define FW_CONFLIST_MAX ((size_t)1 << 20) /* bytes of a file */
#define FW_PLUGIN_NAME	"podwall-cni"

/* The entry: one JSON object whose type is FW_PLUGIN_NAME. -EINVAL with a text when it is not. */
int fw_conflist_check_entry(const char *entry, struct fw_err *err);

/*
 * The text with `entry` as the last plugin; ret_text is NULL when it stands there already, as it
 * is. Another entry of ours, elsewhere or with other options, is taken out first. -EINVAL: not a
 * conflist that libcni would load (an object with a name and at least one foreign plugin).
 */
int fw_conflist_add(const char *text, size_t len, const char *entry, char **ret_text,
		    struct fw_err *err);

/* The text without any entry of ours; ret_text is NULL when there is none. */
int fw_conflist_remove(const char *text, size_t len, char **ret_text, struct fw_err *err);

#endif
