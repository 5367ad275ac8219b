/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs. In: open maps. Out: this build's programs, loaded on those maps with the node's secrets
 * as constants, and pinned in the place of those in force. Never touches a hook: attached programs
 * stay until they are replaced.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "fw_tc.skel.h"
#include "loader/inside.h"

#define CLOCK_READINGS 8
#define RING_HEADER    8 /* bytes that the ring buffer adds to a record */

static const char *const program_names[FW_PROGRAM_COUNT] = {
	[FW_PROGRAM_FROM_CLSACT] = "fw_from_clsact",
	[FW_PROGRAM_TO_CLSACT] = "fw_to_clsact",
	[FW_PROGRAM_FROM_TCX] = "fw_from_tcx",
	[FW_PROGRAM_TO_TCX] = "fw_to_tcx",
};

const char *fw_program_pin_name(enum fw_program program)
{
	return program_names[program] + sizeof("fw_") - 1;
}

/* The coarse clocks tick with jiffies; their resolution is the kernel's TICK_NSEC. */
int fw_node_hz(uint32_t *ret_hz, struct fw_err *err)
{
	static const uint32_t known[] = {100, 250, 300, 1000};
	struct timespec tick;
	uint32_t hz;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) < 0 || tick.tv_sec || tick.tv_nsec <= 0)
		return fw_err_set(err, -ENOTSUP, "the kernel does not say how long a jiffy is");
	hz = (uint32_t)((1000000000L + tick.tv_nsec / 2) / tick.tv_nsec);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (hz != known[i])
			continue;
		*ret_hz = hz;
		return 0;
	}
	return fw_err_set(err, -ENOTSUP, "a jiffy of %ld ns: HZ is none of 100, 250, 300, 1000",
			  tick.tv_nsec);
}

int fw_jiffies_open(struct fw_err *err)
{
	const struct bpf_insn code[] = {
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_jiffies64},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "fw_jiffies", "GPL", code,
			       sizeof(code) / sizeof(code[0]), NULL);

	return fd < 0 ? fw_err_errno(err, fd, "cannot load fw_jiffies%s", fw_capability_hint(fd))
		      : fd;
}

int fw_jiffies_read(int fd, uint32_t *ret_jiffies)
{
	unsigned char frame[64] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = 1);
	int r = bpf_prog_test_run_opts(fd, &run);

	if (r < 0)
		return r;
	*ret_jiffies = run.retval;
	return 0;
}

/* CLOCK_MONOTONIC_COARSE - jiffies x tick, modulo 2^64, into cb[0] and cb[1]. */
static int open_clock(uint32_t tick_ns, struct fw_err *err)
{
	const int cb = offsetof(struct __sk_buff, cb);
	const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 6, .src_reg = 1},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_ktime_get_coarse_ns},
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 7, .src_reg = 0},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_jiffies64},
		{.code = BPF_ALU64 | BPF_MUL | BPF_K, .dst_reg = 0, .imm = (__s32)tick_ns},
		{.code = BPF_ALU64 | BPF_SUB | BPF_X, .dst_reg = 7, .src_reg = 0},
		{.code = BPF_STX | BPF_MEM | BPF_W, .dst_reg = 6, .src_reg = 7, .off = (__s16)cb},
		{.code = BPF_ALU64 | BPF_RSH | BPF_K, .dst_reg = 7, .imm = 32},
		{.code = BPF_STX | BPF_MEM | BPF_W,
		 .dst_reg = 6,
		 .src_reg = 7,
		 .off = (__s16)(cb + 4)},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "fw_clock", "GPL", code,
			       sizeof(code) / sizeof(code[0]), NULL);

	return fd < 0 ? fw_err_errno(err, fd, "cannot load fw_clock%s", fw_capability_hint(fd))
		      : fd;
}

/* The clock and jiffies move one after the other: the least of some readings, so that no record is
 * ahead of the clock. */
int fw_node_clock(uint32_t tick_ns, uint64_t *ret_base, struct fw_err *err)
{
	_cleanup_close_ int fd = open_clock(tick_ns, err);
	unsigned char frame[64] = {0};
	uint64_t base = 0;

	if (fd < 0)
		return fd;
	for (int i = 0; i < CLOCK_READINGS; i++) {
		struct __sk_buff context = {0};
		LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = sizeof(frame),
			    .ctx_in = &context, .ctx_size_in = sizeof(context), .ctx_out = &context,
			    .ctx_size_out = sizeof(context), .repeat = 1);
		int r = bpf_prog_test_run_opts(fd, &run);
		uint64_t now = (uint64_t)context.cb[1] << 32 | context.cb[0];

		if (r < 0)
			return fw_err_errno(err, r, "cannot run fw_clock");
		if (i == 0 || (int64_t)(now - base) < 0)
			base = now;
	}
	*ret_base = base;
	return 0;
}

static int set_clock(struct fw_tc *skeleton, uint32_t hz, struct fw_err *err)
{
	uint32_t tick_ns = (1000000000u + hz / 2) / hz; /* the kernel's TICK_NSEC */
	uint64_t base;
	int r = fw_node_clock(tick_ns, &base, err);

	if (r < 0)
		return r;
	skeleton->rodata->fw_tick_ns = tick_ns;
	skeleton->rodata->fw_clock_base = base;
	return 0;
}

/* Half of the ring for one pod, shared among the CPUs. */
static uint32_t flow_budget(uint32_t ring_bytes)
{
	int cpus = libbpf_num_possible_cpus();
	uint32_t records = ring_bytes / 2 / (uint32_t)(sizeof(struct fw_event) + RING_HEADER);

	records /= cpus > 0 ? (uint32_t)cpus : 1;
	return records < FW_BUDGET_FLOWS ? records : FW_BUDGET_FLOWS;
}

