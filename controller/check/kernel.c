// SPDX-License-Identifier: Apache-2.0
/*
 * Test runs of the real programs on real tables. In: a world, one packet at one pod's interface.
 * Out: what the kernel did with it. Endpoint rows are written here as the plugin writes them;
 * everything else comes from apply. Must never touch the maps, pins or devices of a running node.
 */
#include "check/kernel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "apply/apply.h"
#include "base/cleanup.h"
#include "check/devices.h"
#include "check/packet.h"
#include "fw/reasons.h"
#include "loader/loader.h"

#define REGION_SLOTS	512u
#define FW_NAME_MAX	320u
#define RUNS_PER_WIPE	128u
#define LAST_PORT	59999u /* no destination port of a question is between the two */
#define FIRST_PORT	20000u
#define EVENTS_BYTES	(1u << 20)
#define VERDICT_ALLOWED (-1) /* TC_ACT_UNSPEC */

struct row {
	uint32_t ifindex, slot;
	uint32_t runs;		  /* since its region was wiped */
	uint32_t epoch;		  /* before the last change */
	char name[FW_NAME_MAX];	  /* "namespace/name" of the pod that has it, "" none */
	const struct fw_pod *pod; /* of the world in force, NULL none */
};

struct fw_kernel {
	struct fw_datapath *datapath;
	struct fw_apply *apply;
	struct ring_buffer *events;
	char state_dir[64];
	struct fw_budget *unspent; /* a value of fw_budgets: one per CPU */
	struct row *rows;
	uint32_t row_count;
	const struct fw_world *world;
	int program[2]; /* by fw_direction */
	uint16_t port;
	bool keep;
	uint64_t writes;       /* of the last change */
	struct fw_event event; /* of the last run */
	bool has_event;
};

static int take_event(void *context, void *data, size_t size)
{
	struct fw_kernel *kernel = context;

	if (size < sizeof(kernel->event))
		return 0;
	memcpy(&kernel->event, data, sizeof(kernel->event));
	kernel->has_event = true;
	return 0;
}

