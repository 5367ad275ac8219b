/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives frames through the whole forward path of a node: from a pod's host-side device, up the
 * stack, out of another pod's device. In: two network namespaces and the addresses of a packet, of
 * either family. Out: one
 * line of JSON, nanoseconds per packet per CPU, and how many of the packets arrived. Sends nothing
 * but by live test runs on the device named.
 *
 * usage: tool_live_frames NODE-NETNS IFINDEX POD-NETNS POD-IFINDEX SRC-MAC DST-MAC SRC-IP DST-IP
 *                         one|64k|new ROUNDS PACKETS CPUS [empty]
 * `empty`: an empty tcx program on both directions of IFINDEX while it runs.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <net/ethernet.h>
#include <netinet/ether.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "live.skel.h"

#define FRAME_LEN 64
#define CPUS_MAX  8

/* What every frame begins with. */
struct header {
	unsigned char bytes[sizeof(struct ethhdr) + sizeof(struct ipv6hdr) + sizeof(struct udphdr)];
	unsigned int family; /* 4 or 6 */
};

struct sender {
	pthread_t thread;
	int program, cpu;
	unsigned int ifindex, rounds, packets;
	double best_ns; /* per packet, minimum over the rounds */
	double sum_ns;
	int error;
};

static int fail(const char *what, int code)
{
	(void)fprintf(stderr, "tool_live_frames: %s: %s\n", what,
		      strerror(code < 0 ? -code : code));
	return 1;
}

static int enter(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		return -errno;
	return 0;
}

