/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is behind an address, a slot, a decision, now: the model and apply, asked once per change and
 * remembered. In: what an event carries. Out: shared texts. Every cache is of fixed size; a clash
 * forgets the older one.
 */
#ifndef FW_FLOW_WHO_H
#define FW_FLOW_WHO_H

#include "apply/apply.h"
#include "flow/intern.h"
#include "loader/loader.h"
#include "model/model.h"

struct fw_who;

/* A decision's words; the atoms belong to the cache, valid until the next call. */
struct fw_decision_text {
	enum fw_verdict verdict; /* what the packet met: an audited deny is an allow */
	enum fw_verdict pending;
	bool audited;
	struct fw_atom *rule;
	struct fw_atom *pending_rule;
};

int fw_who_new(const struct fw_datapath *datapath, const struct fw_model *model,
	       const struct fw_apply *apply, struct fw_interns *interns, struct fw_who **ret_who);
void fw_who_free(struct fw_who **who);
/* Takes in what changed in the model; before each batch of events. */
void fw_who_refresh(struct fw_who *who);

/*
 * The pod of an endpoint row, in the life that `generation` who; where that is unknown, the pod
 * that owns the address. A new reference, NULL without memory.
 */
struct fw_atom *fw_who_local(struct fw_who *who, uint32_t slot, uint16_t generation,
			     const struct fw_ip *ip);
/* The other side: peer_class, decision and service as in the event. A new reference. */
struct fw_atom *fw_who_remote(struct fw_who *who, const struct fw_ip *ip, uint32_t peer_class,
			      uint32_t decision, uint32_t service);
/* `direction`: of the packet that was judged; the rule's text names it ("netpol shop/api
 * ingress[2]"). */
void fw_who_decision(struct fw_who *who, uint32_t decision, uint8_t direction,
		     struct fw_decision_text *ret_text);
/*
 * The service port that the maps hold at this address now; 0: none. A call of the kernel: for flows
 * whose first record nobody saw.
 */
uint32_t fw_who_service_at(const struct fw_who *who, const struct fw_ip *ip, uint16_t port,
			   uint8_t protocol);
/* The service with the backend's name behind its NUL ("web-0", with the namespace where it is
 * another than the service's). A new reference, NULL without memory. */
struct fw_atom *fw_who_backend(struct fw_who *who, uint32_t service, const struct fw_ip *backend);
/* The words of a compiled decision, in this direction. A new reference. */
struct fw_atom *fw_who_row(struct fw_who *who, const struct fw_decision_row *row,
			   uint8_t direction);
/* "shop/web:http"; a new reference, NULL for none. */
struct fw_atom *fw_who_service(struct fw_who *who, uint32_t service);

#endif
