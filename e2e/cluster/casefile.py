# SPDX-License-Identifier: Apache-2.0
"""The cases of policies/cases as this cluster can play them: their addresses, nodes and ports in those of the cluster.

In: the case files, and where their pods stand here (Places). Out: objects to apply, and questions as the files ask them.
What a question expects is never touched. Pure: reads files, and talks to nobody.

A case's pod P stands on the first node, and its twin "P-far", with the same labels, on the last one. An address of the
common cluster (10.1.1.3) is that pod's; a range of it (10.1.2.0/24) all addresses of that namespace's pods; a node's is
the first or the last node's; an outside address is itself, and is the control machine's while the case runs.
"""
import copy
import glob
import ipaddress
import os

import yaml

import images
import layout

FOLDER = os.path.join(layout.REPOSITORY, "policies/cases")
# what cannot be played here, by the number or the name of the file, and why
NOT_HERE = {
    "04": "this API server refuses such addresses in a new object",
    "09": "this API server drops a field that it does not know",
    "19": "what a node masquerades is in tests/services",
    "23": "finished pods are in tests/nodes",
    "24-backends-that-differ": "which backend a connection gets is kube-proxy's: e2e/tests/dnat",
}
# the same of single questions, by protocol
NOT_ASKED = {"SCTP": "neither the probe nor the pods here speak SCTP: fwctl test --kernel"}
OWN_NODE, OTHER_NODE = "node-a", "node-b"
NODE_ADDRESSES = {"10.0.0.1": (OWN_NODE, 4), "fd00::1": (OWN_NODE, 6), "10.0.0.2": (OTHER_NODE, 4), "fd00::2": (OTHER_NODE, 6)}
POD_RANGES = {"10.1.0.0/16": layout.PODS4, "fd01::/16": layout.PODS6}
NODE_RANGES = {"10.0.0.0/24": layout.LINK4 % 0 + "/24", "fd00::/64": layout.LINK6 % 0 + "/64"}
UNKNOWN = {"10.1.9.9": 4, "fd01:9::9": 6}  # in the range of the pods, and no pod's
SERVICE_RANGE = ipaddress.ip_network("10.96.0.0/12")


class Case:
    """One file: `objects` by kind, `questions` as they stand there, without those that are left out."""

    def __init__(self, path):
        self.path, self.name = path, os.path.basename(path)[:-len(".yaml")]
        with open(path, encoding="utf-8") as file:
            text = yaml.safe_load(file)
        found = []
        for name in text.get("files", []):
            with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
                found += list(yaml.safe_load_all(file))
        by_name = {}
        for item in found + text.get("objects", []):
            meta = item["metadata"]
            by_name[item["kind"], meta.get("namespace"), meta["name"]] = item
        self.objects = list(by_name.values())
        self.left_out = {}  # questions by why they cannot be asked here
        self.questions = []
        for question in text["expect"]:
            why = NOT_ASKED.get(word_of(question)[0])
            if question["verdict"] == "Allow" and self.is_deserted(question["to"]):
                why = "kube-proxy refuses what nobody is there for: tests/services"
            (self.left_out.setdefault(why, []) if why else self.questions).append(question)
        self.on_first_node = text.get("node") == OWN_NODE
        self.not_here = NOT_HERE.get(self.name[:2]) or NOT_HERE.get(self.name)

    def of_kind(self, kind):
        return [item for item in self.objects if item["kind"] == kind]

    def is_deserted(self, target):
        """A service of which no backend gets a new connection."""
        return target.startswith("svc/") and not any(
            is_usable(endpoint.get("conditions", {})) for item in self.of_kind("EndpointSlice") for endpoint in item["endpoints"]
            if target == "svc/%s/%s" % (item["metadata"]["namespace"], item["metadata"]["labels"]["kubernetes.io/service-name"]))

    def ports(self):
        """Numbers that a question or a slice names: what a pod must serve to be asked."""
        asked = {word_of(question)[1] for question in self.questions}
        return {port for port in asked if port} | {
            port["port"] for item in self.of_kind("EndpointSlice") for port in item["ports"]}


def is_usable(conditions):
    ready = conditions.get("ready") is not False
    return ready or bool(conditions.get("serving") and conditions.get("terminating"))


def word_of(question):
    """("TCP", 80) or ("ICMP", 0)"""
    text = str(question.get("port", "80/TCP"))
    if text == "echo":
        return "ICMP", 0
    number, _, protocol = text.partition("/")
    return protocol, int(number)


def load():
    return [Case(path) for path in sorted(glob.glob(FOLDER + "/[0-9]*.yaml"))]


def all_pods(cases):
    """{"namespace/name": pod} of every case; a pod that two cases describe differently cannot stand at once."""
    found = {}
    for case in cases:
        for pod in case.of_kind("Pod"):
            title = "%s/%s" % (pod["metadata"]["namespace"], pod["metadata"]["name"])
            if found.setdefault(title, pod) != pod:
                raise ValueError("%s: pod %s is another one than in the cases before" % (case.path, title))
    return found


def all_namespaces(cases):
    return {item["metadata"]["name"]: item["metadata"].get("labels", {}) for case in cases for item in case.of_kind("Namespace")}


