// SPDX-License-Identifier: Apache-2.0
/* The chain's life: made, changed in two steps, lost, made again; see postnat.h. */
#include "postnat/postnat.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/htab.h"
#include "postnat/chain.h"

#define HEARD_BYTES   (64u << 10)
#define RECEIVE_BYTES (4 << 20) /* what others write into nf_tables is told to us, too */

struct fw_postnat {
	struct fw_nft nft;
	struct mnl_socket *ear;
	char *heard;
	struct fw_postnat_rows held; /* what the sets hold */
	bool alone, owned;
	bool made; /* by this process */
	bool stands;
	bool unsettled;
	uint64_t settled; /* digest of what the sets say when they are settled */
};

static uint64_t digest_of(const struct fw_tables *tables, bool audit)
{
	uint64_t hash = fw_hash_bytes(audit, tables->choices,
				      tables->choices_count * sizeof(*tables->choices));

	return fw_hash_bytes(hash, tables->backends,
			     tables->backends_count * sizeof(*tables->backends));
}

static int see_nothing(const struct nlmsghdr *message, void *context)
{
	(void)message;
	(void)context;
	return MNL_CB_OK;
}

static int open_ear(struct fw_postnat *postnat)
{
	const int bytes = RECEIVE_BYTES, group = NFNLGRP_NFTABLES;
	int fd;

	postnat->heard = malloc(HEARD_BYTES);
	postnat->ear = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!postnat->heard || !postnat->ear)
		return postnat->heard ? -errno : -ENOMEM;
	fd = mnl_socket_get_fd(postnat->ear);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	if (mnl_socket_bind(postnat->ear, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_setsockopt(postnat->ear, NETLINK_ADD_MEMBERSHIP, (void *)&group,
				  sizeof(group)) < 0)
		return -errno;
	return 0;
}

int fw_postnat_new(bool alone, struct fw_postnat **ret_postnat, struct fw_err *err)
{
	_cleanup_(fw_postnat_free) struct fw_postnat *postnat = calloc(1, sizeof(*postnat));
	int r;

	if (!postnat)
		return fw_err_errno(err, -ENOMEM, "nf_tables");
	postnat->alone = alone;
	r = fw_nft_open(&postnat->nft, err);
	if (r < 0)
		return r;
	r = open_ear(postnat);
	if (r == 0)
		r = fw_nft_ask(&postnat->nft, NFT_MSG_GETGEN, NLM_F_ACK, NFPROTO_UNSPEC, NULL, NULL,
			       see_nothing, NULL);
	if (r < 0)
		return fw_err_errno(err, r, "nf_tables of this node");
	r = fw_postnat_read(&postnat->nft, &postnat->held, err);
	if (r < 0)
		return r;
	postnat->stands = fw_postnat_check(&postnat->nft, NULL) == 0;
	*ret_postnat = TAKE_PTR(postnat);
	return 0;
}

void fw_postnat_free(struct fw_postnat **postnat_at)
{
	struct fw_postnat *postnat = *postnat_at;

	if (!postnat)
		return;
	if (postnat->ear)
		(void)mnl_socket_close(postnat->ear);
	fw_nft_close(&postnat->nft);
	fw_postnat_rows_done(&postnat->held);
	free(postnat->heard);
	free(postnat);
	*postnat_at = NULL;
}

int fw_postnat_fd(const struct fw_postnat *postnat)
{
	return mnl_socket_get_fd(postnat->ear);
}

static void hold(struct fw_postnat *postnat, struct fw_postnat_rows *rows)
{
	fw_postnat_rows_done(&postnat->held);
	postnat->held = *rows;
	*rows = (struct fw_postnat_rows){0};
}

/* Whatever stood there goes in the same batch. */
static int make(struct fw_postnat *postnat, const struct fw_postnat_rows *rows, struct fw_err *err)
{
	int r = -EOPNOTSUPP;

	postnat->stands = false;
	postnat->owned = false;
	if (postnat->alone)
		r = fw_postnat_make(&postnat->nft, true, rows, err);
	postnat->owned = r == 0;
	if (r == -EOPNOTSUPP)
		r = fw_postnat_make(&postnat->nft, false, rows, err);
	if (r < 0)
		return r;
	postnat->made = true;
	r = fw_postnat_check(&postnat->nft, err);
	postnat->stands = r == 0;
	return r;
}

int fw_postnat_restore(struct fw_postnat *postnat, struct fw_err *err)
{
	return make(postnat, &postnat->held, err);
}

/* Where the table cannot be changed it is made anew: somebody has changed it unheard. */
static int bring(struct fw_postnat *postnat, struct fw_postnat_rows *wanted, struct fw_err *err)
{
	int r = -ESTALE;

	if (postnat->stands && postnat->made)
		r = fw_postnat_change(&postnat->nft, &postnat->held, wanted, err);
	if (r < 0)
		r = make(postnat, wanted, err);
	if (r == 0)
		hold(postnat, wanted);
	return r;
}

