/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer as YAML. In: a tree. Out: text that reads back to the same tree; strings that YAML
 * would read as something else are quoted (libyaml). Changes nothing.
 */
#ifndef FW_FWCTL_YAML_H
#define FW_FWCTL_YAML_H

#include <cjson/cJSON.h>
#include <stdio.h>

/* 0, or -ENOMEM, -EIO. */
int fw_yaml_print(const cJSON *tree, FILE *file);

#endif
