// SPDX-License-Identifier: Apache-2.0
/*
 * Apply on real maps under a pin directory of its own. In: small random tables. Out: TAP. The maps
 * are judged by what they say about packets, not by their bytes; only the counts of rows are
 * compared exactly.
 */
#include "apply_world.h"

#include <sys/stat.h>
#include <sys/wait.h>

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

static void die(const char *what, const struct fw_err *err)
{
	print_message("%s: %s\n", what, err->text);
	fail();
}

static void open_apply(struct fixture *f)
{
	struct fw_err err = {""};

	if (fw_apply_new(f->datapath, f->state_dir, &f->apply, &err) < 0)
		die("fw_apply_new", &err);
}

static void begin_with(struct fixture *f, const struct fw_sizes *sizes)
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

static void remove_state(const char *dir)
{
	static const char *const names[] = {"ids.log", "decisions.log", "services.log"};
	char path[128];

	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)unlink(path);
	}
}

static void end(struct fixture *f)
{
	struct fw_err err = {""};

	fw_apply_free(&f->apply);
	fw_datapath_close(&f->datapath);
	assert_int_equal(fw_datapath_destroy(PIN, &err), 0);
	remove_state(f->state_dir);
	(void)rmdir(f->state_dir);
}

static struct fw_apply_stats apply_world(struct fixture *f, const struct world *w)
{
	struct fw_apply_stats stats = {0};
	struct fw_err err = {""};

	if (fw_apply_tables(f->apply, &w->tables, f->endpoints, WORLD_PODS, &stats, &err) < 0)
		die("fw_apply_tables", &err);
	return stats;
}

static void finish(struct fixture *f)
{
	struct fw_err err = {""};

	if (fw_apply_finish(f->apply, &err) < 0)
		die("fw_apply_finish", &err);
}

static struct fw_endpoint *row_of(struct fixture *f, uint32_t pod)
{
	return fw_datapath_endpoint(f->datapath, f->endpoints[pod].slot);
}

static void check_class(struct fixture *f, const struct world *w, uint32_t pod, uint32_t wanted,
			uint32_t got)
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
static void check_meaning(struct fixture *f, const struct world *w)
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

static uint32_t rows_in(struct fixture *f, enum fw_map map, uint32_t key_size, uint32_t value_size)
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
static void check_no_garbage(struct fixture *f, const struct world *w)
{
	assert_int_equal(rows_in(f, FW_MAP_CELLS, 8, 8), w->tables.cells_count);
	assert_int_equal(rows_in(f, FW_MAP_ADDRESSES, 16, 8), w->tables.addresses_count);
	assert_int_equal(rows_in(f, FW_MAP_PREFIXES, 20, 8), w->tables.prefixes_count);
	assert_int_equal(rows_in(f, FW_MAP_SERVICES, 20, 72), w->tables.services_count);
	assert_int_equal(fw_apply_fill(f->apply, FW_MAP_CELLS), w->tables.cells_count);
	assert_int_equal(fw_apply_fill(f->apply, FW_MAP_SUBJECTS), w->tables.subjects_count);
	assert_true(fw_apply_fill(f->apply, FW_MAP_RANGES) <= w->tables.ranges_count);
}

static void test_maps_mean_what_the_tables_mean(void **state)
{
	struct fixture f;
	static struct world w;

	(void)state;
	begin_with(&f, &small);
	world_make(&w, 1, 0);
	assert_int_equal(apply_world(&f, &w).endpoints_flipped, WORLD_PODS);
	check_meaning(&f, &w);
	finish(&f);
	check_meaning(&f, &w);
	check_no_garbage(&f, &w);
	end(&f);
}

static void test_same_tables_again_write_nothing(void **state)
{
	struct fixture f;
	struct fw_apply_stats stats;
	uint32_t epoch;
	static struct world w;

	(void)state;
	begin_with(&f, &small);
	world_make(&w, 2, 0);
	(void)apply_world(&f, &w);
	finish(&f);
	epoch = row_of(&f, 0)->epoch;
	stats = apply_world(&f, &w);
	assert_int_equal(stats.rows_added, 0);
	assert_int_equal(stats.rows_removed, 0);
	assert_int_equal(stats.endpoints_flipped, 0);
	assert_int_equal(row_of(&f, 0)->epoch, epoch);
	end(&f);
}

