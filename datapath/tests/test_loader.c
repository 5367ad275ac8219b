/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loader against the kernel: tables made, adopted, refused; endpoints claimed and released by
 * several processes, some of them killed. Needs root and bpffs. All pins stand below one directory,
 * which goes at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "loader/inside.h"

#define TOP	 "/sys/fs/bpf/pw-ld-test"
#define PIN	 TOP "/node"
#define CHILDREN 64

static const struct fw_sizes small = {.regions = 80,
				      .region_slots = 64,
				      .cells = 64,
				      .ranges = 256,
				      .addresses = 64,
				      .prefixes = 64,
				      .services = 64,
				      .events_bytes = 4096};

static struct fw_datapath *make(void)
{
	struct fw_datapath *datapath = NULL;
	struct fw_err err = {0};
	int r = fw_datapath_make(PIN, &small, &datapath, &err);

	if (r < 0)
		fail_msg("make: %s", err.text);
	return datapath;
}

static int setup(void **state)
{
	struct fw_err err = {0};

	*state = NULL;
	if (fw_datapath_destroy(TOP, &err) < 0 || fw_pin_mount(PIN, &err) < 0) {
		print_error("%s\n", err.text);
		return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	struct fw_err err = {0};
	int r;

	(void)state;
	r = fw_datapath_destroy(PIN, &err);
	if (r == 0)
		r = fw_pin_remove_tree(TOP, &err);
	if (r < 0)
		print_error("%s\n", err.text);
	return r;
}

static void open_before_make_says_what_is_missing(void **state)
{
	struct fw_datapath *datapath = NULL;
	struct fw_err err = {0};

	(void)state;
	assert_int_equal(fw_datapath_open(PIN, &datapath, &err), -ENOENT);
	assert_non_null(strstr(err.text, "podwalld has never run"));
	assert_null(datapath);
}

static void made_tables_have_their_sizes_and_secrets(void **state)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = make();
	const struct fw_node *node = fw_datapath_node(datapath);

	(void)state;
	assert_int_equal(node->abi, FW_ABI_VERSION);
	assert_int_equal(node->regions, small.regions);
	assert_int_equal(node->region_buckets, small.region_slots / FW_BUCKET_SLOTS);
	assert_int_equal(node->enforcement, FW_ENFORCE);
	for (size_t i = 0; i < 8; i++)
		assert_true(node->hash_secret[i] & 1);
	assert_int_not_equal(node->hash_secret[0], node->hash_secret[1]);
	assert_int_equal(fw_datapath_capacity(datapath, FW_MAP_FLOWS), 80 * 8);
	assert_int_equal(fw_datapath_capacity(datapath, FW_MAP_CELLS), small.cells);
	assert_int_equal(fw_datapath_capacity(datapath, FW_MAP_ENDPOINTS), FW_ENDPOINT_SLOTS);
	assert_non_null(fw_datapath_bucket(datapath, 639));
	assert_null(fw_datapath_bucket(datapath, 640));
	assert_null(fw_datapath_region(datapath, 80));
	assert_null(fw_datapath_endpoint(datapath, FW_ENDPOINT_SLOTS));
}

static void adopted_tables_keep_rows_and_ignore_new_sizes(void **state)
{
	const struct fw_sizes other = {.regions = 16, .cells = 9};
	struct fw_datapath *first = make(), *second = NULL, *third = NULL;
	const uint64_t secret = fw_datapath_node(first)->hash_secret[3];
	struct fw_err err = {0};

	(void)state;
	fw_datapath_endpoint(first, 7)->epoch = 4711;
	fw_datapath_close(&first);
	assert_int_equal(fw_datapath_make(PIN, &other, &second, &err), 0);
	assert_int_equal(fw_datapath_node(second)->hash_secret[3], secret);
	assert_int_equal(fw_datapath_node(second)->regions, small.regions);
	assert_int_equal(fw_datapath_capacity(second, FW_MAP_CELLS), small.cells);
	assert_int_equal(fw_datapath_endpoint(second, 7)->epoch, 4711);
	assert_int_equal(fw_datapath_open(PIN, &third, &err), 0);
	fw_datapath_endpoint(third, 7)->epoch = 4712;
	assert_int_equal(fw_datapath_endpoint(second, 7)->epoch, 4712);
	fw_datapath_close(&second);
	fw_datapath_close(&third);
}