static uint16_t checksum(const void *ip)
{
	const uint8_t *bytes = ip;
	uint32_t sum = 0;

	for (size_t i = 0; i < sizeof(struct iphdr); i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static int fill4(struct header *header, const char *from, const char *to)
{
	struct iphdr ip = {.version = 4,
			   .ihl = 5,
			   .ttl = 64,
			   .protocol = IPPROTO_UDP,
			   .tot_len = htons(FRAME_LEN - sizeof(struct ethhdr))};

	if (inet_pton(AF_INET, from, &ip.saddr) != 1 || inet_pton(AF_INET, to, &ip.daddr) != 1)
		return -EINVAL;
	ip.check = checksum(&ip);
	memcpy(header->bytes + sizeof(struct ethhdr), &ip, sizeof(ip));
	return 0;
}

static int fill6(struct header *header, const char *from, const char *to)
{
	struct ipv6hdr ip = {.version = 6, .hop_limit = 64, .nexthdr = IPPROTO_UDP};

	if (inet_pton(AF_INET6, from, &ip.saddr) != 1 || inet_pton(AF_INET6, to, &ip.daddr) != 1)
		return -EINVAL;
	ip.payload_len = htons(FRAME_LEN - sizeof(struct ethhdr) - sizeof(ip));
	memcpy(header->bytes + sizeof(struct ethhdr), &ip, sizeof(ip));
	return 0;
}

/* argv: SRC-MAC DST-MAC SRC-IP DST-IP */
static int fill(struct header *header, char **argv)
{
	struct ethhdr eth = {0};
	struct udphdr udp = {.dest = htons(8080)};
	struct ether_addr source, destination;
	size_t at;

	*header = (struct header){.family = strchr(argv[2], ':') ? 6 : 4};
	if (!ether_aton_r(argv[0], &source) || !ether_aton_r(argv[1], &destination))
		return -EINVAL;
	memcpy(eth.h_source, &source, ETH_ALEN);
	memcpy(eth.h_dest, &destination, ETH_ALEN);
	eth.h_proto = htons(header->family == 4 ? ETH_P_IP : ETH_P_IPV6);
	memcpy(header->bytes, &eth, sizeof(eth));
	at = sizeof(eth) + (header->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
	udp.len = htons((uint16_t)(FRAME_LEN - at));
	memcpy(header->bytes + at, &udp, sizeof(udp));
	return header->family == 4 ? fill4(header, argv[2], argv[3])
				   : fill6(header, argv[2], argv[3]);
}

static double now_ns(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void *send_frames(void *argument)
{
	struct sender *sender = argument;
	unsigned char frame[FRAME_LEN] = {0};
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET((unsigned int)sender->cpu, &cpus);
	(void)pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	sender->best_ns = 1e18;
	for (unsigned int round = 0; round < sender->rounds + 1; round++) {
		struct xdp_md context = {.data_end = FRAME_LEN, .ingress_ifindex = sender->ifindex};
		LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = FRAME_LEN,
			    .ctx_in = &context, .ctx_size_in = sizeof(context),
			    .repeat = (int)sender->packets, .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
			    .batch_size = 64);
		double begin = now_ns(), spent;

		sender->error = bpf_prog_test_run_opts(sender->program, &options);
		if (sender->error)
			return NULL;
		spent = (now_ns() - begin) / sender->packets;
		if (!round)
			continue; /* warms up */
		sender->sum_ns += spent;
		if (spent < sender->best_ns)
			sender->best_ns = spent;
	}
	return NULL;
}

static uint64_t counted(struct live *skel, uint32_t row)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct {
		uint64_t count;
		uint32_t rest[14];
	} *values = calloc(cpus > 0 ? (size_t)cpus : 1, 64);
	uint64_t sum = 0;

	if (!values || bpf_map_lookup_elem(bpf_map__fd(skel->maps.live_cpus), &row, values))
		return 0;
	for (int i = 0; i < cpus; i++)
		sum += values[i].count;
	return sum;
}

static int run(struct live *skel, unsigned int ifindex, char **argv)
{
	struct sender senders[CPUS_MAX] = {0};
	unsigned long cpus = strtoul(argv[3], NULL, 10);
	double best = 0, mean = 0;

	if (cpus < 1 || cpus > CPUS_MAX)
		return fail("CPUS", EINVAL);
	for (unsigned long i = 0; i < cpus; i++) {
		senders[i] = (struct sender){
			.program = bpf_program__fd(skel->progs.live_send),
			.cpu = (int)i,
			.ifindex = ifindex,
			.rounds = (unsigned int)strtoul(argv[1], NULL, 10),
			.packets = (unsigned int)strtoul(argv[2], NULL, 10),
		};
		if (pthread_create(&senders[i].thread, NULL, send_frames, &senders[i]))
			return fail("thread", EAGAIN);
	}
	for (unsigned long i = 0; i < cpus; i++) {
		(void)pthread_join(senders[i].thread, NULL);
		if (senders[i].error)
			return fail("live test run", senders[i].error);
		best += senders[i].best_ns / (double)cpus;
		mean += senders[i].sum_ns / senders[i].rounds / (double)cpus;
	}
	(void)printf("{\"mode\": \"%s\", \"cpus\": %lu, \"ns\": %.1f, \"mean_ns\": %.1f, \"sent\": "
		     "%llu, "
		     "\"arrived\": %llu}\n",
		     argv[0], cpus, best, mean, (unsigned long long)counted(skel, 0),
		     (unsigned long long)counted(skel, 1));
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int ifindex, sink;
	struct header header;
	struct live *skel;
	int result;

	if (argc < 13)
		return fail("usage: see the head of the source", EINVAL);
	ifindex = (unsigned int)strtoul(argv[2], NULL, 10);
	sink = (unsigned int)strtoul(argv[4], NULL, 10);
	if (fill(&header, argv + 5))
		return fail("addresses", EINVAL);
	skel = live__open();
	if (!skel)
		return fail("open", errno);
	memcpy(skel->rodata->live_header_template, header.bytes, sizeof(header.bytes));
	skel->rodata->live_family = header.family;
	/* a firewall that remembers the packets of an earlier run would not find them new */
	if (getrandom((void *)(uintptr_t)&skel->rodata->live_first, 2, 0) != 2)
		return fail("random", errno);
	skel->rodata->live_mode = !strcmp(argv[9], "new") ? 2u : !strcmp(argv[9], "64k") ? 1u : 0u;
	result = live__load(skel);
	if (result)
		return fail("load", result);
	result = enter(argv[3]);
	if (!result)
		result = bpf_xdp_attach((int)sink, bpf_program__fd(skel->progs.live_sink),
					XDP_FLAGS_SKB_MODE, NULL);
	if (result)
		return fail("sink", result);
	result = enter(argv[1]);
	if (result)
		return fail("node", result);
	if (argc > 13) {
		LIBBPF_OPTS(bpf_tcx_opts, options);
		struct bpf_link *link =
			bpf_program__attach_tcx(skel->progs.live_empty, (int)ifindex, &options);

		if (!link)
			return fail("empty program", errno);
	}
	result = run(skel, ifindex, argv + 9);
	if (!enter(argv[3]))
		(void)bpf_xdp_detach((int)sink, XDP_FLAGS_SKB_MODE, NULL);
	live__destroy(skel);
	return result;
}
