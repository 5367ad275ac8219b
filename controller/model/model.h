/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the cluster says, as far as policy needs it: plain objects, owned by the model.
 * In: decoded, defaulted, validated objects. Out: a consistent view to compile. Never reads files,
 * sockets or maps.
 *
 * Objects are keyed by (kind, namespace, name). Strings are NUL-terminated and owned by their
 * object. Every list is an array with a count. The API's distinction between "absent" and "empty"
 * is kept by explicit bits.
 */
#ifndef FW_MODEL_MODEL_H
#define FW_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ip.h"

enum fw_kind {
	FW_KIND_NAMESPACE,
	FW_KIND_POD,
	FW_KIND_SERVICE,
	FW_KIND_ENDPOINT_SLICE,
	FW_KIND_NETWORK_POLICY,
	FW_KIND_NODE,
	FW_KIND_COUNT
};

struct fw_labels {
	char **keys;   /* sorted, unique */
	char **values; /* of each key */
	size_t count;
};

enum fw_operator { FW_OP_IN, FW_OP_NOT_IN, FW_OP_EXISTS, FW_OP_DOES_NOT_EXIST };

struct fw_requirement {
	char *key;
	enum fw_operator op;
	char **values; /* sorted, unique; empty for Exists and DoesNotExist */
	size_t value_count;
};

/* matchLabels are turned into In with one value; sorted by (key, op, values). No requirement:
 * matches everything. */
struct fw_selector {
	struct fw_requirement *items;
	size_t count;
};

enum fw_protocol {
	FW_PROTO_ICMP = 1,
	FW_PROTO_TCP = 6,
	FW_PROTO_UDP = 17,
	FW_PROTO_ICMPV6 = 58,
	FW_PROTO_SCTP = 132
};

/* The head of every object; the first member of each of them. */
struct fw_object {
	enum fw_kind kind;
	uint32_t packed; /* bytes of the one block that it is with all it owns: nothing in it may
			    be freed or replaced alone; 0: it is not */
	char *namespace; /* "" for cluster-scoped kinds */
	char *name;
	char *uid; /* never NULL; "" where the source gives none */
	int64_t generation;
	struct fw_labels labels; /* of namespaces and pods: those of other kinds select nothing */
	char *origin;		 /* where it came from, for messages: "shop.yaml: document 3" */
	uint64_t digest; /* of the whole decoded content: equal digests need no work; 0: not told,
			    never equal */
};

struct fw_namespace {
	struct fw_object object;
	bool terminating;
};

struct fw_container_port {
	char *name; /* NULL for none */
	uint16_t port;
	uint8_t protocol;
	uint8_t unused[5]; /* 0: equal lists are found by their bytes */
};

struct fw_pod {
	struct fw_object object;
	char *node;	     /* spec.nodeName, "" while unscheduled */
	char *workload_kind; /* first controller owner reference: ReplicaSet hashes are cut to
				Deployment names; "" none */
	char *workload_name;
	char *config_hash; /* annotation kubernetes.io/config.hash, "" none: joins a static pod's
			      sandbox */
	struct fw_ip *ips; /* status.podIPs (podIP when absent) */
	struct fw_container_port *ports; /* containers in order, then restartable init containers;
					    edge-cases 12 and 13 */
	uint32_t ip_count, port_count;
	bool host_network;
	bool finished; /* phase Succeeded or Failed: its addresses belong to nobody */
};

struct fw_service_port {
	char *name; /* "" for none: how endpoint slices refer to it */
	uint16_t port;
	uint16_t node_port; /* 0 none; only of types NodePort and LoadBalancer */
	uint8_t protocol;
};

struct fw_service_object {
	struct fw_object object;
	struct fw_ip *ips; /* clusterIPs, externalIPs, load balancer addresses with ipMode VIP; none
			      when headless */
	size_t ip_count;
	size_t cluster_ip_count; /* the first of them: addresses that are nobody else's */
	struct fw_service_port *ports;
	size_t port_count;
	bool external_name;
};

