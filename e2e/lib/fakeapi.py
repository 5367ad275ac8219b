#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An API server that is only as good as a test wants it: lists, pages, streaming lists, watches, and every fault.

It is not Kubernetes: objects are taken as they are. Faults are functions that answer one request in the server's place:

    api = FakeApi()
    api.put(pod)                                     # a new version, told to every watch
    api.fault("pods", lambda request: request.status(410))
"""
import contextlib
import ctypes
import json
import os
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GROUPS = {"Namespace": "/api/v1/namespaces", "NetworkPolicy": "/apis/networking.k8s.io/v1/networkpolicies",
          "Node": "/api/v1/nodes", "Service": "/api/v1/services",
          "EndpointSlice": "/apis/discovery.k8s.io/v1/endpointslices", "Pod": "/api/v1/pods"}
KINDS = {path: kind for kind, path in GROUPS.items()}
CLONE_NEWNET = 0x40000000


def version_of(kind):
    group = GROUPS[kind].split("/")[1:-1]
    return group[1] if group[0] == "api" else "/".join(group[1:])


def field_of(item, path):
    for part in path.split("."):
        item = item.get(part, {}) if isinstance(item, dict) else {}
    return {True: "true", False: "false"}.get(item, item) if not isinstance(item, dict) else \
        {"spec.hostNetwork": "false"}.get(path, "")


def selects(selector, item):
    for term in filter(None, selector.split(",")):
        differs = "!=" in term
        path, value = term.split("!=" if differs else "=", 1)
        if (field_of(item, path) == value) == differs:
            return False
    return True


class Request(BaseHTTPRequestHandler):
    """One request; the methods below are what faults are made of."""
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True  # a head and a body are two writes: the second would wait for the client's receipt

    def log_message(self, *_):
        pass

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        self.resource, self.query = url.path, dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        self.kind = KINDS.get(url.path)
        self.watch = self.query.get("watch") == "1"
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError, TimeoutError):
            self.server.api.answer(self)

    # plain answers

    def status(self, code, reason="", message="", retry_after=None, body=None, content_type="application/json"):
        text = body if body is not None else json.dumps(
            {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
             "message": message}).encode()
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(text)))
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        self.end_headers()
        self.wfile.write(text)

    def body(self, text, **more):
        self.status(200, body=text if isinstance(text, bytes) else json.dumps(text).encode(), **more)

    # chunked answers

    def begin(self, content_type="application/json"):
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()

    def send(self, text):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
        self.wfile.flush()

    def event(self, kind, item):
        self.send(json.dumps({"type": kind, "object": item}, separators=(",", ":")).encode() + b"\n")

    def end(self):
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def cut(self):
        """The connection ends here, in the middle of whatever it was."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def hold(self, seconds=30):
        """Nothing is said any more, until the client goes or the server ends."""
        self.close_connection = True
        deadline = time.monotonic() + seconds
        self.connection.settimeout(0.1)
        while time.monotonic() < deadline and not self.server.api.ended:
            try:
                if not self.connection.recv(1):
                    return
            except (TimeoutError, ssl.SSLWantReadError):
                continue
            except OSError:
                return


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address, context):
        self.context, self.connections = context, 0
        super().__init__(address, Request)

    def finish_request(self, request, client_address):
        self.connections += 1
        if self.context:
            request.settimeout(5)
            try:
                request = self.context.wrap_socket(request, server_side=True)
            except OSError:
                return
            request.settimeout(None)
        super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        pass


