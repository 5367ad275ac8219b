// SPDX-License-Identifier: Apache-2.0
/*
 * Units of lint: each check with a world in which it speaks, and the nearest one in which it must
 * not. In: manifests. Out: TAP. Files, lines and exit codes are in e2e/tests/lint-command.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "api/decode.h"
#include "base/buf.h"
#include "check/lint.h"

#define DOCUMENTS 64u

struct manifests {
	struct fw_model *model;
	cJSON *next;
	const struct fw_object *objects[DOCUMENTS];
	cJSON *documents[DOCUMENTS];
	size_t count;
	struct fw_buf found; /* "object path name\n" for each finding */
};

static void take_document(const cJSON *document, void *context)
{
	struct manifests *m = context;

	m->next = cJSON_Duplicate(document, 1);
}

static void take_object(struct fw_object *object, void *context)
{
	struct manifests *m = context;
	bool changed;

	assert_true(m->count < DOCUMENTS);
	m->objects[m->count] = object;
	m->documents[m->count++] = m->next;
	assert_int_equal(fw_model_put(m->model, object, &changed), 0);
}

static void refuse(unsigned int document, unsigned int line, enum fw_kind kind,
		   const char *namespace, const char *name, const char *text, void *context)
{
	(void)kind;
	(void)namespace;
	(void)name;
	(void)context;
	fail_msg("document %u, line %u: %s", document, line, text);
}

static const cJSON *document_of(const struct fw_object *object, void *context)
{
	const struct manifests *m = context;

	for (size_t i = 0; i < m->count; i++)
		if (m->objects[i] == object)
			return m->documents[i];
	return NULL;
}

static void take_finding(const struct fw_lint_finding *finding, void *context)
{
	struct manifests *m = context;

	assert_true(*finding->text != '\0');
	(void)fw_buf_printf(&m->found, "%s %s %s\n", finding->object->name, finding->path,
			    finding->name);
}

/* What lint says of the manifests, which are one YAML text of several documents. */
static void expect(const char *const *texts, const char *service_range, const char *wanted)
{
	struct manifests m = {0};
	const struct fw_decode_handler handler = {
		.document = take_document, .object = take_object, .error = refuse, .context = &m};
	struct fw_prefix range;
	struct fw_lint lint = {.document = document_of, .found = take_finding, .context = &m};

	fw_buf_init(&m.found, 65536);
	assert_int_equal(fw_model_new(&m.model), 0);
	for (; *texts; texts++)
		assert_int_equal(fw_decode_text("t.yaml", *texts, strlen(*texts), &handler), 0);
	if (service_range) {
		assert_int_equal(fw_prefix_parse(service_range, &range, NULL), 0);
		lint.service_ranges = &range;
		lint.service_range_count = 1;
	}
	lint.model = m.model;
	fw_lint_run(&lint);
	assert_string_equal(m.found.data ? m.found.data : "", wanted);
	for (size_t i = 0; i < m.count; i++)
		cJSON_Delete(m.documents[i]);
	fw_model_free(&m.model);
	fw_buf_done(&m.found);
}

#define EXPECT(wanted, ...) expect((const char *const[]){__VA_ARGS__, NULL}, NULL, wanted)

static const char shop[] =
	"apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: sales}}\n---\n"
	"apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web}}\n"
	"spec: {containers: [{name: c, image: i, ports: [{name: http, containerPort: 80}]}]}\n"
	"status: {podIPs: [{ip: 10.1.0.1}]}\n---\n"
	"apiVersion: v1\nkind: Pod\nmetadata: {name: api, namespace: shop, labels: {app: api}}\n"
	"spec: {containers: [{name: c, image: i, ports: [{name: rpc, containerPort: 81, protocol: "
	"UDP}]}]}\nstatus: {podIPs: [{ip: 10.1.0.2}]}\n---\n"
	"apiVersion: v1\nkind: Pod\nmetadata: {name: agent, namespace: shop, labels: {app: "
	"agent}}\n"
	"spec: {hostNetwork: true, containers: [{name: c, image: i}]}\n"
	"status: {podIPs: [{ip: 10.0.0.1}]}\n---\n"
	"apiVersion: v1\nkind: Pod\nmetadata: {name: job, namespace: shop, labels: {app: job}}\n"
	"spec: {containers: [{name: c, image: i}]}\n"
	"status: {phase: Succeeded, podIPs: [{ip: 10.1.0.1}]}\n";

