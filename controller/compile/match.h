/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index from labels to terms, for terms.c. In: terms that come and go. Out: only the terms of
 * which a label of the pod can make one match are tried.
 */
#ifndef FW_COMPILE_MATCH_H
#define FW_COMPILE_MATCH_H

#include "base/buf.h"
#include "compile/digest.h"
#include "compile/terms.h"

int fw_match_add(struct fw_terms *terms, struct fw_term *term);
void fw_match_remove(struct fw_terms *terms, struct fw_term *term);
void fw_match_done(struct fw_terms *terms);

int fw_selector_copy(const struct fw_selector *from, struct fw_selector *to);
void fw_selector_done(struct fw_selector *selector);
void fw_selector_hash(struct fw_hasher *hasher, const struct fw_selector *selector);
void fw_selector_print(const struct fw_selector *selector, struct fw_buf *buf);

#endif
