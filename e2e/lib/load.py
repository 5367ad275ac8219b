#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""TCP load between two pods: connections that stay, and short ones, in both families.

    load.py echo PORT                     sends back what it is sent; prints "ready"
    load.py drive IPV4 IPV6 PORT HELD FILE  opens HELD connections, half of them in each family, and asks for an echo on
                                          each, again and again; beside them opens short ones, one after the other.
                                          FILE is rewritten several times a second: {"ports": {"4": [local port of each
                                          held one], "6": [...]}, "echoes": of the held ones, "broken": [what went
                                          wrong with held ones], "short": done, "failed": [what went wrong with short
                                          ones]}. SIGTERM ends it, with a last writing.
"""
import json
import os
import selectors
import signal
import socket
import sys
import time

PATIENCE = 30.0  # seconds for one answer: longer than any pause of a busy machine, shorter than a test


def echo(port):
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)
    chosen = selectors.DefaultSelector()
    chosen.register(listener, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in chosen.select():
            if key.fileobj is listener:
                connection, _ = listener.accept()
                chosen.register(connection, selectors.EVENT_READ)
                continue
            try:
                data = key.fileobj.recv(4096)
                if data:
                    key.fileobj.sendall(data)
            except OSError:
                data = b""
            if not data:
                chosen.unregister(key.fileobj)
                key.fileobj.close()


def ask(connection, data):
    connection.sendall(data)
    answer = connection.recv(len(data))
    if answer != data:
        raise OSError("closed" if not answer else "wrong answer %r" % answer)


class Drive:
    def __init__(self, hosts, port, count, file):
        self.hosts, self.port, self.file = hosts, port, file
        self.told = {"ports": {"4": [], "6": []}, "echoes": 0, "broken": [], "short": 0, "failed": []}
        self.ends, self.written = False, 0.0
        self.held = [self.open(i) for i in range(count)]
        for connection in self.held:
            family = "6" if connection.family == socket.AF_INET6 else "4"
            self.told["ports"][family].append(connection.getsockname()[1])

    def open(self, number):
        return socket.create_connection((self.hosts[number % len(self.hosts)], self.port), PATIENCE)

    def write(self, now=False):
        if not now and time.monotonic() - self.written < 0.1:
            return
        with open(self.file + ".new", "w", encoding="ascii") as out:
            json.dump(self.told, out)
        os.rename(self.file + ".new", self.file)
        self.written = time.monotonic()

    def short(self):
        try:
            with self.open(self.told["short"]) as connection:
                ask(connection, b"short")
            self.told["short"] += 1
        except OSError as error:
            self.told["failed"].append(str(error))

    def run(self):
        while not self.ends:
            for number, connection in enumerate(list(self.held)):
                try:
                    ask(connection, b"%06d" % number)
                    self.told["echoes"] += 1
                except OSError as error:
                    self.told["broken"].append(str(error))
                    self.held.remove(connection)
                if number % 20 == 0:
                    self.short()
                    self.write()
                    time.sleep(0.005)
                if self.ends:
                    break
        self.write(True)


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "echo":
        return echo(int(sys.argv[2]))
    if len(sys.argv) != 7 or sys.argv[1] != "drive":
        print(__doc__)
        return 2
    drive = Drive(sys.argv[2:4], int(sys.argv[4]), int(sys.argv[5]), sys.argv[6])

    def end(*_):
        drive.ends = True

    signal.signal(signal.SIGTERM, end)
    drive.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
