/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is judged after DNAT. In: random worlds; tables made by hand; a network namespace of our
 * own. Out: TAP. Choices and backends against a plain search of the model, two steps of a change
 * against what each policy allows, and the kernel's table made, changed, lost and made again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "compile/compile.h"
#include "compile_world.h"
#include "fw/abi.h"
#include "postnat/chain.h"
#include "postnat/postnat.h"

static const struct world_size size = {.namespaces = 3,
				       .pods = 30,
				       .policies = 15,
				       .services = 9,
				       .nodes = 2,
				       .apps = 4,
				       .teams = 2};

/* One pod's address asks about one service: what the model says, backend by backend. */
struct search {
	const struct fw_tables *tables;
	const struct fw_service_row *row;
	const struct fw_pod *pod;
	uint32_t subject;
	size_t allowed, denied;
	bool own;	    /* the pod is one of the backends */
	size_t ready;	    /* of the backends */
	size_t open, drain; /* of those that are allowed: ready; else serving and terminating */
	bool skip;	    /* a backend's address is a service's, too: judged as that */
};

static bool reaches(struct search *s, const struct fw_ip *ip, uint16_t port)
{
	struct fw_question question = {.subject = s->subject,
				       .direction = FW_EGRESS,
				       .remote = *ip,
				       .protocol = s->row->protocol,
				       .port = port};
	struct fw_answer answer;

	fw_tables_judge(s->tables, &question, &answer);
	s->skip |= answer.service != UINT32_MAX || answer.decision == UINT32_MAX;
	return answer.verdict == FW_VERDICT_ALLOW;
}

static const struct fw_backend_row *find_backend(const struct fw_tables *t,
						 const struct fw_backend_row *wanted)
{
	for (size_t i = 0; i < t->backends_count; i++) {
		if (!fw_backend_row_compare(&t->backends[i], wanted))
			return &t->backends[i];
	}
	return NULL;
}

static bool has_choice(const struct search *s)
{
	for (size_t i = 0; i < s->tables->choices_count; i++) {
		const struct fw_choice_row *row = &s->tables->choices[i];

		if (fw_ip_equal(&row->pod, &s->pod->ips[0]) &&
		    fw_ip_equal(&row->service, &s->row->ip) && row->port == s->row->port &&
		    row->protocol == s->row->protocol)
			return true;
	}
	return false;
}

/* `check`: each backend stands in the tables, allowed or not; else they are counted. */
static void search_slices(struct search *s, const struct fw_model *model, bool check)
{
	struct fw_object *const *objects;
	size_t count = fw_model_list(model, FW_KIND_ENDPOINT_SLICE, &objects);

	for (size_t i = 0; i < count; i++) {
		const struct fw_endpoint_slice *slice = (const void *)objects[i];

		if (strcmp(slice->object.namespace, s->row->namespace) != 0 ||
		    strcmp(slice->service, s->row->name) != 0)
			continue;
		for (size_t e = 0; e < slice->endpoint_count; e++) {
			struct fw_backend_row row = {.pod = s->pod->ips[0],
						     .backend = slice->endpoints[e].ip,
						     .port = slice->ports[0].port,
						     .protocol = s->row->protocol};
			bool allowed = reaches(s, &row.backend, row.port);
			const struct fw_backend_row *found =
				check ? find_backend(s->tables, &row) : NULL;

			s->allowed += allowed;
			s->denied += !allowed;
			s->own |= fw_ip_equal(&row.pod, &row.backend);
			s->ready += slice->endpoints[e].ready;
			s->open += allowed && slice->endpoints[e].ready;
			s->drain += allowed && !slice->endpoints[e].ready &&
				    slice->endpoints[e].terminating;
			if (!check)
				continue;
			assert_non_null(found);
			assert_int_equal(found->allowed,
					 allowed || fw_ip_equal(&row.pod, &row.backend));
		}
	}
}

