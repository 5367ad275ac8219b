/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnetlink by hand: RTM_GETLINK, a dump of RTM_GETADDR, RTM_GETNSID (man 7 rtnetlink;
 * linux/net_namespace.h). In: questions. Out: the attributes that we use. Every length is checked
 * before it is followed.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "netlink.h"

#define ANSWER_MAX 65536

struct request {
	struct nlmsghdr header;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg address;
		struct rtgenmsg any;
		char room[128];
	};
};

/* Called for each message of an answer; a negative return ends it. */
typedef int (*visit)(const struct nlmsghdr *message, void *context);

int fw_netlink_open(struct fw_err *err)
{
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int one = 1;

	if (fd < 0)
		return fw_err_errno(err, -errno, "netlink socket");
	/* Strict: a dump obeys the filter of its request (4.20 and later); we filter ourselves,
	 * too. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	return TAKE_FD(fd);
}

static void request_init(struct request *request, uint16_t type, uint16_t flags, size_t body)
{
	*request = (struct request){.header = {.nlmsg_type = type,
					       .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
					       .nlmsg_len = (uint32_t)NLMSG_LENGTH(body)}};
}

static void request_add(struct request *request, uint16_t type, const void *data, size_t len)
{
	char *at = (char *)request + NLMSG_ALIGN(request->header.nlmsg_len);
	struct rtattr attribute = {.rta_type = type, .rta_len = (uint16_t)RTA_LENGTH(len)};

	memcpy(at, &attribute, sizeof(attribute));
	memcpy(at + RTA_LENGTH(0), data, len);
	request->header.nlmsg_len =
		NLMSG_ALIGN(request->header.nlmsg_len) + (uint32_t)RTA_SPACE(len);
}

/* One datagram: 1 when the answer is complete, 0 when more follows, -errno. */
static int walk_datagram(const char *data, size_t len, bool dump, visit visitor, void *context)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)(const void *)data;
	unsigned int left = (unsigned int)len;

	for (; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
		if (message->nlmsg_type == NLMSG_DONE)
			return 1;
		if (message->nlmsg_type == NLMSG_ERROR) {
			const struct nlmsgerr *failure = NLMSG_DATA(message);
			if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*failure)))
				return -EBADMSG;
			return failure->error ? failure->error : 1;
		}
		int r = visitor(message, context);
		if (r < 0)
			return r;
		if (!dump)
			return 1;
	}
	return 0;
}

