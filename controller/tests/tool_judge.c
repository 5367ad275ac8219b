// SPDX-License-Identifier: Apache-2.0
/*
 * The compiler's side of the comparison with the oracle, and the judge between compiler and
 * datapath. In: one world per line of standard input: {"objects": [...], "node": "", "podRanges":
 * [...], "packets": [["ns/pod@address" | "address", the same, "TCP", 80], ...], "chosen":
 * [["ns/pod@address", service's address, "TCP", 80, backend's address, its port, live], ...]}: a
 * connection through a service by the backend that it has, judged by tables and the sets of the
 * chain after DNAT; live: it is there already. With "steps": [{"put": object} |
 * {"remove": [kind, namespace, name]}...] instead of packets the world is changed step by step.
 * Out: one line per world: {"outcomes": [[verdict, rule, pending, pending rule, [alone]]...],
 * "answers": [[egress, ingress]...], "chosen": [...]} with indexes into outcomes, -1 where no pod
 * of ours judges; or, for steps, {"steps": n, "print": the tables after the last, "differ": where a
 * compiler that remembers and a fresh one disagreed}; or {"error": text}.
 *
 * usage: tool_judge [--kernel [--sweep N] [--live [--restart]] [--spoil]]
 *   --kernel   also asks the BPF programs each question, and after each step; adds "asked": n and
 * "differ": text
 *   --sweep N  per world, N questions of the tool's own more, for tables and programs
 *   --live     after each step the flows of the steps before are asked again
 *   --restart  and the controller's side begins anew now and then, with its notes or without
 *   --spoil    the kernel's tables are made wrong first, without --kernel the sets of the chain
 *              after DNAT: the comparison must find it
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "api/decode.h"
#include "check/compare.h"

#define TEXT_MAX (64u << 20)
#define PODS	 24u /* subjects of one world */

struct judge {
	bool with_kernel, spoil, live, restart;
	uint64_t sweep, seed;
	struct fw_kernel *kernel; /* NULL without --kernel */
	uint64_t asked;		  /* of tables and programs, this line */
	struct fw_buf differ;	  /* one line for each difference, this line */
};

static int put_objects(struct fw_world *world, const cJSON *objects, struct fw_err *err)
{
	const cJSON *json;

	cJSON_ArrayForEach(json, objects) {
		struct fw_object *object = NULL;
		bool changed;
		int r = fw_decode_object(json, "world", &object, err);

		if (r == -ENOTSUP)
			continue;
		if (r == 0)
			r = fw_model_put(world->model, object, &changed);
		if (r < 0)
			return r;
	}
	return 0;
}

static int put_ranges(struct fw_world *world, const cJSON *ranges, struct fw_err *err)
{
	struct fw_prefix prefixes[64];
	size_t count = 0;
	const cJSON *json;

	cJSON_ArrayForEach(json, ranges) {
		if (count == 64 || !cJSON_IsString(json))
			return fw_err_set(err, -EINVAL, "podRanges: at most 64 texts");
		if (fw_prefix_parse(json->valuestring, &prefixes[count++], err) < 0)
			return -EINVAL;
	}
	return fw_model_set_pod_ranges(world->model, prefixes, count);
}

static int read_world(const cJSON *line, struct fw_world *world, struct fw_err *err)
{
	const cJSON *node = cJSON_GetObjectItemCaseSensitive(line, "node");
	int r = fw_world_init(world);

	if (r == 0 && cJSON_IsString(node))
		r = fw_model_set_node_name(world->model, node->valuestring);
	if (r == 0)
		r = put_ranges(world, cJSON_GetObjectItemCaseSensitive(line, "podRanges"), err);
	if (r == 0)
		r = put_objects(world, cJSON_GetObjectItemCaseSensitive(line, "objects"), err);
	return r;
}

