/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks: both programs on one device, whichever mechanism carries them.
 * In: an open datapath and a device of the calling thread's network namespace. Out: attached
 * programs.
 */
#ifndef FW_LOADER_ATTACH_H
#define FW_LOADER_ATTACH_H

#include "loader/loader.h"

enum fw_hook_kind {
	FW_HOOK_NONE = 0,
	FW_HOOK_CLSACT = 1,  /* qdisc and two filters */
	FW_HOOK_TCX = 2,     /* two pinned links */
	FW_HOOK_PARTIAL = 3, /* one direction only: uncovered */
};

struct fw_hook {
	uint32_t ifindex;
	uint32_t slot;
	bool in_sandbox; /* directions are mirrored: the pod's packets leave by egress */
	bool constant; /* the row is not found by ifindex: load programs with the slot as a constant
			*/
	bool live;     /* packets run already: attach tcx where there is, for a qdisc that comes or
			  goes makes the kernel lose packets for a moment */
};

/*
 * Attaches both directions at once or neither: clsact (instant), or tcx where the device already
 * has an `ingress` qdisc. Attaching again replaces our own programs. -EOPNOTSUPP with a text that
 * says what to do when neither is possible (an `ingress` qdisc and a kernel before 6.6: there
 * neither order of the chain works, for that qdisc does not come where our clsact is).
 */
int fw_hook_attach(struct fw_datapath *datapath, const struct fw_hook *hook,
		   enum fw_hook_kind *ret_kind, struct fw_err *err);
/* What is attached now: our programs only. */
int fw_hook_query(struct fw_datapath *datapath, const struct fw_hook *hook,
		  enum fw_hook_kind *ret_kind, struct fw_err *err);
/*
 * clsact to pinned tcx links without a gap and without judging a packet twice (bpf/hook.h). 0 when
 * already tcx. An empty qdisc of our making stays until the hook is detached (see `live`).
 */
int fw_hook_promote(struct fw_datapath *datapath, const struct fw_hook *hook, struct fw_err *err);
/* Replaces the attached programs by those in force (fw_datapath_load_programs), atomically for each
 * direction. */
int fw_hook_refresh(struct fw_datapath *datapath, const struct fw_hook *hook, struct fw_err *err);
/* Removes links, pins, filters, and the qdisc if we made it and it is empty. 0 when the device is
 * gone. */
int fw_hook_detach(struct fw_datapath *datapath, const struct fw_hook *hook, struct fw_err *err);
bool fw_hook_tcx_supported(void);

#endif
