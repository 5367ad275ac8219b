/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wrong inputs and what is said about each, word for word: "line kind namespace/name: text". In:
 * test_decode.c. One row is one document; POLICY() and its like fill what is right around the wrong
 * field.
 */
#ifndef FW_TESTS_DECODE_WRONG_H
#define FW_TESTS_DECODE_WRONG_H

#include "decode_texts.h"

static const struct {
	const char *text;
	const char *said;
} wrong[] = {
	/* the head */
	{"a: 1\n", "1 - kind: missing"},
	{"kind: [Pod]\n", "1 - kind: must be a string, not a list"},
	{"kind: Pod\n", "1 - apiVersion: missing"},
	{"apiVersion: networking.k8s.io/v1\nkind: NetworkPolcy\nmetadata: {name: p}\n",
	 "2 - kind: \"NetworkPolcy\" is no known kind of networking.k8s.io: NetworkPolicy?"},
	{"apiVersion: networking.k8s.io/v1\nkind: NetworkPoliciesList\nitems: []\n",
	 "2 - kind: \"NetworkPoliciesList\" is no known kind of networking.k8s.io: NetworkPolicy?"},
	{"apiVersion: v1\nkind: namespace\nmetadata: {name: shop}\n",
	 "2 - kind: \"namespace\": write Namespace"},
	{"- 1\n- 2\n", "1 - must be an object, not a list"},
	{"just text\n", "1 - must be an object, not a string"},
	{"apiVersion: v2\nkind: Pod\n", "1 - apiVersion: \"v2\" is not read: write v1"},
	{"apiVersion: networking.k8s.io/v1beta1\nkind: NetworkPolicy\nmetadata: {name: p}\n",
	 "1 NetworkPolicy default/p: apiVersion: \"networking.k8s.io/v1beta1\" is not read: write "
	 "networking.k8s.io/v1"},
	{"apiVersion: extensions/v1beta1\nkind: NetworkPolicy\nmetadata: {name: p}\n",
	 "1 NetworkPolicy default/p: apiVersion: \"extensions/v1beta1\" is not read: write "
	 "networking.k8s.io/v1"},
	{"apiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\nmetadata: {name: e}\n",
	 "1 EndpointSlice default/e: apiVersion: \"discovery.k8s.io/v1beta1\" is not read: write "
	 "discovery.k8s.io/v1"},
	{"apiVersion: v1\nkind: Pod\n", "1 - metadata: missing"},
	{"apiVersion: v1\nkind: Pod\nmetadata: 5\n",
	 "3 - metadata: must be an object, not a number"},
	{"apiVersion: v1\nkind: Pod\nmetadata: {}\n", "3 - metadata.name: missing"},
	{NAMED("80"), "4 - metadata.name: must be a string, not a number: quote it"},
	{NAMED("yes"), "4 - metadata.name: must be a string, not a boolean: quote it"},
	{NAMED("Web"),
	 "4 Pod default/Web: metadata.name: \"Web\": must be lower case letters, digits, "
	 "\"-\" and \".\", and begin and end with a letter or digit"},
	{NAMED("a..b"), "4 Pod default/a..b: metadata.name: \"a..b\": must be lower case letters, "
			"digits, \"-\" and \".\", and begin and end with a letter or digit"},
	{NAMED("''"),
	 "4 - metadata.name: \"\": must be lower case letters, digits, \"-\" and \".\", "
	 "and begin and end with a letter or digit"},
	{"apiVersion: v1\nkind: Pod\nmetadata: {name: w, namespace: a.b}\n",
	 "3 Pod a.b/w: metadata.namespace: \"a.b\": must be lower case letters, digits and \"-\", "
	 "and "
	 "begin and end with a letter or digit"},
	{"apiVersion: v1\nkind: Node\nmetadata: {name: n1, namespace: x}\n",
	 "3 Node n1: metadata.namespace: \"x\": this kind has no namespace"},
	{"apiVersion: v1\nkind: Namespace\nmetadata: {name: a.b}\n",
	 "3 Namespace a.b: metadata.name: \"a.b\": must be lower case letters, digits and \"-\", "
	 "and "
	 "begin and end with a letter or digit"},
	{"apiVersion: v1\nkind: Pod\nmetadata:\n  name: w\n  labels: {app: on}\n",
	 "5 Pod default/w: metadata.labels.app: must be a string, not a boolean: quote it"},
	{"apiVersion: v1\nkind: Pod\nmetadata:\n  name: w\n  labels: {app: 1.10}\n",
	 "5 Pod default/w: metadata.labels.app: must be a string, not a number: quote it"},
	{"apiVersion: v1\nkind: Pod\nmetadata:\n  name: w\n  labels: {'a b': c}\n",
	 "5 Pod default/w: metadata.labels: key \"a b\": the name must be letters, digits, \"-\", "
	 "\"_\", \".\", and begin and end with a letter or digit"},
	{"apiVersion: v1\nkind: Pod\nmetadata:\n  name: w\n  labels: {app: 'x y'}\n",
	 "5 Pod default/w: metadata.labels.app: \"x y\": must be letters, digits, \"-\", \"_\", "
	 "\".\", "
	 "and begin and end with a letter or digit"},
	{"apiVersion: v1\nkind: Pod\nmetadata: {name: w, generation: -1}\n",
	 "3 Pod default/w: metadata.generation: -1 is out of range (0 to 9007199254740992)"},
	{"apiVersion: v1\nkind: Pod\nmetadata: {name: w, uid: {}}\n",
	 "3 Pod default/w: metadata.uid: must be a string, not an object"},
	/* NetworkPolicy: ports */
	{PORT("port: 70000\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].ports[0].port: 70000 is out of "
	 "range (1 to 65535)"},
	{PORT("port: 0\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].ports[0].port: 0 is out of range (1 "
	 "to 65535)"},
	{PORT("port: -1\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].ports[0].port: -1 is out of range "
	 "(1 to 65535)"},
	{PORT("port: 80.5\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].ports[0].port: 80.5 is not an "
	 "integer"},
	{PORT("port: true\n"), "7 NetworkPolicy shop/p: spec.ingress[0].ports[0].port: must be an "
			       "integer, not a boolean"},
	{PORT("port: '80'\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].ports[0].port: \"80\": a port "
	 "name must hold a letter: a number is written without quotes"},
	{PORT("port: Web\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].ports[0].port: \"Web\": a port "
	 "name must be lower case letters, digits and \"-\""},
	{PORT("port: a--b\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].ports[0].port: \"a--b\": a port "
	 "name must not hold \"--\""},
	{PORT("port: a-\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].ports[0].port: \"a-\": a port name "
	 "must not begin or end with \"-\""},
	{PORT("port: sixteen-letters-\n"), "7 NetworkPolicy shop/p: spec.ingress[0].ports[0].port: "
					   "\"sixteen-letters-\": a port name must "
					   "have 1 to 15 characters"},
	{PORT("{protocol: ICMP}\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].ports[0].protocol: \"ICMP\" "
	 "is none of TCP, UDP, SCTP"},
	{PORT("{protocol: tcp}\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].ports[0].protocol: \"tcp\" "
	 "is none of TCP, UDP, SCTP"},
	{PORT("{port: 80, endPort: 79}\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].ports[0].endPort: 79 "
	 "is smaller than port (80)"},
	{PORT("{port: 80, endPort: 65536}\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].ports[0].endPort: "
	 "65536 is out of range (1 to 65535)"},
	{PORT("{endPort: 80}\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].ports[0].endPort: needs port"},
	{PORT("{port: web, endPort: 80}\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].ports[0].endPort: "
	 "not allowed with a named port"},
	{PORT("80\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].ports[0]: must be an object, not a number"},
	{RULE("ports: {port: 80}\n"),
	 "6 NetworkPolicy shop/p: spec.ingress[0].ports: must be a list, not an object"},
	/* NetworkPolicy: rules and peers */
	{RULE("\n"), "6 NetworkPolicy shop/p: spec.ingress[0]: must be an object, not null"},
	{POLICY("  egress: all\n"),
	 "5 NetworkPolicy shop/p: spec.egress: must be a list, not a string"},
	{POLICY("  policyTypes: [Both]\n"),
	 "5 NetworkPolicy shop/p: spec.policyTypes[0]: \"Both\" is none of Ingress, Egress"},
	{POLICY("  policyTypes: [Ingress, Egress, Ingress]\n"),
	 "5 NetworkPolicy shop/p: spec.policyTypes: at most two"},
	{PEER("{}\n"), "7 NetworkPolicy shop/p: spec.ingress[0].from[0]: needs podSelector, "
		       "namespaceSelector or ipBlock"},
	{PEER("podSelector:\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].from[0]: needs podSelector, "
	 "namespaceSelector or ipBlock"},
	{PEER("{podSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].from[0]: ipBlock excludes the selectors"},
	{PEER("{ipBlock: {}}\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].from[0].ipBlock.cidr: missing"},
	{PEER("{ipBlock: {cidr: 10.0.0.0}}\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].from[0].ipBlock."
	 "cidr: \"10.0.0.0\" is not a CIDR (address/length)"},
	{PEER("{ipBlock: {cidr: 10.0.0/8}}\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].from[0].ipBlock."
	 "cidr: \"10.0.0/8\" is not a CIDR: bad address"},
	{PEER("{ipBlock: {cidr: 10.0.0.0/33}}\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].from[0].ipBlock.cidr: \"10.0.0.0/33\" is not a "
	 "CIDR: "
	 "length must be 0 to 32"},
	{PEER("{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].from[0].ipBlock.except[0]: 11.0.0.0/16 is not a "
	 "part "
	 "of 10.0.0.0/8"},
	{PEER("{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].from[0].ipBlock.except[0]: 10.0.0.0/8 is not a "
	 "part of "
	 "10.0.0.0/8"},
	{PEER("{ipBlock: {cidr: 10.0.0.0/8, except: ['fd00::/16']}}\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].from[0].ipBlock.except[0]: fd00::/16 is not a "
	 "part of "
	 "10.0.0.0/8"},
	{PEER("{ipBlock: 10.0.0.0/8}\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].from[0].ipBlock: must "
	 "be an object, not a string"},
	/* selectors */
	{PEER("podSelector: {matchLabels: {a: 1}}\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].from[0].podSelector.matchLabels.a: must be a "
	 "string, not "
	 "a number: quote it"},
	{PEER("podSelector: {matchLabels: {a: '-'}}\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].from[0].podSelector.matchLabels.a: \"-\": must "
	 "be "
	 "letters, digits, \"-\", \"_\", \".\", and begin and end with a letter or digit"},
	{PEER("podSelector: {matchLabels: {/a: x}}\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].from[0].podSelector.matchLabels: key \"/a\": the "
	 "part "
	 "before \"/\" is empty"},
	{PEER("podSelector: {matchExpressions: [{operator: In, values: [x]}]}\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].from[0].podSelector.matchExpressions[0].key: "
	 "missing"},
	{PEER("podSelector: {matchExpressions: [{key: a}]}\n"),
	 "7 NetworkPolicy shop/p: "
	 "spec.ingress[0].from[0].podSelector.matchExpressions[0].operator: "
	 "missing"},
	{PEER("podSelector: {matchExpressions: [{key: a, operator: in, values: [x]}]}\n"),
	 "7 NetworkPolicy shop/p: "
	 "spec.ingress[0].from[0].podSelector.matchExpressions[0].operator: \"in\" "
	 "is none of In, NotIn, Exists, DoesNotExist"},
	{PEER("podSelector: {matchExpressions: [{key: a, operator: In}]}\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].from[0].podSelector.matchExpressions[0]: values: "
	 "needed "
	 "with In and NotIn"},
	{PEER("podSelector: {matchExpressions: [{key: a, operator: Exists, values: [x]}]}\n"),
	 "7 NetworkPolicy shop/p: spec.ingress[0].from[0].podSelector.matchExpressions[0].values: "
	 "not "
	 "allowed with Exists and DoesNotExist"},
	{PEER("podSelector: {matchExpressions: [{key: a, operator: In, values: [x, null]}]}\n"),
	 "7 NetworkPolicy shop/p: "
	 "spec.ingress[0].from[0].podSelector.matchExpressions[0].values[1]: must "
	 "be a string, not null"},
	{POLICY("  podSelector: app\n"),
	 "5 NetworkPolicy shop/p: spec.podSelector: must be an object, not a string"},
	/* Pod */
	{POD("spec: {hostNetwork: 'true'}\n"),
	 "4 Pod shop/w: spec.hostNetwork: must be a boolean, not a string"},
	{POD("spec: {nodeName: 7}\n"),
	 "4 Pod shop/w: spec.nodeName: must be a string, not a number: quote it"},
	{POD("spec: {containers: [{ports: [{containerPort: 0}]}]}\n"),
	 "4 Pod shop/w: spec.containers[0].ports[0].containerPort: 0 is out of range (1 to 65535)"},
	{POD("spec: {containers: [{ports: [{name: web}]}]}\n"),
	 "4 Pod shop/w: spec.containers[0].ports[0].containerPort: missing"},
	{POD("spec: {containers: [{ports: [{containerPort: 80, name: WEB}]}]}\n"),
	 "4 Pod shop/w: spec.containers[0].ports[0].name: \"WEB\": a port name must be lower case "
	 "letters, "
	 "digits and \"-\""},
	{POD("status: {podIP: 10.0.0.300}\n"),
	 "4 Pod shop/w: status.podIP: \"10.0.0.300\" is not an IP address"},
	{POD("status: {podIPs: [10.0.0.1]}\n"),
	 "4 Pod shop/w: status.podIPs[0]: must be an object, not a string"},
	{POD("status: {podIPs: [{}]}\n"), "4 Pod shop/w: status.podIPs[0].ip: missing"},
	/* Service, EndpointSlice, Node */
	{"apiVersion: v1\nkind: Service\nmetadata: {name: s}\n",
	 "1 Service default/s: spec: missing"},
	{SERVICE("  ports: [{}]\n"), "5 Service shop/s: spec.ports[0].port: missing"},
	{SERVICE("  ports: [{port: 1, name: a}, {port: 2}]\n"),
	 "5 Service shop/s: spec.ports[1]: name: needed with more than one port"},
	{SERVICE("  type: Headless\n"),
	 "5 Service shop/s: spec.type: \"Headless\" is none of ClusterIP, "
	 "NodePort, LoadBalancer, ExternalName"},
	{SERVICE("  clusterIP: none\n"),
	 "5 Service shop/s: spec.clusterIP: \"none\" is not an IP address"},
	{SERVICE("  externalIPs: [x]\n"),
	 "5 Service shop/s: spec.externalIPs[0]: \"x\" is not an IP address"},
	{SLICE(""), "1 EndpointSlice shop/e: addressType: missing"},
	{SLICE("addressType: ipv4\n"),
	 "4 EndpointSlice shop/e: addressType: \"ipv4\" is none of IPv4, IPv6, FQDN"},
	{SLICE("addressType: IPv4\nendpoints: [{}]\n"),
	 "5 EndpointSlice shop/e: endpoints[0].addresses: missing"},
	{SLICE("addressType: IPv4\nendpoints: [{addresses: ['fd00::1']}]\n"),
	 "5 EndpointSlice shop/e: endpoints[0].addresses[0]: is not of addressType IPv4"},
	{SLICE("addressType: IPv4\nendpoints: [{addresses: [10.0.0.1], conditions: {ready: 1}}]\n"),
	 "5 EndpointSlice shop/e: endpoints[0].conditions.ready: must be a boolean, not a number"},
	{NODE("spec: {podCIDR: 10.0.0.0}\n"),
	 "4 Node n1: spec.podCIDR: \"10.0.0.0\" is not a CIDR (address/length)"},
	{NODE("status: {addresses: [{type: InternalIP}]}\n"),
	 "4 Node n1: status.addresses[0].address: missing"},
	/* lists */
	{"apiVersion: v1\nkind: List\nitems: 5\n", "3 - items: must be a list, not a number"},
	{"apiVersion: v1\nkind: List\nitems: [5]\n", "3 - must be an object, not a number"},
	/* YAML */
	{"a: b: c\n", "1 - not YAML: mapping values are not allowed in this context"},
	{"a: [1, 2\n",
	 "2 - not YAML: did not find expected ',' or ']', while parsing a flow sequence"},
	{"a: \"b\n",
	 "2 - not YAML: found unexpected end of stream, while scanning a quoted scalar"},
	{"\ta: b\n",
	 "1 - not YAML: found character that cannot start any token, while scanning for the "
	 "next token"},
	{"kind: Pod\nkind: Pod\n", "2 - the key \"kind\" is already there in line 1"},
	{"a: {b: 1,\n  c: 2,\n  b: 3}\n", "3 - the key \"b\" is already there in line 1"},
	{"a: *b\n", "1 - *b names nothing"},
	{"a: &b [*b]\n", "1 - *b stands inside what it names"},
	{"a: !!binary aGk=\n", "1 - the tag tag:yaml.org,2002:binary is not read"},
	{"a: !mine b\n", "1 - the tag !mine is not read"},
	{"a: .inf\n", "1 - .inf is not a number that JSON knows"},
	{"? [a]\n: b\n", "1 - a key must be a plain text"},
	{"~: b\n", "1 - the key \"~\" is not a string: quote it"},
	{"1.5: b\n", "1 - the key \"1.5\" is not a string: quote it"},
	{"a: \"x\\0y\"\n", "1 - a string holds \\0"},
	{"<<: 5\n", "1 - << needs a mapping"},
	{"<<: [5]\n", "1 - << needs a mapping"},
	{"a: \xff\n", "1 - not YAML: invalid leading UTF-8 octet"},
};

/* The same for JSON files. */
static const struct {
	const char *text;
	const char *said;
} wrong_json[] = {
	{"", "1 - not JSON: the text ends too early"},
	{"{", "1 - not JSON: a member name was expected"},
	{"{\"a\":1} x", "1 - not JSON: text behind the end of the document"},
	{"{\"a\":1}{\"a\":1}", "1 - not JSON: text behind the end of the document"},
	{"{\"a\" 1}", "1 - not JSON: \":\" was expected"},
	{"{\"a\":1 \"b\":2}", "1 - not JSON: \",\" or \"}\" was expected"},
	{"{\"a\":[1 2]}", "1 - not JSON: \",\" or \"]\" was expected"},
	{"{\"a\":01}", "1 - not JSON: \",\" or \"}\" was expected"},
	{"{\"a\":1.}", "1 - not JSON: a number without digits behind its point"},
	{"{\"a\":1e}", "1 - not JSON: a number without digits in its exponent"},
	{"{\"a\":+1}", "1 - not JSON: a value was expected"},
	{"{\"a\":nul}", "1 - not JSON: a value was expected"},
	{"{\"a\":\"x\\u0000\"}", "1 - not JSON: a string holds \\u0000"},
	{"{\"a\":\"\\ud800\"}", "1 - not JSON: half a surrogate pair"},
	{"{\"a\":\"\\udc00\"}", "1 - not JSON: half a surrogate pair"},
	{"{\"a\":\"\\u12g4\"}", "1 - not JSON: bad \\u escape"},
	{"{\"a\":\"\\x\"}", "1 - not JSON: bad escape in a string"},
	{"{\"a\":\n\"x\ty\"}", "2 - not JSON: a control character in a string"},
	{"{\"a\":\"\xc3(\"}", "1 - not JSON: bytes that are not UTF-8 in a string"},
	{"{\"a\":\"x", "1 - not JSON: a string without an end"},
	{"{\n \"apiVersion\": \"v1\",\n \"kind\": \"Node\",\n \"metadata\": {\"name\": \"n1\"},\n "
	 "\"spec\": {\"podCIDR\": 5}\n}",
	 "5 Node n1: spec.podCIDR: must be a string, not a number: quote it"},
};

#endif
