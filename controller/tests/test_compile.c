/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiler, by number of the edge case. In: YAML. Out: what one packet gets. Each "denied" has
 * an "allowed" beside it on the same path.
 */
#include <stdio.h>
#include <stdlib.h>

#include "compile_yaml.h"
#include "fw/abi.h"

/* Four pods, a node, two namespaces; nothing isolated. */
static const char base[] =
	"{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: blue}}}\n---\n"
	"{apiVersion: v1, kind: Namespace, metadata: {name: bank}}\n---\n"
	"{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}},"
	" spec: {containers: [{name: c, ports: [{name: http, containerPort: 8080},"
	" {name: http, containerPort: 81, protocol: UDP}]}]},"
	" status: {podIPs: [{ip: 10.1.0.1}, {ip: 'fd00::1'}]}}\n---\n"
	"{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: shop, labels: {app: db}},"
	" spec: {containers: [{name: c, ports: [{name: http, containerPort: 9090}]}]},"
	" status: {podIPs: [{ip: 10.1.0.2}]}}\n---\n"
	"{apiVersion: v1, kind: Pod, metadata: {name: teller, namespace: bank, labels: {app: web}},"
	" spec: {}, status: {podIPs: [{ip: 10.1.0.3}]}}\n---\n"
	"{apiVersion: v1, kind: Pod, metadata: {name: agent, namespace: bank, labels: {app: web}},"
	" spec: {hostNetwork: true}, status: {podIPs: [{ip: 192.168.0.9}]}}\n---\n"
	"{apiVersion: v1, kind: Node, metadata: {name: n1}, spec: {podCIDRs: [10.1.0.0/24]},"
	" status: {addresses: [{type: InternalIP, address: 192.168.0.9}]}}\n";

#define POLICY(spec)                                                                               \
	"{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: "  \
	"shop}, spec: " spec "}\n"

static void start(struct world *world, const char *policy)
{
	begin(world);
	add(world, base);
	add(world, policy);
	compile(world);
}

static struct fw_answer ask(const struct world *world, const char *pod, uint8_t direction,
			    const char *remote, uint8_t protocol, uint16_t port)
{
	struct fw_question question = {.direction = direction, .protocol = protocol, .port = port};
	struct fw_answer answer;

	question.subject = fw_tables_subject_of(world->tables, "shop", pod);
	assert_int_not_equal(question.subject, UINT32_MAX);
	assert_int_equal(fw_ip_parse(remote, &question.remote, NULL), 0);
	fw_tables_judge(world->tables, &question, &answer);
	return answer;
}

#define FROM(remote, protocol, port) (ask(&w, "web", FW_INGRESS, remote, protocol, port).verdict)
#define TO(remote, protocol, port)   (ask(&w, "web", FW_EGRESS, remote, protocol, port).verdict)
#define ALLOWED(verdict)	     assert_int_equal(verdict, FW_VERDICT_ALLOW)
#define DENIED(verdict)		     assert_int_equal(verdict, FW_VERDICT_DENY)

static void test_01_policy_types_decide(void **state)
{
	struct world w;

	(void)state;
	start(&w, POLICY("{podSelector: {}, policyTypes: [Egress], ingress: [{from: [{podSelector: "
			 "{matchLabels: {app: none}}}]}]}"));
	ALLOWED(FROM("10.1.0.2", 6, 80));
	DENIED(TO("10.1.0.2", 6, 80));
	end(&w);
}

static void test_isolation_is_explicit_without_rules(void **state)
{
	const struct fw_subject_row *row;
	struct world w;

	(void)state;
	start(&w, POLICY("{podSelector: {matchLabels: {app: web}}}"));
	DENIED(FROM("10.1.0.2", 6, 80));
	DENIED(FROM("8.8.8.8", 17, 53));
	ALLOWED(TO("10.1.0.2", 6, 80));
	ALLOWED(ask(&w, "db", FW_INGRESS, "10.1.0.1", 6, 80).verdict);
	row = &w.tables->subjects[fw_tables_subject_of(w.tables, "shop", "web")];
	assert_true(row->isolated[FW_INGRESS]);
	assert_false(row->isolated[FW_EGRESS]);
	assert_int_equal(w.tables->decisions[row->otherwise[FW_INGRESS]].rule.isolated_by, 1);
	assert_string_equal(w.tables->decisions[row->otherwise[FW_EGRESS]].rule.layer, "default");
	assert_int_equal(w.tables->cells_count, 0);
	end(&w);
}

