/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One node's datapath: made, adopted, opened, closed, destroyed; access to its tables; grace
 * periods. In: a pin directory. Out: struct fw_datapath. Closing never detaches or unpins; only
 * destroy does.
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "loader/inside.h"

const char *fw_map_name(enum fw_map map)
{
	return (unsigned int)map < FW_MAP_COUNT ? fw_map_specs[map].name : "?";
}

const char *fw_capability_hint(int code)
{
	return code == -EPERM || code == -EACCES
		       ? " (CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON are needed)"
		       : "";
}

static int new_datapath(const char *pin_dir, struct fw_datapath **ret_datapath, struct fw_err *err)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = calloc(1, sizeof(*datapath));
	int r;

	if (!datapath)
		return fw_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < FW_MAP_COUNT; i++)
		datapath->map_fd[i] = -1;
	for (size_t i = 0; i < FW_PROGRAM_COUNT; i++)
		datapath->program_fd[i] = -1;
	datapath->grace_fd = datapath->grace_inner_fd = -1;
	datapath->mapping = calloc(FW_MAP_COUNT, sizeof(*datapath->mapping));
	if (!datapath->mapping)
		return fw_err_set(err, -ENOMEM, "out of memory");
	r = fw_pin_path(datapath->pin, err, "%s/v%d", pin_dir, FW_ABI_VERSION);
	if (r < 0)
		return r;
	*ret_datapath = TAKE_PTR(datapath);
	return 0;
}

void fw_datapath_close(struct fw_datapath **datapath)
{
	struct fw_datapath *closing = *datapath;

	if (!closing)
		return;
	for (size_t i = 0; i < FW_MAP_COUNT; i++) {
		if (closing->mapping)
			fw_mapping_done(&closing->mapping[i]);
		fw_close_fd(&closing->map_fd[i]);
	}
	for (size_t i = 0; i < FW_PROGRAM_COUNT; i++)
		fw_close_fd(&closing->program_fd[i]);
	fw_close_fd(&closing->grace_fd);
	fw_close_fd(&closing->grace_inner_fd);
	free(closing->mapping);
	free(closing);
	*datapath = NULL;
}

