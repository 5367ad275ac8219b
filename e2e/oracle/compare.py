#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Oracle against compiler, compiler against programs, changes against fresh compiles: by seeds.

In: tool_judge (the compiler's side, one JSON line per world) and seeds. Out: how many questions were asked, and the
smallest world for the first difference. The oracle is a parameter, so that a test can plant a wrong reading in it.
It must never excuse a difference: the one exception is counted and printed by name.
"""
import copy
import difflib
import json
import random
import subprocess

import oracle
import world


class Judge:
    """tool_judge as a process that answers worlds."""

    def __init__(self, build, *options):
        self.process = subprocess.Popen([build + "/tools/tool_judge"] + list(options), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ask(self, question):
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("tool_judge ended with code %s" % self.process.wait())
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait()


class Count:
    def __init__(self):
        self.packets = self.ends = self.denied = self.allowed_by_rule = self.pending = 0
        # (35) a pod that asks a service of which it is itself a backend, without a backend being named: what is left to
        # the chain after DNAT the tables deny. They must not be more open than the oracle there; by the backend, they
        # must agree.
        self.own_backend = 0
        # a connection through a service by the backend that it has; told_apart: where they are judged differently
        self.chosen = self.told_apart = 0
        # (35) of these, a pod that got itself and may reach no other backend; and one for which there was no room
        self.itself = self.no_room = 0
        # two pods of ours have the address that it comes from (one has finished): the chain after DNAT sees addresses
        # only, and what one of the two may not do is denied to both. Never more open than the oracle.
        self.shared_address = 0

    def text(self):
        return ("%d packets, %d judgements: %d denied, %d allowed by a rule, %d with a pending change, %d by own backend; "
                "%d connections through a service by their backend, %d where backends differ, %d to itself alone, "
                "%d without room for it, %d from a shared address" % (
                    self.packets, self.ends, self.denied, self.allowed_by_rule, self.pending, self.own_backend,
                    self.chosen, self.told_apart, self.itself, self.no_room, self.shared_address))


def same(outcome, said, count):
    """None when the oracle's outcome and what the compiler said agree, else what differs."""
    verdict, rule, pending, pending_rule, alone = said
    count.ends += 1
    count.denied += outcome.verdict == oracle.DENY
    count.allowed_by_rule += outcome.verdict == oracle.ALLOW and "no rule matched" not in outcome.rules
    if outcome.own_backend and (verdict, rule) != (outcome.verdict, rule):
        count.own_backend += 1
        return None if verdict == oracle.DENY else "more open behind the pod's own service"
    if verdict != outcome.verdict:
        return "verdict"
    if rule not in outcome.rules and not outcome.own_backend:
        return "rule"
    if outcome.service:
        return None
    count.pending += pending != verdict
    if (pending, pending_rule) != (outcome.pending, outcome.pending_rule):
        return "pending"
    if sorted(alone) != outcome.alone:
        return "alone"
    return None


def judge_ends(known, packet):
    """[egress, ingress] Outcomes of a packet with addresses."""
    found = oracle.judge_packet(known, *packet)
    return list(found[0][2:]) if found else [None, None]


# --- connections through services -------------------------------------------------------------------------------------

def service_addresses(known):
    """Every (address, protocol, port) that a service has here, each once."""
    found = []
    for service in known.services:
        for _, protocol, port, node_port in service.ports:
            found += [(address, protocol, port) for address in service.addresses]
            found += [(address, protocol, node_port) for address in known.own_addresses
                      if node_port and address[0] in service.node_families]
    return sorted(set(found))


def ways(known):
    """[(pod, its address, service's address, protocol, port)] of the pods that policy applies to here."""
    for pod in known.pods:
        if pod.host_network or (known.node and pod.node != known.node):
            continue
        for own in pod.addresses:
            for address, protocol, port in service_addresses(known):
                if address[0] == own[0] and address not in pod.addresses:
                    yield pod, own, address, protocol, port


def chosen(known):
    """[(question to tool_judge, pod, Outcome, told apart)]: each pod, each service's port, each backend that a connection
    can have, a new one and one that is there already."""
    found, asked = [], set()
    for pod, own, address, protocol, port in ways(known):
        for live in (False, True):
            judged = oracle.judge_chosen(known, pod, address, protocol, port, live)
            told_apart = len({outcome.verdict for _, _, outcome in judged}) > 1
            for backend, number, outcome in judged:
                ask = ("%s/%s@%s" % (pod.namespace, pod.name, oracle.format_address(own)), oracle.format_address(address),
                       protocol, port, oracle.format_address(backend), number, live)
                if ask not in asked:
                    asked.add(ask)
                    found.append((list(ask), pod, outcome, told_apart))
    return found


def denied_to_another(known, ask, pod):
    """Another pod that sends from the same address may not reach this backend."""
    own, backend = oracle.parse_address(ask[0].split("@")[1]), oracle.parse_address(ask[4])
    return any(other is not pod and oracle.judge_address(known, other, oracle.EGRESS, backend, ask[2], ask[5]).verdict ==
               oracle.DENY for other, address, *_ in ways(known) if address == own)


ROOM = 8    # in a service's row: for kinds of backends, and for the pods among them that may reach no other one


def no_room(known, ask, pod):
    """(35) A pod that got itself, at a service of so many backends and pods of ours that it need not stand in the row."""
    backends = oracle.backends_at(known, oracle.parse_address(ask[1]), ask[2], ask[3])
    backends = set(backends[0] + backends[1])
    ours = {id(other) for other, own, *_ in ways(known) if own in {address for address, _ in backends}}
    return oracle.parse_address(ask[4]) in pod.addresses and len(backends) + len(ours) > ROOM


def told_apart_by_itself(known, ask, pod, outcome):
    """It got itself, and every other backend would have been denied."""
    if outcome.verdict == oracle.DENY or oracle.parse_address(ask[4]) not in pod.addresses:
        return False
    judged = oracle.judge_chosen(known, pod, oracle.parse_address(ask[1]), ask[2], ask[3], ask[6])
    others = [one.verdict for backend, _, one in judged if backend not in pod.addresses]
    return bool(others) and oracle.ALLOW not in others


def chosen_differences(question, answer, known, count):
    found = []
    expected = {tuple(ask): rest for ask, *rest in chosen(known)}
    for ask, index in zip(question.get("chosen", ()), answer["chosen"]):
        if tuple(ask) not in expected:
            continue    # of a world that has lost it
        pod, outcome, told_apart = expected[tuple(ask)]
        count.chosen += 1
        count.told_apart += told_apart and not outcome.own_backend
        if index < 0:
            found.append((ask, "by its backend", "who judges", outcome, index))
            continue
        said = answer["outcomes"][index]
        if (outcome.verdict, said[0]) == (oracle.ALLOW, oracle.DENY) and denied_to_another(known, ask, pod):
            count.shared_address += 1
            continue
        if (outcome.verdict, said[0]) == (oracle.ALLOW, oracle.DENY) and no_room(known, ask, pod):
            count.no_room += 1
            continue
        count.itself += told_apart_by_itself(known, ask, pod, outcome)
        what = "verdict" if said[0] != outcome.verdict else same(outcome, said, count)
        if what:
            found.append((ask, "by its backend", what, outcome, said))
    return found


def with_chosen(question):
    """The world, asked about every connection through a service, too."""
    known = oracle.World(question["objects"], question["node"], question["podRanges"])
    return dict(question, chosen=[ask for ask, *_ in chosen(known)])


# --- oracle against compiler ------------------------------------------------------------------------------------------

def differences(question, answer, count):
    """[(packet, direction, what, oracle's, compiler's)]"""
    known = oracle.World(question["objects"], question["node"], question["podRanges"])
    found = []
    for packet, indexes in zip(question["packets"], answer["answers"]):
        count.packets += 1
        for name, outcome, index in zip(("egress", "ingress"), judge_ends(known, packet), indexes):
            if (outcome is None) != (index < 0):
                found.append((packet, name, "who judges", outcome, index))
            elif outcome is not None:
                what = same(outcome, answer["outcomes"][index], count)
                if what:
                    found.append((packet, name, what, outcome, answer["outcomes"][index]))
    return found + chosen_differences(question, answer, known, count)


def alone(question, packet):
    """The world with this one question: a packet, or a connection through a service."""
    return dict(question, packets=[packet] if len(packet) == 4 else [], chosen=[packet] if len(packet) != 4 else [])


def differs(judge):
    """For shrinking: does this world with this packet still show a difference?"""
    def ask(question, packet):
        try:
            small = alone(question, packet)
            answer = judge.ask(small)
            return "error" not in answer and bool(differences(small, answer, Count()))
        except (KeyError, ValueError, TypeError, AttributeError, IndexError):
            return False    # no world any more
    return ask


def explain(question, packet, judge):
    """The smallest world that shows it, as YAML, with both answers."""
    import yaml
    small = alone(world.shrink(question, packet, differs(judge)), packet)
    found = differences(small, judge.ask(small), Count())
    lines = [yaml.safe_dump_all(small["objects"], sort_keys=False, default_flow_style=None, width=110).rstrip()]
    if small["podRanges"]:
        lines.append("podRanges: %s" % small["podRanges"])
    for packet, name, what, ours, theirs in found:
        lines.append("packet %s -> %s %s %s, %s: %s differs\n  oracle:   %s\n  compiler: %s" % (
            packet[0], packet[1], packet[2], packet[3],
            name if len(packet) == 4 else "%s %s %s (%s)" % (name, packet[4], packet[5], "live" if packet[6] else "new"),
            what, ours, theirs))
    return "\n".join(lines), small


def compare(build, seeds, packets, *options):
    """(Count, None or the text of the first difference)"""
    judge, count = Judge(build, *options), Count()
    try:
        for seed in seeds:
            question = with_chosen(world.make(seed, packets))
            answer = judge.ask(question)
            if "error" in answer:
                return count, "seed %d: the compiler refused the world: %s" % (seed, answer["error"])
            found = differences(question, answer, count)
            if found:
                return count, "seed %d: %d differences; the smallest world of the first:\n%s" % (
                    seed, len(found), explain(question, found[0][0], judge)[0])
    finally:
        judge.close()
    return count, None


def compare_kernel(build, seeds, sweep, *options):
    """(questions asked of tables and programs, None or the first differences)"""
    judge, asked = Judge(build, "--kernel", "--sweep", str(sweep), *options), 0
    try:
        for seed in seeds:
            answer = judge.ask(world.make(seed, 40))
            if "error" in answer:
                return asked, "seed %d: %s" % (seed, answer["error"])
            asked += answer["asked"]
            if answer["differ"]:
                return asked, "seed %d: %s" % (seed, answer["differ"])
    finally:
        judge.close()
    return asked, None


# --- changes ----------------------------------------------------------------------------------------------------------

def key_of(obj):
    return [obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]]


