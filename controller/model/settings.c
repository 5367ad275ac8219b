/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is configured or found rather than watched: this node's name and addresses, the pod ranges;
 * with the ranges that Nodes announce. In: copies of settings. Out: sorted lists without repeats. A
 * setter that fails leaves the old setting.
 */
#include "model/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static int compare_ranges(const void *a, const void *b)
{
	return fw_prefix_compare(a, b);
}

static size_t count_ranges(const struct fw_model_state *state)
{
	const struct fw_model_shelf *nodes = &state->shelves[FW_KIND_NODE];
	size_t count = state->configured_count;

	for (size_t i = 0; i < nodes->count; i++)
		count += ((const struct fw_node_object *)nodes->objects[i])->pod_range_count;
	return count;
}

int fw_model_rebuild_ranges(struct fw_model_state *state)
{
	const struct fw_model_shelf *nodes = &state->shelves[FW_KIND_NODE];
	size_t count = 0, unique = 0, all = count_ranges(state);
	struct fw_prefix *ranges = calloc(all + 1, sizeof(*ranges));

	if (!ranges)
		return -ENOMEM;
	for (size_t i = 0; i < state->configured_count; i++)
		ranges[count++] = state->configured[i];
	for (size_t i = 0; i < nodes->count; i++) {
		const struct fw_node_object *node =
			(const struct fw_node_object *)nodes->objects[i];

		for (size_t k = 0; k < node->pod_range_count; k++)
			ranges[count++] = node->pod_ranges[k];
	}
	qsort(ranges, count, sizeof(*ranges), compare_ranges);
	for (size_t i = 0; i < count; i++)
		if (!unique || fw_prefix_compare(&ranges[unique - 1], &ranges[i]))
			ranges[unique++] = ranges[i];
	free(state->ranges);
	state->ranges = ranges;
	state->range_count = unique;
	return 0;
}

int fw_model_set_pod_ranges(struct fw_model *model, const struct fw_prefix *ranges, size_t count)
{
	struct fw_model_state *state = model->state;
	struct fw_prefix *copy = calloc(count + 1, sizeof(*copy)), *old = state->configured;
	size_t old_count = state->configured_count;
	int r;

	if (!copy)
		return -ENOMEM;
	if (count)
		memcpy(copy, ranges, count * sizeof(*copy));
	state->configured = copy;
	state->configured_count = count;
	r = fw_model_rebuild_ranges(state);
	if (r) {
		state->configured = old;
		state->configured_count = old_count;
		free(copy);
		return r;
	}
	free(old);
	state->revision++;
	return 0;
}

size_t fw_model_pod_ranges(const struct fw_model *model, const struct fw_prefix **ret_ranges)
{
	*ret_ranges = model->state->ranges;
	return model->state->range_count;
}

int fw_model_set_node_name(struct fw_model *model, const char *name)
{
	char *copy = strdup(name);

	if (!copy)
		return -ENOMEM;
	free(model->state->node_name);
	model->state->node_name = copy;
	model->state->revision++;
	return 0;
}

const char *fw_model_node_name(const struct fw_model *model)
{
	return model->state->node_name;
}

static int compare_ips(const void *a, const void *b)
{
	return fw_ip_compare(a, b);
}

int fw_model_set_own_addresses(struct fw_model *model, const struct fw_ip *ips, size_t count)
{
	struct fw_model_state *state = model->state;
	_cleanup_free_ struct fw_ip *copy = calloc(count + 1, sizeof(*copy));
	size_t unique = 0;

	if (!copy)
		return -ENOMEM;
	if (count)
		memcpy(copy, ips, count * sizeof(*copy));
	qsort(copy, count, sizeof(*copy), compare_ips);
	for (size_t i = 0; i < count; i++)
		if (!unique || !fw_ip_equal(&copy[unique - 1], &copy[i]))
			copy[unique++] = copy[i];
	if (unique == state->own_count &&
	    (!unique || !memcmp(copy, state->own, unique * sizeof(*copy))))
		return 0;
	free(state->own);
	state->own = TAKE_PTR(copy);
	state->own_count = unique;
	state->own_version++;
	state->revision++;
	return 0;
}

size_t fw_model_own_addresses(const struct fw_model *model, const struct fw_ip **ret_ips)
{
	*ret_ips = model->state->own;
	return model->state->own_count;
}

uint64_t fw_model_own_version(const struct fw_model *model)
{
	return model->state->own_version;
}
