"""All figures of the paper that a results folder holds, as one report with a page for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from alsatian.files import write_text
from alsatian.records import ResultsError, Run
from alsatian.units import count_text, duration, printable
from analysis import paper
from analysis.comparing.labels import grouped
from analysis.paper import CLOSE, FAILS, GIVEN, HOLDS, UNTESTABLE, Section, Verdict
from analysis.report import choice, figures, sections
from analysis.report.charts import paper as charts
from analysis.report.charts.chart import begin, link, record
from analysis.report.others import Other, other
from analysis.report.pages import Plate, render
from analysis.tables.formats import Table

TEMPLATE = "reproduction.html"
FILE = "report.html"
# Of verdicts: its name in the style sheet and a sign for those who see no colours.
MARKS = {
    HOLDS: ("holds", "✓"),
    FAILS: ("fails", "✗"),
    CLOSE: ("open", "≈"),
    UNTESTABLE: ("open", "–"),
    GIVEN: ("open", "="),
}


@dataclass(frozen=True)
class Page:
    """One figure.

    Attributes:
        anchor: of its page, the name of the experiment's folder.
        section: the figure and its verdicts.
        plate: the figure as the page shows it.
        report: the experiment's own report, beside this one; None if it has none.
    """

    anchor: str
    section: Section
    plate: Plate
    report: str | None

    @property
    def short(self) -> str:
        """Its name where there is little room, e.g. ``"Fig 10"``."""
        number = self.section.figure.number
        return f"Fig\u00a0{number}" if number.isdigit() else number.capitalize()

    @property
    def numbers(self) -> Table:
        """The numbers that the figure shows."""
        data = self.section.picture.data.drop(columns="conditions", errors="ignore")
        return Table.of(data.dropna(axis="columns", how="all"))

    @property
    def records(self) -> dict[str, str | None]:
        """Links to the records of its runs, by run id."""
        return {run.run_id: record(run.run_id, self.anchor) for run in self.runs}

    @property
    def runs(self) -> list[Run]:
        """The runs behind it, finished or not; none for a figure about models."""
        return list(self.section.sources.runs.values())

    @property
    def counts(self) -> dict[str, int]:
        """How many of its claims have each of the verdicts."""
        results = [verdict.result for verdict in self.section.verdicts]
        return {result: results.count(result) for result in MARKS}

    @property
    def failing(self) -> list[Verdict]:
        """Verdicts on the claims that do not hold."""
        return [verdict for verdict in self.section.verdicts if verdict.result == FAILS]

    @property
    def finished(self) -> str:
        """How many of its runs ended well."""
        if not self.section.sources.made_of_runs:
            return "–"
        return f"{sum(run.ok for run in self.runs)} of {len(self.runs)}"

    @property
    def seconds(self) -> float:
        """How long its runs took, with what is around their measured repeats."""
        return sum(_seconds(run) for run in self.runs)

    @property
    def took(self) -> str:
        """The same for people."""
        return duration(self.seconds) if self.runs else "–"


@dataclass(frozen=True)
class Reproduction:
    """What :func:`build` found and wrote: the report's path, its pages, those of other experiments, and a line."""

    path: Path
    pages: Sequence[Page]
    others: Sequence[Other]
    text: str


