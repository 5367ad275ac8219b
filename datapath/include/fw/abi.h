/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The one contract between the BPF programs and user space: every map, its key and its value.
 * In: nothing. Out: types with asserted sizes, used by both sides. Never holds code.
 * A change of any layout here bumps FW_ABI_VERSION, which is part of the pin path, so that two
 * layouts never meet on one map. Addresses are 16 bytes in network order, IPv4 mapped
 * (::ffff:a.b.c.d). Ports are in host order unless the name ends in _be.
 */
#ifndef FW_ABI_H
#define FW_ABI_H

#include <linux/types.h>

#define FW_ABI_VERSION 1

/* Maximum of every table (the loader may be asked for less) and what happens when it is full. */
#define FW_IFINDEX_SLOTS   65536u /* endpoint rows found by (ifindex & 0xffff) */
#define FW_EXTRA_SLOTS	   1024u /* for a clash or a hook in a sandbox; full: ADD fails, error 11 */
#define FW_ENDPOINT_SLOTS  (FW_IFINDEX_SLOTS + FW_EXTRA_SLOTS)
#define FW_REGIONS_MAX	   4096u    /* flow regions = pods on a node; full: ADD fails, error 11 */
#define FW_BUCKET_SLOTS	   8u	    /* flow slots in a bucket */
#define FW_SUBJECTS_MAX	   16384u   /* full: the pod that needs one more is locked down */
#define FW_CELLS_MAX	   1048576u /* full: the same */
#define FW_RANGES_MAX	   262144u  /* full: the same */
#define FW_ADDRESSES_MAX   262144u  /* full: the address stays in its prefix's class, unknown-pod */
#define FW_PREFIXES_MAX	   65536u   /* full: pods with ipBlocks that do not fit are locked down */
#define FW_SERVICES_MAX	   131072u  /* full: the service port is denied as unlisted */
#define FW_SERVICE_GROUPS  8u	    /* kinds (class, port) of a service's backends; more: denied */
#define FW_RANGES_PER_CELL 4096u    /* full: the pod is locked down */
#define FW_NO_SLOT	   0xffffffffu

enum fw_direction {
	FW_INGRESS = 0, /* packets that enter the pod; host-side egress hook */
	FW_EGRESS = 1,	/* packets that leave the pod; host-side ingress hook */
};

/* fw_node: array of one row, mmapable. The node's switches and the secrets of this boot. */
enum fw_enforcement {
	FW_ENFORCE = 0, /* also what a missing map means */
	FW_AUDIT = 1, /* denies by policy pass and are recorded; malformed, spoofed: still denied */
};

struct fw_node {
	__u32 abi;	   /* FW_ABI_VERSION */
	__u32 enforcement; /* enum fw_enforcement */
	__u32 postnat_ok;  /* 1 while the chain after DNAT stands; else such packets are denied */
	__u32 regions;	   /* rows of fw_regions */
	__u32 region_buckets; /* buckets per region, a power of two */
	__u32 hz;	      /* jiffies per second, measured by the loader */
	__u64 mark_secret;    /* see bpf/hook.h: promotion from clsact to tcx */
	__u64 hash_secret[8]; /* random odd multipliers of the flow hash; programs hold a copy */
	__u64 boot_ns;	      /* CLOCK_REALTIME - CLOCK_MONOTONIC when the maps were made, ns */
	__u64 reserved[3];
};

/*
 * fw_endpoints: array of FW_ENDPOINT_SLOTS rows, mmapable. One row per (container id, ifname).
 * The plugin or the controller claims a row by cmpxchg of `state` FREE -> CLAIMED, fills it, and
 * publishes it by a store-release of `state`. Only the claimer writes until then.
 */
enum fw_endpoint_state {
	FW_EP_FREE = 0,
	FW_EP_CLAIMED = 1,  /* being filled: every packet is denied */
	FW_EP_ISOLATED = 2, /* no policy yet: only ARP, ND and the own node's packets pass */
	FW_EP_ACTIVE = 3,   /* `subject` holds the policy */
	FW_EP_LOCKED = 4,   /* its policy could not be stored whole: denied like ISOLATED */
};

#define FW_EP_IN_SANDBOX 0x01 /* the hook is inside the pod: no packet is "own node" there */

