"""Faults planted in the code behind verdicts: what is changed, and what takes the place of the imported code.

In ``analysis/paper/evidence``, in what judges in the figures' files, and in the spread of repeats, one thing at a
time is changed: a comparison, a constant, and or or, the smallest for the largest, a median for an end of the
range, plus for minus, a condition for its opposite.
"""

import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

ROOT = Path(__file__).parents[3]
# Of files that also draw, what judges.
JUDGING = {
    "verdicts", "order", "distributions", "factors", "faster", "verdict", "untested", "_verdict", "_percent",
    "_compared", "_largest", "_synthetic", "_gains", "_values", "over", "of",
}  # fmt: skip
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
# Name of the set that marked statements add themselves to.
REACHED = "_reached"
# A module and a line of it.
Place = tuple[str, int]


@dataclass(frozen=True)
class Fault:
    """One change.

    Attributes:
        module: that it is in.
        number: among the changes to the module.
        line: of what is changed.
        before, after: the code of what is changed.
        statement: line of the innermost statement that holds it; None outside functions, which imports reach.
    """

    module: str
    number: int
    line: int
    before: str
    after: str
    statement: int | None


def file_of(module: str) -> Path:
    """The source of a module."""
    return ROOT.joinpath(*module.split(".")).with_suffix(".py")


def tree_of(module: str) -> ast.Module:
    """The source of a module as a tree."""
    return ast.parse(file_of(module).read_text("utf-8"))


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
    return [fault for module in modules() for fault, _ in changes(module, tree_of(module))]


def changed(fault: Fault) -> ast.Module:
    """The module with the fault."""
    tree = tree_of(fault.module)
    next(apply for found, apply in changes(fault.module, tree) if found == fault)()
    return ast.fix_missing_locations(tree)


def changes(module: str, tree: ast.Module) -> Iterator[tuple[Fault, Callable[[], None]]]:
    """Every change to the ``tree`` of a module, and what applies it; annotations, what is told and drawn stay."""
    number = 0
    statements = _statements(tree)
    for node in list(_judging(tree, ".evidence." in module)):
        for change in _changes(node):
            kept = {name: list(value) if isinstance(value, list) else value for name, value in vars(node).items()}
            before = ast.unparse(node)
            change(node)
            after = ast.unparse(node)
            vars(node).clear()
            vars(node).update(kept)
            if after != before:
                fault = Fault(module, number, node.lineno, before, after, statements.get(id(node)))
                number += 1
                yield fault, lambda change=change, node=node: change(node)


def marked(module: str) -> ast.Module:
    """The module with no fault, whose functions add the place of every statement to the set ``REACHED``."""
    tree = tree_of(module)
    for node in [node for function in _functions(tree) for node in ast.walk(function)]:
        for name, body in ast.iter_fields(node):
            if isinstance(body, list) and body and isinstance(body[0], ast.stmt):
                marks = [ast.parse(f"{REACHED}.add({(module, one.lineno)!r})").body[0] for one in body]
                setattr(node, name, [one for both in zip(marks, body, strict=True) for one in both])
    return ast.fix_missing_locations(tree)


def _functions(tree: ast.AST) -> list[ast.FunctionDef]:
    """Functions that are in no other one."""
    if isinstance(tree, ast.FunctionDef):
        return [tree]
    return [one for child in ast.iter_child_nodes(tree) for one in _functions(child)]


def _statements(tree: ast.Module) -> dict[int, int]:
    """The line of the innermost statement of every node within functions; of what comes before a function's body
    it is the body's first line."""
    found: dict[int, int] = {}
    for function in _functions(tree):
        for node in ast.walk(function):  # outer ones come first
            if isinstance(node, ast.stmt):
                line = node.body[0].lineno if node is function else node.lineno
                found.update((id(inner), line) for inner in ast.walk(node))
    return found


def _judging(node: ast.AST, inside: bool) -> Iterator[Any]:
    """Nodes that may be changed."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr):
                continue
            # That two sequences are equally long is checked, not decided: where they are, nothing can differ.
            if isinstance(child, ast.keyword) and child.arg == "strict":
                continue
            # A spread has its numbers all or none: which one is asked for makes no difference.
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "math.isnan":
                continue
            own = inside or (isinstance(child, ast.FunctionDef) and child.name in JUDGING)
            if own:
                yield child
            yield from _judging(child, own)


def _changes(node: ast.AST) -> list[Callable[[Any], None]]:
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
    # The opposite of a comparison and of a not is planted where they stand.
    if isinstance(node, ast.If | ast.IfExp) and not isinstance(node.test, ast.Compare | ast.UnaryOp):
        return [lambda n: setattr(n, "test", ast.UnaryOp(ast.Not(), n.test))]
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        return [lambda n: setattr(n, "value", not n.value)]
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return [lambda n: setattr(n, "value", n.value + 1)]
    return []


def plant(module: str, tree: ast.Module) -> None:
    """Put the code and constants of a changed ``tree`` in place of those that others have imported."""
    whole, other = sys.modules[module], ModuleType(module)
    other.__file__ = str(file_of(module))
    exec(compile(tree, other.__file__, "exec"), other.__dict__)
    for name, new in vars(other).items():
        old = vars(whole).get(name)
        # What reads the same is the same: an object of a class that is made anew would equal none of the old one.
        if not name.startswith("__") and not _replaced(old, new, module) and repr(old) != repr(new):
            users = [m for n, m in sys.modules.items() if n.startswith("analysis") and vars(m).get(name) is old]
            for user in users:
                setattr(user, name, new)


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
