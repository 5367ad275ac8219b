/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two versions of the programs on one set of maps: one on each of two pods, swapped many times
 * under TCP flows of both families. In: root, a bpffs, iproute2. Compared: what the sockets of both
 * ends sent and received with what the flows counted: no packet is lost, none goes unjudged, none
 * is judged twice; and each flow stays where it is.
 */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "careful.skel.h"

#define PROGRAM "versions"
#include "node.h"
#include "wire.h"

#define PODS	    2
#define FLOWS	    12 /* pods x families x 3 */
#define PORT	    6000
#define OWNER	    70
#define MOST	    30000 /* bytes of one message */
#define SWAPS	    150	  /* on each carrier */
#define BETWEEN	    24	  /* messages there and back between two swaps */
#define PATIENCE_MS 60000

struct flow {
	int pod, node; /* sockets */
	int which;     /* pod */
	int family;
	uint32_t index; /* in its pod's region */
	uint64_t ctl;
	uint16_t generation;
};

struct pod {
	pid_t holder;
	int netns;
	struct fw_hook hook;
	struct fw_endpoint *row;
};

static struct stage {
	struct wire wire; /* the first pod, and the node */
	struct pod pods[PODS];
	struct fw_datapath *version[2]; /* each with its programs, on the same maps */
	struct careful *careful;
	struct flow flows[FLOWS];
	pthread_t threads[PODS];
	bool talking;
	volatile bool stop, broken;
	uint64_t messages; /* atomic */
} stage;

static long now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#define OK(call)                                                                                   \
	do {                                                                                       \
		struct fw_err err = {0};                                                           \
		if ((call) < 0)                                                                    \
			fail_msg(#call ": %s", err.text);                                          \
	} while (0)

/* The second version takes the place of the first under its pins, as an upgrade does. */
static void load_second(void)
{
	const struct fw_node *node = fw_datapath_node(stage.version[0]);
	struct careful *careful = careful__open();
	uint64_t base;

	assert_non_null(careful);
	memcpy(careful->rodata->fw_hash_secret, node->hash_secret, sizeof(node->hash_secret));
	careful->rodata->fw_mark_secret = node->mark_secret;
	careful->rodata->fw_hz = node->hz;
	careful->rodata->fw_tick_ns = (1000000000u + node->hz / 2) / node->hz;
	OK(fw_node_clock(careful->rodata->fw_tick_ns, &base, &err));
	careful->rodata->fw_clock_base = base;
	for (size_t map = 0; map < FW_MAP_COUNT; map++) {
		struct bpf_map *table =
			bpf_object__find_map_by_name(careful->obj, fw_map_specs[map].name);

		assert_int_equal(
			bpf_map__reuse_fd(table, fw_datapath_map_fd(stage.version[0], map)), 0);
	}
	assert_int_equal(careful__load(careful), 0);
	for (enum fw_program program = 0; program < FW_PROGRAM_COUNT; program++) {
		char name[64], path[FW_PIN_TEXT];
		int fd;

		(void)snprintf(name, sizeof(name), "fw_%s", fw_program_pin_name(program));
		(void)snprintf(path, sizeof(path), PIN "/v%d/progs/%s", FW_ABI_VERSION,
			       fw_program_pin_name(program));
		fd = bpf_program__fd(bpf_object__find_program_by_name(careful->obj, name));
		OK(fw_pin_replace(fd, path, &err));
	}
	stage.careful = careful;
	OK(fw_datapath_open(PIN, &stage.version[1], &err));
}

/* The second pod, as wire_up() makes the first. */
static void second_pod(struct pod *pod)
{
	char path[64], pid[16], answer;
	int ready[2];

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pod->holder = fork();
	assert_true(pod->holder >= 0);
	if (pod->holder == 0)
		wire_hold_pod(ready[1]);
	assert_int_equal(read(ready[0], &answer, 1), 1);
	(void)close(ready[0]);
	(void)close(ready[1]);
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pod->holder);
	(void)snprintf(pid, sizeof(pid), "%d", (int)pod->holder);
	pod->netns = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(pod->netns >= 0);
	RUN("ip", "link", "add", "vi", "address", WIRE_HOST_MAC, "type", "veth", "peer", "name",
	    "eth0", "address", WIRE_POD_MAC, "netns", pid);
	RUN("ip", "addr", "add", "10.77.1.1/24", "dev", "vi");
	RUN("ip", "link", "set", "vi", "up");
	RUN("ip", "neigh", "replace", "10.77.1.2", "lladdr", WIRE_POD_MAC, "dev", "vi");
	wire_enter(pod->netns);
	RUN("ip", "addr", "add", "10.77.1.2/24", "dev", "eth0");
	RUN("ip", "link", "set", "eth0", "up");
	RUN("ip", "neigh", "replace", "10.77.1.1", "lladdr", WIRE_HOST_MAC, "dev", "eth0");
	wire_enter(stage.wire.node_netns);
}

