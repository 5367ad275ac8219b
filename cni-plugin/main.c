/* SPDX-License-Identifier: Apache-2.0 */
/*
 * podwall-cni: the chained CNI plugin. Composes: variables and standard input in, one command, one
 * JSON object out. Exit 0, or 1 with an error object on standard output. Keeps nothing running.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "command.h"
#include "output.h"

static const struct row {
	const char *name;
	unsigned int needs; /* FW_ENV_* */
	bool removal;	    /* see fw_netconf_parse() */
	enum fw_cni_version since;
	fw_command run;
} commands[] = {
	{"ADD", FW_ENV_CONTAINER | FW_ENV_NETNS | FW_ENV_POD, false, FW_CNI_0_3_1, fw_command_add},
	{"DEL", FW_ENV_CONTAINER, true, FW_CNI_0_3_1, fw_command_del},
	{"CHECK", FW_ENV_CONTAINER | FW_ENV_NETNS | FW_ENV_POD, false, FW_CNI_0_4_0,
	 fw_command_check},
	{"STATUS", 0, false, FW_CNI_1_1_0, fw_command_status},
	{"GC", 0, true, FW_CNI_1_1_0, fw_command_gc},
};

static const struct row *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static void call_done(struct fw_call *call)
{
	fw_netconf_done(&call->conf);
}

static int run(const struct row *command, enum fw_cni_version *ret_version, char **ret_output,
	       struct fw_err *err)
{
	const struct fw_env_raw raw = {getenv("CNI_CONTAINERID"), getenv("CNI_NETNS"),
				       getenv("CNI_IFNAME"), getenv("CNI_ARGS")};
	_cleanup_(call_done) struct fw_call call = {0};
	_cleanup_free_ char *input = NULL;
	size_t len = 0;

	int code = fw_input_read(STDIN_FILENO, &input, &len, err);
	if (!code)
		code = fw_netconf_parse(input, len, command->removal, ret_version, &call.conf, err);
	if (!code && call.conf.version < command->since)
		code = fw_err_set(err, FW_CNI_VERSION, "%s: not part of CNI %s", command->name,
				  fw_cni_version_text(call.conf.version));
	if (!code)
		code = fw_env_parse(&raw, command->needs, &call.env, err);
	return code ? code : command->run(&call, ret_output, err);
}

static int answer_arguments(const char *argument)
{
	if (!strcmp(argument, "--version")) {
		(void)printf("podwall-cni %s\n", FW_VERSION);
		return 0;
	}
	bool help = !strcmp(argument, "--help") || !strcmp(argument, "-h");
	(void)fprintf(
		help ? stdout : stderr,
		"podwall-cni is a CNI plugin: a container runtime runs it, with CNI_COMMAND and "
		"other variables set\n"
		"and its entry of the conflist on standard input. It stands last in the chain:\n"
		"  {\"type\": \"podwall-cni\", \"withoutDaemon\": \"retry\", \"exemptNamespaces\": "
		"[\"kube-system\"]}\n"
		"CNI 0.3.1 to 1.1.0: VERSION ADD DEL CHECK STATUS GC. Options: --version, "
		"--help\n");
	return help ? 0 : 2;
}

int main(int argc, char **argv)
{
	enum fw_cni_version version = FW_CNI_NEWEST;
	_cleanup_free_ char *output = NULL;
	struct fw_err err = {""};

	if (argc > 1)
		return answer_arguments(argv[1]);
	(void)signal(SIGPIPE, SIG_IGN);
	const char *name = getenv("CNI_COMMAND");
	if (name && !strcmp(name, "VERSION"))
		return fw_output_versions(STDOUT_FILENO) < 0;
	const struct row *command = name ? find_command(name) : NULL;
	int code =
		command ? run(command, &version, &output, &err)
			: fw_err_set(&err, FW_CNI_ENVIRONMENT,
				     "CNI_COMMAND: must be VERSION, ADD, DEL, CHECK, STATUS or GC");
	if (code) {
		(void)fw_output_error(STDOUT_FILENO, version, code, &err);
		return 1;
	}
	return output && fw_output_write(STDOUT_FILENO, output) < 0;
}
