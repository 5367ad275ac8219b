/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks on a real veth, with packets that are counted one by one: what is attached, promoted,
 * replaced and removed while they run, beside other people's qdiscs and filters. Needs root, a
 * bpffs and iproute2.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "fw/reasons.h"

#define PROGRAM "attach"
#include "node.h"
#include "wire.h"

#define PORT  7777
#define OWNER 42

struct stage {
	struct wire wire;
	struct fw_datapath *datapath;
	struct fw_hook hook;
	int node_fd, pod_fd;
	uint32_t sequence;
};

static struct stage stage;

/* One datapath for all tests: its programs take the verifier half a second. */
static int group_setup(void **state)
{
	struct fw_datapath *datapath = NULL;
	struct fw_err err = {0};
	int r = node_setup(state);

	if (r == 0)
		r = fw_datapath_make(PIN, &small, &datapath, &err);
	if (r == 0)
		r = fw_datapath_load_programs(datapath, &err);
	if (r < 0)
		print_error("%s\n", err.text);
	fw_datapath_close(&datapath);
	return r;
}

static int stage_setup(void **state)
{
	struct fw_err err = {0};

	(void)state;
	stage = (struct stage){.datapath = node_make()};
	wire_up(&stage.wire);
	stage.hook.ifindex = stage.wire.ifindex;
	assert_int_equal(fw_endpoint_claim(stage.datapath, OWNER, stage.wire.ifindex,
					   &stage.hook.slot, &err),
			 0);
	wire_pod_row(stage.datapath, fw_datapath_endpoint(stage.datapath, stage.hook.slot));
	stage.node_fd = wire_udp(&stage.wire, false, PORT);
	stage.pod_fd = wire_udp(&stage.wire, true, PORT);
	return 0;
}

static int stage_teardown(void **state)
{
	(void)state;
	fw_close_fd(&stage.node_fd);
	fw_close_fd(&stage.pod_fd);
	fw_tcx_pretend = 0;
	(void)fw_hook_detach(stage.datapath, &stage.hook, NULL);
	(void)fw_endpoint_release(stage.datapath, OWNER, NULL);
	(void)fw_endpoint_release(stage.datapath, OWNER + 1, NULL);
	wire_down(&stage.wire);
	fw_datapath_close(&stage.datapath);
	return 0;
}

/* One datagram from the pod and one back; false when either got lost. */
static bool round_trip(void)
{
	uint32_t sent = ++stage.sequence, got = 0;

	if (send(stage.pod_fd, &sent, sizeof(sent), 0) != sizeof(sent) ||
	    recv(stage.node_fd, &got, sizeof(got), 0) != sizeof(got) || got != sent)
		return false;
	return send(stage.node_fd, &sent, sizeof(sent), 0) == sizeof(sent) &&
	       recv(stage.pod_fd, &got, sizeof(got), 0) == sizeof(got) && got == sent;
}

static enum fw_hook_kind query(void)
{
	enum fw_hook_kind kind = FW_HOOK_NONE;
	struct fw_err err = {0};

	if (fw_hook_query(stage.datapath, &stage.hook, &kind, &err) < 0)
		fail_msg("query: %s", err.text);
	return kind;
}

static void attach(enum fw_hook_kind expected)
{
	enum fw_hook_kind kind = FW_HOOK_NONE;
	struct fw_err err = {0};

	if (fw_hook_attach(stage.datapath, &stage.hook, &kind, &err) < 0)
		fail_msg("attach: %s", err.text);
	assert_int_equal(kind, expected);
	assert_int_equal(query(), expected);
}

static void detach(void)
{
	struct fw_err err = {0};

	if (fw_hook_detach(stage.datapath, &stage.hook, &err) < 0)
		fail_msg("detach: %s", err.text);
	assert_int_equal(query(), FW_HOOK_NONE);
}

