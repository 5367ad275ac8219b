// SPDX-License-Identifier: Apache-2.0
/*
 * The verdict over a packet's whole way: egress at the source, ingress at the destination or at
 * each backend of the service. In: an expectation. Out: met or not, and by which rule. Never judges
 * an end by itself.
 */
#include "check/expect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

struct party {
	const struct fw_pod *pod; /* NULL: nobody's address */
	const struct fw_ip *ips;
	size_t ip_count;
	struct fw_ip own; /* room for an address that was given */
	bool service;
};

/* What one way of one packet came to. */
struct way {
	const struct fw_expect *expect;
	struct fw_ip source, destination;
	bool denied, judged;
	unsigned int allowed_backends, denied_backends;
	bool rule_seen; /* the expected rule decided at some end */
	struct fw_expect_result *result;
};

static int split(const char *text, char namespace[64], char name[254])
{
	const char *slash = strchr(text, '/');

	if (!slash || slash - text >= 64 || strlen(slash + 1) >= 254 || strchr(slash + 1, '/'))
		return -EINVAL;
	(void)snprintf(namespace, 64, "%.*s", (int)(slash - text), text);
	(void)snprintf(name, 254, "%s", slash + 1);
	return 0;
}

static int find_service(const struct fw_world *world, const char *member, const char *text,
			struct party *party, struct fw_err *err)
{
	const struct fw_service_object *service;
	char namespace[64], name[254];

	if (split(text, namespace, name) < 0)
		return fw_err_set(err, -EINVAL, "%s: svc/%s: not svc/namespace/name", member, text);
	service = (const struct fw_service_object *)fw_model_get(world->model, FW_KIND_SERVICE,
								 namespace, name);
	if (!service)
		return fw_err_set(err, -ENOENT, "%s: there is no service %s", member, text);
	*party =
		(struct party){.ips = service->ips, .ip_count = service->ip_count, .service = true};
	return 0;
}

static int find_party(const struct fw_world *world, const char *member, const char *text,
		      struct party *party, struct fw_err *err)
{
	char namespace[64], name[254];

	if (strncmp(text, "svc/", 4) == 0)
		return find_service(world, member, text + 4, party, err);
	*party = (struct party){0};
	if (!strchr(text, '/')) {
		if (fw_ip_parse(text, &party->own, err) < 0) {
			fw_err_prefix(err, "%s", member);
			return -EINVAL;
		}
		party->pod = fw_model_pod_by_ip(world->model, &party->own);
		party->ips = &party->own;
		party->ip_count = 1;
		return 0;
	}
	if (split(text, namespace, name) < 0)
		return fw_err_set(err, -EINVAL,
				  "%s: %s: not namespace/pod, svc/namespace/name or an address",
				  member, text);
	party->pod =
		(const struct fw_pod *)fw_model_get(world->model, FW_KIND_POD, namespace, name);
	if (!party->pod)
		return fw_err_set(err, -ENOENT, "%s: there is no pod %s", member, text);
	party->ips = party->pod->ips;
	party->ip_count = party->pod->ip_count;
	return 0;
}

static void note(struct way *way, const char *verdict, const struct fw_decision_name *name,
		 const struct fw_end *end)
{
	char source[FW_IP_TEXT], destination[FW_IP_TEXT];

	way->result->verdict = verdict;
	(void)snprintf(way->result->rule, sizeof(way->result->rule), "%s", name ? name->rule : "");
	if (end)
		(void)snprintf(way->result->where, FW_EXPECT_TEXT, "%s -> %s, %s of %s/%s",
			       fw_ip_format(&way->source, source),
			       fw_ip_format(&way->destination, destination),
			       end->direction == FW_EGRESS ? "egress" : "ingress",
			       end->pod->object.namespace, end->pod->object.name);
	else
		(void)snprintf(way->result->where, FW_EXPECT_TEXT, "%s -> %s",
			       fw_ip_format(&way->source, source),
			       fw_ip_format(&way->destination, destination));
}

struct asker {
	const struct fw_world *world;
	fw_expect_judge judge;
	void *context;
};

/* "netpol shop/db[0]", or with the direction as records tell it: "netpol shop/db ingress[0]". */
static bool is_rule(const char *wanted, const char *rule, uint8_t direction)
{
	const char *word = direction == FW_EGRESS ? " egress" : " ingress";
	const char *bracket = strrchr(rule, '[');
	size_t len = bracket ? (size_t)(bracket - rule) : 0;

	if (!strcmp(wanted, rule))
		return true;
	return bracket && !strncmp(wanted, rule, len) &&
	       !strncmp(wanted + len, word, strlen(word)) &&
	       !strcmp(wanted + len + strlen(word), bracket);
}

/* One end; ret_denied says how it went. An end that policy does not apply to allows without a rule.
 */
