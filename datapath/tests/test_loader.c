/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loader against the kernel: tables made, adopted, refused; programs loaded and pinned; the
 * capabilities that it takes; nothing left when it is destroyed. Needs root and a bpffs.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <setjmp.h>
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

#define PROGRAM "loader"
#include "node.h"

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
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = node_make();
	const struct fw_node *node = fw_datapath_node(datapath);

	(void)state;
	assert_int_equal(node->abi, FW_ABI_VERSION);
	assert_int_equal(node->regions, REGIONS);
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
	struct fw_datapath *first = node_make(), *second = NULL, *third = NULL;
	const uint64_t secret = fw_datapath_node(first)->hash_secret[3];
	struct fw_err err = {0};

	(void)state;
	fw_datapath_endpoint(first, 7)->epoch = 4711;
	fw_datapath_close(&first);
	assert_int_equal(fw_datapath_make(PIN, &other, &second, &err), 0);
	assert_int_equal(fw_datapath_node(second)->hash_secret[3], secret);
	assert_int_equal(fw_datapath_node(second)->regions, REGIONS);
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
	struct fw_datapath *datapath = node_make();
	const uint64_t secret = fw_datapath_node(datapath)->hash_secret[0];
	struct fw_err err = {0};

	(void)state;
	fw_datapath_close(&datapath);
	assert_int_equal(unlink(PIN "/v1/maps/fw_cells"), 0);
	assert_int_equal(fw_datapath_open(PIN, &datapath, &err), -ENOENT);
	assert_non_null(strstr(err.text, "fw_cells"));
	datapath = node_make();
	assert_int_equal(fw_datapath_node(datapath)->hash_secret[0], secret);
	assert_int_equal(access(PIN "/v1/maps/fw_cells", F_OK), 0);
	fw_datapath_close(&datapath);
}

static void a_foreign_layout_is_refused_by_name(void **state)
{
	struct fw_datapath *datapath = node_make();
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
	datapath = node_make(); /* the positive control */
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

#define TRIES 10 /* of a measurement that a busy machine can disturb between two readings */

static double jiffies_per_second(int fd)
{
	const struct timespec pause = {.tv_nsec = 200000000};
	struct timespec begin, end;
	uint32_t first, last;
	double seconds;

	assert_int_equal(fw_jiffies_read(fd, &first), 0);
	(void)clock_gettime(CLOCK_MONOTONIC, &begin);
	(void)nanosleep(&pause, NULL);
	assert_int_equal(fw_jiffies_read(fd, &last), 0);
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
	return (last - first) / seconds;
}

static void hz_is_what_jiffies_count(void **state)
{
	struct fw_err err = {0};
	int fd = fw_jiffies_open(&err);
	double measured = 0;
	bool right = false;
	uint32_t hz = 0;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fw_node_hz(&hz, &err), 0);
	for (int i = 0; i < TRIES && !right; i++) {
		measured = jiffies_per_second(fd);
		right = measured > hz * 0.92 && measured < hz * 1.08;
	}
	(void)close(fd);
	if (!right)
		print_message("# %.1f jiffies a second, HZ is %u\n", measured, hz);
	assert_true(right);
}

/* Times of records are made of jiffies: they keep up with CLOCK_MONOTONIC. */
static void jiffies_and_the_clock_advance_together(void **state)
{
	const struct timespec pause = {.tv_nsec = 200000000};
	struct fw_err err = {0};
	uint64_t first, last = 0;
	bool right = false;
	uint32_t hz, tick_ns;

	(void)state;
	assert_int_equal(fw_node_hz(&hz, &err), 0);
	tick_ns = (1000000000u + hz / 2) / hz;
	for (int i = 0; i < TRIES && !right; i++) {
		assert_int_equal(fw_node_clock(tick_ns, &first, &err), 0);
		(void)nanosleep(&pause, NULL);
		assert_int_equal(fw_node_clock(tick_ns, &last, &err), 0);
		right = last - first + 2 * tick_ns <= 4 * tick_ns;
	}
	assert_true(right);
}

static void programs_are_pinned_and_replaced(void **state)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = node_make();
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
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = node_make();
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

static void a_grace_period_ends(void **state)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = node_make();
	struct fw_err err = {0};

	(void)state;
	assert_int_equal(fw_datapath_synchronize(datapath, &err), 0);
	assert_int_equal(fw_datapath_synchronize(datapath, &err), 0);
}

static int wait_for(pid_t child)
{
	int status = 0;

	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
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
	if (r < 0 && count == 3)
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

static void three_capabilities_are_enough_and_needed(void **state)
{
	/* CAP_PERFMON: without it the kernel refuses the programs' pointer arithmetic, for fear
	 * of speculation, and would slow down what it does accept */
	static const cap_value_t all[] = {CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, CAP_BPF};
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
	assert_int_equal(as_user(all, 3), 0);
	assert_int_not_equal(as_user(all, 2), 0);
	assert_int_not_equal(as_user(all + 1, 2), 0);
	assert_int_not_equal(as_user(all + 2, 2), 0);
	assert_int_equal(as_user(all, 3), 0); /* what the others left is no obstacle */
	assert_int_equal(fw_pin_remove_tree(TOP "/user", &err), 0);
}

static void destroy_leaves_nothing(void **state)
{
	struct fw_datapath *datapath = node_make();
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
		NODE_TEST(open_before_make_says_what_is_missing),
		NODE_TEST(made_tables_have_their_sizes_and_secrets),
		NODE_TEST(adopted_tables_keep_rows_and_ignore_new_sizes),
		NODE_TEST(a_lost_pin_is_made_again_beside_the_others),
		NODE_TEST(a_foreign_layout_is_refused_by_name),
		NODE_TEST(impossible_sizes_are_refused_by_name),
		NODE_TEST(hz_is_what_jiffies_count),
		NODE_TEST(jiffies_and_the_clock_advance_together),
		NODE_TEST(programs_are_pinned_and_replaced),
		NODE_TEST(a_constant_program_is_bound_to_its_row),
		NODE_TEST(a_grace_period_ends),
		NODE_TEST(three_capabilities_are_enough_and_needed),
		NODE_TEST(destroy_leaves_nothing),
	};

	return cmocka_run_group_tests_name("loader", tests, NULL, NULL);
}
