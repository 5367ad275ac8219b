/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judgement after DNAT: what a pod sends to a service whose backends policy tells apart is
 * judged by the backend that kube-proxy chose, in an nftables chain (chain.h). In: compiled tables,
 * and notifications of nf_tables. Out: the chain says what the tables say. Never touches a BPF map:
 * whoever calls keeps both in step, and says in the node's word whether the chain stands.
 *
 * Order of a change: fw_postnat_join(), the word, the BPF tables, a grace period,
 * fw_postnat_settle(). Packets are judged by the BPF tables first, and by the chain only where
 * these say so; so the chain knows every pod and service before they do, and forgets them after.
 *
 * The table is ours alone where the kernel has that (Linux 6.9): then nobody's `flush ruleset`
 * takes it away while this process lives, and it stays when the process ends. Elsewhere somebody
 * can: fw_postnat_listen() says so, at once, and until fw_postnat_restore() has made it anew the
 * word must be taken back.
 *
 * No choice in the tables: no table of ours, and no packet pays for it.
 */
#ifndef FW_POSTNAT_POSTNAT_H
#define FW_POSTNAT_POSTNAT_H

#include "postnat/rows.h"

struct fw_postnat;

/* `alone`: try to own the table. -errno with a text where there is no nf_tables for us. */
int fw_postnat_new(bool alone, struct fw_postnat **ret_postnat, struct fw_err *err);
/* The table stays. */
void fw_postnat_free(struct fw_postnat **postnat);
/* For an event loop: readable when there is something to listen to. */
int fw_postnat_fd(const struct fw_postnat *postnat);

/*
 * First step: the new tables and what must stay of the old ones. A failure changes nothing, or
 * leaves no table: fw_postnat_stands(). -ENOSPC never: the tables have a maximum.
 */
int fw_postnat_join(struct fw_postnat *postnat, const struct fw_tables *tables, bool audit,
		    struct fw_err *err);
/* Second step: the new tables alone; no table when there is nothing to judge. */
int fw_postnat_settle(struct fw_postnat *postnat, const struct fw_tables *tables, bool audit,
		      struct fw_err *err);
bool fw_postnat_unsettled(const struct fw_postnat *postnat);
/* It was read back whole, and nothing was heard since. */
bool fw_postnat_stands(const struct fw_postnat *postnat);
/* True when somebody else has, or may have, changed the table or opened a way past it. */
bool fw_postnat_listen(struct fw_postnat *postnat);
/* Made anew with what it held, read back. */
int fw_postnat_restore(struct fw_postnat *postnat, struct fw_err *err);
/* What the chain does with it, by what its sets hold now. */
enum fw_postnat_verdict fw_postnat_judge(const struct fw_postnat *postnat,
					 const struct fw_postnat_connection *connection);
/* Elements of the sets; whether the table is ours alone. */
size_t fw_postnat_count(const struct fw_postnat *postnat);
bool fw_postnat_owned(const struct fw_postnat *postnat);

/* Takes the table off this network namespace. 0 also when there is none, or no nf_tables. */
int fw_postnat_uninstall(struct fw_err *err);

#endif
