/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sender who changes his mind: UDP frames from a mapped ring, of which the kernel takes the
 * bytes behind the Ethernet header as they stand, while a second thread flips the destination
 * between two addresses. In: a device, addresses. Out: the number of frames sent. Judges nothing.
 *
 * usage: tool_ring DEVICE SOURCE-MAC TARGET-MAC SOURCE FIRST SECOND SECONDS [bypass]
 *   FIRST, SECOND  destinations of one family; for IPv4 with the same sum of 16-bit words, so that
 *                  one header checksum fits both
 *   bypass         PACKET_QDISC_BYPASS: straight to the driver
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

#define FRAMES	   64u
#define FRAME_SIZE 2048u
#define DATA	   (((sizeof(struct tpacket2_hdr)) + 15u) / 16u * 16u) /* TPACKET_ALIGN */
#define PAYLOAD	   32u
#define PORT	   9999u

struct frame {
	uint8_t bytes[128];
	size_t size;
	size_t target; /* offset of the destination address */
	size_t address;
	uint8_t choice[2][16];
};

struct flipper {
	const struct frame *frame;
	uint8_t *ring;
	atomic_bool stop;
};

static void put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint16_t checksum4(const uint8_t *header)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < 20; i += 2)
		sum += (uint32_t)header[i] << 8 | header[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static int read_mac(const char *text, uint8_t *ret_mac)
{
	unsigned int b[6];

	if (strlen(text) != 17)
		return -1;
	for (size_t i = 0; i < 6; i++) {
		char *end;

		b[i] = (unsigned int)strtoul(text + i * 3, &end, 16);
		if (end != text + i * 3 + 2 || b[i] > 255)
			return -1;
		ret_mac[i] = (uint8_t)b[i];
	}
	return 0;
}

static int make_frame(char **argv, struct frame *frame)
{
	int family = strchr(argv[4], ':') ? AF_INET6 : AF_INET;
	uint8_t *ip = frame->bytes + ETH_HLEN;
	size_t l4 = family == AF_INET ? 20 : 40, source = family == AF_INET ? 12 : 8;

	if (read_mac(argv[3], frame->bytes) || read_mac(argv[2], frame->bytes + 6))
		return -1;
	frame->address = family == AF_INET ? 4 : 16;
	frame->target = ETH_HLEN + source + frame->address;
	frame->size = ETH_HLEN + l4 + 8 + PAYLOAD;
	if (inet_pton(family, argv[4], ip + source) != 1 ||
	    inet_pton(family, argv[5], frame->choice[0]) != 1 ||
	    inet_pton(family, argv[6], frame->choice[1]) != 1)
		return -1;
	memcpy(frame->bytes + frame->target, frame->choice[0], frame->address);
	put16(frame->bytes + 12, family == AF_INET ? ETH_P_IP : ETH_P_IPV6);
	ip[0] = family == AF_INET ? 0x45 : 0x60;
	if (family == AF_INET) {
		put16(ip + 2, l4 + 8 + PAYLOAD);
		ip[8] = 64;
		ip[9] = IPPROTO_UDP;
		put16(ip + 10, checksum4(ip));
	} else {
		put16(ip + 4, 8 + PAYLOAD);
		ip[6] = IPPROTO_UDP;
		ip[7] = 64;
	}
	put16(ip + l4, PORT);
	put16(ip + l4 + 2, PORT);
	put16(ip + l4 + 4, 8 + PAYLOAD);
	return 0;
}

static void *flip(void *context)
{
	struct flipper *flipper = context;
	const struct frame *frame = flipper->frame;

	for (unsigned int round = 0; !atomic_load(&flipper->stop); round++)
		for (size_t i = 0; i < FRAMES; i++)
			memcpy(flipper->ring + i * FRAME_SIZE + DATA + frame->target,
			       frame->choice[round & 1], frame->address);
	return NULL;
}

static int open_ring(const char *device, bool bypass, uint8_t **ret_ring)
{
	struct tpacket_req request = {.tp_block_size = FRAMES * FRAME_SIZE,
				      .tp_block_nr = 1,
				      .tp_frame_size = FRAME_SIZE,
				      .tp_frame_nr = FRAMES};
	struct sockaddr_ll address = {.sll_family = AF_PACKET,
				      .sll_protocol = htons(ETH_P_IP),
				      .sll_ifindex = (int)if_nametoindex(device)};
	_cleanup_close_ int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	int version = TPACKET_V2, one = 1, zero = 0;
	void *ring;

	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, bypass ? &one : &zero, sizeof(one)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_TX_RING, &request, sizeof(request)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)))
		return -errno;
	ring = mmap(NULL, (size_t)FRAMES * FRAME_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ring == MAP_FAILED)
		return -errno;
	*ret_ring = ring;
	return TAKE_FD(fd);
}

static unsigned long send_for(int fd, uint8_t *ring, const struct frame *frame, double seconds)
{
	struct timespec now, begin;
	unsigned long sent = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		for (size_t i = 0; i < FRAMES; i++) {
			struct tpacket2_hdr *header = (void *)(ring + i * FRAME_SIZE);

			if (__atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE) !=
			    TP_STATUS_AVAILABLE)
				continue;
			header->tp_len = (uint32_t)frame->size;
			__atomic_store_n(&header->tp_status, TP_STATUS_SEND_REQUEST,
					 __ATOMIC_RELEASE);
			sent++;
		}
		(void)send(fd, NULL, 0, 0);
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((double)(now.tv_sec - begin.tv_sec) + (double)(now.tv_nsec - begin.tv_nsec) / 1e9 <
		 seconds);
	return sent;
}

int main(int argc, char **argv)
{
	struct frame frame = {0};
	struct flipper flipper = {.frame = &frame};
	_cleanup_close_ int fd = -1;
	unsigned long sent;
	pthread_t thread;

	if (argc < 8 || make_frame(argv, &frame)) {
		(void)fprintf(stderr, "usage: tool_ring DEVICE SOURCE-MAC TARGET-MAC SOURCE FIRST "
				      "SECOND SECONDS [bypass]\n");
		return 2;
	}
	fd = open_ring(argv[1], argc > 8 && !strcmp(argv[8], "bypass"), &flipper.ring);
	if (fd < 0) {
		(void)fprintf(stderr, "tool_ring: %s: %s\n", argv[1], strerror(-fd));
		return 1;
	}
	for (size_t i = 0; i < FRAMES; i++)
		memcpy(flipper.ring + i * FRAME_SIZE + DATA, frame.bytes, frame.size);
	if (pthread_create(&thread, NULL, flip, &flipper))
		return 1;
	sent = send_for(fd, flipper.ring, &frame, strtod(argv[7], NULL));
	atomic_store(&flipper.stop, true);
	(void)pthread_join(thread, NULL);
	(void)printf("%lu\n", sent);
	return 0;
}
