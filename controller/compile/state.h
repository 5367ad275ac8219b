/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a compiler remembers between two calls, stage by stage, in the order in which fw_compile()
 * runs them. Everything here can be thrown away: a compiler without memory gives the same tables,
 * later.
 */
#ifndef FW_COMPILE_STATE_H
#define FW_COMPILE_STATE_H

#include "compile/compile.h"
#include "compile/item.h"
#include "compile/sets.h"
#include "compile/terms.h"
#include "compile/track.h"

/* A peer class: the set of terms that hold a pod, and the ipBlocks that hold the address. */
struct fw_peer_class {
	struct fw_blob blob;	 /* the label is shared with the tables */
	struct fw_idset *pods;	 /* NULL: not a pod */
	struct fw_idset *blocks; /* never NULL but for unknown-pod */
	uint32_t claims;	 /* addresses of pods that have it */
	uint32_t stamp;		 /* the compile that last used it for something else */
	uint32_t rank;		 /* index in the tables */
	bool fresh, dead;
	bool labelled;
	struct fw_digest digest;
	char label[]; /* nothing where there is none: there may be as many classes as pods */
};

/* A pod. There are as many as in the cluster: 40 bytes are one size of malloc(3) less than 48. */
struct fw_member {
	const struct fw_pod *pod;
	struct fw_realm_record *realm;
	struct fw_idset *set;	/* NULL: not a peer */
	struct fw_local *local; /* NULL until it runs here */
	uint32_t sandbox_stamp; /* the compile that last saw a sandbox of it here */
	bool peer : 1;		/* neither host network nor finished */
	bool dirty : 1;		/* its terms must be looked for anew */
	bool dead : 1;		/* gone from the model, freed at the end */
	bool moved : 1;		/* its set is another one than in the last compile */
	bool claimed : 1;	/* its addresses stand in the claims */
	bool reclaim : 1;	/* they are other ones now */
	bool looked : 1;	/* its node was compared */
	bool scheduled_here : 1;
	bool here : 1; /* runs on this node */
};

/* What a pod of this node has besides. */
struct fw_local {
	struct fw_policy_subject *subject; /* NULL: does not run here now */
	struct fw_blob *names;		   /* struct fw_member_names; NULL: not made yet */
};

/* A pod without status addresses: those of its sandboxes, which may change, are its own. */
struct fw_sandboxed {
	struct fw_member *member;
	uint64_t ips_hash; /* of the addresses last claimed */
};

struct fw_member_names {
	struct fw_blob blob;
	const char *namespace, *name, *uid;
	char text[];
};

struct fw_realm_record {
	struct fw_realm realm;
	uint32_t refs;	     /* members and the namespace object */
	uint32_t generation; /* of the object */
	bool changed;	     /* its labels, in this compile */
	bool items_changed;  /* its policies, in this compile */
};

/* A pod's claim of an address. */
struct fw_claim {
	struct fw_ip ip;
	struct fw_member *member;
	struct fw_peer_class *class;
};

struct fw_node_address {
	struct fw_ip ip;
	struct fw_peer_class *class;
};

/* A boundary of ipBlocks or pod ranges. Sorted, so parents come first. */
struct fw_boundary {
	struct fw_prefix prefix;
	uint32_t parent; /* UINT32_MAX none */
	bool unknown;	 /* within a pod range */
	struct fw_idset *blocks;
	struct fw_peer_class *class;
};

struct fw_decision {
	struct fw_blob blob; /* the strings of the row are shared with the tables */
	uint32_t refs;
	uint32_t stamp, index;
	uint64_t hash;
	struct fw_decision_row row;
};

struct fw_program_span {
	uint32_t lo, hi;
	struct fw_decision *decision;
};

struct fw_program {
	uint32_t refs;
	uint32_t stamp, index;
	uint64_t hash;
	uint32_t count;
	bool refuses; /* some span does not allow */
	struct fw_program_span spans[];
};

struct fw_side_cell {
	struct fw_peer_class *class;
	struct fw_program *program;
};

/* One rule of one item, for one subject and direction. A rule with named ports in egress makes two
 * of these. */
struct fw_flat {
	uint32_t part; /* index of the item's part */
	int32_t rule;
	bool any;
	bool named; /* egress by port name: pods only, by selector */
	const struct fw_item_rule *source;
	struct fw_span *spans; /* ingress: port names resolved; NULL: source->spans */
	size_t span_count;
};

struct fw_use {
	uint32_t term;
	uint32_t flat;
};

struct fw_memo {
	struct fw_program *program; /* NULL: as the subject's default */
	uint64_t mask[];
};

/* One direction of a subject. */
struct fw_side {
	FW_LIST(struct fw_part) parts;
	FW_LIST(const struct fw_item *) items; /* beside parts */
	FW_LIST(struct fw_flat) flats;
	FW_LIST(struct fw_use) uses;	    /* sorted by term */
	FW_LIST(struct fw_side_cell) cells; /* sorted by class */
	struct fw_htab memo;		    /* mask of flats -> program */
	size_t words;			    /* of a mask */
	uint64_t *any_mask, *any_pod_mask, *named_mask;
	struct fw_decision *otherwise;
	bool isolated;
};

