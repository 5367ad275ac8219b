/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is valid and surely not meant. In: a model of the objects that there are. Out: findings,
 * each with object and field. Exact: whatever depends on objects that were not given is not said.
 * No kernel, no files.
 *
 * What needs pods is asked when there is a pod, and what needs labels of namespaces when there is a
 * namespace: policies alone are judged by themselves.
 */
#ifndef FW_CHECK_LINT_H
#define FW_CHECK_LINT_H

#include "model/model.h"

struct cJSON;

struct fw_lint_finding {
	const struct fw_object *object;
	const char *path; /* of the field: "spec.ingress[0].ports[1]"; "" the object */
	const char *name; /* of the check: "rule-covered" */
	const char *text;
	bool error; /* it has an effect that nobody wrote */
};

struct fw_lint {
	const struct fw_model *model;
	const struct fw_prefix
		*service_ranges; /* that cluster addresses come from, if it is known */
	size_t service_range_count;
	/* The document that an object was read from, NULL when there is none: what the model does
	 * not keep is looked up there. */
	const struct cJSON *(*document)(const struct fw_object *object, void *context);
	void (*found)(const struct fw_lint_finding *finding, void *context);
	void *context;
};

void fw_lint_run(const struct fw_lint *lint);
/*
 * The field of a document by its path, or the innermost one on the way that is there; *ret_whole
 * says whether it is the field itself.
 */
const struct cJSON *fw_lint_field(const struct cJSON *document, const char *path, bool *ret_whole);

#endif
