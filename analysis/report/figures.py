"""The figures of a report: strategies compared, what each thread did when, and who shares what."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from alsatian.records import FieldError, Run, Vertex
from alsatian.records.trace import load_trace
from alsatian.units import printable
from analysis.comparing import sweeps
from analysis.comparing.comparable import workload
from analysis.comparing.labels import in_order
from analysis.figures import bars, curves, task_tree, timeline
from analysis.report import captions
from analysis.report.pages import Plate

# Whose task tree is shown, if there are several that share.
_FIRST = ("auto", "alsatian")
# What a folder's or file's name may hold, so that a record cannot point elsewhere.
_PLAIN = re.compile(r"[\w-]+")


def comparisons(
    folder: Path, runs: Sequence[Run], summary: pd.DataFrame, names: Mapping[str, str], first: bool
) -> tuple[list[Path], list[Plate]]:
    """Write the figures of one workload; return their files and what the page shows of them.

    A sweep over the cache budget is drawn as lines, and as bars at one budget only.
    """
    key = workload(runs[0])
    rows = summary[summary["workload"] == key].reset_index(drop=True)
    suffix = "" if first else f"-{key}"
    of_what = f": {runs[0].model_set.name}{runs[0].origin}"
    files: list[Path] = []
    swept: list[Plate] = []
    note = ""
    if sweep := sweeps.find(runs):
        picture = curves.sweep(sweep, f"Over the cache budget{of_what}", captions.sweep(sweep))
        files += picture.save(folder / f"sweep{suffix}")
        swept.append(Plate.of(picture, wide=True))
        beside = sweep.beside(sweep.middle)
        runs = [run for run in runs if run.run_id not in beside]
        rows = rows[rows["strategy"].isin([names[run.run_id] for run in runs])].reset_index(drop=True)
        of_what, note = f"{of_what}, budget {sweep.text(sweep.middle)}", f" {captions.at_budget(sweep)}"
    shown: list[Plate] = []
    for stem, title, caption, drawn in (
        ("speedup", "Speed-up over base", captions.speedup(runs), bars.speedup),
        ("breakdown", "Where the time goes", captions.breakdown(runs), bars.breakdown),
    ):
        if stem == "breakdown" and rows["inference_s"].isna().all():
            continue  # only wall times were measured
        without_base = stem == "speedup" and rows["speedup"].isna().all()
        if without_base and sweep:
            continue
        picture = drawn(rows, f"{title}{of_what}", caption + note)
        files += picture.save(folder / f"{stem}{suffix}")
        if without_base:
            continue  # there is nothing to see
        shown.append(Plate.of(picture, wide=False))
    # Figures of one workload stand side by side or one below the other, whatever each alone would need.
    wide = any(figure.inches > 6 for figure in shown)
    return files, [*swept, *(replace(figure, wide=wide) for figure in shown)]


def timelines(folder: Path, runs: Sequence[Run]) -> tuple[list[Path], list[Plate], list[str]]:
    """Draw ``<folder>/<run id>/timeline.json`` of every finished run that has one.

    Returns the files written to ``<folder>/figures``, the figures for a page, and a line for each timeline
    that could not be read.
    """
    files: list[Path] = []
    plates: list[Plate] = []
    problems: list[str] = []
    for label, run in in_order(runs):
        path = folder / run.run_id / "timeline.json"
        if not _PLAIN.fullmatch(run.run_id):
            continue
        try:
            found = load_trace(path)
        except FieldError as error:
            problems.append(printable(f"{path}: skipped: {error}"))
            continue
        if found is None:
            continue
        title = f"Timeline: {label}, {run.model_set.name}"
        picture = timeline.timeline(found, title, captions.timeline(found, run))
        files += picture.save(folder / "figures" / f"timeline-{run.run_id}")
        plates.append(Plate.of(picture, wide=True))
    return files, plates, problems


def trees(folder: Path, runs: Sequence[Run]) -> tuple[list[Path], list[Plate]]:
    """Draw the first round's task tree of one run for every model set, where one shares anything.

    Returns the files written to ``<folder>/figures``, and the figures for a page.
    """
    files: list[Path] = []
    plates: list[Plate] = []
    for label, run, tree in _chosen(runs):
        picture = task_tree.task_tree(tree, f"Task tree: {label}, {run.model_set.name}", captions.tree(run, tree))
        files += picture.save(folder / "figures" / f"tree-{run.run_id}")
        plates.append(Plate.of(picture, wide=True))
    return files, plates


def _chosen(runs: Sequence[Run]) -> list[tuple[str, Run, tuple[Vertex, ...]]]:
    """For every model set the first run whose tree shares, by strategy: ``_FIRST``, then as in tables."""
    found: dict[str, tuple[str, Run, tuple[Vertex, ...]]] = {}

    def rank(labelled: tuple[str, Run]) -> int:
        name = labelled[1].strategy
        return _FIRST.index(name) if name in _FIRST else len(_FIRST)

    for label, run in sorted(in_order(runs), key=rank):
        if run.tree and _shares(run.tree) and _PLAIN.fullmatch(run.run_id):
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