/* "ns/pod@address" or "address": who it is is what the text says, else who owns the address. */
static int read_party(const struct fw_world *world, const char *text, const struct fw_pod **ret_pod,
		      struct fw_ip *ret_ip, struct fw_err *err)
{
	const char *slash = strchr(text, '/'), *at = strchr(text, '@');
	char namespace[64], name[256];

	if (fw_ip_parse(at ? at + 1 : text, ret_ip, err) < 0)
		return -EINVAL;
	if (!at) {
		*ret_pod = fw_model_pod_by_ip(world->model, ret_ip);
		return 0;
	}
	if (!slash || slash > at || slash - text >= 64 || at - slash > 255)
		return fw_err_set(err, -EINVAL, "party %s", text);
	(void)snprintf(namespace, sizeof(namespace), "%.*s", (int)(slash - text), text);
	(void)snprintf(name, sizeof(name), "%.*s", (int)(at - slash - 1), slash + 1);
	*ret_pod = (const struct fw_pod *)fw_model_get(world->model, FW_KIND_POD, namespace, name);
	return *ret_pod ? 0 : fw_err_set(err, -ENOENT, "no pod %s/%s", namespace, name);
}

static int read_protocol(const char *text)
{
	static const struct {
		const char *name;
		int number;
	} protocols[] = {{"TCP", FW_PROTO_TCP},
			 {"UDP", FW_PROTO_UDP},
			 {"SCTP", FW_PROTO_SCTP},
			 {"ICMP", FW_PROTO_ICMP},
			 {"ICMPv6", FW_PROTO_ICMPV6}};

	for (size_t i = 0; text && i < sizeof(protocols) / sizeof(*protocols); i++)
		if (strcmp(text, protocols[i].name) == 0)
			return protocols[i].number;
	return -1;
}

/* The two ends of one packet; an end with pod NULL is judged by nobody. */
static int read_packet(const struct fw_world *world, const cJSON *json, struct fw_end ends[2],
		       struct fw_err *err)
{
	const char *from = cJSON_GetStringValue(cJSON_GetArrayItem(json, 0));
	const char *to = cJSON_GetStringValue(cJSON_GetArrayItem(json, 1));
	int protocol = read_protocol(cJSON_GetStringValue(cJSON_GetArrayItem(json, 2)));
	const cJSON *port = cJSON_GetArrayItem(json, 3);
	const struct fw_pod *source, *destination;
	struct fw_ip source_ip, destination_ip;

	if (!from || !to || protocol < 0 || !cJSON_IsNumber(port) || port->valuedouble < 0 ||
	    port->valuedouble > 65535)
		return fw_err_set(err, -EINVAL, "a packet is [from, to, protocol, port]");
	if (read_party(world, from, &source, &source_ip, err) < 0 ||
	    read_party(world, to, &destination, &destination_ip, err) < 0)
		return -EINVAL;
	if (!fw_world_end(world, source, FW_EGRESS, &ends[0]))
		ends[0] = (struct fw_end){0};
	if (!fw_world_end(world, destination, FW_INGRESS, &ends[1]))
		ends[1] = (struct fw_end){0};
	ends[0].local = ends[1].remote = source_ip;
	ends[0].remote = ends[1].local = destination_ip;
	for (int i = 0; i < 2; i++) {
		ends[i].protocol = (uint8_t)protocol;
		ends[i].port = (uint16_t)port->valuedouble;
	}
	return 0;
}

/* Outcomes are interned by what was said: index in the order of first use. */
struct outcomes {
	struct fw_said *said;
	size_t count, cap;
};

