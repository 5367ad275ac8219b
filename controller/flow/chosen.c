/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flows to services whose backends policy tells apart. In: their events, and somebody who knows
 * which backend conntrack has. Out: records that name the backend and the rule about it, or that
 * say that none was reached. Waits beside the loop, never in it: an event that must wait is queued,
 * and one that finds the queue full is told without an answer.
 */
#include "flow/internal.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "fw/reasons.h"

#define WAIT_NS 4000000ULL /* the packet is through by then, or was dropped */

#define NOBODY_REACHED "the chosen backend is denied"

static bool is_choice(const struct fw_event *event)
{
	return (event->type == FW_EVENT_NEW || event->type == FW_EVENT_CHANGE) &&
	       (event->decision & FW_DECISION_ALLOW) &&
	       (event->decision & FW_DECISION_ID) == FW_DECIDED_SERVICE_CHOSEN;
}

void fw_flows_set_chosen(struct fw_flows *flows, fw_flow_chosen chosen, void *context)
{
	flows->chosen = chosen;
	flows->chosen_context = context;
}

static void settle_one(struct fw_flows *flows, const struct fw_event *event)
{
	struct fw_choice_question question = {.slot = event->slot,
					      .protocol = event->protocol,
					      .pod_port = event->local_port,
					      .port = event->remote_port};
	struct fw_choice choice = {.port = 0};
	int r;

	memcpy(question.pod.b, event->local, sizeof(question.pod.b));
	memcpy(question.service.b, event->remote, sizeof(question.service.b));
	r = flows->chosen(&question, &choice, flows->chosen_context);
	fw_flows_event_chosen(flows, event, r == 0 || r == -ENOENT ? &choice : NULL, r);
}

void fw_flows_settle_choices(struct fw_flows *flows, bool all)
{
	size_t done = 0;

	while (done < flows->pending_count &&
	       (all || flows->pending[done].queued_ns + WAIT_NS <= flows->now_ns))
		settle_one(flows, &flows->pending[done++].event);
	flows->pending_count -= done;
	memmove(flows->pending, flows->pending + done,
		flows->pending_count * sizeof(*flows->pending));
}

bool fw_flows_wait_for_choice(struct fw_flows *flows, const struct fw_event *event)
{
	for (size_t i = 0; i < flows->pending_count; i++) {
		if (flows->pending[i].event.flow == event->flow) {
			fw_flows_settle_choices(flows, true);
			break;
		}
	}
	if (!flows->chosen || !is_choice(event) || flows->pending_count == FW_CHOICES_PENDING)
		return false;
	flows->pending[flows->pending_count++] =
		(struct fw_pending_choice){.event = *event, .queued_ns = flows->now_ns};
	return true;
}

/* A decision about the backend in the place of that about the service. */
static void decide(struct fw_flows *flows, const struct fw_choice *choice, struct fw_kept *kept)
{
	fw_intern_drop(flows->interns, kept->atom[FW_KEPT_RULE]);
	kept->atom[FW_KEPT_RULE] = fw_who_row(flows->who, choice->decision, kept->direction);
	kept->verdict = choice->allowed ? FW_VERDICT_ALLOW : FW_VERDICT_DENY;
	kept->pending = choice->decision->pending & 3;
}

void fw_flows_choose(struct fw_flows *flows, const struct fw_event *event,
		     const struct fw_choice *choice, int result, struct fw_kept *kept)
{
	if (result == -ENOENT) {
		fw_intern_drop(flows->interns, kept->atom[FW_KEPT_RULE]);
		kept->atom[FW_KEPT_RULE] =
			fw_intern_get(flows->interns, NOBODY_REACHED, strlen(NOBODY_REACHED));
		kept->verdict = kept->pending = FW_VERDICT_DENY;
	} else {
		fw_intern_drop(flows->interns, kept->atom[FW_KEPT_SERVICE]);
		kept->atom[FW_KEPT_SERVICE] =
			fw_who_backend(flows->who, event->service, &choice->backend);
		if (choice->itself) {
			fw_intern_drop(flows->interns, kept->atom[FW_KEPT_RULE]);
			fw_flows_decide(flows, kept, FW_DECISION_ALLOW | FW_DECIDED_DEFAULT);
		} else if (choice->decision) {
			decide(flows, choice, kept);
		}
	}
	if (kept->verdict != FW_VERDICT_DENY)
		return;
	if (choice->audited) {
		kept->audited = true;
		kept->verdict = FW_VERDICT_ALLOW;
		kept->reason = FW_REASON_AUDITED;
		return;
	}
	kept->reason = FW_REASON_SERVICE_DIFFERS;
	if (event->type == FW_EVENT_NEW)
		kept->type = FW_RECORD_DENY;
}
