"""The figures of a report: strategies compared, what each thread did when, and who shares what."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from alsatian.records import FieldError, Run, Vertex
from alsatian.records.trace import load_trace
from alsatian.units import printable
from analysis.comparing import sweeps
from analysis.comparing.comparable import computed
from analysis.comparing.labels import comparable_groups, in_order, some
from analysis.figures import bars, curves, task_tree, timeline
from analysis.figures.picture import Picture
from analysis.figures.style import PAGE, Style
from analysis.grammar.charts import charts
from analysis.grammar.words import Words
from analysis.report import captions
from analysis.report.charts import bars as bar_charts
from analysis.report.charts import curves as curve_charts
from analysis.report.charts import timeline as timeline_charts
from analysis.report.charts.chart import PLAIN, Chart, link, record
from analysis.report.pages import Plate
from analysis.tables.metrics import METRICS

# Whose task tree is shown, if there are several that share.
_FIRST = ("auto", "alsatian")
# What a page links to of each figure, best for print first.
_LINKED = ("pdf", "png", "csv")


class Gallery:
    """Draws the figures of a report into a folder.

    Attributes:
        folder: that they are written to.
        look: their style.
        beside: the way from the page to it; empty for the page's own folder.
        writes: whether files are written, or are there.
        files: everything that was written.
    """

    def __init__(self, folder: Path, look: Style = PAGE, beside: str = "", writes: bool = True) -> None:
        self.folder, self.look = folder, look
        self.beside = beside
        self.writes = writes
        self.files: list[Path] = []

    def add(self, name: str, picture: Picture, drawn: Chart | None = None, caption: str = "") -> Plate:
        """Write ``picture`` to files of this ``name``; return what the page shows of it, ``drawn`` if it is."""
        if self.writes:
            self.files += picture.save(self.folder / name, look=self.look)
        return Plate.of(picture, True, drawn, links(self.folder, name, self.beside), caption)

    def charts(self, runs: Sequence[Run], words: Words) -> list[Plate]:
        """The figure that ``words`` ask for; one for each models and data unless the words tell these apart.

        Raises:
            ConfigError: see ``charts.charts``.
        """
        over = METRICS[words.x].title.removesuffix(" s") if words.x in METRICS else words.x
        plates = []
        for i, chart in enumerate(charts([run for run in runs if run.ok], words)):
            of_what = f": {chart.title or _name(chart.runs)}{chart.runs[0].origin}"
            picture = curves.curves(chart, f"Over {over}{of_what}", captions.chart(chart))
            plates.append(self.add(f"sweep{_number(i)}", picture, curve_charts.curves(chart, self.beside)))
        return plates

    def comparisons(self, runs: Sequence[Run], summary: pd.DataFrame, drawn: bool) -> list[Plate]:
        """The figures of every group that is compared; ``summary`` has a row for each run.

        A sweep over the cache budget is drawn as curves, unless it is ``drawn``, and as bars at one budget only.
        """
        table = summary.assign(run_id=[run.run_id for run in runs])
        groups = comparable_groups(runs)
        return [
            plate
            for i, (title, own) in enumerate(groups.items())
            if any(map(computed, own))  # else there is nothing to see
            for plate in self._of_group(
                own, table[table["group"] == title], title if len(groups) > 1 else _name(own), _number(i), drawn
            )
        ]

    def _of_group(
        self, runs: Sequence[Run], rows: pd.DataFrame, title: str, suffix: str, drawn: bool
    ) -> list[Plate]:
        of_what = f": {title}{runs[0].origin}"
        swept: list[Plate] = []
        note = ""
        if sweep := sweeps.find(runs):
            if not drawn:
                (chart,) = charts(sweep.runs, Words(x=sweeps.SETTING, y=sweeps.METRICS))
                picture = curves.curves(chart, f"Over the cache budget{of_what}", captions.chart(chart))
                swept.append(self.add(f"sweep{suffix}", picture, curve_charts.curves(chart, self.beside)))
            beside = sweep.beside(sweep.middle)
            runs, rows = [run for run in runs if run.run_id not in beside], rows[~rows["run_id"].isin(beside)]
            of_what, note = f"{of_what}, budget {sweep.text(sweep.middle)}", f" {captions.at_budget(sweep)}"
        rows = rows.reset_index(drop=True)
        shown: list[Plate] = []
        without_base = rows["speedup"].isna().all()
        if not (without_base and sweep):
            picture = bars.speedup(rows, f"Speed-up over base{of_what}", captions.speedup(runs) + note)
            drawn_as = None if without_base else bar_charts.speedup(rows, self.beside)
            plate = self.add(f"speedup{suffix}", picture, drawn_as)
            shown += [] if without_base else [plate]  # there is nothing to see
        if not rows["inference_s"].isna().all():  # else only wall times were measured
            picture = bars.breakdown(rows, f"Where the time goes{of_what}", captions.breakdown(runs) + note)
            shown.append(self.add(f"breakdown{suffix}", picture, bar_charts.breakdown(rows, runs, self.beside)))
        # Figures of one workload stand side by side.
        return [*swept, *(replace(figure, wide=len(shown) == 1) for figure in shown)]

    def timelines(
        self, folder: Path, runs: Sequence[Run], problems: list[str], all_slices: int = timeline_charts.ALL
    ) -> list[Plate]:
        """``<folder>/<run id>/timeline.json`` of every finished run; ``problems`` grow by those that are none."""
        traces = []
        for label, run in in_order(runs):
            path = folder / run.run_id / "timeline.json"
            try:
                found = load_trace(path) if PLAIN.fullmatch(run.run_id) else None
            except FieldError as error:
                problems.append(printable(f"{path}: skipped: {error}"))
                continue
            if found is not None:
                traces.append((label, run, found))
        most = min(timeline_charts.MOST, all_slices // max(1, len(traces)))
        plates = []
        for label, run, found in traces:
            title = f"Timeline: {label}, {run.model_set.name}"
            picture = timeline.timeline(found, title, captions.timeline(found, run))
            drawn, note = timeline_charts.timeline(found, most)
            caption = f"{captions.timeline(found, run, whole=False)} {note}".rstrip()
            plates.append(self.add(f"timeline-{run.run_id}", picture, drawn, caption))
        return plates

    def trees(self, runs: Sequence[Run]) -> list[Plate]:
        """The first round's task tree of one run for every model set, where one shares anything."""
        plates = []
        for label, run, tree in _chosen(runs):
            items = run.rounds[0].train_items + run.dataset.test_items if run.rounds else None
            title = f"Task tree: {label}, {run.model_set.name}"
            picture = task_tree.task_tree(tree, title, captions.tree(run, tree), items)
            plates.append(replace(self.add(f"tree-{run.run_id}", picture), record=record(run.run_id, self.beside)))
        return plates


