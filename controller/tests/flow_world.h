/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small node for the tests of records: real maps, two pods, a few decisions. In: a pin directory.
 * Out: a record keeper whose ring buffer is fed by a test program. Shares nothing with the programs
 * under test but the maps.
 */
#ifndef FW_TESTS_FLOW_WORLD_H
#define FW_TESTS_FLOW_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "flow/internal.h"
#include "flow_feed.skel.h"
#include "fw/reasons.h"

#define RECORDS_MAX 512u
#define WORLD_OK    (FW_DECISION_ALLOW | FW_DECIDED_DEFAULT)
#define WORLD_DENY  ((__u32)FW_DECIDED_SERVICE_PORT)

struct flow_world {
	struct fw_datapath *datapath;
	struct fw_model *model;
	struct fw_apply *apply;
	struct fw_flows *flows;
	struct flow_feed *feed;
	uint32_t slot; /* of shop/web-1, 10.1.0.2 */
	char pin[64], state_dir[64];
	struct fw_record got[RECORDS_MAX];
	size_t count;
	uint64_t handle;
};

static inline void world_must(int r, const char *what, const struct fw_err *err)
{
	if (r >= 0)
		return;
	print_message("%s: %s (%d)\n", what, err ? err->text : "", r);
	fail();
}

static inline char *copy(const char *text)
{
	char *copied = strdup(text);

	assert_non_null(copied);
	return copied;
}

static inline void world_pod(struct flow_world *w, const char *namespace, const char *name,
			     const char *ip, const char *kind, const char *workload)
{
	struct fw_pod *pod = calloc(1, sizeof(*pod));
	static uint64_t digest;
	bool changed;

	assert_non_null(pod);
	pod->object = (struct fw_object){.kind = FW_KIND_POD,
					 .namespace = copy(namespace),
					 .name = copy(name),
					 .uid = copy(""),
					 .origin = copy("test"),
					 .digest = ++digest};
	pod->node = copy("node-a");
	pod->workload_kind = copy(kind);
	pod->workload_name = copy(workload);
	pod->config_hash = copy("");
	pod->ips = calloc(1, sizeof(*pod->ips));
	pod->ip_count = 1;
	assert_int_equal(fw_ip_parse(ip, pod->ips, NULL), 0);
	assert_int_equal(fw_model_put(w->model, &pod->object, &changed), 0);
}

static inline void world_sandbox(struct flow_world *w, const char *container, const char *namespace,
				 const char *name, uint32_t slot)
{
	struct fw_sandbox *sandbox = calloc(1, sizeof(*sandbox));
	static uint64_t sequence;

	assert_non_null(sandbox);
	sandbox->container_id = copy(container);
	sandbox->ifname = copy("eth0");
	sandbox->namespace = copy(namespace);
	sandbox->name = copy(name);
	sandbox->uid = copy("");
	sandbox->slot = slot;
	sandbox->sequence = ++sequence;
	assert_int_equal(fw_model_put_sandbox(w->model, sandbox), 0);
}

static inline void world_take(const struct fw_record *record, void *context)
{
	struct flow_world *w = context;

	if (w->count < RECORDS_MAX)
		w->got[w->count] = *record;
	w->count++;
}

/* What is sent goes through the maps that the keeper reads. */
static inline void world_feed(struct flow_world *w)
{
	w->feed = flow_feed__open();
	assert_non_null(w->feed);
	assert_int_equal(bpf_map__reuse_fd(w->feed->maps.fw_events,
					   fw_datapath_map_fd(w->datapath, FW_MAP_EVENTS)),
			 0);
	assert_int_equal(bpf_map__reuse_fd(w->feed->maps.fw_lost,
					   fw_datapath_map_fd(w->datapath, FW_MAP_LOST)),
			 0);
	assert_int_equal(flow_feed__load(w->feed), 0);
}

static inline void world_keeper(struct flow_world *w, size_t history)
{
	struct fw_err err = {""};

	world_must(fw_flows_new(w->datapath, w->model, w->apply, history, &w->flows, &err),
		   "fw_flows_new", &err);
	assert_int_equal(fw_flows_subscribe(w->flows, world_take, w, &w->handle), 0);
}

static inline void world_begin(struct flow_world *w, const char *pin, uint32_t events_bytes,
			       size_t history)
{
	struct fw_sizes sizes = {.regions = 4,
				 .region_slots = 64,
				 .cells = 64,
				 .ranges = 64,
				 .addresses = 64,
				 .prefixes = 64,
				 .services = 64,
				 .events_bytes = events_bytes};
	struct fw_err err = {""};

	memset(w, 0, sizeof(*w));
	(void)snprintf(w->pin, sizeof(w->pin), "%s", pin);
	(void)snprintf(w->state_dir, sizeof(w->state_dir), "/tmp/pw-flw-XXXXXX");
	assert_non_null(mkdtemp(w->state_dir));
	(void)fw_datapath_destroy(w->pin, &err);
	world_must(fw_datapath_make(w->pin, &sizes, &w->datapath, &err), "fw_datapath_make", &err);
	world_must(fw_apply_new(w->datapath, w->state_dir, &w->apply, &err), "fw_apply_new", &err);
	assert_int_equal(fw_model_new(&w->model), 0);
	assert_int_equal(fw_model_set_node_name(w->model, "node-a"), 0);
	world_pod(w, "shop", "web-1", "10.1.0.2", "Deployment", "web");
	world_pod(w, "shop", "db-0", "10.1.0.3", "StatefulSet", "db");
	world_must(fw_endpoint_claim(w->datapath, fw_endpoint_owner("c1", "eth0"), 100, &w->slot,
				     &err),
		   "fw_endpoint_claim", &err);
	world_sandbox(w, "c1", "shop", "web-1", w->slot);
	world_feed(w);
	world_keeper(w, history);
}

