/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API server as a source of objects. In: a kubeconfig or the service account of this pod. Out:
 * what api/source.h promises, ready when every kind was listed once. Only asks (get, list, watch);
 * never writes to the server.
 */
#ifndef FW_KUBE_KUBE_H
#define FW_KUBE_KUBE_H

#include "api/source.h"

#define FW_KUBE_PATIENCE_MS 20000u

struct fw_kube_options {
	const char *kubeconfig;	     /* file; NULL: the service account */
	const char *context;	     /* of the kubeconfig; NULL: the current one */
	const char *service_account; /* folder; NULL: where kubelet puts it */
	const char *node_name;	     /* its pods are asked for in all their states */
	bool insecure;		     /* a server that nobody checks is allowed */
	/*
	 * How long the server may take over an answer's beginning, or over one object of it, before
	 * the request is made again; a watch may be silent six times as long (bookmarks come every
	 * minute). 0: FW_KUBE_PATIENCE_MS.
	 */
	unsigned int patience_ms;
};

/* -errno with a text when the configuration cannot be used. A server that is down is no error. */
int fw_kube_source_new(struct event_base *base, const struct fw_kube_options *options,
		       const struct fw_source_handler *handler, struct fw_source **ret_source,
		       struct fw_err *err);

#endif