static void address(int which, int family, bool pod, uint16_t port, struct sockaddr_in6 *ret)
{
	struct sockaddr_in *four = (struct sockaddr_in *)ret;
	char text[32];

	*ret = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
	if (family == 6) {
		(void)snprintf(text, sizeof(text), "fd77:%d::%d", which, pod ? 2 : 1);
		(void)inet_pton(AF_INET6, text, &ret->sin6_addr);
		return;
	}
	four->sin_family = AF_INET;
	(void)snprintf(text, sizeof(text), "10.77.%d.%d", which, pod ? 2 : 1);
	(void)inet_pton(AF_INET, text, &four->sin_addr);
}

static void add_ip6(int which)
{
	char node[32], pod[32], node_net[40], pod_net[40];
	const char *device = which ? "vi" : "vh";

	(void)snprintf(node, sizeof(node), "fd77:%d::1", which);
	(void)snprintf(pod, sizeof(pod), "fd77:%d::2", which);
	(void)snprintf(node_net, sizeof(node_net), "%s/64", node);
	(void)snprintf(pod_net, sizeof(pod_net), "%s/64", pod);
	RUN("ip", "addr", "add", node_net, "dev", device, "nodad");
	RUN("ip", "neigh", "replace", pod, "lladdr", WIRE_POD_MAC, "dev", device);
	wire_enter(stage.pods[which].netns);
	RUN("ip", "addr", "add", pod_net, "dev", "eth0", "nodad");
	RUN("ip", "neigh", "replace", node, "lladdr", WIRE_HOST_MAC, "dev", "eth0");
	wire_enter(stage.wire.node_netns);
}

static void claim(int which)
{
	struct pod *pod = &stage.pods[which];
	enum fw_hook_kind kind;
	struct sockaddr_in6 own;

	pod->hook.ifindex = if_nametoindex(which ? "vi" : "vh");
	OK(fw_endpoint_claim(stage.version[0], OWNER + (uint64_t)which, pod->hook.ifindex,
			     &pod->hook.slot, &err));
	pod->row = fw_datapath_endpoint(stage.version[0], pod->hook.slot);
	address(which, 6, true, 0, &own);
	memcpy(pod->row->ip6, &own.sin6_addr, 16);
	wire_pod_row(stage.version[0], pod->row);
	address(which, 4, true, 0, &own);
	pod->row->ip4_be = ((const struct sockaddr_in *)&own)->sin_addr.s_addr;
	OK(fw_hook_attach(stage.version[which], &pod->hook, &kind, &err));
	assert_int_equal(kind, FW_HOOK_CLSACT);
}

/* One connection, opened by the pod. */
static void open_flow(struct flow *flow, uint16_t port)
{
	const struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
	struct sockaddr_in6 to;
	socklen_t size;
	int listener;

	address(flow->which, flow->family, false, port, &to);
	size = flow->family == 6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	listener = socket(to.sin6_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (const struct sockaddr *)&to, size), 0);
	assert_int_equal(listen(listener, 1), 0);
	wire_enter(stage.pods[flow->which].netns);
	flow->pod = socket(to.sin6_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	wire_enter(stage.wire.node_netns);
	assert_int_equal(connect(flow->pod, (const struct sockaddr *)&to, size), 0);
	flow->node = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(flow->node >= 0);
	(void)close(listener);
	for (int i = 0; i < 2; i++)
		assert_int_equal(setsockopt(i ? flow->pod : flow->node, SOL_SOCKET, SO_RCVTIMEO,
					    &patience, sizeof(patience)),
				 0);
}

static const struct fw_flow *slot_of(const struct flow *flow, uint32_t index)
{
	const uint32_t base = stage.pods[flow->which].row->flow_base;

	return &fw_datapath_bucket(stage.version[0], base + index / FW_BUCKET_SLOTS)
			->slot[index % FW_BUCKET_SLOTS];
}

/* The one slot of this connection. */
static uint32_t find(const struct flow *flow)
{
	const uint16_t port = (uint16_t)(PORT + (flow - stage.flows));
	uint32_t found = UINT32_MAX, count = 0;

	for (uint32_t i = 0; i < REGION_SLOTS; i++) {
		const struct fw_flow *slot = slot_of(flow, i);

		if ((slot->ctl & FW_CTL_STATE) == FW_CTL_VALID && slot->remote_port == port) {
			found = i;
			count++;
		}
	}
	assert_int_equal(count, 1);
	return found;
}