static void test_05_empty_port_is_all_tcp(void **state)
{
	struct world w;

	(void)state;
	start(&w, POLICY("{podSelector: {}, ingress: [{ports: [{}]}]}"));
	ALLOWED(FROM("10.1.0.2", 6, 0));
	ALLOWED(FROM("10.1.0.2", 6, 65535));
	DENIED(FROM("10.1.0.2", 17, 80));
	DENIED(FROM("10.1.0.2", 7, 0));
	end(&w);
}

static void test_06_end_port(void **state)
{
	struct world w;

	(void)state;
	start(&w, POLICY("{podSelector: {}, ingress: [{ports: [{port: 80, endPort: 82}, {port: "
			 "83}]}]}"));
	DENIED(FROM("10.1.0.2", 6, 79));
	ALLOWED(FROM("10.1.0.2", 6, 80));
	ALLOWED(FROM("10.1.0.2", 6, 83));
	DENIED(FROM("10.1.0.2", 6, 84));
	end(&w);
}

static void test_07_negative_namespace_selector(void **state)
{
	struct world w;

	(void)state;
	start(&w,
	      POLICY("{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchExpressions: "
		     "[{key: team, operator: NotIn, values: [blue]}]}}]}]}"));
	ALLOWED(FROM("10.1.0.3", 6, 80));
	DENIED(FROM("10.1.0.2", 6, 80));
	end(&w);
}

static void test_08_pod_selector_stays_in_its_namespace(void **state)
{
	struct world w;

	(void)state;
	start(&w, POLICY("{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: "
			 "web}}}]}]}"));
	DENIED(FROM("10.1.0.3", 6, 80));
	ALLOWED(ask(&w, "db", FW_INGRESS, "10.1.0.1", 6, 80).verdict);
	end(&w);
}

static void test_10_except_binds_to_its_own_block(void **state)
{
	struct world w;

	(void)state;
	start(&w,
	      POLICY("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 172.16.0.0/16, except: "
		     "[172.16.1.0/24]}}]}, {from: [{ipBlock: {cidr: 172.16.1.128/25}}], ports: "
		     "[{port: 80}]}]}"));
	ALLOWED(FROM("172.16.0.1", 6, 443));
	DENIED(FROM("172.16.1.1", 6, 443));
	DENIED(FROM("172.16.1.200", 6, 443));
	ALLOWED(FROM("172.16.1.200", 6, 80));
	DENIED(FROM("172.17.0.1", 6, 80));
	end(&w);
}

static void test_11_named_port_by_protocol(void **state)
{
	struct world w;

	(void)state;
	start(&w, POLICY("{podSelector: {}, ingress: [{ports: [{port: http, protocol: UDP}]}]}"));
	ALLOWED(FROM("10.1.0.2", 17, 81));
	DENIED(FROM("10.1.0.2", 17, 8080));
	DENIED(FROM("10.1.0.2", 6, 8080));
	end(&w);
}

static void test_14_egress_named_port_to_anybody(void **state)
{
	struct world w;

	(void)state;
	start(&w, POLICY("{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: "
			 "http}]}]}"));
	ALLOWED(TO("10.1.0.2", 6, 9090)); /* db's own number */
	DENIED(TO("10.1.0.2", 6, 8080));
	DENIED(TO("8.8.8.8", 6, 8080));
	end(&w);
}

static void test_15_egress_named_port_to_a_block(void **state)
{
	struct world w;

	(void)state;
	start(&w, POLICY("{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: "
			 "10.1.0.0/16}}], "
			 "ports: [{port: http}, {port: 7}]}]}"));
	DENIED(TO("10.1.0.2", 6, 9090));
	ALLOWED(TO("10.1.0.2", 6, 7));
	end(&w);
}

static void test_16_named_port_nobody_has(void **state)
{
	struct world w;

	(void)state;
	start(&w, POLICY("{podSelector: {}, ingress: [{ports: [{port: nobody}, {port: 5}]}]}"));
	ALLOWED(FROM("10.1.0.2", 6, 5));
	DENIED(FROM("10.1.0.2", 6, 80));
	end(&w);
}

