/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One interface behind the wall: its row, its hook, its endpoint file, made and taken away in an
 * order that a kill at any point leaves something a second ADD, a DEL or GC finishes. In: an open
 * datapath. Out: a pod that is isolated.
 *
 * Made:    file without slot -> row claimed (denies everything) -> file with slot -> row isolated
 * -> hook attached. Removed: hook detached -> podwalld told (it takes the last counters) -> row
 * released -> file removed. The caller holds fw_state_lock() of this endpoint.
 */
#ifndef FW_CNI_COVER_H
#define FW_CNI_COVER_H

#include "iface.h"
#include "loader/attach.h"
#include "netconf.h"
#include "state.h"

/*
 * `state` says whose interface it is; its slot is filled in. *ret_fresh: false when this very
 * endpoint was already there, whole (a repeated ADD): then it is left in the state that it had, and
 * not ours to roll back. Returns 0 or a code; after a failure nothing of it is left.
 */
int fw_cover_add(struct fw_datapath *datapath, const char *run_dir, int netns,
		 const struct fw_iface *iface, struct fw_state *state, bool *ret_fresh,
		 struct fw_err *err);
/*
 * 0 also when there is nothing. datapath may be NULL (gone): then only the file goes. What cannot
 * be detached is left to die with its device; the text says so while 0 is returned, because a
 * failing DEL would keep the pod for ever.
 */
int fw_cover_remove(struct fw_datapath *datapath, const char *run_dir, const char *container_id,
		    const char *ifname, struct fw_err *err);
/* 0, or UNCOVERED with what is not as `state` and `iface` say. Changes nothing. */
int fw_cover_check(struct fw_datapath *datapath, int netns, const struct fw_iface *iface,
		   const struct fw_state *state, struct fw_err *err);

#endif
