#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A small real application: an HTTP server and the clients that talk to it, each run inside a pod.

    app.py serve NAME PORT [PORT ...]   HTTP/1.1 on every address, both families: / names the pod and the caller,
                                        /stream sends a line every millisecond for as long as the caller reads;
                                        a UDP socket on each port answers "NAME" to every datagram
    app.py get URL [--timeout S]        prints the body; exit 0 answered, 4 timed out, 5 refused, 1 otherwise
    app.py stream URL FILE              reads /stream, writes the CLOCK_MONOTONIC second of each piece to FILE
    app.py udp HOST PORT [--timeout S]  one datagram there and back; exit codes as get
"""
import argparse
import http.client
import http.server
import socket
import sys
import threading
import time
import urllib.parse

ANSWERED, OTHER, TIMED_OUT, REFUSED = 0, 1, 4, 5


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True
    request_queue_size = 256

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        http.server.HTTPServer.server_bind(self)


def handler(name):
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
    servers = [Server(("::", port), handler(args.name)) for port in args.port]
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
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=timeout)
    connection.request("GET", parts.path or "/")
    return connection.getresponse()


def get(args):
    try:
        sys.stdout.write(connect(args.url, args.timeout).read().decode())
        return ANSWERED
    except OSError as error:
        print(error, file=sys.stderr)
        return outcome(error)


def stream(args):
    try:
        response = connect(args.url, args.timeout)
        with open(args.file, "w", encoding="ascii", buffering=1) as log:
            while response.read1(4096):
                log.write("%.6f\n" % time.monotonic())
    except OSError as error:
        print(error, file=sys.stderr)
        return outcome(error)
    return ANSWERED


def udp(args):
    family = socket.AF_INET6 if ":" in args.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(args.timeout)
            sock.connect((args.host, args.port))
            sock.send(b"hello")
            print(sock.recv(2048).decode())
            return ANSWERED
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
