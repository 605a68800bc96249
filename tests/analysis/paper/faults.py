"""Faults planted in the code behind verdicts: how many of them the tests notice.

In ``analysis/paper/evidence``, in what judges in the figures' files, and in the spread of repeats, one thing at a
time is changed: a comparison, a constant, and or or, the smallest for the largest, a median for an end of the
range, plus for minus, a condition for its opposite. Each change is a process in which the tests of verdicts run
until one fails; where none does, it survived.
"""

import argparse
import ast
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

from alsatian.errors import AlsatianError
from experiments.studies.study import Page, Say, table

ROOT = Path(__file__).parents[3]
TESTS = [f"tests/analysis/paper/test_{name}.py" for name in ("claims", "verdicts", "cells")]
# Of files that also draw, what judges.
JUDGING = {
    "verdicts", "order", "distributions", "factors", "faster", "verdict", "untested", "_verdict", "_percent",
    "_largest", "_synthetic", "_gains", "_values", "over", "of",
}  # fmt: skip
# What tells a pytest to plant faults: every how many, and the file of the outcome.
EVERY, OUTCOME = "PLANTED_EVERY", "PLANTED_OUTCOME"
# Seconds of the processor after which a change counts as noticed: a loop without an end is.
PATIENCE = 120
COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip
SIGNS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
}  # fmt: skip
NAMES = {"min": "max", "max": "min", "median": "max", "any": "all", "all": "any", "ceil": "floor", "floor": "ceil"}
PARTS = {
    "median": "low",
    "low": "high",
    "high": "low",
    "max": "min",
    "min": "max",
    "ceil": "floor",
    "floor": "ceil",
}


@dataclass(frozen=True)
class Fault:
    """One change: in which module, on which line, what it was and what it is; ``code`` is the changed module's."""

    module: str
    line: int
    before: str
    after: str
    code: str


def plant(fault: Fault) -> None:
    """Put the changed module's code and constants in place of those that the tests have imported."""
    whole, changed = sys.modules[fault.module], ModuleType(fault.module)
    changed.__file__ = str(file_of(fault.module))
    exec(compile(fault.code, changed.__file__, "exec"), changed.__dict__)
    for name, new in vars(changed).items():
        old = vars(whole).get(name)
        if not name.startswith("__") and not _replaced(old, new, fault.module):
            users = [m for n, m in sys.modules.items() if n.startswith("analysis") and vars(m).get(name) is old]
            for module in users:
                setattr(module, name, new)


def _replaced(old: Any, new: Any, module: str) -> bool:
    """Whether ``old`` now does what ``new`` does; not if it is a constant, or belongs elsewhere."""
    for inner in ("__wrapped__", "__func__", "fget"):
        if hasattr(old, inner) and hasattr(new, inner):
            return _replaced(getattr(old, inner), getattr(new, inner), module)
    if isinstance(old, cached_property) and isinstance(new, cached_property):
        return _replaced(old.func, new.func, module)
    if isinstance(old, type) and isinstance(new, type):
        if new.__module__ == module:
            for name, value in vars(new).items():
                if not _replaced(vars(old).get(name), value, module) and not name.startswith("__"):
                    setattr(old, name, value)
        return True
    if isinstance(old, FunctionType) and isinstance(new, FunctionType):
        if new.__module__ == module and len(old.__code__.co_freevars) == len(new.__code__.co_freevars):
            old.__code__, old.__defaults__ = new.__code__, new.__defaults__
            old.__kwdefaults__ = new.__kwdefaults__
        return True
    return isinstance(old, ModuleType)


def file_of(module: str) -> Path:
    """The source of a module."""
    return ROOT.joinpath(*module.split(".")).with_suffix(".py")


