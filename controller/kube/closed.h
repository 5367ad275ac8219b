/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in for an object that cannot be read. In: what could be told of it. Out: an object
 * that allows nothing. Pure.
 */
#ifndef FW_KUBE_CLOSED_H
#define FW_KUBE_CLOSED_H

#include "kube/item.h"

/* A policy of which nothing but the name is known isolates its whole namespace. NULL: no memory. */
struct fw_object *fw_closed_policy(const struct fw_item *item, const char *origin, const char *why);
/*
 * A service with the addresses that could be read and no port: what goes there is denied, and not
 * taken for the world's. NULL: no memory.
 */
struct fw_object *fw_closed_service(const struct fw_item *item, const char *origin);

#endif
