"""The cells of a paper figure: ours beside the published."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from alsatian.records import Run
from analysis.comparing.comparable import conditions, machine
from analysis.comparing.measurements import PAPER_PARTS, Spread, wall
from analysis.paper.evidence.slots import CELL, FIGURE, PANEL, PARTS, Slot, slots
from analysis.paper.evidence.sources import Key

# Of a cell for which no run is there; other states are those of run records.
NOT_RUN = "not run"


@dataclass(frozen=True)
class Cell:
    """One bar of a figure, or one component of it. What is not there or cannot be compared is NaN.

    Attributes:
        panel: letter of the panel.
        workload, items, distribution: the published cell that it stands for, whatever was really run.
        approach: name of the strategy.
        component: ``"total"`` or a part.
        status: ``"ok"``, ``"not run"``, or why the run did not end well.
        seconds: median over the repeats; ``seconds_min`` and ``seconds_max`` are the spread.
        speedup: median wall time of base over that of the strategy, both of this cell; for totals only.
        percent: ``seconds`` as a share of the reference: see ``slots.CELL`` and the like.
        published_seconds: NaN in Fig 5.
        published_speedup: published time of base over that of the strategy.
        published_percent: as ``percent``.
        models, train_items, test_items: what was really run; None if nothing was.
        run_id: of the run record.
        disturbed: whether others disturbed every repeat.
        conditions: digest of all that must be equal before times are compared, see ``comparable.conditions``.
    """

    panel: str
    workload: str
    items: int | None
    distribution: str
    approach: str
    component: str
    status: str
    seconds: float
    seconds_min: float
    seconds_max: float
    repeats: int
    speedup: float
    percent: float
    published_seconds: float
    published_speedup: float
    published_percent: float
    models: int | None
    train_items: int | None
    test_items: int | None
    run_id: str | None
    disturbed: bool
    conditions: str | None

    @property
    def ok(self) -> bool:
        """Whether it was measured."""
        return not math.isnan(self.seconds)

    @property
    def time(self) -> Spread:
        """Seconds over the repeats; of none, for a verdict, where others disturbed every one."""
        return Spread(self.seconds, self.seconds_min, self.seconds_max, 0 if self.disturbed else self.repeats)


def cells(number: str, reference: str, runs: Mapping[Key, Run]) -> list[Cell]:
    """All cells of a figure in the paper's order, panel by panel; ``runs`` are finished or not.

    ``reference`` says what times are relative to, see ``slots.CELL`` and the like.
    """
    if reference == PARTS:  # whatever the strategy: it scores one model
        runs = {replace(key, approach="base"): run for key, run in runs.items()}
    rows = slots(number, reference, runs)
    heights = {(row.key, row.component): row.value for row in rows if not math.isnan(row.value)}

    def first(row: Slot) -> Key:
        if reference not in (PANEL, FIGURE):
            return replace(row.key, approach="base")
        return next(other.key for other in rows if reference == FIGURE or other.panel == row.panel)

    alike = {key: conditions(run) for key, run in runs.items()}
    return [_cell(reference, row, first(row), runs, alike, heights) for row in rows]


def table(found: Sequence[Cell]) -> pd.DataFrame:
    """A row for each cell; the columns are those of :class:`Cell`."""
    counts = ["items", "models", "train_items", "test_items"]
    return pd.DataFrame(found).astype(dict.fromkeys(counts, "Int64"))


def _cell(
    reference: str,
    row: Slot,
    first: Key,
    runs: Mapping[Key, Run],
    alike: Mapping[Key, str],
    heights: Mapping[tuple[Key, str], float],
) -> Cell:
    run = runs.get(row.key)
    took = Spread.of(_seconds(run, row.component))
    middle = took.median
    base = replace(row.key, approach="base")
    total = row.component == "total"
    if reference == PARTS:
        percent, published_percent = _share(run, row.component), row.value
    else:
        percent = 100 * middle / _wall(runs, alike, first, row.key, across=reference != CELL)
        published_percent = 100 * row.value / heights.get((first, "total"), math.nan)
    return Cell(
        panel=row.panel,
        workload=row.key.workload,
        items=row.key.items,
        distribution=row.key.distribution,
        approach=row.key.approach,
        component=row.component,
        status=NOT_RUN if run is None else run.status,
        seconds=middle,
        seconds_min=took.low,
        seconds_max=took.high,
        repeats=took.count,
        speedup=_wall(runs, alike, base, row.key) / middle if total else math.nan,
        percent=percent,
        published_seconds=math.nan if reference == PARTS else row.value,
        published_speedup=heights.get((base, "total"), math.nan) / row.value if total else math.nan,
        published_percent=published_percent,
        models=run.model_set.models if run else None,
        train_items=run.dataset.train_items if run else None,
        test_items=run.dataset.test_items if run else None,
        run_id=run.run_id if run else None,
        disturbed=run is not None and run.disturbed,
        conditions=alike.get(row.key),
    )


def _seconds(run: Run | None, component: str) -> list[float]:
    """Of every repeat; empty if the run did not end well or did not measure parts."""
    if run is None or not run.ok:
        return []
    if component == "total":
        return [repeat.wall_s for repeat in run.quiet]
    return [repeat.parts_s.get(component, 0.0) for repeat in run.quiet if repeat.level != "total"]


def _share(run: Run | None, part: str) -> float:
    """Median share in percent of ``part`` in the four parts; NaN where they were not measured."""
    times = {name: _seconds(run, name) for name in PAPER_PARTS}
    sums = [sum(repeat) for repeat in zip(*times.values(), strict=True)]
    shares = [100 * one / whole for one, whole in zip(times[part], sums, strict=True) if whole > 0]
    return Spread.of(shares).median


def _wall(
    runs: Mapping[Key, Run], alike: Mapping[Key, str], reference: Key, key: Key, across: bool = False
) -> float:
    """Median wall time of the run at ``reference``; NaN if that at ``key`` may not be compared with it.

    With ``across`` they may differ in what the figure varies, such as the memory in Fig 16; not in the machine.
    """
    run, other = runs.get(key), runs.get(reference)
    if run is None or other is None or not other.ok:
        return math.nan
    varied = across or run.model_set.digest != other.model_set.digest
    equal = machine(run) == machine(other) if varied else alike[key] == alike[reference]
    return wall(other).median if equal else math.nan
