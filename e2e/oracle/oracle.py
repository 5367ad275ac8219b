#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An independent evaluator of NetworkPolicy: loops over objects and one packet, nothing remembered, nothing compiled.

In: Kubernetes objects as dicts, as a user writes them (defaulted here), and one packet. Out: for each end of the packet
that a pod of ours owns, the verdict, the rule that decided, what the policies in Audit would change, and the service
reasons. Written from the Kubernetes API text and the project's list of readings; the numbers in the comments are that
list's. It must never share code with the compiler that it judges, and never be fast at the price of being obvious.

usage: oracle.py CASE.yaml ...          judges the expectations of case files (policies/cases/README.md)
"""
import os
import socket
import sys

ALLOW, DENY = "Allow", "Deny"
INGRESS, EGRESS = "ingress", "egress"
POD_KINDS_FINISHED = ("Succeeded", "Failed")
PROTOCOLS = {"ICMP": 1, "TCP": 6, "UDP": 17, "ICMPv6": 58, "SCTP": 132}
PORTED = ("TCP", "UDP", "SCTP")


# --- addresses ------------------------------------------------------------------------------------------------------

def parse_address(text):
    """(family, number). Old objects hold zero-padded octets: decimal; ::ffff:a.b.c.d is IPv4 (4)."""
    if ":" not in text:
        octets = text.split(".")
        if len(octets) != 4 or not all(o.isdigit() and len(o) <= 3 and int(o) <= 255 for o in octets):
            raise ValueError("not an address: " + text)
        number = 0
        for octet in octets:
            number = number << 8 | int(octet)
        return 4, number
    number = int.from_bytes(socket.inet_pton(socket.AF_INET6, text), "big")
    if number >> 32 == 0xffff:
        return 4, number & 0xffffffff
    return 6, number


def parse_cidr(text):
    """(family, first address, host bits); bits behind the prefix are cleared (4)."""
    address, length = text.rsplit("/", 1)
    family, number = parse_address(address)
    bits = int(length)
    if family == 4 and ":" in address:
        bits -= 96
    size = 32 if family == 4 else 128
    if not 0 <= bits <= size:
        raise ValueError("not a CIDR: " + text)
    host = size - bits
    return family, number >> host << host, host


def in_cidr(address, cidr):
    return address[0] == cidr[0] and address[1] >> cidr[2] == cidr[1] >> cidr[2]


def format_address(address):
    if address[0] == 4:
        return socket.inet_ntop(socket.AF_INET, address[1].to_bytes(4, "big"))
    return socket.inet_ntop(socket.AF_INET6, address[1].to_bytes(16, "big"))


# --- objects, defaulted as the API server does ------------------------------------------------------------------------

class Pod:
    __slots__ = ("namespace", "name", "labels", "addresses", "host_network", "finished", "node", "ports")


class Policy:
    __slots__ = ("namespace", "name", "selector", "types", "rules", "audit", "replaces")


class Service:
    # addresses: all of them; cluster_addresses: those that are nobody else's; node_families: where node ports are served
    __slots__ = ("namespace", "name", "addresses", "cluster_addresses", "node_families", "ports")


class Slice:
    __slots__ = ("namespace", "service", "family", "endpoints", "ports")


RULE_FIELDS = {INGRESS: ("from", "ports"), EGRESS: ("to", "ports")}


def namespace_of(meta):
    return meta.get("namespace") or "default"


def read_pod(obj):
    meta, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    pod = Pod()
    pod.namespace, pod.name = namespace_of(meta), meta["name"]
    pod.labels = meta.get("labels") or {}
    pod.host_network = bool(spec.get("hostNetwork"))
    pod.finished = status.get("phase") in POD_KINDS_FINISHED
    pod.node = spec.get("nodeName") or ""
    texts = [entry["ip"] for entry in status.get("podIPs") or []] or [t for t in [status.get("podIP")] if t]
    pod.addresses = [parse_address(text) for text in texts]
    # (12) containers before sidecars, first one wins; (13) a sidecar is an init container with restartPolicy Always
    containers = list(spec.get("containers") or [])
    containers += [c for c in spec.get("initContainers") or [] if c.get("restartPolicy") == "Always"]
    pod.ports = []
    for container in containers:
        for port in container.get("ports") or []:
            if port.get("name"):
                pod.ports.append((port["name"], port.get("protocol") or "TCP", port["containerPort"]))
    return pod


def unread_field(spec):
    """The first field of a NetworkPolicy's spec that nobody here reads, else None: such a policy fails closed."""
    for field in spec:
        if field not in ("podSelector", "policyTypes", INGRESS, EGRESS):
            return field
    for direction in (INGRESS, EGRESS):
        for rule in spec.get(direction) or []:
            for field in rule or {}:
                if field not in RULE_FIELDS[direction]:
                    return field
            for port in (rule or {}).get("ports") or []:
                for field in port or {}:
                    if field not in ("port", "endPort", "protocol"):
                        return field
            for peer in (rule or {}).get(RULE_FIELDS[direction][0]) or []:
                for field in peer:
                    if field not in ("podSelector", "namespaceSelector", "ipBlock"):
                        return field
    return None


