/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small random tables, and what maps and tables say about a packet, for the tests of apply.
 * In: a seed. Out: tables (owned by struct world), verdicts by walking the tables and by walking
 * the maps as the programs do. Shares nothing with apply but the maps.
 */
#ifndef FW_TESTS_APPLY_WORLD_H
#define FW_TESTS_APPLY_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "apply/apply.h"
#include "apply/rows.h"
#include "base/cleanup.h"

#define WORLD_PODS	6u
#define WORLD_ADDRESSES 24u
#define WORLD_KEYS	9u /* class keys that may occur */
#define WORLD_SERVICES	4u
#define WORLD_PORTS	3u

struct world {
	struct fw_tables tables;
	struct fw_class_row classes[2 + WORLD_KEYS];
	struct fw_subject_row subjects[WORLD_PODS];
	struct fw_decision_row decisions[32];
	struct fw_range_row ranges[4096];
	struct fw_program_row programs[1024];
	struct fw_cell_row cells[1024];
	struct fw_address_row addresses[WORLD_ADDRESSES];
	struct fw_prefix_row prefixes[8];
	struct fw_service_row services[WORLD_SERVICES];
	struct fw_pod_row pods[WORLD_PODS];
	char text[32 + WORLD_PODS][32];
};

static inline uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static inline struct fw_digest digest(uint64_t kind, uint64_t key)
{
	return (struct fw_digest){mix(kind * 1000003 + key), mix(key * 7919 + kind)};
}

static inline struct fw_ip world_ip(uint32_t host)
{
	struct fw_ip ip = {{0}};

	ip.b[10] = ip.b[11] = 0xff;
	ip.b[12] = 10;
	ip.b[14] = (uint8_t)(host >> 8);
	ip.b[15] = (uint8_t)host;
	return ip;
}

/* The content of (policy seed, class key, direction): the meaning that the digests name. */
static inline void world_cell(struct world *w, uint32_t subject, uint32_t class_index,
			      uint64_t seed, uint64_t key, uint8_t direction)
{
	uint64_t h = mix(seed * 31 + key * 7 + direction);
	struct fw_tables *t = &w->tables;
	struct fw_program_row *program;
	uint32_t lo = FW_RANGE_KEY(6, 0);

	if (h % 3 == 0)
		return;
	program = &w->programs[t->programs_count];
	*program = (struct fw_program_row){(uint32_t)t->ranges_count, 1 + (uint32_t)(h / 3 % 3)};
	for (uint32_t i = 0; i < program->count; i++) {
		w->ranges[t->ranges_count++] =
			(struct fw_range_row){lo, lo + 99, (uint32_t)(mix(h + i) % 32)};
		lo += 100;
	}
	w->cells[t->cells_count++] = (struct fw_cell_row){subject, direction, class_index,
							  (uint32_t)t->programs_count++};
}

static inline void world_decisions(struct world *w)
{
	for (uint32_t i = 0; i < 32; i++) {
		struct fw_decision_row *row = &w->decisions[i];

		(void)snprintf(w->text[i], sizeof(w->text[i]), "rule-%u", i);
		row->digest = digest(3, i);
		row->verdict = i % 2 ? FW_VERDICT_ALLOW : FW_VERDICT_DENY;
		row->pending = row->verdict;
		row->rule = (struct fw_rule_name){"application", "netpol",   "shop",
						  w->text[i],	 (int32_t)i, 0};
		row->pending_rule = row->rule;
	}
}

static inline uint32_t world_class(struct world *w, uint64_t key)
{
	for (uint32_t i = 2; i < w->tables.classes_count; i++) {
		if (w->classes[i].digest.a == digest(1, key).a)
			return i;
	}
	w->classes[w->tables.classes_count].digest = digest(1, key);
	w->classes[w->tables.classes_count].label = "class";
	return (uint32_t)w->tables.classes_count++;
}

