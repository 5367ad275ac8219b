/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named ports: interned by (name, protocol), with who needs a pod's number behind the name. In:
 * rules of policies. Out: ids, and the number that a pod gives a name. Edge cases 6 and 11 to 16.
 */
#include <string.h>

#include "compile/terms.h"

struct key {
	const char *name;
	uint8_t protocol;
};

static bool is_portname(const void *item, const void *key)
{
	const struct fw_portname *portname = item;
	const struct key *wanted = key;

	return portname->protocol == wanted->protocol && !strcmp(portname->name, wanted->name);
}

int fw_portname_intern(struct fw_terms *terms, const char *name, uint8_t protocol, uint32_t *ret_id)
{
	struct key key = {.name = name, .protocol = protocol};
	uint64_t hash = fw_hash_text(protocol, name);
	struct fw_portname *portname =
		fw_htab_find(&terms->portnames_by_name, hash, is_portname, &key);
	int r;

	if (portname) {
		*ret_id = portname->id;
		return 0;
	}
	r = FW_ROOM(&terms->portnames, 1);
	if (r)
		return r;
	portname = calloc(1, sizeof(*portname));
	if (!portname)
		return -ENOMEM;
	portname->protocol = protocol;
	portname->id = (uint32_t)terms->portnames.count;
	portname->name = strdup(name);
	r = portname->name ? fw_htab_add(&terms->portnames_by_name, hash, portname) : -ENOMEM;
	if (r) {
		free(portname->name);
		free(portname);
		return r;
	}
	terms->portnames.items[terms->portnames.count++] = portname;
	*ret_id = portname->id;
	return 0;
}

int fw_portname_use(struct fw_terms *terms, uint32_t id, uint32_t term)
{
	struct fw_portname *portname = terms->portnames.items[id];
	int r;

	for (size_t i = 0; i < portname->users.count; i++) {
		if (portname->users.items[i].term == term) {
			portname->users.items[i].refs++;
			return 0;
		}
	}
	r = FW_ROOM(&portname->users, 1);
	if (r)
		return r;
	portname->users.items[portname->users.count++] =
		(struct fw_portname_user){.term = term, .refs = 1};
	terms->users_changed = true;
	return 0;
}

void fw_portname_leave(struct fw_terms *terms, uint32_t id, uint32_t term)
{
	struct fw_portname *portname = terms->portnames.items[id];

	for (size_t i = 0; i < portname->users.count; i++) {
		struct fw_portname_user *user = &portname->users.items[i];

		if (user->term != term)
			continue;
		if (!--user->refs) {
			*user = portname->users.items[--portname->users.count];
			terms->users_changed = true;
		}
		return;
	}
}

uint16_t fw_portname_resolve(const struct fw_portname *portname, const struct fw_pod *pod)
{
	for (size_t i = 0; i < pod->port_count; i++) {
		const struct fw_container_port *port = &pod->ports[i];

		if (port->name && port->protocol == portname->protocol &&
		    !strcmp(port->name, portname->name))
			return port->port;
	}
	return 0;
}

static int compare_named(const void *left, const void *right)
{
	const struct fw_named_port *a = left, *b = right;
	int order = strcmp(a->portname->name, b->portname->name);

	if (!order)
		order = (int)a->portname->protocol - (int)b->portname->protocol;
	return order ? order : (int)a->port - (int)b->port;
}

int fw_named_ports(const struct fw_terms *terms, const uint64_t *named, size_t count,
		   struct fw_named_port **ret_ports)
{
	struct fw_named_port *ports = calloc(count + 1, sizeof(*ports));

	if (!ports)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		ports[i] = (struct fw_named_port){
			.portname = terms->portnames.items[named[i] >> 16],
			.port = (uint16_t)named[i],
		};
	if (count)
		qsort(ports, count, sizeof(*ports), compare_named);
	*ret_ports = ports;
	return 0;
}

const char *fw_port_protocol_name(uint8_t protocol)
{
	return protocol == FW_PROTO_TCP ? "TCP" : protocol == FW_PROTO_UDP ? "UDP" : "SCTP";
}
