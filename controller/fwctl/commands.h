/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sub-commands of fwctl, one file each. In: the arguments behind `fwctl`, argv[0] is the
 * sub-command's name. Out: the exit code of fwctl: 0 ok, 1 failure, 2 usage, 3 unreachable, 4
 * checked condition false.
 */
#ifndef FW_FWCTL_COMMANDS_H
#define FW_FWCTL_COMMANDS_H

int cmd_test(int argc, char **argv);

#endif
