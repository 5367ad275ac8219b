// SPDX-License-Identifier: Apache-2.0
/*
 * What this process may do. In: its effective capabilities. Out: 0, or one line that names what is
 * missing, before anything is made. Asks the kernel for nothing and gives nothing up.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>

#include "base/cleanup.h"
#include "node/inside.h"

static const struct needed {
	cap_value_t value, instead; /* the kernel takes `instead` as well; the same: nothing */
	const char *name, *purpose;
} needed[] = {
	{CAP_BPF, CAP_SYS_ADMIN, "CAP_BPF", "tables and programs"},
	{CAP_NET_ADMIN, CAP_NET_ADMIN, "CAP_NET_ADMIN", "hooks on the pods' devices"},
	{CAP_PERFMON, CAP_SYS_ADMIN, "CAP_PERFMON",
	 "without it the verifier refuses the programs as too complex"},
};

static void free_caps(cap_t *caps)
{
	if (*caps)
		(void)cap_free(*caps);
}

static bool has(cap_t caps, cap_value_t value)
{
	cap_flag_value_t flag = CAP_CLEAR;

	return cap_get_flag(caps, value, CAP_EFFECTIVE, &flag) == 0 && flag == CAP_SET;
}

int fw_agent_check_privilege(struct fw_err *err)
{
	_cleanup_(free_caps) cap_t caps = cap_get_proc();
	char text[FW_ERR_TEXT] = "";
	size_t used = 0;

	if (!caps)
		return fw_err_errno(err, -errno, "capabilities");
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (has(caps, needed[i].value) || has(caps, needed[i].instead))
			continue;
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s (%s)",
					 used ? ", " : "", needed[i].name, needed[i].purpose);
	}
	return used ? fw_err_set(err, -EPERM, "missing capabilities of podwalld: %s", text) : 0;
}
