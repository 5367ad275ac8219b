/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sets of the chain hold: pure data. In: compiled tables, and what the sets hold now. Out:
 * sorted elements of four sets. Never speaks to the kernel.
 *
 * A change is made in two steps, around that of the BPF tables: first join (what the new tables
 * say, and of the old ones what these do not speak of), then want (the new tables alone). Between
 * the two a packet passes when the new tables allow it, or when the old ones do and the new ones
 * leave its pod and service to the BPF tables, which then decide.
 */
#ifndef FW_POSTNAT_ROWS_H
#define FW_POSTNAT_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compile/tables.h"

/* ambiguous: pod, service, protocol, port. allowed: pod, backend, protocol, port. */
enum fw_postnat_set {
	FW_POSTNAT_AMBIGUOUS4,
	FW_POSTNAT_AMBIGUOUS6,
	FW_POSTNAT_ALLOWED4,
	FW_POSTNAT_ALLOWED6,
	FW_POSTNAT_SETS
};

#define FW_POSTNAT_KEY4 16u /* bytes: four registers of nf_tables */
#define FW_POSTNAT_KEY6 40u /* ten */

/* Addresses and port in network order, protocol and port at the head of four bytes each. */
struct fw_postnat_element {
	uint8_t set;
	uint8_t key[FW_POSTNAT_KEY6];
};

struct fw_postnat_rows {
	struct fw_postnat_element *items; /* sorted, unique */
	size_t count;
};

static inline size_t fw_postnat_key_size(uint8_t set)
{
	return set == FW_POSTNAT_AMBIGUOUS4 || set == FW_POSTNAT_ALLOWED4 ? FW_POSTNAT_KEY4
									  : FW_POSTNAT_KEY6;
}

/* A pod's connection to a service, as conntrack knows it once it is translated. */
struct fw_postnat_connection {
	struct fw_ip pod, service, backend;
	uint16_t service_port, backend_port;
	uint8_t protocol;
};

enum fw_postnat_verdict { FW_POSTNAT_NOT_ASKED, FW_POSTNAT_ACCEPT, FW_POSTNAT_DROP };

void fw_postnat_rows_done(struct fw_postnat_rows *rows);
int fw_postnat_compare(const struct fw_postnat_element *a, const struct fw_postnat_element *b);
/* Sorts and drops what is there twice; for rows that were read. */
void fw_postnat_sort(struct fw_postnat_rows *rows);
/*
 * What the tables say. With `audit` only firm denies are denies: where a pod meets none of these
 * the chain is not asked, so that a backend that nobody knows passes, too. -ENOMEM.
 */
int fw_postnat_rows_want(const struct fw_tables *tables, bool audit,
			 struct fw_postnat_rows *ret_rows);
int fw_postnat_rows_join(const struct fw_tables *tables, bool audit,
			 const struct fw_postnat_rows *held, struct fw_postnat_rows *ret_rows);
/* What the chains (chain.h) do with it while their sets hold these. */
enum fw_postnat_verdict fw_postnat_rows_judge(const struct fw_postnat_rows *rows,
					      const struct fw_postnat_connection *connection);

#endif
