/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A field of a decoded document, with its path. In: a cJSON tree. Out: typed, range-checked values,
 * or an error that starts with the path ("spec.ingress[0].ports[0].port: ..."). The one place that
 * reads cJSON members: by exact name, the last of repeated ones; null counts as absent. Used by the
 * decoders and by kube/.
 */
#ifndef FW_API_FIELD_H
#define FW_API_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "base/err.h"
#include "base/ip.h"

struct fw_decoder {
	struct fw_err *err;
	unsigned int line;     /* of the field that failed; 0 unknown */
	bool lines;	       /* the tree is one of tree.h and knows its lines */
	struct fw_err unknown; /* the first field that nobody reads; empty for none */
	struct fw_err warning; /* the object is good, but this was not understood; empty for none */
	unsigned int warning_line;
};

struct fw_field {
	const cJSON *json;
	const struct fw_field *up; /* NULL for the document */
	const char *name;	   /* NULL for an element of a list */
	size_t index;
};

/* false when absent or null. */
bool fw_field_get(const struct fw_field *up, const char *name, struct fw_field *ret_field);
/* An element of a list. */
struct fw_field fw_field_element(const struct fw_field *list, const cJSON *json, size_t index);

/* "path: text" into the decoder's error, and its line; returns -EINVAL. */
int fw_field_fail(struct fw_decoder *decoder, const struct fw_field *field, const char *format, ...)
	FW_PRINTF(3, 4);
int fw_field_warn(struct fw_decoder *decoder, const struct fw_field *field, const char *format, ...)
	FW_PRINTF(3, 4);
/* For a field that is not there: the path is the parent's with the name behind it. */
int fw_field_missing(struct fw_decoder *decoder, const struct fw_field *up, const char *name);

int fw_field_object(struct fw_decoder *decoder, const struct fw_field *field);
int fw_field_list(struct fw_decoder *decoder, const struct fw_field *field, size_t *ret_count);
int fw_field_string(struct fw_decoder *decoder, const struct fw_field *field,
		    const char **ret_text);
int fw_field_bool(struct fw_decoder *decoder, const struct fw_field *field, bool *ret_value);
int fw_field_integer(struct fw_decoder *decoder, const struct fw_field *field, int64_t least,
		     int64_t most, int64_t *ret_value);

/* Members by name: *ret stays as it is when the member is absent. */
int fw_member_string(struct fw_decoder *decoder, const struct fw_field *up, const char *name,
		     const char **ret_text);
int fw_member_copy(struct fw_decoder *decoder, const struct fw_field *up, const char *name,
		   char **ret_text);
int fw_member_bool(struct fw_decoder *decoder, const struct fw_field *up, const char *name,
		   bool *ret_value);
int fw_member_integer(struct fw_decoder *decoder, const struct fw_field *up, const char *name,
		      int64_t least, int64_t most, int64_t *ret_value);
/* -ENOENT when absent; -EINVAL when not an object. */
int fw_member_object(struct fw_decoder *decoder, const struct fw_field *up, const char *name,
		     struct fw_field *ret_field);
/* *ret_count 0 and 0 when absent. */
int fw_member_list(struct fw_decoder *decoder, const struct fw_field *up, const char *name,
		   struct fw_field *ret_field, size_t *ret_count);

/* TCP where absent. */
int fw_member_protocol(struct fw_decoder *decoder, const struct fw_field *up,
		       uint8_t *ret_protocol);
int fw_field_ip(struct fw_decoder *decoder, const struct fw_field *field, struct fw_ip *ret_ip);
/* Appends an address to a list, once. */
int fw_field_add_ip(struct fw_decoder *decoder, const struct fw_field *field, struct fw_ip **ips,
		    size_t *count);

/* Remembers the first member that is not among `known` (NULL-terminated). */
void fw_field_note_unknown(struct fw_decoder *decoder, const struct fw_field *field,
			   const char *const *known);

/* Kubernetes' syntaxes; each returns NULL when it is right, else what is wrong. */
const char *fw_check_label(const char *text);	  /* RFC 1123 label */
const char *fw_check_subdomain(const char *text); /* RFC 1123 subdomain */
const char *fw_check_port_name(const char *text); /* IANA_SVC_NAME */
const char *fw_check_label_key(const char *text); /* qualified name */
const char *fw_check_label_value(const char *text);

#endif
