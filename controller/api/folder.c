/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder source. In: a folder of YAML and JSON files, events of inotify. Out: one batch of puts
 * and removes per change, delivered at once when it is alone, every 5 ms at most under a storm. A
 * file that is being written is left alone until it is closed; a folder that goes away leaves its
 * last objects in force.
 */
#include "api/folder.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/decode.h"
#include "api/watch.h"
#include "base/buf.h"
#include "base/cleanup.h"

#define NS_PER_MS     1000000ull
#define STORM_NS      (5 * NS_PER_MS)	  /* between two batches */
#define CHECK_MS      1000		  /* is the folder still the one we watch? */
#define LOST_CHECK_MS 50		  /* while it is not there */
#define SCAN_NS	      (60000 * NS_PER_MS) /* between two looks at every file */
#define LINK_SCAN_NS  (5000 * NS_PER_MS)  /* where links lead out of the folder */
#define WRITING_NS    (10000 * NS_PER_MS) /* a writer that never closes is waited for so long */
#define TRIM_BYTES    (4u << 20)	  /* after a batch with more, free memory goes back */
#define DESCRIBE_MAX  4400

struct folder {
	struct fw_source source;
	struct fw_source_handler handler;
	struct fw_holder holder;
	struct fw_watch watch;
	struct event *event, *batch_timer, *check_timer;
	struct fw_error_list errors;
	struct fw_err trouble; /* the folder itself; empty for none */
	char *path;
	char *described;
	uint64_t arrived_ns; /* of the first event that waits; 0 none */
	uint64_t batch_ns;   /* when the last batch was delivered */
	uint64_t scan_ns;    /* when every file was looked at */
	size_t read_bytes;   /* in the batch under way */
	bool pending;	     /* something can be delivered */
	bool scan_due;
	bool links;
};

static uint64_t now_ns(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 * NS_PER_MS + (uint64_t)now.tv_nsec;
}

static void arm(struct event *timer, uint64_t ns)
{
	struct timeval delay = {.tv_sec = (time_t)(ns / (1000 * NS_PER_MS)),
				.tv_usec = (suseconds_t)(ns / 1000 % 1000000)};

	(void)evtimer_add(timer, &delay);
}