static inline void world_end(struct flow_world *w)
{
	static const char *const names[] = {"ids.log", "decisions.log", "services.log"};
	struct fw_err err = {""};
	char path[128];

	flow_feed__destroy(w->feed);
	fw_flows_free(&w->flows);
	fw_apply_free(&w->apply);
	fw_model_free(&w->model);
	fw_datapath_close(&w->datapath);
	world_must(fw_datapath_destroy(w->pin, &err), "fw_datapath_destroy", &err);
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", w->state_dir, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(w->state_dir);
}

static inline struct fw_event world_event(const struct flow_world *w, uint8_t type,
					  uint8_t direction, const char *remote)
{
	struct fw_event event = {
		.time_ns = w->flows->now_ns, .slot = w->slot, .type = type, .direction = direction};
	struct fw_ip ip;

	event.generation = fw_datapath_endpoint(w->datapath, w->slot)->generation;
	event.reason = type == FW_EVENT_DENY ? FW_REASON_POLICY_DENY : FW_REASON_POLICY_ALLOW;
	event.decision = type == FW_EVENT_DENY ? WORLD_DENY : WORLD_OK;
	event.protocol = FW_PROTO_TCP;
	event.tcp_flags = 0x02;
	event.family = 4;
	event.local_port = direction == FW_EGRESS ? 40000 : 80;
	event.remote_port = direction == FW_EGRESS ? 5432 : 40001;
	event.flow = 5;
	event.flow_ctl = 2 | 1 << 3;
	event.state = direction == FW_EGRESS ? FW_FLOW_STATE_EGRESS : 0;
	event.count[direction] = 1ULL << FW_COUNT_BYTES_BITS | 74;
	assert_int_equal(fw_ip_parse("10.1.0.2", &ip, NULL), 0);
	memcpy(event.local, ip.b, sizeof(event.local));
	assert_int_equal(fw_ip_parse(remote, &ip, NULL), 0);
	memcpy(event.remote, ip.b, sizeof(event.remote));
	return event;
}

static inline int world_send(struct flow_world *w, const struct fw_event *event)
{
	uint8_t packet[14 + sizeof(*event)] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet, .data_size_in = sizeof(packet));

	memcpy(packet + 14, event, sizeof(*event));
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(w->feed->progs.fw_feed_one), &run),
			 0);
	return (int)run.retval;
}

/* One decision in force for shop/web-1 in both directions; returns its word. */
static inline uint32_t world_decide(struct flow_world *w)
{
	struct fw_decision_row decision = {.digest = {1, 2},
					   .verdict = FW_VERDICT_ALLOW,
					   .rule = {.layer = "application",
						    .kind = "netpol",
						    .namespace = "shop",
						    .name = "web-egress",
						    .rule = 2},
					   .pending = FW_VERDICT_DENY,
					   .pending_rule = {.layer = "application",
							    .kind = "netpol",
							    .namespace = "shop",
							    .name = "next",
							    .rule = -1,
							    .isolated_by = 3}};
	struct fw_subject_row subject = {.digest = {3, 4}, .label = "netpol shop/web"};
	struct fw_class_row classes[] = {{.digest = {5, 6}, .label = "world"},
					 {.digest = {7, 8}, .label = "unknown"}};
	struct fw_pod_row pod = {
		.namespace = "shop", .name = "web-1", .uid = "", .peer_class = FW_TABLES_WORLD};
	struct fw_tables tables = {.classes = classes,
				   .classes_count = 2,
				   .subjects = &subject,
				   .subjects_count = 1,
				   .decisions = &decision,
				   .decisions_count = 1,
				   .pods = &pod,
				   .pods_count = 1};
	struct fw_apply_endpoint endpoint = {.slot = w->slot,
					     .owner = fw_endpoint_owner("c1", "eth0"),
					     .namespace = "shop",
					     .name = "web-1"};
	struct fw_apply_stats stats;
	struct fw_err err = {""};
	struct fw_subject row;
	uint32_t id;

	fw_endpoint_publish(fw_datapath_endpoint(w->datapath, w->slot), FW_EP_ISOLATED);
	world_must(fw_apply_tables(w->apply, &tables, &endpoint, 1, &stats, &err),
		   "fw_apply_tables", &err);
	id = fw_datapath_endpoint(w->datapath, w->slot)->subject;
	assert_int_equal(
		bpf_map_lookup_elem(fw_datapath_map_fd(w->datapath, FW_MAP_SUBJECTS), &id, &row),
		0);
	return row.otherwise[FW_INGRESS];
}

/* A flow as the sweeper tells of it. */
static inline struct fw_sweep_flow world_swept(const struct flow_world *w,
					       const struct fw_event *event, uint64_t packets,
					       uint64_t bytes)
{
	struct fw_sweep_flow swept = {.flow = event->flow, .slot = w->slot};
	uint8_t d = event->direction;

	swept.copy.ctl = event->flow_ctl;
	swept.copy.ev = event->decision;
	swept.copy.protocol = event->protocol;
	swept.copy.local_port = event->local_port;
	swept.copy.remote_port = event->remote_port;
	swept.copy.generation = event->generation;
	swept.copy.state = event->state;
	memcpy(swept.copy.remote, event->remote, sizeof(swept.copy.remote));
	swept.packets[d] = packets;
	swept.bytes[d] = bytes;
	return swept;
}

#endif
