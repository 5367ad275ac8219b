# SPDX-License-Identifier: Apache-2.0
"""Before everybody else, and profiled from here: for what is measured by the clock on the wall.

A benchmark that waits (for a socket, an interrupt, another process) cannot use the CPU's own clock, and on a machine
that others use, too, it measures how long it stood in line. So the benchmark, and what it starts, is scheduled before
ordinary processes, which get what is left: on an idle machine this changes nothing.
"""
import contextlib
import os


def before_others(pid=0):
    """From now on, this process (0: the caller) and those that it starts."""
    os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(1))


def measuring():
    """What comes before was only made ready: a profile that is being taken begins here (FW_BENCH_PERF: perf's FIFO)."""
    path = os.environ.get("FW_BENCH_PERF")
    if path:
        with contextlib.suppress(OSError):  # a perf that has ended is no reason to stop
            fifo = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            os.write(fifo, b"enable\n")
            os.close(fifo)