OWN = ("clusterIP", "clusterIPs", "externalIPs", "type", "hostNetwork")   # no two objects may have the same address


def change(chance, obj, other):
    """One legal change of an object: what a user or a controller does to it."""
    new = copy.deepcopy(obj)
    kind = obj["kind"]
    if kind in ("Pod", "Namespace") and chance.random() < 0.5:
        new["metadata"]["labels"] = {k: chance.choice(v) for k, v in world.KEYS.items() if chance.random() < 0.6}
    elif kind == "Pod" and chance.random() < 0.3:
        new["status"]["phase"] = "Succeeded"
    elif other["kind"] == kind:
        for part in ("endpoints", "ports", "addressType"):
            if part in other:
                new[part] = copy.deepcopy(other[part])
        if "spec" in other:
            new["spec"] = {k: v for k, v in copy.deepcopy(other["spec"]).items() if k not in OWN}
            new["spec"].update({k: v for k, v in obj["spec"].items() if k in OWN})
        if "replaces" not in str(obj["metadata"].get("annotations")) + str(other["metadata"].get("annotations")):
            new["metadata"].pop("annotations", None)
            if "annotations" in other["metadata"]:
                new["metadata"]["annotations"] = dict(other["metadata"]["annotations"])
    return new


def changes(seed, steps):
    """(question with steps, objects at the end): puts, changes and removals of two worlds' objects in any order."""
    chance = random.Random(seed)
    first, second = world.make(seed * 2, 1), world.make(seed * 2 + 1, 1, 8)
    pool = first["objects"] + second["objects"]
    state = {tuple(key_of(obj)): obj for obj in first["objects"] if chance.random() < 0.7}
    start = list(state.values())
    made = []
    for _ in range(steps):
        obj = chance.choice(pool)
        key = tuple(key_of(obj))
        kind = chance.random()
        if kind < 0.3 and key in state:
            del state[key]
            made.append({"remove": list(key)})
            continue
        new = change(chance, state.get(key, obj), chance.choice(pool)) if kind < 0.8 else copy.deepcopy(obj)
        state[key] = new
        made.append({"put": new})
    return {"objects": start, "node": first["node"], "podRanges": first["podRanges"], "steps": made}, list(state.values())


