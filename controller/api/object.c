/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One parsed document to one object. In: a cJSON tree. Out: an object of a kind that Podwall reads,
 * or -ENOTSUP, or what is wrong and where. Another version of a group that we read is an error,
 * never skipped in silence.
 */
#include "api/documents.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

static const struct {
	const char *group;
	const char *version;
} groups[FW_KIND_COUNT] = {
	[FW_KIND_NAMESPACE] = {"", "v1"},
	[FW_KIND_POD] = {"", "v1"},
	[FW_KIND_SERVICE] = {"", "v1"},
	[FW_KIND_ENDPOINT_SLICE] = {"discovery.k8s.io", "v1"},
	[FW_KIND_NETWORK_POLICY] = {"networking.k8s.io", "v1"},
	[FW_KIND_NODE] = {"", "v1"},
};
/* Groups that once held a kind: such an object means ours and must not be skipped. */
#define OLD_POLICY_GROUP "extensions"

enum fw_kind fw_kind_by_name(const char *name, size_t len)
{
	unsigned int kind = 0;

	while (kind < FW_KIND_COUNT && (strlen(fw_kind_name((enum fw_kind)kind)) != len ||
					memcmp(fw_kind_name((enum fw_kind)kind), name, len) != 0))
		kind++;
	return (enum fw_kind)kind;
}

static bool is_group(const char *api_version, size_t len, const char *group)
{
	return strlen(group) == len && !memcmp(api_version, group, len);
}

static int check_version(struct fw_decoder *d, const struct fw_field *document, enum fw_kind kind)
{
	const char *text, *slash, *version;
	struct fw_field field;
	size_t group_len;
	int r;

	if (!fw_field_get(document, "apiVersion", &field))
		return fw_field_missing(d, document, "apiVersion");
	r = fw_field_string(d, &field, &text);
	if (r)
		return r;
	slash = strchr(text, '/');
	version = slash ? slash + 1 : text;
	group_len = slash ? (size_t)(slash - text) : 0;
	if (is_group(text, group_len, groups[kind].group) && !strcmp(version, groups[kind].version))
		return 0;
	if (!is_group(text, group_len, groups[kind].group) &&
	    !(kind == FW_KIND_NETWORK_POLICY && is_group(text, group_len, OLD_POLICY_GROUP)))
		return -ENOTSUP;
	return fw_field_fail(d, &field, "\"%.64s\" is not read: write %s%s%s", text,
			     groups[kind].group, *groups[kind].group ? "/" : "",
			     groups[kind].version);
}

/*
 * A kind that we do not read is skipped, unless it can only be one of ours, mistyped: then skipping
 * it would leave open what its author believes closed.
 */
static int skip_kind(struct fw_decoder *d, const struct fw_field *document,
		     const struct fw_field *kind_field, const char *kind)
{
	static const char prefix[] = "networking.k8s.io/";
	static const char *const others[] = {"Ingress", "IngressClass", "IPAddress", "ServiceCIDR"};
	struct fw_field version;
	size_t len = strlen(kind);

	for (unsigned int i = 0; i < FW_KIND_COUNT; i++) {
		if (!strcasecmp(kind, fw_kind_name((enum fw_kind)i)))
			return fw_field_fail(d, kind_field, "\"%.64s\": write %s", kind,
					     fw_kind_name((enum fw_kind)i));
	}
	if (!fw_field_get(document, "apiVersion", &version) || !cJSON_IsString(version.json) ||
	    strncmp(version.json->valuestring, prefix, sizeof(prefix) - 1) != 0)
		return -ENOTSUP;
	if (len > 4 && !strcmp(kind + len - 4, "List"))
		len -= 4;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		if (is_group(kind, len, others[i]))
			return -ENOTSUP;
	}
	return fw_field_fail(d, kind_field,
			     "\"%.64s\" is no known kind of networking.k8s.io: NetworkPolicy?",
			     kind);
}

