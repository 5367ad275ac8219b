/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The maps and programs of one node: made or adopted, pinned, reached by typed access.
 * In: a pin directory. Out: open maps, loaded programs, attached hooks. Knows layouts (abi.h),
 * never policy.
 *
 * Under the pin directory (one per network namespace that plays a node):
 *   <pin>/v<FW_ABI_VERSION>/maps/NAME    every map of abi.h
 *   <pin>/v<FW_ABI_VERSION>/progs/{from,to}_{clsact,tcx}   the programs in force
 *   <pin>/v<FW_ABI_VERSION>/links/<slot>-{from,to}         tcx links
 * Closing frees descriptors and mappings and never detaches or unpins.
 */
#ifndef FW_LOADER_LOADER_H
#define FW_LOADER_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "fw/abi.h"
#include "fw/reasons.h"

#define FW_PIN_DEFAULT "/sys/fs/bpf/podwall"

enum fw_map {
	FW_MAP_NODE,
	FW_MAP_ENDPOINTS,
	FW_MAP_REGIONS,
	FW_MAP_FLOWS,
	FW_MAP_SUBJECTS,
	FW_MAP_CELLS,
	FW_MAP_RANGES,
	FW_MAP_ADDRESSES,
	FW_MAP_PREFIXES,
	FW_MAP_SERVICES,
	FW_MAP_EVENTS,
	FW_MAP_COUNTERS,
	FW_MAP_LOST,
	FW_MAP_BUDGETS,
	FW_MAP_JUDGED,
	FW_MAP_COUNT
};

/* Sizes of the maps that are made; ignored for maps that are adopted. 0 means the default in
 * brackets. */
struct fw_sizes {
	uint32_t regions;      /* [256] pods on this node */
	uint32_t region_slots; /* [4096] flow slots per pod, a power of two, at least 8 */
	uint32_t cells;	       /* [262144] */
	uint32_t ranges;       /* [65536] */
	uint32_t addresses;    /* [65536] */
	uint32_t prefixes;     /* [16384] */
	uint32_t services;     /* [16384] */
	uint32_t events_bytes; /* [16 MiB] a power of two */
};

struct fw_datapath; /* one node's maps and programs, open */

/*
 * Makes what is not pinned, adopts what is; checks every adopted map against abi.h (-EINVAL with
 * text when a layout differs). Mounts bpffs on the pin directory's mount point when it is not
 * mounted. Fills fw_node with fresh secrets when it makes it. -EPERM with text when a capability is
 * missing.
 */
int fw_datapath_make(const char *pin_dir, const struct fw_sizes *sizes,
		     struct fw_datapath **ret_datapath, struct fw_err *err);
/* Opens what is pinned, makes nothing: -ENOENT when the datapath was never made. What the plugin
 * uses. */
int fw_datapath_open(const char *pin_dir, struct fw_datapath **ret_datapath, struct fw_err *err);
void fw_datapath_close(struct fw_datapath **datapath);
/* Removes every pin, detaching every link (uninstall, tests). */
int fw_datapath_destroy(const char *pin_dir, struct fw_err *err);

int fw_datapath_map_fd(const struct fw_datapath *datapath, enum fw_map map);	    /* borrowed */
uint32_t fw_datapath_capacity(const struct fw_datapath *datapath, enum fw_map map); /* rows */
const char *fw_map_name(enum fw_map map);					    /* "fw_cells" */

/* Mapped tables (owned by the datapath); rows as in abi.h. The flows are mapped writable: the
 * sweeper writes `ctl`. */
struct fw_node *fw_datapath_node(const struct fw_datapath *datapath);
struct fw_endpoint *fw_datapath_endpoint(const struct fw_datapath *datapath,
					 uint32_t slot); /* NULL out of range */
struct fw_region *fw_datapath_region(const struct fw_datapath *datapath, uint32_t region);
struct fw_bucket *fw_datapath_bucket(const struct fw_datapath *datapath, uint32_t bucket);
struct fw_range *fw_datapath_ranges(const struct fw_datapath *datapath);

/* What was counted since the maps were made, all CPUs together: [reason][enum fw_direction].
 * Untouched on failure. */
int fw_datapath_counters(const struct fw_datapath *datapath,
			 struct fw_counter ret_counters[FW_REASON_COUNT][2], struct fw_err *err);

/*
 * Programs. Loads this build's object on the open maps and pins its programs in the place of those
 * in force; hooks attached to the old version keep it until fw_hook_refresh().
 */
int fw_datapath_load_programs(struct fw_datapath *datapath, struct fw_err *err);
enum fw_program {
	FW_PROGRAM_FROM_CLSACT,
	FW_PROGRAM_TO_CLSACT,
	FW_PROGRAM_FROM_TCX,
	FW_PROGRAM_TO_TCX,
	FW_PROGRAM_COUNT
};
int fw_datapath_program_fd(struct fw_datapath *datapath, enum fw_program program,
			   struct fw_err *err); /* borrowed */
/*
 * A private copy of a program whose endpoint slot is a constant (clash of ifindex, hook inside a
 * sandbox). Returns a descriptor that the caller closes, or -errno.
 */
int fw_datapath_constant_program(struct fw_datapath *datapath, enum fw_program program,
				 uint32_t slot, struct fw_err *err);

/* A grace period: returns after every program run that started before the call has ended. */
int fw_datapath_synchronize(struct fw_datapath *datapath, struct fw_err *err);
/* Stores a new epoch for one endpoint; the caller bumps once more after a grace period (flow-table
 * rule 14). */
void fw_endpoint_bump(struct fw_endpoint *endpoint);

/*
 * Endpoints. Claims a row and a flow region for `owner` (or returns those it already has), wiping
 * the region. ifindex 0 or an occupied row: a row of the extra slots. -ENOSPC with text when none
 * is left. A new row comes back in state CLAIMED; fill it, then fw_endpoint_publish(). A row that
 * the owner already has keeps its state. The free region that was used least is taken.
 */
int fw_endpoint_claim(struct fw_datapath *datapath, uint64_t owner, uint32_t ifindex,
		      uint32_t *ret_slot, struct fw_err *err);
void fw_endpoint_publish(struct fw_endpoint *endpoint, enum fw_endpoint_state state);
/* Frees the row and its region, behind a grace period, when `owner` still owns it; 0 also when
 * there is nothing to free. */
int fw_endpoint_release(struct fw_datapath *datapath, uint64_t owner, struct fw_err *err);
/* FW_NO_SLOT when the owner has none. */
uint32_t fw_endpoint_find(const struct fw_datapath *datapath, uint64_t owner);
/* Hash of container id, NUL, ifname; never 0. */
uint64_t fw_endpoint_owner(const char *container_id, const char *ifname);

#endif
