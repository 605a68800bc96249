"""One folder of run records -> tables, figures and a report that stands alone."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from alsatian.errors import ConfigError
from alsatian.files import write_text
from alsatian.records import Run, reading
from alsatian.units import printable
from analysis.comparing import checks, disturbances, labels, numerics, ties
from analysis.figures.style import Style, named
from analysis.grammar.words import Words
from analysis.paper import Section as PaperSection
from analysis.paper import section as paper_section
from analysis.report import choice, figures, findings, processes, sections
from analysis.report.charts import chart
from analysis.report.charts import paper as paper_charts
from analysis.report.pages import Plate, render
from analysis.tables import experiment, formats
from analysis.tables.formats import WIDTH, Table

TEMPLATE = "report.html"
# Of all figures; the name of the first one of a kind has no number.
_FIGURE = re.compile(r"((speedup|breakdown|sweep)(-[0-9]+)?|(timeline|tree)-[0-9a-f]{16})\.(png|pdf|csv|txt|tex)")


@dataclass(frozen=True)
class Report:
    """What :func:`build` found and wrote.

    Attributes:
        summary: see ``experiment.summary``.
        checks: see ``checks.compare_scores``.
        problems: one line for each record that was skipped and each run that did not end well.
        files: everything that was written.
        text: the table and the lines under it, for a terminal.
    """

    summary: pd.DataFrame
    checks: list[checks.ScoreCheck]
    problems: list[str]
    files: list[Path]
    text: str


def build(folder: Path, width: int = WIDTH, figure: Mapping[str, Any] | None = None, typed: bool = True) -> Report:
    """Analyse the run records in ``folder`` and write tables, figures and ``report.html`` beside them.

    ``width`` is that of the table as text, in characters. ``figure`` says what to draw (see ``grammar.words``) and
    in which style (see ``figures.style``), else the latest run's configuration. If it cannot be drawn a line says
    why, unless a person has ``typed`` it.

    The records are only read. Every file is written whole or not at all. Of a figure of the paper, all workloads
    are drawn together as in the paper, with verdicts on its claims. One that is not made of runs has no report.

    Raises:
        ResultsError: no run in the folder ended well.
        ConfigError: ``figure`` was ``typed`` and cannot be drawn; nothing is written.
    """
    paper = paper_section(folder)
    if paper and not paper.sources.made_of_runs:
        return _without_runs(folder, paper, named(figure or {}))
    found = reading.load(folder)
    chart.begin()
    runs = [run for _, run in labels.in_order(found.runs)]
    score_checks = checks.compare_scores(runs)
    summary = experiment.summary(runs, score_checks)
    tables, brief = experiment.tables(summary), len(summary) > experiment.MANY
    problems = found.left_out
    words = words_of(runs, figure or {})
    look = named(words)
    gallery = figures.Gallery(folder / "figures", look)
    drawn, not_drawn = asked(gallery, runs, words, bool(figure) and typed)
    if paper:
        gallery.files += paper.save(folder, look)
        files_of = figures.links(folder / "figures", paper.figure.stem)
        drawn.insert(0, Plate.of(paper.picture, True, paper_charts.chart(paper.figure), files_of))
    else:
        drawn += gallery.comparisons(runs, summary, bool(drawn))
    over_time = gallery.timelines(folder, runs, problems)
    trees = gallery.trees(runs)
    _remove_stale(folder / "figures", gallery.files)
    title = str(runs[0].config.get("title") or runs[0].experiment) + runs[0].origin
    headline = findings.headline(runs, score_checks)
    said = [*not_drawn, *lines(runs, summary, score_checks)]
    unused = [f"Not used: {line}" for line in problems]
    page = render(
        TEMPLATE,
        up=f"../{TEMPLATE}" if (folder.parent / TEMPLATE).is_file() else "",
        compared=choice.runs([(runs[0].experiment, "", runs)]),
        records={run.run_id: chart.record(run.run_id) for run in runs},
        title=title,
        experiment=runs[0].experiment,
        headline=headline,
        doubtful=any(check.mismatches for check in score_checks),
        figures=drawn,
        trees=trees,
        timelines=over_time,
        verdicts=paper.table if paper else None,
        scaled=paper.sources.scaled if paper else (),
        lines=said,
        summary=tables,
        limits=processes.limits(runs),
        overlap=processes.overlap(runs),
        process=processes.process(runs),
        rounds=sections.rounds(runs),
        rankings=sections.rankings(runs),
        score_checks=sections.score_checks(score_checks),
        differences=sections.differences(score_checks),
        workloads=sections.facts(runs),
        environments=sections.environments(labels.in_order(runs)),
        provenance=sections.provenance(runs),
        commands=sections.commands(runs),
        problems=problems,
    )
    files = [
        write_text(folder / "summary.csv", formats.csv(summary)),
        *gallery.files,
        write_text(folder / "summary.md", _markdown(title, headline, tables, [*said, *unused])),
        write_text(folder / TEMPLATE, page),
    ]
    text = [
        _text(experiment.tables(summary, brief) if brief else tables, width),
        "",
        *(["All columns are in summary.csv and in the report.", ""] if brief else []),
        *([paper.text, ""] if paper else []),
        *said,
        *unused,
        _pictures(files),
        f"Report: {folder / TEMPLATE}",
    ]
    return Report(summary, score_checks, problems, files, "\n".join(text))


def words_of(runs: Sequence[Run], figure: Mapping[str, Any]) -> dict[str, Any]:
    """What the latest of ``runs`` and, above it, ``figure`` say of the figure."""
    said = max(runs, key=lambda run: run.started).config.get("figure")
    return {**(said if isinstance(said, Mapping) else {}), **figure}


def asked(
    gallery: figures.Gallery, runs: Sequence[Run], figure: Mapping[str, Any], typed: bool
) -> tuple[list[Plate], list[str]]:
    """The ``figure`` that is asked for, or a line that says why there is none, unless a person ``typed`` it."""
    try:
        words = Words.of(figure)
        return (gallery.charts(runs, words) if words else []), []
    except ConfigError as error:
        if typed:
            raise
        return [], [printable(f"Not drawn: {error}")]


def _without_runs(folder: Path, paper: PaperSection, look: Style) -> Report:
    files = paper.save(folder, look)
    problems = list(paper.sources.problems)
    text = [paper.text, "", *(f"Not used: {line}" for line in problems), _pictures(files)]
    return Report(paper.picture.data, [], problems, files, "\n".join(text))


def _pictures(files: Sequence[Path]) -> str:
    """The figures' names behind the folder that all of them lie in."""
    shown = [path for path in files if path.suffix == ".png"]
    where = f" in {shown[0].parent}" if shown else ""
    return f"Figures{where}: {', '.join(path.name for path in shown)}"


