/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the compiler hands to apply: the content of the policy maps, in user space, with ids of its
 * own. In: a model. Out: sorted arrays, cross-referenced by index into this very structure. Pure
 * data.
 *
 * Every class, subject and decision carries a digest of its meaning: two compiles that mean the
 * same give equal digests whatever their indexes. Apply gives kernel ids by digest, so an unchanged
 * row is never rewritten.
 */
#ifndef FW_COMPILE_TABLES_H
#define FW_COMPILE_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"

struct fw_digest {
	uint64_t a, b;
};

/* A rule by name, as records and fwctl show it. Strings are owned by the tables' arena. */
struct fw_rule_name {
	const char *layer;     /* "own node", "application", ..., "default" */
	const char *kind;      /* short name: "netpol"; "" for the defaults */
	const char *namespace; /* "" for cluster kinds */
	const char *name;
	int32_t rule;	      /* index in spec.ingress or spec.egress; -1: no rule of it matched, it
				 isolates */
	uint32_t isolated_by; /* for "no rule matched": how many objects isolate the pod in that
				 direction; else 0 */
};

enum fw_verdict { FW_VERDICT_DENY = 0, FW_VERDICT_ALLOW = 1, FW_VERDICT_REJECT = 2 };

struct fw_decision_row {
	struct fw_digest digest;
	enum fw_verdict verdict;
	bool firm; /* a deny that the node's Audit switch does not let pass */
	struct fw_rule_name rule;
	enum fw_verdict pending; /* what everything promoted at once would say */
	struct fw_rule_name pending_rule;
	/* objects in Audit whose promotion alone would change the verdict: "netpol shop/x" */
	const char **alone;
	size_t alone_count;
};

struct fw_class_row {
	struct fw_digest digest;
	const char *label; /* for golden tests: the selectors matched, canonical text; "" where they
			      were not asked for */
};

struct fw_subject_row {
	struct fw_digest digest;
	const char *label;     /* canonical text: the objects that select it */
	uint32_t otherwise[2]; /* by fw_direction: index of decision */
	bool isolated[2];
	bool open[2];	    /* everything is allowed, whoever the peer is */
	const char *broken; /* not NULL: fails closed, which object and field */
};

struct fw_range_row {
	uint32_t lo,
		hi; /* FW_RANGE_KEY, inclusive, sorted, disjoint, adjacent equal decisions merged */
	uint32_t decision;
};

struct fw_program_row {
	uint32_t first; /* into ranges */
	uint32_t count;
};

/* Sorted by (subject, direction, class). Only where something differs from the subject's default.
 */
struct fw_cell_row {
	uint32_t subject;
	uint8_t direction;
	uint32_t peer_class; /* index of class; see FW_TABLES_* below */
	uint32_t program;
};

/* Sorted by address. */
struct fw_address_row {
	struct fw_ip ip;
	uint32_t peer_class;
	uint32_t flags; /* FW_PEER_* of abi.h */
};

/* Counted: apply keeps those that the map holds for longer than their tables live. */
struct fw_address_rows {
	uint32_t refs;
	size_t mapped; /* bytes; 0: from malloc(3) */
	struct fw_address_row rows[];
};

struct fw_address_rows *fw_address_rows_new(size_t count); /* one reference; NULL: no memory */
void fw_address_rows_drop(struct fw_address_rows *rows);   /* NULL is nothing */

struct fw_prefix_row {
	struct fw_prefix prefix;
	uint32_t peer_class;
	uint32_t flags;
};

struct fw_service_row {
	struct fw_ip ip;
	uint16_t port;
	uint8_t protocol;
	uint8_t state; /* enum fw_service_state of abi.h */
	const char *namespace;
	const char *name;
	const char *port_name;
	bool differs;  /* some pod here may reach only some of its backends */
	bool exact;    /* every such pod stands in choices, and those in owns */
	bool crowded;  /* they did not fit: denied where its backends are judged differently */
	bool unsure;   /* there may be other backends: one group is theirs, an unknown pod's */
	bool own_full; /* more pods than fit should stand in owns: denied, as to every backend */
	struct {
		uint32_t peer_class;
		uint16_t port;
		bool leaving; /* of no backend that a new connection gets */
	} group[8];	      /* those for new connections first */
	uint32_t group_count;
};

/*
 * Addresses of this node's pods that may reach some of a service's backends and not others (of
 * which they may be one themselves): what they send there is judged after DNAT, by the backend that
 * was chosen. Sorted, unique.
 */
struct fw_choice_row {
	struct fw_ip pod, service;
	uint16_t port;
	uint8_t protocol;
	bool firm; /* some of what it may not reach there is denied also while the node is in Audit
		    */
};

/* And the backends of those services, leaving ones included, on their own ports. Sorted, unique. */
struct fw_backend_row {
	struct fw_ip pod, backend;
	uint16_t port;
	uint8_t protocol;
	bool allowed;
	bool firm; /* denied also while the node is in Audit */
};

/*
 * A pod of this node that stands behind the service itself and may reach no other backend that a
 * new connection gets (edge case 35); its choice is there, too. Sorted, unique; with the groups of
 * an exact service there are at most FW_SERVICE_GROUPS.
 */
struct fw_own_row {
	uint32_t service; /* index of service */
	uint32_t pod;	  /* index of pod */
};

#define FW_CHOICES_MAX	65536u	/* full: services from there on are denied where they differ */
#define FW_BACKENDS_MAX 262144u /* the same */

/* Which subject each pod of this node has. Sorted by (namespace, name). */
struct fw_pod_row {
	const char *namespace;
	const char *name;
	const char *uid;
	uint32_t subject;
	uint32_t peer_class;
};

/* Classes 0 and 1 of every compile; the others follow. */
#define FW_TABLES_WORLD	      0u
#define FW_TABLES_UNKNOWN_POD 1u

#define FW_TABLES_ARRAY(type, name)                                                                \
	struct type *name;                                                                         \
	size_t name##_count

struct fw_problem {
	const char *object; /* "NetworkPolicy shop/api" */
	const char *text;   /* "spec.ingress[0].ports[1].endPort: smaller than port" */
};

struct fw_tables {
	FW_TABLES_ARRAY(fw_class_row, classes);
	FW_TABLES_ARRAY(fw_subject_row, subjects);
	FW_TABLES_ARRAY(fw_decision_row, decisions);
	FW_TABLES_ARRAY(fw_range_row, ranges);
	FW_TABLES_ARRAY(fw_program_row, programs);
	FW_TABLES_ARRAY(fw_cell_row, cells);
	FW_TABLES_ARRAY(fw_address_row, addresses);
	FW_TABLES_ARRAY(fw_prefix_row, prefixes);
	FW_TABLES_ARRAY(fw_service_row, services);
	FW_TABLES_ARRAY(fw_choice_row, choices);
	FW_TABLES_ARRAY(fw_backend_row, backends);
	FW_TABLES_ARRAY(fw_own_row, owns);
	FW_TABLES_ARRAY(fw_pod_row, pods);
	FW_TABLES_ARRAY(fw_problem, problems);
	struct fw_address_rows *address_rows; /* hold the addresses; NULL: the caller does */
	struct fw_arena *arena;		      /* owns every string above */
};

#endif
