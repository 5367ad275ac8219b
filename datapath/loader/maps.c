/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of abi.h. In: sizes, pins. Out: descriptors that were checked against abi.h, and
 * mappings. A table that is made is made by the object that uses it (so it carries its types); one
 * that is adopted must have exactly the layout of abi.h. Never changes a row.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "fw/reasons.h"
#include "fw_tc.skel.h"
#include "loader/inside.h"

/* Every reason that a __u8 can name, so that a build which knows more of them adopts the table of
 * one that knows less. */
#define COUNTER_ROWS 512
_Static_assert(FW_REASON_COUNT * 2 <= COUNTER_ROWS, "fw_event.reason is a byte");

const struct fw_map_spec fw_map_specs[FW_MAP_COUNT] = {
	[FW_MAP_NODE] = {"fw_node", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct fw_node), BPF_F_MMAPABLE,
			 1, true},
	[FW_MAP_ENDPOINTS] = {"fw_endpoints", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct fw_endpoint),
			      BPF_F_MMAPABLE, FW_ENDPOINT_SLOTS, true},
	[FW_MAP_REGIONS] = {"fw_regions", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct fw_region),
			    BPF_F_MMAPABLE, 0, true},
	[FW_MAP_FLOWS] = {"fw_flows", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct fw_bucket),
			  BPF_F_MMAPABLE, 0, false},
	[FW_MAP_SUBJECTS] = {"fw_subjects", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct fw_subject),
			     BPF_F_MMAPABLE, FW_SUBJECTS_MAX, false},
	[FW_MAP_CELLS] = {"fw_cells", BPF_MAP_TYPE_HASH, sizeof(struct fw_cell_key),
			  sizeof(struct fw_cell), BPF_F_NO_PREALLOC, 0, false},
	[FW_MAP_RANGES] = {"fw_ranges", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct fw_range),
			   BPF_F_MMAPABLE, 0, true},
	[FW_MAP_ADDRESSES] = {"fw_addresses", BPF_MAP_TYPE_HASH, sizeof(struct fw_address_key),
			      sizeof(struct fw_peer), BPF_F_NO_PREALLOC, 0, false},
	[FW_MAP_PREFIXES] = {"fw_prefixes", BPF_MAP_TYPE_LPM_TRIE, sizeof(struct fw_prefix_key),
			     sizeof(struct fw_peer), BPF_F_NO_PREALLOC, 0, false},
	[FW_MAP_SERVICES] = {"fw_services", BPF_MAP_TYPE_HASH, sizeof(struct fw_service_key),
			     sizeof(struct fw_service), BPF_F_NO_PREALLOC, 0, false},
	[FW_MAP_EVENTS] = {"fw_events", BPF_MAP_TYPE_RINGBUF, 0, 0, 0, 0, false},
	[FW_MAP_COUNTERS] = {"fw_counters", BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct fw_counter),
			     0, COUNTER_ROWS, false},
	[FW_MAP_LOST] = {"fw_lost", BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(__u64), 0, FW_LOST_ROWS,
			 false},
	[FW_MAP_BUDGETS] = {"fw_budgets", BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct fw_budget), 0,
			    0, false},
	[FW_MAP_JUDGED] = {"fw_judged", BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct fw_judged), 0,
			   FW_JUDGED_ROWS, false},
};

static int check_size(const char *name, uint32_t value, uint32_t min, uint32_t max, bool power,
		      struct fw_err *err)
{
	if (value < min || value > max)
		return fw_err_set(err, -EINVAL, "%s: %u is not between %u and %u", name, value, min,
				  max);
	if (power && (value & (value - 1)))
		return fw_err_set(err, -EINVAL, "%s: %u is not a power of two", name, value);
	return 0;
}

