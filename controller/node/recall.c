// SPDX-License-Identifier: Apache-2.0
/*
 * What the source said of the pods that run here, over a restart. In: the model, each second; at
 * start, <state dir>/local.json. Out: that file; objects that the source no longer tells of and a
 * sandbox here still needs (keep.c). What cannot be read back is taken as "isolated", never as
 * "nobody selects it".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/decode.h"
#include "api/encode.h"
#include "base/cleanup.h"
#include "node/inside.h"

#define FILE_NAME     "local.json"
#define FILE_MAX      (64u << 20) /* larger: not written, and told */
#define NOBODY_KNOWS  "podwall-no-record-of-policies"
#define HASH_START    0xcbf29ce484222325u
#define HASH_MULTIPLY 0x100000001b3u

/* The objects that sandboxes here need, each once. */
struct local {
	const struct fw_object **objects;
	size_t count, room;
	const char **going; /* namespaces whose object is gone; borrowed */
	size_t going_count;
};

static void local_done(struct local *local)
{
	free(local->objects);
	free(local->going);
}

static int take(struct local *local, const struct fw_object *object)
{
	const struct fw_object **grown;

	if (!object)
		return 0;
	if (local->count == local->room) {
		grown = reallocarray(local->objects, 2 * local->room + 64, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		local->objects = grown;
		local->room = 2 * local->room + 64;
	}
	local->objects[local->count++] = object;
	return 0;
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Namespaces of the endpoints, sorted, each once. */
static int list_namespaces(struct fw_agent *agent, const char ***ret_names, size_t *ret_count)
{
	struct fw_agent_endpoint *endpoint, *next;
	size_t count = 0, kept = 0;
	const char **names = calloc(HASH_COUNT(agent->endpoints) + 1, sizeof(*names));

	if (!names)
		return -ENOMEM;
	HASH_ITER(hh, agent->endpoints, endpoint, next)
		names[count++] = endpoint->info.namespace;
	qsort(names, count, sizeof(*names), compare_text);
	for (size_t i = 0; i < count; i++)
		if (!kept || strcmp(names[kept - 1], names[i]) != 0)
			names[kept++] = names[i];
	*ret_names = names;
	*ret_count = kept;
	return 0;
}

static bool has_text(const char *const *sorted, size_t count, const char *text)
{
	return count && bsearch(&text, sorted, count, sizeof(*sorted), compare_text);
}

static int gather_policies(struct fw_agent *agent, const char *const *names, size_t name_count,
			   struct local *local)
{
	struct fw_object *const *policies;
	size_t count = fw_model_list(agent->model, FW_KIND_NETWORK_POLICY, &policies);
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++)
		if (has_text(names, name_count, policies[i]->namespace))
			r = take(local, policies[i]);
	return r;
}

static int gather(struct fw_agent *agent, struct local *local)
{
	struct fw_agent_endpoint *endpoint, *next;
	_cleanup_free_ const char **names = NULL;
	size_t count;
	int r = list_namespaces(agent, &names, &count);

	if (r == 0 && !(local->going = calloc(count + 1, sizeof(*local->going))))
		r = -ENOMEM;
	for (size_t i = 0; i < count && r == 0; i++) {
		r = take(local, fw_model_get(agent->model, FW_KIND_NAMESPACE, "", names[i]));
		if (fw_agent_keep_has(agent, FW_KIND_NAMESPACE, "", names[i]))
			local->going[local->going_count++] = names[i];
	}
	HASH_ITER(hh, agent->endpoints, endpoint, next) {
		const struct fw_pod *pod = r == 0 ? fw_agent_pod(agent, endpoint) : NULL;

		if (pod)
			r = take(local, &pod->object);
	}
	return r == 0 ? gather_policies(agent, names, count, local) : r;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	for (int i = 0; i < 8; i++, value >>= 8)
		hash = (hash ^ (value & 0xff)) * HASH_MULTIPLY;
	return hash;
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * HASH_MULTIPLY;
	return mix(hash, 0);
}

/* Of everything that the file would say. 0 only while nothing was written. */
static uint64_t digest_of(const struct local *local)
{
	uint64_t hash = HASH_START;

	for (size_t i = 0; i < local->count; i++) {
		hash = mix(hash, (uint64_t)local->objects[i]->kind);
		hash = mix_text(hash, local->objects[i]->namespace);
		hash = mix_text(hash, local->objects[i]->name);
		hash = mix(hash, local->objects[i]->digest);
	}
	for (size_t i = 0; i < local->going_count; i++)
		hash = mix_text(hash, local->going[i]);
	return hash | 1;
}

static int format(const struct local *local, struct fw_buf *buf)
{
	int r = fw_buf_printf(buf, "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[");
	const char *comma = "\n";

	for (size_t i = 0; i < local->count && r == 0; i++, comma = ",\n") {
		r = fw_buf_printf(buf, "%s", comma);
		if (r == 0)
			r = fw_encode_object(local->objects[i], buf);
	}
	for (size_t i = 0; i < local->going_count && r == 0; i++, comma = ",\n")
		r = fw_buf_printf(buf,
				  "%s{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{"
				  "\"name\":\"%s\"},\"status\":{\"phase\":\"Terminating\"}}",
				  comma, local->going[i]);
	return r == 0 ? fw_buf_printf(buf, "]}\n") : r;
}

static int path_of(const struct fw_agent *agent, const char *name, char *ret_path)
{
	int len = snprintf(ret_path, PATH_MAX, "%s/%s", agent->options.state_dir, name);

	return len < 0 || len >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int write_file(const struct fw_agent *agent, const struct fw_buf *text)
{
	char fresh[PATH_MAX], path[PATH_MAX];
	_cleanup_close_ int fd = -1;
	int r = path_of(agent, FILE_NAME, path);

	if (r == 0)
		r = path_of(agent, "." FILE_NAME, fresh);
	if (r < 0)
		return r;
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	for (size_t done = 0; done < text->len;) {
		ssize_t len = write(fd, text->data + done, text->len - done);

		if (len < 0 && errno != EINTR)
			return -errno;
		done += len > 0 ? (size_t)len : 0;
	}
	return rename(fresh, path) < 0 ? -errno : 0;
}

void fw_agent_remember(struct fw_agent *agent)
{
	_cleanup_(local_done) struct local local = {0};
	_cleanup_(fw_buf_done) struct fw_buf text;
	uint64_t digest;
	int r;

	fw_buf_init(&text, FILE_MAX);
	if (!agent->recalled || !fw_source_ready(agent->source))
		return; /* what stands there is still to be read, or judged */
	r = gather(agent, &local);
	digest = digest_of(&local);
	if (r == 0 && digest == agent->remembered)
		return;
	if (r == 0)
		r = format(&local, &text);
	if (r == 0)
		r = write_file(agent, &text);
	if (r == 0)
		agent->remembered = digest;
	if (r < 0 && r != agent->remember_failed)
		fw_agent_log(agent, FW_LOG_WARNING,
			     "%s/" FILE_NAME ": %s: pods whose object goes while podwalld is down "
			     "will be isolated",
			     agent->options.state_dir, strerror(-r));
	agent->remember_failed = r;
}

struct reading {
	struct fw_agent *agent;
	struct local found;
	bool failed;
};

static void on_object(struct fw_object *object, void *context)
{
	struct reading *reading = context;

	if (take(&reading->found, object) < 0) {
		reading->failed = true;
		fw_object_free(&object);
	}
}

static void on_error(unsigned int document, unsigned int line, enum fw_kind kind,
		     const char *namespace, const char *name, const char *text, void *context)
{
	struct reading *reading = context;

	(void)document;
	(void)line;
	reading->failed = true;
	fw_agent_log(reading->agent, FW_LOG_WARNING, FILE_NAME ": %s %s/%s: %s",
		     kind < FW_KIND_COUNT ? fw_kind_name(kind) : "?", namespace, name, text);
}

/* 0, or why nothing (or not all) of the file is known. */
static int read_file(struct reading *reading)
{
	const struct fw_decode_handler handler = {
		.object = on_object, .error = on_error, .context = reading};
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	struct stat st;
	ssize_t len;
	int r = path_of(reading->agent, FILE_NAME, path);

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)FILE_MAX)
		return -EINVAL;
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	len = read(fd, text, (size_t)st.st_size);
	if (len != (ssize_t)st.st_size)
		return len < 0 ? -errno : -EIO;
	r = fw_decode_text(FILE_NAME, text, (size_t)len, &handler);
	return r < 0 ? r : reading->failed ? -EINVAL : 0;
}

