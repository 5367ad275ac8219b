/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real maps under a pin directory of their own, an apply on them, and the rows of small endpoints.
 * In: tables of apply_world.h. Out: what the maps mean, and how many rows they hold.
 */
#ifndef FW_TESTS_APPLY_FIXTURE_H
#define FW_TESTS_APPLY_FIXTURE_H

#include "apply_world.h"

#include <sys/stat.h>

#define PIN "/sys/fs/bpf/pw-dmn-apply"

struct fixture {
	struct fw_datapath *datapath;
	struct fw_apply *apply;
	struct fw_apply_endpoint endpoints[WORLD_PODS];
	char names[WORLD_PODS][8];
	char state_dir[64];
};

static const struct fw_sizes small = {.regions = 16,
				      .region_slots = 64,
				      .cells = 4096,
				      .ranges = 4096,
				      .addresses = 256,
				      .prefixes = 64,
				      .services = 64,
				      .events_bytes = 4096};

static inline void die(const char *what, const struct fw_err *err)
{
	print_message("%s: %s\n", what, err->text);
	fail();
}

static inline void open_apply(struct fixture *f)
{
	struct fw_err err = {""};

	if (fw_apply_new(f->datapath, f->state_dir, &f->apply, &err) < 0)
		die("fw_apply_new", &err);
}

static inline void begin_with(struct fixture *f, const struct fw_sizes *sizes)
{
	struct fw_err err = {""};

	memset(f, 0, sizeof(*f));
	(void)snprintf(f->state_dir, sizeof(f->state_dir), "/tmp/pw-dmn-apply-XXXXXX");
	assert_non_null(mkdtemp(f->state_dir));
	(void)fw_datapath_destroy(PIN, &err);
	if (fw_datapath_make(PIN, sizes, &f->datapath, &err) < 0)
		die("fw_datapath_make", &err);
	open_apply(f);
	for (uint32_t i = 0; i < WORLD_PODS; i++) {
		struct fw_apply_endpoint *endpoint = &f->endpoints[i];

		(void)snprintf(f->names[i], sizeof(f->names[i]), "p%u", i);
		endpoint->owner = fw_endpoint_owner(f->names[i], "eth0");
		endpoint->namespace = "shop";
		endpoint->name = f->names[i];
		if (fw_endpoint_claim(f->datapath, endpoint->owner, 100 + i, &endpoint->slot,
				      &err) < 0)
			die("fw_endpoint_claim", &err);
		fw_endpoint_publish(fw_datapath_endpoint(f->datapath, endpoint->slot),
				    FW_EP_ISOLATED);
	}
}

static inline void remove_state(const char *dir)
{
	static const char *const names[] = {"ids.log", "decisions.log", "services.log"};
	char path[128];

	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)unlink(path);
	}
}

static inline void end(struct fixture *f)
{
	struct fw_err err = {""};

	fw_apply_free(&f->apply);
	fw_datapath_close(&f->datapath);
	assert_int_equal(fw_datapath_destroy(PIN, &err), 0);
	remove_state(f->state_dir);
	(void)rmdir(f->state_dir);
}

static inline struct fw_apply_stats apply_world(struct fixture *f, const struct world *w)
{
	struct fw_apply_stats stats = {0};
	struct fw_err err = {""};

	if (fw_apply_tables(f->apply, &w->tables, f->endpoints, WORLD_PODS, &stats, &err) < 0)
		die("fw_apply_tables", &err);
	return stats;
}

static inline void finish(struct fixture *f)
{
	struct fw_err err = {""};

	if (fw_apply_finish(f->apply, &err) < 0)
		die("fw_apply_finish", &err);
}

static inline struct fw_endpoint *row_of(struct fixture *f, uint32_t pod)
{
	return fw_datapath_endpoint(f->datapath, f->endpoints[pod].slot);
}

static inline void check_class(struct fixture *f, const struct world *w, uint32_t pod,
			       uint32_t wanted, uint32_t got)
{
	for (uint8_t direction = 0; direction < 2; direction++) {
		for (uint32_t port = 50; port < 350; port += 100) {
			uint32_t key = FW_RANGE_KEY(6, port);
			const char *rule =
				tables_rule(w, w->pods[pod].subject, direction, wanted, key);
			uint32_t decision = maps_decision(f->datapath, row_of(f, pod)->subject,
							  direction, got, key);

			if (!same_rule(f->apply, decision, rule)) {
				print_message("pod %u direction %u class %u port %u: %s, not %x\n",
					      pod, direction, wanted, port, rule, decision);
				fail();
			}
		}
	}
}

/* The maps mean what the tables mean, for every pod, address and service. */
static inline void check_meaning(struct fixture *f, const struct world *w)
{
	for (uint32_t pod = 0; pod < WORLD_PODS; pod++) {
		assert_int_equal(row_of(f, pod)->state, FW_EP_ACTIVE);
		for (uint32_t host = 0; host < 0x10000;
		     host += host < WORLD_ADDRESSES ? 1 : 0x1100) {
			struct fw_ip ip = world_ip(host);

			check_class(f, w, pod, tables_class(w, &ip), maps_class(f->datapath, &ip));
		}
		for (size_t i = 0; i < w->tables.services_count; i++) {
			const struct fw_service_row *from = &w->services[i];
			struct fw_service_key key = {.port = from->port,
						     .protocol = from->protocol};
			struct fw_service row;

			memcpy(key.addr, from->ip.b, 16);
			assert_int_equal(bpf_map_lookup_elem(
						 fw_datapath_map_fd(f->datapath, FW_MAP_SERVICES),
						 &key, &row),
					 0);
			assert_int_equal(row.count, from->group_count);
			assert_string_equal(fw_apply_service(f->apply, row.id), "shop/web:http");
			for (uint32_t g = 0; g < row.count; g++)
				check_class(f, w, pod, from->group[g].peer_class,
					    row.group[g].peer_class);
		}
	}
}

static inline uint32_t rows_in(struct fixture *f, enum fw_map map, uint32_t key_size,
			       uint32_t value_size)
{
	_cleanup_(fw_row_set_done) struct fw_row_set set;
	struct fw_err err = {""};

	fw_row_set_init(&set, key_size, value_size);
	assert_int_equal(fw_rows_read(fw_datapath_map_fd(f->datapath, map), map != FW_MAP_PREFIXES,
				      &set, &err),
			 0);
	return (uint32_t)set.count;
}

/* Nothing is left of former tables. */
static inline void check_no_garbage(struct fixture *f, const struct world *w)
{
	assert_int_equal(rows_in(f, FW_MAP_CELLS, 8, 8), w->tables.cells_count);
	assert_int_equal(rows_in(f, FW_MAP_ADDRESSES, 16, 8), w->tables.addresses_count);
	assert_int_equal(rows_in(f, FW_MAP_PREFIXES, 20, 8), w->tables.prefixes_count);
	assert_int_equal(rows_in(f, FW_MAP_SERVICES, 20, 72), w->tables.services_count);
	assert_int_equal(fw_apply_fill(f->apply, FW_MAP_CELLS), w->tables.cells_count);
	assert_int_equal(fw_apply_fill(f->apply, FW_MAP_SUBJECTS), w->tables.subjects_count);
	assert_true(fw_apply_fill(f->apply, FW_MAP_RANGES) <= w->tables.ranges_count);
}

#endif