static int claim_rows(struct fw_kernel *kernel, struct fw_err *err)
{
	for (uint32_t i = 0; i < kernel->row_count; i++) {
		char name[32];
		int r;

		(void)snprintf(name, sizeof(name), "check-%u", i);
		r = fw_endpoint_claim(kernel->datapath, fw_endpoint_owner(name, "eth0"),
				      kernel->rows[i].ifindex, &kernel->rows[i].slot, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int open_datapath(struct fw_kernel *kernel, const char *pin_dir, struct fw_err *err)
{
	const struct fw_sizes sizes = {.regions = kernel->row_count,
				       .region_slots = REGION_SLOTS,
				       .events_bytes = EVENTS_BYTES};
	char own[64];
	int r;

	(void)snprintf(own, sizeof(own), "/sys/fs/bpf/podwall-check-%d", (int)getpid());
	r = fw_datapath_make(pin_dir ? pin_dir : own, &sizes, &kernel->datapath, err);
	if (r == 0)
		r = fw_datapath_load_programs(kernel->datapath, err);
	if (r == 0)
		r = claim_rows(kernel, err);
	kernel->program[FW_EGRESS] =
		r < 0 ? r : fw_datapath_program_fd(kernel->datapath, FW_PROGRAM_FROM_CLSACT, err);
	kernel->program[FW_INGRESS] =
		r < 0 ? r : fw_datapath_program_fd(kernel->datapath, FW_PROGRAM_TO_CLSACT, err);
	/* from here on descriptors hold everything: nothing is left behind, however this ends */
	if (kernel->datapath)
		(void)fw_datapath_destroy(pin_dir ? pin_dir : own, NULL);
	if (r < 0)
		return r;
	return kernel->program[0] < 0	? kernel->program[0]
	       : kernel->program[1] < 0 ? kernel->program[1]
					: 0;
}

static int open_all(struct fw_kernel *kernel, const char *pin_dir, struct fw_err *err)
{
	uint32_t ifindexes[FW_KERNEL_PODS_MAX];
	int r = fw_devices_make(kernel->row_count, ifindexes, err);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < kernel->row_count; i++)
		kernel->rows[i].ifindex = ifindexes[i];
	r = open_datapath(kernel, pin_dir, err);
	if (r < 0)
		return r;
	(void)snprintf(kernel->state_dir, sizeof(kernel->state_dir), "/tmp/podwall-check-XXXXXX");
	if (!mkdtemp(kernel->state_dir)) {
		kernel->state_dir[0] = '\0';
		return fw_err_errno(err, -errno, "a folder in /tmp");
	}
	r = fw_apply_new(kernel->datapath, kernel->state_dir, &kernel->apply, err);
	if (r < 0)
		return r;
	kernel->events = ring_buffer__new(fw_datapath_map_fd(kernel->datapath, FW_MAP_EVENTS),
					  take_event, kernel, NULL);
	return kernel->events ? 0 : fw_err_errno(err, -errno, "ring buffer of events");
}

int fw_kernel_open(uint32_t pods, const char *pin_dir, struct fw_kernel **ret_kernel,
		   struct fw_err *err)
{
	struct fw_kernel *kernel;
	int r;

	if (!pods || pods > FW_KERNEL_PODS_MAX)
		return fw_err_set(err, -E2BIG, "%u pods: 1 to %u can be judged at once", pods,
				  FW_KERNEL_PODS_MAX);
	kernel = calloc(1, sizeof(*kernel));
	if (!kernel)
		return -ENOMEM;
	kernel->row_count = pods;
	kernel->rows = calloc(pods, sizeof(*kernel->rows));
	kernel->unspent = calloc((size_t)libbpf_num_possible_cpus(), sizeof(*kernel->unspent));
	r = kernel->rows && kernel->unspent ? open_all(kernel, pin_dir, err) : -ENOMEM;
	if (r < 0) {
		fw_kernel_close(&kernel);
		return r;
	}
	*ret_kernel = kernel;
	return 0;
}

static void remove_state(const char *folder)
{
	static const char *const names[] = {"decisions.log", "services.log", "ids.log",
					    "classes.log", "subjects.log"};
	char path[160];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(folder);
}

void fw_kernel_close(struct fw_kernel **kernel)
{
	struct fw_kernel *gone = *kernel;

	if (!gone)
		return;
	ring_buffer__free(gone->events);
	fw_apply_free(&gone->apply);
	fw_datapath_close(&gone->datapath);
	if (gone->state_dir[0])
		remove_state(gone->state_dir);
	free(gone->unspent);
	free(gone->rows);
	free(gone);
	*kernel = NULL;
}

/* What a pod may write of records is for floods; here each question needs its own. */
static void allow_records(struct fw_kernel *kernel, uint32_t region)
{
	(void)bpf_map_update_elem(fw_datapath_map_fd(kernel->datapath, FW_MAP_BUDGETS), &region,
				  kernel->unspent, BPF_ANY);
	fw_datapath_region(kernel->datapath, region)->spent = 0;
}

/* The flows of earlier questions go; each slot keeps its generation. No program runs meanwhile. */
static void wipe(struct fw_kernel *kernel, struct row *row)
{
	const struct fw_endpoint *endpoint = fw_datapath_endpoint(kernel->datapath, row->slot);

	row->runs = 0;
	allow_records(kernel, endpoint->region);
	for (uint32_t i = 0; i <= endpoint->flow_mask; i++) {
		struct fw_bucket *bucket =
			fw_datapath_bucket(kernel->datapath, endpoint->flow_base + i);

		for (uint32_t k = 0; bucket && k < FW_BUCKET_SLOTS; k++)
			bucket->slot[k].ctl =
				(bucket->slot[k].ctl & FW_CTL_GENERATION) | FW_CTL_FREE;
	}
}

static void mac_of(uint32_t row, uint8_t mac[6])
{
	const uint8_t bytes[6] = {0x02, 0x50, 0x57, 0, (uint8_t)(row >> 8), (uint8_t)row};

	memcpy(mac, bytes, 6);
}

/* Addresses as the plugin writes them: the first of each family in the first line, the others
 * behind. */
static void fill_row(struct fw_endpoint *endpoint, const struct fw_pod *pod)
{
	endpoint->ip4_be = 0;
	memset(endpoint->ip6, 0, sizeof(endpoint->ip6));
	endpoint->ip4_more = endpoint->ip6_more = 0;
	for (size_t i = 0; i < pod->ip_count; i++) {
		const struct fw_ip *ip = &pod->ips[i];

		if (fw_ip_is4(ip)) {
			if (!endpoint->ip4_be)
				endpoint->ip4_be = fw_ip_to4(ip);
			else if (endpoint->ip4_more < 4)
				endpoint->ip4_extra_be[endpoint->ip4_more++] = fw_ip_to4(ip);
		} else {
			static const uint8_t none[16];

			if (memcmp(endpoint->ip6, none, 16) == 0)
				memcpy(endpoint->ip6, ip->b, 16);
			else if (endpoint->ip6_more < 2)
				memcpy(endpoint->ip6_extra[endpoint->ip6_more++], ip->b, 16);
		}
	}
}

/* The row that a pod has already, else a free one. */
static struct row *choose_row(struct fw_kernel *kernel, const char *name)
{
	struct row *free_row = NULL;

	for (uint32_t i = 0; i < kernel->row_count; i++) {
		if (strcmp(kernel->rows[i].name, name) == 0)
			return &kernel->rows[i];
		if (!free_row && !kernel->rows[i].name[0])
			free_row = &kernel->rows[i];
	}
	return free_row;
}

/* A row belongs to a pod for as long as the pod is there with its addresses; its flows live as
 * long. */
static int assign(struct fw_kernel *kernel, const struct fw_pod *pod, struct row **ret_row,
		  struct fw_err *err)
{
	struct fw_endpoint *endpoint, before;
	char name[FW_NAME_MAX];
	struct row *row;

	(void)snprintf(name, sizeof(name), "%s/%s", pod->object.namespace, pod->object.name);
	row = choose_row(kernel, name);
	if (!row)
		return fw_err_set(err, -E2BIG, "%u pods are too many", kernel->row_count + 1);
	endpoint = fw_datapath_endpoint(kernel->datapath, row->slot);
	before = *endpoint;
	mac_of((uint32_t)(row - kernel->rows), endpoint->mac);
	fill_row(endpoint, pod);
	if (endpoint->state == FW_EP_CLAIMED)
		fw_endpoint_publish(endpoint, FW_EP_ISOLATED);
	if (!kernel->keep || !row->name[0] || before.ip4_be != endpoint->ip4_be ||
	    memcmp(before.ip6, endpoint->ip6, sizeof(before.ip6)) != 0)
		wipe(kernel, row);
	(void)snprintf(row->name, sizeof(row->name), "%s", name);
	row->pod = pod;
	*ret_row = row;
	return 0;
}

/* Rows of pods that are not in the tables any more become free. */
static void release(struct fw_kernel *kernel, const struct fw_tables *tables)
{
	for (uint32_t i = 0; i < kernel->row_count; i++) {
		char name[FW_NAME_MAX] = "";

		kernel->rows[i].pod = NULL;
		for (size_t k = 0;
		     k < tables->pods_count && strcmp(name, kernel->rows[i].name) != 0; k++)
			(void)snprintf(name, sizeof(name), "%s/%s", tables->pods[k].namespace,
				       tables->pods[k].name);
		if (strcmp(name, kernel->rows[i].name) != 0)
			kernel->rows[i].name[0] = '\0';
	}
}

int fw_kernel_change(struct fw_kernel *kernel, const struct fw_world *world, struct fw_err *err)
{
	const struct fw_tables *tables = world->tables;
	struct fw_apply_endpoint endpoints[FW_KERNEL_PODS_MAX];
	struct fw_apply_stats stats;
	int r;

	if (tables->pods_count > kernel->row_count)
		return fw_err_set(err, -E2BIG, "%zu pods, %u were asked for", tables->pods_count,
				  kernel->row_count);
	for (uint32_t i = 0; i < kernel->row_count; i++)
		kernel->rows[i].epoch =
			fw_datapath_endpoint(kernel->datapath, kernel->rows[i].slot)->epoch;
	release(kernel, tables);
	for (size_t i = 0; i < tables->pods_count; i++) {
		const struct fw_pod_row *in = &tables->pods[i];
		const struct fw_pod *pod = (const struct fw_pod *)fw_model_get(
			world->model, FW_KIND_POD, in->namespace, in->name);
		struct row *row = NULL;

		if (!pod)
			return fw_err_set(err, -ENOENT, "pod %s/%s is in the tables only",
					  in->namespace, in->name);
		r = assign(kernel, pod, &row, err);
		if (r < 0)
			return r;
		endpoints[i] = (struct fw_apply_endpoint){
			.slot = row->slot,
			.owner = fw_datapath_endpoint(kernel->datapath, row->slot)->owner,
			.namespace = in->namespace,
			.name = in->name};
	}
	kernel->world = world;
	r = fw_apply_tables(kernel->apply, tables, endpoints, tables->pods_count, &stats, err);
	kernel->writes = r < 0 ? 0 : stats.rows_added + stats.endpoints_flipped;
	if (r == 0 && stats.locked)
		return fw_err_set(err, -ENOSPC, "%u pods do not fit into the tables", stats.locked);
	return r;
}

int fw_kernel_finish(struct fw_kernel *kernel, struct fw_err *err)
{
	return fw_apply_finish(kernel->apply, err);
}

int fw_kernel_program(struct fw_kernel *kernel, const struct fw_world *world, struct fw_err *err)
{
	int r = fw_kernel_change(kernel, world, err);

	return r < 0 ? r : fw_kernel_finish(kernel, err);
}

void fw_kernel_keep_flows(struct fw_kernel *kernel)
{
	kernel->keep = true;
}

static struct row *row_of(struct fw_kernel *kernel, const struct fw_pod *pod)
{
	for (uint32_t i = 0; i < kernel->row_count; i++)
		if (kernel->rows[i].pod == pod)
			return &kernel->rows[i];
	return NULL;
}

static const char *reason_name(uint8_t reason)
{
#define NAME(symbol, name, drops, text) name,
	static const char *const names[] = {FW_REASONS(NAME)};
#undef NAME

	return reason < FW_REASON_COUNT ? names[reason] : "?";
}

/* What a pod sends to itself comes back from its own device; all else from another one. */
static bool is_hairpin(const struct fw_end *end)
{
	for (size_t i = 0; i < end->pod->ip_count; i++) {
		if (fw_ip_equal(&end->pod->ips[i], &end->remote))
			return true;
	}
	return fw_ip_equal(&end->local, &end->remote);
}

static int run(struct fw_kernel *kernel, const struct row *row, const struct fw_end *end,
	       const uint8_t *bytes, size_t len, int *ret_verdict, struct fw_err *err)
{
	const uint8_t direction = end->direction;
	struct __sk_buff context = {.ifindex = row->ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = bytes, .data_size_in = (uint32_t)len,
		    .ctx_in = &context, .ctx_size_in = sizeof(context));
	int r;

	if (direction == FW_INGRESS)
		context.ingress_ifindex = is_hairpin(end) ? row->ifindex : 1;
	kernel->has_event = false;
	r = bpf_prog_test_run_opts(kernel->program[direction], &options);
	if (r < 0)
		return fw_err_errno(err, r, "test run");
	*ret_verdict = (int)options.retval;
	r = ring_buffer__consume(kernel->events);
	return r < 0 ? fw_err_errno(err, r, "events") : 0;
}

static int read_answer(const struct fw_kernel *kernel, int verdict, struct fw_said *ret_said,
		       struct fw_err *err)
{
	const struct fw_event *event = &kernel->event;
	const uint32_t id = event->decision & FW_DECISION_ID;
	const bool allowed = verdict == VERDICT_ALLOWED;

	if (!kernel->has_event)
		return fw_err_set(err, -EPROTO, "the program ended with %d and recorded nothing",
				  verdict);
	if (event->type != FW_EVENT_NEW && event->type != FW_EVENT_DENY)
		return fw_err_set(err, -EPROTO, "the program ended with %d: %s", verdict,
				  reason_name(event->reason));
	if (allowed != (event->type == FW_EVENT_NEW) ||
	    allowed != !!(event->decision & FW_DECISION_ALLOW))
		return fw_err_set(err, -EPROTO,
				  "the program ended with %d and recorded %s, decision %#x",
				  verdict, reason_name(event->reason), event->decision);
	ret_said->verdict = allowed				   ? FW_VERDICT_ALLOW
			    : event->decision & FW_DECISION_REJECT ? FW_VERDICT_REJECT
								   : FW_VERDICT_DENY;
	ret_said->decision = id < FW_DECISION_FIRST ? FW_SAID_BUILTIN | id : id;
	return 0;
}

/* Something in the packet makes each question a flow of its own. */
static bool has_ports(uint8_t protocol)
{
	return protocol == FW_PROTO_TCP || protocol == FW_PROTO_UDP || protocol == FW_PROTO_SCTP ||
	       protocol == FW_PROTO_ICMP || protocol == FW_PROTO_ICMPV6;
}

static int send(struct fw_kernel *kernel, struct row *row, const struct fw_end *end,
		uint16_t source_port, bool opens, int *ret_verdict, struct fw_err *err)
{
	static const uint8_t gateway[6] = {0x02, 0x50, 0x57, 1, 0, 0};
	const bool egress = end->direction == FW_EGRESS;
	struct fw_packet packet = {.source = egress ? end->local : end->remote,
				   .destination = egress ? end->remote : end->local,
				   .protocol = end->protocol,
				   .middle = !opens,
				   .source_port = source_port,
				   .destination_port = end->port};
	uint8_t bytes[FW_PACKET_MAX];

	mac_of((uint32_t)(row - kernel->rows), egress ? packet.source_mac : packet.destination_mac);
	memcpy(egress ? packet.destination_mac : packet.source_mac, gateway, 6);
	return run(kernel, row, end, bytes, fw_packet_build(&packet, bytes), ret_verdict, err);
}

static int find_row(struct fw_kernel *kernel, const struct fw_end *end, struct row **ret_row,
		    struct fw_err *err)
{
	*ret_row = row_of(kernel, end->pod);
	if (!*ret_row)
		return fw_err_set(err, -ENOENT, "pod %s/%s has no endpoint",
				  end->pod->object.namespace, end->pod->object.name);
	return 0;
}

int fw_kernel_judge(struct fw_kernel *kernel, const struct fw_end *end, struct fw_said *ret_said,
		    struct fw_err *err)
{
	int verdict = 0, r;
	struct row *row;

	r = find_row(kernel, end, &row, err);
	if (r < 0)
		return r;
	if (end->direction == FW_EGRESS && fw_end_is_self(end)) { /* never leaves the pod */
		*ret_said =
			(struct fw_said){FW_VERDICT_ALLOW, FW_SAID_BUILTIN | FW_DECIDED_DEFAULT};
		return 0;
	}
	if (row->runs++ >= RUNS_PER_WIPE || !has_ports(end->protocol))
		wipe(kernel, row);
	if (++kernel->port < FIRST_PORT || kernel->port > LAST_PORT)
		kernel->port = FIRST_PORT;
	r = send(kernel, row, end, kernel->port, true, &verdict, err);
	return r < 0 ? r : read_answer(kernel, verdict, ret_said, err);
}

int fw_kernel_judge_live(struct fw_kernel *kernel, const struct fw_end *end, uint16_t source_port,
			 bool opens, enum fw_verdict *ret_verdict, struct fw_err *err)
{
	int verdict = 0, r;
	struct row *row;

	r = find_row(kernel, end, &row, err);
	if (r == 0)
		r = send(kernel, row, end, source_port, opens, &verdict, err);
	if (r == 0)
		*ret_verdict = verdict == VERDICT_ALLOWED ? FW_VERDICT_ALLOW : FW_VERDICT_DENY;
	return r;
}

void fw_kernel_name(const struct fw_kernel *kernel, const struct fw_said *said,
		    struct fw_decision_name *ret_name)
{
	const struct fw_decision_name *name =
		fw_apply_decision(kernel->apply, said->decision & ~FW_SAID_BUILTIN);

	*ret_name = (struct fw_decision_name){.verdict = said->verdict, .pending = said->verdict};
	if (name)
		*ret_name = *name;
	else
		(void)snprintf(ret_name->rule, sizeof(ret_name->rule), "decision %u",
			       said->decision);
}

void fw_kernel_spoil(struct fw_kernel *kernel)
{
	struct fw_range *ranges = fw_datapath_ranges(kernel->datapath);
	const uint32_t rows = fw_datapath_capacity(kernel->datapath, FW_MAP_RANGES);

	for (uint32_t i = 0; i < rows; i++)
		if (ranges[i].lo < ranges[i].hi)
			ranges[i].hi--;
}

void fw_kernel_spoil_epochs(struct fw_kernel *kernel)
{
	for (uint32_t i = 0; i < kernel->row_count; i++)
		fw_datapath_endpoint(kernel->datapath, kernel->rows[i].slot)->epoch =
			kernel->rows[i].epoch;
}

int fw_kernel_restart(struct fw_kernel *kernel, bool lose_notes, uint64_t *ret_writes,
		      struct fw_err *err)
{
	int r;

	fw_apply_free(&kernel->apply);
	if (lose_notes) {
		remove_state(kernel->state_dir);
		if (mkdir(kernel->state_dir, 0700) < 0)
			return fw_err_errno(err, -errno, "%s", kernel->state_dir);
	}
	r = fw_apply_new(kernel->datapath, kernel->state_dir, &kernel->apply, err);
	if (r == 0)
		r = fw_kernel_change(kernel, kernel->world, err);
	if (r == 0)
		*ret_writes = kernel->writes;
	return r;
}
