// SPDX-License-Identifier: Apache-2.0
/*
 * The packet counters by reason. In: the per-CPU table. Out: one sum for each reason and direction.
 * Changes nothing; a packet that is counted meanwhile may be missing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "loader/inside.h"

int fw_datapath_counters(const struct fw_datapath *datapath,
			 struct fw_counter ret_counters[FW_REASON_COUNT][2], struct fw_err *err)
{
	const int cpus = libbpf_num_possible_cpus();
	const uint32_t rows = FW_REASON_COUNT * 2;
	_cleanup_free_ struct fw_counter *each = NULL;
	uint32_t keys[FW_REASON_COUNT * 2], count = rows, next;
	int r;

	if (cpus < 1)
		return fw_err_errno(err, cpus, "number of processors");
	each = calloc((size_t)rows * (size_t)cpus, sizeof(*each));
	if (!each)
		return fw_err_errno(err, -ENOMEM, "counters");
	r = bpf_map_lookup_batch(fw_datapath_map_fd(datapath, FW_MAP_COUNTERS), NULL, &next, keys,
				 each, &count, NULL);
	if (r < 0 && r != -ENOENT) /* that: the end of the table */
		return fw_err_errno(err, r, "cannot read %s", fw_map_name(FW_MAP_COUNTERS));
	memset(ret_counters, 0, sizeof(struct fw_counter) * rows);
	for (uint32_t i = 0; i < count; i++) {
		struct fw_counter *sum = &ret_counters[keys[i] / 2 % FW_REASON_COUNT][keys[i] & 1];

		for (int cpu = 0; cpu < cpus; cpu++) {
			sum->packets += each[i * (uint32_t)cpus + (uint32_t)cpu].packets;
			sum->bytes += each[i * (uint32_t)cpus + (uint32_t)cpu].bytes;
		}
	}
	return 0;
}