static void each_flow_stands_where_it_stood(void)
{
	for (int i = 0; i < FLOWS; i++) {
		const struct flow *flow = &stage.flows[i];

		assert_int_equal(find(flow), flow->index);
		assert_true(slot_of(flow, flow->index)->ctl == flow->ctl);
		assert_int_equal(slot_of(flow, flow->index)->generation, flow->generation);
	}
}

static bool pass_on(int from, int to, size_t len, uint8_t mark)
{
	uint8_t out[MOST], in[MOST];

	memset(out, mark, len);
	return send(from, out, len, MSG_NOSIGNAL) == (ssize_t)len &&
	       recv(to, in, len, MSG_WAITALL) == (ssize_t)len && !memcmp(in, out, len);
}

/* Messages there and back on every flow of one pod, of sizes from one byte to many segments. */
static void *talk(void *context)
{
	const struct pod *pod = context;
	uint32_t random = (uint32_t)(pod - stage.pods) + 1;

	while (!stage.stop && !stage.broken) {
		uint32_t turn = (random >> 8) % (FLOWS / PODS);
		const struct flow *flow = &stage.flows[turn * PODS + (size_t)(pod - stage.pods)];
		size_t len = 1 + (random >> 12) % (random & 64 ? MOST : 200);

		if (!pass_on(flow->pod, flow->node, len, (uint8_t)random) ||
		    !pass_on(flow->node, flow->pod, len, (uint8_t)(random >> 3)))
			stage.broken = true;
		__atomic_add_fetch(&stage.messages, 1, __ATOMIC_RELAXED);
		random = random * 1103515245 + 12345;
	}
	return NULL;
}

static void start_talking(void)
{
	for (int which = 0; which < PODS; which++)
		assert_int_equal(
			pthread_create(&stage.threads[which], NULL, talk, &stage.pods[which]), 0);
	stage.talking = true;
}

static void stop_talking(void)
{
	stage.stop = true;
	for (int which = 0; which < PODS && stage.talking; which++)
		(void)pthread_join(stage.threads[which], NULL);
	stage.talking = false;
}

/* The second version and the flows have both moved on. */
static void wait_for_traffic(void)
{
	const volatile __u64 *careful = (const volatile __u64 *)stage.careful->bss->careful_packets;
	const uint64_t begin = __atomic_load_n(&stage.messages, __ATOMIC_RELAXED),
		       in = careful[FW_INGRESS], out = careful[FW_EGRESS];
	const struct timespec pause = {.tv_nsec = 500000};
	const long end = now_ms() + PATIENCE_MS;

	while (!stage.broken && now_ms() < end &&
	       (__atomic_load_n(&stage.messages, __ATOMIC_RELAXED) < begin + BETWEEN ||
		careful[FW_INGRESS] == in || careful[FW_EGRESS] == out))
		(void)nanosleep(&pause, NULL);
	assert_false(stage.broken);
	assert_true(now_ms() < end);
}

static void swap_under_traffic(int first)
{
	for (int round = first; round < first + SWAPS; round++) {
		for (int which = 0; which < PODS; which++)
			OK(fw_hook_refresh(stage.version[(which + round) % 2],
					   &stage.pods[which].hook, &err));
		wait_for_traffic();
		each_flow_stands_where_it_stood();
	}
}

struct ends {
	uint64_t pod_out, pod_in, node_out, node_in, out, in, retransmitted;
};

static struct ends ends_of(const struct flow *flow)
{
	const struct fw_flow *slot = slot_of(flow, flow->index);
	struct tcp_info pod, node;
	socklen_t len = sizeof(pod), more = sizeof(node);

	assert_int_equal(getsockopt(flow->pod, IPPROTO_TCP, TCP_INFO, &pod, &len), 0);
	assert_int_equal(getsockopt(flow->node, IPPROTO_TCP, TCP_INFO, &node, &more), 0);
	return (struct ends){.pod_out = pod.tcpi_segs_out,
			     .pod_in = pod.tcpi_segs_in,
			     .node_out = node.tcpi_segs_out,
			     .node_in = node.tcpi_segs_in,
			     .out = slot->count[FW_EGRESS] >> FW_COUNT_BYTES_BITS,
			     .in = slot->count[FW_INGRESS] >> FW_COUNT_BYTES_BITS,
			     .retransmitted = pod.tcpi_total_retrans + node.tcpi_total_retrans};
}

/*
 * Every segment that left one end was counted once and came to the other. The node's socket was
 * made by the handshake's last segment and says nothing of its SYN-ACK.
 */
static bool agree(const struct ends *ends)
{
	return ends->pod_out == ends->out && ends->node_in == ends->out &&
	       ends->node_out + 1 == ends->in && ends->pod_in == ends->in;
}

