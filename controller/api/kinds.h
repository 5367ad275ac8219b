/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One decoder per kind. In: a document of that kind, its head (struct fw_object) already filled.
 * Out: the rest of the object, defaulted and validated; half-filled on failure, to be freed by
 * fw_object_free(). Inside this folder only.
 */
#ifndef FW_API_KINDS_H
#define FW_API_KINDS_H

#include "api/field.h"
#include "model/model.h"

/* name, namespace, uid, generation, labels. */
int fw_decode_head(struct fw_decoder *decoder, const struct fw_field *document,
		   struct fw_object *object);
int fw_decode_namespace(struct fw_decoder *decoder, const struct fw_field *document,
			struct fw_namespace *namespace);
int fw_decode_pod(struct fw_decoder *decoder, const struct fw_field *document, struct fw_pod *pod);
int fw_decode_service(struct fw_decoder *decoder, const struct fw_field *document,
		      struct fw_service_object *service);
int fw_decode_slice(struct fw_decoder *decoder, const struct fw_field *document,
		    struct fw_endpoint_slice *slice);
int fw_decode_policy(struct fw_decoder *decoder, const struct fw_field *document,
		     struct fw_network_policy *policy);
int fw_decode_node(struct fw_decoder *decoder, const struct fw_field *document,
		   struct fw_node_object *node);

/* One annotation, with the fields that its path needs: they refer to each other, so it is never
 * copied. */
struct fw_annotation {
	struct fw_field metadata, annotations, field;
	const char *text; /* NULL when absent; borrowed from the document */
};
int fw_decode_annotation(struct fw_decoder *decoder, const struct fw_field *document,
			 const char *name, struct fw_annotation *ret_annotation);
/* Adds or replaces; keeps the order. -ENOMEM. */
int fw_labels_set(struct fw_labels *labels, const char *key, const char *value);
/* matchLabels and matchExpressions. */
int fw_decode_selector(struct fw_decoder *decoder, const struct fw_field *field,
		       struct fw_selector *selector);

/* Over everything that was decoded, keyed with a secret of this process; never 0. */
uint64_t fw_object_digest(const struct fw_object *object);

#endif
