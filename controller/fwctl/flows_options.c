/* SPDX-License-Identifier: Apache-2.0 */
/* Options of `fwctl flows`, as close to Hubble's as one node makes sense of; see flows_options.h.
 */
#include "flows_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "fw/reasons.h"
#include "output.h"

#define SECOND_NS UINT64_C(1000000000)

static const char help_text[] =
	"usage: fwctl flows [OPTIONS]        (alias: fwctl observe)\n"
	"\n"
	"Flow records of this node: new flows, ends with totals, denies (repeats folded),\n"
	"changes of judgement, malformed and spoofed packets. Each names the rule that\n"
	"decided. Without -f: the newest 20 that match.\n"
	"\n"
	"What to read\n"
	"  -f, --follow            go on with what comes\n"
	"  --last N, --first N, --all    how many of those that match\n"
	"  --since T, --until T    RFC 3339, or an age: 30s, 5m, 1h30m, 2d\n"
	"  --input-file FILE|-     lines of -o json or -o jsonpb, not podwalld's\n"
	"\n"
	"Filters: the same option again = or, different options = and,\n"
	"--not in front = except. Each with from- and to- for one side:\n"
	"  --pod [NS/]NAME         prefix of the name, or a pattern with * and ?\n"
	"  --namespace, -n NS      (-A: all, the default)\n"
	"  --workload [KIND/|NS/]NAME    web, deploy/web, shop/web\n"
	"  --service [NS/]NAME     flows to a service's address\n"
	"  --ip ADDRESS|PREFIX     --port PORT[-PORT]\n"
	"  --label, -l reserved:world|unknown-pod|node|host\n"
	"and of the record:\n"
	"  --verdict FORWARDED|DROPPED|AUDIT\n"
	"  --denied                as --verdict DROPPED\n"
	"  --pending               promoting what is in Audit would change it\n"
	"  -t, --type new|end|deny|change|invalid|drop|policy-verdict|trace\n"
	"  --protocol tcp|udp|sctp|icmp|icmpv4|icmpv6|NUMBER\n"
	"  --tcp-flags SYN,ACK     all of them\n"
	"  --traffic-direction ingress|egress\n"
	"  -4, -6, --ip-version v4|v6|none\n"
	"  --node-name PATTERN\n"
	"  --drop-reason REASON    `fwctl flows --help reasons`; Hubble's names, too\n"
	"  --policy NAME           decides or is pending: shop/api, \"netpol shop/api\"\n"
	"\n"
	"How to show it\n"
	"  -o compact|table|wide|dict|csv|json|jsonpb\n"
	"                          json: a line each; jsonpb: what hubble reads\n"
	"  --time-format Time|StampMilli|RFC3339[Milli|Micro|Nano]|RFC1123Z\n"
	"  --numeric               addresses instead of names\n"
	"  --color auto|always|never\n"
	"  --group-by app|ns|pod|port|policy    --top N    --count\n"
	"  -P, --print-policy-names, --ip-translation    always on\n"
	"\n"
	"Lost records always show.\n"
	"Exit: 0, 1 failure, 2 usage, 3 podwalld does not answer.\n"
	"\n"
	"  fwctl flows -n shop --denied -f\n"
	"  fwctl flows --to-pod shop/db-0 --not --from-namespace shop --since 10m\n"
	"  fwctl flows --all --group-by app --top 10\n"
	"  fwctl flows --all -o jsonpb | hubble observe --input-file -\n";

enum {
	OPT_LAST = FW_OPTION_OWN,
	OPT_FIRST,
	OPT_ALL,
	OPT_SINCE,
	OPT_UNTIL,
	OPT_NOT,
	OPT_FAMILY4,
	OPT_FAMILY6,
	OPT_TIME_FORMAT,
	OPT_NUMERIC,
	OPT_INPUT,
	OPT_GROUP,
	OPT_TOP,
	OPT_COUNT,
	OPT_IGNORED,
	OPT_IGNORED_VALUE,
	OPT_HTTP,
	OPT_IDENTITY,
	OPT_FQDN,
	OPT_FILTER, /* and above: the filter of that name */
};

