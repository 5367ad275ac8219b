/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables against programs: the same question to both. In: a programmed world. Out: where they
 * differ, as text.
 */
#ifndef FW_CHECK_COMPARE_H
#define FW_CHECK_COMPARE_H

#include "base/buf.h"
#include "check/kernel.h"

#define FW_COMPARE_TEXT 1024u

struct fw_compare; /* remembers which names were found equal in this world */

int fw_compare_new(struct fw_kernel *kernel, const struct fw_world *world,
		   struct fw_compare **ret_compare);
void fw_compare_free(struct fw_compare **compare);
const struct fw_world *fw_compare_world(const struct fw_compare *compare);
/*
 * Asks both. 1 when they agree in verdict, rule, pending verdict and pending rule; 0 with ret_text
 * (FW_COMPARE_TEXT bytes) when not.
 */
int fw_compare_end(struct fw_compare *compare, const struct fw_end *end, char *ret_text);

struct fw_compare_sweep {
	uint64_t asked, differed;
};

/*
 * Every pod, in both directions, against every address and port where an answer can change, in each
 * protocol; more than `limit` questions are thinned out evenly (seed chooses which). Differences go
 * to `differences`, one line each, at most 20.
 */
int fw_compare_run(struct fw_compare *compare, uint64_t limit, uint64_t seed,
		   struct fw_compare_sweep *ret_sweep, struct fw_buf *differences);
/*
 * The same for flows that may exist already: the verdict alone. A fixed list of questions with
 * fixed source ports, so that after a change of the world the same flows are asked again: none may
 * keep the verdict of an older policy.
 */
int fw_compare_live(struct fw_compare *compare, bool opens, struct fw_compare_sweep *ret_sweep,
		    struct fw_buf *differences);
/* One of them. 1 equal, 0 with text. */
int fw_compare_live_end(struct fw_compare *compare, const struct fw_end *end, uint16_t source_port,
			bool opens, char *ret_text);

#endif
