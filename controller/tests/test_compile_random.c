/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A compiler that remembers says what a fresh one says, after any sequence of changes. In: random
 * worlds, dense in conflicts, and random changes of every kind of object, one by one and many at
 * once. Compared: the canonical text, and the tables themselves row by row (the order of rows
 * depends on the model alone).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compile/compile.h"
#include "compile_world.h"

static const struct world_size size = {
	.namespaces = 6,
	.pods = 60,
	.policies = 40,
	.services = 12,
	.nodes = 3,
	.apps = 4,
	.teams = 3,
};

#define PRINT_MAX (64u << 20)

static char *print(const struct fw_tables *tables)
{
	struct fw_buf buf;
	char *text;

	fw_buf_init(&buf, PRINT_MAX);
	assert_int_equal(fw_tables_print(tables, &buf), 0);
	text = fw_buf_take(&buf);
	assert_non_null(text);
	return text;
}

/* Indexes too: nothing of what a compiler remembers shows. */
static void compare_rows(const struct fw_tables *a, const struct fw_tables *b)
{
	assert_int_equal(a->classes_count, b->classes_count);
	for (size_t i = 0; i < a->classes_count; i++)
		assert_memory_equal(&a->classes[i].digest, &b->classes[i].digest,
				    sizeof(struct fw_digest));
	assert_int_equal(a->subjects_count, b->subjects_count);
	for (size_t i = 0; i < a->subjects_count; i++)
		assert_memory_equal(&a->subjects[i].digest, &b->subjects[i].digest,
				    sizeof(struct fw_digest));
	assert_int_equal(a->decisions_count, b->decisions_count);
	for (size_t i = 0; i < a->decisions_count; i++)
		assert_memory_equal(&a->decisions[i].digest, &b->decisions[i].digest,
				    sizeof(struct fw_digest));
	assert_int_equal(a->ranges_count, b->ranges_count);
	for (size_t i = 0; i < a->ranges_count; i++)
		assert_memory_equal(&a->ranges[i], &b->ranges[i], sizeof(*a->ranges));
	assert_int_equal(a->cells_count, b->cells_count);
	for (size_t i = 0; i < a->cells_count; i++) {
		assert_int_equal(a->cells[i].subject, b->cells[i].subject);
		assert_int_equal(a->cells[i].direction, b->cells[i].direction);
		assert_int_equal(a->cells[i].peer_class, b->cells[i].peer_class);
		assert_int_equal(a->cells[i].program, b->cells[i].program);
	}
	assert_int_equal(a->addresses_count, b->addresses_count);
	for (size_t i = 0; i < a->addresses_count; i++)
		assert_memory_equal(&a->addresses[i], &b->addresses[i], sizeof(*a->addresses));
}

/* What header comments promise: sorted, disjoint, merged, in bounds. */
static void check_shape(const struct fw_tables *t)
{
	for (size_t p = 0; p < t->programs_count; p++) {
		const struct fw_range_row *rows = t->ranges + t->programs[p].first;

		assert_true(t->programs[p].count > 0);
		for (uint32_t i = 0; i < t->programs[p].count; i++) {
			assert_true(rows[i].lo <= rows[i].hi);
			assert_true(rows[i].decision < t->decisions_count);
			if (!i)
				continue;
			assert_true(rows[i - 1].hi < rows[i].lo);
			if (rows[i - 1].hi + 1 == rows[i].lo)
				assert_int_not_equal(rows[i - 1].decision, rows[i].decision);
		}
	}
	for (size_t i = 1; i < t->cells_count; i++) {
		const struct fw_cell_row *a = &t->cells[i - 1], *b = &t->cells[i];

		assert_true(a->subject < b->subject ||
			    (a->subject == b->subject &&
			     (a->direction < b->direction ||
			      (a->direction == b->direction && a->peer_class < b->peer_class))));
	}
	for (size_t i = 1; i < t->addresses_count; i++)
		assert_true(fw_ip_compare(&t->addresses[i - 1].ip, &t->addresses[i].ip) < 0);
	for (size_t i = 1; i < t->prefixes_count; i++)
		assert_true(fw_prefix_compare(&t->prefixes[i - 1].prefix, &t->prefixes[i].prefix) <
			    0);
}

static struct fw_tables *compile(struct fw_compiler *compiler, const struct fw_model *model)
{
	struct fw_tables *tables;

	assert_int_equal(fw_compile(compiler, model, &tables, NULL), 0);
	check_shape(tables);
	return tables;
}

/* Shows the first line that differs: the whole is too long to read. */
static void compare_texts(const char *remembered, const char *fresh)
{
	size_t line = 0, at = 0;

	if (!strcmp(remembered, fresh))
		return;
	for (; remembered[at] && remembered[at] == fresh[at]; at++) {
		if (remembered[at] == '\n')
			line = at + 1;
	}
	fail_msg("remembered: %.*s\nfresh: %.*s", (int)strcspn(remembered + line, "\n"),
		 remembered + line, (int)strcspn(fresh + line, "\n"), fresh + line);
}

