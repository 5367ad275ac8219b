#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""A small real application: an HTTP server and the clients that talk to it, each run inside a pod.

    app.py serve NAME PORT [PORT ...]   HTTP/1.1 on every address, both families: / names the pod and the caller,
                                        /stream sends a line every millisecond for as long as the caller reads;
                                        a UDP socket on each port answers "NAME" to every datagram
    app.py get URL [--timeout S]        prints the body; exit 0 answered, 4 timed out, 5 refused, 1 otherwise
    app.py stream URL FILE              reads /stream, writes the CLOCK_MONOTONIC second of each piece to FILE
    app.py udp HOST PORT [--timeout S]  a datagram there and one back, asked again every 0.5 s; exit codes as get

Clients are started by the hundred: they import nothing that is slow to import.
"""
import argparse
import socket
import sys
import threading
import time

ANSWERED, OTHER, TIMED_OUT, REFUSED = 0, 1, 4, 5


def handler(name, http):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            if self.path == "/stream":
                self.stream()
                return
            body = ("%s %s\n" % (name, self.client_address[0].removeprefix("::ffff:"))).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def stream(self):
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            try:
                while True:
                    self.wfile.write(b"x" * 63 + b"\n")
                    self.wfile.flush()
                    time.sleep(0.001)
            except OSError:
                pass

        def log_message(self, *args):
            pass

    return Handler


def serve_udp(name, port):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("::", port))
        while True:
            _, peer = sock.recvfrom(2048)
            sock.sendto(name.encode(), peer)


def serve(args):
    import http.server  # slow: a server pays for it, clients do not

    class Server(http.server.ThreadingHTTPServer):
        address_family = socket.AF_INET6
        daemon_threads = True
        request_queue_size = 256

        def server_bind(self):
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            http.server.HTTPServer.server_bind(self)

    servers = [Server(("::", port), handler(args.name, http)) for port in args.port]
    for port in args.port:
        threading.Thread(target=serve_udp, args=(args.name, port), daemon=True).start()
    for server in servers[1:]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    servers[0].serve_forever()


def outcome(error):
    if isinstance(error, (TimeoutError, socket.timeout)):
        return TIMED_OUT
    if isinstance(error, ConnectionRefusedError):
        return REFUSED
    return OTHER


def connect(url, timeout):
    """A connection on which the request is sent, to be read until it closes; the timeout is for all of it."""
    host, path = url.removeprefix("http://").split("/", 1)
    name, _, port = host.rpartition(":") if not host.endswith("]") and ":" in host else (host, "", "80")
    connection = socket.create_connection((name.strip("[]"), int(port)), timeout)
    connection.sendall(("GET /%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % (path, host)).encode())
    return connection


def get(args):
    deadline, answer = time.monotonic() + args.timeout, b""
    try:
        with connect(args.url, args.timeout) as connection:
            while True:
                connection.settimeout(max(deadline - time.monotonic(), 0.001))
                piece = connection.recv(65536)
                if not piece:
                    break
                answer += piece
    except OSError as error:
        print(error, file=sys.stderr)
        return outcome(error)
    head, _, body = answer.partition(b"\r\n\r\n")
    sys.stdout.write(body.decode())
    return ANSWERED if head.split(b" ")[1:2] == [b"200"] else OTHER


def stream(args):
    try:
        with connect(args.url, args.timeout) as connection, open(args.file, "w", encoding="ascii", buffering=1) as log:
            while connection.recv(4096):
                log.write("%.6f\n" % time.monotonic())
    except OSError as error:
        print(error, file=sys.stderr)
        return outcome(error)
    return ANSWERED


def udp(args):
    family = socket.AF_INET6 if ":" in args.host else socket.AF_INET
    deadline = time.monotonic() + args.timeout
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((args.host, args.port))
            while True:
                sock.send(b"hello")
                sock.settimeout(max(min(0.5, deadline - time.monotonic()), 0.001))
                try:
                    print(sock.recv(2048).decode())
                    return ANSWERED
                except TimeoutError:
                    if time.monotonic() >= deadline:
                        raise
    except OSError as error:
        print(error, file=sys.stderr)
        return outcome(error)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("serve")
    verb.add_argument("name")
    verb.add_argument("port", type=int, nargs="+")
    verb.set_defaults(run=serve)
    verb = verbs.add_parser("get")
    verb.add_argument("url")
    verb.add_argument("--timeout", type=float, default=1.0)
    verb.set_defaults(run=get)
    verb = verbs.add_parser("stream")
    verb.add_argument("url")
    verb.add_argument("file")
    verb.add_argument("--timeout", type=float, default=30.0)
    verb.set_defaults(run=stream)
    verb = verbs.add_parser("udp")
    verb.add_argument("host")
    verb.add_argument("port", type=int)
    verb.add_argument("--timeout", type=float, default=1.0)
    verb.set_defaults(run=udp)
    args = parser.parse_args()
    return args.run(args)


if __name__ == "__main__":
    sys.exit(main())
