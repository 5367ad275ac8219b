/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names behind numbers: of decisions and of services. In: decision rows, service rows. Out: ids
 * that are never reused while these maps live, and what they mean, also after a restart
 * (decisions.log, services.log).
 */
#ifndef FW_APPLY_NAMES_H
#define FW_APPLY_NAMES_H

#include <uthash.h>

#include "apply/apply.h"
#include "apply/log.h"

#define FW_SERVICE_NAME 400u

struct fw_decision_entry {
	struct fw_digest digest;
	uint32_t id;
	uint32_t word; /* id with FW_DECISION_ALLOW, _REJECT, _FIRM */
	struct fw_decision_name name;
	bool keep; /* in use when the names were last compacted */
	UT_hash_handle hh;
};

struct fw_service_name {
	uint32_t id;
	bool keep;	   /* as of decisions */
	UT_hash_handle hh; /* by text */
	char text[];	   /* "shop/web:http", shorter than FW_SERVICE_NAME */
};

struct fw_names {
	struct fw_log *decision_log, *service_log;
	struct fw_decision_entry *decisions; /* by digest */
	struct fw_decision_entry **by_id;    /* index id - FW_DECISION_FIRST */
	uint32_t next, by_id_size;
	struct fw_service_name *services;	/* by text */
	struct fw_service_name **service_by_id; /* index id - 1 */
	uint32_t next_service, service_by_id_size;
	uint32_t many; /* of either, beyond which they are compacted */
};

int fw_names_open(struct fw_names *names, const char *state_dir, uint64_t identity,
		  struct fw_err *err);
void fw_names_done(struct fw_names *names);
/* Ids up to and with this one are in use by somebody: they are not given. */
void fw_names_skip_decision(struct fw_names *names, uint32_t id);
void fw_names_skip_service(struct fw_names *names, uint32_t id);
/*
 * A name is kept while a row or a flow may carry its id. Nobody knows that but who reads all of
 * them, so names are only taken away when there are very many, and twice as many as were in use the
 * last time: keep those in use, then compact. Ids are not given again.
 */
bool fw_names_overgrown(const struct fw_names *names);
void fw_names_keep_decision(struct fw_names *names, uint32_t id);
void fw_names_keep_service(struct fw_names *names, uint32_t id);
int fw_names_compact(struct fw_names *names, struct fw_err *err);
/* The entry of a decision, made and logged when it is new. */
int fw_names_decision(struct fw_names *names, const struct fw_decision_row *row,
		      const struct fw_decision_entry **ret_entry);
int fw_names_service(struct fw_names *names, const struct fw_service_row *row, uint32_t *ret_id);
int fw_names_flush(struct fw_names *names, struct fw_err *err);
const struct fw_decision_name *fw_names_find_decision(const struct fw_names *names, uint32_t id);
const char *fw_names_find_service(const struct fw_names *names, uint32_t id);

#endif