static void test_17_icmp_only_by_a_rule_without_ports(void **state)
{
	struct world w;

	(void)state;
	start(&w, POLICY("{podSelector: {}, ingress: [{from: [{podSelector: {}}]}, {ports: [{port: "
			 "80}]}]}"));
	ALLOWED(FROM("10.1.0.2", 1, 8 << 8));
	DENIED(FROM("10.1.0.3", 1, 8 << 8));
	end(&w);
}

static void test_21_host_network_is_no_subject_and_no_peer(void **state)
{
	struct world w;

	(void)state;
	start(&w, POLICY("{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}"));
	assert_int_equal(fw_tables_subject_of(w.tables, "bank", "agent"), UINT32_MAX);
	DENIED(FROM("192.168.0.9", 6, 80));
	ALLOWED(FROM("10.1.0.3", 6, 80));
	end(&w);
}

static void test_20_a_node_only_by_its_block(void **state)
{
	struct world w;

	(void)state;
	start(&w,
	      POLICY("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 192.168.0.8/30}}]}]}"));
	ALLOWED(FROM("192.168.0.9", 6, 80));
	DENIED(FROM("192.168.0.13", 6, 80));
	end(&w);
}

static void test_families_never_mix(void **state)
{
	struct world w;

	(void)state;
	start(&w, POLICY("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: '::/0'}}]}]}"));
	ALLOWED(FROM("2001:db8::1", 6, 80));
	ALLOWED(FROM("::1:2", 6, 80));
	DENIED(FROM("8.8.8.8", 6, 80));
	end(&w);
	start(&w, POLICY("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}"));
	DENIED(FROM("2001:db8::1", 6, 80));
	ALLOWED(FROM("8.8.8.8", 6, 80));
	ALLOWED(FROM("10.1.0.3", 6, 80)); /* a pod is in the blocks that hold its address */
	end(&w);
}

static void test_38_unknown_pod_is_in_no_block(void **state)
{
	struct world w;

	(void)state;
	start(&w, POLICY("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}, "
			 "{ipBlock: {cidr: "
			 "10.1.0.64/26}}, {namespaceSelector: {}}]}, {ports: [{port: 1}]}]}"));
	ALLOWED(FROM("10.2.0.1", 6, 80));
	ALLOWED(FROM("10.1.0.3", 6, 80));
	DENIED(FROM("10.1.0.77", 6, 80));
	ALLOWED(FROM("10.1.0.77", 6, 1)); /* a rule for everybody holds it, too */
	end(&w);
}

/* What the own node masquerades has the address of the gateway of the pods. */
static void test_19_the_gateway_of_the_own_pods_is_no_unknown_pod(void **state)
{
	static const char *const texts[] = {"10.1.0.254", "8.8.8.8", "10.1.0.254", "10.1.0.2"};
	struct fw_ip own[4];
	struct world w;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(fw_ip_parse(texts[i], &own[i], NULL), 0);
	start(&w, POLICY("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.1.0.254/32}}]}, "
			 "{from: [{podSelector: {}}], ports: [{port: 7}]}]}"));
	DENIED(FROM("10.1.0.254", 6, 80));
	assert_int_equal(fw_model_set_own_addresses(w.model, own, 4), 0);
	compile(&w);
	ALLOWED(FROM("10.1.0.254", 6, 80));
	DENIED(FROM("10.1.0.9", 6, 80));
	ALLOWED(FROM("10.1.0.2", 6, 7)); /* a pod that the source tells of is that pod */
	DENIED(FROM("10.1.0.2", 6, 80));
	assert_int_equal(fw_model_own_version(w.model), 1);
	assert_int_equal(fw_model_set_own_addresses(w.model, own, 4), 0);
	assert_int_equal(fw_model_own_version(w.model), 1);
	assert_int_equal(fw_model_set_own_addresses(w.model, NULL, 0), 0);
	compile(&w);
	DENIED(FROM("10.1.0.254", 6, 80));
	end(&w);
}

static const char services[] =
	"{apiVersion: v1, kind: Service, metadata: {name: api, namespace: shop}, spec: {clusterIP: "
	"10.96.0.1,"
	" ports: [{name: a, port: 80}, {name: b, port: 81}]}}\n---\n"
	"{apiVersion: v1, kind: Service, metadata: {name: none, namespace: shop}, spec: "
	"{clusterIP: 10.96.0.2,"
	" ports: [{port: 80}]}}\n---\n"
	"{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: s1, namespace: "
	"shop, labels: "
	"{kubernetes.io/service-name: api}}, addressType: IPv4, ports: [{name: a, port: 9090}, "
	"{name: b, port: 5}], "
	"endpoints: [{addresses: [10.1.0.2]}, {addresses: [10.1.0.3], conditions: {ready: false, "
	"serving: true, "
	"terminating: true}}]}\n---\n"
	"{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: s2, namespace: "
	"shop, labels: "
	"{kubernetes.io/service-name: api}}, addressType: IPv4, ports: [{name: b, port: 6}], "
	"endpoints: [{addresses: [10.1.0.3]}]}\n";