def read_policy(obj):
    meta, spec = obj["metadata"], obj.get("spec") or {}
    policy = Policy()
    policy.namespace, policy.name = namespace_of(meta), meta["name"]
    policy.selector = spec.get("podSelector") or {}
    # (1) (2) (3): policyTypes decide; without them Ingress, and Egress when there is an egress rule
    types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get(EGRESS) else ["Ingress"])
    policy.types = {t.lower() for t in types}
    broken = unread_field(spec) is not None
    policy.rules = {}
    for direction in (INGRESS, EGRESS):
        policy.rules[direction] = [] if broken else [read_rule(r or {}, direction) for r in spec.get(direction) or []]
    annotations = meta.get("annotations") or {}
    policy.audit = annotations.get("podwall.io/mode") == "Audit"
    policy.replaces = annotations.get("podwall.io/replaces")
    return policy


def read_rule(rule, direction):
    """(peers or None for everybody, ports or None for everything)"""
    peers = []
    for peer in rule.get(RULE_FIELDS[direction][0]) or []:
        peer = {key: value for key, value in peer.items() if value is not None}
        if "ipBlock" in peer:
            block = peer["ipBlock"]
            peer = {"cidr": parse_cidr(block["cidr"]), "except": [parse_cidr(e) for e in block.get("except") or []]}
        peers.append(peer)
    ports = []
    for port in rule.get("ports") or []:
        port = port or {}
        ports.append((port.get("protocol") or "TCP", port.get("port"), port.get("endPort")))
    return peers or None, ports or None