static void nothing_was_lost(void)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	const long end = now_ms() + 10000;
	uint64_t packets = 0, retransmitted = 0;

	for (int i = 0; i < FLOWS; i++) {
		struct ends ends = ends_of(&stage.flows[i]);

		for (; !agree(&ends) && now_ms() < end; ends = ends_of(&stage.flows[i]))
			(void)nanosleep(&pause, NULL); /* the last acknowledgements */
		if (!agree(&ends))
			print_message("# flow %d: pod sent %llu got %llu, node sent %llu got %llu; "
				      "counted out %llu in %llu\n",
				      i, (unsigned long long)ends.pod_out,
				      (unsigned long long)ends.pod_in,
				      (unsigned long long)ends.node_out,
				      (unsigned long long)ends.node_in,
				      (unsigned long long)ends.out, (unsigned long long)ends.in);
		assert_true(agree(&ends));
		packets += ends.out + ends.in;
		retransmitted += ends.retransmitted;
	}
	print_message("# %llu packets in %llu messages, %llu in and %llu out by the second "
		      "version; 0 lost, %llu sent again by an impatient sender\n",
		      (unsigned long long)packets, (unsigned long long)stage.messages,
		      (unsigned long long)stage.careful->bss->careful_packets[FW_INGRESS],
		      (unsigned long long)stage.careful->bss->careful_packets[FW_EGRESS],
		      (unsigned long long)retransmitted);
}

/* The control: a message that passes while no program is attached is missing from the count. */
static void a_gap_would_be_seen(void)
{
	const struct flow *flow = &stage.flows[0];
	struct ends ends;

	OK(fw_hook_detach(stage.version[0], &stage.pods[0].hook, &err));
	assert_true(pass_on(flow->pod, flow->node, 100, 3));
	ends = ends_of(flow);
	assert_true(ends.pod_out > ends.out);
	assert_false(agree(&ends));
}

static int setup(void **state)
{
	if (node_setup(state) < 0)
		return -1;
	stage = (struct stage){.version = {node_make()}};
	OK(fw_datapath_load_programs(stage.version[0], &err));
	load_second();
	wire_up(&stage.wire);
	stage.pods[0].netns = stage.wire.pod_netns;
	second_pod(&stage.pods[1]);
	for (int which = 0; which < PODS; which++) {
		add_ip6(which);
		claim(which);
	}
	for (int i = 0; i < FLOWS; i++) {
		stage.flows[i].which = i % PODS;
		stage.flows[i].family = i / PODS % 2 ? 6 : 4;
		open_flow(&stage.flows[i], (uint16_t)(PORT + i));
	}
	return 0;
}

static int teardown(void **state)
{
	stop_talking();
	for (int i = 0; i < FLOWS; i++) {
		(void)close(stage.flows[i].pod);
		(void)close(stage.flows[i].node);
	}
	for (int which = 0; which < PODS; which++)
		(void)fw_hook_detach(stage.version[0], &stage.pods[which].hook, NULL);
	(void)kill(stage.pods[1].holder, SIGKILL);
	(void)waitpid(stage.pods[1].holder, NULL, 0);
	(void)close(stage.pods[1].netns);
	wire_down(&stage.wire);
	careful__destroy(stage.careful);
	fw_datapath_close(&stage.version[1]);
	fw_datapath_close(&stage.version[0]);
	return node_teardown(state);
}

static void two_versions_are_swapped_under_live_flows(void **state)
{
	(void)state;
	for (int i = 0; i < FLOWS; i++) {
		struct flow *flow = &stage.flows[i];

		assert_true(pass_on(flow->pod, flow->node, 100, 1) &&
			    pass_on(flow->node, flow->pod, 100, 2));
		flow->index = find(flow);
		flow->ctl = slot_of(flow, flow->index)->ctl;
		flow->generation = slot_of(flow, flow->index)->generation;
	}
	start_talking();
	wait_for_traffic();
	swap_under_traffic(0);
	if (fw_hook_tcx_supported()) {
		/* one pod on each carrier, then both on tcx */
		OK(fw_hook_promote(stage.version[0], &stage.pods[0].hook, &err));
		swap_under_traffic(1);
		OK(fw_hook_promote(stage.version[1], &stage.pods[1].hook, &err));
		swap_under_traffic(0);
	} else {
		print_message("# this kernel has no tcx: clsact only\n");
	}
	stop_talking();
	assert_false(stage.broken);
	nothing_was_lost();
	each_flow_stands_where_it_stood();
	a_gap_would_be_seen();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(two_versions_are_swapped_under_live_flows, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("versions", tests, NULL, NULL);
}
