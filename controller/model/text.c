/* SPDX-License-Identifier: Apache-2.0 */
/* See text.h. The table goes with its last string, so that nothing is left at the end. */
#include "model/text.h"

#include <stdlib.h>
#include <string.h>

#include "base/htab.h"

struct shared {
	uint32_t refs;
	char text[];
};

static struct fw_htab table;

static bool is_text(const void *item, const void *text)
{
	return !strcmp(((const struct shared *)item)->text, text);
}

char *fw_text_take(const char *text)
{
	size_t len = strlen(text);
	uint64_t hash = fw_hash_bytes(7, text, len);
	struct shared *shared = fw_htab_find(&table, hash, is_text, text);

	if (!shared) {
		shared = malloc(sizeof(*shared) + len + 1);
		if (!shared)
			return NULL;
		shared->refs = 0;
		memcpy(shared->text, text, len + 1);
		if (fw_htab_add(&table, hash, shared)) {
			free(shared);
			return NULL;
		}
	}
	shared->refs++;
	return shared->text;
}

void fw_text_drop(const char *text)
{
	struct shared *shared;

	if (!text)
		return;
	shared = (struct shared *)(uintptr_t)(text - offsetof(struct shared, text));
	if (--shared->refs)
		return;
	fw_htab_remove(&table, fw_hash_text(7, text), shared);
	free(shared);
	if (!table.used)
		fw_htab_done(&table);
}
