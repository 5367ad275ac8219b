/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The judgement of one flow in one direction. In: a packet and the direction to be judged (that of
 * who opened the flow). Out: p->decision, p->epoch, p->peer_class, p->service, p->state's SERVICE
 * and SELF, and the reason. Stores nothing. The epoch is read before anything that it stands for.
 */
#ifndef FW_BPF_VERDICT_H
#define FW_BPF_VERDICT_H

#include "identity.h"
#include "judged.h"
#include "service.h"
#include "source.h"

/*
 * Flow-table rule 6: the epoch is read before what is looked up under it. x86 keeps the order of
 * loads; others get a full barrier.
 */
static __always_inline __u32 fw_verdict_epoch(const struct fw_endpoint *ep)
{
	__u32 epoch = FW_READ(ep->epoch);
#ifndef FW_LOADS_IN_ORDER
	__u64 barrier = 0;

	__sync_lock_test_and_set((volatile __u64 *)&barrier, 1);
#endif
	asm volatile("" ::: "memory");
	return epoch;
}

/*
 * Packets that this node's own sockets send have no ingress interface; probes, for one. An ICMP
 * error of the node's does not make the flow that it is about one of the node's.
 */
static __always_inline int fw_verdict_own_node(const struct __sk_buff *skb,
					       const struct fw_endpoint *ep,
					       const struct fw_packet *p)
{
	return p->direction == FW_INGRESS && !(ep->flags & FW_EP_IN_SANDBOX) &&
	       !(p->flags & FW_PACKET_EMBEDDED) && skb->ingress_ifindex == 0;
}

/*
 * The pod's own packets: those that it sends to itself, and those that come back by the device that
 * they left by. The pod's address as the source is no proof: the node's uplink is not checked.
 */
static __always_inline int fw_verdict_self(const struct __sk_buff *skb,
					   const struct fw_endpoint *ep, const struct fw_packet *p)
{
	if (p->state & FW_FLOW_STATE_SELF)
		return 1;
	if (p->direction == FW_EGRESS)
		return fw_source_own(ep, &p->key.remote) != FW_FLOW_ADDRESS_NOBODY;
	return !(ep->flags & FW_EP_IN_SANDBOX) && !(p->flags & FW_PACKET_EMBEDDED) &&
	       skb->ingress_ifindex == skb->ifindex;
}

static __always_inline __u32 fw_verdict_port(const struct fw_packet *p, __u32 direction)
{
	if (p->protocol == IPPROTO_ICMP || p->protocol == IPPROTO_ICMPV6 || direction == FW_EGRESS)
		return FW_KEY_REMOTE(&p->key);
	return FW_KEY_LOCAL(&p->key);
}

static __always_inline __u32 fw_verdict_policy(const struct fw_endpoint *ep, struct fw_packet *p,
					       __u32 direction)
{
	struct fw_policy_ask ask = {.subject = ep->subject, .direction = direction};
	__u32 flags = fw_identity_find(&p->key.remote, &ask.peer_class), decision;

	p->peer_class = ask.peer_class;
	ask.by_chain =
		!(ep->flags & FW_EP_IN_SANDBOX) && FW_KEY_ADDRESS(&p->key) < FW_FLOW_ADDRESS_GROUP;
	ask.range = FW_RANGE_KEY(p->protocol, fw_verdict_port(p, direction));
	if (direction == FW_EGRESS && (flags & FW_PEER_SERVICE)) {
		decision = fw_service_decide(ep, p, &ask, flags & FW_PEER_SHARED);
		if (decision != FW_SERVICE_NOT_MEANT) {
			p->state |= FW_FLOW_STATE_SERVICE;
			return decision;
		}
	}
	decision = fw_policy_decide(&ask);
	if (!(flags & FW_PEER_BROADCAST) && !fw_addr_is_group(&p->key.remote) &&
	    FW_KEY_ADDRESS(&p->key) != FW_FLOW_ADDRESS_GROUP)
		return decision;
	/* multicast and broadcast: only a rule opens them, not the absence of rules */
	if ((decision & FW_DECISION_ALLOW) &&
	    (ask.by_rule || (decision & FW_DECISION_ID) >= FW_DECISION_FIRST))
		return decision;
	return FW_DECIDED_MULTICAST | (decision & FW_DECISION_FIRM);
}

