/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every allocation of the decoder and the model is made to fail once. In: one file with every kind.
 * Out: TAP. Each failure must come back as -ENOMEM, lose nothing and crash nowhere. The allocator
 * of this program is its own, so the test is skipped where a sanitizer brings another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "api/decode.h"

#if defined(__SANITIZE_ADDRESS__)
#define OWN_ALLOCATOR 0
#else
#define OWN_ALLOCATOR 1
#endif

static const char text[] =
	"apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {x: y1}}\n---\n"
	"apiVersion: v1\nkind: Pod\nmetadata: {name: w, labels: &l {a: b}, ownerReferences: "
	"[{kind: "
	"ReplicaSet, name: w-1, controller: true}], annotations: {kubernetes.io/config.hash: h}}\n"
	"spec: {nodeName: n1, containers: [{ports: [{containerPort: 80, name: web}]}]}\n"
	"status: {podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]}\nx: *l\n---\n"
	"apiVersion: v1\nkind: Service\nmetadata: {name: s}\n"
	"spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}\n---\n"
	"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: e}\n"
	"addressType: IPv4\nports: [{port: 80}]\nendpoints: [{addresses: [10.0.0.1]}]\n---\n"
	"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, annotations: "
	"{podwall.io/replaces: q}}\nspec: {foo: 1, podSelector: {matchLabels: {a: b}}, ingress: "
	"[{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}, {podSelector: "
	"{matchExpressions: [{key: a, operator: In, values: [b, c]}]}}], ports: [{port: web}]}]}\n"
	"---\napiVersion: v1\nkind: Node\nmetadata: {name: n1}\nspec: {podCIDR: 10.0.0.0/24}\n"
	"status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}\n";

static long fail_in = -1; /* so many allocations still succeed; negative: all do */
static long live;

#if OWN_ALLOCATOR
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *pointer, size_t size);
void __libc_free(void *pointer);

static bool must_fail(void)
{
	return fail_in >= 0 && fail_in-- == 0;
}

void *malloc(size_t size)
{
	void *pointer = must_fail() ? NULL : __libc_malloc(size);

	if (!pointer)
		errno = ENOMEM;
	live += pointer != NULL;
	return pointer;
}

void *calloc(size_t count, size_t size)
{
	void *pointer = must_fail() ? NULL : __libc_calloc(count, size);

	if (!pointer)
		errno = ENOMEM;
	live += pointer != NULL;
	return pointer;
}

void *realloc(void *old, size_t size)
{
	void *pointer = must_fail() ? NULL : __libc_realloc(old, size);

	if (!pointer)
		errno = ENOMEM;
	live += pointer && !old;
	return pointer;
}

void free(void *pointer)
{
	live -= pointer != NULL;
	__libc_free(pointer);
}
#endif

struct run {
	struct fw_model *model;
	size_t objects, errors;
	int failed;
};

static void take_object(struct fw_object *object, void *context)
{
	struct run *run = context;
	bool changed;
	int r = fw_model_put(run->model, object, &changed);

	run->objects++;
	if (r)
		run->failed = r;
}

static void take_error(unsigned int document, unsigned int line, enum fw_kind kind,
		       const char *namespace, const char *name, const char *said, void *context)
{
	(void)document;
	(void)line;
	(void)kind;
	(void)namespace;
	(void)name;
	(void)said;
	((struct run *)context)->errors++;
}

static int decode_and_put(struct run *run)
{
	const struct fw_decode_handler handler = {
		.object = take_object, .error = take_error, .context = run};
	int r = fw_model_new(&run->model);

	if (!r)
		r = fw_decode_text("f.yaml", text, strlen(text), &handler);
	if (!r)
		r = run->failed;
	fw_model_free(&run->model);
	return r;
}

static void each_allocation_that_fails_is_reported(void **state)
{
	struct run run = {0};
	long before, failed = 0;

	(void)state;
	if (!OWN_ALLOCATOR) {
		print_message("# the sanitizer brings its own allocator\n");
		skip();
	}
	assert_int_equal(decode_and_put(&run), 0); /* what the C library keeps is made here */
	assert_int_equal(run.objects, 6);
	assert_int_equal(run.errors, 0);
	before = live;
	for (long n = 0;; n++) {
		int r;

		run = (struct run){0};
		fail_in = n;
		r = decode_and_put(&run);
		if (fail_in >= 0) { /* no allocation was left to fail */
			fail_in = -1;
			assert_int_equal(r, 0);
			break;
		}
		fail_in = -1;
		failed++;
		if (r != -ENOMEM || run.errors || live != before)
			print_error("# allocation %ld: %d, %zu errors, %ld lost\n", n, r,
				    run.errors, live - before);
		assert_int_equal(r, -ENOMEM);
		assert_int_equal(run.errors, 0);
		assert_int_equal(live, before);
	}
	print_message("# %ld allocations failed in turn\n", failed);
	assert_true(failed > 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_allocation_that_fails_is_reported),
	};

	return cmocka_run_group_tests_name("no_memory", tests, NULL, NULL);
}
