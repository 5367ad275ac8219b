// SPDX-License-Identifier: Apache-2.0
/*
 * Every object once; see lint.h. In: a model. Out: findings in the order of kinds and names. Says
 * nothing by itself: the parts do.
 */
#include "check/lint.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "check/lint_inside.h"

void fw_lint_say(const struct fw_lint_run *run, const struct fw_object *object, const char *path,
		 const char *name, const char *format, ...)
{
	char text[FW_ERR_TEXT];
	const struct fw_lint_finding finding = {.object = object,
						.path = path,
						.name = name,
						.text = text,
						.error = strcmp(name, "unread-field") == 0};
	va_list list;

	va_start(list, format);
	(void)vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	run->lint->found(&finding, run->lint->context);
}

/* The member of an object whose name the path begins with: names of annotations have dots. */
static const cJSON *find_member(const cJSON *object, const char **path)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, object) {
		size_t len = item->string ? strlen(item->string) : 0;

		if (len && strncmp(item->string, *path, len) == 0 &&
		    (!(*path)[len] || (*path)[len] == '.' || (*path)[len] == '[')) {
			*path += len;
			return item;
		}
	}
	return NULL;
}

static const cJSON *find_element(const cJSON *list, const char **path)
{
	char *end;
	unsigned long index = strtoul(*path + 1, &end, 10);

	const cJSON *item =
		*end == ']' && index < 1000000 ? cJSON_GetArrayItem(list, (int)index) : NULL;

	if (item)
		*path = end + 1;
	return item;
}

const struct cJSON *fw_lint_field(const struct cJSON *document, const char *path, bool *ret_whole)
{
	const cJSON *at = document;

	while (at && *path) {
		const cJSON *next;

		path += *path == '.';
		next = *path == '[' ? find_element(at, &path) : find_member(at, &path);
		if (!next)
			break;
		at = next;
	}
	*ret_whole = at && !*path;
	return at;
}

bool fw_lint_selects(const struct fw_network_policy *policy, const struct fw_pod *pod)
{
	return strcmp(policy->object.namespace, pod->object.namespace) == 0 &&
	       fw_selector_matches(&policy->subject, &pod->object.labels);
}

bool fw_lint_means(const struct fw_lint_run *run, const struct fw_network_policy *policy,
		   const struct fw_policy_peer *peer, const struct fw_pod *pod)
{
	const struct fw_object *namespace;

	if (!peer->has_namespace_selector) {
		if (strcmp(policy->object.namespace, pod->object.namespace) != 0)
			return false;
	} else {
		namespace = fw_model_get(run->lint->model, FW_KIND_NAMESPACE, "",
					 pod->object.namespace);
		if (!namespace ||
		    !fw_selector_matches(&peer->namespace_selector, &namespace->labels))
			return false;
	}
	return fw_selector_matches(&peer->pod_selector, &pod->object.labels);
}

/* Edge case 38 and the model: an address that two pods claim is nobody's. */
static void say_shared_addresses(const struct fw_lint_run *run, const struct fw_pod *pod)
{
	for (size_t i = 0; i < pod->ip_count; i++) {
		const struct fw_pod *owner = fw_model_pod_by_ip(run->lint->model, &pod->ips[i]);
		char ip[FW_IP_TEXT], path[FW_LINT_PATH];

		if (owner)
			continue;
		(void)snprintf(path, sizeof(path), "status.podIPs[%zu].ip", i);
		fw_lint_say(run, &pod->object, path, "address-twice",
			    "%s is another pod's, too: as a peer it belongs to nobody",
			    fw_ip_format(&pod->ips[i], ip));
	}
}

/* The field of the n-th port: as they were read, containers before the init containers that go on.
 */
static bool find_port(const cJSON *document, size_t number, char path[FW_LINT_PATH])
{
	static const char *const lists[] = {"containers", "initContainers"};
	const cJSON *spec = cJSON_GetObjectItemCaseSensitive(document, "spec"), *container, *port;

	for (size_t list = 0; list < 2; list++) {
		size_t c = 0;

		cJSON_ArrayForEach(container, cJSON_GetObjectItemCaseSensitive(spec, lists[list])) {
			const char *restart = cJSON_GetStringValue(
				cJSON_GetObjectItemCaseSensitive(container, "restartPolicy"));
			size_t p = 0, at = c++;

			if (list && (!restart || strcmp(restart, "Always") != 0))
				continue;
			cJSON_ArrayForEach(port,
					   cJSON_GetObjectItemCaseSensitive(container, "ports")) {
				(void)snprintf(path, FW_LINT_PATH, "spec.%s[%zu].ports[%zu].name",
					       lists[list], at, p++);
				if (!number--)
					return true;
			}
		}
	}
	return false;
}

/* Edge case 12. */
static void say_names_twice(const struct fw_lint_run *run, const struct fw_pod *pod)
{
	const struct fw_lint *lint = run->lint;
	const cJSON *document = lint->document ? lint->document(&pod->object, lint->context) : NULL;

	for (size_t i = 0; i < pod->port_count; i++) {
		const struct fw_container_port *port = &pod->ports[i];
		char path[FW_LINT_PATH];
		size_t first = 0;

		while (port->name && first < i &&
		       (!pod->ports[first].name || pod->ports[first].protocol != port->protocol ||
			strcmp(pod->ports[first].name, port->name) != 0))
			first++;
		if (!port->name || first == i || pod->ports[first].port == port->port)
			continue;
		if (!document || !find_port(document, i, path))
			(void)snprintf(path, sizeof(path), "spec.containers");
		fw_lint_say(run, &pod->object, path, "duplicate-port-name",
			    "\"%s\" is port %u already: rules and services that say \"%s\" do not "
			    "mean %u",
			    port->name, pod->ports[first].port, port->name, port->port);
	}
}

static void say_namespace(const struct fw_lint_run *run, const struct fw_object *object)
{
	if (run->namespaces &&
	    !fw_model_get(run->lint->model, FW_KIND_NAMESPACE, "", object->namespace))
		fw_lint_say(run, object, "metadata.namespace", "unknown-namespace",
			    "there is no Namespace %s: no namespaceSelector matches what is in it",
			    object->namespace);
}

void fw_lint_pod(const struct fw_lint_run *run, const struct fw_pod *pod)
{
	say_namespace(run, &pod->object);
	say_names_twice(run, pod);
	if (!pod->host_network && !pod->finished)
		say_shared_addresses(run, pod);
}

void fw_lint_run(const struct fw_lint *lint)
{
	struct fw_object *const *objects;
	struct fw_lint_run run = {.lint = lint};
	size_t count;

	run.pods = fw_model_list(lint->model, FW_KIND_POD, &objects) > 0;
	run.namespaces = fw_model_list(lint->model, FW_KIND_NAMESPACE, &objects) > 0;
	count = fw_model_list(lint->model, FW_KIND_POD, &objects);
	for (size_t i = 0; i < count; i++)
		fw_lint_pod(&run, (const struct fw_pod *)objects[i]);
	count = fw_model_list(lint->model, FW_KIND_NETWORK_POLICY, &objects);
	for (size_t i = 0; i < count; i++) {
		say_namespace(&run, objects[i]);
		fw_lint_policy(&run, (const struct fw_network_policy *)objects[i]);
	}
}
