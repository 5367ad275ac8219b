/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The splitter: a byte automaton over JSON's outer structure. In: pieces of an answer. Out: the
 * texts of its objects, borrowed from the piece where they lie whole in it, else collected. Must
 * never grow beyond one item, one member and one key, whatever comes in.
 */
#include "kube/split.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define HEAD_BYTES (FW_SPLIT_HEAD << 10)
#define KEEP_BYTES (256u << 10) /* a larger buffer goes back when its item is done */

enum state {
	OUTSIDE,   /* before an outermost object, behind the last */
	FIRST_KEY, /* "{" was read */
	NEXT_KEY,  /* "," was read */
	IN_KEY,
	COLON,
	BEFORE_VALUE,
	IN_VALUE,
	BEHIND_VALUE,
	FIRST_ITEM, /* "[" of the items was read */
	NEXT_ITEM,
	BEHIND_ITEM,
	FAILED,
};

/* A text that is collected over several pieces. */
struct part {
	char *data;
	size_t len, size;
	bool cut;
};

struct fw_split {
	enum fw_split_mode mode;
	struct fw_split_handler handler;
	size_t item_max;
	enum state state;
	char key[FW_SPLIT_KEY + 1];
	size_t key_len, depth;
	bool is_item;	/* the value under way */
	bool in_items;	/* inside the array of a list */
	bool in_string; /* inside the value, or the key */
	bool escaped;	/* the last byte was a backslash in a string */
	bool scalar;	/* ends before what is behind it */
	bool pending;	/* an event's object waits for the event's end */
	bool ended;	/* the one object of a list was read */
	struct part item, member;
	const char *pending_text; /* NULL: it is in `item` */
	size_t pending_len;
};

int fw_split_new(enum fw_split_mode mode, size_t item_max, const struct fw_split_handler *handler,
		 struct fw_split **ret_split)
{
	struct fw_split *split = calloc(1, sizeof(*split));

	if (!split)
		return -ENOMEM;
	split->mode = mode;
	split->item_max = item_max;
	split->handler = *handler;
	*ret_split = split;
	return 0;
}

static void drop_part(struct part *part)
{
	free(part->data);
	*part = (struct part){0};
}

void fw_split_free(struct fw_split **split)
{
	if (!*split)
		return;
	drop_part(&(*split)->item);
	drop_part(&(*split)->member);
	free(*split);
	*split = NULL;
}

void fw_split_reset(struct fw_split *split)
{
	struct fw_split fresh = {
		.mode = split->mode, .handler = split->handler, .item_max = split->item_max};

	drop_part(&split->item);
	drop_part(&split->member);
	*split = fresh;
}

bool fw_split_at_end(const struct fw_split *split)
{
	return split->state == OUTSIDE && (split->mode == FW_SPLIT_EVENTS || split->ended);
}

const char *fw_split_unfinished(const struct fw_split *split, const char **ret_text,
				size_t *ret_len)
{
	if (split->state != IN_VALUE || split->is_item)
		return NULL;
	*ret_text = split->member.data;
	*ret_len = split->member.len;
	return split->key;
}

static int grow(struct part *part, size_t wanted, size_t most)
{
	size_t size = part->size ? part->size : 4096;
	char *data;

	while (size < wanted)
		size *= 2;
	if (size > most)
		size = most;
	if (size <= part->size)
		return 0;
	data = realloc(part->data, size);
	if (!data)
		return -ENOMEM;
	part->data = data;
	part->size = size;
	return 0;
}

static int append(struct part *part, const char *text, size_t len, size_t most)
{
	if (part->cut)
		return 0;
	if (len > most - part->len) {
		size_t head = most < HEAD_BYTES ? most : HEAD_BYTES;

		part->cut = true;
		if (part->len >= head) {
			part->len = head;
			return 0;
		}
		len = len > head - part->len ? head - part->len : len;
	}
	if (grow(part, part->len + len, most))
		return -ENOMEM;
	memcpy(part->data + part->len, text, len);
	part->len += len;
	return 0;
}

static struct part *part_of(struct fw_split *split, size_t *ret_most)
{
	*ret_most = split->is_item ? split->item_max : HEAD_BYTES;
	return split->is_item ? &split->item : &split->member;
}

