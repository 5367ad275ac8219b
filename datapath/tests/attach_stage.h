/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pod on a real veth, its hook, and datagrams that are sent one by one, for the tests of hooks.
 * In: root, a bpffs, iproute2; PROGRAM names the pin directory. Out: struct stage. Include after
 * cmocka.h.
 */
#ifndef FW_TESTS_ATTACH_STAGE_H
#define FW_TESTS_ATTACH_STAGE_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "fw/reasons.h"
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
static inline int group_setup(void **state)
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

static inline int stage_setup(void **state)
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

static inline int stage_teardown(void **state)
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

/* Takes the datagram `wanted`, and what came too late for those before it. */
static inline bool take(int fd, uint32_t wanted)
{
	uint32_t got = 0;

	while (recv(fd, &got, sizeof(got), 0) == sizeof(got) && got != wanted)
		continue;
	return got == wanted;
}

/* One datagram from the pod and one back; false when either got lost. */
static inline bool round_trip(void)
{
	uint32_t sent = ++stage.sequence;

	return send(stage.pod_fd, &sent, sizeof(sent), 0) == sizeof(sent) &&
	       take(stage.node_fd, sent) &&
	       send(stage.node_fd, &sent, sizeof(sent), 0) == sizeof(sent) &&
	       take(stage.pod_fd, sent);
}

static inline enum fw_hook_kind query(void)
{
	enum fw_hook_kind kind = FW_HOOK_NONE;
	struct fw_err err = {0};

	if (fw_hook_query(stage.datapath, &stage.hook, &kind, &err) < 0)
		fail_msg("query: %s", err.text);
	return kind;
}

static inline void attach(enum fw_hook_kind expected)
{
	enum fw_hook_kind kind = FW_HOOK_NONE;
	struct fw_err err = {0};

	if (fw_hook_attach(stage.datapath, &stage.hook, &kind, &err) < 0)
		fail_msg("attach: %s", err.text);
	assert_int_equal(kind, expected);
	assert_int_equal(query(), expected);
}

static inline void detach(void)
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
static inline bool leftovers(void)
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

#define STAGE_TEST(function) cmocka_unit_test_setup_teardown(function, stage_setup, stage_teardown)

#endif
