/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Label selectors as Kubernetes reads them (apimachinery, labels.Requirement.Matches): exact bytes,
 * case matters. In: a selector and labels, both sorted. Out: yes or no. Edge case 7: NotIn and
 * DoesNotExist match an absent key.
 */
#include "model/model.h"

#include <string.h>

const char *fw_labels_get(const struct fw_labels *labels, const char *key)
{
	size_t low = 0, high = labels->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(labels->keys[middle], key);

		if (!order)
			return labels->values[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static bool is_among(const struct fw_requirement *requirement, const char *value)
{
	size_t low = 0, high = requirement->value_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(requirement->values[middle], value);

		if (!order)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static bool is_met(const struct fw_requirement *requirement, const struct fw_labels *labels)
{
	const char *value = fw_labels_get(labels, requirement->key);

	switch (requirement->op) {
	case FW_OP_IN:
		return value && is_among(requirement, value);
	case FW_OP_NOT_IN:
		return !value || !is_among(requirement, value);
	case FW_OP_EXISTS:
		return value;
	case FW_OP_DOES_NOT_EXIST:
		return !value;
	}
	return false;
}

bool fw_selector_matches(const struct fw_selector *selector, const struct fw_labels *labels)
{
	for (size_t i = 0; i < selector->count; i++)
		if (!is_met(&selector->items[i], labels))
			return false;
	return true;
}