def read_service(obj):
    meta, spec = obj["metadata"], obj.get("spec") or {}
    service = Service()
    service.namespace, service.name = namespace_of(meta), meta["name"]
    texts = list(spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else []))
    service.cluster_addresses = []
    if spec.get("type") == "ExternalName" or "None" in texts:
        texts = []
    else:
        service.cluster_addresses = [parse_address(text) for text in texts]
        texts += spec.get("externalIPs") or []
        for entry in (((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress")) or []:
            if entry.get("ip") and (entry.get("ipMode") or "VIP") == "VIP":  # (31)
                texts.append(entry["ip"])
    service.addresses = [parse_address(text) for text in texts]
    outside = spec.get("type") in ("NodePort", "LoadBalancer")
    service.node_families = {address[0] for address in service.cluster_addresses} if outside else set()
    service.ports = [(p.get("name") or "", p.get("protocol") or "TCP", p["port"], p.get("nodePort") or None)
                     for p in spec.get("ports") or []]
    return service


def read_slice(obj):
    piece = Slice()
    piece.namespace = namespace_of(obj["metadata"])
    piece.service = (obj["metadata"].get("labels") or {}).get("kubernetes.io/service-name", "")
    piece.family = {"IPv4": 4, "IPv6": 6}.get(obj.get("addressType"))
    piece.endpoints = []
    for endpoint in obj.get("endpoints") or []:
        conditions = endpoint.get("conditions") or {}
        ready = conditions.get("ready")
        ready = True if ready is None else ready  # (25)
        serving = conditions.get("serving")
        serving = ready if serving is None else serving  # (25)
        if piece.family:
            # kube-proxy looks at the first address only, and the API gives the others no meaning
            piece.endpoints.append((parse_address(endpoint["addresses"][0]), ready, serving,
                                    bool(conditions.get("terminating"))))
    piece.ports = [(p.get("name") or "", p.get("protocol") or "TCP", p.get("port")) for p in obj.get("ports") or []]
    return piece


class World:
    """Everything that is known. node: only its pods are subjects ("": every pod). pod_ranges: CIDR texts."""

    def __init__(self, objects, node="", pod_ranges=()):
        self.node = node
        self.namespaces, self.pods, self.policies, self.services, self.slices = {}, [], [], [], []
        self.ranges = [parse_cidr(text) for text in pod_ranges]
        self.node_addresses, self.own_addresses = [], []
        for obj in objects:
            self.read(obj)

    def read(self, obj):
        kind = obj["kind"]
        if kind == "Namespace":
            name = obj["metadata"]["name"]
            self.namespaces[name] = dict(obj["metadata"].get("labels") or {})
            self.namespaces[name].setdefault("kubernetes.io/metadata.name", name)
        elif kind == "Pod":
            self.pods.append(read_pod(obj))
        elif kind == "NetworkPolicy":
            self.policies.append(read_policy(obj))
        elif kind == "Service":
            self.services.append(read_service(obj))
        elif kind == "EndpointSlice":
            self.slices.append(read_slice(obj))
        elif kind == "Node":
            spec = obj.get("spec") or {}
            texts = spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])
            self.ranges += [parse_cidr(text) for text in texts]
            for entry in (obj.get("status") or {}).get("addresses") or []:
                if entry["type"] in ("InternalIP", "ExternalIP"):
                    self.node_addresses.append(parse_address(entry["address"]))
                    if obj["metadata"]["name"] == self.node:
                        self.own_addresses.append(parse_address(entry["address"]))


# --- one packet -------------------------------------------------------------------------------------------------------

def matches(selector, labels):
    """LabelSelector: every requirement; an empty one matches everything; NotIn and DoesNotExist match absence (7)."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for requirement in selector.get("matchExpressions") or []:
        key, operator = requirement["key"], requirement["operator"]
        if operator == "In" and labels.get(key) not in requirement["values"]:
            return False
        if operator == "NotIn" and key in labels and labels[key] in requirement["values"]:
            return False
        if operator == "Exists" and key not in labels:
            return False
        if operator == "DoesNotExist" and key in labels:
            return False
    return True


def owner_of(world, address):
    """The pod that has this address now: not a finished one (23), not one on the host's network (21, 22)."""
    for pod in world.pods:
        if address in pod.addresses and not pod.finished and not pod.host_network:
            return pod
    return None


def is_unknown_pod(world, address):
    """(38) in a pod range and owned by nobody."""
    if owner_of(world, address) or address in world.node_addresses:
        return False
    return any(in_cidr(address, cidr) for cidr in world.ranges)


def peer_matches(world, policy, peer, address):
    if "cidr" in peer:
        if is_unknown_pod(world, address):
            return False
        # (10) `except` binds to its own block only
        return in_cidr(address, peer["cidr"]) and not any(in_cidr(address, cidr) for cidr in peer["except"])
    pod = owner_of(world, address)
    if pod is None:
        return False
    if "namespaceSelector" in peer:
        if pod.namespace not in world.namespaces:
            return False
        if not matches(peer["namespaceSelector"], world.namespaces[pod.namespace]):
            return False
    elif pod.namespace != policy.namespace:  # (8)
        return False
    return matches(peer.get("podSelector") or {}, pod.labels)


def named_port(pod, name, protocol):
    """(11) by name and protocol; (12) the first; (16) None when there is none."""
    for port_name, port_protocol, number in pod.ports:
        if port_name == name and port_protocol == protocol:
            return number
    return None


def port_matches(entry, protocol, port, pod):
    """pod: whose named ports count; None: a name matches nothing."""
    wanted, first, last = entry
    if wanted != protocol:
        return False
    if first is None:  # (5)
        return True
    if isinstance(first, str):
        return pod is not None and named_port(pod, first, protocol) == port
    return first <= port <= (last or first)  # (6)


def rule_matches(world, policy, rule, direction, subject, address, protocol, port):
    peers, ports = rule
    for peer in peers or [None]:
        if peer is not None and not peer_matches(world, policy, peer, address):
            continue
        if ports is None:
            return True
        if direction == INGRESS:
            holder = subject
        elif peer is not None and "cidr" in peer:
            holder = None  # (15)
        else:
            holder = owner_of(world, address)  # (14)
        if any(port_matches(entry, protocol, port, holder) for entry in ports):
            return True
    return False


def evaluate(world, policies, subject, direction, address, protocol, port):
    """(verdict, rule) by these policies: isolation first, then any rule of any isolating policy allows."""
    isolating = []
    for policy in policies:
        if policy.namespace == subject.namespace and direction in policy.types and \
                matches(policy.selector, subject.labels):
            isolating.append(policy)
    if not isolating:
        return ALLOW, "no rule matched"
    isolating.sort(key=lambda policy: policy.name.encode())
    for policy in isolating:
        for index, rule in enumerate(policy.rules[direction]):
            if rule_matches(world, policy, rule, direction, subject, address, protocol, port):
                return ALLOW, "netpol %s/%s[%d]" % (policy.namespace, policy.name, index)
    return DENY, "isolated(%d) netpol %s/%s" % (len(isolating), isolating[0].namespace, isolating[0].name)


def without_replaced(policies, replacers):
    """Those that no member of replacers replaces (same kind and namespace)."""
    gone = {(r.namespace, r.replaces) for r in replacers if r.replaces}
    return [p for p in policies if (p.namespace, p.name) not in gone]


class Outcome:
    """One end's judgement. rules: every rule that may be named (several only behind a service)."""

    def __init__(self, verdict, rules, pending=None, pending_rule=None, alone=(), service=False):
        self.verdict, self.rules = verdict, rules
        self.pending, self.pending_rule, self.alone = pending, pending_rule, list(alone)
        self.service = service      # backends differ in what is pending: not compared
        self.own_backend = False    # (35) the pod is a backend of the service that it asks

    def __str__(self):
        text = "%s by %s" % (self.verdict, " or ".join(sorted(self.rules)))
        if self.pending and (self.pending, self.pending_rule) != (self.verdict, next(iter(self.rules))):
            text += ", pending %s by %s" % (self.pending, self.pending_rule)
        return text + (", alone " + ", ".join(self.alone) if self.alone else "")


def judge_address(world, subject, direction, address, protocol, port):
    """The judgement with Audit: verdict by E, pending by E', and each audited object alone."""
    if address in subject.addresses:  # (35) a pod cannot block itself
        return Outcome(ALLOW, {"no rule matched"}, ALLOW, "no rule matched")
    audited = [p for p in world.policies if p.audit]
    enforced = [p for p in world.policies if not p.audit]
    enforced = without_replaced(enforced, enforced)

    def ask(policies):
        return evaluate(world, policies, subject, direction, address, protocol, port)

    verdict, rule = ask(enforced)
    if not audited:
        return Outcome(verdict, {rule}, verdict, rule)
    pending, pending_rule = ask(without_replaced(enforced + audited, audited))
    alone = []
    for one in audited:
        if ask(without_replaced(enforced + [one], [one]))[0] != verdict:
            alone.append("netpol %s/%s" % (one.namespace, one.name))
    return Outcome(verdict, {rule}, pending, pending_rule, sorted(alone))


def endpoints_of(world, service, port_name, protocol, family):
    """(24) Who gets new connections: the ready ones; with none, those that serve and terminate. And all the others that
    are listed: (34) they may have connections of old. Two lists of (address, port)."""
    every = []
    for piece in world.slices:
        if piece.namespace != service.namespace or piece.service != service.name or piece.family != family:
            continue
        for name, port_protocol, number in piece.ports:
            if name == port_name and port_protocol == protocol and number:  # (28) each slice has its own number
                every += [(endpoint, number) for endpoint in piece.endpoints]
    usable = [one for one in every if one[0][1]]
    if not usable:
        usable = [one for one in every if one[0][2] and one[0][3]]
    others = [one for one in every if one not in usable]
    return [(e[0], number) for e, number in usable], [(e[0], number) for e, number in others]


def backends_at(world, address, protocol, port):
    """The same of all services at an address: two of them may share it. None when there is no such port."""
    found = services_at(world, address, protocol, port)
    if not found:
        return None
    new, old = [], []
    for service, name in found:
        usable, others = endpoints_of(world, service, name, protocol, address[0])
        new += usable
        old += others
    return new, old


def services_at(world, address, protocol, port):
    """[(service, port name)] that kube-proxy on this node serves at (address, protocol, port)."""
    found = []
    for service in world.services:
        for port_name, port_protocol, number, node_port in service.ports:
            if port_protocol != protocol:
                continue
            if address in service.addresses and number == port:
                found.append((service, port_name))
            # (32) this node's own addresses, in the families that the service has
            elif address in world.own_addresses and address[0] in service.node_families and node_port == port:
                found.append((service, port_name))
    return found


def judge_egress(world, subject, address, protocol, port):
    if address in subject.addresses:    # (35) it never leaves the pod, whatever else has that address
        return judge_address(world, subject, EGRESS, address, protocol, port)
    # (30) a cluster address is nobody else's; any other address of a service is, for other ports, whose it is
    only_service = any(address in s.cluster_addresses for s in world.services)
    found = backends_at(world, address, protocol, port)
    if found:
        return judge_backends(world, subject, found[0], protocol)
    if not only_service:
        return judge_address(world, subject, EGRESS, address, protocol, port)
    if protocol not in PORTED:
        return judge_service_without_backend(world, subject, "no such service port")
    return Outcome(DENY, {"no such service port"}, service=True)


def judge_service_without_backend(world, subject, why):
    """Nobody is there to be judged: a pod that egress isolates is refused; another one may send anything anywhere, and
    learns from kube-proxy what becomes of it."""
    enforced = [p for p in world.policies if not p.audit]
    enforced = without_replaced(enforced, enforced)
    if any(p.namespace == subject.namespace and EGRESS in p.types and matches(p.selector, subject.labels)
           for p in enforced):
        return Outcome(DENY, {why}, service=True)
    return Outcome(ALLOW, {"no rule matched"}, service=True)


def judge_backends(world, subject, backends, protocol):
    if not backends:
        return judge_service_without_backend(world, subject, "service has no backend")
    verdicts, rules, own, whole = set(), set(), False, set()
    for address, port in backends:
        one = judge_address(world, subject, EGRESS, address, protocol, port)
        whole.add((one.pending, one.pending_rule, tuple(one.alone)))
        own = own or address in subject.addresses
        verdicts.add(one.verdict)
        rules |= one.rules
    if len(verdicts) == 1:
        outcome = Outcome(verdicts.pop(), rules, service=True)
        if len(rules) == 1 and len(whole) == 1 and not own:     # every backend says the same in every respect
            outcome = Outcome(outcome.verdict, rules, *whole.pop())
    else:
        outcome = Outcome(DENY, {"backends are judged differently"}, service=True)
    outcome.own_backend = own
    return outcome


def judge_chosen(world, subject, address, protocol, port, live=False):
    """Egress of a connection through a service, by the backend that it has: [(address, port, Outcome)]. live: of one that
    is there already (34), which may have any backend that is listed; a new one has one that kube-proxy chooses (24).
    None when no service has that port."""
    found = backends_at(world, address, protocol, port)
    if found is None:
        return None
    judged = [(backend, number, judge_address(world, subject, EGRESS, backend, protocol, number))
              for backend, number in (found[0] + found[1] if live else found[0])]
    rules = set().union(*(one.rules for _, _, one in judged))
    own = any(backend in subject.addresses for backend, _, _ in judged)
    told_apart = len({one.verdict for _, _, one in judged}) > 1
    outcomes = []
    for backend, number, one in judged:
        outcome = one
        if own or not told_apart:   # nobody needs to know which one it was: the rule may be that of any
            outcome = Outcome(one.verdict, rules, service=True)
        outcome.own_backend = own
        outcomes.append((backend, number, outcome))
    return outcomes


def subject_named(world, name):
    """The pod, when it is one that policy applies to here."""
    namespace, pod_name = name.split("/", 1)
    for pod in world.pods:
        if (pod.namespace, pod.name) == (namespace, pod_name):
            if pod.host_network or (world.node and pod.node != world.node):
                return pod, False
            return pod, True
    raise KeyError("no pod " + name)


def party_addresses(world, party):
    """(pod or None, is a subject, addresses)"""
    if party.startswith("svc/"):
        namespace, name = party[4:].split("/", 1)
        for service in world.services:
            if (service.namespace, service.name) == (namespace, name):
                return None, False, service.addresses
        raise KeyError("no service " + party[4:])
    if "/" in party:
        name, _, address = party.partition("@")  # namespace/pod@address: one of its addresses
        pod, subject = subject_named(world, name)
        return pod, subject, [parse_address(address)] if address else pod.addresses
    address = parse_address(party)
    pod = owner_of(world, address)
    return pod, bool(pod) and (not world.node or pod.node == world.node), [address]


def judge_packet(world, source, destination, protocol, port):
    """[(source address, destination address, egress Outcome or None, ingress Outcome or None)], one per family."""
    source_pod, source_subject, source_addresses = party_addresses(world, source)
    destination_pod, destination_subject, destination_addresses = party_addresses(world, destination)
    found = []
    for family in (4, 6):
        left = [a for a in source_addresses if a[0] == family][:1]
        right = [a for a in destination_addresses if a[0] == family]
        if not destination.startswith("svc/"):
            right = right[:1]
        for to_address in right if left else []:
            egress = ingress = None
            if source_subject:
                egress = judge_egress(world, source_pod, to_address, protocol, port)
            if destination_subject:
                ingress = judge_address(world, destination_pod, INGRESS, left[0], protocol, port)
            found.append((left[0], to_address, egress, ingress))
    return found


# --- case files -------------------------------------------------------------------------------------------------------

def load_case(path):
    import yaml  # only here: the comparison needs no YAML
    with open(path, encoding="utf-8") as file:
        case = yaml.safe_load(file)
    objects = list(case.get("objects") or [])
    for name in case.get("files") or []:
        with open(os.path.join(os.path.dirname(path), name), encoding="utf-8") as file:
            objects += [doc for doc in yaml.safe_load_all(file) if doc]
    flat = []
    for obj in objects:
        flat += obj["items"] if obj.get("kind") == "List" else [obj]
    return case, flat


def parse_port(text):
    """80/TCP -> (TCP, 80); echo -> echo of the packet's family; ICMP -> (ICMP, type 8)."""
    text = str(text)
    if text == "echo":
        return "echo", None
    if "/" in text:
        number, protocol = text.split("/", 1)
        return protocol, int(number)
    if text.isdigit():
        return "TCP", int(text)
    return text, 0


def echo_of(family):
    return ("ICMP", 8 << 8) if family == 4 else ("ICMPv6", 128 << 8)


def backends_named(world, name):
    """The addresses that an expectation's `backend` means; None: every backend."""
    return None if name is None else party_addresses(world, name)[2]


def judge_way(world, expect, left, right, protocol, port):
    """[(backend or None, [(direction, Outcome)])]: egress at the source, ingress at the end; to a service, for each
    backend that a connection can get."""
    source_pod, source_subject, _ = party_addresses(world, expect["from"])
    only = (expect.get("direction") or "").lower()
    own = source_pod is not None and right in source_pod.addresses
    backends = None if own else backends_at(world, right, protocol, port)
    found = []
    for backend, number in backends and backends[0] or [(None, port)]:
        ends = []
        if source_subject and only in ("", EGRESS):
            if backend:
                ends.append((EGRESS, judge_address(world, source_pod, EGRESS, backend, protocol, number)))
            else:
                ends.append((EGRESS, judge_egress(world, source_pod, right, protocol, port)))
        pod, subject = owner_at(world, expect["to"], None if backends else right, backend)
        if subject and only in ("", INGRESS):
            ends.append((INGRESS, judge_address(world, pod, INGRESS, left, protocol, number)))
        found.append((backend, ends))
    return found


def owner_at(world, name, address, backend):
    """(pod, is a subject) whose ingress judges: the backend's, the one that was named, or the address's."""
    if backend or (address and "/" not in name):
        pod = owner_of(world, backend or address)
        return pod, pod is not None and (not world.node or pod.node == world.node)
    return party_addresses(world, name)[:2] if address else (None, False)


def judge_expectation(world, expect):
    """[(verdict, rules, text)] one per family and address that the packet can have."""
    protocol, port = parse_port(expect.get("port", "80/TCP"))
    meant = backends_named(world, expect.get("backend"))
    results = []
    for left, right, _, _ in judge_packet(world, expect["from"], expect["to"], "TCP", 1):
        ways = judge_way(world, expect, left, right, *(echo_of(left[0]) if protocol == "echo" else (protocol, port)))
        ways = [way for way in ways if meant is None or way[0] in meant]
        if ways:
            results.append(combine(left, right, [ends for _, ends in ways]))
    return results


def judge_ends_of(ends):
    """(verdict, rules): the first end that denies, else both."""
    for _, outcome in ends:
        if outcome.verdict == DENY:
            return DENY, outcome.rules
    return ALLOW, set().union(set(), *(outcome.rules for _, outcome in ends))


def combine(left, right, ways):
    """Several ways, of a service's backends, have one verdict when they agree."""
    where = "%s -> %s: " % (format_address(left), format_address(right)) + "; ".join(
        ", ".join("%s %s" % (name, outcome) for name, outcome in ends) for ends in ways)
    judged = [judge_ends_of(ends) for ends in ways]
    if len({verdict for verdict, _ in judged}) > 1:
        return "depends on the backend", set(), where
    return judged[0][0], set().union(*(rules for _, rules in judged)), where


def check_case(path):
    """[(index, ok, text)]"""
    case, objects = load_case(path)
    world = World(objects, case.get("node") or "", case.get("podRanges") or [])
    lines = []
    for index, expect in enumerate(case["expect"]):
        results = judge_expectation(world, expect)
        good = bool(results)
        for verdict, rules, _ in results:
            good = good and verdict == expect["verdict"] and ("rule" not in expect or expect["rule"] in rules)
        lines.append((index, good, "; ".join(r[2] for r in results) or "nothing to judge"))
    return lines


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        return 2
    failed = 0
    for path in sys.argv[1:]:
        for index, good, text in check_case(path):
            failed += not good
            print("%s: expect[%d]: %s: %s" % (path, index, "ok" if good else "FAILED", text))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
