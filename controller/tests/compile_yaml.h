/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model filled from YAML text and compiled, for the tests of the compiler. In: YAML. Out: tables.
 * A decoding error fails the test that includes this.
 */
#ifndef FW_TESTS_COMPILE_YAML_H
#define FW_TESTS_COMPILE_YAML_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/decode.h"
#include "compile/compile.h"

struct world {
	struct fw_model *model;
	struct fw_compiler *compiler;
	struct fw_tables *tables;
};

static inline void take_object(struct fw_object *object, void *context)
{
	struct world *world = context;
	bool changed;

	assert_int_equal(fw_model_put(world->model, object, &changed), 0);
}

static inline void take_error(unsigned int document, unsigned int line, enum fw_kind kind,
			      const char *namespace, const char *name, const char *text,
			      void *context)
{
	(void)kind;
	(void)context;
	fail_msg("document %u, line %u: %s/%s: %s", document, line, namespace, name, text);
}

static inline void begin(struct world *world)
{
	*world = (struct world){0};
	assert_int_equal(fw_model_new(&world->model), 0);
	assert_int_equal(fw_compiler_new(&world->compiler), 0);
	fw_compiler_label_classes(world->compiler);
}

static inline void add(struct world *world, const char *yaml)
{
	struct fw_decode_handler handler = {
		.object = take_object, .error = take_error, .context = world};

	assert_int_equal(fw_decode_text("test", yaml, strlen(yaml), &handler), 0);
}

static inline void compile(struct world *world)
{
	fw_tables_free(&world->tables);
	assert_int_equal(fw_compile(world->compiler, world->model, &world->tables, NULL), 0);
}

static inline void end(struct world *world)
{
	fw_tables_free(&world->tables);
	fw_compiler_free(&world->compiler);
	fw_model_free(&world->model);
}

#endif
