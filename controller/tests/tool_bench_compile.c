/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiler's figures at 10,000 pods, 1,000 policies, 200 namespaces, 500 services. In: optional
 * word "quick" (fewer rounds). Out: one JSON line per figure on standard output,
 * {"figure","value","unit","budget","ok"}. Exit 1 when one is over its budget.
 *
 * The price of a change is the least of REPLAYS runs of the same sequence: what differs between
 * them is the machine's. What the machine alone does to a fixed walk through memory stands beside.
 */
#include <malloc.h>
#include <stdarg.h>
#include <time.h>

#include "compile/compile.h"
#include "compile_world.h"

static const struct world_size size = {
	.namespaces = 200,
	.pods = 10000,
	.policies = 1000,
	.services = 500,
	.nodes = 40,
	.apps = 10,
	.teams = 20,
};

#define REPLAYS	   3
#define WALK_WORDS (1u << 17) /* 1 MiB, about what one change reads and writes */
#define WALK_STEPS 50000u

static bool over;

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now); /* others are not measured */
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void report(const char *figure, double value, const char *unit, double budget)
{
	bool ok = budget <= 0 || value <= budget;

	printf("{\"figure\":\"%s\",\"value\":%.3f,\"unit\":\"%s\",", figure, value, unit);
	if (budget > 0)
		printf("\"budget\":%g,", budget);
	else
		printf("\"budget\":null,");
	printf("\"ok\":%s}\n", ok ? "true" : "false");
	fflush(stdout);
	over |= !ok;
}

static double compile_ms(struct fw_compiler *compiler, const struct fw_model *model)
{
	struct fw_tables *tables;
	double begin = now_ms(), took;

	if (fw_compile(compiler, model, &tables, NULL))
		abort();
	took = now_ms() - begin;
	fw_tables_free(&tables);
	return took;
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return a < b ? -1 : a > b;
}

static void report_all(const char *figure, double *ms, size_t count, double budget)
{
	char name[128];

	qsort(ms, count, sizeof(*ms), compare);
	(void)snprintf(name, sizeof(name), "%s, p50", figure);
	report(name, ms[count / 2], "ms", 0);
	(void)snprintf(name, sizeof(name), "%s, p99", figure);
	report(name, ms[(count * 99) / 100], "ms", budget);
}

static struct fw_object *relabel(uint64_t *seed)
{
	return world_pod(&size, world_pick(seed, size.pods), world_pick(seed, size.apps),
			 world_random(seed));
}

static struct fw_object *change_policy(uint64_t *seed)
{
	return world_policy(&size, world_pick(seed, size.policies), seed);
}

static struct fw_object *change_slice(uint64_t *seed)
{
	return world_slice(&size, world_pick(seed, size.services), world_pick(seed, 50),
			   1 + world_pick(seed, 30));
}

static struct fw_object *change_namespace(uint64_t *seed)
{
	unsigned int n = world_pick(seed, size.namespaces);

	return world_namespace(n, world_pick(seed, size.teams));
}

/* Keeps the least of what `ms` holds and what each of these changes takes now. */
static void bench_events(struct fw_compiler *compiler, struct fw_model *model,
			 struct fw_object *(*make)(uint64_t *), size_t rounds, uint64_t *seed,
			 double *ms)
{
	for (size_t i = 0; i < rounds; i++) {
		struct fw_object *const *list;
		struct fw_object *object = make(seed);
		double took;

		world_put(model, object);
		(void)fw_model_list(model, object->kind, &list); /* sorting is the model's time */
		took = compile_ms(compiler, model);
		if (!ms[i] || took < ms[i])
			ms[i] = took;
	}
}

static void bench_full(const char *figure, struct fw_model *model, size_t rounds, double budget)
{
	double *ms = world_alloc(rounds, sizeof(*ms));

	for (size_t i = 0; i < rounds; i++) {
		struct fw_compiler *compiler;

		if (fw_compiler_new(&compiler))
			abort();
		ms[i] = compile_ms(compiler, model);
		fw_compiler_free(&compiler);
	}
	qsort(ms, rounds, sizeof(*ms), compare);
	report(figure, ms[rounds / 2], "ms", budget);
	free(ms);
}