static void compare_with_fresh(struct fw_compiler *compiler, const struct fw_model *model)
{
	struct fw_tables *remembered = compile(compiler, model), *anew;
	struct fw_compiler *fresh;
	char *a, *b;

	assert_int_equal(fw_compiler_new(&fresh), 0);
	fw_compiler_label_classes(fresh);
	anew = compile(fresh, model);
	a = print(remembered);
	b = print(anew);
	compare_texts(a, b);
	compare_rows(remembered, anew);
	fw_compiler_free(&fresh);
	free(a);
	free(b);
	fw_tables_free(&anew);
	fw_tables_free(&remembered);
}

static struct fw_object *random_pod(uint64_t *seed)
{
	unsigned int index = world_pick(seed, size.pods);
	struct fw_object *object = world_pod(&size, index, world_pick(seed, size.apps), 1);
	struct fw_pod *pod = (struct fw_pod *)object;

	pod->host_network = !world_pick(seed, 12);
	pod->finished = !world_pick(seed, 12);
	if (!world_pick(seed, 6))
		pod->ip_count = 0;
	if (!world_pick(seed, 8)) /* an address that another pod may hold */
		pod->ips[0] = world_ip4(0x0a000100u + world_pick(seed, size.pods));
	if (!world_pick(seed, 4))
		pod->ports[0].port = (uint16_t)(80 + world_pick(seed, 3));
	return object;
}

static struct fw_object *random_policy(uint64_t *seed)
{
	struct fw_object *object = world_policy(&size, world_pick(seed, size.policies), seed);
	struct fw_network_policy *policy = (struct fw_network_policy *)object;

	policy->audit = !world_pick(seed, 4);
	if (!world_pick(seed, 5))
		policy->replaces = world_format("policy-%u", world_pick(seed, 7));
	if (!world_pick(seed, 15))
		policy->broken = world_text("spec.ingress[0].foo: unknown field");
	return object;
}

static struct fw_object *random_slice(uint64_t *seed)
{
	struct fw_object *object = world_slice(&size, world_pick(seed, size.services),
					       world_pick(seed, 10), world_pick(seed, 12));
	struct fw_endpoint_slice *slice = (struct fw_endpoint_slice *)object;

	for (size_t i = 0; i < slice->endpoint_count; i++) {
		slice->endpoints[i].ready = world_pick(seed, 3);
		slice->endpoints[i].terminating = !world_pick(seed, 2);
	}
	return object;
}

static struct fw_object *random_node(uint64_t *seed)
{
	struct fw_node_object *node = world_alloc(1, sizeof(*node));
	unsigned int n = world_pick(seed, size.nodes);

	world_head(&node->object, FW_KIND_NODE, world_text(""), world_format("node-%u", n));
	node->ip_count = 1;
	node->ips = world_alloc(1, sizeof(*node->ips));
	node->ips[0] = world_ip4(0xc0a80000u + world_pick(seed, 64) * 256 + world_pick(seed, 32));
	node->pod_range_count = world_pick(seed, 2);
	node->pod_ranges = world_alloc(1, sizeof(*node->pod_ranges));
	node->pod_ranges[0] =
		(struct fw_prefix){.ip = world_ip4(0x0a000000u + (n << 12)), .bits = 96 + 20};
	return &node->object;
}

static struct fw_object *random_namespace(uint64_t *seed)
{
	return world_namespace(world_pick(seed, size.namespaces), world_pick(seed, size.teams));
}

static struct fw_object *random_service(uint64_t *seed)
{
	struct fw_object *object = world_service(&size, world_pick(seed, size.services));
	struct fw_service_object *service = (struct fw_service_object *)object;

	if (!world_pick(seed, 5)) /* shared with another service, or with a pod */
		service->ips[0] = world_pick(seed, 2)
					  ? world_ip4(0x0a600001u)
					  : world_ip4(0x0a000100u + world_pick(seed, size.pods));
	return object;
}

static struct fw_object *random_object(uint64_t *seed)
{
	switch (world_pick(seed, 10)) {
	case 0:
	case 1:
	case 2:
		return random_pod(seed);
	case 3:
	case 4:
	case 5:
		return random_policy(seed);
	case 6:
		return random_slice(seed);
	case 7:
		return random_node(seed);
	case 8:
		return random_namespace(seed);
	default:
		return random_service(seed);
	}
}

static void random_sandbox(struct fw_model *model, uint64_t *seed)
{
	static uint64_t sequence;
	unsigned int index = world_pick(seed, size.pods);
	char container[32];
	struct fw_sandbox *box;

	(void)snprintf(container, sizeof(container), "container-%u", world_pick(seed, 20));
	if (world_pick(seed, 3)) {
		box = world_alloc(1, sizeof(*box));
		box->container_id = world_text(container);
		box->ifname = world_text("eth0");
		box->namespace = world_format("ns-%u", index % size.namespaces);
		box->name = world_format("pod-%05u", index);
		box->uid = world_text("");
		box->ip_count = 1;
		box->ips = world_alloc(1, sizeof(*box->ips));
		box->ips[0] = world_ip4(0x0a000100u +
					(world_pick(seed, 2) ? index : world_pick(seed, 80)));
		box->sequence = ++sequence;
		assert_int_equal(fw_model_put_sandbox(model, box), 0);
	} else {
		(void)fw_model_remove_sandbox(model, container, "eth0");
	}
}

