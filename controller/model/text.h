/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings that many objects share: namespaces, nodes, workloads, labels. In: a text. Out: the one
 * copy of it in the process, counted by reference. For one thread. Nothing outside this folder may
 * include it.
 */
#ifndef FW_MODEL_TEXT_H
#define FW_MODEL_TEXT_H

/* +1 reference; NULL: no memory. Never to be changed or freed by others. */
char *fw_text_take(const char *text);
/* NULL is nobody's. */
void fw_text_drop(const char *text);

#endif
