#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A node and its pods on this machine: network namespaces, the real CNI plugins, the real podwalld.

A node is a network namespace with forwarding on, a conflist whose last plugin is podwall-cni, a folder of Kubernetes
objects, and directories of its own (bpffs pins, run, state), all named by a prefix, so that several nodes run side by
side. Pods are network namespaces connected by CNI ADD. Everything is removed by Node.close(), also after a failure.
"""
import concurrent.futures
import contextlib
import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cni  # noqa: E402

APP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "app.py")
BPFFS = "/sys/fs/bpf"
REFERENCE_PLUGINS = "/usr/lib/cni"
# Seconds for one request. What must be answered may lose a SYN, which is sent again after 1 s and after 3 s; what must
# not be answered is waited for less long, as nothing ends that wait early.
ALLOWED, DENIED = 4.0, 0.7


def run(*command, check=True, timeout=60, **options):
    """subprocess.run with text output; the output is in the exception's text."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                          text=True, timeout=timeout, check=False, **options)
    if check and done.returncode:
        raise RuntimeError("%s: exit %d\n%s" % (" ".join(command), done.returncode, done.stdout))
    return done


def wait_for(condition, what, seconds=60.0, step=0.01):
    """Polls until condition() is true and returns its value; raises TimeoutError naming `what`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError("not within %g s: %s" % (seconds, what))
        time.sleep(step)


def last_piece(file):
    """Second (CLOCK_MONOTONIC) of the last piece of a download, 0.0 for none yet."""
    with contextlib.suppress(OSError, ValueError):
        with open(file, "rb") as log:
            log.seek(max(os.path.getsize(file) - 64, 0))
            lines = log.read().split(b"\n")
        return float(lines[-2]) if len(lines) > 1 else 0.0  # the last one may be half written
    return 0.0


def goes_on(file, seconds=30.0):
    """Whether a piece of the download comes from now on. No machine is so busy that none comes in that time."""
    begin = time.monotonic()
    try:
        return wait_for(lambda: last_piece(file) > begin, "the download goes on", seconds)
    except TimeoutError:
        return False


def is_cut(file, quiet=3.0, seconds=60.0):
    """Whether a download that ran falls silent for `quiet` seconds: a busy machine pauses, but not for that long."""
    try:
        return wait_for(lambda: 0 < last_piece(file) < time.monotonic() - quiet, "the download is cut", seconds)
    except TimeoutError:
        return False


def as_expected(*edges):
    """Whether each (pod, address, expected) is as expected, all asked at the same time."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return all(list(pool.map(lambda edge: edge[0].reaches(edge[1]) if edge[2] else not edge[0].get(edge[1]), edges)))


def both(client, server, expected):
    """Whether a pod reaches another one in both families (expected), or in neither."""
    return as_expected(*[(client, ip, expected) for ip in (server.ip, server.ip6)])


def kernel():
    """(major, minor) of the running kernel."""
    return tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])


