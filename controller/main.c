// SPDX-License-Identifier: Apache-2.0
/*
 * podwalld: options, logs, signals, and the loop. In: a command line. Out: a node whose pods are
 * behind the wall. Only composes (node/agent.h, ctl/ctl.h). Ending leaves everything pinned and
 * enforcing.
 */
#include <argp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "ctl/ctl.h"
#include "ctl/protocol.h"
#include "kube/config.h"

#define STATE_DIR_DEFAULT     "/var/lib/podwall"
#define CNI_CONF_DIR_DEFAULT  "/etc/cni/net.d"
#define CNI_CACHE_DIR_DEFAULT "/var/lib/cni"

enum {
	OPT_OBJECTS = 256,
	OPT_KUBECONFIG,
	OPT_CONTEXT,
	OPT_IN_CLUSTER,
	OPT_SERVICE_ACCOUNT,
	OPT_API_INSECURE,
	OPT_API_PATIENCE,
	OPT_PIN_DIR,
	OPT_RUN_DIR,
	OPT_STATE_DIR,
	OPT_NODE_NAME,
	OPT_POD_CIDR,
	OPT_ENFORCEMENT,
	OPT_REGIONS,
	OPT_REGION_SLOTS,
	OPT_HISTORY,
	OPT_CELLS,
	OPT_RANGES,
	OPT_ADDRESSES,
	OPT_PREFIXES,
	OPT_SERVICES,
	OPT_EVENTS,
	OPT_LOG_LEVEL,
	OPT_NO_PROMOTE,
	OPT_AGREEING_ONLY,
	OPT_SHARED_TABLE,
	OPT_REMOVE,
	OPT_CNI_CONF_DIR,
	OPT_CNI_CACHE_DIR,
	OPT_EXEMPT,
};