def pod_spec(pod, ports):
    """As the case says, with containers that run here: the first one answers on every port that is asked for."""
    base = {"image": images.AGNHOST, "imagePullPolicy": "Never"}
    spec = copy.deepcopy(pod["spec"])
    spec.pop("nodeName", None)
    spec["containers"] = [new for container in spec["containers"] for new in split(container)]
    for number, container in enumerate(spec["containers"]):
        container.update(base, command=["/serve", *map(str, sorted(ports))] if not number else ["/pause"])
    for container in spec.get("initContainers", []):
        container.update(base, command=["/pause"] if container.get("restartPolicy") == "Always" else ["true"])
    if spec.get("hostNetwork"):  # the node serves these ports already
        spec["containers"][0]["command"] = ["/pause"]
    return spec


def split(container):
    """A container that gives one name to two ports as two containers, which the API server accepts."""
    first, second, names = [], [], set()
    for port in container.get("ports", []):
        (second if port.get("name") in names else first).append(port)
        names.add(port.get("name"))
    container["ports"] = first
    return [container] + ([dict(container, name=container["name"] + "-2", ports=second)] if second else [])


class Places:
    """Where a case's names and addresses are here."""

    def __init__(self, first, last, pods, ips, unknown):
        """pods: as all_pods() says; ips: {"namespace/name": [IPv4, IPv6]}, the twins' too; unknown: {family: address}"""
        self.nodes = {OWN_NODE: first, OTHER_NODE: last}
        self.ips, self.unknown = ips, unknown
        self.owners = {entry["ip"]: title for title, pod in pods.items() for entry in pod["status"]["podIPs"]
                       if not pod["spec"].get("hostNetwork")}

    def owner(self, address):
        """The pod that has this address in the cases, or None."""
        return self.owners.get(address)

    def node_of(self, address):
        return self.nodes[NODE_ADDRESSES[address][0]] if address in NODE_ADDRESSES else None

    def address(self, text):
        family = 6 if ":" in text else 4
        if text in self.owners:
            return self.ips[self.owners[text]][family == 6]
        if text in NODE_ADDRESSES:
            return layout.address(self.node_of(text))[family == 6]
        if text in UNKNOWN:
            return self.unknown[family]
        if text.startswith("fd00::"):
            return text.replace("fd00::", layout.LINK6.partition("%")[0])
        if family == 4 and ipaddress.ip_address(text) in SERVICE_RANGE:  # 10.96.0.10 is 10.79.100.10
            return layout.SERVICES4.replace(".0.0/16", ".100.") + text.rpartition(".")[2]
        return text

    def block(self, text):
        """A CIDR as a list of those that hold the same here."""
        network = ipaddress.ip_network(text)
        if text in POD_RANGES or text in NODE_RANGES:
            return [POD_RANGES.get(text) or NODE_RANGES[text]]
        if network == SERVICE_RANGE:
            return [layout.SERVICES4]
        if network.prefixlen == network.max_prefixlen:
            return [host(self.address(str(network.network_address)))]
        inside = {title.partition("/")[0] for address, title in self.owners.items() if ipaddress.ip_address(address) in network}
        if any(network.supernet_of(ipaddress.ip_network(whole)) for whole in POD_RANGES if (":" in whole) == (":" in text)):
            return [text]  # holds every pod, here as there
        found = [host(pair[":" in text]) for title, pair in sorted(self.ips.items()) if title.partition("/")[0] in inside]
        found += [host(self.address(address)) for address in UNKNOWN
                  if (":" in address) == (":" in text) and ipaddress.ip_address(address) in network]
        return found or [text]

    def policy(self, item):
        item = copy.deepcopy(item)
        for direction, end in (("ingress", "from"), ("egress", "to")):
            for rule in item["spec"].get(direction, []):
                if end in rule:
                    rule[end] = [new for peer in rule[end] for new in self.peer(peer)]
        return item

    def peer(self, peer):
        block = peer.get("ipBlock")
        if not block:
            return [peer]
        out = [cidr for text in block.get("except", []) for cidr in self.block(text)]
        return [{"ipBlock": {"cidr": cidr, "except": [one for one in out if inside(one, cidr)]}} for cidr in self.block(block["cidr"])]

    def service(self, item):
        """(the Service without status, its status)"""
        item = copy.deepcopy(item)
        spec, status = item["spec"], item.pop("status", {})
        spec["clusterIPs"] = [self.address(spec["clusterIP"])]
        spec["clusterIP"] = spec["clusterIPs"][0]
        spec.update(ipFamilyPolicy="SingleStack", ipFamilies=["IPv4"])
        if "externalIPs" in spec:
            spec["externalIPs"] = [self.address(ip) for ip in spec["externalIPs"]]
        for entry in status.get("loadBalancer", {}).get("ingress", []):
            entry["ip"] = self.address(entry["ip"])
            entry.setdefault("ipMode", "VIP")
        return item, status

    def slice(self, item):
        item = copy.deepcopy(item)
        for port in item["ports"]:
            port.setdefault("name", "")
            port.setdefault("protocol", "TCP")
        for endpoint in item["endpoints"]:
            endpoint["addresses"] = [self.address(ip) for ip in endpoint["addresses"]]
            if "nodeName" in endpoint:
                endpoint["nodeName"] = self.nodes[endpoint["nodeName"]]
        return item


def inside(block, other):
    return ipaddress.ip_network(block).subnet_of(ipaddress.ip_network(other))


def host(address):
    return "%s/%d" % (address, 128 if ":" in address else 32)


def rule_here(text):
    """As a record says it: netpol shop/db[0] is ingress[0] or egress[0] there. Any of these."""
    if not text:
        return ()
    name, bracket, index = text.partition("[")
    return tuple("%s %s[%s" % (name, direction, index) for direction in ("ingress", "egress")) if bracket else (text,)