def modules() -> list[str]:
    """What verdicts are made by."""
    folder = ROOT / "analysis" / "paper"
    files = [
        *folder.glob("evidence/*.py"),
        *folder.glob("*.py"),
        folder / "kinds/searches.py",
        folder / "kinds/figure.py",
    ]
    files.append(ROOT / "analysis/comparing/measurements.py")
    names = (".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files if path.stem != "__init__")
    return sorted(names)


def faults() -> list[Fault]:
    """Every change to every module."""
    return [fault for module in modules() for fault in changes(module)]


def unchanged() -> Fault:
    """Nothing is changed, so that all tests pass; or what is caught might be anything."""
    module = "analysis.paper.evidence.claims"
    return Fault(module, 1, "", "", file_of(module).read_text("utf-8"))


def changes(module: str) -> Iterator[Fault]:
    """Every change to ``module``; annotations, what is told and what is drawn stay."""
    tree = ast.parse(file_of(module).read_text("utf-8"))
    whole = ".evidence." in module
    for node in list(_judging(tree, whole)):
        for change in _changed(node):
            kept = {name: list(value) if isinstance(value, list) else value for name, value in vars(node).items()}
            before = ast.unparse(node)
            change(node)
            if ast.unparse(node) != before:
                yield Fault(
                    module, node.lineno, before, ast.unparse(node), ast.unparse(ast.fix_missing_locations(tree))
                )
            vars(node).clear()
            vars(node).update(kept)


def _judging(node: ast.AST, inside: bool) -> Iterator[Any]:
    """Nodes that may be changed."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr):
                continue
            own = inside or (isinstance(child, ast.FunctionDef) and child.name in JUDGING)
            if own:
                yield child
            yield from _judging(child, own)


def _changed(node: ast.AST) -> list[Any]:
    """Functions that each change ``node`` in one way."""
    if isinstance(node, ast.Compare):
        return [
            lambda n, i=i, new=new: n.ops.__setitem__(i, new())
            for i, old in enumerate(node.ops)
            for new in COMPARISONS[type(old)]
        ]
    if isinstance(node, ast.BoolOp):
        return [lambda n: setattr(n, "op", ast.Or() if isinstance(n.op, ast.And) else ast.And())]
    if isinstance(node, ast.BinOp) and type(node.op) in SIGNS:
        return [lambda n: setattr(n, "op", SIGNS[type(n.op)]())]
    if isinstance(node, ast.Name) and node.id in NAMES and isinstance(node.ctx, ast.Load):
        return [lambda n: setattr(n, "id", NAMES[n.id])]
    if isinstance(node, ast.Attribute) and node.attr in PARTS and isinstance(node.ctx, ast.Load):
        return [lambda n: setattr(n, "attr", PARTS[n.attr])]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return [lambda n: setattr(n, "operand", ast.UnaryOp(ast.Not(), n.operand))]
    if isinstance(node, ast.If | ast.IfExp):
        return [lambda n: setattr(n, "test", ast.UnaryOp(ast.Not(), n.test))]
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        return [lambda n: setattr(n, "value", not n.value)]
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return [lambda n: setattr(n, "value", n.value + 1)]
    return []


def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Of a pytest that has this module as a plugin: the tests run once for every fault, in a process of its own."""
    if EVERY not in os.environ:
        return None
    planted = [unchanged(), *faults()[:: int(os.environ[EVERY])]]
    with Path(os.environ[OUTCOME]).open("w") as file:
        for fault in planted:
            json.dump(asdict(fault) | {"code": "", "survived": survives(fault, session)}, file)
            print("", file=file, flush=True)
    return True


def survives(fault: Fault, session: pytest.Session) -> bool:
    """Whether all tests pass in a process with the fault."""
    if pid := os.fork():
        return os.waitpid(pid, 0)[1] == 0
    status = 1
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (PATIENCE, PATIENCE))
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        plant(fault)
        for item, following in zip(session.items, [*session.items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.testsfailed:
                break
        else:
            status = 0
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
    with tempfile.TemporaryDirectory() as folder:
        outcome = Path(folder) / "faults"
        words = ["-p", "tests.analysis.paper.faults", "-p", "no:cacheprovider", "-n", "0", "-q", *TESTS]
        known = os.environ | {EVERY: str(options.every), OUTCOME: str(outcome)}
        done = subprocess.run([sys.executable, "-m", "pytest", *words], cwd=ROOT, env=known, capture_output=True)
        lines = outcome.read_text().splitlines() if outcome.is_file() else []
    clean, *planted = map(json.loads, lines or ["{}"])
    if not clean.get("survived") or not planted:
        raise AlsatianError(f"the tests of verdicts fail without any fault: {done.stdout[-2000:].decode()}")
    yield page(planted)


def page(planted: list[dict[str, Any]]) -> Page:
    """What was planted, and what nothing noticed."""
    survivors = [fault for fault in planted if fault["survived"]]
    caught = len(planted) - len(survivors)
    counts = {module: [fault["module"] for fault in planted].count(module) for module in modules()}
    lost = [fault["module"] for fault in survivors]
    rows = [
        {"module": f"`{name}`", "planted": count, "caught": count - lost.count(name)}
        for name, count in counts.items()
        if count
    ]
    blocks = [
        (__doc__ or "").partition("\n\n")[2].strip().replace("\n", " "),
        f"**{caught} of {len(planted)} faults are caught, {100 * caught / len(planted):.1f}%.**",
        table(rows),
        "## Not caught",
        "\n".join(f"- `{f['module']}`: `{_short(f['before'])}` → `{_short(f['after'])}`" for f in survivors)
        or "None.",
    ]
    return Page("Faults planted in the verdicts", blocks, good=caught >= 0.8 * len(planted))


def _short(code: str) -> str:
    return " ".join(code.split())[:110]
