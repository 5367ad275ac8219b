# SPDX-License-Identifier: Apache-2.0
"""A node on its machine: containerd, kubelet, kube-proxy, and the configuration of the primary CNI plugin.

In: a machine, the certificates, the options. Out: a Node object that is Ready. restart() and reboot() are for tests.
"""
import json
import os
import shutil
import signal

import cgroups
import control
import layout
import network
from machine import Machine

CONFLIST = "/etc/cni/net.d/10-pods.conflist"
PLUGINS = ("bandwidth", "bridge", "host-local", "loopback", "portmap", "ptp")
PAUSE = "podwall.io/pause:1"
COMPONENTS = ("containerd", "kubelet", "kube-proxy")

CONTAINERD = """
version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
address = "/run/containerd/containerd.sock"
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "%s"
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["/opt/cni/bin"]
conf_dir = "/etc/cni/net.d"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
SystemdCgroup = false
[plugins."io.containerd.nri.v1.nri"]
disable = true
""" % PAUSE


def certificates(authority, name):
    authority.issue("kubelet-" + name, "system:node:" + name, "system:nodes")


def kubelet_config(name):
    return {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "authentication": {"x509": {"clientCAFile": "/etc/kubernetes/ca.crt"}, "anonymous": {"enabled": False},
                               "webhook": {"enabled": True}},
            "authorization": {"mode": "Webhook"}, "clusterDomain": layout.DOMAIN, "clusterDNS": [layout.DNS4],
            "cgroupDriver": "cgroupfs", "cgroupRoot": cgroups.of(name), "failCgroupV1": False, "failSwapOn": False,
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock", "resolvConf": "", "oomScoreAdj": 0,
            "featureGates": {"KubeletCrashLoopBackOffMax": True},  # tests kill containers, and wait for them
            "crashLoopBackOff": {"maxContainerRestartPeriod": "1s"},
            "staticPodPath": "/etc/kubernetes/manifests", "imageGCHighThresholdPercent": 100, "maxPods": 250,
            "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%",
                             "nodefs.inodesFree": "1%", "imagefs.inodesFree": "1%"}}


def proxy_config(name, options):
    return {"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "mode": options.proxy,
            "clusterCIDR": "%s,%s" % (layout.PODS4, layout.PODS6), "hostnameOverride": name, "oomScoreAdj": 0,
            "clientConnection": {"kubeconfig": "/etc/kubernetes/kube-proxy.conf"},
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}}


def conflist(cidrs, options):
    """ipMasq stays off: it would hide the source of what goes from pod to pod over nodes."""
    ipam = {"type": "host-local", "ranges": [[{"subnet": cidr}] for cidr in cidrs],
            "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}
    main = {"ptp": {"type": "ptp", "ipMasq": False, "ipam": ipam},
            "bridge": {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True, "ipMasq": False,
                       "ipam": ipam}}[options.cni]
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [
        main, {"type": "portmap", "capabilities": {"portMappings": True}, "backend": options.proxy, "snat": True}]}


def start(machine, authority, options):
    """Everything but what needs the node's pod addresses: see finish()."""
    for plugin in PLUGINS:
        shutil.copy(os.path.join(options.build, "cluster/bin", plugin), machine.path("/opt/cni/bin/" + plugin))
    with open(authority.file("ca.crt"), encoding="ascii") as file:
        machine.write("/etc/kubernetes/ca.crt", file.read())
    machine.write("/etc/kubernetes/kubelet.conf", authority.kubeconfig("kubelet-" + machine.name), 0o600)
    machine.write("/etc/kubernetes/kube-proxy.conf", authority.kubeconfig("kube-proxy"), 0o600)
    machine.write("/etc/kubernetes/kubelet.json", json.dumps(kubelet_config(machine.name), indent=1))
    machine.write("/etc/kubernetes/proxy.json", json.dumps(proxy_config(machine.name, options), indent=1))
    machine.write("/etc/kubernetes/containerd.toml", CONTAINERD)
    os.makedirs(machine.path("/etc/kubernetes/manifests"), exist_ok=True)
    cgroups.make(machine.name)
    start_containerd(machine)


def start_containerd(machine):
    machine.start("containerd", "containerd", "--config", "/etc/kubernetes/containerd.toml", "--log-level", "warn")
    machine.wait_for("containerd", lambda: machine.run("ctr", "-n", "k8s.io", "version", check=False).returncode == 0,
                     "containerd answers")


def start_kubelet(machine):
    machine.start("kubelet", "kubelet", "--config=/etc/kubernetes/kubelet.json", "--kubeconfig=/etc/kubernetes/kubelet.conf",
                  "--hostname-override=" + machine.name, "--node-ip=%s,%s" % layout.address(machine.name))


def start_proxy(machine):
    machine.start("kube-proxy", "kube-proxy", "--config=/etc/kubernetes/proxy.json")


def pod_cidrs(machine):
    """Of its Node object, when there is one: (IPv4, IPv6)."""
    node = control.get("node", machine.name)
    return node and node["spec"].get("podCIDRs")


def finish(machine, machines, options):
    """The node's pod addresses are known when the node is: then come routes and the conflist."""
    cidrs = machine.wait_for("kubelet", lambda: pod_cidrs(machine), "the Node object has podCIDRs")
    network.routes(machines, machine.name, cidrs)
    machine.write(CONFLIST, json.dumps(conflist(cidrs, options), indent=2) + "\n")


def is_ready(machine):
    node = control.get("node", machine.name)
    return node and any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))


def wait_ready(machine, seconds=90):
    machine.wait_for("kubelet", lambda: is_ready(machine), "the node is Ready", seconds)
    for name in COMPONENTS:
        machine.must_run(name)


def restart(machine, name, number=signal.SIGTERM):
    """One of COMPONENTS; pods go on."""
    machine.stop(name, number)
    start_again(machine, name)


def start_again(machine, name):
    {"containerd": start_containerd, "kubelet": start_kubelet, "kube-proxy": start_proxy}[name](machine)


def reboot(machine, options):
    """As pulling the plug: what was in memory is gone. Then the node starts as its disk says."""
    control_machine = Machine(layout.CONTROL)
    machine.down()
    control_machine.run("ip", "link", "del", "veth-" + machine.name, check=False)  # goes with the namespace, a moment later
    cgroups.remove_of(machine.name)
    machine.up(options.build)
    network.node(machine, control_machine)
    for other in options.names():
        network.routes([machine], other, pod_cidrs(Machine(other)))
    cgroups.make(machine.name)
    start_containerd(machine)
    start_kubelet(machine)
    start_proxy(machine)
