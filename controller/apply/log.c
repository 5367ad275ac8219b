// SPDX-License-Identifier: Apache-2.0
/*
 * Append-only files of fixed-size records. In: records of one size. Out: <dir>/<name>: a header,
 * then records, each followed by its check. Trusts nothing that it reads back: a record whose check
 * fails ends the file.
 */
#include "apply/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"

#define LOG_MAGIC     0x31676f6c77646f70ULL /* "podwlog1" */
#define LOG_FILE_MAX  (256u << 20)
#define LOG_QUEUE_MAX (64u << 20)

struct log_header {
	uint64_t magic;
	uint64_t identity;
	uint64_t record_size;
	uint64_t check;
};

struct fw_log {
	int fd;
	char path[PATH_MAX];
	uint32_t size;
	uint64_t identity;
	size_t count;
	off_t end; /* of the last whole record */
	struct fw_buf queue;
};

uint64_t fw_log_hash(const void *data, size_t len, uint64_t seed)
{
	uint64_t hash = 0xcbf29ce484222325ULL ^ seed;
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
	return hash ^ hash >> 29;
}

static struct log_header header_of(const struct fw_log *log)
{
	struct log_header header = {
		.magic = LOG_MAGIC, .identity = log->identity, .record_size = log->size};

	header.check = fw_log_hash(&header, offsetof(struct log_header, check), 1);
	return header;
}

static int write_all(int fd, const void *data, size_t len, off_t at)
{
	const uint8_t *from = data;

	while (len) {
		ssize_t done = pwrite(fd, from, len, at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done ? -errno : -EIO;
		from += done;
		at += done;
		len -= (size_t)done;
	}
	return 0;
}

static int make_dir(const char *dir, struct fw_err *err)
{
	char path[PATH_MAX];
	size_t len = strlen(dir);

	if (!len || len >= sizeof(path))
		return fw_err_set(err, -ENAMETOOLONG, "state directory '%s': empty or too long",
				  dir);
	memcpy(path, dir, len + 1);
	for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return fw_err_errno(err, -errno, "state directory %s", path);
		if (!slash)
			return 0;
		*slash = '/';
	}
}

static int restart(struct fw_log *log)
{
	struct log_header header = header_of(log);
	int r;

	if (ftruncate(log->fd, 0) < 0)
		return -errno;
	r = write_all(log->fd, &header, sizeof(header), 0);
	log->end = sizeof(header);
	log->count = 0;
	return r;
}

/* Hands over what is whole; `log->end` is left behind the last whole record. */
static int read_records(struct fw_log *log, fw_log_record read, void *context)
{
	size_t step = log->size + sizeof(uint64_t);
	_cleanup_free_ uint8_t *chunk = malloc(step * 256);
	uint64_t check;
	int r;

	if (!chunk)
		return -ENOMEM;
	for (;;) {
		ssize_t got = pread(log->fd, chunk, step * 256, log->end);

		if (got < 0)
			return -errno;
		if ((size_t)got < step)
			return 0;
		for (size_t at = 0; at + step <= (size_t)got; at += step) {
			memcpy(&check, chunk + at + log->size, sizeof(check));
			if (check != fw_log_hash(chunk + at, log->size, log->identity))
				return 0;
			r = read(chunk + at, context);
			if (r < 0)
				return r;
			log->end += (off_t)step;
			log->count++;
		}
	}
}

static int load(struct fw_log *log, fw_log_record read, void *context)
{
	struct log_header header, wanted = header_of(log);
	struct stat st;
	int r;

	if (fstat(log->fd, &st) < 0)
		return -errno;
	if (st.st_size > LOG_FILE_MAX ||
	    pread(log->fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    memcmp(&header, &wanted, sizeof(header)))
		return restart(log);
	log->end = sizeof(header);
	r = read_records(log, read, context);
	if (r < 0)
		return r;
	return ftruncate(log->fd, log->end) < 0 ? -errno : 0;
}

int fw_log_open(const char *dir, const char *name, uint32_t record_size, uint64_t identity,
		fw_log_record read, void *context, struct fw_log **ret_log, struct fw_err *err)
{
	_cleanup_(fw_log_close) struct fw_log *log = calloc(1, sizeof(*log));
	int r;

	if (!log)
		return fw_err_errno(err, -ENOMEM, "%s", name);
	log->fd = -1;
	fw_buf_init(&log->queue, LOG_QUEUE_MAX);
	log->size = record_size;
	log->identity = identity;
	r = make_dir(dir, err);
	if (r < 0)
		return r;
	if ((size_t)snprintf(log->path, sizeof(log->path), "%s/%s", dir, name) >= sizeof(log->path))
		return fw_err_errno(err, -ENAMETOOLONG, "%s/%s", dir, name);
	log->fd = open(log->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (log->fd < 0)
		return fw_err_errno(err, -errno, "%s", log->path);
	r = load(log, read, context);
	if (r < 0)
		return fw_err_errno(err, r, "%s", log->path);
	*ret_log = TAKE_PTR(log);
	return 0;
}

void fw_log_close(struct fw_log **log)
{
	if (!*log)
		return;
	if ((*log)->fd >= 0)
		(void)close((*log)->fd);
	fw_buf_done(&(*log)->queue);
	free(*log);
	*log = NULL;
}

int fw_log_append(struct fw_log *log, const void *record)
{
	uint64_t check = fw_log_hash(record, log->size, log->identity);
	int r = fw_buf_append(&log->queue, record, log->size);

	if (r < 0)
		return r;
	r = fw_buf_append(&log->queue, &check, sizeof(check));
	if (r < 0)
		return r;
	log->count++;
	return 0;
}

int fw_log_flush(struct fw_log *log, struct fw_err *err)
{
	size_t len = log->queue.len;
	int r = log->queue.error;

	if (r == 0 && len)
		r = write_all(log->fd, log->queue.data, len, log->end);
	if (r < 0)
		return fw_err_errno(err, r, "%s", log->path);
	log->end += (off_t)len;
	fw_buf_done(&log->queue); /* the first one may be long, the next ones are not */
	return 0;
}

int fw_log_rewrite(struct fw_log *log, const void *records, size_t count, struct fw_err *err)
{
	_cleanup_(fw_log_close) struct fw_log *fresh = calloc(1, sizeof(*fresh));
	const uint8_t *from = records;
	int r;

	if (!fresh)
		return fw_err_errno(err, -ENOMEM, "%s", log->path);
	fw_buf_init(&fresh->queue, LOG_QUEUE_MAX);
	fresh->fd = -1;
	fresh->size = log->size;
	fresh->identity = log->identity;
	if ((size_t)snprintf(fresh->path, sizeof(fresh->path), "%s.new", log->path) >=
	    sizeof(fresh->path))
		return fw_err_errno(err, -ENAMETOOLONG, "%s.new", log->path);
	fresh->fd = open(fresh->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fresh->fd < 0)
		return fw_err_errno(err, -errno, "%s", fresh->path);
	r = restart(fresh);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = fw_log_append(fresh, from + i * log->size);
	if (r < 0)
		return fw_err_errno(err, r, "%s", fresh->path);
	r = fw_log_flush(fresh, err);
	if (r < 0)
		return r;
	if (rename(fresh->path, log->path) < 0)
		return fw_err_errno(err, -errno, "%s", log->path);
	(void)close(log->fd);
	log->fd = TAKE_FD(fresh->fd);
	log->end = fresh->end;
	log->count = count;
	fw_buf_clear(&log->queue);
	return 0;
}

size_t fw_log_count(const struct fw_log *log)
{
	return log->count;
}
