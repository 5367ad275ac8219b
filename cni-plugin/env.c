/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The environment of a CNI call: presence, character sets and lengths, and CNI_ARGS taken apart.
 * In: the raw variables. Out: struct fw_env. Never reads the environment itself; pure, and fuzzed.
 */
#include <string.h>
#include <strings.h>

#include "env.h"

/* Copies a value that `fits` into a field of `size` bytes. */
static int store(char *field, size_t size, const char *key, const char *value, size_t len,
		 bool (*fits)(const char *), struct fw_err *err)
{
	char text[256];

#ifndef FW_PLANTED_BUG /* tests/fuzz_netconf.c must find what this line prevents */
	if (len >= sizeof(text) || len >= size)
		return fw_err_set(err, FW_CNI_ENVIRONMENT, "CNI_ARGS: %s: longer than %zu bytes",
				  key, size - 1);
#endif
	memcpy(text, value, len);
	text[len] = '\0';
	if (len && !fits(text))
		return fw_err_set(err, FW_CNI_ENVIRONMENT, "CNI_ARGS: %s: malformed", key);
	memcpy(field, text, len + 1);
	return 0;
}

static bool is_namespace(const char *text)
{
	return fw_name_is_label(text);
}

static bool is_pod_name(const char *text)
{
	return fw_name_is_id(
		text,
		FW_POD_NAME_MAX); /* wider than Kubernetes: podman's names are not lower case */
}

static bool is_uid(const char *text)
{
	return fw_name_is_id(text, FW_POD_UID_MAX);
}

static bool is_true(const char *value, size_t len)
{
	return (len == 1 && value[0] == '1') || (len == 4 && !strncasecmp(value, "true", 4));
}

static bool key_is(const char *key, size_t len, const char *name)
{
	return strlen(name) == len && !memcmp(key, name, len);
}

/* One KEY=VALUE; *unknown points at the first key that nobody knows. */
static int take_pair(struct fw_env *env, const char *pair, size_t len, bool *ignore,
		     const char **unknown, struct fw_err *err)
{
	const char *equals = memchr(pair, '=', len);

	if (!equals)
		return fw_err_set(err, FW_CNI_ENVIRONMENT,
				  "CNI_ARGS: must be KEY=VALUE;KEY=VALUE...");
	size_t key_len = (size_t)(equals - pair), value_len = len - key_len - 1;
	const char *value = equals + 1;

	if (key_is(pair, key_len, "K8S_POD_NAMESPACE"))
		return store(env->namespace, sizeof(env->namespace), "K8S_POD_NAMESPACE", value,
			     value_len, is_namespace, err);
	if (key_is(pair, key_len, "K8S_POD_NAME"))
		return store(env->name, sizeof(env->name), "K8S_POD_NAME", value, value_len,
			     is_pod_name, err);
	if (key_is(pair, key_len, "K8S_POD_UID"))
		return store(env->uid, sizeof(env->uid), "K8S_POD_UID", value, value_len, is_uid,
			     err);
	if (key_is(pair, key_len, "IgnoreUnknown"))
		*ignore = is_true(value, value_len);
	else if (!key_is(pair, key_len, "K8S_POD_INFRA_CONTAINER_ID") && !*unknown)
		*unknown = pair;
	return 0;
}

/* Keys come in any order (containerd shuffles them); of duplicates the last one counts. */
static int parse_args(const char *args, struct fw_env *env, struct fw_err *err)
{
	const char *unknown = NULL;
	bool ignore = false;

	if (strlen(args) > FW_CNI_ARGS_MAX)
		return fw_err_set(err, FW_CNI_ENVIRONMENT, "CNI_ARGS: longer than %d bytes",
				  FW_CNI_ARGS_MAX);
	for (const char *pair = args; *pair;) {
		const char *end = strchrnul(pair, ';');
		int code = end == pair ? 0
				       : take_pair(env, pair, (size_t)(end - pair), &ignore,
						   &unknown, err);
		if (code)
			return code;
		pair = *end ? end + 1 : end;
	}
	if (unknown && !ignore)
		return fw_err_set(err, FW_CNI_ENVIRONMENT,
				  "CNI_ARGS: unknown key %.*s, and IgnoreUnknown is not set",
				  (int)strcspn(unknown, "=") > 64 ? 64 : (int)strcspn(unknown, "="),
				  unknown);
	return 0;
}

static bool is_set(const char *value)
{
	return value && *value;
}

int fw_env_parse(const struct fw_env_raw *raw, unsigned int needs, struct fw_env *ret_env,
		 struct fw_err *err)
{
	struct fw_env env = {0};

	if (needs & FW_ENV_CONTAINER) {
		if (!is_set(raw->container_id))
			return fw_err_set(err, FW_CNI_ENVIRONMENT, "CNI_CONTAINERID: must be set");
		if (!fw_name_is_id(raw->container_id, FW_CONTAINER_ID_MAX))
			return fw_err_set(err, FW_CNI_ENVIRONMENT,
					  "CNI_CONTAINERID: must be an alphanumeric, then "
					  "alphanumerics, '_', '.' and '-', at most %d bytes",
					  FW_CONTAINER_ID_MAX);
		if (!is_set(raw->ifname))
			return fw_err_set(err, FW_CNI_ENVIRONMENT, "CNI_IFNAME: must be set");
		if (!fw_name_is_ifname(raw->ifname))
			return fw_err_set(err, FW_CNI_ENVIRONMENT,
					  "CNI_IFNAME: must be an interface name of at most %d "
					  "printable bytes without '/' and ':'",
					  FW_IFNAME_MAX);
		env.container_id = raw->container_id;
		env.ifname = raw->ifname;
	}
	if (is_set(raw->netns) && fw_name_is_path(raw->netns, FW_NETNS_PATH_MAX))
		env.netns = raw->netns;
	if ((needs & FW_ENV_NETNS) && !env.netns)
		return fw_err_set(err, FW_CNI_ENVIRONMENT,
				  is_set(raw->netns) ? "CNI_NETNS: must be an absolute path of at "
						       "most %d bytes without \"..\""
						     : "CNI_NETNS: must be set",
				  FW_NETNS_PATH_MAX);
	if ((needs & FW_ENV_POD) && is_set(raw->args)) {
		int code = parse_args(raw->args, &env, err);
		if (code)
			return code;
	}
	*ret_env = env;
	return 0;
}
