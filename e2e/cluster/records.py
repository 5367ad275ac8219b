# SPDX-License-Identifier: Apache-2.0
"""Whether each probe has the flow records that it must have: verdict, names, and the rule that decided.

In: what was asked, from which port, and what should have become of it. Out: texts that say what is wrong. A flow that is
allowed has a record at each end that is a pod; one that is denied has its last one where it was denied.
"""
import dataclasses

import kit
import podwall
from machine import Failed, wait_for

DECIDING = ("NEW", "DENY", "CHANGE", "END")
PASSED = ("FORWARDED", "AUDIT")


@dataclasses.dataclass
class Flow:
    """What one probe was. Pods and services are "namespace/name"; None is something else, which is not looked at."""
    protocol: str
    source_ip: str
    port: int  # that it was sent from
    host: str  # that it was sent to
    allowed: bool
    text: str
    source: str = None
    destinations: tuple = ()  # the pods that it may have reached; none: it went to no pod of ours
    service: str = None
    translated: bool = False  # by a node that was asked: the record where it left names that node
    rules: tuple = ()  # any of these decided; none: not looked at


class Records:
    """All nodes' records since a moment, by protocol, source and port."""

    def __init__(self, since):
        self.by_key = {}
        for node in kit.node_names():
            for record in podwall.flows(node, "--since", since):
                if record.get("time", "") >= since and "IP" in record:
                    self.by_key.setdefault(key_of_record(record), []).append(record)

    def of(self, flow, direction):
        """Of one end. An echo has no port: its addresses must do."""
        key = ("ICMP", flow.source_ip, flow.host) if flow.protocol == "ICMP" else (flow.protocol, flow.source_ip, flow.port)
        return [record for record in self.by_key.get(key, []) if record["traffic_direction"] == direction and
                record["podwall"]["type"] in DECIDING]

    def wrong(self, flow):
        """What is wrong about this flow's records: a list of texts."""
        ends = [direction for direction, there in (("EGRESS", flow.source), ("INGRESS", flow.destinations)) if there]
        found = {direction: self.of(flow, direction) for direction in ends}
        verdicts = {direction: {record["verdict"] for record in found[direction]} for direction in ends}
        if flow.allowed:
            bad = [direction for direction in ends if not verdicts[direction] or not verdicts[direction] <= set(PASSED)]
        else:
            denied = next((direction for direction in ends if "DROPPED" in verdicts[direction]), None)
            before = ends[:ends.index(denied)] if denied else []
            bad = [direction for direction in before if not verdicts[direction] or not verdicts[direction] <= set(PASSED)]
            bad += [direction for direction in ends if not denied or verdicts[direction] & set(PASSED) and direction not in before]
        texts = ["%s: the %s record says %s" % (flow.text, direction, sorted(verdicts[direction]) or "nothing") for direction in bad]
        for direction in ends:
            texts += [text for record in found[direction] for text in wrong_names(flow, record, direction)]
        return sorted(set(texts)) or self.wrong_rule(flow, found)

    @staticmethod
    def wrong_rule(flow, found):
        deciding = {record["podwall"]["rule"] for records in found.values() for record in records
                    if (record["verdict"] in PASSED) == flow.allowed}
        if flow.rules and not deciding & set(flow.rules):
            return ["%s: decided by %s, not by %s" % (flow.text, sorted(deciding), " or ".join(flow.rules))]
        return []


def key_of_record(record):
    protocol, fields = next(iter(record.get("l4", {}).items()), ("", {}))
    if protocol.startswith("ICMP"):
        return "ICMP", record["IP"]["source"], record["IP"]["destination"]
    return protocol, record["IP"]["source"], fields.get("source_port")


def name_of(party):
    return "%s/%s" % (party.get("namespace", ""), party.get("pod_name", ""))


def wrong_names(flow, record, direction):
    seen = {"source": name_of(record["source"]), "destination": name_of(record["destination"])}
    wanted = {}
    if flow.source:
        wanted["source"] = (flow.source,)
    if direction == "EGRESS" and flow.service:
        to = record.get("destination_service", {})
        seen["destination service"] = "%s/%s" % (to.get("namespace", ""), to.get("name", ""))
        wanted["destination service"] = (flow.service,)
    elif flow.destinations and not (direction == "EGRESS" and flow.translated):
        wanted["destination"] = flow.destinations
    return ["%s: the %s record's %s is %s, not %s" % (flow.text, direction, what, seen[what], " or ".join(names))
            for what, names in wanted.items() if seen[what] not in names]


def wrong(flows, since, seconds=5):
    """Of all of them; records are there a moment after the packet."""
    left = []

    def none_is_wrong():
        records = Records(since)
        left[:] = [text for flow in flows for text in records.wrong(flow)]
        return not left
    try:
        wait_for(none_is_wrong, "the records", seconds, 0.3)
    except Failed:
        pass
    return left
