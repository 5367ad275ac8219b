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

#define NOT_A_BACKEND "not a backend"

struct party {
	const struct fw_pod *pod; /* NULL: nobody's address */
	const struct fw_ip *ips;
	size_t ip_count;
	struct fw_ip own; /* room for an address that was given */
	bool service;
};

/* One packet on its way: to a pod, to an address, to a service and one of its backends. */
struct way {
	struct fw_ip source, destination;
	const struct fw_pod *from, *to;	  /* NULL: nobody's */
	const struct fw_backend *backend; /* NULL: not through a service */
	bool denied, judged;
	bool rule_seen; /* the expected rule decided */
	char rule[160]; /* that decided: of the end that denied, else of the first */
	const struct fw_pod *pod;
	uint8_t direction; /* and where */
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

struct asker {
	const struct fw_world *world;
	const struct fw_expect *expect;
	fw_expect_judge judge;
	void *context;
	const struct party *backend; /* the one that is asked about; NULL: each */
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

static int ask(const struct asker *asker, const struct way *way, const struct fw_end *end,
	       struct fw_decision_name *ret_name, struct fw_err *err)
{
	struct fw_said said, chosen;
	int r = asker->judge(end, &said, ret_name, asker->context, err);

	if (r == 0 && way->backend && end->direction == FW_EGRESS &&
	    fw_world_chosen(asker->world, end, way->backend, &said, &chosen))
		fw_world_name(asker->world, &chosen, ret_name);
	return r;
}

/* One end. One that policy does not apply to allows without a rule. */
static int ask_end(const struct asker *asker, struct way *way, uint8_t direction,
		   struct fw_err *err)
{
	const struct fw_expect *expect = asker->expect;
	const struct fw_pod *pod = direction == FW_EGRESS ? way->from : way->to;
	const struct fw_ip *behind = way->backend ? &way->backend->ip : &way->destination;
	struct fw_decision_name name;
	struct fw_end end;
	bool wanted;
	int r;

	if (expect->only_one && expect->direction != direction)
		return 0;
	if (!fw_world_end(asker->world, pod, direction, &end))
		return 0;
	end.local = direction == FW_EGRESS ? way->source : *behind;
	end.remote = direction == FW_EGRESS ? way->destination : way->source;
	end.protocol = expect->protocol;
	end.port = direction == FW_INGRESS && way->backend ? way->backend->port : expect->port;
	if (!end.protocol) {
		bool is4 = fw_ip_is4(&end.local);

		end.protocol = is4 ? FW_PROTO_ICMP : FW_PROTO_ICMPV6;
		end.port = (uint16_t)((is4 ? 8u : 128u) << 8);
	}
	r = ask(asker, way, &end, &name, err);
	if (r < 0)
		return r;
	way->denied = name.verdict != FW_VERDICT_ALLOW;
	wanted = expect->rule && is_rule(expect->rule, name.rule, direction);
	if (way->denied || wanted || !way->judged) {
		(void)snprintf(way->rule, sizeof(way->rule), "%s", name.rule);
		way->pod = pod;
		way->direction = direction;
	}
	/* what allowed before does not count once it is denied */
	way->rule_seen = wanted || (way->rule_seen && !way->denied);
	way->judged = true;
	return 0;
}

static int ask_way(const struct asker *asker, struct way *way, struct fw_err *err)
{
	int r = ask_end(asker, way, FW_EGRESS, err);

	return r < 0 || way->denied ? r : ask_end(asker, way, FW_INGRESS, err);
}

/* decided: by one end, which is named. */
static void tell(const struct way *way, const char *verdict, bool decided,
		 struct fw_expect_result *result)
{
	char source[FW_IP_TEXT], destination[FW_IP_TEXT];
	int len = snprintf(result->where, FW_EXPECT_TEXT, "%s -> %s",
			   fw_ip_format(&way->source, source),
			   fw_ip_format(&way->destination, destination));

	result->verdict = verdict;
	result->rule[0] = '\0';
	if (!decided || !way->judged)
		return;
	(void)snprintf(result->rule, sizeof(result->rule), "%s", way->rule);
	(void)snprintf(result->where + len, FW_EXPECT_TEXT - (size_t)len, ", %s of %s/%s",
		       way->direction == FW_EGRESS ? "egress" : "ingress",
		       way->pod->object.namespace, way->pod->object.name);
}

static const char *verdict_text(bool denied)
{
	return denied ? "Deny" : "Allow";
}

static bool is_meant(const struct asker *asker, const struct fw_backend *backend)
{
	for (size_t i = 0; asker->backend && i < asker->backend->ip_count; i++) {
		if (fw_ip_equal(&asker->backend->ips[i], &backend->ip))
			return true;
	}
	return !asker->backend;
}

/* Each backend is a way of its own; what is told of them is what those that are meant agree on. */
static int ask_backends(const struct asker *asker, const struct way *begin,
			const struct fw_backend *backends, size_t count,
			struct fw_expect_result *result, bool *ret_rule_seen, struct fw_err *err)
{
	struct way first = *begin;
	size_t meant = 0, denied = 0;

	result->backends = calloc(count, sizeof(*result->backends));
	if (!result->backends)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct fw_expect_backend *told = &result->backends[i];
		struct way way = *begin;
		int r;