/* *ret_room: of the row for more such pods. */
static bool stands_alone(const struct search *s, uint32_t *ret_room)
{
	bool found = false;

	*ret_room = FW_SERVICE_GROUPS - s->row->group_count;
	for (size_t i = 0; i < s->tables->owns_count; i++) {
		const struct fw_own_row *own = &s->tables->owns[i];
		const struct fw_pod_row *pod = &s->tables->pods[own->pod];

		if (&s->tables->services[own->service] != s->row)
			continue;
		(*ret_room)--;
		found |= !strcmp(pod->namespace, s->pod->object.namespace) &&
			 !strcmp(pod->name, s->pod->object.name);
	}
	return found;
}

/*
 * Edge case 35: a backend itself, and denied all that a new connection gets. Returns whether it
 * should be told as such and is not: the row was full.
 */
static bool check_alone(const struct search *s)
{
	bool alone = s->own && s->denied && !(s->ready ? s->open : s->drain);
	uint32_t room;

	if (stands_alone(s, &room)) {
		assert_true(alone);
		return false;
	}
	if (alone) {
		assert_true(s->row->own_full);
		assert_int_equal(room, 0);
	}
	return alone;
}

/* Adds how many pairs differ, and how many pods may reach themselves alone behind a service. */
static void compare_with_search(const struct fw_model *model, const struct fw_tables *tables,
				size_t *differ, size_t *alone)
{
	struct fw_object *const *objects;
	size_t count = fw_model_list(model, FW_KIND_POD, &objects);

	for (size_t p = 0; p < count; p++) {
		struct search s = {.tables = tables, .pod = (const struct fw_pod *)objects[p]};
		bool full;

		s.subject = fw_tables_subject_of(tables, objects[p]->namespace, objects[p]->name);
		for (size_t i = 0; s.subject != UINT32_MAX && i < tables->services_count; i++) {
			s.row = &tables->services[i];
			s.allowed = s.denied = s.own = s.skip = 0;
			s.ready = s.open = s.drain = 0;
			if (s.row->state == FW_SERVICE_WIDE)
				continue;
			search_slices(&s, model, false);
			if (s.skip)
				continue;
			full = check_alone(&s);
			assert_int_equal(has_choice(&s),
					 s.denied && (s.allowed || (s.own && !full)));
			if (!has_choice(&s))
				continue;
			assert_true(s.row->exact);
			search_slices(&s, model, true);
			*differ += s.allowed != 0;
			*alone += !s.allowed;
		}
	}
}

static struct fw_object *small_slice(uint64_t *seed)
{
	struct fw_object *object = world_slice(&size, world_pick(seed, size.services),
					       world_pick(seed, 8), world_pick(seed, 6));
	struct fw_endpoint_slice *slice = (struct fw_endpoint_slice *)object;

	for (size_t i = 0; i < slice->endpoint_count; i++) {
		slice->endpoints[i].ready = world_pick(seed, 3);
		slice->endpoints[i].serving = true;
		slice->endpoints[i].terminating = !world_pick(seed, 2);
	}
	return object;
}

static void choices_are_what_a_search_finds(void **state)
{
	size_t differ = 0, alone = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 12; seed++) {
		struct fw_compiler *compiler;
		struct fw_model *model;
		uint64_t random = seed;

		assert_int_equal(fw_model_new(&model), 0);
		assert_int_equal(fw_compiler_new(&compiler), 0);
		assert_int_equal(fw_model_set_node_name(model, seed % 3 ? "" : "node-1"), 0);
		world_fill(model, &size, &random);
		for (int i = 0; i < 60; i++) {
			struct fw_tables *tables;

			world_put(model,
				  world_pick(&random, 3)
					  ? small_slice(&random)
					  : world_policy(&size, world_pick(&random, 40), &random));
			assert_int_equal(fw_compile(compiler, model, &tables, NULL), 0);
			compare_with_search(model, tables, &differ, &alone);
			fw_tables_free(&tables);
		}
		fw_compiler_free(&compiler);
		fw_model_free(&model);
	}
	assert_true(differ > 1000 && alone > 100); /* positive controls: there was something */
}

