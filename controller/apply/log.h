/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An append-only file of fixed-size records, which a restarted controller reads back.
 * In: records. Out: a file in the state directory that survives kill -9 (not a power cut: the maps
 * that it speaks of do not survive one either). A file that belongs to other maps, or is damaged,
 * is begun anew. Never grows without a bound: owners rewrite it when most of it is stale.
 */
#ifndef FW_APPLY_LOG_H
#define FW_APPLY_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct fw_log;

typedef int (*fw_log_record)(const void *record,
			     void *context); /* 0 or -errno, which ends the reading */

/*
 * Opens <dir>/<name>, made when missing (the directory too), and hands every record to `read`.
 * `identity` names the maps that the records are about. A tail that was cut short or whose check
 * fails is removed.
 */
int fw_log_open(const char *dir, const char *name, uint32_t record_size, uint64_t identity,
		fw_log_record read, void *context, struct fw_log **ret_log, struct fw_err *err);
void fw_log_close(struct fw_log **log);
/* Queues a record (copied); fw_log_flush() writes all that is queued with one write. */
int fw_log_append(struct fw_log *log, const void *record);
int fw_log_flush(struct fw_log *log, struct fw_err *err);
/* Replaces the content by `count` records, by rename: the old or the new content is there, never
 * half. */
int fw_log_rewrite(struct fw_log *log, const void *records, size_t count, struct fw_err *err);
size_t fw_log_count(const struct fw_log *log); /* records in the file and in the queue */

/* 64-bit FNV-1a, for checks and hashing; not a defence against an adversary. */
uint64_t fw_log_hash(const void *data, size_t len, uint64_t seed);

#endif
