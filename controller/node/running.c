// SPDX-License-Identifier: Apache-2.0
/*
 * Pods of this node that have no endpoint: they run without a firewall. In: the Pods of the model,
 * the endpoints. Out: as root podwall-install is run to find them (without root it is run by
 * others), and who stays is told. Never waits for it but at the start.
 */
#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "node/inside.h"

#define INSTALLER      "podwall-install"
#define LOOK_EVERY_NS  (60000 * FW_MS)
#define START_LIMIT_NS (5000 * FW_MS)
#define LATE_AFTER_NS  (10000 * FW_MS) /* a pod that starts has its address before we know both */
#define NAMES_SHOWN    5u

extern char **environ;

#define KEY_MAX 512u

struct fw_missing_pod {
	char *key; /* "namespace/name uid", owned */
	uint64_t since_ns;
	uint64_t turn;
	UT_hash_handle hh;
};

static void reap(struct fw_agent *agent)
{
	int status;

	if (agent->looking > 0 && waitpid(agent->looking, &status, WNOHANG) == agent->looking)
		agent->looking = 0;
}

/* podwall-install stands beside us. */
static bool find_installer(char *ret_path, size_t size)
{
	ssize_t len = readlink("/proc/self/exe", ret_path, size - 1);
	char *slash;

	if (len <= 0)
		return false;
	ret_path[len] = '\0';
	slash = strrchr(ret_path, '/');
	if (!slash || (size_t)(slash + 1 - ret_path) + sizeof(INSTALLER) > size)
		return false;
	memcpy(slash + 1, INSTALLER, sizeof(INSTALLER));
	return access(ret_path, X_OK) == 0;
}

static void look(struct fw_agent *agent)
{
	const struct fw_agent_options *options = &agent->options;
	char path[PATH_MAX];
	char *const argv[] = {path,
			      (char *)"cover",
			      (char *)"--conf-dir",
			      (char *)options->cni_conf_dir,
			      (char *)"--cache-dir",
			      (char *)options->cni_cache_dir,
			      NULL};
	pid_t pid;

	agent->looked_ns = fw_agent_now();
	if (geteuid() != 0 || agent->looking > 0 || !find_installer(path, sizeof(path)))
		return;
	if (posix_spawn(&pid, path, NULL, NULL, argv, environ) == 0)
		agent->looking = pid;
}

void fw_agent_look_first(struct fw_agent *agent)
{
	const struct timespec pause = {.tv_nsec = 2000000};
	uint64_t begin = fw_agent_now();
	struct stat st;

	if (stat(agent->options.cni_conf_dir, &st) == 0)
		agent->conf_mtime = st.st_mtim;
	look(agent);
	while (agent->looking > 0 && fw_agent_now() - begin < START_LIMIT_NS) {
		(void)nanosleep(&pause, NULL);
		reap(agent);
	}
}

static bool has_endpoint(const struct fw_agent *agent, const struct fw_pod *pod)
{
	const struct fw_agent_endpoint *endpoint, *next;

	HASH_ITER(hh, agent->endpoints, endpoint, next) {
		if (!strcmp(endpoint->info.namespace, pod->object.namespace) &&
		    !strcmp(endpoint->info.name, pod->object.name))
			return true;
	}
	return false;
}

static bool exempt(const struct fw_agent *agent, const char *namespace)
{
	for (size_t i = 0; i < agent->options.exempt_count; i++) {
		if (!strcmp(agent->options.exempt[i], namespace))
			return true;
	}
	return false;
}

static void note(struct fw_agent *agent, const struct fw_pod *pod)
{
	struct fw_missing_pod *missing;
	char key[KEY_MAX];

	(void)snprintf(key, sizeof(key), "%s/%s %s", pod->object.namespace, pod->object.name,
		       pod->object.uid);
	HASH_FIND_STR(agent->missing, key, missing);
	if (!missing) {
		missing = calloc(1, sizeof(*missing));
		if (!missing || !(missing->key = strdup(key))) {
			free(missing);
			return;
		}
		missing->since_ns = fw_agent_now();
		HASH_ADD_KEYPTR(hh, agent->missing, missing->key, strlen(missing->key), missing);
	}
	missing->turn = agent->missing_turn;
}

static void drop(struct fw_agent *agent, struct fw_missing_pod *missing)
{
	HASH_DEL(agent->missing, missing);
	free(missing->key);
	free(missing);
}

void fw_agent_miss_nothing(struct fw_agent *agent)
{
	struct fw_missing_pod *missing, *next;

	HASH_ITER(hh, agent->missing, missing, next)
		drop(agent, missing);
}

static void look_for_missing(struct fw_agent *agent)
{
	struct fw_missing_pod *missing, *next;
	struct fw_object *const *pods;
	size_t count = fw_model_list(agent->model, FW_KIND_POD, &pods);

	agent->missing_turn++;
	for (size_t i = 0; i < count; i++) {
		const struct fw_pod *pod = (const struct fw_pod *)pods[i];

		if (!pod->ip_count || pod->finished || pod->host_network ||
		    strcmp(pod->node, agent->options.node_name) != 0 ||
		    exempt(agent, pod->object.namespace) || has_endpoint(agent, pod))
			continue;
		note(agent, pod);
	}
	HASH_ITER(hh, agent->missing, missing, next) {
		if (missing->turn != agent->missing_turn)
			drop(agent, missing);
	}
}

void fw_agent_look_for_running(struct fw_agent *agent)
{
	uint64_t now = fw_agent_now();
	struct stat st;

	reap(agent);
	if (!agent->missed_ns || now - agent->missed_ns >= LATE_AFTER_NS / 10) {
		agent->missed_ns = now;
		look_for_missing(agent);
	}
	if (stat(agent->options.cni_conf_dir, &st) < 0)
		st.st_mtim = agent->conf_mtime;
	if (now - agent->looked_ns >= LOOK_EVERY_NS ||
	    st.st_mtim.tv_sec != agent->conf_mtime.tv_sec ||
	    st.st_mtim.tv_nsec != agent->conf_mtime.tv_nsec)
		look(agent);
	agent->conf_mtime = st.st_mtim;
}

size_t fw_agent_missing(struct fw_agent *agent, char *names, size_t size)
{
	struct fw_missing_pod *missing, *next;
	size_t count = 0, len = 0;

	names[0] = '\0';
	HASH_ITER(hh, agent->missing, missing, next) {
		if (fw_agent_now() - missing->since_ns < LATE_AFTER_NS)
			continue;
		if (count++ < NAMES_SHOWN && len < size)
			len += (size_t)snprintf(names + len, size - len, "%s%.*s", len ? ", " : "",
						(int)strcspn(missing->key, " "), missing->key);
	}
	return count;
}