#define BUILTIN(remote, protocol, port) (ask(&w, "web", FW_EGRESS, remote, protocol, port).builtin)

static void test_24_to_30_services(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	add(&w, base);
	add(&w, services);
	add(&w, POLICY("{podSelector: {}, policyTypes: [Egress], egress: [{to: [{podSelector: "
		       "{matchLabels: {app: "
		       "db}}}], ports: [{port: 9090}, {port: 5}]}, {to: [{ipBlock: {cidr: "
		       "10.96.0.0/16}}]}]}"));
	compile(&w);
	ALLOWED(TO("10.96.0.1", 6,
		   80)); /* 28: by the backend's own port; 24: the draining one does not count */
	DENIED(TO("10.96.0.1", 6, 81));
	assert_int_equal(BUILTIN("10.96.0.1", 6, 81), FW_DECIDED_SERVICE_DIFFERS);
	DENIED(TO("10.96.0.1", 6, 9090)); /* 30, and 29: no block opens it */
	assert_int_equal(BUILTIN("10.96.0.1", 6, 9090), FW_DECIDED_SERVICE_PORT);
	assert_int_equal(BUILTIN("10.96.0.2", 6, 80), FW_DECIDED_SERVICE_EMPTY);
	ALLOWED(TO("10.96.0.3", 6, 80)); /* the control: no service's address is in the block */
	end(&w);
}

#define ONE_SERVICE(namespace, name, backend)                                                      \
	"{apiVersion: v1, kind: Service, metadata: {name: " name                                   \
	", namespace: " namespace "}, spec: {clusterIP: 10.96.0.9, ports: [{name: w, port: "       \
				  "80}]}}\n---\n"                                                  \
				  "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, "        \
				  "metadata: {name: s-" name                                       \
				  ", namespace: " namespace ", labels: "                           \
							    "{kubernetes.io/service-name: " name   \
							    "}}, addressType: IPv4, ports: "       \
							    "[{name: w, port: 9090}], endpoints: " \
							    "[{addresses: [" backend "]}]}\n"

static void remove_service(struct world *world, const char *namespace, const char *name,
			   const char *slice)
{
	assert_true(fw_model_remove(world->model, FW_KIND_SERVICE, namespace, name) >= 0);
	assert_true(fw_model_remove(world->model, FW_KIND_ENDPOINT_SLICE, namespace, slice) >= 0);
	assert_null(fw_model_get(world->model, FW_KIND_SERVICE, namespace, name));
}

/* The one row of the address is this service's. */
static void owns_the_address(const struct world *world, const char *namespace, const char *name)
{
	assert_int_equal(world->tables->services_count, 1);
	assert_string_equal(world->tables->services[0].namespace, namespace);
	assert_string_equal(world->tables->services[0].name, name);
}

static void test_33_a_cluster_address_given_to_another_service(void **state)
{
	struct world w;

	(void)state;
	start(&w, POLICY("{podSelector: {}, policyTypes: [Egress], egress: [{to: [{podSelector: "
			 "{matchLabels: {app: db}}}]}]}"));
	add(&w, ONE_SERVICE("shop", "old", "10.1.0.2"));
	compile(&w);
	owns_the_address(&w, "shop", "old");
	ALLOWED(TO("10.96.0.9", 6, 80));
	remove_service(&w, "shop", "old", "s-old");
	compile(&w);
	DENIED(TO("10.96.0.9", 6, 80)); /* nobody's */
	assert_int_equal(w.tables->services_count, 0);
	add(&w, ONE_SERVICE("bank", "new", "10.1.0.3"));
	compile(&w);
	owns_the_address(&w, "bank", "new");
	DENIED(TO("10.96.0.9", 6, 80)); /* nothing of the old one's right is left */
	remove_service(&w, "bank", "new", "s-new");
	add(&w, ONE_SERVICE("bank", "old", "10.1.0.2")); /* in one step, and named as the first */
	compile(&w);
	owns_the_address(&w, "bank", "old");
	ALLOWED(TO("10.96.0.9", 6, 80));
	end(&w);
}

