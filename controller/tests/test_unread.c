/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EndpointSlices that cannot be read: a service of theirs may have backends that nobody knows. In:
 * YAML. Out: what one packet gets. Each "denied" has an "allowed" beside it on the same path.
 */
#include <stdio.h>

#include "compile_yaml.h"
#include "fw/abi.h"

/* A pod, its peers, a service with one of them behind it and one without backends. */
static const char base[] =
	"{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n---\n"
	"{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}},"
	" spec: {}, status: {podIPs: [{ip: 10.1.0.1}]}}\n---\n"
	"{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: shop, labels: {app: db}},"
	" spec: {}, status: {podIPs: [{ip: 10.1.0.2}]}}\n---\n"
	"{apiVersion: v1, kind: Service, metadata: {name: api, namespace: shop},"
	" spec: {clusterIP: 10.96.0.1, ports: [{name: a, port: 80}]}}\n---\n"
	"{apiVersion: v1, kind: Service, metadata: {name: none, namespace: shop},"
	" spec: {clusterIP: 10.96.0.2, ports: [{port: 80}]}}\n---\n"
	"{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: s1,"
	" namespace: shop, labels: {kubernetes.io/service-name: api}}, addressType: IPv4,"
	" ports: [{name: a, port: 9090}], endpoints: [{addresses: [10.1.0.2]}]}\n";

#define EGRESS(rule)                                                                               \
	"{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: "  \
	"shop}, spec: {podSelector: {}, policyTypes: [Egress], egress: [" rule "]}}\n"
#define TO_ALL_PODS "{to: [{namespaceSelector: {}, podSelector: {}}]}"
#define UNREAD(labels)                                                                             \
	"{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: s2, namespace: "  \
	"shop, labels: " labels "}, addressType: IPv5}\n"

static void ignore_error(unsigned int document, unsigned int line, enum fw_kind kind,
			 const char *namespace, const char *name, const char *text, void *context)
{
	(void)document;
	(void)line;
	(void)kind;
	(void)namespace;
	(void)name;
	(void)text;
	(void)context;
}

static void add_unread(struct world *world, const char *yaml)
{
	const struct fw_decode_handler handler = {.object = take_object,
						  .unread = take_object,
						  .error = ignore_error,
						  .context = world};

	assert_int_equal(fw_decode_text("test", yaml, strlen(yaml), &handler), 0);
}

static void start(struct world *world)
{
	begin(world);
	add(world, base);
	add(world, EGRESS(TO_ALL_PODS));
	compile(world);
}

static struct fw_answer ask(const struct world *world, const char *remote)
{
	struct fw_question question = {
		.direction = FW_EGRESS, .protocol = FW_PROTO_TCP, .port = 80};
	struct fw_answer answer;

	question.subject = fw_tables_subject_of(world->tables, "shop", "web");
	assert_int_equal(fw_ip_parse(remote, &question.remote, NULL), 0);
	fw_tables_judge(world->tables, &question, &answer);
	return answer;
}

#define ALLOWED(answer) assert_int_equal((answer).verdict, FW_VERDICT_ALLOW)
#define DENIED(answer)	assert_int_equal((answer).verdict, FW_VERDICT_DENY)

static void it_may_hold_a_backend_that_nobody_knows(void **state)
{
	struct world w;

	(void)state;
	start(&w);
	ALLOWED(ask(&w, "10.96.0.1"));
	assert_int_equal(ask(&w, "10.96.0.2").builtin, FW_DECIDED_SERVICE_EMPTY);
	assert_int_equal(w.tables->problems_count, 0);
	add_unread(&w, UNREAD("{kubernetes.io/service-name: api}"));
	compile(&w);
	DENIED(ask(&w, "10.96.0.1"));
	assert_int_equal(ask(&w, "10.96.0.1").builtin, FW_DECIDED_SERVICE_DIFFERS);
	assert_int_equal(ask(&w, "10.96.0.2").builtin, FW_DECIDED_SERVICE_EMPTY);
	assert_int_equal(w.tables->problems_count, 1);
	assert_string_equal(w.tables->problems[0].object, "Service shop/api");
	assert_non_null(strstr(w.tables->problems[0].text, "an EndpointSlice cannot be read"));
	end(&w);
}

static void known_backends_are_judged_after_dnat(void **state)
{
	struct world w;

	(void)state;
	start(&w);
	assert_int_equal(w.tables->choices_count, 0);
	add_unread(&w, UNREAD("{kubernetes.io/service-name: api}"));
	compile(&w);
	assert_true(w.tables->services[0].exact);
	assert_int_equal(w.tables->choices_count, 2);  /* each pod */
	assert_int_equal(w.tables->backends_count, 2); /* the one that is known, for each */
	for (size_t i = 0; i < w.tables->backends_count; i++)
		assert_true(w.tables->backends[i].allowed);
	end(&w);
}

static void who_may_reach_everybody_may_reach_it_too(void **state)
{
	struct world w;

	(void)state;
	start(&w);
	add_unread(&w, UNREAD("{kubernetes.io/service-name: api}"));
	add(&w, EGRESS("{ports: [{}]}"));
	compile(&w);
	ALLOWED(ask(&w, "10.96.0.1"));
	add(&w, EGRESS("{ports: [{port: 9090}]}")); /* and not where it may listen elsewhere */
	compile(&w);
	DENIED(ask(&w, "10.96.0.1"));
	end(&w);
}

static void one_whose_service_cannot_be_told_may_be_of_any(void **state)
{
	struct world w;

	(void)state;
	start(&w);
	add_unread(&w, UNREAD("{}")); /* of none */
	compile(&w);
	ALLOWED(ask(&w, "10.96.0.1"));
	add_unread(&w, UNREAD("[]"));
	compile(&w);
	DENIED(ask(&w, "10.96.0.1"));
	DENIED(ask(&w, "10.96.0.2"));
	assert_int_equal(w.tables->problems_count, 2);
	assert_int_equal(fw_model_remove(w.model, FW_KIND_ENDPOINT_SLICE, "shop", "s2"), 0);
	compile(&w);
	ALLOWED(ask(&w, "10.96.0.1"));
	assert_int_equal(w.tables->problems_count, 0);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_may_hold_a_backend_that_nobody_knows),
		cmocka_unit_test(known_backends_are_judged_after_dnat),
		cmocka_unit_test(who_may_reach_everybody_may_reach_it_too),
		cmocka_unit_test(one_whose_service_cannot_be_told_may_be_of_any),
	};

	return cmocka_run_group_tests_name("slices that cannot be read", tests, NULL, NULL);
}
