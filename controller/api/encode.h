/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects back to text: what fw_decode_text() reads as the same object. In: objects of the model.
 * Out: JSON. Only what policy needs is in it. Pure.
 */
#ifndef FW_API_ENCODE_H
#define FW_API_ENCODE_H

#include "base/buf.h"
#include "model/model.h"

/*
 * Appends one object of kind Namespace, Pod or NetworkPolicy (others: -ENOTSUP) as JSON. A policy
 * that could not be compiled whole becomes one that isolates what it selects: it is never told as
 * more than it was.
 */
int fw_encode_object(const struct fw_object *object, struct fw_buf *buf);

#endif
