/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edge case 35: a pod always reaches itself, also through a service of which it may reach no other
 * backend. In: tables, candidates, the addresses of this node's pods. Out: the pods that stand
 * behind a service and are denied every backend that a new connection gets. What they send there is
 * judged after DNAT as if they differed about it; some do, by a backend that is leaving.
 */
#include <string.h>

#include "compile/choices.h"

#define LOCAL_BITS 14

struct local {
	bool bit[1u << LOCAL_BITS]; /* some source that is denied something has such an address */
};

static bool denies(const struct choosing *c, uint32_t subject)
{
	const struct fw_tables *t = c->tables;

	return fw_choices_subject(c, subject) ||
	       t->decisions[t->subjects[subject].otherwise[FW_EGRESS]].verdict != FW_VERDICT_ALLOW;
}

/* There are many backends, and few of them are sources: most are told by one bit. */
static size_t bit_of(const struct fw_ip *ip)
{
	uint32_t low;

	memcpy(&low, ip->b + sizeof(ip->b) - sizeof(low), sizeof(low));
	return low * 2654435761u >> (32 - LOCAL_BITS);
}

static bool mark(const struct choosing *c, struct local *ret_local)
{
	bool any = false;

	*ret_local = (struct local){0};
	for (size_t i = 0; i < c->sources.count; i++) {
		if (!denies(c, c->sources.items[i].subject))
			continue;
		ret_local->bit[bit_of(&c->sources.items[i].ip)] = true;
		any = true;
	}
	return any;
}

/* The rows are gone through in order: one that was added is the last. */
static int find_service(struct choosing *c, const struct service *wanted, uint32_t *ret_number)
{
	size_t low = 0, high = c->several;
	int r;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (c->services.items[middle].row < wanted->row)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == c->several || c->services.items[low].row != wanted->row)
		low = c->services.count - (c->services.count > c->several);
	*ret_number = (uint32_t)low;
	if (low < c->services.count && c->services.items[low].row == wanted->row)
		return 0;
	r = FW_ROOM(&c->services, 1);
	if (!r) {
		*ret_number = (uint32_t)c->services.count;
		c->services.items[c->services.count++] = *wanted;
	}
	return r;
}

static bool is_candidate(const struct choosing *c, uint32_t index, uint32_t service)
{
	const struct subject *subject = fw_choices_subject(c, index);

	for (size_t i = 0; subject && i < subject->count; i++) {
		if (c->candidates.items[subject->first + i].service == service)
			return true;
	}
	return false;
}

static bool is_listed(const struct choosing *c, const struct fw_member *member, uint32_t service)
{
	for (size_t i = c->owns.count; i-- > 0 && c->owns.items[i].candidate.service == service;) {
		if (c->owns.items[i].member == member)
			return true;
	}
	return false;
}

static const struct fw_decision_row *ask(const struct choosing *c, uint32_t subject, uint32_t class,
					 uint8_t protocol, uint16_t port)
{
	return &c->tables->decisions[fw_tables_decide(c->tables, subject, FW_EGRESS, class,
						      FW_RANGE_KEY(protocol, port))];
}

/* A kind that new connections get is open: all are, or the pod differs about these. */
static bool some_open(const struct choosing *c, uint32_t subject, const struct fw_service_row *row)
{
	bool open = false;

	for (uint32_t i = 0; i < row->group_count && !row->group[i].leaving && !open; i++)
		open = ask(c, subject, row->group[i].peer_class, row->protocol, row->group[i].port)
			       ->verdict == FW_VERDICT_ALLOW;
	return open;
}

/* Of one that is no candidate: every kind is denied, or every kind is open. *ret_answers: of the
 * denies. */
