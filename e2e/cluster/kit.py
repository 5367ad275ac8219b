# SPDX-License-Identifier: Apache-2.0
"""For the tests on the cluster: namespaces, pods that serve and probe, services, policies.

In: the cluster that is up. Out: what a probe met, in one word; everything made here is removed at the end. A batch of
probes from one pod runs at once, and batches of several pods do: the slowest probe decides how long all take.
"""
import collections
import concurrent.futures
import json
import os
import select
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import control  # noqa: E402
import images  # noqa: E402
import layout  # noqa: E402
import podwall  # noqa: E402
import tap  # noqa: E402
from machine import Failed, Machine, wait_for  # noqa: E402

PROBE_MS = 900  # TCP asks again after a second: each probe is one packet
OPEN, TIMEOUT = "OK", "TIMEOUT"
PROBE = "/opt/podwall-cluster/probe"  # on a machine
Answer = collections.namedtuple("Answer", "word port")  # what a probe met, and the port that it was sent from
AGAIN = ("unable to upgrade connection", "error dialing backend", "was refused - did you specify", "containerd.sock")


def node_names():
    return layout.saved().names()


def protected():
    """False for a cluster without Podwall, on which every test of a deny must fail."""
    return layout.saved().podwall


class Pod:
    """One pod of agnhost: what it is told to serve, and what it can reach."""

    def __init__(self, namespace, name, node, labels=None, ports=(8080,), port_names=None, **spec):
        self.namespace, self.name, self.node, self.labels = namespace, name, node, labels or {}
        self.ports, self.port_names, self.spec = ports, port_names or {}, spec
        self.ips, self.prober = [], None

    @property
    def title(self):
        return self.namespace + "/" + self.name

    def ip(self, family):
        return next(ip for ip in self.ips if (":" in ip) == (family == 6))

    def object(self):
        containers = []
        for port in self.ports:
            names = {protocol: self.port_names.get((protocol, port)) for protocol in ("TCP", "UDP")}
            containers.append({
                "name": "p%d" % port, "image": images.AGNHOST, "imagePullPolicy": "Never",
                "args": ["netexec", "--http-port=%d" % port, "--udp-port=%d" % port],
                "ports": [dict({"containerPort": port, "protocol": protocol}, **({"name": name} if name else {}))
                          for protocol, name in names.items()],
                "readinessProbe": {"httpGet": {"path": "/healthz", "port": port}, "periodSeconds": 1}})
        spec = dict({"nodeName": self.node, "terminationGracePeriodSeconds": 1, "enableServiceLinks": False,
                     "automountServiceAccountToken": False, "containers": containers}, **self.spec)
        return {"apiVersion": "v1", "kind": "Pod", "spec": spec,
                "metadata": {"name": self.name, "namespace": self.namespace, "labels": self.labels}}

    def read(self):
        """Its state; takes its addresses."""
        pod = control.get("pod", "-n", self.namespace, self.name)
        if pod:
            self.ips = [entry["ip"] for entry in pod["status"].get("podIPs", [])]
        return pod

    def is_ready(self):
        pod = self.read()
        return bool(pod) and len(self.ips) == 2 and any(c["type"] == "Ready" and c["status"] == "True"
                                                        for c in pod["status"].get("conditions", []))

    def exec(self, *command, timeout=60):
        """(exit code, output) of a command in its first container. Where exec itself fails, as for the moment in which
        kubelet is new and does not know the pod yet, it is tried again."""
        deadline = time.monotonic() + 20
        while True:
            code, output = self.exec_once(*command, timeout=timeout)
            if not code or time.monotonic() > deadline or not any(text in output for text in AGAIN):
                return code, output
            time.sleep(0.5)

    def exec_once(self, *command, timeout):
        done = subprocess.run(control.kubectl_command("-n", self.namespace, "exec", self.name, "-c", self.container(), "--", *command),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=timeout)
        return done.returncode, done.stdout

    def container(self):
        return self.spec["containers"][0]["name"] if "containers" in self.spec else "p%d" % self.ports[0]

    def ask(self, targets):
        """targets: (protocol, host, port), with a source address as the fourth where it matters. Their Answers."""
        if not self.prober:
            self.prober = Prober(self.title, control.kubectl_command("-n", self.namespace, "exec", "-i", self.name, "-c",
                                                                     self.container(), "--", "/probe"))
        return self.prober.ask(targets)

    def probe(self, targets):
        """What each met, in a word: OK, TIMEOUT, REFUSED, or the error's name."""
        return [answer.word for answer in self.ask(targets)]


