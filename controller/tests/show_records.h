/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records for the tests of show, and the way over the socket's JSON and back. In: nothing. Out: a
 * denied and an allowed record between two pods, as fwctl sees them.
 */
#ifndef FW_TESTS_SHOW_RECORDS_H
#define FW_TESTS_SHOW_RECORDS_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "fw/reasons.h"
#include "show/criteria.h"
#include "show/filter.h"
#include "show/print.h"
#include "show/tally.h"

#define TIME_NS 1790219561102000000ULL /* 2026-09-24T03:12:41.102Z */

static char json[16384];

static inline struct fw_party party(const char *namespace, const char *pod, const char *workload,
				    const char *ip, uint16_t port)
{
	struct fw_party p = {.port = port};

	(void)snprintf(p.namespace, sizeof(p.namespace), "%s", namespace);
	(void)snprintf(p.pod, sizeof(p.pod), "%s", pod);
	(void)snprintf(p.workload, sizeof(p.workload), "%s", workload);
	(void)snprintf(p.entity, sizeof(p.entity), "%s", *pod ? "pod" : "world");
	assert_int_equal(fw_ip_parse(ip, &p.ip, NULL), 0);
	return p;
}

static inline struct fw_record denied(void)
{
	struct fw_record r = {.time_ns = TIME_NS,
			      .sequence = 7,
			      .type = FW_RECORD_DENY,
			      .direction = FW_INGRESS,
			      .protocol = FW_PROTO_TCP,
			      .tcp_flags = 0x02,
			      .reason = FW_REASON_POLICY_DENY,
			      .family = 4,
			      .repeats = 6,
			      .flow = 5};

	r.source = party("shop", "web-7d9f", "Deployment/web", "10.1.0.2", 41822);
	r.destination = party("shop", "db-0", "StatefulSet/db", "10.1.0.3", 5432);
	(void)snprintf(r.rule, sizeof(r.rule), "isolated(2) netpol shop/db");
	return r;
}

static inline struct fw_record allowed(void)
{
	struct fw_record r = denied();

	r.type = FW_RECORD_NEW;
	r.verdict = r.pending = FW_VERDICT_ALLOW;
	r.reason = FW_REASON_POLICY_ALLOW;
	r.repeats = 0;
	(void)snprintf(r.rule, sizeof(r.rule), "netpol shop/db ingress[0]");
	return r;
}

/* As it goes over the socket and comes back. */
static inline const struct fw_shown *through(const struct fw_record *record)
{
	static struct fw_shown shown;
	struct fw_err err = {""};
	struct fw_buf buf;

	fw_buf_init(&buf, sizeof(json) - 1);
	assert_int_equal(fw_record_json(record, "node-a", &buf), 0);
	memcpy(json, buf.data, buf.len + 1);
	assert_int_equal(fw_show_decode(json, buf.len, &shown, &err), 0);
	fw_buf_done(&buf);
	return &shown;
}

#endif