static bool is_ours(const char *name)
{
	const char *dot = strrchr(name, '.');

	return name[0] != '.' && dot &&
	       (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml") || !strcmp(dot, ".json"));
}

static struct fw_signature signature_of(const struct stat *st)
{
	return (struct fw_signature){.device = st->st_dev,
				     .inode = st->st_ino,
				     .size = st->st_size,
				     .modified = st->st_mtim,
				     .changed = st->st_ctim};
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_version(const struct fw_signature *a, const struct fw_signature *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       same_time(&a->modified, &b->modified) && same_time(&a->changed, &b->changed);
}

/* The whole content, NUL-terminated. -EFBIG when it is larger than decode.h allows. */
static int read_all(int fd, size_t expected, char **ret_text, size_t *ret_len)
{
	size_t capacity = expected + 4096, len = 0;
	_cleanup_free_ char *text = malloc(capacity);

	while (text) {
		ssize_t n = read(fd, text + len, capacity - 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += (size_t)n;
		if (len > FW_DECODE_BYTES_MAX)
			return -EFBIG;
		if (!n) {
			text[len] = '\0';
			*ret_text = TAKE_PTR(text);
			*ret_len = len;
			return 0;
		}
		if (capacity - 1 - len < 4096) {
			char *grown = realloc(text, capacity * 2);

			if (!grown)
				return -ENOMEM;
			text = grown;
			capacity *= 2;
		}
	}
	return -ENOMEM;
}

static int refuse(struct folder *folder, struct fw_file *file, const char *what)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "%s: its objects stay as they were", what);
	return fw_holder_refuse(&folder->holder, file, text);
}

/* Returns -ENOENT when there is no such file. Every other trouble becomes an error of the file. */
static int load_file(struct folder *folder, struct fw_file *file)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	_cleanup_close_ int fd = -1;
	struct stat st;
	size_t len = 0;
	int r;

	if (asprintf(&path, "%s/%s", folder->path, file->name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (lstat(path, &st))
		return errno == ENOENT ? -ENOENT : refuse(folder, file, strerror(errno));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st))
		return refuse(folder, file, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return refuse(folder, file, "not a regular file");
	file->signature = signature_of(&st);
	file->known = true;
	r = st.st_size > (off_t)FW_DECODE_BYTES_MAX ? -EFBIG
						    : read_all(fd, (size_t)st.st_size, &text, &len);
	if (r == -EFBIG)
		return refuse(folder, file, "larger than 67108864 bytes");
	if (r)
		return refuse(folder, file, strerror(-r));
	folder->read_bytes += len;
	return fw_holder_load(&folder->holder, file, text, len);
}

static void reload(struct fw_file *file, void *context)
{
	struct folder *folder = context;

	if (load_file(folder, file))
		(void)refuse(folder, file, "cannot be read again");
}

static int compare_files(const void *a, const void *b)
{
	return strcmp((*(struct fw_file *const *)a)->name, (*(struct fw_file *const *)b)->name);
}

/* Marks the files whose version is not the one that was read, and those that are gone. */
static void scan(struct folder *folder)
{
	DIR *dir = opendir(folder->path);
	struct fw_file *file, *next;
	struct dirent *entry;

	folder->links = false;
	folder->scan_due = false;
	folder->scan_ns = now_ns();
	if (!dir) {
		(void)fw_err_errno(&folder->trouble, -errno, "cannot be read");
		folder->scan_due = true;
		return;
	}
	folder->trouble.text[0] = '\0';
	HASH_ITER(hh, folder->holder.files, file, next) {
		file->seen = false;
	}
	while ((entry = readdir(dir))) {
		struct fw_signature signature;
		struct stat st;

		if (!is_ours(entry->d_name) ||
		    fw_holder_file(&folder->holder, entry->d_name, &file))
			continue;
		file->seen = true;
		folder->links = folder->links || entry->d_type == DT_LNK;
		if (fstatat(dirfd(dir), entry->d_name, &st, 0))
			continue;
		signature = signature_of(&st);
		if (!file->known || !same_version(&signature, &file->signature))
			file->stale = true;
	}
	(void)closedir(dir);
	HASH_ITER(hh, folder->holder.files, file, next) {
		if (!file->seen)
			file->stale = true;
	}
}

static bool must_load(const struct fw_file *file, uint64_t now)
{
	return file->stale && (!file->writing_since || now - file->writing_since > WRITING_NS);
}

/* In name order, so that equal folders give equal deliveries. */
static size_t stale_files(struct folder *folder, struct fw_file ***ret_files)
{
	size_t count = 0, all = HASH_COUNT(folder->holder.files);
	struct fw_file **files = calloc(all + 1, sizeof(struct fw_file *));
	struct fw_file *file, *next;
	uint64_t now = now_ns();

	*ret_files = files;
	if (!files)
		return 0;
	HASH_ITER(hh, folder->holder.files, file, next) {
		if (must_load(file, now))
			files[count++] = file;
	}
	qsort(files, count, sizeof(struct fw_file *), compare_files);
	return count;
}

static void describe(struct folder *folder)
{
	struct fw_buf buf;
	char *text;

	fw_buf_init(&buf, DESCRIBE_MAX);
	(void)fw_buf_printf(&buf, "folder %s: %u files, %zu objects", folder->path,
			    HASH_COUNT(folder->holder.files), folder->holder.slot_count);
	if (folder->trouble.text[0])
		(void)fw_buf_printf(&buf, "; %s", folder->trouble.text);
	text = fw_buf_take(&buf);
	if (!text)
		return;
	free(folder->described);
	folder->described = text;
}

static void update_errors(struct folder *folder)
{
	_cleanup_(fw_error_list_done) struct fw_error_list list = {0}, all = {0};
	int r = 0;

	if (folder->trouble.text[0])
		r = fw_error_list_add(&all, folder->path, "", folder->trouble.text);
	if (!r)
		r = fw_holder_errors(&folder->holder, &list);
	for (size_t i = 0; !r && i < list.count; i++)
		r = fw_error_list_add(&all, list.items[i].where, list.items[i].object,
				      list.items[i].text);
	if (r || fw_error_list_equal(&all, &folder->errors))
		return;
	fw_error_list_done(&folder->errors);
	folder->errors = all;
	all = (struct fw_error_list){0};
	folder->handler.errors(folder->handler.context);
}

static void load_stale(struct folder *folder, struct fw_file **files, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		files[i]->stale = false;
		files[i]->writing_since = 0;
		if (load_file(folder, files[i]) == -ENOENT)
			fw_holder_drop(&folder->holder, files[i]);
	}
}

