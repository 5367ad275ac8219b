/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The real programs without their counters, for one figure: what it costs that two CPUs count
 * packets of one flow. In: the programs as they are, every atomic add left out. Out: the same
 * verdicts. Runs on the maps of the real ones. Never used by the product.
 */
#define __sync_fetch_and_add(target, value) ((void)(target), (void)(value))

#include "../bpf/fw_tc.bpf.c"
