/* SPDX-License-Identifier: Apache-2.0 */
/*
 * podwalld, asked over its unix socket (ctl/protocol.h). In: an endpoint. Out: how podwalld left
 * it, or why it did not answer. Every call ends by its deadline, whatever stands on the other side.
 */
#ifndef FW_CNI_DAEMON_H
#define FW_CNI_DAEMON_H

#include "base/err.h"
#include "state.h"

#define FW_DAEMON_PATIENCE_MS 1000 /* for an answer that needs no waiting */

enum fw_daemon_state { FW_DAEMON_ACTIVE, FW_DAEMON_ISOLATED, FW_DAEMON_LOCKED };

/*
 * -ENOENT, -ECONNREFUSED: not running; -ETIMEDOUT: silent; -EBADMSG: what it said is no answer;
 * -EREMOTEIO: it answered with an error, which is the text. wait_ms: how long podwalld may take to
 * program the pod; patience_ms later we give up.
 */
int fw_daemon_add(const char *run_dir, const struct fw_state *endpoint, unsigned int wait_ms,
		  unsigned int patience_ms, enum fw_daemon_state *ret_state, struct fw_err *err);
int fw_daemon_del(const char *run_dir, const char *container_id, const char *ifname,
		  struct fw_err *err);
int fw_daemon_ping(const char *run_dir, struct fw_err *err);

#endif