int fw_postnat_join(struct fw_postnat *postnat, const struct fw_tables *tables, bool audit,
		    struct fw_err *err)
{
	_cleanup_(fw_postnat_rows_done) struct fw_postnat_rows wanted = {0};
	int r;

	if (!tables->choices_count && !postnat->held.count && !postnat->made && !postnat->stands)
		return 0;
	/* most changes are about something else */
	if (postnat->stands && postnat->made && !postnat->unsettled &&
	    postnat->settled == digest_of(tables, audit))
		return 0;
	r = fw_postnat_rows_join(tables, audit, &postnat->held, &wanted);
	if (r < 0)
		return fw_err_errno(err, r, "the chain after DNAT");
	r = bring(postnat, &wanted, err);
	if (r == 0)
		postnat->unsettled = true;
	return r;
}

int fw_postnat_settle(struct fw_postnat *postnat, const struct fw_tables *tables, bool audit,
		      struct fw_err *err)
{
	_cleanup_(fw_postnat_rows_done) struct fw_postnat_rows wanted = {0};
	int r;

	if (!postnat->unsettled)
		return 0;
	r = fw_postnat_rows_want(tables, audit, &wanted);
	if (r < 0)
		return fw_err_errno(err, r, "the chain after DNAT");
	if (tables->choices_count) {
		r = bring(postnat, &wanted, err);
	} else {
		postnat->stands = postnat->made = false;
		r = fw_postnat_drop(&postnat->nft, err);
		if (r == 0)
			hold(postnat, &wanted);
	}
	if (r == 0)
		postnat->unsettled = false;
	postnat->settled = digest_of(tables, audit);
	return r;
}

bool fw_postnat_unsettled(const struct fw_postnat *postnat)
{
	return postnat->unsettled;
}

bool fw_postnat_stands(const struct fw_postnat *postnat)
{
	return postnat->stands;
}

enum fw_postnat_verdict fw_postnat_judge(const struct fw_postnat *postnat,
					 const struct fw_postnat_connection *connection)
{
	return fw_postnat_rows_judge(&postnat->held, connection);
}

size_t fw_postnat_count(const struct fw_postnat *postnat)
{
	return postnat->held.count;
}

bool fw_postnat_owned(const struct fw_postnat *postnat)
{
	return postnat->owned;
}

/* The table's name is the first attribute of every object of nf_tables. */
static bool names_our_table(const struct nlmsghdr *message)
{
	const struct nlattr *first = mnl_nlmsg_get_payload_offset(message, sizeof(struct nfgenmsg));

	if (mnl_nlmsg_get_payload_len(message) < sizeof(struct nfgenmsg) + sizeof(*first) ||
	    mnl_attr_get_type(first) != NFTA_TABLE_NAME ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(struct nfgenmsg) + first->nla_len)
		return false;
	return mnl_attr_get_payload_len(first) == sizeof(FW_POSTNAT_TABLE) &&
	       !memcmp(mnl_attr_get_payload(first), FW_POSTNAT_TABLE, sizeof(FW_POSTNAT_TABLE));
}

static bool concerns_us(const struct fw_postnat *postnat, const struct nlmsghdr *message)
{
	const struct nfgenmsg *head = mnl_nlmsg_get_payload(message);

	if (message->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*head))
		return false;
	switch (message->nlmsg_type & 0xff) {
	case NFT_MSG_NEWGEN:
		return false;
	case NFT_MSG_NEWFLOWTABLE:
	case NFT_MSG_DELFLOWTABLE:
		return true;
	default:
		return head->nfgen_family == NFPROTO_INET &&
		       message->nlmsg_pid != postnat->nft.port && names_our_table(message);
	}
}

bool fw_postnat_listen(struct fw_postnat *postnat)
{
	bool lost = false;

	for (;;) {
		ssize_t length = recv(mnl_socket_get_fd(postnat->ear), postnat->heard, HEARD_BYTES,
				      MSG_DONTWAIT);
		const struct nlmsghdr *message = (const struct nlmsghdr *)postnat->heard;
		int left = (int)length;

		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0 && errno == ENOBUFS) { /* nobody knows what was said */
			lost = true;
			continue;
		}
		if (length <= 0)
			break;
		for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
			lost |= concerns_us(postnat, message);
	}
	lost = lost && (postnat->made || postnat->stands);
	if (lost)
		postnat->stands = false;
	return lost;
}

int fw_postnat_uninstall(struct fw_err *err)
{
	struct fw_nft nft;
	int r = fw_nft_open(&nft, err);

	if (r == 0) {
		r = fw_postnat_drop(&nft, err);
		fw_nft_close(&nft);
	}
	/* no nfnetlink; no nf_tables in it */
	return r == -EPROTONOSUPPORT || r == -EINVAL || r == -EOPNOTSUPP ? 0 : r;
}