static const char node[] = "apiVersion: v1\nkind: Node\nmetadata: {name: node-a}\n"
			   "spec: {podCIDRs: [10.1.0.0/16]}\n";

#define POLICY(spec)                                                                               \
	"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: "   \
	"shop}\nspec: " spec "\n"

static void what_is_meant_is_not_found(void **state)
{
	(void)state;
	EXPECT("", shop, node,
	       POLICY("{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress, Egress], "
		      "ingress: [{from: [{podSelector: {matchLabels: {app: api}}}, "
		      "{namespaceSelector: {matchLabels: {team: sales}}, podSelector: "
		      "{matchLabels: {app: web}}}], ports: [{port: http}, {port: 81, endPort: "
		      "82}]}],"
		      "egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}], ports: "
		      "[{port: 443}]}, {to: [{podSelector: {}}], ports: [{port: rpc, protocol: "
		      "UDP}]}]}"));
	/* alone: nothing is said of whom nobody knows */
	EXPECT("",
	       POLICY("{podSelector: {matchLabels: {app: x}}, ingress: [{from: [{podSelector: "
		      "{matchLabels: {app: other}}}, {namespaceSelector: {matchLabels: {a: b}}}], "
		      "ports: [{port: http}]}]}"));
}

static void a_policy_that_selects_nobody(void **state)
{
	(void)state;
	EXPECT("p spec.podSelector selects-no-pod\n", shop,
	       POLICY("{podSelector: {matchLabels: {app: wbe}}}"));
	EXPECT("p spec.podSelector selects-host-network\n", shop,
	       POLICY("{podSelector: {matchLabels: {app: agent}}}"));
	EXPECT("", shop, POLICY("{podSelector: {matchLabels: {app: job}}}")); /* edge case 23 */
}

static void rules_that_policy_types_make_dead(void **state)
{
	(void)state;
	EXPECT("p spec.ingress dead-rules\n", shop,
	       POLICY("{podSelector: {}, policyTypes: [Egress], ingress: [{}]}"));
	EXPECT("p spec.egress dead-rules\n", shop,
	       POLICY("{podSelector: {}, policyTypes: [Ingress], egress: [{}]}"));
	EXPECT("", shop, POLICY("{podSelector: {}, policyTypes: [Ingress], egress: []}"));
}

static void peers_that_are_nobody(void **state)
{
	(void)state;
	EXPECT("p spec.ingress[0].from[0] peer-matches-nobody\n"
	       "p spec.ingress[0].from[1].namespaceSelector peer-matches-nobody\n"
	       "p spec.ingress[0].from[2] peer-on-host-network\n"
	       "p spec.ingress[0].from[3] peer-matches-nobody\n",
	       shop,
	       POLICY("{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: x}}}, "
		      "{namespaceSelector: {matchLabels: {team: x}}}, "
		      "{podSelector: {matchLabels: {app: agent}}}, "
		      "{podSelector: {matchLabels: {app: job}}}]}]}"));
}

static void named_ports_that_nobody_has(void **state)
{
	(void)state;
	EXPECT("p spec.ingress[0].ports[0].port named-port-nobody-has\n", shop,
	       POLICY("{podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: rpc, "
		      "protocol: UDP}, {port: http}]}]}"));
	EXPECT("p spec.ingress[0].ports[0].port named-port-nobody-has\n", shop, /* edge case 11 */
	       POLICY("{podSelector: {}, ingress: [{ports: [{port: rpc}]}]}"));
	EXPECT("p spec.egress[0].ports[0].port named-port-nobody-has\n", shop,
	       POLICY("{podSelector: {}, policyTypes: [Egress], egress: [{to: [{podSelector: "
		      "{matchLabels: {app: api}}}], ports: [{port: http}]}]}"));
	EXPECT("", shop, /* edge case 14 */
	       POLICY("{podSelector: {matchLabels: {app: api}}, policyTypes: [Egress], egress: "
		      "[{ports: [{port: http}]}]}"));
	EXPECT("p spec.egress[0].ports[0].port named-port-with-block\n", /* edge case 15 */
	       POLICY("{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: "
		      "192.0.2.0/24}}], ports: [{port: http}]}]}"));
	EXPECT("", shop,
	       POLICY("{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{ipBlock: {cidr: "
		      "192.0.2.0/24}}], ports: [{port: http}]}]}"));
}

