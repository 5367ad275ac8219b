# SPDX-License-Identifier: Apache-2.0
"""A real etcd and a real kube-apiserver in a network namespace, alone: no kubelet, no controller, no scheduler.

In: the folder with both programs, a folder to work in, a namespace. Out: an API server that is ready, a Client that
writes objects as controllers and kubelets do, service account tokens, compaction. Stops only what it started.
"""
import base64
import ctypes
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from fakeapi import CLONE_NEWNET, GROUPS, authority, certificate, openssl  # noqa: E402
from node import wait_for  # noqa: E402

ETCD, PEER, PORT = 32379, 32380, 36443
KINDS = ("namespaces", "pods", "services", "nodes")
ROLE = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "podwall"}, "rules": [
    {"apiGroups": [""], "resources": list(KINDS), "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["get", "list", "watch"]}]}
BINDING = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "podwall"},
           "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "podwall"},
           "subjects": [{"kind": "ServiceAccount", "name": "podwall", "namespace": "default"}]}


def programs(build):
    """(folder, "") or (None, why not)."""
    folder = os.environ.get("FW_CLUSTER_BIN") or os.path.join(build, "cluster", "bin")
    missing = [name for name in ("etcd", "kube-apiserver") if not os.access(os.path.join(folder, name), os.X_OK)]
    return (None, "no %s in %s" % (" and ".join(missing), folder)) if missing else (folder, "")


def socket_in(netns, port):
    """A connection to 127.0.0.1:port of that network namespace: a socket stays where it was made."""
    made = []

    def make():
        with open(netns, encoding="ascii") as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        sock = socket.socket()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(30)
        try:
            sock.connect(("127.0.0.1", port))
            made.append(sock)
        except OSError as error:
            made.append(error)
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if not made or isinstance(made[0], OSError):
        raise made[0] if made else OSError("no socket in " + netns)
    return made[0]


class Refused(Exception):
    """The API server answered, and not with success."""

    def __init__(self, status, text):
        super().__init__("HTTP %d: %s" % (status, text))
        self.status = status


class Client:
    """One connection, for one thread, with the administrator's certificate or with a token."""

    def __init__(self, plane, token=None):
        self.plane, self.token, self.connection = plane, token, None

    def connect(self):
        context = ssl.create_default_context(cafile=self.plane.ca[0])
        if not self.token:
            context.load_cert_chain(*self.plane.admin)
        connection = http.client.HTTPSConnection("127.0.0.1", PORT)
        connection.sock = context.wrap_socket(socket_in(self.plane.netns, PORT), server_hostname="127.0.0.1")
        return connection

    def ask(self, method, path, body=None, content_type="application/json"):
        headers = {"Accept": "application/json", "Content-Type": content_type}
        if self.token:
            headers["Authorization"] = "Bearer " + self.token
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        for again in (True, False):
            try:
                self.connection = self.connection or self.connect()
                self.connection.request(method, path, data, headers)
                response = self.connection.getresponse()
                text = response.read()
                break
            except (OSError, http.client.HTTPException):
                self.connection = None
                if not again:
                    raise
        if response.status >= 300:
            raise Refused(response.status, text[:500])
        return json.loads(text) if text.startswith(b"{") else text

    # objects, as whoever owns them writes them: the status apart

    @staticmethod
    def path_of(kind, namespace, name=""):
        base = GROUPS[kind]
        if namespace:
            head, tail = base.rsplit("/", 1)
            base = "%s/namespaces/%s/%s" % (head, namespace, tail)
        return base + ("/" + name if name else "")

    def put(self, item):
        """The object as it is on the server then."""
        metadata, status = item["metadata"], item.get("status")
        path = self.path_of(item["kind"], metadata.get("namespace", ""))
        body = {k: v for k, v in item.items() if k != "status"}
        body["metadata"] = {k: v for k, v in metadata.items() if k not in ("uid", "resourceVersion")}
        try:
            found = self.ask("POST", path, body)
        except Refused as why:
            if why.status != 409:
                raise
            found = self.change(path + "/" + metadata["name"], item["kind"], body)
        if status and item["kind"] in ("Pod", "Node", "Service"):
            found = self.ask("PATCH", path + "/" + metadata["name"] + "/status", {"status": status},
                             "application/merge-patch+json")
        return found

    def change(self, path, kind, body):
        if kind == "NetworkPolicy":
            return self.ask("PUT", path, body)
        labels = {"metadata": {"labels": body["metadata"].get("labels", {})}}
        return self.ask("PATCH", path, labels, "application/merge-patch+json")

    def delete(self, kind, namespace, name):
        return self.ask("DELETE", self.path_of(kind, namespace, name), {"gracePeriodSeconds": 0})


