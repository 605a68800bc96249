"""The rooms of the house: who imports whom, and how large they are."""

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Each may import those before it, except that analysis stands beside.
ROOMS = ("alsatian", "baselines", "experiments", "analysis")
MAY_IMPORT = {
    "alsatian": {"alsatian"},
    "baselines": {"alsatian", "baselines"},
    "experiments": {"alsatian", "baselines", "experiments", "analysis"},
    "analysis": {"alsatian", "analysis"},
}
# ``python -m alsatian`` is the command, which nothing imports.
DOORS = ("alsatian.__main__",)
# What reads records needs of the system; none of it loads torch (see tests/analysis).
FOR_ANALYSIS = ("alsatian.records", "alsatian.units", "alsatian.files", "alsatian.pages", "alsatian.errors")
FILE_LINES, FOLDER_MODULES = 250, 15
# What there is, so that it does not grow unnoticed; 24,000 is the aim.
SOURCE_LINES = 60_200

Graph = Mapping[str, set[str]]


@cache
def modules() -> dict[str, Path]:
    """Every source file by the name that it is imported by."""
    files = (path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")))
    return {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in files}


def imported(node: ast.AST) -> Iterator[str]:
    """Modules of ours that ``node`` imports."""
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module:
        assert not node.level, f"relative import of {node.module}"
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    for name in names:
        yield from [known for known in (name, name.rpartition(".")[0]) if known in modules()][:1]


@cache
def imports() -> Graph:
    """The modules that each module imports, wherever in the file; for types alone does not count."""
    graph: dict[str, set[str]] = {}
    for module, path in modules().items():
        tree = ast.parse(path.read_text())
        guarded = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
        for_types = {inner for block in guarded for inner in ast.walk(block)}
        graph[module] = {t for node in ast.walk(tree) if node not in for_types for t in imported(node)} - {module}
    return graph


def folder(module: str) -> str:
    """The folder of a module; one that lies loosely in a room stands for itself."""
    if modules()[module].name == "__init__.py" or module.count(".") == 1:
        return module
    return module.rpartition(".")[0]


def folders() -> Graph:
    """The folders that each folder imports from."""
    graph: dict[str, set[str]] = defaultdict(set)
    for module, targets in imports().items():
        graph[folder(module)] |= {folder(target) for target in targets} - {folder(module)}
    return graph


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


@pytest.mark.parametrize("graph", [pytest.param(imports, id="files"), pytest.param(folders, id="folders")])
def test_imports_have_no_cycle(graph) -> None:
    try:
        TopologicalSorter(graph()).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1][::-1]))


def test_a_cycle_is_seen() -> None:
    with pytest.raises(CycleError):
        TopologicalSorter({"a": {"b"}, "b": {"c"}, "c": {"a"}}).prepare()
    assert "alsatian.tree" in imports()["alsatian.planning.computation"]
    assert "alsatian.planning.orders" in folders()["alsatian.planning"]


def test_arrows_point_one_way() -> None:
    wrong = [
        f"{module} -> {target}"
        for module, targets in imports().items()
        for target in targets
        if module not in DOORS and target.partition(".")[0] not in MAY_IMPORT[module.partition(".")[0]]
    ]
    assert not wrong


def test_analysis_reads_records_and_no_more_of_the_system() -> None:
    """Nor does anything of the system that it imports need more than that."""
    wrong, reached = [], {module for module in modules() if module.startswith("analysis")}
    pending = list(reached)
    while pending:
        module = pending.pop()
        for target in imports()[module] - reached:
            if target != "alsatian" and not target.startswith(FOR_ANALYSIS):
                wrong.append(f"{module} -> {target}")
            reached.add(target)
            pending.append(target)
    assert not wrong


def test_no_file_is_too_long() -> None:
    assert not {str(p.relative_to(ROOT)): lines(p) for p in modules().values() if lines(p) > FILE_LINES}


def test_no_folder_is_too_full() -> None:
    count = Counter(path.parent for path in modules().values() if path.name != "__init__.py")
    assert not {str(f.relative_to(ROOT)): n for f, n in count.items() if n > FOLDER_MODULES}


def test_there_is_not_too_much_source() -> None:
    assert sum(lines(path) for path in modules().values()) <= SOURCE_LINES
