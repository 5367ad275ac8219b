/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts that many records share, each held once and counted. In: bytes. Out: an atom, equal bytes
 * the same atom. Bounded by its users: an atom lives as long as somebody holds it.
 */
#ifndef FW_FLOW_INTERN_H
#define FW_FLOW_INTERN_H

#include <stddef.h>
#include <stdint.h>

struct fw_interns;
struct fw_atom;

int fw_interns_new(struct fw_interns **ret_interns);
/* Every atom must have been dropped before. */
void fw_interns_free(struct fw_interns **interns);

/* A new reference to the atom of these bytes; NULL without memory. */
struct fw_atom *fw_intern_get(struct fw_interns *interns, const void *bytes, size_t len);
/* One more reference; NULL stays NULL. */
struct fw_atom *fw_intern_hold(struct fw_atom *atom);
/* Gives a reference back; NULL is fine. */
void fw_intern_drop(struct fw_interns *interns, struct fw_atom *atom);
size_t fw_interns_count(const struct fw_interns *interns);

const char *fw_atom_bytes(const struct fw_atom *atom, size_t *ret_len);

#endif
