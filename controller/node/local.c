// SPDX-License-Identifier: Apache-2.0
/*
 * The addresses that this node holds. In: its network devices. Out: the model's own addresses.
 * Those of a loopback or link-local scope are nobody's outside of it and are left out.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "base/cleanup.h"
#include "node/inside.h"

#define OWN_MAX 4096 /* addresses; what is beyond stays an address like any other */

static void free_addresses(struct ifaddrs **list)
{
	if (*list)
		freeifaddrs(*list);
}

static bool take_address(const struct ifaddrs *row, struct fw_ip *ret_ip)
{
	const struct sockaddr *address = row->ifa_addr;
	struct in6_addr six;
	struct in_addr four;

	if (!address || (row->ifa_flags & IFF_LOOPBACK))
		return false;
	if (address->sa_family == AF_INET) {
		memcpy(&four, &((const struct sockaddr_in *)(const void *)address)->sin_addr,
		       sizeof(four));
		*ret_ip = fw_ip_from4(four.s_addr);
		return true;
	}
	if (address->sa_family != AF_INET6)
		return false;
	memcpy(&six, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, sizeof(six));
	memcpy(ret_ip->b, &six, sizeof(six));
	return !IN6_IS_ADDR_LINKLOCAL(&six);
}

void fw_agent_see_addresses(struct fw_agent *agent)
{
	_cleanup_(free_addresses) struct ifaddrs *list = NULL;
	_cleanup_free_ struct fw_ip *own = calloc(OWN_MAX, sizeof(*own));
	const uint64_t version = fw_model_own_version(agent->model);
	size_t count = 0;
	int r = own ? 0 : -ENOMEM;

	if (r == 0 && getifaddrs(&list) < 0)
		r = -errno;
	for (const struct ifaddrs *row = list; row && count < OWN_MAX; row = row->ifa_next)
		if (take_address(row, &own[count]))
			count++;
	if (r == 0)
		r = fw_model_set_own_addresses(agent->model, own, count);
	if (r < 0)
		fw_agent_log(agent, FW_LOG_WARNING, "addresses of this node: %s", strerror(-r));
	if (fw_model_own_version(agent->model) != version)
		event_active(agent->work, EV_TIMEOUT, 0);
}
