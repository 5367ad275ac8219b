/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to objects: YAML or JSON documents, defaulted and validated as the API server does.
 * In: bytes of one file. Out: one callback per object, or per error. Pure: no files, no sockets, no
 * clock.
 */
#ifndef FW_API_DECODE_H
#define FW_API_DECODE_H

#include "base/err.h"
#include "model/model.h"

#define FW_DECODE_BYTES_MAX (64u << 20) /* a larger file is refused */
#define FW_DECODE_DEPTH_MAX 100u	/* nesting; deeper is refused */
#define FW_DECODE_NODES_MAX                                                                        \
	8000000u /* nodes of one file, aliases expanded; more is refused (billion laughs) */

struct cJSON;

struct fw_decode_handler {
	/* What the next object was read from, with the lines of tree.h; borrowed for the call.
	 * NULL: not asked for. */
	void (*document)(const struct cJSON *document, void *context);
	void (*object)(struct fw_object *object, void *context); /* takes it */
	/* What stands in for an object that cannot be read, before its error; takes it. NULL: not
	 * asked for. */
	void (*unread)(struct fw_object *object, void *context);
	/*
	 * line: 1-based, 0 when unknown. document: 1-based. kind is FW_KIND_COUNT, names "" when
	 * they could not be told; when they could, the reader keeps the last valid version of that
	 * object.
	 */
	void (*error)(unsigned int document, unsigned int line, enum fw_kind kind,
		      const char *namespace, const char *name, const char *text, void *context);
	void *context;
};

/*
 * Kinds that Podwall does not read are skipped silently, unless they are ours mistyped (another
 * case of letters, or a kind that the group of NetworkPolicy does not have): that is an error. 0,
 * or -ENOMEM; errors in the input go to the handler.
 */
int fw_decode_text(const char *origin, const char *text, size_t len,
		   const struct fw_decode_handler *handler);

/*
 * One already parsed JSON object (case-sensitive member names; duplicate keys: the last wins).
 * -EINVAL with a text that starts with the field's path. -ENOTSUP: a kind that Podwall does not
 * read. 0 with a text: the object is good, but an annotation of ours was not understood.
 */
int fw_decode_object(const struct cJSON *json, const char *origin, struct fw_object **ret_object,
		     struct fw_err *err);
/* As fw_decode_object(), of a kind that is known; the items of a server's list do not name theirs.
 */
int fw_decode_item(const struct cJSON *json, enum fw_kind kind, const char *origin,
		   struct fw_object **ret_object, struct fw_err *err);
/*
 * What stands in for an EndpointSlice that cannot be read: it says that its service may have
 * backends that nobody knows. json: what there is of it, NULL nothing. -ENOMEM.
 */
int fw_decode_unread_slice(const struct cJSON *json, const char *namespace, const char *name,
			   const char *origin, struct fw_object **ret_object);

#endif
