#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a container image without a registry: a docker-archive with one layer, a static busybox.

    image.py FILE [NAME]      NAME defaults to docker.io/library/podwall-test:latest
"""
import hashlib
import io
import json
import subprocess
import sys
import tarfile

NAME = "docker.io/library/podwall-test:latest"


def add(tar, name, content, mode=0o644):
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    tar.addfile(info, io.BytesIO(content))


def layer():
    busybox = subprocess.run(["sh", "-c", "command -v busybox"], stdout=subprocess.PIPE, check=True).stdout.decode().strip()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder in ("bin", "etc", "proc", "sys", "dev", "tmp", "run", "www"):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        with open(busybox, "rb") as binary:
            add(tar, "bin/busybox", binary.read(), 0o755)
        for applet in ("sh", "httpd", "wget", "nc", "sleep", "ip", "timeout", "cat", "ping"):
            info = tarfile.TarInfo("bin/" + applet)
            info.type, info.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(info)
        add(tar, "www/index.html", b"hello from the pod\n")
        add(tar, "etc/passwd", b"root:x:0:0:root:/:/bin/sh\n")
    return out.getvalue()


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        return 2 if len(sys.argv) < 2 else 0
    name = sys.argv[2] if len(sys.argv) > 2 else NAME
    blob = layer()
    digest = hashlib.sha256(blob).hexdigest()
    config = json.dumps({"architecture": "amd64", "os": "linux", "created": "2020-01-01T00:00:00Z",
                         "config": {"Cmd": ["/bin/httpd", "-f", "-p", "8080", "-h", "/www"], "Env": ["PATH=/bin"]},
                         "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest]},
                         "history": [{"created": "2020-01-01T00:00:00Z"}]}).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": [digest + "/layer.tar"]}]).encode()
    with tarfile.open(sys.argv[1], "w") as tar:
        add(tar, config_name, config)
        add(tar, digest + "/layer.tar", blob)
        add(tar, "manifest.json", manifest)
    return 0


if __name__ == "__main__":
    sys.exit(main())
