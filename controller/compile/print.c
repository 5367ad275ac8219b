/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables as text: labels instead of indexes, every list in an order of meaning. In: tables. Out:
 * text that is equal when the tables mean the same. For golden tests, and for people.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/ip.h"
#include "compile/compile.h"
#include "compile/digest.h"
#include "fw/abi.h"

static const char *const verdicts[] = {"deny", "allow", "reject"};
static const char *const directions[] = {"ingress", "egress"};
static const char *const states[] = {"resolved", "empty", "wide"};

static void print_rule(const struct fw_rule_name *rule, struct fw_buf *buf)
{
	if (!*rule->kind) {
		(void)fw_buf_printf(buf, "%s", rule->layer);
		return;
	}
	if (rule->isolated_by)
		(void)fw_buf_printf(buf, "isolated(%" PRIu32 ") ", rule->isolated_by);
	(void)fw_buf_printf(buf, "%s ", rule->kind);
	if (*rule->namespace)
		(void)fw_buf_printf(buf, "%s/", rule->namespace);
	(void)fw_buf_printf(buf, "%s", rule->name);
	if (rule->rule >= 0)
		(void)fw_buf_printf(buf, "[%" PRId32 "]", rule->rule);
}

static bool same_rule(const struct fw_rule_name *a, const struct fw_rule_name *b)
{
	return !strcmp(a->layer, b->layer) && !strcmp(a->kind, b->kind) &&
	       !strcmp(a->namespace, b->namespace) && !strcmp(a->name, b->name) &&
	       a->rule == b->rule && a->isolated_by == b->isolated_by;
}

static void print_decision(const struct fw_decision_row *row, struct fw_buf *buf)
{
	(void)fw_buf_printf(buf, "%s%s by ", row->firm ? "firmly " : "", verdicts[row->verdict]);
	print_rule(&row->rule, buf);
	if (row->pending != row->verdict || !same_rule(&row->rule, &row->pending_rule)) {
		(void)fw_buf_printf(buf, ", pending %s by ", verdicts[row->pending]);
		print_rule(&row->pending_rule, buf);
	}
	for (size_t i = 0; i < row->alone_count; i++)
		(void)fw_buf_printf(buf, "%s%s", i ? ", " : ", alone ", row->alone[i]);
	(void)fw_buf_append(buf, "\n", 1);
}

static const char *protocol_name(uint32_t protocol)
{
	switch (protocol) {
	case FW_PROTO_TCP:
		return "TCP";
	case FW_PROTO_UDP:
		return "UDP";
	case FW_PROTO_SCTP:
		return "SCTP";
	case FW_PROTO_ICMP:
		return "ICMP";
	case FW_PROTO_ICMPV6:
		return "ICMPv6";
	default:
		return NULL;
	}
}

static void print_protocol(uint32_t protocol, struct fw_buf *buf)
{
	const char *name = protocol_name(protocol);

	if (name)
		(void)fw_buf_printf(buf, "%s", name);
	else
		(void)fw_buf_printf(buf, "%" PRIu32, protocol);
}

static void print_range(const struct fw_range_row *row, struct fw_buf *buf)
{
	uint32_t from = row->lo >> 16, to = row->hi >> 16, lo = row->lo & 0xffff,
		 hi = row->hi & 0xffff;

	if (!row->lo && row->hi == FW_RANGE_ALL_HI) {
		(void)fw_buf_printf(buf, "everything");
		return;
	}
	if (from == to && !lo && hi == 0xffff) {
		(void)fw_buf_printf(buf, "every ");
		print_protocol(from, buf);
		return;
	}
	(void)fw_buf_printf(buf, "%" PRIu32, lo);
	if (from != to) {
		(void)fw_buf_append(buf, "/", 1);
		print_protocol(from, buf);
	}
	if (from != to || lo != hi)
		(void)fw_buf_printf(buf, "-%" PRIu32, hi);
	(void)fw_buf_append(buf, "/", 1);
	print_protocol(to, buf);
}

/* Indexes of rows, sorted by what they mean. */
struct order {
	uint32_t *rows;
	size_t count;
};

static const struct fw_tables *sorting; /* qsort(3) gives no context; one thread */

static int compare_classes(const void *left, const void *right)
{
	const struct fw_class_row *a = &sorting->classes[*(const uint32_t *)left];
	const struct fw_class_row *b = &sorting->classes[*(const uint32_t *)right];
	int order = strcmp(a->label, b->label);

	return order ? order : fw_digest_compare(&a->digest, &b->digest);
}

