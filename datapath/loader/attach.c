/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which carrier a hook gets, and its life: attached, promoted, refreshed, detached. In: an open
 * datapath, a device. Out: both directions covered, or neither. No step of a change leaves a
 * direction without a program that had one.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "loader/inside.h"

#define DIRECTIONS 2 /* [0] to the pod, [1] from the pod */

struct state {
	int netlink;
	bool gone; /* no such device here; links may still be pinned */
	enum fw_qdisc qdisc;
	bool made; /* the qdisc, just now: nobody's filter is in it */
	bool tcx[DIRECTIONS];
	struct fw_filters filters[DIRECTIONS];
};

struct programs {
	int fd[DIRECTIONS];
};

static void state_done(struct state *state)
{
	fw_close_fd(&state->netlink);
}

static void programs_done(struct programs *programs)
{
	for (int from = 0; from < DIRECTIONS; from++)
		fw_close_fd(&programs->fd[from]);
}

static int see_device(const struct fw_hook *hook, struct state *state, struct fw_err *err)
{
	int r;

	state->gone = true;
	if (!hook->ifindex)
		return 0;
	r = fw_clsact_open(&state->netlink, err);
	if (r == 0)
		r = fw_clsact_qdisc(state->netlink, hook->ifindex, &state->qdisc, err);
	if (r == -ENODEV)
		return 0;
	if (r < 0)
		return r;
	state->gone = false;
	for (int from = 0; from < DIRECTIONS && r == 0 && state->qdisc == FW_QDISC_CLSACT; from++)
		r = fw_clsact_filters(state->netlink, hook, from, false, &state->filters[from],
				      err);
	return r;
}

static int inspect(struct fw_datapath *datapath, const struct fw_hook *hook, struct state *state,
		   struct fw_err *err)
{
	int r = see_device(hook, state, err);

	for (int from = 0; from < DIRECTIONS && r == 0; from++)
		r = fw_tcx_attached(datapath, hook, from, &state->tcx[from], err);
	if (r < 0)
		fw_err_prefix(err, "hook of device %u", hook->ifindex);
	return r;
}

static int get_programs(struct fw_datapath *datapath, const struct fw_hook *hook, bool tcx,
			struct programs *programs, struct fw_err *err)
{
	static const enum fw_program which[2][DIRECTIONS] = {
		{FW_PROGRAM_TO_CLSACT, FW_PROGRAM_FROM_CLSACT},
		{FW_PROGRAM_TO_TCX, FW_PROGRAM_FROM_TCX},
	};
	int r;

	for (int from = 0; from < DIRECTIONS; from++) {
		if (hook->constant) {
			r = fw_datapath_constant_program(datapath, which[tcx][from], hook->slot,
							 err);
		} else {
			r = fw_datapath_program_fd(datapath, which[tcx][from], err);
			if (r >= 0)
				r = fcntl(r, F_DUPFD_CLOEXEC, 3);
			if (r == -1)
				return fw_err_errno(err, -errno, "program");
		}
		if (r < 0)
			return r;
		programs->fd[from] = r;
	}
	return 0;
}

/* A directory beside the links remembers that the qdisc is of our making. */
static int qdisc_mark(const struct fw_datapath *datapath, uint32_t slot, char *ret_path,
		      struct fw_err *err)
{
	return fw_pin_path(ret_path, err, "%s/links/%u-qdisc", datapath->pin, slot);
}

static int make_qdisc(struct fw_datapath *datapath, const struct fw_hook *hook, struct state *state,
		      struct fw_err *err)
{
	char mark[FW_PIN_TEXT];
	int r;

	if (state->qdisc == FW_QDISC_CLSACT)
		return 0;
	r = qdisc_mark(datapath, hook->slot, mark, err);
	if (r < 0)
		return r;
	if (mkdir(mark, 0700) < 0 && errno != EEXIST)
		return fw_err_errno(err, -errno, "cannot make %s", mark);
	r = fw_clsact_make(state->netlink, hook->ifindex, err);
	if (r == 0) {
		state->qdisc = FW_QDISC_CLSACT;
		state->made = true;
		return 0;
	}
	(void)rmdir(mark);
	if (r == -EEXIST) /* somebody was faster */
		return fw_clsact_qdisc(state->netlink, hook->ifindex, &state->qdisc, err);
	return r;
}

