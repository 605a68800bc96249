"""A page about one reproduction of the paper.

Figures, verdicts, times and hardware, from what ``alsatian reproduce`` left; it is named after the scale.
"""

import argparse
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from alsatian.errors import AlsatianError
from alsatian.files import make_folder
from alsatian.records import ResultsError
from alsatian.units import duration
from analysis.report.reproduction import Page as Figure
from analysis.report.reproduction import Reproduction, build
from analysis.tables.formats import markdown
from experiments.studies import freshness
from experiments.studies.study import Page, Say, table

REPORT = "report.html"
"""What ``alsatian reproduce`` writes into the folder, with an entry of what its numbers come from."""


def page(found: Reproduction) -> Page:
    """The page, which expects its pictures in a folder of its own name beside it."""
    runs = [run for figure in found.pages for run in figure.runs]
    scales = ", ".join(dict.fromkeys(figure.section.sources.scale for figure in found.pages))
    blocks = [f"```\nalsatian reproduce scale={scales}\n```"]
    if runs:
        first = runs[0].environment
        machine = f"{first.cpu}, {first.cores} cores, {first.gpu or 'no GPU'}"
        versions = f"torch {first.libraries['torch']}, Python {first.python}"
        blocks.append(f"Measured on {runs[0].started[:10]}, {machine}; {versions}.")
    seconds = sum(figure.seconds for figure in found.pages)
    totals = {name: sum(figure.counts[name] for figure in found.pages) for name in found.pages[0].counts}
    verdicts = ", ".join(f"{number} {name}" for name, number in totals.items() if number)
    blocks.append(f"{len(runs)} runs in {duration(seconds)}, with what is around them. Claims: {verdicts}.")
    rows = [
        {"figure": f"[{one.short}](#{one.anchor})", "runs": one.finished, "time": one.took, **one.counts}
        for one in found.pages
    ]
    blocks.append(table(rows))
    blocks += [block for figure in found.pages for block in _figure(figure, scales)]
    return Page(f"The paper's figures at {scales} scale", blocks, name=scales)


def _figure(figure: Figure, pictures: str) -> list[str]:
    section = figure.section
    title = section.picture.title
    verdicts = [{"claim": v.claim, "verdict": v.result, "numbers": v.numbers} for v in section.verdicts]
    picture = f"![{title}]({pictures}/{figure.anchor}.png)"
    more = [text for one in section.figure.tables for text in (one.title, markdown(one))]
    return [f'<a id="{figure.anchor}"></a>', f"## {title}", picture, table(verdicts), *more]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the study's arguments."""
    parser.add_argument("results", type=Path, help="the folder of the experiments' folders")


def run(options: argparse.Namespace, say: Say) -> Iterator[Page]:
    """Write the report anew, copy its pictures and yield the page."""
    try:
        found = build(options.results)
    except ResultsError as error:
        raise AlsatianError(str(error)) from None
    made = page(found)
    make_folder(options.out / made.name)
    for figure in found.pages:
        name = f"{figure.anchor}.png"
        shutil.copyfile(options.results / figure.anchor / "figures" / name, options.out / made.name / name)

    def source(now: freshness.Entry) -> freshness.Entry:
        command = f"alsatian reproduce scale={made.name}"
        if noted := freshness.entries(options.results).get(REPORT):
            return noted.model_copy(update={"command": command})
        return freshness.of_records(now, command, [run for figure in found.pages for run in figure.runs])

    yield replace(made, source=source)
