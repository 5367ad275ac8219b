// SPDX-License-Identifier: Apache-2.0
/*
 * Names of decisions over restarts, without maps: logged, read back, damaged, compacted. In: rows.
 * Out: TAP.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "apply/ids.h"
#include "apply/names.h"
#include "fw/abi.h"

static char dir[64];

static void open_names(struct fw_names *names, uint64_t identity)
{
	struct fw_err err = {""};

	if (fw_names_open(names, dir, identity, &err) < 0)
		fail_msg("%s", err.text);
}

static uint32_t give(struct fw_names *names, uint32_t number)
{
	char name[32];
	struct fw_decision_row row = {.digest = {number, 7}, .verdict = FW_VERDICT_ALLOW};
	const struct fw_decision_entry *entry;

	(void)snprintf(name, sizeof(name), "p%u", number);
	row.rule = (struct fw_rule_name){"application", "netpol", "shop", name, 3, 0};
	row.pending_rule = row.rule;
	assert_int_equal(fw_names_decision(names, &row, &entry), 0);
	return entry->id;
}

static int begin(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/pw-dmn-names-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int end(void **state)
{
	char path[96];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/decisions.log", dir);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/services.log", dir);
	(void)unlink(path);
	return rmdir(dir);
}

static void test_ids_and_names_are_the_same_after_a_restart(void **state)
{
	struct fw_names names;
	uint32_t first, second;

	(void)state;
	open_names(&names, 1);
	first = give(&names, 1);
	second = give(&names, 2);
	assert_int_equal(first, FW_DECISION_FIRST);
	assert_int_equal(fw_names_flush(&names, NULL), 0);
	fw_names_done(&names);
	open_names(&names, 1);
	assert_string_equal(fw_names_find_decision(&names, second)->rule, "netpol shop/p2[3]");
	assert_int_equal(give(&names, 2), second);
	assert_int_equal(give(&names, 1), first);
	assert_int_equal(give(&names, 3), second + 1);
	fw_names_done(&names);
}

static void test_a_log_of_other_maps_is_begun_anew(void **state)
{
	struct fw_names names;

	(void)state;
	open_names(&names, 1);
	(void)give(&names, 1);
	assert_int_equal(fw_names_flush(&names, NULL), 0);
	fw_names_done(&names);
	open_names(&names, 2);
	assert_null(fw_names_find_decision(&names, FW_DECISION_FIRST));
	assert_int_equal(give(&names, 9), FW_DECISION_FIRST);
	fw_names_done(&names);
}

static void test_a_damaged_tail_is_cut_off(void **state)
{
	struct fw_names names;
	char path[96];
	struct stat st;
	uint32_t ids[3];

	(void)state;
	open_names(&names, 1);
	for (uint32_t i = 0; i < 3; i++)
		ids[i] = give(&names, i);
	assert_int_equal(fw_names_flush(&names, NULL), 0);
	fw_names_done(&names);
	(void)snprintf(path, sizeof(path), "%s/decisions.log", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size - 5), 0);
	open_names(&names, 1);
	assert_non_null(fw_names_find_decision(&names, ids[1]));
	assert_null(fw_names_find_decision(&names, ids[2]));
	assert_int_equal(give(&names, 2), ids[2]);
	fw_names_done(&names);
}

static void test_too_many_names_are_compacted_to_those_in_use(void **state)
{
	struct fw_err err = {""};
	struct fw_names names;
	uint32_t last = 0;

	(void)state;
	open_names(&names, 1);
	assert_false(fw_names_overgrown(&names));
	for (uint32_t i = 0; i < 65600; i++)
		last = give(&names, i);
	assert_true(fw_names_overgrown(&names));
	assert_int_equal(fw_names_flush(&names, &err), 0);
	fw_names_keep_decision(&names, FW_DECISION_FIRST + 10);
	fw_names_keep_decision(&names, 0);
	fw_names_keep_decision(&names, 0x03ffffff);
	assert_int_equal(fw_names_compact(&names, &err), 0);
	assert_null(fw_names_find_decision(&names, FW_DECISION_FIRST + 11));
	fw_names_done(&names);
	open_names(&names, 1);
	assert_false(fw_names_overgrown(&names));
	assert_string_equal(fw_names_find_decision(&names, FW_DECISION_FIRST + 10)->rule,
			    "netpol shop/p10[3]");
	assert_null(fw_names_find_decision(&names, FW_DECISION_FIRST + 11));
	assert_int_equal(give(&names, 70000), last + 1); /* never an id that was given */
	fw_names_done(&names);
}

