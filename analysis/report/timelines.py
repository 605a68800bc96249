"""The timelines among the runs of a folder, as figures."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alsatian.records import trace
from alsatian.records.fields import FieldError
from alsatian.records.reading import Run
from alsatian.units import printable
from analysis.comparing.labels import in_order
from analysis.figures import timeline
from analysis.report import captions

FILE = "timeline.json"
# What a folder's name may hold, so that a record cannot point elsewhere.
_PLAIN = re.compile(r"[\w-]+")


@dataclass(frozen=True)
class Drawn:
    """A figure for a page that has its own texts: SVG, and its width in inches."""

    title: str
    caption: str
    svg: bytes
    inches: float


def figures(folder: Path, runs: Sequence[Run]) -> tuple[list[Path], list[Drawn], list[str]]:
    """Draw ``<folder>/<run id>/timeline.json`` of every finished run that has one.

    Returns the files written to ``<folder>/figures``, the figures for a page, and a line for each timeline
    that could not be read.
    """
    files: list[Path] = []
    drawn: list[Drawn] = []
    problems: list[str] = []
    for label, run in in_order(runs):
        path = folder / run.run_id / FILE
        if not _PLAIN.fullmatch(run.run_id):
            continue
        try:
            found = trace.load(path)
        except FieldError as error:
            problems.append(printable(f"{path}: skipped: {error}"))
            continue
        if found is None:
            continue
        title, caption = f"Timeline: {label}, {run.model_set.name}", captions.timeline(found, run)
        picture = timeline.timeline(found, title, caption)
        files += picture.save(folder / "figures" / f"timeline-{run.run_id}")
        drawn.append(Drawn(title, caption, *picture.page_image()))
    return files, drawn, problems