static const struct argp_option options[] = {
	{0, 0, 0, 0, "Where objects come from (in a pod of a cluster: its API server):", -1},
	{"objects", OPT_OBJECTS, "DIR", 0, "folder of Kubernetes YAML or JSON, watched", -1},
	{"kubeconfig", OPT_KUBECONFIG, "FILE", 0,
	 "API server and user: a token, a token file or a client certificate", -1},
	{"context", OPT_CONTEXT, "NAME", 0, "of the kubeconfig (default: its current one)", -1},
	{"in-cluster", OPT_IN_CLUSTER, 0, 0, "the API server, by this pod's service account", -1},
	{"service-account", OPT_SERVICE_ACCOUNT, "DIR", 0,
	 "token and ca.crt of it (default: " FW_SERVICE_ACCOUNT_DIR ")", -1},
	{"api-patience", OPT_API_PATIENCE, "MS", 0,
	 "how long the server may take over one object before it is asked again; a watch may be "
	 "silent six times as long (default: 20000)",
	 -1},
	{"api-insecure", OPT_API_INSECURE, 0, 0,
	 "accept a kubeconfig whose server nobody checks (http, insecure-skip-tls-verify)", -1},
	{0, 0, 0, 0, "This node:", 0},
	{"node-name", OPT_NODE_NAME, "NAME", 0,
	 "this node in spec.nodeName of its pods (default: the host name)", 0},
	{"pod-cidr", OPT_POD_CIDR, "CIDR", 0,
	 "addresses of pods, also of those not known yet; repeatable", 0},
	{"enforcement", OPT_ENFORCEMENT, "MODE", 0,
	 "Enforce or Audit for the whole node (default: as it was, Enforce at first)", 0},
	{0, 0, 0, 0, "Places (several instances need each their own):", 1},
	{"pin-dir", OPT_PIN_DIR, "DIR", 0, "pinned maps and programs (default: " FW_PIN_DEFAULT ")",
	 1},
	{"run-dir", OPT_RUN_DIR, "DIR", 0,
	 "socket, pid, endpoint files (default: " FW_RUN_DIR_DEFAULT ")", 1},
	{"state-dir", OPT_STATE_DIR, "DIR", 0,
	 "names of decisions, and what running pods need, over restarts "
	 "(default: " STATE_DIR_DEFAULT ")",
	 1},
	{0, 0, 0, 0,
	 "Pods that started before us (as root they are looked for, without root run "
	 "podwall-install):",
	 2},
	{"cni-conf-dir", OPT_CNI_CONF_DIR, "DIR", 0,
	 "the node's conflists (default: " CNI_CONF_DIR_DEFAULT ")", 2},
	{"cni-cache-dir", OPT_CNI_CACHE_DIR, "DIR", 0,
	 "where the runtime keeps CNI results (default: " CNI_CACHE_DIR_DEFAULT ")", 2},
	{"exempt-namespace", OPT_EXEMPT, "NAME", 0,
	 "its pods are not missed, as exemptNamespaces of the conflist says; repeatable", 2},
	{0, 0, 0, 0, "Sizes (of maps that are made; maps that exist keep theirs):", 3},
	{"regions", OPT_REGIONS, "N", 0, "pods on this node (default: 256)", 3},
	{"region-slots", OPT_REGION_SLOTS, "N", 0,
	 "flows per pod, a power of two, 64 bytes each (default: 4096)", 3},
	{"map-cells", OPT_CELLS, "N", 0,
	 "kinds of pods here times kinds of peers that rules tell apart (default: 262144)", 3},
	{"map-ranges", OPT_RANGES, "N", 0, "port ranges of different rules (default: 65536)", 3},
	{"map-addresses", OPT_ADDRESSES, "N", 0,
	 "addresses of pods, services and nodes in the cluster (default: 65536)", 3},
	{"map-prefixes", OPT_PREFIXES, "N", 0, "prefixes of ipBlocks (default: 16384)", 3},
	{"map-services", OPT_SERVICES, "N", 0, "ports of services (default: 16384)", 3},
	{"map-events", OPT_EVENTS, "BYTES", 0,
	 "ring of flow events, a power of two (default: 16777216)", 3},
	{"history", OPT_HISTORY, "N", 0, "flow records kept in memory (default: 65536)", 3},
	{0, 0, 0, 0, "Other:", 4},
	{"no-promote", OPT_NO_PROMOTE, 0, 0,
	 "leave hooks on clsact, do not promote them to tcx links", 4},
	{"no-exact-services", OPT_AGREEING_ONLY, 0, 0,
	 "make no nftables table: services whose backends are judged differently are denied", 4},
	{"shared-table", OPT_SHARED_TABLE, 0, 0,
	 "let others change the nftables table, as before Linux 6.9", 4},
	{"remove", OPT_REMOVE, 0, 0,
	 "take Podwall off this node and end: programs, pins and files of these places go, pods go "
	 "on without a firewall",
	 4},
	{"log-level", OPT_LOG_LEVEL, "LEVEL", 0,
	 "error, warning, info (default) or debug; logs go to standard error", 4},
	{0, 0, 0, 0, NULL, 0},
};

static const char doc[] =
	"podwalld: the node controller of Podwall, a firewall on each pod's interface."
	"\vExamples:\n"
	"  podwalld --objects /etc/podwall/objects --pod-cidr 10.88.0.0/16\n"
	"  podwalld --kubeconfig /etc/kubernetes/podwall.conf --node-name worker-1\n"
	"  podwalld --objects ./objects --enforcement Audit --log-level debug\n"
	"  podwalld --objects A --node-name a --pin-dir /sys/fs/bpf/a \\\n"
	"           --run-dir /run/a --state-dir /var/lib/a\n"
	"\n"
	"SIGTERM and SIGINT end it; the policy in force stays in force. SIGHUP: every pod and hook "
	"is looked at again.";

const char *argp_program_version = "podwalld " FW_VERSION;

struct arguments {
	struct fw_agent_options agent;
	enum fw_log_level level;
	bool remove, in_cluster;
	char hostname[HOST_NAME_MAX + 1];
};

static uint32_t take_number(struct argp_state *state, const char *option, const char *text,
			    uint32_t least, uint32_t most)
{
	char *end = NULL;
	unsigned long long number;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || number < least || number > most)
		argp_error(state, "--%s: '%s' is not a number from %u to %u", option, text, least,
			   most);
	return (uint32_t)number;
}

