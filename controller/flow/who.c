/* SPDX-License-Identifier: Apache-2.0 */
/* Name caches by slot, by address and by decision; see who.h. */
#include "flow/who.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "base/buf.h"
#include "base/cleanup.h"

#define IP_ROWS	      32768u /* powers of two */
#define DECISION_ROWS 4096u
#define NODE_ROWS     16384u

/* The two lives of a slot that events in flight may name. */
struct slot_name {
	struct fw_atom *now, *before;
	uint16_t generation, generation_before;
};

struct ip_name {
	struct fw_ip ip;
	uint64_t revision; /* of the model when it was looked up; 0: empty */
	struct fw_atom *party;
};

struct decision_name {
	uint8_t direction;
	uint32_t decision; /* with its flags; 0: empty */
	struct fw_decision_text text;
};

struct fw_who {
	const struct fw_datapath *datapath; /* all four borrowed */
	const struct fw_model *model;
	const struct fw_apply *apply;
	struct fw_interns *interns;
	uint64_t revision;	   /* of the model, plus 1 */
	uint64_t nodes_revision;   /* when `nodes` was filled */
	struct fw_atom *entity[5]; /* parties without a pod, by enum entity */
	struct slot_name *slots;   /* FW_ENDPOINT_SLOTS */
	struct ip_name *ips;
	struct decision_name *decisions;
	struct fw_ip *nodes; /* open addressing, zero: empty */
	struct fw_ip *own_node;
	size_t own_nodes;
};

enum entity { ENTITY_WORLD, ENTITY_UNKNOWN_POD, ENTITY_NODE, ENTITY_HOST, ENTITY_SERVICE };

static struct fw_atom *party_atom(struct fw_interns *interns, const char *namespace,
				  const char *pod, const char *workload_kind, const char *workload,
				  const char *entity)
{
	struct fw_atom *atom = NULL;
	struct fw_buf buf;

	fw_buf_init(&buf, 4096);
	(void)fw_buf_append(&buf, namespace, strlen(namespace) + 1);
	(void)fw_buf_append(&buf, pod, strlen(pod) + 1);
	if (workload[0])
		(void)fw_buf_printf(&buf, "%s/%s", workload_kind, workload);
	(void)fw_buf_append(&buf, "", 1);
	(void)fw_buf_append(&buf, entity, strlen(entity) + 1);
	if (!buf.error)
		atom = fw_intern_get(interns, buf.data, buf.len);
	fw_buf_done(&buf);
	return atom;
}

static struct fw_atom *pod_atom(struct fw_who *who, const struct fw_pod *pod)
{
	return party_atom(who->interns, pod->object.namespace, pod->object.name,
			  pod->workload_kind ? pod->workload_kind : "",
			  pod->workload_name ? pod->workload_name : "", "pod");
}

int fw_who_new(const struct fw_datapath *datapath, const struct fw_model *model,
	       const struct fw_apply *apply, struct fw_interns *interns, struct fw_who **ret_who)
{
	static const char *const entities[] = {"world", "unknown-pod", "node", "host", "service"};
	struct fw_who *who = calloc(1, sizeof(*who));
	bool whole = who != NULL;

	if (!who)
		return -ENOMEM;
	who->datapath = datapath;
	who->model = model;
	who->apply = apply;
	who->interns = interns;
	who->slots = calloc(FW_ENDPOINT_SLOTS, sizeof(*who->slots));
	who->ips = calloc(IP_ROWS, sizeof(*who->ips));
	who->decisions = calloc(DECISION_ROWS, sizeof(*who->decisions));
	who->nodes = calloc(NODE_ROWS, sizeof(*who->nodes));
	for (size_t i = 0; i < sizeof(entities) / sizeof(*entities); i++) {
		who->entity[i] = party_atom(interns, "", "", "", "", entities[i]);
		whole = whole && who->entity[i];
	}
	if (!whole || !who->slots || !who->ips || !who->decisions || !who->nodes) {
		fw_who_free(&who);
		return -ENOMEM;
	}
	*ret_who = who;
	return 0;
}