/* The qdisc goes when we made it and nobody's filter is in it. */
static int drop_qdisc(struct fw_datapath *datapath, const struct fw_hook *hook, struct state *state,
		      struct fw_err *err)
{
	struct fw_filters filters;
	char mark[FW_PIN_TEXT];
	bool empty = true;
	int r;

	r = qdisc_mark(datapath, hook->slot, mark, err);
	if (r < 0 || access(mark, F_OK) < 0)
		return r;
	for (int from = 0;
	     from < DIRECTIONS && r == 0 && !state->gone && state->qdisc == FW_QDISC_CLSACT;
	     from++) {
		r = fw_clsact_filters(state->netlink, hook, from, false, &filters, err);
		empty &= r == 0 && !filters.ours && !filters.stale && !filters.foreign;
	}
	if (r == 0 && empty && !state->gone && state->qdisc == FW_QDISC_CLSACT)
		r = fw_clsact_unmake(state->netlink, hook->ifindex, err);
	if (r < 0 && r != -ENOENT && r != -ENODEV)
		return r;
	(void)rmdir(mark);
	return 0;
}

/*
 * The qdisc stays: the kernel takes a device down and up for a moment to change it (qdisc_graft),
 * and what the device sends in between is lost. Empty, it costs a packet nothing; fw_hook_detach()
 * removes it.
 */
static int drop_filters(const struct fw_hook *hook, const struct state *state, struct fw_err *err)
{
	int r = 0;

	for (int from = 0; from < DIRECTIONS && r == 0 && !state->gone; from++)
		if (state->filters[from].ours)
			r = fw_clsact_unset(state->netlink, hook, from, err);
	return r == -ENODEV ? 0 : r;
}

static int attach_tcx(struct fw_datapath *datapath, const struct fw_hook *hook, struct state *state,
		      struct fw_err *err)
{
	_cleanup_(programs_done) struct programs programs = {{-1, -1}};
	int r, undone;

	if (!fw_hook_tcx_supported())
		return fw_err_set(
			err, -EOPNOTSUPP,
			"device %u has an \"ingress\" qdisc and this kernel has no tcx "
			"(Linux 6.6): take the plugin that shapes traffic (bandwidth) out "
			"of the chain, both cannot have the device",
			hook->ifindex);
	r = get_programs(datapath, hook, true, &programs, err);
	if (r == 0)
		r = fw_tcx_attach(datapath, hook, true, programs.fd[1], err);
	if (r == 0) {
		r = fw_tcx_attach(datapath, hook, false, programs.fd[0], err);
		undone = r < 0 && !state->tcx[1] ? fw_tcx_detach(datapath, hook->slot, true, NULL)
						 : 0;
		if (undone < 0)
			fw_err_prefix(err, "one direction is left attached");
	}
	return r;
}

static int attach_clsact(struct fw_datapath *datapath, const struct fw_hook *hook,
			 struct state *state, struct fw_err *err)
{
	_cleanup_(programs_done) struct programs programs = {{-1, -1}};
	bool had_from = state->filters[1].ours;
	struct fw_filters filters;
	int r;

	r = get_programs(datapath, hook, false, &programs, err);
	if (r == 0)
		r = fw_clsact_set(state->netlink, hook, true, programs.fd[1], err);
	if (r < 0)
		return r;
	r = fw_clsact_set(state->netlink, hook, false, programs.fd[0], err);
	if (r < 0) {
		if (!had_from)
			(void)fw_clsact_unset(state->netlink, hook, true, NULL);
		return r;
	}
	/* filters of rows that this device had before would deny everything */
	for (int from = 0; from < DIRECTIONS && r == 0 && !state->made; from++)
		r = fw_clsact_filters(state->netlink, hook, from, true, &filters, err);
	return r;
}

int fw_hook_attach(struct fw_datapath *datapath, const struct fw_hook *hook,
		   enum fw_hook_kind *ret_kind, struct fw_err *err)
{
	_cleanup_(state_done) struct state state = {.netlink = -1};
	bool tcx;
	int r;