/* Leaves the model in another legal state. */
static void change(struct fw_model *model, uint64_t *seed)
{
	struct fw_object *object;

	if (!world_pick(seed, 10)) {
		random_sandbox(model, seed);
		return;
	}
	object = random_object(seed);
	if (world_pick(seed, 4)) {
		world_put(model, object);
		return;
	}
	(void)fw_model_remove(model, object->kind, object->namespace, object->name);
	fw_object_free(&object);
}

static void run(const char *node, uint64_t seed, unsigned int steps, unsigned int at_once)
{
	struct fw_prefix range = {.ip = world_ip4(0x0a000100u), .bits = 96 + 27};
	struct fw_compiler *compiler;
	struct fw_model *model;

	assert_int_equal(fw_model_new(&model), 0);
	assert_int_equal(fw_compiler_new(&compiler), 0);
	fw_compiler_label_classes(compiler);
	assert_int_equal(fw_model_set_node_name(model, node), 0);
	assert_int_equal(fw_model_set_pod_ranges(model, &range, 1), 0);
	world_fill(model, &size, &seed);
	for (unsigned int i = 0; i < steps; i++) {
		compare_with_fresh(compiler, model);
		for (unsigned int k = 0; k < at_once; k++)
			change(model, &seed);
		if (!world_pick(&seed, 60)) {
			range.bits = (uint8_t)(96 + 20 + world_pick(&seed, 9));
			range.ip = world_ip4(0x0a000100u & ~((1u << (128 - range.bits)) - 1));
			assert_int_equal(fw_model_set_pod_ranges(model, &range, 1), 0);
		}
	}
	compare_with_fresh(compiler, model);
	fw_compiler_free(&compiler);
	fw_model_free(&model);
}

static void test_single_changes(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++)
		run("", seed, 120, 1);
}

static void test_single_changes_on_one_node(void **state)
{
	(void)state;
	for (uint64_t seed = 11; seed <= 18; seed++)
		run("node-1", seed, 120, 1);
}

static void test_many_changes_at_once(void **state)
{
	(void)state;
	for (uint64_t seed = 21; seed <= 26; seed++)
		run(seed % 2 ? "" : "node-0", seed, 40, 25);
}

static void remove_all(struct fw_model *model, enum fw_kind kind)
{
	struct fw_object *const *objects;

	while (fw_model_list(model, kind, &objects)) {
		char *namespace = world_text(objects[0]->namespace),
		     *name = world_text(objects[0]->name);

		assert_int_equal(fw_model_remove(model, kind, namespace, name), 0);
		free(namespace);
		free(name);
	}
}

static void test_everything_goes_and_comes_back(void **state)
{
	struct fw_compiler *compiler;
	struct fw_tables *tables;
	struct fw_model *model;
	uint64_t seed = 5;

	(void)state;
	assert_int_equal(fw_model_new(&model), 0);
	assert_int_equal(fw_compiler_new(&compiler), 0);
	fw_compiler_label_classes(compiler);
	for (int round = 0; round < 3; round++) {
		world_fill(model, &size, &seed);
		compare_with_fresh(compiler, model);
		for (enum fw_kind kind = 0; kind < FW_KIND_COUNT; kind++) {
			remove_all(model, kind);
			compare_with_fresh(compiler, model);
		}
		tables = compile(compiler, model);
		assert_int_equal(tables->classes_count, 2); /* world and unknown-pod stay */
		assert_int_equal(tables->subjects_count, 0);
		assert_int_equal(tables->cells_count, 0);
		assert_int_equal(tables->addresses_count, 0);
		fw_tables_free(&tables);
	}
	fw_compiler_free(&compiler);
	fw_model_free(&model);
}

/* The tables are the caller's: neither a later compile nor the model's end touches them. */
static void test_tables_outlive_model_and_compiler(void **state)
{
	struct fw_compiler *compiler;
	struct fw_tables *tables;
	struct fw_model *model;
	uint64_t seed = 7;
	char *before, *after;

	(void)state;
	assert_int_equal(fw_model_new(&model), 0);
	assert_int_equal(fw_compiler_new(&compiler), 0);
	fw_compiler_label_classes(compiler);
	world_fill(model, &size, &seed);
	tables = compile(compiler, model);
	before = print(tables);
	for (int i = 0; i < 50; i++) {
		struct fw_tables *other;

		change(model, &seed);
		other = compile(compiler, model);
		fw_tables_free(&other);
	}
	fw_model_free(&model);
	fw_compiler_free(&compiler);
	after = print(tables);
	assert_string_equal(before, after);
	fw_tables_free(&tables);
	free(before);
	free(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_single_changes),
		cmocka_unit_test(test_single_changes_on_one_node),
		cmocka_unit_test(test_many_changes_at_once),
		cmocka_unit_test(test_everything_goes_and_comes_back),
		cmocka_unit_test(test_tables_outlive_model_and_compiler),
	};

	return cmocka_run_group_tests_name("compile: remembering = fresh", tests, NULL, NULL);
}