/* Tables by hand: pods and backends are numbers. */
#define PODS	 3u
#define SERVICES 2u
#define BACKENDS 3u

struct policy {
	uint8_t backends[SERVICES]; /* bits: who stands behind it */
	uint8_t allowed[PODS];	    /* bits of backends */
	struct fw_choice_row choices[PODS * SERVICES];
	struct fw_backend_row rows[PODS * BACKENDS];
	struct fw_tables tables;
};

static struct fw_ip number_ip(uint32_t kind, uint32_t number)
{
	return kind & 1 ? world_ip6(kind << 8 | number) : world_ip4(kind << 24 | number);
}

static bool differs(const struct policy *p, uint32_t pod, uint32_t service)
{
	uint8_t open = p->backends[service] & p->allowed[pod];

	return open && open != p->backends[service];
}

static void make_policy(uint64_t *seed, struct policy *p)
{
	*p = (struct policy){0};
	for (uint32_t i = 0; i < SERVICES; i++)
		p->backends[i] = (uint8_t)world_pick(seed, 1u << BACKENDS);
	for (uint32_t pod = 0; pod < PODS; pod++) {
		uint8_t spoken = 0;

		p->allowed[pod] = (uint8_t)world_pick(seed, 1u << BACKENDS);
		for (uint32_t i = 0; i < SERVICES; i++) {
			if (!differs(p, pod, i))
				continue;
			spoken |= p->backends[i];
			p->choices[p->tables.choices_count++] = (struct fw_choice_row){
				number_ip(10, pod), number_ip(12, i), 80, 6, false};
		}
		for (uint32_t b = 0; b < BACKENDS; b++) {
			if (spoken >> b & 1)
				p->rows[p->tables.backends_count++] =
					(struct fw_backend_row){number_ip(10, pod),
								number_ip(14, b),
								8080,
								6,
								p->allowed[pod] >> b & 1,
								false};
		}
	}
	p->tables.choices = p->choices;
	p->tables.backends = p->rows;
}

static bool holds(const struct fw_postnat_rows *rows, uint8_t set, uint32_t pod, uint32_t kind,
		  uint32_t other, uint16_t port)
{
	struct fw_ip a = number_ip(10, pod), b = number_ip(kind, other);

	for (size_t i = 0; i < rows->count; i++) {
		const uint8_t *key = rows->items[i].key;

		if (rows->items[i].set == set && !memcmp(key, a.b + 12, 4) &&
		    !memcmp(key + 4, b.b + 12, 4) && key[8] == 6 && key[12] == port >> 8 &&
		    key[13] == (port & 0xff))
			return true;
	}
	return false;
}

/* What a connection of the pod through the service to the backend meets: first the maps, then the
 * chain. */
static bool passes(const struct policy *maps, const struct fw_postnat_rows *chain, uint32_t pod,
		   uint32_t service, uint32_t backend)
{
	if (!(maps->allowed[pod] & maps->backends[service]))
		return false;
	if (!holds(chain, FW_POSTNAT_AMBIGUOUS4, pod, 12, service, 80))
		return true;
	return holds(chain, FW_POSTNAT_ALLOWED4, pod, 14, backend, 8080);
}

