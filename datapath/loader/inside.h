/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this folder share and nobody else sees: the open datapath, pins, maps, libbpf's
 * last words. In: nothing. Out: declarations. Never included from outside datapath/loader (and its
 * tests).
 */
#ifndef FW_LOADER_INSIDE_H
#define FW_LOADER_INSIDE_H

#include <linux/bpf.h>

#include "loader/attach.h"
#include "loader/loader.h"

#define FW_PIN_TEXT 256 /* a pin's whole path with NUL; longer ones are refused */
#define FW_LOCK_WAIT_MS                                                                            \
	10000 /* longest wait for another process that changes the same datapath                   \
	       */

typedef uint64_t __attribute__((may_alias)) fw_word; /* any eight bytes of a mapped table */

struct fw_mapping {
	void *data; /* NULL while not mapped */
	size_t len; /* bytes, whole pages */
};

struct fw_datapath {
	char pin[FW_PIN_TEXT]; /* PIN_DIR/v<abi> */
	int map_fd[FW_MAP_COUNT];
	uint32_t capacity[FW_MAP_COUNT];
	struct fw_mapping *mapping; /* of FW_MAP_COUNT; the flows are mapped at their first use */
	int program_fd[FW_PROGRAM_COUNT];
	int grace_fd; /* array of maps whose update waits for a grace period; -1 until it is needed
		       */
	int grace_inner_fd;
};

struct fw_map_spec {
	const char *name;
	uint32_t type; /* enum bpf_map_type */
	uint32_t key_size;
	uint32_t value_size;
	uint32_t flags;
	uint32_t fixed; /* rows that this table always has; 0: given by struct fw_sizes */
	bool mapped;
};

/* maps.c */
extern const struct fw_map_spec fw_map_specs[FW_MAP_COUNT];
int fw_sizes_resolve(const struct fw_sizes *sizes, uint32_t *ret_entries, struct fw_err *err);
int fw_map_adopt(struct fw_datapath *datapath, enum fw_map map,
		 struct fw_err *err); /* -ENOENT: not pinned */
int fw_maps_create(struct fw_datapath *datapath, uint32_t *entries, struct fw_err *err);
int fw_map_mmap(const struct fw_datapath *datapath, enum fw_map map, struct fw_err *err);
/* Maps `rows` rows of the flow table from `first` on; the caller unmaps. */
int fw_flows_mmap(const struct fw_datapath *datapath, uint32_t first, uint32_t rows,
		  struct fw_mapping *ret_mapping, struct fw_bucket **ret_buckets,
		  struct fw_err *err);
void fw_mapping_done(struct fw_mapping *mapping);

/* pin.c: paths never hold a dot, bpffs refuses it */
int fw_pin_path(char *ret_path, struct fw_err *err, const char *format, ...) FW_PRINTF(3, 4);
int fw_pin_mount(const char *pin_dir, struct fw_err *err);
int fw_pin_mkdir(const char *path, struct fw_err *err); /* with its parents */
int fw_pin_lock(const char *path, int *ret_fd, struct fw_err *err);
int fw_pin_get(const char *path, int *ret_fd, struct fw_err *err);
/* Pins, and gives the pin to the owner of its directory: the plugin is root, podwalld need not be.
 */
int fw_pin_make(int fd, const char *path, struct fw_err *err);
int fw_pin_replace(int fd, const char *path,
		   struct fw_err *err);			      /* atomically; under fw_pin_lock() */
int fw_pin_remove_tree(const char *path, struct fw_err *err); /* 0 when it is not there */

/* program.c */
int fw_node_hz(uint32_t *ret_hz, struct fw_err *err);
/* What to add to jiffies x tick_ns for CLOCK_MONOTONIC, in ns. Both advance by the same tick. */
int fw_node_clock(uint32_t tick_ns, uint64_t *ret_base, struct fw_err *err);
int fw_jiffies_open(
	struct fw_err *err); /* descriptor of a program that returns jiffies, or -errno */
int fw_jiffies_read(int fd, uint32_t *ret_jiffies);
const char *fw_program_pin_name(enum fw_program program); /* "from_clsact" */

/* loader.c */
int fw_grace_open(struct fw_datapath *datapath, struct fw_err *err);
const char *fw_capability_hint(int code); /* what to add to the text of -EPERM, else "" */

/* quiet.c: libbpf writes nothing; its last warning goes into error texts */
void fw_quiet_begin(void);
const char *fw_quiet_words(void); /* "" or ": last warning", on one line; of the calling thread */

/* tcx.c, clsact.c: the two carriers of a hook. `egress` is the device's direction, not the pod's.
 */
int fw_tcx_attach(struct fw_datapath *datapath, const struct fw_hook *hook, bool from,
		  int program_fd, struct fw_err *err);
int fw_tcx_attached(struct fw_datapath *datapath, const struct fw_hook *hook, bool from,
		    bool *ret_attached, struct fw_err *err);
int fw_tcx_detach(struct fw_datapath *datapath, uint32_t slot, bool from, struct fw_err *err);
extern int fw_tcx_pretend; /* tests: 0 as the kernel says, -1 as a kernel without tcx */

enum fw_qdisc { FW_QDISC_NONE, FW_QDISC_CLSACT, FW_QDISC_INGRESS };

struct fw_filters {
	bool ours;	  /* the filter of this slot */
	uint32_t stale;	  /* ours, of other slots */
	uint32_t foreign; /* anybody else's */
};

int fw_clsact_open(int *ret_fd,
		   struct fw_err *err); /* netlink socket in the thread's network namespace */
int fw_clsact_qdisc(int fd, uint32_t ifindex, enum fw_qdisc *ret_qdisc, struct fw_err *err);
int fw_clsact_make(int fd, uint32_t ifindex, struct fw_err *err); /* -EEXIST: something is there */
int fw_clsact_unmake(int fd, uint32_t ifindex, struct fw_err *err);
int fw_clsact_filters(int fd, const struct fw_hook *hook, bool from, bool drop_stale,
		      struct fw_filters *ret_filters, struct fw_err *err);
int fw_clsact_set(int fd, const struct fw_hook *hook, bool from, int program_fd,
		  struct fw_err *err);
int fw_clsact_unset(int fd, const struct fw_hook *hook, bool from,
		    struct fw_err *err); /* 0 when not there */

static inline bool fw_hook_egress(const struct fw_hook *hook, bool from)
{
	return from == hook->in_sandbox;
}

#endif
