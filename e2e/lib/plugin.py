#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the tests of podwall-cni share: a node without podwalld, sandboxes, and what must be true of a pod behind ADD.

The node is a network namespace; the datapath is made by tool_datapath, so every endpoint stays as ADD left it: isolated.
podwalld is played by a socket that misbehaves on demand; the real one is in the other end-to-end tests.
"""
import contextlib
import json
import os
import random
import socket
import threading
import time

import cni
import tap
from node import REFERENCE_PLUGINS, mount_bpffs, remove_tree, run
from tap import check

PREFIX = "pw-cni"
# Linux 6.6 has tcx; before it a hook is a clsact filter, inside a sandbox as well
TCX = tuple(int(part) for part in os.uname().release.split(".")[:2]) >= (6, 6)
SANDBOX_HOOK = "tcx" if TCX else "clsact"
VERSIONS = ("0.3.1", "0.4.0", "1.0.0", "1.1.0")


class Daemon:
    """Plays podwalld's socket. `how`: a state to answer with, or a fault; `requests` is what came in."""

    def __init__(self, run_dir, how):
        self.how, self.requests, self.held = how, [], []
        os.makedirs(run_dir, exist_ok=True)
        self.path = run_dir + "/podwalld.sock"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(self.path)
        self.socket.listen(128)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            with contextlib.suppress(OSError, ValueError):
                request = json.loads(client.makefile("rb").readline())
                self.requests.append(request)
                self.answer(client, self.how if request["op"] == "endpoint_add" or self.how == "silent" else "active")
            if self.how == "silent":
                self.held.append(client)
            else:
                client.close()

    def answer(self, client, how):
        if how == "garbage":
            client.sendall(b"\x00\xff no JSON at all\n")
        elif how == "endless":
            for _ in range(100):
                client.sendall(b"[" * 16384)
        elif how == "error":
            client.sendall(b'{"ok": false, "error": "no room for \\u001b[31m this pod"}\n')
        elif how == "busy":
            self.how = "active"
            client.sendall(b'{"ok": false, "error": "too many clients (64): try again"}\n')
        elif how == "odd":
            client.sendall(b'{"ok": true, "state": "wonderful"}\n')
        elif how == "half":
            client.sendall(b'{"ok": tr')
        elif how not in ("silent", "close"):
            client.sendall(json.dumps({"ok": True, "state": how, "detail": ""}).encode() + b"\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(5)
        for client in self.held:
            client.close()
        os.unlink(self.path)


class World:
    """The node's namespace, the pinned datapath, and the pods that a test makes."""

    def __init__(self):
        self.build = os.path.abspath(tap.build())
        self.plugin = self.build + "/podwall-cni"
        self.netns = "/run/netns/" + PREFIX
        self.pin, self.run_dir, self.work = "/sys/fs/bpf/" + PREFIX, "/run/" + PREFIX, "/tmp/%s-work" % PREFIX
        self.count = 0

    def __enter__(self):
        self.clean()
        mount_bpffs()
        os.makedirs(self.work)
        run("ip", "netns", "add", PREFIX)
        for command in ("ip link set lo up", "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 "
                        "net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0",
                        "ip link add up0 type veth peer name up1", "ip link set up0 up", "ip link set up1 up"):
            self.run(*command.split())
        self.tool("make")
        return self

    def __exit__(self, *_):
        self.clean()

    def clean(self):
        for name in os.listdir("/run/netns") if os.path.isdir("/run/netns") else []:
            if name == PREFIX or name.startswith(PREFIX + "-"):
                run("ip", "netns", "del", name, check=False)
        for path in (self.pin, self.run_dir, self.work):
            remove_tree(path)

    def run(self, *command, **options):
        return run("nsenter", "--net=" + self.netns, "--", *command, **options)

    def tool(self, word, *args):
        """Runs where the node is: devices are numbered per namespace."""
        return self.run(self.build + "/tools/tool_datapath", word, self.pin, *[str(arg) for arg in args]).stdout

    # what is there

    def dump(self):
        return json.loads(self.tool("dump"))

    def row(self, slot):
        return next(row for row in self.dump()["endpoints"] if row["slot"] == slot)

    def state_file(self, container, ifname="eth0"):
        path = "%s/endpoints/%s-%s.json" % (self.run_dir, container, ifname)
        if not os.path.exists(path):
            return None
        with open(path, encoding="utf-8") as file:
            return json.load(file)

    def files(self):
        folder = self.run_dir + "/endpoints"
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []

    def nothing_left(self):
        found = self.dump()
        check(not found["endpoints"] and not found["regions"], "rows are left: %s" % found)
        check(not self.files(), "files are left: %s" % self.files())
        links = os.listdir(self.pin + "/v1/links")
        check(not links, "links are left: %s" % links)

    def host_link(self, name):
        """The device of the node, as ip -j shows it; None when there is none."""
        done = self.run("ip", "-j", "-d", "link", "show", name, check=False)
        return json.loads(done.stdout)[0] if not done.returncode else None

    # networks

    def entry(self, **options):
        return dict({"type": "podwall-cni", "pinDir": self.pin, "runDir": self.run_dir, "withoutDaemon": "isolated"},
                    **options)

    def ipam(self, subnet, families=(4, 6)):
        ranges = [[{"subnet": "10.98.%d.0/24" % subnet}]] * (4 in families) + \
                 [[{"subnet": "fd98:%d::/64" % subnet}]] * (6 in families)
        return {"type": "host-local", "dataDir": self.work + "/ipam", "ranges": ranges,
                "routes": [{"dst": "0.0.0.0/0"}] * (4 in families) + [{"dst": "::/0"}] * (6 in families)}

    def network(self, *plugins, version="1.0.0", name="podnet", **options):
        """A conflist of the plugins with ours behind them."""
        return cni.Network({"cniVersion": version, "name": name, "plugins": [*plugins, self.entry(**options)]},
                           [self.build, REFERENCE_PLUGINS], self.work + "/cache", self.netns, lenient=True)

    def bridge(self, subnet=1, **more):
        return dict({"type": "bridge", "bridge": "cni%d" % subnet, "isGateway": True, "ipam": self.ipam(subnet)}, **more)

    def call(self, command, config=None, container="c1", netns="", ifname="eth0", args=None, env=None, **options):
        """One call of podwall-cni alone. Returns (exit, object or None, standard error)."""
        if config is None:
            config = dict(self.entry(**options), cniVersion="1.0.0", name="podnet")
        done = cni.call(self.plugin, command, config, container, netns, ifname, args, node_netns=self.netns, env=env)
        text = done.stdout.decode()
        return done.returncode, json.loads(text) if text.strip() else None, done.stderr.decode()

    @contextlib.contextmanager
    def pod(self):
        """A sandbox without a network."""
        self.count += 1
        sandbox = Sandbox("%s-%d" % (PREFIX, self.count))
        try:
            yield sandbox
        finally:
            sandbox.remove()

    @contextlib.contextmanager
    def attached(self, network, name="web", namespace="shop", container=None, ifname="eth0", sandbox=None):
        """A pod behind the network; DEL at the end."""
        with contextlib.ExitStack() as stack:
            pod = sandbox or stack.enter_context(self.pod())
            pod.container = container or pod.name.replace("-", "")
            pod.args = pod_args(namespace, name, pod.container)
            try:
                pod.result = network.add(pod.container, pod.path, ifname, pod.args)
                yield pod
            finally:
                network.delete(pod.container, pod.path, ifname, pod.args)


class Sandbox:
    def __init__(self, name):
        self.name, self.path, self.there = name, "/run/netns/" + name, True
        run("ip", "netns", "add", name)
        self.run("ip", "link", "set", "lo", "up")
        self.run("sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")

    def run(self, *command, **options):
        return run("nsenter", "--net=" + self.path, "--", *command, **options)

    def link(self, name="eth0"):
        return json.loads(self.run("ip", "-j", "-d", "addr", "show", name).stdout)[0]

    def link_local(self, name="eth0"):
        return next(a["local"] for a in self.link(name)["addr_info"] if a["scope"] == "link" and a["family"] == "inet6")

    def ips(self):
        return [entry["address"].split("/")[0] for entry in self.result["ips"]]

    def reaches(self, address, seconds=0.4):
        return self.run("ping", "-c", "1", "-W", str(seconds), address, check=False).returncode == 0

    def remove(self):
        if self.there:
            run("ip", "netns", "del", self.name, check=False)
            self.there = False


def pod_args(namespace, name, container):
    items = [("IgnoreUnknown", "1"), ("K8S_POD_NAMESPACE", namespace), ("K8S_POD_NAME", name),
             ("K8S_POD_INFRA_CONTAINER_ID", container), ("K8S_POD_UID", container + "-uid")]
    random.shuffle(items)  # as containerd does
    return dict(items)


def refuses(answer, code, *words):
    status, error, stderr = answer
    check(status == 1 and error and error["code"] == code, "wanted code %d: %s" % (code, answer))
    check(set(error) == {"cniVersion", "code", "msg", "details"}, "members of an error: %s" % error)
    for word in words:
        check(word in error["msg"], "%r is not in the message: %s" % (word, error["msg"]))
    check(not stderr, "standard error must stay empty: %s" % stderr)


def timed(work):
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def waits_briefly(world, what, took, patience):
    """`took` seconds are what a wait of `patience` seconds explains, three times over, on a machine that starts the plugin
    as slowly as this one just now."""
    limit = 3 * patience + 20 * timed(lambda: world.call("VERSION", b"", "", "", ""))
    check(took < limit, "%s took %.2f s: %.1f s was all there was to wait for (limit %.2f)" % (what, took, patience, limit))


def is_covered(world, pod, hook=None, ifname="eth0", in_sandbox=False, state="isolated"):
    """The row, the file and the hook say what the sandbox says. Returns the row."""
    hook = hook or (SANDBOX_HOOK if in_sandbox else "clsact")
    file, link = world.state_file(pod.container, ifname), pod.link(ifname)
    check(file, "no endpoint file")
    row = world.row(file["slot"])
    check(row["state"] == state and row["inSandbox"] == in_sandbox, "state: %s" % row)
    check(row["mac"] == link["address"] == file["mac"], "MAC: %s, %s" % (row, link["address"]))
    check(row["linkLocal"] == pod.link_local(ifname), "link-local address: %s" % row)
    wanted = [e["address"].split("/")[0] for e in pod.result["ips"]]
    check(sorted(row["ips"]) == sorted(wanted) and file["ips"] == wanted, "addresses: %s, %s" % (row["ips"], wanted))
    if in_sandbox:
        check(row["slot"] >= 65536 and not row["ifindex"], "a hook inside a sandbox has a constant row: %s" % row)
        check(file["hook"] == "sandbox" and file["ifindex"] == link["ifindex"], "file: %s" % file)
        found = pod.run(world.build + "/tools/tool_datapath", "hook", world.pin, str(row["slot"]),
                        str(file["ifindex"]), "sandbox").stdout.strip()
    else:
        check(row["ifindex"] == link["link_index"] == file["ifindex"], "device: %s, %s" % (row, file))
        check(file["hook"] == "host" and world.host_link(file["device"])["ifindex"] == row["ifindex"], "file: %s" % file)
        found = world.tool("hook", row["slot"], row["ifindex"]).strip()
    check(found == hook, "hook is %s, not %s" % (found, hook))
    check(file["netnsInode"] == os.stat(pod.path).st_ino, "netns inode: %s" % file)
    return row
