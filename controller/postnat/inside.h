/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this folder share. In: nothing. Out: names, and the rules as messages. Never
 * included from outside of it.
 */
#ifndef FW_POSTNAT_INSIDE_H
#define FW_POSTNAT_INSIDE_H

#include "postnat/chain.h"

extern const char *const fw_postnat_set_names[FW_POSTNAT_SETS];

#define FW_POSTNAT_CHAINS 5u
#define FW_POSTNAT_RULES  11u

/* rules.c: into their chains, which the batch makes before. */
void fw_postnat_put_rules(struct fw_nft_batch *batch);
/* The comment of rule `number`, by which it is known again. Returns its size. */
uint32_t fw_postnat_rule_mark(uint32_t number, uint8_t ret_mark[32]);

#endif
