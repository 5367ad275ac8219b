#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""TAP for end-to-end tests: functions named test_* become test points, in the order in which they stand.

    def test_denied_stays_denied(node): ...
    tap.main(globals(), fixture)         # fixture: a context manager whose value is passed to each test
"""
import contextlib
import os
import sys
import traceback


class Skip(Exception):
    """Raised by a test that cannot run on this machine; the text says why."""


def build():
    return os.environ.get("FW_BUILD") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build")


def check(truth, text):
    if not truth:
        raise AssertionError(text)


def main(names, fixture=contextlib.nullcontext):
    wanted = sys.argv[1:]
    tests = [(name, value) for name, value in names.items() if name.startswith("test_") and callable(value) and
             (not wanted or any(word in name for word in wanted))]
    print("1..%d" % len(tests), flush=True)
    failed = 0
    try:
        with fixture() as value:
            for number, (name, test) in enumerate(tests, 1):
                failed += not point(number, name, test, value)
    except Skip as why:  # of the fixture: none of them can run
        for number, (name, _) in enumerate(tests, 1):
            print("ok %d - %s # SKIP %s" % (number, name.removeprefix("test_").replace("_", " "), why), flush=True)
    except Exception:  # the fixture itself
        failed += 1
        print("not ok - %s" % getattr(fixture, "__name__", "fixture"))
        comment(traceback.format_exc())
    return 1 if failed else 0


def point(number, name, test, value):
    title = name.removeprefix("test_").replace("_", " ")
    try:
        if value is None:
            test()
        else:
            test(value)
    except Skip as why:
        print("ok %d - %s # SKIP %s" % (number, title, why), flush=True)
        return True
    except Exception:
        print("not ok %d - %s" % (number, title))
        comment(traceback.format_exc())
        return False
    print("ok %d - %s" % (number, title), flush=True)
    return True


def comment(text):
    print("".join("# %s\n" % line for line in text.splitlines()), end="", flush=True)
