// SPDX-License-Identifier: Apache-2.0
/*
 * Which questions are worth asking. In: tables. Out: every pod x direction x peer x protocol x port
 * where an answer can change, asked of tables and programs. Chooses, never judges.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "check/compare.h"
#include "fw/abi.h"

#define PEERS_MAX	512u
#define PORTS_MAX	256u
#define DIFFERENCES_MAX 20u
#define FILL_FROM	5000u  /* questions for one world: fewer are better spent on what matters */
#define PORT_END	20000u /* source ports begin here */

struct questions {
	struct fw_ip peers[PEERS_MAX];
	size_t peer_count;
	uint32_t keys[PORTS_MAX]; /* protocol << 16 | port; protocol 1: ICMP of the peer's family */
	size_t key_count;
};

/* What the source check or the stack would refuse before any policy. */
static bool can_be_peer(const struct fw_ip *ip)
{
	if (fw_ip_is4(ip))
		return ip->b[12] != 0 && ip->b[12] != 127 && ip->b[12] < 224;
	return ip->b[0] != 0 && ip->b[0] != 0xff && ip->b[0] != 0xfe;
}

static void add_peer(struct questions *questions, const struct fw_ip *ip)
{
	if (!can_be_peer(ip) || questions->peer_count == PEERS_MAX)
		return;
	for (size_t i = 0; i < questions->peer_count; i++)
		if (fw_ip_equal(&questions->peers[i], ip))
			return;
	questions->peers[questions->peer_count++] = *ip;
}

static void add_key(struct questions *questions, uint32_t protocol, uint32_t port)
{
	const uint32_t key = protocol << 16 | (port & 0xffff);

	if (questions->key_count == PORTS_MAX)
		return;
	for (size_t i = 0; i < questions->key_count; i++)
		if (questions->keys[i] == key)
			return;
	questions->keys[questions->key_count++] = key;
}

/* The first and the last address of a prefix, and their neighbours outside. */
static void add_prefix(struct questions *questions, const struct fw_prefix *prefix)
{
	struct fw_ip first = prefix->ip, last = prefix->ip, before, behind;

	for (unsigned int bit = prefix->bits; bit < 128; bit++)
		last.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	before = first;
	behind = last;
	for (int i = 15; i >= 0 && before.b[i]-- == 0; i--)
		continue;
	for (int i = 15; i >= 0 && ++behind.b[i] == 0; i--)
		continue;
	add_peer(questions, &first);
	add_peer(questions, &last);
	if (fw_ip_is4(&before) == fw_ip_is4(&first))
		add_peer(questions, &before);
	if (fw_ip_is4(&behind) == fw_ip_is4(&first))
		add_peer(questions, &behind);
}

static void collect(const struct fw_world *world, struct questions *questions)
{
	static const uint32_t ported[] = {FW_PROTO_TCP, FW_PROTO_UDP, FW_PROTO_SCTP};
	const struct fw_tables *tables = world->tables;

	for (size_t i = 0; i < tables->addresses_count; i++)
		add_peer(questions, &tables->addresses[i].ip);
	for (size_t i = 0; i < tables->prefixes_count; i++)
		add_prefix(questions, &tables->prefixes[i].prefix);
	for (size_t i = 0; i < sizeof(ported) / sizeof(*ported); i++)
		add_key(questions, ported[i], 80);
	add_key(questions, FW_PROTO_ICMP, 0);
	add_key(questions, 47, 0); /* a protocol without ports */
	for (size_t i = 0; i < tables->services_count; i++)
		for (uint32_t next = 0; next < 2; next++)
			add_key(questions, tables->services[i].protocol,
				tables->services[i].port + next);
	for (size_t i = 0; i < tables->ranges_count; i++) {
		const struct fw_range_row *row = &tables->ranges[i];
		const uint32_t keys[] = {row->lo, row->hi, row->lo - 1, row->hi + 1};

		for (size_t k = 0; k < 4; k++)
			for (size_t p = 0; p < sizeof(ported) / sizeof(*ported); p++)
				if (keys[k] >> 16 == ported[p])
					add_key(questions, ported[p], keys[k]);
	}
}

static uint64_t next_random(uint64_t *state) /* xorshift64 */
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state >> 16;
}

/* Room that is left is filled with addresses near those that matter, and with any ports. */
static void fill_up(struct questions *questions, size_t peers, size_t keys, uint64_t *state)
{
	static const uint32_t ported[] = {FW_PROTO_TCP, FW_PROTO_UDP, FW_PROTO_SCTP};
	const size_t known = questions->peer_count;

	for (size_t tries = 0; known && tries < peers && questions->peer_count < peers; tries++) {
		struct fw_ip ip = questions->peers[next_random(state) % known];

		ip.b[15] = (uint8_t)next_random(state);
		if (next_random(state) % 4 == 0)
			ip.b[14] ^= (uint8_t)(1u << next_random(state) % 8);
		add_peer(questions, &ip);
	}
	for (size_t tries = 0; tries < keys && questions->key_count < keys; tries++)
		add_key(questions, ported[next_random(state) % 3],
			(uint32_t)next_random(state) % PORT_END);
}

