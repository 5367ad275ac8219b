/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables to maps: add, flip, remove. In: compiled tables. Out: the maps say the same, and at no
 * moment was a packet judged by a mixture. Capacity is checked before the first write; a pod that
 * does not fit is locked down alone.
 */
#ifndef FW_APPLY_APPLY_H
#define FW_APPLY_APPLY_H

#include "compile/tables.h"
#include "loader/loader.h"
#include "model/model.h"

/* What a decision id means, as records and fwctl name it. Kept for as long as a flow may carry the
 * id. */
struct fw_decision_name {
	enum fw_verdict verdict;
	enum fw_verdict pending;
	/* "netpol shop/api[2]" (records say "ingress[2]": flow/who.h), "isolated(2) netpol
	 * shop/deny", "no rule matched" */
	char rule[160];
	char pending_rule[160];
};

#define FW_RULE_TEXT 160
/* The same words for a compiled decision: "netpol shop/api[2]". */
void fw_apply_rule_text(const struct fw_decision_row *row, char ret_text[FW_RULE_TEXT]);

struct fw_apply;

/*
 * state_dir: where the names of decisions are kept over restarts (decisions.log), so that a flow
 * which predates the controller still names its rule. Reads back what the maps hold: the first
 * apply after a restart writes only differences and keeps every flow.
 */
int fw_apply_new(struct fw_datapath *datapath, const char *state_dir, struct fw_apply **ret_apply,
		 struct fw_err *err);
void fw_apply_free(struct fw_apply **apply);

/* Which endpoint row has which pod: every sandbox of this node. */
struct fw_apply_endpoint {
	uint32_t slot;
	uint64_t owner; /* fw_endpoint_owner(); a row that is not this owner's any more is left
			   alone */
	const char *namespace; /* of the pod; NULL while the pod is not known: stays isolated */
	const char *name;
};

struct fw_apply_stats {
	uint64_t rows_added, rows_removed, endpoints_flipped;
	uint64_t write_ns; /* from the first write to the flip of the last endpoint */
	uint32_t locked;   /* endpoints locked down because something did not fit */
	uint32_t skipped;  /* rows of addresses, prefixes and services that did not fit: apply again
			      after finish */
};

/*
 * Makes the maps say what `tables` say (borrowed for the call). -ENOSPC is never returned for a
 * pod: it is locked down and listed by fw_apply_locked(). An error means that the old state is
 * still whole.
 */
int fw_apply_tables(struct fw_apply *apply, const struct fw_tables *tables,
		    const struct fw_apply_endpoint *endpoints, size_t endpoint_count,
		    struct fw_apply_stats *ret_stats, struct fw_err *err);
/* The deferred half: grace period, second bump, removal. Call from a timer after fw_apply_tables()
 * (rule 14). */
int fw_apply_finish(struct fw_apply *apply, struct fw_err *err);
/* The same for a caller that has waited for a grace period which began after the last
 * fw_apply_tables(). */
int fw_apply_finish_graced(struct fw_apply *apply, struct fw_err *err);

/*
 * Names and logged ids that nothing carries any more go, when there are very many; about once a
 * second, with every event taken that tells of a decision.
 */
int fw_apply_tidy(struct fw_apply *apply, struct fw_err *err);

/* Resolves the id of a decision, built-in ones included. NULL for an id never given. */
const struct fw_decision_name *fw_apply_decision(const struct fw_apply *apply, uint32_t decision);
/* "shop/web:http" for fw_service.id; NULL for an id never given. */
const char *fw_apply_service(const struct fw_apply *apply, uint32_t service);
/* Rows in use, for maps and status. */
uint32_t fw_apply_fill(const struct fw_apply *apply, enum fw_map map);
/* Why an endpoint is locked: "cells: 300000 needed, 262144 fit"; NULL when it is not. */
const char *fw_apply_locked(const struct fw_apply *apply, uint32_t slot);
/* The label of the subject that an endpoint row has now; "" when it has none or it is not known. */
const char *fw_apply_subject(const struct fw_apply *apply, uint32_t slot);
/* What did not fit or could not be kept, for status: "addresses: 70000 needed, 65536 fit"; "" when
 * all is well. */
const char *fw_apply_problem(const struct fw_apply *apply);
/* Something waits for fw_apply_finish(). */
bool fw_apply_pending(const struct fw_apply *apply);
/*
 * Before fw_apply_tables(): whether the chain after DNAT has all choices of these tables (at first
 * it has not). Without it, services whose backends are judged differently are denied.
 */
void fw_apply_set_exact(struct fw_apply *apply, bool exact);
/* The node's word that the chain stands; bumps every endpoint when it changes. */
void fw_apply_set_postnat(struct fw_apply *apply, bool stands);
/* Enforce or Audit for the node: stores the switch, bumps every endpoint. */
int fw_apply_set_enforcement(struct fw_apply *apply, enum fw_enforcement enforcement,
			     struct fw_err *err);

#endif