/* The source's own word comes first; what it says nothing of waits for keep.c's judgement. */
static void put_back(struct fw_agent *agent, const struct fw_object **object_at)
{
	struct fw_object *object = (struct fw_object *)(uintptr_t)*object_at;
	bool changed, known = fw_model_get(agent->model, object->kind, object->namespace,
					   object->name) != NULL;

	*object_at = NULL;
	if (!known &&
	    fw_agent_keep_add(agent, object->kind, object->namespace, object->name) == 0 &&
	    object->kind != FW_KIND_NAMESPACE) {
		(void)fw_model_put(agent->model, object, &changed);
		return;
	}
	fw_object_free(&object);
}

/* Its policies may be gone already, and nothing says which they were. */
static void isolate_going(struct fw_agent *agent, const char *namespace)
{
	const struct fw_namespace *object =
		(const void *)fw_model_get(agent->model, FW_KIND_NAMESPACE, "", namespace);
	struct fw_network_policy *policy;
	bool changed;

	if (!object || !object->terminating ||
	    fw_agent_keep_add(agent, FW_KIND_NETWORK_POLICY, namespace, NOBODY_KNOWS) < 0)
		return;
	policy = (struct fw_network_policy *)fw_object_new(FW_KIND_NETWORK_POLICY);
	if (!policy)
		return;
	policy->object.namespace = strdup(namespace);
	policy->object.name = strdup(NOBODY_KNOWS);
	policy->object.uid = strdup("");
	policy->isolates[0] = policy->isolates[1] = true;
	if (policy->object.namespace && policy->object.name && policy->object.uid)
		(void)fw_model_put(agent->model, &policy->object, &changed);
	else
		fw_object_free((struct fw_object **)&policy);
}

