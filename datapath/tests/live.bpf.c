/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The sender and the sink of the forward-path benchmark. In: frames of a live test run, which come
 * round with the headers that the stack rewrote. Out: each as new (MACs, TTL or hop limit, ports by
 * mode), passed up the stack of its device; the sink drops at once what arrives in the pod. Never
 * used by the product.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define HEADER4 (sizeof(struct ethhdr) + sizeof(struct iphdr) + sizeof(struct udphdr))
#define HEADER6 (sizeof(struct ethhdr) + sizeof(struct ipv6hdr) + sizeof(struct udphdr))

enum { MODE_ONE, MODE_64K, MODE_NEW };

struct live_cpu {
	__u64 count;
	__u32 next;
	__u32 reserved[13];
};

/* The first HEADER4 or HEADER6 bytes of every frame. */
const volatile __u8 live_header_template[HEADER6] = {};
const volatile __u32 live_family = 4;
const volatile __u32 live_mode = MODE_ONE;
const volatile __u32 live_first = 0; /* MODE_NEW: where its destination ports begin */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct live_cpu);
} live_cpus SEC(".maps");

static __always_inline int send(struct xdp_md *ctx, const __u32 size)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct udphdr *udp = data + size - sizeof(*udp);
	__u32 zero = 0, cpu = bpf_get_smp_processor_id();
	struct live_cpu *mine = bpf_map_lookup_elem(&live_cpus, &zero);

	if (!mine || data + size > end)
		return XDP_ABORTED;
	for (__u32 i = 0; i < size; i++)
		((__u8 *)data)[i] = live_header_template[i];
	if (live_mode == MODE_ONE) {
		udp->source = bpf_htons((__u16)(40000 + cpu));
	} else {
		__u32 n = mine->next++;

		/* the CPUs share no flow: the lowest bit of the port is the CPU's */
		udp->source = bpf_htons((__u16)((n * 40503u) << 1 | (cpu & 1)));
		if (live_mode == MODE_NEW)
			udp->dest = bpf_htons((__u16)(1024 + (live_first + (n >> 15)) % 64512));
	}
	mine->count++;
	return XDP_PASS;
}

SEC("xdp") int live_send(struct xdp_md *ctx)
{
	return live_family == 4 ? send(ctx, HEADER4) : send(ctx, HEADER6);
}

SEC("xdp") int live_sink(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct ipv6hdr *ip6 = (void *)(eth + 1);
	__u32 one = 1;
	struct live_cpu *mine = bpf_map_lookup_elem(&live_cpus, &one);

	if (!mine || (void *)(ip6 + 1) > end) /* no frame of the sender is shorter */
		return XDP_PASS;
	if (eth->h_proto == bpf_htons(ETH_P_IP)
		    ? ip->protocol != IPPROTO_UDP
		    : eth->h_proto != bpf_htons(ETH_P_IPV6) || ip6->nexthdr != IPPROTO_UDP)
		return XDP_PASS;
	mine->count++;
	return XDP_DROP;
}

SEC("tcx/ingress") int live_empty(__attribute__((unused)) struct __sk_buff *skb)
{
	return -1;
}

char live_license[] SEC("license") = "Dual BSD/GPL";