def in_short(text):
    """Of two prints of tables only the lines that are not in both."""
    if "remembered:\n" not in text:
        return text[:2000]
    head, _, rest = text.partition("remembered:\n")
    left, _, right = rest.partition("\nfresh:\n")
    lines = difflib.unified_diff(left.splitlines(), right.splitlines(), "remembered", "fresh", lineterm="", n=1)
    return head + "\n" + "\n".join(list(lines)[:60])


def shrink_changes(judge, question):
    """Takes away objects and steps one by one, as long as the last step still shows a difference."""
    def shows(smaller):
        return bool(judge.ask(smaller).get("differ"))

    again = True
    while again:
        again = False
        for field in ("steps", "objects"):
            for index in reversed(range(len(question[field]))):
                smaller = dict(question, **{field: world.without(question[field], (index,))})
                if shows(smaller):
                    question, again = smaller, True
    return question


def explain_changes(judge, question):
    small = shrink_changes(judge, question)
    return "smallest start: %s\nsteps: %s\n%s" % (json.dumps(small["objects"]), json.dumps(small["steps"]),
                                                 in_short(judge.ask(small)["differ"]))


def compare_changes(build, seeds, steps, *options):
    """(steps taken, None or the first difference): remembered = fresh after each step, and any order gives the same.
    With --kernel the programs are asked after each step, too: --live asks the same flows again."""
    judge, taken = Judge(build, *options), 0
    try:
        for seed in seeds:
            question, end = changes(seed, steps)
            answer = judge.ask(question)
            if "error" in answer:
                return taken, "seed %d: %s" % (seed, answer["error"])
            taken += answer["steps"]
            if answer["differ"] and options:
                return taken, "seed %d: %s" % (seed, answer["differ"])
            if answer["differ"]:
                return taken, "seed %d: %s" % (seed, explain_changes(judge, question))
            chance = random.Random(seed)
            for _ in range(2):
                chance.shuffle(end)
                fresh = judge.ask(dict(question, objects=[], steps=[{"put": obj} for obj in end]))
                if fresh.get("print") != answer["print"]:
                    return taken, "seed %d: another order gives other tables: %s" % (seed, in_short(
                        "remembered:\n%s\nfresh:\n%s" % (answer["print"], fresh.get("print", fresh))))
    finally:
        judge.close()
    return taken, None
