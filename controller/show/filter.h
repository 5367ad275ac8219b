/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which records a person wants to see. In: options by name and value, records. Out: yes or no.
 * Values of one option are alternatives, different options must all hold, a negated option
 * excludes. Lost records always pass. Pure.
 */
#ifndef FW_SHOW_FILTER_H
#define FW_SHOW_FILTER_H

#include "show/decode.h"

#define FW_FILTER_VALUES_MAX 256u /* in one filter; more: -E2BIG */

struct fw_filter;

int fw_filter_new(struct fw_filter **ret_filter);
void fw_filter_free(struct fw_filter **filter);

/*
 * One option: ip, pod, label, namespace, service, workload, port, each also with from- and to- in
 * front; verdict, type, protocol, tcp-flags, traffic-direction, ip-version, node-name, drop-reason,
 * policy, denied, pending (these two without a value). -ENOENT: no such option; -EINVAL, -E2BIG
 * with a text: what is wrong with the value.
 */
int fw_filter_add(struct fw_filter *filter, const char *option, const char *value, bool negated,
		  struct fw_err *err);
/* CLOCK_REALTIME nanoseconds; 0 and UINT64_MAX: open. */
void fw_filter_between(struct fw_filter *filter, uint64_t since_ns, uint64_t until_ns);
bool fw_filter_empty(const struct fw_filter *filter);

/* Also counts, for each value, the records that it held for. */
bool fw_filter_match(struct fw_filter *filter, const struct fw_shown *shown);

/* Told of each value that no record held for: option "--from-pod", its value. `seen`: records
 * looked at. */
typedef void (*fw_filter_note)(const char *option, const char *value, uint64_t seen, void *context);
void fw_filter_unmatched(const struct fw_filter *filter, fw_filter_note note, void *context);
/* Told of each value that no record of Podwall can ever hold for (Hubble has it, we have not). */
void fw_filter_impossible(const struct fw_filter *filter, fw_filter_note note, void *context);

#endif
