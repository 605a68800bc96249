"""Experiments that are no figure of the paper, such as the quickstart, as pages of a report about all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alsatian.records import ResultsError, Run, reading
from analysis.comparing import checks, labels
from analysis.report import findings
from analysis.report.build import TEMPLATE, asked, lines, words_of
from analysis.report.charts.chart import link
from analysis.report.figures import Gallery
from analysis.report.pages import Plate
from analysis.tables import experiment
from analysis.tables.formats import Table

# Slices of the timelines of one page here; the experiment's own report has more.
SLICES = 8_000


@dataclass(frozen=True)
class Other:
    """One experiment.

    Attributes:
        anchor: of its page, the name of its folder.
        title: what it is about.
        headline: its result, which is ``doubtful`` if scores differ that must not.
        figures, timelines: as the page shows them.
        summary: tables with a row for each run.
        lines: what stands under them.
        runs: all that ended well.
        problems: a line for each record that was skipped and each run that did not end well.
        report: the link to its own report; empty if it has none.
    """

    anchor: str
    title: str
    headline: str
    doubtful: bool
    figures: Sequence[Plate]
    timelines: Sequence[Plate]
    summary: Sequence[Table]
    lines: Sequence[str]
    runs: Sequence[Run]
    problems: Sequence[str]
    report: str

    @property
    def short(self) -> str:
        """Its name where there is little room."""
        return self.anchor.replace("_", " ")


def other(folder: Path, words: Mapping[str, Any] | None = None) -> Other | None:
    """The experiment in ``folder``; None if no run there ended well. Nothing is written."""
    try:
        found = reading.load(folder)
    except ResultsError:
        return None
    runs = [run for _, run in labels.in_order(found.runs)]
    score_checks = checks.compare_scores(runs)
    summary = experiment.summary(runs, score_checks)
    gallery = Gallery(folder / "figures", beside=folder.name, writes=False)
    drawn, not_drawn = asked(gallery, runs, words_of(runs, words or {}), typed=False)
    drawn += gallery.comparisons(runs, summary, bool(drawn))
    problems = list(found.left_out)
    return Other(
        anchor=folder.name,
        title=str(runs[0].config.get("title") or runs[0].experiment) + runs[0].origin,
        headline=findings.headline(runs, score_checks),
        doubtful=any(check.mismatches for check in score_checks),
        figures=drawn,
        timelines=gallery.timelines(folder, runs, problems, SLICES),
        summary=experiment.tables(summary),
        lines=[*not_drawn, *lines(runs, summary, score_checks)],
        runs=runs,
        problems=problems,
        report=link(folder.name, TEMPLATE) if (folder / TEMPLATE).is_file() else "",
    )
