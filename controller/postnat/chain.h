/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table after DNAT as messages: made anew, elements added and taken, removed, read back. In:
 * elements. Out: batches and answers. Decides nothing.
 *
 *   table inet podwall {
 *     set ambiguous4, ambiguous6    pod . service . protocol . port
 *     set allowed4, allowed6        pod . backend . protocol . port
 *     chain prerouting { type filter hook prerouting priority -50
 *       ct state invalid,untracked jump bare
 *       ct original saddr . daddr . protocol . proto-dst @ambiguous jump judge }
 *     chain output { type filter hook output priority -50     what backends on the node answer
 *       ct direction reply, then the same }
 *     chain judge { ct original saddr . ct reply saddr . protocol . ct reply proto-src @allowed
 *       accept; counter drop }
 *     chain bare { ip saddr . daddr . protocol . th dport @ambiguous counter drop }
 *   }
 *
 * The reply tuple of conntrack names the backend, in both directions of a connection, and the
 * service itself where nobody translated: such a packet is dropped, too. What is answered is judged
 * as what was asked, so a connection ends in both directions when policy ends it. DNAT is done at
 * prerouting -100 (kube-proxy in both modes), before this.
 */
#ifndef FW_POSTNAT_CHAIN_H
#define FW_POSTNAT_CHAIN_H

#include "postnat/nft.h"
#include "postnat/rows.h"

#define FW_POSTNAT_TABLE "podwall"

/*
 * In the place of whatever stands there under this name, in one batch. `owned`: nobody else may
 * change it while this socket is open, and it stays when it closes (Linux 6.9; -EOPNOTSUPP before).
 */
int fw_postnat_make(struct fw_nft *nft, bool owned, const struct fw_postnat_rows *rows,
		    struct fw_err *err);
/* From what the sets hold to what they are to hold, in one batch. */
int fw_postnat_change(struct fw_nft *nft, const struct fw_postnat_rows *held,
		      const struct fw_postnat_rows *wanted, struct fw_err *err);
/* 0 also when there is none. */
int fw_postnat_drop(struct fw_nft *nft, struct fw_err *err);
/* The elements of all sets, sorted; none when there is no table. */
int fw_postnat_read(struct fw_nft *nft, struct fw_postnat_rows *ret_rows, struct fw_err *err);
/* 0 when the chains and rules of fw_postnat_make() stand and nothing goes past them. */
int fw_postnat_check(struct fw_nft *nft, struct fw_err *err);

#endif
