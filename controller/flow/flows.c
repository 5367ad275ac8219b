/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record keeper: drains the ring buffer, runs the sweeper, counts what was lost, serves the
 * subscribers. In: a tick of the event loop. Out: records. Never waits.
 */
#include "flow/internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"

#define SECOND_NS	1000000000ULL
#define FLUSH_POLLS_MAX 16
/* Row 0 of fw_lost, first CPU: how many of the lost ones some daemon has reported. */
#define REPORTED_ROW 0u

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now = {0};

	(void)clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static void look_at_clocks(struct fw_flows *flows)
{
	flows->now_ns = clock_ns(CLOCK_MONOTONIC);
	flows->wall_offset = (int64_t)(clock_ns(CLOCK_REALTIME) - flows->now_ns);
}

void fw_flows_emit(struct fw_flows *flows, struct fw_kept *kept)
{
	const struct fw_kept *put;

	kept->time_ns += (uint64_t)flows->wall_offset;
	put = fw_history_put(flows->history, kept);
	if (!flows->subscriber_count)
		return;
	fw_kept_expand(put, &flows->record);
	for (size_t i = 0; i < FW_SUBSCRIBERS_MAX; i++) {
		if (flows->subscribers[i].handle)
			flows->subscribers[i].sink(&flows->record, flows->subscribers[i].context);
	}
}

static int take(void *context, void *data, size_t len)
{
	struct fw_flows *flows = context;

	if (len >= sizeof(struct fw_event))
		fw_flows_event(flows, data);
	return --flows->budget ? 0 : -ECANCELED;
}

static uint64_t sum_row(const struct fw_flows *flows, uint32_t row)
{
	int fd = fw_datapath_map_fd(flows->datapath, FW_MAP_LOST);
	uint64_t sum = 0;

	if (bpf_map_lookup_elem(fd, &row, flows->lost_values))
		return 0;
	for (size_t i = 0; i < flows->cpus; i++)
		sum += flows->lost_values[i];
	return sum;
}

int fw_flows_count_lost(struct fw_flows *flows)
{
	struct fw_kept kept = {
		.type = FW_RECORD_LOST, .time_ns = flows->now_ns, .flow = FW_NO_SLOT};
	uint32_t row = REPORTED_ROW;
	uint64_t total = 0;

	for (uint32_t type = FW_EVENT_NEW; type < FW_LOST_ROWS; type++)
		total += sum_row(flows, type);
	if (total <= flows->lost_seen)
		return 0;
	kept.repeats = total - flows->lost_seen;
	flows->lost += kept.repeats;
	flows->lost_seen = total;
	memset(flows->lost_values, 0, flows->cpus * sizeof(*flows->lost_values));
	flows->lost_values[0] = total;
	fw_flows_emit(flows, &kept);
	return bpf_map_update_elem(fw_datapath_map_fd(flows->datapath, FW_MAP_LOST), &row,
				   flows->lost_values, BPF_ANY);
}

static int start(struct fw_flows *flows, size_t history, struct fw_err *err)
{
	int r, cpus = libbpf_num_possible_cpus();

	if (cpus < 0)
		return fw_err_errno(err, cpus, "number of CPUs");
	flows->cpus = (size_t)cpus;
	flows->lost_values = calloc(flows->cpus, sizeof(*flows->lost_values));
	if (!flows->lost_values)
		return fw_err_errno(err, -ENOMEM, "flow records");
	r = fw_history_new(flows->interns, history, &flows->history);
	if (r)
		return fw_err_errno(err, r, "history of %zu records", history);
	r = fw_opens_new(flows->interns, &flows->opens);
	if (r)
		return fw_err_errno(err, r, "table of open flows");
	r = fw_sweeper_new(flows->datapath, &flows->sweeper);
	if (r)
		return fw_err_errno(err, r, "sweeper");
	flows->ring = ring_buffer__new(fw_datapath_map_fd(flows->datapath, FW_MAP_EVENTS), take,
				       flows, NULL);
	if (!flows->ring)
		return fw_err_errno(err, -errno, "ring buffer %s", fw_map_name(FW_MAP_EVENTS));
	flows->lost_seen = sum_row(flows, REPORTED_ROW);
	look_at_clocks(flows);
	return 0;
}

int fw_flows_new(struct fw_datapath *datapath, const struct fw_model *model,
		 const struct fw_apply *apply, size_t history, struct fw_flows **ret_flows,
		 struct fw_err *err)
{
	_cleanup_(fw_flows_free) struct fw_flows *flows = calloc(1, sizeof(*flows));
	const struct fw_node *node = fw_datapath_node(datapath);
	int r;

