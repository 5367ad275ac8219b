#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A small CNI runtime: runs the plugins of a conflist as libcni does, with the real plugin binaries.

    network = cni.Network(conflist, ["build", "/usr/lib/cni"], cache_dir="/tmp/x/cache", netns="/run/netns/node")
    result = network.add("container1", "/run/netns/pod", "eth0", args={"IgnoreUnknown": "1", "K8S_POD_NAME": "web"})
    network.check("container1", "/run/netns/pod", "eth0")
    network.delete("container1", "/run/netns/pod", "eth0")

What it does as libcni does: each plugin gets its entry plus name, cniVersion, the runtimeConfig of the capabilities
that it declares, and the result of the plugin before it; DEL runs the chain backwards with the cached result of ADD;
CHECK needs 0.4.0, STATUS and GC need 1.1.0; a failure ends the chain and is raised, and nothing is rolled back (the
runtime calls DEL). What it does not: convert results between versions (a conflist has one version).
"""
import json
import os
import subprocess


class Error(Exception):
    """A plugin said no: code, msg and details as it printed them; code None when it printed no error object."""

    def __init__(self, plugin, command, code, msg, details=""):
        super().__init__("%s %s: code %s: %s%s" % (plugin, command, code, msg, " (%s)" % details if details else ""))
        self.plugin, self.command, self.code, self.msg, self.details = plugin, command, code, msg, details


def version(text):
    """ "1.1.0" as a tuple that compares."""
    return tuple(int(part) for part in text.split("."))


def format_args(args):
    """CNI_ARGS from a dict (in its order) or from text."""
    return args if isinstance(args, str) else ";".join("%s=%s" % item for item in (args or {}).items())


def call(binary, command, config, container_id="", netns="", ifname="", args=None, path=(), node_netns=None,
         timeout=60, env=None):
    """One call of one plugin. Returns the subprocess.CompletedProcess, output as bytes; judges nothing.

    config: a dict, or bytes that go to standard input as they are. node_netns: path of the network namespace to run in.
    env: more variables; None as a value removes one.
    """
    environment = {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "CNI_COMMAND": command,
                   "CNI_CONTAINERID": container_id, "CNI_NETNS": netns or "", "CNI_IFNAME": ifname,
                   "CNI_ARGS": format_args(args), "CNI_PATH": ":".join(path)}
    environment.update(env or {})
    stdin = config if isinstance(config, bytes) else json.dumps(config).encode()
    prefix = ["nsenter", "--net=" + node_netns, "--"] if node_netns else []
    return subprocess.run(prefix + [binary], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                          env={key: value for key, value in environment.items() if value is not None}, timeout=timeout)


def judge(binary, command, done):
    """The object that a plugin printed (None for nothing), or Error: as libcni reads a plugin's answer."""
    name, text = os.path.basename(binary), done.stdout.decode("utf-8", "replace").strip()
    try:
        answer = json.loads(text) if text else None
    except ValueError:
        raise Error(name, command, None, "printed no JSON: %r" % text[:400]) from None
    if done.returncode:
        if isinstance(answer, dict) and "code" in answer:
            raise Error(name, command, answer["code"], answer.get("msg", ""), answer.get("details", ""))
        raise Error(name, command, None, "exit %d: %s" % (done.returncode,
                                                          done.stderr.decode("utf-8", "replace").strip()))
    return answer


