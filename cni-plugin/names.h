/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a name may look like. In: text of stated origin. Out: yes or no. Pure.
 */
#ifndef FW_CNI_NAMES_H
#define FW_CNI_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#define FW_CONTAINER_ID_MAX 200 /* bytes: with the interface name it must fit a file name */
#define FW_IFNAME_MAX	    15	/* bytes, IFNAMSIZ - 1 */
#define FW_NAMESPACE_MAX    63	/* RFC 1123 label */
#define FW_POD_NAME_MAX	    253
#define FW_POD_UID_MAX	    64

/* An alphanumeric, then alphanumerics, '_', '.' and '-' (CNI: container id, network name; podman:
 * container names). */
bool fw_name_is_id(const char *text, size_t max);
bool fw_name_is_label(const char *text);     /* RFC 1123 label, lower case: a namespace */
bool fw_name_is_subdomain(const char *text); /* RFC 1123 subdomain: a node */
/* As the kernel's dev_valid_name(), printable ASCII only. */
bool fw_name_is_ifname(const char *text);
/* Absolute, no "." or ".." component, no control characters, at most `max` bytes. */
bool fw_name_is_path(const char *text, size_t max);

#endif