/* versions of clang-format disagree about braces in macros */
/* clang-format off */
#define FILTER(name)	    {name, required_argument, NULL, OPT_FILTER}
#define SIDED(name)	    FILTER(name), FILTER("from-" name), FILTER("to-" name)
#define PLAIN(name, value)  {name, no_argument, NULL, value}
#define VALUED(name, value) {name, required_argument, NULL, value}
/* clang-format on */

static const struct option options[] = {
	FW_COMMON_LONG,
	PLAIN("follow", 'f'),
	VALUED("last", OPT_LAST),
	VALUED("first", OPT_FIRST),
	PLAIN("all", OPT_ALL),
	VALUED("since", OPT_SINCE),
	VALUED("until", OPT_UNTIL),
	PLAIN("not", OPT_NOT),
	SIDED("ip"),
	SIDED("pod"),
	SIDED("label"),
	SIDED("namespace"),
	SIDED("service"),
	SIDED("workload"),
	SIDED("port"),
	FILTER("verdict"),
	FILTER("type"),
	FILTER("protocol"),
	FILTER("tcp-flags"),
	FILTER("traffic-direction"),
	FILTER("ip-version"),
	FILTER("node-name"),
	FILTER("drop-reason"),
	{"drop-reason-desc", required_argument, NULL, OPT_FILTER},
	FILTER("policy"),
	PLAIN("denied", OPT_FILTER),
	PLAIN("pending", OPT_FILTER),
	PLAIN("ipv4", '4'),
	PLAIN("ipv6", '6'),
	PLAIN("all-namespaces", 'A'),
	VALUED("time-format", OPT_TIME_FORMAT),
	PLAIN("numeric", OPT_NUMERIC),
	VALUED("input-file", OPT_INPUT),
	VALUED("group-by", OPT_GROUP),
	VALUED("top", OPT_TOP),
	PLAIN("count", OPT_COUNT),
	PLAIN("print-policy-names", OPT_IGNORED),
	{"ip-translation", optional_argument, NULL, OPT_IGNORED},
	VALUED("http-status", OPT_HTTP),
	VALUED("http-method", OPT_HTTP),
	VALUED("http-path", OPT_HTTP),
	VALUED("http-url", OPT_HTTP),
	VALUED("http-header", OPT_HTTP),
	VALUED("identity", OPT_IDENTITY),
	VALUED("from-identity", OPT_IDENTITY),
	VALUED("to-identity", OPT_IDENTITY),
	VALUED("fqdn", OPT_FQDN),
	VALUED("from-fqdn", OPT_FQDN),
	VALUED("to-fqdn", OPT_FQDN),
	{NULL, 0, NULL, 0},
};

static int usage(const char *text)
{
	return fw_fail(FW_EXIT_USAGE, "flows", "%s", text);
}

static int list_reasons(void)
{
#define FW_REASON_LINE(symbol, name, drops, text)                                                  \
	if (drops)                                                                                 \
		(void)printf("  %-18s %s\n", name, text);
	FW_REASONS(FW_REASON_LINE)
#undef FW_REASON_LINE
	return FW_EXIT_OK;
}

static int parse_count(const char *name, const char *text, uint64_t *ret_count)
{
	uint64_t number = 0;

	for (const char *s = text; *s; s++) {
		if (*s < '0' || *s > '9' || number > UINT64_MAX / 100)
			return fw_fail(FW_EXIT_USAGE, "flows", "--%s: \"%s\" is not a number", name,
				       text);
		number = number * 10 + (uint64_t)(*s - '0');
	}
	if (!*text)
		return fw_fail(FW_EXIT_USAGE, "flows", "--%s: needs a number", name);
	*ret_count = number;
	return -1;
}

