/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same questions to the loaded BPF programs, by test runs: no pods, no traffic. In: compiled
 * tables, packets. Out: what the programs did and which decision they recorded. Needs root; works
 * in a network namespace of its own, on maps of its own that have no pins left once it is open.
 */
#ifndef FW_CHECK_KERNEL_H
#define FW_CHECK_KERNEL_H

#include "check/world.h"

#define FW_KERNEL_PODS_MAX 256u

struct fw_kernel;

/*
 * Makes a datapath for worlds of at most `pods` subjects (1 to FW_KERNEL_PODS_MAX). Moves the
 * calling thread into a new network namespace for good. pin_dir: on a bpf file system, used while
 * opening only; NULL: one with our pid.
 */
int fw_kernel_open(uint32_t pods, const char *pin_dir, struct fw_kernel **ret_kernel,
		   struct fw_err *err);
void fw_kernel_close(struct fw_kernel **kernel);
/* Programs a world through apply, as the daemon does. The world is borrowed until the next call. */
int fw_kernel_program(struct fw_kernel *kernel, const struct fw_world *world, struct fw_err *err);
/*
 * One packet with a source port that was not used lately. -EPROTO with a text when the program
 * ended in something that is no judgement of policy (a malformed packet, a foreign address), or
 * recorded nothing.
 */
int fw_kernel_judge(struct fw_kernel *kernel, const struct fw_end *end, struct fw_said *ret_said,
		    struct fw_err *err);
void fw_kernel_name(const struct fw_kernel *kernel, const struct fw_said *said,
		    struct fw_decision_name *ret_name);
/* For tests of the comparison itself: makes the kernel's copy of the policy wrong by one port,
 * behind apply's back. */
void fw_kernel_spoil(struct fw_kernel *kernel);

#endif
