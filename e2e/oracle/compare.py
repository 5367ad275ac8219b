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
        # (35) a pod that asks a service of which it is itself a backend: the tables cannot know the pod's own address
        # behind a service. They must not be more open than the oracle there.
        self.own_backend = 0

    def add(self, other):
        for field in vars(self):
            setattr(self, field, getattr(self, field) + getattr(other, field))
        return self

    def text(self):
        return "%d packets, %d judgements: %d denied, %d allowed by a rule, %d with a pending change, %d by own backend" % (
            self.packets, self.ends, self.denied, self.allowed_by_rule, self.pending, self.own_backend)


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
    return found


def differs(judge):
    """For shrinking: does this world with this packet still show a difference?"""
    def ask(question, packet):
        try:
            small = dict(question, packets=[packet])
            answer = judge.ask(small)
            return "error" not in answer and bool(differences(small, answer, Count()))
        except (KeyError, ValueError, TypeError, AttributeError, IndexError):
            return False    # no world any more
    return ask


def explain(question, packet, judge):
    """The smallest world that shows it, as YAML, with both answers."""
    import yaml
    small = world.shrink(question, packet, differs(judge))
    found = differences(small, judge.ask(small), Count())
    lines = [yaml.safe_dump_all(small["objects"], sort_keys=False, default_flow_style=None, width=110).rstrip()]
    if small["podRanges"]:
        lines.append("podRanges: %s" % small["podRanges"])
    for packet, name, what, ours, theirs in found:
        lines.append("packet %s -> %s %s %s, %s: %s differs\n  oracle:   %s\n  compiler: %s" % (
            packet[0], packet[1], packet[2], packet[3], name, what, ours, theirs))
    return "\n".join(lines), small


def compare(build, seeds, packets):
    """(Count, None or the text of the first difference)"""
    judge, count = Judge(build), Count()
    try:
        for seed in seeds:
            question = world.make(seed, packets)
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