static uint32_t take_power(struct argp_state *state, const char *option, const char *text,
			   uint32_t least, uint32_t most)
{
	uint32_t number = take_number(state, option, text, least, most);

	if (number & (number - 1))
		argp_error(state, "--%s: %u is not a power of two", option, number);
	return number;
}

static void take_cidr(struct argp_state *state, struct fw_agent_options *agent, const char *text)
{
	struct fw_err err = {""};

	if (agent->pod_cidr_count == FW_POD_CIDRS_MAX)
		argp_error(state, "--pod-cidr: given more than %d times", FW_POD_CIDRS_MAX);
	else if (fw_prefix_parse(text, &agent->pod_cidrs[agent->pod_cidr_count], &err) < 0)
		argp_error(state, "--pod-cidr: %s", err.text);
	else
		agent->pod_cidr_count++;
}

static const char *take_path(struct argp_state *state, const char *option, const char *text)
{
	if (!*text)
		argp_error(state, "--%s: empty", option);
	return text;
}

static error_t parse_size(int key, char *text, struct argp_state *state)
{
	struct arguments *arguments = state->input;
	struct fw_sizes *sizes = &arguments->agent.sizes;

	switch (key) {
	case OPT_REGIONS:
		sizes->regions = take_number(state, "regions", text, 1, FW_REGIONS_MAX);
		return 0;
	case OPT_REGION_SLOTS:
		sizes->region_slots = take_power(state, "region-slots", text, 8, 1u << 20);
		return 0;
	case OPT_CELLS:
		sizes->cells = take_number(state, "map-cells", text, 16, FW_CELLS_MAX);
		return 0;
	case OPT_RANGES:
		sizes->ranges = take_number(state, "map-ranges", text, 16, FW_RANGES_MAX);
		return 0;
	case OPT_ADDRESSES:
		sizes->addresses = take_number(state, "map-addresses", text, 16, FW_ADDRESSES_MAX);
		return 0;
	case OPT_PREFIXES:
		sizes->prefixes = take_number(state, "map-prefixes", text, 16, FW_PREFIXES_MAX);
		return 0;
	case OPT_SERVICES:
		sizes->services = take_number(state, "map-services", text, 16, FW_SERVICES_MAX);
		return 0;
	case OPT_EVENTS:
		sizes->events_bytes = take_power(state, "map-events", text, 4096, 1u << 30);
		return 0;
	case OPT_HISTORY:
		arguments->agent.history = take_number(state, "history", text, 1024, 1u << 24);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void take_level(struct argp_state *state, struct arguments *arguments, const char *text)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};

	for (int i = 0; i < 4; i++) {
		if (!strcmp(text, names[i])) {
			arguments->level = (enum fw_log_level)i;
			return;
		}
	}
	argp_error(state, "--log-level: '%s' is not error, warning, info or debug", text);
}

static error_t parse_server(int key, char *text, struct argp_state *state)
{
	struct arguments *arguments = state->input;
	struct fw_kube_options *kube = &arguments->agent.kube;

	switch (key) {
	case OPT_KUBECONFIG:
		kube->kubeconfig = take_path(state, "kubeconfig", text);
		return 0;
	case OPT_CONTEXT:
		kube->context = take_path(state, "context", text);
		return 0;
	case OPT_IN_CLUSTER:
		arguments->in_cluster = true;
		return 0;
	case OPT_SERVICE_ACCOUNT:
		kube->service_account = take_path(state, "service-account", text);
		return 0;
	case OPT_API_INSECURE:
		kube->insecure = true;
		return 0;
	case OPT_API_PATIENCE:
		kube->patience_ms = take_number(state, "api-patience", text, 100, 3600000);
		return 0;
	default:
		return parse_size(key, text, state);
	}
}