static void a_lost_pin_is_made_again_beside_the_others(void **state)
{
	struct fw_datapath *datapath = make();
	const uint64_t secret = fw_datapath_node(datapath)->hash_secret[0];
	struct fw_err err = {0};

	(void)state;
	fw_datapath_close(&datapath);
	assert_int_equal(unlink(PIN "/v1/maps/fw_cells"), 0);
	assert_int_equal(fw_datapath_open(PIN, &datapath, &err), -ENOENT);
	assert_non_null(strstr(err.text, "fw_cells"));
	datapath = make();
	assert_int_equal(fw_datapath_node(datapath)->hash_secret[0], secret);
	assert_int_equal(access(PIN "/v1/maps/fw_cells", F_OK), 0);
	fw_datapath_close(&datapath);
}

static void a_foreign_layout_is_refused_by_name(void **state)
{
	struct fw_datapath *datapath = make();
	struct fw_err err = {0};
	int fd;

	(void)state;
	fw_datapath_close(&datapath);
	fd = bpf_map_create(BPF_MAP_TYPE_HASH, "foreign", 8, 16, 64, NULL);
	assert_true(fd >= 0);
	assert_int_equal(fw_pin_replace(fd, PIN "/v1/maps/fw_cells", &err), 0);
	(void)close(fd);
	assert_int_equal(fw_datapath_make(PIN, &small, &datapath, &err), -EINVAL);
	assert_non_null(strstr(err.text, "fw_cells: pinned table has"));
	assert_int_equal(fw_datapath_open(PIN, &datapath, &err), -EINVAL);
	assert_int_equal(unlink(PIN "/v1/maps/fw_cells"), 0);
	datapath = make(); /* the positive control */
	fw_datapath_close(&datapath);
}

static void impossible_sizes_are_refused_by_name(void **state)
{
	static const struct {
		struct fw_sizes sizes;
		const char *word;
	} rows[] = {
		{{.regions = FW_REGIONS_MAX + 1}, "regions"},
		{{.region_slots = 4}, "slots per region"},
		{{.region_slots = 48}, "power of two"},
		{{.cells = FW_CELLS_MAX + 1}, "cells"},
		{{.ranges = FW_RANGES_MAX + 1}, "ranges"},
		{{.events_bytes = 5000}, "events"},
		{{.services = FW_SERVICES_MAX + 1}, "services"},
		{{.prefixes = FW_PREFIXES_MAX + 1}, "prefixes"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fw_datapath *datapath = NULL;
		struct fw_err err = {0};

		assert_int_equal(fw_datapath_make(PIN "-none", &rows[i].sizes, &datapath, &err),
				 -EINVAL);
		assert_non_null(strstr(err.text, rows[i].word));
	}
	assert_int_not_equal(access(PIN "-none", F_OK), 0);
}

static void hz_is_what_jiffies_count(void **state)
{
	const struct timespec pause = {.tv_nsec = 200000000};
	struct timespec begin, end;
	struct fw_err err = {0};
	uint32_t hz = 0, first, last;
	int fd = fw_jiffies_open(&err);
	double seconds, measured;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fw_node_hz(&hz, &err), 0);
	assert_int_equal(fw_jiffies_read(fd, &first), 0);
	(void)clock_gettime(CLOCK_MONOTONIC, &begin);
	(void)nanosleep(&pause, NULL);
	assert_int_equal(fw_jiffies_read(fd, &last), 0);
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	(void)close(fd);
	seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
	measured = (last - first) / seconds;
	assert_true(measured > hz * 0.92 && measured < hz * 1.08);
}