static void isolate_all_going(struct fw_agent *agent)
{
	_cleanup_free_ const char **names = NULL;
	size_t count = 0;

	if (list_namespaces(agent, &names, &count) < 0)
		return;
	for (size_t i = 0; i < count; i++)
		isolate_going(agent, names[i]);
}

void fw_agent_judge_recalled(struct fw_agent *agent)
{
	if (agent->recall_failed)
		isolate_all_going(agent);
	agent->recall_failed = false;
	fw_agent_keep_settle(agent);
}

void fw_agent_recall(struct fw_agent *agent)
{
	struct reading reading = {.agent = agent};
	int r;

	if (agent->recalled)
		return;
	agent->recalled = true;
	r = read_file(&reading);
	for (size_t i = 0; i < reading.found.count; i++)
		put_back(agent, &reading.found.objects[i]);
	local_done(&reading.found);
	agent->recall_failed = r < 0;
	if (r < 0 && r != -ENOENT)
		fw_agent_log(agent, FW_LOG_WARNING,
			     "%s/" FILE_NAME ": %s: running pods whose object is gone are "
			     "isolated",
			     agent->options.state_dir, strerror(-r));
	/* a server has told of nothing yet: what is put back gives records their names till then */
	if (fw_source_ready(agent->source))
		fw_agent_judge_recalled(agent);
}