struct fw_endpoint {
	/* line 1: read by every packet, written only when policy changes */
	__u32 ifindex;	  /* full index of the device hooked; 0 for rows named by a constant */
	__u32 epoch;	  /* policy epoch; a flow whose epoch differs is judged again */
	__u32 flow_base;  /* first bucket of the region */
	__u32 flow_mask;  /* buckets in the region - 1 */
	__u8 mac[6];	  /* the pod's MAC */
	__u16 generation; /* of the region: in every flow key, so an old pod's flows never match */
	__u32 ip4_be;	  /* first IPv4 address, 0 for none */
	__u8 state;	  /* enum fw_endpoint_state */
	__u8 flags;	  /* FW_EP_* */
	__u8 ip4_more;	  /* used entries of ip4_extra_be */
	__u8 ip6_more;	  /* used entries of ip6_extra */
	__u8 ip6[16];	  /* first global IPv6 address, zero for none */
	__u32 subject;	  /* row of fw_subjects */
	__u32 region;	  /* row of fw_regions */
	__u64 owner; /* 64-bit hash of container id, NUL, ifname: who may change or free this row */
	/* line 2: cold */
	__u8 ip6_ll[16]; /* link-local address: the sandbox's, else EUI-64 of the MAC */
	__u32 ip4_extra_be[4];
	__u8 ip6_extra[2][16];
};

/* fw_regions: array, mmapable. `owner` is claimed by cmpxchg 0 -> owner. */
struct fw_region {
	__u64 owner;	  /* as in fw_endpoint, 0 = free */
	__u32 generation; /* counts claims; the low 16 bits go into fw_endpoint */
	__u32 slot;	  /* endpoint row */
	__u32 window;	  /* jiffies >> 5 of the record budget below (written by the programs) */
	__u32 spent;	  /* unfolded drop records in this window */
	__u64 suppressed; /* drop records not sent because the budget was spent */
};

/*
 * fw_flows: array of buckets, mmapable; flow-table protocol in bpf/flow_table.h.
 * One slot is one cache line and serves both directions and both families.
 */
struct fw_flow {
	__u64 ctl;	   /* state 2 | SUSPECT 1 | generation 29 | tag 32 */
	__u8 remote[16];   /* the peer's address */
	__u16 local_port;  /* fragments: identification, upper half */
	__u16 remote_port; /* fragments: identification, lower half */
	__u8 protocol;	   /* IP protocol number */
	__u8 kind;	   /* FW_FLOW_* bits | local address index (low 3 bits) */
	__u16 generation;  /* fw_endpoint.generation */
	__u64 ev;	   /* epoch << 32 | decision (FW_DECISION_*) */
	__u64 count[2];	   /* by fw_direction: packets << 36 | bytes, both modulo their width */
	__u32 seen;	   /* low 32 bits of jiffies of the last packet */
	__u32 state;	   /* FW_FLOW_STATE_* */
};

/* fw_flow.kind. ADDRESS: which local one; EGRESS: who sent the first (fragments, ICMP queries). */
#define FW_FLOW_ADDRESS	 0x07 /* 0 ip4_be or ip6, 1.. extras, 6 a group, 7 link-local */
#define FW_FLOW_FRAGMENT 0x08 /* a fragment entry: the ports hold the identification */
#define FW_FLOW_EGRESS	 0x10

#define FW_COUNT_BYTES_BITS   36
#define FW_COUNT_BYTES_MASK   ((1ULL << FW_COUNT_BYTES_BITS) - 1)
#define FW_COUNT_PACKETS_MASK ((1ULL << (64 - FW_COUNT_BYTES_BITS)) - 1)

#define FW_CTL_FREE	      0ULL
#define FW_CTL_BUSY	      1ULL
#define FW_CTL_VALID	      2ULL
#define FW_CTL_DEAD	      3ULL
#define FW_CTL_STATE	      3ULL
#define FW_CTL_SUSPECT	      4ULL
#define FW_CTL_GENERATION     0xfffffff8ULL
#define FW_CTL_GENERATION_ONE 8ULL
#define FW_CTL_TAG_SHIFT      32