static uint32_t give_service(struct fw_names *names, uint32_t number)
{
	char name[32];
	const struct fw_service_row row = {.namespace = "shop", .name = name, .port_name = "web"};
	uint32_t id;

	(void)snprintf(name, sizeof(name), "s%u", number);
	assert_int_equal(fw_names_service(names, &row, &id), 0);
	return id;
}

static void test_names_of_services_are_compacted_too(void **state)
{
	struct fw_names names;
	uint32_t last = 0;

	(void)state;
	open_names(&names, 1);
	for (uint32_t i = 0; i < 65600; i++)
		last = give_service(&names, i);
	assert_true(fw_names_overgrown(&names));
	assert_int_equal(fw_names_flush(&names, NULL), 0);
	fw_names_keep_service(&names, 11);
	fw_names_keep_service(&names, 0);
	fw_names_keep_service(&names, 0xffffffff);
	assert_int_equal(fw_names_compact(&names, NULL), 0);
	assert_false(fw_names_overgrown(&names));
	assert_string_equal(fw_names_find_service(&names, 11), "shop/s10:web");
	assert_null(fw_names_find_service(&names, 12));
	assert_int_equal(give_service(&names, 10), 11);
	assert_int_equal(give_service(&names, 11), last + 1);
	fw_names_done(&names);
	open_names(&names, 1);
	assert_string_equal(fw_names_find_service(&names, 11), "shop/s10:web");
	fw_names_done(&names);
}

static void test_names_in_use_are_not_compacted_at_every_turn(void **state)
{
	struct fw_names names;

	(void)state;
	open_names(&names, 1);
	for (uint32_t i = 0; i < 65600; i++)
		fw_names_keep_decision(&names, give(&names, i));
	assert_true(fw_names_overgrown(&names));
	assert_int_equal(fw_names_compact(&names, NULL), 0);
	assert_false(fw_names_overgrown(&names)); /* all are in use: twice as many, then again */
	assert_non_null(fw_names_find_decision(&names, FW_DECISION_FIRST + 10));
	for (uint32_t i = 65600; i < 2 * 65600 + 1; i++)
		(void)give(&names, i);
	assert_true(fw_names_overgrown(&names));
	fw_names_done(&names);
}

static void test_builtin_decisions_have_names(void **state)
{
	struct fw_names names;

	(void)state;
	open_names(&names, 1);
	for (uint32_t id = FW_DECIDED_NOTHING; id <= FW_DECIDED_OLDER; id++)
		assert_non_null(fw_names_find_decision(&names, id));
	assert_null(fw_names_find_decision(&names, FW_DECISION_FIRST - 1));
	assert_null(fw_names_find_service(&names, 0));
	fw_names_done(&names);
}

static void test_ids_found_in_the_maps_are_not_given(void **state)
{
	struct fw_digest digest = {1, 2};
	struct fw_ids ids;
	struct fw_id *id;

	(void)state;
	fw_ids_init(&ids, 'C', 16, 20);
	assert_int_equal(fw_ids_adopt(&ids, 17, NULL), 0);
	assert_int_equal(fw_ids_adopt(&ids, 20, NULL), -ERANGE);
	for (uint32_t i = 0; i < 3; i++) {
		digest.a = i;
		assert_int_equal(fw_ids_new(&ids, &digest, &id), 0);
		assert_int_not_equal(id->id, 17);
	}
	digest.a = 9;
	assert_int_equal(fw_ids_new(&ids, &digest, &id), -ENOSPC);
	fw_ids_release(&ids, 17);
	assert_int_equal(fw_ids_new(&ids, &digest, &id), 0);
	assert_int_equal(id->id, 17);
	assert_ptr_equal(fw_ids_by_digest(&ids, &digest), id);
	fw_ids_done(&ids);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ids_and_names_are_the_same_after_a_restart,
						begin, end),
		cmocka_unit_test_setup_teardown(test_a_log_of_other_maps_is_begun_anew, begin, end),
		cmocka_unit_test_setup_teardown(test_a_damaged_tail_is_cut_off, begin, end),
		cmocka_unit_test_setup_teardown(test_too_many_names_are_compacted_to_those_in_use,
						begin, end),
		cmocka_unit_test_setup_teardown(test_names_of_services_are_compacted_too, begin,
						end),
		cmocka_unit_test_setup_teardown(test_names_in_use_are_not_compacted_at_every_turn,
						begin, end),
		cmocka_unit_test_setup_teardown(test_builtin_decisions_have_names, begin, end),
		cmocka_unit_test(test_ids_found_in_the_maps_are_not_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