static inline void world_peers(struct world *w, uint64_t seed)
{
	struct fw_tables *t = &w->tables;

	for (uint32_t i = 0; i < WORLD_ADDRESSES; i++) {
		uint64_t h = mix(seed * 131 + i);

		if (h % 4 == 0)
			continue;
		w->addresses[t->addresses_count++] = (struct fw_address_row){
			world_ip(i), world_class(w, h / 4 % (WORLD_KEYS - 2)), FW_PEER_POD};
	}
	for (uint32_t i = 0; i < 8; i++) {
		uint64_t h = mix(seed * 137 + i);
		struct fw_prefix_row row = {.prefix = {world_ip(0), (uint8_t)(96 + 8 + 3 * i)}};

		row.peer_class = world_class(w, h / 4 % WORLD_KEYS);
		if (h % 3)
			w->prefixes[t->prefixes_count++] = row;
	}
	for (uint32_t i = 0; i < WORLD_SERVICES; i++) {
		uint64_t h = mix(seed * 139 + i);
		struct fw_service_row row = {.ip = world_ip(0x4000 + i),
					     .port = 80,
					     .protocol = 6,
					     .namespace = "shop",
					     .name = "web",
					     .port_name = "http",
					     .group_count = 1 + (uint32_t)(h % 3)};

		for (uint32_t g = 0; g < row.group_count; g++) {
			row.group[g].peer_class = world_class(w, mix(h + g) % 4);
			row.group[g].port = (uint16_t)(8000 + g);
		}
		if (h % 5)
			w->services[t->services_count++] = row;
	}
}

static inline void world_pods(struct world *w, uint64_t seed, uint64_t salt)
{
	struct fw_tables *t = &w->tables;

	for (uint32_t i = 0; i < WORLD_PODS; i++) {
		uint64_t policy = mix(seed * 149 + i) % 5;
		uint32_t subject = 0;

		while (subject < t->subjects_count &&
		       w->subjects[subject].digest.a != digest(2, policy).a)
			subject++;
		if (subject == t->subjects_count) {
			struct fw_subject_row *row = &w->subjects[t->subjects_count++];

			row->digest = digest(2, policy);
			row->label = "subject";
			row->otherwise[0] = (uint32_t)(mix(policy) % 32);
			row->otherwise[1] = (uint32_t)(mix(policy + 9) % 32);
			for (uint8_t direction = 0; direction < 2; direction++)
				for (uint32_t c = 0; c < t->classes_count; c++)
					world_cell(w, subject, c, policy + salt * 64,
						   w->classes[c].digest.a, direction);
		}
		(void)snprintf(w->text[32 + i], sizeof(w->text[0]), "p%u", i);
		w->pods[t->pods_count++] =
			(struct fw_pod_row){"shop", w->text[32 + i], "", subject, 0};
	}
}

/* `salt`: equal seeds and other salts give subjects of equal digest and other content. */
static inline void world_make(struct world *w, uint64_t seed, uint64_t salt)
{
	memset(w, 0, sizeof(*w));
	w->tables = (struct fw_tables){.classes = w->classes,
				       .subjects = w->subjects,
				       .decisions = w->decisions,
				       .ranges = w->ranges,
				       .programs = w->programs,
				       .cells = w->cells,
				       .addresses = w->addresses,
				       .prefixes = w->prefixes,
				       .services = w->services,
				       .pods = w->pods};
	w->tables.classes_count = 2;
	w->classes[0] = (struct fw_class_row){digest(1, 1000), "world"};
	w->classes[1] = (struct fw_class_row){digest(1, 1001), "unknown pod"};
	w->tables.decisions_count = 32;
	world_decisions(w);
	world_peers(w, seed);
	world_pods(w, seed, salt);
}

