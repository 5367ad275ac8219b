/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks on a real veth: what is attached, promoted, replaced and removed, beside other people's
 * qdiscs and filters. In: root, a bpffs, iproute2. Under traffic: test_attach_live.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define PROGRAM "attach"
#include "attach_stage.h"

static void covered_packets_follow_the_endpoint(void)
{
	struct fw_endpoint *row = fw_datapath_endpoint(stage.datapath, stage.hook.slot);
	const struct timeval brief = {.tv_usec = 50000}, patience = {.tv_sec = WIRE_PATIENCE};

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
	assert_non_null(strstr(err.text, "take the plugin that shapes traffic"));
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
	bool tcx = fw_hook_tcx_supported();

	(void)state;
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
	assert_int_equal(kind, tcx ? FW_HOOK_TCX : FW_HOOK_CLSACT);
	stage.hook = inside;
	covered_packets_follow_the_endpoint();
	/* from outside the sandbox only links can be reached, and with them that is enough */
	if (tcx)
		stage.hook.ifindex = 0;
	else
		wire_enter(stage.wire.pod_netns);
	CALL(fw_hook_detach);
	wire_enter(stage.wire.node_netns);
	stage.hook.ifindex = stage.wire.ifindex;
	assert_false(leftovers());
	assert_true(round_trip());
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
		STAGE_TEST(destroy_detaches_every_hook),
	};

	return cmocka_run_group_tests_name("attach", tests, group_setup, node_teardown);
}