class Plane:
    """etcd and the API server. start(), stop(), and each of them alone."""

    def __init__(self, folder, work, netns):
        self.folder, self.work, self.netns = folder, work + "/plane", netns
        self.processes = {}

    def start(self):
        shutil.rmtree(self.work, ignore_errors=True)
        os.makedirs(self.work, mode=0o700)
        self.ca = authority(self.work, "plane-ca")
        self.server = certificate(self.work, "apiserver", self.ca)
        self.admin = certificate(self.work, "admin", self.ca, client=True, organization="system:masters")
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.work + "/sa.key")
        openssl("ec", "-in", self.work + "/sa.key", "-pubout", "-out", self.work + "/sa.pub")
        self.start_etcd()
        self.start_server()

    def spawn(self, name, *options):
        with open("%s/%s.log" % (self.work, name), "ab") as log:
            self.processes[name] = subprocess.Popen(
                ("nsenter", "--net=" + self.netns, "--", os.path.join(self.folder, name), *options),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def start_etcd(self):
        self.spawn("etcd", "--data-dir=" + self.work + "/etcd", "--unsafe-no-fsync", "--log-level=warn",
                   "--quota-backend-bytes=4294967296", "--listen-client-urls=http://127.0.0.1:%d" % ETCD,
                   "--advertise-client-urls=http://127.0.0.1:%d" % ETCD, "--listen-peer-urls=http://127.0.0.1:%d" % PEER)
        wait_for(lambda: b"true" in self.etcd("GET", "/health"), "etcd is healthy", 30, 0.1)

    def etcd(self, method, path, body=None):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", ETCD)
            connection.sock = socket_in(self.netns, ETCD)
            connection.request(method, path, None if body is None else json.dumps(body))
            return connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return b""

    def compact(self):
        """Every version up to now is gone for who asks etcd."""
        now = json.loads(self.etcd("POST", "/v3/kv/range", {"key": "AA=="}))["header"]["revision"]
        answer = self.etcd("POST", "/v3/kv/compaction", {"revision": now, "physical": True})
        if b"header" not in answer:
            raise RuntimeError("compaction: %r" % answer)
        return int(now)

    def start_server(self):
        w = self.work
        self.spawn("kube-apiserver", "--etcd-servers=http://127.0.0.1:%d" % ETCD, "--bind-address=127.0.0.1",
                   "--advertise-address=192.0.2.1", "--secure-port=%d" % PORT, "--service-cluster-ip-range=172.20.0.0/16",
                   "--endpoint-reconciler-type=none",
                   "--authorization-mode=RBAC", "--client-ca-file=" + self.ca[0], "--tls-cert-file=" + self.server[0],
                   "--tls-private-key-file=" + self.server[1], "--disable-admission-plugins=ServiceAccount",
                   "--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" + w + "/sa.pub",
                   "--service-account-signing-key-file=" + w + "/sa.key", "--max-requests-inflight=4000",
                   "--max-mutating-requests-inflight=2000", *self.more_options())
        client = Client(self)

        def ready():
            try:
                return client.ask("GET", "/readyz") == b"ok" and client.ask("GET", "/api/v1/namespaces/default")
            except (OSError, Refused):
                return self.processes["kube-apiserver"].poll() is not None
        wait_for(ready, "the API server is ready", 180, 0.1)
        if self.processes["kube-apiserver"].poll() is not None:
            with open(w + "/kube-apiserver.log", encoding="utf-8", errors="replace") as file:
                raise RuntimeError("kube-apiserver ended:\n" + file.read()[-3000:])

    @staticmethod
    def more_options():
        return os.environ.get("FW_APISERVER_OPTIONS", "").split()

    def stop_server(self, how=signal.SIGKILL):
        self.end("kube-apiserver", how)

    def end(self, name, how=signal.SIGKILL):
        process = self.processes.pop(name, None)
        if process and process.poll() is None:
            process.send_signal(how)
            process.wait(30)

    def stop(self):
        for name in list(self.processes):
            self.end(name)

    def token(self):
        """A new token of the service account default/podwall, which may read what podwalld reads and nothing else."""
        client = Client(self)
        for path, body in (("/apis/rbac.authorization.k8s.io/v1/clusterroles", ROLE),
                           ("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", BINDING),
                           ("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "podwall"}})):
            try:
                client.ask("POST", path, body)
            except Refused as why:
                if why.status != 409:
                    raise
        answer = client.ask("POST", "/api/v1/namespaces/default/serviceaccounts/podwall/token",
                            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                             "spec": {"expirationSeconds": 3600}})
        return answer["status"]["token"]

    def revoke_tokens(self):
        Client(self).ask("DELETE", "/api/v1/namespaces/default/serviceaccounts/podwall")

    def kubeconfig(self, path, token_file, ca_file, server="https://127.0.0.1:%d" % PORT):
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "c",
                  "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
                  "clusters": [{"name": "k", "cluster": {"server": server, "certificate-authority": ca_file}}],
                  "users": [{"name": "u", "user": {"tokenFile": token_file}}]}
        with open(path, "w", encoding="utf-8") as file:
            json.dump(config, file)
        return path


def secret_part(token):
    """What must stand nowhere: the signature of a JWT."""
    return token.rsplit(".", 1)[-1] if token.count(".") == 2 else base64.b64encode(token.encode()).decode()


def quote(text):
    return urllib.parse.quote(text, safe="")