/* The rule that decides, by the tables; class is an index of theirs. */
static inline const char *tables_rule(const struct world *w, uint32_t subject, uint8_t direction,
				      uint32_t class_index, uint32_t key)
{
	const struct fw_tables *t = &w->tables;
	uint32_t decision = w->subjects[subject].otherwise[direction];

	for (size_t i = 0; i < t->cells_count; i++) {
		const struct fw_cell_row *cell = &w->cells[i];

		if (cell->subject != subject || cell->direction != direction ||
		    cell->peer_class != class_index)
			continue;
		for (uint32_t k = 0; k < w->programs[cell->program].count; k++) {
			const struct fw_range_row *range =
				&w->ranges[w->programs[cell->program].first + k];

			if (range->lo <= key && key <= range->hi)
				decision = range->decision;
		}
	}
	return w->text[decision];
}

/* The same by the maps: `peer_class` is a number of the kernel's. */
static inline uint32_t maps_decision(struct fw_datapath *datapath, uint32_t subject,
				     uint8_t direction, uint32_t peer_class, uint32_t key)
{
	struct fw_cell_key cell_key = {subject, peer_class << 1 | direction};
	struct fw_subject row;
	struct fw_cell cell;

	assert_int_equal(
		bpf_map_lookup_elem(fw_datapath_map_fd(datapath, FW_MAP_SUBJECTS), &subject, &row),
		0);
	if (!(row.flags & (direction == FW_INGRESS ? FW_SUBJECT_CELLS_IN : FW_SUBJECT_CELLS_OUT)))
		return row.otherwise[direction];
	if (bpf_map_lookup_elem(fw_datapath_map_fd(datapath, FW_MAP_CELLS), &cell_key, &cell) < 0)
		return row.otherwise[direction];
	for (uint32_t i = 0; i < cell.count; i++) {
		const struct fw_range *range = &fw_datapath_ranges(datapath)[cell.first + i];

		if (range->lo <= key && key <= range->hi)
			return range->decision;
	}
	return row.otherwise[direction];
}

/* Class of an address by the tables: address row, else longest prefix, else world. */
static inline uint32_t tables_class(const struct world *w, const struct fw_ip *ip)
{
	uint32_t found = FW_TABLES_WORLD;
	int bits = -1;

	for (size_t i = 0; i < w->tables.addresses_count; i++) {
		if (fw_ip_equal(&w->addresses[i].ip, ip))
			return w->addresses[i].peer_class;
	}
	for (size_t i = 0; i < w->tables.prefixes_count; i++) {
		if (fw_prefix_contains(&w->prefixes[i].prefix, ip) &&
		    w->prefixes[i].prefix.bits > bits) {
			bits = w->prefixes[i].prefix.bits;
			found = w->prefixes[i].peer_class;
		}
	}
	return found;
}

static inline uint32_t maps_class(struct fw_datapath *datapath, const struct fw_ip *ip)
{
	struct fw_prefix_key key = {.prefixlen = 128};
	struct fw_peer peer;

	memcpy(key.addr, ip->b, 16);
	if (bpf_map_lookup_elem(fw_datapath_map_fd(datapath, FW_MAP_ADDRESSES), ip->b, &peer) == 0)
		return peer.peer_class;
	if (bpf_map_lookup_elem(fw_datapath_map_fd(datapath, FW_MAP_PREFIXES), &key, &peer) == 0)
		return peer.peer_class;
	return FW_CLASS_WORLD;
}

/* "netpol shop/rule-7[7]" -> whether the maps' decision is that of `rule` ("rule-7"). */
static inline bool same_rule(const struct fw_apply *apply, uint32_t decision, const char *rule)
{
	const struct fw_decision_name *name = fw_apply_decision(apply, decision);
	char text[64];

	(void)snprintf(text, sizeof(text), "netpol shop/%s[%s]", rule, rule + strlen("rule-"));
	return name && !strcmp(name->rule, text) &&
	       !(decision & FW_DECISION_ALLOW) == (name->verdict != FW_VERDICT_ALLOW);
}

#endif
