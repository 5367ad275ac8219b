/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clsact as the carrier of a hook: rtnetlink requests for the qdisc and our two filters. In: a
 * device of the thread's network namespace. Out: a filter of priority 1 whose handle names the
 * endpoint row, so that a late removal for an old row never hits the filter of a new one. Never
 * touches a filter or qdisc of anybody else.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/cleanup.h"
#include "loader/inside.h"

#define FILTER_PRIORITY	   1u
#define FILTER_HANDLE	   0x70700000u /* | endpoint row */
#define FILTER_HANDLE_MASK 0xfff00000u
#define FILTER_NAME	   "podwall"
#define ANSWER_BYTES	   32768
#define ANSWER_SECONDS	   5 /* the kernel answers at once or something is wrong */

struct request {
	struct nlmsghdr header;
	struct tcmsg tc;
	char attributes[256];
};

/* What one message of an answer says; `context` is the caller's. */
typedef void (*visit)(const struct nlmsghdr *message, void *context);

int fw_clsact_open(int *ret_fd, struct fw_err *err)
{
	const struct timeval patience = {.tv_sec = ANSWER_SECONDS};
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	const int one = 1;

	if (fd < 0)
		return fw_err_errno(err, -errno, "netlink");
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return fw_err_errno(err, -errno, "netlink");
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static struct request new_request(uint16_t type, uint16_t flags, uint32_t ifindex, uint32_t parent)
{
	return (struct request){
		.header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct tcmsg)),
			   .nlmsg_type = type,
			   .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags),
			   .nlmsg_seq = 1},
		.tc = {.tcm_family = AF_UNSPEC, .tcm_ifindex = (int)ifindex, .tcm_parent = parent},
	};
}

static struct rtattr *put(struct request *request, uint16_t type, const void *data, size_t len)
{
	struct rtattr *attribute =
		(struct rtattr *)((char *)request + NLMSG_ALIGN(request->header.nlmsg_len));

	/* the longest request has five short attributes */
	attribute->rta_type = type;
	attribute->rta_len = (uint16_t)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(attribute), data, len);
	request->header.nlmsg_len =
		NLMSG_ALIGN(request->header.nlmsg_len) + (uint32_t)RTA_SPACE(len);
	return attribute;
}

static void put_text(struct request *request, uint16_t type, const char *text)
{
	(void)put(request, type, text, strlen(text) + 1);
}

static const struct rtattr *find(const struct rtattr *first, size_t len, uint16_t type)
{
	unsigned int left = (unsigned int)len;

	for (const struct rtattr *at = first; RTA_OK(at, left); at = RTA_NEXT(at, left))
		if ((at->rta_type & NLA_TYPE_MASK) == type)
			return at;
	return NULL;
}

static const char *text_of(const struct rtattr *attribute)
{
	const char *text = attribute ? RTA_DATA(attribute) : "";
	const size_t len = attribute ? RTA_PAYLOAD(attribute) : 0;

	return len && text[len - 1] == '\0' ? text : "";
}

/* The answer's errno; the kernel's own words go into `err`. */
static int read_error(const struct nlmsghdr *message, struct fw_err *err)
{
	const struct nlmsgerr *answer = NLMSG_DATA(message);
	const size_t head = sizeof(*answer);
	const struct rtattr *words = NULL;

	if (message->nlmsg_len < NLMSG_LENGTH(head))
		return fw_err_set(err, -EBADMSG, "netlink answer is too short");
	if (!answer->error)
		return 0;
	if ((message->nlmsg_flags & (NLM_F_ACK_TLVS | NLM_F_CAPPED)) ==
	    (NLM_F_ACK_TLVS | NLM_F_CAPPED))
		words = find((const struct rtattr *)(answer + 1),
			     message->nlmsg_len - NLMSG_LENGTH(head), NLMSGERR_ATTR_MSG);
	return fw_err_errno(err, answer->error, "%s%snetlink", text_of(words), words ? ": " : "");
}

/* Sends one request and reads until it is acknowledged or its dump is done. */
static int talk(int fd, const struct request *request, visit see, void *context, struct fw_err *err)
{
	_cleanup_free_ char *answer = malloc(ANSWER_BYTES);
	const struct nlmsghdr *message;
	ssize_t got;

	if (!answer)
		return fw_err_set(err, -ENOMEM, "out of memory");
	if (send(fd, request, request->header.nlmsg_len, 0) < 0)
		return fw_err_errno(err, -errno, "netlink");
	for (;;) {
		got = recv(fd, answer, ANSWER_BYTES, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fw_err_errno(err, -errno, "netlink");
		message = (const struct nlmsghdr *)answer;
		for (; NLMSG_OK(message, (size_t)got); message = NLMSG_NEXT(message, got)) {
			if (message->nlmsg_type == NLMSG_ERROR)
				return read_error(message, err);
			if (message->nlmsg_type == NLMSG_DONE)
				return 0;
			if (see && message->nlmsg_len >= NLMSG_LENGTH(sizeof(struct tcmsg)))
				see(message, context);
		}
	}
}

static const struct rtattr *attributes_of(const struct nlmsghdr *message, size_t *ret_len)
{
	const struct tcmsg *tc = NLMSG_DATA(message);

	*ret_len = message->nlmsg_len - NLMSG_LENGTH(sizeof(*tc));
	return (const struct rtattr *)((const char *)tc + NLMSG_ALIGN(sizeof(*tc)));
}

static void see_qdisc(const struct nlmsghdr *message, void *context)
{
	enum fw_qdisc *qdisc = context;
	const struct rtattr *first;
	const char *kind;
	size_t len;

	first = attributes_of(message, &len);
	kind = text_of(find(first, len, TCA_KIND));
	if (strcmp(kind, "clsact") == 0)
		*qdisc = FW_QDISC_CLSACT;
	else if (strcmp(kind, "ingress") == 0)
		*qdisc = FW_QDISC_INGRESS;
}

int fw_clsact_qdisc(int fd, uint32_t ifindex, enum fw_qdisc *ret_qdisc, struct fw_err *err)
{
	struct request request = new_request(RTM_GETQDISC, NLM_F_ECHO, ifindex, TC_H_CLSACT);
	enum fw_qdisc qdisc = FW_QDISC_NONE;
	int r = talk(fd, &request, see_qdisc, &qdisc, err);

	if (r < 0 && r != -ENOENT)
		return r;
	*ret_qdisc = qdisc;
	return 0;
}

int fw_clsact_make(int fd, uint32_t ifindex, struct fw_err *err)
{
	struct request request =
		new_request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, ifindex, TC_H_CLSACT);

	request.tc.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
	put_text(&request, TCA_KIND, "clsact");
	return talk(fd, &request, NULL, NULL, err);
}

