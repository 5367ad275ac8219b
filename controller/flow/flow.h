/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flow records: events of the ring buffer and passes of the sweeper, with names put on them.
 * In: struct fw_event, struct fw_sweep_flow. Out: struct fw_record, to a bounded history and to
 * subscribers. Looks back, read-only, at the model for names; names are those at the time of the
 * packet.
 */
#ifndef FW_FLOW_FLOW_H
#define FW_FLOW_FLOW_H

#include "apply/apply.h"
#include "base/buf.h"
#include "loader/sweep.h"
#include "model/model.h"

enum fw_record_type {
	FW_RECORD_NEW,	  /* first packet of an allowed flow */
	FW_RECORD_END,	  /* the flow ended: exact totals */
	FW_RECORD_DENY,	  /* denied; `repeats` more of the same were folded into it */
	FW_RECORD_CHANGE, /* a live flow's judgement changed */
	FW_RECORD_DROP,	  /* malformed, spoofed, no slot */
	FW_RECORD_LOST,	  /* `repeats` records were lost here */
};

#define FW_NAME_TEXT 254

struct fw_party {
	struct fw_ip ip;
	uint16_t port;
	char namespace[64]; /* "" when no pod owns the address */
	char pod[FW_NAME_TEXT];
	char workload[FW_NAME_TEXT]; /* "Deployment/web", "" none */
	char entity[16];	     /* "pod", "world", "unknown-pod", "node", "service", "host" */
};

struct fw_record {
	uint64_t time_ns;  /* CLOCK_REALTIME */
	uint64_t sequence; /* of this daemon, for gaps */
	enum fw_record_type type;
	uint8_t direction; /* at the pod that reports: enum fw_direction of the packet that opened
			      it */
	uint8_t protocol;  /* ICMP: source.port is the echo identifier, destination.port type << 8 |
			      code */
	uint8_t tcp_flags;
	uint8_t reason; /* enum fw_reason */
	uint8_t family;
	bool audited; /* passed because the node is in Audit */
	bool inexact; /* evicted in the kernel */
	enum fw_verdict verdict;
	enum fw_verdict pending;
	struct fw_party source; /* who opened the flow */
	struct fw_party destination;
	char service[FW_NAME_TEXT]; /* "shop/web:http", "" none */
	char backend[FW_NAME_TEXT]; /* "web-0", "other/web-0", "192.0.2.1": chosen after us; "" not
				       told */
	char rule[160];
	char rule_before[160]; /* CHANGE */
	char pending_rule[160];
	uint64_t repeats;
	uint64_t packets[2], bytes[2]; /* forward (source to destination), backward */
	uint64_t duration_ns;	       /* END */
	uint32_t flow;
};

struct fw_flows; /* the record keeper */

/*
 * Records kept in memory; the oldest goes when full, and is not "lost". Kept compactly, names
 * shared: 160 bytes each, 10 MiB for the default; beside it about 4 MiB of name caches and 152
 * bytes per flow that is open.
 */
#define FW_HISTORY_DEFAULT 65536u

int fw_flows_new(struct fw_datapath *datapath, const struct fw_model *model,
		 const struct fw_apply *apply, size_t history, struct fw_flows **ret_flows,
		 struct fw_err *err);
void fw_flows_free(struct fw_flows **flows);

/* A flow to a service whose backends policy tells apart: what became of it. */
struct fw_choice_question {
	uint32_t slot; /* endpoint row */
	uint8_t protocol;
	struct fw_ip pod, service;
	uint16_t pod_port, port;
};

struct fw_choice {
	struct fw_ip backend;
	uint16_t port;
	bool allowed;
	bool itself;				/* the pod's own address: allowed by no rule */
	bool audited;				/* denied, and the node lets it pass */
	const struct fw_decision_row *decision; /* by tables that are valid until the next call */
};

/*
 * 0; -ENOENT when no backend was reached, and then only `audited` is told; another error when it
 * cannot be told.
 */