static void blocks_of_pods_and_services(void **state)
{
	static const char service[] =
		"apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: shop}\n"
		"spec: {clusterIP: 10.96.0.7, ports: [{port: 80}]}\n";

	(void)state;
	EXPECT("p spec.ingress[0].from[0].ipBlock.cidr block-of-pods\n"
	       "p spec.ingress[0].from[1].ipBlock.cidr block-of-pods\n"
	       "p spec.ingress[0].from[0] peer-covered\n",
	       node,
	       POLICY("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.1.2.0/24}}, "
		      "{ipBlock: {cidr: 0.0.0.0/0, except: [10.2.0.0/16]}}, {ipBlock: {cidr: "
		      "10.0.0.0/8, except: [10.1.0.0/17]}}, {ipBlock: {cidr: '::/0'}}]}]}"));
	EXPECT("p spec.egress[0].to[0].ipBlock.cidr block-of-services\n", shop, service,
	       POLICY("{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: "
		      "10.96.0.0/12}}]}]}"));
	EXPECT("", shop, service, /* it holds pods, too */
	       POLICY("{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: "
		      "10.0.0.0/8}}]}]}"));
	expect(
		(const char *const[]){
			POLICY("{podSelector: {}, policyTypes: [Egress], egress: [{to: "
			       "[{ipBlock: {cidr: 10.96.4.0/24}}, {ipBlock: {cidr: "
			       "10.0.0.0/8}}]}]}"),
			NULL},
		"10.96.0.0/12",
		"p spec.egress[0].to[0].ipBlock.cidr block-of-services\n"
		"p spec.egress[0].to[0] peer-covered\n");
}

static void what_nothing_is_left_for(void **state)
{
	(void)state;
	EXPECT("p spec.ingress[0] rule-covered\n", /* by the later, wider one */
	       POLICY("{podSelector: {}, ingress: [{ports: [{port: 80}]}, {}]}"));
	EXPECT("p spec.ingress[1] rule-covered\n", /* of two equal ones the later */
	       POLICY("{podSelector: {}, ingress: [{ports: [{port: 80}]}, {ports: [{port: "
		      "80}]}]}"));
	EXPECT("p spec.ingress[1] rule-covered\n",
	       POLICY("{podSelector: {}, ingress: [{from: [{podSelector: {}}, {ipBlock: {cidr: "
		      "192.0.2.0/24, except: [192.0.2.7/32]}}], ports: [{port: 80, endPort: 90}]}, "
		      "{from: [{podSelector: {matchLabels: {app: x}}}, {ipBlock: {cidr: "
		      "192.0.2.0/28, except: [192.0.2.6/31]}}], ports: [{port: 80}, {port: "
		      "81}]}]}"));
	/* another namespace, another protocol, more addresses, a name */
	EXPECT("", POLICY("{podSelector: {}, ingress: [{from: [{podSelector: {}}]}, {from: "
			  "[{namespaceSelector: {matchLabels: {a: b}}}]}]}"));
	EXPECT("", POLICY("{podSelector: {}, ingress: [{ports: [{port: 80}]}, {ports: [{port: 80, "
			  "protocol: UDP}]}, {ports: [{port: http}]}]}"));
	EXPECT("", POLICY("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 192.0.2.0/24, "
			  "except: [192.0.2.7/32]}}]}, {from: [{ipBlock: {cidr: "
			  "192.0.2.0/28}}]}]}"));
	EXPECT("p spec.ingress[0].from[0] peer-covered\n"
	       "p spec.ingress[0].ports[1] port-covered\n",
	       POLICY("{podSelector: {}, ingress: [{from: [{podSelector: {}}, {namespaceSelector: "
		      "{}}], ports: [{protocol: UDP}, {port: 53, protocol: UDP}, {port: 53}]}]}"));
}

