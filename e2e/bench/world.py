#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a folder of Kubernetes objects of a stated size, for benchmarks: the same seed gives the same bytes.

Applications as clusters have them: each namespace has a team and an environment, each application some pods with random
template hashes, a service with its slice, policies that let named neighbours in. Nodes announce the pod ranges.

usage: world.py [--pods N] [--policies N] [--namespaces N] [--services N] [--nodes N] [--seed N] [--single] [--yaml] FOLDER
  --single   everything in one file (default: one file per namespace and kind)
  --yaml     YAML instead of JSON (slower to write and to read)
"""
import argparse
import ipaddress
import json
import os
import random

PORTS = [80, 443, 8080, 8443, 9090, 5432, 6379, 3306, 9000, 50051]
TIERS = ["web", "api", "worker", "db", "cache"]
ENVIRONMENTS = ["prod", "stage", "dev"]
PODS = ipaddress.ip_network("10.128.0.0/10")
SERVICES = ipaddress.ip_network("172.20.0.0/16")
HASH = "bcdfghjklmnpqrstvwxz2456789"


def named(kind, name, namespace=None, version="v1", labels=None, **rest):
    metadata = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    if labels:
        metadata["labels"] = labels
    return dict({"apiVersion": version, "kind": kind, "metadata": metadata}, **rest)


class World:
    def __init__(self, args):
        self.random = random.Random(args.seed)
        self.args = args
        self.spaces = ["ns-%03d" % i for i in range(args.namespaces)]
        self.apps = {space: ["app-%02d" % i for i in range(max(1, min(20, args.pods // args.namespaces // 3)))]
                     for space in self.spaces}
        self.backends = {}

    def word(self, length):
        return "".join(self.random.choice(HASH) for _ in range(length))

    def space(self, index):
        return named("Namespace", self.spaces[index], labels={
            "team": "team-%02d" % (index % 23), "env": ENVIRONMENTS[index % 3], "cost-center": "cc-%04d" % index})

    def nodes(self):
        size = 24 if self.args.nodes <= 1 << 14 else 26
        ranges = PODS.subnets(new_prefix=size)
        for index in range(self.args.nodes):
            block = str(next(ranges))
            yield named("Node", "worker-%03d" % index, spec={"podCIDR": block, "podCIDRs": [block]}, status={
                "addresses": [{"type": "InternalIP", "address": "192.168.%d.%d" % (index >> 8, index & 255)},
                              {"type": "Hostname", "address": "worker-%03d" % index}]})

    def pod(self, index):
        space = self.spaces[index % len(self.spaces)]
        app = self.apps[space][index // len(self.spaces) % len(self.apps[space])]
        node = index % self.args.nodes
        address = str(PODS[node * 256 + 2 + index // self.args.nodes])
        tier = TIERS[hash_of(app) % len(TIERS)]
        template = self.word(10)
        owner = "%s-%s" % (app, template)
        self.backends.setdefault((space, app), []).append((address, "%s-%05d" % (owner, index), node))
        return named("Pod", "%s-%05d" % (owner, index), space, labels={
            "app": app, "tier": tier, "pod-template-hash": template,
            "app.kubernetes.io/version": "1.%d.%d" % (self.random.randrange(9), self.random.randrange(30)),
        }, spec={
            "nodeName": "worker-%03d" % node, "serviceAccountName": app,
            "containers": [{"name": "main", "image": "registry.example/%s:1" % app, "ports": [
                {"name": "http", "containerPort": port_of(app)}, {"name": "metrics", "containerPort": 9100}]}],
        }, status={"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]})

    def owned(self, index):
        pod = self.pod(index)
        labels, name = pod["metadata"]["labels"], pod["metadata"]["name"]
        pod["metadata"]["uid"] = "%08x-0000-4000-8000-%012x" % (self.random.getrandbits(32), index)
        pod["metadata"]["ownerReferences"] = [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "controller": True,
                                               "name": name[:-6], "uid": labels["pod-template-hash"]}]
        return pod

    def service(self, index):
        keys = sorted(self.backends)
        space, app = keys[index % len(keys)]
        name = app if index < len(keys) else "%s-%d" % (app, index // len(keys))
        address = str(SERVICES[index + 10])
        port = {"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}
        yield named("Service", name, space, spec={"type": "ClusterIP", "clusterIP": address, "clusterIPs": [address],
                                                   "selector": {"app": app}, "ports": [port]})
        yield named("EndpointSlice", "%s-%s" % (name, self.word(5)), space, "discovery.k8s.io/v1",
                    {"kubernetes.io/service-name": name}, addressType="IPv4",
                    ports=[{"name": "http", "port": port_of(app), "protocol": "TCP"}],
                    endpoints=[{"addresses": [ip], "conditions": {"ready": True}, "nodeName": "worker-%03d" % node,
                                "targetRef": {"kind": "Pod", "namespace": space, "name": pod}}
                               for ip, pod, node in self.backends[(space, app)]])

    def peer(self, space):
        choice = self.random.random()
        if choice < 0.4:
            return {"podSelector": {"matchLabels": {"app": self.random.choice(self.apps[space])}}}
        if choice < 0.55:
            return {"namespaceSelector": {"matchLabels": {"team": "team-%02d" % self.random.randrange(23)}}}
        if choice < 0.75:
            other = self.random.choice(self.spaces)
            return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": other}},
                    "podSelector": {"matchLabels": {"app": self.random.choice(self.apps[other])}}}
        if choice < 0.9:
            return {"namespaceSelector": {"matchExpressions": [
                {"key": "env", "operator": "In", "values": self.random.sample(ENVIRONMENTS, 2)}]},
                    "podSelector": {"matchExpressions": [
                        {"key": "tier", "operator": "NotIn", "values": [self.random.choice(TIERS)]}]}}
        third = self.random.randrange(256)
        return {"ipBlock": {"cidr": "10.%d.0.0/16" % third, "except": ["10.%d.%d.0/24" % (third, third)]}}

    def rule(self, space, side):
        ports = [{"protocol": "TCP", "port": self.random.choice(PORTS)} for _ in range(self.random.randrange(1, 3))]
        if self.random.random() < 0.1:
            ports.append({"protocol": "TCP", "port": "metrics"})
        if self.random.random() < 0.1:
            ports.append({"protocol": "UDP", "port": 30000, "endPort": 30000 + self.random.randrange(1, 999)})
        return {side: [self.peer(space) for _ in range(self.random.randrange(1, 4))], "ports": ports}

    def policy(self, index):
        space = self.spaces[index % len(self.spaces)]
        number = index // len(self.spaces)
        selector = {} if number == 0 and index % 4 == 0 else \
            {"matchLabels": {"app": self.apps[space][number % len(self.apps[space])]}}
        spec = {"podSelector": selector, "policyTypes": ["Ingress"],
                "ingress": [self.rule(space, "from") for _ in range(self.random.randrange(0, 4))]}
        if self.random.random() < 0.2:
            spec["policyTypes"].append("Egress")
            spec["egress"] = [self.rule(space, "to"), {"ports": [{"protocol": "UDP", "port": 53}]}]
        return named("NetworkPolicy", "allow-%04d" % index, space, "networking.k8s.io/v1", spec=spec)

    def objects(self):
        for index in range(len(self.spaces)):
            yield self.space(index)
        yield from self.nodes()
        for index in range(self.args.pods):
            yield self.owned(index)
        for index in range(self.args.services):
            yield from self.service(index)
        for index in range(self.args.policies):
            yield self.policy(index)


def hash_of(text):
    return sum(ord(letter) * (place + 7) for place, letter in enumerate(text))


def port_of(app):
    return PORTS[hash_of(app) % len(PORTS)]


def file_of(item, single):
    if single:
        return "world"
    space = item["metadata"].get("namespace")
    return "%s-%s" % (space, item["kind"].lower()) if space else item["kind"].lower()


def write(folder, name, items, as_yaml):
    path = os.path.join(folder, name + (".yaml" if as_yaml else ".json"))
    with open(path + ".new", "w", encoding="ascii") as file:
        if as_yaml:
            import yaml
            yaml.dump_all(items, file, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)
        else:
            json.dump({"apiVersion": "v1", "kind": "List", "items": items}, file)
    os.rename(path + ".new", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("pods", 10000), ("policies", 1000), ("namespaces", 200), ("services", 500), ("nodes", 200),
                          ("seed", 1)):
        parser.add_argument("--" + name, type=int, default=default)
    parser.add_argument("--single", action="store_true")
    parser.add_argument("--yaml", action="store_true")
    parser.add_argument("folder")
    args = parser.parse_args()
    if min(args.pods, args.policies, args.services) < 0 or min(args.namespaces, args.nodes) < 1:
        parser.error("sizes must not be negative; at least one namespace and one node")
    if args.pods > args.nodes * 253 or args.nodes > 1 << 14:
        parser.error("at most 253 pods per node and %d nodes" % (1 << 14))
    os.makedirs(args.folder, exist_ok=True)
    files = {}
    for item in World(args).objects():
        files.setdefault(file_of(item, args.single), []).append(item)
    for name, items in files.items():
        write(args.folder, name, items, args.yaml)
    print("%d objects in %d files" % (sum(len(items) for items in files.values()), len(files)))


if __name__ == "__main__":
    main()
