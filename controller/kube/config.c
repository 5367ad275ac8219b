/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that prove us, and the service account of a pod. In: paths. Out: their last good content:
 * kubelet replaces them while we read. Must never put their content into a text.
 */
#include "kube/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#ifndef PROOF_MAX /* tests/fuzz_kubeconfig.c makes do with less */
#define PROOF_MAX (1u << 20)
#endif

static void drop_blob(struct fw_blob *blob)
{
	if (blob->data)
		explicit_bzero(blob->data, blob->len);
	free(blob->data);
	*blob = (struct fw_blob){0};
}

static void drop_proof(struct fw_proof *proof)
{
	free(proof->file);
	drop_blob(&proof->now);
	*proof = (struct fw_proof){0};
}

void fw_kube_config_done(struct fw_kube_config *config)
{
	free(config->server);
	free(config->server_name);
	free(config->proxy);
	drop_proof(&config->ca);
	drop_proof(&config->cert);
	drop_proof(&config->key);
	drop_proof(&config->token);
	*config = (struct fw_kube_config){0};
}

static int read_file(const char *path, struct fw_blob *ret_blob, struct fw_err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct fw_blob blob = {.data = NULL};

	if (fd < 0)
		return fw_err_errno(err, -errno, "%s", path);
	blob.data = malloc(PROOF_MAX + 1);
	if (!blob.data)
		return fw_err_errno(err, -ENOMEM, "%s", path);
	for (;;) {
		ssize_t n = read(fd, blob.data + blob.len, PROOF_MAX - blob.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || (n > 0 && blob.len + (size_t)n == PROOF_MAX)) {
			int r = n < 0 ? -errno : -EFBIG;

			drop_blob(&blob);
			return fw_err_errno(err, r, "%s", path);
		}
		if (!n)
			break;
		blob.len += (size_t)n;
	}
	blob.data[blob.len] = '\0';
	*ret_blob = blob;
	return 0;
}

/* Blanks around it go: a token file often ends with a newline. */
static void trim(struct fw_blob *blob)
{
	size_t begin = strspn(blob->data, " \t\r\n");

#ifdef FW_PLANTED_BUG /* tests/fuzz_kubeconfig.c must find a file that holds nothing */
	while (strchr(" \t\r\n", blob->data[blob->len - 1]))
		blob->len--;
#endif

	while (blob->len > begin && strchr(" \t\r\n", blob->data[blob->len - 1]))
		blob->len--;
	blob->len -= begin;
	memmove(blob->data, blob->data + begin, blob->len);
	blob->data[blob->len] = '\0';
}

/* What a header may carry: a line break in it would be another header. */
static bool is_token(const struct fw_blob *blob)
{
	for (size_t i = 0; i < blob->len; i++)
		if (blob->data[i] <= ' ' || blob->data[i] > '~')
			return false;
	return blob->len > 0;
}

/* Whole blocks only: a file that is being written ends in the middle of one. */
static bool is_pem(const struct fw_blob *blob)
{
	const char *at = blob->data;
	size_t blocks = 0;

	if (strlen(at) != blob->len)
		return false;
	while ((at = strstr(at, "-----BEGIN "))) {
		at = strstr(at + 1, "-----END ");
		if (!at || !strstr(at + 9, "-----"))
			return false;
		blocks++;
	}
	return blocks > 0;
}

static int refresh(struct fw_proof *proof, bool token, struct fw_err *err)
{
	struct fw_blob fresh = {.data = NULL};
	int r;

	if (!proof->file)
		return 0;
	r = read_file(proof->file, &fresh, err);
	if (!r && token)
		trim(&fresh);
	if (!r && !(token ? is_token(&fresh) : is_pem(&fresh)))
		r = fw_err_set(err, -EINVAL, "%s: holds no %s", proof->file,
			       token ? "token" : "PEM blocks that are whole");
	if (r) {
		drop_blob(&fresh);
		return proof->now.data ? -EAGAIN : -ENOENT;
	}
	drop_blob(&proof->now);
	proof->now = fresh;
	return 0;
}

int fw_kube_config_refresh(struct fw_kube_config *config, struct fw_err *err)
{
	struct fw_proof *proofs[] = {&config->ca, &config->cert, &config->key, &config->token};
	struct fw_err first = {""};
	int result = 0;

	for (size_t i = 0; i < 4; i++) {
		struct fw_err why = {""};
		int r = refresh(proofs[i], proofs[i] == &config->token, &why);

		if (r && (!result || r == -ENOENT)) {
			result = r;
			first = why;
		}
	}
	if (result && err)
		*err = first;
	return result;
}

static int join(const char *folder, const char *name, char **ret_path)
{
	return asprintf(ret_path, "%s/%s", folder, name) < 0 ? -ENOMEM : 0;
}

int fw_kube_config_pod(const char *folder, struct fw_kube_config *ret_config, struct fw_err *err)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST"),
		   *port = getenv("KUBERNETES_SERVICE_PORT");
	_cleanup_(fw_kube_config_done) struct fw_kube_config config = {0};
	bool six;
	int r;

	if (!host || !*host || !port || !*port)
		return fw_err_set(err, -ENOENT,
				  "not in a pod of a cluster: KUBERNETES_SERVICE_HOST and "
				  "KUBERNETES_SERVICE_PORT are not set (--kubeconfig FILE?)");
	six = strchr(host, ':') != NULL;
	r = asprintf(&config.server, "https://%s%s%s:%s", six ? "[" : "", host, six ? "]" : "",
		     port) < 0
		    ? -ENOMEM
		    : 0;
	if (r)
		config.server = NULL;
	if (!r)
		r = join(folder, "ca.crt", &config.ca.file);
	if (!r)
		r = join(folder, "token", &config.token.file);
	if (r)
		return fw_err_errno(err, r, "service account");
	r = fw_kube_config_refresh(&config, err);
	if (r)
		return r;
	*ret_config = config;
	config = (struct fw_kube_config){0};
	return 0;
}

static int digit_of(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *found = c ? strchr(digits, c) : NULL;

	return found ? (int)(found - digits) : -1;
}

int fw_base64_decode(const char *text, struct fw_blob *ret_blob)
{
	struct fw_blob blob = {.data = malloc(strlen(text) / 4 * 3 + 4)};
	unsigned int bits = 0, digits = 0, padding = 0;
	int r = blob.data ? 0 : -ENOMEM;

	for (; !r && *text; text++) {
		int digit = digit_of(*text);

		if (strchr("\r\n \t", *text))
			continue;
		if (*text == '=' && digits % 4 + padding >= 2 && padding < 2) {
			padding++;
			continue;
		}
		if (digit < 0 || padding) {
			r = -EINVAL;
			break;
		}
		bits = bits << 6 | (unsigned int)digit;
		if (++digits % 4)
			continue;
		blob.data[blob.len++] = (char)(bits >> 16);
		blob.data[blob.len++] = (char)(bits >> 8);
		blob.data[blob.len++] = (char)bits;
	}
	if (!r && (digits + padding) % 4)
		r = -EINVAL;
	if (r) {
		drop_blob(&blob);
		return r;
	}
	bits <<= 6 * ((4 - digits % 4) % 4);
	if (digits % 4 >= 2)
		blob.data[blob.len++] = (char)(bits >> 16);
	if (digits % 4 == 3)
		blob.data[blob.len++] = (char)(bits >> 8);
	blob.data[blob.len] = '\0';
	*ret_blob = blob;
	return 0;
}
