"""Runs as the numbers of a figure: which column is its axis, and which make curves, rows and columns of panels."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from alsatian.errors import ConfigError, nearest
from alsatian.records import Run
from analysis.comparing.comparable import computed, workload
from analysis.comparing.facts import (
    HIDDEN,
    UNSET,
    Facts,
    chosen,
    distinguishing,
    division,
    facts,
    follows,
    ordered,
    titles,
)
from analysis.comparing.labels import in_order, some, value_rank
from analysis.comparing.measurements import DRAWN, Spread, drawn
from analysis.grammar import axes
from analysis.grammar.axes import Axis
from analysis.grammar.words import Words

# Settings that say which models and data are searched.
WORKLOAD = ("model_set", "dataset", "network", "scale", "models", "data")
# Whose curve is drawn strongest, if the words do not say.
SUBJECTS = ("auto", "alsatian", "planned", "dfs_plus")


@dataclass(frozen=True)
class Chart:
    """Runs as a figure's numbers.

    Attributes:
        title: which models and data they are of; empty if the panels say so.
        words: that asked for it.
        x: the horizontal axis.
        points: a row for each run. Columns: ``row``, ``column`` and ``curve`` (as typed), ``x`` (as typed),
            ``place`` (on the axis), ``repeats``, of each y its median, ``_min`` and ``_max``, and the ``run_id``.
        runs: in the order of ``points``.
        notes: what is not drawn and what also differs, a line each.
    """

    title: str
    words: Words
    x: Axis
    points: pd.DataFrame
    runs: tuple[Run, ...]
    notes: tuple[str, ...]

    def values(self, column: str) -> list[str]:
        """Of a column of ``points``, numbers by size and texts as in tables."""
        found = list(dict.fromkeys(self.points[column]))
        if any(" " in text for text in found):
            return found
        return sorted(found, key=lambda text: value_rank(text.rpartition("=")[2])[:2])

    @property
    def subject(self) -> str:
        """The curve that is drawn strongest; empty if there is none."""
        names = self.values("curve")
        wanted = (self.words.subject,) if self.words.subject else SUBJECTS
        return next((name for one in wanted for name in names if one in (name, name.partition(" ")[0])), "")


@dataclass(frozen=True)
class _Cell:
    """A run with what is known of it."""

    run: Run
    fact: Facts
    measured: Mapping[str, Spread]


def charts(runs: Sequence[Run], words: Words) -> list[Chart]:
    """The figure that ``words`` ask for; one for each models and data unless the words tell these apart.

    Raises:
        ConfigError: a column is not known, has one value, or mixes units, or no run is left.
    """
    runs = [run for _, run in in_order(runs)]
    cells = [_Cell(run, fact, drawn(run, runs)) for run, fact in zip(runs, facts(runs), strict=True)]
    check_names(words, {key for cell in cells for key in cell.fact} - set(HIDDEN))
    for key, wanted in words.where.items():
        there = dict.fromkeys(cell.fact.get(key, UNSET) for cell in cells)
        cells = [cell for cell in cells if cell.fact.get(key, UNSET) in wanted]
        if not cells:
            raise ConfigError(f"figure.where: no run has {key}={','.join(wanted)}; there are: {some(list(there))}")
    about = [key for key in (words.x, *words.curve, *words.row, *words.column) if key.partition(".")[0] in WORKLOAD]
    groups: dict[str, list[_Cell]] = {}
    for cell in cells:
        groups.setdefault(workload(cell.run), []).append(cell)
    models = division([{"": workload(cell.run)} for cell in cells], [""])
    if follows(models, division([cell.fact for cell in cells], about)):
        found = [_chart(cells, words, "")]
    else:
        names = titles({key: [cell.run for cell in own] for key, own in groups.items()})
        found, refused = [], []
        for key, own in groups.items():
            try:
                found.append(_chart(own, words, names[key]))
            except ConfigError as error:
                refused.append(error)
        if not found:
            raise refused[0]
        found[0] = replace(found[0], notes=(*found[0].notes, *(f"Not drawn: {error}." for error in refused)))
    if words.subject and not any(chart.subject for chart in found):
        names_of = {name for chart in found for name in chart.values("curve")}
        raise ConfigError(
            f"figure.subject={words.subject}: there is no such curve; {nearest(words.subject, names_of)}"
        )
    return found


def check_names(words: Words, settings: Collection[str]) -> None:
    """Refuse columns that are no metric and none of ``settings``, which are those of all runs.

    Raises:
        ConfigError: names the word, and what is near it.
    """
    for part in ("x", "curve", "row", "column", "where"):
        valid = {*settings, *(DRAWN if part == "x" else ())}
        for name in [words.x] if part == "x" else getattr(words, part):
            if name not in valid:
                what = "is measured, not set" if name in DRAWN else "no run has such a column"
                raise ConfigError(f"figure.{part}={name}: {what}; {nearest(name, valid)}")
    for name in words.y:
        if name not in DRAWN:
            what = "is set, not measured" if name in settings else "there is no such metric"
            raise ConfigError(f"figure.y={name}: {what}; {nearest(name, DRAWN)}")


def _chart(cells: Sequence[_Cell], words: Words, title: str) -> Chart:
    found, runs = [cell.fact for cell in cells], [cell.run for cell in cells]
    if words.x in DRAWN:
        x = axes.of_metric(words.x, [cell.measured[words.x].median for cell in cells])
    else:
        x = axes.of_setting(words.x, [fact.get(words.x, UNSET) for fact in found], runs)
    if len(set(x.places) - {None}) < 2:
        differing = [key for key in distinguishing(found) if key not in HIDDEN]
        only = " and ".join(dict.fromkeys(x.texts)) + (f" ({title})" if title else "")
        hint = f"what differs is {some(differing)}" if differing else "the runs differ in no setting"
        raise ConfigError(f"figure.x={words.x}: needs two values at least, there is {only}; {hint}")
    more, along, mixed = _unsaid(found, words)
    points = {
        cell.run.run_id: _point(cell, text, place, words, more)
        for cell, text, place in zip(cells, x.texts, x.places, strict=True)
        if place is not None and computed(cell.run) and any(cell.measured[name].count for name in words.y)
    }
    if not points:
        raise ConfigError(f"figure.y={','.join(words.y)}: was measured in no run")
    turn = list(dict.fromkeys(point["curve"] for point in points.values()))
    rows = sorted(points.values(), key=lambda point: (turn.index(point["curve"]), point["place"]))
    left_out = [label for label, run in in_order(runs) if run.run_id not in points]
    notes = [f"Not drawn, for lack of a value: {some(left_out)}."] if left_out else []
    if words.x == "strategy":  # whose choices go without saying
        along = [key for key in along if not chosen(key)]
    if along:
        what = "Points of a curve" if words.x in DRAWN else "Along the axis also"
        notes.append(f"{what} differ in: {', '.join(along)}.")
    if mixed:
        notes.append(f"Curves also differ in: {', '.join(mixed)}.")
    by_id = {run.run_id: run for run in runs}
    return Chart(title, words, x, pd.DataFrame(rows), tuple(by_id[row["run_id"]] for row in rows), tuple(notes))


def _point(cell: _Cell, text: str, place: float, words: Words, more: Sequence[str]) -> dict[str, Any]:
    def said(keys: Iterable[str]) -> str:
        return " ".join(f"{key}={cell.fact.get(key, UNSET)}" for key in keys)

    first, *others = words.curve
    # What only other curves have is no part of a name.
    own = [key for key in more if key in cell.fact]
    curve = f"{cell.fact.get(first, UNSET)} {said([*others, *own])}".rstrip()
    point: dict[str, Any] = {"row": said(words.row), "column": said(words.column), "curve": curve}
    point |= {"x": text, "place": place}
    spreads = [(name, cell.measured[name]) for name in words.y]
    for name, spread in spreads:
        point |= {name: spread.median, f"{name}_min": spread.low, f"{name}_max": spread.high}
    return point | {"repeats": max(spread.count for _, spread in spreads), "run_id": cell.run.run_id}


def _unsaid(found: Sequence[Facts], words: Words) -> tuple[list[str], list[str], list[str]]:
    """Settings that tell curves apart beside those of ``words``, those that go with the axis, and those that go
    with the curves though no strategy chooses them.

    Where the axis is a metric, each run is a point of its own, so all go with it.
    """
    panels = (*words.row, *words.column)
    beside = division(found, [words.x, *panels])
    kept: list[str] = []
    along: list[str] = []
    mixed: list[str] = []
    for key in ordered(found):
        own = division(found, [key])
        if key == words.x or follows(own, division(found, [*kept, *panels])):
            continue
        if not follows(own, division(found, [*words.curve, *kept, *panels])):
            (along if words.x in DRAWN or follows(own, beside) else kept).append(key)
        elif not (key in (*words.curve, *HIDDEN) or chosen(key) or key.partition(".")[0] in mixed):
            (along if follows(own, beside) else mixed).append(key)
    return kept, [key for key in along if key not in HIDDEN], mixed
