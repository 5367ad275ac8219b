# SPDX-License-Identifier: Apache-2.0
"""A node of e2e/lib/node.py whose objects are those of a real API server, which runs in the node's network namespace.

In: the folder with etcd and kube-apiserver. Out: put() and delete() that write to the server, podwalld with a token of
its own. Everything goes with close().
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from control import Client, Plane  # noqa: E402
from node import Node  # noqa: E402


class PlaneNode(Node):
    """The node's netns holds the servers too: its loopback is theirs."""

    def __init__(self, folder, prefix, build, **options):
        super().__init__(prefix, build, **options)
        self.folder, self.plane, self.client, self.config = folder, None, None, None
        self.files = {}

    def open(self):
        super().open()
        self.plane = Plane(self.folder, self.work, "/run/netns/" + self.prefix)
        self.plane.start()
        self.client = Client(self.plane)
        token = self.work + "/token"
        with open(token, "w", encoding="ascii") as file:
            file.write(self.plane.token())
        self.config = self.plane.kubeconfig(self.work + "/kubeconfig", token, self.plane.ca[0])
        self.source = ("--kubeconfig", self.config)

    def close(self):
        self.files.clear()  # what the server holds goes with it
        if self.plane:
            self.plane.stop()
        super().close()

    def put(self, name, *objects):
        for item in objects:
            found = self.client.put(item)
            metadata = item["metadata"]
            pod = self.pods.get((metadata.get("namespace"), metadata["name"]))
            if item["kind"] == "Pod" and pod:
                pod.uid = found["metadata"]["uid"]
        self.files[name] = [(o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]) for o in objects]

    def delete(self, name):
        for key in self.files.pop(name, ()):
            self.client.delete(*key)

    def bytes_read(self):
        """From the API server, by podwalld, since it runs."""
        return sum(stream["bytes"] for stream in self.status()["source"]["streams"])
