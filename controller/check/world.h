/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world to ask questions about: objects without a cluster, compiled. In: decoded objects, pod
 * ranges, packets. Out: tables, and what they say about a packet at each of its two ends. No
 * kernel, no files, no sockets.
 */
#ifndef FW_CHECK_WORLD_H
#define FW_CHECK_WORLD_H

#include "apply/apply.h"
#include "compile/compile.h"
#include "model/model.h"
#include "postnat/rows.h"

struct fw_world {
	struct fw_model *model;
	struct fw_tables *tables;	/* NULL until fw_world_compile() */
	struct fw_postnat_rows postnat; /* what the sets of the chain after DNAT hold by them */
};

int fw_world_init(struct fw_world *world);
void fw_world_done(struct fw_world *world);
/* Compiles afresh; with a compiler of the caller's it may remember, else (NULL) it does not. */
int fw_world_compile(struct fw_world *world, struct fw_compiler *compiler, struct fw_err *err);

/* One packet as seen at one pod's interface. */
struct fw_end {
	const struct fw_pod *pod;
	uint32_t subject;  /* index in the tables */
	uint8_t direction; /* enum fw_direction */
	uint8_t protocol;
	uint16_t port;	    /* destination port; ICMP: type << 8 | code */
	struct fw_ip local; /* the pod's address */
	struct fw_ip remote;
	bool live; /* of a connection that is there already, which a backend may outlive */
};

/*
 * What was said. decision: of the tables an index, of the kernel an id; FW_SAID_BUILTIN is set when
 * it is an enum fw_decision_builtin.
 */
#define FW_SAID_BUILTIN 0x80000000u

struct fw_said {
	enum fw_verdict verdict;
	uint32_t decision;
};

/* False when the pod is none that policy applies to here (host network, another node's). */
bool fw_world_end(const struct fw_world *world, const struct fw_pod *pod, uint8_t direction,
		  struct fw_end *ret_end);
/* A pod and itself: no NetworkPolicy stands between them, and no table knows a pod's own address
 * (edge case 35). */
bool fw_end_is_self(const struct fw_end *end);
void fw_world_judge(const struct fw_world *world, const struct fw_end *end,
		    struct fw_said *ret_said);
/* The names behind an answer of fw_world_judge(). */
void fw_world_name(const struct fw_world *world, const struct fw_said *said,
		   struct fw_decision_name *ret_name);
/* The row behind it, NULL for a built-in decision. */
const struct fw_decision_row *fw_world_row(const struct fw_world *world,
					   const struct fw_said *said);

/* The backends that kube-proxy would choose from at (address, protocol, port) of a service (edge
 * cases 24, 25, 28). */
struct fw_backend {
	struct fw_ip ip;
	uint16_t port;
};
/* *ret_backends is the caller's (free): those of every service that has this port there.
 * *ret_service is the first of them, NULL for none. */
int fw_world_backends(const struct fw_world *world, const struct fw_ip *ip, uint8_t protocol,
		      uint16_t port, const struct fw_service_object **ret_service,
		      struct fw_backend **ret_backends, size_t *ret_count);
/*
 * True when the chain after DNAT decides about a pod's packet to a service that got this backend:
 * *ret_said is what becomes of it, with the backend's own decision. said: of the service's address,
 * by tables or programs, which stands otherwise.
 */
bool fw_world_chosen(const struct fw_world *world, const struct fw_end *end,
		     const struct fw_backend *backend, const struct fw_said *said,
		     struct fw_said *ret_said);

#endif
