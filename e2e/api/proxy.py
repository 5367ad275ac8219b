# SPDX-License-Identifier: Apache-2.0
"""A proxy in front of the real API server that ends TLS and can misbehave: e2e/lib/fakeapi.py with real answers.

In: a plane (control.py). Out: what FakeApi offers a test, faults included; every answer without a fault is the server's.
"""
import contextlib
import http.client
import os
import socket
import ssl
import sys
import threading
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from control import PORT, Client, socket_in  # noqa: E402
from fakeapi import FakeApi  # noqa: E402


class ProxyApi(FakeApi):
    def __init__(self, plane, tls, netns):
        self.plane, self.writer, self.writing = plane, Client(plane), threading.Lock()
        self.upstream, self.without = set(), ()  # without: parameters that the server is not to see
        super().__init__(tls=tls, netns=netns)
        self.floor = 0

    # content is the server's

    def put(self, *items):
        found = []
        with self.writing:
            for item in items:
                found.append(self.writer.put(item))
                self.version = int(found[-1]["metadata"]["resourceVersion"])
        return found

    def delete(self, kind, namespace, name):
        with self.writing:
            self.writer.delete(kind, namespace, name)
            self.version = int(self.writer.ask("GET", "/api/v1/namespaces?limit=1")["metadata"]["resourceVersion"])

    def forget(self):
        """As if: e2e/api/rows has the real thing."""
        self.floor = self.version

    def break_watches(self):
        super().break_watches()
        with self.lock:
            for sock in self.upstream:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def stop(self):
        self.break_watches()
        super().stop()

    # answers are the server's

    def answer_list(self, request):
        if self.page < 500 and "limit" in request.query:
            request.query["limit"] = str(self.page)
        self.forward(request)

    def answer_watch(self, request, begun=False):
        if not begun and 0 < int(request.query.get("resourceVersion") or 0) < self.floor:
            request.status(410, "Expired", "too old resource version")
            return
        self.forward(request, begun)

    def forward(self, request, begun=False):
        context = ssl.create_default_context(cafile=self.plane.ca[0])
        try:
            sock = context.wrap_socket(socket_in(self.netns, PORT), server_hostname="127.0.0.1")
        except OSError:
            request.cut()  # as a proxy does whose server is down
            return
        sock.settimeout(None)
        with self.lock:
            self.upstream.add(sock)
        try:
            self.relay(request, sock, begun)
        except (OSError, http.client.HTTPException, ValueError):
            request.cut()
            return
        finally:
            with self.lock:
                self.upstream.discard(sock)
            sock.close()

    @staticmethod
    def relay(request, sock, begun):
        connection = http.client.HTTPSConnection("127.0.0.1", PORT)
        connection.sock = sock
        headers = {"Accept": "application/json", "Connection": "close"}
        if "Authorization" in request.headers:
            headers["Authorization"] = request.headers["Authorization"]
        query = {name: value for name, value in request.query.items() if name not in request.server.api.without}
        connection.request("GET", request.resource + "?" + urllib.parse.urlencode(query), headers=headers)
        response = connection.getresponse()
        if not begun:
            request.send_response(response.status)
            for name in ("Content-Type", "Retry-After"):
                if response.getheader(name):
                    request.send_header(name, response.getheader(name))
            request.send_header("Transfer-Encoding", "chunked")
            request.end_headers()
        while True:
            data = response.read1(65536)
            if not data:
                break
            request.send(data)
        request.end()