def lines(runs: Sequence[Run], summary: pd.DataFrame, score_checks: list[checks.ScoreCheck]) -> list[str]:
    """What stands under the table."""
    predicted = all(run.kind == "predicted" for run in runs if run.ok)
    return [
        "Scores: predictions compute none" if predicted else findings.score_line(score_checks),
        *(f"Numerics: {line}" for line in numerics.lines(runs)),
        *checks.targets(runs),
        *findings.code_lines(runs),
        *disturbances.lines(runs),
        *ties.lines(runs),
        *findings.excluded_lines(runs),
        *findings.cache_lines(runs, summary),
        *(f"Storage: {line}" for line in findings.storage_lines(runs)),
    ]


def _markdown(title: str, headline: str, tables: Sequence[Table], lines: Sequence[str]) -> str:
    parts = [f"# {formats.escape(title)}", formats.escape(headline)]
    for table in tables:
        parts += [f"## {formats.escape(table.title)}"] if table.title else []
        parts.append(formats.markdown(table))
    return "\n\n".join([*parts, "\n".join(f"- {formats.escape(line)}" for line in lines)]) + "\n"


def _text(tables: Sequence[Table], width: int) -> str:
    """``tables`` for a terminal."""
    parts = [f"{table.title}\n{formats.terminal(table, width)}" for table in tables]
    return "\n\n".join(parts).removeprefix("\n")


def _remove_stale(folder: Path, files: Sequence[Path]) -> None:
    """Remove figures of what is no longer among the records."""
    for path in folder.rglob("*"):  # also those for a paper
        if _FIGURE.fullmatch(path.name) and path not in files:
            path.unlink()
