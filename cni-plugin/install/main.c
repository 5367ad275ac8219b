/* SPDX-License-Identifier: Apache-2.0 */
/*
 * podwall-install: options, messages, exit codes. In: a command line. Out: Podwall in, kept in, or
 * out of a node's CNI configuration. Only composes (install.h).
 */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "conflist.h"
#include "install.h"

enum { OPT_CONF_DIR = 256, OPT_BIN_DIR, OPT_PLUGIN, OPT_ENTRY };

static const struct argp_option options[] = {
	{"conf-dir", OPT_CONF_DIR, "DIR", 0, "the node's conflists (default: /etc/cni/net.d)", 0},
	{"bin-dir", OPT_BIN_DIR, "DIR", 0, "the node's CNI plugins (default: /opt/cni/bin)", 0},
	{"plugin", OPT_PLUGIN, "FILE", 0,
	 "podwall-cni to copy there (default: none, it is there already)", 0},
	{"entry", OPT_ENTRY, "JSON", 0,
	 "the entry, with its options (default: {\"type\":\"podwall-cni\"})", 0},
	{0, 0, 0, 0, NULL, 0},
};

static const char doc[] =
	"podwall-install: Podwall in a node's CNI configuration."
	"\vCommands:\n"
	"  add     copy the plugin, and put its entry at the end of the conflist in use\n"
	"  keep    add, and add again whenever the conflist is written anew, until SIGTERM\n"
	"  remove  take the entry out of every conflist; the plugin stays, for pods that run\n"
	"\n"
	"Example:\n"
	"  podwall-install add --plugin /usr/lib/podwall-cni\n"
	"\n"
	"Exit: 0 done, 1 failed, 3 no conflist yet.";

const char *argp_program_version = "podwall-install " FW_VERSION;

struct arguments {
	struct fw_install install;
	const char *command;
};

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
	else
		(void)snprintf(line, sizeof(line), "in place: %s", text);
	if (change != FW_INSTALL_DONE && !strcmp(line, last))
		return;
	(void)memcpy(last, line, sizeof(last));
	(void)fprintf(stderr, "podwall-install: %s\n", line);
}

static int add(const struct fw_install *install, struct fw_err *err)
{
	enum fw_install_change change = FW_INSTALL_NOTHING;
	char name[NAME_MAX + 1] = "";

	int r = fw_install_add(install, &change, name, err);
	if (r < 0)
		return r;
	tell(r, change, name);
	return change == FW_INSTALL_NO_CONFLIST ? 3 : 0;
}

static int keep(const struct fw_install *install, struct fw_err *err)
{
	sigset_t signals;

	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
		return fw_err_errno(err, -errno, "signals");
	_cleanup_close_ int stop = signalfd(-1, &signals, SFD_CLOEXEC);
	if (stop < 0)
		return fw_err_errno(err, -errno, "signals");
	return fw_install_keep(install, stop, tell, err);
}

static int take_out(const struct fw_install *install, struct fw_err *err)
{
	enum fw_install_change change = FW_INSTALL_NOTHING;

	int r = fw_install_remove(install, &change, err);
	if (r == 0 && change == FW_INSTALL_DONE)
		(void)fprintf(stderr, "podwall-install: the entry is out\n");
	return r;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const struct fw_install *install, struct fw_err *err);
	} commands[] = {{"add", add}, {"keep", keep}, {"remove", take_out}};
	const struct argp argp = {options, parse, "add|keep|remove", doc, NULL, NULL, NULL};
	struct arguments arguments = {
		{"/etc/cni/net.d", "/opt/cni/bin", NULL, "{\"type\":\"podwall-cni\"}"}, NULL};
	struct fw_err err = {""};

	if (argp_parse(&argp, argc, argv, 0, NULL, &arguments))
		return 1;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, arguments.command) != 0)
			continue;
		int r = commands[i].run(&arguments.install, &err);
		if (r < 0)
			(void)fprintf(stderr, "podwall-install: %s\n", err.text);
		return r < 0 ? 1 : r;
	}
	(void)fprintf(stderr, "podwall-install: no command '%s' (add, keep, remove)\n",
		      arguments.command);
	return 1;
}