static void an_end_port_that_says_nothing(void **state)
{
	(void)state;
	EXPECT("p spec.ingress[0].ports[1].endPort end-port-equals-port\n",
	       POLICY("{podSelector: {}, ingress: [{ports: [{port: 79}, {port: 80, endPort: "
		      "80}]}]}"));
}

static void fields_that_nobody_reads_and_what_is_replaced(void **state)
{
	(void)state;
	EXPECT("p spec.ingress[0].onlyOn unread-field\n",
	       POLICY("{podSelector: {}, ingress: [{onlyOn: tuesdays}, {}]}"));
	EXPECT("p metadata.annotations.podwall.io/replaces replaces-nothing\n",
	       "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, "
	       "namespace: shop, annotations: {podwall.io/replaces: old}}\nspec: {podSelector: "
	       "{}}\n");
}

static void ports_and_addresses_of_pods(void **state)
{
	(void)state;
	EXPECT("twice spec.containers[1].ports[1].name duplicate-port-name\n"
	       "twice spec.initContainers[1].ports[0].name duplicate-port-name\n",
	       "apiVersion: v1\nkind: Pod\nmetadata: {name: twice, namespace: shop}\nspec:\n"
	       "  initContainers:\n"
	       "  - {name: a, image: i, ports: [{name: web, containerPort: 1}]}\n"
	       "  - {name: b, image: i, restartPolicy: Always, ports: [{name: web, containerPort: "
	       "7}]}\n"
	       "  containers:\n"
	       "  - {name: c, image: i, ports: [{name: web, containerPort: 8}, {name: web, "
	       "containerPort: 8, protocol: UDP}]}\n"
	       "  - {name: d, image: i, ports: [{containerPort: 9}, {name: web, containerPort: "
	       "9}, {name: web, containerPort: 8}]}\n");
	EXPECT("a status.podIPs[0].ip address-twice\n"
	       "b status.podIPs[1].ip address-twice\n",
	       "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nstatus: {podIPs: [{ip: "
	       "10.1.0.1}]}\n---\n"
	       "apiVersion: v1\nkind: Pod\nmetadata: {name: b}\nstatus: {podIPs: [{ip: 'fd00::1'}, "
	       "{ip: 10.1.0.1}]}\n");
	EXPECT("a metadata.namespace unknown-namespace\n", shop,
	       "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shpo}\n");
}

static void fields_are_found_by_their_paths(void **state)
{
	static const struct {
		const char *path, *text;
		bool whole;
	} rows[] = {{"a.b[1].c", "3", true},
		    {"a.b[1].d", "{\"c\":3}", false},
		    {"a.b[2]", "[{\"c\":2},{\"c\":3}]", false},
		    {"a.x.io/y", "4", true},
		    {"a.b[x]", "[{\"c\":2},{\"c\":3}]", false},
		    {"a.b[1]", "{\"c\":3}", true}};
	static const char fields[] = "{\"a\":{\"b\":[{\"c\":2},{\"c\":3}],\"x.io/y\":4}}";
	cJSON *document = cJSON_ParseWithLength(fields, strlen(fields));

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		bool whole;
		char *text = cJSON_PrintUnformatted(fw_lint_field(document, rows[i].path, &whole));

		assert_string_equal(text, rows[i].text);
		assert_int_equal(whole, rows[i].whole);
		cJSON_free(text);
	}
	cJSON_Delete(document);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_meant_is_not_found),
		cmocka_unit_test(a_policy_that_selects_nobody),
		cmocka_unit_test(rules_that_policy_types_make_dead),
		cmocka_unit_test(peers_that_are_nobody),
		cmocka_unit_test(named_ports_that_nobody_has),
		cmocka_unit_test(blocks_of_pods_and_services),
		cmocka_unit_test(what_nothing_is_left_for),
		cmocka_unit_test(an_end_port_that_says_nothing),
		cmocka_unit_test(fields_that_nobody_reads_and_what_is_replaced),
		cmocka_unit_test(ports_and_addresses_of_pods),
		cmocka_unit_test(fields_are_found_by_their_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