/* An item that concerns a pod: it selects it, or only replaces one that does. */
struct fw_pick {
	const struct fw_item *item;
	uint64_t selects; /* 1 or 0; wide, so that picks are compared as bytes */
};

struct fw_policy_subject {
	struct fw_blob *text; /* struct fw_subject_text, shared with the tables */
	uint64_t hash;
	uint32_t refs; /* members */
	uint32_t index;
	bool fresh;
	struct fw_digest digest;
	struct fw_pick *picks; /* in the order of the item list */
	size_t pick_count;
	uint64_t *named; /* ingress port names resolved at the pod, sorted */
	size_t named_count;
	struct fw_side sides[2];
};

struct fw_subject_text {
	struct fw_blob blob;
	const char *label;
	const char *broken;
	char text[];
};

struct fw_backend {
	struct fw_ip ip;
	uint16_t port;
	uint32_t row; /* where it last stood among the tables' addresses, or near there */
};

struct fw_backends {
	struct fw_backend *items;
	size_t count, cap;
};

struct fw_service_ports {
	struct fw_backends backends[2]; /* IPv6, IPv4; unique */
	struct fw_backends leaving[2];	/* listed, and not for new connections */
};

struct fw_service_record {
	struct fw_blob *text; /* struct fw_service_text */
	const struct fw_service_object *service;
	struct fw_service_ports *ports; /* beside service->ports */
	size_t port_count;
	bool dirty;
	bool unsure; /* a slice that may be its own cannot be read: there may be other backends */
};

struct fw_service_text {
	struct fw_blob blob;
	const char *namespace, *name;
	char text[];
};

/* (address, port, protocol) of a service. */
struct fw_vip {
	struct fw_ip ip;
	uint16_t port;
	uint8_t protocol;
	struct fw_service_record *service;
	size_t port_index;
};

/* An address that services have; shared: only with their ports, others are its own. */
struct fw_service_ip {
	struct fw_ip ip;
	bool shared;
};

struct fw_slice_record {
	const struct fw_endpoint_slice *slice;
	char *namespace, *service;
	bool unknown_service;
};

/* Some classes, by the terms that they hold; made at most once in a compile. */
struct fw_class_index {
	uint32_t made; /* the compile */
	struct fw_peer_class *const *classes;
	size_t count;
	FW_LIST(uint32_t) first; /* by term id: where its part of `at` begins */
	FW_LIST(uint32_t) at;	 /* positions in classes */
};

struct fw_compiler {
	uint32_t now; /* counts compiles */
	bool spoilt;  /* the last one failed: forget everything first */
	bool labels;  /* classes have them */
	char *node;   /* name of the node of the last compile */

	struct fw_terms terms;
	struct fw_sets sets;

	struct fw_track namespaces; /* struct fw_realm_tie */
	struct fw_htab realms;
	bool realms_changed;

	struct fw_track policies; /* struct fw_item */
	bool items_changed;
	FW_LIST(struct fw_item *) items;      /* in order, with room for kinds to come */
	FW_LIST(struct fw_item *) dead_items; /* freed at the end */

	struct fw_track pods;			   /* struct fw_member */
	bool sets_changed;			   /* some pod's terms */
	FW_LIST(struct fw_member *) fresh_members; /* made in this compile */
	FW_LIST(struct fw_member *) dead_members;
	FW_LIST(struct fw_member *) locals; /* those with a subject, in the order of the pods */
	bool locals_changed;
	struct fw_ids scratch_ids;
	FW_LIST(uint64_t) scratch_named;

	FW_LIST(struct fw_boundary) boundaries;
	FW_LIST(struct fw_prefix) ranges;
	bool blocks_changed;

	FW_LIST(struct fw_claim) claims; /* sorted by address */
	bool claims_changed;
	FW_LIST(struct fw_sandboxed) sandboxed;

	struct fw_track nodes;
	FW_LIST(struct fw_node_address) node_ips;
	bool nodes_changed;
	uint64_t own_version; /* of the model's own addresses, as listed */

	struct fw_htab class_table;
	struct fw_peer_class *world, *unknown;
	FW_LIST(struct fw_peer_class *) classes; /* by digest, after world and unknown */
	FW_LIST(struct fw_peer_class *) fresh_classes;
	FW_LIST(struct fw_peer_class *) dead_classes;

	struct fw_track services, slices;
	FW_LIST(struct fw_slice_record *) slice_order; /* by (namespace, service) */
	size_t unknown_services;		       /* slices of which nobody knows whose */
	FW_LIST(struct fw_vip) vips;
	FW_LIST(struct fw_service_ip) service_ips; /* unique */

	struct fw_htab decisions, programs, subjects;
	FW_LIST(struct fw_policy_subject *) subject_order; /* live, by digest */
	bool subjects_changed;
	bool node_changed;
	FW_LIST(struct fw_pick) scratch_picks;

	struct fw_class_index all_classes, new_classes;
	FW_LIST(uint64_t) masks;
	FW_LIST(uint32_t) touched;
	FW_LIST(uint32_t) edges;
	FW_LIST(struct fw_part) scratch_parts;
	FW_LIST(struct fw_program_span) scratch_spans;
	FW_LIST(struct fw_side_cell) scratch_cells;
	FW_LIST(bool) scratch_alone;
};

#endif