static int ask_all(struct choosing *c, uint32_t subject, struct service *service, bool *ret_open,
		   size_t *ret_answers)
{
	uint8_t protocol = c->tables->services[service->row].protocol;
	int r = fw_choices_list_backends(c, service);

	*ret_answers = c->answers.count;
	*ret_open = false;
	if (!r)
		r = FW_ROOM(&c->answers, service->kind_count);
	for (size_t i = 0; !r && i < service->kind_count && !*ret_open; i++) {
		const struct kind *kind = &c->kinds.items[service->first_kind + i];
		const struct fw_decision_row *row =
			ask(c, subject, kind->class, protocol, kind->port);

		*ret_open = row->verdict == FW_VERDICT_ALLOW;
		c->answers.items[c->answers.count++] =
			(struct answer){.allowed = false, .firm = row->firm};
	}
	if (*ret_open)
		c->answers.count = *ret_answers;
	return r;
}

static int add(struct choosing *c, const struct source *source, uint32_t number)
{
	struct service *service = &c->services.items[number];
	struct fw_service_row *row = &c->tables->services[service->row];
	struct own own = {.member = source->member, .candidate = {.service = number}};
	bool open = false;
	int r = 0;

	own.is_candidate = is_candidate(c, source->subject, number);
	if (!own.is_candidate)
		r = ask_all(c, source->subject, service, &open, &own.candidate.answers);
	if (!r)
		r = FW_ROOM(&c->owns, 1);
	if (r || open)
		return r;
	if (row->group_count + service->own == FW_SERVICE_GROUPS) {
		row->own_full = true;
		return 0;
	}
	service->own++;
	if (!own.is_candidate) {
		own.candidate.firm =
			fw_choices_deny_firmly(c, source->subject, service, own.candidate.answers);
		service->asked = true;
		for (size_t i = 0; i < c->sources.count; i++) {
			if (c->sources.items[i].member == source->member)
				service->pairs[fw_ip_is4(&c->sources.items[i].ip)]++;
		}
	}
	c->owns.items[c->owns.count++] = own;
	return 0;
}

/* The first source that is not before the address. */
static size_t find_sources(const struct choosing *c, const struct fw_ip *ip)
{
	size_t low = 0, high = c->sources.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (fw_ip_compare(&c->sources.items[middle].ip, ip) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Every pod that has the address. */
static int ask_sources(struct choosing *c, const struct service *service, const struct fw_ip *ip)
{
	uint32_t number;
	int r = 0;

	for (size_t i = find_sources(c, ip);
	     !r && i < c->sources.count && fw_ip_equal(&c->sources.items[i].ip, ip); i++) {
		const struct source *source = &c->sources.items[i];

		if (some_open(c, source->subject, &c->tables->services[service->row]))
			continue;
		r = find_service(c, service, &number);
		if (!r && !is_listed(c, source->member, number))
			r = add(c, source, number);
	}
	return r;
}

static int ask_backends(struct choosing *c, const struct local *local,
			const struct service *service, const struct fw_backend *backends,
			size_t count)
{
	int r = 0;

	for (size_t i = 0; !r && i < count; i++) {
		if (local->bit[bit_of(&backends[i].ip)])
			r = ask_sources(c, service, &backends[i].ip);
	}
	return r;
}

static int ask_service(struct choosing *c, const struct local *local, const struct service *service)
{
	int r = 0;

	for (size_t i = service->first_vip; !r && i < service->end_vip; i++) {
		const struct fw_vip *vip = &c->compiler->vips.items[i];
		const struct fw_service_ports *ports = &vip->service->ports[vip->port_index];
		int four = fw_ip_is4(&vip->ip);

		r = ask_backends(c, local, service, ports->backends[four].items,
				 ports->backends[four].count);
		if (!r)
			r = ask_backends(c, local, service, ports->leaving[four].items,
					 ports->leaving[four].count);
	}
	return r;
}

int fw_choices_own(struct choosing *c)
{
	struct local local;
	size_t vip = 0;
	int r = 0;

	if (!mark(c, &local))
		return 0;
	for (uint32_t i = 0; !r && i < c->tables->services_count; i++) {
		struct service service = fw_choices_service(c, i, vip);

		vip = service.end_vip;
		if (c->tables->services[i].state != FW_SERVICE_WIDE)
			r = ask_service(c, &local, &service);
	}
	return r;
}
