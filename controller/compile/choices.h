/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files share that find out who may reach some backends of a service and not others
 * (emit_choices.c; own_choices.c: not even one but itself) and write it down (tell_choices.c). In:
 * nothing. Out: types. Never included from elsewhere.
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
	uint32_t own;		       /* its pods in owns */
	bool differs;		       /* somebody is a candidate */
	bool asked;		       /* or stands in owns */
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

/* A pod behind a service, and what it says of every kind of the backends: a deny. */
struct own {
	const struct fw_member *member;
	struct candidate candidate;
	bool is_candidate; /* its subject is one already: without answers here */
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
	FW_LIST(struct service) services; /* of several kinds, by row; then others of owns */
	size_t several;			  /* how many of them have several */
	FW_LIST(struct tie) ties;
	FW_LIST(uint32_t) always; /* services whose row does not tell all, or with several ports */
	FW_LIST(struct listed) listed;
	FW_LIST(struct kind) kinds;
	FW_LIST(struct candidate) candidates;
	FW_LIST(struct answer) answers;
	FW_LIST(uint32_t) program; /* by class, of the subject in hand; NONE: as its default */
	FW_LIST(struct own) owns;
	size_t choices_cap, backends_cap;
};

/* emit_choices.c: NULL for one whose egress has no cells */
struct subject *fw_choices_subject(const struct choosing *c, uint32_t index);
/* Of row `number`: rows are in the order of the virtual addresses, one for each that is another. */
struct service fw_choices_service(const struct choosing *c, uint32_t number, size_t first_vip);
/* Once for each service. */
int fw_choices_list_backends(struct choosing *c, struct service *service);
/* Of these backends, or of one that nobody lists: it would have the ports of one of these. */
bool fw_choices_deny_firmly(const struct choosing *c, uint32_t subject,
			    const struct service *service, size_t answers);
/* own_choices.c: after the candidates; those who are one already are asked about themselves, too */
int fw_choices_own(struct choosing *c);
/* tell_choices.c: services to rows, as far as they fit; marks service rows */
int fw_choices_tell(struct choosing *c);

#endif