static void test_restart_writes_only_differences_and_keeps_decision_ids(void **state)
{
	struct fixture f;
	struct fw_apply_stats stats;
	uint32_t before, after, epoch;
	static struct world w;

	(void)state;
	begin_with(&f, &small);
	world_make(&w, 3, 0);
	(void)apply_world(&f, &w);
	finish(&f);
	before = maps_decision(f.datapath, row_of(&f, 0)->subject, 0, 0, FW_RANGE_KEY(6, 1));
	epoch = row_of(&f, 0)->epoch;
	fw_apply_free(&f.apply);
	open_apply(&f);
	finish(&f); /* before the tables are known nothing is removed */
	assert_int_equal(rows_in(&f, FW_MAP_CELLS, 8, 8), w.tables.cells_count);
	stats = apply_world(&f, &w);
	assert_int_equal(stats.rows_added, 0);
	assert_int_equal(stats.rows_removed, 0);
	assert_int_equal(stats.endpoints_flipped, 0);
	assert_int_not_equal(row_of(&f, 0)->epoch, epoch); /* judged once more, by the same ids */
	after = maps_decision(f.datapath, row_of(&f, 0)->subject, 0, 0, FW_RANGE_KEY(6, 1));
	assert_int_equal(before, after);
	finish(&f);
	check_meaning(&f, &w);
	check_no_garbage(&f, &w);
	end(&f);
}

static void test_lost_state_dir_gives_new_ids_and_the_same_meaning(void **state)
{
	struct fixture f;
	uint32_t before, after;
	static struct world w;

	(void)state;
	begin_with(&f, &small);
	world_make(&w, 4, 0);
	(void)apply_world(&f, &w);
	finish(&f);
	before = maps_decision(f.datapath, row_of(&f, 0)->subject, 0, 0, FW_RANGE_KEY(6, 1));
	fw_apply_free(&f.apply);
	remove_state(f.state_dir);
	open_apply(&f);
	(void)apply_world(&f, &w);
	check_meaning(&f, &w);
	finish(&f);
	check_meaning(&f, &w);
	check_no_garbage(&f, &w);
	after = maps_decision(f.datapath, row_of(&f, 0)->subject, 0, 0, FW_RANGE_KEY(6, 1));
	assert_true((after & FW_DECISION_ID) > (before & FW_DECISION_ID));
	end(&f);
}

/* Random tables after one another, finished or not, restarted or not: always equal to the last. */
static void test_any_sequence_of_changes_ends_like_a_fresh_apply(void **state)
{
	struct fixture f;
	static struct world w;

	(void)state;
	begin_with(&f, &small);
	for (uint64_t turn = 0; turn < 300; turn++) {
		uint64_t h = mix(turn + 77);

		world_make(&w, h % 7, h / 7 % 3);
		(void)apply_world(&f, &w);
		check_meaning(&f, &w);
		if (h / 64 % 3 == 0) {
			finish(&f);
			check_meaning(&f, &w);
			check_no_garbage(&f, &w);
		}
		if (h / 512 % 8 == 0) {
			fw_apply_free(&f.apply);
			open_apply(&f);
		}
	}
	end(&f);
}

static void test_unknown_pod_stays_isolated_and_a_lost_one_is_isolated(void **state)
{
	struct fixture f;
	static struct world w;

	(void)state;
	begin_with(&f, &small);
	world_make(&w, 5, 0);
	f.endpoints[0].namespace = NULL;
	f.endpoints[1].name = "nobody";
	(void)apply_world(&f, &w);
	assert_int_equal(row_of(&f, 0)->state, FW_EP_ISOLATED);
	assert_int_equal(row_of(&f, 1)->state, FW_EP_ISOLATED);
	assert_int_equal(row_of(&f, 2)->state, FW_EP_ACTIVE);
	f.endpoints[0].namespace = "shop";
	f.endpoints[2].namespace = NULL;
	(void)apply_world(&f, &w);
	assert_int_equal(row_of(&f, 0)->state, FW_EP_ACTIVE);
	assert_int_equal(row_of(&f, 2)->state, FW_EP_ISOLATED);
	end(&f);
}

static void test_row_of_another_owner_is_left_alone(void **state)
{
	struct fixture f;
	static struct world w;

	(void)state;
	begin_with(&f, &small);
	world_make(&w, 6, 0);
	f.endpoints[0].owner++;
	(void)apply_world(&f, &w);
	assert_int_equal(row_of(&f, 0)->state, FW_EP_ISOLATED);
	assert_int_equal(row_of(&f, 1)->state, FW_EP_ACTIVE);
	end(&f);
}

