"""What every figure of the paper is: title, claim, numbers, drawing, verdicts."""

from abc import ABC, abstractmethod
from typing import ClassVar

import pandas as pd
from matplotlib.figure import Figure as Drawing

from analysis.comparing import disturbances
from analysis.figures.picture import Picture
from analysis.paper.evidence.claims import Tested, Verdict, judge
from analysis.paper.evidence.slots import BEST
from analysis.paper.evidence.sources import RUNS, Source, Sources
from analysis.paper.kinds.stand_ins import stand_in
from analysis.tables.formats import Table

TRIED = "runs of the scale ci are too short to judge by"


class PaperFigure(ABC):
    """A figure of the paper from records. A file beside this folder's holds one, as a class named ``Figure``.

    Attributes:
        number: as the paper has it, ``"5"`` to ``"17"``, or a word.
        title: what it shows.
        claim: what to look for, a sentence.
        marks: what bars, whiskers and marks are, sentences.
        source: what its records are.
    """

    number: ClassVar[str]
    title: ClassVar[str]
    claim: ClassVar[str]
    marks: ClassVar[str]
    source: ClassVar[Source] = RUNS

    def __init__(self, sources: Sources) -> None:
        self.sources = sources

    @property
    @abstractmethod
    def data(self) -> pd.DataFrame:
        """Exactly the numbers that it shows."""

    @property
    @abstractmethod
    def missing(self) -> str:
        """What of it was not run, a sentence; empty if all was."""

    @abstractmethod
    def draw(self, title: str, caption: str) -> Drawing:
        """The figure. Call inside ``style.drawing()``."""

    @abstractmethod
    def verdicts(self) -> list[Verdict]:
        """What became of the paper's claims."""

    def stand_in(self, workload: str) -> str:
        """What was run for a published ``workload``, by its own name, with the memory that it names."""
        model, at, memory = workload.partition("@")
        configs = [run.config for key, run in self.sources.runs.items() if key.workload == workload]
        if workload in self.sources.models:
            configs.append(self.sources.models[workload].config or {})
        return f"{stand_in(configs[0], model)}{at}{memory}" if configs else workload

    @property
    def standing(self) -> dict[str, str]:
        """The published models that others stand in for, by the names of these."""
        there = dict.fromkeys([*(key.workload for key in self.sources.runs), *self.sources.models])
        names = {self.stand_in(name).partition("@")[0]: name.partition("@")[0] for name in there}
        return {name: workload for name, workload in names.items() if name != workload}

    @property
    def tables(self) -> list[Table]:
        """What its page shows beside it, each with a title; nothing unless a figure says otherwise."""
        return []

    @property
    def stem(self) -> str:
        """Name of its files without a suffix, e.g. ``"fig10"``."""
        return f"fig{int(self.number):02d}" if self.number.isdigit() else self.number

    @property
    def picture(self) -> Picture:
        """The figure with its texts: the claim to look for, what the marks are, what was scaled and is missing."""
        named = f"Figure {self.number}" if self.number.isdigit() else "Section 6.3"
        scale = "" if self.sources.scale == "paper" else f" ({self.sources.scale} scale)"
        origin = "".join(dict.fromkeys(run.origin for run in self.sources.runs.values()))
        caption = f"Claim to look for: {self.claim} {self.marks}"
        if any(key.approach == BEST for key in self.sources.runs):
            caption += f" {BEST} is ours at its best and not in the paper."
        if standing := [f"{name} for {workload}" for name, workload in self.standing.items()]:
            caption += f"\nStanding in: {'; '.join(standing)}."
        caption += disturbances.caption(self.sources.runs.values())
        if self.sources.scaled:
            caption += f"\nScaled: {'; '.join(line.rstrip('.') for line in self.sources.scaled)}."
        if self.missing:
            caption += f"\nMissing: {self.missing}."
        return Picture(f"{named}{scale}: {self.title}{origin}", caption, self.data, self.draw)

    @property
    def untested(self) -> str:
        """Why nothing is judged at this scale; empty if it is."""
        return TRIED if "ci" in self.sources.scale.split(", ") else ""

    def verdict(self, claim: str, *tested: Tested, untestable: str = "", construction: str = "") -> Verdict:
        """The verdict on ``claim``; see :func:`~analysis.paper.evidence.claims.judge`."""
        if self.untested:  # and no numbers that would look like an answer
            return judge(self.number, claim, [], untestable=self.untested)
        cases = [case for one in tested for case in one.cases]
        return judge(self.number, claim, cases, sum(one.missing for one in tested), untestable, construction)
