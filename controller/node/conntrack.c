// SPDX-License-Identifier: Apache-2.0
/*
 * A dump of conntrack over ctnetlink, read message by message. In: a netlink socket of this network
 * namespace. Out: struct fw_connection. Keeps nothing, changes nothing, and skips what it cannot
 * read whole.
 */
#include "node/conntrack.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "base/cleanup.h"

#define ANSWER_BYTES   65536u
#define ANSWER_SECONDS 5 /* the kernel goes on at once or something is wrong */

struct walk {
	fw_connection_visit visit;
	void *context;
	bool any; /* also half-open and unanswered ones */
};

/* The attributes of one nest by number; `max` is the highest that is wanted. */
struct attributes {
	const struct nlattr *at[32];
	uint16_t max;
};

static int keep(const struct nlattr *attribute, void *data)
{
	struct attributes *list = data;
	uint16_t type = mnl_attr_get_type(attribute);

	if (type <= list->max)
		list->at[type] = attribute;
	return MNL_CB_OK;
}

static bool open_nest(const struct nlattr *nest, uint16_t max, struct attributes *ret_list)
{
	*ret_list = (struct attributes){.max = max};
	return nest && mnl_attr_parse_nested(nest, keep, ret_list) >= 0;
}

static bool take(const struct nlattr *attribute, void *to, size_t size)
{
	if (!attribute || mnl_attr_get_payload_len(attribute) < size)
		return false;
	memcpy(to, mnl_attr_get_payload(attribute), size);
	return true;
}

static bool take_ip(const struct attributes *list, uint16_t four, uint16_t six,
		    struct fw_ip *ret_ip)
{
	uint32_t ip4;

	if (!take(list->at[four], &ip4, sizeof(ip4)))
		return take(list->at[six], ret_ip->b, sizeof(ret_ip->b));
	*ret_ip = fw_ip_from4(ip4);
	return true;
}

static bool take_tuple(const struct nlattr *nest, uint8_t *ret_protocol, struct fw_tuple *ret_tuple)
{
	struct attributes tuple, ip, proto;
	uint16_t source, destination;

	if (!open_nest(nest, CTA_TUPLE_MAX, &tuple) ||
	    !open_nest(tuple.at[CTA_TUPLE_IP], CTA_IP_MAX, &ip) ||
	    !open_nest(tuple.at[CTA_TUPLE_PROTO], CTA_PROTO_MAX, &proto))
		return false;
	if (!take_ip(&ip, CTA_IP_V4_SRC, CTA_IP_V6_SRC, &ret_tuple->source) ||
	    !take_ip(&ip, CTA_IP_V4_DST, CTA_IP_V6_DST, &ret_tuple->destination) ||
	    !take(proto.at[CTA_PROTO_NUM], ret_protocol, 1) ||
	    !take(proto.at[CTA_PROTO_SRC_PORT], &source, 2) ||
	    !take(proto.at[CTA_PROTO_DST_PORT], &destination, 2))
		return false;
	ret_tuple->source_port = ntohs(source);
	ret_tuple->destination_port = ntohs(destination);
	return true;
}

/* Neither half-open nor closed. A TCP connection without a state is of a kernel that is not known.
 */
static bool is_live_tcp(const struct nlattr *info)
{
	struct attributes protocol, tcp;
	uint8_t state;

	return open_nest(info, CTA_PROTOINFO_MAX, &protocol) &&
	       open_nest(protocol.at[CTA_PROTOINFO_TCP], CTA_PROTOINFO_TCP_MAX, &tcp) &&
	       take(tcp.at[CTA_PROTOINFO_TCP_STATE], &state, 1) &&
	       state >= TCP_CONNTRACK_SYN_RECV && state <= TCP_CONNTRACK_LAST_ACK;
}

