// SPDX-License-Identifier: Apache-2.0
/*
 * Apply on real maps under a pin directory of its own. In: small random tables. Out: TAP. The maps
 * are judged by what they say about packets, not by their bytes; only the counts of rows are
 * compared exactly.
 */
#include "apply_fixture.h"

#include <sys/wait.h>

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

/* Edge case 34: where some pods are told apart, only the chain can do it for live connections. */
static void test_leaving_backends_stand_where_none_or_the_chain_tells_them_apart(void **state)
{
	static const struct {
		bool differs, exact, crowded, chain, stands;
	} rows[] = {{false, false, false, false, true}, {false, false, false, true, true},
		    {true, true, false, true, true},	{true, true, false, false, false},
		    {true, false, true, true, false},	{false, true, false, false, true},
		    {false, false, true, true, true}};
	static struct world w;
	struct fixture f;

	(void)state;
	begin_with(&f, &small);
	world_make(&w, 1, 0);
	assert_true(w.tables.services_count > 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fw_service_row *from = &w.services[0];
		struct fw_service_key key = {.port = from->port, .protocol = from->protocol};
		struct fw_service row;

		from->state = FW_SERVICE_EMPTY;
		from->group_count = 1;
		from->group[0].leaving = true;
		from->differs = rows[i].differs;
		from->exact = rows[i].exact;
		from->crowded = rows[i].crowded;
		fw_apply_set_exact(f.apply, rows[i].chain);
		(void)apply_world(&f, &w);
		finish(&f);
		memcpy(key.addr, from->ip.b, sizeof(key.addr));
		assert_int_equal(
			bpf_map_lookup_elem(fw_datapath_map_fd(f.datapath, FW_MAP_SERVICES), &key,
					    &row),
			0);
		assert_int_equal(row.count, rows[i].stands);
		assert_int_equal(row.flags, rows[i].exact && rows[i].chain ? FW_SERVICE_EXACT : 0);
	}
	end(&f);
}

/* As the compiler's are: counted, and gone for all but apply when the next ones come. */
static void hand_over(struct fixture *f, struct world *w)
{
	size_t bytes = w->tables.addresses_count * sizeof(*w->addresses);
	struct fw_address_rows *rows = fw_address_rows_new(w->tables.addresses_count);

	assert_non_null(rows);
	memcpy(rows->rows, w->addresses, bytes);
	w->tables.address_rows = rows;
	w->tables.addresses = rows->rows;
	(void)apply_world(f, w);
	finish(f);
	check_meaning(f, w);
	check_no_garbage(f, w);
	w->tables.address_rows = NULL;
	w->tables.addresses = NULL;
	w->tables.addresses_count = 0;
	fw_address_rows_drop(rows);
}

static void test_address_rows_outlive_their_tables(void **state)
{
	struct fw_apply_stats stats;
	static struct world w;
	struct fixture f;

	(void)state;
	begin_with(&f, &small);
	for (uint64_t seed = 20; seed < 30; seed++) {
		world_make(&w, seed, 0);
		hand_over(&f, &w);
	}
	world_make(&w, 29, 0); /* the same, and rows of its own */
	stats = apply_world(&f, &w);
	assert_int_equal(stats.rows_added, 0);
	assert_int_equal(stats.rows_removed, 0);
	end(&f);
}

static void test_many_address_rows_are_one_piece(void **state)
{
	static const size_t counts[] = {0, 1, 5000, 6000, 100000};

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		struct fw_address_rows *rows = fw_address_rows_new(counts[i]);

		assert_non_null(rows);
		memset(rows->rows, 0xa5, counts[i] * sizeof(*rows->rows));
		rows->refs++;
		fw_address_rows_drop(rows);
		if (counts[i])
			assert_int_equal(rows->rows[counts[i] - 1].flags, 0xa5a5a5a5u);
		fw_address_rows_drop(rows);
	}
	fw_address_rows_drop(NULL);
}

static void put_owns(struct fixture *f, struct world *w, bool exact, bool chain,
		     struct fw_service *ret_row)
{
	struct fw_service_key key = {.port = w->services[0].port,
				     .protocol = w->services[0].protocol};

	memcpy(key.addr, w->services[0].ip.b, sizeof(key.addr));
	w->services[0].exact = exact;
	fw_apply_set_exact(f->apply, chain);
	(void)apply_world(f, w);
	finish(f);
	assert_int_equal(bpf_map_lookup_elem(fw_datapath_map_fd(f->datapath, FW_MAP_SERVICES), &key,
					     ret_row),
			 0);
}

/* Edge case 35: named by its owner, after the kinds of backends, while the chain knows it. */
static void test_a_pod_behind_a_service_is_named_by_its_owner(void **state)
{
	struct fw_own_row owns[] = {{0, 1}, {0, 4}};
	static struct world w;
	struct fw_service row;
	struct fixture f;
	uint32_t kinds;

	(void)state;
	begin_with(&f, &small);
	world_make(&w, 1, 0);
	kinds = w.services[0].group_count;
	assert_true(kinds > 0 && kinds < FW_SERVICE_GROUPS - 1);
	w.tables.owns = owns;
	w.tables.owns_count = 2;
	put_owns(&f, &w, false, true, &row);
	assert_int_equal(row.count, kinds);
	put_owns(&f, &w, true, false, &row);
	assert_int_equal(row.count, kinds);
	for (int again = 0; again < 2; again++) {
		put_owns(&f, &w, true, true, &row);
		assert_int_equal(row.count, kinds + 2);
		assert_int_equal(row.flags, FW_SERVICE_EXACT);
		for (uint32_t i = 0; i < 2; i++) {
			uint64_t owner = f.endpoints[owns[i].pod].owner;

			assert_int_equal(row.group[kinds + i].flags, FW_GROUP_OWN);
			assert_int_equal(row.group[kinds + i].peer_class, (uint32_t)owner);
			assert_int_equal(row.group[kinds + i].port, (uint16_t)(owner >> 32));
		}
		fw_apply_free(&f.apply); /* the next daemon takes no owner for a class */
		open_apply(&f);
		fw_apply_set_exact(f.apply, true);
		assert_int_equal(apply_world(&f, &w).rows_added, 0);
		finish(&f);
	}
	w.services[0].group_count = FW_SERVICE_GROUPS - 1; /* of two there is room for one */
	for (uint32_t i = kinds; i < FW_SERVICE_GROUPS - 1; i++)
		w.services[0].group[i] = w.services[0].group[0];
	put_owns(&f, &w, true, true, &row);
	assert_int_equal(row.count, FW_SERVICE_GROUPS);
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
		cmocka_unit_test(test_audit_switch_bumps_every_endpoint_twice),
		cmocka_unit_test(
			test_leaving_backends_stand_where_none_or_the_chain_tells_them_apart),
		cmocka_unit_test(test_address_rows_outlive_their_tables),
		cmocka_unit_test(test_many_address_rows_are_one_piece),
		cmocka_unit_test(test_a_pod_behind_a_service_is_named_by_its_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