/* "1h30m" before now; -EINVAL when it is no age. */
static int parse_age(const char *text, uint64_t *ret_ns)
{
	uint64_t total = 0, now;
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	now = (uint64_t)ts.tv_sec * SECOND_NS + (uint64_t)ts.tv_nsec;
	if (!*text)
		return -EINVAL;
	while (*text) {
		uint64_t number = 0, unit;

		if (*text < '0' || *text > '9')
			return -EINVAL;
		while (*text >= '0' && *text <= '9' && number < 1000000000)
			number = number * 10 + (uint64_t)(*text++ - '0');
		if (!strncmp(text, "ms", 2)) {
			total += number * (SECOND_NS / 1000);
			text += 2;
			continue;
		}
		unit = *text == 's'   ? 1
		       : *text == 'm' ? 60
		       : *text == 'h' ? 3600
		       : *text == 'd' ? 86400
				      : 0;
		if (!unit)
			return -EINVAL;
		total += number * unit * SECOND_NS;
		text++;
	}
	*ret_ns = total < now ? now - total : 0;
	return 0;
}

static int parse_moment(const char *name, const char *text, uint64_t *ret_ns)
{
	if (!fw_show_parse_time(text, ret_ns) || !parse_age(text, ret_ns))
		return -1;
	return fw_fail(FW_EXIT_USAGE, "flows",
		       "--%s: \"%s\" is neither RFC 3339 nor an age (30s, 5m, 1h30m, 2d)", name,
		       text);
}

struct parse {
	struct fw_flows_options *options;
	struct fw_common common;
	uint64_t since, until;
	bool negated, chosen; /* chosen: --last, --first or --all was given */
};

static int add_filter(struct parse *p, const char *name, const char *value)
{
	struct fw_err err = {""};
	int r = fw_filter_add(p->options->filter,
			      !strcmp(name, "drop-reason-desc") ? "drop-reason" : name, value,
			      p->negated, &err);

	p->negated = false;
	return r ? fw_fail(FW_EXIT_USAGE, "flows", "%s", err.text) : -1;
}

static int choose(struct parse *p, uint64_t *amount, uint64_t value)
{
	p->chosen = true;
	p->options->last = p->options->first = UINT64_MAX;
	*amount = value;
	return -1;
}

static int option_amount(struct parse *p, int option)
{
	struct fw_flows_options *o = p->options;
	uint64_t number = UINT64_MAX;
	int code = -1;

	if (option == OPT_ALL)
		return choose(p, &o->last, UINT64_MAX);
	code = parse_count(option == OPT_LAST ? "last" : "first", optarg, &number);
	return code >= 0 ? code : choose(p, option == OPT_LAST ? &o->last : &o->first, number);
}

static int option_show(struct parse *p, int option)
{
	struct fw_flows_options *o = p->options;
	struct fw_err err = {""};
	int r = 0;

	if (option == 'o') {
		r = fw_show_parse_format(optarg, &o->show.format, &err);
		o->json = o->show.format == FW_SHOW_JSON || o->show.format == FW_SHOW_JSONPB;
		fw_err_prefix(&err, "-o");
	} else if (option == OPT_TIME_FORMAT) {
		r = fw_show_parse_time_format(optarg, &o->show.time, &err);
		fw_err_prefix(&err, "--time-format");
	} else if (option == OPT_GROUP) {
		r = fw_tally_parse(optarg, &o->group, &err);
		fw_err_prefix(&err, "--group-by");
	} else if (option == OPT_NUMERIC) {
		o->show.numeric = true;
	}
	return r ? usage(err.text) : -1;
}

static int option_refused(int option)
{
	if (option == OPT_HTTP)
		return usage("Podwall judges packets and looks at no HTTP: there are no --http-* "
			     "filters; --port and "
			     "--service are the nearest");
	if (option == OPT_IDENTITY)
		return usage("Podwall has no numeric identities: use --pod, --workload, "
			     "--namespace or --label reserved:...");
	return usage("records carry no DNS names: use --ip, --service or --label reserved:world");
}

