"""Which bars a figure about searches has: those published, and those of further strategies and workloads."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from analysis.paper.evidence import published
from analysis.paper.evidence.sources import Key

BASE = "base"
APPROACHES = (BASE, "shift", "alsatian")
# Ours at its best, drawn as one more bar wherever the paper compares strategies.
BEST = "auto"
# What times are relative to: base of the same cell, the first bar of the panel or of the figure, or (Fig 5) to the
# four parts together. The first shows whatever was run; the second and the third a choice of cells, the third one
# strategy in each panel; the last a single strategy.
CELL, PANEL, FIGURE, PARTS = "cell", "panel", "figure", "parts"


@dataclass(frozen=True)
class Slot:
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

    def of(self, approach: str, panel: str) -> "Slot":
        """The same of an ``approach`` that the paper does not have."""
        return Slot(panel, replace(self.key, approach=approach), self.component, math.nan)


def slots(number: str, reference: str, run: Iterable[Key]) -> list[Slot]:
    """Everything that a figure shows, panel by panel in its order.

    ``run`` is what was run, ``reference`` one of the above; with ``PARTS`` the approach of all is base.
    """
    found = [
        Slot(
            row["panel"],
            Key(row["workload"], int(row["items"]), row["distribution"], row["approach"] or BASE),
            row["component"],
            float(row["value"]),
        )
        for row in published.values(number).to_dict("records")
    ]
    keys = list(dict.fromkeys(run))
    if reference in (CELL, PARTS):
        _add_workloads(found, keys, (BASE,) if reference == PARTS else APPROACHES)
    others = {key.approach for key in keys if key.approach not in APPROACHES}
    for approach in sorted(others, key=lambda name: (name != BEST, name)):
        if reference == FIGURE:
            letter = _next_letter(found)
            first, *_ = found
            found += [slot.of(approach, letter) for slot in found if slot.panel == first.panel]
        else:  # wherever base, shift and alsatian stand side by side
            found += [slot.of(approach, slot.panel) for slot in found if slot.key.approach == BASE]
    places = list(dict.fromkeys(map(_place, found)))
    panels = list(dict.fromkeys(slot.panel for slot in found))
    return sorted(found, key=lambda slot: (panels.index(slot.panel), places.index(_place(slot))))


def _add_workloads(found: list[Slot], keys: Sequence[Key], approaches: Sequence[str]) -> None:
    """Further workloads come behind the published ones of a panel, or in panels of their own."""
    components = list(dict.fromkeys(slot.component for slot in found)) or ["total"]
    for key in keys:
        there = [s for s in found if (s.key.items, s.key.distribution) == (key.items, key.distribution)]
        if any(slot.key.workload == key.workload for slot in there):
            continue
        panel = next((slot.panel for slot in there), _next_letter(found))
        found += [
            Slot(panel, replace(key, approach=approach), component, math.nan)
            for approach in approaches
            for component in components
        ]


def _place(slot: Slot) -> tuple[str, Key]:
    """The cell of a panel, whatever the approach."""
    return slot.panel, replace(slot.key, approach="")


def _next_letter(found: Sequence[Slot]) -> str:
    letters = {slot.panel for slot in found if slot.panel}
    if not letters:
        return "b" if found else "a"
    return chr(ord(max(letters)) + 1)