class Network:
    """A conflist and where its plugins are.

    conflist: a dict with cniVersion, name and plugins. path: directories searched for the binaries, in order.
    cache_dir: where results are kept for DEL and CHECK (None: nowhere, then DEL has no prevResult).
    netns: path of the network namespace that plays the node (None: the caller's own).
    lenient: a plugin that does not know the conflist's version (Debian 12's know 1.0.0 at most) is spoken to in the
    newest that it knows, and left out of CHECK, STATUS and GC where that one has none. libcni would refuse.
    """

    def __init__(self, conflist, path, cache_dir=None, netns=None, timeout=60, lenient=False):
        self.conflist, self.path, self.cache_dir, self.netns, self.timeout = conflist, list(path), cache_dir, netns, timeout
        self.version, self.lenient = version(conflist["cniVersion"]), lenient
        self.known = {}

    def find(self, plugin):
        for folder in self.path:
            binary = os.path.join(folder, plugin)
            if os.access(binary, os.X_OK):
                return binary
        raise Error(plugin, "", None, "not found in " + ":".join(self.path))

    def config(self, plugin, prev=None, runtime_config=None, more=None):
        """What a plugin of the list is given on standard input."""
        config = dict(plugin, name=self.conflist["name"], cniVersion=self.conflist["cniVersion"])
        wanted = {key: value for key, value in (runtime_config or {}).items()
                  if plugin.get("capabilities", {}).get(key)}
        if wanted:
            config["runtimeConfig"] = wanted
        if prev is not None:
            config["prevResult"] = prev
        config.update(more or {})
        return config

    def spoken(self, plugin):
        """The version in which the plugin is spoken to."""
        wanted = self.conflist["cniVersion"]
        if not self.lenient:
            return wanted
        if plugin["type"] not in self.known:
            binary = self.find(plugin["type"])
            answer = judge(binary, "VERSION", call(binary, "VERSION", {"cniVersion": wanted}, timeout=self.timeout))
            self.known[plugin["type"]] = answer["supportedVersions"]
        known = self.known[plugin["type"]]
        return wanted if wanted in known else max(known, key=version)

    def run(self, command, plugin, config, container_id="", netns="", ifname="", args=None, env=None):
        spoken = self.spoken(plugin)
        if version(spoken) < {"CHECK": (0, 4, 0), "STATUS": (1, 1, 0), "GC": (1, 1, 0)}.get(command, (0,)):
            return None
        if spoken != config["cniVersion"]:
            config = dict(config, cniVersion=spoken)
            if config.get("prevResult"):
                config["prevResult"] = dict(config["prevResult"], cniVersion=spoken)
        answer = self.call(command, plugin, config, container_id, netns, ifname, args, env)
        return dict(answer, cniVersion=self.conflist["cniVersion"]) if command == "ADD" else answer

    def call(self, command, plugin, config, container_id="", netns="", ifname="", args=None, env=None):
        binary = self.find(plugin["type"])
        done = call(binary, command, config, container_id, netns, ifname, args, self.path, self.netns, self.timeout, env)
        return judge(binary, command, done)

    def add(self, container_id, netns, ifname="eth0", args=None, runtime_config=None):
        """ADD by every plugin; the last one's result, which is cached together with what DEL needs."""
        result = None
        for plugin in self.conflist["plugins"]:
            result = self.run("ADD", plugin, self.config(plugin, result, runtime_config), container_id, netns, ifname,
                              args)
        self.store(container_id, ifname, {"result": result, "netns": netns, "args": format_args(args),
                                          "runtime_config": runtime_config or {}})
        return result

    def delete(self, container_id, netns="", ifname="eth0", args=None, runtime_config=None):
        """DEL backwards. With the cached result, arguments and capabilities of ADD while they are there."""
        cached = self.cached(container_id, ifname) or {}
        prev = cached.get("result") if self.version >= (0, 4, 0) else None
        args = cached.get("args") if args is None else args
        runtime_config = cached.get("runtime_config") if runtime_config is None else runtime_config
        for plugin in reversed(self.conflist["plugins"]):
            self.run("DEL", plugin, self.config(plugin, prev, runtime_config), container_id, netns, ifname, args)
        self.forget(container_id, ifname)

    def check(self, container_id, netns, ifname="eth0", args=None, runtime_config=None):
        cached = self.cached(container_id, ifname) or {}
        if self.version < (0, 4, 0):
            raise Error("", "CHECK", 1, "a conflist of %s has no CHECK" % self.conflist["cniVersion"])
        if self.conflist.get("disableCheck"):
            return
        args = cached.get("args") if args is None else args
        for plugin in self.conflist["plugins"]:
            self.run("CHECK", plugin, self.config(plugin, cached.get("result"), runtime_config or
                                                  cached.get("runtime_config")), container_id, netns, ifname, args)

    def status(self):
        if self.version < (1, 1, 0):
            return
        for plugin in self.conflist["plugins"]:
            self.run("STATUS", plugin, self.config(plugin))

    def gc(self, valid):
        """valid: (container id, ifname) of every attachment that exists. The cached others get DEL, then GC for all."""
        for container_id, ifname in self.attachments():
            if (container_id, ifname) not in valid:
                self.delete(container_id, "", ifname)
        if self.version < (1, 1, 0) or self.conflist.get("disableGC"):
            return
        attachments = [{"containerID": container_id, "ifname": ifname} for container_id, ifname in valid]
        for plugin in self.conflist["plugins"]:
            self.run("GC", plugin, self.config(plugin, more={"cni.dev/valid-attachments": attachments,
                                                             "cni.dev/attachments": attachments}))

    # the cache

    def cache_file(self, container_id, ifname):
        return os.path.join(self.cache_dir, "%s-%s-%s" % (self.conflist["name"], container_id, ifname))

    def store(self, container_id, ifname, entry):
        if self.cache_dir:
            os.makedirs(self.cache_dir, exist_ok=True)
            with open(self.cache_file(container_id, ifname), "w", encoding="utf-8") as file:
                json.dump(dict(entry, container_id=container_id, ifname=ifname), file)

    def cached(self, container_id, ifname):
        try:
            with open(self.cache_file(container_id, ifname), encoding="utf-8") as file:
                return json.load(file)
        except (OSError, TypeError, ValueError):
            return None

    def forget(self, container_id, ifname):
        if self.cache_dir and os.path.exists(self.cache_file(container_id, ifname)):
            os.unlink(self.cache_file(container_id, ifname))

    def attachments(self):
        """(container id, ifname) of what this network has cached."""
        found = []
        for name in sorted(os.listdir(self.cache_dir)) if self.cache_dir and os.path.isdir(self.cache_dir) else []:
            if name.startswith(self.conflist["name"] + "-"):
                with open(os.path.join(self.cache_dir, name), encoding="utf-8") as file:
                    entry = json.load(file)
                found.append((entry["container_id"], entry["ifname"]))
        return found