class FakeApi:
    def __init__(self, port=0, streaming=True, tokens=None, tls=None, netns=None):
        """tls: (certificate file, key file). netns: path of a network namespace to listen in."""
        self.lock = threading.Condition()
        self.items, self.history = {}, []
        self.version, self.floor = 100, 100
        self.streaming, self.tokens, self.tls, self.netns = streaming, tokens, tls, netns
        self.faults, self.requests = [], []
        self.ended, self.generation = False, 0
        self.bookmarks = 0
        self.page = 500
        self.start(port)

    def start(self, port=0):
        self.ended, self.shown = False, self.tls
        context = None
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls)
        made = []

        def make():
            if self.netns:  # a socket stays in the namespace in which it was made
                with open(self.netns, encoding="ascii") as file:
                    if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
            made.append(Server(("127.0.0.1", port), context))
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        self.server = made[0]
        self.server.api = self
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def stop(self):
        with self.lock:
            self.ended = True
            self.generation += 1
            self.lock.notify_all()
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not self.ended:
            self.stop()

    @property
    def url(self):
        return "%s://127.0.0.1:%d" % ("https" if self.tls else "http", self.port)

    def kubeconfig(self, path, user=None, **cluster):
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "c",
                  "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
                  "clusters": [{"name": "k", "cluster": dict({"server": self.url}, **cluster)}],
                  "users": [{"name": "u", "user": user or {}}]}
        with open(path, "w", encoding="utf-8") as file:
            json.dump(config, file)
        return path

    # content

    def put(self, *items):
        for item in items:
            with self.lock:
                self.version += 1
                metadata = item["metadata"]
                key = (item["kind"], metadata.get("namespace", ""), metadata["name"])
                old = self.items.get(key)
                item = dict(item, metadata=dict(metadata, resourceVersion=str(self.version)))
                self.items[key] = item
                self.history.append((self.version, key[0], old, item))
                self.lock.notify_all()

    def delete(self, kind, namespace, name):
        with self.lock:
            self.version += 1
            old = self.items.pop((kind, namespace, name))
            old = dict(old, metadata=dict(old["metadata"], resourceVersion=str(self.version)))
            self.history.append((self.version, kind, old, None))
            self.lock.notify_all()

    def forget(self):
        """Versions up to now are too old to watch from."""
        with self.lock:
            self.floor = self.version
            self.history = []

    def break_watches(self):
        with self.lock:
            self.generation += 1
            self.lock.notify_all()

    def bookmark(self):
        with self.lock:
            self.bookmarks += 1
            self.lock.notify_all()

    # faults

    def fault(self, resource, action, times=1, watch=None):
        """The next `times` requests for the resource (end of the path; "" any) are answered by action(request)."""
        with self.lock:
            self.faults.append([resource, action, times, watch])

    def take_fault(self, request):
        with self.lock:
            for fault in self.faults:
                resource, action, times, watch = fault
                if not times or not request.resource.endswith(resource) or \
                        (watch is not None and request.watch != watch):
                    continue
                fault[2] -= 1
                return action
        return None

    def seen(self, resource, **query):
        with self.lock:
            return [r for r in self.requests if r[1].endswith(resource) and
                    all(r[2].get(k) == v for k, v in query.items())]

    # answers

    def answer(self, request):
        if request.server is not self.server or self.ended:  # a connection that outlived its server
            request.cut()
            return
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        with self.lock:
            self.requests.append((time.monotonic(), request.resource, request.query, token))
        action = self.take_fault(request)
        if action:
            action(request)
        elif self.tokens is not None and token not in self.tokens:
            request.status(401, "Unauthorized", "Unauthorized")
        elif not request.kind:
            request.status(404, "NotFound", "no such path")
        elif not request.watch:
            self.answer_list(request)
        elif request.query.get("sendInitialEvents") and not self.streaming:
            request.status(422, "Invalid", "sendInitialEvents is forbidden")
        else:
            self.answer_watch(request)

    def selected(self, request):
        selector = request.query.get("fieldSelector", "")
        return [item for (kind, _, _), item in sorted(self.items.items()) if kind == request.kind and
                selects(selector, item)]

    def answer_list(self, request):
        with self.lock:
            found, version = self.selected(request), self.version
        limit = min(int(request.query.get("limit") or self.page), self.page)
        begin = int(request.query.get("continue") or 0)
        more = begin + limit < len(found)
        request.body(self.list_body(request.kind, found[begin:begin + limit], version,
                                    str(begin + limit) if more else ""))

    def list_body(self, kind, items, version, following=""):
        bare = [{k: v for k, v in item.items() if k not in ("kind", "apiVersion")} for item in items]
        return {"kind": kind + "List", "apiVersion": version_of(kind),
                "metadata": dict({"resourceVersion": str(version)}, **({"continue": following} if following else {})),
                "items": bare}

    def answer_watch(self, request, begun=False):
        generation, bookmarks = self.generation, self.bookmarks
        selector = request.query.get("fieldSelector", "")
        initial = request.query.get("sendInitialEvents")
        with self.lock:
            found = self.selected(request) if initial else []
            position = self.version if initial else int(request.query["resourceVersion"])
        if not initial and position < self.floor:
            request.begin()
            request.event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"})
            request.end()
            return
        if not begun:
            request.begin()
        for item in found:
            request.event("ADDED", item)
        if initial:
            request.event("BOOKMARK", self.mark(request.kind, position, True))
        while True:
            with self.lock:
                self.lock.wait_for(lambda: self.generation != generation or self.bookmarks != bookmarks or
                                   self.version > position, 1)
                if self.generation != generation:
                    break
                fresh = [h for h in self.history if h[0] > position and h[1] == request.kind]
                position, marked = self.version, self.bookmarks != bookmarks
                bookmarks = self.bookmarks
            for _, _, old, item in fresh:
                before, after = old is not None and selects(selector, old), item is not None and selects(selector, item)
                if after:
                    request.event("MODIFIED" if before else "ADDED", item)
                elif before:
                    version = (item or old)["metadata"]["resourceVersion"]
                    request.event("DELETED", dict(old, metadata=dict(old["metadata"], resourceVersion=version)))
            if marked:
                request.event("BOOKMARK", self.mark(request.kind, position, False))
        if self.ended:
            request.cut()
        else:
            request.end()

    @staticmethod
    def mark(kind, version, end):
        metadata = {"resourceVersion": str(version), "creationTimestamp": None}
        if end:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        return {"kind": kind, "apiVersion": version_of(kind), "metadata": metadata}


EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def openssl(*command):
    return subprocess.run(["openssl", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          check=False).returncode == 0


def authority(folder, name):
    """(certificate, key) of one who signs."""
    paths = os.path.join(folder, name + ".crt"), os.path.join(folder, name + ".key")
    if not openssl("req", "-x509", *EC, "-days", "2", "-subj", "/CN=" + name, "-keyout", paths[1], "-out", paths[0]):
        raise RuntimeError("openssl req")
    return paths


def certificate(folder, name, signer, address="IP:127.0.0.1", expired=False, client=False, organization=""):
    """(certificate, key), signed by authority()'s; client: the name is a user's, of that organization."""
    base = os.path.join(folder, name)
    with open(base + ".ext", "w", encoding="ascii") as file:
        file.write("subjectAltName=%s\nextendedKeyUsage=%s\n" % (address, "clientAuth" if client else "serverAuth"))
    sign = ["x509", "-req", "-in", base + ".csr", "-CA", signer[0], "-CAkey", signer[1], "-CAcreateserial", "-extfile",
            base + ".ext", "-out", base + ".crt"]
    days = [["-days", "2"]]
    if expired:  # the second for versions that refuse negative days
        days = [["-days", "-1"], ["-not_before", "20200101000000Z", "-not_after", "20200102000000Z"]]
    if not openssl("req", *EC, "-subj", ("/O=" + organization if organization else "") + "/CN=" + name, "-keyout",
                   base + ".key", "-out", base + ".csr") or \
            not any(openssl(*sign, *how) for how in days):
        raise RuntimeError("openssl: %s" % name)
    return base + ".crt", base + ".key"