static uint64_t nanoseconds(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Fresh secrets and the geometry of the flow table. `abi` comes last: until then the row is not
 * there. */
static int fill_node(struct fw_datapath *datapath, struct fw_err *err)
{
	struct fw_node *node = fw_datapath_node(datapath), fresh = {0};
	int r;

	if (getrandom(fresh.hash_secret, sizeof(fresh.hash_secret), 0) !=
		    (ssize_t)sizeof(fresh.hash_secret) ||
	    getrandom(&fresh.mark_secret, sizeof(fresh.mark_secret), 0) !=
		    (ssize_t)sizeof(fresh.mark_secret))
		return fw_err_set(err, -EIO, "no random numbers");
	for (size_t i = 0; i < 8; i++)
		fresh.hash_secret[i] |= 1;
	fresh.mark_secret |= 1;
	r = fw_node_hz(&fresh.hz, err);
	if (r < 0)
		return r;
	fresh.enforcement = FW_ENFORCE;
	fresh.regions = datapath->capacity[FW_MAP_REGIONS];
	fresh.region_buckets = datapath->capacity[FW_MAP_FLOWS] / fresh.regions;
	fresh.boot_ns = nanoseconds(CLOCK_REALTIME) - nanoseconds(CLOCK_MONOTONIC);
	*node = fresh;
	__atomic_store_n(&node->abi, FW_ABI_VERSION, __ATOMIC_RELEASE);
	return 0;
}

static int check_geometry(const struct fw_datapath *datapath, struct fw_err *err)
{
	const uint32_t regions = datapath->capacity[FW_MAP_REGIONS],
		       buckets = datapath->capacity[FW_MAP_FLOWS];
	const struct fw_node *node = fw_datapath_node(datapath);
	uint32_t each;

	if (!regions || buckets % regions)
		return fw_err_set(err, -EINVAL,
				  "fw_flows: %u buckets are not a multiple of %u regions", buckets,
				  regions);
	each = buckets / regions;
	if (each & (each - 1))
		return fw_err_set(err, -EINVAL,
				  "fw_flows: %u buckets per region: not a power of two", each);
	if (node->abi && (node->abi != FW_ABI_VERSION || node->regions != regions ||
			  node->region_buckets != each))
		return fw_err_set(
			err, -EINVAL,
			"fw_node: version %u, %u regions of %u buckets; the tables say %d, %u, %u",
			node->abi, node->regions, node->region_buckets, FW_ABI_VERSION, regions,
			each);
	return 0;
}

static int map_tables(const struct fw_datapath *datapath, struct fw_err *err)
{
	int r = 0;

	for (size_t map = 0; map < FW_MAP_COUNT && r == 0; map++)
		if (fw_map_specs[map].mapped)
			r = fw_map_mmap(datapath, (enum fw_map)map, err);
	return r;
}

static int pin_missing(const struct fw_datapath *datapath, const bool *pinned, struct fw_err *err)
{
	char path[FW_PIN_TEXT];
	int r = 0;

	/* fw_node is the first of them and the last pinned: who finds it finds all */
	for (size_t map = FW_MAP_COUNT; map-- > 0 && r == 0;) {
		if (pinned[map])
			continue;
		r = fw_pin_path(path, err, "%s/maps/%s", datapath->pin, fw_map_specs[map].name);
		if (r == 0)
			r = fw_pin_replace(datapath->map_fd[map], path, err);
	}
	return r;
}

static int make_tables(struct fw_datapath *datapath, uint32_t *entries, struct fw_err *err)
{
	bool pinned[FW_MAP_COUNT], all = true;
	int r = 0;

	for (size_t map = 0; map < FW_MAP_COUNT; map++) {
		r = fw_map_adopt(datapath, (enum fw_map)map, err);
		if (r < 0 && r != -ENOENT)
			return r;
		pinned[map] = r == 0;
		all &= pinned[map];
	}
	if (!all)
		r = fw_maps_create(datapath, entries, err);
	else
		r = 0;
	if (r == 0)
		r = map_tables(datapath, err);
	if (r == 0)
		r = check_geometry(datapath, err);
	if (r == 0 && !fw_datapath_node(datapath)->abi)
		r = fill_node(datapath, err);
	return r < 0 ? r : pin_missing(datapath, pinned, err);
}

int fw_datapath_make(const char *pin_dir, const struct fw_sizes *sizes,
		     struct fw_datapath **ret_datapath, struct fw_err *err)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = NULL;
	static const char *const folders[] = {"maps", "progs", "links"};
	uint32_t entries[FW_MAP_COUNT];
	_cleanup_close_ int lock = -1;
	char path[FW_PIN_TEXT];
	int r;

	fw_quiet_begin();
	r = fw_sizes_resolve(sizes, entries, err);
	if (r == 0)
		r = fw_pin_mount(pin_dir, err);
	if (r == 0)
		r = new_datapath(pin_dir, &datapath, err);
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) && r == 0; i++) {
		r = fw_pin_path(path, err, "%s/%s", datapath->pin, folders[i]);
		if (r == 0)
			r = fw_pin_mkdir(path, err);
	}
	if (r == 0)
		r = fw_pin_lock(datapath->pin, &lock, err);
	if (r == 0)
		r = make_tables(datapath, entries, err);
	if (r < 0)
		return r;
	if (err)
		err->text[0] = '\0'; /* of the tables that were not there yet */
	*ret_datapath = TAKE_PTR(datapath);
	return 0;
}

int fw_datapath_open(const char *pin_dir, struct fw_datapath **ret_datapath, struct fw_err *err)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = NULL;
	int r;

	fw_quiet_begin();
	r = new_datapath(pin_dir, &datapath, err);
	for (size_t map = 0; map < FW_MAP_COUNT && r == 0; map++)
		r = fw_map_adopt(datapath, (enum fw_map)map, err);
	if (r == 0)
		r = map_tables(datapath, err);
	if (r == 0 && __atomic_load_n(&fw_datapath_node(datapath)->abi, __ATOMIC_ACQUIRE) == 0)
		r = fw_err_set(err, -ENOENT, "fw_node is not filled yet");
	if (r == 0)
		r = check_geometry(datapath, err);
	if (r == -ENOENT)
		fw_err_prefix(err, "no datapath at %s (podwalld has never run on this node)",
			      pin_dir);
	if (r < 0)
		return r;
	*ret_datapath = TAKE_PTR(datapath);
	return 0;
}

