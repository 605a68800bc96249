"""Which cells a paper figure has: those published, and those of further strategies and workloads that were run."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from string import ascii_lowercase

from analysis.paper import published
from analysis.paper.arrangement import APPROACHES, PARTS, SHARES, Figure


@dataclass(frozen=True)
class Key:
    """What a run stands for: a published cell's labels and the approach."""

    workload: str
    items: int | None
    distribution: str
    approach: str


@dataclass(frozen=True)
class Wanted:
    """A bar of a figure, or one component of it, with its published height.

    Attributes:
        panel: letter of the panel, ``""`` where the figure has one only.
        key: the run it is about. The approach of Figure 5, which has none, is ``"base"``.
        component: ``"total"`` or a part.
        value: the published height, in seconds (Fig 5: percent); NaN for what the paper does not have.
    """

    panel: str
    key: Key
    component: str
    value: float


def wanted(figure: Figure, found: Iterable[Key]) -> list[Wanted]:
    """Everything that ``figure`` shows, in its order; ``found`` are the runs that are there."""
    rows = [
        Wanted(
            str(row["panel"]),
            Key(
                str(row["workload"]),
                int(row["items"]),
                str(row["distribution"]),
                str(row["approach"]) or APPROACHES[0],
            ),
            str(row["component"]),
            float(row["value"]),
        )
        for row in published.values(figure.number).to_dict("records")
    ]
    keys = list(dict.fromkeys(found))
    rows = _with_workloads(rows, keys, figure)
    others = [a for a in dict.fromkeys(key.approach for key in keys) if a not in APPROACHES]
    for approach in sorted(others, key=lambda name: (name != "auto", name)) if figure.kind != SHARES else ():
        rows = _with_approach(rows, approach, own_panel=_panel_is_approach(figure))
    return rows


def _with_workloads(rows: Sequence[Wanted], keys: Sequence[Key], figure: Figure) -> list[Wanted]:
    """``rows`` and further workloads, behind the published ones of a panel or in panels of their own."""
    if figure.kind == PARTS:
        return list(rows)  # a choice of cells, not all that were run
    found = list(rows)
    approaches = (APPROACHES[0],) if figure.kind == SHARES else APPROACHES
    components = list(dict.fromkeys(row.component for row in rows))
    for workload, items, distribution in dict.fromkeys((k.workload, k.items, k.distribution) for k in keys):
        there = [row for row in found if (row.key.items, row.key.distribution) == (items, distribution)]
        if any(row.key.workload == workload for row in there):
            continue
        panel = there[0].panel if there else _next_letter(found)
        found += [
            Wanted(panel, Key(workload, items, distribution, approach), component, math.nan)
            for approach in approaches
            for component in components
        ]
    return found


def _with_approach(rows: Sequence[Wanted], approach: str, own_panel: bool) -> list[Wanted]:
    """``rows`` and those of ``approach`` wherever base, shift and alsatian stand side by side."""
    if own_panel:
        letter = _next_letter(rows)
        pattern = [row for row in rows if row.panel == rows[0].panel]
        return [*rows, *(_of(row, approach, letter) for row in pattern)]
    added = []
    for panel in dict.fromkeys(row.panel for row in rows):
        inside = [row for row in rows if row.panel == panel]
        for place in dict.fromkeys(_place(row) for row in inside):
            there = [row for row in inside if _place(row) == place]
            pattern = [row for row in there if row.key.approach == APPROACHES[0]]
            added += [*there, *(_of(row, approach, panel) for row in pattern)]
    return added


def _place(row: Wanted) -> tuple[str, int | None, str]:
    return row.key.workload, row.key.items, row.key.distribution


def _of(row: Wanted, approach: str, panel: str) -> Wanted:
    return replace(row, panel=panel, key=replace(row.key, approach=approach), value=math.nan)


def _panel_is_approach(figure: Figure) -> bool:
    """Whether each panel shows one strategy and nothing but it (Fig 16)."""
    return figure.reference == "figure"


def _next_letter(rows: Sequence[Wanted]) -> str:
    letters = sorted({row.panel for row in rows if row.panel})
    return ascii_lowercase[(ascii_lowercase.index(letters[-1]) + 1) % 26] if letters else "b"
