#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""TAP for end-to-end tests: functions named test_* become test points, in the order in which they stand.

    def test_denied_stays_denied(node): ...
    tap.main(globals(), fixture)         # fixture: a context manager whose value is passed to each test
    tap.main(globals(), jobs=2)          # as many at a time: tests that wait, each in a world named after tap.job()
"""
import concurrent.futures
import contextlib
import os
import queue
import signal
import sys
import threading
import time
import traceback

RUNNING = threading.local()  # of the test in this thread: .job, .lines that it has said
OUTPUT = threading.Lock()  # held while the lines of a test go out


class Skip(Exception):
    """Raised by a test that cannot run on this machine; the text says why."""


def build():
    return os.environ.get("FW_BUILD") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build")


def check(truth, text):
    if not truth:
        raise AssertionError(text)


def asked_to_end(*_):
    raise SystemExit("asked to end")  # fixtures and tests take down what they have set up


def alone(test):
    """Marks a test beside which no other one runs: it changes what all share, or measures time."""
    test.alone = True
    return test


def job():
    """Which of the tests that run at a time this one is, from 0."""
    return getattr(RUNNING, "job", 0)


def main(names, fixture=contextlib.nullcontext, jobs=1):
    signal.signal(signal.SIGTERM, asked_to_end)
    wanted = sys.argv[1:]
    tests = [(name, value) for name, value in names.items() if name.startswith("test_") and callable(value) and
             (not wanted or any(word in name for word in wanted))]
    print("1..%d" % len(tests), flush=True)
    failed = 0
    try:
        with fixture() as value:
            failed += run(list(enumerate(tests, 1)), value, jobs)
    except Skip as why:  # of the fixture: none of them can run
        for number, (name, _) in enumerate(tests, 1):
            print("ok %d - %s # SKIP %s" % (number, name.removeprefix("test_").replace("_", " "), why), flush=True)
    except Exception:  # the fixture itself
        failed += 1
        print("not ok - %s" % getattr(fixture, "__name__", "fixture"))
        comment(traceback.format_exc())
    return 1 if failed else 0


def run(tests, value, jobs):
    """Returns how many failed. Those that run alone come last, where others run at the same time."""
    free = queue.SimpleQueue()
    for number in range(jobs):
        free.put(number)

    def one(numbered):
        number, (name, test) = numbered
        RUNNING.job, RUNNING.lines, begin = free.get(), [], time.monotonic()
        try:
            return not point(number, name, test, value)
        finally:
            comment("took %.1f s" % (time.monotonic() - begin))
            lines, RUNNING.lines = RUNNING.lines, None
            with OUTPUT:  # print() writes its text and the end of its line one after the other
                print("\n".join(lines), flush=True)
            free.put(RUNNING.job)

    together = [numbered for numbered in tests if jobs > 1 and not getattr(numbered[1][1], "alone", False)]
    pool = concurrent.futures.ThreadPoolExecutor(jobs)
    try:
        failed = sum(pool.map(one, together))
    finally:
        pool.shutdown(cancel_futures=True)
    return failed + sum(one(numbered) for numbered in tests if numbered not in together)


def say(line):
    """One line; those of a test come out together."""
    if getattr(RUNNING, "lines", None) is None:
        print(line, flush=True)
    else:
        RUNNING.lines.append(line)


def point(number, name, test, value):
    title = name.removeprefix("test_").replace("_", " ")
    try:
        if value is None:
            test()
        else:
            test(value)
    except Skip as why:
        say("ok %d - %s # SKIP %s" % (number, title, why))
        return True
    except Exception:
        say("not ok %d - %s" % (number, title))
        comment(traceback.format_exc())
        return False
    say("ok %d - %s" % (number, title))
    return True


def comment(text):
    for line in text.splitlines():
        say("# " + line)
