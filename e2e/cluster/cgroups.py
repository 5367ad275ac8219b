# SPDX-License-Identifier: Apache-2.0
"""A cgroup root for each node, in every hierarchy of version 1 or in the one of version 2.

In: names of nodes. Out: /podwall-cluster/NODE where kubelet's cgroupRoot says. Removed again when their processes have
ended. Never touches a cgroup of another name.
"""
import glob
import os
import time

import layout

ROOT = "/sys/fs/cgroup"


def unified():
    return os.path.exists(ROOT + "/cgroup.controllers")


def hierarchies():
    if unified():
        return [ROOT]
    return [path for path in sorted(glob.glob(ROOT + "/*")) if os.path.isdir(path) and os.path.exists(path + "/cgroup.procs")]


def controllers():
    """Those that a node's cgroups can have here."""
    if unified():
        with open(ROOT + "/cgroup.controllers", encoding="ascii") as file:
            return file.read().split()
    return [name for path in hierarchies() for name in os.path.basename(path).split(",")]


def of(node):
    return "/%s/%s" % (layout.CGROUP, node)


def make(node):
    for hierarchy in hierarchies():
        path = hierarchy
        for part in (layout.CGROUP, node):
            parent, path = path, path + "/" + part
            os.makedirs(path, exist_ok=True)
            if unified():
                pass_on(parent)
            for file in ("cpuset.cpus", "cpuset.mems"):
                if not unified() and os.path.exists(parent + "/" + file):
                    copy(parent + "/" + file, path + "/" + file)
        if unified():
            pass_on(path)


def pass_on(parent):
    """Version 2: a child has the controllers that its parent passes on."""
    with open(parent + "/cgroup.controllers", encoding="ascii") as file:
        wanted = ["+" + name for name in file.read().split()]
    with open(parent + "/cgroup.subtree_control", "w", encoding="ascii") as file:
        file.write(" ".join(wanted))


def copy(source, target):
    with open(source, encoding="ascii") as file:
        value = file.read()
    with open(target, "w", encoding="ascii") as file:
        file.write(value)


def remove():
    """Of every node. Returns what could not be removed."""
    return remove_below(layout.CGROUP)


def remove_of(node):
    return remove_below("%s/%s" % (layout.CGROUP, node))


def remove_below(path, seconds=10):
    deadline = time.monotonic() + seconds
    while True:
        left = []
        for hierarchy in hierarchies():
            for folder, _, _ in os.walk(hierarchy + "/" + path, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError as error:
                    left.append("%s: %s" % (folder, error.strerror))
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.1)