static void programs_are_pinned_and_replaced(void **state)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = make();
	struct bpf_prog_info info = {0};
	struct fw_err err = {0};
	__u32 len = sizeof(info), before;
	int r;

	(void)state;
	r = fw_datapath_program_fd(datapath, FW_PROGRAM_FROM_TCX, &err);
	assert_int_equal(r, -ENOENT);
	r = fw_datapath_load_programs(datapath, &err);
	if (r < 0)
		fail_msg("%s", err.text);
	assert_int_equal(access(PIN "/v1/progs/from_clsact", F_OK), 0);
	assert_int_equal(access(PIN "/v1/progs/to_tcx", F_OK), 0);
	r = fw_datapath_program_fd(datapath, FW_PROGRAM_FROM_TCX, &err);
	assert_int_equal(bpf_prog_get_info_by_fd(r, &info, &len), 0);
	before = info.id;
	memset(&info, 0, sizeof(info));
	assert_int_equal(fw_datapath_load_programs(datapath, &err), 0);
	r = fw_datapath_program_fd(datapath, FW_PROGRAM_FROM_TCX, &err);
	assert_int_equal(bpf_prog_get_info_by_fd(r, &info, &len), 0);
	assert_int_not_equal(info.id, before);
}

/* The verdict of one test run of a frame that is no protocol at all; what matters is which row was
 * looked at. */
static int run(int fd)
{
	unsigned char frame[64] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(fd, &options), 0);
	return (int)options.retval;
}

static void a_constant_program_is_bound_to_its_row(void **state)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = make();
	struct fw_err err = {0};
	int fd;

	(void)state;
	fd = fw_datapath_constant_program(datapath, FW_PROGRAM_TO_TCX, FW_ENDPOINT_SLOTS, &err);
	assert_int_equal(fd, -EINVAL);
	fd = fw_datapath_constant_program(datapath, FW_PROGRAM_TO_TCX, FW_IFINDEX_SLOTS + 3, &err);
	if (fd < 0)
		fail_msg("%s", err.text);
	assert_int_equal(run(fd), 2); /* the row is free: dropped */
	(void)close(fd);
}

static void claims_use_the_row_of_their_device(void **state)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = make();
	const uint64_t owner = fw_endpoint_owner("0123456789ab", "eth0");
	const struct fw_endpoint *row;
	const struct fw_region *area;
	struct fw_err err = {0};
	uint32_t slot = 0, again = 0;

	(void)state;
	assert_int_equal(fw_endpoint_find(datapath, owner), FW_NO_SLOT);
	assert_int_equal(fw_endpoint_claim(datapath, owner, 70001, &slot, &err), 0);
	assert_int_equal(slot, 70001 & 0xffff);
	row = fw_datapath_endpoint(datapath, slot);
	area = fw_datapath_region(datapath, row->region);
	assert_int_equal(row->state, FW_EP_CLAIMED);
	assert_int_equal(row->ifindex, 70001);
	assert_int_equal(row->owner, owner);
	assert_int_equal(row->flow_base, row->region * 8);
	assert_int_equal(row->flow_mask, 7);
	assert_int_equal(row->generation, (uint16_t)area->generation);
	assert_int_equal(area->owner, owner);
	assert_int_equal(area->slot, slot);
	assert_int_equal(fw_endpoint_find(datapath, owner), slot);
	assert_int_equal(fw_endpoint_claim(datapath, owner, 70001, &again, &err), 0);
	assert_int_equal(again, slot);
	assert_int_equal(fw_endpoint_release(datapath, owner, &err), 0);
	assert_int_equal(row->state, FW_EP_FREE);
	assert_int_equal(area->owner, 0);
	assert_int_equal(fw_endpoint_find(datapath, owner), FW_NO_SLOT);
	assert_int_equal(fw_endpoint_release(datapath, owner, &err), 0);
}

