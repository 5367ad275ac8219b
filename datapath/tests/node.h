/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A datapath to test with: one pin directory of this program's own, made before each test and gone
 * after it. In: root and a bpffs. Out: an open datapath, or a failed test with the loader's words.
 * Include after cmocka.h.
 */
#ifndef FW_TESTS_NODE_H
#define FW_TESTS_NODE_H

#include "loader/inside.h"

#define TOP	       "/sys/fs/bpf/pw-ld-" PROGRAM
#define PIN	       TOP "/node"
#define REGIONS	       80u
#define REGION_SLOTS   64u
#define REGION_BUCKETS (REGION_SLOTS / FW_BUCKET_SLOTS)

static const struct fw_sizes small = {.regions = REGIONS,
				      .region_slots = REGION_SLOTS,
				      .cells = 64,
				      .ranges = 256,
				      .addresses = 64,
				      .prefixes = 64,
				      .services = 64,
				      .events_bytes = 65536};

static inline struct fw_datapath *node_make(void)
{
	struct fw_datapath *datapath = NULL;
	struct fw_err err = {0};

	if (fw_datapath_make(PIN, &small, &datapath, &err) < 0)
		fail_msg("make: %s", err.text);
	return datapath;
}

static inline int node_setup(void **state)
{
	struct fw_err err = {0};

	*state = NULL;
	if (fw_datapath_destroy(TOP, &err) == 0 && fw_pin_mount(PIN, &err) == 0)
		return 0;
	print_error("%s\n", err.text);
	return -1;
}

static inline int node_teardown(void **state)
{
	struct fw_err err = {0};

	(void)state;
	if (fw_datapath_destroy(PIN, &err) == 0 && fw_pin_remove_tree(TOP, &err) == 0)
		return 0;
	print_error("%s\n", err.text);
	return -1;
}

#define NODE_TEST(function) cmocka_unit_test_setup_teardown(function, node_setup, node_teardown)

#endif
