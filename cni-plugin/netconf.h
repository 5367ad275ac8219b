/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plugin's entry in a conflist. In: standard input of a CNI call. Out: validated options with
 * their defaults. Ours stand at the top level of the entry or inside an object "podwall" (which
 * wins); members of the top level that we do not know belong to CNI or to others and are let
 * through, an unknown member of "podwall" is an error.
 *
 *   pinDir            absolute path: where the datapath is pinned
 *   runDir            absolute path: podwalld's socket and our endpoint files
 *   nodeName          DNS name, recorded with each endpoint
 *   withoutDaemon     podwalld does not answer: "retry" (default) lets ADD fail with 11,
 *                     "isolated" starts the pod isolated
 *   daemonTimeoutMs   how long ADD lets podwalld program the pod: 0 to 30000 (default 2000)
 *   exemptNamespaces  array of namespaces (max. 256): their pods get no firewall
 *   defaultNamespace  where the runtime names none (podman); default "default"
 */
#ifndef FW_CNI_NETCONF_H
#define FW_CNI_NETCONF_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "base/err.h"
#include "code.h"

#define FW_NETCONF_MAX	      (1u << 20) /* bytes of standard input; more: error 6 */
#define FW_NETCONF_EXEMPT_MAX 256

enum fw_cni_version { FW_CNI_0_3_1, FW_CNI_0_4_0, FW_CNI_1_0_0, FW_CNI_1_1_0, FW_CNI_VERSIONS };
#define FW_CNI_NEWEST FW_CNI_1_1_0

enum fw_without_daemon { FW_WITHOUT_DAEMON_RETRY, FW_WITHOUT_DAEMON_ISOLATED };

struct fw_netconf {
	cJSON *root; /* owns every string below */
	enum fw_cni_version version;
	const char *network;
	const char *pin_dir;
	const char *run_dir;
	const char *node_name; /* "" when not given */
	const char *default_namespace;
	enum fw_without_daemon without_daemon;
	unsigned int daemon_timeout_ms;
	const cJSON *exempt; /* array of strings, or NULL */
	const cJSON *prev;   /* prevResult: an object, or NULL */
	const cJSON *valid;  /* cni.dev/valid-attachments: an array, or NULL */
};

/*
 * Returns 0 or a code (VERSION, DECODE, CONFIG) with a text that names the field. `removal` (DEL,
 * GC): options that only matter to ADD are not looked at, so that a mistake in them cannot keep a
 * pod from being deleted. *ret_version is set as soon as it is known, also on failure, for the
 * error object.
 */
int fw_netconf_parse(const char *text, size_t len, bool removal, enum fw_cni_version *ret_version,
		     struct fw_netconf *ret_conf, struct fw_err *err);
void fw_netconf_done(struct fw_netconf *conf);

bool fw_netconf_exempts(const struct fw_netconf *conf, const char *namespace_);
const char *fw_cni_version_text(enum fw_cni_version version);

#endif
