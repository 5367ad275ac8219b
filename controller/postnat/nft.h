/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nf_tables over netlink: one socket, atomic batches and dumps. In: messages built by libnftnl.
 * Out: done whole, or not at all with a reason. Knows no table of ours. A socket's number is the
 * owner of tables that it makes with the owner flag, for as long as it is open.
 */
#ifndef FW_POSTNAT_NFT_H
#define FW_POSTNAT_NFT_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct nftnl_batch;

struct fw_nft {
	struct mnl_socket *socket;
	uint32_t sequence;
	uint32_t port; /* of the socket, as messages tell of their sender */
};

/* Messages that take effect together. */
struct fw_nft_batch {
	struct nftnl_batch *batch;
	uint32_t sequence, first;
	int error;
};

int fw_nft_open(struct fw_nft *nft, struct fw_err *err);
void fw_nft_close(struct fw_nft *nft);

int fw_nft_begin(struct fw_nft *nft, struct fw_nft_batch *ret_batch);
void fw_nft_batch_done(struct fw_nft_batch *batch);
/* A message of the family inet to put a payload into, below 48 KiB; then fw_nft_next(). */
struct nlmsghdr *fw_nft_put(struct fw_nft_batch *batch, uint16_t type, uint16_t flags);
void fw_nft_next(struct fw_nft_batch *batch);
/* Sends it; -errno of the first message that was refused, and then nothing was changed. */
int fw_nft_commit(struct fw_nft *nft, struct fw_nft_batch *batch, struct fw_err *err);

/*
 * Asks (NFT_MSG_GET*) and calls `see` for each answer. `put`, when not NULL, puts the payload. A
 * dump unless `flags` has NLM_F_ACK. -ENOENT: what was asked for is not there.
 */
int fw_nft_ask(struct fw_nft *nft, uint16_t type, uint16_t flags, uint8_t family,
	       void (*put)(struct nlmsghdr *message, const void *what), const void *what,
	       mnl_cb_t see, void *context);

#endif