/* A class that is new takes its cells with it; the subjects that stand are not made anew. */
static void test_new_class_adds_cells_without_a_flip(void **state)
{
	struct fixture f;
	struct fw_apply_stats stats;
	static struct world w;
	size_t count;

	(void)state;
	begin_with(&f, &small);
	world_make(&w, 7, 0);
	count = w.tables.addresses_count;
	/* first without the addresses of the last class: its cells are not needed */
	for (size_t i = 0; i < w.tables.cells_count;)
		if (w.cells[i].peer_class == w.tables.classes_count - 1)
			memmove(&w.cells[i], &w.cells[i + 1],
				(--w.tables.cells_count - i) * sizeof(w.cells[0]));
		else
			i++;
	w.tables.classes_count--;
	for (size_t i = 0; i < count; i++)
		if (w.addresses[i].peer_class == w.tables.classes_count)
			w.addresses[i].peer_class = 0;
	for (size_t i = 0; i < w.tables.prefixes_count; i++)
		if (w.prefixes[i].peer_class == w.tables.classes_count)
			w.prefixes[i].peer_class = 0;
	for (size_t i = 0; i < w.tables.services_count; i++)
		for (uint32_t g = 0; g < w.services[i].group_count; g++)
			if (w.services[i].group[g].peer_class == w.tables.classes_count)
				w.services[i].group[g].peer_class = 0;
	(void)apply_world(&f, &w);
	finish(&f);
	world_make(&w, 7, 0);
	stats = apply_world(&f, &w);
	assert_int_equal(stats.endpoints_flipped, 0);
	assert_true(stats.rows_added > 0);
	check_meaning(&f, &w);
	end(&f);
}

/* What a write in the middle shows. */
static struct fixture *watched;
static const struct world *watched_old, *watched_new;
static unsigned int watched_writes;

static void judge_between(const char *what)
{
	(void)what;
	watched_writes++;
	for (uint32_t pod = 0; pod < WORLD_PODS; pod++)
		for (uint32_t n = 0; n < WORLD_ADDRESSES * 2; n++) {
			struct fw_ip ip = world_ip(n / 2);
			uint32_t key = FW_RANGE_KEY(6, 50);
			uint32_t got =
				maps_decision(watched->datapath, row_of(watched, pod)->subject,
					      n % 2, maps_class(watched->datapath, &ip), key);
			const char *before =
				tables_rule(watched_old, watched_old->pods[pod].subject, n % 2,
					    tables_class(watched_old, &ip), key);
			const char *after = tables_rule(watched_new, watched_new->pods[pod].subject,
							n % 2, tables_class(watched_new, &ip), key);

			if (!same_rule(watched->apply, got, before) &&
			    !same_rule(watched->apply, got, after))
				fail_msg("before %s: pod %u, address %u: neither %s nor %s", what,
					 pod, n / 2, before, after);
		}
}

/* A new selector gives every class another digest, and every policy another content: all rows move
 * at once. */
static void test_no_packet_meets_a_mixture_of_old_and_new(void **state)
{
	static struct world old, new;
	struct fixture f;

	(void)state;
	begin_with(&f, &small);
	for (uint64_t seed = 0; seed < 10; seed++) {
		world_make(&old, seed, 0);
		world_make(&new, seed, 0);
		for (uint32_t i = 2; i < new.tables.classes_count; i++)
			new.classes[i].digest = digest(4, seed * 100 + i);
		for (uint32_t i = 0; i < new.tables.subjects_count; i++)
			new.subjects[i].digest = digest(5, seed * 100 + i);
		for (uint32_t i = 0; i < new.tables.ranges_count; i++)
			new.ranges[i].decision ^= 3;
		(void)apply_world(&f, &old);
		finish(&f);
		watched = &f;
		watched_old = &old;
		watched_new = &new;
		watched_writes = 0;
		fw_apply_write_hook = judge_between;
		(void)apply_world(&f, &new);
		finish(&f);
		fw_apply_write_hook = NULL;
		assert_true(watched_writes > WORLD_ADDRESSES);
		check_meaning(&f, &new);
		check_no_garbage(&f, &new);
	}
	end(&f);
}

/* Digests are a hint, content decides: one changed range, one cell more, one cell less. */
static void test_equal_digest_with_other_content_is_a_row_of_its_own(void **state)
{
	struct fixture f;
	static struct world w;

	(void)state;
	begin_with(&f, &small);
	world_make(&w, 7, 0);
	w.tables.cells_count--;
	(void)apply_world(&f, &w);
	w.ranges[w.programs[w.cells[0].program].first].decision ^= 1;
	assert_true(apply_world(&f, &w).endpoints_flipped > 0);
	check_meaning(&f, &w);
	w.tables.cells_count++;
	assert_true(apply_world(&f, &w).endpoints_flipped > 0);
	check_meaning(&f, &w);
	w.tables.cells_count--;
	assert_true(apply_world(&f, &w).endpoints_flipped > 0);
	check_meaning(&f, &w);
	finish(&f);
	check_meaning(&f, &w);
	check_no_garbage(&f, &w);
	end(&f);
}

