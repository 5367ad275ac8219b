// SPDX-License-Identifier: Apache-2.0
/*
 * Live connections of pods that came behind the wall while they ran. In: endpoints that were
 * attached late, and conntrack of this node. Out: flows in their tables, each judged by policy at
 * its next packet, in the direction of who opened it. Never for a pod that is starting: what
 * conntrack knows of its addresses is another pod's.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "loader/seed.h"
#include "node/conntrack.h"
#include "node/inside.h"

struct owner {
	struct fw_ip ip;
	struct fw_agent_endpoint *endpoint;
	UT_hash_handle hh;
};

struct going {
	struct fw_seeder seeder;
	struct owner *owners; /* by address */
	uint32_t room;	      /* seeds of one endpoint: half of its region */
	size_t seeded, refused;
};

static void free_owners(struct going *going)
{
	struct owner *owner, *next;

	HASH_ITER(hh, going->owners, owner, next) {
		HASH_DEL(going->owners, owner);
		free(owner);
	}
}

static int add_owner(struct going *going, struct fw_agent_endpoint *endpoint,
		     const struct fw_ip *ip)
{
	struct owner *owner;

	HASH_FIND(hh, going->owners, ip, sizeof(*ip), owner);
	if (!owner) {
		owner = calloc(1, sizeof(*owner));
		if (!owner)
			return -ENOMEM;
		owner->ip = *ip;
		HASH_ADD(hh, going->owners, ip, sizeof(owner->ip), owner);
		if (!owner->hh.tbl) {
			free(owner);
			return -ENOMEM;
		}
	}
	owner->endpoint = endpoint;
	return 0;
}

static void put(struct going *going, const struct fw_seed *seed)
{
	struct owner *owner;
	int r;

	HASH_FIND(hh, going->owners, &seed->local, sizeof(seed->local), owner);
	if (!owner || fw_ip_equal(&seed->local, &seed->remote))
		return;
	r = owner->endpoint->seeds < going->room
		    ? fw_flow_seed(&going->seeder, owner->endpoint->info.slot, seed)
		    : -ENOSPC;
	owner->endpoint->seeds += r > 0;
	going->seeded += r > 0;
	going->refused += r < 0;
}

/*
 * At the hook, who opened it sends to the address before translation, and who is reached sees it
 * after: the first is in the tuple of the one direction, the other in that of the answers.
 */
static void on_connection(const struct fw_connection *connection, void *context)
{
	const struct fw_tuple *original = &connection->original, *reply = &connection->reply;
	const struct fw_seed opened = {.local = original->source,
				       .remote = original->destination,
				       .local_port = original->source_port,
				       .remote_port = original->destination_port,
				       .protocol = connection->protocol,
				       .egress = true};
	const struct fw_seed reached = {.local = reply->source,
					.remote = reply->destination,
					.local_port = reply->source_port,
					.remote_port = reply->destination_port,
					.protocol = connection->protocol};

	put(context, &opened);
	put(context, &reached);
}

static int gather(struct fw_agent *agent, struct going *going)
{
	struct fw_agent_endpoint *endpoint, *next;
	int r = 0;

	HASH_ITER(hh, agent->endpoints, endpoint, next) {
		if (!endpoint->late)
			continue;
		endpoint->late = false;
		endpoint->seeds = 0;
		for (size_t i = 0; i < endpoint->info.ip_count && r == 0; i++)
			r = add_owner(going, endpoint, &endpoint->info.ips[i]);
	}
	return r;
}

void fw_agent_seed(struct fw_agent *agent)
{
	struct going going = {.room = fw_datapath_node(agent->datapath)->region_buckets *
				      FW_BUCKET_SLOTS / 2};
	struct fw_err err = {""};
	int r;

	if (!agent->late)
		return;
	agent->late = false;
	r = gather(agent, &going);
	if (r < 0)
		(void)fw_err_errno(&err, r, "memory");
	else
		r = fw_seeder_init(agent->datapath, &going.seeder, &err);
	if (r == 0 && going.owners)
		r = fw_conntrack_walk(on_connection, &going, &err);
	if (r < 0)
		fw_agent_log(agent, FW_LOG_WARNING,
			     "connections older than the hook of their pod are judged as new: %s",
			     err.text);
	else if (going.owners)
		fw_agent_log(agent, FW_LOG_INFO,
			     "pods attached while they run: %zu of their connections found in "
			     "conntrack, %zu more did not fit",
			     going.seeded, going.refused);
	free_owners(&going);
}
