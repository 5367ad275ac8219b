/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flow's counters against a sender that knows what it sent, over a real veth, with and without
 * segmentation offload, on both carriers. Needs root, a bpffs and iproute2.
 */
#include <linux/tcp.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"

#define PROGRAM "counts"
#include "node.h"
#include "wire.h"

#define PORT	 5555
#define OWNER	 1
#define ETHER	 14u
#define IP	 20u
#define UDP	 8u
#define SEGMENT	 1000u
#define PARTS	 20u	    /* segments of one send, the last one short */
#define BULK	 (4u << 20) /* bytes of the TCP stream */
#define SOL_UDP_ 17

struct stage {
	struct wire wire;
	struct fw_datapath *datapath;
	struct fw_hook hook;
};

static struct stage stage;

static int setup(void **state)
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
	stage = (struct stage){.datapath = datapath};
	return r;
}

static int teardown(void **state)
{
	fw_datapath_close(&stage.datapath);
	return node_teardown(state);
}

static int open_wire(void **state)
{
	enum fw_hook_kind kind;
	struct fw_err err = {0};
	struct fw_endpoint *row;

	(void)state;
	wire_up(&stage.wire);
	stage.hook = (struct fw_hook){.ifindex = stage.wire.ifindex};
	assert_int_equal(fw_endpoint_claim(stage.datapath, OWNER, stage.wire.ifindex,
					   &stage.hook.slot, &err),
			 0);
	row = fw_datapath_endpoint(stage.datapath, stage.hook.slot);
	wire_pod_row(stage.datapath, row);
	if (fw_hook_attach(stage.datapath, &stage.hook, &kind, &err) < 0)
		fail_msg("%s", err.text);
	return 0;
}

static int close_wire(void **state)
{
	(void)state;
	(void)fw_hook_detach(stage.datapath, &stage.hook, NULL);
	(void)fw_endpoint_release(stage.datapath, OWNER, NULL);
	wire_down(&stage.wire);
	return 0;
}

/* Sums over the flows of PORT. */
static void counted(int direction, uint64_t *ret_packets, uint64_t *ret_bytes)
{
	const uint32_t base = fw_datapath_endpoint(stage.datapath, stage.hook.slot)->flow_base;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < REGION_SLOTS; i++) {
		const struct fw_flow *flow =
			&fw_datapath_bucket(stage.datapath, base + i / FW_BUCKET_SLOTS)
				 ->slot[i % FW_BUCKET_SLOTS];

		if ((flow->ctl & FW_CTL_STATE) == FW_CTL_VALID &&
		    (flow->local_port == PORT || flow->remote_port == PORT))
			sum += flow->count[direction];
	}
	*ret_packets = sum >> FW_COUNT_BYTES_BITS;
	*ret_bytes = sum & FW_COUNT_BYTES_MASK;
}

static void datagrams_of_every_size_are_counted_exactly(void **state)
{
	int pod = wire_udp(&stage.wire, true, PORT), node = wire_udp(&stage.wire, false, PORT);
	uint64_t packets, bytes, sent = 0, want = 0;
	char data[1400] = {0};

	(void)state;
	for (size_t len = 1; len <= sizeof(data); len += 7) {
		assert_int_equal(send(pod, data, len, 0), len);
		assert_int_equal(recv(node, data, sizeof(data), 0), len);
		assert_int_equal(send(node, data, len, 0), len);
		assert_int_equal(recv(pod, data, sizeof(data), 0), len);
		sent++;
		want += ETHER + IP + UDP + len;
	}
	for (int direction = 0; direction < 2; direction++) {
		counted(direction, &packets, &bytes);
		assert_int_equal(packets, sent);
		assert_int_equal(bytes, want);
	}
	(void)close(pod);
	(void)close(node);
}

static void segments_of_one_large_send_are_counted_one_by_one(void **state)
{
	int pod = wire_udp(&stage.wire, true, PORT), node = wire_udp(&stage.wire, false, PORT);
	const size_t len = SEGMENT * (PARTS - 1) + 123;
	const int segment = SEGMENT;
	uint64_t packets, bytes;
	char data[SEGMENT * PARTS] = {0};
	uint32_t received = 0;

	(void)state;
	if (setsockopt(pod, SOL_UDP_, UDP_SEGMENT, &segment, sizeof(segment)) < 0) {
		print_message("# this kernel has no UDP segmentation offload\n");
		skip();
	}
	for (int round = 0; round < 50; round++) {
		assert_int_equal(send(pod, data, len, 0), len);
		for (uint32_t i = 0; i < PARTS; i++, received++)
			assert_int_equal(recv(node, data, sizeof(data), 0),
					 i + 1 < PARTS ? SEGMENT : 123);
	}
	counted(FW_EGRESS, &packets, &bytes);
	assert_int_equal(packets, received);
	assert_int_equal(bytes, 50 * len + (uint64_t)received * (ETHER + IP + UDP));
	(void)close(pod);
	(void)close(node);
}