static void test_subject_that_does_not_fit_is_locked_alone(void **state)
{
	struct fw_sizes tiny = small;
	struct fixture f;
	struct fw_apply_stats stats;
	static struct world w;
	uint32_t locked = 0;

	(void)state;
	world_make(&w, 8, 0);
	tiny.cells = (uint32_t)w.tables.cells_count - 1;
	begin_with(&f, &tiny);
	stats = apply_world(&f, &w);
	for (uint32_t pod = 0; pod < WORLD_PODS; pod++) {
		if (row_of(&f, pod)->state == FW_EP_LOCKED) {
			assert_non_null(
				strstr(fw_apply_locked(f.apply, f.endpoints[pod].slot), "cells: "));
			locked++;
		} else {
			assert_int_equal(row_of(&f, pod)->state, FW_EP_ACTIVE);
			assert_null(fw_apply_locked(f.apply, f.endpoints[pod].slot));
			check_class(&f, &w, pod, 0, 0);
		}
	}
	assert_int_equal(stats.locked, locked);
	assert_true(locked > 0 && locked < WORLD_PODS);
	/* room again: fewer cells are needed */
	w.tables.cells_count = 1;
	stats = apply_world(&f, &w);
	finish(&f);
	stats = apply_world(&f, &w);
	assert_int_equal(stats.locked, 0);
	check_meaning(&f, &w);
	end(&f);
}

static void test_ranges_that_do_not_fit_lock_and_leave_no_trace(void **state)
{
	struct fw_sizes tiny = small;
	struct fixture f;
	static struct world w;

	(void)state;
	tiny.ranges = 8;
	begin_with(&f, &tiny);
	world_make(&w, 9, 0);
	assert_true(apply_world(&f, &w).locked > 0);
	finish(&f);
	w.tables.cells_count = 0;
	assert_int_equal(apply_world(&f, &w).locked, 0);
	finish(&f);
	assert_int_equal(fw_apply_fill(f.apply, FW_MAP_RANGES), 0);
	check_meaning(&f, &w);
	end(&f);
}

static void test_addresses_and_prefixes_beyond_capacity_fail_closed_and_say_so(void **state)
{
	struct fw_sizes tiny = small;
	struct fixture f;
	struct fw_apply_stats stats;
	static struct world w;

	(void)state;
	tiny.addresses = 4;
	tiny.prefixes = 1;
	begin_with(&f, &tiny);
	world_make(&w, 1, 0);
	assert_true(w.tables.prefixes_count > 1 && w.tables.addresses_count > 4);
	stats = apply_world(&f, &w);
	assert_int_equal(stats.skipped, w.tables.addresses_count - 4 + w.tables.prefixes_count - 1);
	assert_non_null(strstr(fw_apply_problem(f.apply), "addresses: "));
	assert_non_null(strstr(fw_apply_problem(f.apply), "prefixes: "));
	assert_true(stats.locked > 0);
	assert_int_equal(rows_in(&f, FW_MAP_ADDRESSES, 16, 8), 4);
	end(&f);
}

static void test_audit_switch_bumps_every_endpoint_twice(void **state)
{
	struct fw_err err = {""};
	struct fixture f;
	static struct world w;
	uint32_t epoch;

	(void)state;
	begin_with(&f, &small);
	world_make(&w, 1, 0);
	(void)apply_world(&f, &w);
	finish(&f);
	epoch = row_of(&f, 3)->epoch;
	assert_int_equal(fw_apply_set_enforcement(f.apply, FW_AUDIT, &err), 0);
	assert_int_equal(fw_datapath_node(f.datapath)->enforcement, FW_AUDIT);
	assert_int_equal(row_of(&f, 3)->epoch, epoch + 1);
	finish(&f);
	assert_int_equal(row_of(&f, 3)->epoch, epoch + 2);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_maps_mean_what_the_tables_mean),
		cmocka_unit_test(test_same_tables_again_write_nothing),
		cmocka_unit_test(test_restart_writes_only_differences_and_keeps_decision_ids),
		cmocka_unit_test(test_lost_state_dir_gives_new_ids_and_the_same_meaning),
		cmocka_unit_test(test_any_sequence_of_changes_ends_like_a_fresh_apply),
		cmocka_unit_test(test_unknown_pod_stays_isolated_and_a_lost_one_is_isolated),
		cmocka_unit_test(test_row_of_another_owner_is_left_alone),
		cmocka_unit_test(test_new_class_adds_cells_without_a_flip),
		cmocka_unit_test(test_no_packet_meets_a_mixture_of_old_and_new),
		cmocka_unit_test(test_equal_digest_with_other_content_is_a_row_of_its_own),
		cmocka_unit_test(test_subject_that_does_not_fit_is_locked_alone),
		cmocka_unit_test(test_ranges_that_do_not_fit_lock_and_leave_no_trace),
		cmocka_unit_test(
			test_addresses_and_prefixes_beyond_capacity_fail_closed_and_say_so),
		cmocka_unit_test(test_audit_switch_bumps_every_endpoint_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