static void a_change_in_two_steps_lets_nothing_else_pass(void **state)
{
	uint64_t seed = 3, steps = 0, both = 0, denied = 0;
	struct fw_postnat_rows held = {0};
	struct policy *old = world_alloc(1, sizeof(*old)), *new = world_alloc(1, sizeof(*new));

	(void)state;
	make_policy(&seed, old);
	assert_int_equal(fw_postnat_rows_want(&old->tables, false, &held), 0);
	for (; steps < 3000; steps++) {
		struct fw_postnat_rows joined, settled;

		make_policy(&seed, new);
		assert_int_equal(fw_postnat_rows_join(&new->tables, false, &held, &joined), 0);
		assert_int_equal(fw_postnat_rows_want(&new->tables, false, &settled), 0);
		for (uint32_t i = 0; i < PODS * SERVICES * BACKENDS; i++) {
			uint32_t pod = i % PODS, service = i / PODS % SERVICES;
			uint32_t backend = i / PODS / SERVICES;
			bool was = old->allowed[pod] >> backend & 1;
			bool is = new->allowed[pod] >> backend & 1;

			if (!(old->backends[service] & new->backends[service] & 1u << backend))
				continue;
			/* maps old, chain joined; maps new, chain joined; both new */
			assert_true(!passes(old, &joined, pod, service, backend) || was || is);
			assert_true(!passes(new, &joined, pod, service, backend) || is);
			assert_int_equal(passes(new, &settled, pod, service, backend), is);
			if (was && is) { /* nothing that both allow is denied in between */
				assert_true(passes(old, &joined, pod, service, backend));
				assert_true(passes(new, &joined, pod, service, backend));
				both++;
			}
			denied += !was && !is;
		}
		fw_postnat_rows_done(&joined);
		fw_postnat_rows_done(&held);
		held = settled;
		memcpy(old, new, sizeof(*old));
		old->tables.choices = old->choices;
		old->tables.backends = old->rows;
	}
	assert_true(both > 1000 && denied > 1000); /* positive controls */
	fw_postnat_rows_done(&held);
	free(old);
	free(new);
}

static enum fw_postnat_verdict judge(const struct fw_postnat_rows *rows, uint32_t service,
				     uint32_t backend)
{
	const struct fw_postnat_connection connection = {.pod = number_ip(10, 0),
							 .service = number_ip(12, service),
							 .backend = number_ip(14, backend),
							 .service_port = 80,
							 .backend_port = 8080,
							 .protocol = 6};

	return fw_postnat_rows_judge(rows, &connection);
}

/* Service 0 has a backend that is denied firmly, service 1 has none. Nobody lists backend 9. */
static void audit_lets_all_but_firm_denies_pass(void **state)
{
	struct fw_choice_row choices[] = {{number_ip(10, 0), number_ip(12, 0), 80, 6, true},
					  {number_ip(10, 0), number_ip(12, 1), 80, 6, false}};
	struct fw_backend_row rows[] = {{number_ip(10, 0), number_ip(14, 0), 8080, 6, false, false},
					{number_ip(10, 0), number_ip(14, 1), 8080, 6, false, true},
					{number_ip(10, 0), number_ip(14, 2), 8080, 6, true, false}};
	struct fw_tables tables = {
		.choices = choices, .choices_count = 2, .backends = rows, .backends_count = 3};
	struct fw_postnat_rows want;

	(void)state;
	assert_int_equal(fw_postnat_rows_want(&tables, false, &want), 0);
	for (uint32_t service = 0; service < 2; service++) {
		assert_int_equal(judge(&want, service, 0), FW_POSTNAT_DROP);
		assert_int_equal(judge(&want, service, 1), FW_POSTNAT_DROP);
		assert_int_equal(judge(&want, service, 2), FW_POSTNAT_ACCEPT);
		assert_int_equal(judge(&want, service, 9), FW_POSTNAT_DROP);
	}
	fw_postnat_rows_done(&want);
	assert_int_equal(fw_postnat_rows_want(&tables, true, &want), 0);
	assert_int_equal(judge(&want, 0, 0), FW_POSTNAT_ACCEPT);
	assert_int_equal(judge(&want, 0, 1), FW_POSTNAT_DROP);
	assert_int_equal(judge(&want, 0, 2), FW_POSTNAT_ACCEPT);
	assert_int_equal(judge(&want, 0, 9), FW_POSTNAT_DROP);
	for (uint32_t backend = 0; backend < 10; backend++)
		assert_int_equal(judge(&want, 1, backend), FW_POSTNAT_NOT_ASKED);
	fw_postnat_rows_done(&want);
}