static void test_24_draining_backends_when_none_is_ready(void **state)
{
	struct fw_object *object;
	struct world w;

	(void)state;
	begin(&w);
	add(&w, base);
	add(&w, services);
	add(&w, POLICY("{podSelector: {}, policyTypes: [Egress], egress: [{to: "
		       "[{namespaceSelector: {}, podSelector: "
		       "{matchLabels: {app: web}}}]}]}"));
	compile(&w);
	DENIED(TO("10.96.0.1", 6, 80));
	object = fw_model_get(w.model, FW_KIND_ENDPOINT_SLICE, "shop", "s1");
	assert_non_null(object);
	add(&w, "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: s1, "
		"namespace: shop, labels: "
		"{kubernetes.io/service-name: api}}, addressType: IPv4, ports: [{name: a, port: "
		"9090}], endpoints: "
		"[{addresses: [10.1.0.2], conditions: {ready: false}}, {addresses: [10.1.0.3], "
		"conditions: {ready: "
		"false, serving: true, terminating: true}}]}\n");
	compile(&w);
	ALLOWED(TO("10.96.0.1", 6, 80));
	end(&w);
}

static void test_more_kinds_of_backends_than_fit(void **state)
{
	char yaml[4096];
	struct world w;
	int at;

	(void)state;
	begin(&w);
	add(&w, base);
	add(&w, "{apiVersion: v1, kind: Service, metadata: {name: wide, namespace: shop}, spec: "
		"{clusterIP: 10.96.0.7,"
		" ports: [{port: 80}]}}\n");
	add(&w, POLICY("{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: "
		       "[{to: [{podSelector: {matchLabels: {app: db}}}]}]}"));
	for (int ports = 8; ports <= 9; ports++) {
		for (int i = 0; i < ports; i++) {
			at = snprintf(yaml, sizeof(yaml),
				      "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, "
				      "metadata: {name: s%d, "
				      "namespace: shop, labels: {kubernetes.io/service-name: "
				      "wide}}, addressType: "
				      "IPv4, ports: [{port: %d}], endpoints: [{addresses: "
				      "[10.1.0.2]}]}\n",
				      i, 100 + i);
			assert_true(at > 0 && (size_t)at < sizeof(yaml));
			add(&w, yaml);
		}
		compile(&w);
		ALLOWED(ask(&w, "db", FW_EGRESS, "10.96.0.7", 6, 80).verdict); /* not isolated */
		if (ports == 8) {
			ALLOWED(TO("10.96.0.7", 6, 80));
			assert_int_equal(w.tables->problems_count, 0);
			continue;
		}
		assert_int_equal(BUILTIN("10.96.0.7", 6, 80), FW_DECIDED_SERVICE_WIDE);
		assert_int_equal(w.tables->problems_count, 1);
		assert_string_equal(w.tables->problems[0].object, "Service shop/wide");
	}
	end(&w);
}

/* What cannot be compiled whole isolates what it selects, and says so. */
static void test_broken_policy_fails_closed(void **state)
{
	struct world w;

	(void)state;
	start(&w, POLICY("{podSelector: {matchLabels: {app: web}}, ingress: [{}], surprise: 1}"));
	DENIED(FROM("10.1.0.2", 6, 80));
	ALLOWED(ask(&w, "db", FW_INGRESS, "10.1.0.1", 6, 80).verdict);
	assert_int_equal(w.tables->problems_count, 1);
	assert_string_equal(w.tables->problems[0].object, "NetworkPolicy shop/p");
	assert_non_null(w.tables->subjects[fw_tables_subject_of(w.tables, "shop", "web")].broken);
	end(&w);
}

static void test_first_rule_names_itself(void **state)
{
	const struct fw_decision_row *row;
	struct world w;

	(void)state;
	begin(&w);
	add(&w, base);
	add(&w, POLICY("{podSelector: {}, ingress: [{ports: [{port: 1}]}, {ports: [{port: 80}]}, "
		       "{}]}"));
	add(&w, "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: a, "
		"namespace: shop}, spec: "
		"{podSelector: {}, ingress: [{ports: [{port: 443}]}]}}\n");
	compile(&w);
	row = &w.tables->decisions[ask(&w, "web", FW_INGRESS, "10.1.0.2", 6, 80).decision];
	assert_string_equal(row->rule.name, "p");
	assert_int_equal(row->rule.rule, 1);
	row = &w.tables->decisions[ask(&w, "web", FW_INGRESS, "10.1.0.2", 6, 443).decision];
	assert_string_equal(row->rule.name, "a");
	assert_int_equal(row->rule.rule, 0);
	end(&w);
}

