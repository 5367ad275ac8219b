/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files share that find out who may reach some backends of a service and not others
 * (emit_choices.c) and write it down (tell_choices.c). In: nothing. Out: types. Never included from
 * elsewhere.
 */
#ifndef FW_COMPILE_CHOICES_H
#define FW_COMPILE_CHOICES_H

#include "compile/stages.h"

struct source {
	struct fw_ip ip;
	uint32_t subject;
	const struct fw_member *member;
};

struct listed {
	struct fw_ip ip;
	uint16_t port;
	uint32_t kind;
};

struct kind {
	uint32_t class;
	uint16_t port;
};

/* A service row whose backends were listed. */
struct service {
	uint32_t row;
	size_t first_vip, end_vip;
	bool done;		       /* listed */
	size_t first, count;	       /* into listed */
	size_t first_kind, kind_count; /* into kinds */
	size_t pairs[2];	       /* by family: who asks */
	uint32_t turn;		       /* the subject that last considered it, counted from 1 */
	bool asked;
};

/* A class, and a service of which it is a kind of backends. */
struct tie {
	uint32_t class, service;
};

/* A subject that differs about a service; `answers` into answers, one for each kind. */
struct answer {
	bool allowed, firm;
};

struct candidate {
	uint32_t service;
	size_t answers;
	bool firm; /* some backend, of those that nobody lists, too, is denied firmly */
};

struct subject {
	uint32_t index;
	size_t sources[2];   /* by family */
	size_t first, count; /* into candidates */
};

struct choosing {
	struct fw_compiler *compiler;
	struct fw_tables *tables;
	FW_LIST(struct source) sources;	  /* by address */
	FW_LIST(struct subject) subjects; /* with cells for egress, by index */
	FW_LIST(struct service) services; /* of several kinds, by row */
	FW_LIST(struct tie) ties;
	FW_LIST(uint32_t) always; /* services whose row does not tell all, or with several ports */
	FW_LIST(struct listed) listed;
	FW_LIST(struct kind) kinds;
	FW_LIST(struct candidate) candidates;
	FW_LIST(struct answer) answers;
	FW_LIST(uint32_t) program; /* by class, of the subject in hand; NONE: as its default */
	size_t choices_cap, backends_cap;
};

/* emit_choices.c: NULL for one whose egress has no cells */
struct subject *fw_choices_subject(const struct choosing *c, uint32_t index);
/* tell_choices.c: services to rows, as far as they fit; marks service rows */
int fw_choices_tell(struct choosing *c);

#endif