int fw_clsact_unmake(int fd, uint32_t ifindex, struct fw_err *err)
{
	struct request request = new_request(RTM_DELQDISC, 0, ifindex, TC_H_CLSACT);

	request.tc.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
	put_text(&request, TCA_KIND, "clsact");
	return talk(fd, &request, NULL, NULL, err);
}

static struct request filter_request(uint16_t type, uint16_t flags, const struct fw_hook *hook,
				     bool from)
{
	const uint32_t minor = fw_hook_egress(hook, from) ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS;

	return new_request(type, flags, hook->ifindex, TC_H_MAKE(TC_H_CLSACT, minor));
}

static int delete_filter(int fd, const struct fw_hook *hook, bool from, uint32_t handle,
			 struct fw_err *err)
{
	struct request request = filter_request(RTM_DELTFILTER, 0, hook, from);
	int r;

	request.tc.tcm_handle = handle;
	request.tc.tcm_info = TC_H_MAKE(FILTER_PRIORITY << 16, htons(ETH_P_ALL));
	put_text(&request, TCA_KIND, "bpf");
	r = talk(fd, &request, NULL, NULL, err);
	return r == -ENOENT ? 0 : r;
}

#define STALE_MAX 8 /* dropped in one go; a device rarely has one */

struct seen_filters {
	uint32_t handle; /* of the hook's own row */
	struct fw_filters found;
	uint32_t stale[STALE_MAX];
};

static void see_filter(const struct nlmsghdr *message, void *context)
{
	const struct tcmsg *tc = NLMSG_DATA(message);
	const struct rtattr *first, *options;
	struct seen_filters *seen = context;
	const char *name = "";
	size_t len;

	if (message->nlmsg_type != RTM_NEWTFILTER ||
	    !tc->tcm_handle) /* 0: the head of a chain of filters */
		return;
	first = attributes_of(message, &len);
	options = find(first, len, TCA_OPTIONS);
	if (options && strcmp(text_of(find(first, len, TCA_KIND)), "bpf") == 0)
		name = text_of(find(RTA_DATA(options), RTA_PAYLOAD(options), TCA_BPF_NAME));
	if (TC_H_MAJ(tc->tcm_info) >> 16 != FILTER_PRIORITY || strcmp(name, FILTER_NAME) != 0 ||
	    (tc->tcm_handle & FILTER_HANDLE_MASK) != FILTER_HANDLE)
		seen->found.foreign++;
	else if (tc->tcm_handle == seen->handle)
		seen->found.ours = true;
	else if (seen->found.stale < STALE_MAX)
		seen->stale[seen->found.stale++] = tc->tcm_handle;
}

int fw_clsact_filters(int fd, const struct fw_hook *hook, bool from, bool drop_stale,
		      struct fw_filters *ret_filters, struct fw_err *err)
{
	struct request request = filter_request(RTM_GETTFILTER, NLM_F_DUMP, hook, from);
	struct seen_filters seen = {.handle = FILTER_HANDLE | hook->slot};
	int r;

	r = talk(fd, &request, see_filter, &seen, err);
	for (; r == 0 && drop_stale && seen.found.stale; seen.found.stale--)
		r = delete_filter(fd, hook, from, seen.stale[seen.found.stale - 1], err);
	if (r < 0)
		return r;
	*ret_filters = seen.found;
	return 0;
}

int fw_clsact_set(int fd, const struct fw_hook *hook, bool from, int program_fd, struct fw_err *err)
{
	struct request request =
		filter_request(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_REPLACE, hook, from);
	const uint32_t number = (uint32_t)program_fd, direct = TCA_BPF_FLAG_ACT_DIRECT;
	struct rtattr *options;

	request.tc.tcm_handle = FILTER_HANDLE | hook->slot;
	request.tc.tcm_info = TC_H_MAKE(FILTER_PRIORITY << 16, htons(ETH_P_ALL));
	put_text(&request, TCA_KIND, "bpf");
	options = put(&request, TCA_OPTIONS, NULL, 0);
	(void)put(&request, TCA_BPF_FD, &number, sizeof(number));
	put_text(&request, TCA_BPF_NAME, FILTER_NAME);
	(void)put(&request, TCA_BPF_FLAGS, &direct, sizeof(direct));
	options->rta_len =
		(uint16_t)((char *)&request + request.header.nlmsg_len - (char *)options);
	return talk(fd, &request, NULL, NULL, err);
}

int fw_clsact_unset(int fd, const struct fw_hook *hook, bool from, struct fw_err *err)
{
	return delete_filter(fd, hook, from, FILTER_HANDLE | hook->slot, err);
}