void fw_who_free(struct fw_who **who_in)
{
	struct fw_who *who = *who_in;

	if (!who)
		return;
	for (size_t i = 0; who->slots && i < FW_ENDPOINT_SLOTS; i++) {
		fw_intern_drop(who->interns, who->slots[i].now);
		fw_intern_drop(who->interns, who->slots[i].before);
	}
	for (size_t i = 0; who->ips && i < IP_ROWS; i++)
		fw_intern_drop(who->interns, who->ips[i].party);
	for (size_t i = 0; who->decisions && i < DECISION_ROWS; i++) {
		fw_intern_drop(who->interns, who->decisions[i].text.rule);
		fw_intern_drop(who->interns, who->decisions[i].text.pending_rule);
	}
	for (size_t i = 0; i < sizeof(who->entity) / sizeof(*who->entity); i++)
		fw_intern_drop(who->interns, who->entity[i]);
	free(who->slots);
	free(who->ips);
	free(who->decisions);
	free(who->nodes);
	free(who->own_node);
	free(who);
	*who_in = NULL;
}

static void refresh_slot(struct fw_who *who, const struct fw_sandbox *sandbox)
{
	const struct fw_endpoint *row = fw_datapath_endpoint(who->datapath, sandbox->slot);
	const struct fw_pod *pod = fw_model_pod_of_sandbox(who->model, sandbox);
	struct slot_name *slot = &who->slots[sandbox->slot];
	struct fw_atom *atom =
		pod ? pod_atom(who, pod)
		    : party_atom(who->interns, sandbox->namespace, sandbox->name, "", "", "pod");

	if (slot->now && row && row->generation != slot->generation) {
		fw_intern_drop(who->interns, slot->before);
		slot->before = TAKE_PTR(slot->now);
		slot->generation_before = slot->generation;
	}
	fw_intern_drop(who->interns, slot->now);
	slot->now = atom;
	slot->generation = row ? row->generation : 0;
}

void fw_who_refresh(struct fw_who *who)
{
	struct fw_sandbox *const *sandboxes;
	size_t count;

	if (who->revision == fw_model_revision(who->model) + 1)
		return;
	who->revision = fw_model_revision(who->model) + 1;
	count = fw_model_list_sandboxes(who->model, &sandboxes);
	for (size_t i = 0; i < count; i++) {
		if (sandboxes[i]->slot < FW_ENDPOINT_SLOTS)
			refresh_slot(who, sandboxes[i]);
	}
}

static uint64_t ip_hash(const struct fw_ip *ip)
{
	uint64_t words[2];

	memcpy(words, ip->b, sizeof(words));
	words[0] = (words[0] ^ (words[1] >> 29)) * 0x9e3779b97f4a7c15ULL;
	words[1] = (words[1] ^ (words[0] >> 32)) * 0xd6e8feb86659fd93ULL;
	return words[1] >> 32;
}

/* The row of `nodes` that holds the address, or the empty one where it would stand; NULL when there
 * is none. */
static struct fw_ip *node_row(struct fw_who *who, const struct fw_ip *ip)
{
	uint64_t at = ip_hash(ip);

	for (size_t i = 0; i < 64; i++) {
		struct fw_ip *row = &who->nodes[(at + i) & (NODE_ROWS - 1)];

		if (fw_ip_equal(row, ip) || !memcmp(row, &(struct fw_ip){{0}}, sizeof(*row)))
			return row;
	}
	return NULL;
}

static void keep_own(struct fw_who *who, const struct fw_node_object *node)
{
	struct fw_ip *copy = calloc(node->ip_count + 1, sizeof(*copy));

	if (!copy)
		return;
	if (node->ip_count)
		memcpy(copy, node->ips, node->ip_count * sizeof(*copy));
	free(who->own_node);
	who->own_node = copy;
	who->own_nodes = node->ip_count;
}