/* fw_flow.state: EGRESS is fixed at insert, the rest grows until it is judged as a new flow. */
#define FW_FLOW_STATE_EGRESS   0x0001 /* the pod opened it */
#define FW_FLOW_STATE_SEEN_IN  0x0002
#define FW_FLOW_STATE_SEEN_OUT 0x0004
#define FW_FLOW_STATE_FIN_IN   0x0010
#define FW_FLOW_STATE_FIN_OUT  0x0020
#define FW_FLOW_STATE_RST      0x0040 /* a reset passed; the next other packet takes it back */
#define FW_FLOW_STATE_SYN      0x0080 /* began with a SYN (else picked up in the middle) */
#define FW_FLOW_STATE_SERVICE  0x0100 /* went to a service address: remote is the service's */
#define FW_FLOW_STATE_SELF     0x0200 /* the pod's own packets, coming back to it */
#define FW_FLOW_STATE_CUT      0x0400 /* was allowed, then denied: only a SYN opens it anew */
/* Fragments: from this bit on, 20 bits, the index of the parent slot in its region. */
#define FW_FLOW_STATE_PARENT_SHIFT 12

struct fw_bucket {
	struct fw_flow slot[FW_BUCKET_SLOTS];
};

/* Idle seconds after which the sweeper ends a flow and a full bucket may evict it. */
#define FW_IDLE_TCP	   86400u /* established */
#define FW_IDLE_TCP_HALF   30u	  /* one direction seen */
#define FW_IDLE_TCP_CLOSED 10u	  /* both FINs or a reset */
#define FW_IDLE_UDP	   120u	  /* both directions seen */
#define FW_IDLE_UDP_HALF   30u
#define FW_IDLE_OTHER	   60u
#define FW_IDLE_DENIED	   15u
#define FW_IDLE_FRAGMENT4  5u
#define FW_IDLE_FRAGMENT6  30u

/*
 * A decision: what the policy says and which rule said it, in one word. The low bits are the id of
 * an interned (verdict, rule, pending verdict, pending rule); user space resolves it. Ids below
 * FW_DECISION_FIRST are the datapath's own.
 */
#define FW_DECISION_ALLOW   0x80000000u
#define FW_DECISION_REJECT  0x40000000u /* deny, and answer with a reset or an ICMP error */
#define FW_DECISION_AUDITED 0x20000000u /* a deny that the node switch let pass (and ALLOW) */
#define FW_DECISION_FIRM    0x10000000u /* a deny that the node switch does not let pass */
/* Only in fw_flow.ev of a denied flow, never in a record: asked for packets that enter, leave. */
#define FW_DECISION_ASKED_IN  0x04000000u
#define FW_DECISION_ASKED_OUT 0x08000000u
#define FW_DECISION_ID	      0x03ffffffu
#define FW_DECISION_FIRST     64u

enum fw_decision_builtin {
	FW_DECIDED_NOTHING = 0,		/* no rule: also "no range matched" */
	FW_DECIDED_DEFAULT = 1,		/* not isolated, no rule matched: allow */
	FW_DECIDED_OWN_NODE = 2,	/* the pod's own node's sockets */
	FW_DECIDED_NO_POLICY_YET = 3,	/* endpoint isolated, controller has not programmed it */
	FW_DECIDED_LOCKED = 4,		/* endpoint locked down */
	FW_DECIDED_SERVICE_PORT = 5,	/* a service address, but not a port of it */
	FW_DECIDED_SERVICE_EMPTY = 6,	/* the service has no backend */
	FW_DECIDED_SERVICE_DIFFERS = 7, /* its backends are judged differently */
	FW_DECIDED_SERVICE_WIDE = 8,	/* more than FW_SERVICE_GROUPS kinds of backends */
	FW_DECIDED_RELATED = 9,		/* an ICMP error of an allowed flow */
	FW_DECIDED_TABLE_FULL = 10,	/* no flow slot to be had */
	FW_DECIDED_MULTICAST = 11,	/* multicast or broadcast that nothing allowed */
	FW_DECIDED_OLDER = 12,		/* a connection older than the hook, not judged yet */
	FW_DECIDED_SERVICE_CHOSEN = 13, /* allow: the chain after DNAT judges the chosen backend */
};

/* fw_subjects: array. What holds for a pod's direction where no cell says otherwise. */
#define FW_SUBJECT_CELLS_IN  0x1 /* there are cells for FW_INGRESS: look there first */
#define FW_SUBJECT_CELLS_OUT 0x2
#define FW_SUBJECT_OPEN_OUT  0x4 /* whatever leaves is allowed, whoever gets it */

