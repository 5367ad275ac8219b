/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard input and output of a CNI call. In: whatever a runtime sends, up to a maximum and a
 * deadline. Out: one JSON object. Text that came from outside is shown escaped.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "json.h"
#include "output.h"

#define INPUT_SECONDS 10 /* for the whole of standard input */

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int fw_input_read(int fd, char **ret_text, size_t *ret_len, struct fw_err *err)
{
	_cleanup_(fw_buf_done) struct fw_buf input;
	int64_t deadline = now_ms() + INPUT_SECONDS * 1000;
	char piece[16384];

	fw_buf_init(&input, FW_NETCONF_MAX);
	for (;;) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		int64_t left = deadline - now_ms();
		if (left <= 0 || !poll(&ready, 1, (int)left))
			return fw_err_set(err, FW_CNI_IO, "standard input: no end within %d s",
					  INPUT_SECONDS);
		ssize_t got = read(fd, piece, sizeof(piece));
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got < 0) {
			(void)fw_err_errno(err, -errno, "standard input");
			return FW_CNI_IO;
		}
		if (!got)
			break;
		int r = fw_buf_append(&input, piece, (size_t)got);
		if (r == -EFBIG)
			return fw_err_set(err, FW_CNI_DECODE, "configuration: longer than %u bytes",
					  FW_NETCONF_MAX);
		if (r < 0)
			return fw_err_set(err, FW_CNI_IO, "out of memory");
	}
	if (!input.len)
		return fw_err_set(err, FW_CNI_DECODE, "configuration: standard input is empty");
	*ret_len = input.len;
	*ret_text = fw_buf_take(&input);
	return *ret_text ? 0 : fw_err_set(err, FW_CNI_IO, "out of memory");
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t written = write(fd, text, len);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		text += written;
		len -= (size_t)written;
	}
	return 0;
}

int fw_output_write(int fd, const char *text)
{
	int r = write_all(fd, text, strlen(text));

	return r < 0 ? r : write_all(fd, "\n", 1);
}

/* What to do next, for the person who reads the pod's events. */
static const char *hint(int code)
{
	switch (code) {
	case FW_CNI_VERSION:
		return "podwall-cni speaks CNI 0.3.1, 0.4.0, 1.0.0 and 1.1.0 (CHECK since 0.4.0, "
		       "STATUS and GC since 1.1.0)";
	case FW_CNI_ENVIRONMENT:
		return "the container runtime set this; run podwall-cni by a runtime, not by hand";
	case FW_CNI_CONFIG:
	case FW_CNI_DECODE:
		return "correct the entry of podwall-cni in the conflist";
	case FW_CNI_TRY_AGAIN:
		return "nothing of this attempt is left; see that podwalld runs on this node, the "
		       "runtime tries again";
	case FW_CNI_NOT_AVAILABLE:
		return "see that podwalld runs on this node";
	case FW_CNI_INTERFACE:
		return "podwall-cni must stand behind the plugins that make the interface and give "
		       "it addresses";
	case FW_CNI_UNCOVERED:
		return "fwctl status shows what podwalld does about it";
	default:
		return "";
	}
}

int fw_output_error(int fd, enum fw_cni_version version, int code, const struct fw_err *err)
{
	_cleanup_(fw_json_free) cJSON *root = cJSON_CreateObject();
	_cleanup_(fw_buf_done) struct fw_buf msg;

	fw_buf_init(&msg, 4 * FW_ERR_TEXT);
	(void)fw_buf_append_escaped(&msg, err->text);
	(void)cJSON_AddStringToObject(root, "cniVersion", fw_cni_version_text(version));
	(void)cJSON_AddNumberToObject(root, "code", code);
	(void)cJSON_AddStringToObject(root, "msg", msg.data ? msg.data : "");
	(void)cJSON_AddStringToObject(root, "details", hint(code));
	_cleanup_free_ char *text = cJSON_PrintUnformatted(root);
	/* without memory there is still a code to act on */
	return fw_output_write(
		fd,
		text ? text : "{\"cniVersion\":\"1.1.0\",\"code\":5,\"msg\":\"out of memory\"}");
}

int fw_output_versions(int fd)
{
	_cleanup_(fw_buf_done) struct fw_buf text;

	fw_buf_init(&text, 512);
	(void)fw_buf_printf(&text, "{\"cniVersion\":\"%s\",\"supportedVersions\":[",
			    fw_cni_version_text(FW_CNI_NEWEST));
	for (int i = 0; i < FW_CNI_VERSIONS; i++)
		(void)fw_buf_printf(&text, "%s\"%s\"", i ? "," : "",
				    fw_cni_version_text((enum fw_cni_version)i));
	if (fw_buf_printf(&text, "]}") < 0)
		return text.error;
	return fw_output_write(fd, text.data);
}
