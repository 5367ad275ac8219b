/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the reader of text and the decoders of kinds. In: one document. Out: its kind, its
 * object. Inside this folder only.
 */
#ifndef FW_API_DOCUMENTS_H
#define FW_API_DOCUMENTS_H

#include "api/decode.h"
#include "api/kinds.h"

/* FW_KIND_COUNT for a name that is none of ours. */
enum fw_kind fw_kind_by_name(const char *name, size_t len);
/*
 * implied: the kind of a typed list's item, FW_KIND_COUNT for none. -ENOTSUP: not ours. -EINVAL:
 * with *ret_kind set where the kind could be told.
 */
int fw_document_kind(struct fw_decoder *decoder, const struct fw_field *document,
		     enum fw_kind implied, enum fw_kind *ret_kind);
int fw_document_decode(struct fw_decoder *decoder, const struct fw_field *document,
		       enum fw_kind kind, const char *origin, struct fw_object **ret_object);

#endif
