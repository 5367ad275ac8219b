/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcx as the carrier of a hook: one pinned link per endpoint row and direction. In: a device, a
 * program. Out: links in front of everybody else's programs; they outlive the process and a move of
 * the device to another network namespace. Replacing a program is one atomic update of its link.
 */
#include <errno.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "loader/inside.h"

#define LO_IFINDEX 1 /* the loopback device of every network namespace */

int fw_tcx_pretend;

bool fw_hook_tcx_supported(void)
{
	LIBBPF_OPTS(bpf_prog_query_opts, query);

	return fw_tcx_pretend == 0 && bpf_prog_query_opts(LO_IFINDEX, BPF_TCX_INGRESS, &query) == 0;
}

static int link_path(const struct fw_datapath *datapath, uint32_t slot, bool from, char *ret_path,
		     struct fw_err *err)
{
	return fw_pin_path(ret_path, err, "%s/links/%u-%s", datapath->pin, slot,
			   from ? "from" : "to");
}

/* The pinned link when it still holds a device; *ret_fd stays -1 when there is none or its device
 * has gone. */
static int live_link(const char *path, uint32_t ifindex, int *ret_fd, struct fw_err *err)
{
	_cleanup_close_ int fd = -1;
	struct bpf_link_info info = {0};
	__u32 len = sizeof(info);
	int r;

	r = fw_pin_get(path, &fd, err);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = bpf_link_get_info_by_fd(fd, &info, &len);
	if (r < 0)
		return fw_err_errno(err, r, "%s", path);
	if (info.type != BPF_LINK_TYPE_TCX || !info.tcx.ifindex ||
	    (ifindex && info.tcx.ifindex != ifindex))
		return 0;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int fw_tcx_attached(struct fw_datapath *datapath, const struct fw_hook *hook, bool from,
		    bool *ret_attached, struct fw_err *err)
{
	_cleanup_close_ int fd = -1;
	char path[FW_PIN_TEXT];
	int r;

	r = link_path(datapath, hook->slot, from, path, err);
	if (r == 0)
		r = live_link(path, hook->ifindex, &fd, err);
	if (r < 0)
		return r;
	*ret_attached = fd >= 0;
	return 0;
}

int fw_tcx_attach(struct fw_datapath *datapath, const struct fw_hook *hook, bool from,
		  int program_fd, struct fw_err *err)
{
	const enum bpf_attach_type type =
		fw_hook_egress(hook, from) ? BPF_TCX_EGRESS : BPF_TCX_INGRESS;
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = BPF_F_BEFORE);
	_cleanup_close_ int fd = -1;
	char path[FW_PIN_TEXT];
	int r;

	r = link_path(datapath, hook->slot, from, path, err);
	if (r == 0)
		r = live_link(path, hook->ifindex, &fd, err);
	if (r < 0)
		return r;
	if (fd >= 0) {
		r = bpf_link_update(fd, program_fd, NULL);
		return r < 0 ? fw_err_errno(err, r, "tcx link %s", path) : 0;
	}
	r = fw_tcx_detach(datapath, hook->slot, from, err); /* of a device that has gone */
	if (r < 0)
		return r;
	fd = bpf_link_create(program_fd, (int)hook->ifindex, type, &options);
	if (fd < 0)
		return fw_err_errno(err, fd, "tcx %s of device %u%s",
				    type == BPF_TCX_EGRESS ? "egress" : "ingress", hook->ifindex,
				    fw_capability_hint(fd));
	return fw_pin_make(fd, path, err);
}

int fw_tcx_detach(struct fw_datapath *datapath, uint32_t slot, bool from, struct fw_err *err)
{
	_cleanup_close_ int fd = -1;
	char path[FW_PIN_TEXT];
	int r;

	r = link_path(datapath, slot, from, path, err);
	if (r == 0)
		r = fw_pin_get(path, &fd, NULL);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return fw_err_errno(err, r, "%s", path);
	r = bpf_link_detach(fd);
	if (r < 0 && r != -ENOLINK)
		return fw_err_errno(err, r, "cannot detach %s", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return fw_err_errno(err, -errno, "cannot unpin %s", path);
	return 0;
}
