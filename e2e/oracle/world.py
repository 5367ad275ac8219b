#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Small worlds dense in conflicts, by seed; and the smallest world that still shows a difference.

In: a seed. Out: Kubernetes objects that the API server would take, and packets between whatever is in them. Few labels,
few ports, few overlapping CIDRs, so that selectors, names, blocks and services meet each other all the time.
It must never know what a right verdict is.

usage: world.py SEED [PACKETS]          prints the world as one line of JSON
"""
import copy
import ipaddress
import json
import random
import sys

NAMESPACES = ("red", "green", "blue")
KEYS = {"app": ("a", "b", "c"), "tier": ("x", "y"), "team": ("t", "u")}
PORT_NAMES = ("web", "dns", "adm")
PORTS = (1, 53, 79, 80, 81, 82, 443, 8080, 65535)
PROTOCOLS = ("TCP", "TCP", "TCP", "UDP", "SCTP")
BLOCKS4 = ("0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/24", "10.0.0.0/28", "10.0.0.4/30", "10.0.0.5/32", "10.0.0.6/31",
           "192.0.2.0/24", "192.0.2.128/25", "192.0.2.130/32", "192.0.0.0/14", "10.96.0.0/16", "128.0.0.0/1")
BLOCKS6 = ("::/0", "fd00::/16", "fd00::/64", "fd00::/124", "fd00::4/126", "fd00::5/128", "2001:db8::/32",
           "2001:db8:8000::/33", "fd96::/112")
OUTSIDE = ("192.0.2.1", "192.0.2.129", "192.0.2.130", "192.1.0.1", "203.0.113.9", "10.0.1.1", "10.0.0.14", "10.0.0.15",
           "10.96.0.200", "11.0.0.1", "2001:db8::1", "2001:db8:8000::1", "fd00::e", "fd00::f", "fd01::1", "fd96::99")


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.objects = []
        self.pods = []      # (namespace, name, addresses)
        self.vips = []
        self.node_ports = []

    def chance(self, part):
        return self.random.random() < part

    def pick(self, items):
        return self.random.choice(items)

    def labels(self, keys=("app", "tier")):
        return {key: self.pick(KEYS[key]) for key in keys if self.chance(0.7)}

    def selector(self, keys):
        """Any of the forms, the empty one often."""
        selector = {}
        if self.chance(0.4):
            return selector
        if self.chance(0.6):
            key = self.pick(keys)
            selector["matchLabels"] = {key: self.pick(KEYS[key])}
        if self.chance(0.4) or not selector:
            selector["matchExpressions"] = [self.requirement(keys) for _ in range(1 + self.chance(0.2))]
        return selector

    def requirement(self, keys):
        key, operator = self.pick(keys), self.pick(("In", "NotIn", "Exists", "DoesNotExist"))
        requirement = {"key": key, "operator": operator}
        if operator in ("In", "NotIn"):
            requirement["values"] = self.random.sample(KEYS[key], 1 + self.chance(0.3))
        return requirement

    def namespaces(self):
        for name in NAMESPACES[:2 + self.chance(0.6)]:
            self.objects.append({"apiVersion": "v1", "kind": "Namespace",
                                 "metadata": {"name": name, "labels": self.labels(("team",))}})
        self.names = [obj["metadata"]["name"] for obj in self.objects]

    def node(self):
        self.ranges = []
        if self.chance(0.4):
            self.ranges = ["10.0.0.0/24", "fd00::/64"][:1 + self.chance(0.7)]
        self.node_addresses = []
        if self.chance(0.4):
            self.node_addresses = ["10.9.0.1", "fd09::1"]
            spec = {"podCIDRs": ["10.0.0.0/28"]} if self.chance(0.3) else {}
            self.objects.append({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "spec": spec, "status": {
                "addresses": [{"type": "InternalIP", "address": a} for a in self.node_addresses]}})

    def container_ports(self):
        ports = []
        for name in PORT_NAMES:
            if self.chance(0.4):
                ports.append({"name": name, "containerPort": self.pick((80, 81, 82, 8080))})
                if self.chance(0.4):
                    ports[-1]["protocol"] = self.pick(PROTOCOLS)
        return ports

    def pod(self, number):
        namespace, name = self.pick(self.names), "p%d" % number
        spec = {"containers": [{"name": "c", "image": "i", "ports": self.container_ports()}]}
        if self.chance(0.8):
            spec["nodeName"] = self.pick(("n1", "n1", "n2"))
        if self.chance(0.2):
            spec["containers"].append({"name": "d", "image": "i", "ports": self.container_ports()})
        if self.chance(0.2):
            spec["initContainers"] = [{"name": "s", "image": "i", "ports": self.container_ports()}]
            if self.chance(0.6):
                spec["initContainers"][0]["restartPolicy"] = "Always"
        addresses = ["10.0.0.%d" % (number + 1)]
        if self.chance(0.5):
            addresses.append("fd00::%x" % (number + 1))
        if self.chance(0.15):
            addresses.reverse()
        status = {"phase": "Running"}
        if self.chance(0.1):
            status["phase"] = self.pick(("Succeeded", "Failed"))
            if self.pods and self.chance(0.5):
                addresses = list(self.pick(self.pods)[2])   # somebody else has it now
        elif self.chance(0.08):
            spec["hostNetwork"] = True
            addresses = list(self.node_addresses or ["10.9.0.7"])
        if self.chance(0.04):   # not started yet
            addresses, status = [], {"phase": "Pending"}
        status["podIPs"] = [{"ip": address} for address in addresses]
        if addresses:
            status["podIP"] = addresses[0]
        self.objects.append({"apiVersion": "v1", "kind": "Pod", "metadata": {
            "name": name, "namespace": namespace, "labels": self.labels()}, "spec": spec, "status": status})
        if addresses:
            self.pods.append((namespace, name, addresses))

    def odd_form(self, cidr):
        """As old objects hold it: zero-padded octets, bits behind the prefix, IPv4 in IPv6."""
        address, length = cidr.split("/")
        if ":" in cidr or length in ("0", "32") or self.chance(0.9):
            return cidr
        form = self.pick(("zeros", "bits", "mapped"))
        if form == "zeros":
            return ".".join("%03d" % int(octet) for octet in address.split(".")) + "/" + length
        if form == "bits" and int(length) <= 24:
            return address.rsplit(".", 1)[0] + ".77/" + length
        return "::ffff:%s/%d" % (address, 96 + int(length))

    def block(self):
        cidr = self.pick(BLOCKS4 if self.chance(0.65) else BLOCKS6)
        whole = ipaddress.ip_network(cidr)
        inside = [b for b in BLOCKS4 + BLOCKS6 if b != cidr and ipaddress.ip_network(b).version == whole.version
                  and ipaddress.ip_network(b).subnet_of(whole)]
        block = {"cidr": self.odd_form(cidr)}
        if inside and self.chance(0.5):
            block["except"] = self.random.sample(inside, min(len(inside), 1 + self.chance(0.3)))
        elif self.chance(0.1):
            block["except"] = []
        return {"ipBlock": block}

    def peer(self):
        if self.chance(0.4):
            return self.block()
        peer = {}
        if self.chance(0.6):
            peer["podSelector"] = self.selector(("app", "tier"))
        if not peer or self.chance(0.4):
            peer["namespaceSelector"] = self.selector(("team",))
        return peer

    def policy_port(self):
        port = {}
        if self.chance(0.5):
            port["protocol"] = self.pick(PROTOCOLS)
        if self.chance(0.4):
            port["port"] = self.pick(PORT_NAMES)
        elif self.chance(0.85):
            port["port"] = self.pick(PORTS)
            if self.chance(0.35):
                port["endPort"] = self.random.randint(port["port"], min(65535, port["port"] + self.pick((0, 1, 3, 65535))))
        return port

    def absent_or_empty(self, obj, field, items):
        """Nothing, null and an empty list mean the same; all of them must be met."""
        if items:
            obj[field] = items
        elif self.chance(0.5):
            obj[field] = self.pick(([], None))

    def rule(self, peers):
        rule = {}
        self.absent_or_empty(rule, peers, [self.peer() for _ in range(self.pick((0, 1, 1, 1, 2, 3)))])
        self.absent_or_empty(rule, "ports", [self.policy_port() for _ in range(self.pick((0, 0, 1, 1, 2)))])
        return rule

    def policy(self, number):
        spec = {"podSelector": self.selector(("app", "tier"))}
        self.absent_or_empty(spec, "ingress", [self.rule("from") for _ in range(self.pick((0, 1, 2, 2, 3)))])
        self.absent_or_empty(spec, "egress", [self.rule("to") for _ in range(self.pick((0, 1, 2, 3)))])
        if self.chance(0.04):   # nobody knows what it means: fails closed
            holder = self.pick([spec] + [rule for field in ("ingress", "egress") for rule in spec.get(field) or []])
            holder["onlyOnTuesdays"] = True
        types = self.pick((None, None, ["Ingress"], ["Egress"], ["Ingress", "Egress"], ["Egress", "Ingress"]))
        if types:
            spec["policyTypes"] = types
        meta = {"name": "n%d" % number, "namespace": self.pick(self.names)}
        if self.chance(0.25):
            meta["annotations"] = {"podwall.io/mode": self.pick(("Audit", "Audit", "Audit", "Enforce"))}
        self.objects.append({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec})
        return self.objects[-1]

    def policies(self):
        made = [self.policy(number) for number in range(self.pick((2, 3, 4, 5, 6, 8)))]
        # who replaces is never replaced: chains have no agreed meaning
        for old in made:
            if "annotations" not in old["metadata"] and self.chance(0.25):
                new = self.policy(len(made) + 10)
                new["metadata"]["name"] = old["metadata"]["name"] + "-next"
                new["metadata"]["namespace"] = old["metadata"]["namespace"]
                new["metadata"]["annotations"] = {"podwall.io/replaces": old["metadata"]["name"]}
                if self.chance(0.75):
                    new["metadata"]["annotations"]["podwall.io/mode"] = "Audit"

    def narrow_egress(self, number):
        """Where pods may send to a few only, policy tells the backends of a service apart."""
        made = self.policy(number)
        made["metadata"].pop("annotations", None)
        made["spec"] = {"podSelector": self.selector(("app", "tier")) if self.chance(0.5) else {}, "policyTypes": ["Egress"],
                        "egress": [self.rule("to")]}
        made["spec"]["egress"][0]["to"] = [self.peer()]

    def service(self, number):
        namespace, name = self.pick(self.names), "s%d" % number
        vips = ["10.96.0.%d" % (number + 1)] + (["fd96::%x" % (number + 1)] if self.chance(0.4) else [])
        spec = {"clusterIP": vips[0], "clusterIPs": list(vips), "ports": []}
        status = {}
        if self.chance(0.15):
            spec["externalIPs"] = ["203.0.113.%d" % (number + 1)]
            vips.append(spec["externalIPs"][0])
        if self.chance(0.15):
            spec["type"] = "LoadBalancer"
            ingress = {"ip": "203.0.113.%d" % (number + 101)}
            if self.chance(0.6):
                ingress["ipMode"] = self.pick(("VIP", "Proxy"))
            status = {"loadBalancer": {"ingress": [ingress]}}
            vips.append(ingress["ip"])
        if self.chance(0.15):
            spec.setdefault("type", "NodePort")
        if self.node_addresses and self.chance(0.15):   # a load balancer that runs on the nodes
            spec.setdefault("externalIPs", []).append(self.pick(self.node_addresses))
        if self.chance(0.06):
            spec = {"clusterIP": "None", "ports": []}
        for port_name, port in (("one", 80), ("two", 443))[:1 + self.chance(0.4)]:
            entry = {"name": port_name, "port": port}
            if self.chance(0.3):
                entry["protocol"] = self.pick(PROTOCOLS)
            if "type" in spec and self.chance(0.8):
                entry["nodePort"] = 30000 + port + number
                self.node_ports.append(entry["nodePort"])
            spec["ports"].append(entry)
        if len(spec["ports"]) == 1 and self.chance(0.4):
            del spec["ports"][0]["name"]
        self.objects.append({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
                             "spec": spec, "status": status})
        self.vips += vips
        for piece in range(self.pick((0, 1, 1, 2, 2))):
            self.slice(namespace, name, piece, spec["ports"])

    def slice(self, namespace, service, piece, ports):
        family = 4 if self.chance(0.7) else 6
        candidates = [a for _, _, addresses in self.pods for a in addresses] + list(OUTSIDE)
        candidates = [a for a in candidates if (":" in a) == (family == 6) and a not in self.vips]
        endpoints = []
        for _ in range(self.pick((0, 1, 2, 3, 4))):
            conditions = {}
            for field, part in (("ready", 0.6), ("serving", 0.4), ("terminating", 0.4)):
                if self.chance(part):
                    conditions[field] = self.chance(0.7 if field == "ready" else 0.5)
            endpoint = {"addresses": [self.pick(candidates)]}
            if self.chance(0.08):   # the API gives a second one no meaning
                endpoint["addresses"].append(self.pick(candidates))
            if conditions or self.chance(0.5):
                endpoint["conditions"] = conditions
            endpoints.append(endpoint)
        slice_ports = []
        for entry in ports:
            if self.chance(0.9):
                port = {key: entry[key] for key in ("name", "protocol") if key in entry}
                port["port"] = self.pick((80, 81, 443, 8080))
                slice_ports.append(port)
        self.objects.append({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {
            "name": "%s-%d" % (service, piece), "namespace": namespace, "labels": {"kubernetes.io/service-name": service}},
            "addressType": "IPv%d" % family, "endpoints": endpoints, "ports": slice_ports})

    def packet(self):
        """One end at least is a pod by name, so that somebody judges it; the address is in the packet."""
        namespace, name, addresses = self.pick(self.pods)
        own = self.pick(addresses)
        six = ":" in own
        left = "%s/%s@%s" % (namespace, name, own)
        kind = self.random.random()
        if kind < 0.45:
            others = [(n, m, a) for n, m, every in self.pods for a in every if (":" in a) == six]
            other = "%s/%s@%s" % self.pick(others)
        elif kind < 0.7 and any((":" in v) == six for v in self.vips):
            other = self.pick([v for v in self.vips if (":" in v) == six])
        else:
            outside = [a for a in list(OUTSIDE) + self.node_addresses * 4 if (":" in a) == six]
            other = self.pick(outside)
        protocol, port = self.pick(PROTOCOLS), self.pick(PORTS if self.chance(0.4) else (80, 81, 82, 8080))
        if other in self.vips and self.chance(0.75):
            protocol, port = "TCP", 80 if self.chance(0.7) else 443
        elif other in self.node_addresses and self.chance(0.6):
            protocol, port = "TCP", self.pick(self.node_ports + [80])
        elif self.chance(0.06):
            protocol, port = ("ICMPv6", 128 << 8) if six else ("ICMP", 8 << 8)
        if other not in self.vips and self.chance(0.5):
            return [other, left, protocol, port]
        return [left, other, protocol, port]


def make(seed, packets=400, offset=0):
    """offset: of the numbers in names and addresses, so that two worlds can be put together."""
    maker = Maker(seed)
    maker.namespaces()
    maker.node()
    for number in range(maker.random.randint(3, 8)):
        maker.pod(number + offset)
    maker.policies()
    for number in range(maker.pick((0, 1, 1, 2, 3))):
        maker.service(number + offset)
        if maker.chance(0.5):
            maker.narrow_egress(30 + number)
    maker.random.shuffle(maker.objects)
    asked = [maker.packet() for _ in range(packets)] if maker.pods else []
    return {"objects": maker.objects, "node": "n1" if maker.chance(0.25) else "", "podRanges": maker.ranges, "packets": asked}


# --- shrinking --------------------------------------------------------------------------------------------------------

def places(value, path=()):
    """Every list element and every member of value, outermost first."""
    items = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    found = [path + (key,) for key, _ in items]
    items = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    for key, child in items:
        found += places(child, path + (key,))
    return found


def without(value, path):
    smaller = copy.deepcopy(value)
    holder = smaller
    for key in path[:-1]:
        holder = holder[key]
    del holder[path[-1]]
    return smaller


def shrink(world, packet, differs):
    """The smallest world (by taking parts away) for which differs(world, packet) still says so."""
    world = {"objects": world["objects"], "node": world["node"], "podRanges": world["podRanges"], "packets": [packet]}
    again = True
    while again:
        again = False
        for field in ("objects", "podRanges"):
            for path in sorted(places(world[field]), key=len):
                try:
                    smaller = dict(world, **{field: without(world[field], path)})
                except (KeyError, IndexError, TypeError):
                    continue    # it went away with something above it
                if differs(smaller, packet):
                    world, again = smaller, True
    return world


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        return 2
    print(json.dumps(make(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 400)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
