/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this folder share: the source and its streams. Inside this folder only.
 *
 * stream.c  when to ask for what, and when to try again
 * answer.c  bytes of an answer to objects
 * fan.c     objects of all streams to puts, removes, batches
 * closed.c  what stands in for an object that cannot be read
 * pace.c    how long to wait
 * kube.c    the source as others see it
 */
#ifndef FW_KUBE_INSIDE_H
#define FW_KUBE_INSIDE_H

#include <event2/event.h>

#include "api/provider.h"
#include "base/buf.h"
#include "kube/client.h"
#include "kube/item.h"
#include "kube/known.h"
#include "kube/kube.h"
#include "kube/split.h"

#define FW_MS		1000000ull /* nanoseconds */
#define FW_STREAMS	7u
#define FW_TROUBLE_TEXT 400u

struct fw_kube;

/* What is asked for. */
struct fw_stream_kind {
	const char *name;
	enum fw_kind kind;
	unsigned int slot; /* of the kind's streams: fw_known's index */
	const char *path;
};

enum fw_stream_state {
	FW_STREAM_WAITING, /* until the timer */
	FW_STREAM_PAGES,   /* a list in pages */
	FW_STREAM_INITIAL, /* a streaming list, before its end */
	FW_STREAM_WATCHING,
};

/* Why an answer was ended by us. */
enum fw_verdict {
	FW_ANSWER_GOES_ON,
	FW_ANSWER_GONE,	   /* 410: our version is too old */
	FW_ANSWER_REFUSED, /* a Status: its text is in `trouble` */
	FW_ANSWER_GARBAGE, /* not to be believed: list anew */
	FW_ANSWER_NO_MEMORY,
};

struct fw_stream {
	struct fw_kube *kube;
	const struct fw_stream_kind *what;
	enum fw_stream_state state;
	struct fw_request *request;
	struct fw_split *split;
	struct event *timer;		  /* waiting: the next attempt; else: is there progress? */
	char version[FW_VERSION_MAX + 1]; /* to watch from; "" : list */
	char *next;			  /* of a paged list: the continue token */
	uint32_t mark;			  /* counts the lists */
	bool without_host_network;	  /* the server does not know that selector */
	unsigned int failures;		  /* in a row */
	bool relist;			  /* asked for: fw_stream_relist() */
	bool unreached;			  /* waits because the server was not reached */
	/* of the answer under way */
	enum fw_verdict verdict;
	struct fw_status refusal;
	bool good;	     /* it is 200 with JSON */
	struct fw_buf other; /* the body of an answer that is no list */
	char event[16];	     /* type of the event under way */
	bool has_object;     /* and whether its object came */
	char list_version[FW_VERSION_MAX + 1];
	bool listed_items; /* the page had its items */
	bool right_kind;   /* the page is a list of this kind */
	bool unnamed;	   /* an object of this list could not be told: nothing may be swept */
	bool told;	   /* something good came in */
	uint64_t began_ns; /* the request, or the watch behind a streaming list */
	uint64_t progress_ns;
	/* for status */
	struct fw_source_stream seen;
	char trouble[FW_TROUBLE_TEXT], noted[FW_TROUBLE_TEXT];
};

struct fw_kube {
	struct fw_source source;
	struct fw_source_handler handler;
	struct event_base *base; /* borrowed */
	struct fw_kube_config config;
	struct fw_client *client;
	struct event *batch_timer, *errors_timer;
	struct fw_stream streams[FW_STREAMS];
	struct fw_known known[FW_KIND_COUNT];
	struct fw_error_list errors;
	char *node_name, *described;
	uint64_t patience_ns;
	bool pages;	     /* the server has no streaming lists */
	bool ready;	     /* everything was delivered once */
	bool errors_due;     /* some object's trouble changed */
	uint64_t errors_ns;  /* when the last list of them was told */
	char stale[300];     /* a proof that cannot be read again: the last good one is used */
	uint64_t arrived_ns; /* when the first of `pending` came in */
	uint64_t batch_ns;   /* when the last batch was delivered */
	uint64_t pending;    /* changes since then */
	uint64_t random;
};

uint64_t fw_kube_now(void);  /* CLOCK_MONOTONIC */
uint64_t fw_kube_wall(void); /* CLOCK_REALTIME */
uint32_t fw_kube_random(struct fw_kube *kube);
void fw_kube_arm(struct event *timer, uint64_t ns);

/* stream.c */
int fw_stream_init(struct fw_stream *stream, struct fw_kube *kube,
		   const struct fw_stream_kind *what);
void fw_stream_done(struct fw_stream *stream);
/* From the loop, soon: everything is asked for anew, whatever it is doing. */
void fw_stream_relist(struct fw_stream *stream);
/* The list under way is complete: what it did not have goes. */
void fw_stream_listed(struct fw_stream *stream, const char *version);

/* answer.c */
int fw_answer_begin(struct fw_stream *stream); /* -ENOMEM */
int fw_answer_take(struct fw_stream *stream, const char *data, size_t len);
void fw_stream_trouble(struct fw_stream *stream, const char *format, ...) FW_PRINTF(2, 3);

/* fan.c: -ENOMEM, then the object's fate is unknown and the list must be made anew. */
int fw_fan_put(struct fw_stream *stream, const struct fw_item *item);
int fw_fan_delete(struct fw_stream *stream, const struct fw_item *item);
void fw_fan_sweep(struct fw_stream *stream);
/* Everything that has come in was taken: a batch, now or when the last is old enough. */
void fw_fan_flush(struct fw_kube *kube);
/* The list of errors, if it changed; once a second at most. */
void fw_fan_errors(struct fw_kube *kube);
/* What cannot be read again of what proves us; "": nothing. */
void fw_fan_stale(struct fw_kube *kube, const char *text);

#endif
