/* SPDX-License-Identifier: Apache-2.0 */
/* Counts in one hash table by (key, verdict); see tally.h. */
#include "show/tally.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "show/criteria.h"
#include "show/print.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct entry {
	struct fw_tally_row row;
	UT_hash_handle hh;
	char text[]; /* verdict, NUL, key, NUL */
};

struct fw_tally {
	enum fw_tally_key key;
	struct entry *entries;
	struct fw_tally_row *rows; /* sorted, made by fw_tally_rows() */
};

int fw_tally_parse(const char *text, enum fw_tally_key *ret_key, struct fw_err *err)
{
	static const char *const names[] = {"", "app", "ns", "pod", "port", "policy"};

	for (size_t i = 1; i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(text, names[i])) {
			*ret_key = (enum fw_tally_key)i;
			return 0;
		}
	}
	return fw_err_set(err, -EINVAL, "\"%s\" is none of app, ns, pod, port, policy", text);
}

int fw_tally_new(enum fw_tally_key key, struct fw_tally **ret_tally)
{
	struct fw_tally *tally = calloc(1, sizeof(*tally));

	if (!tally)
		return -ENOMEM;
	tally->key = key;
	*ret_tally = tally;
	return 0;
}

void fw_tally_free(struct fw_tally **tally)
{
	struct entry *entry, *next;

	if (!*tally)
		return;
	HASH_ITER(hh, (*tally)->entries, entry, next) {
		HASH_DEL((*tally)->entries, entry);
		free(entry);
	}
	free((*tally)->rows);
	free(*tally);
	*tally = NULL;
}

/* A party at the grain of the key; whoever has no pod by its entity, which keeps the rows few. */
static void party_key(enum fw_tally_key key, const struct fw_record *record,
		      const struct fw_party *party, struct fw_buf *buf)
{
	const char *app = strchr(party->workload, '/');

	if (!strcmp(party->entity, "service"))
		(void)fw_buf_printf(buf, "svc/%s", record->service);
	else if (!party->pod[0])
		(void)fw_buf_printf(buf, "%s", party->entity[0] ? party->entity : "?");
	else if (key == FW_TALLY_NAMESPACE)
		(void)fw_buf_printf(buf, "%s", party->namespace);
	else
		(void)fw_buf_printf(buf, "%s/%s", party->namespace,
				    key == FW_TALLY_APP && app ? app + 1 : party->pod);
}

static void make_key(enum fw_tally_key key, const struct fw_record *record, struct fw_buf *buf)
{
	char number[8];

	if (key == FW_TALLY_POLICY) {
		(void)fw_buf_printf(buf, "%s", record->rule[0] ? record->rule : "(no policy)");
		return;
	}
	if (key == FW_TALLY_PORT) {
		(void)fw_buf_printf(buf, "%u/%s", record->destination.port,
				    fw_show_protocol(record->protocol, number));
		return;
	}
	party_key(key, record, &record->source, buf);
	(void)fw_buf_printf(buf, " -> ");
	party_key(key, record, &record->destination, buf);
}

static struct entry *find(struct fw_tally *tally, const char *verdict, const char *key)
{
	size_t verdict_len = strlen(verdict), len = verdict_len + strlen(key) + 2;
	struct entry *entry = calloc(1, sizeof(*entry) + len), *found = NULL;

	if (!entry)
		return NULL;
	memcpy(entry->text, verdict, verdict_len + 1);
	memcpy(entry->text + verdict_len + 1, key, strlen(key) + 1);
	HASH_FIND(hh, tally->entries, entry->text, len, found);
	if (found || HASH_COUNT(tally->entries) > FW_TALLY_ROWS_MAX) {
		free(entry);
		return found;
	}
	entry->row.verdict = entry->text;
	entry->row.key = entry->text + verdict_len + 1;
	HASH_ADD_KEYPTR(hh, tally->entries, entry->text, len, entry);
	return entry;
}

int fw_tally_add(struct fw_tally *tally, const struct fw_shown *shown)
{
	const struct fw_record *record = &shown->record;
	const char *verdict = fw_show_verdict(record);
	struct entry *entry;
	struct fw_buf buf;

	if (record->type == FW_RECORD_LOST)
		return 0;
	fw_buf_init(&buf, 4096);
	make_key(tally->key, record, &buf);
	entry = HASH_COUNT(tally->entries) < FW_TALLY_ROWS_MAX || buf.error
			? find(tally, verdict, buf.data ? buf.data : "")
			: find(tally, "", "(others)");
	fw_buf_done(&buf);
	if (!entry)
		return -ENOMEM;
	if (record->type != FW_RECORD_END)
		entry->row.flows += record->repeats ? record->repeats : 1;
	if (record->type == FW_RECORD_END || record->type == FW_RECORD_DENY) {
		entry->row.packets += record->packets[0] + record->packets[1];
		entry->row.bytes += record->bytes[0] + record->bytes[1];
	}
	if (record->time_ns > entry->row.newest_ns)
		entry->row.newest_ns = record->time_ns;
	return 0;
}

static int by_flows(const void *a, const void *b)
{
	const struct fw_tally_row *x = a, *y = b;

	if (x->flows != y->flows)
		return x->flows < y->flows ? 1 : -1;
	return strcmp(x->key, y->key) ? strcmp(x->key, y->key) : strcmp(x->verdict, y->verdict);
}

size_t fw_tally_rows(struct fw_tally *tally, const struct fw_tally_row **ret_rows)
{
	size_t count = HASH_COUNT(tally->entries), i = 0;
	struct fw_tally_row *rows = calloc(count + 1, sizeof(*rows));
	struct entry *entry, *next;

	if (!rows)
		return 0;
	HASH_ITER(hh, tally->entries, entry, next) {
		rows[i++] = entry->row;
	}
	qsort(rows, count, sizeof(*rows), by_flows);
	free(tally->rows);
	tally->rows = rows;
	*ret_rows = rows;
	return count;
}
