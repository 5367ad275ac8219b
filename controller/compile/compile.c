/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiler: runs the stages, keeps what they remember. In: a model. Out: tables. A compile that
 * fails leaves no memory behind: the next one begins anew.
 */
#include "compile/compile.h"

#include <string.h>

#include "compile/stages.h"

#define PORTNAMES_MAX 65536 /* names are kept for good: beyond that the memory is thrown away */

static void forget(struct fw_compiler *compiler)
{
	fw_subjects_done(compiler);
	fw_pods_done(compiler);
	fw_services_done(compiler);
	fw_claims_done(compiler);
	fw_blocks_done(compiler);
	fw_classes_done(compiler);
	fw_programs_done(compiler);
	fw_items_done(compiler);
	fw_namespaces_done(compiler);
	fw_terms_done(&compiler->terms);
	fw_sets_done(&compiler->sets);
	free(compiler->node);
	fw_cells_scratch_done(compiler);
	free(compiler->edges.items);
	free(compiler->scratch_parts.items);
	free(compiler->scratch_spans.items);
	free(compiler->scratch_alone.items);
	*compiler = (struct fw_compiler){.now = compiler->now, .labels = compiler->labels};
}

int fw_compiler_new(struct fw_compiler **ret_compiler)
{
	struct fw_compiler *compiler = calloc(1, sizeof(*compiler));

	if (!compiler)
		return -ENOMEM;
	*ret_compiler = compiler;
	return 0;
}

void fw_compiler_free(struct fw_compiler **compiler)
{
	if (!*compiler)
		return;
	forget(*compiler);
	free(*compiler);
	*compiler = NULL;
}

void fw_compiler_label_classes(struct fw_compiler *compiler)
{
	compiler->labels = true;
}

static int set_node(struct fw_compiler *compiler, const char *name)
{
	char *copy;

	if (!name)
		name = "";
	compiler->node_changed = !compiler->node || strcmp(compiler->node, name);
	if (!compiler->node_changed)
		return 0;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	free(compiler->node);
	compiler->node = copy;
	return 0;
}

static int run_stages(struct fw_compiler *compiler, const struct fw_model *model)
{
	int r = set_node(compiler, fw_model_node_name(model));

	if (!r)
		r = fw_classes_init(compiler);
	if (!r)
		r = fw_stage_namespaces(compiler, model);
	if (!r)
		r = fw_stage_items(compiler, model);
	if (!r)
		r = fw_stage_pods(compiler, model);
	if (!r)
		r = fw_stage_blocks(compiler, model);
	if (!r)
		r = fw_stage_claims(compiler, model);
	if (!r)
		r = fw_stage_services(compiler, model);
	if (!r)
		r = fw_stage_classes(compiler);
	if (!r)
		r = fw_stage_subjects(compiler, model);
	return r ? r : fw_stage_cells(compiler);
}

/* What this compile no longer needs goes, users before what they use. */
static void settle(struct fw_compiler *compiler)
{
	fw_pods_settle(compiler);
	fw_classes_settle(compiler);
	fw_items_settle(compiler);
	fw_namespaces_settle(compiler);
	fw_terms_settle(&compiler->terms);
}

int fw_compile(struct fw_compiler *compiler, const struct fw_model *model,
	       struct fw_tables **ret_tables, struct fw_err *err)
{
	struct fw_tables *tables = calloc(1, sizeof(*tables));
	int r = tables ? fw_arena_new(&tables->arena) : -ENOMEM;

	if (compiler->spoilt || compiler->terms.portnames.count > PORTNAMES_MAX)
		forget(compiler);
	compiler->now++;
	compiler->spoilt = true;
	if (!r)
		r = run_stages(compiler, model);
	if (!r)
		r = fw_emit(compiler, model, tables);
	if (r) {
		fw_tables_free(&tables);
		return fw_err_set(err, r, "compile: out of memory");
	}
	settle(compiler);
	compiler->spoilt = false;
	*ret_tables = tables;
	return 0;
}