static int ask_end(const struct asker *asker, struct way *way, const struct fw_pod *pod,
		   uint8_t direction, const struct fw_ip *local, uint16_t port, bool *ret_denied,
		   struct fw_err *err)
{
	struct fw_decision_name name;
	struct fw_end end;
	bool wanted;
	int r;

	*ret_denied = false;
	if (way->expect->only_one && way->expect->direction != direction)
		return 0;
	if (!fw_world_end(asker->world, pod, direction, &end))
		return 0;
	end.local = *local;
	end.remote = direction == FW_EGRESS ? way->destination : way->source;
	end.protocol = way->expect->protocol;
	end.port = port;
	if (!end.protocol) {
		end.protocol = fw_ip_is4(local) ? FW_PROTO_ICMP : FW_PROTO_ICMPV6;
		end.port = (uint16_t)((fw_ip_is4(local) ? 8u : 128u) << 8);
	}
	r = asker->judge(&end, &name, asker->context, err);
	if (r < 0)
		return r;
	*ret_denied = name.verdict != FW_VERDICT_ALLOW;
	wanted = way->expect->rule && is_rule(way->expect->rule, name.rule, direction);
	if (*ret_denied || wanted || !way->judged)
		note(way, *ret_denied ? "Deny" : "Allow", &name, &end);
	if (*ret_denied && !way->denied_backends)
		way->rule_seen = wanted; /* what allowed before does not count any more */
	else
		way->rule_seen = way->rule_seen || wanted;
	way->judged = true;
	return 0;
}

static int ask_backends(const struct asker *asker, struct way *way, struct fw_err *err)
{
	_cleanup_free_ struct fw_backend *backends = NULL;
	const struct fw_service_object *service;
	size_t count;
	int r = fw_world_backends(asker->world, &way->destination, way->expect->protocol,
				  way->expect->port, &service, &backends, &count);

	for (size_t i = 0; i < count && r == 0; i++) {
		const struct fw_pod *pod = fw_model_pod_by_ip(asker->world->model, &backends[i].ip);
		bool denied;

		if (!pod)
			continue;
		r = ask_end(asker, way, pod, FW_INGRESS, &backends[i].ip, backends[i].port, &denied,
			    err);
		if (denied)
			way->denied_backends++;
		else
			way->allowed_backends++;
	}
	if (r == 0 && way->denied_backends && way->allowed_backends)
		note(way, "depends on the backend", NULL, NULL);
	return r;
}

static int ask_way(const struct asker *asker, struct way *way, const struct party *from,
		   const struct party *to, struct fw_err *err)
{
	int r;

	note(way, "Allow", NULL, NULL);
	r = ask_end(asker, way, from->pod, FW_EGRESS, &way->source, way->expect->port, &way->denied,
		    err);
	if (r < 0 || way->denied)
		return r;
	if (to->pod)
		return ask_end(asker, way, to->pod, FW_INGRESS, &way->destination,
			       way->expect->port, &way->denied, err);
	return ask_backends(asker, way, err);
}

static bool is_met(const struct way *way)
{
	const char *wanted = way->expect->verdict == FW_VERDICT_ALLOW ? "Allow" : "Deny";

	return strcmp(way->result->verdict, wanted) == 0 && (!way->expect->rule || way->rule_seen);
}

/* The source's address of that family: its first. */
static const struct fw_ip *source_for(const struct party *from, const struct fw_ip *destination)
{
	for (size_t i = 0; i < from->ip_count; i++)
		if (fw_ip_is4(&from->ips[i]) == fw_ip_is4(destination))
			return &from->ips[i];
	return NULL;
}

int fw_expect_check(const struct fw_world *world, const struct fw_expect *expect,
		    fw_expect_judge judge, void *context, struct fw_expect_result *ret_result,
		    struct fw_err *err)
{
	const struct asker asker = {world, judge, context};
	struct fw_expect_result first = {.verdict = "nothing to judge"};
	struct party from, to;
	bool asked = false, seen[2] = {false, false};
	int r = find_party(world, "from", expect->from, &from, err);

	if (r == 0)
		r = find_party(world, "to", expect->to, &to, err);
	if (r == 0 && from.service)
		r = fw_err_set(err, -EINVAL, "from: a service sends nothing");
	for (size_t i = 0; r == 0 && i < to.ip_count; i++) {
		const struct fw_ip *source = source_for(&from, &to.ips[i]);
		struct fw_expect_result result = {0};
		struct way way = {.expect = expect, .destination = to.ips[i], .result = &result};
		const bool is4 = fw_ip_is4(&to.ips[i]);

		if (!source || (seen[is4] && !to.service))
			continue;
		seen[is4] = true;
		way.source = *source;
		r = ask_way(&asker, &way, &from, &to, err);
		result.met = r == 0 && is_met(&way);
		if (!asked || !result.met)
			first = result;
		asked = true;
		if (r < 0 || !result.met)
			break;
	}
	if (r < 0)
		return r;
	*ret_result = first;
	return 0;
}
