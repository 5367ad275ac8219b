# SPDX-License-Identifier: Apache-2.0
"""A machine: network, mount, process and host name namespaces of its own, and the process that lives in them (init.py).

In: a name and the options. Out: processes started, signalled and asked for by name; commands run inside. The pid of the
first process is recorded with its start time: that process alone is ever killed, and the kernel ends the rest with it.
"""
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time

import layout

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x4000000, 0x8000000, 0x20000000, 0x40000000
ENTER = ("--mount", "--net", "--pid", "--uts", "--ipc")


class Failed(Exception):
    """Something did not work; the text is for a person."""


def wait_for(condition, what, seconds=60.0, step=0.1):
    """Polls until condition() is true and returns its value; raises Failed naming `what`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed("not within %g s: %s" % (seconds, what))
        time.sleep(step)


def run(*command, check=True, timeout=120, stdin=subprocess.DEVNULL, input=None):
    """A command on the host, with its output as text; a failure carries the output."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=timeout,
                          **({"input": input} if input is not None else {"stdin": stdin}))
    if check and done.returncode:
        raise Failed("%s: exit %d\n%s" % (" ".join(command), done.returncode, done.stdout))
    return done


def start_time(pid):
    """In ticks since boot, so that a pid that was used again is not taken for ours; None when there is no such process."""
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


class Machine:
    """One machine. Objects of several programs may stand for the same one: all state is in its folder."""

    def __init__(self, name):
        self.name, self.folder = name, "%s/machines/%s" % (layout.STATE, name)

    # life

    def pid(self):
        """Of its first process on the host, or None when it does not run."""
        try:
            with open(self.folder + "/pid", encoding="ascii") as file:
                pid, started = map(int, file.read().split())
        except (FileNotFoundError, ValueError):
            return None
        return pid if start_time(pid) == started else None

    def up(self, build):
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        if os.path.exists(self.folder + "/socket"):
            os.unlink(self.folder + "/socket")
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            self.become_parent(build, writer)
        os.close(writer)
        os.waitpid(child, 0)
        with open(reader, encoding="utf-8", errors="replace") as file:
            first = file.readline()
            pid = int(first) if first.strip().isdigit() else 0
            if pid:
                with open(self.folder + "/pid", "w", encoding="ascii") as out:
                    out.write("%d %d\n" % (pid, start_time(pid) or 0))
            rest = file.readline()
            if rest.strip() != "ready":
                raise Failed("machine %s did not start:\n%s" % (self.name, first + rest + file.read()))

    def become_parent(self, build, writer):
        """In a fork: makes the namespaces and the first process, says its pid, and ends."""
        try:
            os.setsid()
            null = os.open("/dev/null", os.O_RDONLY)
            for number, source in ((0, null), (1, writer), (2, writer)):
                os.dup2(source, number)
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "unshare: " + os.strerror(ctypes.get_errno()))
            go, told = os.pipe()
            pid = os.fork()
            if not pid:
                os.close(told)
                os.read(go, 1)  # its pid is told first
                os.execv(sys.executable, [sys.executable, layout.HERE + "/init.py", self.folder,
                                          os.path.abspath(build) + "/cluster/bin", self.name])
            os.write(1, b"%d\n" % pid)
            os._exit(0)
        except BaseException as error:  # pylint: disable=broad-except
            os.write(writer, ("%s\n" % error).encode())
        finally:
            os._exit(1)

    def down(self):
        pid = self.pid()
        if pid:
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: self.pid() is None, "machine %s ends" % self.name, 30, 0.02)

    # processes

    def ask(self, **request):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            try:
                connection.connect(self.folder + "/socket")
                connection.sendall(json.dumps(request).encode() + b"\n")
                answer = json.loads(connection.makefile().readline())
            except (OSError, ValueError) as error:
                raise Failed("machine %s: %s" % (self.name, error)) from None
        if "error" in answer:
            raise Failed("machine %s: %s: %s" % (self.name, request.get("name", ""), answer["error"]))
        return answer

    def start(self, name, *argv):
        self.ask(op="start", name=name, argv=argv)

    def code(self, name):
        """None while it runs."""
        return self.ask(op="status").get(name, {"code": -1})["code"]

    def stop(self, name, number=signal.SIGTERM, seconds=20):
        self.ask(op="signal", name=name, signal=int(number))
        wait_for(lambda: self.code(name) is not None, "%s on %s ends" % (name, self.name), seconds, 0.05)

    def log(self, name, lines=25):
        try:
            with open("%s/log/%s.log" % (self.folder, name), encoding="utf-8", errors="replace") as file:
                return "".join(file.readlines()[-lines:])
        except FileNotFoundError:
            return ""

    def must_run(self, name):
        code = self.code(name)
        if code is not None:
            raise Failed("%s on %s ended with %d; the end of its log:\n%s" % (name, self.name, code, self.log(name)))

    def wait_for(self, name, condition, what, seconds=60):
        """As wait_for, but ends early, with its log, when the process `name` has ended."""
        def look():
            self.must_run(name)
            return condition()
        try:
            return wait_for(look, what, seconds)
        except Failed as failed:
            if "not within" not in str(failed):
                raise
            raise Failed("%s on %s: %s; the end of its log:\n%s" % (name, self.name, failed, self.log(name))) from None

    # inside

    def command(self, *command):
        pid = self.pid()
        if not pid:
            raise Failed("machine %s does not run" % self.name)
        return ("nsenter", "-t", str(pid), *ENTER, "--", *command)

    def run(self, *command, **options):
        return run(*self.command(*command), **options)

    def path(self, path):
        """A path of the machine as the host sees it."""
        return "/proc/%d/root%s" % (self.pid(), path)

    def write(self, path, text, mode=0o644):
        target = self.path(path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(os.open(target + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(target + ".new", target)

    def read(self, path):
        with open(self.path(path), encoding="utf-8") as file:
            return file.read()