/* One source: what was asked for, else the API server of the pod that we are in. */
static void check_source(struct argp_state *state, const struct arguments *arguments)
{
	const struct fw_agent_options *agent = &arguments->agent;
	int asked = !!agent->objects + !!agent->kube.kubeconfig + arguments->in_cluster;

	if (asked > 1)
		argp_error(state, "one of --objects, --kubeconfig and --in-cluster");
	else if (!asked && !getenv("KUBERNETES_SERVICE_HOST"))
		argp_error(state, "--objects (a folder of Kubernetes objects) or --kubeconfig is "
				  "needed: this is no pod of a cluster");
}

static error_t parse_cni(int key, char *text, struct argp_state *state)
{
	struct fw_agent_options *agent = &((struct arguments *)state->input)->agent;

	switch (key) {
	case OPT_CNI_CONF_DIR:
		agent->cni_conf_dir = take_path(state, "cni-conf-dir", text);
		return 0;
	case OPT_CNI_CACHE_DIR:
		agent->cni_cache_dir = take_path(state, "cni-cache-dir", text);
		return 0;
	default:
		if (agent->exempt_count == FW_EXEMPT_MAX)
			argp_error(state, "--exempt-namespace: more than %d", FW_EXEMPT_MAX);
		agent->exempt[agent->exempt_count++] = text;
		return 0;
	}
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
	struct arguments *arguments = state->input;
	struct fw_agent_options *agent = &arguments->agent;

	switch (key) {
	case OPT_OBJECTS:
		agent->objects = take_path(state, "objects", text);
		return 0;
	case OPT_PIN_DIR:
		agent->pin_dir = take_path(state, "pin-dir", text);
		return 0;
	case OPT_RUN_DIR:
		agent->run_dir = take_path(state, "run-dir", text);
		return 0;
	case OPT_STATE_DIR:
		agent->state_dir = take_path(state, "state-dir", text);
		return 0;
	case OPT_NODE_NAME:
		agent->node_name = take_path(state, "node-name", text);
		return 0;
	case OPT_POD_CIDR:
		take_cidr(state, agent, text);
		return 0;
	case OPT_ENFORCEMENT:
		agent->enforcement = !strcmp(text, "Audit") ? FW_AUDIT : FW_ENFORCE;
		if (strcmp(text, "Audit") != 0 && strcmp(text, "Enforce") != 0)
			argp_error(state, "--enforcement: '%s' is not Enforce or Audit", text);
		return 0;
	case OPT_LOG_LEVEL:
		take_level(state, arguments, text);
		return 0;
	case OPT_NO_PROMOTE:
		agent->no_promote = true;
		return 0;
	case OPT_AGREEING_ONLY:
		agent->agreeing_only = true;
		return 0;
	case OPT_SHARED_TABLE:
		agent->shared_table = true;
		return 0;
	case OPT_REMOVE:
		arguments->remove = true;
		return 0;
	case OPT_CNI_CONF_DIR:
	case OPT_CNI_CACHE_DIR:
	case OPT_EXEMPT:
		return parse_cni(key, text, state);
	case ARGP_KEY_ARG:
		argp_error(state, "'%s': podwalld takes options only", text);
		return 0;
	case ARGP_KEY_END:
		if (!arguments->remove)
			check_source(state, arguments);
		return 0;
	default:
		return parse_server(key, text, state);
	}
}

/* One line each: time, level, text with names escaped. */
static void log_line(enum fw_log_level level, const char *text, void *context)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	const struct arguments *arguments = context;
	struct fw_buf line;
	struct timespec now;
	char stamp[32] = "";
	struct tm tm;

	if (level > arguments->level)
		return;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (gmtime_r(&now.tv_sec, &tm))
		(void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	fw_buf_init(&line, 8192);
	(void)fw_buf_append_escaped(&line, text);
	(void)fprintf(stderr, "%s.%03dZ %s: %s\n", stamp, (int)(now.tv_nsec / 1000000),
		      names[level], line.data ? line.data : "");
	fw_buf_done(&line);
}

static void on_end(evutil_socket_t signal_number, short what, void *context)
{
	(void)signal_number;
	(void)what;
	(void)event_base_loopbreak(context);
}

