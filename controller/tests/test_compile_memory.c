/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every allocation of a compile is made to fail once. Expected: -ENOMEM and no tables, or tables;
 * nothing leaks; and the same compiler then says what a fresh one says. Interposes malloc(3), so
 * not with sanitizers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <malloc.h>

#include "compile/compile.h"
#include "compile_world.h"

#ifdef __SANITIZE_ADDRESS__
int main(void)
{
	printf("1..1\nok 1 - compile survives every failing allocation # SKIP the sanitizer owns "
	       "malloc\n");
	return 0;
}
#else

static long countdown; /* the allocation that fails; 0: none */
static long live;      /* allocations not yet freed */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void __libc_free(void *memory);

static bool fails(void)
{
	return countdown && !--countdown;
}

void *malloc(size_t size)
{
	void *memory = fails() ? NULL : __libc_malloc(size);

	live += !!memory;
	return memory;
}

void *calloc(size_t count, size_t size)
{
	void *memory = fails() ? NULL : __libc_calloc(count, size);

	live += !!memory;
	return memory;
}

void *realloc(void *old, size_t size)
{
	void *memory = fails() ? NULL : __libc_realloc(old, size);

	live += !old && memory;
	return memory;
}

void free(void *memory)
{
	live -= !!memory;
	__libc_free(memory);
}

static const struct world_size size = {
	.namespaces = 2,
	.pods = 8,
	.policies = 16,
	.services = 3,
	.nodes = 2,
	.apps = 3,
	.teams = 2,
};

static char *print(const struct fw_tables *tables)
{
	struct fw_buf buf;

	fw_buf_init(&buf, 1u << 24);
	assert_int_equal(fw_tables_print(tables, &buf), 0);
	return fw_buf_take(&buf);
}

static char *print_fresh(const struct fw_model *model)
{
	struct fw_compiler *compiler;
	struct fw_tables *tables;
	char *text;

	assert_int_equal(fw_compiler_new(&compiler), 0);
	fw_compiler_label_classes(compiler);
	assert_int_equal(fw_compile(compiler, model, &tables, NULL), 0);
	text = print(tables);
	fw_tables_free(&tables);
	fw_compiler_free(&compiler);
	return text;
}

/* True when the compile did not get as far as the failing allocation. */
static bool fail_once(struct fw_compiler *compiler, const struct fw_model *model, long at)
{
	struct fw_tables *tables = NULL;
	struct fw_err err = {0};
	bool reached;
	int r;

	countdown = at;
	r = fw_compile(compiler, model, &tables, &err);
	reached = !countdown;
	countdown = 0;
	if (r) {
		assert_int_equal(r, -ENOMEM);
		assert_null(tables);
		assert_true(*err.text);
	}
	fw_tables_free(&tables);
	return !reached;
}

static void check_after(struct fw_compiler *compiler, const struct fw_model *model,
			const char *expected)
{
	struct fw_tables *tables;
	char *text;

	assert_int_equal(fw_compile(compiler, model, &tables, NULL), 0);
	text = print(tables);
	assert_string_equal(text, expected);
	fw_tables_free(&tables);
	free(text);
}

static void change(struct fw_model *model, uint64_t *seed)
{
	for (int i = 0; i < 3; i++) {
		world_put(model, world_pod(&size, world_pick(seed, size.pods),
					   world_pick(seed, size.apps), 1));
		world_put(model, world_policy(&size, world_pick(seed, size.policies), seed));
		world_put(model, world_slice(&size, world_pick(seed, size.services), 0,
					     world_pick(seed, 4)));
	}
}

static void test_first_compile(void **state)
{
	struct fw_model *model;
	uint64_t seed = 3;
	char *expected;
	long at = 1;

	(void)state;
	assert_int_equal(fw_model_new(&model), 0);
	world_fill(model, &size, &seed);
	expected = print_fresh(model);
	for (bool past = false; !past; at++) {
		struct fw_compiler *compiler;
		long before = live;

		assert_int_equal(fw_compiler_new(&compiler), 0);
		fw_compiler_label_classes(compiler);
		past = fail_once(compiler, model, at);
		check_after(compiler, model, expected);
		fw_compiler_free(&compiler);
		assert_int_equal(live, before);
	}
	assert_true(at > 500); /* it did fail in many places */
	free(expected);
	fw_model_free(&model);
}

static void test_later_compile(void **state)
{
	struct fw_compiler *compiler;
	struct fw_tables *tables;
	struct fw_model *model;
	uint64_t seed = 4;
	long before;

	(void)state;
	assert_int_equal(fw_model_new(&model), 0);
	world_fill(model, &size, &seed);
	before = live;
	for (long at = 1; at < 400; at++) {
		char *expected;
		long begun;

		assert_int_equal(fw_compiler_new(&compiler), 0);
		fw_compiler_label_classes(compiler);
		assert_int_equal(fw_compile(compiler, model, &tables, NULL), 0);
		fw_tables_free(&tables);
		begun = live;
		change(model, &seed);
		before += live - begun; /* what the model holds more now */
		expected = print_fresh(model);
		(void)fail_once(compiler, model, at);
		check_after(compiler, model, expected);
		free(expected);
		fw_compiler_free(&compiler);
		assert_int_equal(live, before);
	}
	fw_model_free(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_compile),
		cmocka_unit_test(test_later_compile),
	};

	return cmocka_run_group_tests_name("compile: every failing allocation", tests, NULL, NULL);
}
#endif
