// SPDX-License-Identifier: Apache-2.0
/*
 * Names of decisions and services. In: rows of the compiler. Out: ids and texts, kept over
 * restarts. The built-in decisions of abi.h have their names here. Never forgets an id while a flow
 * may carry it.
 */
#include "apply/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define DECISIONS_MAX 0x03ffffffu
#define SERVICES_MAX  0x7fffffffu
#define NAMES_MANY    65536u /* decisions, services: beyond it the unused ones go */

struct decision_record {
	struct fw_digest digest;
	uint32_t id;
	uint32_t word;
	uint32_t verdict;
	uint32_t pending;
	char rule[160];
	char pending_rule[160];
};

struct service_record {
	uint32_t id;
	char text[FW_SERVICE_NAME];
};

#define BUILTIN(id, decided, text)                                                                 \
	[id] = {.verdict = (decided), .pending = (decided), .rule = text, .pending_rule = text}
static const struct fw_decision_name builtin[FW_DECISION_FIRST] = {
	BUILTIN(FW_DECIDED_NOTHING, FW_VERDICT_DENY, "no rule"),
	BUILTIN(FW_DECIDED_DEFAULT, FW_VERDICT_ALLOW, "no rule matched"),
	BUILTIN(FW_DECIDED_OWN_NODE, FW_VERDICT_ALLOW, "own node"),
	BUILTIN(FW_DECIDED_NO_POLICY_YET, FW_VERDICT_DENY, "no policy yet"),
	BUILTIN(FW_DECIDED_LOCKED, FW_VERDICT_DENY, "locked down"),
	BUILTIN(FW_DECIDED_SERVICE_PORT, FW_VERDICT_DENY, "no such service port"),
	BUILTIN(FW_DECIDED_SERVICE_EMPTY, FW_VERDICT_DENY, "service has no backend"),
	BUILTIN(FW_DECIDED_SERVICE_DIFFERS, FW_VERDICT_DENY, "backends are judged differently"),
	BUILTIN(FW_DECIDED_SERVICE_CHOSEN, FW_VERDICT_ALLOW, "the chosen backend is judged"),
	BUILTIN(FW_DECIDED_SERVICE_WIDE, FW_VERDICT_DENY, "too many kinds of backends"),
	BUILTIN(FW_DECIDED_RELATED, FW_VERDICT_ALLOW, "error of an allowed flow"),
	BUILTIN(FW_DECIDED_TABLE_FULL, FW_VERDICT_DENY, "flow table full"),
	BUILTIN(FW_DECIDED_MULTICAST, FW_VERDICT_DENY, "multicast that nothing allowed"),
	BUILTIN(FW_DECIDED_OLDER, FW_VERDICT_ALLOW, "older than podwall"),
};

