"""Faults planted in the verdicts: how many of them the tests notice.

In ``analysis/paper/evidence``, in what judges in the figures' files, and in the spread of repeats, one thing at a
time is changed: a comparison, a constant, and or or, the smallest for the largest, a median for an end of the
range, plus for minus, a condition for its opposite. Each change is a process in which those tests of verdicts run
that reach the changed statement, the quickest first, until one fails; where none does, it survived.
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
from typing import Any

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
    outcome = Path(os.environ[OUTCOME])
    survey = outcome.with_name("survey")
    for module in faults.modules():
        import_module(module)
    _apart(lambda: survey.write_text(json.dumps(_survey(session))))
    reached = [(test, seconds, set(map(tuple, places))) for test, seconds, places in json.loads(survey.read_text())]
    if len(reached) < len(session.items):
        pytest.exit(f"{reached[-1][0]} fails without any fault")
    gc.freeze()  # what a process looks through for garbage it copies
    with outcome.open("w") as file:
        for fault in faults.faults()[:: int(os.environ[EVERY])]:
            place = (fault.module, fault.statement)
            tests = [
                (seconds, i) for i, (_, seconds, places) in enumerate(reached)
                if fault.statement is None or place in places
            ]  # fmt: skip
            survived = survives(fault, session, [session.items[i] for _, i in sorted(tests)])
            json.dump(asdict(fault) | {"survived": survived}, file)
            print("", file=file, flush=True)
    return True


def _survey(session: pytest.Session) -> list[tuple[str, float, list[Place]]]:
    """Every test with its seconds of the processor and the statements that it reaches, up to the first that fails.

    Nothing is changed here but that statements are marked, so that none fails; or what is caught might be anything.
    """
    found: list[tuple[str, float, list[Place]]] = []
    places: set[Place] = set()
    kept = []
    for module in faults.modules():
        faults.plant(module, faults.marked(module))
        setattr(sys.modules[module], faults.REACHED, places)
        kept += [value for value in vars(sys.modules[module]).values() if hasattr(value, "cache_clear")]
    for item in session.items:
        places.clear()
        for function in kept:  # or only the first test would reach it
            function.cache_clear()
        start = time.process_time()
        passed = _pass(session, [item])
        found.append((item.nodeid, time.process_time() - start, sorted(places)))
        if not passed:
            break
    return found


def survives(fault: Fault, session: pytest.Session, tests: list[pytest.Item]) -> bool:
    """Whether all ``tests`` pass in a process with the fault."""

    def passed() -> bool:
        faults.plant(fault.module, faults.changed(fault))
        return _pass(session, tests)

    return _apart(passed)


def _pass(session: pytest.Session, tests: list[pytest.Item]) -> bool:
    """Whether all ``tests`` pass; those behind one that fails are not run."""
    for test, following in zip(tests, [*tests[1:], None], strict=True):
        test.config.hook.pytest_runtest_protocol(item=test, nextitem=following)
        if session.testsfailed:
            return False
    return True


def _apart(work: Callable[[], object]) -> bool:
    """Do ``work`` in a process of its own, in silence; returns whether it ended and what it returned was true."""
    if pid := os.fork():
        return os.waitpid(pid, 0)[1] == 0
    status = 1
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (PATIENCE, PATIENCE))
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        status = 0 if work() else 1
    finally:
        os._exit(status)


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
