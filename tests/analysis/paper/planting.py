"""Faults planted in the verdicts: how many of them the tests notice.

In ``analysis/paper/evidence``, in what judges in the figures' files, and in the spread of repeats, one thing at a
time is changed: a comparison, a constant, and or or, the smallest for the largest, a median for an end of the
range, plus for minus, a condition for its opposite. Each change is a process in which those tests of verdicts run
that reach the changed statement, the quickest first, until one fails, which passes without the change; where none
fails, it survived. Nothing is changed in what is told and drawn, in checks that two lists are equally long, and in
which number of a spread is asked whether it is there, as they are there all or none; what would be the same change
twice is planted once.
"""

import argparse
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

import pytest

from alsatian.errors import AlsatianError
from experiments.studies.study import Page, Say, table
from tests.analysis.paper import faults
from tests.analysis.paper.faults import Fault, Place

TESTS = [f"tests/analysis/paper/test_{name}.py" for name in ("claims", "comparisons", "verdicts", "cells")]
# What tells a pytest to plant faults: every how many, and the file of the outcome.
EVERY, OUTCOME = "PLANTED_EVERY", "PLANTED_OUTCOME"
# Seconds of the processor after which a change counts as noticed: a loop without an end is.
PATIENCE = 60
# Share of the faults that has to be caught.
BAR = 0.9


def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Of a pytest that has this module as a plugin: tests run for every fault, in a process of its own."""
    if EVERY not in os.environ:
        return None
    for module in faults.modules():
        import_module(module)
    gc.freeze()  # what a process looks through for garbage it copies
    reached = json.loads(_apart(lambda told: json.dump(_survey(session), told)))
    with Path(os.environ[OUTCOME]).open("w") as file:
        for fault in faults.faults()[:: int(os.environ[EVERY])]:
            known = [
                (seconds, i) for i, (seconds, places) in enumerate(reached)
                if fault.statement is None or [fault.module, fault.statement] in places
            ]  # fmt: skip
            survived = survives(fault, session, [session.items[i] for _, i in sorted(known)])
            json.dump(asdict(fault) | {"survived": survived}, file)
            print("", file=file, flush=True)
    return True


def _survey(session: pytest.Session) -> list[tuple[float, list[Place]]]:
    """Of every test its seconds of the processor and the statements that it reaches, which are marked here."""
    found: list[tuple[float, list[Place]]] = []
    places: set[Place] = set()
    kept = []
    for module in faults.modules():
        faults.plant(module, faults.marked(module))
        setattr(sys.modules[module], faults.REACHED, places)
        kept += [value for value in vars(sys.modules[module]).values() if hasattr(value, "cache_clear")]
    for test, following in zip(session.items, [*session.items[1:], None], strict=True):
        places.clear()
        for function in kept:  # or only the first test would reach it
            function.cache_clear()
        start = time.process_time()
        test.config.hook.pytest_runtest_protocol(item=test, nextitem=following)
        found.append((time.process_time() - start, sorted(places)))
    return found


def survives(fault: Fault, session: pytest.Session, tests: list[pytest.Item]) -> bool:
    """Whether all ``tests`` pass with the fault; one that fails is to pass, behind the same others, without it."""
    passed = _passing(session, tests, fault)
    if passed == len(tests):
        return True
    tests = tests[: passed + 1]
    if _passing(session, tests) < len(tests):
        pytest.exit(f"{tests[-1].nodeid} fails without any fault")
    return False


def _passing(session: pytest.Session, tests: list[pytest.Item], fault: Fault | None = None) -> int:
    """How many ``tests`` pass, with the fault, before one fails."""

    def work(told: TextIO) -> None:
        if fault:
            faults.plant(fault.module, faults.changed(fault))
        for test, following in zip(tests, [*tests[1:], None], strict=True):
            test.config.hook.pytest_runtest_protocol(item=test, nextitem=following)
            if session.testsfailed:
                break
            print(end=".", file=told, flush=True)

    return len(_apart(work))


def _apart(work: Callable[[TextIO], None]) -> str:
    """What ``work`` tells in a process of its own, until it ends, fails or has had its time."""
    ours, theirs = os.pipe()
    if pid := os.fork():
        os.close(theirs)
        with open(ours) as told:
            text = told.read()
        os.waitpid(pid, 0)
        return text
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (PATIENCE, PATIENCE))
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        with open(theirs, "w") as told:
            work(told)
    finally:
        os._exit(0)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare what is asked for."""
    parser.add_argument("--every", type=int, default=1, metavar="N", help="plant every N-th fault (default: all)")


def run(options: argparse.Namespace, say: Say) -> Iterator[Page]:
    """Plant the faults; the page names those that nothing noticed.

    Raises:
        AlsatianError: the tests could not be run, or fail without any fault.
    """
    before = _seconds()
    with tempfile.TemporaryDirectory() as folder:
        outcome = Path(folder) / "faults"
        # Nothing above this folder is needed, and it would import torch.
        words = ["-p", __name__, "-p", "no:cacheprovider", "--confcutdir", "tests/analysis", "-n", "0", "-q", "-s"]
        words += ["--assert", "plain", "--basetemp", str(Path(folder) / "tests"), *TESTS]
        known = os.environ | {EVERY: str(options.every), OUTCOME: str(outcome)}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *words], cwd=faults.ROOT, env=known, capture_output=True
        )
        lines = outcome.read_text().splitlines() if outcome.is_file() else []
    if not lines:
        told = (done.stdout + done.stderr)[-2000:].decode()
        raise AlsatianError(f"the tests of verdicts fail without any fault: {told}")
    yield page([json.loads(line) for line in lines], _seconds() - before)


def _seconds() -> float:
    """Of the processor, in processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def page(planted: list[dict[str, Any]], seconds: float) -> Page:
    """What was planted, what nothing noticed, and how many ``seconds`` of the processor it took."""
    survivors = [fault for fault in planted if fault["survived"]]
    caught = len(planted) - len(survivors)
    counts = {module: [fault["module"] for fault in planted].count(module) for module in faults.modules()}
    lost = [fault["module"] for fault in survivors]
    rows = [
        {"module": f"`{name}`", "planted": count, "caught": count - lost.count(name)}
        for name, count in counts.items()
        if count
    ]
    blocks = [
        (__doc__ or "").partition("\n\n")[2].strip().replace("\n", " "),
        f"**{caught} of {len(planted)} faults are caught, {100 * caught / len(planted):.1f}%.** "
        f"That took {seconds:.0f} seconds of one core.",
        table(rows),
        "## Not caught",
        "\n".join(map(_line, survivors)) or "None.",
    ]
    return Page("Faults planted in the verdicts", blocks, good=caught >= BAR * len(planted))


def _line(fault: dict[str, Any]) -> str:
    before, after = _short(fault["before"]), _short(fault["after"])
    return f"- `{fault['module']}`, line {fault['line']}: `{before}` → `{after}`"


def _short(code: str) -> str:
    return " ".join(code.split())[:110]
