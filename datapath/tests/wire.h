/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node and a pod to send packets between: two nameless network namespaces and a veth. In: root.
 * Out: sockets on both sides. The node's namespace is the test's own from then on; both vanish with
 * their processes, whatever happens. Include after cmocka.h.
 */
#ifndef FW_TESTS_WIRE_H
#define FW_TESTS_WIRE_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "loader/loader.h"

#define WIRE_HOST_MAC "02:00:00:00:0a:01"
#define WIRE_POD_MAC  "02:00:00:00:0a:02"
#define WIRE_NODE     "10.77.0.1"
#define WIRE_POD      "10.77.0.2"
#define WIRE_PATIENCE 10 /* seconds: a datagram that comes so late is called lost */

struct wire {
	pid_t pod;	/* holds the pod's namespace */
	int node_netns; /* of the test itself */
	int pod_netns;
	uint32_t ifindex; /* the host side of the veth */
};

/* Runs a program and waits; the arguments end with NULL. */
static inline int wire_run(const char *const *arguments)
{
	extern char **environ;
	int status = -1;
	pid_t child;

	if (posix_spawnp(&child, arguments[0], NULL, NULL, (char *const *)(uintptr_t)arguments,
			 environ) != 0)
		return -1;
	if (waitpid(child, &status, 0) != child)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define RUN(...) assert_int_equal(wire_run((const char *const[]){__VA_ARGS__, NULL}), 0)

static inline void wire_enter(int netns)
{
	assert_int_equal(setns(netns, CLONE_NEWNET), 0);
}

static inline void wire_hold_pod(int ready)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWNET) == 0 && write(ready, "y", 1) == 1)
		for (;;)
			(void)pause();
	_exit(1);
}

/* A UDP socket of one side, bound and connected; waits WIRE_PATIENCE seconds for a datagram. */
static inline int wire_udp(const struct wire *wire, bool pod, uint16_t port)
{
	const struct timeval patience = {.tv_sec = WIRE_PATIENCE};
	struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(port)}, peer = own;
	int fd;

	(void)inet_pton(AF_INET, pod ? WIRE_POD : WIRE_NODE, &own.sin_addr);
	(void)inet_pton(AF_INET, pod ? WIRE_NODE : WIRE_POD, &peer.sin_addr);
	wire_enter(pod ? wire->pod_netns : wire->node_netns);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&own, sizeof(own)), 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&peer, sizeof(peer)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	wire_enter(wire->node_netns);
	return fd;
}

/* True when a datagram gets from one socket to the other within 20 ms. */
static inline bool wire_carries(int from, int to)
{
	const struct timeval soon = {.tv_usec = 20000};
	char got = 0;

	return setsockopt(to, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)) == 0 &&
	       send(from, "x", 1, 0) == 1 && recv(to, &got, 1, 0) == 1;
}

/*
 * Waits until both ends take packets: the kernel gives a device its queue some time after the link
 * is up (linkwatch), and drops what is sent before (QDISC_DROP).
 */
static inline void wire_wait(const struct wire *wire)
{
	const uint16_t port = 9;
	const int node = wire_udp(wire, false, port), pod = wire_udp(wire, true, port);
	int left = WIRE_PATIENCE * 50;

	while (left > 0 && !wire_carries(pod, node))
		left--;
	while (left > 0 && !wire_carries(node, pod))
		left--;
	assert_true(left > 0);
	(void)close(node);
	(void)close(pod);
}

static inline void wire_up(struct wire *wire)
{
	char path[64], pid[16], answer;
	int ready[2];

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	wire->pod = fork();
	assert_true(wire->pod >= 0);
	if (wire->pod == 0)
		wire_hold_pod(ready[1]);
	assert_int_equal(read(ready[0], &answer, 1), 1);
	(void)close(ready[0]);
	(void)close(ready[1]);
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)wire->pod);
	wire->pod_netns = open(path, O_RDONLY | O_CLOEXEC);
	wire->node_netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(wire->pod_netns >= 0 && wire->node_netns >= 0);
	(void)snprintf(pid, sizeof(pid), "%d", (int)wire->pod);
	RUN("ip", "link", "set", "lo", "up");
	RUN("ip", "link", "add", "vh", "address", WIRE_HOST_MAC, "type", "veth", "peer", "name",
	    "eth0", "address", WIRE_POD_MAC, "netns", pid);
	RUN("ip", "addr", "add", WIRE_NODE "/24", "dev", "vh");
	RUN("ip", "link", "set", "vh", "up");
	RUN("ip", "neigh", "replace", WIRE_POD, "lladdr", WIRE_POD_MAC, "dev", "vh");
	wire_enter(wire->pod_netns);
	RUN("ip", "link", "set", "lo", "up");
	RUN("ip", "addr", "add", WIRE_POD "/24", "dev", "eth0");
	RUN("ip", "link", "set", "eth0", "up");
	RUN("ip", "neigh", "replace", WIRE_NODE, "lladdr", WIRE_HOST_MAC, "dev", "eth0");
	wire_enter(wire->node_netns);
	wire->ifindex = if_nametoindex("vh");
	assert_int_not_equal(wire->ifindex, 0);
	wire_wait(wire);
}

static inline void wire_down(struct wire *wire)
{
	(void)kill(wire->pod, SIGKILL);
	(void)waitpid(wire->pod, NULL, 0);
	(void)close(wire->pod_netns);
	(void)close(wire->node_netns);
}

/* The wire's pod as an endpoint whose policy allows everything. */
static inline void wire_pod_row(const struct fw_datapath *datapath, struct fw_endpoint *row)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0x0a, 2};
	const struct fw_subject subject = {.otherwise = {FW_DECISION_ALLOW | FW_DECIDED_DEFAULT,
							 FW_DECISION_ALLOW | FW_DECIDED_DEFAULT}};
	const uint32_t first = 0;

	memcpy(row->mac, mac, sizeof(mac));
	(void)inet_pton(AF_INET, WIRE_POD, &row->ip4_be);
	row->subject = first;
	assert_int_equal(bpf_map_update_elem(fw_datapath_map_fd(datapath, FW_MAP_SUBJECTS), &first,
					     &subject, 0),
			 0);
	fw_endpoint_publish(row, FW_EP_ACTIVE);
}

#endif
