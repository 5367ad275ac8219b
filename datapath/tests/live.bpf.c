/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The sender and the sink of the forward-path benchmark. In: frames of a live test run, which come
 * round with the headers that the stack rewrote. Out: each as new (MACs, TTL, ports by mode),
 * passed up the stack of its device; the sink drops at once what arrives in the pod. Never used by
 * the product.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum { MODE_ONE, MODE_64K, MODE_NEW };

struct live_header {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
} __attribute__((packed));

struct live_cpu {
	__u64 count;
	__u32 next;
	__u32 reserved[13];
};

const volatile __u8 live_header_template[sizeof(struct live_header)] = {};
const volatile __u32 live_mode = MODE_ONE;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct live_cpu);
} live_cpus SEC(".maps");

SEC("xdp") int live_send(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct live_header *header = data;
	__u32 zero = 0, cpu = bpf_get_smp_processor_id();
	struct live_cpu *mine = bpf_map_lookup_elem(&live_cpus, &zero);

	if (!mine || data + sizeof(*header) > end)
		return XDP_ABORTED;
	for (__u32 i = 0; i < sizeof(*header); i++)
		((__u8 *)data)[i] = live_header_template[i];
	if (live_mode == MODE_ONE) {
		header->udp.source = bpf_htons((__u16)(40000 + cpu));
	} else {
		__u32 n = mine->next++;

		/* the CPUs share no flow: the lowest bit of the port is the CPU's */
		header->udp.source = bpf_htons((__u16)((n * 40503u) << 1 | (cpu & 1)));
		if (live_mode == MODE_NEW)
			header->udp.dest = bpf_htons((__u16)(1024 + (n >> 15)));
	}
	mine->count++;
	return XDP_PASS;
}

SEC("xdp") int live_sink(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct live_header *header = data;
	__u32 one = 1;
	struct live_cpu *mine = bpf_map_lookup_elem(&live_cpus, &one);

	if (!mine || data + sizeof(*header) > end)
		return XDP_PASS;
	if (header->eth.h_proto != bpf_htons(ETH_P_IP) || header->ip.protocol != IPPROTO_UDP)
		return XDP_PASS;
	mine->count++;
	return XDP_DROP;
}

SEC("tcx/ingress") int live_empty(__attribute__((unused)) struct __sk_buff *skb)
{
	return -1;
}

char live_license[] SEC("license") = "Dual BSD/GPL";
