/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one interface of all sources. In: a source of any kind. Out: what that kind does. Nothing
 * else.
 */
#include "api/provider.h"

void fw_source_free(struct fw_source **source)
{
	if (*source)
		(*source)->kind->free(*source);
	*source = NULL;
}

void fw_source_rescan(struct fw_source *source)
{
	source->kind->rescan(source);
}

size_t fw_source_errors(const struct fw_source *source, const struct fw_input_error **ret_errors)
{
	return source->kind->errors(source, ret_errors);
}

const char *fw_source_describe(const struct fw_source *source)
{
	return source->kind->describe(source);
}

bool fw_source_ready(const struct fw_source *source)
{
	return !source->kind->ready || source->kind->ready(source);
}

bool fw_source_stream(const struct fw_source *source, size_t index,
		      struct fw_source_stream *ret_stream)
{
	return source->kind->stream && source->kind->stream(source, index, ret_stream);
}