struct fw_subject {
	__u32 otherwise[2]; /* decision by fw_direction */
	__u32 flags;	    /* FW_SUBJECT_* */
	__u32 reserved;
};

/* fw_cells: hash (subject, direction, class) -> slice of fw_ranges. */
struct fw_cell_key {
	__u32 subject;
	__u32 peer; /* class << 1 | fw_direction */
};

struct fw_cell {
	__u32 first; /* row of fw_ranges */
	__u32 count; /* 1 to FW_RANGES_PER_CELL */
};

/*
 * fw_ranges: array, mmapable. Sorted, disjoint; lo and hi are protocol << 16 | port (both
 * inclusive). For ICMP the port is type << 8 | code, for protocols without ports 0. A key that no
 * range holds: the subject's default.
 */
struct fw_range {
	__u32 lo;
	__u32 hi;
	__u32 decision;
	__u32 reserved;
};

#define FW_RANGE_KEY(protocol, port) ((__u32)(protocol) << 16 | (__u32)(port))
#define FW_RANGE_ALL_HI		     0x00ffffffu

/* fw_addresses: hash of addresses; fw_prefixes: LPM trie. An address in neither: FW_CLASS_WORLD. */
enum fw_class {
	FW_CLASS_WORLD = 0,	  /* outside, in no ipBlock that a policy names */
	FW_CLASS_UNKNOWN_POD = 1, /* in a pod range, owned by nobody yet */
	FW_CLASS_FIRST = 16,	  /* first class that the compiler gives */
};

#define FW_PEER_SERVICE	  0x1 /* a service's address: look in fw_services */
#define FW_PEER_POD	  0x2
#define FW_PEER_NODE	  0x4
#define FW_PEER_BROADCAST 0x8
#define FW_PEER_SHARED	  0x10 /* with SERVICE: ports that no service lists are the address's own */

struct fw_address_key {
	__u8 addr[16];
};

struct fw_prefix_key {
	__u32 prefixlen; /* bits of the 16-byte form: 96 + n for IPv4 */
	__u8 addr[16];
};

struct fw_peer {
	__u32 peer_class;
	__u32 flags; /* FW_PEER_* */
};

/* fw_services: hash (address, port, protocol) -> kinds of backends that kube-proxy chooses from. */
struct fw_service_key {
	__u8 addr[16];
	__u16 port;
	__u8 protocol;
	__u8 reserved;
};

enum fw_service_state {
	FW_SERVICE_RESOLVED = 0,
	FW_SERVICE_EMPTY = 1, /* no backend: denied by its own reason */
	FW_SERVICE_WIDE = 2,  /* more kinds than fit: denied by its own reason */
};

#define FW_GROUP_LEAVING 0x1 /* of no backend that a new connection gets; after all others */
/*
 * Not a kind of backends but a pod of this node: it stands behind the service itself, may reach no
 * other backend, and the chain after DNAT knows it. Named by fw_endpoint.owner, bits 0 to 31 in
 * peer_class and 32 to 47 in port, so that no later pod in its row is taken for it.
 */
#define FW_GROUP_OWN 0x2

struct fw_service_group {
	__u32 peer_class;
	__u16 port;  /* the backends' own port */
	__u16 flags; /* FW_GROUP_* */
};

/* The chain after DNAT judges every pod that may reach some of its backends only. */
#define FW_SERVICE_EXACT 0x1

struct fw_service {
	__u32 id;    /* user space's name for (service, port) */
	__u8 state;  /* enum fw_service_state */
	__u8 count;  /* used entries of group */
	__u16 flags; /* FW_SERVICE_* */
	struct fw_service_group group[FW_SERVICE_GROUPS];
};

/* fw_events: ring buffer of these. Never a forced wake-up; the reader polls. */
enum fw_event_type {
	FW_EVENT_NEW = 1,    /* a flow was inserted, allowed */
	FW_EVENT_DENY = 2,   /* a flow was judged denied; its slot counts the repeats */
	FW_EVENT_CHANGE = 3, /* a live flow was judged again and the decision differs */
	FW_EVENT_EVICT = 4,  /* left its slot in the kernel; counters lack what was in flight */
	FW_EVENT_DROP = 5,   /* never became a flow: malformed, spoofed, no slot; has a budget */
};