class Host:
    """A machine, which asks as itself."""

    def __init__(self, name):
        self.title = name
        self.prober = Prober(name, Machine(name).command(PROBE))

    def ask(self, targets):
        return self.prober.ask(targets)

    def probe(self, targets):
        return [answer.word for answer in self.ask(targets)]


class Prober:
    """A process that asks for us, from where its command runs it: started when it is needed, and again when it has ended
    (a pod has restarted, kubelet or the API server has)."""

    def __init__(self, title, command):
        self.title, self.command, self.process = title, command, None

    def ask(self, targets):
        if not targets:
            return []
        line = " ".join([str(PROBE_MS)] + ["%s %s %s %s" % (target[0].lower(), target[1], target[2],
                                                           target[3] if len(target) > 3 else "-") for target in targets])
        deadline = time.monotonic() + 30
        while True:
            try:
                return self.ask_once(line, len(targets))
            except OSError as error:
                self.close()
                if time.monotonic() > deadline:
                    raise Failed("probes from %s: %s" % (self.title, error)) from None
                time.sleep(0.3)

    def ask_once(self, line, count):
        if not self.process:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=subprocess.PIPE, bufsize=0)
        self.process.stdin.write(line.encode() + b"\n")
        text, deadline = b"", time.monotonic() + 30
        while not text.endswith(b"\n\n"):
            if not select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
                raise OSError("no answer")
            more = self.process.stdout.read(65536)
            if not more:
                raise OSError(self.process.stderr.read().decode(errors="replace").strip() or "it ended")
            text += more
        answers = [Answer(word, int(port)) for word, port in (row.split() for row in text.decode().splitlines() if row)]
        if len(answers) != count:
            raise OSError("%d answers to %d questions" % (len(answers), count))
        return answers

    def close(self):
        if self.process:
            self.process.kill()
            self.process.communicate()
            self.process = None


class World:
    """Namespaces and what is in them; everything goes at the end. Their label is `team`, or what a dict of them says."""

    def __init__(self, *namespaces, **labelled):
        self.labels = dict({name: {"team": name} for name in namespaces}, **labelled)
        self.namespaces, self.pods = list(self.labels), {}

    def __enter__(self):
        try:
            self.remove()
            control.apply(*[{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n, "labels": labels}}
                            for n, labels in self.labels.items()])
            for namespace in self.namespaces:
                wait_for(lambda n=namespace: control.get("serviceaccount", "-n", n, "default"), "service account of " + namespace)
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, kind, *_):
        if kind and protected():
            for node in node_names():
                tap.comment(node + ": " + podwall.fwctl(node, "status", check=False))
        self.remove(wait=False)  # whoever uses these names next waits

    def remove(self, wait=True):
        for pod in self.pods.values():
            if pod.prober:
                pod.prober.close()
        there = {n["metadata"]["name"] for n in control.get("namespaces")}
        gone = [n for n in self.namespaces if n in there]
        if gone:
            control.kubectl("delete", "namespace", "--wait=%s" % str(wait).lower(), "--timeout=120s", *gone, timeout=150)

    def add(self, *pods, ready=True, seconds=90):
        for pod in pods:
            self.pods[pod.title] = pod
        control.apply(*[pod.object() for pod in pods])
        if ready:
            for pod in pods:
                try:
                    wait_for(pod.is_ready, pod.title + " is ready", seconds, 0.2)
                except Failed as failed:
                    text = control.kubectl("-n", pod.namespace, "describe", "pod", pod.name, check=False).stdout
                    raise Failed("%s\n%s" % (failed, text[-3000:])) from None
            self.wait_in_force()
        return pods

    def delete(self, pod):
        control.kubectl("-n", pod.namespace, "delete", "pod", pod.name, "--timeout=60s")

    def service(self, namespace, name, selector, ports, **spec):
        """Dual stack; ports: (protocol, port, target). Returns (IPv4, IPv6)."""
        control.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
                       "spec": dict({"selector": selector, "ipFamilyPolicy": "RequireDualStack",
                                     "ports": [{"name": "%s-%d" % (protocol.lower(), port), "protocol": protocol, "port": port,
                                                "targetPort": target} for protocol, port, target in ports]}, **spec)})
        ips = control.get("service", "-n", namespace, name)["spec"]["clusterIPs"]
        return sorted(ips, key=lambda ip: ":" in ip)

    def policies(self, *policies):
        """These policies and no others; returns when every node has them in force."""
        wanted = {(p["metadata"]["namespace"], p["metadata"]["name"]) for p in policies}
        there = {(p["metadata"]["namespace"], p["metadata"]["name"]) for p in control.get("networkpolicies", "-A")}
        for namespace in self.namespaces:
            names = sorted(name for where, name in there - wanted if where == namespace)
            if names:
                control.kubectl("-n", namespace, "delete", "networkpolicy", "--wait=false", *names)
        if policies:
            control.apply(*policies)
        self.wait_in_force()

    def wait_in_force(self):
        """Every node has what the API server has of these namespaces."""
        if not protected():
            return
        wanted = Wanted(self.namespaces)
        for node in node_names():
            wait_for(lambda n=node: wanted.in_force(n), "%s has in force what the API server has" % node, 20, 0.05)


