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

const struct fw_portname *fw_portname_find(const struct fw_terms *terms, const char *name,
					   uint8_t protocol)
{
	struct key key = {.name = name, .protocol = protocol};

	return fw_htab_find(&terms->portnames_by_name, fw_hash_text(protocol, name), is_portname,
			    &key);
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

static void mark(struct fw_terms *terms, uint32_t term)
{
	terms->users_changed = true;
	if (term == FW_TERM_NONE)
		terms->everybody_changed = true;
	else
		terms->by_id.items[term]->users_changed = true;
}

int fw_portname_use(struct fw_terms *terms, uint32_t id, uint32_t term)
{
	struct fw_portname *portname = terms->portnames.items[id];
	size_t old = portname->users_cap;
	uint32_t *refs = &portname->everybody;
	int r;

	if (term != FW_TERM_NONE) {
		r = fw_grow((void **)&portname->users, &portname->users_cap, term + 1u,
			    sizeof(*portname->users));
		if (r)
			return r;
		if (portname->users_cap > old)
			memset(portname->users + old, 0,
			       (portname->users_cap - old) * sizeof(*portname->users));
		refs = &portname->users[term];
	}
	if (!(*refs)++)
		mark(terms, term);
	return 0;
}

void fw_portname_leave(struct fw_terms *terms, uint32_t id, uint32_t term)
{
	struct fw_portname *portname = terms->portnames.items[id];
	uint32_t *refs = term == FW_TERM_NONE ? &portname->everybody : &portname->users[term];

	if (!--*refs)
		mark(terms, term);
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