static int tcp(bool pod, const struct sockaddr_in *address, bool listening)
{
	const int one = 1;
	int fd;

	wire_enter(pod ? stage.wire.pod_netns : stage.wire.node_netns);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (listening) {
		assert_int_equal(bind(fd, (const struct sockaddr *)address, sizeof(*address)), 0);
		assert_int_equal(listen(fd, 1), 0);
	} else {
		assert_int_equal(connect(fd, (const struct sockaddr *)address, sizeof(*address)),
				 0);
	}
	wire_enter(stage.wire.node_netns);
	return fd;
}

/* Sends BULK bytes and reads them on the other side, in turns. */
static void stream(int from, int to)
{
	static char data[1 << 16];
	size_t sent = 0, got = 0;
	ssize_t n;

	while (got < BULK) {
		if (sent < BULK) {
			n = send(from, data,
				 BULK - sent < sizeof(data) ? BULK - sent : sizeof(data),
				 MSG_DONTWAIT);
			sent += n > 0 ? (size_t)n : 0;
		}
		n = recv(to, data, sizeof(data), sent < BULK ? MSG_DONTWAIT : 0);
		got += n > 0 ? (size_t)n : 0;
	}
}

/* What the pod's own stack counted, once the last acknowledgement is in. */
static void tcp_says(int fd, struct tcp_info *ret_info)
{
	uint64_t packets, more, bytes;
	socklen_t len;

	do {
		counted(FW_INGRESS, &packets, &bytes);
		len = sizeof(*ret_info);
		assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, ret_info, &len), 0);
		counted(FW_INGRESS, &more, &bytes);
	} while (more != packets || ret_info->tcpi_unacked);
}

/*
 * Every segment has 32 bytes of TCP header (timestamps), the SYN 40; so bytes minus headers is the
 * stream (and what was sent again), whatever the sizes of the segments, and only when each of them
 * was counted.
 */
static void a_tcp_stream_under_offload_is_counted_to_the_byte(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int listener, pod, node;
	struct tcp_info info;
	uint64_t packets, bytes;

	(void)state;
	(void)inet_pton(AF_INET, WIRE_NODE, &address.sin_addr);
	listener = tcp(false, &address, true);
	pod = tcp(true, &address, false);
	node = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(node >= 0);
	stream(pod, node);
	tcp_says(pod, &info);
	if (info.tcpi_total_retrans)
		print_message("# %u segments were sent again by an impatient sender\n",
			      info.tcpi_total_retrans);
	assert_true(info.tcpi_options & TCPI_OPT_TIMESTAMPS);
	counted(FW_EGRESS, &packets, &bytes);
	assert_int_equal(packets, info.tcpi_segs_out);
	assert_int_equal(bytes, BULK + info.tcpi_bytes_retrans + packets * (ETHER + IP + 32) + 8);
	counted(FW_INGRESS, &packets, &bytes);
	assert_int_equal(packets, info.tcpi_segs_in);
	(void)close(pod);
	(void)close(node);
	(void)close(listener);
}

static void promote(void)
{
	struct fw_err err = {0};

	if (!fw_hook_tcx_supported()) {
		print_message("# this kernel has no tcx\n");
		skip();
	}
	if (fw_hook_promote(stage.datapath, &stage.hook, &err) < 0)
		fail_msg("%s", err.text);
}

static void on_tcx_too_segments_are_counted_one_by_one(void **state)
{
	promote();
	segments_of_one_large_send_are_counted_one_by_one(state);
}

static void on_tcx_too_a_stream_is_counted_to_the_byte(void **state)
{
	promote();
	a_tcp_stream_under_offload_is_counted_to_the_byte(state);
}

#define COUNT_TEST(function) cmocka_unit_test_setup_teardown(function, open_wire, close_wire)

int main(void)
{
	const struct CMUnitTest tests[] = {
		COUNT_TEST(datagrams_of_every_size_are_counted_exactly),
		COUNT_TEST(segments_of_one_large_send_are_counted_one_by_one),
		COUNT_TEST(a_tcp_stream_under_offload_is_counted_to_the_byte),
		COUNT_TEST(on_tcx_too_segments_are_counted_one_by_one),
		COUNT_TEST(on_tcx_too_a_stream_is_counted_to_the_byte),
	};

	return cmocka_run_group_tests_name("counts", tests, setup, teardown);
}
