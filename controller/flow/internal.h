/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the record keeper share: the keeper itself, and how a record leaves it.
 * In: half-made records. Out: the history and the subscribers. Only for files of this folder.
 */
#ifndef FW_FLOW_INTERNAL_H
#define FW_FLOW_INTERNAL_H

#include "flow/flow.h"
#include "flow/history.h"
#include "flow/intern.h"
#include "flow/open.h"
#include "flow/who.h"

#define FW_SUBSCRIBERS_MAX 64u	 /* one more: -ENOSPC */
#define FW_EVENTS_PER_POLL 4096u /* about 1 ms; then the event loop has its turn */

struct ring_buffer;

struct fw_subscriber {
	uint64_t handle; /* 0: free */
	fw_record_sink sink;
	void *context;
};

struct fw_pending_choice {
	struct fw_event event;
	uint64_t queued_ns;
};

struct fw_flows {
	fw_flow_chosen chosen; /* NULL: nobody knows */
	void *chosen_context;
	size_t pending_count;
	struct fw_pending_choice pending[FW_CHOICES_PENDING];
	struct fw_datapath *datapath; /* borrowed */
	struct fw_interns *interns;
	struct fw_who *who;
	struct fw_opens *opens;
	struct fw_history *history;
	struct fw_sweeper *sweeper;
	struct ring_buffer *ring;
	int64_t wall_offset; /* CLOCK_REALTIME - CLOCK_MONOTONIC, at the last poll */
	uint64_t now_ns;     /* CLOCK_MONOTONIC, at the last poll */
	uint32_t region_slots;
	uint32_t budget;       /* events left in this poll */
	uint64_t lost;	       /* reported by this daemon */
	uint64_t lost_seen;    /* total of fw_lost that records have told of */
	uint64_t *lost_values; /* one per possible CPU */
	size_t cpus;
	bool jiffies_known;
	uint32_t jiffies_at; /* a jiffy (low 32 bits) and the CLOCK_MONOTONIC time of its beginning
			      */
	uint64_t jiffies_ns;
	uint64_t next_handle;
	size_t subscriber_count;
	struct fw_subscriber subscribers[FW_SUBSCRIBERS_MAX];
	struct fw_record record; /* expanded for subscribers */
};

/* Takes the atoms of `kept`; time is CLOCK_MONOTONIC in, wall clock in the history. */
void fw_flows_emit(struct fw_flows *flows, struct fw_kept *kept);
/* Words and verdict of a decision into a record. */
void fw_flows_decide(struct fw_flows *flows, struct fw_kept *kept, uint32_t decision);
void fw_flows_ports(struct fw_kept *kept, uint16_t local, uint16_t remote);
void fw_flows_rename(struct fw_flows *flows, const struct fw_open *open, struct fw_kept *kept);
/* One event of the ring buffer. */
void fw_flows_event(struct fw_flows *flows, const struct fw_event *event);
/* The same for a flow whose choice was asked for (chosen.c); NULL: it was not. */
void fw_flows_event_chosen(struct fw_flows *flows, const struct fw_event *event,
			   const struct fw_choice *choice, int result);
/* True when the event waits for its answer. Those of the same flow before it go first. */
bool fw_flows_wait_for_choice(struct fw_flows *flows, const struct fw_event *event);
/* Those that have waited long enough; `all`: every one. */
void fw_flows_settle_choices(struct fw_flows *flows, bool all);
/* What the answer makes of a record. */
void fw_flows_choose(struct fw_flows *flows, const struct fw_event *event,
		     const struct fw_choice *choice, int result, struct fw_kept *kept);
/* One flow that the sweeper tells of. */
void fw_flows_swept(const struct fw_sweep_flow *flow, void *context);
/* The last record of a flow, from its entry; drops the entry. */
void fw_flows_end(struct fw_flows *flows, struct fw_open *open, struct fw_kept *kept);
/* Counts what the ring buffer had no room for since the last call; a LOST record when there is
 * some. */
int fw_flows_count_lost(struct fw_flows *flows);

#endif