class Wanted:
    """What the API server has of some namespaces, and whether a node has it, too: by what fwctl says there."""

    def __init__(self, namespaces):
        self.namespaces, self.policies, self.versions = namespaces, {}, {}
        for item in control.get("networkpolicies,services,endpointslices,pods", "-A"):
            meta = item["metadata"]
            if meta["namespace"] not in namespaces:
                continue
            if item["kind"] == "NetworkPolicy":
                self.policies["%(namespace)s/%(name)s" % meta] = meta["uid"], meta.get("generation", 0)
            if item["kind"] != "Pod" or is_peer(item):
                key = item["kind"], item["spec"].get("nodeName") if item["kind"] == "Pod" else None
                self.versions[key] = max(self.versions.get(key, 0), int(meta["resourceVersion"]))

    def in_force(self, node):
        """These policies, of these generations; all other objects, as new as these; and no change on its way."""
        listed = json.loads(podwall.ask(node, "policies", "-o", "json"))["policies"]
        if {"%(namespace)s/%(name)s" % p: (p["uid"], p["generation"]) for p in listed
                if p["namespace"] in self.namespaces} != self.policies:
            return False
        status = podwall.status(node)
        seen = {stream["name"]: int(stream["resourceVersion"] or 0) for stream in status["source"]["streams"]}
        names = {key: key[0] if key[0] != "Pod" else "Pod (this node)" if key[1] == node else "Pod (peers)" for key in self.versions}
        return status["revision"] == status["applied"] and all(seen[names[key]] >= self.versions[key] for key in names)


def is_peer(pod):
    """Others are not watched."""
    return pod["spec"].get("nodeName") and not pod["spec"].get("hostNetwork") and \
        pod["status"].get("phase") not in ("Succeeded", "Failed")


def ask_all(jobs):
    """jobs: {pod or host: [targets]}, all at once. The Answers of each, in the order of its targets."""
    with concurrent.futures.ThreadPoolExecutor(max(1, len(jobs))) as pool:
        futures = {source: pool.submit(source.ask, targets) for source, targets in jobs.items()}
        return {source: future.result() for source, future in futures.items()}


def policy(namespace, name, **spec):
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": name, "namespace": namespace}, "spec": dict({"podSelector": {}}, **spec)}


def now():
    """As a record says it, so that texts can be compared. A record's time is that of a tick: at most 10 ms behind."""
    ns = time.time_ns() - 20 * 10 ** 6
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // 10 ** 9)) + ".%09dZ" % (ns % 10 ** 9)