#define CALL(function)                                                                             \
	do {                                                                                       \
		struct fw_err call_err = {0};                                                      \
		if (function(stage.datapath, &stage.hook, &call_err) < 0)                          \
			fail_msg(#function ": %s", call_err.text);                                 \
	} while (0)

/* True when `tc` or bpffs still show something of ours, or a qdisc that was not there before. */
static bool leftovers(void)
{
	char link[FW_PIN_TEXT];
	enum fw_qdisc qdisc = FW_QDISC_NONE;
	int netlink = -1;

	assert_int_equal(fw_clsact_open(&netlink, NULL), 0);
	assert_int_equal(fw_clsact_qdisc(netlink, stage.hook.ifindex, &qdisc, NULL), 0);
	(void)close(netlink);
	(void)snprintf(link, sizeof(link), PIN "/v%d/links", FW_ABI_VERSION);
	if (rmdir(link) < 0) /* only an empty one goes */
		return true;
	assert_int_equal(mkdir(link, 0700), 0);
	return qdisc != FW_QDISC_NONE;
}

static void covered_packets_follow_the_endpoint(void)
{
	struct fw_endpoint *row = fw_datapath_endpoint(stage.datapath, stage.hook.slot);
	const struct timeval brief = {.tv_usec = 50000}, patience = {.tv_sec = 1};

	assert_true(round_trip());
	fw_endpoint_publish(row, FW_EP_CLAIMED);
	assert_int_equal(setsockopt(stage.node_fd, SOL_SOCKET, SO_RCVTIMEO, &brief, sizeof(brief)),
			 0);
	assert_false(round_trip());
	fw_endpoint_publish(row, FW_EP_ACTIVE);
	assert_int_equal(
		setsockopt(stage.node_fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	assert_true(round_trip());
}

static void clsact_is_attached_at_once_and_leaves_nothing(void **state)
{
	(void)state;
	assert_int_equal(query(), FW_HOOK_NONE);
	attach(FW_HOOK_CLSACT);
	covered_packets_follow_the_endpoint();
	attach(FW_HOOK_CLSACT); /* again: replaced */
	covered_packets_follow_the_endpoint();
	detach();
	assert_false(leftovers());
	detach();
	assert_true(round_trip());
}

static void promotion_ends_in_pinned_links_and_no_filters(void **state)
{
	struct fw_filters filters = {.ours = true};
	int netlink = -1;

	(void)state;
	if (!fw_hook_tcx_supported()) {
		print_message("# this kernel has no tcx\n");
		skip();
	}
	attach(FW_HOOK_CLSACT);
	CALL(fw_hook_promote);
	assert_int_equal(query(), FW_HOOK_TCX);
	assert_int_equal(fw_clsact_open(&netlink, NULL), 0);
	for (int from = 0; from < 2; from++) {
		assert_int_equal(
			fw_clsact_filters(netlink, &stage.hook, from, false, &filters, NULL), 0);
		assert_false(filters.ours);
	}
	(void)close(netlink);
	covered_packets_follow_the_endpoint();
	CALL(fw_hook_promote); /* already there */
	attach(FW_HOOK_TCX);
	covered_packets_follow_the_endpoint();
	detach();
	assert_false(leftovers());
	assert_true(round_trip());
}

static void promotion_that_was_killed_half_way_goes_on(void **state)
{
	struct fw_err err = {0};
	int fd;

	(void)state;
	if (!fw_hook_tcx_supported()) {
		print_message("# this kernel has no tcx\n");
		skip();
	}
	attach(FW_HOOK_CLSACT);
	fd = fw_datapath_program_fd(stage.datapath, FW_PROGRAM_FROM_TCX, &err);
	assert_int_equal(fw_tcx_attach(stage.datapath, &stage.hook, true, fd, &err), 0);
	assert_int_equal(query(), FW_HOOK_CLSACT);
	covered_packets_follow_the_endpoint();
	CALL(fw_hook_refresh);
	CALL(fw_hook_promote);
	assert_int_equal(query(), FW_HOOK_TCX);
	covered_packets_follow_the_endpoint();
	detach();
	assert_false(leftovers());
}

static void beside_a_foreign_ingress_qdisc_it_is_tcx_at_once(void **state)
{
	enum fw_hook_kind kind;
	struct fw_err err = {0};

	(void)state;
	RUN("tc", "qdisc", "add", "dev", "vh", "ingress");
	fw_tcx_pretend = -1; /* as on a kernel without it */
	assert_int_equal(fw_hook_attach(stage.datapath, &stage.hook, &kind, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "before the plugin that shapes traffic"));
	fw_tcx_pretend = 0;
	if (!fw_hook_tcx_supported()) {
		print_message("# this kernel has no tcx\n");
		skip();
	}
	attach(FW_HOOK_TCX);
	covered_packets_follow_the_endpoint();
	detach();
	RUN("tc", "qdisc", "del", "dev", "vh", "ingress"); /* still there: it was not ours */
	assert_false(leftovers());
}

/* Somebody else's filter: a program that lets everything pass. Returns what wire_run() says. */
static int foreign_filter(const char *command, const char *direction, const char *priority)
{
	static const char pin[] = PIN "/foreign";
	struct fw_err err = {0};
	int fd;

	if (access(pin, F_OK) < 0) {
		fd = fw_jiffies_open(&err);
		assert_true(fd >= 0);
		assert_int_equal(bpf_obj_pin(fd, pin), 0);
		(void)close(fd);
	}
	return wire_run((const char *const[]){"tc", "filter", command, "dev", "vh", direction,
					      "prio", priority, "bpf", "pinned", pin, NULL});
}

static int remove_foreign(const char *direction)
{
	return wire_run((const char *const[]){"tc", "filter", "del", "dev", "vh", direction, "prio",
					      "7", "bpf", NULL});
}

static void foreign_filters_and_their_qdisc_stay(void **state)
{
	(void)state;
	RUN("tc", "qdisc", "add", "dev", "vh", "clsact");
	assert_int_equal(foreign_filter("add", "ingress", "7"), 0);
	attach(FW_HOOK_CLSACT);
	covered_packets_follow_the_endpoint();
	detach();
	assert_int_equal(remove_foreign("ingress"), 0);
	attach(FW_HOOK_CLSACT);
	detach();
	RUN("tc", "qdisc", "del", "dev", "vh", "clsact");
	/* a filter that came into our qdisc keeps it alive */
	attach(FW_HOOK_CLSACT);
	assert_int_equal(foreign_filter("add", "egress", "7"), 0);
	detach();
	assert_int_equal(remove_foreign("egress"), 0);
	RUN("tc", "qdisc", "del", "dev", "vh", "clsact");
	assert_false(leftovers());
}

static void a_priority_taken_by_another_kind_of_filter_means_tcx(void **state)
{
	(void)state;
	RUN("tc", "qdisc", "add", "dev", "vh", "clsact");
	if (!fw_hook_tcx_supported() ||
	    wire_run((const char *const[]){"tc", "filter", "add", "dev", "vh", "egress", "prio",
					   "1", "u32", "match", "u32", "0", "0", "flowid", "1:1",
					   NULL}) != 0) {
		print_message("# this kernel has no tcx, or no other filter than bpf\n");
		skip();
	}
	attach(FW_HOOK_TCX);
	covered_packets_follow_the_endpoint();
	detach();
	RUN("tc", "qdisc", "del", "dev", "vh", "clsact");
	assert_false(leftovers());
}

static void a_late_detach_of_an_old_row_spares_the_new_one(void **state)
{
	struct fw_hook old = stage.hook;
	struct fw_err err = {0};

	(void)state;
	attach(FW_HOOK_CLSACT);
	old.slot = FW_IFINDEX_SLOTS + 9;
	assert_int_equal(fw_hook_detach(stage.datapath, &old, &err), 0);
	assert_int_equal(query(), FW_HOOK_CLSACT);
	detach();
	/* and attaching clears away what an old row left on the device */
	old.constant = true;
	assert_int_equal(fw_hook_attach(stage.datapath, &old, &(enum fw_hook_kind){0}, &err), 0);
	attach(FW_HOOK_CLSACT);
	assert_true(round_trip()); /* the old row is free: its program would drop everything */
	detach();
	assert_int_equal(fw_hook_detach(stage.datapath, &old, &err), 0);
	assert_false(leftovers());
}

static void a_device_that_has_gone_detaches_without_error(void **state)
{
	enum fw_hook_kind kind;
	struct fw_err err = {0};

	(void)state;
	attach(FW_HOOK_CLSACT);
	if (fw_hook_tcx_supported())
		CALL(fw_hook_promote);
	RUN("ip", "link", "del", "vh");
	assert_int_equal(query(), FW_HOOK_NONE);
	detach();
	assert_int_equal(fw_hook_attach(stage.datapath, &stage.hook, &kind, &err), -ENODEV);
	assert_int_equal(rmdir(PIN "/v1/links"), 0);
	assert_int_equal(mkdir(PIN "/v1/links", 0700), 0);
}

static void a_hook_in_the_sandbox_is_mirrored_and_constant(void **state)
{
	struct fw_hook inside = {.in_sandbox = true, .constant = true};
	struct fw_err err = {0};
	enum fw_hook_kind kind;
	struct fw_endpoint *row;

	(void)state;
	if (!fw_hook_tcx_supported()) {
		print_message("# this kernel has no tcx\n");
		skip();
	}
	assert_int_equal(fw_endpoint_claim(stage.datapath, OWNER + 1, 0, &inside.slot, &err), 0);
	assert_true(inside.slot >= FW_IFINDEX_SLOTS);
	row = fw_datapath_endpoint(stage.datapath, inside.slot);
	row->flags = FW_EP_IN_SANDBOX;
	wire_pod_row(stage.datapath, row);
	wire_enter(stage.wire.pod_netns);
	inside.ifindex = if_nametoindex("eth0");
	if (fw_hook_attach(stage.datapath, &inside, &kind, &err) < 0)
		fail_msg("%s", err.text);
	wire_enter(stage.wire.node_netns);
	assert_int_equal(kind, FW_HOOK_TCX);
	stage.hook = inside;
	covered_packets_follow_the_endpoint();
	/* from outside the sandbox only the links can be reached, and that is enough */
	stage.hook.ifindex = 0;
	CALL(fw_hook_detach);
	stage.hook.ifindex = stage.wire.ifindex;
	assert_false(leftovers());
	assert_true(round_trip());
}

struct traffic {
	pthread_t thread;
	volatile bool stop;
	uint64_t trips;
	uint64_t lost;
};

static void *keep_sending(void *context)
{
	struct traffic *traffic = context;

	while (!traffic->stop) {
		if (round_trip())
			traffic->trips++;
		else
			traffic->lost++;
	}
	return NULL;
}

static void start(struct traffic *traffic)
{
	assert_int_equal(pthread_create(&traffic->thread, NULL, keep_sending, traffic), 0);
}

static void stop(struct traffic *traffic)
{
	traffic->stop = true;
	assert_int_equal(pthread_join(traffic->thread, NULL), 0);
}

static const struct fw_flow *flow_of(uint32_t index)
{
	const uint32_t base = fw_datapath_endpoint(stage.datapath, stage.hook.slot)->flow_base;

	return &fw_datapath_bucket(stage.datapath, base + index / FW_BUCKET_SLOTS)
			->slot[index % FW_BUCKET_SLOTS];
}

/* Packets that the pod's flows have counted, by direction. */
static void counted(uint64_t *ret_in, uint64_t *ret_out)
{
	uint64_t in = 0, out = 0;

	for (uint32_t i = 0; i < REGION_SLOTS; i++) {
		const struct fw_flow *flow = flow_of(i);

		if ((flow->ctl & FW_CTL_STATE) != FW_CTL_VALID || flow->local_port != PORT)
			continue;
		in += flow->count[FW_INGRESS] >> FW_COUNT_BYTES_BITS;
		out += flow->count[FW_EGRESS] >> FW_COUNT_BYTES_BITS;
	}
	*ret_in = in;
	*ret_out = out;
}

/* What the programs say about the packets that did not plainly hit a flow, and the pod's flows: for
 * a failed test. */
static void explain(void)
{
	static const char *const names[] = {
#define NAME(symbol, name, drops, text) name,
		FW_REASONS(NAME)
#undef NAME
	};
	struct fw_counter each[256];
	const int cpus = libbpf_num_possible_cpus();

	for (uint32_t row = 0; row < FW_REASON_COUNT * 2 && cpus <= 256; row++) {
		uint64_t packets = 0;

		if (bpf_map_lookup_elem(fw_datapath_map_fd(stage.datapath, FW_MAP_COUNTERS), &row,
					each) < 0)
			continue;
		for (int i = 0; i < cpus; i++)
			packets += each[i].packets;
		if (packets)
			print_message("# %s %s: %llu\n", names[row / 2], row & 1 ? "out" : "in",
				      (unsigned long long)packets);
	}
	for (uint32_t i = 0; i < REGION_SLOTS; i++) {
		const struct fw_flow *flow = flow_of(i);

		if (flow->ctl & FW_CTL_STATE)
			print_message(
				"# flow %u: ctl %llx port %u state %x ev %llx in %llu out %llu\n",
				i, (unsigned long long)flow->ctl, flow->local_port, flow->state,
				(unsigned long long)flow->ev,
				(unsigned long long)flow->count[0] >> FW_COUNT_BYTES_BITS,
				(unsigned long long)flow->count[1] >> FW_COUNT_BYTES_BITS);
	}
}

static void promotion_under_traffic_loses_nothing_and_judges_once(void **state)
{
	struct traffic traffic = {0};
	uint64_t in, out, want;

	(void)state;
	if (!fw_hook_tcx_supported()) {
		print_message("# this kernel has no tcx\n");
		skip();
	}
	attach(FW_HOOK_CLSACT);
	for (int round = 0; round < 12; round++) {
		traffic.stop = false;
		start(&traffic);
		CALL(fw_hook_promote);
		CALL(fw_hook_refresh);
		stop(&traffic);
		want = traffic.trips;
		counted(&in, &out);
		if (traffic.lost || out != want || in != want)
			explain();
		assert_int_equal(traffic.lost, 0);
		assert_int_equal(out, want);
		assert_int_equal(in, want);
		detach();
		attach(FW_HOOK_CLSACT);
	}
	assert_true(traffic.trips > 1000);
	print_message("# %llu round trips under 12 promotions\n",
		      (unsigned long long)traffic.trips);
}

static void replacement_under_traffic_loses_nothing(void **state)
{
	struct traffic traffic = {0};
	struct fw_err err = {0};
	uint64_t in, out;

	(void)state;
	attach(FW_HOOK_CLSACT);
	start(&traffic);
	for (int round = 0; round < 6; round++) {
		if (round == 3 && fw_hook_tcx_supported())
			CALL(fw_hook_promote);
		if (fw_datapath_load_programs(stage.datapath, &err) < 0)
			fail_msg("%s", err.text);
		CALL(fw_hook_refresh);
	}
	stop(&traffic);
	counted(&in, &out);
	if (traffic.lost || out != traffic.trips || in != traffic.trips)
		explain();
	assert_int_equal(traffic.lost, 0);
	assert_true(traffic.trips > 100);
	assert_int_equal(out, traffic.trips);
	assert_int_equal(in, traffic.trips);
	print_message("# %llu round trips under 6 replacements\n",
		      (unsigned long long)traffic.trips);
}

static void attaching_to_a_live_device_loses_nothing(void **state)
{
	struct traffic traffic = {0};

	(void)state;
	if (!fw_hook_tcx_supported()) {
		print_message("# this kernel has no tcx\n");
		skip();
	}
	stage.hook.live = true;
	start(&traffic);
	for (int round = 0; round < 12; round++) {
		attach(FW_HOOK_TCX);
		detach();
	}
	stop(&traffic);
	assert_int_equal(traffic.lost, 0);
	assert_true(traffic.trips > 1000);
	assert_false(leftovers());
}

static void destroy_detaches_every_hook(void **state)
{
	struct fw_err err = {0};

	(void)state;
	attach(FW_HOOK_CLSACT);
	if (fw_hook_tcx_supported())
		CALL(fw_hook_promote);
	fw_endpoint_publish(fw_datapath_endpoint(stage.datapath, stage.hook.slot), FW_EP_CLAIMED);
	assert_int_equal(fw_datapath_destroy(PIN, &err), 0);
	assert_true(round_trip()); /* nobody is in the way any more */
	assert_int_not_equal(access(PIN, F_OK), 0);
}

#define STAGE_TEST(function) cmocka_unit_test_setup_teardown(function, stage_setup, stage_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGE_TEST(clsact_is_attached_at_once_and_leaves_nothing),
		STAGE_TEST(promotion_ends_in_pinned_links_and_no_filters),
		STAGE_TEST(promotion_that_was_killed_half_way_goes_on),
		STAGE_TEST(beside_a_foreign_ingress_qdisc_it_is_tcx_at_once),
		STAGE_TEST(foreign_filters_and_their_qdisc_stay),
		STAGE_TEST(a_priority_taken_by_another_kind_of_filter_means_tcx),
		STAGE_TEST(a_late_detach_of_an_old_row_spares_the_new_one),
		STAGE_TEST(a_device_that_has_gone_detaches_without_error),
		STAGE_TEST(a_hook_in_the_sandbox_is_mirrored_and_constant),
		STAGE_TEST(promotion_under_traffic_loses_nothing_and_judges_once),
		STAGE_TEST(replacement_under_traffic_loses_nothing),
		STAGE_TEST(attaching_to_a_live_device_loses_nothing),
		STAGE_TEST(destroy_detaches_every_hook),
	};

	return cmocka_run_group_tests_name("attach", tests, group_setup, node_teardown);
}
