/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fwctl: Podwall's command line; installed as kubectl-fw it is `kubectl fw`, too. In: a sub-command
 * and its options. Out: its exit code. One row of the table per sub-command, one file per row.
 */
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "commands.h"
#include "output.h"

struct command {
	const char *name;
	const char *alias;
	int (*run)(int argc, char **argv);
	const char *summary;
};

static const struct command commands[] = {
	{"flows", "observe", cmd_flows, "who talks to whom and what decided, live with -f"},
	{"status", NULL, cmd_status, "is this node all right (exit 4: it is not)"},
	{"endpoints", NULL, cmd_endpoints, "every pod of this node and its state"},
	{"policies", NULL, cmd_policies, "the policies in force, or those of one pod"},
	{"maps", NULL, cmd_maps, "how full the datapath's tables are"},
	{"metrics", NULL, cmd_metrics, "this node's numbers, for Prometheus"},
	{"test", NULL, cmd_test, "unit tests for policies, without a cluster"},
	{"lint", NULL, cmd_lint, "what is valid in manifests and surely not meant"},
	{"version", NULL, cmd_version, "of fwctl and of podwalld"},
};

static void help(FILE *file)
{
	(void)fputs("usage: fwctl [--server PATH] COMMAND [OPTIONS]\n"
		    "\n"
		    "Speaks to podwalld on this node: --server PATH, else $PODWALL_SOCKET, else\n"
		    "/run/podwall/podwalld.sock. Data goes to standard output, the rest to\n"
		    "standard error.\n"
		    "\n",
		    file);
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		(void)fprintf(file, "  %-10s %s%s%s%s\n", commands[i].name, commands[i].summary,
			      commands[i].alias ? " (alias " : "",
			      commands[i].alias ? commands[i].alias : "",
			      commands[i].alias ? ")" : "");
	(void)fputs(
		"\n"
		"`fwctl COMMAND --help` has the options and examples. -o json on every command,\n"
		"-o yaml on those that answer once.\n"
		"Exit: 0 ok, 1 failure, 2 usage, 3 podwalld does not answer, 4 what was asked\n"
		"is not so.\n"
		"\n"
		"  fwctl flows -f --denied\n"
		"  fwctl policies shop/db-0\n",
		file);
}

static int run(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (strcmp(argv[0], commands[i].name) != 0 &&
		    (!commands[i].alias || strcmp(argv[0], commands[i].alias) != 0))
			continue;
		return commands[i].run(argc, argv);
	}
	return fw_fail(FW_EXIT_USAGE, NULL,
		       "no command is called \"%s\"; `fwctl --help` lists them", argv[0]);
}

/* Options in front of the command, then the command. */
int main(int argc, char **argv)
{
	static const char server[] = "--server=";
	int i = 1, code;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "-h") || !strcmp(argv[i], "--help")) {
			help(stdout);
			return FW_EXIT_OK;
		}
		if (!strcmp(argv[i], "--version"))
			return cmd_version(2,
					   (char *[]){(char *)"version", (char *)"--client", NULL});
		if (!strcmp(argv[i], "--server") && i + 1 < argc)
			fw_client_set_server(argv[++i]);
		else if (!strncmp(argv[i], server, sizeof(server) - 1))
			fw_client_set_server(argv[i] + sizeof(server) - 1);
		else
			return fw_fail(
				FW_EXIT_USAGE, NULL,
				"%s: no such option, or its value is missing; `fwctl --help`",
				argv[i]);
	}
	if (i == argc || !strcmp(argv[i], "help")) {
		help(i == argc ? stderr : stdout);
		return i == argc ? FW_EXIT_USAGE : FW_EXIT_OK;
	}
	code = run(argc - i, argv + i);
	if (fflush(stdout) && code == FW_EXIT_OK)
		return fw_fail(FW_EXIT_FAILURE, NULL,
			       "standard output: not everything could be written");
	return code;
}
