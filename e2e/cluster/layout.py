# SPDX-License-Identifier: Apache-2.0
"""Names, places and addresses of the cluster, and the options it was started with. Pure: does nothing by itself.

Everything that the cluster makes stands below STATE, in the machines' own namespaces, in cgroups below CGROUP, or is
the one device HOST_LINK on the host. So taking it down is: end the machines, remove those.
"""
import dataclasses
import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
STATE = "/var/lib/podwall-cluster"
OPTIONS = STATE + "/options.json"
KUBECONFIG = STATE + "/kubeconfig"
CGROUP = "podwall-cluster"
HOST_LINK = "podwall-host"

CONTROL = "control"  # the machine with the control plane and the bridge; no Node object
DOMAIN = "cluster.local"
LINK4, LINK6 = "10.77.0.%d", "fd77::%x"  # on the bridge
CONTROL_ID, HOST_ID, NODE_ID = 1, 254, 10  # node 1 is 11
PODS4, PODS6 = "10.78.0.0/16", "fd78::/56"
SERVICES4, SERVICES6 = "10.79.0.0/16", "fd79::/112"
DNS4, DNS6 = "10.79.0.10", "fd79::a"
API4, API6 = "10.79.0.1", "fd79::1"
API_PORT = 6443
SERVER = "https://%s:%d" % (LINK4 % CONTROL_ID, API_PORT)


@dataclasses.dataclass
class Options:
    """What `make cluster` can be told."""
    proxy: str = "nftables"
    cni: str = "ptp"
    nodes: int = 2
    podwall: bool = True
    build: str = os.path.join(REPOSITORY, "build")

    def names(self):
        return ["node-%d" % (i + 1) for i in range(self.nodes)]

    def save(self):
        with open(OPTIONS, "w", encoding="utf-8") as file:
            json.dump(dataclasses.asdict(self), file)

    def text(self):
        return "PROXY=%s CNI=%s NODES=%d PODWALL=%d" % (self.proxy, self.cni, self.nodes, self.podwall)


def saved():
    """The options of the cluster that is there, or None."""
    try:
        with open(OPTIONS, encoding="utf-8") as file:
            return Options(**json.load(file))
    except FileNotFoundError:
        return None


def address(name):
    """(IPv4, IPv6) of a machine on the bridge."""
    number = CONTROL_ID if name == CONTROL else NODE_ID + int(name.removeprefix("node-"))
    return LINK4 % number, LINK6 % number
