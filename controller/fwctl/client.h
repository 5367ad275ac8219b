/* SPDX-License-Identifier: Apache-2.0 */
/*
 * podwalld's unix socket from the other side. In: one request (ctl/protocol.h). Out: its answer,
 * line by line. Errors are exit codes of fwctl with the text in err: unreachable (3) is told apart
 * from refused (1).
 */
#ifndef FW_FWCTL_CLIENT_H
#define FW_FWCTL_CLIENT_H

#include <cjson/cJSON.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "commands.h"

#define FW_ANSWER_MAX (64u << 20) /* bytes of one answer line; longer: a failure */

/* --server; NULL: $PODWALL_SOCKET, else the default. Borrowed. */
void fw_client_set_server(const char *path);

struct fw_client {
	int fd;
	struct fw_buf buf;
	size_t used; /* bytes of buf that were given out */
};

/* Connects and sends. `patient`: waits for lines for as long as it takes (following), else 10 s
 * each. */
enum fw_exit fw_client_open(struct fw_client *client, const char *request, bool patient,
			    struct fw_err *err);
/* 1 and a line (valid until the next call), 0 at the end, -errno with a text. */
int fw_client_line(struct fw_client *client, char **ret_line, size_t *ret_len, struct fw_err *err);
/* Input has been read that no line was made of yet, or a further line is there already. */
bool fw_client_has_line(const struct fw_client *client);
void fw_client_done(struct fw_client *client);

/* One request with one answer; `ok` false is a failure with the daemon's words. The caller deletes
 * the answer. */
enum fw_exit fw_client_ask(const char *request, cJSON **ret_answer, struct fw_err *err);

void fw_json_free(cJSON **json);
#define _cleanup_json_ _cleanup_(fw_json_free)
/* Exact names; the last of duplicates. Text is "" and numbers are 0 where there is nothing. */
const cJSON *fw_json_get(const cJSON *object, const char *name);
const char *fw_json_text(const cJSON *object, const char *name);
double fw_json_number(const cJSON *object, const char *name);
bool fw_json_true(const cJSON *object, const char *name);

#endif
