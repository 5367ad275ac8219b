/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of kept records; see history.h. */
#include "flow/history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

struct fw_history {
	struct fw_interns *interns; /* borrowed */
	uint64_t newest;	    /* sequence, from 1 */
	size_t max;
	struct fw_kept ring[];
};

_Static_assert(sizeof(struct fw_kept) == 160, "what flow.h says about memory");

int fw_history_new(struct fw_interns *interns, size_t max, struct fw_history **ret_history)
{
	struct fw_history *history;

	if (!max || max > SIZE_MAX / 2 / sizeof(struct fw_kept))
		return -EINVAL;
	history = calloc(1, sizeof(*history) + max * sizeof(struct fw_kept));
	if (!history)
		return -ENOMEM;
	history->interns = interns;
	history->max = max;
	*ret_history = history;
	return 0;
}

void fw_kept_drop(struct fw_interns *interns, struct fw_kept *kept)
{
	for (size_t i = 0; i < FW_KEPT_ATOMS; i++)
		fw_intern_drop(interns, TAKE_PTR(kept->atom[i]));
}

void fw_history_free(struct fw_history **history)
{
	if (!*history)
		return;
	for (size_t i = 0; i < (*history)->max; i++)
		fw_kept_drop((*history)->interns, &(*history)->ring[i]);
	free(*history);
	*history = NULL;
}

const struct fw_kept *fw_history_put(struct fw_history *history, const struct fw_kept *kept)
{
	struct fw_kept *place = &history->ring[++history->newest % history->max];

	fw_kept_drop(history->interns, place);
	*place = *kept;
	place->sequence = history->newest;
	return place;
}

const struct fw_kept *fw_history_get(const struct fw_history *history, uint64_t sequence)
{
	const struct fw_kept *place = &history->ring[sequence % history->max];

	return sequence && place->sequence == sequence ? place : NULL;
}

uint64_t fw_history_newest(const struct fw_history *history)
{
	return history->newest;
}

size_t fw_history_held(const struct fw_history *history)
{
	return history->newest < history->max ? (size_t)history->newest : history->max;
}

/* Copies one text, cut to what fits; returns its length. */
static size_t copy_text(const char *text, char *ret_text, size_t size)
{
	size_t len = strlen(text), room = len < size ? len : size - 1;

	memcpy(ret_text, text, room);
	ret_text[room] = '\0';
	return len;
}

static void expand_text(const struct fw_atom *atom, char *ret_text, size_t size)
{
	size_t len;

	ret_text[0] = '\0';
	if (atom)
		(void)copy_text(fw_atom_bytes(atom, &len), ret_text, size);
}

/* The service, and behind its NUL the backend where one is known. */
static void expand_service(const struct fw_atom *atom, struct fw_record *ret_record)
{
	size_t len = 0, service;
	const char *text = atom ? fw_atom_bytes(atom, &len) : "";

	service = copy_text(text, ret_record->service, sizeof(ret_record->service));
	(void)copy_text(len > service + 1 ? text + service + 1 : "", ret_record->backend,
			sizeof(ret_record->backend));
}

static void expand_party(const struct fw_atom *atom, const struct fw_ip *ip, uint16_t port,
			 struct fw_party *ret_party)
{
	size_t len;
	const char *text = atom ? fw_atom_bytes(atom, &len) : "\0\0\0";

	ret_party->ip = *ip;
	ret_party->port = port;
	text += copy_text(text, ret_party->namespace, sizeof(ret_party->namespace)) + 1;
	text += copy_text(text, ret_party->pod, sizeof(ret_party->pod)) + 1;
	text += copy_text(text, ret_party->workload, sizeof(ret_party->workload)) + 1;
	(void)copy_text(text, ret_party->entity, sizeof(ret_party->entity));
}

void fw_kept_expand(const struct fw_kept *kept, struct fw_record *ret_record)
{
	struct fw_record *r = ret_record;

	r->time_ns = kept->time_ns;
	r->sequence = kept->sequence;
	r->type = (enum fw_record_type)kept->type;
	r->direction = kept->direction;
	r->protocol = kept->protocol;
	r->tcp_flags = kept->tcp_flags;
	r->reason = kept->reason;
	r->family = kept->family;
	r->audited = kept->audited;
	r->inexact = kept->inexact;
	r->verdict = (enum fw_verdict)kept->verdict;
	r->pending = (enum fw_verdict)kept->pending;
	expand_party(kept->atom[FW_KEPT_SOURCE], &kept->source, kept->source_port, &r->source);
	expand_party(kept->atom[FW_KEPT_DESTINATION], &kept->destination, kept->destination_port,
		     &r->destination);
	expand_service(kept->atom[FW_KEPT_SERVICE], r);
	expand_text(kept->atom[FW_KEPT_RULE], r->rule, sizeof(r->rule));
	expand_text(kept->atom[FW_KEPT_BEFORE], r->rule_before, sizeof(r->rule_before));
	expand_text(kept->atom[FW_KEPT_PENDING], r->pending_rule, sizeof(r->pending_rule));
	r->repeats = kept->repeats;
	memcpy(r->packets, kept->packets, sizeof(r->packets));
	memcpy(r->bytes, kept->bytes, sizeof(r->bytes));
	r->duration_ns = kept->duration_ns;
	r->flow = kept->flow;
}
