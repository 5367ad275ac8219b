# SPDX-License-Identifier: Apache-2.0
"""For the tests on the cluster: namespaces, pods that serve and probe, services, policies, and flow records.

In: the cluster that is up. Out: what a probe met, in one word; everything made here is removed at the end. A batch of
probes from one pod runs at once: one exec, and the slowest decides how long it takes.
"""
import concurrent.futures
import json
import os
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

PROBE_MS = 1200
OPEN = "OK"
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
        self.ips = []

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

    def probe(self, targets):
        """targets: (protocol, host, port). What each met: OK, TIMEOUT, REFUSED, or the error's name."""
        arguments = [str(word) for protocol, host, port in targets for word in (protocol.lower(), host, port)]
        code, output = self.exec("/probe", str(PROBE_MS), *arguments)
        words = {}
        for line in output.splitlines():
            number, _, word = line.partition(" ")
            if number.isdigit():
                words[int(number)] = word
        if len(words) != len(targets):
            raise Failed("probes from %s: exit %d\n%s" % (self.title, code, output))
        return [words[number] for number in range(len(targets))]


class World:
    """Namespaces and what is in them; everything goes at the end."""

    def __init__(self, *namespaces):
        self.namespaces, self.pods = list(namespaces), {}

    def __enter__(self):
        try:
            self.remove()
            control.apply(*[{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n, "labels": {"team": n}}}
                            for n in self.namespaces])
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
        self.remove()

    def remove(self):
        there = {n["metadata"]["name"] for n in control.get("namespaces")}
        gone = [n for n in self.namespaces if n in there]
        if gone:
            control.kubectl("delete", "namespace", "--timeout=120s", *gone, timeout=150)

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
        for namespace in self.namespaces:
            wanted = {p["metadata"]["name"] for p in policies if p["metadata"]["namespace"] == namespace}
            there = {p["metadata"]["name"] for p in control.get("networkpolicies", "-n", namespace)}
            if there - wanted:
                control.kubectl("-n", namespace, "delete", "networkpolicy", *sorted(there - wanted))
        if policies:
            control.apply(*policies)
        self.wait_in_force()

    def wait_in_force(self):
        """Every node has what the API server has."""
        if not protected():
            return
        wanted = {}
        for policy in control.get("networkpolicies", "-A"):
            meta = policy["metadata"]
            wanted["%s/%s" % (meta["namespace"], meta["name"])] = meta["uid"], meta.get("generation", 0)
        for node in node_names():
            wait_for(lambda n=node: in_force(n, wanted), "%s has the policies in force" % node, 20, 0.1)


def in_force(node, wanted):
    """By what fwctl says there: these policies, of these generations, and no change on its way."""
    listed = json.loads(podwall.fwctl(node, "policies", "-o", "json"))["policies"]
    if {"%s/%s" % (p["namespace"], p["name"]): (p["uid"], p["generation"]) for p in listed} != wanted:
        return False
    status = podwall.status(node)
    return status["revision"] == status["applied"]


def probe_all(jobs):
    """jobs: {pod: [targets]}; two pods at once. The answers by pod, in the order of the targets."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        futures = {pod: pool.submit(pod.probe, targets) for pod, targets in jobs.items()}
        return {pod: future.result() for pod, future in futures.items()}


def policy(namespace, name, **spec):
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": name, "namespace": namespace}, "spec": dict({"podSelector": {}}, **spec)}


def machine(node):
    return Machine(node)


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
