# SPDX-License-Identifier: Apache-2.0
"""Container images without a registry: docker-archives with one layer, made from programs, imported on every node.

In: the BUILD folder. Out: pause, agnhost, CoreDNS and Podwall as archives in BUILD/cluster/images, made again when a
program in them is newer. Shared libraries are found by ldd, and stand in the image where they stand on this machine.
"""
import hashlib
import io
import json
import os
import struct
import tarfile

import layout
import nodes
from machine import Failed, run

AGNHOST, COREDNS = "podwall.io/agnhost:1", "podwall.io/coredns:1"
TOOLS = ("pause", "probe", "serve")  # the C files beside this one
# cap_net_admin, cap_perfmon, cap_bpf as file capabilities, permitted and effective (struct vfs_cap_data, version 2):
# a container that does not run as root has no other way to them
CAPABILITIES = [12, 38, 39]


def capability_attribute(numbers):
    low, high = (sum(1 << (n % 32) for n in numbers if n // 32 == word) for word in (0, 1))
    return struct.pack("<IIIII", 0x02000001, low, 0, high, 0)


class Layer:
    """One layer, in memory; folders come by themselves, modes and times are fixed."""

    def __init__(self):
        self.bytes = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.bytes, mode="w", format=tarfile.PAX_FORMAT)
        self.seen = set()

    def folder(self, name):
        if not name or name in self.seen:
            return
        self.folder(os.path.dirname(name))
        self.seen.add(name)
        info = tarfile.TarInfo(name)
        info.type, info.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
        self.tar.addfile(info)

    def file(self, name, content, mode=0o644, attributes=None):
        self.folder(os.path.dirname(name))
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(content), mode
        # PAX values are text for tarfile; what is no UTF-8 goes out as it came in
        info.pax_headers = {"SCHILY.xattr." + key: value.decode("utf-8", "surrogateescape")
                            for key, value in (attributes or {}).items()}
        self.tar.addfile(info, io.BytesIO(content))

    def copy(self, source, name, attributes=None):
        with open(source, "rb") as file:
            self.file(name, file.read(), 0o755, attributes)

    def link(self, name, target):
        self.folder(os.path.dirname(name))
        info = tarfile.TarInfo(name)
        info.type, info.linkname = tarfile.SYMTYPE, target
        self.tar.addfile(info)

    def libraries(self, *programs):
        """What the dynamic linker would load for them, at the paths where it looks."""
        done = set()
        for program in programs:
            for line in run("ldd", program).stdout.splitlines():
                path = next((word for word in line.split() if word.startswith("/")), None)
                if path and path not in done:
                    done.add(path)
                    self.copy(os.path.realpath(path), path.lstrip("/"))
                elif "not found" in line:
                    raise Failed("%s: %s" % (program, line.strip()))

    def done(self):
        self.tar.close()
        return self.bytes.getvalue()


def archive(path, name, layer, config):
    digest = hashlib.sha256(layer).hexdigest()
    text = json.dumps({"architecture": architecture(), "os": "linux", "created": "2020-01-01T00:00:00Z", "config": config,
                       "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest]},
                       "history": [{"created": "2020-01-01T00:00:00Z"}]}).encode()
    config_name = hashlib.sha256(text).hexdigest() + ".json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": [digest + "/layer.tar"]}]).encode()
    with tarfile.open(path + ".new", "w") as tar:
        for file, content in ((config_name, text), (digest + "/layer.tar", layer), ("manifest.json", manifest)):
            put(tar, file, content)
    os.rename(path + ".new", path)


def put(tar, name, content):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def architecture():
    return {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]


def users(layer):
    layer.file("etc/passwd", b"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")
    layer.file("etc/group", b"root:x:0:\nnobody:x:65534:\n")
    layer.folder("tmp")


def compiled(build, name):
    """One of TOOLS, static; it stands where the machines find their programs, too."""
    program, source = "%s/cluster/bin/%s" % (build, name), "%s/%s.c" % (layout.HERE, name)
    if not os.path.exists(program) or os.path.getmtime(program) < os.path.getmtime(source):
        run("cc", "-O2", "-Wall", "-Werror", "-D_GNU_SOURCE", "-static", "-s", "-o", program + ".new", source)
        os.rename(program + ".new", program)
    return program


def pause(build):
    layer = Layer()
    layer.copy(compiled(build, "pause"), "pause")
    return layer.done(), {"Entrypoint": ["/pause"], "User": "65534"}


def agnhost(build):
    """With a shell, a prober and a server beside it, so that a test can ask more than one thing at once."""
    layer = Layer()
    users(layer)
    layer.copy(build + "/cluster/bin/agnhost", "agnhost")
    for name in TOOLS:
        layer.copy(compiled(build, name), name)
    layer.copy(run("sh", "-c", "command -v busybox").stdout.strip(), "bin/busybox")
    for applet in ("sh", "sleep", "ip", "cat", "wget", "nc", "timeout", "ping", "true", "date", "ls", "echo", "kill", "env", "nslookup"):
        layer.link("bin/" + applet, "busybox")
    return layer.done(), {"Entrypoint": ["/agnhost"], "Cmd": ["pause"], "Env": ["PATH=/bin:/"]}


def coredns(build):
    layer = Layer()
    users(layer)
    layer.copy(build + "/cluster/bin/coredns", "coredns", {"security.capability": capability_attribute([10])})
    return layer.done(), {"Entrypoint": ["/coredns"]}


def podwall(build):
    programs = [build + "/podwalld", build + "/fwctl"]
    layer = Layer()
    layer.copy(programs[0], "usr/sbin/podwalld", {"security.capability": capability_attribute(CAPABILITIES)})
    layer.copy(programs[1], "usr/bin/fwctl")
    layer.copy(build + "/podwall-install", "usr/sbin/podwall-install")
    layer.copy(build + "/podwall-cni", "usr/lib/podwall/podwall-cni")
    layer.libraries(*programs)
    layer.folder("tmp")
    return layer.done(), {"Entrypoint": ["/usr/sbin/podwalld"], "Env": ["PATH=/usr/sbin:/usr/bin"]}


def podwall_name():
    with open(layout.REPOSITORY + "/Makefile", encoding="utf-8") as file:
        version = next(line.split()[-1] for line in file if line.startswith("VERSION :="))
    return "podwall.io/podwall:" + version


def make(build, which):
    """The path of the archive of `which`, a function above; made only when something in it is newer."""
    folder = build + "/cluster/images"
    os.makedirs(folder, exist_ok=True)
    path = "%s/%s.tar" % (folder, which.__name__)
    sources = {"pause": [layout.HERE + "/pause.c"],
               "agnhost": [build + "/cluster/bin/agnhost"] + ["%s/%s.c" % (layout.HERE, name) for name in TOOLS],
               "coredns": [build + "/cluster/bin/coredns"],
               "podwall": [build + "/" + name for name in ("podwalld", "fwctl", "podwall-install", "podwall-cni")]}
    newest = max(os.path.getmtime(source) for source in sources[which.__name__] + [os.path.abspath(__file__)])
    if not os.path.exists(path) or os.path.getmtime(path) < newest:
        names = {"pause": nodes.PAUSE, "agnhost": AGNHOST, "coredns": COREDNS, "podwall": podwall_name()}
        layer, config = which(build)
        archive(path, names[which.__name__], layer, config)
    return path


def import_on(machine, path):
    with open(path, "rb") as file:
        machine.run("ctr", "-n", "k8s.io", "images", "import", "-", stdin=file, timeout=600)