static int compare_subjects(const void *left, const void *right)
{
	const struct fw_subject_row *a = &sorting->subjects[*(const uint32_t *)left];
	const struct fw_subject_row *b = &sorting->subjects[*(const uint32_t *)right];
	int order = strcmp(a->label, b->label);

	return order ? order : fw_digest_compare(&a->digest, &b->digest);
}

static int sort_rows(const struct fw_tables *tables, size_t count,
		     int (*compare)(const void *, const void *), struct order *order)
{
	order->rows = calloc(count + 1, sizeof(*order->rows));
	if (!order->rows)
		return -ENOMEM;
	order->count = count;
	for (size_t i = 0; i < count; i++)
		order->rows[i] = (uint32_t)i;
	sorting = tables;
	if (count)
		qsort(order->rows, count, sizeof(*order->rows), compare);
	return 0;
}

/* Cells of (subject, direction) by class: first row and count, the table is sorted by both. */
static size_t first_cell(const struct fw_tables *tables, uint32_t subject, uint8_t direction)
{
	size_t low = 0, high = tables->cells_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct fw_cell_row *row = &tables->cells[middle];

		if (row->subject < subject ||
		    (row->subject == subject && row->direction < direction))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void print_cell(const struct fw_tables *tables, const struct fw_cell_row *cell,
		       struct fw_buf *buf)
{
	const struct fw_program_row *program = &tables->programs[cell->program];

	(void)fw_buf_printf(buf, "    peer %s\n", tables->classes[cell->peer_class].label);
	for (uint32_t i = 0; i < program->count; i++) {
		const struct fw_range_row *range = &tables->ranges[program->first + i];

		(void)fw_buf_printf(buf, "      ");
		print_range(range, buf);
		(void)fw_buf_printf(buf, ": ");
		print_decision(&tables->decisions[range->decision], buf);
	}
}

static int print_cells(const struct fw_tables *tables, uint32_t subject, uint8_t direction,
		       const struct order *classes, struct fw_buf *buf)
{
	size_t first = first_cell(tables, subject, direction), count = 0;
	const struct fw_cell_row **by_class;

	by_class = calloc(tables->classes_count + 1, sizeof(struct fw_cell_row *));
	if (!by_class)
		return -ENOMEM;
	for (size_t i = first; i < tables->cells_count; i++, count++) {
		const struct fw_cell_row *cell = &tables->cells[i];

		if (cell->subject != subject || cell->direction != direction)
			break;
		by_class[cell->peer_class] = cell;
	}
	for (size_t i = 0; count && i < classes->count; i++) {
		if (by_class[classes->rows[i]])
			print_cell(tables, by_class[classes->rows[i]], buf);
	}
	free(by_class);
	return 0;
}

static int print_subject(const struct fw_tables *tables, uint32_t subject,
			 const struct order *classes, struct fw_buf *buf)
{
	const struct fw_subject_row *row = &tables->subjects[subject];
	int r = 0;

	(void)fw_buf_printf(buf, "subject %s\n", row->label);
	if (row->broken)
		(void)fw_buf_printf(buf, "  broken: %s\n", row->broken);
	for (uint8_t direction = 0; !r && direction < 2; direction++) {
		(void)fw_buf_printf(buf, "  %s%s: ", directions[direction],
				    row->isolated[direction] ? " isolated" : "");
		print_decision(&tables->decisions[row->otherwise[direction]], buf);
		r = print_cells(tables, subject, direction, classes, buf);
	}
	return r;
}

static void print_addresses(const struct fw_tables *tables, struct fw_buf *buf)
{
	char text[FW_PREFIX_TEXT];

	for (size_t i = 0; i < tables->addresses_count; i++) {
		const struct fw_address_row *row = &tables->addresses[i];

		(void)fw_buf_printf(buf, "address %s%s%s%s%s: %s\n", fw_ip_format(&row->ip, text),
				    row->flags & FW_PEER_SERVICE ? " service" : "",
				    row->flags & FW_PEER_SHARED ? " shared" : "",
				    row->flags & FW_PEER_POD ? " pod" : "",
				    row->flags & FW_PEER_NODE ? " node" : "",
				    tables->classes[row->peer_class].label);
	}
	for (size_t i = 0; i < tables->prefixes_count; i++) {
		const struct fw_prefix_row *row = &tables->prefixes[i];

		(void)fw_buf_printf(buf, "prefix %s: %s\n", fw_prefix_format(&row->prefix, text),
				    tables->classes[row->peer_class].label);
	}
}

struct group {
	const struct fw_class_row *class;
	uint16_t port;
	bool leaving;
};

static int compare_groups(const void *left, const void *right)
{
	const struct group *a = left, *b = right;
	int order = (int)a->leaving - (int)b->leaving;

	if (!order)
		order = strcmp(a->class->label, b->class->label);
	if (!order)
		order = fw_digest_compare(&a->class->digest, &b->class->digest);
	return order ? order : (int)a->port - (int)b->port;
}

static void print_service(const struct fw_tables *tables, const struct fw_service_row *row,
			  struct fw_buf *buf)
{
	struct group groups[FW_SERVICE_GROUPS];
	char text[FW_IP_TEXT];

	(void)fw_buf_printf(buf, "service %s %" PRIu16 "/", fw_ip_format(&row->ip, text),
			    row->port);
	print_protocol(row->protocol, buf);
	(void)fw_buf_printf(buf, " %s/%s%s%s: %s%s\n", row->namespace, row->name,
			    *row->port_name ? ":" : "", row->port_name, states[row->state],
			    row->exact ? ", exact" : "");
	for (uint32_t i = 0; i < row->group_count; i++)
		groups[i] = (struct group){.class = &tables->classes[row->group[i].peer_class],
					   .port = row->group[i].port,
					   .leaving = row->group[i].leaving};
	if (row->group_count)
		qsort(groups, row->group_count, sizeof(*groups), compare_groups);
	for (uint32_t i = 0; i < row->group_count; i++)
		(void)fw_buf_printf(buf, "  %" PRIu16 " at %s%s\n", groups[i].port,
				    groups[i].class->label, groups[i].leaving ? ", leaving" : "");
}

static void print_choices(const struct fw_tables *tables, struct fw_buf *buf)
{
	char pod[FW_IP_TEXT], other[FW_IP_TEXT];

	for (size_t i = 0; i < tables->choices_count; i++) {
		const struct fw_choice_row *row = &tables->choices[i];

		(void)fw_buf_printf(buf, "choice %s at %s %" PRIu16 "/",
				    fw_ip_format(&row->pod, pod),
				    fw_ip_format(&row->service, other), row->port);
		print_protocol(row->protocol, buf);
		(void)fw_buf_printf(buf, "%s\n", row->firm ? ": firm" : "");
	}
	for (size_t i = 0; i < tables->backends_count; i++) {
		const struct fw_backend_row *row = &tables->backends[i];

		(void)fw_buf_printf(buf, "backend %s to %s %" PRIu16 "/",
				    fw_ip_format(&row->pod, pod),
				    fw_ip_format(&row->backend, other), row->port);
		print_protocol(row->protocol, buf);
		(void)fw_buf_printf(buf, ": %s%s\n", row->allowed ? "allow" : "deny",
				    row->firm ? " firm" : "");
	}
}

static void print_owns(const struct fw_tables *tables, struct fw_buf *buf)
{
	char ip[FW_IP_TEXT];

	for (size_t i = 0; i < tables->owns_count; i++) {
		const struct fw_service_row *row = &tables->services[tables->owns[i].service];
		const struct fw_pod_row *pod = &tables->pods[tables->owns[i].pod];

		(void)fw_buf_printf(buf, "own %s/%s at %s %" PRIu16 "/", pod->namespace, pod->name,
				    fw_ip_format(&row->ip, ip), row->port);
		print_protocol(row->protocol, buf);
		(void)fw_buf_printf(buf, "\n");
	}
}

static void print_rest(const struct fw_tables *tables, struct fw_buf *buf)
{
	print_addresses(tables, buf);
	for (size_t i = 0; i < tables->services_count; i++)
		print_service(tables, &tables->services[i], buf);
	print_choices(tables, buf);
	print_owns(tables, buf);
	for (size_t i = 0; i < tables->pods_count; i++) {
		const struct fw_pod_row *row = &tables->pods[i];

		(void)fw_buf_printf(buf, "pod %s/%s: %s; peer %s\n", row->namespace, row->name,
				    tables->subjects[row->subject].label,
				    tables->classes[row->peer_class].label);
	}
	for (size_t i = 0; i < tables->problems_count; i++)
		(void)fw_buf_printf(buf, "problem %s: %s\n", tables->problems[i].object,
				    tables->problems[i].text);
}

int fw_tables_print(const struct fw_tables *tables, struct fw_buf *buf)
{
	struct order classes = {0}, subjects = {0};
	int r = sort_rows(tables, tables->classes_count, compare_classes, &classes);

	if (!r)
		r = sort_rows(tables, tables->subjects_count, compare_subjects, &subjects);
	for (size_t i = 0; !r && i < classes.count; i++)
		(void)fw_buf_printf(buf, "class %s\n", tables->classes[classes.rows[i]].label);
	for (size_t i = 0; !r && i < subjects.count; i++)
		r = print_subject(tables, subjects.rows[i], &classes, buf);
	if (!r)
		print_rest(tables, buf);
	free(classes.rows);
	free(subjects.rows);
	return r ? r : buf->error;
}