/* An equal pair of digests means equal cells: what apply builds on. */
static void test_digests_follow_meaning(void **state)
{
	struct fw_digest before, after;
	struct world w;

	(void)state;
	start(&w, POLICY("{podSelector: {}, ingress: [{ports: [{port: 80}]}]}"));
	before = w.tables->subjects[fw_tables_subject_of(w.tables, "shop", "web")].digest;
	add(&w, "{apiVersion: v1, kind: Namespace, metadata: {name: other}}\n");
	compile(&w);
	after = w.tables->subjects[fw_tables_subject_of(w.tables, "shop", "web")].digest;
	assert_memory_equal(&before, &after, sizeof(before));
	add(&w, POLICY("{podSelector: {}, ingress: [{ports: [{port: 81}]}]}"));
	compile(&w);
	after = w.tables->subjects[fw_tables_subject_of(w.tables, "shop", "web")].digest;
	assert_memory_not_equal(&before, &after, sizeof(before));
	end(&w);
}

static void test_only_pods_of_this_node_are_subjects(void **state)
{
	struct fw_sandbox *box = calloc(1, sizeof(*box));
	struct world w;

	(void)state;
	begin(&w);
	add(&w, base);
	add(&w, "{apiVersion: v1, kind: Pod, metadata: {name: here, namespace: shop}, spec: "
		"{nodeName: n1}}\n");
	assert_int_equal(fw_model_set_node_name(w.model, "n1"), 0);
	compile(&w);
	assert_int_equal(w.tables->pods_count, 1);
	assert_int_equal(fw_tables_subject_of(w.tables, "shop", "web"), UINT32_MAX);
	/* a sandbox here counts, whatever nodeName says */
	assert_non_null(box);
	box->container_id = strdup("c1");
	box->ifname = strdup("eth0");
	box->namespace = strdup("shop");
	box->name = strdup("web");
	box->uid = strdup("");
	assert_int_equal(fw_model_put_sandbox(w.model, box), 0);
	compile(&w);
	assert_int_equal(w.tables->pods_count, 2);
	assert_int_not_equal(fw_tables_subject_of(w.tables, "shop", "web"), UINT32_MAX);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_01_policy_types_decide),
		cmocka_unit_test(test_isolation_is_explicit_without_rules),
		cmocka_unit_test(test_05_empty_port_is_all_tcp),
		cmocka_unit_test(test_06_end_port),
		cmocka_unit_test(test_07_negative_namespace_selector),
		cmocka_unit_test(test_08_pod_selector_stays_in_its_namespace),
		cmocka_unit_test(test_10_except_binds_to_its_own_block),
		cmocka_unit_test(test_11_named_port_by_protocol),
		cmocka_unit_test(test_14_egress_named_port_to_anybody),
		cmocka_unit_test(test_15_egress_named_port_to_a_block),
		cmocka_unit_test(test_16_named_port_nobody_has),
		cmocka_unit_test(test_17_icmp_only_by_a_rule_without_ports),
		cmocka_unit_test(test_20_a_node_only_by_its_block),
		cmocka_unit_test(test_21_host_network_is_no_subject_and_no_peer),
		cmocka_unit_test(test_families_never_mix),
		cmocka_unit_test(test_38_unknown_pod_is_in_no_block),
		cmocka_unit_test(test_19_the_gateway_of_the_own_pods_is_no_unknown_pod),
		cmocka_unit_test(test_24_to_30_services),
		cmocka_unit_test(test_33_a_cluster_address_given_to_another_service),
		cmocka_unit_test(test_24_draining_backends_when_none_is_ready),
		cmocka_unit_test(test_more_kinds_of_backends_than_fit),
		cmocka_unit_test(test_broken_policy_fails_closed),
		cmocka_unit_test(test_first_rule_names_itself),
		cmocka_unit_test(test_digests_follow_meaning),
		cmocka_unit_test(test_only_pods_of_this_node_are_subjects),
	};

	return cmocka_run_group_tests_name("compile: by edge case", tests, NULL, NULL);
}