static void empty(struct part *part)
{
	part->len = 0;
	part->cut = false;
	if (part->size > KEEP_BYTES)
		drop_part(part);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int fail(struct fw_split *split, struct fw_err *err, const char *expected)
{
	split->state = FAILED;
	return fw_err_set(err, -EINVAL, "not JSON as an API server writes it: %s was expected",
			  expected);
}

/* The pending object of an event, and the end of the outermost object. */
static int end_object(struct fw_split *split)
{
	int r = 0;

	split->state = OUTSIDE;
	split->ended = true;
	if (split->pending && split->pending_text)
		r = split->handler.item(split->pending_text, split->pending_len, true,
					split->handler.context);
	else if (split->pending)
		r = split->handler.item(split->item.data, split->item.len, !split->item.cut,
					split->handler.context);
	split->pending = false;
	empty(&split->item);
	return r ? r : split->handler.end(split->handler.context);
}

/* The value has ended; its last bytes are text[0..len) of this piece. */
static int end_value(struct fw_split *split, const char *text, size_t len)
{
	size_t most;
	struct part *part = part_of(split, &most);
	bool borrowed = !part->len && !part->cut && len <= most;
	int r = 0;

	if (!borrowed)
		r = append(part, text, len, most);
	if (r)
		return r;
	split->state = split->in_items ? BEHIND_ITEM : BEHIND_VALUE;
	if (split->is_item && split->mode == FW_SPLIT_EVENTS) {
		split->pending = true;
		split->pending_text = borrowed ? text : NULL;
		split->pending_len = len;
		return 0;
	}
	if (!borrowed) {
		text = part->data;
		len = part->len;
	}
	r = split->is_item ? split->handler.item(text, len, !part->cut, split->handler.context)
			   : split->handler.member(split->key, text, len, !part->cut,
						   split->handler.context);
	empty(part);
	return r;
}

static void begin_value(struct fw_split *split, bool is_item)
{
	split->state = IN_VALUE;
	split->is_item = is_item;
	split->depth = 0;
	split->in_string = split->escaped = split->scalar = false;
	if (is_item)
		empty(&split->item);
}

/* One byte inside a string. False when the string has ended. */
static bool step_string(struct fw_split *split, char c)
{
	if (split->escaped)
		split->escaped = false;
	else if (c == '\\')
		split->escaped = true;
	else if (c == '"')
		return false;
	return true;
}

/* Bytes of data[0..len) that say nothing about where a value ends: most of them. */
static size_t skip_plain(const struct fw_split *split, const char *data, size_t len)
{
	size_t i = 0;

	if (split->in_string && !split->escaped)
		while (i < len && data[i] != '"' && data[i] != '\\')
			i++;
	return i;
}

/* How many bytes of data[0..len) belong to the value; *ret_ended when it ends there. */
static size_t scan_value(struct fw_split *split, const char *data, size_t len, bool *ret_ended)
{
	size_t i = 0;

	*ret_ended = false;
#ifdef FW_PLANTED_BUG /* tests/fuzz_split.c must find that a backslash may be the last of a piece  \
		       */
	split->escaped = false;
#endif
	while (i < len) {
		char c;

		i += skip_plain(split, data + i, len - i);
		if (i == len)
			break;
		c = data[i];
		if (split->in_string) {
			split->in_string = step_string(split, c);
			i++;
			*ret_ended = !split->in_string && !split->depth;
		} else if (split->scalar) {
			*ret_ended = is_space(c) || c == ',' || c == '}' || c == ']';
			i += !*ret_ended;
		} else {
			i++;
			split->in_string = c == '"';
			split->depth += c == '{' || c == '[';
			if (c == '}' || c == ']')
				*ret_ended = --split->depth == 0;
			else
				split->scalar = !split->depth && !split->in_string;
		}
		if (*ret_ended)
			break;
	}
	return i;
}

static int step_value(struct fw_split *split, const char *data, size_t len, size_t *ret_used)
{
	size_t most;
	struct part *part = part_of(split, &most);
	bool ended;

	*ret_used = scan_value(split, data, len, &ended);
	if (ended)
		return end_value(split, data, *ret_used);
	return append(part, data, *ret_used, most);
}

static void step_key(struct fw_split *split, char c)
{
	if (!step_string(split, c)) {
		split->key[split->key_len] = '\0';
		split->state = COLON;
	} else if (split->key_len < FW_SPLIT_KEY) {
		split->key[split->key_len++] = c;
	}
}

/* The first byte of a member's value; it is not used up unless it opens the items. */
static bool open_value(struct fw_split *split, char c)
{
	if (split->mode == FW_SPLIT_LIST && c == '[' && !strcmp(split->key, "items")) {
		split->in_items = true;
		split->state = FIRST_ITEM;
		return true;
	}
	begin_value(split, split->mode == FW_SPLIT_EVENTS && !strcmp(split->key, "object"));
	return false;
}

static bool can_begin_value(char c)
{
	return c != ',' && c != '}' && c != ']' && c != ':';
}

/* A byte that is not inside a key or value. *ret_used is false when it begins a value. */
static int step_outer(struct fw_split *split, char c, bool *ret_used, struct fw_err *err)
{
	enum state state = split->state;

	*ret_used = true;
	if (state == OUTSIDE && c == '{' && (split->mode == FW_SPLIT_EVENTS || !split->ended)) {
		split->state = FIRST_KEY;
	} else if (state == OUTSIDE) {
		return fail(split, err,
			    split->ended && split->mode != FW_SPLIT_EVENTS ? "its end" : "\"{\"");
	} else if ((state == FIRST_KEY || state == NEXT_KEY) && c == '"') {
		split->state = IN_KEY;
		split->key_len = 0;
		split->escaped = false;
	} else if ((state == FIRST_KEY || state == BEHIND_VALUE) && c == '}') {
		return end_object(split);
	} else if (state == FIRST_KEY || state == NEXT_KEY) {
		return fail(split, err, "a member name");
	} else if (state == COLON) {
		if (c != ':')
			return fail(split, err, "\":\"");
		split->state = BEFORE_VALUE;
	} else if (state == BEFORE_VALUE) {
		if (!can_begin_value(c))
			return fail(split, err, "a value");
		*ret_used = open_value(split, c);
	} else if (state == BEHIND_VALUE) {
		if (c != ',')
			return fail(split, err, "\",\" or \"}\"");
		split->state = NEXT_KEY;
	} else if ((state == FIRST_ITEM || state == BEHIND_ITEM) && c == ']') {
		split->in_items = false;
		split->state = BEHIND_VALUE;
		return split->handler.member(split->key, "[]", 2, true, split->handler.context);
	} else if (state == BEHIND_ITEM) {
		if (c != ',')
			return fail(split, err, "\",\" or \"]\"");
		split->state = NEXT_ITEM;
	} else {
		if (!can_begin_value(c))
			return fail(split, err, "an item");
		begin_value(split, true);
		*ret_used = false;
	}
	return 0;
}

/* What an event's object borrows of a piece must be kept when the piece goes. */
static int keep_pending(struct fw_split *split)
{
	const char *text = split->pending_text;

	if (!split->pending || !text)
		return 0;
	split->pending_text = NULL;
	return append(&split->item, text, split->pending_len, split->item_max);
}

int fw_split_feed(struct fw_split *split, const char *data, size_t len, struct fw_err *err)
{
	size_t i = 0;
	int r = 0;

	if (split->state == FAILED)
		return fw_err_set(err, -EINVAL, "bytes behind an error");
	while (!r && i < len) {
		size_t used = 1;

		if (split->state == IN_VALUE) {
			r = step_value(split, data + i, len - i, &used);
		} else if (split->state == IN_KEY) {
			step_key(split, data[i]);
		} else if (!is_space(data[i])) {
			bool taken;

			r = step_outer(split, data[i], &taken, err);
			used = taken;
		}
		i += used;
	}
	if (!r)
		r = keep_pending(split);
	if (r)
		split->state = FAILED;
	if (r == -ENOMEM)
		(void)fw_err_set(err, r, "out of memory");
	return r;
}
