/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pod, v1. In: a document with its head filled. Out: what policy needs: where it runs, its
 * addresses, its named ports, its workload for records. Only status addresses count (edge case 39);
 * annotations of networks are never read.
 */
#include "api/kinds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static int decode_port(struct fw_decoder *d, const struct fw_field *field,
		       struct fw_container_port *port)
{
	struct fw_field number, name;
	int64_t value = 0;
	const char *text = "", *wrong;
	int r = fw_field_object(d, field);

	if (r)
		return r;
	if (!fw_field_get(field, "containerPort", &number))
		return fw_field_missing(d, field, "containerPort");
	r = fw_field_integer(d, &number, 1, 65535, &value);
	if (!r)
		r = fw_member_protocol(d, field, &port->protocol);
	if (!r)
		r = fw_member_string(d, field, "name", &text);
	if (r)
		return r;
	port->port = (uint16_t)value;
	if (!*text)
		return 0;
	wrong = fw_check_port_name(text);
	if (wrong) {
		(void)fw_field_get(field, "name", &name);
		return fw_field_fail(d, &name, "\"%.64s\": %s", text, wrong);
	}
	port->name = strdup(text);
	return port->name ? 0 : -ENOMEM;
}

static int decode_container(struct fw_decoder *d, const struct fw_field *container,
			    struct fw_pod *pod)
{
	struct fw_container_port *ports;
	struct fw_field list;
	size_t count, i = 0;
	int r = fw_member_list(d, container, "ports", &list, &count);

	if (r || !count)
		return r;
	ports = reallocarray(pod->ports, pod->port_count + count, sizeof(*ports));
	if (!ports)
		return -ENOMEM;
	pod->ports = ports;
	for (const cJSON *item = list.json->child; item; item = item->next) {
		struct fw_field field = fw_field_element(&list, item, i++);
		struct fw_container_port *port = &ports[pod->port_count++];

		*port = (struct fw_container_port){0};
		r = decode_port(d, &field, port);
		if (r)
			return r;
	}
	return 0;
}

/* Edge cases 12 and 13: containers first, then the init containers that go on running. */
static int decode_containers(struct fw_decoder *d, const struct fw_field *spec, const char *name,
			     bool sidecars, struct fw_pod *pod)
{
	struct fw_field list;
	size_t count, i = 0;
	int r = fw_member_list(d, spec, name, &list, &count);

	if (r || !count)
		return r;
	for (const cJSON *item = list.json->child; item; item = item->next) {
		struct fw_field field = fw_field_element(&list, item, i++);
		const char *restart = "";

		r = fw_field_object(d, &field);
		if (!r && sidecars)
			r = fw_member_string(d, &field, "restartPolicy", &restart);
		if (!r && (!sidecars || !strcmp(restart, "Always")))
			r = decode_container(d, &field, pod);
		if (r)
			return r;
	}
	return 0;
}

static int decode_spec(struct fw_decoder *d, const struct fw_field *document, struct fw_pod *pod)
{
	struct fw_field spec;
	int r = fw_member_object(d, document, "spec", &spec);

	if (r)
		return r == -ENOENT ? 0 : r;
	r = fw_member_copy(d, &spec, "nodeName", &pod->node);
	if (!r)
		r = fw_member_bool(d, &spec, "hostNetwork", &pod->host_network);
	if (!r)
		r = decode_containers(d, &spec, "containers", false, pod);
	if (!r)
		r = decode_containers(d, &spec, "initContainers", true, pod);
	return r;
}

static int add_ip(struct fw_decoder *d, const struct fw_field *field, struct fw_pod *pod)
{
	size_t count = pod->ip_count;
	int r = fw_field_add_ip(d, field, &pod->ips, &count);

	pod->ip_count = (uint32_t)count; /* of one document: few */
	return r;
}