def links(folder: Path, name: str, beside: str = "") -> list[str]:
    """The way to the files of a figure in ``folder`` from a page that it lies ``beside``."""
    files = [folder / f"{name}.{kind}" for kind in _LINKED]
    return [link(beside, folder.name, file.name) for file in files if file.exists()]


def _name(runs: Sequence[Run]) -> str:
    return some(list(dict.fromkeys(run.model_set.name for run in runs)))


def _number(place: int) -> str:
    """What tells the files of one kind apart; nothing for the first."""
    return f"-{place + 1}" if place else ""


def _chosen(runs: Sequence[Run]) -> list[tuple[str, Run, tuple[Vertex, ...]]]:
    """For every model set the first run whose tree shares, by strategy: ``_FIRST``, then as in tables."""
    found: dict[str, tuple[str, Run, tuple[Vertex, ...]]] = {}

    def rank(labelled: tuple[str, Run]) -> int:
        name = labelled[1].strategy
        return _FIRST.index(name) if name in _FIRST else len(_FIRST)

    for label, run in sorted(in_order(runs), key=rank):
        if run.tree and _shares(run.tree) and PLAIN.fullmatch(run.run_id):
            found.setdefault(run.model_set.digest, (label, run, run.tree))
    return list(found.values())


def _shares(tree: Sequence[Vertex]) -> bool:
    """Whether two models start from the same blocks, directly or behind others."""
    ends = [len(vertex.models) for vertex in tree]
    for number in range(len(tree) - 1, -1, -1):  # children first
        parent = tree[number].parent
        if tree[number].blocks and ends[number] > 1:
            return True
        if parent is not None:
            ends[parent] += ends[number]
    return False
