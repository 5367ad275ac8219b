/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The environment of a CNI call. In: the raw variables. Out: which command, for which container, of
 * which pod. Each command has its own list of variables that must be there; the others are not
 * looked at (podman fills them with the word "dummy" for VERSION).
 */
#ifndef FW_CNI_ENV_H
#define FW_CNI_ENV_H

#include "base/err.h"
#include "code.h"
#include "names.h"

#define FW_CNI_ARGS_MAX	  16384 /* bytes of CNI_ARGS; more: error 4 */
#define FW_NETNS_PATH_MAX 1024

/* Exactly what getenv() says; NULL where unset. Borrowed for as long as the parsed form is used. */
struct fw_env_raw {
	const char *container_id;
	const char *netns;
	const char *ifname;
	const char *args;
};

enum fw_env_need {
	FW_ENV_CONTAINER = 1, /* CNI_CONTAINERID and CNI_IFNAME */
	FW_ENV_NETNS = 2, /* CNI_NETNS; without this bit it may be missing, and a bad one counts as
			     missing */
	FW_ENV_POD = 4,	  /* CNI_ARGS */
};

struct fw_env {
	const char *container_id;
	const char *ifname;
	const char *netns; /* NULL when there is none */
	/* Of the pod, "" where the runtime does not say. */
	char namespace[FW_NAMESPACE_MAX + 1];
	char name[FW_POD_NAME_MAX + 1];
	char uid[FW_POD_UID_MAX + 1];
};

/* Returns 0 or FW_CNI_ENVIRONMENT with a text that begins with the variable's name. `needs`:
 * FW_ENV_* bits. */
int fw_env_parse(const struct fw_env_raw *raw, unsigned int needs, struct fw_env *ret_env,
		 struct fw_err *err);

#endif
