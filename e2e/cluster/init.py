#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The first process of a machine: makes its root, then starts processes as it is told, and reaps what ends.

In: the machine's folder and the program folder as arguments; requests, one line of JSON each, on the unix socket in
that folder. Out: one line of JSON each. The root is an overlay over the host's whose changes stay in memory; what
grows (images, volumes, logs) is bound from the machine's folder. Never writes anywhere else on the host.

    {"op": "start", "name": N, "argv": [...]}      -> {"pid": P}    output goes to log/N.log
    {"op": "signal", "name": N, "signal": S}       -> {}
    {"op": "status"}                               -> {"N": {"pid": P, "code": null or exit status}, ...}
"""
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys

# what outlives a reboot; the rest of the root does not
BOUND = {"containerd": "var/lib/containerd", "kubelet": "var/lib/kubelet", "pods": "var/log/pods", "log": "var/log/machine",
         "cni": "var/lib/cni", "cni-conf": "etc/cni/net.d", "cni-bin": "opt/cni/bin", "podwall": "var/lib/podwall",
         "kubernetes": "etc/kubernetes"}
PRIVATE = ("run", "tmp", "var/tmp")
PROGRAMS = "opt/podwall-cluster"


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def make_root(folder, programs):
    mount("--make-rprivate", "/")
    base = folder + "/root"
    os.makedirs(base, exist_ok=True)
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", base)
    for name in ("upper", "work", "merged"):
        os.mkdir(base + "/" + name)
    root = base + "/merged"
    mount("-t", "overlay", "overlay", "-o", "lowerdir=/,upperdir=%s/upper,workdir=%s/work" % (base, base), root)
    for name in PRIVATE:
        os.makedirs(root + "/" + name, exist_ok=True)
        mount("-t", "tmpfs", "-o", "mode=%s" % ("1777" if name.endswith("tmp") else "755"), "tmpfs", root + "/" + name)
    if filesystem(folder) == "overlayfs":  # the snapshots of a runtime cannot stand on an overlay
        mount("-t", "tmpfs", "tmpfs", folder + "/containerd")
    for name, target in BOUND.items():
        os.makedirs(root + "/" + target, exist_ok=True)
        mount("--bind", folder + "/" + name, root + "/" + target)
    os.makedirs(root + "/" + PROGRAMS, exist_ok=True)
    mount("--bind", "-o", "ro", programs, root + "/" + PROGRAMS)
    mount("-t", "proc", "proc", root + "/proc")
    mount("--rbind", "/sys", root + "/sys")
    mount("-t", "bpf", "-o", "mode=700", "bpf", root + "/sys/fs/bpf")
    mount("--rbind", "/dev", root + "/dev")
    os.mkdir(root + "/run/old-root")
    os.chdir(root)
    subprocess.run(["pivot_root", ".", "run/old-root"], check=True)
    os.chdir("/")
    subprocess.run(["umount", "-l", "/run/old-root"], check=True)
    os.rmdir("/run/old-root")
    mount("--make-rshared", "/")  # what a container mounts for others to see is seen


def filesystem(path):
    return subprocess.run(["stat", "-f", "-c", "%T", path], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


class Processes:
    """What was started, by name."""

    def __init__(self):
        self.pids, self.codes, self.held = {}, {}, {}

    def start(self, name, argv):
        if name in self.pids and self.codes[name] is None:
            raise ValueError("%s runs already" % name)
        with open("/var/log/machine/%s.log" % name, "ab") as log:
            # a session of its own, and PATH with our programs in front of the host's
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                       env={"PATH": "/%s:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" % PROGRAMS,
                                            "HOME": "/root"})
        self.pids[name], self.codes[name], self.held[name] = process.pid, None, process
        return {"pid": process.pid}

    def signal(self, name, number):
        if self.codes.get(name, 0) is None:
            os.kill(self.pids[name], number)
        return {}

    def status(self):
        return {name: {"pid": pid, "code": self.codes[name]} for name, pid in self.pids.items()}

    def reap(self):
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                for name in self.pids:
                    if self.pids[name] == pid:
                        self.codes[name] = os.waitstatus_to_exitcode(status)

    def answer(self, request):
        self.reap()
        try:
            if request["op"] == "start":
                return self.start(request["name"], request["argv"])
            if request["op"] == "signal":
                return self.signal(request["name"], request["signal"])
            return self.status()
        except (OSError, ValueError, KeyError) as error:
            return {"error": str(error)}


def serve(listener, wake):
    processes = Processes()
    while True:
        ready = select.select([listener, wake], [], [])[0]
        if wake in ready:
            wake.recv(4096)
        processes.reap()
        if listener in ready:
            connection = listener.accept()[0]
            with connection, contextlib.suppress(OSError, ValueError):
                connection.settimeout(5)
                line = connection.makefile().readline()
                connection.sendall(json.dumps(processes.answer(json.loads(line))).encode() + b"\n")


def main():
    folder, programs, name = sys.argv[1:4]
    for bound in BOUND:
        os.makedirs(folder + "/" + bound, exist_ok=True)
    socket.sethostname(name)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(folder + "/socket")
    os.chmod(folder + "/socket", 0o600)
    listener.listen(16)
    make_root(folder, programs)
    wake, pipe = socket.socketpair()
    wake.setblocking(False)
    pipe.setblocking(False)
    signal.set_wakeup_fd(pipe.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    print("ready", flush=True)
    null = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.close(null)
    serve(listener, wake)


if __name__ == "__main__":
    main()
