/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Packets to a service's address. In: a question whose peer is a service. Out: what policy says of
 * the backends that kube-proxy would choose from, when it says the same of all of them. A cluster
 * IP is never judged by an ipBlock; an address that is shared (a node's, an external one) is a
 * service's only for the ports that one lists.
 */
#ifndef FW_BPF_SERVICE_H
#define FW_BPF_SERVICE_H

#include "policy.h"

static __always_inline int fw_service_has_ports(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == FW_PROTOCOL_SCTP;
}

/*
 * Where no backend is asked about: echo and the like, a service that has none, one whose kinds do
 * not fit. A pod that may reach everybody goes on to kube-proxy, which answers as it does without
 * us; another one is refused.
 */
static __always_inline __u32 fw_service_unasked(const struct fw_policy_ask *ask, __u32 refused)
{
	__u32 row = ask->subject;
	struct fw_subject *subject = bpf_map_lookup_elem(&fw_subjects, &row);

	if (subject && (subject->flags & FW_SUBJECT_OPEN_OUT))
		return subject->otherwise[FW_EGRESS];
	return refused;
}

#define FW_SERVICE_NOT_MEANT 0xffffffffu /* no decision: judge the address as what else it is */

/*
 * 1 when the chain after DNAT judges this packet: it stands, knows every pod of this service, and
 * is passed on the way (not by a hook inside of the sandbox, nor from an address that it was not
 * told of).
 */
static __always_inline int fw_service_exact(const struct fw_policy_ask *ask,
					    const struct fw_service *service)
{
	__u32 zero = 0;
	struct fw_node *node = bpf_map_lookup_elem(&fw_node, &zero);

	return node && (service->flags & FW_SERVICE_EXACT) && ask->by_chain &&
	       FW_READ(node->postnat_ok) == 1;
}

/* The group is this pod, which is one of the service's backends. */
static __always_inline __u32 fw_service_own(const struct fw_endpoint *ep,
					    const struct fw_service_group *group)
{
	return group->peer_class == (__u32)ep->owner && group->port == (__u16)(ep->owner >> 32);
}

/*
 * What policy says of the backends that kube-proxy would choose from; of a live flow, of those that
 * are leaving, too: they stand in the row where no pod needs them told apart, or the chain does.
 * Edge case 35: a pod that is a backend itself may reach that one, also where it may reach no
 * other; then the chain tells them apart, or it stays denied.
 */
static __always_inline __u32 fw_service_groups(const struct fw_endpoint *ep, struct fw_packet *p,
					       struct fw_policy_ask *ask,
					       const struct fw_service *service)
{
	int leaving = p->flags & FW_PACKET_AGAIN;
	__u32 first = FW_DECIDED_SERVICE_EMPTY, differs = 0, own = 0, seen = 0;

	if (service->state != FW_SERVICE_RESOLVED && !leaving)
		return FW_DECIDED_SERVICE_EMPTY;
	for (__u32 i = 0; i < FW_SERVICE_GROUPS; i++) {
		if (i >= service->count)
			break;
		if (service->group[i].flags & FW_GROUP_OWN) {
			own |= fw_service_own(ep, &service->group[i]);
			continue;
		}
		if ((service->group[i].flags & FW_GROUP_LEAVING) && !leaving)
			continue;
		ask->peer_class = service->group[i].peer_class;
		ask->range = FW_RANGE_KEY(p->protocol, service->group[i].port);
		__u32 decision = fw_policy_decide(ask);
		if (!seen) {
			first = decision;
			p->peer_class = ask->peer_class;
			seen = 1;
		}
		differs |= (first ^ decision) & FW_DECISION_ALLOW;
	}
	if (!differs && (!own || (first & FW_DECISION_ALLOW)))
		return first;
	if (fw_service_exact(ask, service))
		return FW_DECISION_ALLOW | FW_DECIDED_SERVICE_CHOSEN;
	return differs ? FW_DECIDED_SERVICE_DIFFERS : first;
}

/* `shared`: not only a service's address. */
FW_SUB __u32 fw_service_decide(const struct fw_endpoint *ep, struct fw_packet *p,
			       struct fw_policy_ask *ask, __u32 shared)
{
	struct fw_service_key key = {};
	struct fw_service *service;
	__u32 decision = FW_DECIDED_SERVICE_WIDE;

	if (!ep || !p || !ask)
		return FW_DECIDED_LOCKED;
	if (!fw_service_has_ports(p->protocol))
		return shared ? FW_SERVICE_NOT_MEANT
			      : fw_service_unasked(ask, FW_DECIDED_SERVICE_PORT);
	key.port = FW_KEY_REMOTE(&p->key);
	key.protocol = p->protocol;
	__builtin_memcpy(key.addr, &p->key.remote, 16);
	service = bpf_map_lookup_elem(&fw_services, &key);
	if (!service)
		return shared ? FW_SERVICE_NOT_MEANT : FW_DECIDED_SERVICE_PORT;
	p->service = service->id;
	if (service->state != FW_SERVICE_WIDE)
		decision = fw_service_groups(ep, p, ask, service);
	if (decision == FW_DECIDED_SERVICE_WIDE || decision == FW_DECIDED_SERVICE_EMPTY)
		return fw_service_unasked(ask, decision);
	return decision;
}

#endif