/* The kernel, in a network namespace of this process. */
static bool as_root(void)
{
	if (geteuid() == 0 && unshare(CLONE_NEWNET) == 0)
		return true;
	skip();
	return false;
}

#define MANY 20000u

static void fill_many(struct fw_tables *tables, bool odd)
{
	tables->choices = world_alloc(MANY, sizeof(*tables->choices));
	tables->backends = world_alloc(MANY, sizeof(*tables->backends));
	for (uint32_t i = odd; i < MANY; i += 1 + odd) {
		struct fw_ip pod = i % 3 ? number_ip(10, i) : number_ip(11, i & 0xff);

		if (i % 3 == 0)
			pod.b[8] = (uint8_t)(i >> 8);
		tables->choices[tables->choices_count++] = (struct fw_choice_row){
			pod, i % 3 ? number_ip(12, 1) : number_ip(13, 1), 80, 6, false};
		tables->backends[tables->backends_count++] = (struct fw_backend_row){
			pod, i % 3 ? number_ip(14, 1) : number_ip(15, 1), 8080, 17, true, false};
	}
}

/* While the kernel makes a set's hash table larger, a dump of it may miss elements. */
static void read_whole(struct fw_nft *nft, size_t count, struct fw_postnat_rows *ret_rows)
{
	const struct timespec pause = {.tv_nsec = 10000000};
	struct fw_err err = {""};

	for (int left = 500;; left--) {
		assert_int_equal(fw_postnat_read(nft, ret_rows, &err), 0);
		if (ret_rows->count == count || !left)
			break;
		fw_postnat_rows_done(ret_rows);
		(void)nanosleep(&pause, NULL);
	}
	assert_int_equal(ret_rows->count, count);
}

static void the_sets_hold_what_they_are_told(void **state)
{
	struct fw_postnat_rows wanted[2], read;
	struct fw_tables tables[2] = {{0}};
	struct fw_nft nft;
	struct fw_err err = {""};

	(void)state;
	if (!as_root())
		return;
	assert_int_equal(fw_nft_open(&nft, &err), 0);
	for (int i = 0; i < 2; i++) {
		fill_many(&tables[i], i);
		assert_int_equal(fw_postnat_rows_want(&tables[i], false, &wanted[i]), 0);
	}
	assert_int_equal(fw_postnat_make(&nft, false, &wanted[0], &err), 0);
	assert_int_equal(fw_postnat_check(&nft, &err), 0);
	for (int i = 1; i <= 4; i++) {
		const struct fw_postnat_rows *now = &wanted[i % 2];

		assert_int_equal(fw_postnat_change(&nft, &wanted[1 - i % 2], now, &err), 0);
		read_whole(&nft, now->count, &read);
		assert_memory_equal(read.items, now->items, read.count * sizeof(*read.items));
		fw_postnat_rows_done(&read);
	}
	/* a change from what is not there: refused whole */
	assert_true(fw_postnat_change(&nft, &wanted[0], &wanted[1], &err) == 0);
	assert_true(fw_postnat_change(&nft, &wanted[0], &wanted[1], &err) < 0);
	read_whole(&nft, wanted[1].count, &read);
	fw_postnat_rows_done(&read);
	assert_int_equal(fw_postnat_drop(&nft, &err), 0);
	assert_int_equal(fw_postnat_drop(&nft, &err), 0);
	assert_true(fw_postnat_check(&nft, &err) < 0);
	for (int i = 0; i < 2; i++) {
		fw_postnat_rows_done(&wanted[i]);
		free(tables[i].choices);
		free(tables[i].backends);
	}
	fw_nft_close(&nft);
}

