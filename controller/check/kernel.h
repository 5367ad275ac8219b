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
/* The two halves of it: what is in force at once, and what is removed behind a grace period. */
int fw_kernel_change(struct fw_kernel *kernel, const struct fw_world *world, struct fw_err *err);
int fw_kernel_finish(struct fw_kernel *kernel, struct fw_err *err);
/* From now on flows outlive a change of the world, as on a node (else each world begins without
 * flows). */
void fw_kernel_keep_flows(struct fw_kernel *kernel);
/*
 * A packet of a flow that may exist already: its verdict now. opens: a SYN; else a packet from the
 * middle. Between two calls with the same source port the world may have changed.
 */
int fw_kernel_judge_live(struct fw_kernel *kernel, const struct fw_end *end, uint16_t source_port,
			 bool opens, enum fw_verdict *ret_verdict, struct fw_err *err);
/*
 * One packet with a source port that was not used lately. -EPROTO with a text when the program
 * ended in something that is no judgement of policy (a malformed packet, a foreign address), or
 * recorded nothing.
 */
int fw_kernel_judge(struct fw_kernel *kernel, const struct fw_end *end, struct fw_said *ret_said,
		    struct fw_err *err);
void fw_kernel_name(const struct fw_kernel *kernel, const struct fw_said *said,
		    struct fw_decision_name *ret_name);
/*
 * As when the controller is killed and comes back: apply begins anew on the maps that stand, with
 * its notes or without. Then programs the world again: with its notes it must not write a row,
 * *ret_writes says how many it did.
 */
int fw_kernel_restart(struct fw_kernel *kernel, bool lose_notes, uint64_t *ret_writes,
		      struct fw_err *err);
/* For tests of the comparison itself: makes the kernel's copy of the policy wrong by one port,
 * behind apply's back. */
void fw_kernel_spoil(struct fw_kernel *kernel);
/* For the same: takes back the new epochs of the last change, so that flows of before are not
 * judged again. */
void fw_kernel_spoil_epochs(struct fw_kernel *kernel);

#endif
