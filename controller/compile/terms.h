/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terms: the distinct peers that rules name (a pod selector in a namespace or behind a namespace
 * selector, or an ipBlock), and the distinct named ports. In: peers as policies write them. Out:
 * dense ids, and, for a pod, the ids that hold it. Two equal peers of two policies are one term.
 * Owns copies, each term in one block; never points into the model.
 */
#ifndef FW_COMPILE_TERMS_H
#define FW_COMPILE_TERMS_H

#include "compile/store.h"
#include "compile/tables.h"
#include "model/model.h"

#define FW_TERM_NONE UINT32_MAX

struct fw_term {
	uint32_t id;
	uint32_t refs; /* rules of live objects */
	bool is_block;
	bool fresh;	    /* not yet looked for in every pod */
	bool users_changed; /* a port name began or ceased to be asked of its pods */
	bool idle;	    /* in the list of those whose refs fell to 0 */
	struct fw_prefix block;
	struct fw_digest digest;
	const char *namespace; /* pods of this namespace only; NULL: by selector */
	struct fw_selector namespaces;
	struct fw_selector pods;
	struct fw_prefix *except;
	size_t except_count;
};

/* Who needs to know a pod's number behind a port name: rules of egress, by the peers that they
 * name. */
struct fw_portname_user {
	uint32_t term; /* FW_TERM_NONE: a rule for everybody */
	uint32_t refs;
};

/* A named port, and who needs to know a pod's number behind it: rules of egress, by the peers that
 * they name. */
struct fw_portname {
	uint32_t id; /* kept for as long as the compiler lives */
	uint8_t protocol;
	uint32_t everybody; /* rules for everybody */
	char *name;
	uint32_t *users; /* rules by term id */
	size_t users_cap;
};

enum fw_realm_answer { FW_REALM_NOT_ASKED, FW_REALM_OUTSIDE, FW_REALM_HELD };

/* A namespace and what its labels say about each term. */
struct fw_realm {
	const struct fw_object *object;
	char *name;
	uint8_t *known;	  /* two bits by term id: enum fw_realm_answer */
	size_t known_cap; /* bytes */
	uint64_t *scopes; /* match.c's, by name and labels; NULL: to be made anew */
	size_t scope_count;
};

struct fw_terms {
	struct fw_htab by_digest;
	FW_LIST(struct fw_term *) by_id; /* NULL: free */
	FW_LIST(uint32_t) free_ids;
	FW_LIST(struct fw_term *) fresh; /* since the last settle */
	FW_LIST(struct fw_term *) idle;
	struct fw_htab buckets; /* (namespace or "", key, value) -> terms to try */
	struct fw_htab portnames_by_name;
	FW_LIST(struct fw_portname *) portnames;
	bool users_changed;	/* who needs which named port; see fw_term.users_changed */
	bool everybody_changed; /* the same for a rule for everybody */
};

void fw_terms_done(struct fw_terms *terms);
/* +1 reference. `namespace` is the policy's own. */
int fw_terms_intern(struct fw_terms *terms, const char *namespace,
		    const struct fw_policy_peer *peer, struct fw_term **ret_term);
void fw_terms_release(struct fw_terms *terms, struct fw_term *term);
/* What is idle is freed, what is fresh is no longer; ids are free to be used again. Forget the
 * realms' answers first. */
void fw_terms_settle(struct fw_terms *terms);

int fw_portname_intern(struct fw_terms *terms, const char *name, uint8_t protocol,
		       uint32_t *ret_id);
/* NULL: no policy names it. */
const struct fw_portname *fw_portname_find(const struct fw_terms *terms, const char *name,
					   uint8_t protocol);
int fw_portname_use(struct fw_terms *terms, uint32_t id, uint32_t term);
void fw_portname_leave(struct fw_terms *terms, uint32_t id, uint32_t term);
/* Edge case 12: the first container port of that name and protocol. 0: none. */
uint16_t fw_portname_resolve(const struct fw_portname *portname, const struct fw_pod *pod);

/* A pod's number behind a port name. */
struct fw_named_port {
	const struct fw_portname *portname;
	uint16_t port;
};

/* (portname id << 16 | port) in an order that does not depend on ids. The caller frees *ret_ports.
 */
int fw_named_ports(const struct fw_terms *terms, const uint64_t *named, size_t count,
		   struct fw_named_port **ret_ports);
const char *fw_port_protocol_name(uint8_t protocol); /* "TCP" */

/* Nothing where there is no room for the term. */
void fw_realm_remember(struct fw_realm *realm, uint32_t term, enum fw_realm_answer answer);
bool fw_term_holds_realm(const struct fw_term *term, struct fw_realm *realm);
bool fw_term_holds_pod(const struct fw_term *term, struct fw_realm *realm,
		       const struct fw_pod *pod);
struct fw_ids {
	uint32_t *items;
	size_t count, cap;
};
/* Appends the ids of all selector terms that hold the pod, unsorted. -ENOMEM. */
int fw_terms_match(const struct fw_terms *terms, struct fw_realm *realm, const struct fw_pod *pod,
		   struct fw_ids *ids);

#endif
