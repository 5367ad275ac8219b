# SPDX-License-Identifier: Apache-2.0
"""What a benchmark of the cluster prints: one JSON line for each figure (e2e/bench/README.md), how busy the machine was
beside it."""
import json
import os


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def figure(name, value, unit, budget=None, **more):
    print(json.dumps(dict({"figure": name, "value": round(value, 3), "unit": unit, "budget": budget,
                           "ok": budget is None or value <= budget, "load": round(os.getloadavg()[0], 2)}, **more)), flush=True)