static void close_skeleton(struct fw_tc **skeleton)
{
	fw_tc__destroy(*skeleton);
}

static int reuse_maps(const struct fw_datapath *datapath, const struct fw_tc *skeleton,
		      struct fw_err *err)
{
	struct bpf_map *table;
	int r;

	for (size_t map = 0; map < FW_MAP_COUNT; map++) {
		table = bpf_object__find_map_by_name(skeleton->obj, fw_map_specs[map].name);
		r = table ? bpf_map__reuse_fd(table, datapath->map_fd[map]) : -ENOENT;
		if (r < 0)
			return fw_err_errno(err, r, "%s%s", fw_map_specs[map].name,
					    fw_quiet_words());
	}
	return 0;
}

/* Loads those programs whose bit is set in `wanted`, bound to one row when `slot` is not
 * FW_NO_SLOT. */
static int load(const struct fw_datapath *datapath, uint32_t wanted, uint32_t slot,
		struct fw_tc **ret_skeleton, struct fw_err *err)
{
	_cleanup_(close_skeleton) struct fw_tc *skeleton = NULL;
	const struct fw_node *node = fw_datapath_node(datapath);
	struct bpf_program *program;
	int r;

	fw_quiet_begin();
	skeleton = fw_tc__open();
	if (!skeleton)
		return fw_err_errno(err, -errno, "cannot open the BPF object%s", fw_quiet_words());
	memcpy((void *)(uintptr_t)skeleton->rodata->fw_hash_secret, node->hash_secret,
	       sizeof(node->hash_secret));
	skeleton->rodata->fw_mark_secret = node->mark_secret;
	skeleton->rodata->fw_hz = node->hz;
	skeleton->rodata->fw_slot = slot;
	skeleton->rodata->fw_flow_budget = flow_budget(datapath->capacity[FW_MAP_EVENTS]);
	r = set_clock(skeleton, node->hz, err);
	if (r < 0)
		return r;
	bpf_object__for_each_program(program, skeleton->obj)(void)
		bpf_program__set_autoload(program, false);
	for (size_t i = 0; i < FW_PROGRAM_COUNT; i++) {
		if (!(wanted & 1u << i))
			continue;
		program = bpf_object__find_program_by_name(skeleton->obj, program_names[i]);
		if (!program)
			return fw_err_set(err, -ENOENT, "%s is not in the BPF object",
					  program_names[i]);
		(void)bpf_program__set_autoload(program, true);
	}
	r = reuse_maps(datapath, skeleton, err);
	if (r < 0)
		return r;
	r = fw_tc__load(skeleton);
	if (r < 0)
		return fw_err_errno(err, r, "cannot load the BPF programs%s%s", fw_quiet_words(),
				    fw_capability_hint(r));
	*ret_skeleton = TAKE_PTR(skeleton);
	return 0;
}

/* A descriptor of the caller's own. */
static int take_program(const struct fw_tc *skeleton, enum fw_program program, struct fw_err *err)
{
	const struct bpf_program *found =
		bpf_object__find_program_by_name(skeleton->obj, program_names[program]);
	int fd = fcntl(bpf_program__fd(found), F_DUPFD_CLOEXEC, 3);

	return fd < 0 ? fw_err_errno(err, -errno, "%s", program_names[program]) : fd;
}

static int pin_program(struct fw_datapath *datapath, const struct fw_tc *skeleton,
		       enum fw_program program, struct fw_err *err)
{
	_cleanup_close_ int fd = take_program(skeleton, program, err);
	char path[FW_PIN_TEXT];
	int r = fd;

	if (r >= 0)
		r = fw_pin_path(path, err, "%s/progs/%s", datapath->pin,
				fw_program_pin_name(program));
	if (r == 0)
		r = fw_pin_replace(fd, path, err);
	if (r < 0)
		return r;
	fw_close_fd(&datapath->program_fd[program]);
	datapath->program_fd[program] = TAKE_FD(fd);
	return 0;
}

int fw_datapath_load_programs(struct fw_datapath *datapath, struct fw_err *err)
{
	_cleanup_(close_skeleton) struct fw_tc *skeleton = NULL;
	_cleanup_close_ int lock = -1;
	int r;

	r = load(datapath, (1u << FW_PROGRAM_COUNT) - 1, FW_NO_SLOT, &skeleton, err);
	if (r == 0)
		r = fw_pin_lock(datapath->pin, &lock, err);
	for (size_t i = 0; i < FW_PROGRAM_COUNT && r == 0; i++)
		r = pin_program(datapath, skeleton, (enum fw_program)i, err);
	return r;
}

int fw_datapath_program_fd(struct fw_datapath *datapath, enum fw_program program,
			   struct fw_err *err)
{
	char path[FW_PIN_TEXT];
	int r;

	if (datapath->program_fd[program] >= 0)
		return datapath->program_fd[program];
	r = fw_pin_path(path, err, "%s/progs/%s", datapath->pin, fw_program_pin_name(program));
	if (r == 0)
		r = fw_pin_get(path, &datapath->program_fd[program], err);
	return r < 0 ? r : datapath->program_fd[program];
}

int fw_datapath_constant_program(struct fw_datapath *datapath, enum fw_program program,
				 uint32_t slot, struct fw_err *err)
{
	_cleanup_(close_skeleton) struct fw_tc *skeleton = NULL;
	int r;

	if (slot >= FW_ENDPOINT_SLOTS)
		return fw_err_set(err, -EINVAL, "endpoint row %u: there are %u", slot,
				  FW_ENDPOINT_SLOTS);
	r = load(datapath, 1u << program, slot, &skeleton, err);
	return r < 0 ? r : take_program(skeleton, program, err);
}