static double in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return (double)(info.uordblks + info.hblkhd);
}

/* Memory of compiler and one set of tables; what the model holds is not counted. */
static void bench_memory(struct fw_model *model, struct fw_compiler **ret_compiler)
{
	double before = in_use();
	struct fw_tables *tables;

	if (fw_compiler_new(ret_compiler) || fw_compile(*ret_compiler, model, &tables, NULL))
		abort();
	report("compile: memory per pod, compiler and tables", (in_use() - before) / size.pods,
	       "bytes", 1024);
	report("compile: classes", (double)tables->classes_count, "rows", 0);
	report("compile: subjects", (double)tables->subjects_count, "rows", 0);
	report("compile: cells", (double)tables->cells_count, "rows", 0);
	report("compile: ranges", (double)tables->ranges_count, "rows", 0);
	fw_tables_free(&tables);
}

/* A walk through memory, always the same: how its runs differ is the machine, not the compiler. */
static void bench_machine(size_t rounds)
{
	uint64_t *words = world_alloc(WALK_WORDS, sizeof(*words)), seed = 1;
	double *ms = world_alloc(rounds, sizeof(*ms));

	for (size_t i = 0; i < WALK_WORDS; i++)
		words[i] = world_random(&seed);
	for (size_t i = 0; i < rounds; i++) {
		double begin = now_ms();
		uint64_t at = 1;

		for (uint32_t step = 0; step < WALK_STEPS; step++)
			at = words[at % WALK_WORDS] ^ step;
		words[0] = at;
		ms[i] = now_ms() - begin;
	}
	report_all("machine: a fixed walk through memory", ms, rounds, 0);
	free(words);
	free(ms);
}

static const struct {
	const char *figure;
	struct fw_object *(*make)(uint64_t *);
	size_t share; /* of the rounds: one in so many */
	double budget;
} changes[] = {
	{"compile: one pod relabelled", relabel, 1, 3},
	{"compile: one policy changed", change_policy, 1, 3},
	{"compile: one endpoint slice changed", change_slice, 1, 3},
	{"compile: one namespace relabelled", change_namespace, 5, 0},
};

static void make_world(struct fw_model **ret_model, uint64_t *ret_seed)
{
	*ret_seed = 1;
	if (fw_model_new(ret_model) || fw_model_set_node_name(*ret_model, "node-1"))
		abort();
	world_fill(*ret_model, &size, ret_seed);
}

/* The same changes of the same world, again and again. */
static void bench_changes(size_t rounds)
{
	const size_t kinds = sizeof(changes) / sizeof(*changes);
	double *ms = world_alloc(kinds * rounds, sizeof(*ms));

	for (int replay = 0; replay < REPLAYS; replay++) {
		struct fw_compiler *compiler;
		struct fw_model *model;
		uint64_t seed;

		make_world(&model, &seed);
		if (fw_compiler_new(&compiler))
			abort();
		(void)compile_ms(compiler, model);
		for (size_t k = 0; k < kinds; k++)
			bench_events(compiler, model, changes[k].make, rounds / changes[k].share,
				     &seed, ms + k * rounds);
		fw_compiler_free(&compiler);
		fw_model_free(&model);
	}
	for (size_t k = 0; k < kinds; k++)
		report_all(changes[k].figure, ms + k * rounds, rounds / changes[k].share,
			   changes[k].budget);
	free(ms);
}

int main(int argc, char **argv)
{
	size_t rounds = argc > 1 && !strcmp(argv[1], "quick") ? 100 : 500;
	struct fw_compiler *compiler;
	struct fw_model *model;
	uint64_t seed;

	make_world(&model, &seed);
	bench_memory(model, &compiler);
	fw_compiler_free(&compiler);
	bench_full("compile: everything anew, one node of 40", model, rounds / 20, 50);
	bench_changes(rounds);
	bench_machine(rounds);
	if (fw_model_set_node_name(model, ""))
		abort();
	bench_full("compile: everything anew, every pod a subject", model, 5, 0);
	fw_model_free(&model);
	return over;
}