def ask_raw(path, data, timeout=60):
    """Every byte that podwalld answers to `data` on its socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(path)
        answer = b""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
        with contextlib.suppress(ConnectionResetError):
            while True:
                piece = connection.recv(65536)
                if not piece:
                    break
                answer += piece
        return answer


def mount_bpffs():
    if not os.path.ismount(BPFFS):
        run("mount", "-t", "bpf", "bpf", BPFFS)


class Pod:
    """One pod: a network namespace, its addresses, and the processes that run in it."""

    def __init__(self, node, namespace, name, labels, container_id):
        self.node, self.namespace, self.name, self.labels = node, namespace, name, labels
        self.container_id, self.uid = container_id, container_id + "-uid"
        self.netns = "%s-%s-%s" % (node.prefix, namespace, name)
        self.ips, self.mac = [], ""
        self.processes = []

    @property
    def path(self):
        return "/run/netns/" + self.netns

    @property
    def ip(self):
        return next(ip for ip in self.ips if ":" not in ip)

    @property
    def ip6(self):
        return next(ip for ip in self.ips if ":" in ip)

    def command(self, *command):
        return ("nsenter", "--net=" + self.path, "--", *command)

    def run(self, *command, **options):
        return run(*self.command(*command), **options)

    def start(self, *command, **options):
        process = subprocess.Popen(self.command(*command), stdin=subprocess.DEVNULL, text=True, **options)
        self.processes.append(process)
        return process

    def serve(self, *ports):
        """Starts the application on the ports; returns when it listens."""
        process = self.start(APP, "serve", "%s/%s" % (self.namespace, self.name), *[str(port) for port in ports],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        line = process.stdout.readline()
        if line.strip() != "ready":
            raise RuntimeError("%s did not start: %s" % (self.netns, line + process.stdout.read()))

    def get(self, host, port=8080, path="/", timeout=DENIED):
        """True when an HTTP request is answered, False when it times out, is refused or unreachable."""
        host = "[%s]" % host if ":" in host else host
        return self.run(APP, "get", "http://%s:%d%s" % (host, port, path), "--timeout", str(timeout),
                        check=False).returncode == 0

    def reaches(self, host, port=8080):
        """get() for what must be answered: with the time that a lost packet takes."""
        return self.get(host, port, timeout=ALLOWED)

    def udp(self, host, port=8080, timeout=DENIED):
        return self.run(APP, "udp", host, str(port), "--timeout", str(timeout), check=False).returncode == 0

    def stream(self, host, file, port=8080):
        """Starts a download that never ends; the time of each piece goes to `file`."""
        host = "[%s]" % host if ":" in host else host
        return self.start(APP, "stream", "http://%s:%d/stream" % (host, port), file,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def object(self, phase="Running"):
        return {"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": self.name, "namespace": self.namespace, "uid": self.uid, "labels": self.labels},
                "spec": {"nodeName": self.node.prefix,
                         "containers": [{"name": "main", "image": "app",
                                         "ports": [{"name": "http", "containerPort": 8080}]}]},
                "status": dict({"phase": phase}, **({"podIP": self.ips[0], "podIPs": [{"ip": ip} for ip in self.ips]}
                                                    if self.ips else {}))}

    def stop_processes(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
        self.processes = []


class Node:
    """One node. Use as a context manager, or call close()."""

    def __init__(self, prefix, build, subnet=88, plugin=None, daemon_options=(), conflist=None, families=(4, 6),
                 source=None):
        """subnet: third octet of 10.99.N.0/24 and of fd99:N::/64. plugin: extra configuration of podwall-cni. source:
        options of podwalld that say where objects come from (default: the folder of this node)."""
        self.prefix, self.build = prefix, os.path.abspath(build)
        self.run_dir, self.pin_dir = "/run/" + prefix, "%s/%s" % (BPFFS, prefix)
        self.work = "/tmp/" + prefix
        self.objects = self.work + "/objects"
        self.state_dir = self.work + "/state"
        self.subnet, self.families = subnet, families
        self.bridge = "br0"
        self.daemon, self.daemon_log = None, self.work + "/podwalld.log"
        self.daemon_options = list(daemon_options)
        self.source = source
        self.plugin = dict({"type": "podwall-cni", "pinDir": self.pin_dir, "runDir": self.run_dir,
                            "nodeName": prefix}, **(plugin or {}))
        self.pods = {}
        self.count = self.generation = 0
        self.conflist = conflist or self.default_conflist()

    def default_conflist(self):
        ranges = []
        if 4 in self.families:
            ranges.append([{"subnet": "10.99.%d.0/24" % self.subnet}])
        if 6 in self.families:
            ranges.append([{"subnet": "fd99:%d::/64" % self.subnet}])
        return {"cniVersion": "0.4.0", "name": self.prefix, "plugins": [
            {"type": "bridge", "bridge": self.bridge, "isGateway": True, "hairpinMode": True, "ipMasq": False,
             "ipam": {"type": "host-local", "dataDir": self.work + "/ipam", "ranges": ranges,
                      "routes": [{"dst": "0.0.0.0/0"}] * (4 in self.families) + [{"dst": "::/0"}] * (6 in self.families)}},
            {"type": "portmap", "capabilities": {"portMappings": True}},
            self.plugin]}

    # life

    def __enter__(self):
        self.open()
        return self

    def __exit__(self, *_):
        self.close()

    def open(self):
        self.close()
        mount_bpffs()
        os.makedirs(self.objects)
        run("ip", "netns", "add", self.prefix)
        self.run("ip", "link", "set", "lo", "up")
        for key, value in {"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1,
                           "net.ipv6.conf.default.accept_dad": 0, "net.ipv6.conf.all.accept_dad": 0}.items():
            self.run("sysctl", "-qw", "%s=%d" % (key, value))
        for table in ("iptables", "ip6tables"):
            if not os.path.exists("/proc/sys/net/bridge/bridge-nf-call-" + table):
                run("modprobe", "br_netfilter", check=False)
            self.run("sysctl", "-qw", "net.bridge.bridge-nf-call-%s=1" % table, check=False)
        self.cni = cni.Network(self.conflist, [self.build, REFERENCE_PLUGINS], cache_dir=self.work + "/cni-cache",
                               netns="/run/netns/" + self.prefix)

    def close(self):
        for pod in list(self.pods.values()):
            with contextlib.suppress(Exception):
                self.remove_pod(pod)
        self.stop_daemon()
        self.stop_recorded()
        for path in glob.glob("/run/netns/%s-*" % self.prefix) + glob.glob("/run/netns/" + self.prefix):
            end_netns(os.path.basename(path))
        for path in (self.pin_dir, self.run_dir, self.work):
            remove_tree(path)
        self.pods = {}

    def stop_recorded(self):
        """A daemon that an earlier run left behind, by its recorded pid, if it is still that program."""
        path = self.run_dir + "/podwalld.pid"
        with contextlib.suppress(OSError, ValueError):
            with open(path, encoding="ascii") as file:
                pid = int(file.read().split()[0])
            if os.readlink("/proc/%d/exe" % pid).endswith("/podwalld"):
                os.kill(pid, signal.SIGKILL)

    def command(self, *command):
        return ("nsenter", "--net=/run/netns/" + self.prefix, "--", *command)

    def run(self, *command, **options):
        return run(*self.command(*command), **options)

    # objects

    def put(self, name, *objects):
        """Writes objects into one file of the folder, by rename, as a deployment tool would."""
        path = "%s/%s.json" % (self.objects, name)
        with open(self.work + "/new", "w", encoding="utf-8") as file:
            json.dump({"apiVersion": "v1", "kind": "List", "items": list(objects)}, file)
        os.rename(self.work + "/new", path)

    def delete(self, name):
        os.unlink("%s/%s.json" % (self.objects, name))

    def namespace(self, name, **labels):
        self.put("namespace-" + name, {"apiVersion": "v1", "kind": "Namespace",
                                       "metadata": {"name": name, "uid": "ns-" + name, "labels": labels}})

    def set_policies(self, *policies, file="policies"):
        """
        These policies and no others stand in the file; returns when the tables hold them. Every writing has a
        generation of its own, by which podwalld tells what it has read: the number of policies says nothing when one
        takes the place of another.
        """
        self.generation += 1
        marked = [dict(policy, metadata=dict(policy["metadata"], generation=self.generation)) for policy in policies]
        wanted = sorted((p["metadata"]["namespace"], p["metadata"]["name"], self.generation) for p in marked)
        self.put(file, *marked)

        def read():
            rows = [row for row in self.ask("policies")["policies"] if file + ".json" in row["origin"]]
            return sorted((row["namespace"], row["name"], row["generation"]) for row in rows) == wanted

        wait_for(read, "podwalld has read %s" % wanted)
        self.wait_applied()

    def wait_applied(self):
        """Returns when the tables hold everything that podwalld has read."""
        def applied():
            status = self.status()
            return status["applied"] == status["revision"]

        wait_for(applied, "what was read is applied")

    # the controller

    def start_daemon(self, *options, wait=True):
        command = self.command(self.build + "/podwalld", *(self.source or ("--objects", self.objects)), "--pin-dir", self.pin_dir,
                               "--run-dir", self.run_dir, "--state-dir", self.state_dir, "--node-name", self.prefix,
                               *["--pod-cidr=" + cidr for cidr in self.pod_cidrs()], *self.daemon_options, *options)
        with open(self.daemon_log, "a", encoding="utf-8") as log:
            # a session of its own, as a service manager gives it: the scheduler shares out by session
            self.daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                           start_new_session=True)
        if wait:
            try:
                wait_for(lambda: self.daemon.poll() is not None or self.answers(), "podwalld answers")
                if self.daemon.poll() is not None:
                    raise RuntimeError("podwalld ended with %d" % self.daemon.returncode)
            except (TimeoutError, RuntimeError) as error:
                raise RuntimeError("%s\n%s" % (error, self.log())) from None

    def pod_cidrs(self):
        return ["10.99.%d.0/24" % self.subnet] * (4 in self.families) + \
               ["fd99:%d::/64" % self.subnet] * (6 in self.families)

    def stop_daemon(self, how=signal.SIGTERM):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.send_signal(how)
            try:
                self.daemon.wait(10)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()
        self.daemon = None

    def log(self):
        with contextlib.suppress(OSError):
            with open(self.daemon_log, encoding="utf-8", errors="replace") as file:
                return file.read()
        return ""

    def fwctl(self, *args, **options):
        return run(self.build + "/fwctl", "--server", self.run_dir + "/podwalld.sock", *args, **options)

    def fwctl_json(self, *args):
        return json.loads(self.fwctl(*args, "-o", "json").stdout)

    @property
    def socket(self):
        return self.run_dir + "/podwalld.sock"

    def ask(self, op, **members):
        """What podwalld itself answers, without fwctl: an object, for flows a list of them."""
        lines = ask_raw(self.socket, json.dumps(dict(members, op=op)).encode() + b"\n").splitlines()
        return json.loads(lines[0]) if op != "flows" else [json.loads(line) for line in lines]

    def answers(self):
        with contextlib.suppress(OSError, ValueError, IndexError):
            return self.ask("version")["ok"]
        return False

    def status(self):
        return self.ask("status")

    def endpoint(self, pod, ifname="eth0"):
        """The row of one interface of the pod, None where there is none."""
        return next((e for e in self.ask("endpoints")["endpoints"]
                     if (e["containerId"], e["ifname"]) == (pod.container_id, ifname)), None)

    def flows(self, *args):
        """Records as dicts, oldest first."""
        lines = self.fwctl("flows", "--all", "-o", "json", *args).stdout.splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    # pods

    def add_pod(self, namespace, name, labels=None, known=True, serve=(), runtime_config=None):
        """Namespace, CNI ADD, then the address in the Pod's status, as a kubelet does. known=False: no Pod object."""
        self.count += 1
        pod = Pod(self, namespace, name, labels or {}, "%s%06d" % (self.prefix.replace("-", ""), self.count))
        run("ip", "netns", "add", pod.netns)
        self.pods[(namespace, name)] = pod
        pod.run("ip", "link", "set", "lo", "up")
        for which in ("all", "default"):
            pod.run("sysctl", "-qw", "net.ipv6.conf.%s.accept_dad=0" % which)
        if known:
            self.put("pod-%s-%s" % (namespace, name), pod.object("Pending"))
        result = self.cni.add(pod.container_id, pod.path, "eth0", args=self.cni_args(pod),
                              runtime_config=runtime_config or {})
        pod.ips = [entry["address"].split("/")[0] for entry in result["ips"]]
        pod.mac = next(i["mac"] for i in result["interfaces"] if i.get("sandbox"))
        if known:
            self.put("pod-%s-%s" % (namespace, name), pod.object())
        if serve:
            pod.serve(*serve)
        return pod

    @staticmethod
    def cni_args(pod):
        return {"IgnoreUnknown": "1", "K8S_POD_NAMESPACE": pod.namespace, "K8S_POD_NAME": pod.name,
                "K8S_POD_INFRA_CONTAINER_ID": pod.container_id, "K8S_POD_UID": pod.uid}

    def remove_pod(self, pod):
        pod.stop_processes()
        try:
            self.cni.delete(pod.container_id, pod.path, "eth0", args=self.cni_args(pod))
        finally:
            run("ip", "netns", "del", pod.netns, check=False)
            self.pods.pop((pod.namespace, pod.name), None)
            with contextlib.suppress(OSError):
                self.delete("pod-%s-%s" % (pod.namespace, pod.name))


def end_netns(name):
    """Ends what runs in a network namespace of ours, then deletes it: the deed of a test that was killed, too."""
    def pids():
        return run("ip", "netns", "pids", name, check=False).stdout.split()

    def ended():
        left = [int(pid) for pid in pids() if pid.isdigit()]
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left

    with contextlib.suppress(TimeoutError):
        wait_for(ended, "the processes in " + name, 10, 0.05)
    run("ip", "netns", "del", name, check=False)


def remove_tree(path):
    """rm -r that also works on bpffs (no file there can be opened, every one can be unlinked)."""
    if not os.path.isdir(path):
        return
    if path.startswith(BPFFS):
        for folder, folders, files in os.walk(path, topdown=False):
            for name in files:
                os.unlink(os.path.join(folder, name))
            for name in folders:
                os.rmdir(os.path.join(folder, name))
        os.rmdir(path)
        return
    shutil.rmtree(path)
