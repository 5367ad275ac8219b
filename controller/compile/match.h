/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index from labels to terms, for terms.c. In: terms that come and go. Out: only the terms of
 * which a label of the pod can make one match are tried.
 */
#ifndef FW_COMPILE_MATCH_H
#define FW_COMPILE_MATCH_H

#include "base/block.h"
#include "base/buf.h"
#include "compile/digest.h"
#include "compile/terms.h"

int fw_match_add(struct fw_terms *terms, struct fw_term *term);
void fw_match_remove(struct fw_terms *terms, struct fw_term *term);
void fw_match_done(struct fw_terms *terms);

/* Given a shallow copy: what it points to is laid into the block. */
void fw_selector_lay(struct fw_block *block, struct fw_selector *selector);
void fw_selector_hash(struct fw_hasher *hasher, const struct fw_selector *selector);
void fw_selector_print(const struct fw_selector *selector, struct fw_buf *buf);
/* For people: "shop/{app=web}", "10.0.0.0/8". The caller frees it; NULL: no memory. */
char *fw_term_text(const struct fw_term *term);

#endif
