/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the editor of conflists. In: a byte that picks a frame, and what goes into it. Out:
 * nothing; a crash or a broken promise of conflist.h ends it: what was put in comes out again to
 * the very byte, a second time changes nothing, and what is written is a conflist. With
 * -DFW_PLANTED_BUG conflist.c leaves the comma behind an entry that was the first.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "install/conflist.h"
#include "json.h"

#define ENTRY "{\"type\": \"podwall-cni\", \"withoutDaemon\": \"isolated\"}"

/* What stands around the input, so that the depths are reached without seeds. */
static const struct frame {
	const char *head, *tail;
} frames[] = {
	{"", ""},
	{"{\"name\":\"n\",\"plugins\":[", "]}"},
	{"{\"name\":\"n\",\"plugins\":[{\"type\":\"bridge\",", "}],\"cniVersion\":\"1.0.0\"}"},
	{"{\"name\":\"n\",\"plugins\":[{\"type\":\"podwall-cni\"", "}]}"},
	{"{\"name\":\"", "\",\"plugins\":[{\"type\":\"a\"},{\"type\":\"podwall-cni\"}]}"},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_conflist(const char *text)
{
	struct fw_err err = {""};
	cJSON *root = NULL;
	bool good = !fw_json_parse(text, strlen(text), &root, &err) &&
		    cJSON_IsArray(fw_json_get(root, "plugins"));

	fw_json_free(&root);
	return good;
}

/* The text with our entry, or NULL; what is promised of it was looked at. */
static void try_add(const char *text, size_t len, bool had_ours)
{
	char *with = NULL, *again = NULL, *without = NULL;
	struct fw_err err = {""};

	if (fw_conflist_add(text, len, ENTRY, &with, &err)) {
		assert(err.text[0] && !with);
		return;
	}
	if (!with) {
		assert(had_ours);
		return;
	}
	assert(is_conflist(with) && strstr(with, ENTRY));
	assert(!fw_conflist_add(with, strlen(with), ENTRY, &again, &err) && !again);
	assert(!fw_conflist_remove(with, strlen(with), &without, &err) && without);
	assert(had_ours || (strlen(without) == len && !memcmp(without, text, len)));
	free(without);
	free(with);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct frame *frame;
	char *text, *without = NULL, *again = NULL;
	struct fw_err err = {""};
	size_t head, tail, len;

	if (!size)
		return 0;
	frame = &frames[data[0] % (sizeof(frames) / sizeof(frames[0]))];
	head = strlen(frame->head);
	tail = strlen(frame->tail);
	len = head + size - 1 + tail;
	text = malloc(len + 1);
	assert(text);
	memcpy(text, frame->head, head);
	memcpy(text + head, data + 1, size - 1);
	memcpy(text + head + size - 1, frame->tail, tail + 1);
	if (fw_conflist_remove(text, len, &without, &err)) {
		assert(err.text[0] && !without);
	} else if (without) {
		assert(is_conflist(without));
		assert(!fw_conflist_remove(without, strlen(without), &again, &err) && !again);
	}
	try_add(text, len, without != NULL);
	free(without);
	free(text);
	return 0;
}
