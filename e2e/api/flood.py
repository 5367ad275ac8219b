#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Packets into pods that start, and out of them, and who got any: the parts of e2e/api/starts and of e2e/api/kubelet.

    flood.py outside PORT FILE      sends UDP to the addresses that FILE holds (rewritten while it runs), without end
    flood.py inside PORT HOST ...   one line on standard input for each pod, "NAME NETNS": from then on, as the pod's first
                                    process would, sends UDP from it to every HOST and counts what comes in over eth0.
                                    "end NAME" answers "NAME SENT RECEIVED" and stops. RECEIVED: IP packets, without
                                    what keeps an IPv6 link together: ICMPv6, and reports of multicast groups to
                                    ff02::16, which the node itself sends on every device.
    flood.py count PORT             receives UDP; "tell" on standard input answers {source address: packets} as JSON

Each runs until its standard input ends.
"""
import ctypes
import json
import os
import select
import socket
import struct
import subprocess
import sys

CLONE_NEWNET = 0x40000000
PACKET_OUTGOING = 4
ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 0x0003, 0x0800, 0x86dd
ICMPV6, GROUPS = 58, socket.inet_pton(socket.AF_INET6, "ff02::16")
PAUSE = 0.001  # between two rounds: what is measured needs the processors, too


def family_of(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def send(sock, host, port):
    try:
        sock.sendto(b"flood", socket.MSG_DONTWAIT, (host, port))
    except OSError:
        return 0
    return 1


def lines_of(wait):
    """The lines that stand on standard input, [] after so many seconds, None at its end."""
    if not select.select([sys.stdin], [], [], wait)[0]:
        return []
    data = os.read(0, 65536)
    return data.decode().splitlines() if data else None


def outside(port, path):
    sockets = {family: socket.socket(family, socket.SOCK_DGRAM) for family in (socket.AF_INET, socket.AF_INET6)}
    hosts, stamp = [], None
    while lines_of(PAUSE) is not None:
        now = os.stat(path).st_mtime_ns
        if now != stamp:
            stamp = now
            with open(path, encoding="ascii") as file:
                hosts = file.read().split()
        for host in hosts:
            send(sockets[family_of(host)], host, port)


def counts(frame):
    kind = struct.unpack_from("!H", frame, 12)[0]
    return kind == ETH_P_IP or (kind == ETH_P_IPV6 and frame[20] != ICMPV6 and frame[38:54] != GROUPS)


class Pod:
    """Sockets in a pod's network namespace: they stay where they were made."""

    def __init__(self, path, home):
        libc = ctypes.CDLL(None, use_errno=True)
        with open(path, encoding="ascii") as file:
            if libc.setns(file.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns " + path)
        try:
            self.sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self.sniffer.bind(("eth0", ETH_P_ALL))
            self.senders = {family: socket.socket(family, socket.SOCK_DGRAM) for family in (socket.AF_INET, socket.AF_INET6)}
        finally:
            libc.setns(home, CLONE_NEWNET)
        self.sniffer.setblocking(False)
        self.sent = self.received = 0

    def turn(self, hosts, port):
        for host in hosts:
            self.sent += send(self.senders[family_of(host)], host, port)
        while True:
            try:
                data, source = self.sniffer.recvfrom(128)
            except BlockingIOError:
                return
            self.received += source[2] != PACKET_OUTGOING and counts(data)

    def close(self):
        for sock in (self.sniffer, *self.senders.values()):
            sock.close()


def inside(port, hosts):
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    pods = {}
    while True:
        lines = lines_of(PAUSE if pods else 0.1)
        if lines is None:
            return
        for line in lines:
            first, second = line.split()
            if first == "end":
                pods[second].turn((), port)
                print("%s %d %d" % (second, pods[second].sent, pods[second].received), flush=True)
                pods.pop(second).close()
            else:
                pods[first] = Pod(second, home)
                for _ in range(20):
                    pods[first].turn(hosts, port)
        for pod in pods.values():
            pod.turn(hosts, port)


def count(port):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    sock.bind(("", port))
    found = {}
    print("ready", flush=True)
    while True:
        ready = select.select([sock, sys.stdin], [], [])[0]
        if sock in ready:
            source = sock.recvfrom(64)[1][0].removeprefix("::ffff:")
            found[source] = found.get(source, 0) + 1
        elif not os.read(0, 65536):
            return
        else:
            print(json.dumps(found), flush=True)


class Part:
    """One of the above that runs in a network namespace; None: in this one."""

    def __init__(self, netns, *words):
        enter = ("nsenter", "--net=/run/netns/" + netns, "--") if netns else ()
        command = (*enter, "/usr/bin/python3", "-IS", os.path.abspath(__file__), *map(str, words))
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.tell(line)
        return self.process.stdout.readline()

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


def main():
    words = sys.argv[1:]
    if words[:1] == ["outside"] and len(words) == 3:
        outside(int(words[1]), words[2])
    elif words[:1] == ["inside"] and len(words) > 2:
        inside(int(words[1]), words[2:])
    elif words[:1] == ["count"] and len(words) == 2:
        count(int(words[1]))
    else:
        print(__doc__)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
