/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plugin's entry in a conflist: one table of options, each with its check and its default.
 * In: standard input. Out: struct fw_netconf. Never touches the system; pure, and fuzzed.
 */
#include <errno.h>
#include <string.h>

#include "ctl/protocol.h"
#include "json.h"
#include "loader/loader.h"
#include "names.h"
#include "netconf.h"

#define PIN_DIR_MAX	   200
#define RUN_DIR_MAX	   90 /* with the socket's name it must fit sockaddr_un.sun_path, 108 bytes */
#define TIMEOUT_DEFAULT_MS 2000
#define TIMEOUT_MAX_MS	   30000

static const char *const versions[FW_CNI_VERSIONS] = {
	[FW_CNI_0_3_1] = "0.3.1",
	[FW_CNI_0_4_0] = "0.4.0",
	[FW_CNI_1_0_0] = "1.0.0",
	[FW_CNI_1_1_0] = "1.1.0",
};

const char *fw_cni_version_text(enum fw_cni_version version)
{
	return versions[version];
}

static int set_pin_dir(struct fw_netconf *conf, const cJSON *value, struct fw_err *err)
{
	const char *text = cJSON_GetStringValue(value);
	if (!text || !fw_name_is_path(text, PIN_DIR_MAX))
		return fw_err_set(err, -EINVAL,
				  "must be an absolute path of at most %d bytes without \"..\"",
				  PIN_DIR_MAX);
	conf->pin_dir = text;
	return 0;
}

static int set_run_dir(struct fw_netconf *conf, const cJSON *value, struct fw_err *err)
{
	const char *text = cJSON_GetStringValue(value);
	if (!text || !fw_name_is_path(text, RUN_DIR_MAX))
		return fw_err_set(err, -EINVAL,
				  "must be an absolute path of at most %d bytes without \"..\"",
				  RUN_DIR_MAX);
	conf->run_dir = text;
	return 0;
}

static int set_node_name(struct fw_netconf *conf, const cJSON *value, struct fw_err *err)
{
	const char *text = cJSON_GetStringValue(value);
	if (!text || !fw_name_is_subdomain(text))
		return fw_err_set(
			err, -EINVAL,
			"must be a DNS name (lower case, digits, '-', '.', at most %d bytes)",
			FW_POD_NAME_MAX);
	conf->node_name = text;
	return 0;
}

static int set_without_daemon(struct fw_netconf *conf, const cJSON *value, struct fw_err *err)
{
	const char *text = cJSON_GetStringValue(value);
	if (text && !strcmp(text, "retry"))
		conf->without_daemon = FW_WITHOUT_DAEMON_RETRY;
	else if (text && !strcmp(text, "isolated"))
		conf->without_daemon = FW_WITHOUT_DAEMON_ISOLATED;
	else
		return fw_err_set(err, -EINVAL, "must be \"retry\" or \"isolated\"");
	return 0;
}

static int set_daemon_timeout(struct fw_netconf *conf, const cJSON *value, struct fw_err *err)
{
	int64_t number;
	if (!fw_json_integer(value, 0, TIMEOUT_MAX_MS, &number))
		return fw_err_set(err, -EINVAL, "must be a whole number of milliseconds, 0 to %d",
				  TIMEOUT_MAX_MS);
	conf->daemon_timeout_ms = (unsigned int)number;
	return 0;
}

static int set_exempt(struct fw_netconf *conf, const cJSON *value, struct fw_err *err)
{
	const cJSON *item;
	int index = 0;

	if (!cJSON_IsArray(value) || cJSON_GetArraySize(value) > FW_NETCONF_EXEMPT_MAX)
		return fw_err_set(err, -EINVAL, "must be an array of at most %d namespaces",
				  FW_NETCONF_EXEMPT_MAX);
	cJSON_ArrayForEach(item, value) {
		const char *text = cJSON_GetStringValue(item);
		if (!text || !fw_name_is_label(text))
			return fw_err_set(err, -EINVAL,
					  "item %d must be a namespace (lower case, digits, '-', "
					  "at most %d bytes)",
					  index, FW_NAMESPACE_MAX);
		index++;
	}
	conf->exempt = value;
	return 0;
}

static int set_default_namespace(struct fw_netconf *conf, const cJSON *value, struct fw_err *err)
{
	const char *text = cJSON_GetStringValue(value);
	if (!text || !fw_name_is_label(text))
		return fw_err_set(err, -EINVAL,
				  "must be a namespace (lower case, digits, '-', at most %d bytes)",
				  FW_NAMESPACE_MAX);
	conf->default_namespace = text;
	return 0;
}

static const struct option {
	const char *name;
	bool removal; /* DEL and GC need it, too */
	int (*set)(struct fw_netconf *conf, const cJSON *value, struct fw_err *err);
} options[] = {
	{"pinDir", true, set_pin_dir},
	{"runDir", true, set_run_dir},
	{"nodeName", false, set_node_name},
	{"withoutDaemon", false, set_without_daemon},
	{"daemonTimeoutMs", false, set_daemon_timeout},
	{"exemptNamespaces", false, set_exempt},
	{"defaultNamespace", false, set_default_namespace},
};

#define OPTIONS (sizeof(options) / sizeof(options[0]))