int fw_sizes_resolve(const struct fw_sizes *sizes, uint32_t *ret_entries, struct fw_err *err)
{
	static const struct fw_sizes none;
	const struct fw_sizes *want = sizes ? sizes : &none;
	const uint32_t regions = want->regions ? want->regions : 256;
	const uint32_t slots = want->region_slots ? want->region_slots : 4096;
	const struct {
		enum fw_map map;
		const char *name;
		uint32_t value, min, max;
		bool power;
	} rows[] = {
		{FW_MAP_REGIONS, "regions", regions, 1, FW_REGIONS_MAX, false},
		{FW_MAP_FLOWS, "slots per region", slots, FW_BUCKET_SLOTS, 1u << 20, true},
		{FW_MAP_CELLS, "cells", want->cells ? want->cells : 262144, 1, FW_CELLS_MAX, false},
		{FW_MAP_RANGES, "ranges", want->ranges ? want->ranges : 65536, 1, FW_RANGES_MAX,
		 false},
		{FW_MAP_ADDRESSES, "addresses", want->addresses ? want->addresses : 65536, 1,
		 FW_ADDRESSES_MAX, false},
		{FW_MAP_PREFIXES, "prefixes", want->prefixes ? want->prefixes : 16384, 1,
		 FW_PREFIXES_MAX, false},
		{FW_MAP_SERVICES, "services", want->services ? want->services : 16384, 1,
		 FW_SERVICES_MAX, false},
		{FW_MAP_EVENTS, "bytes of events",
		 want->events_bytes ? want->events_bytes : 16u << 20, 4096, 1u << 30, true},
	};
	uint32_t entries[FW_MAP_COUNT];
	int r;

	for (size_t map = 0; map < FW_MAP_COUNT; map++)
		entries[map] = fw_map_specs[map].fixed;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		r = check_size(rows[i].name, rows[i].value, rows[i].min, rows[i].max, rows[i].power,
			       err);
		if (r < 0)
			return r;
		entries[rows[i].map] = rows[i].value;
	}
	if ((uint64_t)regions * slots > 1u << 26)
		return fw_err_set(err, -EINVAL, "%u regions of %u slots: more than 2^26 slots",
				  regions, slots);
	entries[FW_MAP_BUDGETS] = regions;
	entries[FW_MAP_FLOWS] = regions * (slots / FW_BUCKET_SLOTS);
	memcpy(ret_entries, entries, sizeof(entries));
	return 0;
}

static int check_layout(enum fw_map map, const struct bpf_map_info *info, struct fw_err *err)
{
	const struct fw_map_spec *spec = &fw_map_specs[map];

	if (info->type != spec->type || info->key_size != spec->key_size ||
	    info->value_size != spec->value_size || info->map_flags != spec->flags)
		return fw_err_set(err, -EINVAL,
				  "%s: pinned table has type %u, key %u, value %u, flags %#x; this "
				  "build needs %u, %u, "
				  "%u, %#x",
				  spec->name, info->type, info->key_size, info->value_size,
				  info->map_flags, spec->type, spec->key_size, spec->value_size,
				  spec->flags);
	if (spec->fixed && info->max_entries != spec->fixed)
		return fw_err_set(err, -EINVAL, "%s: pinned table has %u rows, this build needs %u",
				  spec->name, info->max_entries, spec->fixed);
	return 0;
}

int fw_map_adopt(struct fw_datapath *datapath, enum fw_map map, struct fw_err *err)
{
	_cleanup_close_ int fd = -1;
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);
	char path[FW_PIN_TEXT];
	int r;

	r = fw_pin_path(path, err, "%s/maps/%s", datapath->pin, fw_map_specs[map].name);
	if (r == 0)
		r = fw_pin_get(path, &fd, err);
	if (r < 0)
		return r;
	r = bpf_map_get_info_by_fd(fd, &info, &len);
	if (r < 0)
		return fw_err_errno(err, r, "%s: pinned thing is not a table", path);
	r = check_layout(map, &info, err);
	if (r < 0)
		return r;
	datapath->capacity[map] = info.max_entries;
	datapath->map_fd[map] = TAKE_FD(fd);
	return 0;
}

static void close_skeleton(struct fw_tc **skeleton)
{
	fw_tc__destroy(*skeleton);
}

