/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoints that nobody will DEL. In: the endpoint files of the node and a judge. Out: those that
 * the judge condemns are taken away. An endpoint that an ADD or DEL is working on is left alone.
 */
#ifndef FW_CNI_COLLECT_H
#define FW_CNI_COLLECT_H

#include "loader/loader.h"
#include "state.h"

/* `state` is NULL where the file cannot be read. True: take it away. */
typedef bool (*fw_collect_judge)(const char *container_id, const char *ifname,
				 const struct fw_state *state, void *context);

/* datapath may be NULL: then only files go. The first failure is returned, after all were tried. */
int fw_collect(struct fw_datapath *datapath, const char *run_dir, fw_collect_judge judge,
	       void *context, size_t *ret_count, struct fw_err *err);
/*
 * Those whose device has gone: there is nothing left to protect. For ADD when the tables are full,
 * because containerd never calls GC. Returns how many went.
 */
size_t fw_collect_dead(struct fw_datapath *datapath, const char *run_dir);

#endif
