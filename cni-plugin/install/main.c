/* SPDX-License-Identifier: Apache-2.0 */
/*
 * podwall-install: options, messages, exit codes. In: a command line. Out: Podwall in, kept in, or
 * out of a node's CNI configuration. Only composes (install.h).
 */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "conflist.h"
#include "earlier.h"
#include "install.h"
#include "prepare.h"

enum {
	OPT_CONF_DIR = 256,
	OPT_BIN_DIR,
	OPT_PLUGIN,
	OPT_ENTRY,
	OPT_CACHE_DIR,
	OPT_WITH_PLUGIN,
	OPT_WAIT,
	OPT_USER,
	OPT_PIN_DIR,
	OPT_RUN_DIR,
	OPT_STATE_DIR,
};

static const struct argp_option options[] = {
	{"conf-dir", OPT_CONF_DIR, "DIR", 0, "the node's conflists (default: /etc/cni/net.d)", 0},
	{"bin-dir", OPT_BIN_DIR, "DIR", 0, "the node's CNI plugins (default: /opt/cni/bin)", 0},
	{"plugin", OPT_PLUGIN, "FILE", 0,
	 "podwall-cni to copy there (default: none, it is there already)", 0},
	{"entry", OPT_ENTRY, "JSON", 0,
	 "the entry, with its options (default: {\"type\":\"podwall-cni\"})", 0},
	{"cache-dir", OPT_CACHE_DIR, "DIR", 0,
	 "where the runtime keeps CNI results, usually /var/lib/cni: pods that run without a "
	 "firewall get theirs (default: none, they are let be)",
	 0},
	{0, 0, 0, 0, "For remove:", 1},
	{"with-plugin", OPT_WITH_PLUGIN, 0, 0, "the plugin, too: no pod is behind it any more", 1},
	{"wait", OPT_WAIT, 0, 0, "then wait for SIGTERM, as a container that must stay has to", 1},
	{0, 0, 0, 0, "For prepare:", 2},
	{"user", OPT_USER, "UID", 0, "who podwalld runs as (default: 65532)", 2},
	{"pin-dir", OPT_PIN_DIR, "DIR", 0, "(default: /sys/fs/bpf/podwall)", 2},
	{"run-dir", OPT_RUN_DIR, "DIR", 0, "(default: /run/podwall)", 2},
	{"state-dir", OPT_STATE_DIR, "DIR", 0, "(default: /var/lib/podwall)", 2},
	{0, 0, 0, 0, NULL, 0},
};

static const char doc[] =
	"podwall-install: Podwall in a node's CNI configuration."
	"\vCommands:\n"
	"  add     copy the plugin, and put its entry at the end of the conflist in use\n"
	"  keep    add, and add again whenever the conflist is written anew, until SIGTERM\n"
	"  cover   once: pods that run without a firewall get theirs from podwalld\n"
	"  prepare make podwalld's folders, and give them to the user that it runs as\n"
	"  remove  take the entry out of every conflist; the plugin stays, for pods that run,\n"
	"          but with --with-plugin\n"
	"\n"
	"Example:\n"
	"  podwall-install add --plugin /usr/lib/podwall-cni\n"
	"\n"
	"Exit: 0 done, 1 failed, 3 no conflist yet.";

const char *argp_program_version = "podwall-install " FW_VERSION;

struct arguments {
	struct fw_install install;
	struct fw_prepare prepare;
	bool with_plugin, wait;
	const char *command;
};