static void a_clash_of_ifindex_gets_an_extra_row(void **state)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = make();
	const uint64_t owners[3] = {fw_endpoint_owner("a", "eth0"), fw_endpoint_owner("b", "eth0"),
				    fw_endpoint_owner("c", "net1")};
	struct fw_err err = {0};
	uint32_t slots[3];

	(void)state;
	assert_int_equal(fw_endpoint_claim(datapath, owners[0], 5, &slots[0], &err), 0);
	assert_int_equal(fw_endpoint_claim(datapath, owners[1], 5 + 65536, &slots[1], &err), 0);
	assert_int_equal(fw_endpoint_claim(datapath, owners[2], 0, &slots[2], &err), 0);
	assert_int_equal(slots[0], 5);
	assert_int_equal(slots[1], FW_IFINDEX_SLOTS);
	assert_int_equal(slots[2], FW_IFINDEX_SLOTS + 1);
	assert_int_equal(fw_datapath_endpoint(datapath, slots[1])->ifindex, 0);
	assert_int_equal(fw_endpoint_release(datapath, owners[1], &err), 0);
	assert_int_equal(fw_datapath_endpoint(datapath, 5)->owner, owners[0]);
	assert_int_equal(fw_endpoint_claim(datapath, owners[1], 5, &slots[1], &err), 0);
	assert_int_equal(slots[1], FW_IFINDEX_SLOTS);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(fw_endpoint_release(datapath, owners[i], &err), 0);
}

static void a_region_for_a_new_pod_is_empty_and_keeps_slot_generations(void **state)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = make();
	const uint64_t first = fw_endpoint_owner("first", "eth0");
	struct fw_err err = {0};
	uint32_t slot, region;
	struct fw_flow *flow;
	uint16_t generation;

	(void)state;
	assert_int_equal(fw_endpoint_claim(datapath, first, 9, &slot, &err), 0);
	region = fw_datapath_endpoint(datapath, slot)->region;
	generation = fw_datapath_endpoint(datapath, slot)->generation;
	for (int i = 0; i < 8; i++) {
		flow = &fw_datapath_bucket(datapath, region * 8 + (uint32_t)i)->slot[i];
		flow->ctl = 0xabcdULL << 32 | 77 * FW_CTL_GENERATION_ONE |
			    (i & 1 ? FW_CTL_DEAD : FW_CTL_VALID);
	}
	flow = &fw_datapath_bucket(datapath, region * 8)->slot[1];
	flow->ctl = 78 * FW_CTL_GENERATION_ONE | FW_CTL_BUSY;
	assert_int_equal(fw_endpoint_release(datapath, first, &err), 0);
	/* used least comes first: the region comes round again after all others */
	for (uint32_t i = 0; i < small.regions; i++) {
		assert_int_equal(fw_endpoint_claim(datapath, 1000 + i, 10 + i, &slot, &err), 0);
		if (i + 1 < small.regions)
			assert_int_not_equal(fw_datapath_endpoint(datapath, slot)->region, region);
	}
	assert_int_equal(fw_datapath_endpoint(datapath, slot)->region, region);
	assert_int_equal(fw_datapath_endpoint(datapath, slot)->generation, generation + 1);
	for (int i = 0; i < 8; i++) {
		flow = &fw_datapath_bucket(datapath, region * 8 + (uint32_t)i)->slot[i];
		assert_int_equal(flow->ctl, 77 * FW_CTL_GENERATION_ONE | FW_CTL_FREE);
	}
	flow = &fw_datapath_bucket(datapath, region * 8)->slot[1];
	assert_int_equal(flow->ctl, 78 * FW_CTL_GENERATION_ONE | FW_CTL_BUSY);
	for (uint32_t i = 0; i < small.regions; i++)
		assert_int_equal(fw_endpoint_release(datapath, 1000 + i, &err), 0);
}