static bool is_wanted(const struct attributes *list, uint8_t protocol)
{
	uint32_t status;

	if (!take(list->at[CTA_STATUS], &status, sizeof(status)) ||
	    !(ntohl(status) & IPS_SEEN_REPLY))
		return false;
	if (protocol == IPPROTO_TCP)
		return is_live_tcp(list->at[CTA_PROTOINFO]);
	return protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

static int on_message(const struct nlmsghdr *message, void *data)
{
	const struct walk *walk = data;
	struct attributes list = {.max = CTA_MAX};
	struct fw_connection connection = {0};

	_Static_assert(CTA_MAX < 32, "room for every attribute");
	if (mnl_attr_parse(message, sizeof(struct nfgenmsg), keep, &list) < 0 ||
	    !take_tuple(list.at[CTA_TUPLE_ORIG], &connection.protocol, &connection.original) ||
	    !take_tuple(list.at[CTA_TUPLE_REPLY], &connection.protocol, &connection.reply))
		return MNL_CB_OK;
	if (walk->any || is_wanted(&list, connection.protocol))
		walk->visit(&connection, walk->context);
	return MNL_CB_OK;
}

void fw_conntrack_close(struct mnl_socket **socket)
{
	if (*socket)
		(void)mnl_socket_close(*socket);
	*socket = NULL;
}

int fw_conntrack_open(struct mnl_socket **ret_socket)
{
	const struct timeval patience = {.tv_sec = ANSWER_SECONDS};
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	int r = socket ? 0 : -errno;

	if (r == 0 && mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
		r = -errno;
	if (r == 0 && setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &patience,
				 sizeof(patience)) < 0)
		r = -errno;
	if (r < 0)
		fw_conntrack_close(&socket);
	else
		*ret_socket = socket;
	return r;
}

static void put_ip(struct nlmsghdr *message, const struct fw_tuple *tuple)
{
	struct nlattr *nest = mnl_attr_nest_start(message, CTA_TUPLE_IP);

	if (fw_ip_is4(&tuple->source)) {
		mnl_attr_put_u32(message, CTA_IP_V4_SRC, fw_ip_to4(&tuple->source));
		mnl_attr_put_u32(message, CTA_IP_V4_DST, fw_ip_to4(&tuple->destination));
	} else {
		mnl_attr_put(message, CTA_IP_V6_SRC, 16, tuple->source.b);
		mnl_attr_put(message, CTA_IP_V6_DST, 16, tuple->destination.b);
	}
	mnl_attr_nest_end(message, nest);
}

static void put_tuple(struct nlmsghdr *message, uint8_t protocol, const struct fw_tuple *tuple)
{
	struct nlattr *nest = mnl_attr_nest_start(message, CTA_TUPLE_ORIG), *inner;

	put_ip(message, tuple);
	inner = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(message, CTA_PROTO_NUM, protocol);
	mnl_attr_put_u16(message, CTA_PROTO_SRC_PORT, htons(tuple->source_port));
	mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, htons(tuple->destination_port));
	mnl_attr_nest_end(message, inner);
	mnl_attr_nest_end(message, nest);
}

static int ask(const struct mnl_socket *socket, char *buffer, uint32_t sequence)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *body;

	header->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header->nlmsg_seq = sequence;
	body = mnl_nlmsg_put_extra_header(header, sizeof(*body));
	*body = (struct nfgenmsg){.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0};
	return mnl_socket_sendto(socket, header, header->nlmsg_len) < 0 ? -errno : 0;
}

static int read_all(const struct mnl_socket *socket, char *buffer, uint32_t sequence,
		    struct walk *walk)
{
	unsigned int port = mnl_socket_get_portid(socket);
	ssize_t len;
	int more = MNL_CB_OK;

	while (more == MNL_CB_OK) {
		len = mnl_socket_recvfrom(socket, buffer, ANSWER_BYTES);
		if (len < 0 && errno == EINTR)
			continue;
		more = len < 0 ? MNL_CB_ERROR
			       : mnl_cb_run(buffer, (size_t)len, sequence, port, on_message, walk);
	}
	return more == MNL_CB_ERROR ? -errno : 0;
}

static void keep_connection(const struct fw_connection *connection, void *context)
{
	*(struct fw_connection *)context = *connection;
}

int fw_conntrack_find(struct mnl_socket *socket, uint8_t protocol, const struct fw_tuple *original,
		      struct fw_connection *ret_connection)
{
	static uint32_t sequence;
	_cleanup_free_ char *buffer = malloc(ANSWER_BYTES);
	struct fw_connection found = {0};
	struct walk walk = {.visit = keep_connection, .context = &found, .any = true};
	struct nlmsghdr *header;
	struct nfgenmsg *body;
	int r;

	if (!buffer)
		return -ENOMEM;
	header = mnl_nlmsg_put_header(buffer);
	header->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	header->nlmsg_seq = ++sequence;
	body = mnl_nlmsg_put_extra_header(header, sizeof(*body));
	*body = (struct nfgenmsg){.nfgen_family = fw_ip_is4(&original->source) ? AF_INET : AF_INET6,
				  .version = NFNETLINK_V0};
	put_tuple(header, protocol, original);
	if (mnl_socket_sendto(socket, header, header->nlmsg_len) < 0)
		return -errno;
	r = read_all(socket, buffer, sequence, &walk);
	if (r == 0 && !found.protocol)
		r = -ENOENT;
	if (r == 0)
		*ret_connection = found;
	return r;
}

int fw_conntrack_walk(fw_connection_visit visit, void *context, struct fw_err *err)
{
	_cleanup_(fw_conntrack_close) struct mnl_socket *socket = NULL;
	_cleanup_free_ char *buffer = malloc(ANSWER_BYTES);
	struct walk walk = {.visit = visit, .context = context};
	const uint32_t sequence = (uint32_t)time(NULL);
	int r = fw_conntrack_open(&socket);

	if (!buffer)
		return fw_err_errno(err, -ENOMEM, "conntrack");
	if (r == 0)
		r = ask(socket, buffer, sequence);
	if (r == 0)
		r = read_all(socket, buffer, sequence, &walk);
	/* no nfnetlink; no subsystem of conntrack in it */
	if (r == -EPROTONOSUPPORT || r == -EINVAL || r == -ENOENT)
		r = -EOPNOTSUPP;
	return r < 0 ? fw_err_errno(err, r, "conntrack of this node (nf_conntrack_netlink)") : 0;
}
