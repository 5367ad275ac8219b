/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the model, shared by the files of this folder only. In: objects and sandboxes that
 * the model owns. Out: one hash table per kind, one per address, one per sandbox. Nothing outside
 * this folder may include it.
 */
#ifndef FW_MODEL_INTERNAL_H
#define FW_MODEL_INTERNAL_H

/* A failed insertion leaves element->hh.tbl NULL and is reported as -ENOMEM; uthash must never
 * exit. */
#define HASH_NONFATAL_OOM	     1
#define uthash_nonfatal_oom(element) ((void)(element))

#include <uthash.h>

#include "base/htab.h"
#include "model/model.h"

/* Key: namespace, NUL, name: byte order of keys is (namespace, name) order. No lengths beyond this
 * are stored. */
#define FW_MODEL_KEY_MAX 1024

struct fw_model_key {
	size_t len;
	char text[FW_MODEL_KEY_MAX];
};

struct fw_model_name {
	const char *namespace, *name;
};

/* Objects of one kind. objects[0..sorted) is in order, objects[sorted..count) was added since. */
struct fw_model_shelf {
	struct fw_htab table; /* struct fw_object by name */
	struct fw_object **objects;
	uint64_t *versions; /* theirs, so that who looks for changes reads one array */
	size_t sorted, count, capacity;
};

struct fw_model_box {
	struct fw_sandbox *sandbox;
	struct fw_model_box *next; /* of the same pod name */
	UT_hash_handle hh;	   /* key: container id, NUL, ifname */
	char key[];
};

/* The sandboxes that carry one pod name. */
struct fw_model_seat {
	struct fw_model_box *boxes;
	UT_hash_handle hh; /* key: namespace, NUL, name */
	char key[];
};

struct fw_model_state {
	struct fw_model_shelf shelves[FW_KIND_COUNT];
	/* who says that it holds an address: pods by their status, and sandboxes of this node */
	struct fw_htab pod_addresses, sandbox_addresses;
	struct fw_model_box *boxes;
	struct fw_model_seat *seats;
	struct fw_sandbox **sandboxes; /* in (container id, ifname) order */
	size_t sandbox_count, sandbox_capacity;
	struct fw_prefix *configured;
	size_t configured_count;
	struct fw_prefix *ranges; /* configured and every node's, sorted, unique */
	size_t range_count;
	char *node_name;
	struct fw_ip *own; /* this node's, sorted, unique */
	size_t own_count;
	uint64_t own_version, revision;
};

/* Lists are sorted on demand behind const functions: the state is reached by pointer. */
struct fw_model {
	struct fw_model_state *state;
};

/* False when it is too long to be stored or a part is NULL. */
bool fw_model_name_fits(const char *namespace, const char *name);
/* -EINVAL when it does not fit or a part is NULL. */
int fw_model_key_make(const char *a, const char *b, struct fw_model_key *ret_key);

/* What the pod or sandbox says of its addresses goes into or out of the index. -ENOMEM changes
 * nothing. */
int fw_model_index_pod(struct fw_model_state *state, struct fw_pod *pod);
void fw_model_unindex_pod(struct fw_model_state *state, const struct fw_pod *pod);
int fw_model_index_sandbox(struct fw_model_state *state, struct fw_sandbox *sandbox);
void fw_model_unindex_sandbox(struct fw_model_state *state, const struct fw_sandbox *sandbox);
void fw_model_free_addresses(struct fw_model_state *state);

void fw_model_free_sandboxes(struct fw_model_state *state);
/* The one whose addresses a pod without status addresses has; NULL for none. */
const struct fw_sandbox *fw_model_sandbox_of_pod(const struct fw_model *model,
						 const struct fw_pod *pod);
/* 0: no sandbox of the pod holds the address; else 1 + the greatest sequence of those that do. */
uint64_t fw_model_holding_since(const struct fw_model *model, const struct fw_pod *pod,
				const struct fw_ip *ip);

int fw_model_rebuild_ranges(struct fw_model_state *state);

#endif