static uid_t take_user(struct argp_state *state, const char *text)
{
	char *end = NULL;

	errno = 0;
	unsigned long number = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || number > INT32_MAX)
		argp_error(state, "--user: '%s' is not the number of a user", text);
	return (uid_t)number;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct arguments *arguments = state->input;
	struct fw_err err = {""};

	switch (key) {
	case OPT_CONF_DIR:
		arguments->install.conf_dir = text;
		return 0;
	case OPT_BIN_DIR:
		arguments->install.bin_dir = text;
		return 0;
	case OPT_PLUGIN:
		arguments->install.plugin = text;
		return 0;
	case OPT_ENTRY:
		if (fw_conflist_check_entry(text, &err) < 0)
			argp_error(state, "--entry: %s", err.text);
		arguments->install.entry = text;
		return 0;
	case OPT_CACHE_DIR:
		arguments->install.cache_dir = text;
		return 0;
	case OPT_WITH_PLUGIN:
		arguments->with_plugin = true;
		return 0;
	case OPT_WAIT:
		arguments->wait = true;
		return 0;
	case OPT_USER:
		arguments->prepare.user = take_user(state, text);
		return 0;
	case OPT_PIN_DIR:
		arguments->prepare.pin_dir = text;
		return 0;
	case OPT_RUN_DIR:
		arguments->prepare.run_dir = text;
		return 0;
	case OPT_STATE_DIR:
		arguments->prepare.state_dir = text;
		return 0;
	case ARGP_KEY_ARG:
		if (arguments->command)
			argp_error(state, "one command only");
		arguments->command = text;
		return 0;
	case ARGP_KEY_END:
		if (!arguments->command)
			argp_error(state, "a command is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* One line for each change, and for each failure while it is new. */
static void tell(int r, enum fw_install_change change, const char *text)
{
	static char last[FW_ERR_TEXT + NAME_MAX + 64];
	char line[sizeof(last)];

	if (r < 0)
		(void)snprintf(line, sizeof(line), "failed: %s", text);
	else if (change == FW_INSTALL_NO_CONFLIST)
		(void)snprintf(line, sizeof(line), "no conflist yet");
	else if (change == FW_INSTALL_COVERED)
		(void)snprintf(line, sizeof(line), "pods that ran without a firewall: %s", text);
	else
		(void)snprintf(line, sizeof(line), "in place: %s", text);
	if (change != FW_INSTALL_DONE && change != FW_INSTALL_COVERED && !strcmp(line, last))
		return;
	(void)memcpy(last, line, sizeof(last));
	(void)fprintf(stderr, "podwall-install: %s\n", line);
}

static int add(const struct arguments *arguments, struct fw_err *err)
{
	const struct fw_install *install = &arguments->install;
	enum fw_install_change change = FW_INSTALL_NOTHING;
	char name[NAME_MAX + 1] = "";

	int r = fw_install_add(install, &change, name, err);
	if (r < 0)
		return r;
	tell(r, change, name);
	return change == FW_INSTALL_NO_CONFLIST ? 3 : 0;
}

static int block_signals(sigset_t *ret_signals, struct fw_err *err)
{
	(void)sigemptyset(ret_signals);
	(void)sigaddset(ret_signals, SIGTERM);
	(void)sigaddset(ret_signals, SIGINT);
	if (sigprocmask(SIG_BLOCK, ret_signals, NULL) < 0)
		return fw_err_errno(err, -errno, "signals");
	return 0;
}

static int keep(const struct arguments *arguments, struct fw_err *err)
{
	sigset_t signals;

	int r = block_signals(&signals, err);
	if (r < 0)
		return r;
	_cleanup_close_ int stop = signalfd(-1, &signals, SFD_CLOEXEC);
	if (stop < 0)
		return fw_err_errno(err, -errno, "signals");
	return fw_install_keep(&arguments->install, stop, tell, err);
}

static int cover(const struct arguments *arguments, struct fw_err *err)
{
	const struct fw_install *install = &arguments->install;
	unsigned int count = 0;

	if (!install->cache_dir)
		return fw_err_set(err, -EINVAL, "cover: --cache-dir is missing");
	int r = fw_earlier_cover(install->cache_dir, install->entry, &count, err);
	(void)fprintf(stderr, "podwall-install: pods that ran without a firewall: %u\n", count);
	return r;
}

static int prepare(const struct arguments *arguments, struct fw_err *err)
{
	return fw_prepare(&arguments->prepare, err);
}

static int take_out(const struct arguments *arguments, struct fw_err *err)
{
	enum fw_install_change change = FW_INSTALL_NOTHING;
	sigset_t signals;
	int number;

	int r = arguments->wait ? block_signals(&signals, err) : 0;
	if (r == 0)
		r = fw_install_remove(&arguments->install, &change, err);
	if (r == 0 && arguments->with_plugin)
		r = fw_install_remove_plugin(&arguments->install, err);
	if (r < 0)
		return r;
	if (change == FW_INSTALL_DONE)
		(void)fprintf(stderr, "podwall-install: the entry is out\n");
	return arguments->wait ? -sigwait(&signals, &number) : 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const struct arguments *arguments, struct fw_err *err);
	} commands[] = {{"add", add},
			{"keep", keep},
			{"cover", cover},
			{"prepare", prepare},
			{"remove", take_out}};
	const struct argp argp = {options, parse, "add|keep|cover|prepare|remove", doc, NULL,
				  NULL,	   NULL};
	struct arguments arguments = {
		.install = {"/etc/cni/net.d", "/opt/cni/bin", NULL, "{\"type\":\"podwall-cni\"}",
			    NULL},
		.prepare = {"/sys/fs/bpf/podwall", "/run/podwall", "/var/lib/podwall", 65532}};
	struct fw_err err = {""};

	if (argp_parse(&argp, argc, argv, 0, NULL, &arguments))
		return 1;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, arguments.command) != 0)
			continue;
		int r = commands[i].run(&arguments, &err);
		if (r < 0)
			(void)fprintf(stderr, "podwall-install: %s\n", err.text);
		return r < 0 ? 1 : r;
	}
	(void)fprintf(stderr,
		      "podwall-install: no command '%s' (add, keep, cover, prepare, remove)\n",
		      arguments.command);
	return 1;
}