static void on_rescan(evutil_socket_t signal_number, short what, void *context)
{
	(void)signal_number;
	(void)what;
	fw_agent_rescan(context);
}

static int handle_signals(struct event_base *base, struct fw_agent *agent, struct event **events)
{
	events[0] = evsignal_new(base, SIGTERM, on_end, base);
	events[1] = evsignal_new(base, SIGINT, on_end, base);
	events[2] = evsignal_new(base, SIGHUP, on_rescan, agent);
	for (int i = 0; i < 3; i++) {
		if (!events[i] || event_add(events[i], NULL) < 0)
			return -ENOMEM;
	}
	return 0;
}

static void say_ready(const struct arguments *arguments, const struct fw_agent *agent)
{
	char text[512];

	(void)snprintf(text, sizeof(text), "podwalld " FW_VERSION " on node %s is %s: %s",
		       arguments->agent.node_name,
		       fw_source_ready(fw_agent_source(agent)) ? "ready" : "up",
		       fw_source_describe(fw_agent_source(agent)));
	log_line(FW_LOG_INFO, text, (void *)(uintptr_t)arguments);
}

static int run(struct arguments *arguments, struct event_base *base, struct fw_err *err)
{
	_cleanup_(fw_agent_free) struct fw_agent *agent = NULL;
	_cleanup_(fw_ctl_free) struct fw_ctl *ctl = NULL;
	struct event *signals[3] = {NULL, NULL, NULL};
	int r = fw_agent_new(base, &arguments->agent, &agent, err);

	if (r == 0)
		r = fw_ctl_new(base, arguments->agent.run_dir, agent, &ctl, err);
	if (r == 0 && (r = handle_signals(base, agent, signals)) < 0)
		(void)fw_err_errno(err, r, "signals");
	if (r == 0) {
		say_ready(arguments, agent);
		(void)event_base_dispatch(base);
		log_line(FW_LOG_INFO, "ending: the policy in force stays in force", arguments);
	}
	for (int i = 0; i < 3; i++) {
		if (signals[i])
			event_free(signals[i]);
	}
	return r;
}

static int take_off(const struct arguments *arguments, struct fw_err *err)
{
	char text[128];
	size_t pods = 0;
	int r = fw_agent_remove(&arguments->agent, &pods, err);

	if (r < 0)
		return r;
	(void)snprintf(text, sizeof(text), "removed: %zu pod interface%s without a firewall now",
		       pods, pods == 1 ? "" : "s");
	log_line(FW_LOG_INFO, text, (void *)(uintptr_t)arguments);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {options, parse_option, NULL, doc, NULL, NULL, NULL};
	struct arguments arguments = {.level = FW_LOG_INFO};
	const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	struct fw_agent_options *agent = &arguments.agent;
	struct fw_err err = {""};
	struct event_base *base;
	int r;

	*agent = (struct fw_agent_options){.pin_dir = FW_PIN_DEFAULT,
					   .run_dir = FW_RUN_DIR_DEFAULT,
					   .state_dir = STATE_DIR_DEFAULT,
					   .cni_conf_dir = CNI_CONF_DIR_DEFAULT,
					   .cni_cache_dir = CNI_CACHE_DIR_DEFAULT,
					   .node_name = arguments.hostname,
					   .enforcement = -1,
					   .history = FW_HISTORY_DEFAULT,
					   .log = log_line,
					   .log_context = &arguments};
	(void)gethostname(arguments.hostname, sizeof(arguments.hostname) - 1);
	argp_err_exit_status = 2;
	(void)argp_parse(&argp, argc, argv, 0, NULL, &arguments);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)setrlimit(RLIMIT_MEMLOCK, &unlimited); /* kernels before 5.11 charge maps to it */
	base = event_base_new();
	if (!base) {
		log_line(FW_LOG_ERROR, "no event loop", &arguments);
		return EXIT_FAILURE;
	}
	r = arguments.remove ? take_off(&arguments, &err) : run(&arguments, base, &err);
	event_base_free(base);
	libevent_global_shutdown();
	if (r < 0)
		log_line(FW_LOG_ERROR, err.text, &arguments);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
