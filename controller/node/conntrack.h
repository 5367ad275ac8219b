/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections that the kernel's conntrack knows in this network namespace. In: nothing. Out: one
 * call for each that both ends have spoken in. Reads only.
 */
#ifndef FW_NODE_CONNTRACK_H
#define FW_NODE_CONNTRACK_H

#include "base/err.h"
#include "base/ip.h"

struct fw_tuple {
	struct fw_ip source, destination;
	uint16_t source_port, destination_port;
};

/* TCP, UDP or SCTP. `reply` differs from `original` reversed where addresses are translated. */
struct fw_connection {
	uint8_t protocol;
	struct fw_tuple original; /* as who opened it sends */
	struct fw_tuple reply;	  /* as the other one answers */
};

typedef void (*fw_connection_visit)(const struct fw_connection *connection, void *context);

struct mnl_socket;

/*
 * The one connection that began with this tuple, through a socket of fw_conntrack_open(), whether
 * it was answered or not. -ENOENT: there is none, or its first packet was dropped on the way.
 */
int fw_conntrack_open(struct mnl_socket **ret_socket);
void fw_conntrack_close(struct mnl_socket **socket);
int fw_conntrack_find(struct mnl_socket *socket, uint8_t protocol, const struct fw_tuple *original,
		      struct fw_connection *ret_connection);

/* Both families. -EOPNOTSUPP with a text where the kernel has no conntrack, or not over netlink. */
int fw_conntrack_walk(fw_connection_visit visit, void *context, struct fw_err *err);

#endif
