"""Names of runs in tables and figures: the strategy and, where that is not enough, what differs."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from alsatian.records import Run
from alsatian.units import size_of
from analysis.comparing.comparable import conditions, workload
from analysis.comparing.facts import UNSET, distinguishing, facts, titles

FIRST = ("base", "shift", "shared_prefix", "alsatian_published", "alsatian", "auto")
# Words about which models and data a run is of.
ABOUT = ("model_set=", "model_set.", "dataset=", "dataset.", "models=", "data=")
# So many labels are named in a sentence; of more the first ones.
MANY = 4
# Which blocks the models of a synthetic set share, as records of the paper's figures name it.
DISTRIBUTIONS = {"FIFTY_PERCENT": "Top 50%", "TWENTY_FIVE_PERCENT": "Top 25%", "TOP_LAYERS": "Top Layers"}
_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


def in_order(runs: Sequence[Run]) -> list[tuple[str, Run]]:
    """Finished runs with their labels, in the order of tables: ``FIRST``, then other strategies by name.

    Runs of one strategy are ordered by the values of the settings in which they differ. Labels are unique.
    """
    finished = [run for run in runs if run.ok]
    found: list[tuple[str, Run]] = []
    for name in sorted({run.strategy for run in finished}, key=_strategy_rank):
        found += _labelled(name, [run for run in finished if run.strategy == name])
    labels = [label for label, _ in found]
    return [(f"{label} run={run.run_id}" if labels.count(label) > 1 else label, run) for label, run in found]


def comparable_groups(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """``runs`` of which each may be compared with the others of its group, by the group's title.

    Runs of one strategy alone stay together, whatever their conditions: their labels say how they differ. Groups
    and titles are the same in whatever order ``runs`` are given.
    """
    found: dict[str, list[Run]] = {}
    by_start = sorted(runs, key=lambda run: (run.started, run.run_id))
    for models, own in grouped((workload(run), run) for run in by_start).items():
        alone = len({run.strategy for run in own}) == 1
        found |= grouped((models if alone else f"{models} {conditions(run)}", run) for run in own)
    names = titles(found)
    return {names[key]: own for key, own in found.items()}


def named(workload: str) -> str:
    """A published workload for people: of ``"ViT-L-32@64GB"``, which names its memory, ``"ViT-L-32, 64 GB"``."""
    model, at, memory = workload.partition("@")
    return f"{model}, {memory.removesuffix('GB')} GB" if at else model


def short(labels: Sequence[str]) -> list[str]:
    """``labels`` of one workload without what goes without saying.

    That is any setting that all of them share, and which models and data they are of.
    """
    words = [label.split(" ") for label in labels]
    shared = set.intersection(*({w for w in parts if "=" in w} for parts in words)) if len(words) > 1 else set()
    settings = {word for parts in words for word in parts[1:] if word.startswith(ABOUT)}
    keys = [word.partition("=")[0] for word in settings]
    shared |= {word for word in settings if keys.count(word.partition("=")[0]) == 1}
    return [" ".join([parts[0], *(w for w in parts[1:] if w not in shared)]) for parts in words]


def some(labels: Sequence[str]) -> str:
    """``labels`` in a sentence, of many the first ones and how many more there are."""
    between = "; " if any("," in label for label in labels) else ", "  # those of the paper's cells hold commas
    if len(labels) <= MANY:
        return between.join(labels)
    return f"{between.join(labels[: MANY - 1])} and {len(labels) - MANY + 1:,} more"


def _strategy_rank(name: str) -> tuple[int, str]:
    return (FIRST.index(name), "") if name in FIRST else (len(FIRST), name)


def _labelled(name: str, runs: Sequence[Run]) -> list[tuple[str, Run]]:
    """Runs of one strategy, labelled by the cells of the paper that they stand for or the settings that differ."""
    cells = [_cell(run) for run in runs]
    if len(runs) > 1 and all(cells) and len(set(cells)) == len(cells):
        by_cell = sorted(zip(cells, runs, strict=True), key=lambda pair: _cell_rank(pair[1]))
        return [(f"{name} {cell}", run) for cell, run in by_cell]
    found = facts(runs)
    keys = distinguishing(found)
    values = {run.run_id: [fact.get(key, UNSET) for key in keys] for run, fact in zip(runs, found, strict=True)}

    def place(run: Run) -> tuple[list[tuple[int, float, str]], str]:
        return [value_rank(value) for value in values[run.run_id]], run.run_id

    return [
        (" ".join([name, *(f"{key}={value}" for key, value in zip(keys, values[run.run_id], strict=True))]), run)
        for run in sorted(runs, key=place)
    ]


def _cell(run: Run) -> str:
    """The published cell that ``run`` stands for, e.g. ``"ViT-L-32, Top 50%, 8,000 items"``; empty if none."""
    cell = run.config.get("paper")
    if not isinstance(cell, Mapping) or not cell.get("workload"):
        return ""
    words = [named(str(cell["workload"])), _distribution(cell)]
    items = cell.get("items")
    return ", ".join([*(word for word in words if word), *([f"{items:,} items"] if isinstance(items, int) else [])])


def _distribution(cell: Mapping[str, object]) -> str:
    written = str(cell.get("distribution") or "")
    return DISTRIBUTIONS.get(written, "last layers" if written.startswith("cache") else "")


def _cell_rank(run: Run) -> tuple[str, int, str]:
    cell = run.config["paper"]
    order = [*DISTRIBUTIONS.values(), "last layers"]
    name = _distribution(cell)
    return str(cell["workload"]), order.index(name) if name in order else -1, f"{cell.get('items') or 0:>9}"


def value_rank(value: str) -> tuple[int, float, str]:
    """Sorts numbers, shares and sizes by value, before texts."""
    try:
        return 0, float(value.removesuffix("%")), ""
    except ValueError:
        size = size_of(value)
        return (1, 0.0, value) if size is None else (0, size, "")


def grouped(keyed: Iterable[tuple[_Key, _Value]]) -> dict[_Key, list[_Value]]:
    """Values, e.g. labels, by what they have in common, both in the order of first appearance."""
    groups: dict[_Key, list[_Value]] = {}
    for key, value in keyed:
        groups.setdefault(key, []).append(value)
    return groups
