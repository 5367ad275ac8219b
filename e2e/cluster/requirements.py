# SPDX-License-Identifier: Apache-2.0
"""What a cluster needs of this machine's kernel, tried as the cluster will use it.

In: the options. Out: texts about what is missing. Everything is tried in namespaces that end with the try.
"""
import subprocess

import cgroups

CONTROLLERS = ("cpu", "cpuset", "memory", "pids")
MEMORY_MB = 1500
# what, and how it shows
TRIES = (
    ("tmpfs", "mount -t tmpfs tmpfs /mnt"),
    ("overlayfs", "mkdir /mnt/upper /mnt/work /mnt/root && "
                  "mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root"),
    ("the BPF file system", "mkdir /mnt/bpf && mount -t bpf bpf /mnt/bpf"),
    ("veth devices", "ip link add one type veth peer name two"),
    ("bridge devices", "ip link add three type bridge"),
    ("IPv6", "ip link set lo up && ip -6 address add fd77::1/128 dev lo"),
    ("nf_tables with NAT in both families", "nft add table inet try && "
                                            "nft 'add chain inet try nat { type nat hook prerouting priority -100 ; }'"),
)
IPTABLES = ("iptables with NAT in both families", "iptables -t nat -S && ip6tables -t nat -S")


def missing(options):
    tries = TRIES + ((IPTABLES,) if options.proxy == "iptables" else ())
    script = "\n".join("( %s ) >/dev/null 2>&1 || echo '%s'" % (command, what) for what, command in tries)
    done = subprocess.run(["unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--", "sh", "-c", script],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    if done.returncode:
        return ["namespaces: " + done.stderr.strip()]
    found = done.stdout.splitlines()
    found += ["the cgroup controller " + name for name in CONTROLLERS if name not in cgroups.controllers()]
    if available_mb() < MEMORY_MB:
        found.append("memory: %d MB are available, %d are needed" % (available_mb(), MEMORY_MB))
    return found


def available_mb():
    with open("/proc/meminfo", encoding="ascii") as file:
        fields = dict(line.split(":") for line in file)
    return int(fields["MemAvailable"].split()[0]) // 1024