		way.backend = &backends[i];
		way.to = fw_model_pod_by_ip(asker->world->model, &backends[i].ip);
		r = ask_way(asker, &way, err);
		if (r < 0)
			return r;
		*told = (struct fw_expect_backend){.ip = backends[i].ip,
						   .port = backends[i].port,
						   .pod = way.to,
						   .denied = way.denied};
		(void)snprintf(told->rule, sizeof(told->rule), "%s", way.rule);
		result->backend_count++;
		if (!is_meant(asker, &backends[i]))
			continue;
		if (!meant || (way.rule_seen && !first.rule_seen))
			first = way;
		meant++;
		denied += way.denied;
	}
	if (!meant || (denied && denied < meant))
		tell(&first, meant ? "depends on the backend" : NOT_A_BACKEND, false, result);
	else
		tell(&first, verdict_text(first.denied), true, result);
	*ret_rule_seen = first.rule_seen;
	return 0;
}

static bool is_own(const struct way *way)
{
	for (size_t i = 0; way->from && i < way->from->ip_count; i++) {
		if (fw_ip_equal(&way->from->ips[i], &way->destination))
			return true;
	}
	return false;
}

/* One family, one address. A service comes before who else has its address, but not for the pod
 * that has it. */
static int ask_address(const struct asker *asker, struct way *way, struct fw_expect_result *result,
		       struct fw_err *err)
{
	const struct fw_expect *expect = asker->expect;
	_cleanup_free_ struct fw_backend *backends = NULL;
	const struct fw_service_object *service = NULL;
	size_t count = 0;
	int r = 0;

	if (!is_own(way))
		r = fw_world_backends(asker->world, &way->destination, expect->protocol,
				      expect->port, &service, &backends, &count);
	if (service)
		way->to = NULL;
	if (r == 0 && count) {
		r = ask_backends(asker, way, backends, count, result, &way->rule_seen, err);
	} else if (r == 0 && asker->backend) {
		tell(way, NOT_A_BACKEND, false, result);
	} else if (r == 0) {
		r = ask_way(asker, way, err);
		tell(way, verdict_text(way->denied), true, result);
	}
	result->met =
		r == 0 &&
		strcmp(result->verdict, verdict_text(expect->verdict != FW_VERDICT_ALLOW)) == 0 &&
		(!expect->rule || way->rule_seen);
	return r;
}

/* The source's address of that family: its first. */
static const struct fw_ip *source_for(const struct party *from, const struct fw_ip *destination)
{
	for (size_t i = 0; i < from->ip_count; i++)
		if (fw_ip_is4(&from->ips[i]) == fw_ip_is4(destination))
			return &from->ips[i];
	return NULL;
}

static int find_parties(const struct fw_world *world, const struct fw_expect *expect,
			struct party *from, struct party *to, struct party *backend,
			struct fw_err *err)
{
	int r = find_party(world, "from", expect->from, from, err);

	if (r == 0)
		r = find_party(world, "to", expect->to, to, err);
	if (r == 0 && from->service)
		r = fw_err_set(err, -EINVAL, "from: a service sends nothing");
	if (r == 0 && expect->backend)
		r = find_party(world, "backend", expect->backend, backend, err);
	if (r == 0 && expect->backend && backend->service)
		r = fw_err_set(err, -EINVAL, "backend: a service is no backend");
	return r;
}

void fw_expect_result_done(struct fw_expect_result *result)
{
	free(result->backends);
	*result = (struct fw_expect_result){0};
}

static void keep(struct fw_expect_result *kept, struct fw_expect_result *result)
{
	fw_expect_result_done(kept);
	*kept = *result;
	*result = (struct fw_expect_result){0};
}

int fw_expect_check(const struct fw_world *world, const struct fw_expect *expect,
		    fw_expect_judge judge, void *context, struct fw_expect_result *ret_result,
		    struct fw_err *err)
{
	struct party from, to, backend = {0};
	const struct asker asker = {world, expect, judge, context,
				    expect->backend ? &backend : NULL};
	_cleanup_(fw_expect_result_done) struct fw_expect_result kept = {
		.verdict = "nothing to judge"};
	bool asked = false, seen[2] = {false, false};
	int r = find_parties(world, expect, &from, &to, &backend, err);

	for (size_t i = 0; r == 0 && i < to.ip_count; i++) {
		const struct fw_ip *source = source_for(&from, &to.ips[i]);
		_cleanup_(fw_expect_result_done) struct fw_expect_result result = {0};
		struct way way = {.destination = to.ips[i], .from = from.pod, .to = to.pod};
		const bool is4 = fw_ip_is4(&to.ips[i]);
		bool absent, met;

		if (!source || (seen[is4] && !to.service))
			continue;
		seen[is4] = true;
		way.source = *source;
		r = ask_address(&asker, &way, &result, err);
		if (r < 0)
			break;
		/* a backend may be one in one family only */
		absent = strcmp(result.verdict, NOT_A_BACKEND) == 0;
		met = result.met;
		if (!asked || (!met && !absent))
			keep(&kept, &result);
		asked = asked || !absent;
		if (!met && !absent)
			break;
	}
	if (r < 0)
		return r;
	*ret_result = kept;
	kept = (struct fw_expect_result){0};
	return 0;
}