/* Of which there are as many as pods: only what is compiled. */
struct fw_slice_endpoint {
	struct fw_ip ip;  /* the first of its addresses: kube-proxy does not look at the others */
	bool ready;	  /* nil counts as true */
	bool serving;	  /* nil counts as ready */
	bool terminating; /* nil counts as false */
};

struct fw_slice_port {
	char *name;    /* "" for none */
	uint16_t port; /* 0: absent, which means every port */
	uint8_t protocol;
};

struct fw_endpoint_slice {
	struct fw_object object;
	char *service; /* label kubernetes.io/service-name, "" none */
	bool fqdn;     /* addressType FQDN: ignored */
	bool unread;   /* its newest version cannot be read: there may be other endpoints, too */
	bool unknown_service; /* unread, and nobody can tell whose: of any of its namespace */
	struct fw_slice_endpoint *endpoints;
	size_t endpoint_count;
	struct fw_slice_port *ports;
	size_t port_count;
};

/* One entry of a rule's ports. protocol is always set (TCP is the default). */
struct fw_policy_port {
	char *name;	/* a named port; NULL for numbers */
	uint16_t first; /* inclusive */
	uint16_t last;	/* inclusive; equal to first without endPort */
	uint8_t protocol;
	bool any; /* no port given: every port of the protocol */
};

enum fw_peer_kind { FW_PEER_SELECTOR, FW_PEER_IP_BLOCK, FW_PEER_INVALID };

struct fw_policy_peer {
	enum fw_peer_kind kind;
	bool has_namespace_selector; /* without it: the policy's own namespace */
	bool has_pod_selector;
	struct fw_prefix block;
	struct fw_selector namespace_selector;
	struct fw_selector pod_selector;
	struct fw_prefix *except;
	size_t except_count;
};

struct fw_policy_rule {
	bool any_peer; /* from/to absent or empty: everybody */
	struct fw_policy_peer *peers;
	size_t peer_count;
	bool any_port; /* ports absent or empty: everything, every protocol */
	struct fw_policy_port *ports;
	size_t port_count;
};

struct fw_network_policy {
	struct fw_object object;
	struct fw_selector subject;	 /* spec.podSelector */
	bool isolates[2];		 /* by fw_direction: policyTypes after defaulting */
	struct fw_policy_rule *rules[2]; /* by fw_direction: ingress, egress */
	size_t rule_count[2];
	bool audit;	/* annotation podwall.io/mode: Audit */
	char *replaces; /* annotation podwall.io/replaces, NULL none */
	char *broken; /* not NULL: parsed, but cannot be compiled whole: which field and why. Fails
			 closed. */
};

struct fw_node_object {
	struct fw_object object;
	struct fw_ip *ips; /* status.addresses InternalIP and ExternalIP */
	size_t ip_count;
	struct fw_prefix *pod_ranges; /* spec.podCIDRs */
	size_t pod_range_count;
};

/*
 * A sandbox that runs on this node, as the plugin told us (never from the API). Joined to the pod
 * of its namespace and name when the UID is equal, or is the static pod's config hash, or when one
 * side gives none (podman; a folder without UIDs).
 */
struct fw_sandbox {
	char *container_id;
	char *ifname;
	char *namespace;
	char *name;
	char *uid; /* "" where the runtime gives none */
	struct fw_ip *ips;
	size_t ip_count;
	uint32_t slot;	   /* endpoint row */
	uint64_t sequence; /* order of ADDs: of two sandboxes that hold one address the newer owns
			      it */
};

struct fw_model;

int fw_model_new(struct fw_model **ret_model);
void fw_model_free(struct fw_model **model);

/*
 * Puts an object in, in the place of one with the same kind, namespace and name. Takes it, also on
 * failure. *ret_changed is false when the digest is equal (nothing happened). -ENOMEM.
 */
int fw_model_put(struct fw_model *model, struct fw_object *object, bool *ret_changed);
/* -ENOENT when there is none. */
int fw_model_remove(struct fw_model *model, enum fw_kind kind, const char *namespace,
		    const char *name);
