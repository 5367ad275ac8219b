/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of container ports that many pods share: all of one workload have the same. In: a list.
 * Out: the one copy of it in the process, counted by reference. For one thread. Nothing outside
 * this folder may include it.
 */
#ifndef FW_MODEL_PORTS_H
#define FW_MODEL_PORTS_H

#include <stddef.h>

#include "model/model.h"

/* +1 reference; NULL: no memory. Never to be changed or freed by others. */
struct fw_container_port *fw_ports_take(const struct fw_container_port *ports, size_t count);
/* NULL is nobody's. */
void fw_ports_drop(const struct fw_container_port *ports);

#endif
