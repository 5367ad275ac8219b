// SPDX-License-Identifier: Apache-2.0
/* Batches and dumps; see nft.h. The kernel answers within the call that sends. */
#include "postnat/nft.h"

#include <errno.h>
#include <libnftnl/batch.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>

#include "base/cleanup.h"

#define PAGE_BYTES     (64u << 10)
#define OVERRUN_BYTES  (64u << 10) /* a page is closed when a message passed its end */
#define ANSWER_BYTES   (64u << 10)
#define SEND_BYTES     (96 << 20) /* room for the largest batch: every row of both sets */
#define RECEIVE_BYTES  (4 << 20)
#define ANSWER_SECONDS 5

int fw_nft_open(struct fw_nft *nft, struct fw_err *err)
{
	const struct timeval patience = {.tv_sec = ANSWER_SECONDS};
	const int send_bytes = SEND_BYTES, receive_bytes = RECEIVE_BYTES;
	int fd, r = 0;

	*nft = (struct fw_nft){.socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC)};
	if (!nft->socket)
		return fw_err_errno(err, -errno, "nf_tables");
	fd = mnl_socket_get_fd(nft->socket);
	if (mnl_socket_bind(nft->socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		r = -errno;
	/* less will do for small batches */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &send_bytes, sizeof(send_bytes));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_bytes, sizeof(receive_bytes));
	nft->port = mnl_socket_get_portid(nft->socket);
	nft->sequence = (uint32_t)time(NULL);
	if (r < 0)
		fw_nft_close(nft);
	return r < 0 ? fw_err_errno(err, r, "nf_tables") : 0;
}

void fw_nft_close(struct fw_nft *nft)
{
	if (nft->socket)
		(void)mnl_socket_close(nft->socket);
	nft->socket = NULL;
}

int fw_nft_begin(struct fw_nft *nft, struct fw_nft_batch *ret_batch)
{
	*ret_batch = (struct fw_nft_batch){.batch = nftnl_batch_alloc(PAGE_BYTES, OVERRUN_BYTES),
					   .sequence = nft->sequence};
	if (!ret_batch->batch)
		return -ENOMEM;
	(void)nftnl_batch_begin(nftnl_batch_buffer(ret_batch->batch), ret_batch->sequence++);
	fw_nft_next(ret_batch);
	ret_batch->first = ret_batch->sequence;
	return 0;
}

void fw_nft_batch_done(struct fw_nft_batch *batch)
{
	if (batch->batch)
		nftnl_batch_free(batch->batch);
	batch->batch = NULL;
}

/* The first message is acknowledged: when it is, all were. */
struct nlmsghdr *fw_nft_put(struct fw_nft_batch *batch, uint16_t type, uint16_t flags)
{
	if (batch->sequence == batch->first)
		flags |= NLM_F_ACK;
	return nftnl_nlmsg_build_hdr(nftnl_batch_buffer(batch->batch), type, NFPROTO_INET, flags,
				     batch->sequence++);
}

void fw_nft_next(struct fw_nft_batch *batch)
{
	if (nftnl_batch_update(batch->batch) < 0)
		batch->error = -ENOMEM;
}

static int send_all(struct fw_nft *nft, struct fw_nft_batch *batch)
{
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	int count = nftnl_batch_iovec_len(batch->batch);
	_cleanup_free_ struct iovec *iov = calloc((size_t)count + 1, sizeof(*iov));
	struct msghdr message = {.msg_name = (void *)&kernel,
				 .msg_namelen = sizeof(kernel),
				 .msg_iov = iov,
				 .msg_iovlen = (size_t)count};

	if (!iov)
		return -ENOMEM;
	nftnl_batch_iovec(batch->batch, iov, (uint32_t)count);
	return sendmsg(mnl_socket_get_fd(nft->socket), &message, 0) < 0 ? -errno : 0;
}

/* *ret_answered: the acknowledgement was among them. */
static int look_at(const char *buffer, size_t length, const struct fw_nft_batch *batch,
		   bool *ret_answered)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)buffer;
	int left = (int)length, r = 0;

	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		const struct nlmsgerr *answer = mnl_nlmsg_get_payload(message);

		if (message->nlmsg_type != NLMSG_ERROR ||
		    mnl_nlmsg_get_payload_len(message) < sizeof(answer->error) ||
		    message->nlmsg_seq - (batch->first - 1) > batch->sequence - batch->first + 1)
			continue;
		if (answer->error && !r)
			r = answer->error;
		*ret_answered |= !answer->error && message->nlmsg_seq == batch->first;
	}
	return r;
}

static int read_answers(struct fw_nft *nft, const struct fw_nft_batch *batch)
{
	_cleanup_free_ char *buffer = malloc(ANSWER_BYTES);
	bool answered = false;
	ssize_t length;
	int r = 0;

	if (!buffer)
		return -ENOMEM;
	for (;;) {
		length = recv(mnl_socket_get_fd(nft->socket), buffer, ANSWER_BYTES,
			      answered || r ? MSG_DONTWAIT : 0);
		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0)
			break;
		if (!r)
			r = look_at(buffer, (size_t)length, batch, &answered);
	}
	if (r || (answered && (errno == EAGAIN || errno == EWOULDBLOCK)))
		return r;
	return errno == EAGAIN || errno == EWOULDBLOCK ? -ETIMEDOUT : -errno;
}

int fw_nft_commit(struct fw_nft *nft, struct fw_nft_batch *batch, struct fw_err *err)
{
	int r = batch->error;

	if (r == 0 && batch->sequence == batch->first)
		return 0; /* nothing to do */
	if (r == 0) {
		(void)nftnl_batch_end(nftnl_batch_buffer(batch->batch), batch->sequence++);
		fw_nft_next(batch);
		r = batch->error;
	}
	nft->sequence = batch->sequence;
	if (r == 0)
		r = send_all(nft, batch);
	if (r == 0)
		r = read_answers(nft, batch);
	return r < 0 ? fw_err_errno(err, r, "nf_tables") : 0;
}

int fw_nft_ask(struct fw_nft *nft, uint16_t type, uint16_t flags, uint8_t family,
	       void (*put)(struct nlmsghdr *message, const void *what), const void *what,
	       mnl_cb_t see, void *context)
{
	_cleanup_free_ char *buffer = malloc(ANSWER_BYTES);
	uint32_t sequence = nft->sequence++;
	struct nlmsghdr *message;
	int more = MNL_CB_OK;

	if (!buffer)
		return -ENOMEM;
	message = nftnl_nlmsg_build_hdr(buffer, type, family,
					flags & NLM_F_ACK ? flags : flags | NLM_F_DUMP, sequence);
	if (put)
		put(message, what);
	if (mnl_socket_sendto(nft->socket, message, message->nlmsg_len) < 0)
		return -errno;
	while (more == MNL_CB_OK) {
		ssize_t length = mnl_socket_recvfrom(nft->socket, buffer, ANSWER_BYTES);

		if (length < 0 && errno == EINTR)
			continue;
		more = length < 0 ? MNL_CB_ERROR
				  : mnl_cb_run(buffer, (size_t)length, sequence, nft->port, see,
					       context);
	}
	return more == MNL_CB_ERROR ? -errno : 0;
}