int fw_datapath_map_fd(const struct fw_datapath *datapath, enum fw_map map)
{
	return datapath->map_fd[map];
}

uint32_t fw_datapath_capacity(const struct fw_datapath *datapath, enum fw_map map)
{
	return datapath->capacity[map];
}

struct fw_node *fw_datapath_node(const struct fw_datapath *datapath)
{
	return datapath->mapping[FW_MAP_NODE].data;
}

struct fw_endpoint *fw_datapath_endpoint(const struct fw_datapath *datapath, uint32_t slot)
{
	struct fw_endpoint *rows = datapath->mapping[FW_MAP_ENDPOINTS].data;

	return slot < FW_ENDPOINT_SLOTS ? &rows[slot] : NULL;
}

struct fw_region *fw_datapath_region(const struct fw_datapath *datapath, uint32_t region)
{
	struct fw_region *rows = datapath->mapping[FW_MAP_REGIONS].data;

	return region < datapath->capacity[FW_MAP_REGIONS] ? &rows[region] : NULL;
}

struct fw_bucket *fw_datapath_bucket(const struct fw_datapath *datapath, uint32_t bucket)
{
	struct fw_bucket *rows;

	if (bucket >= datapath->capacity[FW_MAP_FLOWS] ||
	    fw_map_mmap(datapath, FW_MAP_FLOWS, NULL) < 0)
		return NULL;
	rows = datapath->mapping[FW_MAP_FLOWS].data;
	return &rows[bucket];
}

struct fw_range *fw_datapath_ranges(const struct fw_datapath *datapath)
{
	return datapath->mapping[FW_MAP_RANGES].data;
}

int fw_grace_open(struct fw_datapath *datapath, struct fw_err *err)
{
	LIBBPF_OPTS(bpf_map_create_opts, options);

	if (datapath->grace_fd >= 0)
		return 0;
	if (datapath->grace_inner_fd < 0)
		datapath->grace_inner_fd =
			bpf_map_create(BPF_MAP_TYPE_ARRAY, "fw_grace_inner", 4, 4, 1, NULL);
	if (datapath->grace_inner_fd < 0)
		return fw_err_errno(err, datapath->grace_inner_fd, "grace period");
	options.inner_map_fd = (__u32)datapath->grace_inner_fd;
	datapath->grace_fd =
		bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "fw_grace", 4, 4, 1, &options);
	if (datapath->grace_fd < 0)
		return fw_err_errno(err, datapath->grace_fd, "grace period");
	return 0;
}

/* The kernel ends an update of an array of maps with synchronize_rcu(): maybe_wait_bpf_programs().
 */
int fw_datapath_synchronize(struct fw_datapath *datapath, struct fw_err *err)
{
	const uint32_t zero = 0;
	int r = fw_grace_open(datapath, err);

	if (r < 0)
		return r;
	r = bpf_map_update_elem(datapath->grace_fd, &zero, &datapath->grace_inner_fd, BPF_ANY);
	return r < 0 ? fw_err_errno(err, r, "grace period") : 0;
}

/* Hooks of every row that can still be found: by its device in this network namespace, by its
 * pinned links anywhere. */
static int detach_all(const char *pin_dir, struct fw_err *err)
{
	_cleanup_(fw_datapath_close) struct fw_datapath *datapath = NULL;
	int r = fw_datapath_open(pin_dir, &datapath, NULL);

	if (r < 0)
		return 0; /* nothing that could be read: the pins go all the same */
	for (uint32_t slot = 0; slot < FW_ENDPOINT_SLOTS && r == 0; slot++) {
		const struct fw_endpoint *row = fw_datapath_endpoint(datapath, slot);
		const struct fw_hook hook = {.ifindex = row->ifindex,
					     .slot = slot,
					     .in_sandbox = row->flags & FW_EP_IN_SANDBOX};

		if (row->state != FW_EP_FREE)
			r = fw_hook_detach(datapath, &hook, err);
	}
	return r;
}

int fw_datapath_destroy(const char *pin_dir, struct fw_err *err)
{
	int r;

	fw_quiet_begin();
	r = detach_all(pin_dir, err);
	return r < 0 ? r : fw_pin_remove_tree(pin_dir, err);
}
