/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents that are right around the one field that a test is about. In: the field's YAML. Out:
 * string literals.
 */
#ifndef FW_TESTS_DECODE_TEXTS_H
#define FW_TESTS_DECODE_TEXTS_H

#define POLICY(spec)                                                                               \
	"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"                                  \
	"metadata: {name: p, namespace: shop}\nspec:\n" spec
#define RULE(rule) POLICY("  ingress:\n  - " rule)
#define PORT(port) RULE("ports:\n    - " port)
#define PEER(peer) RULE("from:\n    - " peer)
#define POD(rest)  "apiVersion: v1\nkind: Pod\nmetadata: {name: w, namespace: shop}\n" rest
#define SERVICE(spec)                                                                              \
	"apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: shop}\nspec:\n" spec
#define SLICE(rest)                                                                                \
	"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"                                   \
	"metadata: {name: e, namespace: shop}\n" rest
#define NODE(rest)  "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n" rest
#define NAMED(name) "apiVersion: v1\nkind: Pod\nmetadata:\n  name: " name "\n"

#endif