/* The same for a new flow: the tables are asked when nobody asked them under this epoch. */
static __always_inline __u32 fw_verdict_judged(const struct fw_endpoint *ep, struct fw_packet *p)
{
	__u32 port = fw_verdict_port(p, p->direction), decision;
	__u64 rest = fw_judged_rest(p, port);
	struct fw_judged *judged = fw_judged_row(p, rest);

	if (judged && fw_judged_find(ep, p, judged, rest, &decision))
		return decision;
	decision = fw_verdict_policy(ep, p, p->direction);
	if (judged)
		fw_judged_keep(ep, p, judged, rest, decision);
	return decision;
}

static __always_inline __u32 fw_verdict_reason(const struct fw_packet *p, __u32 decision)
{
	switch (decision & FW_DECISION_ID) {
	case FW_DECIDED_OWN_NODE:
		return FW_REASON_OWN_NODE;
	case FW_DECIDED_NO_POLICY_YET:
		return FW_REASON_ISOLATED;
	case FW_DECIDED_LOCKED:
		return FW_REASON_LOCKED;
	case FW_DECIDED_SERVICE_PORT:
		return FW_REASON_SERVICE_PORT;
	case FW_DECIDED_SERVICE_EMPTY:
		return FW_REASON_SERVICE_EMPTY;
	case FW_DECIDED_SERVICE_DIFFERS:
		return FW_REASON_SERVICE_DIFFERS;
	case FW_DECIDED_SERVICE_WIDE:
		return FW_REASON_SERVICE_WIDE;
	case FW_DECIDED_MULTICAST:
		return FW_REASON_MULTICAST;
	}
	if (decision & FW_DECISION_ALLOW)
		return FW_REASON_POLICY_ALLOW;
	return p->peer_class == FW_CLASS_UNKNOWN_POD ? FW_REASON_UNKNOWN_POD
						     : FW_REASON_POLICY_DENY;
}

static __always_inline int fw_verdict_audit(void)
{
	__u32 zero = 0;
	struct fw_node *node = bpf_map_lookup_elem(&fw_node, &zero);

	return node && FW_READ(node->enforcement) == FW_AUDIT;
}

/*
 * Precedence:
 *  1. the pod's own node's sockets pass (p->before: a flow that they opened, judged again by a
 * reply);
 *  2. an endpoint without policy, or locked down, denies everything else;
 *  3. a pod cannot block itself (NetworkPolicy);
 *  4. egress to a service's address (of a shared one: to the ports that it lists): its backends;
 *  5. the cell of (subject, direction, class); 6. the subject's default;
 *  7. multicast and broadcast want a rule;
 *  8. the node switch turns a policy's deny, unless it is firm, into an allow that says so.
 */
static __always_inline __u32 fw_verdict_of(struct __sk_buff *skb, const struct fw_endpoint *ep,
					   struct fw_packet *p, __u32 direction, const int here)
{
	__u32 decision, reason, state;

	p->epoch = fw_verdict_epoch(ep);
	state = FW_READ(ep->state);
	if (direction == FW_INGRESS && (fw_verdict_own_node(skb, ep, p) ||
					(p->before & (FW_DECISION_ALLOW | FW_DECISION_ID)) ==
						(FW_DECISION_ALLOW | FW_DECIDED_OWN_NODE))) {
		decision = FW_DECISION_ALLOW | FW_DECIDED_OWN_NODE;
	} else if (state == FW_EP_ISOLATED) {
		decision = FW_DECIDED_NO_POLICY_YET;
	} else if (state != FW_EP_ACTIVE) {
		decision = FW_DECIDED_LOCKED;
	} else if (fw_verdict_self(skb, ep, p)) {
		p->state |= FW_FLOW_STATE_SELF;
		decision = FW_DECISION_ALLOW | FW_DECIDED_DEFAULT;
	} else {
		decision = here ? fw_verdict_judged(ep, p) : fw_verdict_policy(ep, p, direction);
	}
	decision &= FW_DECISION_TOLD;
	reason = fw_verdict_reason(p, decision);
	if (!(decision & (FW_DECISION_ALLOW | FW_DECISION_FIRM)) && fw_verdict_audit()) {
		decision |= FW_DECISION_ALLOW | FW_DECISION_AUDITED;
		reason = FW_REASON_AUDITED;
	}
	p->decision = decision;
	return reason;
}

FW_SUB __u32 fw_verdict(struct __sk_buff *skb, const struct fw_endpoint *ep, struct fw_packet *p,
			__u32 direction)
{
	return ep && p ? fw_verdict_of(skb, ep, p, direction, 0) : FW_REASON_NONE;
}

#endif
