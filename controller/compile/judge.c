/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One packet through the tables, step by step as the BPF programs go (identity.h, service.h,
 * policy.h). In: tables and a question. Out: verdict and who decided. A pod's packet to its own
 * address passes before any table (edge case 35): the question does not say which pod asks, so that
 * is the caller's to know.
 */
#include <string.h>

#include "base/ip.h"
#include "compile/stages.h"
#include "fw/abi.h"

#define NONE UINT32_MAX

/* By bits alone, as a longest-prefix trie compares. */
static bool trie_holds(const struct fw_prefix *prefix, const struct fw_ip *ip)
{
	unsigned int whole = prefix->bits / 8, rest = prefix->bits % 8;

	if (memcmp(prefix->ip.b, ip->b, whole))
		return false;
	return !rest || !((prefix->ip.b[whole] ^ ip->b[whole]) & (uint8_t)(0xff00u >> rest));
}

/*
 * Sorted by (address, length), every prefix that holds the address begins at or before it, outer
 * ones first: going back from the last that does, the first hit is the longest.
 */
static const struct fw_prefix_row *find_prefix(const struct fw_tables *tables,
					       const struct fw_ip *ip)
{
	size_t low = 0, high = tables->prefixes_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (fw_ip_compare(&tables->prefixes[middle].prefix.ip, ip) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	while (low-- > 0) {
		if (trie_holds(&tables->prefixes[low].prefix, ip))
			return &tables->prefixes[low];
	}
	return NULL;
}

static int compare_cells(const struct fw_cell_row *row, uint32_t subject, uint8_t direction,
			 uint32_t class)
{
	if (row->subject != subject)
		return row->subject < subject ? -1 : 1;
	if (row->direction != direction)
		return row->direction < direction ? -1 : 1;
	return row->peer_class < class ? -1 : row->peer_class > class;
}

static const struct fw_cell_row *find_cell(const struct fw_tables *tables, uint32_t subject,
					   uint8_t direction, uint32_t class)
{
	size_t low = 0, high = tables->cells_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare_cells(&tables->cells[middle], subject, direction, class);

		if (!order)
			return &tables->cells[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

uint32_t fw_tables_search(const struct fw_tables *tables, uint32_t program, uint32_t key,
			  uint32_t otherwise)
{
	const struct fw_program_row *row = &tables->programs[program];
	uint32_t low = 0, high = row->count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;
		const struct fw_range_row *range = &tables->ranges[row->first + middle];

		if (key < range->lo)
			high = middle;
		else if (key <= range->hi)
			return range->decision;
		else
			low = middle + 1;
	}
	return otherwise;
}

uint32_t fw_tables_decide(const struct fw_tables *tables, uint32_t subject, uint8_t direction,
			  uint32_t class, uint32_t key)
{
	const struct fw_cell_row *cell = find_cell(tables, subject, direction, class);
	uint32_t otherwise = tables->subjects[subject].otherwise[direction];

	return cell ? fw_tables_search(tables, cell->program, key, otherwise) : otherwise;
}

static bool allows(const struct fw_tables *tables, uint32_t decision)
{
	return tables->decisions[decision].verdict == FW_VERDICT_ALLOW;
}

static void answer_decision(const struct fw_tables *tables, uint32_t decision,
			    struct fw_answer *ret_answer)
{
	ret_answer->decision = decision;
	ret_answer->verdict = tables->decisions[decision].verdict;
}

static void answer_builtin(enum fw_decision_builtin builtin, struct fw_answer *ret_answer)
{
	ret_answer->builtin = builtin;
	ret_answer->verdict = FW_VERDICT_DENY;
}

static int compare_service(const struct fw_service_row *row, const struct fw_question *question)
{
	int order = fw_ip_compare(&row->ip, &question->remote);

	if (!order)
		order = (int)row->port - (int)question->port;
	return order ? order : (int)row->protocol - (int)question->protocol;
}

static const struct fw_service_row *find_service(const struct fw_tables *tables,
						 const struct fw_question *question)
{
	size_t low = 0, high = tables->services_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare_service(&tables->services[middle], question);

		if (!order)
			return &tables->services[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static bool has_ports(uint8_t protocol)
{
	return protocol == FW_PROTO_TCP || protocol == FW_PROTO_UDP || protocol == FW_PROTO_SCTP;
}

/*
 * Where no backend is asked about: a pod that may reach everybody goes on to kube-proxy, another
 * one is refused.
 */
static void judge_unasked(const struct fw_tables *tables, const struct fw_question *question,
			  enum fw_decision_builtin refused, struct fw_answer *ret_answer)
{
	const struct fw_subject_row *subject = &tables->subjects[question->subject];

	if (subject->open[FW_EGRESS])
		answer_decision(tables, subject->otherwise[FW_EGRESS], ret_answer);
	else
		answer_builtin(refused, ret_answer);
}

/*
 * A new connection by the backends that it can get; a live one by all that are listed, unless its
 * pod may reach some of them only and no chain after DNAT tells them apart.
 */
static void judge_groups(const struct fw_tables *tables, const struct fw_question *question,
			 const struct fw_service_row *row, struct fw_answer *ret_answer)
{
	bool leaving = question->live && !(row->crowded && row->differs);
	uint32_t first = NONE;

	for (uint32_t i = 0; i < row->group_count && (leaving || !row->group[i].leaving); i++) {
		uint32_t key = FW_RANGE_KEY(question->protocol, row->group[i].port);
		uint32_t decision = fw_tables_decide(tables, question->subject, FW_EGRESS,
						     row->group[i].peer_class, key);

		if (first == NONE)
			first = decision;
		if (allows(tables, decision) != allows(tables, first)) {
			answer_builtin(FW_DECIDED_SERVICE_DIFFERS, ret_answer);
			return;
		}
	}
	if (first == NONE)
		judge_unasked(tables, question, FW_DECIDED_SERVICE_EMPTY, ret_answer);
	else
		answer_decision(tables, first, ret_answer);
}

/* False: an address that is not only a service's, and none of its ports. */
static bool judge_service(const struct fw_tables *tables, const struct fw_question *question,
			  bool shared, struct fw_answer *ret_answer)
{
	bool ports = has_ports(question->protocol);
	const struct fw_service_row *row = ports ? find_service(tables, question) : NULL;

	if (!row) {
		if (shared)
			return false;
		if (ports) /* edge case 30 */
			answer_builtin(FW_DECIDED_SERVICE_PORT, ret_answer);
		else
			judge_unasked(tables, question, FW_DECIDED_SERVICE_PORT, ret_answer);
		return true;
	}
	ret_answer->service = (uint32_t)(row - tables->services);
	if (row->state == FW_SERVICE_WIDE)
		judge_unasked(tables, question, FW_DECIDED_SERVICE_WIDE, ret_answer);
	else
		judge_groups(tables, question, row, ret_answer);
	return true;
}

void fw_tables_judge(const struct fw_tables *tables, const struct fw_question *question,
		     struct fw_answer *ret_answer)
{
	const struct fw_address_row *address = fw_emitted_address(tables, &question->remote);
	const struct fw_prefix_row *prefix =
		address ? NULL : find_prefix(tables, &question->remote);
	uint32_t class = address  ? address->peer_class
			 : prefix ? prefix->peer_class
				  : FW_TABLES_WORLD;
	uint32_t key = FW_RANGE_KEY(question->protocol, question->port);

	*ret_answer = (struct fw_answer){.decision = NONE, .service = NONE};
	if (address && (address->flags & FW_PEER_SERVICE) && question->direction == FW_EGRESS &&
	    !question->chosen &&
	    judge_service(tables, question, address->flags & FW_PEER_SHARED, ret_answer))
		return;
	answer_decision(
		tables,
		fw_tables_decide(tables, question->subject, question->direction, class, key),
		ret_answer);
}

uint32_t fw_tables_subject_of(const struct fw_tables *tables, const char *namespace,
			      const char *name)
{
	size_t low = 0, high = tables->pods_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(tables->pods[middle].namespace, namespace);

		if (!order)
			order = strcmp(tables->pods[middle].name, name);
		if (!order)
			return tables->pods[middle].subject;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NONE;
}