/*
 * Edge case 23 for a pod whose object is gone and whose sandbox still runs: from now on it is a
 * finished one, a subject and no peer. -ENOENT when there is none.
 */
int fw_model_retire_pod(struct fw_model *model, const char *namespace, const char *name);
struct fw_object *fw_model_get(const struct fw_model *model, enum fw_kind kind,
			       const char *namespace, const char *name);
/* Objects of a kind in ascending (namespace, name) byte order; the array belongs to the model,
 * valid until a change. */
size_t fw_model_list(const struct fw_model *model, enum fw_kind kind,
		     struct fw_object *const **ret_objects);

/* The version of each object of that list: no other content of any object has had it. */
void fw_model_versions(const struct fw_model *model, enum fw_kind kind,
		       const uint64_t **ret_versions);

/* Sandboxes: take, keyed by (container id, ifname). */
int fw_model_put_sandbox(struct fw_model *model, struct fw_sandbox *sandbox);
int fw_model_remove_sandbox(struct fw_model *model, const char *container_id, const char *ifname);
size_t fw_model_list_sandboxes(const struct fw_model *model,
			       struct fw_sandbox *const **ret_sandboxes);

/*
 * The pod that owns an address now: by status.podIPs, else by a sandbox of this node whose pod has
 * no status addresses. Finished and host-network pods own none. Where several pods claim it: the
 * one whose sandbox on this node got it last; where none has such a sandbox, nobody, because doubt
 * means deny. NULL for none.
 */
const struct fw_pod *fw_model_pod_by_ip(const struct fw_model *model, const struct fw_ip *ip);
/* The pod of a sandbox, NULL while the source has not told of it. */
const struct fw_pod *fw_model_pod_of_sandbox(const struct fw_model *model,
					     const struct fw_sandbox *sandbox);
/*
 * The addresses by which a pod is a peer (borrowed); 0 for finished and host-network pods. They are
 * claims: ask fw_model_pod_by_ip() who owns one.
 */
size_t fw_model_pod_ips(const struct fw_model *model, const struct fw_pod *pod,
			const struct fw_ip **ret_ips);

/* What is configured rather than watched. Prefixes are copied. */
int fw_model_set_pod_ranges(struct fw_model *model, const struct fw_prefix *ranges, size_t count);
size_t fw_model_pod_ranges(const struct fw_model *model,
			   const struct fw_prefix **ret_ranges); /* with every Node's */
int fw_model_set_node_name(struct fw_model *model, const char *name);
const char *fw_model_node_name(const struct fw_model *model);
/*
 * Addresses that this node holds itself, whatever its Node object says: the gateways of its pods,
 * to which what comes through a node port is masqueraded. Copied, in any order, repeated or not;
 * the same set again is no change.
 */
int fw_model_set_own_addresses(struct fw_model *model, const struct fw_ip *ips, size_t count);
size_t fw_model_own_addresses(const struct fw_model *model,
			      const struct fw_ip **ret_ips); /* sorted, unique */
uint64_t fw_model_own_version(const struct fw_model *model); /* counts changes of the set */

/* Counts every change; equal revisions mean equal content. */
uint64_t fw_model_revision(const struct fw_model *model);

bool fw_selector_matches(const struct fw_selector *selector, const struct fw_labels *labels);
const char *fw_labels_get(const struct fw_labels *labels,
			  const char *key);  /* NULL when absent; exact bytes */
const char *fw_kind_name(enum fw_kind kind); /* "NetworkPolicy" */
/* Zeroed, of the kind's size; NULL: no memory. */
struct fw_object *fw_object_new(enum fw_kind kind);
size_t fw_object_size(enum fw_kind kind);
/* What no selector will ask for. Not of a packed object. */
void fw_object_drop_labels(struct fw_object *object);
/*
 * Moves an object with all it owns into one block of memory; strings that others have too are
 * shared. -ENOMEM changes nothing.
 */
int fw_object_pack(struct fw_object **object);
void fw_object_free(struct fw_object **object); /* of any kind */
void fw_sandbox_free(struct fw_sandbox **sandbox);

#endif