struct fw_event {
	__u64 time_ns;	  /* CLOCK_MONOTONIC, coarse */
	__u32 slot;	  /* endpoint row */
	__u16 generation; /* of the endpoint's region */
	__u8 type;	  /* enum fw_event_type */
	__u8 reason;	  /* enum fw_reason */
	__u8 local[16];	  /* the pod's side, as in the packet */
	__u8 remote[16];
	__u16 local_port;
	__u16 remote_port;
	__u8 protocol;
	__u8 direction; /* enum fw_direction of this packet */
	__u8 tcp_flags;
	__u8 family; /* 4, 6, or 0 when not parsed */
	__u32 decision;
	__u32 before;	/* CHANGE: the decision before */
	__u32 flow;	/* bucket * 8 + slot, FW_NO_SLOT for none */
	__u32 flow_ctl; /* low half of the slot's ctl: which life of the slot */
	__u32 peer_class;
	__u32 service;	  /* fw_service.id, 0 for none */
	__u32 state;	  /* fw_flow.state */
	__u32 suppressed; /* DROP: records not sent since the one before */
	__u64 count[2];	  /* NEW, DENY: of this packet; EVICT: of the flow */
};

/* fw_counters: per-CPU array, row = reason << 1 | direction. Packets but plain flow hits. */
struct fw_counter {
	__u64 packets;
	__u64 bytes;
};

/*
 * fw_judged: per-CPU array. What policy said of a new flow, by question; for the programs alone. A
 * row holds while its epoch is the endpoint's, as a flow's decision does: whatever changes what a
 * table says of a pod's packets bumps that pod's epoch.
 */
#define FW_JUDGED_ROWS 256u

struct fw_judged {
	__u64 owner; /* of the endpoint */
	__u64 remote[2];
	__u64 rest; /* port, protocol, direction, kind of local address, generation */
	__u32 epoch;
	__u32 turn; /* odd while the row is written */
	__u32 decision;
	__u32 peer_class;
	__u32 service;
	__u32 state;
	__u64 reserved;
};

/*
 * fw_lost: per-CPU array of __u64, row = enum fw_event_type: events that the ring buffer had no
 * room for. Row 0, first CPU: how many of the rows' sum user space has told of.
 */
#define FW_LOST_BUDGET 6 /* row: events of flows beyond what their pod may write (fw_budgets) */
#define FW_LOST_ROWS   8

/*
 * fw_budgets: per-CPU array, row = region. What a pod has written of NEW, EVICT and (for new flows)
 * DENY: so many per window on one CPU, as the loader says, so that no pod fills the ring for the
 * others. What is not written is counted in fw_lost; flows that live on are told by the sweeper.
 */
#define FW_BUDGET_FLOWS 8192u /* per window and CPU, at most; the ring's half for all CPUs */
#define FW_BUDGET_SHIFT 5     /* a window is 32 jiffies, also that of fw_region */

struct fw_budget {
	__u32 window; /* jiffies >> FW_BUDGET_SHIFT */
	__u32 spent;
};

#define FW_ASSERT_SIZE(type, size)                                                                 \
	_Static_assert(sizeof(struct type) == (size), #type " is " #size " bytes")
FW_ASSERT_SIZE(fw_node, 128);
FW_ASSERT_SIZE(fw_endpoint, 128);
FW_ASSERT_SIZE(fw_region, 32);
FW_ASSERT_SIZE(fw_flow, 64);
FW_ASSERT_SIZE(fw_bucket, 512);
FW_ASSERT_SIZE(fw_subject, 16);
FW_ASSERT_SIZE(fw_cell_key, 8);
FW_ASSERT_SIZE(fw_cell, 8);
FW_ASSERT_SIZE(fw_range, 16);
FW_ASSERT_SIZE(fw_address_key, 16);
FW_ASSERT_SIZE(fw_prefix_key, 20);
FW_ASSERT_SIZE(fw_peer, 8);
FW_ASSERT_SIZE(fw_service_key, 20);
FW_ASSERT_SIZE(fw_service, 72);
FW_ASSERT_SIZE(fw_event, 104);
FW_ASSERT_SIZE(fw_counter, 16);
FW_ASSERT_SIZE(fw_budget, 8);
FW_ASSERT_SIZE(fw_judged, 64);

#endif
