/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What DEL must know when nothing else is left: one file for each endpoint,
 * <runDir>/endpoints/<container id>-<ifname>.json ('-' and '%' of the interface's name written as
 * %2d and %25, so that the last '-' always separates). Written by rename, so a reader sees a whole
 * file or none; names that begin with '.' are files being written. Mode 0644. podwalld reads the
 * folder at start to know the sandboxes of this node; only the plugin writes it.
 *
 *   {"version": 1, "containerId": "4f6a...", "ifname": "eth0",
 *    "network": "podnet",             name of the conflist (GC is per network)
 *    "nodeName": "node1",             "" when not configured
 *    "namespace": "shop", "name": "web-7d4b9", "uid": "..." | "",
 *    "slot": 17,                      row of fw_endpoints when it was written; which one it is now
 *                                     the row's owner tells: where none is, podwalld claims one
 *                                     and attaches in place. Absent: an ADD is under way (or was
 *                                     killed) and nothing is attached yet
 *    "hook": "host" | "sandbox",      where `ifindex` is: host's end of a veth, or in the sandbox
 *    "ifindex": 12, "device": "veth1a2b3c4d",
 *    "mac": "0a:58:0a:01:00:02",      of the pod
 *    "ips": ["10.1.0.2", "fd00::2"],  in the order of the CNI result
 *    "netns": "/run/netns/...", "netnsInode": 4026532573}
 *
 * <runDir>/endpoints.lock is locked in one byte per endpoint, so that ADD and DEL of one endpoint
 * exclude each other and nobody else; the kernel drops the lock of a killed plugin.
 */
#ifndef FW_CNI_STATE_H
#define FW_CNI_STATE_H

#include <limits.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "chain.h"
#include "names.h"

struct fw_state {
	char container_id[FW_CONTAINER_ID_MAX + 1];
	char ifname[FW_IFNAME_MAX + 1];
	char network[FW_POD_NAME_MAX + 1];
	char node_name[FW_POD_NAME_MAX + 1];
	char namespace[FW_NAMESPACE_MAX + 1];
	char name[FW_POD_NAME_MAX + 1];
	char uid[FW_POD_UID_MAX + 1];
	uint32_t slot; /* FW_NO_SLOT: absent */
	bool in_sandbox;
	uint32_t ifindex;
	char device[IF_NAMESIZE];
	uint8_t mac[6];
	struct fw_chain_ips ips;
	char netns[PATH_MAX];
	uint64_t netns_inode;
};

enum fw_state_lock_how {
	FW_STATE_MAKE, /* makes what is missing of run_dir and its folder; waits for the holder */
	FW_STATE_WAIT, /* -ENOENT where there is no folder (and so no endpoint); waits */
	FW_STATE_TRY,  /* the same; -EAGAIN when somebody holds it */
};

/* *ret_lock: closing it unlocks. */
int fw_state_lock(const char *run_dir, uint64_t owner, enum fw_state_lock_how how, int *ret_lock,
		  struct fw_err *err);

/* A folder and what is missing above it, mode 0755; 0 also when it is there. */
int fw_state_make_path(const char *path, struct fw_err *err);
int fw_state_write(const char *run_dir, const struct fw_state *state, struct fw_err *err);
/* -ENOENT when there is none; -EBADMSG with a text when the file does not hold this endpoint's
 * state. */
int fw_state_read(const char *run_dir, const char *container_id, const char *ifname,
		  struct fw_state *ret_state, struct fw_err *err);
/* 0 also when there is none. Takes a half-written file with it. */
int fw_state_remove(const char *run_dir, const char *container_id, const char *ifname,
		    struct fw_err *err);

/*
 * Every endpoint of the folder, by file name alone (the files may come and go meanwhile). A
 * negative return of `visit` ends the walk and is returned. 0 when there is no folder.
 */
typedef int (*fw_state_visit)(const char *container_id, const char *ifname, void *context);
int fw_state_walk(const char *run_dir, fw_state_visit visit, void *context, struct fw_err *err);

#endif
