/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that a runtime gives the plugin: variables, configuration, prevResult. In: a byte of
 * choices, a byte that picks a frame, four variables separated by NUL, and what goes into the
 * frame. Out: nothing; a broken promise of the parsers aborts. With -DFW_PLANTED_BUG env.c trusts
 * the length of a value of CNI_ARGS, which this must find.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../chain.h"
#include "../env.h"
#include "../json.h"
#include "../netconf.h"

#define CHOICE_ARGS	1 /* CNI_ARGS is one value of a known key */
#define CHOICE_REMOVAL	2 /* as DEL and GC read it */
#define CHOICE_OPTIONAL 4 /* as commands without a container read it */

/* What stands around the rest of the input, so that the depths are reached without seeds. */
#define FRAME "{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"type\":\"t\","
static const struct frame {
	const char *head, *tail;
} frames[] = {
	{"", ""},
	{FRAME, "}"},
	{FRAME "\"podwall\":", "}"},
	{FRAME "\"prevResult\":", "}"},
	{FRAME "\"prevResult\":{\"ips\":[", "]}}"},
	{FRAME "\"prevResult\":{\"ips\":[{\"address\":\"", "\"}]}}"},
	{FRAME "\"prevResult\":{\"ips\":[{\"address\":\"fd00::1/64\"},{\"address\":\"10.0.0.1/8\","
	       "\"interface\":",
	 "}],\"interfaces\":[{},{\"name\":\"eth0\",\"sandbox\":\"/n\"}]}}"},
	{FRAME "\"daemonTimeoutMs\":", "}"},
	{FRAME "\"exemptNamespaces\":[\"", "\"]}"},
	{FRAME "\"pinDir\":\"/", "\"}"},
	{"{\"name\":\"n\",\"type\":\"t\",\"prevResult\":{\"ips\":[{\"address\":\"10.0.0.1\"}]},"
	 "\"cniVersion\":\"",
	 "\"}"},
};

static const char args_head[] = "IgnoreUnknown=1;K8S_POD_UID=";

/* The next NUL-terminated piece of the input, as a string of its own (an overrun is seen). */
static char *take(const uint8_t **data, size_t *size, const char *before)
{
	const uint8_t *end = memchr(*data, '\0', *size);
	size_t len = end ? (size_t)(end - *data) : *size, head_len = strlen(before);
	char *text = malloc(head_len + len + 1);

	if (!text)
		abort();
	memcpy(text, before, head_len);
	memcpy(text + head_len, *data, len);
	text[head_len + len] = '\0';
	*data += len + (end != NULL);
	*size -= len + (end != NULL);
	return text;
}

static void check_env(const struct fw_env *env, unsigned int needs)
{
	if (needs & FW_ENV_CONTAINER) {
		assert(fw_name_is_id(env->container_id, FW_CONTAINER_ID_MAX));
		assert(fw_name_is_ifname(env->ifname));
	}
	assert(!env->netns || env->netns[0] == '/');
	assert(!env->namespace[0] || fw_name_is_label(env->namespace));
	assert(!env->name[0] || fw_name_is_id(env->name, FW_POD_NAME_MAX));
	assert(!env->uid[0] || fw_name_is_id(env->uid, FW_POD_UID_MAX));
}

static void check_conf(const struct fw_netconf *conf)
{
	assert(conf->version < FW_CNI_VERSIONS && conf->network && conf->network[0]);
	assert(conf->pin_dir[0] == '/' && conf->run_dir[0] == '/');
	assert(conf->daemon_timeout_ms <= 30000);
	assert(fw_name_is_label(conf->default_namespace));
	assert(!fw_netconf_exempts(conf, "No namespace"));
}

/* What is echoed is JSON again, in our version, and gives the interface the same addresses. */
static void check_chain(struct fw_netconf *conf, const char *ifname)
{
	struct fw_chain_ips before, after;
	struct fw_err err = {""};
	cJSON *again = NULL;
	char *text = NULL;

	int code = fw_chain_ips(conf->prev, ifname, &before, &err);
	assert(code ? err.text[0] != '\0' : before.count <= FW_CHAIN_IPS_MAX);
	if (fw_chain_echo((cJSON *)conf->prev, conf->version, &text, &err))
		return;
	if (!fw_json_parse(text, strlen(text), &again, &err)) {
		assert(!strcmp(fw_json_get_string(again, "cniVersion"),
			       fw_cni_version_text(conf->version)));
		assert((fw_chain_ips(again, ifname, &after, &err) == 0) == (code == 0));
		assert(code || (before.count == after.count &&
				!memcmp(before.ip, after.ip, before.count * sizeof(before.ip[0]))));
	}
	fw_json_free(&again);
	free(text);
}

static void try_conf(const uint8_t *data, size_t size, uint8_t choices, const struct frame *frame,
		     const char *ifname)
{
	size_t head = strlen(frame->head), tail = strlen(frame->tail), len = head + size + tail;
	enum fw_cni_version version = FW_CNI_NEWEST;
	struct fw_err err = {""};
	struct fw_netconf conf;
	char *text = malloc(len + 1);

	if (!text)
		abort();
	memcpy(text, frame->head, head);
	memcpy(text + head, data, size);
	memcpy(text + head + size, frame->tail, tail);
	int code = fw_netconf_parse(text, len, choices & CHOICE_REMOVAL, &version, &conf, &err);
	if (code) {
		assert(err.text[0]);
	} else {
		check_conf(&conf);
		if (conf.prev)
			check_chain(&conf, ifname);
		fw_netconf_done(&conf);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fw_err err = {""};
	struct fw_env env;

	if (size < 2)
		return 0;
	uint8_t choices = data[0];
	const struct frame *frame = &frames[data[1] % (sizeof(frames) / sizeof(frames[0]))];
	data += 2;
	size -= 2;
	char *container_id = take(&data, &size, ""), *netns = take(&data, &size, ""),
	     *ifname = take(&data, &size, "");
	char *args = take(&data, &size, choices & CHOICE_ARGS ? args_head : "");
	const struct fw_env_raw raw = {container_id, netns, ifname, args};
	unsigned int needs = choices & CHOICE_OPTIONAL
				     ? FW_ENV_POD
				     : FW_ENV_CONTAINER | FW_ENV_NETNS | FW_ENV_POD;

	if (fw_env_parse(&raw, needs, &env, &err))
		assert(!strncmp(err.text, "CNI_", 4));
	else
		check_env(&env, needs);
	try_conf(data, size, choices, frame, *ifname ? ifname : "eth0");
	free(container_id);
	free(netns);
	free(ifname);
	free(args);
	return 0;
}
