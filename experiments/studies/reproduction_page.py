"""A page of the documentation about one reproduction of the paper: figures, verdicts, times, hardware.

``python -m experiments.studies.reproduction_page results`` writes it from what ``alsatian reproduce`` left.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from alsatian.errors import AlsatianError
from alsatian.files import make_folder, write_bytes
from alsatian.records.reading import ResultsError
from alsatian.units import duration
from analysis.report.reproduction import Page, Reproduction, build


def lines(found: Reproduction, pictures: str) -> Iterator[str]:
    """The page; ``pictures`` is the folder of its figures, relative to the page."""
    runs = [run for page in found.pages for run in page.runs]
    scales = ", ".join(dict.fromkeys(page.section.sources.scale for page in found.pages))
    yield f"# The paper's figures at {scales} scale\n"
    yield "```"
    yield f"alsatian reproduce scale={scales}"
    yield "```\n"
    if runs:
        first = runs[0].environment
        machine = f"{first.cpu}, {first.cores} cores, {first.gpu or 'no GPU'}"
        versions = f"torch {first.libraries['torch']}, Python {first.python}"
        yield f"{runs[0].started[:10]}, {machine}; {versions}.\n"
    seconds = sum(page.seconds for page in found.pages)
    totals = {name: sum(page.counts[name] for page in found.pages) for name in found.pages[0].counts}
    verdicts = ", ".join(f"{number} {name}" for name, number in totals.items())
    yield f"{len(runs)} runs in {duration(seconds)}, with what is around them. Claims: {verdicts}.\n"
    yield "| figure | runs | time | " + " | ".join(totals) + " |"
    yield "|---|---:|---:|" + "---:|" * len(totals)
    for page in found.pages:
        numbers = " | ".join(str(number) for number in page.counts.values())
        yield f"| [{page.short}](#{page.anchor}) | {page.finished} | {page.took} | {numbers} |"
    for page in found.pages:
        yield from _figure(page, pictures)


def _figure(page: Page, pictures: str) -> Iterator[str]:
    section = page.section
    yield f'\n<a id="{page.anchor}"></a>\n'
    yield f"## {section.picture.title}\n"
    yield f"![{section.picture.title}]({pictures}/{page.anchor}.png)\n"
    yield "| claim | verdict | numbers |"
    yield "|---|---|---|"
    for verdict in section.verdicts:
        yield f"| {verdict.claim} | {verdict.result} | {verdict.numbers} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page and its pictures; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="the folder of the experiments' folders")
    parser.add_argument("--page", type=Path, default=Path("docs/results/laptop.md"), help="what to write")
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        found = build(options.results)
        pictures = options.page.with_suffix("")
        make_folder(pictures)
        for page in found.pages:
            name = f"{page.anchor}.png"
            shutil.copyfile(options.results / page.anchor / "figures" / name, pictures / name)
        write_bytes(options.page, ("\n".join(lines(found, pictures.name)) + "\n").encode())
    except (AlsatianError, ResultsError, OSError) as error:
        Console(stderr=True, soft_wrap=True).print(f"reproduction_page: {error}", markup=False, highlight=False)
        return 1
    console.print(f"written: {options.page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