static int decode_ips(struct fw_decoder *d, const struct fw_field *status, struct fw_pod *pod)
{
	struct fw_field list, ip;
	size_t count, i = 0;
	int r = fw_member_list(d, status, "podIPs", &list, &count);

	if (r)
		return r;
	if (!count) {
		if (!fw_field_get(status, "podIP", &ip) ||
		    (cJSON_IsString(ip.json) && !*ip.json->valuestring))
			return 0;
		return add_ip(d, &ip, pod);
	}
	for (const cJSON *item = list.json->child; item; item = item->next) {
		struct fw_field field = fw_field_element(&list, item, i++);

		r = fw_field_object(d, &field);
		if (r)
			return r;
		if (!fw_field_get(&field, "ip", &ip))
			return fw_field_missing(d, &field, "ip");
		r = add_ip(d, &ip, pod);
		if (r)
			return r;
	}
	return 0;
}

static int decode_status(struct fw_decoder *d, const struct fw_field *document, struct fw_pod *pod)
{
	struct fw_field status;
	const char *phase = "";
	int r = fw_member_object(d, document, "status", &status);

	if (r)
		return r == -ENOENT ? 0 : r;
	r = fw_member_string(d, &status, "phase", &phase);
	if (r)
		return r;
	pod->finished = !strcmp(phase, "Succeeded") || !strcmp(phase, "Failed");
	return decode_ips(d, &status, pod);
}

/* The name of a Deployment's ReplicaSet ends with "-" and the pod's template hash. */
static size_t deployment_length(const struct fw_pod *pod, const char *name)
{
	const char *hash = fw_labels_get(&pod->object.labels, "pod-template-hash");
	size_t len = strlen(name), cut = hash ? strlen(hash) + 1 : 0;

	if (!hash || !*hash || len <= cut || name[len - cut] != '-' ||
	    strcmp(name + len - cut + 1, hash) != 0)
		return 0;
	return len - cut;
}

static int set_workload(struct fw_pod *pod, const char *kind, const char *name)
{
	size_t len = strcmp(kind, "ReplicaSet") != 0 ? 0 : deployment_length(pod, name);

	free(pod->workload_kind);
	free(pod->workload_name);
	pod->workload_kind = strdup(len ? "Deployment" : kind);
	pod->workload_name = len ? strndup(name, len) : strdup(name);
	return pod->workload_kind && pod->workload_name ? 0 : -ENOMEM;
}

static int decode_owner(struct fw_decoder *d, const struct fw_field *document, struct fw_pod *pod)
{
	struct fw_field metadata, list;
	size_t count = 0, i = 0;
	int r = fw_member_object(d, document, "metadata", &metadata);

	if (!r)
		r = fw_member_list(d, &metadata, "ownerReferences", &list, &count);
	if (r)
		return r;
	for (const cJSON *item = count ? list.json->child : NULL; item; item = item->next) {
		struct fw_field field = fw_field_element(&list, item, i++);
		const char *kind = "", *name = "";
		bool controller = false;

		r = fw_field_object(d, &field);
		if (!r)
			r = fw_member_bool(d, &field, "controller", &controller);
		if (!r)
			r = fw_member_string(d, &field, "kind", &kind);
		if (!r)
			r = fw_member_string(d, &field, "name", &name);
		if (r)
			return r;
		if (controller)
			return set_workload(pod, kind, name);
	}
	return set_workload(pod, "", "");
}

static int fill(char **text)
{
	if (!*text)
		*text = strdup("");
	return *text ? 0 : -ENOMEM;
}

int fw_decode_pod(struct fw_decoder *d, const struct fw_field *document, struct fw_pod *pod)
{
	struct fw_annotation hash;
	int r = decode_spec(d, document, pod);

	if (!r)
		r = decode_status(d, document, pod);
	if (!r)
		r = decode_owner(d, document, pod);
	if (!r)
		r = fw_decode_annotation(d, document, "kubernetes.io/config.hash", &hash);
	if (r)
		return r;
	pod->config_hash = strdup(hash.text ? hash.text : "");
	if (!pod->config_hash || fill(&pod->node))
		return -ENOMEM;
	return 0;
}