static int ask(int netlink, struct request *request, visit visitor, void *context)
{
	_cleanup_free_ char *answer = malloc(ANSWER_MAX);
	bool dump = (request->header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;

	if (!answer)
		return -ENOMEM;
	if (send(netlink, request, request->header.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t len = recv(netlink, answer, ANSWER_MAX, MSG_TRUNC);
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return -errno;
		if (len == 0 || len > ANSWER_MAX)
			return -EMSGSIZE;
		int r = walk_datagram(answer, (size_t)len, dump, visitor, context);
		if (r)
			return r < 0 ? r : 0;
	}
}

/* What is left of a list of attributes. */
struct attributes {
	const char *at;
	size_t left;
};

/* The next attribute, whole, or NULL at the end (or where a length is impossible). */
static const struct rtattr *next(struct attributes *list)
{
	const struct rtattr *attribute = (const struct rtattr *)(const void *)list->at;

	if (list->left < sizeof(*attribute) || attribute->rta_len < sizeof(*attribute) ||
	    attribute->rta_len > list->left)
		return NULL;
	size_t step = RTA_ALIGN(attribute->rta_len);
	step = step < list->left ? step : list->left;
	list->at += step;
	list->left -= step;
	return attribute;
}

/* The body of a message of `size` bytes and the attributes behind it; NULL when the message is
 * shorter. */
static const void *body(const struct nlmsghdr *message, size_t size, struct attributes *ret_list)
{
	if (message->nlmsg_len < NLMSG_SPACE(size))
		return NULL;
	*ret_list = (struct attributes){(const char *)message + NLMSG_SPACE(size),
					message->nlmsg_len - NLMSG_SPACE(size)};
	return NLMSG_DATA(message);
}

static void copy_text(char *field, size_t size, const struct rtattr *attribute)
{
	size_t len = strnlen(RTA_DATA(attribute), RTA_PAYLOAD(attribute));

	if (len < size) {
		memcpy(field, RTA_DATA(attribute), len);
		field[len] = '\0';
	}
}

static void read_kind(struct fw_link *link, const struct rtattr *info)
{
	struct attributes list = {RTA_DATA(info), RTA_PAYLOAD(info)};
	const struct rtattr *at;

	while ((at = next(&list)))
		if (at->rta_type == IFLA_INFO_KIND)
			copy_text(link->kind, sizeof(link->kind), at);
}

static int visit_link(const struct nlmsghdr *message, void *context)
{
	struct fw_link *link = context;
	const struct rtattr *at;
	struct attributes list;

	const struct ifinfomsg *info = body(message, sizeof(*info), &list);
	if (!info || message->nlmsg_type != RTM_NEWLINK)
		return -EBADMSG;
	*link = (struct fw_link){.ifindex = (uint32_t)info->ifi_index, .peer_nsid = -1};
	while ((at = next(&list))) {
		if (at->rta_type == IFLA_IFNAME)
			copy_text(link->name, sizeof(link->name), at);
		else if (at->rta_type == IFLA_LINKINFO)
			read_kind(link, at);
		else if (at->rta_type == IFLA_LINK && RTA_PAYLOAD(at) >= sizeof(link->peer))
			memcpy(&link->peer, RTA_DATA(at), sizeof(link->peer));
		else if (at->rta_type == IFLA_LINK_NETNSID &&
			 RTA_PAYLOAD(at) >= sizeof(link->peer_nsid))
			memcpy(&link->peer_nsid, RTA_DATA(at), sizeof(link->peer_nsid));
		else if (at->rta_type == IFLA_ADDRESS && RTA_PAYLOAD(at) == sizeof(link->mac)) {
			memcpy(link->mac, RTA_DATA(at), sizeof(link->mac));
			link->has_mac = true;
		}
	}
	return 0;
}

int fw_netlink_link_by_name(int netlink, const char *name, struct fw_link *ret_link,
			    struct fw_err *err)
{
	struct request request;
	struct fw_link link = {0};

	request_init(&request, RTM_GETLINK, 0, sizeof(request.link));
	request_add(&request, IFLA_IFNAME, name, strnlen(name, IF_NAMESIZE - 1) + 1);
	int r = ask(netlink, &request, visit_link, &link);
	if (r < 0)
		return fw_err_errno(err, r, "interface %s", name);
	*ret_link = link;
	return 0;
}

int fw_netlink_link_by_index(int netlink, uint32_t ifindex, struct fw_link *ret_link,
			     struct fw_err *err)
{
	struct request request;
	struct fw_link link = {0};

	request_init(&request, RTM_GETLINK, 0, sizeof(request.link));
	request.link.ifi_index = (int)ifindex;
	int r = ask(netlink, &request, visit_link, &link);
	if (r < 0)
		return fw_err_errno(err, r, "interface %u", ifindex);
	*ret_link = link;
	return 0;
}

struct ips_of {
	uint32_t ifindex;
	struct fw_link_ips ips;
};

static int visit_address(const struct nlmsghdr *message, void *context)
{
	struct ips_of *wanted = context;
	const struct rtattr *at, *local = NULL, *address = NULL;
	struct attributes list;

	const struct ifaddrmsg *info = body(message, sizeof(*info), &list);
	if (!info || message->nlmsg_type != RTM_NEWADDR)
		return -EBADMSG;
	size_t size = info->ifa_family == AF_INET ? 4 : 16;
	if (info->ifa_index != wanted->ifindex ||
	    (info->ifa_family != AF_INET && info->ifa_family != AF_INET6))
		return 0;
	while ((at = next(&list))) {
		if (at->rta_type == IFA_LOCAL && RTA_PAYLOAD(at) == size)
			local = at; /* with a point-to-point address, IFA_ADDRESS is the other end's
				     */
		else if (at->rta_type == IFA_ADDRESS && RTA_PAYLOAD(at) == size)
			address = at;
	}
	if (!local && !(local = address))
		return 0;
	if (wanted->ips.count == FW_NETLINK_IPS_MAX)
		return -E2BIG;
	struct fw_ip *ip = &wanted->ips.ip[wanted->ips.count++];
	if (size == 4) {
		uint32_t address_be;
		memcpy(&address_be, RTA_DATA(local), sizeof(address_be));
		*ip = fw_ip_from4(address_be);
	} else {
		memcpy(ip->b, RTA_DATA(local), sizeof(ip->b));
	}
	return 0;
}

/* One family at a time: for both in one dump the kernel takes its lock of all network
 * configuration. */
int fw_netlink_ips(int netlink, uint32_t ifindex, struct fw_link_ips *ret_ips, struct fw_err *err)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	struct request request;
	struct ips_of wanted = {.ifindex = ifindex};

	for (size_t i = 0; i < sizeof(families); i++) {
		request_init(&request, RTM_GETADDR, NLM_F_DUMP, sizeof(request.address));
		request.address.ifa_family = families[i];
		request.address.ifa_index = ifindex;
		int r = ask(netlink, &request, visit_address, &wanted);
		if (r < 0)
			return fw_err_errno(err, r, "addresses of interface %u", ifindex);
	}
	*ret_ips = wanted.ips;
	return 0;
}

static int visit_nsid(const struct nlmsghdr *message, void *context)
{
	int32_t *nsid = context;
	const struct rtattr *at;
	struct attributes list;

	if (!body(message, sizeof(struct rtgenmsg), &list))
		return -EBADMSG;
	while ((at = next(&list)))
		if (at->rta_type == NETNSA_NSID && RTA_PAYLOAD(at) >= sizeof(*nsid))
			memcpy(nsid, RTA_DATA(at), sizeof(*nsid));
	return 0;
}

int fw_netlink_nsid(int netlink, int netns, int32_t *ret_nsid, struct fw_err *err)
{
	struct request request;
	int32_t nsid = -1;
	uint32_t fd = (uint32_t)netns;

	request_init(&request, RTM_GETNSID, 0, sizeof(request.any));
	/* rtgenmsg is one byte: the attributes begin behind its padding */
	request_add(&request, NETNSA_FD, &fd, sizeof(fd));
	int r = ask(netlink, &request, visit_nsid, &nsid);
	if (r < 0)
		return fw_err_errno(err, r, "name of the sandbox's network namespace");
	*ret_nsid = nsid;
	return 0;
}