static void refresh_nodes(struct fw_who *who)
{
	const char *own = fw_model_node_name(who->model);
	struct fw_object *const *objects;
	size_t count;

	if (who->nodes_revision == who->revision)
		return;
	who->nodes_revision = who->revision;
	memset(who->nodes, 0, NODE_ROWS * sizeof(*who->nodes));
	who->own_nodes = 0;
	count = fw_model_list(who->model, FW_KIND_NODE, &objects);
	for (size_t i = 0; i < count; i++) {
		const struct fw_node_object *node = (const struct fw_node_object *)objects[i];

		for (size_t j = 0; j < node->ip_count; j++) {
			struct fw_ip *row = node_row(who, &node->ips[j]);

			if (row)
				*row = node->ips[j];
		}
		if (!strcmp(node->object.name, own))
			keep_own(who, node);
	}
}

static enum entity entity_of(struct fw_who *who, const struct fw_ip *ip)
{
	const struct fw_prefix *ranges;
	const struct fw_ip *row;
	size_t count;

	refresh_nodes(who);
	row = node_row(who, ip);
	if (row && fw_ip_equal(row, ip) && !fw_ip_is_zero(ip)) {
		for (size_t i = 0; i < who->own_nodes; i++) {
			if (fw_ip_equal(&who->own_node[i], ip))
				return ENTITY_HOST;
		}
		return ENTITY_NODE;
	}
	count = fw_model_pod_ranges(who->model, &ranges);
	for (size_t i = 0; i < count; i++) {
		if (fw_prefix_contains(&ranges[i], ip))
			return ENTITY_UNKNOWN_POD;
	}
	return ENTITY_WORLD;
}

/* Borrowed from the cache. */
static struct fw_atom *by_ip(struct fw_who *who, const struct fw_ip *ip)
{
	struct ip_name *row = &who->ips[ip_hash(ip) & (IP_ROWS - 1)];
	const struct fw_pod *pod;

	if (row->revision == who->revision && fw_ip_equal(&row->ip, ip))
		return row->party;
	pod = fw_model_pod_by_ip(who->model, ip);
	fw_intern_drop(who->interns, row->party);
	row->party = pod ? pod_atom(who, pod) : fw_intern_hold(who->entity[entity_of(who, ip)]);
	row->ip = *ip;
	row->revision = who->revision;
	return row->party;
}

struct fw_atom *fw_who_local(struct fw_who *who, uint32_t slot, uint16_t generation,
			     const struct fw_ip *ip)
{
	const struct slot_name *row = slot < FW_ENDPOINT_SLOTS ? &who->slots[slot] : NULL;

	if (row && row->now && row->generation == generation)
		return fw_intern_hold(row->now);
	if (row && row->before && row->generation_before == generation)
		return fw_intern_hold(row->before);
	return fw_intern_hold(by_ip(who, ip));
}

struct fw_atom *fw_who_remote(struct fw_who *who, const struct fw_ip *ip, uint32_t peer_class,
			      uint32_t decision, uint32_t service)
{
	if (service)
		return fw_intern_hold(who->entity[ENTITY_SERVICE]);
	if ((decision & FW_DECISION_ID) == FW_DECIDED_OWN_NODE)
		return fw_intern_hold(who->entity[ENTITY_HOST]);
	if (peer_class == FW_CLASS_UNKNOWN_POD)
		return fw_intern_hold(who->entity[ENTITY_UNKNOWN_POD]);
	return fw_intern_hold(by_ip(who, ip));
}

/* A rule is numbered in its direction's list: "netpol shop/api[2]" is told as "netpol shop/api
 * ingress[2]". */
static struct fw_atom *rule_atom(struct fw_who *who, const char *rule, uint8_t direction)
{
	static const char *const words[] = {[FW_INGRESS] = " ingress", [FW_EGRESS] = " egress"};
	const char *bracket = strrchr(rule, '[');
	size_t len = bracket ? (size_t)(bracket - rule) : strlen(rule);
	char text[sizeof(((struct fw_decision_name *)0)->rule) + 8];