/* Everything that is known to have changed, as one batch. */
static void deliver(struct folder *folder)
{
	_cleanup_free_ struct fw_file **files = NULL;
	uint64_t arrived = folder->arrived_ns;
	size_t count;

	folder->arrived_ns = 0;
	folder->pending = false;
	if (folder->scan_due)
		scan(folder);
	count = stale_files(folder, &files);
	load_stale(folder, files, count);
	if (count) {
		fw_holder_settle(&folder->holder, reload, folder);
		describe(folder);
		folder->batch_ns = now_ns();
	}
	update_errors(folder);
	if (count)
		folder->handler.settled(arrived ? arrived : folder->batch_ns,
					folder->handler.context);
	if (folder->read_bytes > TRIM_BYTES)
		(void)malloc_trim(0);
	folder->read_bytes = 0;
}

static void on_changed(const char *name, bool closed, void *context)
{
	struct folder *folder = context;
	struct fw_file *file;

	if (!is_ours(name) || fw_holder_file(&folder->holder, name, &file))
		return;
	file->stale = true;
	folder->pending = true;
	if (closed)
		file->writing_since = 0;
}

/* A link or a second name is complete when it is made; anything else is complete when it is closed.
 */
static void on_writing(const char *name, void *context)
{
	struct folder *folder = context;
	_cleanup_free_ char *path = NULL;
	struct fw_file *file;
	struct stat st;

	if (!is_ours(name) || fw_holder_file(&folder->holder, name, &file))
		return;
	if (asprintf(&path, "%s/%s", folder->path, name) < 0)
		path = NULL;
	file->stale = true;
	if (path && !lstat(path, &st) && S_ISREG(st.st_mode) && st.st_nlink == 1)
		file->writing_since = now_ns();
	else
		folder->pending = true;
}

static void on_everything(void *context)
{
	struct folder *folder = context;

	folder->scan_due = true;
	folder->pending = true;
}

static void on_lost(void *context)
{
	struct folder *folder = context;

	arm(folder->check_timer, 0);
}

static void schedule(struct folder *folder)
{
	uint64_t now = now_ns();

	if (!folder->pending)
		return;
	if (!folder->arrived_ns)
		folder->arrived_ns = now;
	if (now - folder->batch_ns >= STORM_NS) {
		(void)evtimer_del(folder->batch_timer);
		deliver(folder);
	} else if (!evtimer_pending(folder->batch_timer, NULL)) {
		arm(folder->batch_timer, folder->batch_ns + STORM_NS - now);
	}
}

static void on_events(evutil_socket_t fd, short what, void *context)
{
	struct folder *folder = context;
	const struct fw_watch_handler handler = {.changed = on_changed,
						 .writing = on_writing,
						 .everything = on_everything,
						 .lost = on_lost,
						 .context = folder};

	(void)fd;
	(void)what;
	fw_watch_read(&folder->watch, &handler);
	schedule(folder);
}

static void on_batch(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	deliver(context);
}

static void forget_writers(struct folder *folder)
{
	struct fw_file *file, *next;

	HASH_ITER(hh, folder->holder.files, file, next) {
		file->writing_since = 0;
	}
}

/* Watches the folder anew when the path leads elsewhere than it did. */
static bool follow_path(struct folder *folder)
{
	struct fw_err err = {0};

	if (fw_watch_holds(&folder->watch, folder->path))
		return true;
	if (fw_watch_attach(&folder->watch, folder->path, &err)) {
		(void)fw_err_set(&folder->trouble, -ENOENT,
				 "cannot be watched, its objects stay as they were: %.400s",
				 err.text);
		return false;
	}
	folder->trouble.text[0] = '\0';
	forget_writers(folder);
	folder->scan_due = true;
	return true;
}

