#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""Sends UDP frames as they are asked for, past the kernel's own addresses: what a pod with CAP_NET_RAW can do.

    frame.py DEVICE SOURCE_MAC TARGET_MAC SOURCE_IP TARGET_IP SOURCE_PORT TARGET_PORT [COUNT]

The addresses may be anybody's; both are of one family. Lengths and checksums are right.
"""
import socket
import struct
import sys


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data if len(data) % 2 == 0 else data[:-1]))
    total += data[-1] << 8 if len(data) % 2 else 0
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def packet(source, target, ports, payload=b"hello"):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    ends = socket.inet_pton(family, source) + socket.inet_pton(family, target)
    length = 8 + len(payload)
    datagram = struct.pack("!HHHH", *ports, length, 0) + payload
    right = checksum(ends + struct.pack("!II", length, socket.IPPROTO_UDP) + datagram) or 0xffff
    datagram = datagram[:6] + struct.pack("!H", right) + datagram[8:]
    if family == socket.AF_INET6:
        return struct.pack("!IHBB", 6 << 28, length, socket.IPPROTO_UDP, 64) + ends + datagram
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 1, 0, 64, socket.IPPROTO_UDP, 0) + ends
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + datagram


def main():
    if len(sys.argv) < 8:
        print(__doc__)
        return 2
    device, source_mac, target_mac, source, target = sys.argv[1:6]
    kind = 0x86dd if ":" in source else 0x0800
    frame = bytes.fromhex((target_mac + source_mac).replace(":", "")) + struct.pack("!H", kind)
    frame += packet(source, target, (int(sys.argv[6]), int(sys.argv[7])))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((device, 0))
        for _ in range(int(sys.argv[8]) if len(sys.argv) > 8 else 1):
            raw.send(frame)
    return 0


if __name__ == "__main__":
    sys.exit(main())
