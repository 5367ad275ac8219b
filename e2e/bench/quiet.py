# SPDX-License-Identifier: Apache-2.0
"""Before everybody else: for what is measured by the clock on the wall.

A benchmark that waits (for a socket, an interrupt, another process) cannot use the CPU's own clock, and on a machine
that others use, too, it measures how long it stood in line. So the benchmark, and what it starts, is scheduled before
ordinary processes, which get what is left: on an idle machine this changes nothing.
"""
import os


def before_others(pid=0):
    """From now on, this process (0: the caller) and those that it starts."""
    os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(1))