/* Takes the table that the object made out of it. */
static int take_map(struct fw_datapath *datapath, const struct fw_tc *skeleton, enum fw_map map,
		    struct fw_err *err)
{
	const struct bpf_map *made =
		bpf_object__find_map_by_name(skeleton->obj, fw_map_specs[map].name);
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);
	int r, fd;

	fd = fcntl(bpf_map__fd(made), F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return fw_err_errno(err, -errno, "%s", fw_map_specs[map].name);
	datapath->map_fd[map] = fd;
	r = bpf_map_get_info_by_fd(fd, &info, &len);
	if (r < 0)
		return fw_err_errno(err, r, "%s", fw_map_specs[map].name);
	datapath->capacity[map] = info.max_entries;
	return check_layout(map, &info, err);
}

int fw_maps_create(struct fw_datapath *datapath, uint32_t *entries, struct fw_err *err)
{
	_cleanup_(close_skeleton) struct fw_tc *skeleton = fw_tc__open();
	struct bpf_program *program;
	struct bpf_map *table;
	int r = 0;

	if (!skeleton)
		return fw_err_errno(err, -errno, "cannot open the BPF object%s", fw_quiet_words());
	bpf_object__for_each_program(program, skeleton->obj)(void)
		bpf_program__set_autoload(program, false);
	for (size_t map = 0; map < FW_MAP_COUNT && r == 0; map++) {
		table = bpf_object__find_map_by_name(skeleton->obj, fw_map_specs[map].name);
		if (!table)
			r = -ENOENT;
		else if (datapath->map_fd[map] >= 0)
			r = bpf_map__reuse_fd(table, datapath->map_fd[map]);
		else
			r = bpf_map__set_max_entries(table, entries[map]);
		if (r < 0)
			return fw_err_errno(err, r, "%s%s", fw_map_specs[map].name,
					    fw_quiet_words());
	}
	r = fw_tc__load(skeleton);
	if (r < 0)
		return fw_err_errno(err, r, "cannot make the tables%s%s", fw_quiet_words(),
				    fw_capability_hint(r));
	for (size_t map = 0; map < FW_MAP_COUNT && r == 0; map++)
		if (datapath->map_fd[map] < 0)
			r = take_map(datapath, skeleton, (enum fw_map)map, err);
	return r;
}

static size_t whole_pages(uint64_t bytes)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	return (size_t)((bytes + page - 1) / page * page);
}

int fw_map_mmap(const struct fw_datapath *datapath, enum fw_map map, struct fw_err *err)
{
	struct fw_mapping *mapping = &datapath->mapping[map];
	const size_t len =
		whole_pages((uint64_t)datapath->capacity[map] * fw_map_specs[map].value_size);
	void *data;

	if (mapping->data)
		return 0;
	data = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, datapath->map_fd[map], 0);
	if (data == MAP_FAILED)
		return fw_err_errno(err, -errno, "cannot map %s", fw_map_specs[map].name);
	*mapping = (struct fw_mapping){.data = data, .len = len};
	return 0;
}

int fw_flows_mmap(const struct fw_datapath *datapath, uint32_t first, uint32_t rows,
		  struct fw_mapping *ret_mapping, struct fw_bucket **ret_buckets,
		  struct fw_err *err)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const uint64_t begin = (uint64_t)first * sizeof(struct fw_bucket),
		       aligned = begin / page * page;
	const size_t len =
		whole_pages((uint64_t)rows * sizeof(struct fw_bucket) + (begin - aligned));
	void *data = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED,
			  datapath->map_fd[FW_MAP_FLOWS], (off_t)aligned);

	if (data == MAP_FAILED)
		return fw_err_errno(err, -errno, "cannot map a region of the flow table");
	*ret_mapping = (struct fw_mapping){.data = data, .len = len};
	*ret_buckets = (struct fw_bucket *)((char *)data + (begin - aligned));
	return 0;
}

void fw_mapping_done(struct fw_mapping *mapping)
{
	if (mapping->data)
		(void)munmap(mapping->data, mapping->len);
	*mapping = (struct fw_mapping){0};
}