typedef int (*fw_flow_chosen)(const struct fw_choice_question *question,
			      struct fw_choice *ret_choice, void *context);
/*
 * Whom to ask about such flows, some milliseconds after their first packet: by then conntrack
 * knows, or the packet was dropped. Records of them wait for the answer; at most FW_CHOICES_PENDING
 * at a time, the others say only that the chosen backend is judged.
 */
#define FW_CHOICES_PENDING 256u
void fw_flows_set_chosen(struct fw_flows *flows, fw_flow_chosen chosen, void *context);

/*
 * Takes events from the ring buffer without waiting, a few thousand at most; about every 20 ms.
 * Returns records made, or -errno.
 */
int fw_flows_poll(struct fw_flows *flows);
/* The last poll left some: to be polled again as soon as everything else had its turn. */
bool fw_flows_behind(const struct fw_flows *flows);
/*
 * Ends every flow of a region whose hook is detached, so that they are told of before the region is
 * another pod's.
 */
void fw_flows_flush(struct fw_flows *flows, uint32_t region);
/* Runs the sweeper once; about every second. */
int fw_flows_sweep(struct fw_flows *flows, struct fw_err *err);
/* Records known to be lost: reported by this daemon, those lost while none ran included. */
uint64_t fw_flows_lost(const struct fw_flows *flows);
uint64_t fw_flows_made(const struct fw_flows *flows);

typedef void (*fw_record_sink)(const struct fw_record *record, void *context);
/* Called for each new record, in order. The handle is for fw_flows_unsubscribe(). */
int fw_flows_subscribe(struct fw_flows *flows, fw_record_sink sink, void *context,
		       uint64_t *ret_handle);
void fw_flows_unsubscribe(struct fw_flows *flows, uint64_t handle);
/* The history, oldest first. */
void fw_flows_history(const struct fw_flows *flows, fw_record_sink sink, void *context);
/*
 * A piece of the history, oldest first: at most `max` records whose sequence is above `after`.
 * Returns how many were given. For readers that take it in portions as their socket drains (the
 * whole of it is about 60 MB of JSON).
 */
size_t fw_flows_history_after(const struct fw_flows *flows, uint64_t after, size_t max,
			      fw_record_sink sink, void *context);
/* Sequence of the newest record (0: none yet); how many are held: the last n follow newest - n. */
uint64_t fw_flows_newest(const struct fw_flows *flows);
size_t fw_flows_held(const struct fw_flows *flows);

/*
 * One record as one line of JSON without the newline. Its members are those of Hubble's flow schema
 * (time, verdict, IP, l4, source, destination, Type, node_name, traffic_direction, event_type,
 * drop_reason_desc, Summary ...; a lost record has lost_events instead); ours are in the last one,
 * "podwall":
 *   type            "NEW" | "END" | "DENY" | "CHANGE" | "DROP" | "LOST"
 *   sequence        of this daemon, counts by one
 *   verdict         "ALLOW" | "DENY" | "REJECT"; pending the same; audited, inexact: bool
 *   reason          name in reasons.h; tcpFlags: number; protocol: IP protocol number
 *   rule, ruleBefore (CHANGE), pendingRule, service: text, "" none; backend: text (absent: none)
 *   source, destination   {entity}: "pod", "world", "unknown-pod", "node", "host", "service"
 *   repeats         number; packets, bytes {forward, backward}; durationNs; flow (absent: none)
 * Control, C1 and bidirectional characters are written as \u escapes.
 */
int fw_record_json(const struct fw_record *record, const char *node, struct fw_buf *buf);
/*
 * The same without "podwall" in Hubble's envelope, {"flow": {...}, "node_name": ..., "time": ...}:
 * what `hubble observe --input-file -` reads, also where it refuses unknown members.
 */
int fw_record_json_hubble(const struct fw_record *record, const char *node, struct fw_buf *buf);

/* Hubble's name for why the packet was dropped ("POLICY_DENIED"), the nearest to record->reason. */
const char *fw_record_drop_name(const struct fw_record *record);

#endif