static void a_full_table_refuses_with_text_and_recovers(void **state)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = make();
	struct fw_err err = {0};
	uint32_t slot;

	(void)state;
	for (uint32_t i = 0; i < small.regions; i++)
		assert_int_equal(fw_endpoint_claim(datapath, 100 + i, 100 + i, &slot, &err), 0);
	assert_int_equal(fw_endpoint_claim(datapath, 99, 99, &slot, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "flow regions"));
	assert_int_equal(fw_datapath_endpoint(datapath, 99)->state, FW_EP_FREE);
	assert_int_equal(fw_endpoint_release(datapath, 100, &err), 0);
	assert_int_equal(fw_endpoint_claim(datapath, 99, 99, &slot, &err), 0);
	for (uint32_t i = 0; i < small.regions; i++)
		assert_int_equal(fw_endpoint_release(datapath, i ? 100 + i : 99, &err), 0);
}

static int wait_for(pid_t child)
{
	int status = 0;

	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static int claim_in_child(uint64_t owner, uint32_t ifindex)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = NULL;
	uint32_t slot;

	if (fw_datapath_make(PIN, &small, &datapath, NULL) < 0)
		return 1;
	return fw_endpoint_claim(datapath, owner, ifindex, &slot, NULL) < 0 ? 2 : 0;
}

static void many_processes_at_once_make_one_datapath_and_distinct_rows(void **state)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = NULL;
	bool region_seen[80] = {false};
	struct fw_err err = {0};
	pid_t children[CHILDREN];
	uint32_t slot;

	(void)state;
	for (uint32_t i = 0; i < CHILDREN; i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0)
			_exit(claim_in_child(
				5000 + i, 300 + i / 2 * 65536)); /* pairs with the same low half */
	}
	for (int i = 0; i < CHILDREN; i++)
		assert_int_equal(wait_for(children[i]), 0);
	datapath = make();
	for (uint32_t i = 0; i < CHILDREN; i++) {
		slot = fw_endpoint_find(datapath, 5000 + i);
		assert_int_not_equal(slot, FW_NO_SLOT);
		assert_int_equal(fw_datapath_endpoint(datapath, slot)->owner, 5000 + i);
		assert_false(region_seen[fw_datapath_endpoint(datapath, slot)->region]);
		region_seen[fw_datapath_endpoint(datapath, slot)->region] = true;
	}
	for (uint32_t i = 0; i < CHILDREN; i++)
		assert_int_equal(fw_endpoint_release(datapath, 5000 + i, &err), 0);
}

/* Claims and releases without end until it is killed. */
static void churn(uint64_t owner)
{
	struct fw_datapath *datapath = NULL;
	uint32_t slot;

	if (fw_datapath_open(PIN, &datapath, NULL) < 0)
		_exit(1);
	for (;;) {
		if (fw_endpoint_claim(datapath, owner, (uint32_t)owner, &slot, NULL) < 0)
			_exit(2);
		fw_endpoint_publish(fw_datapath_endpoint(datapath, slot), FW_EP_ISOLATED);
		if (fw_endpoint_release(datapath, owner, NULL) < 0)
			_exit(3);
	}
}

static uint32_t rows_in_use(const struct fw_datapath *datapath)
{
	uint32_t used = 0;

	for (uint32_t slot = 0; slot < FW_ENDPOINT_SLOTS; slot++)
		used += fw_datapath_endpoint(datapath, slot)->state != FW_EP_FREE;
	for (uint32_t i = 0; i < small.regions; i++)
		used += fw_datapath_region(datapath, i)->owner != 0;
	return used;
}

static void killed_claimers_leave_nothing_that_a_release_does_not_find(void **state)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = make();
	struct timespec pause = {0};
	struct fw_err err = {0};
	uint32_t slot;
	pid_t child;

	(void)state;
	for (int round = 0; round < 60; round++) {
		child = fork();
		assert_true(child >= 0);
		if (child == 0)
			churn(400);
		pause.tv_nsec = 500000 + round * 40000 % 5000000;
		(void)nanosleep(&pause,
				NULL); /* the moment of the kill, not a wait for something */
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(wait_for(child), 128);
		assert_int_equal(fw_endpoint_claim(datapath, 400, 400, &slot, &err), 0);
		assert_int_equal(slot, 400);
		assert_int_equal(fw_endpoint_release(datapath, 400, &err), 0);
		assert_int_equal(rows_in_use(datapath), 0);
	}
}