static int refuse_unknown(const cJSON *ours, struct fw_err *err)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, ours) {
		bool known = false;
		for (size_t i = 0; i < OPTIONS; i++)
			known |= !strcmp(item->string, options[i].name);
		if (!known)
			return fw_err_set(
				err, FW_CNI_CONFIG,
				"podwall.%.64s: no such option; there are pinDir, runDir, "
				"nodeName, withoutDaemon, daemonTimeoutMs, exemptNamespaces and "
				"defaultNamespace",
				item->string);
	}
	return 0;
}

static int read_options(struct fw_netconf *conf, bool removal, struct fw_err *err)
{
	const cJSON *ours = fw_json_get(conf->root, "podwall");

	if (ours && !cJSON_IsObject(ours) && !removal)
		return fw_err_set(err, FW_CNI_CONFIG, "podwall: must be an object of options");
	if (ours && !removal && refuse_unknown(ours, err))
		return FW_CNI_CONFIG;
	for (size_t i = 0; i < OPTIONS; i++) {
		const cJSON *inner = fw_json_get(ours, options[i].name);
		const cJSON *value = inner ? inner : fw_json_get(conf->root, options[i].name);
		if (!value || (removal && !options[i].removal))
			continue;
		if (options[i].set(conf, value, err) < 0) {
			fw_err_prefix(err, "%s%s", inner ? "podwall." : "", options[i].name);
			return FW_CNI_CONFIG;
		}
	}
	return 0;
}

static int read_version(const cJSON *root, enum fw_cni_version *ret_version, struct fw_err *err)
{
	const cJSON *item = fw_json_get(root, "cniVersion");
	const char *text = cJSON_GetStringValue(item);

	if (item && !text)
		return fw_err_set(err, FW_CNI_CONFIG, "cniVersion: must be a string");
	for (int i = 0; text && i < FW_CNI_VERSIONS; i++) {
		if (!strcmp(text, versions[i])) {
			*ret_version = (enum fw_cni_version)i;
			return 0;
		}
	}
	return fw_err_set(err, FW_CNI_VERSION,
			  "cniVersion: %.32s is not supported; use 0.3.1, 0.4.0, 1.0.0 or 1.1.0",
			  text ? text : "none (means 0.1.0)");
}

/* The members that CNI itself gives a meaning. */
static int read_frame(struct fw_netconf *conf, bool removal, struct fw_err *err)
{
	const char *type = fw_json_get_string(conf->root, "type");
	const cJSON *prev = fw_json_get(conf->root, "prevResult");
	const cJSON *valid = fw_json_get(conf->root, "cni.dev/valid-attachments");

	conf->network = fw_json_get_string(conf->root, "name");
	if (!conf->network || !fw_name_is_id(conf->network, FW_POD_NAME_MAX))
		return fw_err_set(err, FW_CNI_CONFIG,
				  "name: must be the network's name (an alphanumeric, then "
				  "alphanumerics, '_', '.' and '-', at most %d bytes)",
				  FW_POD_NAME_MAX);
	if (!type || !*type)
		return fw_err_set(err, FW_CNI_CONFIG, "type: must be the name of the plugin");
	if (prev && !cJSON_IsObject(prev) && !removal)
		return fw_err_set(err, FW_CNI_CONFIG, "prevResult: must be an object");
	if (valid && !cJSON_IsArray(valid))
		return fw_err_set(err, FW_CNI_CONFIG,
				  "cni.dev/valid-attachments: must be an array");
	conf->prev = cJSON_IsObject(prev) ? prev : NULL;
	conf->valid = valid;
	return 0;
}

int fw_netconf_parse(const char *text, size_t len, bool removal, enum fw_cni_version *ret_version,
		     struct fw_netconf *ret_conf, struct fw_err *err)
{
	struct fw_netconf conf = {
		.version = FW_CNI_NEWEST,
		.pin_dir = FW_PIN_DEFAULT,
		.run_dir = FW_RUN_DIR_DEFAULT,
		.node_name = "",
		.default_namespace = "default",
		.without_daemon = FW_WITHOUT_DAEMON_RETRY,
		.daemon_timeout_ms = TIMEOUT_DEFAULT_MS,
	};
	int code = 0;

	if (fw_json_parse(text, len, &conf.root, err) < 0) {
		fw_err_prefix(err, "configuration");
		return FW_CNI_DECODE;
	}
	if (!cJSON_IsObject(conf.root))
		code = fw_err_set(err, FW_CNI_DECODE, "configuration: must be a JSON object");
	if (!code)
		code = read_version(conf.root, &conf.version, err);
	if (!code) {
		*ret_version = conf.version;
		code = read_frame(&conf, removal, err);
	}
	if (!code)
		code = read_options(&conf, removal, err);
	if (code) {
		fw_netconf_done(&conf);
		return code;
	}
	*ret_conf = conf;
	return 0;
}

void fw_netconf_done(struct fw_netconf *conf)
{
	fw_json_free(&conf->root);
	*conf = (struct fw_netconf){0};
}

bool fw_netconf_exempts(const struct fw_netconf *conf, const char *namespace_)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, conf->exempt)
		if (!strcmp(cJSON_GetStringValue(item), namespace_))
			return true;
	return false;
}