static void foreign_changes_are_heard(void **state)
{
	struct fw_choice_row choice = {number_ip(10, 0), number_ip(12, 0), 80, 6, false};
	struct fw_tables tables = {.choices = &choice, .choices_count = 1};
	struct fw_postnat *postnat, *other;
	struct fw_err err = {""};
	struct fw_nft stranger;

	(void)state;
	if (!as_root())
		return;
	assert_int_equal(fw_postnat_new(false, &postnat, &err), 0);
	assert_int_equal(fw_nft_open(&stranger, &err), 0);
	assert_false(fw_postnat_stands(postnat));
	assert_int_equal(fw_postnat_join(postnat, &tables, false, &err), 0);
	assert_true(fw_postnat_stands(postnat));
	assert_false(fw_postnat_listen(postnat)); /* its own words do not count */
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fw_postnat_drop(&stranger, &err), 0);
		assert_true(fw_postnat_listen(postnat));
		assert_false(fw_postnat_stands(postnat));
		assert_int_equal(fw_postnat_restore(postnat, &err), 0);
		assert_true(fw_postnat_stands(postnat));
		assert_int_equal(fw_postnat_count(postnat), 1);
	}
	/* the next daemon adopts what is there */
	fw_postnat_free(&postnat);
	assert_int_equal(fw_postnat_new(false, &other, &err), 0);
	assert_true(fw_postnat_stands(other));
	assert_int_equal(fw_postnat_count(other), 1);
	tables.choices_count = 0;
	assert_int_equal(fw_postnat_join(other, &tables, false, &err), 0);
	assert_int_equal(fw_postnat_count(other), 1); /* until it is settled */
	assert_int_equal(fw_postnat_settle(other, &tables, false, &err), 0);
	assert_int_equal(fw_postnat_count(other), 0);
	assert_true(fw_postnat_check(&stranger, &err) < 0);
	fw_postnat_free(&other);
	fw_nft_close(&stranger);
}

/* The table stands while the node is in Audit, and asks nobody; also what the daemon before left.
 */
static void an_empty_table_goes_when_nothing_needs_it(void **state)
{
	struct fw_choice_row choice = {number_ip(10, 0), number_ip(12, 0), 80, 6, false};
	struct fw_tables tables = {.choices = &choice, .choices_count = 1}, none = {0};
	struct fw_postnat *postnat;
	struct fw_err err = {""};
	struct fw_nft stranger;

	(void)state;
	if (!as_root())
		return;
	assert_int_equal(fw_nft_open(&stranger, &err), 0);
	for (int later = 0; later < 2; later++) {
		assert_int_equal(fw_postnat_new(false, &postnat, &err), 0);
		assert_int_equal(fw_postnat_join(postnat, &tables, false, &err), 0);
		assert_int_equal(fw_postnat_settle(postnat, &tables, false, &err), 0);
		assert_int_equal(fw_postnat_count(postnat), 1);
		assert_int_equal(fw_postnat_join(postnat, &tables, true, &err), 0);
		assert_int_equal(fw_postnat_settle(postnat, &tables, true, &err), 0);
		assert_int_equal(fw_postnat_count(postnat), 0);
		assert_int_equal(fw_postnat_check(&stranger, &err), 0);
		if (later) {
			fw_postnat_free(&postnat);
			assert_int_equal(fw_postnat_new(false, &postnat, &err), 0);
		}
		assert_true(fw_postnat_stands(postnat));
		assert_int_equal(fw_postnat_join(postnat, &none, true, &err), 0);
		assert_int_equal(fw_postnat_settle(postnat, &none, true, &err), 0);
		assert_true(fw_postnat_check(&stranger, &err) < 0);
		fw_postnat_free(&postnat);
	}
	fw_nft_close(&stranger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(choices_are_what_a_search_finds),
		cmocka_unit_test(a_change_in_two_steps_lets_nothing_else_pass),
		cmocka_unit_test(audit_lets_all_but_firm_denies_pass),
		cmocka_unit_test(the_sets_hold_what_they_are_told),
		cmocka_unit_test(foreign_changes_are_heard),
		cmocka_unit_test(an_empty_table_goes_when_nothing_needs_it),
	};

	return cmocka_run_group_tests_name("judged after DNAT", tests, NULL, NULL);
}
