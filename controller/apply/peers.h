/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is behind an address: fw_addresses, fw_prefixes, fw_services. In: compiled rows and the
 * plan's class ids. Out: differences, in an order in which no address is for a moment in a class
 * that opens more than before and after.
 */
#ifndef FW_APPLY_PEERS_H
#define FW_APPLY_PEERS_H

#include "apply/addresses.h"
#include "apply/cells.h"

struct fw_peers {
	struct fw_datapath *datapath;  /* borrowed */
	struct fw_addresses addresses; /* what the maps hold */
	struct fw_row_set prefixes, services;
};

struct fw_peers_plan {
	struct fw_addresses addresses; /* what the maps are to hold */
	struct fw_row_set prefixes, services;
	struct fw_row_diff address_diff, prefix_diff, service_diff;
	char problem[FW_ERR_TEXT]; /* what does not fit, "" when all does */
};

void fw_peers_init(struct fw_peers *peers, struct fw_datapath *datapath);
void fw_peers_done(struct fw_peers *peers);
/* Reads the maps back and tells `cells` which classes are in use. */
int fw_peers_adopt(struct fw_peers *peers, struct fw_cells *cells, struct fw_names *names,
		   struct fw_err *err);
/* Which pod of the tables each endpoint has; UINT32_MAX for none that they know. */
struct fw_peers_local {
	const struct fw_apply_endpoint *endpoints;
	const uint32_t *pods;
	size_t count;
};

/*
 * Plans. Prefixes that do not fit lock the subjects with cells for their classes (in `plan`);
 * addresses that do not fit stay in the class of their prefix, those of services last of all, and
 * then subjects with cells for that class are locked; services are denied as unlisted ports:
 * plan->problem says so. `exact`: the chain after DNAT has every choice of the tables.
 */
int fw_peers_plan(struct fw_peers *peers, struct fw_cells_plan *plan, struct fw_names *names,
		  const struct fw_peers_local *local, bool exact, struct fw_peers_plan *ret_peers);
void fw_peers_plan_done(struct fw_peers_plan *plan);
bool fw_peers_differ(const struct fw_peers_plan *plan);
int fw_peers_write(struct fw_peers *peers, struct fw_peers_plan *plan, struct fw_apply_stats *stats,
		   struct fw_err *err);

#endif
