# SPDX-License-Identifier: Apache-2.0
"""Podwall on the cluster, as a user installs it: the image on every node, charts/podwall/install.yaml, and the way back.

In: the options, the nodes' machines. Out: Podwall on every node, or on none. Does nothing that a user could not do.
"""
import json
import os
import subprocess

import control
import images
import layout
from machine import Failed, Machine

CHART = os.path.join(layout.REPOSITORY, "charts/podwall")
NAMESPACE = "podwall-system"


def install(options, workers):
    archive = images.make(options.build, images.podwall)
    for worker in workers:
        images.import_on(worker, archive)
    control.kubectl("apply", "-f", CHART + "/install.yaml")
    roll_out("podwall")
    options.podwall = True
    options.save()


def roll_out(name):
    try:
        control.kubectl("-n", NAMESPACE, "rollout", "status", "daemonset/" + name, "--timeout=60s")
    except Failed as failed:
        raise Failed("%s\n%s" % (failed, why(name))) from None


def why(name):
    """What a person would look at next."""
    selector = "app.kubernetes.io/name=" + name
    text = control.kubectl("-n", NAMESPACE, "get", "pods", "-o", "wide", "-l", selector, check=False).stdout
    text += control.kubectl("-n", NAMESPACE, "get", "events", "--sort-by=.lastTimestamp", check=False).stdout[-3000:]
    return text + control.kubectl("-n", NAMESPACE, "logs", "-l", selector, "--all-containers", "--prefix", "--tail=20",
                                  check=False).stdout


def uninstall(options):
    """As uninstall.yaml says at its top."""
    control.kubectl("-n", NAMESPACE, "delete", "daemonset", "podwall", "--ignore-not-found", "--timeout=60s")
    control.kubectl("-n", NAMESPACE, "wait", "--for=delete", "pod", "-l", "app.kubernetes.io/name=podwall", "--timeout=60s")
    control.kubectl("apply", "-f", CHART + "/uninstall.yaml")
    roll_out("podwall-uninstall")
    control.kubectl("delete", "--ignore-not-found", "-f", CHART + "/uninstall.yaml", "-f", CHART + "/install.yaml", "--timeout=90s")
    options.podwall = False
    options.save()


def pod_on(node):
    """The name of Podwall's pod there that runs, or None."""
    for pod in control.get("pods", "-n", NAMESPACE, "-l", "app.kubernetes.io/name=podwall"):
        if pod["spec"]["nodeName"] == node and pod["status"].get("phase") == "Running" and \
                not pod["metadata"].get("deletionTimestamp"):
            return pod["metadata"]["name"]
    return None


def fwctl(node, *command, check=True):
    """Standard output of fwctl there, as a user gets it: by kubectl exec."""
    done = subprocess.run(control.kubectl_command("-n", NAMESPACE, "exec", pod_on(node) or "no-podwall-on-" + node, "-c",
                                                  "podwalld", "--", "fwctl", *command),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    if check and done.returncode:
        raise Failed("fwctl %s on %s: exit %d\n%s%s" % (" ".join(command), node, done.returncode, done.stdout, done.stderr))
    return done.stdout


def ask(node, *command):
    """The same over podwalld's socket from outside of the node: in milliseconds, and without an API server."""
    socket = Machine(node).path("/run/podwall/podwalld.sock")
    done = subprocess.run([layout.saved().build + "/fwctl", "--server", socket, *command], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    if not done.stdout:
        raise Failed("fwctl %s of %s: exit %d\n%s" % (" ".join(command), node, done.returncode, done.stderr))
    return done.stdout


def status(node):
    """What fwctl status says there, also when something is wrong."""
    return json.loads(ask(node, "status", "-o", "json"))


def flows(node, *filters):
    """Flow records of the node, newest last."""
    return [json.loads(line) for line in ask(node, "flows", "--all", "-o", "json", *filters).splitlines()]
