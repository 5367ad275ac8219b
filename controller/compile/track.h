/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changed since the last compile. In: the model's objects of one kind. Out: one record per
 * object, made when the object is new or its content differs, dropped when it is gone. An object
 * that is gone is never looked into, and one that did not change neither.
 */
#ifndef FW_COMPILE_TRACK_H
#define FW_COMPILE_TRACK_H

#include "compile/store.h"
#include "model/model.h"

struct fw_tracked {
	uint64_t version;
	void *record;
};

struct fw_track {
	struct fw_tracked *rows; /* in the order of the list */
	size_t count, cap;
	struct fw_tracked *fresh; /* the rows where something differs; NULL but after a failure */
	size_t fresh_count;
};

struct fw_track_ops {
	int (*make)(void *context, const struct fw_object *object, void **ret_record);
	void (*drop)(void *context, void *record); /* the record's own memory, now or later */
	void *context;
};

/* After a failure the track is unusable but for done. */
int fw_track_update(struct fw_track *track, const struct fw_model *model, enum fw_kind kind,
		    const struct fw_track_ops *ops, bool *ret_changed);
void fw_track_done(struct fw_track *track, void (*free_record)(void *record));

#endif