static void on_check(evutil_socket_t fd, short what, void *context)
{
	struct folder *folder = context;
	uint64_t pause = folder->links ? LINK_SCAN_NS : SCAN_NS;
	bool there = follow_path(folder);

	(void)fd;
	(void)what;
	if (there && now_ns() - folder->scan_ns > pause)
		folder->scan_due = true;
	if (there)
		deliver(folder);
	else
		update_errors(folder);
	describe(folder);
	arm(folder->check_timer, (there ? CHECK_MS : LOST_CHECK_MS) * NS_PER_MS);
}

static void folder_free(struct fw_source *source)
{
	struct folder *folder = (struct folder *)source;

	if (folder->event)
		event_free(folder->event);
	if (folder->batch_timer)
		event_free(folder->batch_timer);
	if (folder->check_timer)
		event_free(folder->check_timer);
	fw_watch_close(&folder->watch);
	fw_holder_done(&folder->holder);
	fw_error_list_done(&folder->errors);
	free(folder->path);
	free(folder->described);
	free(folder);
}

static size_t folder_errors(const struct fw_source *source,
			    const struct fw_input_error **ret_errors)
{
	const struct folder *folder = (const struct folder *)source;

	*ret_errors = folder->errors.items;
	return folder->errors.count;
}

static const char *folder_describe(const struct fw_source *source)
{
	return ((const struct folder *)source)->described;
}

static void folder_rescan(struct fw_source *source)
{
	struct folder *folder = (struct folder *)source;
	struct fw_file *file, *next;

	HASH_ITER(hh, folder->holder.files, file, next) {
		file->stale = true;
	}
	folder->scan_due = follow_path(folder);
	if (folder->scan_due)
		deliver(folder);
	else
		update_errors(folder);
}

static const struct fw_source_kind folder_kind = {.free = folder_free,
						  .errors = folder_errors,
						  .describe = folder_describe,
						  .rescan = folder_rescan};

static int open_folder(struct folder *folder, struct event_base *base, const char *path,
		       struct fw_err *err)
{
	int r = fw_watch_open(&folder->watch, err);

	if (r)
		return r;
	folder->path = strdup(path);
	folder->described = strdup("");
	folder->event = event_new(base, folder->watch.fd, EV_READ | EV_PERSIST, on_events, folder);
	folder->batch_timer = evtimer_new(base, on_batch, folder);
	folder->check_timer = evtimer_new(base, on_check, folder);
	if (!folder->path || !folder->described || !folder->event || !folder->batch_timer ||
	    !folder->check_timer || event_add(folder->event, NULL))
		return fw_err_set(err, -ENOMEM, "folder %s: out of memory", path);
	return fw_watch_attach(&folder->watch, path, err);
}

int fw_source_folder_new(struct event_base *base, const char *path,
			 const struct fw_source_handler *handler, struct fw_source **ret_source,
			 struct fw_err *err)
{
	_cleanup_(fw_source_free) struct fw_source *source = NULL;
	struct folder *folder = calloc(1, sizeof(*folder));
	int r;

	if (!folder)
		return fw_err_set(err, -ENOMEM, "folder %s: out of memory", path);
	folder->source.kind = &folder_kind;
	folder->watch.fd = -1;
	folder->handler = *handler;
	folder->holder.handler = &folder->handler;
	source = &folder->source;
	r = open_folder(folder, base, path, err);
	if (r)
		return r;
	scan(folder);
	if (folder->trouble.text[0])
		return fw_err_set(err, -EACCES, "folder %s: %.400s", path, folder->trouble.text);
	deliver(folder);
	if (!folder->batch_ns) { /* an empty folder settles too */
		describe(folder);
		folder->handler.settled(now_ns(), folder->handler.context);
	}
	arm(folder->check_timer, CHECK_MS * NS_PER_MS);
	*ret_source = TAKE_PTR(source);
	return 0;
}