static bool complete(struct fw_end *end, const struct fw_ip *local, const struct fw_ip *remote,
		     uint32_t key)
{
	bool is4 = fw_ip_is4(local);

	if (is4 != fw_ip_is4(remote))
		return false;
	end->local = *local;
	end->remote = *remote;
	end->protocol = (uint8_t)(key >> 16);
	end->port = (uint16_t)key;
	if (end->protocol == FW_PROTO_ICMP) {
		end->protocol = is4 ? FW_PROTO_ICMP : FW_PROTO_ICMPV6;
		end->port = (uint16_t)((is4 ? 8u : 128u) << 8); /* echo request */
	}
	return true;
}

static int ask(struct fw_compare *compare, const struct fw_end *end, struct fw_compare_sweep *sweep,
	       struct fw_buf *differences)
{
	char text[FW_COMPARE_TEXT];

	sweep->asked++;
	if (fw_compare_end(compare, end, text) == 1)
		return 0;
	if (sweep->differed++ >= DIFFERENCES_MAX)
		return 0;
	return fw_buf_printf(differences, "%s\n", text);
}

static int ask_pod(struct fw_compare *compare, const struct fw_pod *pod,
		   const struct questions *questions, uint64_t keep, uint64_t *state,
		   struct fw_compare_sweep *sweep, struct fw_buf *differences)
{
	const struct fw_world *world = fw_compare_world(compare);
	int r = 0;

	for (uint8_t direction = 0; direction < 2; direction++) {
		struct fw_end end;

		if (!fw_world_end(world, pod, direction, &end))
			return 0;
		for (size_t i = 0; i < pod->ip_count && r >= 0; i++)
			for (size_t p = 0; p < questions->peer_count && r >= 0; p++)
				for (size_t k = 0; k < questions->key_count && r >= 0; k++) {
					if ((next_random(state) & 0xffffffff) >= keep)
						continue;
					if (complete(&end, &pod->ips[i], &questions->peers[p],
						     questions->keys[k]))
						r = ask(compare, &end, sweep, differences);
				}
	}
	return r;
}

int fw_compare_run(struct fw_compare *compare, uint64_t limit, uint64_t seed,
		   struct fw_compare_sweep *ret_sweep, struct fw_buf *differences)
{
	const struct fw_world *world = fw_compare_world(compare);
	_cleanup_free_ struct questions *questions = calloc(1, sizeof(*questions));
	struct fw_compare_sweep sweep = {0};
	uint64_t whole, keep = 1ull << 32, state = seed | 1;
	int r = 0;

	if (!questions)
		return -ENOMEM;
	collect(world, questions);
	if (limit > FILL_FROM)
		fill_up(questions, PEERS_MAX / 4, PORTS_MAX / 2, &state);
	whole = (uint64_t)questions->peer_count * questions->key_count * world->tables->pods_count *
		2;
	if (whole > limit)
		keep = (limit << 32) / whole;
	for (size_t i = 0; i < world->tables->pods_count && r >= 0; i++) {
		const struct fw_pod_row *row = &world->tables->pods[i];

		r = ask_pod(compare,
			    (const struct fw_pod *)fw_model_get(world->model, FW_KIND_POD,
								row->namespace, row->name),
			    questions, keep, &state, &sweep, differences);
	}
	if (r < 0)
		return r;
	*ret_sweep = sweep;
	return 0;
}

static int ask_live(struct fw_compare *compare, const struct fw_end *end, uint16_t source_port,
		    bool opens, struct fw_compare_sweep *sweep, struct fw_buf *differences)
{
	char text[FW_COMPARE_TEXT];

	if (fw_end_is_self(end))
		return 0;
	sweep->asked++;
	if (fw_compare_live_end(compare, end, source_port, opens, text) == 1 ||
	    sweep->differed++ >= DIFFERENCES_MAX)
		return 0;
	return fw_buf_printf(differences, "live flow: %s\n", text);
}

int fw_compare_live(struct fw_compare *compare, bool opens, struct fw_compare_sweep *ret_sweep,
		    struct fw_buf *differences)
{
	static const char *const peers[] = {"10.0.0.1",	 "10.0.0.3",   "10.0.0.10", "192.0.2.130",
					    "10.96.0.1", "10.96.0.9",  "fd00::1",   "fd00::9",
					    "fd96::1",	 "2001:db8::1"};
	static const uint32_t keys[] = {
		FW_RANGE_KEY(FW_PROTO_TCP, 80), FW_RANGE_KEY(FW_PROTO_TCP, 8080),
		FW_RANGE_KEY(FW_PROTO_UDP, 81), FW_RANGE_KEY(FW_PROTO_SCTP, 80)};
	const struct fw_world *world = fw_compare_world(compare);
	struct fw_compare_sweep sweep = {0};
	int r = 0;

	for (size_t i = 0; i < world->tables->pods_count * 2 && r >= 0; i++) {
		const struct fw_pod_row *row = &world->tables->pods[i / 2];
		const struct fw_pod *pod = (const struct fw_pod *)fw_model_get(
			world->model, FW_KIND_POD, row->namespace, row->name);
		struct fw_end end;

		if (!fw_world_end(world, pod, (uint8_t)(i % 2), &end))
			continue;
		for (size_t q = 0; q < pod->ip_count * 40 && r >= 0; q++) {
			struct fw_ip peer;

			if (fw_ip_parse(peers[q / 4 % 10], &peer, NULL) == 0 &&
			    complete(&end, &pod->ips[q / 40], &peer, keys[q % 4]))
				r = ask_live(compare, &end,
					     (uint16_t)(PORT_END + 1 + i % 2 * 40 + q % 40), opens,
					     &sweep, differences);
		}
	}
	if (r < 0)
		return r;
	*ret_sweep = sweep;
	return 0;
}