static void a_row_left_claimed_without_owner_is_taken_again(void **state)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = make();
	struct fw_err err = {0};
	uint32_t slot;

	(void)state;
	fw_datapath_endpoint(datapath, 55)->state = FW_EP_CLAIMED;
	assert_int_equal(fw_endpoint_claim(datapath, 1, 55, &slot, &err), 0);
	assert_int_equal(slot, 55);
	/* with an owner it is not */
	assert_int_equal(fw_endpoint_claim(datapath, 2, 55, &slot, &err), 0);
	assert_int_equal(slot, FW_IFINDEX_SLOTS);
	assert_int_equal(fw_endpoint_release(datapath, 1, &err), 0);
	assert_int_equal(fw_endpoint_release(datapath, 2, &err), 0);
}

static void regions_of_owners_killed_early_are_taken_when_all_others_are_used(void **state)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = make();
	struct fw_err err = {0};
	uint32_t slot;

	(void)state;
	fw_datapath_region(datapath, 3)->owner = 31337;
	fw_datapath_region(datapath, 3)->slot = FW_NO_SLOT;
	for (uint32_t i = 0; i < small.regions; i++)
		assert_int_equal(fw_endpoint_claim(datapath, 100 + i, 100 + i, &slot, &err), 0);
	assert_int_equal(fw_datapath_endpoint(datapath, slot)->region, 3);
	for (uint32_t i = 0; i < small.regions; i++)
		assert_int_equal(fw_endpoint_release(datapath, 100 + i, &err), 0);
}

static void owners_differ_by_container_and_interface(void **state)
{
	(void)state;
	assert_int_equal(fw_endpoint_owner("a", "eth0"), fw_endpoint_owner("a", "eth0"));
	assert_int_not_equal(fw_endpoint_owner("a", "eth0"), fw_endpoint_owner("a", "eth1"));
	assert_int_not_equal(fw_endpoint_owner("ae", "th0"), fw_endpoint_owner("a", "eth0"));
	assert_int_not_equal(fw_endpoint_owner("", ""), 0);
}

static void a_grace_period_ends(void **state)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = make();
	struct fw_err err = {0};

	(void)state;
	assert_int_equal(fw_datapath_synchronize(datapath, &err), 0);
	assert_int_equal(fw_datapath_synchronize(datapath, &err), 0);
}

