# SPDX-License-Identifier: Apache-2.0
"""One certificate authority, a certificate for each component, and kubeconfigs that hold them.

In: a folder. Out: NAME.crt, NAME.key, ca.crt, sa.key there, made by openssl (P-256, ten days). Never leaves the host.
"""
import base64
import json
import os

import layout
from machine import run


class Authority:
    """The folder with everything."""

    def __init__(self, folder):
        self.folder = folder

    def file(self, name):
        return self.folder + "/" + name

    def create(self):
        os.makedirs(self.folder, mode=0o700)
        for name in ("ca", "sa"):
            run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.file(name + ".key"))
        run("openssl", "req", "-x509", "-new", "-key", self.file("ca.key"), "-subj", "/CN=podwall-cluster", "-days", "10",
            "-addext", "keyUsage=critical,keyCertSign,digitalSignature", "-out", self.file("ca.crt"))
        run("openssl", "ec", "-in", self.file("sa.key"), "-pubout", "-out", self.file("sa.pub"))

    def issue(self, name, common_name, organization=None, names=()):
        subject = ("/O=" + organization if organization else "") + "/CN=" + common_name
        run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.file(name + ".key"))
        run("openssl", "req", "-new", "-key", self.file(name + ".key"), "-subj", subject, "-out", self.file(name + ".csr"))
        extensions = "extendedKeyUsage=clientAuth,serverAuth\n"
        if names:
            extensions += "subjectAltName=" + ",".join(("IP:" if is_address(n) else "DNS:") + n for n in names) + "\n"
        with open(self.file(name + ".ext"), "w", encoding="ascii") as file:
            file.write(extensions)
        run("openssl", "x509", "-req", "-in", self.file(name + ".csr"), "-CA", self.file("ca.crt"), "-CAkey", self.file("ca.key"),
            "-CAcreateserial", "-days", "10", "-extfile", self.file(name + ".ext"), "-out", self.file(name + ".crt"))

    def kubeconfig(self, name):
        """The text of a kubeconfig, which is valid YAML, for who holds NAME.crt."""
        def data(file):
            with open(self.file(file), "rb") as opened:
                return base64.b64encode(opened.read()).decode()
        return json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "podwall",
            "clusters": [{"name": "podwall", "cluster": {"server": layout.SERVER, "certificate-authority-data": data("ca.crt")}}],
            "users": [{"name": name, "user": {"client-certificate-data": data(name + ".crt"),
                                              "client-key-data": data(name + ".key")}}],
            "contexts": [{"name": "podwall", "context": {"cluster": "podwall", "user": name}}]}, indent=1) + "\n"


def is_address(name):
    return ":" in name or name.replace(".", "").isdigit()
