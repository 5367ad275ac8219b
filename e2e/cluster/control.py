# SPDX-License-Identifier: Apache-2.0
"""The control plane on its machine: etcd, kube-apiserver, kube-controller-manager, kube-scheduler.

In: the control machine, the certificates. Out: an API server that is ready, and kubectl() for everybody else.
"""
import json
import os
import subprocess

import layout
from machine import Failed, run

CERTS = "/run/pki/"  # on the machine: a copy, in memory
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


def certificates(authority):
    address4, address6 = layout.address(layout.CONTROL)
    authority.create()
    authority.issue("apiserver", "kube-apiserver", names=(
        address4, address6, layout.API4, layout.API6, "127.0.0.1", "localhost", "kubernetes", "kubernetes.default",
        "kubernetes.default.svc", "kubernetes.default.svc." + layout.DOMAIN))
    authority.issue("admin", "admin", "system:masters")
    authority.issue("apiserver-kubelet", "apiserver-kubelet", "system:masters")
    authority.issue("kube-controller-manager", "system:kube-controller-manager")
    authority.issue("kube-scheduler", "system:kube-scheduler")
    authority.issue("kube-proxy", "system:kube-proxy")


def start(machine, authority):
    for name in ("ca.crt", "ca.key", "sa.key", "sa.pub", "apiserver.crt", "apiserver.key",
                 "apiserver-kubelet.crt", "apiserver-kubelet.key"):
        with open(authority.file(name), encoding="ascii") as file:
            machine.write(CERTS + name, file.read(), 0o600)
    for name in ("kube-controller-manager", "kube-scheduler"):
        machine.write("/run/%s.conf" % name, authority.kubeconfig(name), 0o600)
    with open(layout.KUBECONFIG, "w", encoding="ascii", opener=private) as file:
        file.write(authority.kubeconfig("admin"))
    start_etcd(machine)
    start_apiserver(machine)
    machine.start("kube-controller-manager", "kube-controller-manager", "--kubeconfig=/run/kube-controller-manager.conf",
                  "--leader-elect=false", "--use-service-account-credentials=true", "--allocate-node-cidrs=true",
                  "--cluster-cidr=%s,%s" % (layout.PODS4, layout.PODS6),
                  "--node-cidr-mask-size-ipv4=24", "--node-cidr-mask-size-ipv6=64",
                  "--service-cluster-ip-range=%s,%s" % (layout.SERVICES4, layout.SERVICES6),
                  "--root-ca-file=" + CERTS + "ca.crt", "--service-account-private-key-file=" + CERTS + "sa.key",
                  "--cluster-signing-cert-file=" + CERTS + "ca.crt", "--cluster-signing-key-file=" + CERTS + "ca.key")
    machine.start("kube-scheduler", "kube-scheduler", "--kubeconfig=/run/kube-scheduler.conf", "--leader-elect=false")


def private(path, flags):
    return os.open(path, flags, 0o600)


def start_etcd(machine):
    machine.start("etcd", "etcd", "--data-dir=/run/etcd", "--unsafe-no-fsync", "--log-level=warn",
                  "--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
                  "--listen-peer-urls=http://127.0.0.1:2380")
    machine.wait_for("etcd", lambda: machine.run("curl", "-sf", "-m", "2", "http://127.0.0.1:2379/health",
                                                 check=False).returncode == 0, "etcd is healthy")


def start_apiserver(machine):
    machine.start("kube-apiserver", "kube-apiserver", "--etcd-servers=http://127.0.0.1:2379", "--bind-address=::",
                  "--secure-port=%d" % layout.API_PORT, "--advertise-address=" + layout.address(layout.CONTROL)[0],
                  "--service-cluster-ip-range=%s,%s" % (layout.SERVICES4, layout.SERVICES6),
                  "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
                  "--client-ca-file=" + CERTS + "ca.crt", "--tls-cert-file=" + CERTS + "apiserver.crt",
                  "--tls-private-key-file=" + CERTS + "apiserver.key",
                  "--kubelet-client-certificate=" + CERTS + "apiserver-kubelet.crt",
                  "--kubelet-client-key=" + CERTS + "apiserver-kubelet.key",
                  "--kubelet-preferred-address-types=InternalIP", "--allow-privileged=true",
                  "--service-account-issuer=https://kubernetes.default.svc." + layout.DOMAIN,
                  "--service-account-key-file=" + CERTS + "sa.pub", "--service-account-signing-key-file=" + CERTS + "sa.key")
    machine.wait_for("kube-apiserver", lambda: kubectl("get", "--raw", "/readyz", check=False).returncode == 0,
                     "the API server is ready")
    machine.wait_for("kube-apiserver", lambda: kubectl("get", "namespace", "default", check=False).returncode == 0,
                     "the namespace default is there")


def kubectl_command(*command):
    options = layout.saved()
    return (options.build + "/cluster/bin/kubectl", "--kubeconfig=" + layout.KUBECONFIG, *command)


def kubectl(*command, check=True, timeout=120, **options):
    return run(*kubectl_command(*command), check=check, timeout=timeout, **options)


def get(*command):
    """The object, or the list of objects, that `kubectl get ... -o json` prints; None when it is not there."""
    done = subprocess.run(kubectl_command("get", *command, "-o", "json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False, timeout=60)
    if done.returncode:
        if "NotFound" in done.stderr:
            return None
        raise Failed("kubectl get %s: %s" % (" ".join(command), done.stderr))
    answer = json.loads(done.stdout)
    return answer["items"] if answer["kind"] == "List" else answer


def apply(*objects):
    """Objects, or texts of YAML."""
    text = "\n---\n".join(o if isinstance(o, str) else json.dumps(o) for o in objects)
    return kubectl("apply", "-f", "-", input=text).stdout