	if (!flows)
		return fw_err_errno(err, -ENOMEM, "flow records");
	flows->datapath = datapath;
	flows->region_slots = node->region_buckets ? node->region_buckets * FW_BUCKET_SLOTS : 1;
	r = fw_interns_new(&flows->interns);
	if (!r)
		r = fw_who_new(datapath, model, apply, flows->interns, &flows->who);
	if (r)
		return fw_err_errno(err, r, "flow records");
	r = start(flows, history, err);
	if (r)
		return r;
	*ret_flows = TAKE_PTR(flows);
	return 0;
}

void fw_flows_free(struct fw_flows **flows)
{
	if (!*flows)
		return;
	ring_buffer__free((*flows)->ring);
	fw_sweeper_free(&(*flows)->sweeper);
	fw_opens_free(&(*flows)->opens);
	fw_history_free(&(*flows)->history);
	fw_who_free(&(*flows)->who);
	fw_interns_free(&(*flows)->interns);
	free((*flows)->lost_values);
	free(*flows);
	*flows = NULL;
}

int fw_flows_poll(struct fw_flows *flows)
{
	uint64_t before = fw_history_newest(flows->history);
	int r;

	look_at_clocks(flows);
	fw_who_refresh(flows->who);
	fw_flows_settle_choices(flows, false);
	flows->budget = FW_EVENTS_PER_POLL;
	r = ring_buffer__consume(flows->ring);
	if (r == -ECANCELED)
		r = 0;
	if (r >= 0)
		r = fw_flows_count_lost(flows);
	return r < 0 ? r : (int)(fw_history_newest(flows->history) - before);
}

bool fw_flows_behind(const struct fw_flows *flows)
{
	return !flows->budget;
}

void fw_flows_flush(struct fw_flows *flows, uint32_t region)
{
	int polls = 0;

	/* their first records come before their last ones, as far as a flood leaves time for it */
	do
		(void)fw_flows_poll(flows);
	while (fw_flows_behind(flows) && ++polls < FLUSH_POLLS_MAX);
	fw_flows_settle_choices(flows, true);
	fw_sweeper_flush(flows->sweeper, region, fw_flows_swept, flows);
}

int fw_flows_sweep(struct fw_flows *flows, struct fw_err *err)
{
	int r = fw_flows_poll(flows);

	if (r < 0)
		return fw_err_errno(err, r, "ring buffer %s", fw_map_name(FW_MAP_EVENTS));
	fw_flows_settle_choices(flows, true);
	return fw_sweeper_pass(flows->sweeper, fw_flows_swept, flows, err);
}

uint64_t fw_flows_lost(const struct fw_flows *flows)
{
	return flows->lost;
}

uint64_t fw_flows_made(const struct fw_flows *flows)
{
	return fw_history_newest(flows->history);
}

int fw_flows_subscribe(struct fw_flows *flows, fw_record_sink sink, void *context,
		       uint64_t *ret_handle)
{
	for (size_t i = 0; i < FW_SUBSCRIBERS_MAX; i++) {
		if (flows->subscribers[i].handle)
			continue;
		flows->subscribers[i] = (struct fw_subscriber){++flows->next_handle, sink, context};
		flows->subscriber_count++;
		*ret_handle = flows->next_handle;
		return 0;
	}
	return -ENOSPC;
}

void fw_flows_unsubscribe(struct fw_flows *flows, uint64_t handle)
{
	for (size_t i = 0; handle && i < FW_SUBSCRIBERS_MAX; i++) {
		if (flows->subscribers[i].handle != handle)
			continue;
		flows->subscribers[i] = (struct fw_subscriber){0};
		flows->subscriber_count--;
		return;
	}
}

size_t fw_flows_history_after(const struct fw_flows *flows, uint64_t after, size_t max,
			      fw_record_sink sink, void *context)
{
	uint64_t newest = fw_history_newest(flows->history);
	uint64_t oldest = newest - fw_history_held(flows->history) + 1;
	struct fw_record record;
	size_t given = 0;

	for (uint64_t i = after + 1 > oldest ? after + 1 : oldest; i <= newest && given < max;
	     i++) {
		const struct fw_kept *kept = fw_history_get(flows->history, i);

		if (!kept)
			continue;
		fw_kept_expand(kept, &record);
		sink(&record, context);
		given++;
	}
	return given;
}

void fw_flows_history(const struct fw_flows *flows, fw_record_sink sink, void *context)
{
	(void)fw_flows_history_after(flows, 0, SIZE_MAX, sink, context);
}

uint64_t fw_flows_newest(const struct fw_flows *flows)
{
	return fw_history_newest(flows->history);
}

size_t fw_flows_held(const struct fw_flows *flows)
{
	return fw_history_held(flows->history);
}