static int outcome_of(struct outcomes *outcomes, const struct fw_said *said)
{
	for (size_t i = 0; i < outcomes->count; i++)
		if (outcomes->said[i].decision == said->decision &&
		    outcomes->said[i].verdict == said->verdict)
			return (int)i;
	if (outcomes->count == outcomes->cap) {
		size_t cap = outcomes->cap ? outcomes->cap * 2 : 64;
		struct fw_said *grown = realloc(outcomes->said, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		outcomes->said = grown;
		outcomes->cap = cap;
	}
	outcomes->said[outcomes->count] = *said;
	return (int)outcomes->count++;
}

static void ask_both(struct judge *judge, struct fw_compare *compare, const struct fw_end *end)
{
	char text[FW_COMPARE_TEXT];

	judge->asked++;
	if (fw_compare_end(compare, end, text) == 0)
		(void)fw_buf_printf(&judge->differ, "%s\n", text);
}

static const char *verdict_text(enum fw_verdict verdict)
{
	return verdict == FW_VERDICT_ALLOW ? "Allow" : "Deny";
}

static void print_outcomes(const struct fw_world *world, const struct outcomes *outcomes,
			   struct fw_buf *out)
{
	(void)fw_buf_printf(out, "\"outcomes\":[");
	for (size_t i = 0; i < outcomes->count; i++) {
		const struct fw_decision_row *row = fw_world_row(world, &outcomes->said[i]);
		struct fw_decision_name name;

		fw_world_name(world, &outcomes->said[i], &name);
		(void)fw_buf_printf(out, "%s[\"%s\",\"%s\",\"%s\",\"%s\",[", i ? "," : "",
				    verdict_text(name.verdict), name.rule,
				    verdict_text(name.pending), name.pending_rule);
		for (size_t k = 0; row && k < row->alone_count; k++)
			(void)fw_buf_printf(out, "%s\"%s\"", k ? "," : "", row->alone[k]);
		(void)fw_buf_printf(out, "]]");
	}
	(void)fw_buf_printf(out, "]");
}

static int judge_packets(struct judge *judge, const struct fw_world *world,
			 struct fw_compare *compare, const cJSON *packets,
			 struct outcomes *outcomes, struct fw_buf *out, struct fw_err *err)
{
	const cJSON *json;
	int number = 0;

	(void)fw_buf_printf(out, "\"answers\":[");
	cJSON_ArrayForEach(json, packets) {
		int index[2] = {-1, -1};
		struct fw_end ends[2];
		struct fw_said said;

		if (read_packet(world, json, ends, err) < 0)
			return -EINVAL;
		for (int i = 0; i < 2; i++) {
			if (!ends[i].pod)
				continue;
			fw_world_judge(world, &ends[i], &said);
			index[i] = outcome_of(outcomes, &said);
			if (compare)
				ask_both(judge, compare, &ends[i]);
		}
		(void)fw_buf_printf(out, "%s[%d,%d]", number++ ? "," : "", index[0], index[1]);
	}
	return fw_buf_printf(out, "],");
}

/* A packet to a service, at the pod that sends it, and the backend. */
static int read_chosen(const struct fw_world *world, const cJSON *json, struct fw_end *ret_end,
		       struct fw_backend *ret_backend, struct fw_err *err)
{
	const char *backend = cJSON_GetStringValue(cJSON_GetArrayItem(json, 4));
	const cJSON *port = cJSON_GetArrayItem(json, 5);
	struct fw_end ends[2];
	int r = read_packet(world, json, ends, err);

	if (r < 0)
		return r;
	if (!backend || !cJSON_IsNumber(port) || port->valuedouble < 1 || port->valuedouble > 65535)
		return fw_err_set(err, -EINVAL, "chosen: no backend's address and port");
	*ret_end = ends[0];
	ret_end->live = cJSON_IsTrue(cJSON_GetArrayItem(json, 6));
	ret_backend->port = (uint16_t)port->valuedouble;
	return fw_ip_parse(backend, &ret_backend->ip, err);
}

static int judge_chosen(const struct fw_world *world, const cJSON *chosen,
			struct outcomes *outcomes, struct fw_buf *out, struct fw_err *err)
{
	const cJSON *json;
	int number = 0, r = 0;

	(void)fw_buf_printf(out, "\"chosen\":[");
	cJSON_ArrayForEach(json, chosen) {
		struct fw_backend backend;
		struct fw_said said;
		struct fw_end end;
		int index = -1;

		r = read_chosen(world, json, &end, &backend, err);
		if (r < 0)
			return r;
		if (end.pod) {
			fw_world_judge(world, &end, &said);
			(void)fw_world_chosen(world, &end, &backend, &said, &said);
			index = outcome_of(outcomes, &said);
		}
		(void)fw_buf_printf(out, "%s%d", number++ ? "," : "", index);
	}
	return fw_buf_printf(out, "],");
}

/* Every backend's port in the sets is another one. */
static void spoil_chain(struct fw_world *world)
{
	for (size_t i = 0; i < world->postnat.count; i++) {
		struct fw_postnat_element *e = &world->postnat.items[i];

		if (e->set == FW_POSTNAT_ALLOWED4 || e->set == FW_POSTNAT_ALLOWED6)
			e->key[fw_postnat_key_size(e->set) - 3] ^= 1;
	}
	fw_postnat_sort(&world->postnat);
}

static int sweep(struct judge *judge, struct fw_compare *compare, uint64_t limit)
{
	struct fw_compare_sweep swept;
	int r = limit ? fw_compare_run(compare, limit, ++judge->seed * 0x9e3779b97f4a7c15u, &swept,
				       &judge->differ)
		      : 0;

	if (r == 0 && limit)
		judge->asked += swept.asked;
	return r;
}

static int judge_world(struct judge *judge, const cJSON *line, struct fw_buf *out,
		       struct fw_err *err)
{
	_cleanup_(fw_compare_free) struct fw_compare *compare = NULL;
	_cleanup_(fw_world_done) struct fw_world world = {0};
	struct outcomes outcomes = {0};
	int r = read_world(line, &world, err);

	if (r == 0)
		r = fw_world_compile(&world, NULL, err);
	if (r == 0 && judge->kernel)
		r = fw_kernel_program(judge->kernel, &world, err);
	if (r == 0 && judge->spoil && judge->kernel)
		fw_kernel_spoil(judge->kernel);
	else if (r == 0 && judge->spoil)
		spoil_chain(&world);
	if (r == 0 && judge->kernel)
		r = fw_compare_new(judge->kernel, &world, &compare);
	if (r == 0)
		r = judge_packets(judge, &world, compare,
				  cJSON_GetObjectItemCaseSensitive(line, "packets"), &outcomes, out,
				  err);
	if (r == 0)
		r = judge_chosen(&world, cJSON_GetObjectItemCaseSensitive(line, "chosen"),
				 &outcomes, out, err);
	if (r == 0)
		print_outcomes(&world, &outcomes, out);
	free(outcomes.said);
	if (r == 0 && compare)
		r = sweep(judge, compare, judge->sweep);
	return r < 0 ? r : out->error;
}

static int take_step(struct fw_world *world, const cJSON *step, struct fw_err *err)
{
	const cJSON *put = cJSON_GetObjectItemCaseSensitive(step, "put");
	const cJSON *gone = cJSON_GetObjectItemCaseSensitive(step, "remove");
	const char *text[3];
	struct fw_object *object = NULL;
	bool changed;
	int r;

	if (put) {
		r = fw_decode_object(put, "step", &object, err);
		return r < 0 ? r : fw_model_put(world->model, object, &changed);
	}
	for (int i = 0; i < 3; i++)
		text[i] = cJSON_GetStringValue(cJSON_GetArrayItem(gone, i));
	for (int kind = 0; text[0] && text[1] && text[2] && kind < FW_KIND_COUNT; kind++)
		if (strcmp(text[0], fw_kind_name((enum fw_kind)kind)) == 0)
			return fw_model_remove(world->model, (enum fw_kind)kind, text[1], text[2]);
	return fw_err_set(err, -EINVAL, "a step is {put} or {remove: [kind, namespace, name]}");
}

static int check_live(struct judge *judge, struct fw_compare *compare, bool opens)
{
	struct fw_compare_sweep swept;
	int r = fw_compare_live(compare, opens, &swept, &judge->differ);

	if (r == 0)
		judge->asked += swept.asked;
	return r;
}

/* The controller dies and comes back: nothing is written that stands already, and every flow keeps
 * its verdict. */
static int check_restart(struct judge *judge, struct fw_compare *compare, bool lose_notes,
			 int number, struct fw_err *err)
{
	uint64_t writes;
	int r = fw_kernel_restart(judge->kernel, lose_notes, &writes, err);

	if (r == 0 && writes && !lose_notes)
		r = fw_buf_printf(&judge->differ,
				  "step %d: a restart wrote %llu rows that stood already\n", number,
				  (unsigned long long)writes);
	if (r == 0)
		r = check_live(judge, compare, false);
	if (r == 0)
		r = fw_kernel_finish(judge->kernel, err);
	return r < 0 ? r : check_live(judge, compare, false);
}

/* Flows of before must follow the new policy at once, also before what is old has been removed. */
static int check_step_in_kernel(struct judge *judge, struct fw_world *world, int number,
				struct fw_err *err)
{
	struct fw_compare *compare = NULL;
	int r;

	if (!judge->live) {
		r = fw_kernel_program(judge->kernel, world, err);
		if (r == 0)
			r = fw_compare_new(judge->kernel, world, &compare);
		if (r == 0)
			r = sweep(judge, compare, judge->sweep ? judge->sweep : 200);
	} else {
		r = fw_kernel_change(judge->kernel, world, err);
		if (r == 0 && judge->spoil)
			fw_kernel_spoil_epochs(judge->kernel);
		if (r == 0)
			r = fw_compare_new(judge->kernel, world, &compare);
		if (r == 0)
			r = check_live(judge, compare, number % 3 == 0);
		if (r == 0)
			r = fw_kernel_finish(judge->kernel, err);
		if (r == 0)
			r = check_live(judge, compare, false);
		if (r == 0 && judge->restart && number % 4 == 1)
			r = check_restart(judge, compare, number % 8 == 1, number, err);
	}
	fw_compare_free(&compare);
	return r;
}

/* A fresh compile of the same model must print the same; and the programs must say what the tables
 * say. */
static int check_step(struct judge *judge, struct fw_world *world, int number, struct fw_buf *print,
		      struct fw_err *err)
{
	_cleanup_(fw_buf_done) struct fw_buf fresh = {.max = TEXT_MAX};
	struct fw_compiler *compiler = NULL;
	struct fw_tables *tables = NULL;
	int r = fw_compiler_new(&compiler);

	if (r == 0)
		fw_compiler_label_classes(compiler);
	if (r == 0)
		r = fw_compile(compiler, world->model, &tables, err);
	if (r == 0)
		r = fw_tables_print(tables, &fresh);
	fw_compiler_free(&compiler);
	fw_tables_free(&tables);
	fw_buf_clear(print);
	if (r == 0)
		r = fw_tables_print(world->tables, print);
	if (r == 0 && (fresh.len != print->len ||
		       (fresh.len && memcmp(fresh.data, print->data, fresh.len) != 0)))
		r = fw_buf_printf(&judge->differ, "step %d: remembered:\n%s\nfresh:\n%s\n", number,
				  print->data, fresh.data);
	if (r == 0 && judge->kernel)
		r = check_step_in_kernel(judge, world, number, err);
	return r;
}

static void print_text(struct fw_buf *out, const char *member, const char *text)
{
	cJSON *json = cJSON_CreateString(text ? text : "");
	char *quoted = json ? cJSON_PrintUnformatted(json) : NULL;

	(void)fw_buf_printf(out, "\"%s\":%s", member, quoted ? quoted : "\"out of memory\"");
	cJSON_free(quoted);
	cJSON_Delete(json);
}

static int judge_steps(struct judge *judge, const cJSON *line, const cJSON *steps,
		       struct fw_buf *out, struct fw_err *err)
{
	_cleanup_(fw_buf_done) struct fw_buf print = {.max = TEXT_MAX};
	_cleanup_(fw_world_done) struct fw_world world = {0};
	struct fw_compiler *compiler = NULL;
	int number = 0, r = read_world(line, &world, err);
	const cJSON *step = steps->child;

	if (r == 0)
		r = fw_compiler_new(&compiler);
	if (r == 0)
		fw_compiler_label_classes(compiler);
	while (r == 0) {
		r = fw_world_compile(&world, compiler, err);
		if (r == 0)
			r = check_step(judge, &world, number, &print, err);
		if (r < 0 || !step)
			break;
		r = take_step(&world, step, err);
		step = step->next;
		number++;
	}
	fw_compiler_free(&compiler);
	if (r < 0)
		return r;
	(void)fw_buf_printf(out, "\"steps\":%d,", number);
	print_text(out, "print", print.data);
	return out->error;
}

static int judge_line(struct judge *judge, const char *text, size_t len, struct fw_buf *out,
		      struct fw_err *err)
{
	cJSON *line = cJSON_ParseWithLength(text, len);
	const cJSON *steps = cJSON_GetObjectItemCaseSensitive(line, "steps");
	int r;

	if (!line)
		return fw_err_set(err, -EINVAL, "not a line of JSON");
	judge->asked = 0;
	fw_buf_clear(&judge->differ);
	(void)fw_buf_printf(out, "{");
	r = steps ? judge_steps(judge, line, steps, out, err) : judge_world(judge, line, out, err);
	cJSON_Delete(line);
	if (r < 0)
		return r;
	(void)fw_buf_printf(out, ",\"asked\":%llu,", (unsigned long long)judge->asked);
	print_text(out, "differ", judge->differ.len ? judge->differ.data : "");
	return fw_buf_printf(out, "}\n");
}

static int read_options(int argc, char **argv, struct judge *judge)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--kernel") == 0) {
			judge->with_kernel = true;
		} else if (strcmp(argv[i], "--spoil") == 0) {
			judge->spoil = true;
		} else if (strcmp(argv[i], "--live") == 0) {
			judge->live = true;
		} else if (strcmp(argv[i], "--restart") == 0) {
			judge->restart = true;
		} else if (strcmp(argv[i], "--sweep") == 0 && i + 1 < argc) {
			judge->sweep = strtoull(argv[++i], NULL, 10);
		} else {
			(void)fprintf(stderr, "usage: tool_judge [--kernel [--sweep N] [--live "
					      "[--restart]] [--spoil]]\n");
			return -1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	_cleanup_(fw_kernel_close) struct fw_kernel *kernel = NULL;
	_cleanup_(fw_buf_done) struct fw_buf out = {.max = TEXT_MAX};
	struct judge judge = {.differ = {.max = TEXT_MAX}};
	_cleanup_free_ char *line = NULL;
	struct fw_err err = {0};
	size_t cap = 0;
	ssize_t len;

	if (read_options(argc, argv, &judge) < 0)
		return 2;
	if (judge.with_kernel && fw_kernel_open(PODS, NULL, &kernel, &err) < 0) {
		(void)fprintf(stderr, "tool_judge: %s\n", err.text);
		return 1;
	}
	judge.kernel = kernel;
	if (kernel && judge.live)
		fw_kernel_keep_flows(kernel);
	while ((len = getline(&line, &cap, stdin)) > 0) {
		fw_buf_clear(&out);
		err.text[0] = '\0';
		if (judge_line(&judge, line, (size_t)len, &out, &err) < 0) {
			fw_buf_clear(&out);
			(void)fw_buf_printf(&out, "{");
			print_text(&out, "error", err.text[0] ? err.text : "failed");
			(void)fw_buf_printf(&out, "}\n");
		}
		(void)fputs(out.data ? out.data : "{\"error\":\"out of memory\"}\n", stdout);
		(void)fflush(stdout);
	}
	fw_buf_done(&judge.differ);
	return 0;
}