	if (!bracket || strlen(rule) + 8 >= sizeof(text))
		return fw_intern_get(who->interns, rule, strlen(rule));
	(void)snprintf(text, sizeof(text), "%.*s%s%s", (int)len, rule, words[direction & 1],
		       bracket);
	return fw_intern_get(who->interns, text, strlen(text));
}

void fw_who_decision(struct fw_who *who, uint32_t decision, uint8_t direction,
		     struct fw_decision_text *ret_text)
{
	struct decision_name *row =
		&who->decisions[(decision << 1 | (direction & 1)) & (DECISION_ROWS - 1)];
	const struct fw_decision_name *name;

	if (row->decision == decision && row->direction == direction && decision) {
		*ret_text = row->text;
		return;
	}
	fw_intern_drop(who->interns, TAKE_PTR(row->text.rule));
	fw_intern_drop(who->interns, TAKE_PTR(row->text.pending_rule));
	*row = (struct decision_name){.direction = direction};
	row->text.verdict = decision & FW_DECISION_ALLOW    ? FW_VERDICT_ALLOW
			    : decision & FW_DECISION_REJECT ? FW_VERDICT_REJECT
							    : FW_VERDICT_DENY;
	row->text.pending = row->text.verdict;
	row->text.audited = decision & FW_DECISION_AUDITED;
	name = fw_apply_decision(who->apply, decision & FW_DECISION_ID);
	if (name) {
		row->decision = decision;
		row->text.rule = rule_atom(who, name->rule, direction);
		row->text.pending_rule = rule_atom(who, name->pending_rule, direction);
		if ((decision & FW_DECISION_ID) >= FW_DECISION_FIRST)
			row->text.pending = name->pending;
	}
	*ret_text = row->text;
}

uint32_t fw_who_service_at(const struct fw_who *who, const struct fw_ip *ip, uint16_t port,
			   uint8_t protocol)
{
	struct fw_service_key key = {.port = port, .protocol = protocol};
	int fd = fw_datapath_map_fd(who->datapath, FW_MAP_SERVICES);
	struct fw_service row;

	memcpy(key.addr, ip->b, sizeof(key.addr));
	return bpf_map_lookup_elem(fd, &key, &row) < 0 ? 0 : row.id;
}

struct fw_atom *fw_who_service(struct fw_who *who, uint32_t service)
{
	const char *text = service ? fw_apply_service(who->apply, service) : NULL;

	return text ? fw_intern_get(who->interns, text, strlen(text)) : NULL;
}

struct fw_atom *fw_who_backend(struct fw_who *who, uint32_t service, const struct fw_ip *backend)
{
	const char *text = fw_apply_service(who->apply, service);
	const struct fw_pod *pod = fw_model_pod_by_ip(who->model, backend);
	size_t namespace = pod ? strlen(pod->object.namespace) : 0;
	struct fw_atom *atom = NULL;
	char ip[FW_IP_TEXT];
	struct fw_buf buf;

	fw_buf_init(&buf, 1024);
	(void)fw_buf_printf(&buf, "%s%c", text ? text : "", 0);
	if (!pod)
		(void)fw_buf_printf(&buf, "%s", fw_ip_format(backend, ip));
	else if (text && !strncmp(text, pod->object.namespace, namespace) && text[namespace] == '/')
		(void)fw_buf_printf(&buf, "%s", pod->object.name);
	else
		(void)fw_buf_printf(&buf, "%s/%s", pod->object.namespace, pod->object.name);
	(void)fw_buf_append(&buf, "", 1);
	if (!buf.error)
		atom = fw_intern_get(who->interns, buf.data, buf.len - 1);
	fw_buf_done(&buf);
	return atom;
}

struct fw_atom *fw_who_row(struct fw_who *who, const struct fw_decision_row *row, uint8_t direction)
{
	char text[FW_RULE_TEXT];

	fw_apply_rule_text(row, text);
	return rule_atom(who, text, direction);
}
