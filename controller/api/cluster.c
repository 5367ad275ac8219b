/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespace and Node, v1. In: a document with its head filled. Out: labels as the API server would
 * have them; a node's addresses and pod ranges. Nothing else of a node is read.
 */
#include "api/kinds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int fw_decode_namespace(struct fw_decoder *d, const struct fw_field *document,
			struct fw_namespace *namespace)
{
	struct fw_field metadata, status, field;
	const char *phase = "";
	int r = fw_member_object(d, document, "status", &status);

	if (!r)
		r = fw_member_string(d, &status, "phase", &phase);
	if (r && r != -ENOENT)
		return r;
	namespace->terminating = !strcmp(phase, "Terminating") ||
				 (fw_field_get(document, "metadata", &metadata) &&
				  fw_field_get(&metadata, "deletionTimestamp", &field));
	/* The API server sets it on every namespace, whatever was written. */
	return fw_labels_set(&namespace->object.labels, "kubernetes.io/metadata.name",
			     namespace->object.name);
}

static int decode_address(struct fw_decoder *d, const struct fw_field *item,
			  struct fw_node_object *node)
{
	const char *type = "", *text = "";
	struct fw_err err = {""};
	struct fw_field address;
	struct fw_ip ip;
	int r = fw_field_object(d, item);

	if (!r)
		r = fw_member_string(d, item, "type", &type);
	if (r || (strcmp(type, "InternalIP") != 0 && strcmp(type, "ExternalIP") != 0))
		return r;
	if (!fw_field_get(item, "address", &address))
		return fw_field_missing(d, item, "address");
	r = fw_field_string(d, &address, &text);
	if (r)
		return r;
	/* the API server takes any text here: the node's pod ranges are needed all the same */
	if (fw_ip_parse(text, &ip, &err))
		return fw_field_warn(d, &address, "%s: this address is not used", err.text);
	return fw_field_add_ip(d, &address, &node->ips, &node->ip_count);
}

static int decode_addresses(struct fw_decoder *d, const struct fw_field *document,
			    struct fw_node_object *node)
{
	struct fw_field status, list;
	size_t count, i = 0;
	int r = fw_member_object(d, document, "status", &status);

	if (r)
		return r == -ENOENT ? 0 : r;
	r = fw_member_list(d, &status, "addresses", &list, &count);
	for (const cJSON *item = !r && count ? list.json->child : NULL; item; item = item->next) {
		struct fw_field field = fw_field_element(&list, item, i++);

		r = decode_address(d, &field, node);
		if (r)
			return r;
	}
	return r;
}

static int add_range(struct fw_decoder *d, const struct fw_field *field,
		     struct fw_node_object *node)
{
	struct fw_prefix *ranges, range;
	struct fw_err err = {0};
	const char *text = "";
	int r = fw_field_string(d, field, &text);

	if (r)
		return r;
	if (fw_prefix_parse(text, &range, &err))
		return fw_field_fail(d, field, "%s", err.text);
	ranges = reallocarray(node->pod_ranges, node->pod_range_count + 1, sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	ranges[node->pod_range_count++] = range;
	node->pod_ranges = ranges;
	return 0;
}

static int decode_ranges(struct fw_decoder *d, const struct fw_field *document,
			 struct fw_node_object *node)
{
	struct fw_field spec, list, single;
	size_t count, i = 0;
	int r = fw_member_object(d, document, "spec", &spec);

	if (r)
		return r == -ENOENT ? 0 : r;
	r = fw_member_list(d, &spec, "podCIDRs", &list, &count);
	if (r)
		return r;
	if (!count) {
		if (!fw_field_get(&spec, "podCIDR", &single) ||
		    (cJSON_IsString(single.json) && !*single.json->valuestring))
			return 0;
		return add_range(d, &single, node);
	}
	for (const cJSON *item = list.json->child; item; item = item->next) {
		struct fw_field field = fw_field_element(&list, item, i++);

		r = add_range(d, &field, node);
		if (r)
			return r;
	}
	return 0;
}

int fw_decode_node(struct fw_decoder *d, const struct fw_field *document,
		   struct fw_node_object *node)
{
	int r = decode_addresses(d, document, node);

	return r ? r : decode_ranges(d, document, node);
}
