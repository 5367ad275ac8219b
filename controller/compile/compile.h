/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model in, tables out. Pure: the result depends on the model alone, never on what was compiled
 * before; a compiler may remember work between calls (which pod matches which selector), but never
 * meaning.
 */
#ifndef FW_COMPILE_COMPILE_H
#define FW_COMPILE_COMPILE_H

#include "base/buf.h"
#include "compile/tables.h"
#include "model/model.h"

struct fw_compiler;

int fw_compiler_new(struct fw_compiler **ret_compiler);
void fw_compiler_free(struct fw_compiler **compiler);
/* Before the first compile: classes are to have their labels, which only fw_tables_print() needs.
 */
void fw_compiler_label_classes(struct fw_compiler *compiler);

/*
 * Subjects are computed for the pods that run on the model's node, or for every pod when the node
 * name is "". The tables belong to the caller and stay valid after the model changes. -ENOMEM; on
 * failure nothing is returned.
 */
int fw_compile(struct fw_compiler *compiler, const struct fw_model *model,
	       struct fw_tables **ret_tables, struct fw_err *err);
void fw_tables_free(struct fw_tables **tables);

/* Canonical text of the tables, by labels instead of indexes: equal meaning gives equal text. For
 * golden tests, with a compiler that labels classes. */
int fw_tables_print(const struct fw_tables *tables, struct fw_buf *buf);

/* One packet, as seen at one pod's interface. */
struct fw_question {
	uint32_t subject;  /* index of subject */
	uint8_t direction; /* enum fw_direction */
	struct fw_ip
		remote; /* service addresses are resolved as the datapath does, for FW_EGRESS */
	uint8_t protocol;
	uint16_t port; /* destination port; ICMP: type << 8 | code; else 0 */
	bool live;     /* of a connection that is there already (edge case 34) */
	bool chosen;   /* remote is the backend that a service was translated to: no service */
};

struct fw_answer {
	enum fw_verdict verdict;
	uint32_t decision; /* index of decision, UINT32_MAX when the reason below decided */
	uint32_t service;  /* index of service, UINT32_MAX for none */
	uint32_t builtin;  /* enum fw_decision_builtin of abi.h, 0 when `decision` decided */
};

/* Walks the tables exactly as the BPF programs do. Used by fwctl test, why, and the comparison with
 * the oracle. */
void fw_tables_judge(const struct fw_tables *tables, const struct fw_question *question,
		     struct fw_answer *ret_answer);
/* The order of fw_tables.backends, by what is asked. */
int fw_backend_row_compare(const struct fw_backend_row *a, const struct fw_backend_row *b);
/* UINT32_MAX when the pod is not in the tables. */
uint32_t fw_tables_subject_of(const struct fw_tables *tables, const char *namespace,
			      const char *name);

#endif
