# SPDX-License-Identifier: Apache-2.0
"""The wires: a bridge on the control machine, a veth to it from each node and from the host, and the routes.

In: machines that are up. Out: each reaches each in both families, and the routes to the pods of every node stand
everywhere but on the host, which has a route through the control machine. Never touches a device that it did not make.
"""
import layout
from machine import Failed, run

BRIDGE = "link0"


def sysctl(machine, **values):
    for key, value in values.items():
        machine.run("sysctl", "-qw", "%s=%s" % (key.replace("__", "."), value))


def basics(machine):
    sysctl(machine, net__ipv6__conf__all__accept_dad=0, net__ipv6__conf__default__accept_dad=0,
           net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1)
    for family in ("iptables", "ip6tables"):  # not there: the module is missing, and only CNI=bridge needs it
        machine.run("sysctl", "-qw", "net.bridge.bridge-nf-call-%s=%d" % (family, machine.name != layout.CONTROL), check=False)
    machine.run("ip", "link", "set", "lo", "up")


def control(machine):
    check_free()
    basics(machine)
    machine.run("ip", "link", "add", BRIDGE, "type", "bridge")
    machine.run("ip", "link", "set", BRIDGE, "up")
    give(machine, BRIDGE, *layout.address(machine.name))
    run("ip", "link", "add", layout.HOST_LINK, "type", "veth", "peer", "name", "host", "netns", str(machine.pid()))
    machine.run("ip", "link", "set", "host", "master", BRIDGE, "up")
    run("ip", "link", "set", layout.HOST_LINK, "up")
    run("sysctl", "-qw", "net.ipv6.conf.%s.accept_dad=0" % layout.HOST_LINK, check=False)
    run("ip", "address", "add", "%s/24" % (layout.LINK4 % layout.HOST_ID), "dev", layout.HOST_LINK)
    run("ip", "address", "add", "%s/64" % (layout.LINK6 % layout.HOST_ID), "dev", layout.HOST_LINK, "nodad", check=False)
    run("ip", "route", "add", layout.PODS4, "via", layout.LINK4 % layout.CONTROL_ID)
    run("ip", "-6", "route", "add", layout.PODS6, "via", layout.LINK6 % layout.CONTROL_ID, check=False)


def check_free():
    """The host may have a network of these addresses."""
    text = run("ip", "-4", "route", "get", layout.LINK4 % layout.CONTROL_ID, check=False).stdout
    if text.startswith(layout.LINK4 % layout.CONTROL_ID) and " via " not in text:
        raise Failed("the host has a network of its own at %s/24: %s" % (layout.LINK4 % 0, text.strip()))


def give(machine, device, four, six):
    machine.run("ip", "address", "add", four + "/24", "dev", device)
    machine.run("ip", "address", "add", six + "/64", "dev", device, "nodad")


def node(machine, control_machine):
    basics(machine)
    run("ip", "link", "add", "veth-" + machine.name, "netns", str(control_machine.pid()), "type", "veth",
        "peer", "name", "eth0", "netns", str(machine.pid()))
    # the same after a reboot, as a network card's is: others remember it
    machine.run("ip", "link", "set", "eth0", "address", "02:00:00:77:00:%02x" % int(machine.name.removeprefix("node-")))
    control_machine.run("ip", "link", "set", "veth-" + machine.name, "master", BRIDGE, "up")
    machine.run("ip", "link", "set", "eth0", "up")
    give(machine, "eth0", *layout.address(machine.name))
    machine.run("ip", "route", "add", "default", "via", layout.LINK4 % layout.CONTROL_ID)
    machine.run("ip", "-6", "route", "add", "default", "via", layout.LINK6 % layout.CONTROL_ID)


def routes(machines, owner, cidrs):
    """The pods of node `owner` are behind its address, for every other machine."""
    for machine in machines:
        if machine.name == owner:
            continue
        for cidr in cidrs:
            four, six = layout.address(owner)
            machine.run("ip", "route", "replace", cidr, "via", six if ":" in cidr else four)


def remove():
    run("ip", "link", "del", layout.HOST_LINK, check=False)