def build(results: Path, failures: Sequence[str] = (), wanted: Mapping[str, str] | None = None) -> Reproduction:
    """Write ``<results>/report.html`` about every folder in ``results`` that holds a figure of the paper.

    Other experiments there, such as the quickstart and sweeps, have pages too. The records are only read.

    Args:
        results: the folder that the experiments' folders lie in.
        failures: what went wrong on the way, a line each, to be shown first.
        wanted: titles of experiments by name; those with nothing to show are named as missing.

    Raises:
        ResultsError: there is no figure of the paper in ``results``.
        OSError: the report cannot be written.
    """
    folders = [path for path in results.iterdir() if path.is_dir()] if results.is_dir() else []
    order = list(paper.figures())
    begin()
    sections_of = {folder: paper.section(folder) for folder in sorted(folders)}
    pages = [_page(folder, section) for folder, section in sections_of.items() if section]
    pages.sort(key=lambda page: (order.index(page.section.figure.number), page.anchor))
    if not pages:
        raise ResultsError(f"{results}: no folder here holds a figure of the paper")
    others = [found for folder, section in sections_of.items() if not section and (found := other(folder))]
    all_runs: list[tuple[str, str, Sequence[Run]]] = [(page.short, page.anchor, page.runs) for page in pages]
    all_runs += [(one.short, one.anchor, one.runs) for one in others]
    missing = {name: title for name, title in (wanted or {}).items() if name not in {p.anchor for p in pages}}
    totals = {result: sum(page.counts[result] for page in pages) for result in MARKS}
    scales = ", ".join(dict.fromkeys(page.section.sources.scale for page in pages))
    headline = _headline(totals, scales)
    content = render(
        TEMPLATE,
        title=f"The paper's figures, reproduced ({scales} scale)",
        headline=headline,
        doubtful=bool(totals[FAILS] or failures),
        pages=pages,
        others=others,
        compared=choice.runs(all_runs),
        marks=MARKS,
        failures=[printable(line) for line in failures],
        missing=missing,
        scaled=grouped((lines, page.short) for page in pages if (lines := page.section.sources.scaled)),
        took=duration(sum(page.seconds for page in pages)),
        measured=_measured(pages),
        environments=sections.environments((page.short, run) for page in pages for run in page.runs),
    )
    path = write_text(results / FILE, content)
    return Reproduction(path, pages, others, f"{headline} {count_text(len(pages), 'figure')}: {path}")


def _page(folder: Path, section: Section) -> Page:
    report = link(folder.name, FILE) if (folder / FILE).is_file() else None
    files = figures.links(folder / "figures", section.figure.stem, folder.name)
    drawn = charts.chart(section.figure, folder.name)
    return Page(folder.name, section, Plate.of(section.picture, True, drawn, files), report)


def _headline(totals: Mapping[str, int], scales: str) -> str:
    """What became of the claims; those that are true by construction are no part of the total."""
    total = sum(totals.values()) - totals[GIVEN]
    claims = f"{count_text(total, 'claim')} of the paper, at {scales} scale, "
    beside = f" {totals[GIVEN]} more {'is' if totals[GIVEN] == 1 else 'are'} true by construction." * bool(
        totals[GIVEN]
    )
    if total == totals[UNTESTABLE]:
        return f"Of {claims}none can be tested.{beside}"
    words = [f"{totals[HOLDS]} hold{'s' if totals[HOLDS] == 1 else ''}"]
    words += [f"{totals[FAILS]} {'does' if totals[FAILS] == 1 else 'do'} not"] if totals[FAILS] else []
    words += [f"{totals[CLOSE]} {'is' if totals[CLOSE] == 1 else 'are'} too close to call"] if totals[CLOSE] else []
    words += [f"{totals[UNTESTABLE]} cannot be tested"] if totals[UNTESTABLE] else []
    return f"Of {claims}{', '.join(words)}.{beside}"


def _seconds(run: Run) -> float:
    if run.finished is None:
        return 0.0
    if run.config.get("interleaved"):  # it began and ended with those that it took turns with
        return sum(repeat.wall_s for repeat in run.repeats)
    try:
        return (datetime.fromisoformat(run.finished) - datetime.fromisoformat(run.started)).total_seconds()
    except (ValueError, TypeError):  # no dates, or of different kinds
        return 0.0


def _measured(pages: Sequence[Page]) -> str:
    """The days of the first and the last run; empty without runs."""
    days = sorted({run.started.partition("T")[0] for page in pages for run in page.runs})
    return " to ".join(dict.fromkeys([days[0], days[-1]])) if days else ""