	r = inspect(datapath, hook, &state, err);
	if (r < 0)
		return r;
	if (state.gone)
		return fw_err_set(err, -ENODEV, "device %u: not in this network namespace",
				  hook->ifindex);
	tcx = state.tcx[0] || state.tcx[1] || state.qdisc == FW_QDISC_INGRESS ||
	      ((hook->in_sandbox || hook->live) && fw_hook_tcx_supported());
	if (!tcx) {
		r = make_qdisc(datapath, hook, &state, err);
		if (r == 0 && state.qdisc == FW_QDISC_CLSACT)
			r = attach_clsact(datapath, hook, &state, err);
		if (r < 0)
			(void)drop_qdisc(datapath, hook, &state, NULL);
		/* a priority that somebody holds with another kind of filter: tcx does not care */
		tcx = state.qdisc == FW_QDISC_INGRESS || (r == -EINVAL && fw_hook_tcx_supported());
	}
	if (tcx) {
		r = attach_tcx(datapath, hook, &state, err);
		if (r == 0)
			r = drop_filters(hook, &state, err);
	}
	if (r == 0)
		*ret_kind = tcx ? FW_HOOK_TCX : FW_HOOK_CLSACT;
	return r;
}

int fw_hook_query(struct fw_datapath *datapath, const struct fw_hook *hook,
		  enum fw_hook_kind *ret_kind, struct fw_err *err)
{
	_cleanup_(state_done) struct state state = {.netlink = -1};
	int covered = 0, r;

	r = inspect(datapath, hook, &state, err);
	if (r < 0)
		return r;
	for (int from = 0; from < DIRECTIONS; from++)
		covered += state.tcx[from] || state.filters[from].ours;
	if (covered == 0)
		*ret_kind = FW_HOOK_NONE;
	else if (covered < DIRECTIONS)
		*ret_kind = FW_HOOK_PARTIAL;
	else
		*ret_kind = state.tcx[0] && state.tcx[1] ? FW_HOOK_TCX : FW_HOOK_CLSACT;
	return 0;
}

int fw_hook_promote(struct fw_datapath *datapath, const struct fw_hook *hook, struct fw_err *err)
{
	_cleanup_(state_done) struct state state = {.netlink = -1};
	int r;

	if (!fw_hook_tcx_supported())
		return fw_err_set(err, -EOPNOTSUPP, "this kernel has no tcx (Linux 6.6)");
	r = inspect(datapath, hook, &state, err);
	if (r < 0)
		return r;
	for (int from = 0; from < DIRECTIONS; from++)
		if (!state.tcx[from] && !state.filters[from].ours)
			return fw_err_set(err, -ENOENT, "device %u: nothing of ours is attached",
					  hook->ifindex);
	/*
	 * Both tcx links first: from here on each packet is judged there, marked, and let through
	 * by the filter. Attaching ends with a grace period, so no packet that began before it
	 * comes to a filter that has gone.
	 */
	if (!state.tcx[0] || !state.tcx[1])
		r = attach_tcx(datapath, hook, &state, err);
	return r < 0 ? r : drop_filters(hook, &state, err);
}

int fw_hook_refresh(struct fw_datapath *datapath, const struct fw_hook *hook, struct fw_err *err)
{
	_cleanup_(programs_done) struct programs clsact = {{-1, -1}}, tcx = {{-1, -1}};
	_cleanup_(state_done) struct state state = {.netlink = -1};
	int r;

	r = inspect(datapath, hook, &state, err);
	if (r < 0)
		return r;
	if (!state.tcx[0] && !state.tcx[1] && !state.filters[0].ours && !state.filters[1].ours)
		return fw_err_set(err, -ENOENT, "device %u: nothing of ours is attached",
				  hook->ifindex);
	if (state.tcx[0] || state.tcx[1])
		r = get_programs(datapath, hook, true, &tcx, err);
	if (r == 0 && (state.filters[0].ours || state.filters[1].ours))
		r = get_programs(datapath, hook, false, &clsact, err);
	for (int from = 0; from < DIRECTIONS && r == 0; from++) {
		if (state.tcx[from])
			r = fw_tcx_attach(datapath, hook, from, tcx.fd[from], err);
		if (r == 0 && state.filters[from].ours)
			r = fw_clsact_set(state.netlink, hook, from, clsact.fd[from], err);
	}
	return r;
}

int fw_hook_detach(struct fw_datapath *datapath, const struct fw_hook *hook, struct fw_err *err)
{
	_cleanup_(state_done) struct state state = {.netlink = -1};
	int r;

	r = see_device(hook, &state, err);
	if (r == 0)
		r = drop_filters(hook, &state, err);
	if (r == 0)
		r = drop_qdisc(datapath, hook, &state, err);
	for (int from = 0; from < DIRECTIONS && r == 0; from++)
		r = fw_tcx_detach(datapath, hook->slot, from, err);
	if (r < 0)
		fw_err_prefix(err, "hook of device %u", hook->ifindex);
	return r;
}
