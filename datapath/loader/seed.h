/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections that are older than the wall, put into the flow table. In: an endpoint, a connection
 * that something else vouches for. Out: a flow that the next packet judges again, in the direction
 * of who opened it: seeding allows nothing by itself.
 */
#ifndef FW_LOADER_SEED_H
#define FW_LOADER_SEED_H

#include "base/ip.h"
#include "loader/loader.h"

struct fw_seed {
	struct fw_ip local; /* of the pod */
	struct fw_ip remote;
	uint16_t local_port, remote_port;
	uint8_t protocol;
	bool egress; /* the pod opened it */
};

/* What all seeds of one go share; cheap to make. */
struct fw_seeder {
	struct fw_datapath *datapath; /* borrowed */
	uint32_t now;		      /* jiffies */
};

int fw_seeder_init(struct fw_datapath *datapath, struct fw_seeder *ret_seeder, struct fw_err *err);
/*
 * 1 when seeded. 0 when the flow is known already: allowed, or cut by policy. -ENOENT: not an
 * address of this endpoint. -ENOSPC: no free slot in its two buckets (nothing is evicted for it).
 * -EBUSY: packets are changing that very flow.
 */
int fw_flow_seed(const struct fw_seeder *seeder, uint32_t slot, const struct fw_seed *seed);

#endif
