/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of CNI: one file each, one row each in main.c's table. In: a parsed call. Out: what
 * goes to standard output (ADD only), or a code and a text. A command prints nothing itself.
 */
#ifndef FW_CNI_COMMAND_H
#define FW_CNI_COMMAND_H

#include "env.h"
#include "iface.h"
#include "loader/loader.h"
#include "netconf.h"
#include "state.h"

struct fw_call {
	struct fw_netconf conf;
	struct fw_env env;
};

/* Returns 0 or a code. *ret_output: owned by the caller; NULL for nothing. */
typedef int (*fw_command)(struct fw_call *call, char **ret_output, struct fw_err *err);

int fw_command_add(struct fw_call *call, char **ret_output, struct fw_err *err);
int fw_command_del(struct fw_call *call, char **ret_output, struct fw_err *err);
int fw_command_check(struct fw_call *call, char **ret_output, struct fw_err *err);
int fw_command_status(struct fw_call *call, char **ret_output, struct fw_err *err);
int fw_command_gc(struct fw_call *call, char **ret_output, struct fw_err *err);

/* What ADD and CHECK look at first (subject.c). */
struct fw_subject_pod {
	struct fw_state state; /* without slot */
	struct fw_iface iface;
	int netns; /* -1 while not open */
};

/* The namespace that decides about exemption: the runtime's, or the configured default. */
const char *fw_subject_namespace(const struct fw_call *call);
/* Opens the sandbox, finds the interface, holds prevResult's addresses against it. 0 or a code. */
int fw_subject_find(const struct fw_call *call, struct fw_subject_pod *ret_pod, struct fw_err *err);
void fw_subject_done(struct fw_subject_pod *pod);
/* The pinned datapath; TRY_AGAIN where podwalld never ran. 0 or a code. */
int fw_subject_datapath(const struct fw_call *call, struct fw_datapath **ret_datapath,
			struct fw_err *err);

#endif
