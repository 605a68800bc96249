"""Faults planted in the code behind verdicts: how many of them the tests notice.

In ``analysis/paper/evidence``, in what judges in the figures' files, and in the spread of repeats, one thing at a
time is changed: a comparison, a constant, and or or, the smallest for the largest, a median for an end of the
range, plus for minus, a condition for its opposite. Each change is a process in which the tests of verdicts run
until one fails; where none does, it survived.
"""

import argparse
import ast
import copy
import importlib.abc
import importlib.util
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from alsatian.errors import AlsatianError
from experiments.studies.study import Page, Say, table

ROOT = Path(__file__).parents[3]
TESTS = [f"tests/analysis/paper/test_{name}.py" for name in ("claims", "cells", "verdicts")]
# Of files that also draw, what judges.
JUDGING = {
    "verdicts", "order", "distributions", "factors", "faster", "verdict", "untested", "_verdict", "_percent",
    "_largest", "_synthetic", "_gains", "_values", "over", "of",
}  # fmt: skip
# Seconds after which a change counts as noticed: a loop without an end is.
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
    """One change: in which module, on which line, what it was and what it is; ``tree`` is the changed module."""

    module: str
    line: int
    before: str
    after: str
    tree: ast.Module


class Planted(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Has Python load the changed module where it would load the file."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        """Of the changed module alone."""
        found = importlib.util.spec_from_file_location(name, file_of(name), loader=self)
        return found if name == self.fault.module else None

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed code."""
        exec(compile(ast.fix_missing_locations(self.fault.tree), file_of(module.__name__), "exec"), module.__dict__)


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
    module = modules()[0]
    return Fault(module, 1, "", "", ast.parse(file_of(module).read_text("utf-8")))


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
                yield Fault(module, node.lineno, before, ast.unparse(node), copy.deepcopy(tree))
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


def survives(fault: Fault) -> bool:
    """Whether all tests pass in a process with the change."""
    if pid := os.fork():
        until = time.monotonic() + PATIENCE
        while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0) and time.monotonic() < until:
            time.sleep(0.02)
        if ended == (0, 0):
            os.kill(pid, 9)
            ended = os.waitpid(pid, 0)
        return ended[1] == 0
    status = 1
    try:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        import pytest

        for name in [name for name in sys.modules if name.partition(".")[0] in ("analysis", "tests")]:
            del sys.modules[name]
        sys.meta_path.insert(0, Planted(fault))
        os.chdir(ROOT)
        status = int(pytest.main([*TESTS, "-x", "-q", "-p", "no:cacheprovider", "-n", "0"]))
    finally:
        os._exit(status)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare what is asked for."""
    parser.add_argument("--every", type=int, default=1, metavar="N", help="plant every N-th fault (default: all)")


def run(options: argparse.Namespace, say: Say) -> Iterator[Page]:
    """Plant the faults; the page names those that nothing noticed."""
    import matplotlib.pyplot  # noqa: F401  what every process needs is there before they part
    import pandas  # noqa: F401
    import torch  # noqa: F401

    if not survives(unchanged()):
        raise AlsatianError("the tests of verdicts fail without any fault")
    planted = faults()[:: options.every]
    survivors = []
    for i, fault in enumerate(planted):
        if survives(fault):
            survivors.append(fault)
            say(f"[{i + 1}/{len(planted)}] survived: {fault.module}:{fault.line}: {fault.before} → {fault.after}")
    caught = len(planted) - len(survivors)
    counts = {module: [fault.module for fault in planted].count(module) for module in modules()}
    lost = [fault.module for fault in survivors]
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
        "\n".join(f"- `{f.module}`: `{_short(f.before)}` → `{_short(f.after)}`" for f in survivors) or "None.",
    ]
    yield Page("Faults planted in the verdicts", blocks, good=caught >= 0.9 * len(planted))


def _short(code: str) -> str:
    return " ".join(code.split())[:110]