static int option_plain(struct parse *p, int option)
{
	struct fw_flows_options *o = p->options;

	switch (option) {
	case 'f':
		o->follow = true;
		return -1;
	case 'n':
		return add_filter(p, "namespace", optarg);
	case 't':
		return add_filter(p, "type", optarg);
	case 'l':
		return add_filter(p, "label", optarg);
	case '4':
		return add_filter(p, "ip-version", "v4");
	case '6':
		return add_filter(p, "ip-version", "v6");
	case OPT_NOT:
		p->negated = true;
		return -1;
	case OPT_SINCE:
		return parse_moment("since", optarg, &p->since);
	case OPT_UNTIL:
		return parse_moment("until", optarg, &p->until);
	case OPT_INPUT:
		o->input = optarg;
		return -1;
	case OPT_TOP:
		return parse_count("top", optarg, &o->top);
	case OPT_COUNT:
		o->count = true;
		return -1;
	default: /* -A, -P, --print-policy-names, --ip-translation */
		return -1;
	}
}

static int one_option(struct parse *p, int option, int index, char *const *argv)
{
	switch (option) {
	case 'h':
		if (argv[optind] && !strcmp(argv[optind], "reasons"))
			return list_reasons();
		(void)fputs(help_text, stdout);
		return FW_EXIT_OK;
	case '?':
		return usage("see `fwctl flows --help`");
	case FW_OPTION_SERVER:
		fw_client_set_server(optarg);
		return -1;
	case FW_OPTION_COLOR:
		return fw_common_color(&p->common, optarg);
	case OPT_FILTER:
		return add_filter(p, options[index].name, optarg);
	case OPT_LAST:
	case OPT_FIRST:
	case OPT_ALL:
		return option_amount(p, option);
	case 'o':
	case OPT_TIME_FORMAT:
	case OPT_GROUP:
	case OPT_NUMERIC:
		return option_show(p, option);
	case OPT_HTTP:
	case OPT_IDENTITY:
	case OPT_FQDN:
		return option_refused(option);
	default:
		return option_plain(p, option);
	}
}

/* What follows from the options together. */
static int settle(struct parse *p)
{
	struct fw_flows_options *o = p->options;
	bool tally;

	if (o->top != UINT64_MAX && o->group == FW_TALLY_NONE)
		o->group = FW_TALLY_APP;
	tally = o->group != FW_TALLY_NONE || o->count;

	if (p->negated)
		return usage("--not stands in front of the filter that it turns round");
	if (tally && o->follow)
		return usage("--group-by and --count need an end: without -f");
	if (o->follow && o->input)
		return usage("--input-file has an end: without -f");
	if (o->follow && o->first != UINT64_MAX)
		return usage("--first counts from the oldest: without -f");
	if (!p->chosen) {
		bool bounded = p->since || p->until != UINT64_MAX || tally || o->input;

		o->last = bounded ? UINT64_MAX : o->follow ? 0 : FW_FLOWS_LAST_DEFAULT;
	}
	fw_filter_between(o->filter, p->since, p->until);
	o->show.color = fw_color_wanted(p->common.color);
	o->show.width = fw_columns();
	return -1;
}

int fw_flows_options_parse(int argc, char **argv, struct fw_flows_options *ret_options)
{
	struct parse p = {.options = ret_options, .common = {.color = "auto"}, .until = UINT64_MAX};
	int option, index = 0, code = -1;

	*ret_options = (struct fw_flows_options){
		.last = UINT64_MAX, .first = UINT64_MAX, .top = UINT64_MAX};
	if (fw_filter_new(&ret_options->filter))
		return fw_fail(FW_EXIT_FAILURE, "flows", "out of memory");
	while (code < 0 && (option = fw_getopt(argc, argv, FW_COMMON_SHORT "fn:At:l:46P", options,
					       &index)) >= 0)
		code = one_option(&p, option, index, argv);
	if (code >= 0)
		return code;
	if (optind < argc)
		return fw_fail(FW_EXIT_USAGE, "flows",
			       "takes no argument: %s (a filter begins with --)", argv[optind]);
	return settle(&p);
}

void fw_flows_options_done(struct fw_flows_options *options_in)
{
	fw_filter_free(&options_in->filter);
}
