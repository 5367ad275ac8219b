/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stages of a compile, in order. In: the compiler's memory and the model. Out: the memory is up
 * to date. Each returns 0 or -ENOMEM; after a failure the memory is thrown away.
 */
#ifndef FW_COMPILE_STAGES_H
#define FW_COMPILE_STAGES_H

#include "compile/state.h"

/* namespaces.c */
int fw_stage_namespaces(struct fw_compiler *compiler, const struct fw_model *model);
struct fw_realm_record *fw_realm_find(const struct fw_compiler *compiler, const char *name);
int fw_realm_take(struct fw_compiler *compiler, const char *name,
		  struct fw_realm_record **ret_realm);
int fw_realms_prepare(struct fw_compiler *compiler); /* for the terms that there are now */
void fw_realm_drop(struct fw_compiler *compiler, struct fw_realm_record *realm);
void fw_namespaces_settle(struct fw_compiler *compiler);
void fw_namespaces_done(struct fw_compiler *compiler);

/* items.c */
int fw_stage_items(struct fw_compiler *compiler, const struct fw_model *model);
void fw_items_settle(struct fw_compiler *compiler);
void fw_items_done(struct fw_compiler *compiler);

/* pods.c */
int fw_stage_pods(struct fw_compiler *compiler, const struct fw_model *model);
void fw_pods_settle(struct fw_compiler *compiler);
void fw_pods_done(struct fw_compiler *compiler);

/* blocks.c: boundaries and their sets; the set and the class of any address */
int fw_stage_blocks(struct fw_compiler *compiler, const struct fw_model *model);
const struct fw_boundary *fw_blocks_find(const struct fw_compiler *compiler,
					 const struct fw_ip *ip);
struct fw_idset *fw_blocks_of(const struct fw_compiler *compiler, const struct fw_ip *ip);
struct fw_idset *fw_boundary_blocks(const struct fw_compiler *compiler, uint32_t at,
				    const struct fw_ip *ip);
void fw_blocks_done(struct fw_compiler *compiler);

/* claims.c: addresses of pods and nodes, and their classes */
int fw_stage_claims(struct fw_compiler *compiler, const struct fw_model *model);
void fw_claims_done(struct fw_compiler *compiler);

/* classes.c */
int fw_classes_init(struct fw_compiler *compiler); /* world and unknown-pod, once */
int fw_class_intern(struct fw_compiler *compiler, struct fw_idset *pods, struct fw_idset *blocks,
		    struct fw_peer_class **ret_class);
int fw_stage_classes(struct fw_compiler *compiler); /* ranks; who is dead */
void fw_classes_settle(struct fw_compiler *compiler);
void fw_classes_done(struct fw_compiler *compiler);

/* services.c */
int fw_stage_services(struct fw_compiler *compiler, const struct fw_model *model);
void fw_services_done(struct fw_compiler *compiler);

/* subjects.c */
int fw_stage_subjects(struct fw_compiler *compiler, const struct fw_model *model);
struct fw_member *fw_member_find(const struct fw_compiler *compiler, const struct fw_pod *pod);
void fw_subject_drop(struct fw_compiler *compiler, struct fw_policy_subject *subject);
void fw_local_drop_subject(struct fw_compiler *compiler, struct fw_local *local);
/* After its subject; NULL is nothing. */
void fw_local_free(struct fw_local *local);
void fw_subjects_done(struct fw_compiler *compiler);

/* sides.c: what a subject's items say in one direction */
int fw_side_init(struct fw_compiler *compiler, const struct fw_policy_subject *subject,
		 uint8_t direction, struct fw_side *side);
void fw_side_done(struct fw_compiler *compiler, struct fw_side *side);

/* cells.c */
int fw_stage_cells(struct fw_compiler *compiler);
void fw_cells_drop(struct fw_compiler *compiler, struct fw_side *side);
void fw_cells_scratch_done(struct fw_compiler *compiler);

/* verdicts.c */
int fw_side_default(struct fw_compiler *compiler, struct fw_side *side);
/* A new reference in *ret_program; NULL where all is as the side's default says. */
int fw_side_program(struct fw_compiler *compiler, struct fw_side *side, const uint64_t *mask,
		    const struct fw_peer_class *class, struct fw_program **ret_program);
bool fw_masks_meet(const uint64_t *a, const uint64_t *b, size_t words);

/* programs.c: interned programs and decisions, counted */
int fw_decision_intern(struct fw_compiler *compiler, const struct fw_side *side,
		       const struct fw_evaluation *evaluation, const bool *alone,
		       struct fw_decision **ret_decision);
void fw_decision_drop(struct fw_compiler *compiler, struct fw_decision *decision);
/* Takes over the spans' references to decisions, also on failure. */
int fw_program_intern(struct fw_compiler *compiler, struct fw_program_span *spans, size_t count,
		      struct fw_program **ret_program);
void fw_program_drop(struct fw_compiler *compiler, struct fw_program *program);
void fw_programs_done(struct fw_compiler *compiler);

/* emit.c, emit_peers.c */
int fw_emit(struct fw_compiler *compiler, const struct fw_model *model, struct fw_tables *tables);
int fw_emit_addresses(struct fw_compiler *compiler, const struct fw_model *model,
		      struct fw_tables *tables);
int fw_emit_prefixes(struct fw_compiler *compiler, struct fw_tables *tables);
int fw_emit_services(struct fw_compiler *compiler, struct fw_tables *tables);
/* NULL: none of its own. */
const struct fw_address_row *fw_emitted_address(const struct fw_tables *tables,
						const struct fw_ip *ip);
uint32_t fw_backend_class(const struct fw_compiler *compiler, const struct fw_tables *tables,
			  struct fw_backend *backend);

/* emit_choices.c: after the subjects; marks service rows */
int fw_emit_choices(struct fw_compiler *compiler, const struct fw_model *model,
		    struct fw_tables *tables);

/* judge.c: the decision of a program for a FW_RANGE_KEY; `otherwise` where it holds none */
uint32_t fw_tables_search(const struct fw_tables *tables, uint32_t program, uint32_t key,
			  uint32_t otherwise);
/* What a subject says of a class. */
uint32_t fw_tables_decide(const struct fw_tables *tables, uint32_t subject, uint8_t direction,
			  uint32_t class, uint32_t key);

#endif
