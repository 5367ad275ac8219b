/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server side of podwalld's socket (protocol.h). In: requests of root. Out: answers, and
 * streams of records. Never blocks the loop, never lets a client use more than its share.
 */
#ifndef FW_CTL_CTL_H
#define FW_CTL_CTL_H

#include "node/agent.h"

struct fw_ctl;

/*
 * Listens on <run_dir>/podwalld.sock (0600; one that stands there is replaced: the agent holds the
 * directory's lock). `agent` is borrowed and outlives the server.
 */
int fw_ctl_new(struct event_base *base, const char *run_dir, struct fw_agent *agent,
	       struct fw_ctl **ret_ctl, struct fw_err *err);
/* Closes every connection and removes the socket. */
void fw_ctl_free(struct fw_ctl **ctl);

#endif
