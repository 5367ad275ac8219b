/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sub-commands of fwctl, one file each. In: the arguments behind `fwctl`, argv[0] is the
 * sub-command's name. Out: the exit code of fwctl: 0 ok, 1 failure, 2 usage, 3 unreachable, 4
 * checked condition false.
 */
#ifndef FW_FWCTL_COMMANDS_H
#define FW_FWCTL_COMMANDS_H

int cmd_flows(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_endpoints(int argc, char **argv);
int cmd_policies(int argc, char **argv);
int cmd_maps(int argc, char **argv);
int cmd_metrics(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_test(int argc, char **argv);
int cmd_lint(int argc, char **argv);

enum fw_exit {
	FW_EXIT_OK = 0,
	FW_EXIT_FAILURE = 1,
	FW_EXIT_USAGE = 2,
	FW_EXIT_UNREACHABLE = 3,
	FW_EXIT_FALSE = 4
};

#endif