int fw_document_kind(struct fw_decoder *d, const struct fw_field *document, enum fw_kind implied,
		     enum fw_kind *ret_kind)
{
	struct fw_field field;
	const char *text = "";
	int r;

	if (!fw_field_get(document, "kind", &field)) {
		*ret_kind = implied;
		return implied < FW_KIND_COUNT ? 0 : fw_field_missing(d, document, "kind");
	}
	r = fw_field_string(d, &field, &text);
	if (r)
		return r;
	*ret_kind = fw_kind_by_name(text, strlen(text));
	if (*ret_kind == FW_KIND_COUNT)
		return skip_kind(d, document, &field, text);
	r = check_version(d, document, *ret_kind);
	if (r == -ENOTSUP)
		*ret_kind = FW_KIND_COUNT;
	return r;
}

static int decode_kind(struct fw_decoder *d, const struct fw_field *document,
		       struct fw_object *object)
{
	switch (object->kind) {
	case FW_KIND_NAMESPACE:
		return fw_decode_namespace(d, document, (struct fw_namespace *)object);
	case FW_KIND_POD:
		return fw_decode_pod(d, document, (struct fw_pod *)object);
	case FW_KIND_SERVICE:
		return fw_decode_service(d, document, (struct fw_service_object *)object);
	case FW_KIND_ENDPOINT_SLICE:
		return fw_decode_slice(d, document, (struct fw_endpoint_slice *)object);
	case FW_KIND_NETWORK_POLICY:
		return fw_decode_policy(d, document, (struct fw_network_policy *)object);
	case FW_KIND_NODE:
		return fw_decode_node(d, document, (struct fw_node_object *)object);
	case FW_KIND_COUNT:
		break;
	}
	return -ENOTSUP;
}

int fw_document_decode(struct fw_decoder *d, const struct fw_field *document, enum fw_kind kind,
		       const char *origin, struct fw_object **ret_object)
{
	_cleanup_(fw_object_free) struct fw_object *object = fw_object_new(kind);
	int r;

	if (!object)
		return -ENOMEM;
	object->origin = strdup(origin);
	if (!object->origin)
		return -ENOMEM;
	r = fw_decode_head(d, document, object);
	if (!r)
		r = decode_kind(d, document, object);
	if (r)
		return r;
	if (kind != FW_KIND_NAMESPACE && kind != FW_KIND_POD)
		fw_object_drop_labels(object);
	object->digest = fw_object_digest(object);
	r = fw_object_pack(&object);
	if (r)
		return r;
	*ret_object = TAKE_PTR(object);
	return 0;
}

static int decode(const struct cJSON *json, enum fw_kind implied, const char *origin,
		  struct fw_object **ret_object, struct fw_err *err)
{
	struct fw_decoder d = {.err = err};
	struct fw_field document = {.json = json};
	enum fw_kind kind;
	int r;

	if (err)
		err->text[0] = '\0';
	r = fw_field_object(&d, &document);
	if (!r)
		r = fw_document_kind(&d, &document, implied, &kind);
	if (!r && implied != FW_KIND_COUNT && kind != implied)
		r = fw_err_set(err, -EINVAL, "kind: %s, and %s was asked for", fw_kind_name(kind),
			       fw_kind_name(implied));
	if (!r)
		r = fw_document_decode(&d, &document, kind, origin, ret_object);
	if (!r && err)
		*err = d.warning;
	return r;
}

int fw_decode_object(const struct cJSON *json, const char *origin, struct fw_object **ret_object,
		     struct fw_err *err)
{
	return decode(json, FW_KIND_COUNT, origin, ret_object, err);
}

int fw_decode_item(const struct cJSON *json, enum fw_kind kind, const char *origin,
		   struct fw_object **ret_object, struct fw_err *err)
{
	int r = decode(json, kind, origin, ret_object, err);

	return r == -ENOTSUP ? fw_err_set(err, -EINVAL, "not a %s", fw_kind_name(kind)) : r;
}