static int grow(void **array, uint32_t *size, uint32_t need)
{
	uint32_t wanted = *size ? *size : 256;
	void **grown;

	while (wanted <= need)
		wanted *= 2;
	if (wanted == *size)
		return 0;
	grown = realloc(*array, wanted * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	memset(grown + *size, 0, (wanted - *size) * sizeof(*grown));
	*array = grown;
	*size = wanted;
	return 0;
}

static int enter_decision(struct fw_names *names, const struct decision_record *record,
			  struct fw_decision_entry **ret_entry)
{
	struct fw_decision_entry *entry, *before;
	int r;

	if (record->id < FW_DECISION_FIRST || record->id > DECISIONS_MAX)
		return 0;
	r = grow((void **)&names->by_id, &names->by_id_size, record->id - FW_DECISION_FIRST);
	if (r < 0)
		return r;
	if (names->by_id[record->id - FW_DECISION_FIRST])
		return 0;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	entry->digest = record->digest;
	entry->id = record->id;
	entry->word = record->word;
	entry->name.verdict = (enum fw_verdict)record->verdict;
	entry->name.pending = (enum fw_verdict)record->pending;
	(void)snprintf(entry->name.rule, sizeof(entry->name.rule), "%s", record->rule);
	(void)snprintf(entry->name.pending_rule, sizeof(entry->name.pending_rule), "%s",
		       record->pending_rule);
	HASH_FIND(hh, names->decisions, &entry->digest, sizeof(entry->digest), before);
	if (before)
		HASH_DEL(names->decisions, before);
	HASH_ADD(hh, names->decisions, digest, sizeof(entry->digest), entry);
	names->by_id[record->id - FW_DECISION_FIRST] = entry;
	if (names->next <= record->id)
		names->next = record->id + 1;
	if (ret_entry)
		*ret_entry = entry;
	return 0;
}

static int enter_service(struct fw_names *names, const struct service_record *record)
{
	struct fw_service_name *entry, *before;
	size_t size;
	int r;

	if (!record->id || record->id > SERVICES_MAX)
		return 0;
	r = grow((void **)&names->service_by_id, &names->service_by_id_size, record->id - 1);
	if (r < 0)
		return r;
	if (names->service_by_id[record->id - 1])
		return 0;
	size = strlen(record->text) + 1;
	entry = calloc(1, sizeof(*entry) + size);
	if (!entry)
		return -ENOMEM;
	entry->id = record->id;
	memcpy(entry->text, record->text, size);
	HASH_FIND_STR(names->services, entry->text, before);
	if (before)
		HASH_DEL(names->services, before);
	HASH_ADD_STR(names->services, text, entry);
	names->service_by_id[record->id - 1] = entry;
	if (names->next_service <= record->id)
		names->next_service = record->id + 1;
	return 0;
}

static int read_decision(const void *data, void *context)
{
	struct decision_record record;

	memcpy(&record, data, sizeof(record));
	record.rule[sizeof(record.rule) - 1] = '\0';
	record.pending_rule[sizeof(record.pending_rule) - 1] = '\0';
	return enter_decision(context, &record, NULL);
}

static int read_service(const void *data, void *context)
{
	struct service_record record;

	memcpy(&record, data, sizeof(record));
	record.text[sizeof(record.text) - 1] = '\0';
	return enter_service(context, &record);
}

int fw_names_open(struct fw_names *names, const char *state_dir, uint64_t identity,
		  struct fw_err *err)
{
	int r;

	*names =
		(struct fw_names){.next = FW_DECISION_FIRST, .next_service = 1, .many = NAMES_MANY};
	r = fw_log_open(state_dir, "decisions.log", sizeof(struct decision_record), identity,
			read_decision, names, &names->decision_log, err);
	if (r < 0)
		return r;
	return fw_log_open(state_dir, "services.log", sizeof(struct service_record), identity,
			   read_service, names, &names->service_log, err);
}

void fw_names_done(struct fw_names *names)
{
	HASH_CLEAR(hh, names->decisions);
	for (uint32_t i = 0; i < names->by_id_size; i++)
		free(names->by_id[i]);
	free(names->by_id);
	HASH_CLEAR(hh, names->services);
	for (uint32_t i = 0; i < names->service_by_id_size; i++)
		free(names->service_by_id[i]);
	free(names->service_by_id);
	fw_log_close(&names->decision_log);
	fw_log_close(&names->service_log);
	*names = (struct fw_names){0};
}

void fw_names_skip_decision(struct fw_names *names, uint32_t id)
{
	if (names->next <= id && id <= DECISIONS_MAX)
		names->next = id + 1;
}

void fw_names_skip_service(struct fw_names *names, uint32_t id)
{
	if (names->next_service <= id && id <= SERVICES_MAX)
		names->next_service = id + 1;
}

bool fw_names_overgrown(const struct fw_names *names)
{
	return HASH_COUNT(names->decisions) > names->many ||
	       HASH_COUNT(names->services) > names->many;
}

void fw_names_keep_decision(struct fw_names *names, uint32_t id)
{
	if (id >= FW_DECISION_FIRST && id - FW_DECISION_FIRST < names->by_id_size &&
	    names->by_id[id - FW_DECISION_FIRST])
		names->by_id[id - FW_DECISION_FIRST]->keep = true;
}

void fw_names_keep_service(struct fw_names *names, uint32_t id)
{
	if (id && id - 1 < names->service_by_id_size && names->service_by_id[id - 1])
		names->service_by_id[id - 1]->keep = true;
}

static void record_of(const struct fw_decision_entry *entry, struct decision_record *record)
{
	memset(record, 0, sizeof(*record));
	record->digest = entry->digest;
	record->id = entry->id;
	record->word = entry->word;
	record->verdict = entry->name.verdict;
	record->pending = entry->name.pending;
	memcpy(record->rule, entry->name.rule, sizeof(record->rule));
	memcpy(record->pending_rule, entry->name.pending_rule, sizeof(record->pending_rule));
}

static int compact_decisions(struct fw_names *names, struct fw_err *err)
{
	_cleanup_free_ struct decision_record *records = NULL;
	struct fw_decision_entry *entry, *next;
	size_t count = 0;
	int r;

	records = calloc(HASH_COUNT(names->decisions) + 1, sizeof(*records));
	if (!records)
		return fw_err_errno(err, -ENOMEM, "decisions.log");
	HASH_ITER(hh, names->decisions, entry, next) {
		/* the newest is kept in any case: it says which ids were given */
		if (entry->keep || entry->id + 1 == names->next)
			record_of(entry, &records[count++]);
	}
	r = fw_log_rewrite(names->decision_log, records, count, err);
	if (r < 0)
		return r;
	HASH_ITER(hh, names->decisions, entry, next) {
		if (entry->keep || entry->id + 1 == names->next) {
			entry->keep = false;
			continue;
		}
		HASH_DEL(names->decisions, entry);
		names->by_id[entry->id - FW_DECISION_FIRST] = NULL;
		free(entry);
	}
	return 0;
}

static int compact_services(struct fw_names *names, struct fw_err *err)
{
	_cleanup_free_ struct service_record *records = NULL;
	struct fw_service_name *entry, *next;
	size_t count = 0;
	int r;

	records = calloc(HASH_COUNT(names->services) + 1, sizeof(*records));
	if (!records)
		return fw_err_errno(err, -ENOMEM, "services.log");
	HASH_ITER(hh, names->services, entry, next) {
		if (!entry->keep && entry->id + 1 != names->next_service)
			continue;
		records[count].id = entry->id;
		memcpy(records[count++].text, entry->text, strlen(entry->text) + 1);
	}
	r = fw_log_rewrite(names->service_log, records, count, err);
	if (r < 0)
		return r;
	HASH_ITER(hh, names->services, entry, next) {
		if (entry->keep || entry->id + 1 == names->next_service) {
			entry->keep = false;
			continue;
		}
		HASH_DEL(names->services, entry);
		names->service_by_id[entry->id - 1] = NULL;
		free(entry);
	}
	return 0;
}

int fw_names_compact(struct fw_names *names, struct fw_err *err)
{
	int r = compact_decisions(names, err);
	uint32_t left;

	if (r == 0)
		r = compact_services(names, err);
	left = HASH_COUNT(names->decisions);
	if (left < HASH_COUNT(names->services))
		left = HASH_COUNT(names->services);
	names->many = left > NAMES_MANY / 2 ? 2 * left : NAMES_MANY;
	return r;
}

/* "netpol shop/api[2]", "isolated(2) netpol shop/deny", "no rule matched" */
static void rule_text(const struct fw_rule_name *rule, char *text, size_t size)
{
	const char *slash = rule->namespace && *rule->namespace ? "/" : "";
	const char *namespace = rule->namespace ? rule->namespace : "";

	if (!rule->kind || !*rule->kind)
		(void)snprintf(text, size, "%s",
			       rule->layer && strcmp(rule->layer, "default") ? rule->layer
									     : "no rule matched");
	else if (rule->isolated_by)
		(void)snprintf(text, size, "isolated(%u) %s %s%s%s", rule->isolated_by, rule->kind,
			       namespace, slash, rule->name);
	else if (rule->rule >= 0)
		(void)snprintf(text, size, "%s %s%s%s[%d]", rule->kind, namespace, slash,
			       rule->name, rule->rule);
	else
		(void)snprintf(text, size, "%s %s%s%s", rule->kind, namespace, slash, rule->name);
}

void fw_apply_rule_text(const struct fw_decision_row *row, char ret_text[FW_RULE_TEXT])
{
	rule_text(&row->rule, ret_text, FW_RULE_TEXT);
}

static uint32_t word_of(const struct fw_decision_row *row, uint32_t id)
{
	uint32_t word = id;

	if (row->verdict == FW_VERDICT_ALLOW)
		word |= FW_DECISION_ALLOW;
	if (row->verdict == FW_VERDICT_REJECT)
		word |= FW_DECISION_REJECT;
	if (row->firm)
		word |= FW_DECISION_FIRM;
	return word;
}

int fw_names_decision(struct fw_names *names, const struct fw_decision_row *row,
		      const struct fw_decision_entry **ret_entry)
{
	struct fw_decision_entry *entry;
	struct decision_record record;
	int r;

	HASH_FIND(hh, names->decisions, &row->digest, sizeof(row->digest), entry);
	if (!entry) {
		if (names->next > DECISIONS_MAX)
			return -ENOSPC;
		memset(&record, 0, sizeof(record));
		record.digest = row->digest;
		record.id = names->next;
		record.word = word_of(row, record.id);
		record.verdict = row->verdict;
		record.pending = row->pending;
		rule_text(&row->rule, record.rule, sizeof(record.rule));
		rule_text(&row->pending_rule, record.pending_rule, sizeof(record.pending_rule));
		r = fw_log_append(names->decision_log, &record);
		if (r == 0)
			r = enter_decision(names, &record, &entry);
		if (r < 0)
			return r;
	}
	*ret_entry = entry;
	return 0;
}

int fw_names_service(struct fw_names *names, const struct fw_service_row *row, uint32_t *ret_id)
{
	const char *colon = row->port_name && *row->port_name ? ":" : "";
	struct fw_service_name *entry;
	struct service_record record;
	int r;

	memset(&record, 0, sizeof(record));
	(void)snprintf(record.text, sizeof(record.text), "%s/%s%s%s", row->namespace, row->name,
		       colon, *colon ? row->port_name : "");
	HASH_FIND_STR(names->services, record.text, entry);
	if (entry) {
		*ret_id = entry->id;
		return 0;
	}
	if (names->next_service > SERVICES_MAX)
		return -ENOSPC;
	record.id = names->next_service;
	r = fw_log_append(names->service_log, &record);
	if (r == 0)
		r = enter_service(names, &record);
	if (r == 0)
		*ret_id = record.id;
	return r;
}

int fw_names_flush(struct fw_names *names, struct fw_err *err)
{
	int r = fw_log_flush(names->decision_log, err);

	return r < 0 ? r : fw_log_flush(names->service_log, err);
}

const struct fw_decision_name *fw_names_find_decision(const struct fw_names *names, uint32_t id)
{
	if (id < FW_DECISION_FIRST)
		return builtin[id].rule[0] ? &builtin[id] : NULL;
	id -= FW_DECISION_FIRST;
	if (id >= names->by_id_size || !names->by_id[id])
		return NULL;
	return &names->by_id[id]->name;
}

const char *fw_names_find_service(const struct fw_names *names, uint32_t id)
{
	if (!id || id - 1 >= names->service_by_id_size || !names->service_by_id[id - 1])
		return NULL;
	return names->service_by_id[id - 1]->text;
}