/* Becomes an ordinary user who keeps only the given capabilities. */
static int become(const cap_value_t *keep, int count)
{
	cap_t caps = cap_init();
	int r;

	if (!caps || prctl(PR_SET_KEEPCAPS, 1) < 0 || setgid(65534) < 0 || setuid(65534) < 0)
		return -1;
	r = cap_set_flag(caps, CAP_PERMITTED, count, keep, CAP_SET);
	if (r == 0)
		r = cap_set_flag(caps, CAP_EFFECTIVE, count, keep, CAP_SET);
	if (r == 0)
		r = cap_set_proc(caps);
	(void)cap_free(caps);
	return r < 0 ? r : prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int work_as_user(const cap_value_t *keep, int count)
{
	struct fw_datapath *datapath = NULL;
	struct fw_err err = {0};
	uint32_t slot;
	int r;

	if (become(keep, count) < 0)
		return 100;
	r = fw_datapath_make(TOP "/user/node", &small, &datapath, &err);
	if (r == 0)
		r = fw_datapath_load_programs(datapath, &err);
	if (r == 0)
		r = fw_endpoint_claim(datapath, 1, 1, &slot, &err);
	if (r == 0)
		r = fw_endpoint_release(datapath, 1, &err);
	if (r == 0)
		r = fw_datapath_constant_program(datapath, FW_PROGRAM_FROM_CLSACT, 1, &err);
	if (r < 0 && count == 2)
		print_error("%s\n", err.text);
	if (r < 0)
		return r == -EPERM ? 1 : 2;
	fw_datapath_close(&datapath);
	r = fw_datapath_destroy(TOP "/user/node", &err);
	if (r < 0)
		print_error("%s\n", err.text);
	return r < 0 ? 3 : 0;
}

static int as_user(const cap_value_t *keep, int count)
{
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		_exit(work_as_user(keep, count));
	return wait_for(child);
}

static void cap_bpf_and_cap_net_admin_are_enough_and_needed(void **state)
{
	static const cap_value_t both[] = {CAP_BPF, CAP_NET_ADMIN};
	struct stat st;
	struct fw_err err = {0};

	(void)state;
	if (stat("/sys/fs/bpf", &st) < 0 || !(st.st_mode & S_IXOTH)) {
		print_message("# the bpffs is closed to other users\n");
		skip();
	}
	assert_int_equal(fw_pin_mkdir(TOP "/user", &err), 0);
	assert_int_equal(chmod(TOP, 0755), 0);
	assert_int_equal(chown(TOP "/user", 65534, 65534), 0);
	assert_int_equal(as_user(both, 2), 0);
	assert_int_not_equal(as_user(both, 1), 0);
	assert_int_not_equal(as_user(both + 1, 1), 0);
	assert_int_equal(fw_pin_remove_tree(TOP "/user", &err), 0);
}

static void destroy_leaves_nothing(void **state)
{
	struct fw_datapath *datapath = make();
	struct fw_err err = {0};

	(void)state;
	assert_int_equal(fw_datapath_load_programs(datapath, &err), 0);
	fw_datapath_close(&datapath);
	assert_int_equal(access(PIN "/v1", F_OK), 0);
	assert_int_equal(fw_datapath_destroy(PIN, &err), 0);
	assert_int_not_equal(access(PIN, F_OK), 0);
	assert_int_equal(fw_datapath_destroy(PIN, &err), 0);
	assert_int_equal(fw_datapath_destroy("/tmp", &err), -EINVAL); /* not ours to remove */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(open_before_make_says_what_is_missing, setup,
						teardown),
		cmocka_unit_test_setup_teardown(made_tables_have_their_sizes_and_secrets, setup,
						teardown),
		cmocka_unit_test_setup_teardown(adopted_tables_keep_rows_and_ignore_new_sizes,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_lost_pin_is_made_again_beside_the_others, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_foreign_layout_is_refused_by_name, setup,
						teardown),
		cmocka_unit_test_setup_teardown(impossible_sizes_are_refused_by_name, setup,
						teardown),
		cmocka_unit_test(hz_is_what_jiffies_count),
		cmocka_unit_test_setup_teardown(programs_are_pinned_and_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(a_constant_program_is_bound_to_its_row, setup,
						teardown),
		cmocka_unit_test_setup_teardown(claims_use_the_row_of_their_device, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_clash_of_ifindex_gets_an_extra_row, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_region_for_a_new_pod_is_empty_and_keeps_slot_generations, setup,
			teardown),
		cmocka_unit_test_setup_teardown(a_full_table_refuses_with_text_and_recovers, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			many_processes_at_once_make_one_datapath_and_distinct_rows, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			killed_claimers_leave_nothing_that_a_release_does_not_find, setup,
			teardown),
		cmocka_unit_test_setup_teardown(a_row_left_claimed_without_owner_is_taken_again,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			regions_of_owners_killed_early_are_taken_when_all_others_are_used, setup,
			teardown),
		cmocka_unit_test(owners_differ_by_container_and_interface),
		cmocka_unit_test_setup_teardown(a_grace_period_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(cap_bpf_and_cap_net_admin_are_enough_and_needed,
						setup, teardown),
		cmocka_unit_test_setup_teardown(destroy_leaves_nothing, setup, teardown),
	};

	return cmocka_run_group_tests_name("loader", tests, NULL, NULL);
}
