/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items: policy objects of any kind, brought into one form by a frontend per kind. In: an object of
 * the model. Out: whom it selects, in which layer, and its rules by direction with interned peers.
 * Immutable, in one block: a changed object is a new item. A new kind of policy is a new frontend,
 * nothing else.
 */
#ifndef FW_COMPILE_ITEM_H
#define FW_COMPILE_ITEM_H

#include "compile/layers.h"
#include "compile/terms.h"
#include "fw/abi.h"

struct fw_span {
	uint32_t lo, hi; /* FW_RANGE_KEY, inclusive */
};

struct fw_item_rule {
	enum fw_action action;
	bool any;		/* everybody */
	struct fw_term **peers; /* references are held */
	size_t peer_count;
	struct fw_span *spans; /* what is given by number */
	size_t span_count;
	uint32_t *names; /* what is given by name: portname ids */
	size_t name_count;
};

struct fw_item {
	enum fw_layer layer;
	const char *kind; /* short name, static */
	const char *namespace;
	const char *name;
	const char *title;	 /* "netpol shop/api" */
	uint64_t name_hash;	 /* of kind, namespace and name */
	struct fw_digest digest; /* of everything below and the names */
	bool audit;
	bool isolates[2];
	const char *replaces;	    /* NULL none */
	const char *broken;	    /* NULL none */
	struct fw_selector subject; /* pods of `namespace` */
	struct fw_item_rule *rules[2];
	size_t rule_count[2];
};

/* The frontend of NetworkPolicy. The item holds references to terms and port names. */
int fw_item_from_network_policy(struct fw_terms *terms, const struct fw_network_policy *policy,
				struct fw_item **ret_item);
/* Gives the references back; free comes later, when no subject names the item any more. */
void fw_item_release(struct fw_terms *terms, struct fw_item *item);
void fw_item_free(struct fw_item *item);

#endif
