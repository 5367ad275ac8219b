/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the API server is and who we are. In: a kubeconfig, or the service account that kubelet
 * gives a pod. Out: the server's address and what proves us; files that rotate are read again when
 * asked. Never puts a secret into a text.
 */
#ifndef FW_KUBE_CONFIG_H
#define FW_KUBE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define FW_SERVICE_ACCOUNT_DIR "/var/run/secrets/kubernetes.io/serviceaccount"

struct fw_blob {
	char *data; /* NUL-terminated; NULL: none */
	size_t len;
};

/* One secret: from a file, or fixed. `now` is the last that could be read. */
struct fw_proof {
	char *file; /* absolute; NULL: `now` never changes */
	struct fw_blob now;
};

struct fw_kube_config {
	char *server;	   /* https://host:port/path without a slash at the end */
	char *server_name; /* tls-server-name; NULL or "": the host */
	char *proxy;	   /* NULL or "": none */
	bool insecure;	   /* no TLS, or a certificate that nobody checks: asked for twice */
	struct fw_proof ca, cert, key, token;
};

/*
 * context NULL: the current one. -EINVAL with a text that names the field; -EPERM for a server that
 * is not checked (http, insecure-skip-tls-verify) where insecure is false.
 */
int fw_kube_config_file(const char *path, const char *context, bool insecure,
			struct fw_kube_config *ret_config, struct fw_err *err);
/* KUBERNETES_SERVICE_HOST and _PORT of the environment, ca.crt and token of the folder. */
int fw_kube_config_pod(const char *folder, struct fw_kube_config *ret_config, struct fw_err *err);
void fw_kube_config_done(struct fw_kube_config *config);

/*
 * Reads every file again. What is missing, empty or half-written leaves the last good content in
 * place: -EAGAIN with a text; without a last good one -ENOENT with a text.
 */
int fw_kube_config_refresh(struct fw_kube_config *config, struct fw_err *err);

/* Standard alphabet, padded; line breaks are skipped. -EINVAL, -ENOMEM. */
int fw_base64_decode(const char *text, struct fw_blob *ret_blob);

#endif
